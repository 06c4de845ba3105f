//! Superpixels of grey images, and means over them.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// image (N, H, W, 1), 0 to 255 -> (N, H, W, 1): the number of each pixel's superpixel, by SLIC (Achanta
/// and others 2012). Numbers count the `cell`s by rows; not every one must be there.
///
/// Grey is rounded to whole levels and centres to quarters of pixels and levels, and all is counted in
/// whole numbers: the result is the same on every adapter. Superpixels may have stray pixels: the paper's
/// last step, which joins those to a neighbour, is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slic {
    /// Side of a superpixel to begin with, in pixels; 2 to [`Self::MOST_CELL`].
    pub cell: usize,
    /// How much place counts against grey, the paper's m; 1 to [`Self::MOST_COMPACTNESS`].
    pub compactness: usize,
    /// How often centres move; 100 at most.
    pub iterations: usize,
}

/// (labels, x, both (N, H, W, 1)) -> (N, H, W, 1): the mean of x over each superpixel. Labels are those
/// of [`Slic`] with the same `cell`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuperpixelMean {
    /// See [`Slic::cell`].
    pub cell: usize,
}

/// Rows and columns; four times them, and their sums over a superpixel, fit 32 bits.
const LONGEST: usize = 1 << 14;

impl Slic {
    /// Distances fit 32 bits up to here.
    pub const MOST_CELL: usize = 32;
    /// Distances fit 32 bits up to here.
    pub const MOST_COMPACTNESS: usize = 60;
}

/// How many cells there are along height and width.
fn cells([h, w]: [usize; 2], cell: usize) -> [usize; 2] {
    [h.div_ceil(cell), w.div_ceil(cell)]
}

/// The numbers of the cells that pixel (row, column) may belong to, in order.
fn around(
    [row, column]: [usize; 2],
    [down, across]: [usize; 2],
    cell: usize,
) -> impl Iterator<Item = usize> {
    let span =
        |at: usize, count: usize| (at / cell).saturating_sub(1)..=(at / cell + 1).min(count - 1);
    let columns = span(column, across);
    span(row, down).flat_map(move |i| columns.clone().map(move |j| i * across + j))
}

fn expect(name: &str, shape: &Shape, cell: usize) -> Result<()> {
    let [n, h, w, c] = expect_nhwc(name, shape)?;
    if c != 1 || n * h * w == 0 || h.max(w) > LONGEST {
        let problem = format!("takes pixels (N, H, W, 1), {LONGEST} rows and columns at most");
        return Err(Error::shape(name, format!("{problem}, was given {shape}")));
    }
    match (2..=Slic::MOST_CELL).contains(&cell) {
        true => Ok(()),
        false => {
            let problem = format!("a cell must be 2 to {} pixels, not {cell}", Slic::MOST_CELL);
            Err(Error::shape(name, problem))
        }
    }
}

/// A dispatch with the fields that all kernels share.
fn dispatch(
    entry: &'static str,
    lowering: &Lowering,
    [cell, compactness]: [usize; 2],
    groups: usize,
) -> Result<Dispatch> {
    let [n, h, w, _] = expect_nhwc("superpixels", lowering.output)?;
    let [down, across] = cells([h, w], cell);
    Ok(Dispatch::new("superpixels", entry)
        .param("images", n)
        .param("height", h)
        .param("width", w)
        .param("down", down)
        .param("across", across)
        .param("cell", cell)
        .param("compactness", compactness)
        .workgroups(grid(groups, lowering.capabilities.max_workgroups)))
}

impl Operation for Slic {
    fn name(&self) -> &'static str {
        "superpixels"
    }

    fn describe(&self) -> String {
        format!("slic superpixels of {0}x{0}", self.cell)
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("slic", inputs, 1)?;
        expect("slic", inputs[0], self.cell)?;
        if !(1..=Self::MOST_COMPACTNESS).contains(&self.compactness) || self.iterations > 100 {
            let problem = format!(
                "compactness must be 1 to {}, not {}, and iterations up to 100, not {}",
                Self::MOST_COMPACTNESS,
                self.compactness,
                self.iterations
            );
            return Err(Error::shape("slic", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([_, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let [down, across] = cells([h, w], self.cell);
        let square = |a: usize, b: usize| a.abs_diff(b).pow(2);
        let mut all = Vec::with_capacity(inputs[0].data().len());
        for image in inputs[0].data().chunks(h * w) {
            let level =
                |pixel: usize| (image[pixel] as f32 + 0.5).floor().clamp(0.0, 255.0) as usize;
            let mut centres: Vec<[usize; 3]> = (0..down * across)
                .map(|index| {
                    let ends = |at: usize, size: usize| {
                        (at * self.cell, ((at + 1) * self.cell).min(size) - 1)
                    };
                    let (top, bottom) = ends(index / across, h);
                    let (left, right) = ends(index % across, w);
                    let middle = (top + bottom) / 2 * w + (left + right) / 2;
                    [2 * (top + bottom), 2 * (left + right), 4 * level(middle)]
                })
                .collect();
            let assign = |centres: &[[usize; 3]]| -> Vec<usize> {
                let nearest = |pixel: usize| {
                    let (row, column) = (pixel / w, pixel % w);
                    let distance = |index: &usize| {
                        let [y, x, grey] = centres[*index];
                        self.cell.pow(2) * square(4 * level(pixel), grey)
                            + self.compactness.pow(2) * (square(4 * row, y) + square(4 * column, x))
                    };
                    around([row, column], [down, across], self.cell).min_by_key(distance)
                };
                (0..h * w).map(|pixel| nearest(pixel).unwrap_or(0)).collect()
            };
            for _ in 0..self.iterations {
                let mut sums = vec![[0; 4]; down * across];
                for (pixel, label) in assign(&centres).into_iter().enumerate() {
                    let own = [1, pixel / w, pixel % w, level(pixel)];
                    sums[label].iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                }
                for (centre, [count, sums @ ..]) in centres.iter_mut().zip(sums) {
                    if count > 0 {
                        *centre = sums.map(|sum| (8 * sum + count) / (2 * count));
                    }
                }
            }
            all.extend(assign(&centres));
        }
        vec![Tensor::from_fn(inputs[0].shape().clone(), |pixel| all[pixel] as f64)]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [centres, labels] = [Operand::Scratch(0), Operand::Scratch(1)];
        let [n, h, w, _] = expect_nhwc("slic", lowering.output)?;
        let [down, across] = cells([h, w], self.cell);
        let count = n * down * across;
        let kernel = |entry, groups| {
            let kernel = dispatch(entry, lowering, [self.cell, self.compactness], groups)?;
            Ok::<_, Error>(kernel.bind("image", Operand::Input(0)))
        };
        let assign = kernel("assign", (n * h * w).div_ceil(64))?
            .bind("centres", centres)
            .bind("label", labels)
            .bind("y", Operand::Output);
        let moved = kernel("move_centres", count)?.bind("centre", centres).bind("chosen", labels);
        let mut dispatches =
            vec![kernel("place", count.div_ceil(64))?.bind("centre", centres), assign.clone()];
        for _ in 0..self.iterations {
            dispatches.extend([moved.clone(), assign.clone()]);
        }
        Ok(Lowered { dispatches, scratch: vec![3 * count, n * h * w] })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        (9 * 12 * (self.iterations + 1) * output.elements()) as u64
    }
}

impl Operation for SuperpixelMean {
    fn name(&self) -> &'static str {
        "superpixels"
    }

    fn describe(&self) -> String {
        "means of superpixels".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs("superpixel_mean", inputs, 2)?;
        expect("superpixel_mean", inputs[0], self.cell)?;
        if inputs[0] != inputs[1] {
            let problem = format!("labels {} and map {} must be the same", inputs[0], inputs[1]);
            return Err(Error::shape("superpixel_mean", problem));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let (labels, x) = (inputs[0], inputs[1]);
        let Some([n, h, w, _]) = labels.shape().nhwc() else { return Vec::new() };
        let [down, across] = cells([h, w], self.cell);
        let mut sums = vec![(0.0, 0.0); n * down * across];
        let own = |pixel: usize| {
            pixel / (h * w) * down * across + (labels.data()[pixel] as usize).min(down * across - 1)
        };
        for (pixel, x) in x.data().iter().enumerate() {
            let (sum, count) = &mut sums[own(pixel)];
            *sum += x;
            *count += 1.0;
        }
        vec![Tensor::from_fn(labels.shape().clone(), |pixel| {
            let (sum, count) = sums[own(pixel)];
            sum / count
        })]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let [n, h, w, _] = expect_nhwc("superpixel_mean", lowering.output)?;
        let [down, across] = cells([h, w], self.cell);
        let kernel = |entry, groups| {
            let kernel = dispatch(entry, lowering, [self.cell, 0], groups)?;
            Ok::<_, Error>(kernel.bind("labels", Operand::Input(0)))
        };
        let means = kernel("means", n * down * across)?
            .bind("x", Operand::Input(1))
            .bind("mean", Operand::Scratch(0));
        let spread = kernel("spread", (n * h * w).div_ceil(64))?
            .bind("means_of", Operand::Scratch(0))
            .bind("y", Operand::Output);
        Ok(Lowered { dispatches: vec![means, spread], scratch: vec![n * down * across] })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        9 * output.elements() as u64
    }
}

/// Cells that do and do not divide the image, one larger than it, one pixel, one row, noise and edges.
pub fn cases() -> Vec<Case> {
    const EDGE: &[f64] = &[10.0, 12.0, 11.0, 200.0, 205.0, 199.0, 201.0];
    let any = Fill::Uniform(-5.0, 260.0);
    let mut cases = Vec::new();
    for (name, dims, fill, [cell, compactness, iterations]) in [
        ("noise", [2, 23, 29, 1], any, [5, 10, 4]),
        ("cells that fit", [1, 16, 24, 1], any, [4, 40, 3]),
        ("edges", [2, 14, 21, 1], Fill::Values(EDGE), [7, 10, 5]),
        ("flat", [1, 13, 13, 1], Fill::Values(&[90.0]), [4, 10, 3]),
        ("the largest numbers", [1, 70, 40, 1], Fill::Values(&[0.0, 255.0]), [32, 60, 2]),
        ("one pixel", [3, 1, 1, 1], any, [8, 10, 2]),
        ("one row", [1, 1, 37, 1], any, [4, 10, 3]),
        ("one column", [2, 37, 1, 1], any, [4, 10, 3]),
        ("a cell larger than the image", [1, 5, 6, 1], any, [9, 10, 2]),
        ("never moved", [1, 9, 10, 1], any, [3, 1, 0]),
    ] {
        let operation = Slic { cell, compactness, iterations };
        cases.push(Case::new(name, operation, [(dims.into(), fill)]).tolerance(0.0));
    }
    for (name, dims, count, cell) in [
        ("means of four", [2, 13, 15, 1], 4, 8),
        ("means of two", [2, 1, 19, 1], 2, 16),
        ("mean of one", [2, 7, 5, 1], 1, 8),
        ("means, one pixel", [2, 1, 1, 1], 1, 2),
    ] {
        let inputs = [(dims.into(), Fill::Whole(count)), (dims.into(), Fill::Signed)];
        cases.push(Case::new(name, SuperpixelMean { cell }, inputs));
    }
    let dims = [16, 128, 128, 1];
    let operation = Slic { cell: 8, compactness: 10, iterations: 10 };
    cases.push(Case::new("16 of 128x128", operation, [(dims.into(), any)]).bench_only());
    cases
}
