//! Normalisation by given statistics, with what comes after it.

use std::sync::Arc;

use super::{
    BatchNormGradientSums, BatchNormInputGradient, Normalized, addition, expect_normalized,
    expect_shape, pointwise,
};
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Lowered, Lowering};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{Activation, Elementwise, Instruction, Row, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (x, stats (2, C), gamma (C), beta (C)) -> activation(gamma * (x - mean) / sqrt(variance + epsilon)
/// + beta), or with a residual like x as the fifth input, activation(... + beta + residual).
///
/// Its gradient takes `stats` to be [`BatchNormStatistics`](super::BatchNormStatistics) of `x` and includes the terms through
/// them; that of gamma and beta holds for any `stats`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormNormalize {
    /// Added to the variance.
    pub epsilon: f32,
    /// Applied to the result.
    pub activation: Activation,
    /// Whether a residual is added before the activation.
    pub residual: bool,
}

impl BatchNormNormalize {
    /// Without activation and residual.
    pub fn new(epsilon: f32) -> Self {
        BatchNormNormalize { epsilon, activation: Activation::None, residual: false }
    }
}

impl Operation for BatchNormNormalize {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn describe(&self) -> String {
        let add = if self.residual { ", add" } else { "" };
        format!("batch normalisation{add}{}", self.activation.suffix())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let name = "batch normalisation";
        expect_inputs(name, inputs, 4 + usize::from(self.residual))?;
        let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|index| inputs[index]);
        expect_normalized(name, x, stats, gamma, beta)?;
        if self.residual {
            expect_shape(name, "the residual", inputs[4], x.clone())?;
        }
        Ok(x.clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let [x, stats, gamma, beta] = [0, 1, 2, 3].map(|index| rule.input(index));
        let BatchNormNormalize { epsilon, activation, residual } = *self;
        if residual && !activation.tells_by_result() {
            return Err(Error::shape(rule.name(), "differentiate before fusing"));
        }
        let mut dy = rule.dy();
        // What is behind the activation is the residual's gradient as well: it is computed once.
        let activation = if residual { Activation::None } else { activation };
        let mask = match self.activation {
            Activation::Relu if residual => Some(Instruction::WherePositive),
            Activation::Relu6 if residual => Some(Instruction::WhereInside6),
            _ => None,
        };
        if let Some(mask) = mask {
            let output = rule.output();
            dy = rule.add("activation_gradient", Elementwise::one(mask), &[dy, output])?;
        }
        let sums = BatchNormGradientSums { epsilon, activation };
        let sums = rule.add("gradient_sums", sums, &[x, dy, stats, gamma, beta])?;
        let mut dx = None;
        if rule.wants(0) {
            let gradient = BatchNormInputGradient { epsilon, activation, residual: false };
            dx = Some(rule.add("gradient", gradient, &[x, dy, stats, gamma, beta, sums])?);
        }
        let mut row = |input: usize, name: &str, row: usize| {
            rule.wants(input).then(|| rule.add(name, Row(row), &[sums])).transpose()
        };
        // None for the statistics: what flows through them is part of dx.
        let mut gradients =
            vec![dx, None, row(2, "gamma_gradient", 0)?, row(3, "beta_gradient", 1)?];
        if residual {
            gradients.push(Some(dy));
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let at = Normalized::new(inputs, self.epsilon);
        vec![Tensor::from_fn(inputs[0].shape().clone(), |index| {
            let residual = if self.residual { inputs[4].data()[index] } else { 0.0 };
            self.activation.apply(at.pre_activation(index) + residual)
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "residual", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (3 + u64::from(self.residual)) * output.elements() as u64
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        if self.activation != Activation::None {
            return None;
        }
        if let Some(activation) = Activation::of(next) {
            // Behind a residual the gradient reads the result.
            if differentiable && self.residual && !activation.tells_by_result() {
                return None;
            }
            return Some(Arc::new(BatchNormNormalize { activation, ..*self }));
        }
        let activation = addition(next, position).filter(|_| !self.residual)?;
        Some(Arc::new(BatchNormNormalize { activation, residual: true, ..*self }))
    }
}

impl Rowwise for BatchNormNormalize {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let names = ["x", "stats", "gamma", "beta"];
        let entries = ["normalize_naive", "normalize_fours"];
        pointwise(lowering, way, entries, &names, self.epsilon, self.activation, self.residual)
    }
}
