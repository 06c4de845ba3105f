//! SmoothGrad (Smilkov and others 2017): saliency of a gradient that is averaged over noise,
//!
//! ```text
//! g          = mean over n of d score / d image at (image + deviation * noise_n)
//! map[y, x]  = max over channels of |g[y, x, channel]|
//! ```
//! with normal noise and deviation = 0.15 (largest - least number of the scaled image); the paper has 10
//! to 20 %. 50 samples. Of the size of the network's input; both signs have the same map.
//!
//! Noise n has the key rank(seed, "smoothgrad/n") / 2^40 (`data/draw.rs`) for every image, and
//! `shaders/pointwise/blend.wgsl` says how a key becomes noise.

use super::sampled::{Argument, Copies, Layout, Reads, Sampling, Subject, map_of};
use super::{Kind, Method};
use crate::draw;
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::Noise;
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "smoothgrad",
    about: "saliency of the gradient averaged over 50 noisy copies",
    relu: false,
    kind: Kind::Sampled(&SmoothGrad),
};

const SAMPLES: usize = 50;
const DEVIATION: f32 = 0.15;

#[derive(Debug)]
struct SmoothGrad;

impl Sampling for SmoothGrad {
    fn of_layer(&self) -> bool {
        false
    }

    fn copies(
        &self,
        graph: &mut Graph,
        _layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        let rows = rows(graph, &[2])?;
        let stand_in = graph.add("copies/noise", Noise, &[source, rows])?;
        Ok(Copies { stand_in, reads: Reads::Gradient, fixed: Vec::new() })
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument::Samples]
    }

    fn count(&self, layout: &Layout) -> usize {
        layout.settings.samples.unwrap_or(SAMPLES)
    }

    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]) {
        let most = subject.image.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let least = subject.image.iter().copied().fold(f32::INFINITY, f32::min);
        let key = draw::rank(subject.layout.settings.seed, &format!("smoothgrad/{copy}")) >> 40;
        row.copy_from_slice(&[DEVIATION * (most - least), key as f32]);
    }

    fn map(&self, subject: &Subject, found: &[f64], _sign: f64) -> Tensor {
        let [h, w, c] = subject.layout.image;
        let samples = self.count(subject.layout) as f64;
        map_of([h, w], |pixel| {
            let gradient = &found[pixel * c..(pixel + 1) * c];
            gradient.iter().fold(0.0, |most: f64, value| most.max(value.abs())) / samples
        })
    }
}
