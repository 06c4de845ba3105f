//! Connected components of a map above a threshold: the largest alone, or all without their holes.

use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// What remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// All: the threshold alone.
    All,
    /// The component with the most pixels.
    Largest,
    /// The component with the largest sum of its values, cut off to 0..=1 and down to 4096ths.
    Heaviest,
    /// All, and every hole: what is not above the threshold and does not reach the border.
    WithoutHoles,
}

/// x (N, H, W, 1) -> the same shape: 1 where x is above `threshold` and in what is kept, else 0. Of
/// components of one weight the first counts, by rows and then columns. Exact, the same on every
/// adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Components {
    /// What is marked: x > threshold.
    pub threshold: f32,
    /// Whether marked pixels that share a corner only are connected. Holes are of the other kind: 4
    /// neighbours where marked pixels have 8.
    pub diagonal: bool,
    /// What remains.
    pub keep: Keep,
}

pub(in crate::engine::ops) const LABEL: Operand = Operand::Scratch(0);
pub(in crate::engine::ops) const PARENT: Operand = Operand::Scratch(1);
pub(in crate::engine::ops) const CHANGED: Operand = Operand::Scratch(2);
pub(in crate::engine::ops) const WEIGHT: Operand = Operand::Scratch(3);
pub(in crate::engine::ops) const BEST: Operand = Operand::Scratch(4);
pub(in crate::engine::ops) const WINNER: Operand = Operand::Scratch(5);

/// Sums of 4096ths stay below 2^32.
const MOST_SUMMED: usize = 1 << 20;

/// Numbers of pixels do.
const MOST_PIXELS: usize = 1 << 31;

impl Components {
    /// Whether the pixels that are labelled share corners: the marked ones, or those between them.
    fn corners(&self) -> bool {
        self.diagonal != (self.keep == Keep::WithoutHoles)
    }
}

/// How many rounds are enough for any image, see the shader.
pub(in crate::engine::ops) fn rounds([h, w]: [usize; 2]) -> usize {
    2 * (h * w.div_ceil(2)).ilog2() as usize
}

/// What the dispatches of [`labelling`] share: [`LABEL`], [`PARENT`] and so on, in this order.
pub(in crate::engine::ops) fn scratch([n, h, w, _]: [usize; 4], rounds: usize) -> Vec<usize> {
    let area = n * h * w;
    vec![area, area, (n * rounds).max(1), area, n, n]
}

/// A kernel of the shader over `count` invocations in workgroups of `size`.
fn kernel(
    entry: &'static str,
    lowering: &Lowering,
    [_, h, w, _]: [usize; 4],
    [count, size, rounds, round]: [usize; 4],
    threshold: f32,
) -> Dispatch {
    Dispatch::new("components", entry)
        .param("count", count)
        .param("height", h)
        .param("width", w)
        .param("round", round)
        .param("rounds", rounds)
        .param("threshold", threshold)
        .workgroups(grid(count.div_ceil(size), lowering.capabilities.max_workgroups))
}

/// The dispatches that label the components of input 0, (N, H, W, 1) `size`.
pub(in crate::engine::ops) fn labelling(
    lowering: &Lowering,
    size: [usize; 4],
    rounds: usize,
    threshold: f32,
    below: bool,
    corners: bool,
) -> Vec<Dispatch> {
    let [n, h, w, _] = size;
    let starts = kernel("starts", lowering, size, [n * h, 64, rounds, 0], threshold)
        .rounds(w + rounds)
        .constant("BELOW", u32::from(below))
        .bind("x", Operand::Input(0))
        .bind("label", LABEL)
        .bind("parent", PARENT)
        .bind("changed", CHANGED)
        .bind("weight", WEIGHT)
        .bind("best", BEST)
        .bind("winner", WINNER);
    let mut dispatches = vec![starts];
    for round in 0..rounds {
        let pixels =
            |entry| kernel(entry, lowering, size, [n * h * w, 256, rounds, round], threshold);
        let hook = pixels("hook")
            .constant("DIAGONAL", u32::from(corners))
            .bind("labels", LABEL)
            .bind("parent", PARENT)
            .bind("changed", CHANGED);
        // A chain goes through roots, of which there is one a run at most. What one dispatch may not follow
        // to its end, the next one goes on with.
        let chain = h * w.div_ceil(2);
        let most = lowering.capabilities.longest_loop.min(u64::from(u32::MAX)) as usize;
        let settle = pixels("settle")
            .constant("MOST", most as u32)
            .rounds(most.min(chain))
            .bind("label", LABEL)
            .bind("parents", PARENT)
            .bind("changes", CHANGED);
        dispatches.push(hook);
        dispatches.extend(std::iter::repeat_n(settle, chain.div_ceil(most)));
    }
    dispatches
}

/// The pixels of each component of `marked` (h, w), by rows and then columns of their first.
pub(in crate::engine::ops) fn flood(
    marked: &[bool],
    [h, w]: [usize; 2],
    corners: bool,
) -> Vec<Vec<usize>> {
    let mut left = marked.to_vec();
    let mut components = Vec::new();
    for start in 0..left.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let mut found = vec![start];
        let mut next = 0;
        while let Some(&pixel) = found.get(next) {
            next += 1;
            let (row, column) = (pixel / w, pixel % w);
            for y in row.saturating_sub(1)..(row + 2).min(h) {
                for x in column.saturating_sub(1)..(column + 2).min(w) {
                    let beside = corners || y == row || x == column;
                    if beside && std::mem::take(&mut left[y * w + x]) {
                        found.push(y * w + x);
                    }
                }
            }
        }
        components.push(found);
    }
    components
}

impl Operation for Components {
    fn name(&self) -> &'static str {
        "components"
    }

    fn describe(&self) -> String {
        let neighbours = if self.diagonal { 8 } else { 4 };
        match self.keep {
            Keep::All => "threshold".to_owned(),
            Keep::Largest => format!("largest component of {neighbours} neighbours"),
            Keep::Heaviest => format!("heaviest component of {neighbours} neighbours"),
            Keep::WithoutHoles => "fill holes".to_owned(),
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 1)?;
        let [n, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        let most = match self.keep {
            Keep::Heaviest => MOST_SUMMED,
            Keep::All | Keep::Largest | Keep::WithoutHoles => MOST_PIXELS,
        };
        if c != 1 || n == 0 || !(1..most).contains(&(h * w)) {
            let problem =
                format!("takes (N, H, W, 1) with 1 to {} pixels an image, was given", most - 1);
            return Err(Error::shape(self.name(), format!("{problem} {}", inputs[0])));
        }
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, _]) = inputs[0].shape().nhwc() else { return Vec::new() };
        let mut kept = Tensor::zeros([n, h, w, 1]);
        let images = inputs[0].data().chunks(h * w);
        for (image, to) in images.zip(kept.data_mut().chunks_mut(h * w)) {
            let above: Vec<bool> = image.iter().map(|x| *x > f64::from(self.threshold)).collect();
            if self.keep == Keep::All {
                to.iter_mut().zip(above).for_each(|(to, above)| *to = f64::from(u8::from(above)));
                continue;
            }
            if self.keep == Keep::WithoutHoles {
                to.fill(1.0);
                let between: Vec<bool> = above.iter().map(|above| !above).collect();
                for component in flood(&between, [h, w], self.corners()) {
                    let inside =
                        |&p: &usize| (1..h - 1).contains(&(p / w)) && (1..w - 1).contains(&(p % w));
                    if !component.iter().all(inside) {
                        component.into_iter().for_each(|pixel| to[pixel] = 0.0);
                    }
                }
                continue;
            }
            let weight = |component: &Vec<usize>| match self.keep {
                Keep::Heaviest => {
                    let parts = |p: &usize| (image[*p].clamp(0.0, 1.0) * 4096.0).floor() as usize;
                    component.iter().map(parts).sum()
                }
                _ => component.len(),
            };
            // The last of equal ones wins `max_by_key`.
            let components = flood(&above, [h, w], self.corners());
            for pixel in components.into_iter().rev().max_by_key(weight).unwrap_or_default() {
                to[pixel] = 1.0;
            }
        }
        vec![kept]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let size @ [n, h, w, _] = expect_nhwc(self.name(), lowering.output)?;
        let rounds = if self.keep == Keep::All { 0 } else { rounds([h, w]) };
        let below = self.keep == Keep::WithoutHoles;
        let mut dispatches =
            labelling(lowering, size, rounds, self.threshold, below, self.corners());
        let pixels =
            |entry| kernel(entry, lowering, size, [n * h * w, 256, rounds, 0], self.threshold);
        let labelled = |entry| pixels(entry).bind("labels", LABEL);
        let weighed = |entry| labelled(entry).bind("weights", WEIGHT);
        let kept = labelled("keep")
            .constant("ALL", u32::from(self.keep == Keep::All))
            .bind("winners", WINNER)
            .bind("y", Operand::Output);
        match self.keep {
            Keep::All => dispatches.push(kept),
            Keep::Largest | Keep::Heaviest => {
                let weigh = labelled("weigh")
                    .constant("BY_SUM", u32::from(self.keep == Keep::Heaviest))
                    .bind("x", Operand::Input(0))
                    .bind("weight", WEIGHT);
                let peak = weighed("peak").bind("best", BEST);
                let choose = weighed("choose").bind("bests", BEST).bind("winner", WINNER);
                dispatches.extend([weigh, peak, choose, kept]);
            }
            Keep::WithoutHoles => {
                let border = labelled("border").bind("weight", WEIGHT);
                dispatches.extend([border, weighed("fill").bind("y", Operand::Output)]);
            }
        }
        Ok(Lowered { dispatches, scratch: scratch(size, rounds) })
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        10 * output.elements() as u64
    }
}

/// Noise at which components are as tangled as they get, a spiral, combs, ties, nothing, everything.
pub fn cases() -> Vec<Case> {
    // A path of one pixel's width that turns inwards, 7x7.
    const SPIRAL: &[f64] = &[
        1., 1., 1., 1., 1., 1., 1., 0., 0., 0., 0., 0., 0., 1., 1., 1., 1., 1., 1., 0., 1., 1., 0.,
        0., 0., 1., 0., 1., 1., 0., 1., 1., 1., 0., 1., 1., 0., 0., 0., 0., 0., 1., 1., 1., 1., 1.,
        1., 1., 1.,
    ];
    // Teeth that meet at the bottom, 5x9; turned it is all chains.
    const COMB: &[f64] = &[
        1., 0., 1., 0., 1., 0., 1., 0., 1., 1., 0., 1., 0., 1., 0., 1., 0., 1., 0., 0., 1., 0., 1.,
        0., 1., 0., 0., 0., 1., 1., 0., 1., 0., 1., 1., 0., 1., 1., 0., 1., 1., 1., 0., 1., 1.,
    ];
    const RINGS: &[f64] = &[
        1., 1., 1., 0., 1., 0., 1., 0., 1., 1., 1., 1., 0., 1., 0., 0., 1., 0., 1., 0., 1., 1., 1.,
        1., 0., 1., 1., 1., 0., 0.,
    ];
    let mut cases = Vec::new();
    for keep in [Keep::All, Keep::Largest, Keep::Heaviest, Keep::WithoutHoles] {
        for diagonal in [false, true] {
            for (name, dims, fill, threshold) in [
                ("noise", [2, 31, 29, 1], Fill::Uniform(0.0, 1.0), 0.41),
                ("sparse noise", [3, 16, 70, 1], Fill::Uniform(0.0, 1.0), 0.62),
                ("coins", [1, 20, 20, 1], Fill::Binary, 0.5),
                ("a spiral", [1, 7, 7, 1], Fill::Values(SPIRAL), 0.5),
                ("a comb", [2, 5, 9, 1], Fill::Values(COMB), 0.5),
                ("rings", [1, 5, 6, 1], Fill::Values(RINGS), 0.5),
                ("ties", [2, 5, 5, 1], Fill::Values(&[1.0, 0.0]), 0.5),
                ("one pixel", [2, 1, 1, 1], Fill::Values(&[0.7, 0.2]), 0.5),
                ("one row", [2, 1, 33, 1], Fill::Binary, 0.5),
                ("one column", [2, 37, 1, 1], Fill::Binary, 0.5),
                ("nothing", [1, 5, 6, 1], Fill::Values(&[0.5]), 0.5),
                ("everything", [1, 5, 6, 1], Fill::Values(&[0.75]), 0.5),
            ] {
                let operation = Components { threshold, diagonal, keep };
                let name = format!("{name}, {}", operation.describe());
                let inputs = [(dims.into(), fill)];
                cases.push(Case::new(name, operation, inputs).tolerance(0.0));
            }
        }
    }
    let operation = Components { threshold: 0.41, diagonal: false, keep: Keep::Largest };
    let inputs = [([16, 128, 128, 1].into(), Fill::Uniform(0.0, 1.0))];
    cases.push(Case::new("noise, 16 of 128x128", operation, inputs).bench_only());
    cases
}
