//! Images blurred with a Gaussian.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, 1) -> the same shape: the mean of each pixel's surroundings by a Gaussian that ends at
/// three deviations. What lies outside of the image does not count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blur {
    /// In pixels; above 0.
    pub deviation: f32,
}

impl Blur {
    fn radius(&self) -> usize {
        (3.0 * self.deviation).ceil() as usize
    }

    /// The blurred value at `at` of a line of `size` values, `value` telling which.
    fn at(&self, at: usize, size: usize, value: impl Fn(usize) -> f64) -> f64 {
        let radius = self.radius();
        let (mut sum, mut weights) = (0.0, 0.0);
        for other in at.saturating_sub(radius)..(at + radius + 1).min(size) {
            let apart = other.abs_diff(at) as f64 / f64::from(self.deviation);
            let weight = (-0.5 * apart * apart).exp();
            sum += weight * value(other);
            weights += weight;
        }
        sum / weights
    }
}

impl Operation for Blur {
    fn name(&self) -> &'static str {
        "blur"
    }

    fn describe(&self) -> String {
        format!("gaussian blur, deviation {}", self.deviation)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        if c != 1 || n * h * w == 0 {
            let problem = format!("takes pixels (N, H, W, 1), was given {}", inputs[0]);
            return Err(Error::shape(self.name(), problem));
        }
        if !(self.deviation > 0.0 && self.deviation <= 1000.0) {
            return Err(Error::shape(self.name(), "the deviation must be above 0, 1000 at most"));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let x = inputs[0].data();
        let shape = inputs[0].shape().clone();
        let rows = Tensor::from_fn(shape.clone(), |pixel| {
            self.at(pixel % w, w, |column| x[pixel / w * w + column])
        });
        vec![Tensor::from_fn(shape, |pixel| {
            let first = pixel / (h * w) * h * w + pixel % w;
            self.at(pixel / w % h, h, |row| rows.data()[first + row * w])
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc(self.name(), lowering.output)?;
        let variance = f64::from(self.deviation) * f64::from(self.deviation);
        let count = n * h * w;
        let dispatch = |entry| {
            Dispatch::new("blur", entry)
                .rounds(2 * self.radius() + 1)
                .param("count", count)
                .param("height", h)
                .param("width", w)
                .param("radius", self.radius())
                .param("power", (-0.5 * std::f64::consts::LOG2_E / variance) as f32)
                .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
        };
        let along = dispatch("along").bind("x", Operand::Input(0));
        let down = dispatch("down").bind("rows", Operand::Scratch(0));
        Ok(Lowered {
            dispatches: vec![
                along.bind("sums", Operand::Scratch(0)),
                down.bind("y", Operand::Output),
            ],
            scratch: vec![count],
        })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (4 * (2 * self.radius() + 1) * output.elements()) as u64
    }
}

/// Odd sizes, one pixel, one row, one column, a window larger than the image, one that sees nothing.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, dims, deviation) in [
        ("odd sizes", [2, 13, 11, 1], 1.5),
        ("one pixel", [2, 1, 1, 1], 1.5),
        ("one row", [1, 1, 70, 1], 2.0),
        ("one column", [3, 23, 1, 1], 0.7),
        ("wide", [1, 5, 6, 1], 9.0),
        ("narrow", [1, 5, 6, 1], 0.1),
    ] {
        let inputs = [(dims.into(), Fill::Uniform(0.0, 255.0))];
        cases.push(Case::new(name, Blur { deviation }, inputs));
    }
    let inputs = [([16, 128, 128, 1].into(), Fill::Uniform(0.0, 255.0))];
    cases.push(Case::new("16 of 128x128", Blur { deviation: 1.5 }, inputs).bench_only());
    cases
}
