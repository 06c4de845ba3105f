//! Intersection over union (Jaccard 1912) of a mask A and a heatmap B cut at t.
//!
//! ```text
//!            |A and (B > t)|
//! IoU(t) = -----------------      = Dice / (2 - Dice)
//!            |A or (B > t)|
//! ```
//! Of two empty sets it is 0, as Dice is here.

use crate::nets::cam::levels::Levels;

/// The IoU at `threshold`, from 0 to 1.
pub fn iou(levels: &Levels, threshold: u8) -> f64 {
    let [both, above] = levels.above(threshold);
    let union = levels.mask() + above - both;
    if union == 0 { 0.0 } else { both as f64 / union as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nets::cam::dice;

    #[test]
    fn it_counts_what_is_shared() {
        let levels = Levels::count(&[1, 1, 1, 0, 0], &[9, 9, 0, 9, 0]).unwrap();
        assert_eq!((iou(&levels, 5), iou(&levels, 9)), (0.5, 0.0));
        let empty = Levels::count(&[0, 0], &[0, 0]).unwrap();
        assert_eq!(iou(&empty, 0), 0.0);
    }

    proptest! {
        #[test]
        fn it_is_dice_over_two_minus_dice(
            pixels in prop::collection::vec((0u8..2, any::<u8>()), 1..100), t in any::<u8>()
        ) {
            let (mask, heatmap): (Vec<u8>, Vec<u8>) = pixels.into_iter().unzip();
            let dice = dice::score(&mask, &heatmap).unwrap().dice[usize::from(t)];
            let found = iou(&Levels::count(&mask, &heatmap).unwrap(), t);
            prop_assert!((found - dice / (2.0 - dice)).abs() < 1e-12);
        }
    }
}
