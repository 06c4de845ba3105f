//! The bytes of an image file as pixels of 8 bits: PNG, TIFF and JPEG, told apart by content.
//!
//! What is refused, because any silent choice would change the picture: 16 bits (a window must be
//! chosen), palettes in PNGs (their numbers or their colours may be meant), and all pages of a TIFF but
//! the first. A file that was cut short is refused too, where its decoder would make do with the rest, and
//! one that claims more than [`MOST_PIXELS`] before memory is taken for them.

use std::io::Cursor;
use std::path::Path;

use image::error::UnsupportedErrorKind;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageError};
use image::{ImageFormat, ImageReader, Limits};

use crate::error::{Error, Result};

/// The endings of files that are read, in lower case.
pub const EXTENSIONS: [&str; 5] = ["png", "tif", "tiff", "jpg", "jpeg"];

/// The most pixels of an image, 16384 x 16384: more than twice those of the largest film of
/// mammography, 24 x 30 cm, scanned at 25 micrometres. A header of a few bytes can claim any number.
pub const MOST_PIXELS: u64 = 1 << 28;

const AGAIN: &str = "copy or download it again";

/// Decodes an image; `path` is for messages only.
///
/// # Errors
/// [`Error::Content`] for another format, for what the [module](self) refuses, for what is damaged, and
/// for fewer than 2 pixels on a side.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<DynamicImage> {
    let unusable = |problem: &str, hint: &str| Error::content(path, problem, hint);
    let pixels = |format| pixels(path, bytes, format);
    let decoded = match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => {
            if let Some((problem, hint)) = png_problem(bytes) {
                return Err(unusable(problem, hint));
            }
            pixels(ImageFormat::Png)?
        }
        [0xff, 0xd8, 0xff, ..] => {
            if !jpeg_has_end(bytes) {
                return Err(unusable("is a truncated JPEG", AGAIN));
            }
            pixels(ImageFormat::Jpeg)?
        }
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            if tiff_has_pages(bytes) {
                let hint = "write each page to a file of its own, e.g. `convert IN.tif OUT_%d.png`";
                return Err(unusable("is a TIFF of several pages", hint));
            }
            pixels(ImageFormat::Tiff)?
        }
        _ => {
            let hint = "convert it to an 8-bit grey or RGB PNG";
            return Err(unusable("is not a PNG, TIFF or JPEG", hint));
        }
    };
    if decoded.color().bytes_per_pixel() != decoded.color().channel_count() {
        let bits = 8 * decoded.color().bytes_per_pixel() / decoded.color().channel_count();
        return Err(unusable(&format!("has {bits} bits a pixel"), WINDOW));
    }
    if decoded.width() < 2 || decoded.height() < 2 {
        return Err(unusable(
            &format!("is {} x {} pixels", decoded.width(), decoded.height()),
            "an image needs at least 2 pixels on each side",
        ));
    }
    Ok(decoded)
}

/// Decodes a file of `format`.
fn pixels(path: &Path, bytes: &[u8], format: ImageFormat) -> Result<DynamicImage> {
    let failed = |error: ImageError| {
        let text: Vec<String> = error.to_string().split_whitespace().map(str::to_owned).collect();
        let text = text.join(" ");
        match error {
            ImageError::Limits(_) => {
                Error::content(path, format!("is too large to be decoded ({text})"), SMALLER)
            }
            ImageError::Unsupported(kind) => match kind.kind() {
                // How the decoder of TIFF says floating point numbers.
                UnsupportedErrorKind::Color(ExtendedColorType::Unknown(bits)) => {
                    Error::content(path, format!("has {bits} bits a pixel"), WINDOW)
                }
                _ => Error::content(
                    path,
                    format!("is of a kind that is not read ({text})"),
                    "convert it to an 8-bit grey or RGB PNG",
                ),
            },
            _ => Error::content(
                path,
                format!("cannot be decoded ({text})"),
                format!("the file is damaged: {AGAIN}"),
            ),
        }
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    // RGBA of 8 bits; what has more is refused.
    limits.max_alloc = Some(4 * MOST_PIXELS);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    check_size(path, width, height)?;
    DynamicImage::from_decoder(decoder).map_err(failed)
}

/// Refuses an image of more than [`MOST_PIXELS`].
///
/// # Errors
/// [`Error::Content`] with its size.
pub fn check_size(path: &Path, width: u32, height: u32) -> Result<()> {
    if u64::from(width) * u64::from(height) <= MOST_PIXELS {
        return Ok(());
    }
    Err(Error::content(path, format!("is {width} x {height} pixels"), SMALLER))
}

const SMALLER: &str = "an image may have up to 268 million pixels (16384 x 16384): shrink it or cut it; \
                       if it should be smaller, the file is damaged";

const WINDOW: &str =
    "convert it to 8 bits with the grey window you want, e.g. `convert IN.png -depth 8 OUT.png`";

/// What is wrong with a PNG before it is decoded, and what to do.
fn png_problem(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    // The header is the first chunk; a file that ends before byte 26 ends inside it.
    let (Some(&depth), Some(&colour)) = (bytes.get(24), bytes.get(25)) else {
        return Some(("is a truncated PNG", AGAIN));
    };
    if depth == 16 {
        return Some(("has 16 bits a pixel", WINDOW));
    }
    if colour == 3 {
        return Some((
            "has a palette",
            "convert it to grey, e.g. `convert IN.png -colorspace Gray -define png:color-type=0 OUT.png`",
        ));
    }
    // The decoder is content with a file that ends after its pixels; a copy cut short is not.
    match bytes.windows(4).rev().any(|tag| tag == b"IEND") {
        true => None,
        false => Some(("is a truncated PNG", AGAIN)),
    }
}

/// Whether the image ends after its last scan begins: the decoder fills up what is missing with grey.
/// Neither marker occurs within a scan.
fn jpeg_has_end(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    matches!((last([0xff, 0xda]), last([0xff, 0xd9])), (Some(scan), Some(end)) if scan < end)
}

/// Whether the first directory of a TIFF names a second: at byte 4 stands where the first is, which
/// begins with the number of its entries of 12 bytes and ends with where the next is, or 0.
fn tiff_has_pages(bytes: &[u8]) -> bool {
    let little = bytes[0] == b'I';
    let number = |at: usize, length: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(length)?)?;
        let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        Some(if little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) })
    };
    let next = || {
        let first = number(4, 4)?;
        number(first.checked_add(2 + 12 * number(first, 2)?)?, 4)
    };
    next().is_some_and(|next| next != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Grey;
    use crate::data::fixtures::{self, textured};
    use image::{ExtendedColorType, ImageEncoder};

    fn message(bytes: &[u8]) -> String {
        decode(Path::new("x"), bytes).unwrap_err().to_string()
    }

    fn tiff(colour: ExtendedColorType, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let encoder = image::codecs::tiff::TiffEncoder::new(&mut bytes);
        encoder.write_image(pixels, 31, 17, colour).unwrap();
        bytes.into_inner()
    }

    /// A TIFF of 2 x 2 pixels of grey, each a 32-bit floating point number.
    fn tiff_of_floats() -> Vec<u8> {
        // Width, height, bits, no compression, 0 is black, offset, rows, bytes, floating point.
        let entries = [
            (256, 2),
            (257, 2),
            (258, 32),
            (259, 1),
            (262, 1),
            (273, 8),
            (278, 2),
            (279, 16),
            (339, 3),
        ];
        let mut bytes = b"II\x2a\0".to_vec();
        bytes.extend(24u32.to_le_bytes());
        bytes.extend([0.0f32, 0.5, 1.0, 0.25].iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend([4, 0, 1, 0, 0, 0]);
            bytes.extend(u32::to_le_bytes(value));
        }
        bytes.extend([0; 4]);
        bytes
    }

    fn jpeg(pixels: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.write_image(pixels, 31, 17, ExtendedColorType::L8).unwrap();
        bytes
    }

    #[test]
    fn tiff_keeps_every_value_in_grey_and_colour() {
        let image = textured(31, 17);
        let read = |bytes: &[u8]| Grey::decode(Path::new("x.tif"), bytes).unwrap();
        assert_eq!(read(&fixtures::tiff(&image)), image);
        let rgb: Vec<u8> = image.pixels.iter().flat_map(|&value| [value; 3]).collect();
        assert_eq!(read(&tiff(ExtendedColorType::Rgb8, &rgb)), image);
    }

    #[test]
    fn jpeg_is_read_and_close() {
        let image = Grey::filled(31, 17, 90);
        let read = Grey::decode(Path::new("x.jpg"), &jpeg(&image.pixels)).unwrap();
        assert_eq!((read.width, read.height), (31, 17));
        assert!(read.pixels.iter().all(|&value| value.abs_diff(90) <= 1));
    }

    #[test]
    fn what_would_be_read_in_part_is_refused() {
        let image = textured(31, 17);
        let whole = jpeg(&image.pixels);
        for length in [3, 20, whole.len() / 2, whole.len() - 1] {
            assert!(message(&whole[..length]).contains("truncated JPEG"), "{length}");
        }
        let whole = fixtures::tiff(&image);
        for length in 4..whole.len() {
            // What follows the directory may be padding.
            if let Ok(read) = decode(Path::new("x"), &whole[..length]) {
                assert_eq!(Grey::from_decoded(read), image, "{length}");
            }
        }
        assert!(message(&whole[..whole.len() / 2]).contains("cannot be decoded"));
        let wide: Vec<u8> = image.pixels.iter().flat_map(|&value| [value, 0]).collect();
        assert!(message(&tiff(ExtendedColorType::L16, &wide)).contains("16 bits"));
        let floats = message(&tiff_of_floats());
        assert!(floats.contains("32 bits a pixel") && !floats.contains("damaged"), "{floats}");
        assert!(message(b"GIF89a").contains("not a PNG, TIFF or JPEG"));
        assert!(message(b"").contains("not a PNG, TIFF or JPEG"));
    }

    #[test]
    fn what_claims_too_many_pixels_is_refused_before_memory_is_taken() {
        let huge = message(&fixtures::png_claiming(200_000, 200_000));
        assert!(huge.contains("200000 x 200000 pixels") && huge.contains("268 million"), "{huge}");
        // As many as are allowed, and one row more.
        let most = message(&fixtures::png_claiming(16_384, 16_384));
        assert!(most.contains("cannot be decoded"), "{most}");
        let more = message(&fixtures::png_claiming(16_384, 16_385));
        assert!(more.contains("16384 x 16385 pixels"), "{more}");
        let mut wide = jpeg(&textured(31, 17).pixels);
        let frame = wide.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        wide[frame + 5..frame + 9].fill(0xff);
        assert!(message(&wide).contains("65535 x 65535 pixels"), "{}", message(&wide));
    }

    #[test]
    fn a_tiff_of_two_pages_is_refused() {
        for little in [true, false] {
            let number = |value: u32| match little {
                true => value.to_le_bytes(),
                false => value.to_be_bytes(),
            };
            let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
            let mut bytes = if little { b"II\x2a\0".to_vec() } else { b"MM\0\x2a".to_vec() };
            bytes.extend(number(8));
            bytes.extend(short(1));
            bytes.extend([0; 12]);
            let one = [&bytes[..], &number(0)].concat();
            assert!(message(&one).contains("cannot be decoded"), "{}", message(&one));
            let two = [&bytes[..], &number(64)].concat();
            assert!(message(&two).contains("several pages"), "{}", message(&two));
        }
    }
}
