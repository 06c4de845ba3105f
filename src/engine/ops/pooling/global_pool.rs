//! The mean over height and width, and its gradient.

use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Walk, Way};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, C) -> (N, C): the mean over height and width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GlobalAveragePool;

impl Operation for GlobalAveragePool {
    fn name(&self) -> &'static str {
        "global_pool"
    }

    fn describe(&self) -> String {
        "global average pool".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("global pool", inputs, 1)?;
        let [n, h, w, c] = expect_nhwc("global pool", inputs[0])?;
        if h * w == 0 {
            return Err(Error::shape("global pool", format!("{} has no pixels", inputs[0])));
        }
        Ok([n, c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let [_, h, w, _] = expect_nhwc("global pool", &rule.shape(rule.input(0)))?;
        Ok(vec![Some(rule.add("pool_gradient", SpreadMean { h, w }, &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn([n, c], |index| {
            let (image, channel) = (index / c, index % c);
            let pixels = image * h * w..(image + 1) * h * w;
            pixels.map(|pixel| inputs[0].data()[pixel * c + channel]).sum::<f64>() / (h * w) as f64
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(GlobalAveragePool:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, "mean_naive", 1, false),
                },
                {
                    name: "fours",
                    fits: rows::in_fours,
                    price: |_, at| at.on(1.0, 2.0),
                    lower: |this, at| this.dispatches(at, "mean_fours", 4, false),
                },
                // Barriers cost a processor more than they save.
                {
                    name: "sliced",
                    fits: rows::in_fours,
                    price: |_, at| at.on(2.0, 1.0),
                    lower: |this, at| this.dispatches(at, "mean_sliced", 4, true),
                },
            )
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        inputs[0].elements() as u64
    }
}

impl GlobalAveragePool {
    /// `width`: channels that an invocation takes; `sliced`: in a workgroup that shares out the pixels.
    fn dispatches(
        &self,
        lowering: &Lowering,
        entry: &'static str,
        width: usize,
        sliced: bool,
    ) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc("global pool", lowering.inputs[0])?;
        let channels = c / width;
        // A workgroup of `sliced` has eight times four channels, each in sixteen slices of pixels.
        let tiles = n * channels.div_ceil(8);
        let (count, groups) = match sliced {
            true => (tiles, tiles),
            false => (n * channels, (n * channels).div_ceil(64)),
        };
        Ok(Dispatch::new("global_pool", entry)
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("channels", channels)
            .rounds(if sliced { (h * w).div_ceil(16) } else { h * w })
            .param("pixels", h * w)
            .param("factor", 1.0 / (h * w) as f32)
            .param("rows", 0u32)
            .param("blocks", 0u32)
            .param("near", 0u32)
            .param("far", 0u32)
            .param("each", 0u32)
            .workgroups(grid(groups, lowering.capabilities.max_workgroups))
            .into())
    }
}

/// dy (N, C) -> (N, h, w, C): dy / (h * w) at every pixel, the gradient of [`GlobalAveragePool`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpreadMean {
    /// Height of the image.
    pub h: usize,
    /// Width of the image.
    pub w: usize,
}

impl Operation for SpreadMean {
    fn name(&self) -> &'static str {
        "global_pool"
    }

    fn describe(&self) -> String {
        format!("gradient of global average pool {}x{}", self.h, self.w)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("gradient of global pool", inputs, 1)?;
        match (inputs[0].dims(), self.h * self.w) {
            (&[n, c], 1..) => Ok([n, self.h, self.w, c].into()),
            _ => Err(Error::shape(
                "gradient of global pool",
                format!("takes a tensor (N, C), was given {} for {}x{}", inputs[0], self.h, self.w),
            )),
        }
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(rule.add("pool", GlobalAveragePool, &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let &[n, c] = inputs[0].dims() else { return Vec::new() };
        let pixels = self.h * self.w;
        vec![Tensor::from_fn([n, self.h, self.w, c], |index| {
            inputs[0].data()[index / c / pixels * c + index % c] / pixels as f64
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["d_x"]
    }
}

impl Rowwise for SpreadMean {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc("global pool", lowering.output)?;
        // Blocks lie within one image.
        let image = Shape::from([h * w, c]);
        let walk = Walk::each(way, &image);
        let channels = c / way.width;
        let count = n * walk.blocks * channels;
        Ok(walk
            .describe(
                Dispatch::new("global_pool", way.entry(["spread_naive", "spread_fours"])),
                channels,
            )
            .bind("dy", Operand::Input(0))
            .bind("d_x", Operand::Output)
            .param("count", count)
            .param("pixels", h * w)
            .param("factor", 1.0 / (h * w) as f32)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }
}

/// One and many images, pixels and channels, in fours and not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for dims in
        [[2, 3, 5, 7], [1, 1, 1, 1], [3, 5, 2, 12], [1, 9, 7, 1], [2, 6, 6, 256], [1, 20, 30, 36]]
    {
        let [n, h, w, c] = dims;
        let name = Shape::from(dims).to_string();
        let inputs = [(dims.into(), Fill::Signed)];
        cases.push(Case::new(name.clone(), GlobalAveragePool, inputs).differentiate(&[0]));
        let inputs = [([n, c].into(), Fill::Signed)];
        let name = format!("spread {name}");
        cases.push(Case::new(name, SpreadMean { h, w }, inputs).differentiate(&[0]));
    }
    // More pixels than some drivers let a loop have rounds.
    let inputs = [([1, 300, 301, 4].into(), Fill::Signed)];
    cases.push(Case::new("mean of 90300 pixels", GlobalAveragePool, inputs).tolerance(1e-4));
    let [_, h, w, c] = rows::SEVERAL_ROWS;
    let inputs = [([2, c].into(), Fill::Signed)];
    cases.push(Case::new("spread, several rows", SpreadMean { h, w }, inputs));
    for dims in [[1, 10, 10, 2048], [32, 10, 10, 2048], [32, 6, 6, 256]] {
        let [n, h, w, c] = dims;
        let name = Shape::from(dims).to_string();
        let inputs = [(dims.into(), Fill::Signed)];
        cases.push(Case::new(name.clone(), GlobalAveragePool, inputs).bench_only());
        let inputs = [([n, c].into(), Fill::Signed)];
        let name = format!("spread {name}");
        cases.push(Case::new(name, SpreadMean { h, w }, inputs).bench_only());
    }
    cases
}
