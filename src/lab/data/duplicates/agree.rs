//! Whether two thumbnails that lie over each other have the same detail nearly everywhere.
//!
//! The correlation of two whole pictures says little: breasts, and ultrasound images, have a shape in
//! common, and correlate up to 0.99 across patients. Detail in small blocks does not: in scans of different
//! places it is unrelated but for a few blocks with a common edge, in two pictures of one scan nearly all
//! blocks agree but those with callipers or text. Detail is the thumbnail less its blur, divided by its own
//! deviation nearby, so that a strong edge does not outweigh the texture beside it.

use super::align::Aligned;
use super::fingerprint::SIDE;
use super::plane;

/// Rows and columns of a block.
const BLOCK: usize = 12;
/// The blur that is taken off, in pixels of a thumbnail.
const SIGMA: f32 = 1.5;
/// How far around a pixel the deviation of detail is taken, in pixels of a thumbnail.
const NEARBY: f32 = 2.5;
/// Detail of a smaller deviation, in grey levels of 255, is noise.
const TEXTURE: f32 = 0.3;
/// A block agrees above this correlation.
const CORRELATION: f32 = 0.5;
/// The least share of blocks that agree in duplicates. Of 322 mammograms of 161 women no two reach 0.66 but
/// one woman's breasts, of some 140 pairs of one ultrasound scan none is below 0.70 (docs/duplicates.md).
pub const SHARE: f32 = 0.67;
/// The least number of blocks that say so: a picture that is black but for a corner says nothing.
const FEWEST: usize = 16;

/// Whether the two show the same scan.
pub fn agrees(aligned: &Aligned) -> bool {
    let (agreeing, all) = blocks(aligned);
    all >= FEWEST && agreeing as f32 >= SHARE * all as f32
}

/// How many blocks agree, of how many that have texture in either.
pub fn blocks(aligned: &Aligned) -> (usize, usize) {
    let [first, second] = [&aligned.first, &aligned.second].map(|plane| Texture::of(plane));
    let (mut agreeing, mut all) = (0, 0);
    for (top, left) in
        (0..SIDE).step_by(BLOCK).flat_map(|y| (0..SIDE).step_by(BLOCK).map(move |x| (y, x)))
    {
        let pixels = (0..BLOCK * BLOCK).map(|i| (top + i / BLOCK) * SIDE + left + i % BLOCK);
        let [rows, columns] = &aligned.inside;
        let shown: Vec<usize> = pixels
            .filter(|index| rows.contains(&(index / SIDE)) && columns.contains(&(index % SIDE)))
            .collect();
        if shown.len() * 10 < BLOCK * BLOCK * 9 {
            continue;
        }
        if first.deviation(&shown).max(second.deviation(&shown)) < TEXTURE {
            continue;
        }
        all += 1;
        let pairs = shown.iter().map(|&index| (first.relative[index], second.relative[index]));
        agreeing += usize::from(plane::correlation(pairs) > CORRELATION);
    }
    (agreeing, all)
}

/// The detail of a thumbnail.
struct Texture {
    /// In grey levels.
    detail: Vec<f32>,
    /// Divided by its deviation nearby.
    relative: Vec<f32>,
}

impl Texture {
    fn of(plane: &[f32]) -> Self {
        let detail = plane::detail(plane, SIDE, SIGMA);
        let squares: Vec<f32> = detail.iter().map(|value| value * value).collect();
        let nearby = plane::blurred(&squares, SIDE, NEARBY);
        let divided = |(value, square): (&f32, f32)| value / (square + TEXTURE * TEXTURE).sqrt();
        let relative = detail.iter().zip(nearby).map(divided).collect();
        Texture { detail, relative }
    }

    /// That of the detail at some pixels.
    fn deviation(&self, pixels: &[usize]) -> f32 {
        let count = pixels.len() as f32;
        let mean = pixels.iter().map(|&index| self.detail[index]).sum::<f32>() / count;
        let square = |&index: &usize| (self.detail[index] - mean).powi(2);
        (pixels.iter().map(square).sum::<f32>() / count).sqrt()
    }
}
