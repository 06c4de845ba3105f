//! From many channels to one: the weighted sum that class activation maps end with, and the largest
//! magnitude.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::fours_if;
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (a (N, H, W, C)[, w (N, C) or (N, H, W, C)]) -> (N, H, W, 1): factor * sum_c w_c * a_c, w being 1
/// where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelSum {
    /// Multiplies the sum.
    pub factor: f32,
}

impl Operation for ChannelSum {
    fn name(&self) -> &'static str {
        "channel_sum"
    }

    fn describe(&self) -> String {
        match self.factor {
            1.0 => "weighted sum of channels".to_owned(),
            factor => format!("weighted sum of channels, times {factor}"),
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        if inputs.len() != 1 {
            expect_inputs(self.name(), inputs, 2)?;
        }
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        match inputs.get(1) {
            Some(weights) if *weights != inputs[0] && weights.dims() != [n, c] => {
                let problem = format!("weights {weights} do not fit {}", inputs[0]);
                Err(Error::shape(self.name(), problem))
            }
            _ => Ok([n, h, w, 1].into()),
        }
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn([n, h, w, 1], |pixel| {
            let sum: f64 = (0..c)
                .map(|channel| {
                    let weight = inputs.get(1).map_or(1.0, |weights| {
                        let row = if weights.shape().rank() == 2 { pixel / (h * w) } else { pixel };
                        weights.data()[row * c + channel]
                    });
                    weight * inputs[0].data()[pixel * c + channel]
                })
                .sum();
            f64::from(self.factor) * sum
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(ChannelSum:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, "sum_naive", 1, 64),
                },
                {
                    name: "fours",
                    fits: Self::in_fours,
                    price: |_, at| at.on(1.0, 2.0),
                    lower: |this, at| this.dispatches(at, "sum_fours", 4, 64),
                },
                // Barriers cost a processor more than they save.
                {
                    name: "workgroup",
                    fits: Self::in_fours,
                    price: |_, at| at.on(2.0, 1.0),
                    lower: |this, at| this.dispatches(at, "sum_workgroup", 4, 1),
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        (inputs.len() * inputs[0].elements()) as u64
    }
}

impl ChannelSum {
    fn in_fours(&self, lowering: &Lowering) -> Result<()> {
        let mut inputs = lowering.views.iter().zip(lowering.inputs);
        fours_if(self, inputs.all(|(view, shape)| view.is_vec4(shape)))
    }

    /// `width`: channels that an invocation takes at once; `each`: pixels of a workgroup.
    fn dispatches(
        &self,
        lowering: &Lowering,
        entry: &'static str,
        width: usize,
        each: usize,
    ) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let pixels = n * h * w;
        let weights = lowering.inputs.get(1);
        let area = if weights.is_some_and(|shape| shape.rank() == 2) { h * w } else { 1 };
        let mut dispatch = Dispatch::new("channel_sum", entry)
            .constant("WEIGHTED", u32::from(weights.is_some()))
            .rounds(c / width)
            .param("pixels", pixels)
            .param("area", area)
            .param("channels", c / width)
            .param("factor", self.factor)
            .bind("a", Operand::Input(0))
            .bind("y", Operand::Output)
            .workgroups(grid(pixels.div_ceil(each), lowering.capabilities.max_workgroups));
        if weights.is_some() {
            dispatch = dispatch.bind("w", Operand::Input(1));
        }
        Ok(dispatch.into())
    }
}

/// a (N, H, W, C) -> (N, H, W, 1): max_c |a_c|.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LargestMagnitude;

impl Operation for LargestMagnitude {
    fn name(&self) -> &'static str {
        "channel_sum"
    }

    fn describe(&self) -> String {
        "largest magnitude of the channels".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("largest magnitude", inputs, 1)?;
        let [n, h, w, _] = expect_nhwc("largest magnitude", inputs[0])?;
        Ok([n, h, w, 1].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn([n, h, w, 1], |pixel| {
            let channels = &inputs[0].data()[pixel * c..(pixel + 1) * c];
            channels.iter().fold(0.0f64, |most, value| most.max(value.abs()))
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let pixels = lowering.inputs[0].rows();
        Ok(Dispatch::new("channel_sum", "largest")
            .rounds(lowering.inputs[0].channels())
            .param("pixels", pixels)
            .param("area", 1usize)
            .param("channels", lowering.inputs[0].channels())
            .param("factor", 1.0)
            .bind("a", Operand::Input(0))
            .bind("y", Operand::Output)
            .workgroups(grid(pixels.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        inputs[0].elements() as u64
    }
}

/// Odd sizes, one image, one channel, more channels than lanes; each kind of weights.
pub fn cases() -> Vec<Case> {
    let sum = |dims: [usize; 4], weights: Option<Shape>, factor: f32| {
        let shape = Shape::from(dims);
        let kind = weights.as_ref().map_or("alone".to_owned(), |weights| format!("by {weights}"));
        let mut inputs = vec![(shape.clone(), Fill::Signed)];
        inputs.extend(weights.map(|weights| (weights, Fill::Signed)));
        Case::new(format!("{shape} {kind}, factor {factor}"), ChannelSum { factor }, inputs)
    };
    let mut cases = Vec::new();
    for dims in [[2, 3, 5, 7], [1, 1, 1, 1], [1, 6, 6, 256], [3, 5, 4, 36], [2, 3, 3, 516]] {
        let [n, .., c] = dims;
        cases.push(sum(dims, None, 1.0 / c as f32));
        cases.push(sum(dims, Some([n, c].into()), 1.0));
        cases.push(sum(dims, Some(dims.into()), -1.0));
        let inputs = [(dims.into(), Fill::Signed)];
        cases.push(Case::new(
            format!("largest of {}", Shape::from(dims)),
            LargestMagnitude,
            inputs,
        ));
    }
    cases.push(sum([64, 6, 6, 256], Some([64, 256].into()), 1.0).bench_only());
    cases.push(sum([32, 10, 10, 2048], Some([32, 2048].into()), 1.0).bench_only());
    cases.push(sum([32, 10, 10, 2048], Some([32, 10, 10, 2048].into()), 1.0).bench_only());
    cases
}
