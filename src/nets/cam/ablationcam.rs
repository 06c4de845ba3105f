//! Ablation-CAM (Desai and Ramaswamy 2020): a channel weighs as much as the score loses without it,
//!
//! ```text
//! weight_c   = (score - score with activation[.., .., c] = 0) / |score|
//! map[h, w]  = max(0, sum over c of weight_c * activation[h, w, c])
//! ```
//! The paper divides by the score itself, which it takes to be positive; of a negative one it would turn
//! what speaks for the class into what speaks against it, so its magnitude is taken here (1 where it is 0).
//! One forward pass from the layer on for each channel, and one for all that are 0 anyway. Sign -1 turns the weights.

use super::sampled::{Copies, Layout, Reads, Sampling, Subject};
use super::scorecam::{channel, weighted};
use super::{Kind, Method};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::Blend;
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "ablationcam",
    about: "activation weighted by what the score loses without each channel",
    relu: true,
    kind: Kind::Sampled(&AblationCam),
};

#[derive(Debug)]
struct AblationCam;

impl Sampling for AblationCam {
    fn of_layer(&self) -> bool {
        true
    }

    fn at_layer(&self) -> bool {
        true
    }

    fn copies(
        &self,
        graph: &mut Graph,
        layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        let channels = layout.activation[2];
        let kept = rows(graph, &[1, 1, channels])?;
        let base = graph.input("copies/base", [channels])?;
        let stand_in = graph.add("copies/ablated", Blend, &[source, base, kept])?;
        let fixed = vec![("copies/base", vec![0.0; channels])];
        Ok(Copies { stand_in, reads: Reads::Scores, fixed })
    }

    fn count(&self, layout: &Layout) -> usize {
        layout.activation[2]
    }

    fn alike(&self, subject: &Subject, copy: usize) -> bool {
        channel(subject, copy).all(|value| value == 0.0)
    }

    fn fill(&self, _subject: &Subject, copy: usize, row: &mut [f32]) {
        row.fill(1.0);
        row[copy] = 0.0;
    }

    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor {
        let size = if subject.score == 0.0 { 1.0 } else { subject.score.abs() };
        weighted(subject, |channel| sign * (subject.score - found[channel]) / size)
    }
}
