//! The gradient of batch normalisation: its sums over rows, and what it is at each element.

use std::sync::Arc;

use super::{
    By, Normalized, Sums, addition, expect_normalized, expect_shape, pointwise, sums, table,
};
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Lowered, Lowering, Operand};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{Activation, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::Result;

/// (x, dy, stats, gamma, beta) -> (2, C): the gradients of gamma and of beta,
/// sum(d * (x - mean) / sqrt(variance + epsilon)) and sum(d), where d is dy behind the activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradientSums {
    /// As in the forward direction.
    pub epsilon: f32,
    /// As in the forward direction.
    pub activation: Activation,
}

impl Operation for BatchNormGradientSums {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        format!("gradients of gamma and beta{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "gradients of gamma and beta";
        expect_inputs(name, inputs, 5)?;
        expect_normalized(name, inputs[0], inputs[2], inputs[3], inputs[4])?;
        expect_shape(name, "dy", inputs[1], inputs[0].clone())?;
        Ok(inputs[2].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::of_gradient(inputs, self.epsilon);
        let channels = inputs[0].shape().channels();
        let mut sums = Tensor::zeros([2, channels]);
        for (index, &dy) in inputs[1].data().iter().enumerate() {
            let d = self.activation.through(at.pre_activation(index), dy);
            let channel = at.channel(index);
            sums.data_mut()[channel] += d * at.normal(index);
            sums.data_mut()[channels + channel] += d;
        }
        vec![sums]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        6 * inputs[0].elements() as u64
    }
}

impl Sums for BatchNormGradientSums {
    fn dispatches(&self, lowering: &Lowering, by: By) -> Result<Lowered> {
        let entries = ["sums_naive", "sums_fours", "sums_group"];
        let merges = ["sums_merge", "sums_merge_alone"];
        sums(lowering, by, entries, merges, self.epsilon, self.activation, |dispatch| {
            let names = ["x", "dy", "stats", "gamma", "beta"];
            names.iter().enumerate().fold(dispatch, |dispatch, (index, name)| {
                dispatch.bind(name, Operand::Input(index))
            })
        })
    }
}

/// (x, dy, stats, gamma, beta, sums of [`BatchNormGradientSums`]) -> the gradient of x,
/// gamma / sqrt(variance + epsilon) * (d - (dbeta + normal * dgamma) / rows), with the terms through
/// mean and variance, where d is dy behind the activation and normal the normalised x; plus a seventh
/// input like x, where there is one: what reaches x by another path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormInputGradient {
    /// As in the forward direction.
    pub epsilon: f32,
    /// As in the forward direction.
    pub activation: Activation,
    /// Whether a seventh input is added.
    pub residual: bool,
}

impl Operation for BatchNormInputGradient {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        let add = if self.residual { ", add" } else { "" };
        format!("gradient of batch normalisation{}{add}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "gradient of batch normalisation";
        expect_inputs(name, inputs, 6 + usize::from(self.residual))?;
        expect_normalized(name, inputs[0], inputs[2], inputs[3], inputs[4])?;
        expect_shape(name, "dy", inputs[1], inputs[0].clone())?;
        expect_shape(name, "the sums", inputs[5], inputs[2].clone())?;
        if self.residual {
            expect_shape(name, "what is added", inputs[6], inputs[0].clone())?;
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::of_gradient(inputs, self.epsilon);
        let (dy, sums) = (inputs[1].data(), inputs[5].data());
        let rows = inputs[0].shape().rows() as f64;
        let channels = at.gamma.len();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let channel = at.channel(index);
            let d = self.activation.through(at.pre_activation(index), dy[index]);
            let (dgamma, dbeta) = (sums[channel], sums[channels + channel]);
            let through_statistics = (dbeta + at.normal(index) * dgamma) / rows;
            let residual = if self.residual { inputs[6].data()[index] } else { 0.0 };
            at.gamma[channel] * at.inverse_deviation(channel) * (d - through_statistics) + residual
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy", "residual", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (7 + u64::from(self.residual)) * output.elements() as u64
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        let added = addition(next, position) == Some(Activation::None) && !self.residual;
        added.then(|| Arc::new(Self { residual: true, ..*self }) as Arc<dyn Operation>)
    }
}

impl Rowwise for BatchNormInputGradient {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let names = ["x", "dy", "stats", "gamma", "beta", "sums"];
        let entries = ["input_gradient_naive", "input_gradient_fours"];
        pointwise(lowering, way, entries, &names, self.epsilon, self.activation, self.residual)
    }
}
