//! The gradients of a depthwise convolution with respect to its input and its weights.

use super::conv2d::Sizes;
use super::conv2d_gradients::{LONG_SUM, split};
use super::depthwise_conv2d::{check_kernel, example_cases, kernel, sizes};
use super::depthwise_strip::{Depthwise, STRIP_LINES, Task, columns, strip, table, tiles};
use super::epilogue::Epilogue;
use super::tiles::Direction;
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, Padding, Window, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// dy (N, OH, OW, C) and w (kh, kw, C, 1) to dx (N, H, W, C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthwiseConv2dInputGradient {
    window: Window,
    height: usize,
    width: usize,
}

impl DepthwiseConv2dInputGradient {
    /// Of a convolution with this window on an input of shape `x`.
    pub fn new(window: Window, x: &Shape) -> Self {
        let [_, height, width, _] = x.nhwc().unwrap_or([0; 4]);
        DepthwiseConv2dInputGradient { window, height, width }
    }

    fn sizes(&self, dy: &Shape) -> Result<Sizes> {
        let name = "depthwise_conv2d_input_gradient";
        let [batch, _, _, channels] = expect_nhwc(name, dy)?;
        let sizes = sizes(name, self.window, &[batch, self.height, self.width, channels].into())?;
        if sizes.output() != *dy {
            let input = sizes.input();
            return Err(Error::shape(name, format!("{dy} does not belong to an input {input}")));
        }
        Ok(sizes)
    }
}

impl Operation for DepthwiseConv2dInputGradient {
    fn name(&self) -> &'static str {
        "depthwise_conv2d_input_gradient"
    }

    fn describe(&self) -> String {
        format!("input gradient of depthwise_conv2d {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let sizes = self.sizes(inputs[0])?;
        check_kernel(self.name(), &sizes, inputs[1])?;
        Ok(sizes.input())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = self.sizes(inputs[0].shape()) else {
            return Vec::new();
        };
        let channels = sizes.in_channels;
        let (dy, w) = (inputs[0].data(), inputs[1].data());
        let mut dx = Tensor::zeros(sizes.input());
        sizes.for_each_meeting(|input, output, tap| {
            for c in 0..channels {
                dx.data_mut()[input * channels + c] +=
                    dy[output * channels + c] * w[tap * channels + c];
            }
        });
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "d_x", "x", "y"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        self.sizes(inputs[0]).map_or(0, |sizes| sizes.flops())
    }
}

impl Depthwise for DepthwiseConv2dInputGradient {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = self.sizes(lowering.inputs[0])?;
        Ok(Task {
            name: self.name(),
            sizes,
            direction: Direction::Input,
            epilogue: Epilogue::default(),
        })
    }
}

/// The dispatch of `strip`, or of `naive`, to the input.
pub(in crate::engine::ops) fn lower_input(
    lowering: &Lowering,
    sizes: &Sizes,
    in_strips: bool,
) -> Lowered {
    let entry = if in_strips { "strip" } else { "naive" };
    let dispatch = Dispatch::new("depthwise_conv2d_input_gradient", entry)
        .bind("dy", Operand::Input(0))
        .bind("w", Operand::Input(1))
        .bind("d_x", Operand::Output);
    let mut dispatch = sizes.channel_params(sizes.params(dispatch));
    let mut count = lowering.output.elements();
    if in_strips {
        let Window { stride, .. } = sizes.window;
        let strip = strip(&sizes.window, lowering.capabilities, STRIP_LINES);
        let strip = strip.next_multiple_of(stride[0]);
        dispatch = tiles(dispatch, &sizes.window, strip);
        // The first strips may start outside of the image.
        let [above, left] = [0, 1].map(|axis| sizes.geometry.before[axis] % stride[axis]);
        let strips = (sizes.height + above).div_ceil(strip);
        let column = sizes.batch * strips * sizes.in_channels / 4;
        let columns = columns(lowering, sizes.width, column, stride[0]);
        dispatch = dispatch.param("columns", columns);
        count = column * (sizes.width + left).div_ceil(columns);
    }
    let limit = lowering.capabilities.max_workgroups;
    dispatch.workgroups(grid(count.div_ceil(64), limit)).into()
}

/// x (N, H, W, C) and dy (N, OH, OW, C) to dw (kh, kw, C, 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DepthwiseConv2dWeightGradient {
    window: Window,
}

impl DepthwiseConv2dWeightGradient {
    /// Of a convolution with this window.
    pub fn new(window: Window) -> Self {
        DepthwiseConv2dWeightGradient { window }
    }
}

impl Operation for DepthwiseConv2dWeightGradient {
    fn name(&self) -> &'static str {
        "depthwise_conv2d_weight_gradient"
    }

    fn describe(&self) -> String {
        format!("weight gradient of depthwise_conv2d {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let sizes = sizes(self.name(), self.window, inputs[0])?;
        if sizes.output() != *inputs[1] {
            let problem = format!("{} and {} do not belong together", inputs[0], inputs[1]);
            return Err(Error::shape(self.name(), problem));
        }
        Ok(kernel(&sizes))
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = sizes(self.name(), self.window, inputs[0].shape()) else {
            return Vec::new();
        };
        let channels = sizes.in_channels;
        let (x, dy) = (inputs[0].data(), inputs[1].data());
        let mut dw = Tensor::zeros(kernel(&sizes));
        sizes.for_each_meeting(|input, output, tap| {
            for c in 0..channels {
                dw.data_mut()[tap * channels + c] +=
                    x[input * channels + c] * dy[output * channels + c];
            }
        });
        vec![dw]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        sizes(self.name(), self.window, inputs[0]).map_or(0, |sizes| sizes.flops())
    }
}

impl Depthwise for DepthwiseConv2dWeightGradient {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0])?;
        Ok(Task {
            name: self.name(),
            sizes,
            direction: Direction::Weight,
            epilogue: Epilogue::default(),
        })
    }
}

/// The dispatches of `strip`, or of `naive`, to the weights.
pub(in crate::engine::ops) fn lower_weight(
    lowering: &Lowering,
    sizes: &Sizes,
    in_strips: bool,
) -> Lowered {
    let limit = lowering.capabilities.max_workgroups;
    let start = |entry| {
        let dispatch = Dispatch::new("depthwise_conv2d_weight_gradient", entry);
        sizes.channel_params(sizes.params(dispatch))
    };
    let entry = if in_strips { "strip" } else { "naive" };
    let mut sum = start(entry).bind("x", Operand::Input(0)).bind("dy", Operand::Input(1));
    let mut invocations = lowering.output.elements();
    let [height, width] = sizes.geometry.output;
    let (mut units, mut rounds) = (sizes.batch * height, 1 + width);
    if in_strips {
        let window = &sizes.window;
        let strip = strip(window, lowering.capabilities, STRIP_LINES);
        sum = tiles(sum, window, strip);
        invocations = sizes.in_channels / 4;
        units = sizes.batch * height.div_ceil(strip);
        // Columns go on until the last ones of x have met their last ones of dy.
        rounds += (window.size[1] - 1) / window.stride[1];
    }
    let (splits, each) = split(units, rounds, invocations.div_ceil(64), lowering.capabilities);
    let sum = sum
        .param("splits", splits)
        .param("split_pixels", each)
        .workgroups(grid((invocations * splits).div_ceil(64), limit));
    if splits == 1 {
        return sum.bind("partial", Operand::Output).into();
    }
    let count = lowering.output.elements();
    let reduce = start("reduce")
        .bind("parts", Operand::Scratch(0))
        .bind("dw", Operand::Output)
        .param("splits", splits)
        .param("split_pixels", each)
        .workgroups(grid(count.div_ceil(64), limit));
    Lowered {
        dispatches: vec![sum.bind("partial", Operand::Scratch(0)), reduce],
        scratch: vec![splits * count],
    }
}

/// The same convolutions as the forward operation's.
pub fn input_cases() -> Vec<Case> {
    example_cases(|sizes| {
        let operation = DepthwiseConv2dInputGradient::new(sizes.window, &sizes.input());
        let inputs = [sizes.output(), kernel(sizes)].map(|shape| (shape, Fill::Signed));
        Case::new("", operation, inputs).dense(&[1])
    })
}

/// The same convolutions as the forward operation's.
pub fn weight_cases() -> Vec<Case> {
    let mut cases = example_cases(|sizes| {
        let operation = DepthwiseConv2dWeightGradient::new(sizes.window);
        let inputs = [sizes.input(), sizes.output()].map(|shape| (shape, Fill::Signed));
        Case::new("", operation, inputs).dense(&[2])
    });
    // More pixels to sum over than some drivers let a loop have rounds.
    let operation = DepthwiseConv2dWeightGradient::new(Window::square(3, 1, Padding::Same));
    let inputs = [[3, 300, 301, 4], [3, 300, 301, 4]].map(|dims| (dims.into(), Fill::Signed));
    let long = Case::new("long, (3, 300, 301, 4)", operation, inputs);
    cases.push(long.dense(&[2]).tolerance(LONG_SUM));
    cases
}
