//! The pointing game (Zhang and others 2016, *Top-down neural attention by excitation backprop*, section
//! 4.2): whether the highest pixel of a heatmap lies in the mask.
//!
//! Zhang and others allow a distance of 15 pixels. Here there is no tolerance: an ROI is cropped around
//! its lesion, and with one nearly every pixel would hit. Where several pixels are the highest, as in a
//! heatmap of few levels, the score is the share of them that hit: what pointing to one of them at random
//! gives on average. A heatmap of zeros points nowhere and scores 0.

use crate::nets::cam::levels::Levels;

/// 1 for a hit, 0 for a miss, between them where equal pixels differ.
pub fn pointing(levels: &Levels) -> f64 {
    match levels.highest() {
        None | Some(0) => 0.0,
        Some(level) => levels.inside[level] as f64 / levels.everywhere[level] as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mask: &[u8], heatmap: &[u8]) -> f64 {
        pointing(&Levels::count(mask, heatmap).unwrap())
    }

    #[test]
    fn hits_misses_and_what_lies_between() {
        assert_eq!(of(&[0, 1, 0], &[7, 9, 8]), 1.0);
        assert_eq!(of(&[0, 1, 0], &[9, 7, 8]), 0.0);
        assert_eq!(of(&[0, 1, 0, 1], &[9, 9, 9, 1]), 1.0 / 3.0);
        assert_eq!((of(&[1, 1], &[0, 0]), of(&[1, 0], &[255, 255])), (0.0, 0.5));
    }
}
