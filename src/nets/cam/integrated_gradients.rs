//! Integrated gradients (Sundararajan and others 2017, equation 3), along the straight line from a
//! baseline to the image in m steps:
//!
//! ```text
//! g          = mean over k = 1..m of d score / d image at (base + k / m * (image - base))
//! map[y, x]  = sum over channels of (image - base)[y, x, channel] * g[y, x, channel]
//! ```
//! 50 steps; the paper has 20 to 300. The baseline is black, as the paper has it, or 0 of the scaled
//! numbers. Of the size of the network's input, without a ReLU. Sign -1 turns the map, whose sum is about
//! the score minus that of the baseline.

use super::sampled::{Argument, Copies, Layout, Reads, Sampling, Subject, map_of};
use super::{Baseline, Kind, Method};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::Blend;
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "integrated-gradients",
    about: "gradients along 50 steps from black to the image, times the way",
    relu: false,
    kind: Kind::Sampled(&IntegratedGradients),
};

const STEPS: usize = 50;

#[derive(Debug)]
struct IntegratedGradients;

impl Sampling for IntegratedGradients {
    fn of_layer(&self) -> bool {
        false
    }

    fn baseline(&self) -> Baseline {
        Baseline::Black
    }

    fn copies(
        &self,
        graph: &mut Graph,
        layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        let part = rows(graph, &[1, 1, 1])?;
        let base = graph.input("copies/base", [layout.image[2]])?;
        let stand_in = graph.add("copies/steps", Blend, &[source, base, part])?;
        let fixed = vec![("copies/base", layout.base.clone())];
        Ok(Copies { stand_in, reads: Reads::Gradient, fixed })
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument::Samples, Argument::Baseline]
    }

    fn count(&self, layout: &Layout) -> usize {
        layout.settings.samples.unwrap_or(STEPS)
    }

    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]) {
        row[0] = ((copy + 1) as f64 / self.count(subject.layout) as f64) as f32;
    }

    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor {
        let [h, w, c] = subject.layout.image;
        let steps = self.count(subject.layout) as f64;
        map_of([h, w], |pixel| {
            let way = |channel: usize| {
                let base = f64::from(subject.layout.base[channel]);
                f64::from(subject.image[pixel * c + channel]) - base
            };
            let sum: f64 = (0..c).map(|channel| way(channel) * found[pixel * c + channel]).sum();
            sign * sum / steps
        })
    }
}
