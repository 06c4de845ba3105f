//! Which pictures show the same scan, by their pixels, whatever their files are called.
//!
//! Pictures whose decoded pixels are equal are one scan. So are *near duplicates*: rescaled, cropped at
//! the margin, with callipers drawn in, mirrored, brighter or darker. They are found in three steps, each
//! a file:
//!
//! 1. [`fingerprint`]: a digest of the pixels, and a thumbnail of 96 x 96.
//! 2. [`candidates`]: coarse windows of the thumbnails, as they are and mirrored, are correlated with the
//!    whole of all others; the nearest pictures of each are candidates.
//! 3. [`align`] moves and scales the one thumbnail until it fits the other, and [`agree`] cuts both into
//!    blocks of 12 x 12 and correlates the detail in each. Two pictures are duplicates where at least
//!    [`agree::SHARE`] of the blocks with texture agree. A common shape, such as the breast's outline or
//!    the bright skin line of ultrasound, agrees in a few blocks only.
//!
//! The relation is not transitive; groups are its connected components ([`group`]).

pub mod agree;
pub mod align;
pub mod candidates;
pub mod fingerprint;
pub mod group;
pub mod leakage;
pub mod mode;
mod plane;
#[cfg(test)]
mod tests;

pub use fingerprint::Fingerprint;
pub use group::{Group, Groups};
pub use leakage::leakage;
pub use mode::{Counts, Handling, Shown, apply, words};

use crate::parallel;

/// Two pictures that show the same scan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The one, as an index into what was compared.
    pub first: usize,
    /// The other; it comes later.
    pub second: usize,
    /// Of the aligned thumbnails: 1 for equal pixels.
    pub correlation: f32,
    /// Whether the decoded pixels are equal.
    pub equal: bool,
}

/// All pairs among `prints`, in order; of pictures with equal pixels the first stands for the others.
pub fn pairs(prints: &[Option<Fingerprint>]) -> Vec<Pair> {
    let mut first_of = std::collections::HashMap::new();
    let mut found = Vec::new();
    let mut distinct = Vec::new();
    for (index, print) in prints.iter().enumerate() {
        let Some(print) = print else { continue };
        match first_of.entry(&print.pixels) {
            std::collections::hash_map::Entry::Occupied(first) => {
                found.push(Pair {
                    first: *first.get(),
                    second: index,
                    correlation: 1.0,
                    equal: true,
                });
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(index);
                if let Some(thumbnail) = &print.thumbnail {
                    distinct.push((index, thumbnail));
                }
            }
        }
    }
    let thumbnails: Vec<&[u16]> = distinct.iter().map(|(_, thumbnail)| &thumbnail[..]).collect();
    let candidates = candidates::find(&thumbnails);
    let ready = parallel::map(&thumbnails, |thumbnail| align::Ready::of(thumbnail));
    let checked = parallel::map(&candidates, |candidate| {
        let (first, second) = (&ready[candidate.first], &ready[candidate.second]);
        let aligned = align::align(first, second, candidate.turn)?;
        agree::agrees(&aligned).then_some(aligned.correlation)
    });
    let near = candidates.iter().zip(checked).filter_map(|(candidate, correlation)| {
        let correlation = correlation?;
        let [first, second] = [candidate.first, candidate.second].map(|at| distinct[at].0);
        Some(Pair { first, second, correlation, equal: false })
    });
    found.extend(near);
    found.sort_by_key(|pair| (pair.first, pair.second));
    // A pair may be a candidate both as it is and mirrored.
    found.dedup_by_key(|pair| (pair.first, pair.second));
    found
}
