//! Dense layers: a convolution of one pixel.

use super::conv2d::{Sizes, forward_task, reference_forward};
use super::epilogue::Epilogue;
use super::table::{self, Convolution, Task};
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::Lowering;
use crate::engine::ops::{
    Case, Conv2dInputGradient, Conv2dWeightGradient, Fill, Padding, Reshape, SumRows, Window,
    expect_inputs,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, C) times w (C, K) plus bias (K), to (N, K).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dense;

const EPILOGUE: Epilogue = Epilogue {
    bias: true,
    affine: false,
    residual: false,
    activation: crate::engine::ops::Activation::None,
};

fn window() -> Window {
    Window::square(1, 1, Padding::Valid)
}

fn sizes(x: &Shape, w: &Shape) -> Result<Sizes> {
    match (x.dims(), w.dims()) {
        ([batch, channels], [rows, columns]) if channels == rows => {
            Sizes::new("dense", window(), [*batch, 1, 1], *channels, *columns, 1)
        }
        _ => Err(Error::shape("dense", format!("takes (N, C) and (C, K), was given {x} and {w}"))),
    }
}

impl Operation for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("dense", inputs, 3)?;
        let sizes = sizes(inputs[0], inputs[1])?;
        EPILOGUE.check("dense", inputs, &sizes.output())?;
        Ok([sizes.batch, sizes.out_channels].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let (x, w, dy) = (rule.input(0), rule.input(1), rule.dy());
        let (x_shape, w_shape) = (rule.shape(x), rule.shape(w));
        let sizes = sizes(&x_shape, &w_shape)?;
        let pixels = rule.add("pixels", Reshape(sizes.output()), &[dy])?;
        let mut gradients = vec![None, None, None];
        if rule.wants(0) {
            let kernel = rule.add("as_kernel", Reshape(sizes.kernel()), &[w])?;
            let to = Conv2dInputGradient::new(window(), 1, &sizes.input());
            let dx = rule.add("input_gradient", to, &[pixels, kernel])?;
            gradients[0] = Some(rule.add("input_gradient_rows", Reshape(x_shape), &[dx])?);
        }
        if rule.wants(1) {
            let x = rule.add("as_pixels", Reshape(sizes.input()), &[x])?;
            let to = Conv2dWeightGradient::new(window(), 1);
            let dw = rule.add("weight_gradient", to, &[x, pixels])?;
            gradients[1] = Some(rule.add("weight_gradient_rows", Reshape(w_shape), &[dw])?);
        }
        if rule.wants(2) {
            gradients[2] = Some(rule.add("bias_gradient", SumRows, &[dy])?);
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = sizes(inputs[0].shape(), inputs[1].shape()) else {
            return Vec::new();
        };
        let sums = reference_forward(&sizes, inputs[0].data(), inputs[1].data());
        let shape = [sizes.batch, sizes.out_channels];
        vec![Tensor::from_fn(shape, |index| EPILOGUE.apply(sums[index], index, inputs))]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::dense::<Self>() }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        sizes(inputs[0], inputs[1]).map_or(0, |sizes| sizes.flops())
    }
}

impl Convolution for Dense {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = sizes(lowering.inputs[0], lowering.inputs[1])?;
        Ok(forward_task(self.name(), lowering, sizes, &EPILOGUE))
    }
}

/// Heads of classifiers, and sizes that do not divide by anything.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes = [(1, 1, 1), (3, 7, 5), (5, 12, 8), (32, 256, 2), (33, 68, 132), (2, 2048, 4)];
    for (batch, channels, units) in sizes {
        let inputs = [
            ([batch, channels].into(), Fill::Signed),
            ([channels, units].into(), Fill::Signed),
            ([units].into(), Fill::Signed),
        ];
        let name = format!("{batch}x{channels} to {units}");
        cases.push(Case::new(name, Dense, inputs).differentiate(&[0, 1, 2]));
    }
    cases
}
