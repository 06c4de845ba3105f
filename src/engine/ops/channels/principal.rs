//! The first principal component of an activation: what Eigen-CAM shows.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{Way, fours_if};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::Result;

/// a (N, H, W, C) -> (N, H, W, 1): factor * a v for the first right singular vector v of each image's
/// (H W, C) matrix, which is not centred. Of the two signs, that of a sum that is not negative.
///
/// By power iteration on the GPU, 100 times: what is left of the second component is
/// (s2 / s1)^200, s being singular values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Principal {
    /// Multiplies the result.
    pub factor: f32,
}

/// With singular values in a ratio of 0.95 the second component is below 4e-5 of the first after them.
const ITERATIONS: usize = 100;

impl Operation for Principal {
    fn name(&self) -> &'static str {
        "principal"
    }

    fn describe(&self) -> String {
        format!("first principal component, {ITERATIONS} power iterations")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [n, h, w, _] = expect_nhwc(self.name(), inputs[0])?;
        Ok([n, h, w, 1].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut maps = Vec::with_capacity(n * h * w);
        for image in inputs[0].data().chunks((h * w * c).max(1)) {
            // Until nothing changes, by far more iterations than the kernel's.
            let mut v: Vec<f64> = (0..c).map(|i| 0.5 + (i as f64 * 0.618_034).fract()).collect();
            let along = |v: &[f64]| -> Vec<f64> {
                let rows = image.chunks(c);
                rows.map(|row| row.iter().zip(v).map(|(a, v)| a * v).sum()).collect()
            };
            for _ in 0..20 * ITERATIONS {
                let mut next = vec![0.0; c];
                for (row, u) in image.chunks(c).zip(along(&v)) {
                    next.iter_mut().zip(row).for_each(|(sum, a)| *sum += a * u);
                }
                let length = next.iter().map(|value| value * value).sum::<f64>().sqrt();
                let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
                v = next.iter().map(|value| scale * value).collect();
            }
            let map = along(&v);
            let sign = if map.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
            maps.extend(map.iter().map(|value| f64::from(self.factor) * sign * value));
        }
        vec![Tensor::from_fn([n, h, w, 1], |pixel| maps[pixel])]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(Principal:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, Way::NAIVE),
                },
                {
                    name: "fours",
                    fits: |this, at| fours_if(this, at.views[0].is_vec4(at.inputs[0])),
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, Way::FOURS),
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        (4 * ITERATIONS + 2) as u64 * inputs[0].elements() as u64
    }
}

impl Principal {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let [n, h, w, c] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let pixels = way.entry(["pixels_naive", "pixels_fours"]);
        let (channels, width) = (way.entry(["channels_naive", "channels_fours"]), way.width);
        let dispatch = |entry, channels: usize, groups: usize| {
            Dispatch::new("principal", entry)
                .rounds((h * w).max(channels))
                .param("images", n)
                .param("area", h * w)
                .param("channels", channels)
                .param("factor", self.factor)
                .workgroups(grid(groups, lowering.capabilities.max_workgroups))
        };
        let v = Operand::Scratch(0);
        let step = |entry, invocations: usize| {
            let step = dispatch(entry, c / width, invocations.div_ceil(64));
            step.bind("a", Operand::Input(0))
        };
        let along = || step(pixels, n * h * w).bind("weights", v).bind("cam", Operand::Output);
        let across = || step(channels, n * c / width).bind("u", Operand::Output).bind("v", v);
        let start = dispatch("start", c, (n * c).div_ceil(64)).bind("v", v);
        let mut dispatches = vec![start];
        for _ in 0..ITERATIONS {
            dispatches.extend([along(), across()]);
        }
        dispatches.push(along());
        dispatches.push(dispatch("turn", c, n).bind("cam", Operand::Output));
        Ok(Lowered { dispatches, scratch: vec![n * c] })
    }
}

/// After a ReLU and before, one pixel, one channel, nothing but zeros.
pub fn cases() -> Vec<Case> {
    // Two rows of different length, at right angles to each other.
    const CROSS: &[f64] = &[0.0, -3.0, 0.0, 2.0, 0.0, 0.0];
    let mut cases = Vec::new();
    for (name, dims, fill) in [
        ("after a relu", [2, 3, 5, 7], Fill::Uniform(0.0, 3.0)),
        ("fours", [3, 5, 4, 36], Fill::Uniform(0.0, 3.0)),
        ("more channels than lanes", [1, 2, 3, 516], Fill::Uniform(0.0, 1.0)),
        ("more pixels than lanes", [1, 12, 13, 4], Fill::Uniform(-0.5, 1.0)),
        ("two rows", [1, 1, 2, 3], Fill::Values(CROSS)),
        ("one element", [1, 1, 1, 1], Fill::Signed),
        ("zeros", [2, 2, 2, 4], Fill::Values(&[0.0])),
    ] {
        let inputs = [(dims.into(), fill)];
        // Rounding in each of many steps turns the vector by little, and all of them alike.
        cases.push(Case::new(name, Principal { factor: 1.0 }, inputs).tolerance(5e-5));
    }
    let inputs = [([2, 3, 5, 8].into(), Fill::Uniform(0.0, 3.0))];
    cases.push(Case::new("turned", Principal { factor: -1.0 }, inputs).tolerance(5e-5));
    let inputs = [([32, 10, 10, 2048].into(), Fill::Uniform(0.0, 1.0))];
    cases.push(Case::new("large", Principal { factor: 1.0 }, inputs).bench_only());
    cases
}
