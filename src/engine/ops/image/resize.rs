//! Bilinear resizing: of a batch to one size, and of heatmaps each to the size of its image.

use crate::engine::graph::{Operation, Rule, Value, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::region::regions::{MAMMOGRAMS, chunks, expect_regions, region};
use crate::engine::ops::rows::{Way, fours_if};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (N, h, w, C) -> (N, height, width, C), as `tf.image.resize` without antialiasing: the centres of
/// pixels are at halves, and beyond the edge stands the edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResizeBilinear {
    /// Rows of the output.
    pub height: usize,
    /// Columns of the output.
    pub width: usize,
}

/// The adjoint of [`ResizeBilinear`]: (N, h, w, C) -> (N, height, width, C), the gradient of the
/// output to that of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine::ops) struct ResizeBilinearGradient {
    height: usize,
    width: usize,
}

/// (maps (N, h, w, 1), regions (N, 3)) -> (capacity): map n resized bilinearly to the size of region
/// n and written there, row by row.
///
/// A row of `regions` holds first element, height and width as whole numbers. A region without
/// height or width is skipped, and what lies beyond `capacity` is left out. Elements in no region
/// keep what was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResizeToRegions {
    /// Elements of the output, 2^24 at most.
    pub capacity: usize,
}

/// Where an output pixel reads along one axis.
struct Tap {
    low: usize,
    high: usize,
    weight: f64,
}

/// Output pixel `index` of `to` on an axis of `from` pixels. Its centre stands at
/// (index + 1/2) * from / to - 1/2, here as a whole number over 2 * to.
fn tap(index: usize, from: usize, to: usize) -> Tap {
    let (from, to) = (from as i64, to as i64);
    let numerator = (2 * index as i64 + 1) * from - to;
    let low = numerator.div_euclid(2 * to);
    let rest = numerator.rem_euclid(2 * to);
    let inside = |at: i64| at.clamp(0, from - 1) as usize;
    Tap { low: inside(low), high: inside(low + 1), weight: rest as f64 / (2 * to) as f64 }
}

fn mix(low: f64, high: f64, weight: f64) -> f64 {
    low + (high - low) * weight
}

/// The value at (row, column) `at` of a map of (height, width) `from` that is resized to `to`: what
/// [`ResizeToRegions`] computes, for any size.
pub fn resized(map: &[f64], from: [usize; 2], to: [usize; 2], at: [usize; 2]) -> f64 {
    let [y, x] = [0, 1].map(|axis| tap(at[axis], from[axis], to[axis]));
    let line = |y: usize| mix(map[y * from[1] + x.low], map[y * from[1] + x.high], x.weight);
    mix(line(y.low), line(y.high), y.weight)
}

/// Positions are computed in 32-bit whole numbers, exactly.
fn expect_sizes(name: &str, from: [usize; 2], to: [usize; 2]) -> Result<()> {
    let fits = |(from, to): (usize, usize)| {
        from > 0 && to > 0 && from.checked_mul(to).is_some_and(|product| product < 1 << 28)
    };
    if from.into_iter().zip(to).all(fits) {
        return Ok(());
    }
    Err(Error::shape(name, format!("cannot resize {}x{} to {}x{}", from[0], from[1], to[0], to[1])))
}

/// The dispatch of a kernel that writes one element, or four channels, an invocation.
fn dispatch(
    lowering: &Lowering,
    way: Way,
    entries: [&'static str; 2],
    names: [&'static str; 2],
) -> Result<Lowered> {
    let from = expect_nhwc("resize", lowering.inputs[0])?;
    let to = expect_nhwc("resize", lowering.output)?;
    let (entry, width) = (way.entry(entries), way.width);
    let count = lowering.output.elements() / width;
    Ok(Dispatch::new("resize", entry)
        .bind(names[0], Operand::Input(0))
        .bind(names[1], Operand::Output)
        .param("count", count)
        .param("from_height", from[1])
        .param("from_width", from[2])
        .param("to_height", to[1])
        .param("to_width", to[2])
        .param("channels", to[3] / width)
        .param("images", to[0])
        .param("capacity", 0usize)
        .param("chunks", 0usize)
        .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
        .into())
}

fn aligned(lowering: &Lowering) -> bool {
    lowering.output_view.is_vec4(lowering.output) && lowering.views[0].is_vec4(lowering.inputs[0])
}

impl Operation for ResizeBilinear {
    fn name(&self) -> &'static str {
        "resize_bilinear"
    }

    fn describe(&self) -> String {
        format!("resize to {}x{}, bilinear", self.height, self.width)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        expect_sizes(self.name(), [h, w], [self.height, self.width])?;
        Ok([n, self.height, self.width, c].into())
    }

    fn gradient(&self, rule: &mut Rule) -> Result<Vec<Option<Value>>> {
        let [_, height, width, _] = expect_nhwc(self.name(), &rule.shape(rule.input(0)))?;
        let operation = ResizeBilinearGradient { height, width };
        Ok(vec![Some(rule.add("resize_gradient", operation, &[rule.dy()])?)])
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let at = |image: usize, y: usize, x: usize, channel: usize| {
            inputs[0].data()[((image * h + y) * w + x) * c + channel]
        };
        vec![Tensor::from_fn([n, self.height, self.width, c], |index| {
            let (pixel, channel) = (index / c, index % c);
            let (row, column) = (pixel / self.width, pixel % self.width);
            let (image, row) = (row / self.height, row % self.height);
            let y = tap(row, h, self.height);
            let x = tap(column, w, self.width);
            let line = |y: usize| {
                mix(at(image, y, x.low, channel), at(image, y, x.high, channel), x.weight)
            };
            mix(line(y.low), line(y.high), y.weight)
        })]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(ResizeBilinear:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |_, at| dispatch(at, Way::NAIVE, ["naive", "fours"], ["x", "y"]),
                },
                {
                    name: "fours",
                    fits: |this, at| fours_if(this, aligned(at)),
                    price: |_, _| 1.0,
                    lower: |_, at| dispatch(at, Way::FOURS, ["naive", "fours"], ["x", "y"]),
                },
            )
        }
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        9 * output.elements() as u64
    }
}

impl Operation for ResizeBilinearGradient {
    fn name(&self) -> &'static str {
        "resize_bilinear_gradient"
    }

    fn describe(&self) -> String {
        format!("gradient of resizing {}x{}", self.height, self.width)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        expect_sizes(self.name(), [h, w], [self.height, self.width])?;
        Ok([n, self.height, self.width, c].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, c]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut dx = Tensor::zeros([n, self.height, self.width, c]);
        for (index, dy) in inputs[0].data().iter().enumerate() {
            let (pixel, channel) = (index / c, index % c);
            let (row, column) = (pixel / w, pixel % w);
            let (image, row) = (row / h, row % h);
            let y = tap(row, self.height, h);
            let x = tap(column, self.width, w);
            for (row, vertical) in [(y.low, 1.0 - y.weight), (y.high, y.weight)] {
                for (column, horizontal) in [(x.low, 1.0 - x.weight), (x.high, x.weight)] {
                    let at = ((image * self.height + row) * self.width + column) * c + channel;
                    dx.data_mut()[at] += vertical * horizontal * dy;
                }
            }
        }
        vec![dx]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(ResizeBilinearGradient:
                {
                    name: "naive",
                    price: |_, _| 4.0,
                    lower: |_, at| dispatch(at, Way::NAIVE, ["gradient_naive", "gradient_fours"], ["dy", "d_x"]),
                },
                {
                    name: "fours",
                    fits: |this, at| fours_if(this, aligned(at)),
                    price: |_, _| 1.0,
                    lower: |_, at| dispatch(at, Way::FOURS, ["gradient_naive", "gradient_fours"], ["dy", "d_x"]),
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        8 * inputs[0].elements() as u64
    }
}

impl Operation for ResizeToRegions {
    fn name(&self) -> &'static str {
        "resize_to_regions"
    }

    fn describe(&self) -> String {
        format!("resize each to its region of {} elements, bilinear", self.capacity)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        let images = expect_regions(self.name(), inputs[1], self.capacity)?;
        if n != images || c != 1 || h == 0 || w == 0 {
            return Err(Error::shape(
                self.name(),
                format!(
                    "takes maps (N, h, w, 1) and regions (N, 3), not {} {}",
                    inputs[0], inputs[1]
                ),
            ));
        }
        Ok([self.capacity].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut output = Tensor::zeros([self.capacity]);
        for image in 0..n {
            let region = region(inputs[1], image, self.capacity);
            let map = &inputs[0].data()[image * h * w..(image + 1) * h * w];
            for pixel in 0..region.count {
                let at = [pixel / region.width, pixel % region.width];
                let to = [region.height, region.width];
                output.data_mut()[region.first + pixel] = resized(map, [h, w], to, at);
            }
        }
        vec![output]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(ResizeToRegions:
                {
                    name: "naive",
                    price: |_, _| 2.0,
                    lower: |this, at| this.dispatches(at, "regions_naive"),
                },
                {
                    name: "columns",
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, "regions_columns"),
                },
            )
        }
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        9 * output.elements() as u64
    }
}

impl ResizeToRegions {
    fn dispatches(&self, lowering: &Lowering, entry: &'static str) -> Result<Lowered> {
        let [images, height, width, _] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let chunks = chunks(self.capacity, images);
        Ok(Dispatch::new("resize", entry)
            .bind("maps", Operand::Input(0))
            .bind("regions", Operand::Input(1))
            .bind("resized", Operand::Output)
            .param("count", 0usize)
            .param("from_height", height)
            .param("from_width", width)
            .param("to_height", 0usize)
            .param("to_width", 0usize)
            .param("channels", 1usize)
            .param("images", images)
            .param("capacity", self.capacity)
            .param("chunks", chunks)
            .workgroups(grid(images * chunks, lowering.capabilities.max_workgroups))
            .into())
    }
}

/// Up, down, by odd ratios, from and to one pixel; regions in and out of order, empty, cut off.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, from, to) in [
        ("up", [2, 5, 7, 3], [13, 16]),
        ("up, fours", [1, 3, 4, 8], [9, 11]),
        ("down", [2, 13, 16, 3], [5, 7]),
        ("down, fours", [3, 11, 9, 4], [4, 3]),
        ("up and down", [1, 3, 20, 1], [10, 3]),
        ("same size", [1, 4, 5, 2], [4, 5]),
        ("from one pixel", [2, 1, 1, 5], [4, 3]),
        ("to one pixel", [1, 6, 7, 2], [1, 1]),
        ("down by more than two", [1, 31, 29, 4], [3, 4]),
    ] {
        let [height, width] = to;
        let inputs = [(from.into(), Fill::Signed)];
        let operation = ResizeBilinear { height, width };
        cases.push(Case::new(name, operation, inputs).differentiate(&[0]));
        let [n, height, width, c] = from;
        let operation = ResizeBilinearGradient { height, width };
        let inputs = [([n, to[0], to[1], c].into(), Fill::Signed)];
        cases.push(Case::new(format!("gradient, {name}"), operation, inputs));
    }
    for (name, maps, capacity, regions) in [
        ("regions", [3, 6, 6, 1], 117 + 20 + 1, &[0., 9., 13., 117., 4., 5., 137., 1., 1.][..]),
        (
            "regions out of order, one empty",
            [3, 3, 4, 1],
            42,
            &[30., 3., 4., 0., 0., 9., 0., 6., 5.],
        ),
        ("a region cut off", [2, 2, 2, 1], 25, &[0., 3., 5., 15., 7., 4.]),
        ("regions larger than a chunk", [1, 7, 7, 1], 40_000, &[0., 200., 200.]),
        ("regions smaller than their maps", [2, 10, 10, 1], 12, &[0., 2., 3., 6., 3., 2.]),
    ] {
        let images = maps[0];
        let inputs = [(maps.into(), Fill::Signed), ([images, 3].into(), Fill::Values(regions))];
        cases.push(Case::new(name, ResizeToRegions { capacity }, inputs));
    }
    let inputs = [([32, 10, 10, 64].into(), Fill::Signed)];
    let operation = ResizeBilinear { height: 128, width: 128 };
    cases.push(Case::new("10x10 to 128x128", operation, inputs).bench_only());
    let inputs =
        [([33, 10, 10, 1].into(), Fill::Signed), ([33, 3].into(), Fill::Values(MAMMOGRAMS))];
    let operation = ResizeToRegions { capacity: 33 * 299 * 299 };
    cases.push(Case::new("33 maps to 299x299", operation, inputs).bench_only());
    cases
}
