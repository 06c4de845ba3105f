//! The mean over height and width, and its gradient.

use crate::engine::graph::Value;
use crate::engine::ops::rows::{self, Walk};
use crate::engine::ops::{
    Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Rule, Variant,
    expect_inputs, expect_nhwc, grid,
};
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        let pixels = lowering.inputs[0].elements() / lowering.output.elements().max(1);
        match rows::choose(lowering) {
            // Barriers cost a processor more than they save.
            "strip" if pixels as u64 <= lowering.capabilities.longest_loop => "fours",
            "strip" => "sliced",
            "fours" => "sliced",
            other => other,
        }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc("global pool", lowering.inputs[0])?;
        let version = rows::version(lowering, ["mean_naive", "mean_fours"])?;
        let channels = c / version.width;
        // A workgroup of `sliced` has eight times four channels, each in sixteen slices of pixels.
        let tiles = n * channels.div_ceil(8);
        let (entry, count, groups) = match lowering.variant {
            "sliced" => ("mean_sliced", tiles, tiles),
            _ => (version.entry, n * channels, (n * channels).div_ceil(64)),
        };
        Ok(Dispatch::new("global_pool", entry)
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("channels", channels)
            .rounds(if entry == "mean_sliced" { (h * w).div_ceil(16) } else { h * w })
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

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        inputs[0].elements() as u64
    }
}

const VARIANTS: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    Variant { name: "fours", needs: Needs::Nothing },
    Variant { name: "sliced", needs: Needs::Nothing },
];

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
        rows::LADDER
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        rows::choose(lowering)
    }

    fn halves(&self) -> &'static [&'static str] {
        &["d_x"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc("global pool", lowering.output)?;
        let version = rows::version(lowering, ["spread_naive", "spread_fours"])?;
        // Blocks lie within one image.
        let image = Shape::from([h * w, c]);
        let walk = Walk::each(lowering, &image);
        let channels = c / version.width;
        let count = n * walk.blocks * channels;
        Ok(walk
            .describe(Dispatch::new("global_pool", version.entry), channels)
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
