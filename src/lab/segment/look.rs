//! Looks at an image: what the classifier says of all of it, and of parts of it taken nearer.

use serde::{Deserialize, Serialize};

use crate::nets::images::{Grey, Rect};

/// A part of an image, as it is or mirrored. In shares of the image's height and width.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The upper border, [0, 1).
    pub top: f32,
    /// The left border, [0, 1).
    pub left: f32,
    /// Height and width, (0, 1].
    pub side: f32,
    /// Whether left and right are swapped.
    pub mirrored: bool,
}

/// The side of a part in [`Look::around`].
const NEAR: f32 = 0.65;

impl Look {
    /// All of the image.
    pub const WHOLE: Look = Look { top: 0.0, left: 0.0, side: 1.0, mirrored: false };

    /// The whole image and the four corners and the middle of it, each as it is and mirrored. What only
    /// one of them shows is noise more often than a lesion.
    pub fn around() -> Vec<Look> {
        let rest = 1.0 - NEAR;
        let places = [(0.0, 0.0), (0.0, rest), (rest, 0.0), (rest, rest), (rest / 2.0, rest / 2.0)];
        let parts = places.map(|(top, left)| Look { top, left, side: NEAR, mirrored: false });
        let looks = [Look::WHOLE].into_iter().chain(parts);
        looks.flat_map(|look| [look, Look { mirrored: true, ..look }]).collect()
    }

    /// The pixels of an image of (height, width) `size`, at least one.
    fn on(&self, size: [usize; 2]) -> Rect {
        let span = |from: f32, length: usize| {
            let pixels = |share: f32| (share * length as f32).round() as usize;
            let first = pixels(from).min(length.saturating_sub(1));
            (first, pixels(self.side).clamp(1, (length - first).max(1)))
        };
        let ((y, height), (x, width)) = (span(self.top, size[0]), span(self.left, size[1]));
        Rect { x, y, width, height }
    }

    /// What is seen of `image`.
    pub fn at(&self, image: &Grey) -> Grey {
        if *self == Self::WHOLE {
            return image.clone();
        }
        let mut part = image.crop(self.on([image.height, image.width]));
        if self.mirrored {
            part.pixels.chunks_mut(part.width).for_each(<[u8]>::reverse);
        }
        part
    }

    /// Height and width of what is seen on a map of (height, width) `size`.
    pub fn size_on(&self, size: [usize; 2]) -> [usize; 2] {
        let Rect { width, height, .. } = self.on(size);
        [height, width]
    }
}

/// The mean of maps of parts, at (height, width) `size`.
#[derive(Clone, Debug)]
pub struct Mean {
    size: [usize; 2],
    sums: Vec<f32>,
    counts: Vec<f32>,
}

impl Mean {
    pub fn new(size: [usize; 2]) -> Self {
        let pixels = size[0] * size[1];
        Mean { size, sums: vec![0.0; pixels], counts: vec![0.0; pixels] }
    }

    /// Adds the levels, 0 to 255, of a map of `look`, at its [`Look::size_on`].
    pub fn add(&mut self, look: &Look, levels: &[u8]) {
        let Rect { x, y, width, .. } = look.on(self.size);
        for (row, levels) in levels.chunks(width).enumerate() {
            let first = (y + row) * self.size[1] + x;
            let at = |column: usize| if look.mirrored { width - 1 - column } else { column };
            for (column, &level) in levels.iter().enumerate() {
                self.sums[first + at(column)] += f32::from(level) / 255.0;
                self.counts[first + at(column)] += 1.0;
            }
        }
    }

    /// The mean of what was added to each pixel, [0, 1]; 0 where nothing was.
    pub fn finish(self) -> Vec<f32> {
        let pairs = self.sums.into_iter().zip(self.counts);
        pairs.map(|(sum, count)| sum / count.max(1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_finds_its_place_again() {
        let (height, width) = (20, 28);
        let image = Grey { pixels: (0..560).map(|at| (at % 251) as u8).collect(), width, height };
        for size in [[20, 28], [1, 1], [3, 2]] {
            for look in Look::around() {
                let [rows, columns] = look.size_on(size);
                let Rect { x, y, width, height } = look.on(size);
                assert!(rows > 0 && columns > 0 && y + height <= size[0] && x + width <= size[1]);
            }
        }
        // A map that is the image itself comes back as the image.
        let mut mean = Mean::new([height, width]);
        for look in Look::around() {
            let part = look.at(&image);
            assert_eq!([part.height, part.width], look.size_on([height, width]));
            mean.add(&look, &part.pixels);
        }
        for (found, level) in mean.finish().iter().zip(&image.pixels) {
            assert!((found * 255.0 - f32::from(*level)).abs() < 1e-2);
        }
    }

    #[test]
    fn a_part_is_seen_where_it_is() {
        let image = Grey { pixels: (0..16).collect(), width: 4, height: 4 };
        let corner = Look { top: 0.5, left: 0.5, side: 0.5, mirrored: false };
        assert_eq!(corner.at(&image).pixels, [10, 11, 14, 15]);
        let mirrored = Look { mirrored: true, ..corner };
        assert_eq!(mirrored.at(&image).pixels, [11, 10, 15, 14]);
        let mut mean = Mean::new([4, 4]);
        mean.add(&corner, &[255; 4]);
        mean.add(&mirrored, &[255, 0, 255, 0]);
        let found = mean.finish();
        assert_eq!((found[10], found[11], found[0]), (0.5, 1.0, 0.0));
    }
}
