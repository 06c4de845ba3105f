//! How many pictures of the validation side are equal or nearly equal to one that was learnt from,
//! counted on the pixels of a finished split.
//!
//! It is a check on the grouping and shares nothing with it: other thumbnails (32 x 32, by the `image`
//! crate), no alignment, every pair across the split. Two pictures are nearly equal where their thumbnails
//! correlate by 0.99 or more, as they are or mirrored, and the curvature of at least 70 % of their
//! thumbnails' pixels has one sign. The second condition keeps breasts of one shape apart.

use std::path::PathBuf;

use image::GrayImage;
use image::imageops::{FilterType, flip_horizontal, resize};

use crate::data::image::Grey;

/// Rows and columns of a thumbnail.
const SIDE: usize = 32;
const NUMBERS: usize = SIDE * SIDE;
/// The least correlation of thumbnails.
const CORRELATION: f32 = 0.99;
/// The least share of pixels whose curvature has one sign in both.
const SIGNS: f32 = 0.7;
/// Curvature up to this, in grey levels, has no sign.
const FLAT: f32 = 1.0;

/// A picture, as far as this check goes.
#[derive(Clone, Debug)]
pub struct Print {
    /// Where it is, so that a picture on both sides is seen whatever it shows.
    pub path: PathBuf,
    size: (usize, usize),
    pixels: Vec<u8>,
    levels: Option<[Look; 2]>,
}

/// A thumbnail: its levels as a unit vector of mean 0, and the signs of its curvature.
#[derive(Clone, Debug)]
struct Look {
    unit: Vec<f32>,
    signs: Vec<i8>,
}

impl Print {
    /// That of the picture at `path`.
    pub fn of(path: PathBuf, picture: &Grey) -> Self {
        let (width, height) = (picture.width, picture.height);
        let whole = GrayImage::from_raw(width as u32, height as u32, picture.pixels.clone());
        let levels = whole.and_then(|whole| {
            let side = SIDE as u32;
            let small = resize(&whole, side, side, FilterType::Triangle);
            Some([look(&small)?, look(&flip_horizontal(&small))?])
        });
        // Of equality the digest of the pixels decides; collisions would only count too much.
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&picture.pixels, &mut hasher);
        let pixels = std::hash::Hasher::finish(&hasher).to_le_bytes().to_vec();
        Print { path, size: (width, height), pixels, levels }
    }

    fn is_like(&self, other: &Print) -> bool {
        if self.path == other.path || (self.size, &self.pixels) == (other.size, &other.pixels) {
            return true;
        }
        let (Some([own, _]), Some(others)) = (&self.levels, &other.levels) else { return false };
        others.iter().any(|other| {
            let product: f32 = own.unit.iter().zip(&other.unit).map(|(a, b)| a * b).sum();
            product >= CORRELATION && signs_agree(&own.signs, &other.signs)
        })
    }
}

/// None for a picture of one value.
fn look(small: &GrayImage) -> Option<Look> {
    let levels: Vec<f32> = small.as_raw().iter().map(|&level| f32::from(level)).collect();
    let mean = levels.iter().sum::<f32>() / NUMBERS as f32;
    let length = levels.iter().map(|level| (level - mean).powi(2)).sum::<f32>().sqrt();
    if length == 0.0 {
        return None;
    }
    let at = |x: usize, y: usize| levels[y.min(SIDE - 1) * SIDE + x.min(SIDE - 1)];
    let curvature = |index: usize| {
        let (x, y) = (index % SIDE, index / SIDE);
        let (left, above) = (at(x.saturating_sub(1), y), at(x, y.saturating_sub(1)));
        4.0 * at(x, y) - left - at(x + 1, y) - above - at(x, y + 1)
    };
    let sign = |value: f32| i8::from(value > FLAT) - i8::from(value < -FLAT);
    Some(Look {
        unit: levels.iter().map(|level| (level - mean) / length).collect(),
        signs: (0..NUMBERS).map(|index| sign(curvature(index))).collect(),
    })
}

fn signs_agree(own: &[i8], other: &[i8]) -> bool {
    let pairs = own.iter().zip(other).filter(|(a, b)| **a != 0 || **b != 0);
    let (agreeing, all) =
        pairs.fold((0u32, 0u32), |(agreeing, all), (a, b)| (agreeing + u32::from(a == b), all + 1));
    agreeing as f32 >= SIGNS * all as f32
}

/// The pairs of a picture to learn from and one to be judged by that are equal or nearly equal. `prints`
/// are all pictures; the sides are indices into them.
pub fn leakage(prints: &[Print], train: &[usize], validation: &[usize]) -> usize {
    let pairs = crate::data::parallel::map(validation, |&judged| {
        train.iter().filter(|&&learnt| prints[judged].is_like(&prints[learnt])).count()
    });
    pairs.into_iter().sum()
}
