//! A tensor repeated along the axes where it has one of each.

use std::sync::Arc;

use crate::engine::graph::{Operation, Rule, Value, Variant, downcast};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{
    Case, ChannelSum, Elementwise, Fill, GlobalAveragePool, Instruction, Reshape, SumRows,
    expect_inputs, expect_nhwc,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N or 1, H or 1, W or 1, C or 1) -> (N, H, W, C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expand {
    /// The shape of x.
    pub from: [usize; 4],
    /// (N, H, W, C).
    pub to: [usize; 4],
}

impl Expand {
    /// Whether every row of channels is repeated as it is, over the pixels of its image or over all.
    fn spreads_rows(&self) -> bool {
        let Expand { from, to } = *self;
        let pixels = from[1] == 1 && from[2] == 1;
        pixels && (from[0] == 1 || from[0] == to[0]) && from[3] == to[3]
    }

    /// For each axis whether x has one of it and y more.
    fn repeated(&self, x: [usize; 4]) -> [bool; 4] {
        std::array::from_fn(|axis| x[axis] == 1 && self.to[axis] != 1)
    }
}

impl Operation for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }

    fn describe(&self) -> String {
        format!("repeat to {}", Shape::from(self.to))
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("expand", inputs, 1)?;
        let x = expect_nhwc("expand", inputs[0])?;
        let fits = |axis: usize| x[axis] == 1 || x[axis] == self.to[axis];
        match x == self.from && (0..4).all(fits) {
            true => Ok(self.to.into()),
            false => {
                let problem =
                    format!("{} cannot be repeated to {}", inputs[0], Shape::from(self.to));
                Err(Error::shape("expand", problem))
            }
        }
    }

    /// The sum over what was repeated, axis by axis.
    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let shape = rule.shape(rule.input(0));
        let x = expect_nhwc("expand", &shape)?;
        let [images, lines, columns, channels] = self.repeated(x);
        let mut value = rule.dy();
        let mut now = self.to;
        if channels {
            value = rule.add("over_channels", ChannelSum { factor: 1.0 }, &[value])?;
            now[3] = 1;
        }
        if lines && columns {
            let pixels = (now[1] * now[2]) as f32;
            value = rule.add("over_pixels", GlobalAveragePool, &[value])?;
            let times = Elementwise::one(Instruction::Scale(pixels));
            value = rule.add("times_pixels", times, &[value])?;
            now = [now[0], 1, 1, now[3]];
        } else if lines || columns {
            // A mean over the one of them: the other stands among the images or the channels.
            let [n, h, w, c] = now;
            let (shape, times) = if lines { ([n, h, 1, w * c], h) } else { ([n * h, w, 1, c], w) };
            value = rule.add("one_axis", Reshape(shape.into()), &[value])?;
            value = rule.add("over_axis", GlobalAveragePool, &[value])?;
            let times = Elementwise::one(Instruction::Scale(times as f32));
            value = rule.add("times_axis", times, &[value])?;
            now = if lines { [n, 1, w, c] } else { [n, h, 1, c] };
        }
        if images {
            let rest = now[1] * now[2] * now[3];
            value = rule.add("rows", Reshape([now[0], rest].into()), &[value])?;
            value = rule.add("over_images", SumRows, &[value])?;
        }
        Ok(vec![Some(rule.add("expand_gradient", Reshape(shape), &[value])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some(x) = inputs[0].shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn(self.to, |index| {
            let mut rest = index;
            let mut at = [0; 4];
            for axis in (0..4).rev() {
                at[axis] = if x[axis] == 1 { 0 } else { rest % self.to[axis] };
                rest /= self.to[axis];
            }
            inputs[0].data()[((at[0] * x[1] + at[1]) * x[2] + at[2]) * x[3] + at[3]]
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::flat::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], _output: &Shape) -> u64 {
        0
    }

    fn only_repeats(&self) -> bool {
        true
    }

    /// What is repeated row by row need not be written down to be read.
    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        if differentiable || !self.spreads_rows() {
            return None;
        }
        if let Some(Reshape(shape)) = downcast(next) {
            // One row for all is that under another shape as well.
            let to = shape.nhwc().filter(|to| self.from[0] == 1 && to[3] == self.to[3])?;
            return Some(Arc::new(Expand { from: self.from, to }));
        }
        let chain = downcast::<Elementwise>(next)?.spread_over(position)?;
        Some(Arc::new(chain))
    }
}

impl Rowwise for Expand {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let x = expect_nhwc("expand", lowering.inputs[0])?;
        let [_, height, width, channels] = self.to;
        let count = lowering.output.elements() / way.width;
        let step = |axis: usize, rows: usize| if x[axis] == 1 { 0 } else { rows };
        Ok(Dispatch::new("expand", way.entry(["naive", "fours"]))
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("channels", channels / way.width)
            .param("height", height)
            .param("width", width)
            .param("step_image", step(0, x[1] * x[2]))
            .param("step_line", step(1, x[2]))
            .param("step_column", step(2, 1))
            .param("step_channel", step(3, 1))
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }
}

/// Repeated along every axis and some, channels in fours and not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (from, to) in [
        ([2, 1, 1, 7], [2, 3, 5, 7]),
        ([2, 1, 1, 8], [2, 3, 5, 8]),
        ([2, 3, 5, 1], [2, 3, 5, 7]),
        ([2, 3, 5, 1], [2, 3, 5, 8]),
        ([1, 3, 5, 4], [2, 3, 5, 4]),
        ([1, 1, 1, 4], [2, 3, 5, 4]),
        ([1, 1, 1, 1], [2, 3, 4, 4]),
        ([2, 3, 5, 4], [2, 3, 5, 4]),
        ([2, 1, 1, 1], [2, 3, 5, 12]),
        ([2, 1, 5, 3], [2, 4, 5, 3]),
        ([2, 4, 1, 3], [2, 4, 5, 3]),
        ([1, 1, 5, 8], [2, 4, 5, 8]),
        ([1, 4, 1, 1], [2, 4, 5, 8]),
        ([2, 1, 1, 6], [2, 4, 1, 6]),
    ] {
        let name = format!("{} to {}", Shape::from(from), Shape::from(to));
        let inputs = [(from.into(), Fill::Signed)];
        cases.push(Case::new(name, Expand { from, to }, inputs).differentiate(&[0]));
    }
    let (from, to) = ([32, 1, 1, 96], [32, 56, 56, 96]);
    let inputs = [(from.into(), Fill::Signed)];
    cases.push(Case::new("32 images of 56x56x96", Expand { from, to }, inputs).bench_only());
    cases
}
