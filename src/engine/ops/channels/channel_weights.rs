//! Weights of channels for class activation maps, beyond the mean of the gradient.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (a (N, H, W, C), g (N, H, W, C)) -> (N, C), the weight of each channel of the activation `a` by
/// the gradient `g` at it. A term whose divisor is 0 counts as 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelWeights {
    /// sum_hw a g / sum_hw a (XGrad-CAM).
    XGrad,
    /// sum_hw g^2 / (2 g^2 + s g^3) * max(g, 0), s = sum_hw a (Grad-CAM++).
    PlusPlus,
}

impl Operation for ChannelWeights {
    fn name(&self) -> &'static str {
        "channel_weights"
    }

    fn describe(&self) -> String {
        let name = match self {
            ChannelWeights::XGrad => "xgrad-cam",
            ChannelWeights::PlusPlus => "grad-cam++",
        };
        format!("weights of channels, {name}")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let [n, _, _, c] = expect_nhwc(self.name(), inputs[0])?;
        if inputs[0] != inputs[1] {
            let problem =
                format!("activation {} and gradient {} must be the same", inputs[0], inputs[1]);
            return Err(Error::shape(self.name(), problem));
        }
        Ok([n, c].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let quotient = |x: f64, y: f64| if y == 0.0 { 0.0 } else { x / y };
        vec![Tensor::from_fn([n, c], |index| {
            let (image, channel) = (index / c, index % c);
            let pixels = || {
                (image * h * w..(image + 1) * h * w).map(|pixel| {
                    let at = pixel * c + channel;
                    (inputs[0].data()[at], inputs[1].data()[at])
                })
            };
            let total: f64 = pixels().map(|(a, _)| a).sum();
            match self {
                ChannelWeights::XGrad => quotient(pixels().map(|(a, g)| a * g).sum(), total),
                ChannelWeights::PlusPlus => pixels()
                    .map(|(_, g)| quotient(g * g, 2.0 * g * g + total * g * g * g) * g.max(0.0))
                    .sum(),
            }
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::flat::<Self>() }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        4 * inputs[0].elements() as u64
    }
}

impl Rowwise for ChannelWeights {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let (entry, width) = (way.entry(["naive", "fours"]), way.width);
        let [n, h, w, c] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let groups = (n * c / width).div_ceil(64);
        let passes = if *self == ChannelWeights::PlusPlus { 2 } else { 1 };
        Ok(Dispatch::new("channel_weights", entry)
            .rounds(passes * h * w)
            .constant("RULE", u32::from(*self == ChannelWeights::PlusPlus))
            .param("images", n)
            .param("area", h * w)
            .param("channels", c / width)
            .bind("a", Operand::Input(0))
            .bind("g", Operand::Input(1))
            .bind("w", Operand::Output)
            .workgroups(grid(groups, lowering.capabilities.max_workgroups))
            .into())
    }
}

/// Activations after a ReLU, channels that are all 0, gradients of both signs.
pub fn cases() -> Vec<Case> {
    // Every third channel of three is 0 throughout; of the others some.
    const DEAD: &[f64] = &[0.5, 0.0, 0.0, 1.25, 0.75, 0.0];
    let mut cases = Vec::new();
    for rule in [ChannelWeights::XGrad, ChannelWeights::PlusPlus] {
        for dims in [[2, 3, 5, 7], [1, 1, 1, 1], [3, 5, 4, 36]] {
            let shape = Shape::from(dims);
            let inputs = [(shape.clone(), Fill::Uniform(0.0, 3.0)), (shape.clone(), Fill::Signed)];
            cases.push(Case::new(format!("{} {shape}", rule.describe()), rule, inputs));
        }
        let shape = Shape::from([2, 2, 2, 3]);
        let inputs = [(shape.clone(), Fill::Values(DEAD)), (shape, Fill::Signed)];
        cases.push(Case::new(format!("{}, dead channels", rule.describe()), rule, inputs));
        let shape = Shape::from([32, 10, 10, 2048]);
        let inputs = [(shape.clone(), Fill::Uniform(0.0, 3.0)), (shape, Fill::Signed)];
        cases.push(Case::new(format!("{}, large", rule.describe()), rule, inputs).bench_only());
    }
    cases
}
