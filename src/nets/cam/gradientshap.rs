//! GradientSHAP, expected gradients (Lundberg and Lee 2017; Erion and others 2021): integrated gradients
//! whose baseline and step are drawn,
//!
//! ```text
//! map[y, x]  = mean over n of sum over channels of
//!              (image - base_n) * d score / d image at (base_n + part_n * (image - base_n))
//! ```
//! part_n uniform in [0, 1), base_n one of the background images, or where there is none black, or 0 of the
//! scaled numbers. 50 samples. Of the size of the network's input, without a ReLU. Sign -1 turns the map.
//!
//! part_n is rank(seed, "gradientshap/part/n") / 2^64, base_n is number
//! rank(seed, "gradientshap/base/n") mod their count (`data/draw.rs`), for every image.

use super::sampled::{Argument, Copies, Layout, Reads, Sampling, Subject, map_of};
use super::{Baseline, Kind, Method};
use crate::draw;
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::SliceChannels;
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "gradientshap",
    about: "integrated gradients over 50 drawn steps and baselines (--background)",
    relu: false,
    kind: Kind::Sampled(&GradientShap),
};

const SAMPLES: usize = 50;

#[derive(Debug)]
struct GradientShap;

impl Sampling for GradientShap {
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
        _source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        // The channels of the copy, then those of the way to it from its baseline.
        let [h, w, count] = layout.image;
        let rows = rows(graph, &[h, w, 2 * count])?;
        let part = |start| SliceChannels { start, count };
        let stand_in = graph.add("copies/points", part(0), &[rows])?;
        let way = graph.add("copies/way", part(count), &[rows])?;
        Ok(Copies { stand_in, reads: Reads::GradientTimes(way), fixed: Vec::new() })
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument::Samples, Argument::Baseline, Argument::Background]
    }

    fn count(&self, layout: &Layout) -> usize {
        layout.settings.samples.unwrap_or(SAMPLES)
    }

    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]) {
        let Layout { settings, base, .. } = subject.layout;
        let draw = |what: &str| draw::rank(settings.seed, &format!("gradientshap/{what}/{copy}"));
        let part = (draw("part") >> 11) as f64 / (1u64 << 53) as f64;
        let c = base.len();
        let background = match settings.background.len() {
            0 => None,
            images => Some(&settings.background[(draw("base") % images as u64) as usize]),
        };
        for (pixel, point) in row.chunks_mut(2 * c).enumerate() {
            for channel in 0..c {
                let at = pixel * c + channel;
                let from = background.map_or(base[channel], |image| image[at]);
                let way = subject.image[at] - from;
                point[channel] = (f64::from(from) + part * f64::from(way)) as f32;
                point[c + channel] = way;
            }
        }
    }

    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor {
        let [h, w, c] = subject.layout.image;
        let samples = self.count(subject.layout) as f64;
        map_of([h, w], |pixel| {
            sign * found[pixel * c..(pixel + 1) * c].iter().sum::<f64>() / samples
        })
    }
}
