//! Cases: one description of inputs serves the correctness test, the gradient test and the bench.

use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::engine::graph::Operation;
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;

/// How an input is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Uniform in [-1, 1), at least 0.01 from zero, where ReLU has no derivative.
    Signed,
    /// Uniform in [low, high).
    Uniform(f64, f64),
    /// All different, at least 1 / count apart: no ties under a maximum.
    Distinct,
    /// One 1 in each row, else 0.
    OneHot,
    /// 0 or 1.
    Binary,
    /// Whole numbers in 0..limit.
    Whole(u32),
    /// These numbers, repeated as often as needed.
    Values(&'static [f64]),
}

/// One operation with inputs.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is special about it, for people.
    pub name: String,
    /// The operation.
    pub operation: Arc<dyn Operation>,
    /// The shape and content of each input.
    pub inputs: Vec<(Shape, Fill)>,
    /// Largest difference allowed, relative to the largest magnitude of the reference.
    pub tolerance: f64,
    /// The inputs whose gradients are checked against finite differences.
    pub differentiate: Vec<usize>,
    /// The inputs that are never views, such as weights; the output is the number after them.
    pub dense: Vec<usize>,
    /// Only for timing: too large for the reference loops.
    pub bench_only: bool,
}

impl Case {
    /// A case without gradient check.
    pub fn new(
        name: impl Into<String>,
        operation: impl Operation,
        inputs: impl IntoIterator<Item = (Shape, Fill)>,
    ) -> Self {
        Case {
            name: name.into(),
            operation: Arc::new(operation),
            inputs: inputs.into_iter().collect(),
            tolerance: 1e-5,
            differentiate: Vec::new(),
            dense: Vec::new(),
            bench_only: false,
        }
    }

    /// Checks the gradients of these inputs too.
    pub fn differentiate(mut self, inputs: &[usize]) -> Self {
        self.differentiate = inputs.to_vec();
        self
    }

    /// Has these tensors lie on their own.
    pub fn dense(mut self, tensors: &[usize]) -> Self {
        self.dense = tensors.to_vec();
        self
    }

    /// Allows another difference.
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Leaves it out of the tests.
    pub fn bench_only(mut self) -> Self {
        self.bench_only = true;
        self
    }

    /// The inputs, the same for the same `seed`; numbers are exact in f32.
    pub fn tensors(&self, seed: u64) -> Vec<Tensor<f64>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        self.inputs
            .iter()
            .map(|(shape, fill)| {
                let channels = shape.channels();
                let count = shape.elements();
                let mut hot = 0;
                let mut order: Vec<usize> = Vec::new();
                if *fill == Fill::Distinct {
                    order.extend(0..count);
                    for last in (1..count).rev() {
                        order.swap(last, random.random_range(0..=last));
                    }
                }
                Tensor::from_fn(shape.clone(), |index| {
                    let value: f64 = match *fill {
                        Fill::Signed => {
                            let value: f64 = random.random_range(0.01..1.0);
                            if random.random() { value } else { -value }
                        }
                        Fill::Uniform(low, high) => random.random_range(low..high),
                        Fill::Distinct => 2.0 * order[index] as f64 / count as f64 - 1.0,
                        Fill::OneHot => {
                            if index % channels == 0 {
                                hot = random.random_range(0..channels);
                            }
                            f64::from(u8::from(index % channels == hot))
                        }
                        Fill::Binary => f64::from(u8::from(random.random::<bool>())),
                        Fill::Whole(limit) => f64::from(random.random_range(0..limit)),
                        Fill::Values(values) => values[index % values.len()],
                    };
                    f64::from(value as f32)
                })
            })
            .collect()
    }
}
