//! Mean-field inference of a dense conditional random field with two labels.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (u, q, image, each (N, H, W, 1)) -> (N, H, W, 1): from probabilities q the next ones, u being what
/// speaks for foreground by itself, as log-odds.
///
/// The model is that of Kraehenbuehl and Koltun (2011) with Potts' compatibility: pixels that are near
/// and alike want the same label. Each kernel is divided by its sum over the window, the pixel itself
/// included, so that a weight is the log-odds that unanimous neighbours add at most. The window is that
/// of Teichmann and Cipolla (2018). `shaders/region/mean_field.wgsl` has the formulas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanField {
    /// Rows and columns of neighbours to each side; 1 or more.
    pub radius: usize,
    /// Pixels from one of them to the next; 1 or more.
    pub dilation: usize,
    /// Weight of the appearance kernel, of position and grey.
    pub appearance: f32,
    /// Its deviation in pixels; above 0.
    pub alpha: f32,
    /// Its deviation in the unit of the image; above 0.
    pub beta: f32,
    /// Weight of the smoothness kernel, of position alone.
    pub smoothness: f32,
    /// Its deviation in pixels; above 0.
    pub gamma: f32,
}

impl MeanField {
    /// The pixels of the window around `at` along one axis.
    fn neighbours(&self, at: usize, size: usize) -> impl Iterator<Item = usize> + Clone {
        let before = (at / self.dilation).min(self.radius);
        let after = ((size - 1 - at) / self.dilation).min(self.radius);
        (at - before * self.dilation..=at + after * self.dilation).step_by(self.dilation)
    }
}

/// -log2(e) / (2 deviation^2): exp2 of it times a square is the Gaussian.
fn exponent(deviation: f32) -> f32 {
    (-std::f64::consts::LOG2_E / (2.0 * f64::from(deviation) * f64::from(deviation))) as f32
}

impl Operation for MeanField {
    fn name(&self) -> &'static str {
        "mean_field"
    }

    fn describe(&self) -> String {
        let side = 2 * self.radius + 1;
        let apart = match self.dilation {
            1 => String::new(),
            dilation => format!(", dilated {dilation}"),
        };
        format!("mean-field step, {side}x{side}{apart}")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        let problem = if inputs[1] != inputs[0] || inputs[2] != inputs[0] || c != 1 {
            let [u, q, image] = [0, 1, 2].map(|index| inputs[index]);
            format!("takes three tensors of one shape (N, H, W, 1), was given {u}, {q} and {image}")
        } else if n * h * w == 0 {
            format!("{} has no pixels", inputs[0])
        } else if self.radius == 0 || self.dilation == 0 {
            "radius and dilation must be 1 or more".to_owned()
        } else if ![self.alpha, self.beta, self.gamma].iter().all(|d| *d > 0.0 && d.is_finite()) {
            "deviations must be above 0".to_owned()
        } else {
            return Ok(inputs[0].clone());
        };
        Err(Error::shape(self.name(), problem))
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let [u, q, image] = [0, 1, 2].map(|index| inputs[index]);
        let Some([_, h, w, _]) = u.shape().nhwc() else { return Vec::new() };
        let gaussian = |square: f64, deviation: f32| {
            (-square / (2.0 * f64::from(deviation) * f64::from(deviation))).exp()
        };
        vec![Tensor::from_fn(u.shape().clone(), |pixel| {
            let (first, row, column) = (pixel / (h * w) * h * w, pixel / w % h, pixel % w);
            let (mut sums, mut weights) = ([0.0; 2], [0.0; 2]);
            for y in self.neighbours(row, h) {
                for x in self.neighbours(column, w) {
                    let other = first + y * w + x;
                    let square = (y.abs_diff(row).pow(2) + x.abs_diff(column).pow(2)) as f64;
                    let apart = image.data()[pixel] - image.data()[other];
                    let appearance =
                        gaussian(square, self.alpha) * gaussian(apart * apart, self.beta);
                    let kernels = [appearance, gaussian(square, self.gamma)];
                    for (kernel, weight) in kernels.into_iter().enumerate() {
                        weights[kernel] += weight;
                        if other != pixel {
                            sums[kernel] += weight * (2.0 * q.data()[other] - 1.0);
                        }
                    }
                }
            }
            let odds = u.data()[pixel]
                + f64::from(self.appearance) * sums[0] / weights[0]
                + f64::from(self.smoothness) * sums[1] / weights[1];
            1.0 / (1.0 + (-odds).exp())
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(MeanField:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |this, at| this.dispatches(at, false),
                },
                {
                    name: "fours",
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, true),
                },
            )
        }
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        let side = (2 * self.radius + 1) as u64;
        // Of a neighbour: 9 and an exponential, counted as one.
        10 * side * side * output.elements() as u64
    }
}

impl MeanField {
    /// `along`: whether an invocation takes four pixels of a line.
    fn dispatches(&self, lowering: &Lowering, along: bool) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc(self.name(), lowering.output)?;
        let smooth = self.smoothness != 0.0;
        let side = 2 * self.radius + 1;
        let blocks = w.div_ceil(self.dilation).div_ceil(4);
        let dispatch = |entry, count: usize| {
            Dispatch::new("mean_field", entry)
                .rounds((side + 3) * side + 8 * side)
                .param("count", count)
                .param("height", h)
                .param("width", w)
                .param("radius", self.radius)
                .param("dilation", self.dilation)
                .param("blocks", blocks)
                .param("near", exponent(self.alpha))
                .param("alike", exponent(self.beta))
                .param("smooth_near", exponent(self.gamma))
                .param("appearance", self.appearance)
                .param("smoothness", self.smoothness)
                .bind("q", Operand::Input(1))
                .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
        };
        let (entry, count) = match along {
            true => ("step_fours", n * h * self.dilation * blocks),
            false => ("step_naive", n * h * w),
        };
        let mut step = dispatch(entry, count)
            .constant("SMOOTH", u32::from(smooth))
            .bind("u", Operand::Input(0))
            .bind("image", Operand::Input(2))
            .bind("y", Operand::Output);
        if !smooth {
            return Ok(step.into());
        }
        step = step.bind("rows", Operand::Scratch(0));
        let along = dispatch("along", n * h * w).bind("sums", Operand::Scratch(0));
        Ok(Lowered { dispatches: vec![along, step], scratch: vec![n * h * w] })
    }
}

/// Windows within the image and beyond it, dilated ones, one pixel, one row, one column.
pub fn cases() -> Vec<Case> {
    let usual = MeanField {
        radius: 3,
        dilation: 1,
        appearance: 4.0,
        alpha: 5.0,
        beta: 40.0,
        smoothness: 2.0,
        gamma: 1.5,
    };
    let inputs = |dims: [usize; 4]| {
        [Fill::Uniform(-3.0, 3.0), Fill::Uniform(0.0, 1.0), Fill::Uniform(0.0, 255.0)]
            .map(|fill| (Shape::from(dims), fill))
    };
    let mut cases = Vec::new();
    for (name, operation, dims) in [
        ("odd sizes", usual, [2, 13, 11, 1]),
        ("one pixel", usual, [1, 1, 1, 1]),
        ("one row", usual, [3, 1, 19, 1]),
        ("one column", usual, [1, 17, 1, 1]),
        ("a window larger than the image", MeanField { radius: 9, ..usual }, [1, 7, 6, 1]),
        ("dilated", MeanField { dilation: 2, ..usual }, [2, 12, 17, 1]),
        ("dilated beyond the image", MeanField { dilation: 5, radius: 2, ..usual }, [1, 4, 9, 1]),
        ("no smoothness", MeanField { smoothness: 0.0, ..usual }, [1, 9, 10, 1]),
        ("sharp edges", MeanField { beta: 0.5, ..usual }, [1, 8, 9, 1]),
        ("wide", MeanField { alpha: 80.0, beta: 300.0, gamma: 30.0, ..usual }, [1, 16, 16, 1]),
        ("parts want to differ", MeanField { appearance: -3.0, ..usual }, [1, 9, 9, 1]),
    ] {
        cases.push(Case::new(name, operation, inputs(dims)));
    }
    let large = MeanField { radius: 7, alpha: 20.0, beta: 13.0, ..usual };
    for (name, operation) in [
        ("4 of 128x128, 15x15", large),
        ("4 of 128x128, 21x21", MeanField { radius: 10, ..large }),
        ("4 of 128x128, 15x15, dilated", MeanField { dilation: 3, ..large }),
    ] {
        cases.push(Case::new(name, operation, inputs([4, 128, 128, 1])).bench_only());
    }
    cases
}
