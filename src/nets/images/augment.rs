//! What is done to a training image, so that no epoch shows quite the same: mirrored, and as another
//! hand would have taken it, a little nearer, to the side, and lighter.

use std::borrow::Cow;

use rand::Rng;
use serde::Serialize;

use crate::draw;

/// Which mirrorings a batch may draw, each with one chance in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flips {
    /// Left and right may be swapped.
    pub horizontal: bool,
    /// Top and bottom may be swapped.
    pub vertical: bool,
}

impl Flips {
    /// Which pixel of an image of `size` (rows, columns) each pixel of the mirrored image is, row by row.
    pub fn order(self, size: (usize, usize)) -> impl Iterator<Item = usize> {
        let (height, width) = size;
        let at = |index, length, mirrored| if mirrored { length - 1 - index } else { index };
        (0..height).flat_map(move |y| {
            let row = at(y, height, self.vertical) * width;
            (0..width).map(move |x| row + at(x, width, self.horizontal))
        })
    }

    /// The same without top and bottom: a whole image has the skin above and shadows below.
    pub fn upright(self) -> Self {
        Flips { vertical: false, ..self }
    }
}

/// How far a batch may move, scale and relight an image; each is drawn evenly between its negative and
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Jitter {
    /// Of the scale 1, below 1.
    pub zoom: f32,
    /// Down and to the right, in heights and widths of the image.
    pub shift: f32,
    /// Of the factor 1 by which levels are farther from the middle, 127.5.
    pub contrast: f32,
    /// Added, in halves of the range of levels, 127.5.
    pub brightness: f32,
}

impl Default for Jitter {
    /// As far as another examination of the same breast may differ.
    fn default() -> Self {
        Jitter { zoom: 0.2, shift: 0.075, contrast: 0.2, brightness: 0.1 }
    }
}

/// What a batch may do to its images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augment {
    /// Mirrorings.
    pub flips: Flips,
    /// Movement, scale and light, if they may change at all.
    pub jitter: Option<Jitter>,
}

impl Augment {
    /// What is done to image `index` in `epoch`: it depends on these and `seed` alone.
    pub fn draw(&self, seed: u64, epoch: u64, index: usize) -> Warp {
        let mut random = draw::stream(seed, &format!("flips of epoch {epoch}, image {index}"));
        // Both are always drawn, so that allowing one does not change the other.
        let (horizontal, vertical) = (random.random::<bool>(), random.random::<bool>());
        let Flips { horizontal: across, vertical: down } = self.flips;
        let flips = Flips { horizontal: across && horizontal, vertical: down && vertical };
        let still = Warp { flips, ..Warp::default() };
        let Some(jitter) = self.jitter else { return still };
        let mut within = |reach: f32| reach * (2.0 * random.random::<f32>() - 1.0);
        Warp {
            scale: 1.0 + within(jitter.zoom),
            shift: [within(jitter.shift), within(jitter.shift)],
            gain: 1.0 + within(jitter.contrast),
            offset: 127.5 * within(jitter.brightness),
            ..still
        }
    }
}

/// What is done to one image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warp {
    /// How it is mirrored, first.
    flips: Flips,
    /// What is seen of the image's sides: 0.8 is a part, taken nearer.
    scale: f32,
    /// How far the middle of what is seen is below and right of the image's, in heights and widths.
    shift: [f32; 2],
    /// The factor of levels about 127.5.
    gain: f32,
    /// What is then added to levels.
    offset: f32,
}

impl Default for Warp {
    /// The image as it is.
    fn default() -> Self {
        Warp { flips: Flips::default(), scale: 1.0, shift: [0.0; 2], gain: 1.0, offset: 0.0 }
    }
}

impl Warp {
    /// An image of `size` (rows, columns) and `depth` numbers a pixel, seen in this way and in its own
    /// light: an image's levels, or what each of its pixels shall become.
    ///
    /// Between pixels bilinear, beyond the border as in a mirror.
    pub fn look<'a>(&self, image: &'a [f32], size: (usize, usize), depth: usize) -> Cow<'a, [f32]> {
        if self.scale == 1.0 && self.shift == [0.0; 2] {
            if self.flips == Flips::default() {
                return Cow::Borrowed(image);
            }
            let pixel = |pixel: usize| &image[pixel * depth..][..depth];
            return self.flips.order(size).flat_map(pixel).copied().collect();
        }
        let rows = self.taps(size.0, self.shift[0], self.flips.vertical);
        let columns = self.taps(size.1, self.shift[1], self.flips.horizontal);
        let row = |row: usize| &image[row * size.1 * depth..][..size.1 * depth];
        // Most rows are seen twice, below one and above another: the last two are kept as they are seen across.
        let mut kept = [(usize::MAX, Vec::new()), (usize::MAX, Vec::new())];
        let mut seen = Vec::with_capacity(image.len());
        for &([top, bottom], below) in &rows {
            if kept[1].0 == top || kept[0].0 == bottom {
                kept.swap(0, 1);
            }
            for ((number, across), wanted) in kept.iter_mut().zip([top, bottom]) {
                if *number != wanted {
                    *number = wanted;
                    see_across(row(wanted), &columns, depth, across);
                }
            }
            let [(_, above), (_, under)] = &kept;
            seen.extend(above.iter().zip(under).map(|(&above, &under)| mix(above, under, below)));
        }
        seen.into()
    }

    /// For each of `length` places along an axis the two places of the image that it is between, and the
    /// share of the second.
    fn taps(&self, length: usize, shift: f32, mirrored: bool) -> Vec<([usize; 2], f32)> {
        let middle = (length as f32 - 1.0) / 2.0;
        let last = length as isize - 1;
        // -1 is 0 again, -2 is 1, and so on, back and forth.
        let place = |at: isize| {
            let folded = at.rem_euclid(2 * (last + 1));
            folded.min(2 * last + 1 - folded) as usize
        };
        let tap = |at: usize| {
            let at = if mirrored { length - 1 - at } else { at };
            let from = middle + (at as f32 - middle) * self.scale + shift * length as f32;
            let below = from.floor();
            ([place(below as isize), place(below as isize + 1)], from - below)
        };
        (0..length).map(tap).collect()
    }

    /// The level of a pixel of `level` in this light.
    pub fn light(&self, level: f32) -> f32 {
        if self.gain == 1.0 && self.offset == 0.0 {
            return level;
        }
        (level - 127.5) * self.gain + 127.5 + self.offset
    }
}

/// From `a` to `b`, as far as `share` says.
fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

/// A row of pixels of `depth` numbers as `columns` see it, in place of what is in `seen`.
fn see_across(row: &[f32], columns: &[([usize; 2], f32)], depth: usize, seen: &mut Vec<f32>) {
    seen.clear();
    if depth == 1 {
        // Grey pictures are most of those that are learnt from, and this loop is most of a batch.
        seen.extend(
            columns.iter().map(|&([left, right], share)| mix(row[left], row[right], share)),
        );
        return;
    }
    for &([left, right], share) in columns {
        let pixel = |at: usize| &row[at * depth..][..depth];
        let channels = pixel(left).iter().zip(pixel(right));
        seen.extend(channels.map(|(&left, &right)| mix(left, right, share)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Flips = Flips { horizontal: true, vertical: true };

    fn ramp(height: usize, width: usize) -> Vec<f32> {
        (0..height * width).map(|at| (at / width * 10 + at % width) as f32).collect()
    }

    #[test]
    fn an_image_that_is_not_jittered_is_only_mirrored() {
        let image = ramp(2, 3);
        assert_eq!(Warp::default().look(&image, (2, 3), 1), image);
        let mirrored = Warp { flips: BOTH, ..Warp::default() };
        assert_eq!(*mirrored.look(&image, (2, 3), 1), [12.0, 11.0, 10.0, 2.0, 1.0, 0.0]);
        assert_eq!(mirrored.light(3.0), 3.0);
    }

    #[test]
    fn a_shift_by_whole_pixels_moves_and_mirrors_the_border() {
        let image = ramp(4, 5);
        let warp = Warp { shift: [0.25, -0.2], ..Warp::default() };
        let seen = warp.look(&image, (4, 5), 1);
        assert_eq!(seen[..5], [10.0, 10.0, 11.0, 12.0, 13.0], "row 1, from one column to the left");
        assert_eq!(seen[15..], [30.0, 30.0, 31.0, 32.0, 33.0], "row 4 is row 3 again");
    }

    #[test]
    fn half_the_scale_shows_the_middle_and_mirroring_comes_first() {
        let image = ramp(5, 5);
        let warp = Warp { scale: 0.5, ..Warp::default() };
        let seen = warp.look(&image, (5, 5), 1);
        assert_eq!((seen[0], seen[12], seen[24]), (11.0, 22.0, 33.0));
        assert_eq!(seen[1], 11.5, "between two pixels");
        let mirrored = Warp { flips: Flips { horizontal: true, vertical: false }, ..warp };
        assert_eq!(mirrored.look(&image, (5, 5), 1)[0], 13.0);
    }

    #[test]
    fn every_channel_is_seen_from_the_same_place() {
        let one = ramp(4, 6);
        let three: Vec<f32> = one.iter().flat_map(|&x| [x, x + 100.0, -x]).collect();
        let warp = Warp { scale: 0.9, shift: [0.1, 0.07], flips: BOTH, ..Warp::default() };
        let (one, three) = (warp.look(&one, (4, 6), 1), warp.look(&three, (4, 6), 3));
        for (grey, pixel) in one.iter().zip(three.chunks(3)) {
            assert!((pixel[0] - grey).abs() < 1e-4 && (pixel[1] - grey - 100.0).abs() < 1e-3);
            assert!((pixel[2] + grey).abs() < 1e-4);
        }
    }

    /// Each pixel by itself, from the four that it is between.
    fn plainly(warp: &Warp, image: &[f32], size: (usize, usize), depth: usize) -> Vec<f32> {
        let rows = warp.taps(size.0, warp.shift[0], warp.flips.vertical);
        let columns = warp.taps(size.1, warp.shift[1], warp.flips.horizontal);
        let mut seen = Vec::new();
        for ([top, bottom], below) in rows {
            for &([left, right], beside) in &columns {
                for channel in 0..depth {
                    let at = |y: usize, x: usize| image[(y * size.1 + x) * depth + channel];
                    let above = mix(at(top, left), at(top, right), beside);
                    let under = mix(at(bottom, left), at(bottom, right), beside);
                    seen.push(mix(above, under, below));
                }
            }
        }
        seen
    }

    #[test]
    fn rows_that_are_kept_change_no_bit() {
        let augment = Augment { flips: BOTH, jitter: Some(Jitter::default()) };
        let size = (13, 9);
        let levels = |depth: usize| -> Vec<f32> {
            (0..size.0 * size.1 * depth).map(|at| 127.0 + 120.0 * (at as f32 * 1.7).sin()).collect()
        };
        for (depth, image) in [1, 3].map(|depth| (depth, levels(depth))) {
            for index in 0..50 {
                let warp = augment.draw(1, 1, index);
                let wanted = plainly(&warp, &image, size, depth);
                assert_eq!(*warp.look(&image, size, depth), wanted, "{warp:?} of {depth}");
            }
        }
    }

    #[test]
    fn draws_keep_within_their_reach_and_belong_to_seed_epoch_and_image() {
        let jitter = Jitter::default();
        let augment = Augment { flips: BOTH, jitter: Some(jitter) };
        for index in 0..500 {
            let warp = augment.draw(3, 7, index);
            assert!((warp.scale - 1.0).abs() <= jitter.zoom);
            assert!(warp.shift.iter().all(|shift| shift.abs() <= jitter.shift));
            assert!((warp.gain - 1.0).abs() <= jitter.contrast);
            assert!(warp.offset.abs() <= jitter.brightness * 127.5);
            assert_eq!(warp, augment.draw(3, 7, index));
            let plain = Augment { jitter: None, ..augment }.draw(3, 7, index);
            assert_eq!(plain.flips, warp.flips, "jitter changes no mirroring");
        }
        assert_ne!(augment.draw(3, 7, 0), augment.draw(3, 8, 0));
        assert_ne!(augment.draw(3, 7, 0), augment.draw(4, 7, 0));
    }

    #[test]
    fn the_smallest_image_can_be_looked_at() {
        let warp = Warp { scale: 1.2, shift: [0.3, -0.3], ..Warp::default() };
        assert_eq!(*warp.look(&[5.0], (1, 1), 1), [5.0]);
    }
}
