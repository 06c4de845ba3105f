//! Probabilities of log-odds.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// u (N, H, W, 1) -> 1 / (1 + exp(-u)).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

impl Operation for Sigmoid {
    fn name(&self) -> &'static str {
        "sigmoid"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("sigmoid", inputs, 1)?;
        match expect_nhwc("sigmoid", inputs[0])? {
            [_, _, _, 1] => Ok(inputs[0].clone()),
            _ => {
                Err(Error::shape("sigmoid", format!("takes one channel, was given {}", inputs[0])))
            }
        }
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let u = inputs[0];
        vec![Tensor::from_fn(u.shape().clone(), |at| 1.0 / (1.0 + (-u.data()[at]).exp()))]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let count = lowering.output.elements();
        Ok(Dispatch::new("sigmoid", "sigmoid")
            .param("count", count)
            .bind("u", Operand::Input(0))
            .bind("y", Operand::Output)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }
}

/// Odd sizes, one pixel, far from 0.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, dims, fill) in [
        ("odd sizes", [3, 7, 9, 1], Fill::Uniform(-9.0, 9.0)),
        ("one pixel", [1, 1, 1, 1], Fill::Signed),
        ("far out", [1, 2, 3, 1], Fill::Values(&[-80.0, 80.0, 0.0])),
    ] {
        cases.push(Case::new(name, Sigmoid, [(dims.into(), fill)]));
    }
    let inputs = [([16, 128, 128, 1].into(), Fill::Signed)];
    cases.push(Case::new("16 of 128x128", Sigmoid, inputs).bench_only());
    cases
}
