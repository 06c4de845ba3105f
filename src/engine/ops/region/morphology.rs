//! Dilation and erosion by a disc or a square.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, 1) -> the same shape: the largest or the smallest value within `radius`. What lies
/// outside of the image never wins, so erosion leaves the border alone.
///
/// [`Pool`](crate::engine::ops::Pool) finds maxima of squares as well, and neither minima nor discs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Morphology {
    /// The maximum, dilation; otherwise the minimum, erosion.
    pub dilate: bool,
    /// Pixels at most `radius` away; otherwise a square of side 2 radius + 1.
    pub disc: bool,
    /// In pixels; [`Self::MOST`] at most.
    pub radius: usize,
}

impl Morphology {
    /// The largest radius.
    pub const MOST: usize = 100;
}

impl Operation for Morphology {
    fn name(&self) -> &'static str {
        "morphology"
    }

    fn describe(&self) -> String {
        let what = if self.dilate { "dilation" } else { "erosion" };
        let shape = if self.disc { "disc" } else { "square" };
        format!("{what} by a {shape} of radius {}", self.radius)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [_, _, _, c] = expect_nhwc(self.name(), inputs[0])?;
        if c != 1 || inputs[0].elements() == 0 || self.radius > Self::MOST {
            let problem = format!(
                "takes pixels (N, H, W, 1) and a radius up to {}, was given {} and {}",
                Self::MOST,
                inputs[0],
                self.radius
            );
            return Err(Error::shape(self.name(), problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let x = inputs[0].data();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |pixel| {
            let (first, row, column) = (pixel / (h * w) * h * w, pixel / w % h, pixel % w);
            let mut found = x[pixel];
            for y in row.saturating_sub(self.radius)..(row + self.radius + 1).min(h) {
                for at in column.saturating_sub(self.radius)..(column + self.radius + 1).min(w) {
                    let square = y.abs_diff(row).pow(2) + at.abs_diff(column).pow(2);
                    if self.disc && square > self.radius * self.radius {
                        continue;
                    }
                    let value = x[first + y * w + at];
                    found = if self.dilate { found.max(value) } else { found.min(value) };
                }
            }
            found
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc(self.name(), lowering.output)?;
        let side = 2 * self.radius + 1;
        let count = n * h * w;
        Ok(Dispatch::new("morphology", "reach")
            .rounds(side * (side + 1))
            .constant("DISC", u32::from(self.disc))
            .constant("TURN", if self.dilate { 1.0 } else { -1.0 })
            .param("count", count)
            .param("height", h)
            .param("width", w)
            .param("radius", self.radius)
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        ((2 * self.radius + 1).pow(2) * output.elements()) as u64
    }
}

/// Odd sizes, one pixel, one row, one column, a radius of 0 and one beyond the image.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dilate in [true, false] {
        for disc in [true, false] {
            for (name, dims, fill, radius) in [
                ("odd sizes", [2, 13, 11, 1], Fill::Distinct, 3),
                ("a mask", [1, 17, 9, 1], Fill::Binary, 1),
                ("one pixel", [3, 1, 1, 1], Fill::Signed, 2),
                ("one row", [1, 1, 70, 1], Fill::Distinct, 2),
                ("one column", [2, 23, 1, 1], Fill::Distinct, 4),
                ("beyond the image", [1, 5, 6, 1], Fill::Distinct, 9),
                ("itself", [1, 5, 6, 1], Fill::Distinct, 0),
            ] {
                let operation = Morphology { dilate, disc, radius };
                let name = format!("{name}, {}", operation.describe());
                let inputs = [(dims.into(), fill)];
                cases.push(Case::new(name, operation, inputs).tolerance(0.0));
            }
        }
    }
    let operation = Morphology { dilate: true, disc: true, radius: 5 };
    let inputs = [([16, 128, 128, 1].into(), Fill::Binary)];
    cases.push(Case::new("16 of 128x128", operation, inputs).bench_only());
    cases
}
