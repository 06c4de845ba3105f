//! How much darker each pixel is than its surroundings, and masks of what is by more than some levels.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (near, far, both (N, H, W, 1)) -> (N, H, W, 1): (far - near) / the deviation of near in its image,
/// 0 where there is none. `near` and `far` are an image blurred by little and by much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contrast {
    /// Whether the result is turned: how much brighter each pixel is.
    pub bright: bool,
}

/// d (N, H, W, 1) -> (N L, H, W, 1): for each image and each of L levels, 1 where d is above, else 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Levels {
    /// 1 to [`Self::MOST`].
    pub levels: Vec<f32>,
}

impl Levels {
    /// How many levels there may be.
    pub const MOST: usize = 8;
}

/// Below this deviation an image has no contrast.
const FLAT: f64 = 1e-3;

const FIELDS: [&str; Levels::MOST] =
    ["level0", "level1", "level2", "level3", "level4", "level5", "level6", "level7"];

fn dispatch(
    entry: &'static str,
    lowering: &Lowering,
    levels: &[f32],
    groups: usize,
) -> Result<Dispatch> {
    let [n, h, w, _] = expect_nhwc("contrast", lowering.inputs[0])?;
    let mut dispatch = Dispatch::new("contrast", entry)
        .param("images", n)
        .param("area", h * w)
        .param("count", levels.len())
        .workgroups(grid(groups, lowering.capabilities.max_workgroups));
    for (index, field) in FIELDS.iter().enumerate() {
        dispatch = dispatch.param(field, levels.get(index).copied().unwrap_or(0.0));
    }
    Ok(dispatch)
}

impl Contrast {
    fn turn(&self) -> f32 {
        if self.bright { -1.0 } else { 1.0 }
    }
}

impl Operation for Contrast {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn describe(&self) -> String {
        let what = if self.bright { "brighter" } else { "darker" };
        format!("{what} than around, in deviations")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("contrast", inputs, 2)?;
        let [_, _, _, c] = expect_nhwc("contrast", inputs[0])?;
        if inputs[0] != inputs[1] || c != 1 || inputs[0].elements() == 0 {
            let problem = format!(
                "takes two images of one shape (N, H, W, 1), was given {} and {}",
                inputs[0], inputs[1]
            );
            return Err(Error::shape("contrast", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let images = inputs[0].data().chunks(h * w).zip(inputs[1].data().chunks(h * w));
        let found: Vec<f64> = images
            .flat_map(|(near, far)| {
                let count = near.len() as f64;
                let mean = near.iter().sum::<f64>() / count;
                let square = near.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
                let scale = if square.sqrt() >= FLAT { 1.0 / square.sqrt() } else { 0.0 };
                let scale = f64::from(self.turn()) * scale;
                near.iter().zip(far).map(move |(near, far)| scale * (far - near))
            })
            .collect();
        vec![Tensor::from_fn(inputs[0].shape().clone(), |pixel| found[pixel])]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc("contrast", lowering.output)?;
        let measure = dispatch("measure", lowering, &[], n)?
            .rounds(2 * (h * w).div_ceil(64))
            .bind("near", Operand::Input(0))
            .bind("found", Operand::Scratch(0));
        let contrast = dispatch("contrast", lowering, &[], (n * h * w).div_ceil(64))?
            .constant("TURN", self.turn())
            .bind("near", Operand::Input(0))
            .bind("far", Operand::Input(1))
            .bind("scale", Operand::Scratch(0))
            .bind("y", Operand::Output);
        Ok(Lowered { dispatches: vec![measure, contrast], scratch: vec![n] })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        6 * output.elements() as u64
    }
}

impl Operation for Levels {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn describe(&self) -> String {
        format!("masks of {} levels", self.levels.len())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("levels", inputs, 1)?;
        let [n, h, w, c] = expect_nhwc("levels", inputs[0])?;
        if c != 1 || !(1..=Self::MOST).contains(&self.levels.len()) {
            let problem = format!(
                "takes (N, H, W, 1) and 1 to {} levels, was given {} and {}",
                Self::MOST,
                inputs[0],
                self.levels.len()
            );
            return Err(Error::shape("levels", problem));
        }
        Ok([n * self.levels.len(), h, w, 1].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let count = self.levels.len();
        vec![Tensor::from_fn([n * count, h, w, 1], |index| {
            let (mask, pixel) = (index / (h * w), index % (h * w));
            let value = inputs[0].data()[mask / count * h * w + pixel];
            f64::from(u8::from(value > f64::from(self.levels[mask % count])))
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let groups = lowering.output.elements().div_ceil(64);
        Ok(dispatch("levels", lowering, &self.levels, groups)?
            .bind("d", Operand::Input(0))
            .bind("y", Operand::Output)
            .into())
    }
}

/// Odd sizes, one pixel, one row, no contrast, one level and the most.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, dims, near, bright) in [
        ("odd sizes", [2, 13, 11, 1], Fill::Uniform(0.0, 255.0), false),
        ("one pixel", [2, 1, 1, 1], Fill::Uniform(0.0, 255.0), false),
        ("one row", [3, 1, 70, 1], Fill::Uniform(0.0, 255.0), true),
        ("no contrast", [1, 9, 8, 1], Fill::Values(&[31.0]), true),
    ] {
        let inputs = [(dims.into(), near), (dims.into(), Fill::Uniform(0.0, 255.0))];
        cases.push(Case::new(name, Contrast { bright }, inputs));
    }
    for (name, dims, levels) in [
        ("levels", [3, 7, 9, 1], vec![-0.5, 0.0, 0.15, 0.4, 0.45, 0.6]),
        ("the most levels", [1, 5, 6, 1], vec![-0.7, -0.5, -0.3, -0.1, 0.1, 0.3, 0.5, 0.7]),
        ("one level", [2, 1, 1, 1], vec![0.2]),
    ] {
        let inputs = [(dims.into(), Fill::Signed)];
        cases.push(Case::new(name, Levels { levels }, inputs).tolerance(0.0));
    }
    let dims = [16, 128, 128, 1];
    let levels = vec![0.0, 0.15, 0.3, 0.45, 0.6, 0.8];
    cases.push(
        Case::new("16 of 128x128", Levels { levels }, [(dims.into(), Fill::Signed)]).bench_only(),
    );
    cases
}
