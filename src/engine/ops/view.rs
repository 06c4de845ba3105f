//! Operations that only look at memory in another way, and the copy for where that cannot be.

use super::{Case, Fill, expect_inputs};
use crate::engine::graph::{Alias, Operation, Rule, Value};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// y = x, with other distances between rows or from another buffer. The planner inserts it where a
/// view will not do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Copy;

impl Operation for Copy {
    fn name(&self) -> &'static str {
        "copy"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("copy", inputs, 1)?;
        Ok(inputs[0].clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        Ok(vec![Some(rule.dy())])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        vec![inputs[0].clone()]
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let count = lowering.output.elements();
        Ok(Dispatch::new("copy", "naive")
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .param("count", count)
            .param("channels", lowering.output.channels())
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
            .into())
    }
}

/// Implements the parts of [`Operation`] that operations without a kernel share.
macro_rules! no_kernel {
    () => {
        fn lower(&self, _lowering: &Lowering) -> Result<Lowered> {
            // The planner resolves views, or replaces them by copies.
            Ok(Lowered::default())
        }

        fn flops(&self, _inputs: &[&Shape], _output: &Shape) -> u64 {
            0
        }
    };
}

/// The same numbers under another shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reshape(pub Shape);

impl Operation for Reshape {
    fn name(&self) -> &'static str {
        "reshape"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("reshape", inputs, 1)?;
        if inputs[0].elements() != self.0.elements() {
            return Err(Error::shape("reshape", format!("{} into {}", inputs[0], self.0)));
        }
        Ok(self.0.clone())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let shape = rule.shape(rule.input(0));
        Ok(vec![Some(rule.add("reshape_gradient", Reshape(shape), &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        vec![Tensor::from_fn(self.0.clone(), |index| inputs[0].data()[index])]
    }

    fn alias(&self, _inputs: &[&Shape]) -> Alias {
        Alias::Within { offset: 0, keeps_stride: false }
    }

    no_kernel!();
}

/// Row `index` of a matrix (R, C), as (C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row(pub usize);

impl Operation for Row {
    fn name(&self) -> &'static str {
        "row"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("row", inputs, 1)?;
        if inputs[0].rank() != 2 || inputs[0].dims()[0] <= self.0 {
            return Err(Error::shape("row", format!("row {} of {}", self.0, inputs[0])));
        }
        Ok([inputs[0].channels()].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let channels = inputs[0].shape().channels();
        vec![Tensor::from_fn([channels], |index| inputs[0].data()[self.0 * channels + index])]
    }

    fn alias(&self, inputs: &[&Shape]) -> Alias {
        Alias::Within { offset: self.0 * inputs[0].channels(), keeps_stride: false }
    }

    no_kernel!();
}

/// Channels `start..start + count` of a tensor (..., C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SliceChannels {
    /// The first channel.
    pub start: usize,
    /// How many.
    pub count: usize,
}

impl Operation for SliceChannels {
    fn name(&self) -> &'static str {
        "slice_channels"
    }

    fn describe(&self) -> String {
        format!("channels {}..{}", self.start, self.start + self.count)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("slice_channels", inputs, 1)?;
        let mut dims = inputs[0].dims().to_vec();
        match dims.last_mut() {
            Some(channels) if self.start + self.count <= *channels => *channels = self.count,
            _ => {
                return Err(Error::shape(
                    "slice_channels",
                    format!("{} of {}", self.describe(), inputs[0]),
                ));
            }
        }
        Ok(dims.into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let from = inputs[0].shape().channels();
        let mut dims = inputs[0].dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = self.count;
        }
        vec![Tensor::from_fn(dims, |index| {
            inputs[0].data()[index / self.count * from + self.start + index % self.count]
        })]
    }

    fn alias(&self, _inputs: &[&Shape]) -> Alias {
        Alias::Within { offset: self.start, keeps_stride: true }
    }

    no_kernel!();
}

/// Tensors that agree in all but their channels, side by side along the channels. Their producers
/// write into one buffer; nothing is copied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Concat;

impl Operation for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        let Some(first) = inputs.first() else {
            return Err(Error::shape("concat", "takes at least one input"));
        };
        let Some((_, outer)) = first.dims().split_last() else {
            return Err(Error::shape("concat", "a scalar has no channels"));
        };
        if let Some(other) =
            inputs.iter().find(|s| s.rank() != first.rank() || s.dims()[..outer.len()] != *outer)
        {
            return Err(Error::shape(
                "concat",
                format!("{first} and {other} differ in more than their channels"),
            ));
        }
        let mut dims = first.dims().to_vec();
        dims[outer.len()] = inputs.iter().map(|shape| shape.channels()).sum();
        Ok(dims.into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let mut start = 0;
        let shapes: Vec<Shape> =
            (0..rule.inputs()).map(|index| rule.shape(rule.input(index))).collect();
        let mut gradients = Vec::new();
        for (index, shape) in shapes.iter().enumerate() {
            let count = shape.channels();
            let slice = SliceChannels { start, count };
            start += count;
            gradients.push(if rule.wants(index) {
                Some(rule.add("concat_gradient", slice, &[rule.dy()])?)
            } else {
                None
            });
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let rows = inputs[0].shape().rows();
        let mut data = Vec::new();
        for row in 0..rows {
            for input in inputs {
                let channels = input.shape().channels();
                data.extend_from_slice(&input.data()[row * channels..(row + 1) * channels]);
            }
        }
        let mut dims = inputs[0].dims().to_vec();
        if let Some(last) = dims.last_mut() {
            *last = inputs.iter().map(|input| input.shape().channels()).sum();
        }
        vec![Tensor::from_fn(dims, |index| data[index])]
    }

    fn alias(&self, inputs: &[&Shape]) -> Alias {
        let mut at = 0;
        let offsets = inputs
            .iter()
            .map(|shape| {
                let offset = at;
                at += shape.channels();
                offset
            })
            .collect();
        Alias::Gather { offsets, keeps_stride: true }
    }

    no_kernel!();
}

/// Tensors of any shape one after another as one vector, each starting at a multiple of four
/// elements. Packed variables lie like that already, so an optimiser updates all of them at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pack;

impl Pack {
    /// Where each tensor starts, and the length of the whole.
    pub fn layout(shapes: &[&Shape]) -> (Vec<usize>, usize) {
        let mut at = 0;
        let offsets = shapes
            .iter()
            .map(|shape| {
                let offset = at;
                at += shape.elements().next_multiple_of(4);
                offset
            })
            .collect();
        (offsets, at)
    }
}

impl Operation for Pack {
    fn name(&self) -> &'static str {
        "pack"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        Ok([Pack::layout(inputs).1].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let shapes: Vec<&Shape> = inputs.iter().map(|input| input.shape()).collect();
        let (offsets, length) = Pack::layout(&shapes);
        let mut packed = Tensor::zeros([length]);
        for (input, offset) in inputs.iter().zip(offsets) {
            packed.data_mut()[offset..offset + input.data().len()].copy_from_slice(input.data());
        }
        vec![packed]
    }

    fn alias(&self, inputs: &[&Shape]) -> Alias {
        Alias::Gather { offsets: Pack::layout(inputs).0, keeps_stride: false }
    }

    no_kernel!();
}

/// Cases of the copy; views are tested by the planner's tests.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("odd sizes", Copy, [([2, 3, 5, 7].into(), Fill::Signed)]).differentiate(&[0]),
        Case::new("one element", Copy, [([1, 1, 1, 1].into(), Fill::Signed)]),
        Case::new("over 65535 workgroups", Copy, [([4_200_001].into(), Fill::Signed)]),
        Case::new("large", Copy, [([32, 48, 48, 128].into(), Fill::Signed)]).bench_only(),
    ]
}
