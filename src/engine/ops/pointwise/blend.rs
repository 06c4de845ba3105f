//! Many changed copies of one image: parts of it covered, faded towards a colour, or under noise.

use super::hash;
use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (x (1, H, W, C), base (C), mask (N, H, W, 1), (N, 1, 1, C) or (N, 1, 1, 1)) -> (N, H, W, C):
/// base + mask * (x - base).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blend;

/// (x (1, H, W, C), rows (N, 2)) -> (N, H, W, C): x plus normal noise, of which row n gives the
/// deviation and the key, a whole number below 2^24. `shaders/pointwise/blend.wgsl` says how it is drawn; the
/// same key draws the same noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise;

/// How many rows of a mask lie from image to image and from pixel to pixel, and how many elements from
/// channel to channel; `None` where the mask does not fit (H, W, C).
fn steps(mask: &Shape, [h, w, c]: [usize; 3]) -> Option<[usize; 3]> {
    match mask.nhwc()? {
        [_, 1, 1, 1] => Some([1, 0, 0]),
        [_, height, width, 1] if (height, width) == (h, w) => Some([h * w, 1, 0]),
        [_, 1, 1, channels] if channels == c => Some([1, 0, 1]),
        _ => None,
    }
}

/// (H, W, C) of one image.
fn one_image(name: &str, shape: &Shape) -> Result<[usize; 3]> {
    match expect_nhwc(name, shape)? {
        [1, h, w, c] => Ok([h, w, c]),
        _ => Err(Error::shape(name, format!("takes one image (1, H, W, C), was given {shape}"))),
    }
}

/// What both kernels share.
fn dispatch(
    entry: &'static str,
    lowering: &Lowering,
    names: &[&'static str],
    [image, pixel, channel]: [usize; 3],
) -> Result<Lowered> {
    let [_, h, w, c] = expect_nhwc("blend", lowering.output)?;
    let count = lowering.output.elements();
    let mut dispatch = Dispatch::new("blend", entry)
        .param("count", count)
        .param("area", h * w)
        .param("channels", c)
        .param("mask_image", image)
        .param("mask_pixel", pixel)
        .param("mask_channel", channel)
        .bind("y", Operand::Output)
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups));
    for (index, name) in names.iter().enumerate() {
        dispatch = dispatch.bind(name, Operand::Input(index));
    }
    Ok(dispatch.into())
}

impl Operation for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn describe(&self) -> String {
        "copies blended with a base".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        let [h, w, c] = one_image(self.name(), inputs[0])?;
        if inputs[1].dims() != [c] || steps(inputs[2], [h, w, c]).is_none() {
            let problem =
                format!("base {} and mask {} do not fit {}", inputs[1], inputs[2], inputs[0]);
            return Err(Error::shape(self.name(), problem));
        }
        Ok([inputs[2].dims()[0], h, w, c].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mask = inputs[2];
        let Some([image, pixel, channel]) = steps(mask.shape(), [h, w, c]) else {
            return Vec::new();
        };
        vec![Tensor::from_fn([mask.shape().dims()[0], h, w, c], |index| {
            let (copy, own) = (index / (h * w * c), index % (h * w * c));
            let (x, base) = (inputs[0].data()[own], inputs[1].data()[own % c]);
            let row = copy * image + own / c * pixel;
            let at = row * mask.shape().channels() + own % c * channel;
            base + mask.data()[at] * (x - base)
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [_, h, w, c] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let Some(steps) = steps(lowering.inputs[2], [h, w, c]) else {
            return Err(Error::shape(self.name(), "the mask does not fit"));
        };
        dispatch("blend", lowering, &["x", "base", "mask"], steps)
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        3 * output.elements() as u64
    }
}

impl Operation for Noise {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn describe(&self) -> String {
        "copies under normal noise".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("noise", inputs, 2)?;
        let [h, w, c] = one_image("noise", inputs[0])?;
        match inputs[1].dims() {
            &[copies, 2] => Ok([copies, h, w, c].into()),
            _ => Err(Error::shape("noise", format!("takes rows (N, 2), was given {}", inputs[1]))),
        }
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (x, rows) = (inputs[0], inputs[1]);
        let Some([_, h, w, c]) = x.shape().nhwc() else { return Vec::new() };
        vec![Tensor::from_fn([rows.shape().rows(), h, w, c], |index| {
            let (copy, own) = (index / (h * w * c), index % (h * w * c));
            let key = hash(rows.data()[2 * copy + 1] as u32);
            let draw = |which: u32| hash((2 * own as u32 + which).wrapping_add(key)) >> 8;
            let (u, v) = (f64::from(draw(0) + 1) / 16_777_216.0, f64::from(draw(1)) / 16_777_216.0);
            let z = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            x.data()[own] + rows.data()[2 * copy] * z
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        dispatch("noise", lowering, &["x", "rows"], [0; 3])
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        20 * output.elements() as u64
    }
}

/// Masks of each kind, one copy and several, keys at both ends, and noise where its formula ends.
pub fn cases() -> Vec<Case> {
    const ROWS: &[f64] = &[0.5, 0.0, 0.0, 7.0, 2.0, 16_777_215.0];
    // Keys whose first 12 elements have one at an end of u or v, or beside it.
    const ENDS: &[[f64; 2]] = &[
        [1.0, 935_320.0],   // u = 2^-24
        [1.0, 1_001_367.0], // u = 1 - 2^-24
        [1.0, 277_529.0],   // u = 1
        [1.0, 2_125_850.0], // v = 0
        [1.0, 110_497.0],   // v = 1/4 - 2^-24
        [1.0, 173_056.0],   // v = 1/4
        [1.0, 1_241_450.0], // v = 1/2
        [1.0, 1_111_817.0], // v = 3/4
        [1.0, 882_623.0],   // v = 1 - 2^-24
    ];
    // WGSL lets a division be off by 2.5 ULP and a root by 4.5, which is 1e-6 together with the rest.
    const NOISE_TOLERANCE: f64 = 2e-6;
    let noise = |name: &str, [h, w, c]: [usize; 3], rows: &'static [f64]| {
        let rows = (Shape::from([rows.len() / 2, 2]), Fill::Values(rows));
        let inputs = [(Shape::from([1, h, w, c]), Fill::Signed), rows];
        Case::new(name, Noise, inputs).tolerance(NOISE_TOLERANCE)
    };
    let mut cases = Vec::new();
    for (h, w, c) in [(3, 5, 7), (1, 1, 1), (6, 4, 3), (2, 3, 12)] {
        let x = || (Shape::from([1, h, w, c]), Fill::Signed);
        for mask in [[3, h, w, 1], [3, 1, 1, c], [2, 1, 1, 1]] {
            let mask = Shape::from(mask);
            let name = format!("{} by {mask}", x().0);
            let inputs = [x(), ([c].into(), Fill::Signed), (mask, Fill::Uniform(0.0, 1.0))];
            cases.push(Case::new(name, Blend, inputs));
        }
        cases.push(noise(&format!("noise on {}", x().0), [h, w, c], ROWS));
    }
    cases.push(noise("noise on many", [48, 64, 3], ROWS));
    cases.push(noise("noise at its ends", [2, 2, 3], ENDS.as_flattened()));
    let x = || (Shape::from([1, 224, 224, 3]), Fill::Signed);
    let mask = (Shape::from([16, 224, 224, 1]), Fill::Uniform(0.0, 1.0));
    cases.push(Case::new("large", Blend, [x(), ([3].into(), Fill::Signed), mask]).bench_only());
    let rows = (Shape::from([16, 2]), Fill::Uniform(0.0, 1.0));
    cases.push(Case::new("noise, large", Noise, [x(), rows]).bench_only());
    cases
}
