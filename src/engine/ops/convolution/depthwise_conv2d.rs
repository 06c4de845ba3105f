//! Depthwise convolution.

use std::sync::Arc;

use super::conv2d::Sizes;
use super::depthwise_gradients::{DepthwiseConv2dInputGradient, DepthwiseConv2dWeightGradient};
use super::depthwise_strip::{Depthwise, STRIP_LINES, Task, columns, strip, table, tiles};
use super::epilogue::Epilogue;
use super::tiles::Direction;
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{
    Activation, Case, Fill, Padding, SumRows, Window, expect_inputs, expect_nhwc,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, C) with w (kh, kw, C, 1), each channel by itself, and then an `Epilogue`, to
/// (N, OH, OW, C).
#[derive(Clone, Debug, PartialEq)]
pub struct DepthwiseConv2d {
    window: Window,
    epilogue: Epilogue,
}

impl DepthwiseConv2d {
    /// A convolution with no more than its kernel.
    pub fn new(window: Window) -> Self {
        DepthwiseConv2d { window, epilogue: Epilogue::default() }
    }

    /// Where its kernel stands.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The same with another window: a padding or a stride taken over from the operation before.
    pub(in crate::engine::ops) fn with_window(&self, window: Window) -> Self {
        DepthwiseConv2d { window, ..self.clone() }
    }

    /// Adds a bias (C), the next input.
    pub fn with_bias(self) -> Self {
        DepthwiseConv2d { epilogue: Epilogue { bias: true, ..self.epilogue }, ..self }
    }
}

/// Sizes of a depthwise convolution on an input of shape `x`.
pub(in crate::engine::ops) fn sizes(name: &str, window: Window, x: &Shape) -> Result<Sizes> {
    let [batch, height, width, channels] = expect_nhwc(name, x)?;
    Sizes::new(name, window, [batch, height, width], channels, channels, channels.max(1))
}

pub(in crate::engine::ops) fn kernel(sizes: &Sizes) -> Shape {
    let [kh, kw] = sizes.window.size;
    [kh, kw, sizes.in_channels, 1].into()
}

pub(in crate::engine::ops) fn check_kernel(name: &str, sizes: &Sizes, w: &Shape) -> Result<()> {
    let expected = kernel(sizes);
    if *w == expected {
        return Ok(());
    }
    Err(Error::shape(name, format!("takes a kernel {expected}, was given {w}")))
}

impl Operation for DepthwiseConv2d {
    fn name(&self) -> &'static str {
        "depthwise_conv2d"
    }

    fn describe(&self) -> String {
        format!("depthwise_conv2d {}{}", self.window.describe(), self.epilogue.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2 + self.epilogue.inputs())?;
        let sizes = sizes(self.name(), self.window, inputs[0])?;
        check_kernel(self.name(), &sizes, inputs[1])?;
        let output = sizes.output();
        self.epilogue.check(self.name(), inputs, &output)?;
        Ok(output)
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        if !self.epilogue.is_plain() {
            return Err(Error::shape(rule.name(), "differentiate before fusing"));
        }
        let (x, w, dy) = (rule.input(0), rule.input(1), rule.dy());
        let mut gradients = Vec::new();
        gradients.push(if rule.wants(0) {
            let to = DepthwiseConv2dInputGradient::new(self.window, &rule.shape(x));
            Some(rule.add("input_gradient", to, &[dy, w])?)
        } else {
            None
        });
        gradients.push(if rule.wants(1) {
            let to = DepthwiseConv2dWeightGradient::new(self.window);
            Some(rule.add("weight_gradient", to, &[x, dy])?)
        } else {
            None
        });
        if self.epilogue.bias {
            gradients.push(if rule.wants(2) {
                Some(rule.add("bias_gradient", SumRows, &[dy])?)
            } else {
                None
            });
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = sizes(self.name(), self.window, inputs[0].shape()) else {
            return Vec::new();
        };
        let channels = sizes.in_channels;
        let (x, w) = (inputs[0].data(), inputs[1].data());
        let mut sums = vec![0.0; sizes.output().elements()];
        sizes.for_each_meeting(|input, output, tap| {
            for c in 0..channels {
                sums[output * channels + c] += x[input * channels + c] * w[tap * channels + c];
            }
        });
        let finish = |index: usize| self.epilogue.apply(sums[index], index, inputs);
        vec![Tensor::from_fn(sizes.output(), finish)]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "residual", "y"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        sizes(self.name(), self.window, inputs[0]).map_or(0, |sizes| sizes.flops())
    }

    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        if differentiable {
            return None;
        }
        let epilogue = self.epilogue.absorb(next, position)?;
        Some(Arc::new(DepthwiseConv2d { epilogue, ..self.clone() }))
    }
}

impl Depthwise for DepthwiseConv2d {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0])?;
        Ok(Task {
            name: self.name(),
            sizes,
            direction: Direction::Forward,
            epilogue: self.epilogue,
        })
    }
}

/// The dispatch of `strip`, or of `naive`.
pub(in crate::engine::ops) fn lower_forward(
    lowering: &Lowering,
    sizes: &Sizes,
    epilogue: &Epilogue,
    in_strips: bool,
) -> Lowered {
    let entry = if in_strips { "strip" } else { "naive" };
    let dispatch = Dispatch::new("depthwise_conv2d", entry)
        .bind("x", Operand::Input(0))
        .bind("w", Operand::Input(1))
        .bind("y", Operand::Output);
    let mut dispatch = sizes.channel_params(sizes.params(epilogue.bind(dispatch)));
    let mut count = lowering.output.elements();
    if in_strips {
        let window = &sizes.window;
        let strip = strip(window, lowering.capabilities, STRIP_LINES);
        dispatch = tiles(dispatch, window, strip);
        let [height, width] = sizes.geometry.output;
        let column = sizes.batch * height.div_ceil(strip) * sizes.in_channels / 4;
        let columns = columns(lowering, width, column, 1);
        dispatch = dispatch.param("columns", columns);
        count = column * width.div_ceil(columns);
    }
    let limit = lowering.capabilities.max_workgroups;
    dispatch.workgroups(grid(count.div_ceil(64), limit)).into()
}

/// (input, window, only for timing)
fn examples() -> Vec<(String, Shape, Window, bool)> {
    use Padding::{Same, Valid};
    let square = Window::square;
    let uneven = Window {
        size: [2, 3],
        stride: [3, 2],
        dilation: [1, 2],
        padding: Padding::Explicit { top: 0, bottom: 2, left: 3, right: 1 },
    };
    let shifted = Window {
        padding: Padding::Explicit { top: 1, bottom: 0, left: 3, right: 0 },
        ..square(3, 2, Same)
    };
    let all = [
        ([2, 5, 7, 4], square(3, 1, Same), false),
        ([1, 9, 8, 12], square(3, 2, Same), false),
        ([2, 8, 9, 8], square(3, 2, Valid), false),
        ([2, 6, 5, 3], square(3, 1, Same), false),
        ([1, 1, 1, 1], square(3, 1, Same), false),
        ([1, 1, 1, 4], square(3, 2, Same), false),
        ([1, 11, 13, 8], square(5, 1, Same), false),
        ([1, 11, 10, 8], square(5, 2, Same), false),
        ([1, 5, 6, 4], square(7, 2, Same), false),
        ([2, 7, 9, 6], square(5, 2, Same), false),
        ([2, 10, 11, 8], square(3, 3, Same), false),
        ([1, 11, 9, 4], square(2, 3, Valid), false),
        ([1, 13, 10, 8], square(5, 4, Same), false),
        ([1, 9, 8, 5], square(7, 2, Same), false),
        ([1, 9, 9, 4], square(2, 2, Valid), false),
        ([1, 9, 11, 4], Window { dilation: [2, 3], ..square(3, 1, Same) }, false),
        ([2, 11, 10, 4], uneven, false),
        ([2, 7, 10, 4], shifted, false),
        ([32, 48, 48, 64], square(3, 1, Same), true),
        ([32, 24, 24, 128], square(3, 1, Same), true),
        ([8, 19, 19, 728], square(3, 1, Same), true),
    ];
    all.into_iter()
        .map(|(x, window, bench_only)| {
            let x = Shape::from(x);
            (format!("{x}, {}", window.describe()), x, window, bench_only)
        })
        .collect()
}

pub(in crate::engine::ops) fn example_cases(make: impl Fn(&Sizes) -> Case) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, x, window, bench_only) in examples() {
        let Ok(sizes) = sizes("depthwise_conv2d", window, &x) else { continue };
        let case = Case { name, ..make(&sizes) };
        cases.push(if bench_only { case.bench_only() } else { case });
    }
    cases
}

/// Every example, and every epilogue.
pub fn cases() -> Vec<Case> {
    let mut cases = example_cases(|sizes| {
        let inputs = [sizes.input(), kernel(sizes)].map(|shape| (shape, Fill::Signed));
        Case::new("", DepthwiseConv2d::new(sizes.window), inputs).differentiate(&[0, 1]).dense(&[1])
    });
    for channels in [3, 8] {
        for epilogue in Epilogue::all() {
            let window = Window::square(3, 1, Padding::Same);
            let operation = DepthwiseConv2d { window, epilogue };
            let x = Shape::from([2, 5, 6, channels]);
            let mut inputs = vec![x.clone(), [3, 3, channels, 1].into()];
            inputs.extend(epilogue.case_shapes(&x));
            let name = format!("{}, {channels} channels", operation.describe());
            let inputs = inputs.into_iter().map(|shape| (shape, Fill::Signed));
            let case = Case::new(name, operation, inputs).dense(&[1]);
            let plain = epilogue.is_plain() && epilogue.bias;
            cases.push(if plain { case.differentiate(&[0, 1, 2]) } else { case });
        }
    }
    // So many numbers that a software adapter takes channels that are not in fours to those that are.
    let all = Epilogue { bias: true, affine: true, residual: true, activation: Activation::Relu };
    for epilogue in [Epilogue { bias: false, residual: false, ..all }, all] {
        let operation = DepthwiseConv2d { window: Window::square(3, 1, Padding::Same), epilogue };
        let x = Shape::from([2, 24, 24, 6]);
        let mut inputs = vec![x.clone(), [3, 3, 6, 1].into()];
        inputs.extend(epilogue.case_shapes(&x));
        let name = format!("{}, many numbers", operation.describe());
        let inputs = inputs.into_iter().map(|shape| (shape, Fill::Signed));
        cases.push(Case::new(name, operation, inputs).dense(&[1]));
    }
    cases
}
