//! Maximum and average over a sliding window.

use std::sync::Arc;

use crate::engine::graph::{Operation, Rule, Value, Variant, downcast};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::rows::{self, Rowwise, Way};
use crate::engine::ops::{
    Activate, Case, Conv2d, Curve, Elementwise, Expand, Fill, Geometry, GlobalAveragePool,
    Instruction, Padding, Reshape, Window, expect_inputs, expect_nhwc,
};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// What becomes of the numbers in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// The largest. Of several that are equal the first has the gradient.
    Max,
    /// The largest of all pixels. Of several that are equal each has an even share of the gradient, as
    /// TensorFlow's `reduce_max` has it.
    Largest,
    /// Their mean.
    Average,
}

/// x (N, H, W, C) -> (N, H', W', C): the maximum or the mean of each window. As Keras has it, what
/// stands around the image never wins a maximum and is not counted in a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// Maximum or mean.
    pub kind: PoolKind,
    /// The window, not dilated; none may lie outside of the image.
    pub window: Window,
}

impl Pool {
    /// Maximum pooling.
    pub fn max(window: Window) -> Self {
        Pool { kind: PoolKind::Max, window }
    }

    /// The maximum of all pixels of an image of (height, width) `size`.
    pub fn largest(size: [usize; 2]) -> Self {
        let window = Window { size, stride: size, dilation: [1; 2], padding: Padding::Valid };
        Pool { kind: PoolKind::Largest, window }
    }

    /// Average pooling.
    pub fn average(window: Window) -> Self {
        Pool { kind: PoolKind::Average, window }
    }
}

/// Where `window` stands on an image of (height, width) `size`.
fn on(window: &Window, size: [usize; 2]) -> Result<Geometry> {
    let geometry = window.on("pool", size)?;
    if window.dilation != [1, 1] {
        return Err(Error::shape("pool", "the window of a pool cannot be dilated"));
    }
    for axis in 0..2 {
        let before = geometry.before[axis];
        let last = (geometry.output[axis] - 1) * window.stride[axis];
        if before >= window.size[axis] || last >= before + size[axis] {
            return Err(Error::shape(
                "pool",
                format!(
                    "a window of {} lies wholly in the padding of an image of {}x{}: use less padding",
                    window.size[axis], size[0], size[1]
                ),
            ));
        }
    }
    Ok(geometry)
}

/// The taps of the window of output `at` along one axis: from the first in the image to the one
/// after the last.
fn taps(window: &Window, geometry: &Geometry, axis: usize, at: usize, size: usize) -> [usize; 2] {
    let (start, before) = (at * window.stride[axis], geometry.before[axis]);
    [start.max(before) - before, (start + window.size[axis] - before).min(size)]
}

/// Calls `visit(output, input)` with flat indices of (row, column) positions, for the taps of every
/// window in scan order.
fn scan(
    window: &Window,
    geometry: &Geometry,
    size: [usize; 2],
    mut visit: impl FnMut(usize, usize),
) {
    for oy in 0..geometry.output[0] {
        for ox in 0..geometry.output[1] {
            let [top, bottom] = taps(window, geometry, 0, oy, size[0]);
            let [left, right] = taps(window, geometry, 1, ox, size[1]);
            for y in top..bottom {
                for x in left..right {
                    visit(oy * geometry.output[1] + ox, y * size[1] + x);
                }
            }
        }
    }
}

/// The entry points of a kernel: for one channel, for four, and for strips of four.
type Entries = [&'static str; 3];

/// A dispatch over the elements of `over`.
fn dispatch(
    lowering: &Lowering,
    way: Way,
    entries: Entries,
    window: &Window,
    size: [usize; 2],
    over: [usize; 4],
) -> Result<Dispatch> {
    let [naive, fours, strip] = entries;
    let geometry = on(window, size)?;
    let entry = way.entry([naive, fours]);
    let channels = over[3] / way.width;
    let (dispatch, count) = if way.along {
        let longest = usize::try_from(lowering.capabilities.longest_loop).unwrap_or(usize::MAX);
        let each = strip_pixels(over, window, longest);
        let pieces = over[2].div_ceil(each);
        // Taps of a window, or windows that a pixel can be in.
        let within = [0, 1].map(|axis| {
            let size = window.size[axis];
            let wide = if strip == "gradient" { size.div_ceil(window.stride[axis]) } else { size };
            wide as u32
        });
        let dispatch = Dispatch::new("pool_strip", strip)
            .param("fours", channels)
            .param("pieces", pieces)
            .param("each", each)
            .constant("DOWN", within[0])
            .constant("ACROSS", within[1]);
        (dispatch, over[0] * over[1] * pieces * channels)
    } else {
        let count = over[0] * over[1] * over[2] * channels;
        (Dispatch::new("pool", entry).param("channels", channels), count)
    };
    Ok(dispatch
        .param("count", count)
        .param("height", size[0])
        .param("width", size[1])
        .param("out_height", geometry.output[0])
        .param("out_width", geometry.output[1])
        .param("size_y", window.size[0])
        .param("size_x", window.size[1])
        .param("stride_y", window.stride[0])
        .param("stride_x", window.stride[1])
        .param("top", geometry.before[0])
        .param("left", geometry.before[1])
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups)))
}

/// How many pixels of a line make a strip: as many as leave every core something to do, and as the rounds
/// of its loops allow.
fn strip_pixels(over: [usize; 4], window: &Window, longest: usize) -> usize {
    let [images, height, width, channels] = over;
    let rounds = 1 + window.size[0] * (1 + window.size[1]);
    let most = (images * height * width * channels / 4 / 1024).min(longest / rounds).clamp(1, 64);
    // Strips of a line are as long as each other, or nearly.
    width.div_ceil(width.div_ceil(most).max(1)).max(1)
}

impl Operation for Pool {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn describe(&self) -> String {
        match self.kind {
            PoolKind::Max => format!("max pool {}", self.window.describe()),
            PoolKind::Largest => "global max pool".to_owned(),
            PoolKind::Average => format!("average pool {}", self.window.describe()),
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("pool", inputs, 1)?;
        let [n, h, w, c] = expect_nhwc("pool", inputs[0])?;
        let [height, width] = on(&self.window, [h, w])?.output;
        if self.kind == PoolKind::Largest && self.window.size != [h, w] {
            return Err(Error::shape("pool", format!("{} has other pixels", inputs[0])));
        }
        Ok([n, height, width, c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let (dy, x, window) = (rule.dy(), rule.input(0), self.window);
        let [_, h, w, _] = expect_nhwc("pool", &rule.shape(x))?;
        Ok(vec![Some(match self.kind {
            PoolKind::Max => rule.add("pool_gradient", MaxPoolGradient { window }, &[x, dy])?,
            PoolKind::Average => {
                let gradient = AveragePoolGradient { window, size: [h, w] };
                rule.add("pool_gradient", gradient, &[dy])?
            }
            PoolKind::Largest => shares(rule)?,
        })])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let shape = inputs[0].shape();
        let Some([n, h, w, c]) = shape.nhwc() else { return Vec::new() };
        let Ok(geometry) = on(&self.window, [h, w]) else { return Vec::new() };
        let [height, width] = geometry.output;
        let mean = self.kind == PoolKind::Average;
        let start = if mean { 0.0 } else { f64::NEG_INFINITY };
        let mut y = vec![start; n * height * width * c];
        let mut counts = vec![0.0; height * width];
        scan(&self.window, &geometry, [h, w], |to, _| counts[to] += 1.0);
        for image in 0..n {
            for channel in 0..c {
                scan(&self.window, &geometry, [h, w], |to, from| {
                    let x = inputs[0].data()[(image * h * w + from) * c + channel];
                    let y = &mut y[(image * height * width + to) * c + channel];
                    match self.kind {
                        PoolKind::Max | PoolKind::Largest => *y = y.max(x),
                        PoolKind::Average => *y += x / counts[to],
                    }
                });
            }
        }
        vec![Tensor::from_fn([n, height, width, c], |index| y[index])]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "y"]
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (output.elements() * self.window.size[0] * self.window.size[1]) as u64
    }

    /// A pool that only picks every n-th pixel is the stride of the 1x1 convolution after it.
    fn absorb(
        &self,
        next: &dyn Operation,
        position: usize,
        _differentiable: bool,
    ) -> Option<Arc<dyn Operation>> {
        let conv = downcast::<Conv2d>(next).filter(|_| position == 0)?;
        let window = conv.window();
        let picks = self.window.size == [1, 1] && self.window.padding == Padding::Valid;
        let pointwise = window.size == [1, 1]
            && window.stride == [1, 1]
            && matches!(window.padding, Padding::Valid | Padding::Same);
        let strided = Window { stride: self.window.stride, padding: Padding::Valid, ..window };
        (picks && pointwise).then(|| Arc::new(conv.with_window(strided)) as Arc<dyn Operation>)
    }
}

impl Rowwise for Pool {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let [_, h, w, _] = expect_nhwc("pool", lowering.inputs[0])?;
        let over = expect_nhwc("pool", lowering.output)?;
        let entries = ["pool_naive", "pool_fours", "pool"];
        Ok(dispatch(lowering, way, entries, &self.window, [h, w], over)?
            .constant("MAX", u32::from(self.kind != PoolKind::Average))
            .bind("x", Operand::Input(0))
            .bind("y", Operand::Output)
            .into())
    }
}

/// The gradient of [`PoolKind::Largest`]: dy over the number of pixels that are the largest, at each of them.
fn shares(rule: &mut Rule) -> Result<Value> {
    let (dy, y, x) = (rule.dy(), rule.output(), rule.input(0));
    let to = expect_nhwc("pool", &rule.shape(x))?;
    let from = [to[0], 1, 1, to[3]];
    let one = |instruction| Elementwise::one(instruction);
    let largest = rule.add("largest", Expand { from, to }, &[y])?;
    // 0 where x is the largest, and below 0 elsewhere.
    let below = rule.add("below", Elementwise::subtract(), &[x, largest])?;
    let none = rule.add("none", one(Instruction::Scale(0.0)), &[below])?;
    let ones = rule.add("ones", one(Instruction::Offset(1.0)), &[none])?;
    let are = rule.add("are_largest", one(Instruction::WhereNotNegative), &[ones, below])?;
    // Their number over that of all pixels, and dy over that.
    let part = rule.add("part", GlobalAveragePool, &[are])?;
    let times = rule.add("times", Activate(Curve::Reciprocal), &[part])?;
    let times = rule.add("times_of_image", Reshape(from.into()), &[times])?;
    let share = rule.add("share", Elementwise::multiply(), &[dy, times])?;
    let each = one(Instruction::Scale(1.0 / (to[1] * to[2]) as f32));
    let share = rule.add("share_of_each", each, &[share])?;
    let share = rule.add("share_everywhere", Expand { from, to }, &[share])?;
    rule.add("pool_gradient", Elementwise::multiply(), &[are, share])
}

/// (x, dy) -> the gradient of maximum pooling: an element gets the dy of every window whose first
/// maximum, in the order of rows and then columns, it is. TensorFlow chooses the first too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaxPoolGradient {
    /// As in the forward direction.
    pub window: Window,
}

impl Operation for MaxPoolGradient {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn describe(&self) -> String {
        format!("gradient of max pool {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("gradient of pool", inputs, 2)?;
        let pooled = Pool::max(self.window).infer(&inputs[..1])?;
        if pooled != *inputs[1] {
            let problem = format!("dy must be {pooled}, was given {}", inputs[1]);
            return Err(Error::shape("gradient of pool", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let Ok(geometry) = on(&self.window, [h, w]) else { return Vec::new() };
        let windows = geometry.output[0] * geometry.output[1];
        let mut dx = Tensor::zeros(inputs[0].shape().clone());
        for image in 0..n {
            for channel in 0..c {
                let at = |from: usize| (image * h * w + from) * c + channel;
                let mut winners: Vec<Option<usize>> = vec![None; windows];
                scan(&self.window, &geometry, [h, w], |to, from| {
                    let x = |from: usize| inputs[0].data()[at(from)];
                    if winners[to].is_none_or(|best| x(from) > x(best)) {
                        winners[to] = Some(from);
                    }
                });
                for (to, winner) in winners.into_iter().enumerate() {
                    if let Some(from) = winner {
                        let dy = inputs[1].data()[(image * windows + to) * c + channel];
                        dx.data_mut()[at(from)] += dy;
                    }
                }
            }
        }
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["x", "dy", "d_x"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        (inputs[1].elements() * self.window.size[0] * self.window.size[1]) as u64
    }
}

impl Rowwise for MaxPoolGradient {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let over = expect_nhwc("pool", lowering.output)?;
        let windows = expect_nhwc("pool", lowering.inputs[1])?;
        let size = [over[1], over[2]];
        let entries = ["winner_naive", "winner_fours", "winner"];
        let first = dispatch(lowering, way, entries, &self.window, size, windows)?
            .constant("MAX", 1u32)
            .bind("x", Operand::Input(0))
            .bind("winner", Operand::Scratch(0));
        let entries = ["max_gradient_naive", "max_gradient_fours", "gradient"];
        let second = dispatch(lowering, way, entries, &self.window, size, over)?
            .constant("MAX", 1u32)
            .bind("winners", Operand::Scratch(0))
            .bind("dy", Operand::Input(1))
            .bind("d_x", Operand::Output);
        Ok(Lowered { dispatches: vec![first, second], scratch: vec![windows.iter().product()] })
    }
}

/// dy -> the gradient of average pooling: an element gets from each window that it is in that
/// window's dy over the number of elements in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AveragePoolGradient {
    /// As in the forward direction.
    pub window: Window,
    /// Height and width of the image.
    pub size: [usize; 2],
}

impl Operation for AveragePoolGradient {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn describe(&self) -> String {
        format!("gradient of average pool {}", self.window.describe())
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("gradient of pool", inputs, 1)?;
        let [n, height, width, c] = expect_nhwc("gradient of pool", inputs[0])?;
        let wanted = on(&self.window, self.size)?.output;
        if wanted != [height, width] {
            let problem =
                format!("dy must be {}x{}, was given {}", wanted[0], wanted[1], inputs[0]);
            return Err(Error::shape("gradient of pool", problem));
        }
        Ok([n, self.size[0], self.size[1], c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let dy = rule.dy();
        Ok(vec![Some(rule.add("pool", Pool::average(self.window), &[dy])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, height, width, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let Ok(geometry) = on(&self.window, self.size) else { return Vec::new() };
        let [h, w] = self.size;
        let mut counts = vec![0.0; height * width];
        scan(&self.window, &geometry, self.size, |to, _| counts[to] += 1.0);
        let mut dx = Tensor::zeros([n, h, w, c]);
        for image in 0..n {
            for channel in 0..c {
                scan(&self.window, &geometry, self.size, |to, from| {
                    let dy = inputs[0].data()[(image * height * width + to) * c + channel];
                    dx.data_mut()[(image * h * w + from) * c + channel] += dy / counts[to];
                });
            }
        }
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const { &rows::ladder::<Self>() }
    }

    fn halves(&self) -> &'static [&'static str] {
        &["dy", "d_x"]
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        (inputs[0].elements() * self.window.size[0] * self.window.size[1]) as u64
    }
}

impl Rowwise for AveragePoolGradient {
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered> {
        let over = expect_nhwc("pool", lowering.output)?;
        let entries = ["average_gradient_naive", "average_gradient_fours", "gradient"];
        Ok(dispatch(lowering, way, entries, &self.window, self.size, over)?
            .constant("MAX", 0u32)
            .bind("dy", Operand::Input(0))
            .bind("d_x", Operand::Output)
            .into())
    }
}

/// Windows that overlap, leave gaps, hang over the border and fit exactly.
pub fn cases() -> Vec<Case> {
    let explicit = Padding::Explicit { top: 1, bottom: 0, left: 0, right: 2 };
    let oblong = Window { size: [2, 3], stride: [3, 1], dilation: [1, 1], padding: explicit };
    let windows = [
        Window::square(2, 2, Padding::Valid),
        Window::square(3, 2, Padding::Same),
        Window::square(3, 1, Padding::Same),
        Window::square(2, 3, Padding::Same),
        oblong,
        Window::square(1, 1, Padding::Valid),
    ];
    let mut cases = Vec::new();
    for (kind, word) in [(PoolKind::Max, "max"), (PoolKind::Average, "average")] {
        for window in windows {
            for dims in [[2, 5, 6, 7], [1, 6, 5, 4], [3, 2, 4, 1], [1, 9, 9, 12]] {
                let name = format!("{word} {window:?} {}", Shape::from(dims));
                let inputs = [(dims.into(), Fill::Distinct)];
                cases.push(Case::new(name, Pool { kind, window }, inputs).differentiate(&[0]));
            }
        }
        let window = Window::square(3, 2, Padding::Same);
        let inputs = [([1, 1, 1, 1].into(), Fill::Signed)];
        cases.push(Case::new(format!("{word} 1x1"), Pool { kind, window }, inputs));
        let inputs = [([32, 48, 48, 64].into(), Fill::Distinct)];
        cases.push(Case::new(format!("{word}, large"), Pool { kind, window }, inputs).bench_only());
    }
    for dims in [[2, 5, 6, 7], [3, 1, 9, 4], [2, 4, 1, 1]] {
        let name = format!("largest of {}", Shape::from(dims));
        let pool = Pool::largest([dims[1], dims[2]]);
        cases.push(Case::new(name, pool, [(dims.into(), Fill::Distinct)]).differentiate(&[0]));
    }
    let window = Window::square(3, 2, Padding::Same);
    let gradient = MaxPoolGradient { window };
    for channels in [3, 8] {
        // Few different numbers: most windows have several maxima.
        let inputs = [
            ([2, 7, 8, channels].into(), Fill::Whole(3)),
            ([2, 4, 4, channels].into(), Fill::Signed),
        ];
        cases.push(Case::new(format!("ties, {channels} channels"), gradient, inputs));
        let below = [
            ([2, 7, 8, channels].into(), Fill::Uniform(-3.0, -2.0)),
            ([2, 4, 4, channels].into(), Fill::Signed),
        ];
        cases.push(Case::new(format!("negative, {channels} channels"), gradient, below));
    }
    let average = AveragePoolGradient { window, size: [7, 8] };
    let inputs = [([2, 4, 4, 4].into(), Fill::Signed)];
    cases.push(Case::new("average gradient", average, inputs).differentiate(&[0]));
    // Strips of several pixels, the last of a line shorter than the others.
    let [n, height, width, c] = rows::SEVERAL_ROWS;
    for window in [window, oblong] {
        let Ok(geometry) = on(&window, [height, width]) else { continue };
        let (x, size) = (rows::SEVERAL_ROWS.into(), [height, width]);
        let dy = Shape::from([n, geometry.output[0], geometry.output[1], c]);
        for (kind, word) in [(PoolKind::Max, "max"), (PoolKind::Average, "average")] {
            let name = format!("{word}, strips, {}", window.describe());
            cases.push(Case::new(
                name,
                Pool { kind, window },
                [(Shape::clone(&x), Fill::Distinct)],
            ));
        }
        let average = AveragePoolGradient { window, size };
        let name = format!("average gradient, strips, {}", window.describe());
        cases.push(Case::new(name, average, [(dy.clone(), Fill::Signed)]));
        let name = format!("max gradient, strips, {}", window.describe());
        let inputs = [(x, Fill::Distinct), (dy, Fill::Signed)];
        cases.push(Case::new(name, MaxPoolGradient { window }, inputs));
    }
    let inputs =
        [([32, 48, 48, 64].into(), Fill::Distinct), ([32, 24, 24, 64].into(), Fill::Signed)];
    cases.push(Case::new("max gradient, large", gradient, inputs).bench_only());
    let average = AveragePoolGradient { window, size: [48, 48] };
    let inputs = [([32, 24, 24, 64].into(), Fill::Signed)];
    cases.push(Case::new("average gradient, large", average, inputs).bench_only());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(kind: PoolKind, window: Window, size: [usize; 2], x: &[f64]) -> Vec<f64> {
        let x = Tensor::new([1, size[0], size[1], 1], x.to_vec()).unwrap();
        Pool { kind, window }.reference(&[&x]).remove(0).into_data()
    }

    #[test]
    fn padding_is_neither_counted_nor_a_maximum() {
        let window = Window::square(2, 2, Padding::Same);
        let x = [-1.0, -2.0, -3.0];
        assert_eq!(pool(PoolKind::Average, window, [1, 3], &x), [-1.5, -3.0]);
        assert_eq!(pool(PoolKind::Max, window, [1, 3], &x), [-1.0, -3.0]);
    }

    #[test]
    fn the_first_of_equal_maxima_gets_the_gradient() {
        let x = Tensor::new([1, 2, 2, 1], vec![0.0, 5.0, 5.0, 5.0]).unwrap();
        let dy = Tensor::new([1, 1, 1, 1], vec![3.0]).unwrap();
        let gradient = MaxPoolGradient { window: Window::square(2, 2, Padding::Valid) };
        assert_eq!(gradient.reference(&[&x, &dy]).remove(0).into_data(), [0.0, 3.0, 0.0, 0.0]);
    }

    #[test]
    fn a_window_in_the_padding_is_refused() {
        let x = Shape::from([1, 4, 4, 1]);
        for padding in [
            Padding::Explicit { top: 2, bottom: 0, left: 0, right: 0 },
            Padding::Explicit { top: 0, bottom: 0, left: 0, right: 2 },
        ] {
            let error = Pool::max(Window::square(2, 1, padding)).infer(&[&x]).unwrap_err();
            assert!(error.to_string().contains("wholly in the padding"), "{error}");
        }
        let padding = Padding::Explicit { top: 1, bottom: 1, left: 1, right: 1 };
        assert!(Pool::max(Window::square(2, 1, padding)).infer(&[&x]).is_ok());
    }
}
