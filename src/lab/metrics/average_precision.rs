//! Average precision of pixels: how well the order of a heatmap's levels finds the mask, at no threshold in
//! particular.
//!
//! ```text
//! P_n, R_n   precision and recall of heatmap >= the n-th highest level that occurs
//! AP         sum over n of (R_n - R_(n-1)) P_n,     R_0 = 0
//! ```
//! Pixels of one level come together, and nothing is drawn between the points: the step rule of
//! scikit-learn's `average_precision_score`, to which `tests/metrics.rs` holds it. Chance is the mask's
//! share of the pixels, which is also what a heatmap of one level has. An empty mask gives 0.

use crate::nets::cam::levels::{LEVELS, Levels};

/// The average precision, from 0 to 1.
pub fn average_precision(levels: &Levels) -> f64 {
    let mask = levels.mask();
    if mask == 0 {
        return 0.0;
    }
    let (mut both, mut above, mut total) = (0u64, 0u64, 0.0);
    for level in (0..LEVELS).rev() {
        let (inside, everywhere) = (levels.inside[level], levels.everywhere[level]);
        both += inside;
        above += everywhere;
        if inside > 0 {
            total += inside as f64 * both as f64 / above as f64;
        }
    }
    total / mask as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(mask: &[u8], heatmap: &[u8]) -> f64 {
        average_precision(&Levels::count(mask, heatmap).unwrap())
    }

    #[test]
    fn it_is_the_sum_by_hand() {
        // scikit-learn's own example: scores 0.1, 0.4, 0.35, 0.8 of the labels 0, 0, 1, 1.
        assert!((of(&[0, 0, 1, 1], &[10, 40, 35, 80]) - 5.0 / 6.0).abs() < 1e-12);
        // Ties: of three at the top one is right, then the last.
        assert!((of(&[1, 0, 0, 1], &[9, 9, 9, 1]) - (0.5 / 3.0 + 0.25)).abs() < 1e-12);
        assert_eq!((of(&[1, 0], &[255, 0]), of(&[0, 0], &[1, 2])), (1.0, 0.0));
    }

    proptest! {
        #[test]
        fn one_level_has_the_mask_s_share_and_a_perfect_order_has_1(
            mask in prop::collection::vec(0u8..2, 1..80), level in any::<u8>()
        ) {
            let share = mask.iter().map(|&m| f64::from(m)).sum::<f64>() / mask.len() as f64;
            prop_assert!((of(&mask, &vec![level; mask.len()]) - share).abs() < 1e-12);
            prop_assume!(share > 0.0);
            let order: Vec<u8> = mask.iter().map(|&m| 100 + m).collect();
            prop_assert_eq!(of(&mask, &order), 1.0);
        }
    }
}
