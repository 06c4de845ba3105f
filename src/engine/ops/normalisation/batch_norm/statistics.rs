//! Mean and variance of a batch, and the running averages of both.

use super::{By, Sums, expect_elements, expect_shape, sums, table};
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Activation, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::Result;

/// x (..., C) -> (2, C): the mean of each channel over all rows, and the variance (divided by the
/// number of rows).
///
/// It has no gradient of its own: [`BatchNormNormalize`](super::BatchNormNormalize) differentiates through the statistics.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormStatistics;

impl Operation for BatchNormStatistics {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        "batch statistics".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("batch statistics", inputs, 1)?;
        expect_elements("batch statistics", inputs[0])?;
        Ok([2, inputs[0].channels()].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, channels) = (inputs[0].data(), inputs[0].shape().channels());
        let rows = inputs[0].shape().rows() as f64;
        let over_rows = |channel: usize, value: &dyn Fn(f64) -> f64| -> f64 {
            x.iter().skip(channel).step_by(channels).map(|&x| value(x)).sum::<f64>() / rows
        };
        vec![Tensor::from_fn([2, channels], |index| {
            let channel = index % channels;
            let mean = over_rows(channel, &|x| x);
            if index < channels { mean } else { over_rows(channel, &|x| (x - mean).powi(2)) }
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        4 * inputs[0].elements() as u64
    }
}

impl Sums for BatchNormStatistics {
    fn dispatches(&self, lowering: &Lowering, by: By) -> Result<Lowered> {
        let entry = ["statistics_naive", "statistics_fours", "statistics_group"];
        let merges = ["statistics_merge", "statistics_merge_alone"];
        sums(lowering, by, entry, merges, 0.0, Activation::None, |dispatch| {
            dispatch.bind("x", Operand::Input(0))
        })
    }
}

/// (moving mean (C), moving variance (C), stats (2, C)): both become
/// moving * momentum + statistic * (1 - momentum), as Keras 3 has it, with the biased variance.
///
/// With a fourth input, a guard (1), nothing changes where that is not finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MovingAverage {
    /// How much of the old value stays.
    pub momentum: f32,
}

impl Operation for MovingAverage {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("moving average, momentum {}", self.momentum)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("moving average", inputs, inputs.len().clamp(3, 4))?;
        if let Some(guard) = inputs.get(3) {
            expect_shape("moving average", "the guard", guard, [1])?;
        }
        let channels = inputs[2].channels();
        expect_shape("moving average", "the statistics", inputs[2], [2, channels])?;
        expect_shape("moving average", "the mean", inputs[0], [channels])?;
        expect_shape("moving average", "the variance", inputs[1], [channels])?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let momentum = f64::from(self.momentum);
        if inputs.get(3).is_some_and(|guard| !guard.data()[0].is_finite()) {
            return vec![inputs[0].clone(), inputs[1].clone()];
        }
        let update = |row: usize| {
            let moving = inputs[row].data();
            Tensor::from_fn([moving.len()], |channel| {
                let statistic = inputs[2].data()[row * moving.len() + channel];
                moving[channel] * momentum + statistic * (1.0 - momentum)
            })
        };
        vec![update(0), update(1)]
    }

    fn updates(&self) -> &'static [usize] {
        &[0, 1]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let channels = lowering.inputs[2].channels();
        // One at a time: the two may lie in one buffer, whose ranges must not overlap when written.
        let guarded = lowering.inputs.len() > 3;
        let update = |row: usize| {
            let dispatch = Dispatch::new("batch_norm", "moving_average")
                .constant("GUARDED", u32::from(guarded));
            let dispatch = match guarded {
                true => dispatch.bind("guard", Operand::Input(3)),
                false => dispatch,
            };
            dispatch
                .bind("moving", Operand::Input(row))
                .bind("stats", Operand::Input(2))
                .param("count", channels)
                .param("channels", channels)
                .param("rows", 0u32)
                .param("blocks", 0u32)
                .param("near", 0u32)
                .param("far", 0u32)
                .param("each", 0u32)
                .param("slices", 1u32)
                .param("epsilon", 0.0)
                .param("momentum", self.momentum)
                .param("row", row)
                .workgroups(grid(channels.div_ceil(64), lowering.capabilities.max_workgroups))
        };
        Ok(Lowered { dispatches: vec![update(0), update(1)], scratch: Vec::new() })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        3 * inputs[2].elements() as u64
    }
}
