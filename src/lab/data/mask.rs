//! Which pixels of a mask are lesion.
//!
//! A mask of two values, whatever they are, is what it is. In one with smoothed edges, or with the noise of
//! JPEG about its two values, a lesion is what is brighter than half the brightest. Any other holds labels:
//! what is not 0 is lesion, which a note says, unless the caller names the labels that are.
//!
//! Labels and smoothing are told apart by where the values between darkest and brightest lie: labels fill
//! areas, and smoothing makes edges. JPEG works on blocks of 8 x 8, so that what it adds lies no further from
//! an edge than that; levels further away were drawn (`apart`). What is taken for noise although it might
//! have been drawn is said in a note.

mod apart;
mod levels;

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::nets::images::Grey;
use crate::nets::images::decode::{Decoded, MOST_OF_FILE, decode};

use levels::Levels;

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
    let levels = Levels { width, height, values, ..Levels::default() };
    levels.understood(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::fixtures::{png, textured};

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
        for edge in [1.0, 2.0, 5.0, 12.0, 24.0] {
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
    fn a_wide_blur_is_no_label_in_any_format() {
        for spread in [4.0, 12.0, 24.0] {
            let blurred = field(160, |x, y| {
                let r = (x as f32 - 80.0).hypot(y as f32 - 80.0);
                (255.0 / (1.0 + ((r - 30.0) / spread * 3.0).exp())).round() as u8
            });
            let half = blurred.pixels.iter().max().unwrap() / 2;
            let expected = blurred.pixels.iter().filter(|level| **level > half).count();
            assert_eq!(lesion(&understood(&blurred)), expected, "{spread}");
            let found = lesion(&read_bytes(&jpeg(&blurred, 80)).unwrap());
            assert!(found.abs_diff(expected) < 80, "{spread}: {found} of {expected}");
        }
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
            let mask = read_bytes(&bytes).unwrap();
            assert_eq!(mask.note, None, "{quality}");
            // Kept in a PNG since, its noise by itself is noted at most.
            assert_eq!(understood(&noisy).grey, mask.grey, "{quality}");
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

    fn read_bytes(bytes: &[u8]) -> Result<Mask> {
        of(Path::new("m"), decode(Path::new("m"), bytes)?, None)
    }

    fn jpeg(grey: &Grey, quality: u8) -> Vec<u8> {
        use image::ImageEncoder;
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
        let [width, height] = [grey.width, grey.height].map(|side| side as u32);
        encoder.write_image(&grey.pixels, width, height, image::ExtendedColorType::L8).unwrap();
        bytes
    }

    /// Discs of these centres, radii and levels.
    fn discs(side: usize, all: &[(f32, f32, f32, u8)]) -> Grey {
        field(side, |x, y| {
            let inside =
                |(u, v, r, _): &&(f32, f32, f32, u8)| (x as f32 - u).hypot(y as f32 - v) < *r;
            all.iter().find(inside).map_or(0, |(.., level)| *level)
        })
    }

    #[test]
    fn labels_in_a_jpeg_are_found_where_no_ringing_reaches() {
        for (side, all) in [
            (64, vec![(22.0, 30.0, 12.0, 100), (46.0, 40.0, 8.0, 200)]),
            (320, vec![(110.0, 150.0, 50.0, 12), (230.0, 200.0, 45.0, 255)]),
            (320, vec![(60.0, 60.0, 8.0, 100), (230.0, 200.0, 45.0, 200)]),
            (
                320,
                vec![(40.0, 40.0, 20.0, 255), (110.0, 150.0, 50.0, 85), (230.0, 200.0, 45.0, 170)],
            ),
        ] {
            let sharp = discs(side, &all);
            let expected = sharp.pixels.iter().filter(|level| **level > 0).count();
            for quality in [60, 75, 90] {
                let mask = read_bytes(&jpeg(&sharp, quality)).unwrap();
                let found = lesion(&mask);
                let edge: f32 = all.iter().map(|(.., r, _)| 6.3 * r).sum();
                let far = found.abs_diff(expected) as f32;
                assert!(far < 0.7 * edge, "{all:?} {quality}: {found} of {expected}, {mask:?}");
                let note = mask.note.unwrap_or_default();
                assert!(note.contains("all of them are lesion"), "{all:?} {quality}: {note}");
            }
        }
        // Too little of a level that noise may have is noise, and said to be so.
        let sharp = discs(200, &[(40.0, 40.0, 3.0, 14), (140.0, 140.0, 30.0, 255)]);
        let mask = read_bytes(&jpeg(&sharp, 90)).unwrap();
        let note = mask.note.unwrap_or_default();
        assert!(note.contains("not lesion") && note.contains("far from"), "{note}");
    }

    #[test]
    fn no_level_of_a_lossless_mask_vanishes_without_a_word() {
        let big = (60.0, 60.0, 20.0, 255);
        for (all, area) in [
            (vec![(20.0, 20.0, 2.0, 10), big], 9),
            (vec![(20.0, 20.0, 2.0, 1), big], 9),
            (vec![big, (38.5, 60.0, 4.0, 10)], 20),
        ] {
            let sharp = discs(100, &all);
            let mask = understood(&sharp);
            let all = sharp.pixels.iter().filter(|level| **level > 0).count();
            assert!(all >= lesion(&understood(&discs(100, &[big]))) + area);
            assert_eq!(lesion(&mask), all, "{mask:?}");
            assert!(mask.note.unwrap().contains("what is not 0 is lesion"));
        }
        // Specks, and one level along an edge, are not lesion, and a note says so.
        for small in [(20.0, 20.0, 1.0, 10), (20.5, 20.0, 0.6, 90), (60.0, 60.0, 22.0, 90)] {
            let mask = understood(&discs(100, &[big, small]));
            let note = mask.note.unwrap();
            assert!(note.contains("not lesion"), "{small:?} {note}");
        }
    }

    #[test]
    fn a_mask_that_would_be_lesion_everywhere_is_refused() {
        for [low, high] in [[254, 255], [1, 255], [10, 245], [200, 255], [1, 2]] {
            let field = field(30, |x, _| if x < 15 { low } else { high });
            let error = of_grey(Path::new("m.png"), field).unwrap_err().to_string();
            assert!(error.contains(&format!("{low} and {high} and no background")), "{error}");
        }
        assert_eq!(lesion(&understood(&Grey::filled(9, 9, 254))), 81);
    }

    #[test]
    fn black_is_the_background_of_a_palette_whatever_its_number() {
        let of = |colours: &[[u8; 3]], row: [u8; 4], values: Option<&[u16]>| {
            let bytes =
                crate::nets::images::fixtures::png_of_palette(colours, &vec![row.to_vec(); 3]);
            super::of(Path::new("m"), decode(Path::new("m"), &bytes).unwrap(), values)
        };
        let (red, blue, black) = ([255, 0, 0], [0, 0, 255], [0, 0, 0]);
        let first = |mask: &Mask| mask.grey.pixels[..4].to_vec();
        let mask = of(&[red, black], [0, 1, 1, 0], None).unwrap();
        assert_eq!((first(&mask), &mask.note), (vec![255, 0, 0, 255], &None));
        let mask = of(&[black, red], [0, 1, 1, 0], None).unwrap();
        assert_eq!((first(&mask), &mask.note), (vec![0, 255, 255, 0], &None));
        let mask = of(&[red, blue, black], [0, 1, 2, 0], None).unwrap();
        assert_eq!(first(&mask), [255, 255, 0, 255]);
        let note = mask.note.unwrap();
        assert!(note.contains("labels 0 and 1: what is not black"), "{note}");
        // All of it lesion, all of it background, and numbers where they are asked for.
        assert_eq!(first(&of(&[red, black], [0; 4], None).unwrap()), [255; 4]);
        assert_eq!(first(&of(&[red, black], [1; 4], None).unwrap()), [0; 4]);
        assert_eq!(first(&of(&[red, black], [0, 1, 1, 0], Some(&[1])).unwrap()), [0, 255, 255, 0]);
        // Without black, number 0 is.
        assert_eq!(first(&of(&[red, blue], [0, 1, 1, 0], None).unwrap()), [0, 255, 255, 0]);
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
