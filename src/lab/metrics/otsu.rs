//! Otsu's threshold (Otsu 1979, *A threshold selection method from gray-level histograms*): the cut that
//! parts a heatmap's grey levels best by themselves, without a mask to choose it by.
//!
//! ```text
//! w0, w1    share of pixels with level <= t, and > t
//! m0, m1    their mean levels
//! t         the one with the largest variance between both: w0 w1 (m0 - m1)^2
//! ```
//! Of equals the lowest. A heatmap of one level has no variance at any t, and so t = 0: all of it counts
//! where that level is not 0.

use crate::nets::cam::levels::{LEVELS, Levels};

/// The threshold t for heatmap > t.
pub fn threshold(levels: &Levels) -> u8 {
    let pixels: u64 = levels.everywhere.iter().sum();
    let weighted = |level: usize| level as u64 * levels.everywhere[level];
    let all: u64 = (0..LEVELS).map(weighted).sum();
    let (mut best, mut most) = (0, 0.0);
    let (mut count, mut sum) = (0u64, 0u64); // of levels <= t
    for t in 0..LEVELS - 1 {
        count += levels.everywhere[t];
        sum += weighted(t);
        let rest = pixels - count;
        if count == 0 || rest == 0 {
            continue;
        }
        let apart = sum as f64 / count as f64 - (all - sum) as f64 / rest as f64;
        let variance = count as f64 * rest as f64 * apart * apart;
        if variance > most {
            (best, most) = (t, variance);
        }
    }
    best as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(heatmap: &[u8]) -> u8 {
        threshold(&Levels::count(&vec![1; heatmap.len()], heatmap).unwrap())
    }

    #[test]
    fn two_heaps_are_parted_and_one_is_not() {
        assert_eq!(of(&[10, 10, 12, 200, 201]), 12);
        // Anywhere between the heaps is as good; the lowest is taken.
        assert_eq!(of(&[0, 0, 255]), 0);
        assert_eq!((of(&[0; 4]), of(&[255; 4]), of(&[9; 4])), (0, 0, 0));
        // By hand, for 1, 2, 6: between 1 and 2 it is 1 * 2 * 3^2 = 18, between 2 and 6 it is
        // 2 * 1 * 4.5^2 = 40.5.
        assert_eq!(of(&[1, 2, 6]), 2);
    }

    proptest! {
        /// What is largest between classes is least within them (Otsu's equation 9).
        #[test]
        fn the_variance_within_both_sides_is_least(heatmap in prop::collection::vec(0u8..40, 2..60)) {
            let within = |t: u8| -> f64 {
                let spread = |side: Vec<f64>| {
                    let mean = side.iter().sum::<f64>() / side.len().max(1) as f64;
                    side.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
                };
                let side = |above: bool| {
                    let own = heatmap.iter().filter(|&&v| (v > t) == above);
                    own.map(|&v| f64::from(v)).collect()
                };
                spread(side(false)) + spread(side(true))
            };
            let least = (0..40).map(within).fold(f64::INFINITY, f64::min);
            prop_assert!(within(of(&heatmap)) <= least + 1e-6);
        }
    }
}
