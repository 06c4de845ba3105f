//! Depthwise convolution and its gradients.

use std::sync::Arc;

use super::conv2d::{Sizes, needs_fours};
use super::conv2d_gradients::{LONG_SUM, split};
use super::conv2d_half::Mode;
use super::epilogue::Epilogue;
use super::padded::{Block, Padded};
use super::{
    Capabilities, Case, Dispatch, Fill, Lowered, Lowering, Needs, Operand, Operation, Padding,
    Rule, SumRows, Variant, View, Window, expect_inputs, expect_nhwc, grid,
};
use crate::error::{Error, Result};
use crate::graph::Value;
use crate::shape::Shape;
use crate::tensor::Tensor;

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

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// The same with another window: a padding or a stride taken over from the operation before.
    pub(super) fn with_window(&self, window: Window) -> Self {
        DepthwiseConv2d { window, ..self.clone() }
    }

    /// Adds a bias (C), the next input.
    pub fn with_bias(self) -> Self {
        DepthwiseConv2d { epilogue: Epilogue { bias: true, ..self.epilogue }, ..self }
    }
}

/// Sizes of a depthwise convolution on an input of shape `x`.
fn sizes(name: &str, window: Window, x: &Shape) -> Result<Sizes> {
    let [batch, height, width, channels] = expect_nhwc(name, x)?;
    Sizes::new(name, window, [batch, height, width], channels, channels, channels.max(1))
}

fn kernel(sizes: &Sizes) -> Shape {
    let [kh, kw] = sizes.window.size;
    [kh, kw, sizes.in_channels, 1].into()
}

fn check_kernel(name: &str, sizes: &Sizes, w: &Shape) -> Result<()> {
    let expected = kernel(sizes);
    if *w == expected {
        return Ok(());
    }
    Err(Error::shape(name, format!("takes a kernel {expected}, was given {w}")))
}

const VARIANTS: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    Variant { name: "padded", needs: Needs::Nothing },
    Variant { name: "strip", needs: Needs::Nothing },
];

/// Whether `strip` can do it: what its constants allow, and four channels at a time.
fn fits_strip(lowering: &Lowering, window: &Window) -> bool {
    // A kernel (kh, kw, C, 1) is dense, and its rows are single numbers.
    let aligned = |view: &View, shape: &Shape| match shape.channels() {
        1 => view.offset.is_multiple_of(4),
        _ => view.is_vec4(shape),
    };
    let mut inputs = lowering.views.iter().zip(lowering.inputs);
    is_strip(window)
        && lowering.inputs[0].channels().is_multiple_of(4)
        && aligned(&lowering.output_view, lowering.output)
        && inputs.all(|(view, shape)| aligned(view, shape))
}

/// The same, as an error that says what it takes.
fn check_strip(name: &str, lowering: &Lowering, window: &Window) -> Result<()> {
    match (is_strip(window), fits_strip(lowering, window)) {
        (false, _) => Err(needs_fours(name, STRIP_WINDOWS)),
        (_, false) => Err(needs_fours(name, "strip")),
        _ => Ok(()),
    }
}

const STRIP_WINDOWS: &str =
    "strip takes square kernels of 2 to 7, a stride of up to 4, no dilation, and";

/// Whether the constants of `strip` allow a window.
fn is_strip(window: &Window) -> bool {
    window.size[0] == window.size[1]
        && window.stride[0] == window.stride[1]
        && (2..=7).contains(&window.size[0])
        && window.stride[0] <= 4
        && window.dilation == [1, 1]
}

/// What a multiply-add of `naive` takes a processor, in those of `tiles.rs`, forward, to the input and to the
/// weights; and one of `strip` (`benches/NOTES.md`, Channels not in fours).
const NAIVE: [f64; 3] = [8.0, 16.0, 5.0];
const STRIPPED: f64 = 1.0;

/// The convolution with its channels in fours, for windows that `strip` takes.
fn padded(lowering: &Lowering, sizes: &Sizes, mode: Mode, epilogue: &Epilogue) -> Padded {
    let channels = sizes.in_channels.next_multiple_of(4);
    let (in_channels, out_channels, groups) = (channels, channels, channels);
    let wide = Sizes { in_channels, out_channels, groups, ..*sizes };
    let x = Block::activation(&sizes.input(), 1, wide.input());
    let w = Block::depthwise_kernel(sizes, kernel(&wide));
    let y = Block::activation(&sizes.output(), 1, wide.output());
    Padded::new(lowering, mode.tensors(x, w, y), epilogue)
}

fn choose(
    lowering: &Lowering,
    sizes: Result<Sizes>,
    mode: Mode,
    epilogue: &Epilogue,
) -> &'static str {
    let Ok(sizes) = sizes else { return "naive" };
    if fits_strip(lowering, &sizes.window) {
        return "strip";
    }
    // A GPU computes enough numbers side by side.
    let capabilities = lowering.capabilities;
    if !capabilities.software || !is_strip(&sizes.window) {
        return "naive";
    }
    let work = (sizes.flops() / 2) as f64;
    let worth_it = |copies| copies + work * STRIPPED < work * NAIVE[mode as usize];
    match padded(lowering, &sizes, mode, epilogue).price(capabilities) {
        Some(copies) if worth_it(copies) => "padded",
        _ => "naive",
    }
}

/// The dispatches of `padded`; `strip`: those of the operation on wide tensors.
fn lower_padded(
    name: &str,
    lowering: &Lowering,
    sizes: &Sizes,
    mode: Mode,
    epilogue: &Epilogue,
    strip: impl FnOnce(&Lowering, &Epilogue) -> Result<Lowered>,
) -> Result<Lowered> {
    if !is_strip(&sizes.window) {
        return Err(needs_fours(name, STRIP_WINDOWS));
    }
    let padded = padded(lowering, sizes, mode, epilogue);
    padded.lower(name, lowering, sizes, |inner, epilogue| {
        strip(&Lowering { variant: "strip", ..*inner }, epilogue)
    })
}

/// How many lines of pixels one invocation computes: on a processor `most`. Software drivers compile there as
/// well, for a time that goes with the multiply-adds of the unrolled kernel: 7x7 taps for each of four pixels
/// took seconds. A GPU's compiler unrolls no more than it has registers for, and what is left lies in memory
/// (`benches/NOTES.md`, What a GPU's compiler makes of it).
fn strip(window: &Window, capabilities: &Capabilities, most: usize) -> usize {
    let taps = window.size[0] * window.size[1];
    let (held, most) = if capabilities.software { (12 * most, most) } else { (50, 4) };
    (held / taps.max(1)).clamp(1, most)
}

/// Lines of a strip on a processor: more of them keep more sums, or pixels, than it has registers for.
const STRIP_LINES: usize = 2;

fn tiles(dispatch: Dispatch, window: &Window, strip: usize) -> Dispatch {
    dispatch
        .tile("KERNEL", window.size[0] as u32)
        .tile("STRIDE", window.stride[0] as u32)
        .tile("STRIP", strip as u32)
}

/// How many of `width` columns one invocation of `strip` goes through, so that enough are left to go
/// through side by side: a multiple of `whole`.
fn columns(lowering: &Lowering, width: usize, side_by_side: usize, whole: usize) -> usize {
    let wanted = if lowering.capabilities.software { 4096 } else { 1 << 17 };
    let most = (width * side_by_side / wanted).clamp(1, 32);
    // As even as can be.
    width.div_ceil(width.div_ceil(most)).next_multiple_of(whole)
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
            let to = DepthwiseConv2dWeightGradient { window: self.window };
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0]);
        choose(lowering, sizes, Mode::Forward, &self.epilogue)
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "residual", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0])?;
        let entry = lowering.variant;
        if entry == "padded" {
            let (mode, epilogue, window) = (Mode::Forward, &self.epilogue, self.window);
            let strip = |inner: &Lowering, epilogue: &Epilogue| {
                DepthwiseConv2d { window, epilogue: *epilogue }.lower(inner)
            };
            return lower_padded(self.name(), lowering, &sizes, mode, epilogue, strip);
        }
        let dispatch = Dispatch::new("depthwise_conv2d", entry)
            .bind("x", Operand::Input(0))
            .bind("w", Operand::Input(1))
            .bind("y", Operand::Output)
            .param("channels", sizes.in_channels);
        let mut dispatch = sizes.params(self.epilogue.bind(dispatch));
        let mut count = lowering.output.elements();
        if entry == "strip" {
            check_strip(self.name(), lowering, &self.window)?;
            let strip = strip(&self.window, lowering.capabilities, STRIP_LINES);
            dispatch = tiles(dispatch, &self.window, strip);
            let [height, width] = sizes.geometry.output;
            let column = sizes.batch * height.div_ceil(strip) * sizes.in_channels / 4;
            let columns = columns(lowering, width, column, 1);
            dispatch = dispatch.param("columns", columns);
            count = column * width.div_ceil(columns);
        } else {
            dispatch = dispatch.param("columns", 1u32);
        }
        let limit = lowering.capabilities.max_workgroups;
        Ok(dispatch.workgroups(grid(count.div_ceil(64), limit)).into())
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        choose(lowering, self.sizes(lowering.inputs[0]), Mode::Input, &Epilogue::default())
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "dx", "x", "y"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let sizes = self.sizes(lowering.inputs[0])?;
        let entry = lowering.variant;
        if entry == "padded" {
            let (mode, nothing) = (Mode::Input, Epilogue::default());
            let strip = |inner: &Lowering, _: &Epilogue| self.lower(inner);
            return lower_padded(self.name(), lowering, &sizes, mode, &nothing, strip);
        }
        let dispatch = Dispatch::new("depthwise_conv2d_input_gradient", entry)
            .bind("dy", Operand::Input(0))
            .bind("w", Operand::Input(1))
            .bind("dx", Operand::Output)
            .param("channels", sizes.in_channels);
        let mut dispatch = sizes.params(dispatch);
        let mut count = lowering.output.elements();
        if entry == "strip" {
            check_strip(self.name(), lowering, &self.window)?;
            let stride = self.window.stride[0];
            let strip = strip(&self.window, lowering.capabilities, STRIP_LINES);
            let strip = strip.next_multiple_of(stride);
            dispatch = tiles(dispatch, &self.window, strip);
            // The first strips may start outside of the image.
            let [above, left] =
                [0, 1].map(|axis| sizes.geometry.before[axis] % self.window.stride[axis]);
            let strips = (self.height + above).div_ceil(strip);
            let column = sizes.batch * strips * sizes.in_channels / 4;
            let columns = columns(lowering, self.width, column, stride);
            dispatch = dispatch.param("columns", columns);
            count = column * (self.width + left).div_ceil(columns);
        } else {
            dispatch = dispatch.param("columns", 1u32);
        }
        let limit = lowering.capabilities.max_workgroups;
        Ok(dispatch.workgroups(grid(count.div_ceil(64), limit)).into())
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        self.sizes(inputs[0]).map_or(0, |sizes| sizes.flops())
    }
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
        VARIANTS
    }

    fn choose(&self, lowering: &Lowering) -> &'static str {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0]);
        choose(lowering, sizes, Mode::Weight, &Epilogue::default())
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy"]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let sizes = sizes(self.name(), self.window, lowering.inputs[0])?;
        let limit = lowering.capabilities.max_workgroups;
        let entry = lowering.variant;
        if entry == "padded" {
            let (mode, nothing) = (Mode::Weight, Epilogue::default());
            let strip = |inner: &Lowering, _: &Epilogue| self.lower(inner);
            return lower_padded(self.name(), lowering, &sizes, mode, &nothing, strip);
        }
        let start = |entry| {
            let dispatch = Dispatch::new("depthwise_conv2d_weight_gradient", entry)
                .param("channels", sizes.in_channels);
            sizes.params(dispatch)
        };
        let mut sum = start(entry).bind("x", Operand::Input(0)).bind("dy", Operand::Input(1));
        let mut invocations = lowering.output.elements();
        let [height, width] = sizes.geometry.output;
        let (mut units, mut rounds) = (sizes.batch * height, 1 + width);
        if entry == "strip" {
            check_strip(self.name(), lowering, &self.window)?;
            let strip = strip(&self.window, lowering.capabilities, STRIP_LINES);
            sum = tiles(sum, &self.window, strip);
            invocations = sizes.in_channels / 4;
            units = sizes.batch * height.div_ceil(strip);
            // Columns go on until the last ones of x have met their last ones of dy.
            rounds += (self.window.size[1] - 1) / self.window.stride[1];
        }
        let (splits, each) = split(units, rounds, invocations.div_ceil(64), lowering.capabilities);
        let sum = sum
            .param("splits", splits)
            .param("split_units", each)
            .workgroups(grid((invocations * splits).div_ceil(64), limit));
        if splits == 1 {
            return Ok(sum.bind("partial", Operand::Output).into());
        }
        let count = lowering.output.elements();
        let reduce = start("reduce")
            .bind("parts", Operand::Scratch(0))
            .bind("dw", Operand::Output)
            .param("splits", splits)
            .param("split_units", each)
            .workgroups(grid(count.div_ceil(64), limit));
        Ok(Lowered {
            dispatches: vec![sum.bind("partial", Operand::Scratch(0)), reduce],
            scratch: vec![splits * count],
        })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        sizes(self.name(), self.window, inputs[0]).map_or(0, |sizes| sizes.flops())
    }
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

fn example_cases(make: impl Fn(&Sizes) -> Case) -> Vec<Case> {
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
    cases
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
