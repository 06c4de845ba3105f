//! What speaks for foreground in each pixel by itself.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (map, image, each (N, H, W, 1)) -> (N, H, W, 1): log-odds from a map, from where a pixel stands and
/// from how dark it is. `shaders/region/evidence.wgsl` has the formula.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// Weight of the map less `middle`.
    pub map: f32,
    /// What of the map says nothing; without it, the mean of each image's map.
    pub middle: Option<f32>,
    /// Weight of `edge` - r, r being the distance from the centre in half axes.
    pub prior: f32,
    /// Weight of the darkness, in deviations of the image, 2 at most. Where the outside is the darker
    /// one, brightness counts.
    pub darkness: f32,
    /// Added everywhere.
    pub bias: f32,
    /// The half axes of the ellipse, as shares of height and width; above 0.
    pub axes: [f32; 2],
    /// The r at which the prior says nothing.
    pub edge: f32,
    /// Darkness is measured from the middle of the mean grey where r < `inner` and that where
    /// r > `outer`.
    pub inner: f32,
    /// See `inner`.
    pub outer: f32,
}

/// Below this deviation an image has no contrast.
const FLAT: f64 = 1e-3;

impl Evidence {
    /// Distance of a pixel from the centre, in half axes.
    fn radius(&self, pixel: usize, [h, w]: [usize; 2]) -> f64 {
        let share = |at: usize, size: usize, axis: f32| {
            ((at as f64 + 0.5) / size as f64 - 0.5) / f64::from(axis)
        };
        share(pixel / w, h, self.axes[0]).hypot(share(pixel % w, w, self.axes[1]))
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

impl Operation for Evidence {
    fn name(&self) -> &'static str {
        "evidence"
    }

    fn describe(&self) -> String {
        "log-odds of a map, its place and darkness".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        if inputs[1] != inputs[0] || c != 1 || n * h * w == 0 {
            let problem = format!(
                "takes a map and an image of one shape (N, H, W, 1), was given {} and {}",
                inputs[0], inputs[1]
            );
            return Err(Error::shape(self.name(), problem));
        }
        if !self.axes.iter().all(|axis| *axis > 0.0) {
            return Err(Error::shape(self.name(), "half axes must be above 0"));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut odds = Vec::with_capacity(n * h * w);
        let images = inputs[0].data().chunks(h * w).zip(inputs[1].data().chunks(h * w));
        for (map, image) in images {
            let side = |within: &dyn Fn(f64) -> bool| {
                let pixels = (0..h * w).filter(|&pixel| within(self.radius(pixel, [h, w])));
                mean(pixels.map(|pixel| image[pixel]))
            };
            let inside = side(&|r| r < f64::from(self.inner));
            let outside = side(&|r| r > f64::from(self.outer));
            let grey = mean(image.iter().copied()).unwrap_or(0.0);
            let deviation = mean(image.iter().map(|x| (x - grey).powi(2))).unwrap_or(0.0).sqrt();
            let shown = self.middle.map(f64::from).or(mean(map.iter().copied())).unwrap_or(0.0);
            for pixel in 0..h * w {
                let dark = match (inside, outside) {
                    (Some(a), Some(b)) if deviation >= FLAT && a != b => {
                        let apart = (0.5 * (a + b) - image[pixel]) / deviation;
                        (b - a).signum() * apart.clamp(-2.0, 2.0)
                    }
                    _ => 0.0,
                };
                let near = f64::from(self.edge) - self.radius(pixel, [h, w]);
                odds.push(
                    f64::from(self.map) * (map[pixel] - shown)
                        + f64::from(self.prior) * near
                        + f64::from(self.darkness) * dark
                        + f64::from(self.bias),
                );
            }
        }
        vec![Tensor::from_fn([n, h, w, 1], |pixel| odds[pixel])]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc(self.name(), lowering.output)?;
        let dispatch = |entry, groups: usize| {
            Dispatch::new("evidence", entry)
                .rounds(2 * (h * w).div_ceil(64))
                .constant("OWN_MEAN", u32::from(self.middle.is_none()))
                .param("middle", self.middle.unwrap_or(0.0))
                .param("images", n)
                .param("height", h)
                .param("width", w)
                .param("map_weight", self.map)
                .param("prior_weight", self.prior)
                .param("dark_weight", self.darkness)
                .param("bias", self.bias)
                .param("edge", self.edge)
                .param("axis_y", self.axes[0])
                .param("axis_x", self.axes[1])
                .param("inner", self.inner)
                .param("outer", self.outer)
                .bind("map", Operand::Input(0))
                .bind("image", Operand::Input(1))
                .workgroups(grid(groups, lowering.capabilities.max_workgroups))
        };
        let measure = dispatch("measure", n).bind("found", Operand::Scratch(0));
        let evidence = dispatch("evidence", (n * h * w).div_ceil(64))
            .bind("means", Operand::Scratch(0))
            .bind("u", Operand::Output);
        Ok(Lowered { dispatches: vec![measure, evidence], scratch: vec![4 * n] })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        40 * output.elements() as u64
    }
}

/// Odd sizes, images without contrast, sizes at which nothing is inside or outside.
pub fn cases() -> Vec<Case> {
    let usual = Evidence {
        map: 2.0,
        middle: None,
        prior: 6.0,
        darkness: 0.7,
        bias: -0.25,
        axes: [0.36, 0.3],
        edge: 1.03,
        inner: 0.6,
        outer: 1.15,
    };
    let any = Fill::Uniform(0.0, 255.0);
    let mut cases = Vec::new();
    for (name, operation, dims, image) in [
        ("odd sizes", usual, [2, 13, 11, 1], any),
        ("one pixel", usual, [2, 1, 1, 1], any),
        ("one row", usual, [3, 1, 70, 1], any),
        ("one column", usual, [1, 37, 1, 1], any),
        ("larger than a workgroup", usual, [3, 31, 29, 1], any),
        ("no contrast", usual, [1, 9, 8, 1], Fill::Values(&[77.0])),
        ("nothing outside", Evidence { outer: 9.0, ..usual }, [1, 9, 8, 1], any),
        ("a map with a middle", Evidence { middle: Some(0.4), ..usual }, [2, 9, 8, 1], any),
        ("the map alone", Evidence { prior: 0.0, darkness: 0.0, ..usual }, [1, 9, 8, 1], any),
    ] {
        let inputs = [(dims.into(), Fill::Uniform(0.0, 1.0)), (dims.into(), image)];
        cases.push(Case::new(name, operation, inputs));
    }
    let dims = [16, 128, 128, 1];
    let inputs = [(dims.into(), Fill::Uniform(0.0, 1.0)), (dims.into(), any)];
    cases.push(Case::new("16 of 128x128", usual, inputs).bench_only());
    cases
}
