//! Where nothing is known of the place: regions that are darker than their surroundings, of which the one
//! is taken that the heatmap and its shape speak for most.
//!
//! ```text
//! d = (wide blur - narrow blur) / deviation of the narrow one
//! for each level: d > level -> opened -> parts -> holes filled -> candidates of a plausible area
//! score = heat * mean h + dark * min(mean d, 1.5) + size * ln(area / usual)
//!         - touch * image sides touched + round * min(area / area of the ellipse in its box, 1)
//! ```
//! Heatmaps are taken from their minimum to their maximum. Lengths are shares of the image, so that its
//! size does not matter; numbers were chosen on BUSI.

use serde::{Deserialize, Serialize};

use super::plane::{blur, deviation};

/// How a region is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposals {
    /// Whether regions are brighter than their surroundings, as in mammograms, instead of darker, as in
    /// ultrasound: d is then turned.
    pub bright: bool,
    /// Levels of d at which regions are cut.
    pub levels: Vec<f32>,
    /// Deviation of the wide blur, as a share of the image's shorter side.
    pub wide: f32,
    /// Deviation of the narrow blur, likewise.
    pub narrow: f32,
    /// Weight of the mean heat.
    pub heat: f32,
    /// Weight of the mean darkness.
    pub dark: f32,
    /// Weight of the logarithm of the area over [`Self::usual`].
    pub size: f32,
    /// Of a lesion, as a share of the image.
    pub usual: f32,
    /// Weight of each side of the image that a region touches.
    pub touch: f32,
    /// Weight of how much of the ellipse in its box a region fills.
    pub round: f32,
    /// The smallest and the largest region, as shares of the image.
    pub areas: [f32; 2],
}

impl Default for Proposals {
    fn default() -> Self {
        Proposals {
            bright: false,
            levels: vec![0.0, 0.15, 0.3, 0.45, 0.6, 0.8],
            wide: 1.0 / 8.0,
            narrow: 1.0 / 64.0,
            heat: 1.3,
            dark: 0.25,
            size: 0.3,
            usual: 800.0 / (128.0 * 128.0),
            touch: 0.3,
            round: 0.5,
            areas: [60.0 / (128.0 * 128.0), 0.45],
        }
    }
}

/// Crosses that open a mask: a bridge of fewer pixels is cut.
const OPENINGS: usize = 2;

impl Proposals {
    /// The region of an `image` and its `heatmap`, both of (height, width) `size`: whether each pixel is
    /// in it. Without any candidate it is empty.
    pub fn choose(&self, image: &[f32], heatmap: &[f32], size: [usize; 2]) -> Vec<bool> {
        let side = size[0].min(size[1]) as f32;
        let narrow = blur(image, size, self.narrow * side);
        let wide = blur(image, size, self.wide * side);
        let scale = deviation(&narrow).max(1e-3) * if self.bright { -1.0 } else { 1.0 };
        let dark: Vec<f32> = wide.iter().zip(&narrow).map(|(w, n)| (w - n) / scale).collect();
        let heat = stretched(heatmap);
        let mut best: (f32, Vec<usize>) = (f32::NEG_INFINITY, Vec::new());
        for &level in &self.levels {
            let above: Vec<bool> = dark.iter().map(|&d| d > level).collect();
            for part in parts(&opened(above, size), size) {
                let region = filled(&part, size);
                let share = region.len() as f32 / image.len() as f32;
                if share < self.areas[0] || share > self.areas[1] {
                    continue;
                }
                let score = self.score(&region, &dark, &heat, size);
                if score > best.0 {
                    best = (score, region);
                }
            }
        }
        let mut mask = vec![false; image.len()];
        best.1.into_iter().for_each(|pixel| mask[pixel] = true);
        mask
    }

    fn score(&self, region: &[usize], dark: &[f32], heat: &[f32], size: [usize; 2]) -> f32 {
        let mean_of = |map: &[f32]| {
            region.iter().map(|&pixel| map[pixel]).sum::<f32>() / region.len().max(1) as f32
        };
        let Some([top, bottom, left, right]) = bounds(region, size[1]) else {
            return f32::NEG_INFINITY;
        };
        let area = region.len() as f32;
        let pixels = (size[0] * size[1]) as f32;
        let edges = [top == 0, bottom + 1 == size[0], left == 0, right + 1 == size[1]];
        let touched = edges.iter().filter(|edge| **edge).count() as f32;
        let around = ((bottom + 1 - top) * (right + 1 - left)) as f32;
        let ellipse = std::f32::consts::FRAC_PI_4 * around;
        self.heat * mean_of(heat)
            + self.dark * mean_of(dark).min(1.5)
            + self.size * (area / pixels / self.usual).ln()
            - self.touch * touched
            + self.round * (area / ellipse).min(1.0)
    }
}

/// From minimum to maximum: [0, 1]; all 0 where there is no range.
fn stretched(map: &[f32]) -> Vec<f32> {
    let (least, most) = map
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &value| (a.min(value), b.max(value)));
    let range = if most > least { most - least } else { f32::INFINITY };
    map.iter().map(|value| (value - least) / range).collect()
}

/// The pixels above, below, left and right of one, as far as there are some.
fn neighbours(pixel: usize, [height, width]: [usize; 2]) -> impl Iterator<Item = usize> {
    let (y, x) = (pixel / width, pixel % width);
    let there = [y > 0, y + 1 < height, x > 0, x + 1 < width];
    let steps = [-(width as isize), width as isize, -1, 1];
    let steps = there.into_iter().zip(steps).filter(|(there, _)| *there);
    steps.filter_map(move |(_, step)| pixel.checked_add_signed(step))
}

/// Eroded and dilated by a cross, [`OPENINGS`] times each. Beyond the edge nothing is in the mask.
fn opened(mut mask: Vec<bool>, size: [usize; 2]) -> Vec<bool> {
    for keep in [true, false] {
        for _ in 0..OPENINGS {
            let all = |pixel: usize| {
                let around: Vec<bool> = neighbours(pixel, size).map(|other| mask[other]).collect();
                match keep {
                    true => mask[pixel] && around.len() == 4 && around.iter().all(|inside| *inside),
                    false => mask[pixel] || around.contains(&true),
                }
            };
            mask = (0..mask.len()).map(all).collect();
        }
    }
    mask
}

/// The connected parts of a mask, each as its pixels.
fn parts(mask: &[bool], size: [usize; 2]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; mask.len()];
    let mut found = Vec::new();
    for start in 0..mask.len() {
        if !mask[start] || seen[start] {
            continue;
        }
        seen[start] = true;
        let mut part = vec![start];
        let mut next = 0;
        while let Some(&pixel) = part.get(next) {
            next += 1;
            for other in neighbours(pixel, size) {
                if mask[other] && !seen[other] {
                    seen[other] = true;
                    part.push(other);
                }
            }
        }
        found.push(part);
    }
    found
}

/// A part with its holes: all that the image's edge cannot be reached from without crossing it.
fn filled(part: &[usize], size: [usize; 2]) -> Vec<usize> {
    let mut outside = vec![true; size[0] * size[1]];
    part.iter().for_each(|&pixel| outside[pixel] = false);
    let mut mask = vec![true; outside.len()];
    let edge = |pixel: &usize| neighbours(*pixel, size).count() < 4;
    for around in parts(&outside, size) {
        if around.iter().any(|pixel| edge(pixel)) {
            around.into_iter().for_each(|pixel| mask[pixel] = false);
        }
    }
    (0..mask.len()).filter(|&pixel| mask[pixel]).collect()
}

/// First and last row, first and last column.
fn bounds(region: &[usize], width: usize) -> Option<[usize; 4]> {
    let rows = || region.iter().map(|pixel| pixel / width);
    let columns = || region.iter().map(|pixel| pixel % width);
    Some([rows().min()?, rows().max()?, columns().min()?, columns().max()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [64, 96];

    /// Dark discs of radius 9 at these centres (y, x) on bright ground.
    fn discs(centres: &[(usize, usize)]) -> Vec<f32> {
        (0..SIZE[0] * SIZE[1])
            .map(|pixel| {
                let (y, x) = (pixel / SIZE[1], pixel % SIZE[1]);
                let inside = |&(cy, cx): &(usize, usize)| {
                    y.abs_diff(cy).pow(2) + x.abs_diff(cx).pow(2) <= 81
                };
                if centres.iter().any(inside) { 40.0 } else { 150.0 }
            })
            .collect()
    }

    fn heat(centre: (usize, usize)) -> Vec<f32> {
        let away = |pixel: usize| {
            let (y, x) = (pixel / SIZE[1], pixel % SIZE[1]);
            (y as f32 - centre.0 as f32).hypot(x as f32 - centre.1 as f32)
        };
        (0..SIZE[0] * SIZE[1]).map(|pixel| (-away(pixel) / 25.0).exp()).collect()
    }

    #[test]
    fn of_two_dark_regions_the_hot_one_is_taken() {
        let image = discs(&[(30, 24), (34, 70)]);
        for centre in [(30, 24), (34, 70)] {
            let mask = Proposals::default().choose(&image, &heat(centre), SIZE);
            assert!(mask[centre.0 * SIZE[1] + centre.1], "{centre:?}");
            let disc = discs(&[centre]);
            let both = mask.iter().zip(&disc).filter(|(m, d)| **m && **d < 100.0).count();
            let each =
                mask.iter().filter(|m| **m).count() + disc.iter().filter(|d| **d < 100.0).count();
            let dice = 2.0 * both as f32 / each as f32;
            assert!(dice > 0.85, "{centre:?}: {dice}");
        }
    }

    #[test]
    fn bright_regions_are_found_where_they_are_asked_for() {
        let turned: Vec<f32> = discs(&[(30, 40)]).iter().map(|grey| 190.0 - grey).collect();
        let bright = Proposals { bright: true, ..Proposals::default() };
        let mask = bright.choose(&turned, &heat((30, 40)), SIZE);
        let dark = Proposals::default().choose(&discs(&[(30, 40)]), &heat((30, 40)), SIZE);
        assert_eq!(mask, dark);
        assert!(mask[30 * SIZE[1] + 40]);
    }

    #[test]
    fn an_image_without_regions_has_none() {
        let flat = vec![90.0; SIZE[0] * SIZE[1]];
        let choose = |image: &[f32], heat: &[f32]| Proposals::default().choose(image, heat, SIZE);
        assert!(!choose(&flat, &heat((9, 9))).contains(&true));
        let none = vec![0.0; flat.len()];
        assert!(choose(&discs(&[(30, 40)]), &none).contains(&true), "the darkest, without heat");
    }

    #[test]
    fn bridges_are_cut_and_holes_are_filled() {
        // Two squares of 7 and 9 pixels, joined by a line; the second has a hole.
        let size = [11, 24];
        let inside = |y: usize, x: usize| {
            let squares = (2..9).contains(&y) && (1..8).contains(&x)
                || (1..10).contains(&y) && (13..22).contains(&x);
            (squares || y == 5 && (8..13).contains(&x)) && (y, x) != (5, 17)
        };
        let mask: Vec<bool> = (0..11 * 24).map(|at| inside(at / 24, at % 24)).collect();
        assert_eq!(parts(&mask, size).len(), 1);
        let holed: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] && at % 24 >= 13).collect();
        assert_eq!((holed.len(), filled(&holed, size).len()), (80, 81));
        let inside = |y: usize, x: usize| inside(y, x) || (y, x) == (5, 17);
        let whole = (0..11 * 24).map(|at| inside(at / 24, at % 24)).collect();
        assert_eq!(parts(&opened(whole, size), size).len(), 2);
    }
}
