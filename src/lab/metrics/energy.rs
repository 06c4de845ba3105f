//! The energy-based pointing game (Wang and others 2020, *Score-CAM*, section 4.3): how much of a
//! heatmap's sum lies in the mask.
//!
//! ```text
//! energy = sum of the heatmap over the mask / sum of the heatmap
//! ```
//! A heatmap of one level has the mask's share of the pixels. One of zeros scores 0.

use crate::nets::cam::levels::{LEVELS, Levels};

/// The share of the energy in the mask, from 0 to 1.
pub fn energy(levels: &Levels) -> f64 {
    let sum = |counts: &[u64; LEVELS]| -> u64 {
        counts.iter().enumerate().map(|(level, count)| level as u64 * count).sum()
    };
    match sum(&levels.everywhere) {
        0 => 0.0,
        all => sum(&levels.inside) as f64 / all as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_weighs_pixels_by_their_level() {
        let of = |mask: &[u8], heatmap: &[u8]| energy(&Levels::count(mask, heatmap).unwrap());
        assert_eq!(of(&[1, 0, 1, 0], &[10, 20, 30, 40]), 0.4);
        assert_eq!(of(&[1, 0, 0, 0], &[7, 7, 7, 7]), 0.25);
        assert_eq!((of(&[1, 1], &[0, 0]), of(&[0, 0], &[3, 4])), (0.0, 0.0));
    }
}
