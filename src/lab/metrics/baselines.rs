//! Heatmaps that know nothing of the image, only that a tumour is probably in the middle of its
//! ROI. A method that does not beat them has not found the tumour.
//!
//! An ROI by the paper's rule is the tumour's bounding box plus 10-30 % of the tumour's width or
//! height on every side: 20 % on average, so on average the box fills 1 / 1.4 = 0.714 of each
//! side. The ellipse is the one inscribed in that average box.

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::draw;

/// How much of each side of the ROI the average tumour's bounding box fills.
const AVERAGE_FILL: f64 = 1.0 / 1.4;

/// The Gaussian's standard deviation, as a share of each side.
const SIGMA: f64 = 0.25;

/// A trivial heatmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Baseline {
    /// 255 everywhere.
    Ones,
    /// A Gaussian about the centre, 255 at its peak, sigma a quarter of each side.
    Gaussian,
    /// 255 inside a centred ellipse whose axes are 1/1.4 of the sides, 0 outside.
    Ellipse,
}

impl Baseline {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Baseline; 3] = [Baseline::Ones, Baseline::Gaussian, Baseline::Ellipse];

    /// The name in tables and in `results.json`.
    pub fn name(self) -> &'static str {
        match self {
            Baseline::Ones => "ones",
            Baseline::Gaussian => "gaussian",
            Baseline::Ellipse => "ellipse",
        }
    }

    /// The heatmap for an ROI of `width` x `height`, row by row.
    pub fn heatmap(self, width: u32, height: u32) -> Vec<u8> {
        let mut map = Vec::with_capacity(width as usize * height as usize);
        for row in 0..height {
            let y = centred(row, height);
            for column in 0..width {
                map.push(self.value(centred(column, width), y));
            }
        }
        map
    }

    /// The value at (x, y), both from -0.5 to 0.5 across the ROI.
    fn value(self, x: f64, y: f64) -> u8 {
        let squared = x * x + y * y;
        match self {
            Baseline::Ones => 255,
            Baseline::Gaussian => (255.0 * (-squared / (2.0 * SIGMA * SIGMA)).exp()).round() as u8,
            Baseline::Ellipse if squared.sqrt() <= AVERAGE_FILL / 2.0 => 255,
            Baseline::Ellipse => 0,
        }
    }
}

/// What is dark in the ROI's own `image`: 255 - grey, pixel by pixel, without any smoothing. Masses are
/// dark in ultrasound and bright in mammograms, so this looks at the image and at no network.
pub fn darkness(image: &[u8]) -> Vec<u8> {
    image.iter().map(|grey| 255 - grey).collect()
}

/// Numbers from 0 to 1 that are drawn evenly for the ROI called `name`: the same whatever is asked of it.
pub fn noise(name: &str, count: usize) -> Vec<f32> {
    let mut random = draw::stream(0, &format!("noise {name}"));
    (0..count).map(|_| random.random::<f32>()).collect()
}

/// The centre of pixel `index` of `count`, from -0.5 to 0.5.
fn centred(index: u32, count: u32) -> f64 {
    (f64::from(index) + 0.5) / f64::from(count) - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::cam::dice;

    #[test]
    fn maps_have_the_roi_s_size_and_are_symmetric() {
        for baseline in Baseline::ALL {
            for (width, height) in [(1, 1), (7, 4), (32, 33)] {
                let map = baseline.heatmap(width, height);
                assert_eq!(map.len(), (width * height) as usize);
                let turned: Vec<u8> = map.iter().rev().copied().collect();
                assert_eq!(map, turned, "{} {width}x{height}", baseline.name());
            }
            assert!(baseline.heatmap(0, 5).is_empty());
        }
    }

    #[test]
    fn the_ellipse_covers_its_share_of_the_area() {
        let map = Baseline::Ellipse.heatmap(700, 500);
        let share = map.iter().filter(|&&v| v > 0).count() as f64 / map.len() as f64;
        let expected = std::f64::consts::FRAC_PI_4 * AVERAGE_FILL * AVERAGE_FILL;
        assert!((share - expected).abs() < 1e-3, "{share} {expected}");
    }

    #[test]
    fn the_gaussian_falls_to_its_known_value_one_sigma_from_the_centre() {
        let map = Baseline::Gaussian.heatmap(1001, 1001);
        assert_eq!(map[500 * 1001 + 500], 255);
        assert_eq!(map[500 * 1001 + 750], (255.0 * (-0.5f64).exp()).round() as u8);
    }

    #[test]
    fn ones_score_the_mask_s_share() {
        let mask: Vec<u8> = (0..100).map(|i| u8::from(i < 40)).collect();
        let scores = dice::score(&mask, &Baseline::Ones.heatmap(10, 10)).unwrap();
        assert!((scores.mean_dice - 255.0 / 256.0 * 80.0 / 140.0).abs() < 1e-12);
    }
}
