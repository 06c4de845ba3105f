//! How often each grey level of a heatmap occurs, inside the mask and everywhere: all that a metric of
//! overlap needs to know of the two.

use crate::error::{Error, Result};

/// How many grey levels there are.
pub const LEVELS: usize = 256;

/// The two histograms of a heatmap. Counts are of pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Of the pixels in the mask.
    pub inside: [u64; LEVELS],
    /// Of all pixels.
    pub everywhere: [u64; LEVELS],
}

impl Levels {
    /// Counts `heatmap`, pixel by pixel in the order of `mask`, which is not zero in the lesion.
    ///
    /// # Errors
    /// [`Error::Shape`] when they differ in length or are empty.
    pub fn count(mask: &[u8], heatmap: &[u8]) -> Result<Self> {
        if mask.len() != heatmap.len() || mask.is_empty() {
            return Err(Error::shape(
                "dice",
                format!(
                    "the mask has {} pixels and the heatmap {}; both must have the same size, not \
                     zero",
                    mask.len(),
                    heatmap.len()
                ),
            ));
        }
        let mut levels = Levels { inside: [0; LEVELS], everywhere: [0; LEVELS] };
        for (&a, &b) in mask.iter().zip(heatmap) {
            levels.everywhere[usize::from(b)] += 1;
            levels.inside[usize::from(b)] += u64::from(a != 0);
        }
        Ok(levels)
    }

    /// Pixels in the mask.
    pub fn mask(&self) -> u64 {
        self.inside.iter().sum()
    }

    /// Pixels above `threshold`: those in the mask, and all.
    pub fn above(&self, threshold: u8) -> [u64; 2] {
        let from = usize::from(threshold) + 1;
        [&self.inside, &self.everywhere].map(|counts| counts[from..].iter().sum())
    }

    /// The highest level that occurs; none without pixels.
    pub fn highest(&self) -> Option<usize> {
        self.everywhere.iter().rposition(|&count| count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_histograms_are_counted() {
        let levels = Levels::count(&[0, 1, 255, 0], &[3, 3, 200, 200]).unwrap();
        assert_eq!((levels.inside[3], levels.everywhere[3]), (1, 2));
        assert_eq!((levels.mask(), levels.highest()), (2, Some(200)));
        assert_eq!(
            (levels.above(3), levels.above(200), levels.above(255)),
            ([1, 2], [0; 2], [0; 2])
        );
    }
}
