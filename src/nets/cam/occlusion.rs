//! Occlusion (Zeiler and Fergus 2014, section 4.2): what the score loses when a square is covered,
//!
//! ```text
//! map[i, j]  = score(image) - score(image with the square around cell (i, j) covered)
//! ```
//! The input is divided into cells of `stride` pixels from the upper left corner, the last ones cut off by
//! the edge; a square of `patch` pixels stands around the middle of a whole cell, as far as it lies within
//! the image: from i stride + floor((stride - patch) / 2) on. By default a patch is an eighth of the
//! shorter side and the stride half of that: about 16 x 16 forward passes. Squares are 0 of the scaled
//! numbers, the paper's grey, or black. The map has a number a cell and no ReLU. Sign -1 turns it.

use super::sampled::{Argument, Copies, Layout, Reads, Sampling, Subject, map_of};
use super::{Kind, Method};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::Cover;
use crate::engine::tensor::Tensor;
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "occlusion",
    about: "what the score loses when a square is covered, square by square",
    relu: false,
    kind: Kind::Sampled(&Occlusion),
};

#[derive(Debug)]
struct Occlusion;

/// The side of a square, the distance of two, and how many there are, down and across.
fn grid(layout: &Layout) -> (usize, usize, [usize; 2]) {
    let [h, w, _] = layout.image;
    let patch = layout.settings.patch.unwrap_or((h.min(w) / 8).max(1));
    let stride = layout.settings.stride.unwrap_or((patch / 2).max(1));
    (patch, stride, [h.div_ceil(stride), w.div_ceil(stride)])
}

impl Sampling for Occlusion {
    fn of_layer(&self) -> bool {
        false
    }

    fn copies(
        &self,
        graph: &mut Graph,
        layout: &Layout,
        source: Value,
        rows: &mut dyn FnMut(&mut Graph, &[usize]) -> Result<Value>,
    ) -> Result<Copies> {
        let squares = rows(graph, &[4])?;
        let base = graph.input("copies/base", [layout.image[2]])?;
        let stand_in = graph.add("copies/covered", Cover, &[source, base, squares])?;
        let fixed = vec![("copies/base", layout.base.clone())];
        Ok(Copies { stand_in, reads: Reads::Scores, fixed })
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument::Baseline, Argument::Patch, Argument::Stride]
    }

    fn size(&self, layout: &Layout) -> [usize; 2] {
        grid(layout).2
    }

    fn count(&self, layout: &Layout) -> usize {
        let (.., [down, across]) = grid(layout);
        down * across
    }

    fn fill(&self, subject: &Subject, copy: usize, row: &mut [f32]) {
        let [h, w, _] = subject.layout.image;
        let (patch, stride, [_, across]) = grid(subject.layout);
        let span = |cell: usize, length: usize| {
            let start = (cell * stride) as isize + (stride as isize - patch as isize).div_euclid(2);
            let inside = |at: isize| at.clamp(0, length as isize) as f32;
            [inside(start), inside(start + patch as isize)]
        };
        let ([top, bottom], [left, right]) = (span(copy / across, h), span(copy % across, w));
        row.copy_from_slice(&[top, bottom, left, right]);
    }

    fn map(&self, subject: &Subject, found: &[f64], sign: f64) -> Tensor {
        map_of(self.size(subject.layout), |cell| sign * (subject.score - found[cell]))
    }
}
