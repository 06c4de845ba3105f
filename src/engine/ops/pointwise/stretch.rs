//! Each image of a batch stretched to the range 0 to 1.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, C) -> the same shape: (x - low) / (max - low) of each image, 0 where max <= low.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Whether low is the image's least value; otherwise it is 0.
    pub from_least: bool,
}

impl Operation for Stretch {
    fn name(&self) -> &'static str {
        "stretch"
    }

    fn describe(&self) -> String {
        let low = if self.from_least { "its least value" } else { "0" };
        format!("stretch each image from {low} to its largest")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        if expect_nhwc(self.name(), inputs[0])?.contains(&0) {
            return Err(Error::shape(self.name(), format!("{} has no elements", inputs[0])));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut stretched = inputs[0].clone();
        for image in stretched.data_mut().chunks_mut(h * w * c) {
            let most = image.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let least = image.iter().copied().fold(f64::INFINITY, f64::min);
            let low = if self.from_least { least } else { 0.0 };
            let scale = if most > low { 1.0 / (most - low) } else { 0.0 };
            image.iter_mut().for_each(|value| *value = (*value - low) * scale);
        }
        vec![stretched]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let dispatch = |entry, groups: usize| {
            Dispatch::new("stretch", entry)
                .rounds((h * w * c).div_ceil(64))
                .constant("FROM_LEAST", u32::from(self.from_least))
                .param("images", n)
                .param("area", h * w)
                .param("channels", c)
                .bind("x", Operand::Input(0))
                .workgroups(grid(groups, lowering.capabilities.max_workgroups))
        };
        let extremes = dispatch("extremes", n).bind("range", Operand::Scratch(0));
        let apply = dispatch("apply", lowering.output.elements().div_ceil(64))
            .bind("found", Operand::Scratch(0))
            .bind("y", Operand::Output);
        Ok(Lowered { dispatches: vec![extremes, apply], scratch: vec![2 * n] })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        4 * output.elements() as u64
    }
}

/// Odd sizes, images without a range, nothing above 0.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for from_least in [true, false] {
        for (name, dims, fill) in [
            ("signed", [3, 5, 7, 1], Fill::Signed),
            ("channels", [2, 3, 4, 5], Fill::Signed),
            ("one element", [2, 1, 1, 1], Fill::Signed),
            ("larger than a workgroup", [2, 31, 17, 1], Fill::Uniform(2.0, 3.0)),
            ("constant", [2, 3, 3, 1], Fill::Values(&[0.75])),
            ("nothing above 0", [2, 3, 3, 1], Fill::Uniform(-2.0, -1.0)),
        ] {
            let name = format!("{name}{}", if from_least { ", from the least" } else { "" });
            cases.push(Case::new(name, Stretch { from_least }, [(dims.into(), fill)]));
        }
    }
    let inputs = [([16, 224, 224, 1].into(), Fill::Signed)];
    cases.push(Case::new("large", Stretch { from_least: true }, inputs).bench_only());
    cases
}
