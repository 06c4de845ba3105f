//! Dropout, from numbers that depend on nothing but where and when.

use super::hash;
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Way};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// What is kept or dropped together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Together {
    /// Each element on its own.
    #[default]
    Nothing,
    /// A channel of an image.
    Channel,
    /// All of an image.
    Image,
}

/// (x, step (1)) -> x / (1 - rate) with probability 1 - `rate`, else 0.
///
/// What has the number i (elements counted without gaps, channels image by image, images) is kept in
/// step s if hash(hash(i) + hash(`salt` + hash(s))) is at least `rate` * 2^32, where hash is that of PCG-RXS-M-XS (O'Neill 2014; as a hash, Jarzynski and
/// Olano 2020) and sums are modulo 2^32. So the same step draws the same mask, forward and backward
/// and on every adapter, and nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability of zero, at least 0 and below 1.
    pub rate: f32,
    /// Tells layers and seeds apart.
    pub salt: u32,
    /// What is dropped together.
    pub together: Together,
}

impl Dropout {
    /// Hashes below are dropped.
    fn threshold(&self) -> u32 {
        (f64::from(self.rate) * 4_294_967_296.0) as u32
    }

    /// Whether what has the number `index` is kept in step `step`.
    fn keeps(&self, index: u32, step: f64) -> bool {
        let key = hash(self.salt.wrapping_add(hash(step as u32)));
        hash(hash(index).wrapping_add(key)) >= self.threshold()
    }
}

impl Operation for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn describe(&self) -> String {
        let of = match self.together {
            Together::Nothing => "",
            Together::Channel => " of channels",
            Together::Image => " of images",
        };
        format!("dropout {}{of}", self.rate)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("dropout", inputs, 2)?;
        if !(0.0..1.0).contains(&self.rate) {
            let problem = format!("the rate must be at least 0 and below 1, is {}", self.rate);
            return Err(Error::shape("dropout", problem));
        }
        if inputs[1].elements() != 1 {
            let problem = format!("the step must be one number, was given {}", inputs[1]);
            return Err(Error::shape("dropout", problem));
        }
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let mut dx = None;
        if rule.wants(0) {
            dx = Some(rule.add("dropout_gradient", *self, &[rule.dy(), rule.input(1)])?);
        }
        Ok(vec![dx, None])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, step) = (inputs[0].data(), inputs[1].data()[0]);
        let factor = 1.0 / (1.0 - f64::from(self.rate));
        let shape = inputs[0].shape();
        let (channels, image) = (shape.channels(), elements_of_an_image(shape));
        vec![Tensor::from_fn(shape.clone(), |index| {
            let number = match self.together {
                Together::Nothing => index,
                Together::Channel => index / image * channels + index % channels,
                Together::Image => index / image,
            };
            if self.keeps(number as u32, step) { x[index] * factor } else { 0.0 }
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(Dropout:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, Way::NAIVE),
                },
                {
                    name: "fours",
                    // The step is one number, wherever it lies.
                    fits: |this, at| {
                        rows::in_fours(this, &Lowering { inputs: &at.inputs[..1], ..*at })
                    },
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, Way::FOURS),
                },
            )
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }
}

impl Dropout {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let (entry, width) = (way.entry(["naive", "fours"]), way.width);
        let count = lowering.output.elements() / width;
        let together = match self.together {
            Together::Nothing => 0u32,
            Together::Channel => 1,
            Together::Image => 2,
        };
        Ok(Dispatch::new("dropout", entry)
            .constant("TOGETHER", together)
            .param("image", elements_of_an_image(lowering.output) / width)
            .bind("x", Operand::Input(0))
            .bind("step", Operand::Input(1))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("channels", lowering.output.channels() / width)
            .param("salt", self.salt)
            .param("threshold", self.threshold())
            .param("factor", 1.0 / (1.0 - self.rate))
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }
}

fn elements_of_an_image(shape: &Shape) -> usize {
    shape.elements() / shape.dims().first().copied().unwrap_or(1).max(1)
}

/// Ranks, rates, steps, and what is dropped together.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rate, salt, step) in
        [(0.5, 1, &[3.0]), (0.25, 4_000_000_000, &[70_001.0]), (0.0, 7, &[0.0]), (0.9, 0, &[1.0])]
    {
        for dims in [vec![2, 3, 5, 7], vec![4, 12], vec![1, 1, 1, 1], vec![33], vec![3, 4, 4, 8]] {
            let shape = Shape::from(dims);
            let name = format!("{shape}, ");
            let inputs = [(shape, Fill::Signed), ([1].into(), Fill::Values(step))];
            for together in [Together::Nothing, Together::Channel, Together::Image] {
                let operation = Dropout { rate, salt, together };
                let name = format!("{name}{}", operation.describe());
                let case = Case::new(name, operation, inputs.clone());
                cases.push(case.differentiate(&[0]));
            }
        }
    }
    let inputs = [([32, 48, 48, 64].into(), Fill::Signed), ([1].into(), Fill::Values(&[5.0]))];
    let large = Dropout { rate: 0.5, salt: 1, together: Together::Nothing };
    cases.push(Case::new("large", large, inputs).bench_only());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u32 = 1 << 16;

    fn masks(dropout: Dropout, step: f64) -> Vec<bool> {
        (0..COUNT).map(|index| dropout.keeps(index, step)).collect()
    }

    #[test]
    fn as_many_are_dropped_as_the_rate_says() {
        for (salt, rate) in [(0, 0.1f32), (1, 0.5), (99, 0.8), (5, 0.0)] {
            for step in 0..8 {
                let masks =
                    masks(Dropout { rate, salt, together: Together::Nothing }, f64::from(step));
                let dropped = masks.iter().filter(|kept| !**kept).count() as f64;
                let (n, p) = (f64::from(COUNT), f64::from(rate));
                let deviation = (n * p * (1.0 - p)).sqrt();
                assert!((dropped - n * p).abs() <= 4.0 * deviation, "{rate} {step}: {dropped}");
            }
        }
    }

    /// Two masks that have nothing to do with each other agree on half of the elements.
    #[test]
    fn steps_salts_and_neighbours_are_independent() {
        let base = masks(Dropout { rate: 0.5, salt: 1, together: Together::Nothing }, 1.0);
        let shifted: Vec<bool> = base.iter().cycle().skip(1).take(base.len()).copied().collect();
        let others = [
            masks(Dropout { rate: 0.5, salt: 1, together: Together::Nothing }, 2.0),
            masks(Dropout { rate: 0.5, salt: 2, together: Together::Nothing }, 1.0),
            shifted,
        ];
        for other in others {
            let agree = base.iter().zip(&other).filter(|(a, b)| a == b).count() as f64;
            let expected = f64::from(COUNT) / 2.0;
            assert!((agree - expected).abs() < 4.0 * (f64::from(COUNT) / 4.0).sqrt(), "{agree}");
        }
    }

    #[test]
    fn a_rate_of_one_is_refused() {
        let shape = Shape::from([1]);
        for rate in [1.0, -0.1, f32::NAN] {
            let error = Dropout { rate, salt: 0, together: Together::Nothing }
                .infer(&[&shape, &shape])
                .unwrap_err();
            assert!(error.to_string().contains("below 1"), "{error}");
        }
    }
}
