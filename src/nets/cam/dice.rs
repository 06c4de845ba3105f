//! Dice of a heatmap against a mask, at every threshold that 8 bits allow.
//!
//! For a mask A and a heatmap B the map is cut at t = 0..=255, and each cut is scored:
//!
//! ```text
//!            2 |A and (B > t)|
//! Dice(t) = -------------------        mean-Dice = (Dice(0) + ... + Dice(255)) / 256
//!              |A| + |B > t|
//! ```
//!
//! A pixel belongs to A when its value is not zero. B > 255 is always empty, so a perfect map
//! scores 255/256 = 0.996 and not 1.
//!
//! Dice of two empty sets is 0/0; here it is **0**, so the mean-Dice of an empty mask is 0 for
//! every heatmap. With a lesion in the mask the case never arises.
//!
//! One pass fills two histograms, the heatmap's values inside the mask and everywhere; their
//! sums from the top are |A and (B > t)| and |B > t| for all t at once. Counts are integers,
//! so the result is exact up to one division.

use serde::Serialize;

use super::levels::Levels;
use crate::error::Result;

/// How many thresholds there are: t = 0..=255.
pub const THRESHOLDS: usize = 256;

/// The scores of one heatmap; its fields are those of `parula score --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// The mean of [`Scores::dice`].
    pub mean_dice: f64,
    /// Dice(A, B > t) at index t; always [`THRESHOLDS`] long.
    pub dice: Vec<f64>,
    /// The threshold of the highest Dice, and the lowest of equals.
    pub best_threshold: u8,
    /// The Dice there.
    pub best_dice: f64,
    /// Pixels in the mask.
    pub mask_pixels: u64,
    /// Pixels of the heatmap that are not zero.
    pub heatmap_pixels: u64,
}

/// Scores `heatmap` against `mask`, pixel by pixel in the same order.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) when they differ in length or are empty.
pub fn score(mask: &[u8], heatmap: &[u8]) -> Result<Scores> {
    let levels = Levels::count(mask, heatmap)?;
    Ok(from_histograms(&levels.inside, &levels.everywhere))
}

/// The same from the two histograms of the heatmap's values: inside the mask, and everywhere.
pub fn from_histograms(inside: &[u64; THRESHOLDS], everywhere: &[u64; THRESHOLDS]) -> Scores {
    let mask_pixels: u64 = inside.iter().sum();
    let mut dice = vec![0.0; THRESHOLDS];
    let (mut both, mut above) = (0u64, 0u64); // |A and (B > t)|, |B > t|
    for t in (0..THRESHOLDS).rev() {
        let union = mask_pixels + above;
        dice[t] = if union == 0 { 0.0 } else { 2.0 * both as f64 / union as f64 };
        both += inside[t];
        above += everywhere[t];
    }
    let best = best_threshold(&dice);
    Scores {
        mean_dice: dice.iter().sum::<f64>() / THRESHOLDS as f64,
        best_threshold: best,
        best_dice: dice[usize::from(best)],
        mask_pixels,
        heatmap_pixels: above - everywhere[0],
        dice,
    }
}

/// Dice against threshold, averaged over many heatmaps; all zero where there is none.
pub fn mean_curve<'a>(scores: impl IntoIterator<Item = &'a Scores>) -> Vec<f64> {
    let mut sum = vec![0.0; THRESHOLDS];
    let mut count = 0u32;
    for one in scores {
        for (total, dice) in sum.iter_mut().zip(&one.dice) {
            *total += dice;
        }
        count += 1;
    }
    sum.iter_mut().for_each(|total| *total /= f64::from(count.max(1)));
    sum
}

/// The threshold of the highest value of `curve`, and the lowest of equals.
pub fn best_threshold(curve: &[f64]) -> u8 {
    let best = (0..curve.len().min(THRESHOLDS))
        .rev()
        .max_by(|&a, &b| curve[a].total_cmp(&curve[b]))
        .unwrap_or_default();
    best as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, threshold by threshold and set by set.
    fn brute_force(mask: &[u8], heatmap: &[u8]) -> Vec<f64> {
        (0..256u32)
            .map(|t| {
                let a: Vec<bool> = mask.iter().map(|&m| m > 0).collect();
                let b: Vec<bool> = heatmap.iter().map(|&h| u32::from(h) > t).collect();
                let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count();
                let sum = a.iter().filter(|a| **a).count() + b.iter().filter(|b| **b).count();
                if sum == 0 { 0.0 } else { 2.0 * both as f64 / sum as f64 }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn all_thresholds_at_once_are_the_definition(
            pixels in prop::collection::vec((0u8..3, any::<u8>()), 1..200)
        ) {
            let mask: Vec<u8> = pixels.iter().map(|p| p.0 * 127).collect();
            let heatmap: Vec<u8> = pixels.iter().map(|p| p.1).collect();
            let scores = score(&mask, &heatmap).unwrap();
            let expected = brute_force(&mask, &heatmap);
            prop_assert_eq!(&scores.dice, &expected);
            let mean = expected.iter().sum::<f64>() / 256.0;
            prop_assert!((scores.mean_dice - mean).abs() < 1e-12);
            let best = expected.iter().copied().fold(0.0, f64::max);
            prop_assert_eq!(scores.best_dice, best);
            let first = expected.iter().position(|&d| d == best);
            prop_assert_eq!(first, Some(usize::from(scores.best_threshold)));
            let nonzero = heatmap.iter().filter(|&&h| h > 0).count() as u64;
            prop_assert_eq!(scores.heatmap_pixels, nonzero);
        }
    }

    #[test]
    fn a_perfect_map_scores_255_of_256() {
        let mask = [0, 255, 255, 0];
        let scores = score(&mask, &mask).unwrap();
        assert_eq!(scores.mean_dice, 255.0 / 256.0);
        assert_eq!((scores.best_threshold, scores.best_dice), (0, 1.0));
        assert_eq!(scores.dice[255], 0.0);
    }

    #[test]
    fn empty_against_empty_is_zero() {
        let scores = score(&[0; 9], &[0; 9]).unwrap();
        assert_eq!((scores.mean_dice, scores.best_threshold, scores.mask_pixels), (0.0, 0, 0));
        assert_eq!(score(&[0; 9], &[255; 9]).unwrap().mean_dice, 0.0);
    }

    #[test]
    fn sizes_that_differ_are_refused_with_both_named() {
        let error = score(&[0; 4], &[0; 5]).unwrap_err().to_string();
        assert!(error.contains('4') && error.contains('5'), "{error}");
        assert!(score(&[], &[]).is_err());
    }

    #[test]
    fn the_mean_curve_is_the_mean_at_each_threshold() {
        let a = score(&[1, 0], &[255, 0]).unwrap();
        let b = score(&[1, 0], &[0, 255]).unwrap();
        let curve = mean_curve([&a, &b]);
        assert_eq!((curve.len(), curve[0], curve[255]), (256, 0.5, 0.0));
        assert_eq!(mean_curve([]), vec![0.0; 256]);
    }
}
