//! A mask against the truth lesion by lesion, beside the picture as a whole.
//!
//! ```text
//! lesion     a connected area of the truth; pixels that share a corner are connected (8 neighbours)
//! its mask   the connected areas of the mask that share a pixel with it, whole
//! coverage   |lesion and mask| / |lesion|
//! Dice, IoU, HD95, ASSD, NSD    of the lesion and its mask: the rest of the truth is left out
//! diameter   of the disc with the lesion's area: 2 sqrt(pixels / pi)
//! ```
//! An area of the mask over two lesions counts against both, as it parts neither from the other. One that is in no
//! lesion is a false area: it counts against the picture's figures, and against no lesion's. A lesion that the mask
//! misses has a Dice of 0, an NSD of 0 and no distance.

use serde::Serialize;

use super::surface::{Surface, Surfaces};
use crate::error::Result;

/// Lesions of one picture that are measured: the largest. A truth of more is one of dust, and each costs as much as
/// the picture.
pub const MOST: usize = 32;

/// One lesion, and how the mask meets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lesion {
    /// Its pixels.
    pub pixels: usize,
    /// The diameter of a disc of as many, in pixels.
    pub diameter: f64,
    /// The column and the row of its centre of mass, in pixels from the left and from the top.
    pub centre: [f64; 2],
    /// The share of it that the mask covers.
    pub coverage: f64,
    /// Overlap and distances.
    #[serde(flatten)]
    pub against: Against,
}

/// Overlap and distances of two masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Against {
    /// 2 |A and B| / (|A| + |B|); of two empty masks 0, as everywhere here.
    pub dice: f64,
    /// |A and B| / |A or B|; of two empty masks 0.
    pub iou: f64,
    /// Of their borders.
    #[serde(flatten)]
    pub surface: Surface,
}

/// A mask against the truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Segmented {
    /// Of the picture as a whole.
    pub whole: Against,
    /// The largest [`MOST`] lesions, from the largest on; of equals the one that begins first, by rows.
    pub lesions: Vec<Lesion>,
    /// All of them.
    pub lesion_count: usize,
    /// Connected areas of the mask that share no pixel with any lesion.
    pub false_areas: usize,
}

/// Connected areas: the number of each pixel's, from 1 on, and the pixels of each.
struct Areas {
    number: Vec<u32>,
    pixels: Vec<usize>,
}

impl Segmented {
    /// `mask` against `truth`, both of (height, width) `size`, row by row; a border may be `tolerance` pixels off.
    ///
    /// # Errors
    /// As [`Surfaces::new`].
    pub fn new(truth: &[bool], mask: &[bool], size: [usize; 2], tolerance: f64) -> Result<Self> {
        let surface = Surfaces::new(truth, mask, size)?.figures(tolerance);
        let count = |mask: &[bool]| mask.iter().filter(|inside| **inside).count();
        let both = truth.iter().zip(mask).filter(|(a, b)| **a && **b).count();
        let whole = against(both, count(truth), count(mask), surface);
        let [own, found] = [truth, mask].map(|mask| Areas::of(mask, size));

        // Which areas of the mask meet which lesion, each pair once.
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut covered = vec![0; own.pixels.len()];
        for pair @ (lesion, area) in own.number.iter().copied().zip(found.number.iter().copied()) {
            if lesion > 0 && area > 0 {
                covered[lesion as usize - 1] += 1;
                if pairs.last() != Some(&pair) {
                    pairs.push(pair);
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut met: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
        met.sort_unstable();
        met.dedup();

        let mut order: Vec<usize> = (0..own.pixels.len()).collect();
        order.sort_by_key(|&lesion| std::cmp::Reverse(own.pixels[lesion]));
        order.truncate(MOST);
        let lesion = |&index: &usize| -> Result<Lesion> {
            let number = index as u32 + 1;
            let from = pairs.partition_point(|pair| pair.0 < number);
            let areas = pairs[from..].iter().take_while(|pair| pair.0 == number);
            let areas: Vec<u32> = areas.map(|pair| pair.1).collect();
            let pixels = own.pixels[index];
            let of_areas = areas.iter().map(|&area| found.pixels[area as usize - 1]).sum();
            // The only lesion, all of the mask in it: the picture's own figures.
            let surface = match own.pixels.len() == 1 && areas.len() == found.pixels.len() {
                true => surface,
                false => {
                    let lesion: Vec<bool> = own.number.iter().map(|&own| own == number).collect();
                    let is_met = |area: &u32| areas.binary_search(area).is_ok();
                    let mask: Vec<bool> = found.number.iter().map(is_met).collect();
                    Surfaces::new(&lesion, &mask, size)?.figures(tolerance)
                }
            };
            Ok(Lesion {
                pixels,
                diameter: 2.0 * (pixels as f64 / std::f64::consts::PI).sqrt(),
                centre: centre(&own.number, number, size[1]),
                coverage: covered[index] as f64 / pixels as f64,
                against: against(covered[index], pixels, of_areas, surface),
            })
        };
        Ok(Segmented {
            whole,
            lesions: order.iter().map(lesion).collect::<Result<_>>()?,
            lesion_count: own.pixels.len(),
            false_areas: found.pixels.len() - met.len(),
        })
    }

    /// The pixels of `heatmap` above `threshold` against what is not 0 in `truth`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_levels(
        truth: &[u8],
        heatmap: &[u8],
        threshold: u8,
        size: [usize; 2],
        tolerance: f64,
    ) -> Result<Self> {
        let truth: Vec<bool> = truth.iter().map(|value| *value != 0).collect();
        let mask: Vec<bool> = heatmap.iter().map(|value| *value > threshold).collect();
        Self::new(&truth, &mask, size, tolerance)
    }
}

fn against(both: usize, truth: usize, mask: usize, surface: Surface) -> Against {
    let share = |part: usize, of: usize| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let (dice, iou) = (share(2 * both, truth + mask), share(both, truth + mask - both));
    Against { dice, iou, surface }
}

/// The mean column and row of the pixels that are called `own`.
fn centre(numbers: &[u32], own: u32, width: usize) -> [f64; 2] {
    let (mut across, mut down, mut count) = (0, 0, 0);
    for (at, _) in numbers.iter().enumerate().filter(|(_, number)| **number == own) {
        across += at % width;
        down += at / width;
        count += 1;
    }
    [across, down].map(|sum| sum as f64 / f64::from(count.max(1)))
}

impl Areas {
    /// Those of `mask`, by rows and then columns of their first pixel.
    fn of(mask: &[bool], [height, width]: [usize; 2]) -> Self {
        let mut areas = Areas { number: vec![0; mask.len()], pixels: Vec::new() };
        let mut open = Vec::new();
        for start in (0..mask.len()).filter(|&start| mask[start]) {
            if areas.number[start] > 0 {
                continue;
            }
            let number = areas.pixels.len() as u32 + 1;
            let mut count = 0;
            areas.number[start] = number;
            open.push(start);
            while let Some(pixel) = open.pop() {
                count += 1;
                let (row, column) = (pixel / width, pixel % width);
                for y in row.saturating_sub(1)..(row + 2).min(height) {
                    for x in column.saturating_sub(1)..(column + 2).min(width) {
                        let beside = y * width + x;
                        if mask[beside] && areas.number[beside] == 0 {
                            areas.number[beside] = number;
                            open.push(beside);
                        }
                    }
                }
            }
            areas.pixels.push(count);
        }
        areas
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(truth: &[&str], mask: &[&str]) -> Segmented {
        let pixels = |rows: &[&str]| -> Vec<bool> {
            rows.iter().flat_map(|row| row.chars()).map(|c| c == '#').collect()
        };
        let size = [truth.len(), truth[0].len()];
        Segmented::new(&pixels(truth), &pixels(mask), size, 1.0).unwrap()
    }

    #[test]
    fn every_lesion_has_the_areas_that_touch_it() {
        let found = of(
            &["##....#", "##...#.", ".......", "#......"],
            &["#.....#", "#......", "......#", "....#.#"],
        );
        // Two of them lie across a corner: one lesion. Equal ones stand in the order of rows.
        assert_eq!((found.lesion_count, found.false_areas), (3, 2));
        let [square, diagonal, dot] = &found.lesions[..] else { panic!("{found:?}") };
        assert_eq!((square.pixels, square.coverage, square.centre), (4, 0.5, [0.5, 0.5]));
        assert!((square.against.dice - 2.0 * 2.0 / 6.0).abs() < 1e-12);
        assert_eq!((diagonal.pixels, diagonal.centre), (2, [5.5, 0.5]));
        assert_eq!((diagonal.coverage, diagonal.against.iou), (0.5, 0.5));
        assert!((diagonal.diameter - 2.0 * (2.0 / std::f64::consts::PI).sqrt()).abs() < 1e-12);
        // Missed: no distance, and an NSD of 0.
        assert_eq!((dot.coverage, dot.against.dice), (0.0, 0.0));
        assert_eq!(dot.against.surface.hausdorff_95, None);
        assert_eq!(dot.against.surface.surface_dice, Some(0.0));
        // The picture as a whole counts all: 3 of 7 and 6 pixels.
        assert!((found.whole.dice - 6.0 / 13.0).abs() < 1e-12);
    }

    #[test]
    fn one_area_over_two_lesions_counts_against_both() {
        let found = of(&["#...#"], &["#####"]);
        assert_eq!((found.lesion_count, found.false_areas), (2, 0));
        for lesion in &found.lesions {
            assert_eq!(lesion.coverage, 1.0);
            assert!((lesion.against.dice - 2.0 / 6.0).abs() < 1e-12);
        }
    }

    #[test]
    fn of_one_lesion_and_no_false_area_both_are_the_same() {
        let found = of(&["....", ".##.", "...."], &["....", ".###", ".#.."]);
        assert_eq!(found.lesions.len(), 1);
        assert_eq!(found.lesions[0].against, found.whole);
        let none = of(&["...."], &["#..#"]);
        assert_eq!((none.lesion_count, none.false_areas, none.whole.dice), (0, 2, 0.0));
    }

    #[test]
    fn dust_is_counted_and_the_largest_is_measured() {
        let side = 24;
        let at = |index: usize| (index / side, index % side);
        let truth: Vec<bool> = (0..side * side)
            .map(|index| {
                let (y, x) = at(index);
                y.is_multiple_of(2) && x.is_multiple_of(2) || (y == 10 && x < 4)
            })
            .collect();
        let all = vec![true; side * side];
        let found = Segmented::new(&truth, &all, [side, side], 1.0).unwrap();
        // 144 dots, of which the line holds two and touches one.
        assert_eq!((found.lesion_count, found.lesions.len()), (142, MOST));
        assert_eq!((found.lesions[0].pixels, found.lesions[1].pixels), (5, 1));
    }
}
