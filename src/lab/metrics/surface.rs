//! How far the border of a mask lies from that of the truth: Hausdorff distance at 95 %, average symmetric surface
//! distance, normalised surface Dice.
//!
//! The definitions are those of DeepMind's `surface-distance` 0.1 in two dimensions (Nikolov and others 2018, *Deep
//! learning to achieve clinically applicable segmentation of head and neck anatomy for radiotherapy*), to which
//! `tests/metrics.rs` holds them:
//!
//! ```text
//! contour    the corners of pixels of whose four pixels some are in the mask and some are not; beyond the picture
//!            nothing is, so its edge is contour where the mask reaches it
//! length(c)  1 where two pixels side by side are in, sqrt(1/2) for one or three, sqrt(2) for two across
//! d(c)       from a corner of one contour to the nearest corner of the other, in pixels
//! HD95       the higher of two: d below which 95 % of the truth's length lies, and of the mask's
//! ASSD       sum of length(c) d(c) over both contours / length of both
//! NSD(t)     length of both contours with d(c) <= t / length of both
//! ```
//! The package gives the average distance of each contour by itself ([`Surfaces::averages`]); ASSD here is the mean
//! over both contours together, weighted as its surface Dice is.
//!
//! **Empty masks.** Where one of the two is empty, there is no distance, and NSD is 0: the package says infinite or
//! NaN, and 0. Where both are, there is no NSD either. What is not there is left out of means, and counted.

use serde::{Deserialize, Serialize};

use super::distance::Distances;
use crate::error::{Error, Result};

/// How far a border may be off to count as right in [`Surface::surface_dice`], in pixels.
pub const TOLERANCE: f64 = 2.0;

/// The figures of one mask; a field is none where it does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Surface {
    /// The Hausdorff distance at 95 %, in pixels; none where truth or mask is empty.
    pub hausdorff_95: Option<f64>,
    /// The average symmetric surface distance, in pixels; none where truth or mask is empty.
    pub average_surface_distance: Option<f64>,
    /// The normalised surface Dice, from 0 to 1; none where both are empty.
    pub surface_dice: Option<f64>,
}

/// One contour, by the distances of its parts to the other.
#[derive(Clone, Debug, Default)]
struct Side {
    /// Squared distance and length of each corner, from near to far; empty where the other contour is.
    parts: Vec<(u64, f64)>,
    /// Of all of it.
    length: f64,
}

/// The contours of the truth and of a mask, held against each other.
#[derive(Clone, Debug, Default)]
pub struct Surfaces {
    sides: [Side; 2],
}

impl Surfaces {
    /// Of two masks of (height, width) `size`, row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] when they are not of that size, or it is none.
    pub fn new(truth: &[bool], mask: &[bool], size: [usize; 2]) -> Result<Self> {
        let [height, width] = size;
        let pixels = height.checked_mul(width).filter(|&pixels| pixels > 0);
        if pixels != Some(truth.len()) || truth.len() != mask.len() {
            let (a, b) = (truth.len(), mask.len());
            let problem = format!("masks of {a} and {b} pixels are not both {height}x{width}");
            return Err(Error::shape("surface", problem));
        }
        let Some([top, bottom, left, right]) = bounds(truth, mask, size) else {
            return Ok(Surfaces::default());
        };
        let grid = [bottom - top + 2, right - left + 2];
        let lengths = [truth, mask].map(|mask| {
            let inside = |y: usize, x: usize| mask[y * width + x];
            lengths(grid, |y, x| {
                // Of the corner before row y and column x of the box: beyond it nothing is in.
                let is_in = |y: Option<usize>, x: Option<usize>| match (y, x) {
                    (Some(y), Some(x)) => {
                        y + top <= bottom && x + left <= right && inside(y + top, x + left)
                    }
                    _ => false,
                };
                let (above, before) = (y.checked_sub(1), x.checked_sub(1));
                let (y, x) = (Some(y), Some(x));
                [is_in(above, before), is_in(above, x), is_in(y, before), is_in(y, x)]
            })
        });
        let marks = lengths
            .each_ref()
            .map(|lengths| -> Vec<bool> { lengths.iter().map(|length| *length > 0.0).collect() });
        let side = |own: usize| {
            let Some(mut distances) = Distances::new(&marks[1 - own], grid) else {
                return Side { parts: Vec::new(), length: lengths[own].iter().sum() };
            };
            let mut parts = Vec::new();
            for (y, row) in lengths[own].chunks(grid[1]).enumerate() {
                if row.iter().any(|length| *length > 0.0) {
                    let here = distances.row(y).iter().zip(row);
                    let own = here.filter(|(_, length)| **length > 0.0);
                    parts.extend(own.map(|(squared, length)| (*squared, *length)));
                }
            }
            parts.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            // In the order in which shares of it are summed, so that all of it is 1 to the bit.
            let length = parts.iter().map(|part| part.1).sum();
            Side { parts, length }
        };
        Ok(Surfaces { sides: [side(0), side(1)] })
    }

    /// Of what is not 0 in `truth` and the pixels of `heatmap` above `threshold`.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_levels(
        truth: &[u8],
        heatmap: &[u8],
        threshold: u8,
        size: [usize; 2],
    ) -> Result<Self> {
        let truth: Vec<bool> = truth.iter().map(|value| *value != 0).collect();
        let mask: Vec<bool> = heatmap.iter().map(|value| *value > threshold).collect();
        Self::new(&truth, &mask, size)
    }

    /// HD95, ASSD, and NSD at `tolerance` pixels.
    pub fn figures(&self, tolerance: f64) -> Surface {
        Surface {
            hausdorff_95: self.hausdorff(0.95),
            average_surface_distance: self.average(),
            surface_dice: self.dice(tolerance),
        }
    }

    /// The distance below which `share` of either contour's length lies: at 1 it is the Hausdorff distance. None where
    /// a mask is empty.
    pub fn hausdorff(&self, share: f64) -> Option<f64> {
        let [truth, mask] = self.sides.each_ref().map(|side| {
            let mut sum = 0.0;
            let reached = |&&(_, length): &&(u64, f64)| {
                sum += length;
                // A sum that would be the share exactly may come out a rounding below it.
                sum >= share * side.length * (1.0 - 1e-12)
            };
            side.parts.iter().find(reached).or(side.parts.last()).map(|part| root(part.0))
        });
        Some(truth?.max(mask?))
    }

    /// The average distance from the truth's contour to the mask's, and from the mask's to the truth's. None where one
    /// is empty.
    pub fn averages(&self) -> Option<[f64; 2]> {
        let [truth, mask] = self.sides.each_ref().map(Side::weighted);
        Some([truth? / self.sides[0].length, mask? / self.sides[1].length])
    }

    /// The average over both contours together. None where one is empty.
    pub fn average(&self) -> Option<f64> {
        let [truth, mask] = self.sides.each_ref().map(Side::weighted);
        Some((truth? + mask?) / (self.sides[0].length + self.sides[1].length))
    }

    /// The share of both contours' length that is no further than `tolerance` pixels from the other. None where both
    /// are empty.
    pub fn dice(&self, tolerance: f64) -> Option<f64> {
        let near = |side: &Side| -> f64 {
            let parts = side.parts.iter().take_while(|part| root(part.0) <= tolerance);
            // The sum of no floats is -0 in Rust, which a table would show.
            parts.fold(0.0, |sum, part| sum + part.1)
        };
        let length = self.sides[0].length + self.sides[1].length;
        (length > 0.0).then(|| (near(&self.sides[0]) + near(&self.sides[1])) / length)
    }
}

impl Side {
    /// The sum of length times distance; none where there is no distance.
    fn weighted(&self) -> Option<f64> {
        let sum = self.parts.iter().map(|&(squared, length)| length * root(squared)).sum();
        (!self.parts.is_empty()).then_some(sum)
    }
}

fn root(squared: u64) -> f64 {
    (squared as f64).sqrt()
}

/// First and last row, first and last column of what is in one of both masks; none where nothing is.
fn bounds(a: &[bool], b: &[bool], [_, width]: [usize; 2]) -> Option<[usize; 4]> {
    let mut found: Option<[usize; 4]> = None;
    let either = a.iter().zip(b).enumerate().filter(|(_, (a, b))| **a || **b);
    for (at, _) in either {
        let (y, x) = (at / width, at % width);
        let [top, bottom, left, right] = found.unwrap_or([y, y, x, x]);
        found = Some([top.min(y), bottom.max(y), left.min(x), right.max(x)]);
    }
    found
}

/// The length of contour at every corner of `grid`, of whose four pixels `inside` says whether they are in: above to
/// the left and to the right, below to the left and to the right.
fn lengths([height, width]: [usize; 2], inside: impl Fn(usize, usize) -> [bool; 4]) -> Vec<f64> {
    let corners = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let length = |(y, x)| {
        let four @ [first, _, _, last] = inside(y, x);
        match four.iter().filter(|one| **one).count() {
            0 | 4 => 0.0,
            1 | 3 => std::f64::consts::FRAC_1_SQRT_2,
            _ if first == last => std::f64::consts::SQRT_2,
            _ => 1.0,
        }
    };
    corners.map(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(truth: &str, mask: &str, width: usize) -> Surfaces {
        let pixels = |text: &str| text.chars().map(|c| c == '#').collect::<Vec<bool>>();
        Surfaces::new(&pixels(truth), &pixels(mask), [truth.len() / width, width]).unwrap()
    }

    #[test]
    fn borders_far_apart_share_nothing_and_not_less() {
        let square = |left: usize| -> Vec<bool> {
            (0..400).map(|at| at / 20 < 4 && (left..left + 4).contains(&(at % 20))).collect()
        };
        let far = Surfaces::new(&square(0), &square(15), [20, 20]).unwrap();
        assert_eq!(far.dice(TOLERANCE).map(f64::to_bits), Some(0.0f64.to_bits()));
    }

    #[test]
    fn a_pixel_that_is_moved_is_off_by_what_it_was_moved() {
        let found = of("#....", "...#.", 5);
        assert_eq!(found.hausdorff(1.0), Some(3.0));
        // Its right corners are nearer by one.
        let [to_mask, to_truth] = found.averages().unwrap();
        let all = [found.average().unwrap(), to_mask, to_truth];
        assert!(all.iter().all(|average| (average - 2.5).abs() < 1e-12), "{all:?}");
        assert_eq!(found.dice(1.9), Some(0.0));
        assert_eq!((found.dice(2.0), found.dice(3.0)), (Some(0.5), Some(1.0)));
    }

    #[test]
    fn equal_masks_are_nowhere_apart() {
        let found = of("##..##..#", "##..##..#", 3).figures(0.0);
        let expected = Surface {
            hausdorff_95: Some(0.0),
            average_surface_distance: Some(0.0),
            surface_dice: Some(1.0),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn an_empty_mask_has_no_distance_and_two_have_nothing() {
        for found in [of(".#..", "....", 2), of("....", "..#.", 2)] {
            let expected = Surface { surface_dice: Some(0.0), ..Surface::default() };
            assert_eq!(found.figures(TOLERANCE), expected);
            assert_eq!(found.averages(), None);
        }
        assert_eq!(of("....", "....", 2).figures(TOLERANCE), Surface::default());
    }

    #[test]
    fn five_hundredths_may_be_anywhere() {
        // Five pixels by themselves, of which one is far off: of 20 corners the 19th is the last at 95 %.
        let found = of("#.#.#.#.#..........", "#.#.#.#...........#", 19);
        assert_eq!(found.hausdorff(0.95), Some(10.0));
        assert_eq!(found.hausdorff(0.8), Some(0.0));
    }

    #[test]
    fn what_is_all_near_is_1_to_the_bit() {
        // Lengths whose sum depends on their order.
        let bits = |step: usize| -> Vec<bool> { (0..400).map(|at| at * at % step < 3).collect() };
        for step in 5..40 {
            let found = Surfaces::new(&bits(step), &bits(step + 1), [20, 20]).unwrap();
            assert_eq!(found.dice(30.0), Some(1.0), "{step}");
        }
    }

    #[test]
    fn sizes_that_differ_are_refused() {
        assert!(Surfaces::new(&[true; 4], &[true; 3], [2, 2]).is_err());
        assert!(Surfaces::new(&[true; 4], &[true; 4], [2, 3]).is_err());
        assert!(Surfaces::new(&[], &[], [0, 0]).is_err());
    }
}
