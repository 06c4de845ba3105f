//! Heatmaps as segmentations: their grey levels, and Dice against a mask at every threshold.

use super::regions::{A_FIFTH, MAMMOGRAMS, chunks, expect_regions, expect_vector, region};
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, Needs, Operand, grid};
use crate::engine::ops::{Case, Fill, expect_inputs};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// Grey levels, and thresholds.
const LEVELS: usize = 256;

/// (values (capacity), regions (N, 3)) -> (capacity): within each region
/// floor(255 * max(v, 0) / largest v + 1/2), whole numbers 0..=255, all 0 where no value is positive.
/// A value that is not finite counts as 0. The result is exact: the same on every adapter.
///
/// A row of `regions` holds first element, height and width. Elements in no region keep what was
/// there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeatmapToGray;

/// (gray (capacity), mask (capacity), regions (N, 3)) -> (N, 256): for t = 0..=255 the Dice
/// coefficient 2 |A and B| / (|A| + |B|) of A: mask > 1/2 and B: gray > t, 0 where both are empty.
///
/// Grey levels are whole numbers 0..=255.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiceThresholds;

/// Fours of pixels that one workgroup of `tallies` may take: an invocation, which takes an eighth,
/// counts in 16 bits.
const LARGEST_PIECE: usize = 8 * 16_383;
const _: () = assert!(4 * (LARGEST_PIECE / 8) < 1 << 16);

/// Fours of pixels that one workgroup of `tallies` takes: a sixteenth of all, if that is worth the sums
/// at its end. Only the workgroups that a region reaches into do anything.
fn piece(capacity: usize) -> usize {
    capacity.div_ceil(64).next_multiple_of(8).clamp(1024, LARGEST_PIECE)
}

/// Whether `tallies` can do it: four pixels at a time.
fn in_fours(lowering: &Lowering) -> bool {
    lowering.views[..2].iter().all(|view| view.offset.is_multiple_of(4))
}

/// A dispatch of `workgroups` over `images` regions, each shared out among `chunks` workgroups.
fn dispatch(
    entry: &'static str,
    lowering: &Lowering,
    [images, capacity, chunks, cleared]: [usize; 4],
    workgroups: usize,
) -> Dispatch {
    Dispatch::new("dice", entry)
        .param("images", images)
        .param("capacity", capacity)
        .param("chunks", chunks)
        .param("piece", piece(capacity))
        .param("cleared", cleared)
        .workgroups(grid(workgroups, lowering.capabilities.max_workgroups))
}

impl Operation for HeatmapToGray {
    fn name(&self) -> &'static str {
        "heatmap_to_gray"
    }

    fn describe(&self) -> String {
        "grey levels 0..255 of each heatmap".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 2)?;
        let capacity = expect_vector(self.name(), inputs[0])?;
        expect_regions(self.name(), inputs[1], capacity)?;
        Ok(inputs[0].clone())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let mut gray = Tensor::zeros(inputs[0].shape().clone());
        for image in 0..inputs[1].shape().rows() {
            let region = region(inputs[1], image, gray.data().len());
            let within = region.first..region.first + region.count;
            let level = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
            let values = &inputs[0].data()[within.clone()];
            let most = values.iter().fold(0.0f64, |most, value| most.max(level(*value)));
            if most > 0.0 {
                for (gray, value) in gray.data_mut()[within].iter_mut().zip(values) {
                    *gray = (255.0 * level(*value) / most + 0.5).floor();
                }
            }
        }
        vec![gray]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(HeatmapToGray:
                {
                    name: "naive",
                    price: |_, _| 2.0,
                    lower: |this, at| this.dispatches(at, false),
                },
                {
                    name: "chunks",
                    price: |_, _| 1.0,
                    lower: |this, at| this.dispatches(at, true),
                },
            )
        }
    }

    fn flops(&self, _inputs: &[&Shape], output: &Shape) -> u64 {
        4 * output.elements() as u64
    }
}

impl HeatmapToGray {
    /// `by_chunks`: whether workgroups share out the pixels to find an image's maximum.
    fn dispatches(&self, lowering: &Lowering, by_chunks: bool) -> Result<Lowered> {
        let images = lowering.inputs[1].rows();
        let capacity = lowering.inputs[0].elements();
        let chunks = chunks(capacity, images);
        let shape = [images, capacity, chunks, images];
        let read = |dispatch: Dispatch| {
            dispatch.bind("values", Operand::Input(0)).bind("regions", Operand::Input(1))
        };
        let mut dispatches = if by_chunks {
            let clear = dispatch("clear", lowering, shape, images.div_ceil(256));
            let peaks = read(dispatch("peaks_chunks", lowering, shape, images * chunks));
            vec![
                clear.bind("counts", Operand::Scratch(0)),
                peaks.bind("peaks", Operand::Scratch(0)),
            ]
        } else {
            let peaks = dispatch("peaks_naive", lowering, shape, images.div_ceil(64));
            let peaks = read(peaks.rounds(capacity));
            vec![peaks.bind("counts", Operand::Scratch(0))]
        };
        dispatches.push(
            read(dispatch("scale", lowering, shape, images * chunks))
                .bind("most", Operand::Scratch(0))
                .bind("levels", Operand::Output),
        );
        Ok(Lowered { dispatches, scratch: vec![images] })
    }
}

impl Operation for DiceThresholds {
    fn name(&self) -> &'static str {
        "dice_thresholds"
    }

    fn describe(&self) -> String {
        "dice at 256 thresholds".to_owned()
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape> {
        expect_inputs(self.name(), inputs, 3)?;
        let capacity = expect_vector(self.name(), inputs[0])?;
        let images = expect_regions(self.name(), inputs[2], capacity)?;
        if inputs[1] != inputs[0] {
            return Err(Error::shape(
                self.name(),
                format!("gray {} and mask {} must be the same", inputs[0], inputs[1]),
            ));
        }
        Ok([images, LEVELS].into())
    }

    fn reference(&self, inputs: &[&Tensor<f64>]) -> Vec<Tensor<f64>> {
        let images = inputs[2].shape().rows();
        let mut dice = Tensor::zeros([images, LEVELS]);
        for image in 0..images {
            let region = region(inputs[2], image, inputs[0].data().len());
            let within = region.first..region.first + region.count;
            let gray = &inputs[0].data()[within.clone()];
            let mask = &inputs[1].data()[within];
            for threshold in 0..LEVELS {
                let (mut both, mut sizes) = (0u64, 0u64);
                for (gray, mask) in gray.iter().zip(mask) {
                    let (a, b) = (*mask > 0.5, *gray > threshold as f64);
                    both += u64::from(a && b);
                    sizes += u64::from(a) + u64::from(b);
                }
                if sizes > 0 {
                    dice.data_mut()[image * LEVELS + threshold] = 2.0 * both as f64 / sizes as f64;
                }
            }
        }
        vec![dice]
    }

    fn variants(&self) -> &'static [Variant] {
        const {
            &variants!(DiceThresholds:
                { name: "naive", price: |_, _| 8.0, lower: |this, at| this.naive(at) },
                {
                    name: "histogram",
                    price: |_, _| 2.0,
                    lower: |this, at| {
                        let chunks = chunks(at.inputs[0].elements(), at.inputs[2].rows());
                        this.counted(at, chunks, "histogram", "scores")
                    },
                },
                // Private memory that is indexed by a number is fast on a processor, and slow on a GPU.
                {
                    name: "tallies",
                    needs: Needs::Subgroup,
                    fits: |this, at| match in_fours(at) {
                        true => Ok(()),
                        false => {
                            let problem = "tallies takes pixels that start at a multiple of four";
                            Err(Error::shape(this.name(), problem))
                        }
                    },
                    price: |_, at| at.on(1.0, 4.0),
                    lower: |this, at| {
                        let capacity = at.inputs[0].elements();
                        let pieces = capacity.div_ceil(4).div_ceil(piece(capacity)).max(1);
                        this.counted(at, pieces, "tallies", "scores_of_sums")
                    },
                },
            )
        }
    }

    fn flops(&self, inputs: &[&Shape], _output: &Shape) -> u64 {
        2 * inputs[0].elements() as u64
    }
}

impl DiceThresholds {
    /// Every threshold by an invocation.
    fn naive(&self, lowering: &Lowering) -> Result<Lowered> {
        let images = lowering.inputs[2].rows();
        let capacity = lowering.inputs[0].elements();
        let shape = [images, capacity, chunks(capacity, images), images * 2 * LEVELS];
        let naive = dispatch("dice_naive", lowering, shape, (images * LEVELS).div_ceil(64));
        Ok(read(naive.rounds(capacity)).bind("dice", Operand::Output).into())
    }

    /// Histograms: counted by `count` in so many chunks of an image, summed and scored by `finish`.
    fn counted(
        &self,
        lowering: &Lowering,
        chunks: usize,
        count: &'static str,
        finish: &'static str,
    ) -> Result<Lowered> {
        let images = lowering.inputs[2].rows();
        let capacity = lowering.inputs[0].elements();
        let cleared = images * 2 * LEVELS;
        let shape = [images, capacity, chunks, cleared];
        let clear = dispatch("clear", lowering, shape, cleared.div_ceil(256));
        let count = read(dispatch(count, lowering, shape, images * chunks));
        let scores = dispatch(finish, lowering, shape, images);
        Ok(Lowered {
            dispatches: vec![
                clear.bind("counts", Operand::Scratch(0)),
                count.bind("bins", Operand::Scratch(0)),
                scores.bind("totals", Operand::Scratch(0)).bind("dice", Operand::Output),
            ],
            scratch: vec![cleared],
        })
    }
}

fn read(dispatch: Dispatch) -> Dispatch {
    dispatch
        .bind("gray", Operand::Input(0))
        .bind("mask", Operand::Input(1))
        .bind("regions", Operand::Input(2))
}

/// Small regions, empty ones, larger than a workgroup takes, without a positive value, with ties.
pub fn cases() -> Vec<Case> {
    const THREE: &[f64] = &[0., 9., 13., 117., 4., 5., 137., 1., 1.];
    const SOME_EMPTY: &[f64] = &[7., 5., 7., 0., 0., 0., 0., 1., 7., 42., 3., 0.];
    const LARGE: &[f64] = &[0., 200., 199., 39_800., 1., 200.];
    // More pixels than some drivers let a loop have rounds.
    const HUGE: &[f64] = &[0., 300., 299.];
    const CUT: &[f64] = &[0., 3., 5., 15., 7., 4.];
    // With 510 as the largest, odd values lie exactly between two levels.
    const TIES: &[f64] = &[510., 1., 3., 2., 255., 509., 507., 0., 4., 5., 129.];
    const TINY: &[f64] = &[1e-41, 3e-42, -1e-40, 0., 7e-42, 2e-39, 1e-38, 1e-39, 1.5e-38];
    const NOT_FINITE: &[f64] = &[1.0, f64::NAN, 0.3, f64::INFINITY, 0.7, -0.1, f64::NEG_INFINITY];
    let regions = |rows: &'static [f64]| (Shape::from([rows.len() / 3, 3]), Fill::Values(rows));
    let mut cases = Vec::new();
    for (name, capacity, values, rows) in [
        ("gray, three regions", 138, Fill::Signed, THREE),
        ("gray, some empty", 42, Fill::Uniform(-1.0, 3.0), SOME_EMPTY),
        ("gray, larger than a chunk", 40_000, Fill::Uniform(0.0, 1.0), LARGE),
        ("gray, huge", 89_700, Fill::Signed, HUGE),
        ("gray, cut off", 25, Fill::Signed, CUT),
        ("gray, nothing positive", 138, Fill::Uniform(-1.0, 0.0), THREE),
        ("gray, between two levels", 138, Fill::Values(TIES), THREE),
        ("gray, below normal numbers", 138, Fill::Values(TINY), THREE),
        ("gray, large numbers", 138, Fill::Uniform(0.0, 3e38), THREE),
        ("gray, not finite", 138, Fill::Values(NOT_FINITE), THREE),
    ] {
        let inputs = [([capacity].into(), values), regions(rows)];
        // Levels are exact.
        cases.push(Case::new(name, HeatmapToGray, inputs).tolerance(0.0));
    }
    let any = Fill::Whole(256);
    for (name, capacity, gray, mask, rows) in [
        ("three regions", 138, any, Fill::Binary, THREE),
        ("some empty", 42, any, Fill::Binary, SOME_EMPTY),
        ("larger than a chunk", 40_000, any, Fill::Binary, LARGE),
        ("huge", 89_700, any, Fill::Binary, HUGE),
        ("cut off", 25, any, Fill::Binary, CUT),
        ("empty mask", 138, any, Fill::Values(&[0.0]), THREE),
        ("full mask", 138, any, Fill::Values(&[1.0]), THREE),
        ("black and white", 138, Fill::Values(&[0.0, 255.0, 0.0]), Fill::Binary, THREE),
        ("black, empty mask", 138, Fill::Values(&[0.0]), Fill::Values(&[0.0]), THREE),
    ] {
        let vector = Shape::from([capacity]);
        let inputs = [(vector.clone(), gray), (vector, mask), regions(rows)];
        cases.push(Case::new(name, DiceThresholds, inputs).tolerance(1e-6));
    }
    let vector = Shape::from([33 * 299 * 299]);
    let inputs = [(vector.clone(), Fill::Signed), regions(MAMMOGRAMS)];
    cases.push(Case::new("gray, 33 of 299x299", HeatmapToGray, inputs).bench_only());
    let inputs = [(vector.clone(), any), (vector, Fill::Binary), regions(MAMMOGRAMS)];
    cases.push(Case::new("33 of 299x299", DiceThresholds, inputs).bench_only());
    let vector = Shape::from([65 * 299 * 299]);
    let inputs = [(vector.clone(), any), (vector, Fill::Binary), regions(A_FIFTH)];
    let name = "65 of 299x299, a fifth of 325";
    cases.push(Case::new(name, DiceThresholds, inputs).bench_only());
    cases
}
