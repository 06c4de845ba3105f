//! The gradients of a convolution with respect to its input and its weights.

use super::conv2d::{Sizes, examples};
use super::epilogue::Epilogue;
use super::table::{self, Convolution, Task};
use super::tiles::{Direction, Kernel, Product, Tile, shader};
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Conv2d, Fill, Padding, Window, expect_inputs, expect_nhwc};
use crate::engine::shape::{Shape, common_divisor};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// dy (N, OH, OW, K) and w (kh, kw, C / groups, K) to dx (N, H, W, C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dInputGradient {
    window: Window,
    groups: usize,
    height: usize,
    width: usize,
}

impl Conv2dInputGradient {
    /// Of a convolution with this window on an input of shape `x`.
    pub fn new(window: Window, groups: usize, x: &Shape) -> Self {
        let [_, height, width, _] = x.nhwc().unwrap_or([0; 4]);
        Conv2dInputGradient { window, groups, height, width }
    }

    fn sizes(&self, dy: &Shape, w: &Shape) -> Result<Sizes> {
        let name = "conv2d_input_gradient";
        let [batch, _, _, out_channels] = expect_nhwc(name, dy)?;
        let [_, _, channels, _] = expect_nhwc(name, w)?;
        let image = [batch, self.height, self.width];
        let channels = channels * self.groups;
        let sizes = Sizes::new(name, self.window, image, channels, out_channels, self.groups)?;
        if sizes.output() != *dy || sizes.kernel() != *w {
            return Err(Error::shape(name, format!("{dy} and {w} do not belong together")));
        }
        Ok(sizes)
    }
}

fn input_fours(lowering: &Lowering, sizes: &Sizes) -> bool {
    let inputs = lowering.views.iter().zip(lowering.inputs);
    sizes.group_in().is_multiple_of(4)
        && sizes.group_out().is_multiple_of(4)
        && lowering.output_view.is_vec4(lowering.output)
        && inputs.into_iter().all(|(view, shape)| view.is_vec4(shape))
}

/// Pixels that sit alike under the stride stand together, and share the taps that reach them: see the shader.
pub(in crate::engine::ops) fn input_product(sizes: &Sizes) -> Product {
    let [kh, kw] = sizes.window.size;
    let [stride_y, stride_x] = sizes.window.stride;
    let phases = stride_y * stride_x;
    Product {
        rows: sizes.batch * sizes.height.div_ceil(stride_y) * sizes.width.div_ceil(stride_x),
        columns: sizes.group_in(),
        depth: (kh * kw * sizes.group_out()).div_ceil(phases),
        times: phases * sizes.groups,
        direction: Direction::Input,
        pointwise: sizes.is_pointwise(),
    }
}

/// How far apart the taps are that reach one pixel of x, and the output pixels that it meets through them.
fn taps_apart(sizes: &Sizes, dispatch: Dispatch) -> Dispatch {
    let Window { stride, dilation, .. } = sizes.window;
    let common = [0, 1].map(|axis| common_divisor(stride[axis], dilation[axis]));
    dispatch
        .param("tap_step_y", stride[0] / common[0])
        .param("tap_step_x", stride[1] / common[1])
        .param("tap_back_y", dilation[0] / common[0])
        .param("tap_back_x", dilation[1] / common[1])
}

impl Operation for Conv2dInputGradient {
    fn name(&self) -> &'static str {
        "conv2d_input_gradient"
    }

    fn describe(&self) -> String {
        format!("input gradient of conv2d {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        Ok(self.sizes(inputs[0], inputs[1])?.input())
    }

    /// As a layer it is a transposed convolution, whose gradients are those of a convolution from dx to
    /// dy.
    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let (x, w, dy) = (rule.input(0), rule.input(1), rule.dy());
        let mut gradients = vec![None, None];
        if rule.wants(0) {
            let forward = Conv2d::new(self.window).with_groups(self.groups);
            gradients[0] = Some(rule.add("input_gradient", forward, &[dy, w])?);
        }
        if rule.wants(1) {
            let weights = Conv2dWeightGradient::new(self.window, self.groups);
            gradients[1] = Some(rule.add("weight_gradient", weights, &[dy, x])?);
        }
        Ok(gradients)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = self.sizes(inputs[0].shape(), inputs[1].shape()) else {
            return Vec::new();
        };
        let (dy, w) = (inputs[0].data(), inputs[1].data());
        let (group_in, group_out) = (sizes.group_in(), sizes.group_out());
        let mut dx = Tensor::zeros(sizes.input());
        sizes.for_each_meeting(|input, output, tap| {
            let sums = &mut dx.data_mut()[input * sizes.in_channels..][..sizes.in_channels];
            for k in 0..sizes.out_channels {
                for c in 0..group_in {
                    let weight = w[(tap * group_in + c) * sizes.out_channels + k];
                    sums[k / group_out * group_in + c] +=
                        dy[output * sizes.out_channels + k] * weight;
                }
            }
        });
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::input::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "d_x", "left", "out", "x", "y"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        self.sizes(inputs[0], inputs[1]).map_or(0, |sizes| sizes.flops())
    }
}

impl Convolution for Conv2dInputGradient {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = self.sizes(lowering.inputs[0], lowering.inputs[1])?;
        let (wide, product) = (input_fours(lowering, &sizes), input_product(&sizes));
        let epilogue = Epilogue::default();
        Ok(Task { name: self.name(), sizes, product, epilogue, wide, narrow: false })
    }
}

/// The dispatch of the gradient with respect to the input by a tile, or by `naive`.
pub(in crate::engine::ops) fn lower_input(
    lowering: &Lowering,
    sizes: &Sizes,
    tile: Option<&Tile>,
) -> Lowered {
    let kernel = tile.map(|tile| tile.kernel);
    let entry = kernel.map_or("naive", Kernel::entry);
    let dispatch = Dispatch::new(shader(kernel, Direction::Input), entry)
        .bind("dy", Operand::Input(0))
        .bind("w", Operand::Input(1))
        .bind("d_x", Operand::Output);
    let mut dispatch = taps_apart(sizes, sizes.channel_params(sizes.params(dispatch)));
    let groups = match tile {
        Some(tile) => {
            dispatch = match tile.kernel {
                Kernel::Tiled | Kernel::Fours => tile.set_shared(Direction::Input, dispatch),
                Kernel::Blocked => dispatch,
                Kernel::Narrow | Kernel::Subgroup => {
                    tile.set_row_blocks(lowering.capabilities, dispatch)
                }
            };
            let Product { rows, columns, times, .. } = input_product(sizes);
            tile.workgroups(tile.count(rows, columns) * times)
        }
        None => lowering.output.elements().div_ceil(64),
    };
    dispatch.workgroups(grid(groups, lowering.capabilities.max_workgroups)).into()
}

/// x (N, H, W, C) and dy (N, OH, OW, K) to dw (kh, kw, C / groups, K).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dWeightGradient {
    window: Window,
    groups: usize,
}

impl Conv2dWeightGradient {
    /// Of a convolution with this window.
    pub fn new(window: Window, groups: usize) -> Self {
        Conv2dWeightGradient { window, groups }
    }

    fn sizes(&self, x: &Shape, dy: &Shape) -> Result<Sizes> {
        let name = "conv2d_weight_gradient";
        let [batch, height, width, in_channels] = expect_nhwc(name, x)?;
        let [_, _, _, out_channels] = expect_nhwc(name, dy)?;
        let image = [batch, height, width];
        let sizes = Sizes::new(name, self.window, image, in_channels, out_channels, self.groups)?;
        if sizes.output() != *dy {
            return Err(Error::shape(name, format!("{x} and {dy} do not belong together")));
        }
        Ok(sizes)
    }
}

/// Into how many parts to split a sum over `units`, and how many units make a part, so that `tiles`
/// workgroups become enough to keep an adapter busy, and no loop becomes too long for it where a unit
/// takes `rounds`. The same on every run.
pub(in crate::engine::ops) fn split(
    units: usize,
    rounds: usize,
    tiles: usize,
    capabilities: &Capabilities,
) -> (usize, usize) {
    let wanted = if capabilities.software { 32 } else { 512 };
    let splits = (wanted / tiles.max(1)).clamp(1, units.max(1));
    let longest = (capabilities.longest_loop / rounds.max(1) as u64).max(1);
    let each = units.div_ceil(splits).max(1).min(usize::try_from(longest).unwrap_or(usize::MAX));
    (units.div_ceil(each).max(1), each)
}

/// Rounds of the loops over images, lines and pixels in `naive`.
fn naive_rounds(sizes: &Sizes) -> usize {
    let [height, width] = sizes.geometry.output;
    sizes.batch * (1 + height * (1 + width))
}

pub(in crate::engine::ops) fn weight_product(sizes: &Sizes) -> Product {
    let [kh, kw] = sizes.window.size;
    Product {
        rows: kh * kw * sizes.group_in(),
        columns: sizes.group_out(),
        depth: sizes.output().rows(),
        times: sizes.groups,
        direction: Direction::Weight,
        pointwise: sizes.is_pointwise(),
    }
}

fn weight_fours(lowering: &Lowering, sizes: &Sizes) -> (bool, bool) {
    let narrow = sizes.group_out().is_multiple_of(4)
        && lowering.views[1].is_vec4(lowering.inputs[1])
        && lowering.output_view.is_vec4(lowering.output);
    let x = lowering.views[0].is_vec4(lowering.inputs[0]);
    (narrow && x && sizes.group_in().is_multiple_of(4), narrow)
}

impl Operation for Conv2dWeightGradient {
    fn name(&self) -> &'static str {
        "conv2d_weight_gradient"
    }

    fn describe(&self) -> String {
        format!("weight gradient of conv2d {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        Ok(self.sizes(inputs[0], inputs[1])?.kernel())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Ok(sizes) = self.sizes(inputs[0].shape(), inputs[1].shape()) else {
            return Vec::new();
        };
        let (x, dy) = (inputs[0].data(), inputs[1].data());
        let (group_in, group_out) = (sizes.group_in(), sizes.group_out());
        let mut dw = Tensor::zeros(sizes.kernel());
        sizes.for_each_meeting(|input, output, tap| {
            for c in 0..group_in {
                let row = (tap * group_in + c) * sizes.out_channels;
                let sums = &mut dw.data_mut()[row..][..sizes.out_channels];
                for (k, sum) in sums.iter_mut().enumerate() {
                    *sum += x[input * sizes.in_channels + k / group_out * group_in + c]
                        * dy[output * sizes.out_channels + k];
                }
            }
        });
        vec![dw]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::weight::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy", "left", "right"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        self.sizes(inputs[0], inputs[1]).map_or(0, |sizes| sizes.flops())
    }
}

impl Convolution for Conv2dWeightGradient {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = self.sizes(lowering.inputs[0], lowering.inputs[1])?;
        let ((wide, narrow), product) = (weight_fours(lowering, &sizes), weight_product(&sizes));
        let epilogue = Epilogue::default();
        Ok(Task { name: self.name(), sizes, product, epilogue, wide, narrow })
    }
}

/// The dispatches of the gradient with respect to the weights by a tile, or by `naive`.
pub(in crate::engine::ops) fn lower_weight(
    lowering: &Lowering,
    sizes: &Sizes,
    tile: Option<&Tile>,
) -> Lowered {
    let limit = lowering.capabilities.max_workgroups;
    let kernel = tile.map(|tile| tile.kernel);
    let entry = kernel.map_or("naive", Kernel::entry);
    let start = |kernel, entry| {
        let dispatch = Dispatch::new(shader(kernel, Direction::Weight), entry);
        sizes.channel_params(sizes.params(dispatch))
    };
    let pixels = sizes.output().rows();
    let mut dispatch = start(kernel, entry)
        .bind("x", Operand::Input(0))
        .bind("dy", Operand::Input(1))
        .constant("POINTWISE", u32::from(sizes.is_pointwise()));
    let Some(tile) = tile else {
        let dispatch = dispatch
            .bind("dw", Operand::Output)
            .rounds(naive_rounds(sizes))
            .param("splits", 1u32)
            .param("split_pixels", pixels)
            .workgroups(grid(lowering.output.elements().div_ceil(64), limit));
        return dispatch.into();
    };
    dispatch = match tile.kernel {
        Kernel::Tiled | Kernel::Fours => tile.set_shared(Direction::Weight, dispatch),
        Kernel::Blocked => dispatch,
        // A lane looks after four rows.
        Kernel::Narrow | Kernel::Subgroup => tile.set_lanes(tile.rows / 4, dispatch),
    };
    let tiles = tile.count(lowering.output.rows(), sizes.group_out()) * sizes.groups;
    // Pixels are taken four at a time; `tiled` goes through 16 in 17 rounds, and `fours` through 16 more.
    let rounds = match tile.kernel {
        Kernel::Tiled => 5,
        Kernel::Fours => 6,
        _ => 1,
    };
    let fours = pixels.div_ceil(4);
    let (splits, each) = split(fours, rounds, tile.workgroups(tiles), lowering.capabilities);
    let each = 4 * each;
    let sum = dispatch
        .param("splits", splits)
        .param("split_pixels", each)
        .workgroups(grid(tile.workgroups(tiles * splits), limit));
    if splits == 1 {
        return sum.bind("partial", Operand::Output).into();
    }
    let count = lowering.output.elements();
    let reduce = start(None, "reduce")
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
    let mut cases = Vec::new();
    for example in examples() {
        let Ok(sizes) = example.sizes() else { continue };
        let operation = Conv2dInputGradient::new(example.window, example.groups, &sizes.input());
        let inputs = [sizes.output(), sizes.kernel()].map(|shape| (shape, Fill::Signed));
        cases.push(example.finish(Case::new(&example.name, operation, inputs).dense(&[1])));
    }
    // As a layer: transposed convolutions.
    for (size, stride, padding) in [
        (3, 2, Padding::Same),
        (4, 3, Padding::Valid),
        (2, 2, Padding::Valid),
        (1, 1, Padding::Same),
    ] {
        let window = Window::square(size, stride, padding);
        let image = Shape::from([2, 9, 8, 5]);
        let Ok(sizes) = Sizes::new("transposed", window, [2, 9, 8], 5, 6, 1) else { continue };
        let operation = Conv2dInputGradient::new(window, 1, &image);
        let inputs = [sizes.output(), sizes.kernel()].map(|shape| (shape, Fill::Signed));
        let name = format!("transposed {} {padding:?}", window.describe());
        cases.push(Case::new(name, operation, inputs).dense(&[1]).differentiate(&[0, 1]));
    }
    cases
}

/// The same convolutions as the forward operation's.
pub fn weight_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for example in examples() {
        let Ok(sizes) = example.sizes() else { continue };
        let operation = Conv2dWeightGradient::new(example.window, example.groups);
        let inputs = [sizes.input(), sizes.output()].map(|shape| (shape, Fill::Signed));
        cases.push(example.finish(Case::new(&example.name, operation, inputs).dense(&[2])));
    }
    // More pixels to sum over than some drivers let a loop have rounds.
    for (x, channels, size) in [([3, 300, 301, 4], 4, 1), ([1, 300, 301, 1], 4, 3)] {
        let window = Window::square(size, 1, Padding::Same);
        let inputs = [x, [x[0], x[1], x[2], channels]].map(|dims| (dims.into(), Fill::Signed));
        let name = format!("long, {} to {channels}, {}", Shape::from(x), window.describe());
        let operation = Conv2dWeightGradient::new(window, 1);
        cases.push(Case::new(name, operation, inputs).dense(&[2]).tolerance(LONG_SUM));
    }
    cases
}

/// What single precision leaves of a sum of some hundred thousand terms of both signs.
pub(in crate::engine::ops) const LONG_SUM: f64 = 1e-4;
