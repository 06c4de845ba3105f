//! The sum of all rows, channel by channel: the gradient of a bias.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::convolution::conv2d_gradients::split;
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::Result;

/// x (..., C) to (C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumRows;

impl Operation for SumRows {
    fn name(&self) -> &'static str {
        "sum_rows"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("sum_rows", inputs, 1)?;
        Ok([inputs[0].channels()].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let channels = inputs[0].shape().channels();
        let mut sums = Tensor::zeros([channels]);
        for (index, value) in inputs[0].data().iter().enumerate() {
            sums.data_mut()[index % channels] += value;
        }
        vec![sums]
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let (rows, channels) = (lowering.inputs[0].rows(), lowering.inputs[0].channels());
        let capabilities = lowering.capabilities;
        let (splits, each) = split(rows, 1, channels.div_ceil(64), capabilities);
        let add = |entry, invocations: usize| {
            Dispatch::new("sum_rows", entry)
                .param("rows", rows)
                .param("channels", channels)
                .param("splits", splits)
                .param("split_rows", each)
                .workgroups(grid(invocations.div_ceil(64), capabilities.max_workgroups))
        };
        let first = add("naive", channels * splits).bind("x", Operand::Input(0));
        if splits == 1 {
            return Ok(first.bind("partial", Operand::Output).into());
        }
        let second =
            add("reduce", channels).bind("parts", Operand::Scratch(0)).bind("y", Operand::Output);
        Ok(Lowered {
            dispatches: vec![first.bind("partial", Operand::Scratch(0)), second],
            scratch: vec![splits * channels],
        })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        inputs[0].elements() as u64
    }
}

/// Few and many rows and channels.
pub fn cases() -> Vec<Case> {
    let shapes: [&[usize]; 5] = [&[1, 1], &[7, 3], &[2, 9, 11, 5], &[1, 1, 1, 70], &[3000, 4]];
    let mut cases: Vec<Case> = shapes
        .into_iter()
        .map(|dims| {
            let shape = Shape::from(dims.to_vec());
            Case::new(shape.to_string(), SumRows, [(shape, Fill::Signed)])
        })
        .collect();
    let large = Shape::from([32, 48, 48, 64]);
    cases.push(Case::new("large", SumRows, [(large, Fill::Signed)]).bench_only());
    cases
}
