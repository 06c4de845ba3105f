//! Which pixels of a mask are lesion.
//!
//! A mask of two values, whatever they are, is what it is. In one with smoothed edges, or with the noise of
//! JPEG about its two values, a lesion is what is brighter than half the brightest. Any other holds labels:
//! what is not 0 is lesion, which a note says, unless the caller names the labels that are.
//!
//! Labels and smoothing are told apart by where the values between darkest and brightest lie: labels fill
//! areas, and smoothing makes edges.

use std::path::Path;

use image::DynamicImage;

use super::decode::{Decoded, MOST_OF_FILE, decode};
use super::image::Grey;
use crate::error::{Error, Result};
use crate::files;

/// Lesion and background.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mask {
    /// 255 in the lesion and 0 elsewhere.
    pub grey: Grey,
    /// How a mask of labels was understood.
    pub note: Option<String>,
}

/// What to do about a mask of labels.
pub const CHOOSE: &str = "where some of them are no lesion, choose with --mask-values, e.g. 1,3";

/// Reads a mask; `values` are those that are lesion, where that is known: the numbers of a palette, else
/// the levels as they stand in the file.
///
/// # Errors
/// As [`Grey::read`], and [`Error::Content`] for labels without a background of 0, and for colours where
/// numbers are asked for.
pub fn read(path: &Path, values: Option<&[u16]>) -> Result<Mask> {
    let bytes = files::read_at_most(path, MOST_OF_FILE)?;
    of(path, decode(path, &bytes)?, values)
}

/// A decoded mask.
pub(super) fn of(path: &Path, decoded: Decoded, values: Option<&[u16]>) -> Result<Mask> {
    let levels = Levels::of(decoded, values.is_some());
    match values {
        None => levels.understood(path),
        Some(_) if levels.coloured => {
            let hint =
                "leave --mask-values away, or convert it to grey with a number for each label";
            Err(Error::content(path, "is a mask in colours, which are no numbers", hint))
        }
        Some(values) => {
            Ok(Mask { grey: levels.two_valued(|value| values.contains(&value)), note: None })
        }
    }
}

/// A mask that is in memory already, by the same rule.
///
/// # Errors
/// [`Error::Content`] for labels without a background of 0; `path` is for the message only.
pub fn of_grey(path: &Path, grey: Grey) -> Result<Mask> {
    let Grey { width, height, pixels } = grey;
    let values = pixels.into_iter().map(u16::from).collect();
    let levels = Levels { width, height, values, highest: 255, coloured: false };
    levels.understood(path)
}

/// One number a pixel.
struct Levels {
    width: usize,
    height: usize,
    values: Vec<u16>,
    /// The highest that the file could have.
    highest: u16,
    /// Whether the numbers stand for colours that the file has instead.
    coloured: bool,
}

/// How the values of a mask are meant.
enum Meaning {
    /// Lesion is what is above this.
    Above(u16),
    /// Lesion is what is above this, and what is above it are labels.
    Labels(u16),
}

impl Levels {
    /// The levels of a file. Colours count by their brightest channel, so that each is as good as white; a
    /// palette by its numbers, unless all its colours are grey and `numbers` are not asked for.
    fn of(decoded: Decoded, numbers: bool) -> Self {
        let highest = decoded.highest;
        let (width, height) = (decoded.image.width() as usize, decoded.image.height() as usize);
        if let Some(palette) = &decoded.palette {
            let indices = decoded.image.to_luma8().into_raw();
            let mut used = [false; 256];
            indices.iter().for_each(|index| used[usize::from(*index)] = true);
            let is_grey = |(index, c): (usize, &[u8; 4])| {
                !used.get(index).is_some_and(|used| *used) || (c[0] == c[1] && c[1] == c[2])
            };
            let grey = !numbers && palette.iter().enumerate().all(is_grey);
            let shade = |index: u8| {
                let [grey, _, _, alpha] =
                    palette.get(usize::from(index)).copied().unwrap_or([0, 0, 0, 255]);
                (u16::from(grey) * u16::from(alpha) + 127) / 255
            };
            let value = |index| if grey { shade(index) } else { u16::from(index) };
            let values = indices.into_iter().map(value).collect();
            return Levels { width, height, values, highest: 255, coloured: false };
        }
        let mut coloured = false;
        let mut brightest = |rgb: [u16; 3]| {
            coloured |= rgb[0] != rgb[1] || rgb[1] != rgb[2];
            rgb[0].max(rgb[1]).max(rgb[2])
        };
        let over = |value: u16, alpha: u16, most: u32| {
            ((u32::from(value) * u32::from(alpha) + most / 2) / most) as u16
        };
        let values = match decoded.image {
            DynamicImage::ImageLuma8(image) => {
                image.into_raw().into_iter().map(u16::from).collect()
            }
            DynamicImage::ImageLuma16(image) => image.into_raw(),
            DynamicImage::ImageLumaA16(image) => {
                image.pixels().map(|p| over(p[0], p[1], 65_535)).collect()
            }
            DynamicImage::ImageRgb16(image) => image.pixels().map(|p| brightest(p.0)).collect(),
            DynamicImage::ImageRgba16(image) => {
                image.pixels().map(|p| over(brightest([p[0], p[1], p[2]]), p[3], 65_535)).collect()
            }
            other => other
                .into_rgba8()
                .pixels()
                .map(|p| over(brightest([p[0], p[1], p[2]].map(u16::from)), p[3].into(), 255))
                .collect(),
        };
        Levels { width, height, values, highest, coloured }
    }

    fn two_valued(&self, lesion: impl Fn(u16) -> bool) -> Grey {
        let pixels = self.values.iter().map(|value| if lesion(*value) { 255 } else { 0 });
        Grey { width: self.width, height: self.height, pixels: pixels.collect() }
    }

    fn understood(&self, path: &Path) -> Result<Mask> {
        let (above, labels) = match self.meaning() {
            Meaning::Above(above) => (above, false),
            Meaning::Labels(above) => (above, true),
        };
        let grey = self.two_valued(|value| value > above);
        if !labels {
            return Ok(Mask { grey, note: None });
        }
        let named = self.named(above);
        if !grey.pixels.contains(&0) {
            let problem = format!("holds the labels {named} and no background of 0");
            let hint = "say which of them are lesion, e.g. --mask-values 1,3";
            return Err(Error::content(path, problem, hint));
        }
        Ok(Mask { grey, note: Some(format!("holds the labels {named}: what is not 0 is lesion")) })
    }

    /// The values above `above`, in words.
    fn named(&self, above: u16) -> String {
        let found: std::collections::BTreeSet<u16> =
            self.values.iter().copied().filter(|value| *value > above).collect();
        let words: Vec<String> = found.iter().map(u16::to_string).collect();
        match &words[..] {
            [few @ .., last] if words.len() <= 6 && !few.is_empty() => {
                format!("{} and {last}", few.join(", "))
            }
            [first, .., last] => format!("{first} to {last}, {} of them", words.len()),
            _ => words.concat(),
        }
    }

    fn meaning(&self) -> Meaning {
        let mut counts = vec![0usize; 65_536];
        self.values.iter().for_each(|value| counts[usize::from(*value)] += 1);
        let count_of = |value: u16| counts[usize::from(value)];
        let found: Vec<u16> = (1..=u16::MAX).filter(|value| count_of(*value) > 0).collect();
        let Some(&brightest) = found.last() else { return Meaning::Above(0) };
        if found.len() == 1 {
            return Meaning::Above(0);
        }
        // Nobody smooths between 0 and so few levels, unless the file has no more than these.
        if brightest < FEW_LEVELS && self.highest >= 255 {
            return Meaning::Labels(0);
        }
        let noise = if self.highest >= 255 { brightest / 16 } else { 0 };
        let is_low = |value: u16| value > 0 && value <= noise;
        let is_middle = |value: u16| value > noise && value < brightest - noise;
        // Both ends spread is how JPEG leaves two values.
        let lossy = found.len() > FEW
            || (found.iter().filter(|value| is_low(**value)).count() > 1
                && found.iter().filter(|value| **value >= brightest - noise).count() > 1);
        let cores = self.cores();
        let total = |which: &dyn Fn(u16) -> bool, of: &[usize]| -> usize {
            found.iter().filter(|value| which(**value)).map(|value| of[usize::from(*value)]).sum()
        };
        let fills = |which: &dyn Fn(u16) -> bool, share: usize| {
            let cores = total(which, &cores);
            cores >= 9 && share * cores >= total(which, &counts)
        };
        let low = fills(&is_low, if lossy { 2 } else { 4 });
        // A block of JPEG at an edge may be flat, but there are few of these.
        let all = total(&|value| value > noise, &counts);
        let middle = fills(&is_middle, 4) && (!lossy || 10 * total(&is_middle, &cores) >= all);
        let labels = middle || (!lossy && (low || self.loses_a_label(noise, brightest / 2)));
        match labels {
            false => Meaning::Above(brightest / 2),
            // What lies about 0 in single pixels is noise among labels too.
            true if low || !lossy => Meaning::Labels(0),
            true => Meaning::Labels(noise),
        }
    }

    /// For each value, how many pixels have it in all their eight neighbours as well.
    fn cores(&self) -> Vec<usize> {
        let mut cores = vec![0; 65_536];
        let rows: Vec<&[u16]> = self.values.chunks_exact(self.width.max(1)).collect();
        for three in rows.windows(3) {
            for x in 1..self.width.saturating_sub(1) {
                let value = three[1][x];
                let same = |row: &[u16]| row[x - 1..=x + 1].iter().all(|other| *other == value);
                if value > 0 && three.iter().all(|row| same(row)) {
                    cores[usize::from(value)] += 1;
                }
            }
        }
        cores
    }

    /// Whether some connected pixels of one value above `noise` would vanish if only what is above `half`
    /// were kept: no smoothing leaves them.
    fn loses_a_label(&self, noise: u16, half: u16) -> bool {
        let mut seen: Vec<bool> = self.values.iter().map(|value| *value <= noise).collect();
        let mut stack = Vec::new();
        for start in 0..self.values.len() {
            if seen[start] {
                continue;
            }
            seen[start] = true;
            stack.push(start);
            let (mut size, mut kept, mut flat) = (0, false, true);
            while let Some(at) = stack.pop() {
                size += 1;
                kept |= self.values[at] > half;
                flat &= self.values[at] == self.values[start];
                let (x, y) = (at % self.width, at / self.width);
                for y in y.saturating_sub(1)..=(y + 1).min(self.height - 1) {
                    for x in x.saturating_sub(1)..=(x + 1).min(self.width - 1) {
                        let other = y * self.width + x;
                        if !seen[other] {
                            seen[other] = true;
                            stack.push(other);
                        }
                    }
                }
            }
            if !kept && flat && size >= SMALLEST_LABEL {
                return true;
            }
        }
        false
    }
}

/// Below this, a file's levels number what they stand for.
const FEW_LEVELS: u16 = 32;
/// More values than this come of smoothing or JPEG, or of very many labels.
const FEW: usize = 32;
/// Fewer pixels than this may be what is left of a thin edge.
const SMALLEST_LABEL: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::{png, textured};

    fn grey(rows: &[&str], level: impl Fn(char) -> u8) -> Grey {
        let pixels = rows.iter().flat_map(|row| row.chars()).map(level).collect();
        Grey { width: rows[0].len(), height: rows.len(), pixels }
    }

    /// A field of `side` x `side` pixels by a function of column and row.
    fn field(side: usize, level: impl Fn(usize, usize) -> u8) -> Grey {
        let pixels = (0..side * side).map(|at| level(at % side, at / side)).collect();
        Grey { width: side, height: side, pixels }
    }

    fn understood(grey: &Grey) -> Mask {
        of_grey(Path::new("m.png"), grey.clone()).unwrap()
    }

    fn lesion(mask: &Mask) -> usize {
        mask.grey.pixels.iter().filter(|value| **value == 255).count()
    }

    /// 255 in a circle, falling to 0 over `edge` pixels.
    fn disc(edge: f32) -> Grey {
        field(64, |x, y| {
            let r = (x as f32 - 31.0).hypot(y as f32 - 30.0);
            (255.0 * (0.5 - (r - 16.0) / edge.max(0.01)).clamp(0.0, 1.0)).round() as u8
        })
    }

    #[test]
    fn two_values_are_what_they_are() {
        for high in [1, 2, 7, 128, 255] {
            let mask = understood(&field(20, |x, y| if x > 4 && y > 9 { high } else { 0 }));
            assert_eq!((lesion(&mask), mask.note), (15 * 10, None), "{high}");
        }
        assert_eq!(lesion(&understood(&Grey::filled(9, 9, 0))), 0);
        assert_eq!(lesion(&understood(&Grey::filled(9, 9, 255))), 81);
    }

    #[test]
    fn smoothed_edges_end_where_half_is_and_nothing_is_said() {
        let sharp = lesion(&understood(&disc(0.0)));
        for edge in [1.0, 2.0, 5.0, 12.0] {
            let mask = understood(&disc(edge));
            assert_eq!(mask.note, None, "{edge}");
            assert!(lesion(&mask).abs_diff(sharp) <= 12, "{edge}: {} {sharp}", lesion(&mask));
        }
        // Four levels, as editors smooth, and in a file of two bits.
        let few = |levels: [u8; 4]| {
            let shape = ["00110", "12210", "23321", "23332", "01110"];
            grey(&shape, |c| levels[c as usize - 48])
        };
        let mask = understood(&few([0, 85, 170, 255]));
        assert_eq!((lesion(&mask), mask.note), (11, None));
        let rows = vec![vec![0b00011011u8, 0b01000000]; 3];
        let mask = of(Path::new("m"), decode(Path::new("m"), &png(5, 2, 0, &rows)).unwrap(), None);
        assert_eq!(lesion(&mask.unwrap()), 6);
    }

    #[test]
    fn jpeg_noise_about_0_is_no_lesion() {
        use image::ImageEncoder;
        let sharp = disc(0.0);
        for quality in [20, 40, 60, 75, 85, 92, 97, 100] {
            let mut bytes = Vec::new();
            let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
            encoder.write_image(&sharp.pixels, 64, 64, image::ExtendedColorType::L8).unwrap();
            let noisy = Grey::decode(Path::new("m.jpg"), &bytes).unwrap();
            assert_ne!(noisy, sharp);
            let mask = understood(&noisy);
            assert_eq!(mask.note, None, "{quality}");
            let wrong = mask.grey.pixels.iter().zip(&sharp.pixels).filter(|(a, b)| a != b).count();
            assert!(wrong <= 40, "{quality}: {wrong} of {}", lesion(&mask));
        }
    }

    #[test]
    fn labels_are_lesion_unless_they_are_0_and_a_note_says_so() {
        let parts = |levels: &[u8]| {
            let levels = levels.to_vec();
            field(40, move |x, y| match (x / 8, y / 8) {
                (column, 1 | 2) if column < levels.len() => levels[column],
                _ => 0,
            })
        };
        for levels in [&[85, 255][..], &[1, 2, 3], &[20, 40, 255], &[3, 255]] {
            let mask = understood(&parts(levels));
            assert_eq!(lesion(&mask), levels.len() * 8 * 16, "{levels:?}");
            let note = mask.note.unwrap();
            assert!(note.contains("what is not 0 is lesion"), "{note}");
            assert!(levels.iter().all(|level| note.contains(&level.to_string())), "{note}");
        }
        let numbered = field(100, |x, y| {
            if x % 20 < 15 && y % 20 < 15 { (x / 20 + y / 20 * 5 + 1) as u8 } else { 0 }
        });
        let mask = understood(&numbered);
        assert_eq!(lesion(&mask), 25 * 15 * 15);
        assert!(mask.note.unwrap().contains("1 to 25, 25 of them"));
        let many = field(160, |x, y| {
            if x % 16 < 12 && y % 16 < 12 { (x / 16 + y / 16 * 10 + 1) as u8 } else { 0 }
        });
        assert_eq!(lesion(&understood(&many)), 100 * 12 * 12, "a hundred cells");
        // A label too thin to fill anything, and far from the other.
        let thin = field(30, |x, y| match (x, y) {
            (3, 2..20) => 90,
            (12..25, 2..20) => 255,
            _ => 0,
        });
        assert_eq!(lesion(&understood(&thin)), 18 + 13 * 18);
        let error = of_grey(Path::new("m.png"), field(30, |x, _| if x < 15 { 85 } else { 255 }));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("labels 85 and 255 and no background"), "{error}");
        assert!(error.contains("--mask-values"), "{error}");
    }

    #[test]
    fn values_can_be_chosen_and_palettes_are_numbers_or_greys() {
        let path = Path::new("m.png");
        let of = |bytes: &[u8], values: Option<&[u16]>| of(path, decode(path, bytes)?, values);
        let rows = vec![vec![0, 85, 255, 85]; 3];
        let labels = png(4, 8, 0, &rows);
        let chosen = |values: &[u16]| of(&labels, Some(values)).unwrap().grey.pixels[..4].to_vec();
        assert_eq!(chosen(&[85]), [0, 255, 0, 255]);
        assert_eq!(chosen(&[255, 1]), [0, 0, 255, 0]);
        // Levels of two bits as they stand in the file, and a palette of black and white.
        let two_bits = png(4, 2, 0, &vec![vec![0b0001_1011]; 3]);
        assert_eq!(of(&two_bits, Some(&[2])).unwrap().grey.pixels[..4], [0, 0, 255, 0]);
        let palette = png(4, 1, 3, &vec![vec![0b0110_0000]; 3]);
        assert_eq!(of(&palette, None).unwrap().grey.pixels[..4], [0, 255, 255, 0]);
        assert_eq!(of(&palette, Some(&[1])).unwrap().grey.pixels[..4], [0, 255, 255, 0]);
        // Any colour is as good as white, and is no number.
        let red_and_blue = png(4, 8, 2, &vec![vec![0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 0, 0]; 3]);
        assert_eq!(of(&red_and_blue, None).unwrap().grey.pixels[..4], [0, 255, 255, 0]);
        assert!(of(&red_and_blue, Some(&[1])).unwrap_err().to_string().contains("in colours"));
        assert_eq!(
            of(&textured(9, 9).encode(path).unwrap(), Some(&[999])).map(|m| lesion(&m)).unwrap(),
            0
        );
    }
}
