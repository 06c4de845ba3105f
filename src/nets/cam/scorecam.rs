//! Score-CAM (Wang and others 2020, algorithm 1): a channel weighs as much as the score of the image seen
//! through it,
//!
//! ```text
//! mask_c     = activation[.., .., c], bilinear at the input's size, from its least value to its largest
//!              stretched to 0..1
//! s_c        = score(image * mask_c) - score(0)
//! map[h, w]  = max(0, sum over c of exp(s_c) / (sum over k of exp(s_k)) * activation[h, w, c])
//! ```
//! The image is the scaled one, so what a mask hides becomes 0 of the network's numbers. score(0) cancels
//! in the quotient and is not computed. A channel without a range has an empty mask. One forward pass for
//! each channel, and one for all that have none. Sign -1 turns s.

use super::sampled::{Copies, Layout, Reads, Sampling, Subject, map_of};
use super::{Kind, Method};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::{Blend, ResizeBilinear, Stretch};
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "scorecam",
    about: "activation weighted by the scores of the image seen through each channel",
    relu: true,
    kind: Kind::Sampled(&ScoreCam),
};

#[derive(Debug)]
struct ScoreCam;

impl Sampling for ScoreCam {
    fn of_layer(&self) -> bool {
        true
    }

    fn copies(
        &self,
        graph: &mut Graph,
        layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        let ([h, w, _], [height, width, channels]) = (layout.activation, layout.image);
        let maps = rows(graph, &[h, w, 1])?;
        let base = graph.input("copies/base", [channels])?;
        let up = graph.add("copies/resized", ResizeBilinear { height, width }, &[maps])?;
        let masks = graph.add("copies/masks", Stretch { from_least: true }, &[up])?;
        let stand_in = graph.add("copies/masked", Blend, &[source, base, masks])?;
        let fixed = vec![("copies/base", vec![0.0; channels])];
        Ok(Copies { stand_in, reads: Reads::Scores, fixed })
    }

    fn count(&self, layout: &Layout) -> usize {
        layout.activation[2]
    }

    fn alike(&self, subject: &Subject, copy: usize) -> bool {
        channel(subject, copy).all(|value| value == subject.activation[copy])
    }

    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]) {
        for (value, of_channel) in row.iter_mut().zip(channel(subject, copy)) {
            *value = of_channel;
        }
    }

    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor {
        let most = found.iter().fold(f64::NEG_INFINITY, |most, s| most.max(sign * s));
        let weights: Vec<f64> = found.iter().map(|s| (sign * s - most).exp()).collect();
        let total: f64 = weights.iter().sum();
        weighted(subject, |channel| weights[channel] / total)
    }
}

/// Channel number `index` of the activation.
pub(super) fn channel(subject: &Subject, index: usize) -> impl Iterator<Item = f32> {
    subject.activation.iter().copied().skip(index).step_by(subject.layout.activation[2])
}

/// The sum of the activation's channels by `weights`.
pub(super) fn weighted(subject: &Subject, weight: impl Fn(usize) -> f64) -> Tensor {
    let [h, w, c] = subject.layout.activation;
    map_of([h, w], |pixel| {
        let channels = &subject.activation[pixel * c..(pixel + 1) * c];
        channels.iter().enumerate().map(|(k, &value)| weight(k) * f64::from(value)).sum()
    })
}
