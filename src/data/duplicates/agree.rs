//! Whether two thumbnails that lie over each other have the same detail nearly everywhere.
//!
//! The correlation of two whole pictures says little: breasts, and ultrasound images, have a shape in
//! common, and correlate up to 0.99 across patients. Detail (the thumbnail less its blur) in small blocks
//! does not: in scans of different places it is unrelated but for a few blocks with a common edge, in two
//! pictures of one scan nearly all blocks agree but those with callipers or text.

use super::align::Aligned;
use super::fingerprint::SIDE;
use super::plane;

/// Rows and columns of a block.
const BLOCK: usize = 12;
/// The blur that is taken off, in pixels of a thumbnail.
const SIGMA: f32 = 1.5;
/// Detail of a smaller deviation, of 255, is noise of coding.
const TEXTURE: f32 = 1.0;
/// A block agrees above this correlation.
const CORRELATION: f32 = 0.5;
/// The least share of blocks that agree in duplicates. On BUSI and mini-MIAS nothing lies between 0.62 and
/// 0.73 but single pairs of one patient (docs/data.md).
pub const SHARE: f32 = 0.67;
/// The least number of blocks that say so: a picture that is black but for a corner says nothing.
const FEWEST: usize = 12;

/// Whether the two show the same scan.
pub fn agrees(aligned: &Aligned) -> bool {
    let (agreeing, all) = blocks(aligned);
    all >= FEWEST && agreeing as f32 >= SHARE * all as f32
}

/// How many blocks agree, of how many that have texture in either.
pub fn blocks(aligned: &Aligned) -> (usize, usize) {
    let first = plane::detail(&aligned.first, SIDE, SIGMA);
    let second = plane::detail(&aligned.second, SIDE, SIGMA);
    let (mut agreeing, mut all) = (0, 0);
    for (top, left) in
        (0..SIDE).step_by(BLOCK).flat_map(|y| (0..SIDE).step_by(BLOCK).map(move |x| (y, x)))
    {
        let pixels = (0..BLOCK * BLOCK).map(|i| (top + i / BLOCK) * SIDE + left + i % BLOCK);
        let [rows, columns] = &aligned.inside;
        let shown: Vec<(f32, f32)> = pixels
            .filter(|index| rows.contains(&(index / SIDE)) && columns.contains(&(index % SIDE)))
            .map(|index| (first[index], second[index]))
            .collect();
        if shown.len() * 10 < BLOCK * BLOCK * 9 {
            continue;
        }
        let deviation = |side: fn(&(f32, f32)) -> f32| {
            let count = shown.len() as f32;
            let mean = shown.iter().map(side).sum::<f32>() / count;
            (shown.iter().map(|pair| (side(pair) - mean).powi(2)).sum::<f32>() / count).sqrt()
        };
        if deviation(|pair| pair.0).max(deviation(|pair| pair.1)) < TEXTURE {
            continue;
        }
        all += 1;
        agreeing += usize::from(plane::correlation(shown.iter().copied()) > CORRELATION);
    }
    (agreeing, all)
}
