//! Zeros around the image, and the border cut off: each is the gradient of the other.

use std::sync::Arc;

use crate::engine::graph::{Operation, Rule, Value, Variant, downcast};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{
    Case, Conv2d, DepthwiseConv2d, Fill, Padding, Window, expect_inputs, expect_nhwc,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, C) with zeros around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroPad {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

/// x (N, H, W, C) without its border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

/// The output at (row, column) is the input at (row - top, column - left), or 0 where there is none.
fn shifted(x: &Tensor<f64>, size: [usize; 2], top: isize, left: isize) -> Vec<Tensor<f64>> {
    let Some([n, h, w, c]) = x.shape().nhwc() else { return Vec::new() };
    vec![Tensor::from_fn([n, size[0], size[1], c], |index| {
        let (pixel, channel) = (index / c, index % c);
        let (line, column) = (pixel / size[1], pixel % size[1]);
        let (image, row) = (line / size[0], line % size[0]);
        let row = row.checked_add_signed(-top).filter(|&row| row < h);
        let column = column.checked_add_signed(-left).filter(|&column| column < w);
        match (row, column) {
            (Some(row), Some(column)) => x.data()[((image * h + row) * w + column) * c + channel],
            _ => 0.0,
        }
    })]
}

fn lower(lowering: &Lowering, way: Way, top: i32, left: i32) -> Result<Lowered> {
    let [_, h, w, _] = expect_nhwc("pad", lowering.inputs[0])?;
    let [n, out_height, out_width, c] = expect_nhwc("pad", lowering.output)?;
    let channels = c / way.width;
    let count = n * out_height * out_width * channels;
    Ok(Dispatch::new("pad", way.entry(["naive", "fours"]))
        .bind("x", Operand::Input(0))
        .bind("y", Operand::Output)
        .param("count", count)
        .param("channels", channels)
        .param("height", h)
        .param("width", w)
        .param("out_height", out_height)
        .param("out_width", out_width)
        .param("top", top)
        .param("left", left)
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
        .into())
}

impl Operation for ZeroPad {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn describe(&self) -> String {
        format!("zero pad {}, {}, {}, {}", self.top, self.bottom, self.left, self.right)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("zero pad", inputs, 1)?;
        let [n, h, w, c] = expect_nhwc("zero pad", inputs[0])?;
        Ok([n, h + self.top + self.bottom, w + self.left + self.right, c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let ZeroPad { top, bottom, left, right } = *self;
        let crop = Crop { top, bottom, left, right };
        Ok(vec![Some(rule.add("pad_gradient", crop, &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let size = [h + self.top + self.bottom, w + self.left + self.right];
        shifted(inputs[0], size, self.top as isize, self.left as isize)
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

    /// A convolution that adds no padding of its own takes it over.
    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        if position != 0 {
            return None;
        }
        let ZeroPad { top, bottom, left, right } = *self;
        let padded = |window: Window| {
            let padding = Padding::Explicit { top, bottom, left, right };
            (window.padding == Padding::Valid).then_some(Window { padding, ..window })
        };
        if let Some(conv) = downcast::<Conv2d>(next) {
            return Some(Arc::new(conv.with_window(padded(conv.window())?)));
        }
        let conv = downcast::<DepthwiseConv2d>(next)?;
        Some(Arc::new(conv.with_window(padded(conv.window())?)))
    }
}

impl Rowwise for ZeroPad {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        lower(lowering, way, self.top as i32, self.left as i32)
    }
}

impl Operation for Crop {
    fn name(&self) -> &'static str {
        "pad"
    }

    fn describe(&self) -> String {
        format!("crop {}, {}, {}, {}", self.top, self.bottom, self.left, self.right)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("crop", inputs, 1)?;
        let [n, h, w, c] = expect_nhwc("crop", inputs[0])?;
        if self.top + self.bottom >= h || self.left + self.right >= w {
            return Err(Error::shape(
                "crop",
                format!("{} leaves nothing of {}", self.describe(), inputs[0]),
            ));
        }
        Ok([n, h - self.top - self.bottom, w - self.left - self.right, c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let Crop { top, bottom, left, right } = *self;
        let pad = ZeroPad { top, bottom, left, right };
        Ok(vec![Some(rule.add("crop_gradient", pad, &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let size = [h - self.top - self.bottom, w - self.left - self.right];
        shifted(inputs[0], size, -(self.top as isize), -(self.left as isize))
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
}

impl Rowwise for Crop {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        lower(lowering, way, -(self.top as i32), -(self.left as i32))
    }
}

/// Borders on all, some and no sides.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for [top, bottom, left, right] in [[1, 2, 3, 0], [0, 1, 0, 1], [0, 0, 0, 0]] {
        let (pad, crop) = (ZeroPad { top, bottom, left, right }, Crop { top, bottom, left, right });
        for dims in [[2, 5, 6, 7], [1, 4, 5, 4], [3, 4, 4, 1]] {
            let name = |what: &dyn Operation| format!("{} {}", what.describe(), Shape::from(dims));
            let inputs = [(dims.into(), Fill::Signed)];
            cases.push(Case::new(name(&pad), pad, inputs.clone()).differentiate(&[0]));
            cases.push(Case::new(name(&crop), crop, inputs).differentiate(&[0]));
        }
    }
    let pad = ZeroPad { top: 1, bottom: 1, left: 1, right: 1 };
    let inputs = [([1, 1, 1, 1].into(), Fill::Signed)];
    cases.push(Case::new("one element", pad, inputs).differentiate(&[0]));
    let inputs = [([32, 48, 48, 64].into(), Fill::Signed)];
    cases.push(Case::new("large", pad, inputs).bench_only());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_of_everything_is_refused() {
        let x = Shape::from([1, 4, 4, 1]);
        let error = Crop { top: 2, bottom: 2, left: 0, right: 0 }.infer(&[&x]).unwrap_err();
        assert!(error.to_string().contains("leaves nothing"), "{error}");
    }

    #[test]
    fn zeros_stand_where_they_should() {
        let x = Tensor::new([1, 1, 2, 1], vec![3.0, 4.0]).unwrap();
        let pad = ZeroPad { top: 1, bottom: 0, left: 0, right: 1 };
        let y = pad.reference(&[&x]).remove(0);
        assert_eq!((y.dims(), y.data()), (&[1, 2, 3, 1][..], &[0.0, 0.0, 0.0, 3.0, 4.0, 0.0][..]));
    }
}
