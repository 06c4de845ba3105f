//! Convolution.

use std::sync::Arc;

use super::epilogue::Epilogue;
use super::table::{self, Convolution, Task};
use super::tiles::{Direction, Kernel, Product, Tile, shader};
use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{
    Case, Conv2dInputGradient, Conv2dWeightGradient, Fill, Geometry, Padding, SumRows, Window,
    expect_inputs, expect_nhwc,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// x (N, H, W, C) with w (kh, kw, C / groups, K), and then an `Epilogue`, to (N, OH, OW, K).
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    window: Window,
    groups: usize,
    epilogue: Epilogue,
}

impl Conv2d {
    /// A convolution with no more than its kernel.
    pub fn new(window: Window) -> Self {
        Conv2d { window, groups: 1, epilogue: Epilogue::default() }
    }

    /// Where its kernel stands.
    pub fn window(&self) -> Window {
        self.window
    }

    /// In how many groups of channels it works.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Channels in `groups` that do not see each other.
    pub fn with_groups(self, groups: usize) -> Self {
        Conv2d { groups, ..self }
    }

    /// The same with another window: a padding or a stride taken over from the operation before.
    pub(in crate::engine::ops) fn with_window(&self, window: Window) -> Self {
        Conv2d { window, ..self.clone() }
    }

    /// Adds a bias (K), the next input.
    pub fn with_bias(self) -> Self {
        Conv2d { epilogue: Epilogue { bias: true, ..self.epilogue }, ..self }
    }

    fn sizes(&self, x: &Shape, w: &Shape) -> Result<Sizes> {
        let x = expect_nhwc("conv2d", x)?;
        let problem = |text: String| Err(Error::shape("conv2d", text));
        let [kh, kw, channels, out_channels] = match w.nhwc() {
            Some(dims) if [dims[0], dims[1]] == self.window.size => dims,
            _ => {
                let [kh, kw] = self.window.size;
                return problem(format!("takes a kernel ({kh}, {kw}, C, K), was given {w}"));
            }
        };
        if channels * self.groups != x[3] {
            return problem(format!(
                "kernel {kh}x{kw}x{channels}x{out_channels} in {} groups does not fit {} channels",
                self.groups, x[3]
            ));
        }
        if self.groups == 0 || !out_channels.is_multiple_of(self.groups) {
            return problem(format!("{out_channels} outputs in {} groups", self.groups));
        }
        Sizes::new("conv2d", self.window, [x[0], x[1], x[2]], x[3], out_channels, self.groups)
    }
}

/// All sizes of a convolution, forward or backward.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::ops) struct Sizes {
    pub window: Window,
    pub geometry: Geometry,
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    pub groups: usize,
}

impl Sizes {
    pub fn new(
        name: &str,
        window: Window,
        [batch, height, width]: [usize; 3],
        in_channels: usize,
        out_channels: usize,
        groups: usize,
    ) -> Result<Self> {
        let geometry = window.on(name, [height, width])?;
        Ok(Sizes { window, geometry, batch, height, width, in_channels, out_channels, groups })
    }

    pub fn output(&self) -> Shape {
        let [height, width] = self.geometry.output;
        [self.batch, height, width, self.out_channels].into()
    }

    pub fn input(&self) -> Shape {
        [self.batch, self.height, self.width, self.in_channels].into()
    }

    pub fn kernel(&self) -> Shape {
        let [kh, kw] = self.window.size;
        [kh, kw, self.group_in(), self.out_channels].into()
    }

    /// Input channels of one group.
    pub fn group_in(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    pub fn group_out(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Whether pixel i of the output sees pixel i of the input and no other.
    pub fn is_pointwise(&self) -> bool {
        self.window.size == [1, 1]
            && self.window.stride == [1, 1]
            && self.geometry.before == [0, 0]
            && self.geometry.output == [self.height, self.width]
    }

    pub fn flops(&self) -> u64 {
        let [kh, kw] = self.window.size;
        (2 * self.output().elements() * kh * kw * self.group_in()) as u64
    }

    /// The product that the convolution is.
    pub fn product(&self) -> Product {
        let [kh, kw] = self.window.size;
        Product {
            rows: self.output().rows(),
            columns: self.group_out(),
            depth: kh * kw * self.group_in(),
            times: self.groups,
            direction: Direction::Forward,
            pointwise: self.is_pointwise(),
        }
    }

    /// Calls `visit` with every pair (row of the input, row of the output, tap) that meets.
    pub fn for_each_meeting(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Window { size, stride, dilation, .. } = self.window;
        let Geometry { output, before } = self.geometry;
        let at = |axis: usize, o: usize, k: usize, length: usize| {
            (o * stride[axis] + k * dilation[axis])
                .checked_sub(before[axis])
                .filter(|&position| position < length)
        };
        for n in 0..self.batch {
            for oy in 0..output[0] {
                for ky in 0..size[0] {
                    let Some(iy) = at(0, oy, ky, self.height) else { continue };
                    for ox in 0..output[1] {
                        for kx in 0..size[1] {
                            let Some(ix) = at(1, ox, kx, self.width) else { continue };
                            visit(
                                (n * self.height + iy) * self.width + ix,
                                (n * output[0] + oy) * output[1] + ox,
                                ky * size[1] + kx,
                            );
                        }
                    }
                }
            }
        }
    }

    /// The uniform fields that all convolution kernels share but for the channels.
    pub fn params(&self, dispatch: Dispatch) -> Dispatch {
        let Window { size, stride, dilation, .. } = self.window;
        let Geometry { output, before } = self.geometry;
        dispatch
            .param("batch", self.batch)
            .param("height", self.height)
            .param("width", self.width)
            .param("out_height", output[0])
            .param("out_width", output[1])
            .param("kernel_height", size[0])
            .param("kernel_width", size[1])
            .param("stride_y", stride[0])
            .param("stride_x", stride[1])
            .param("pad_top", before[0])
            .param("pad_left", before[1])
            .param("dilation_y", dilation[0])
            .param("dilation_x", dilation[1])
    }

    pub fn channel_params(&self, dispatch: Dispatch) -> Dispatch {
        dispatch
            .param("in_channels", self.in_channels)
            .param("out_channels", self.out_channels)
            .param("groups", self.groups)
    }
}

pub(in crate::engine::ops) fn needs_fours(operation: &str, variant: &str) -> Error {
    Error::shape(operation, format!("{variant} takes channels in fours"))
}

/// Four channels at a time: of the weights and the output, and of x too.
fn fours(lowering: &Lowering, sizes: &Sizes, epilogue: &Epilogue) -> (bool, bool) {
    let narrow = sizes.group_out().is_multiple_of(4)
        && lowering.views[1].is_vec4(lowering.inputs[1])
        && lowering.output_view.is_vec4(lowering.output)
        && epilogue.is_vec4(lowering);
    let x = lowering.views[0].is_vec4(lowering.inputs[0]);
    (narrow && x && sizes.group_in().is_multiple_of(4), narrow)
}

/// What a forward convolution of these sizes is; x, w and the epilogue's are the inputs in order.
pub(in crate::engine::ops) fn forward_task(
    name: &'static str,
    lowering: &Lowering,
    sizes: Sizes,
    epilogue: &Epilogue,
) -> Task {
    let (wide, narrow) = fours(lowering, &sizes, epilogue);
    Task { name, sizes, product: sizes.product(), epilogue: *epilogue, wide, narrow }
}

/// The dispatch of a convolution of these sizes by a tile, or by `naive`.
pub(in crate::engine::ops) fn lower_forward(
    lowering: &Lowering,
    sizes: &Sizes,
    epilogue: &Epilogue,
    tile: Option<&Tile>,
) -> Lowered {
    let capabilities = lowering.capabilities;
    let rows = sizes.output().rows();
    let kernel = tile.map(|tile| tile.kernel);
    let entry = kernel.map_or("naive", Kernel::entry);
    let mut dispatch = Dispatch::new(shader(kernel, Direction::Forward), entry)
        .bind("x", Operand::Input(0))
        .bind("w", Operand::Input(1))
        .bind("y", Operand::Output);
    dispatch = sizes.channel_params(sizes.params(epilogue.bind(dispatch)));
    let groups = match tile {
        Some(tile) => {
            let pointwise = u32::from(sizes.is_pointwise());
            dispatch = match tile.kernel {
                Kernel::Tiled | Kernel::Fours => tile.set_shared(Direction::Forward, dispatch),
                Kernel::Blocked => dispatch.constant("POINTWISE", pointwise),
                Kernel::Narrow | Kernel::Subgroup => {
                    tile.set_row_blocks(capabilities, dispatch).constant("POINTWISE", pointwise)
                }
            };
            tile.workgroups(tile.count(rows, sizes.group_out()) * sizes.groups)
        }
        None => (rows * sizes.out_channels).div_ceil(64),
    };
    dispatch.workgroups(grid(groups, capabilities.max_workgroups)).into()
}

/// The sums of x and w in double precision, in the order of the output.
pub(in crate::engine::ops) fn reference_forward(sizes: &Sizes, x: &[f64], w: &[f64]) -> Vec<f64> {
    let (group_in, group_out) = (sizes.group_in(), sizes.group_out());
    let mut y = vec![0.0; sizes.output().elements()];
    sizes.for_each_meeting(|input, output, tap| {
        let pixel = &x[input * sizes.in_channels..][..sizes.in_channels];
        let sums = &mut y[output * sizes.out_channels..][..sizes.out_channels];
        for (k, sum) in sums.iter_mut().enumerate() {
            for c in 0..group_in {
                let weight = w[(tap * group_in + c) * sizes.out_channels + k];
                *sum += pixel[k / group_out * group_in + c] * weight;
            }
        }
    });
    y
}

impl Operation for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn describe(&self) -> String {
        let groups =
            if self.groups == 1 { String::new() } else { format!(", {} groups", self.groups) };
        format!("conv2d {}{groups}{}", self.window.describe(), self.epilogue.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("conv2d", inputs, 2 + self.epilogue.inputs())?;
        let output = self.sizes(inputs[0], inputs[1])?.output();
        self.epilogue.check("conv2d", inputs, &output)?;
        Ok(output)
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        if !self.epilogue.is_plain() {
            return Err(Error::shape(rule.name(), "differentiate before fusing"));
        }
        let (x, w, dy) = (rule.input(0), rule.input(1), rule.dy());
        let mut gradients = Vec::new();
        gradients.push(if rule.wants(0) {
            let to = Conv2dInputGradient::new(self.window, self.groups, &rule.shape(x));
            Some(rule.add("input_gradient", to, &[dy, w])?)
        } else {
            None
        });
        gradients.push(if rule.wants(1) {
            let to = Conv2dWeightGradient::new(self.window, self.groups);
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
        let Ok(sizes) = self.sizes(inputs[0].shape(), inputs[1].shape()) else {
            return Vec::new();
        };
        let sums = reference_forward(&sizes, inputs[0].data(), inputs[1].data());
        let finish = |index: usize| self.epilogue.apply(sums[index], index, inputs);
        vec![Tensor::from_fn(sizes.output(), finish)]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &table::forward::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "residual", "y", "left", "out"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        self.sizes(inputs[0], inputs[1]).map_or(0, |sizes| sizes.flops())
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
        Some(Arc::new(Conv2d { epilogue, ..self.clone() }))
    }
}

impl Convolution for Conv2d {
    fn task(&self, lowering: &Lowering) -> Result<Task> {
        let sizes = self.sizes(lowering.inputs[0], lowering.inputs[1])?;
        Ok(forward_task(self.name(), lowering, sizes, &self.epilogue))
    }
}

/// A convolution in numbers, for the cases of the three operations.
pub(in crate::engine::ops) struct Example {
    pub name: String,
    pub window: Window,
    pub groups: usize,
    pub x: [usize; 4],
    pub out_channels: usize,
    pub bench_only: bool,
}

impl Example {
    pub fn sizes(&self) -> Result<Sizes> {
        let [n, h, w, c] = self.x;
        Sizes::new("conv2d", self.window, [n, h, w], c, self.out_channels, self.groups)
    }

    /// Marks the case as one for timing only, if it is.
    pub fn finish(&self, case: Case) -> Case {
        if self.bench_only { case.bench_only() } else { case }
    }
}

/// Sizes that hurt, and sizes that matter.
pub(in crate::engine::ops) fn examples() -> Vec<Example> {
    use Padding::{Same, Valid};
    let mut examples = Vec::new();
    let mut add = |name: &str, x: [usize; 4], out_channels, groups, window: Window, bench_only| {
        let name = format!(
            "{name}{}x{}x{}x{} to {out_channels}, {}",
            x[0],
            x[1],
            x[2],
            x[3],
            window.describe()
        );
        examples.push(Example { name, window, groups, x, out_channels, bench_only });
    };
    let square = Window::square;
    add("", [2, 5, 7, 3], 5, 1, square(3, 1, Same), false);
    add("", [1, 9, 8, 4], 8, 1, square(3, 2, Same), false);
    add("", [2, 8, 9, 8], 12, 1, square(3, 2, Valid), false);
    add("", [3, 7, 5, 12], 20, 1, square(1, 1, Valid), false);
    add("", [2, 7, 5, 8], 4, 1, square(1, 2, Same), false);
    add("one channel, ", [2, 6, 6, 1], 8, 1, square(5, 1, Same), false);
    add("one channel out, ", [2, 6, 5, 4], 1, 1, square(3, 1, Same), false);
    add("one pixel, ", [1, 1, 1, 1], 1, 1, square(1, 1, Valid), false);
    add("one pixel, padded, ", [1, 1, 1, 4], 4, 1, square(3, 1, Same), false);
    add("two groups, ", [2, 6, 7, 8], 16, 2, square(3, 1, Same), false);
    add("three groups of odd size, ", [1, 5, 5, 9], 15, 3, square(3, 2, Same), false);
    add("over one tile, ", [2, 9, 9, 68], 76, 1, square(1, 1, Valid), false);
    add("over one tile, ", [1, 10, 9, 36], 132, 1, square(3, 1, Same), false);
    let dilated = Window { dilation: [2, 3], ..square(3, 1, Same) };
    add("", [1, 9, 11, 4], 8, 1, dilated, false);
    let uneven = Window {
        size: [2, 3],
        stride: [3, 2],
        dilation: [1, 2],
        padding: Padding::Explicit { top: 0, bottom: 2, left: 3, right: 1 },
    };
    add("uneven, ", [2, 11, 10, 4], 8, 1, uneven, false);
    add("wider than the image, ", [1, 3, 4, 4], 4, 1, square(7, 2, Same), false);
    // Where tiles of the output go over its edges, or padding is not what `Same` has.
    let around = |top, bottom, left, right| Window {
        padding: Padding::Explicit { top, bottom, left, right },
        ..square(3, 1, Same)
    };
    add("one line, ", [1, 1, 13, 8], 4, 1, square(3, 1, Same), false);
    add("no padding, ", [2, 7, 9, 4], 12, 1, around(0, 0, 0, 0), false);
    add("padding of two, ", [1, 6, 3, 12], 8, 1, around(2, 2, 2, 2), false);
    add("uneven padding, ", [1, 4, 9, 8], 4, 1, around(3, 0, 1, 2), false);
    add("", [8, 19, 19, 728], 728, 1, square(1, 1, Valid), true);
    add("", [32, 24, 24, 128], 128, 1, square(1, 1, Valid), true);
    add("", [32, 12, 12, 256], 256, 1, square(1, 1, Valid), true);
    add("", [32, 48, 48, 32], 64, 1, square(3, 1, Same), true);
    add("", [8, 56, 56, 64], 64, 1, square(3, 1, Same), true);
    add("", [32, 48, 48, 64], 128, 1, square(1, 2, Same), true);
    add("", [32, 96, 96, 3], 32, 1, square(3, 2, Same), true);
    examples
}

/// Every example, and every epilogue on two of them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for example in examples() {
        let Ok(sizes) = example.sizes() else { continue };
        let operation = Conv2d::new(example.window).with_groups(example.groups);
        let inputs = [sizes.input(), sizes.kernel()].map(|shape| (shape, Fill::Signed));
        let case = Case::new(&example.name, operation, inputs).differentiate(&[0, 1]).dense(&[1]);
        cases.push(example.finish(case));
    }
    for (channels, out_channels) in [(3, 5), (8, 12)] {
        for (case, epilogue) in Epilogue::all().into_iter().enumerate() {
            let window = Window::square(3, 1 + case % 2, Padding::Same);
            let operation = Conv2d { epilogue, ..Conv2d::new(window) };
            let x = Shape::from([2, 5, 6, channels]);
            let w = Shape::from([3, 3, channels, out_channels]);
            let Ok(sizes) = operation.sizes(&x, &w) else { continue };
            let mut inputs = vec![x, w];
            inputs.extend(epilogue.case_shapes(&sizes.output()));
            let name = format!("{} {channels} to {out_channels}", operation.describe());
            let inputs = inputs.into_iter().map(|shape| (shape, Fill::Signed));
            let case = Case::new(name, operation, inputs).dense(&[1]);
            let plain = epilogue.is_plain() && epilogue.bias;
            cases.push(if plain { case.differentiate(&[0, 1, 2]) } else { case });
        }
    }
    cases
}
