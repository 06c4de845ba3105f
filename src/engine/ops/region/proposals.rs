//! The component, among those of several masks of an image, that is most like an object.

use super::components::{BEST, LABEL, WEIGHT, WINNER, flood, labelling, rounds, scratch};
use crate::engine::graph::Operation;
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs, expect_nhwc};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// (masks (N L, H, W, 1), map, d, both (N, H, W, 1)) -> (N, H, W, 1): of the components, 4 neighbours
/// each, of an image's L masks that with the highest score, as 0 and 1; 0 everywhere where none is of a
/// permitted size. `shaders/region/proposals.wgsl` has the score; of equal ones the first counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposals {
    /// Weight of the mean of the map, cut off to 0..=1.
    pub map: f32,
    /// Weight of the mean of d, 1.5 at most, each pixel's being cut off to -4..=4.
    pub darkness: f32,
    /// What each side of the image that is touched costs.
    pub border: f32,
    /// Weight of the logarithm of the share of the image's pixels over `usual`.
    pub size: f32,
    /// Weight of the pixels over those of an ellipse in the bounding box, 1 at most.
    pub roundness: f32,
    /// The usual share of the image's pixels; above 0.
    pub usual: f32,
    /// The least and the largest share that is permitted.
    pub shares: [f32; 2],
}

/// What is known of a component: pixels, sums of map and d, last row, first and last column.
const FACTS: usize = 6;

/// Sums of 4096ths stay below 2^32.
const MOST_PIXELS: usize = 1 << 20;

impl Proposals {
    /// The least and the largest number of pixels that is permitted.
    fn pixels(&self, area: usize) -> [f32; 2] {
        self.shares.map(|share| (f64::from(share) * area as f64) as f32)
    }

    /// The rating of the pixels `component` of an image (h, w); 0 where their number is not permitted.
    fn rating(&self, component: &[usize], map: &[f64], d: &[f64], [h, w]: [usize; 2]) -> u64 {
        let pixels = component.len() as f64;
        let [least, most] = self.pixels(h * w).map(f64::from);
        if !(least..=most).contains(&pixels) {
            return 0;
        }
        let sum = |part: &dyn Fn(usize) -> f64| -> f64 {
            component.iter().map(|&pixel| part(pixel).floor()).sum()
        };
        let shown = sum(&|pixel| map[pixel].clamp(0.0, 1.0) * 4096.0);
        let dark = sum(&|pixel| (d[pixel].clamp(-4.0, 4.0) + 4.0) * 512.0);
        let ends = |part: &dyn Fn(usize) -> usize| {
            let all = || component.iter().map(|&pixel| part(pixel));
            (all().min().unwrap_or(0), all().max().unwrap_or(0))
        };
        let (top, bottom) = ends(&|pixel| pixel / w);
        let (left, right) = ends(&|pixel| pixel % w);
        let sides = [top == 0, left == 0, bottom + 1 == h, right + 1 == w];
        let sides = sides.into_iter().filter(|touched| *touched).count() as f64;
        let rectangle = ((bottom - top + 1) * (right - left + 1)) as f64;
        let share = pixels / (h * w) as f64;
        let score = f64::from(self.map) * shown / (4096.0 * pixels)
            + f64::from(self.darkness) * (dark / (512.0 * pixels) - 4.0).min(1.5)
            - f64::from(self.border) * sides
            + f64::from(self.size) * (share / f64::from(self.usual)).ln()
            + f64::from(self.roundness)
                * (pixels / (std::f64::consts::FRAC_PI_4 * rectangle)).min(1.0);
        1 + ((score + 64.0) * 65536.0).clamp(0.0, 8_388_607.0) as u64
    }
}

impl Operation for Proposals {
    fn name(&self) -> &'static str {
        "proposals"
    }

    fn describe(&self) -> String {
        "best of all components".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        let [all, h, w, c] = expect_nhwc(self.name(), inputs[0])?;
        let [n, ..] = expect_nhwc(self.name(), inputs[1])?;
        let one = Shape::from([n, h, w, 1]);
        let fits = c == 1 && n > 0 && all > 0 && all.is_multiple_of(n);
        if !fits || *inputs[1] != one || *inputs[2] != one {
            let problem = format!(
                "masks {} must be some for each image of map {} and d {}",
                inputs[0], inputs[1], inputs[2]
            );
            return Err(Error::shape(self.name(), problem));
        }
        if !(1..MOST_PIXELS).contains(&(h * w)) || self.usual.is_nan() || self.usual <= 0.0 {
            let problem = format!("takes 1 to {} pixels, and a usual share", MOST_PIXELS - 1);
            return Err(Error::shape(self.name(), problem));
        }
        Ok(one)
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let Some([n, h, w, _]) = inputs[1].shape().nhwc() else { return Vec::new() };
        let area = h * w;
        let of_image = inputs[0].data().len() / n;
        let mut shown = Tensor::zeros([n, h, w, 1]);
        for (image, to) in shown.data_mut().chunks_mut(area).enumerate() {
            let own = |index: usize| &inputs[index].data()[image * area..(image + 1) * area];
            let mut best = (0, Vec::new());
            for mask in inputs[0].data()[image * of_image..(image + 1) * of_image].chunks(area) {
                let marked: Vec<bool> = mask.iter().map(|value| *value > 0.5).collect();
                for component in flood(&marked, [h, w], false) {
                    let rating = self.rating(&component, own(1), own(2), [h, w]);
                    if rating > best.0 {
                        best = (rating, component);
                    }
                }
            }
            best.1.into_iter().for_each(|pixel| to[pixel] = 1.0);
        }
        vec![shown]
    }

    fn lower(&self, lowering: &Lowering) -> Result<Lowered> {
        let size @ [all, h, w, _] = expect_nhwc(self.name(), lowering.inputs[0])?;
        let [n, ..] = expect_nhwc(self.name(), lowering.output)?;
        let rounds = rounds([h, w]);
        let mut dispatches = labelling(lowering, size, rounds, 0.5, false, false);
        let mut scratch = scratch(size, rounds);
        let facts = Operand::Scratch(scratch.len());
        scratch.push(FACTS * all * h * w);
        let [least, most] = self.pixels(h * w);
        let kernel = |entry, count: usize| {
            Dispatch::new("proposals", entry)
                .param("images", n)
                .param("masks", all / n)
                .param("height", h)
                .param("width", w)
                .param("map_weight", self.map)
                .param("dark_weight", self.darkness)
                .param("border_weight", self.border)
                .param("size_weight", self.size)
                .param("round_weight", self.roundness)
                .param("usual", self.usual)
                .param("least", least)
                .param("most", most)
                .bind("labels", LABEL)
                .workgroups(grid(count.div_ceil(256), lowering.capabilities.max_workgroups))
        };
        let labelled = |entry| kernel(entry, all * h * w);
        dispatches.extend([
            labelled("clear").bind("facts", facts),
            labelled("gather")
                .bind("map", Operand::Input(1))
                .bind("d", Operand::Input(2))
                .bind("facts", facts),
            labelled("rate").bind("known", facts).bind("rating", WEIGHT).bind("best", BEST),
            labelled("choose").bind("ratings", WEIGHT).bind("bests", BEST).bind("winner", WINNER),
            kernel("show", n * h * w).bind("winners", WINNER).bind("y", Operand::Output),
        ]);
        Ok(Lowered { dispatches, scratch })
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        20 * inputs[0].elements() as u64
    }
}

/// Noise, several masks and one, nothing of a permitted size, ties, one pixel, one row.
pub fn cases() -> Vec<Case> {
    let usual = Proposals {
        map: 1.0,
        darkness: 0.25,
        border: 0.3,
        size: 0.3,
        roundness: 0.5,
        usual: 0.05,
        shares: [0.004, 0.45],
    };
    let map = Fill::Uniform(-0.1, 1.1);
    let dark = Fill::Uniform(-5.0, 5.0);
    let mut cases = Vec::new();
    for (name, operation, [n, l, h, w], fill) in [
        ("noise", usual, [2, 3, 23, 19], Fill::Binary),
        ("one mask", usual, [3, 1, 17, 30], Fill::Binary),
        ("dense", usual, [2, 4, 16, 16], Fill::Values(&[1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0])),
        (
            "too large",
            Proposals { shares: [0.0, 0.3], ..usual },
            [1, 2, 9, 8],
            Fill::Values(&[1.0]),
        ),
        ("nothing", usual, [1, 2, 9, 8], Fill::Values(&[0.0])),
        ("by size", Proposals { map: 0.0, darkness: 0.0, ..usual }, [2, 2, 12, 13], Fill::Binary),
        ("one pixel", Proposals { shares: [0.0, 1.0], ..usual }, [2, 2, 1, 1], Fill::Binary),
        ("one row", Proposals { shares: [0.0, 1.0], ..usual }, [2, 2, 1, 40], Fill::Binary),
    ] {
        let one = Shape::from([n, h, w, 1]);
        let inputs = [([n * l, h, w, 1].into(), fill), (one.clone(), map), (one, dark)];
        cases.push(Case::new(name, operation, inputs).tolerance(0.0));
    }
    let one = Shape::from([16, 128, 128, 1]);
    let inputs = [([96, 128, 128, 1].into(), Fill::Binary), (one.clone(), map), (one, dark)];
    cases.push(Case::new("96 of 128x128", usual, inputs).bench_only());
    cases
}
