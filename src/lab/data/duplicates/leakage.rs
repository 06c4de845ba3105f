//! How many pictures of the validation side are equal or nearly equal to one that was learnt from,
//! counted on the pixels of a finished split.
//!
//! It is a check on the grouping and shares nothing with it: other thumbnails (32 x 32, by the `image`
//! crate), no alignment, every pair across the split. Two pictures are nearly equal where their thumbnails
//! correlate by 0.99 or more, as they are, mirrored, upside down or both, and the curvature of at least 70 %
//! of their thumbnails' pixels has one sign. The second condition keeps breasts of one shape apart.

use std::path::PathBuf;

use image::GrayImage;
use image::imageops::{FilterType, resize};

use crate::nets::images::Grey;

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
    look: Option<Look>,
}

/// A thumbnail: its levels as a unit vector of mean 0, and the signs of its curvature.
#[derive(Clone, Debug)]
struct Look {
    unit: Vec<f32>,
    signs: Vec<i8>,
    /// The part of `unit` in the space of blocks of 4 x 4, [`COARSE`] a side.
    blocks: Vec<f32>,
    /// The length of the rest.
    rest: f32,
}

/// Blocks a side.
const COARSE: usize = SIDE / 4;
/// More than rounding adds to a product.
const ROUNDING: f32 = 1e-4;
/// Whether columns and rows are exchanged, left for right and top for bottom.
const TURNS: [[bool; 2]; 4] = [[false, false], [true, false], [false, true], [true, true]];

impl Print {
    /// That of the picture at `path`.
    pub fn of(path: PathBuf, picture: &Grey) -> Self {
        let (width, height) = (picture.width, picture.height);
        let whole = GrayImage::from_raw(width as u32, height as u32, picture.pixels.clone());
        let look = whole.and_then(|whole| {
            let side = SIDE as u32;
            look(&resize(&whole, side, side, FilterType::Triangle))
        });
        // Of equality the digest of the pixels decides; collisions would only count too much.
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(&picture.pixels, &mut hasher);
        let pixels = std::hash::Hasher::finish(&hasher).to_le_bytes().to_vec();
        Print { path, size: (width, height), pixels, look }
    }

    fn is_like(&self, other: &Print) -> bool {
        if self.path == other.path || (self.size, &self.pixels) == (other.size, &other.pixels) {
            return true;
        }
        let (Some(own), Some(other)) = (&self.look, &other.look) else { return false };
        TURNS.into_iter().any(|turn| {
            // By Cauchy and Schwarz the rests add no more than the product of their lengths, and most
            // pairs need no more than that.
            let blocks = product(&own.blocks, &other.blocks, COARSE, turn);
            blocks + own.rest * other.rest + ROUNDING >= CORRELATION
                && product(&own.unit, &other.unit, SIDE, turn) >= CORRELATION
                && signs_agree(&own.signs, &other.signs, turn)
        })
    }
}

/// The numbers of two square planes of `side` side by side, the second turned.
fn side_by_side<'a, T: Copy>(
    own: &'a [T],
    other: &'a [T],
    side: usize,
    [across, down]: [bool; 2],
) -> impl Iterator<Item = (T, T)> + 'a {
    own.chunks_exact(side).enumerate().flat_map(move |(y, row)| {
        let from = if down { side - 1 - y } else { y } * side;
        let at = move |x: usize| from + if across { side - 1 - x } else { x };
        row.iter().enumerate().map(move |(x, &value)| (value, other[at(x)]))
    })
}

fn product(own: &[f32], other: &[f32], side: usize, turn: [bool; 2]) -> f32 {
    side_by_side(own, other, side, turn).map(|(a, b)| a * b).sum()
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
    let unit: Vec<f32> = levels.iter().map(|level| (level - mean) / length).collect();
    // A quarter of the sum of sixteen equal numbers has the length of the sixteen.
    let mut blocks = vec![0.0; COARSE * COARSE];
    for (index, value) in unit.iter().enumerate() {
        blocks[index / SIDE / 4 * COARSE + index % SIDE / 4] += value / 4.0;
    }
    let square = blocks.iter().map(|value| value * value).sum::<f32>();
    Some(Look {
        unit,
        signs: (0..NUMBERS).map(|index| sign(curvature(index))).collect(),
        blocks,
        rest: (1.0 - square).max(0.0).sqrt(),
    })
}

fn signs_agree(own: &[i8], other: &[i8], turn: [bool; 2]) -> bool {
    let pairs = side_by_side(own, other, SIDE, turn).filter(|(a, b)| *a != 0 || *b != 0);
    let (agreeing, all) =
        pairs.fold((0u32, 0u32), |(agreeing, all), (a, b)| (agreeing + u32::from(a == b), all + 1));
    agreeing as f32 >= SIGNS * all as f32
}

/// The pairs of a picture to learn from and one to be judged by that are equal or nearly equal. `prints`
/// are all pictures; the sides are indices into them.
pub fn leakage(prints: &[Print], train: &[usize], validation: &[usize]) -> usize {
    let pairs = crate::parallel::map(validation, |&judged| {
        train.iter().filter(|&&learnt| prints[judged].is_like(&prints[learnt])).count()
    });
    pairs.into_iter().sum()
}
