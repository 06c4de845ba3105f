//! The bytes of an image file as pixels: PNG, TIFF, JPEG and PGM, told apart by content, and turned as their
//! EXIF data say, as viewers show them.
//!
//! What is refused, because any silent choice would change the picture: numbers of more than 16 bits, and
//! all pictures of a file but the first. A file that was cut short is refused too, where its decoder would
//! make do with the rest. What a file claims is checked before memory is taken for it: against
//! [`MOST_PIXELS`] and [`MOST_BYTES`], and against what its bytes can hold.

mod jpeg;
mod pgm;
mod png;
mod tiff;

use std::io::Cursor;
use std::path::Path;

use image::error::UnsupportedErrorKind;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageBuffer, ImageDecoder, ImageError, Rgba};
use image::{ImageFormat, ImageReader, Limits};

use super::window;
use crate::error::{Error, Result};
use crate::nets::images::Window;

/// The endings of files that are read, in lower case.
pub const EXTENSIONS: [&str; 7] = ["png", "tif", "tiff", "jpg", "jpeg", "pgm", "pnm"];

/// The most pixels of an image, 16384 x 16384: more than twice those of the largest film of
/// mammography, 24 x 30 cm, scanned at 25 micrometres. A header of a few bytes can claim any number.
pub const MOST_PIXELS: u64 = 1 << 28;

/// The most bytes that decoding an image may take, beside the file's own: 268 million pixels of grey or
/// of 16-bit grey, or 119 million of a progressive JPEG in colour, whose coefficients are all held.
pub const MOST_BYTES: u64 = 1 << 30;

/// The most bytes of a file of an image: no more than this is needed for the pixels that are allowed.
pub const MOST_OF_FILE: u64 = 1 << 31;

const AGAIN: &str = "copy or download it again";

/// An image as its file has it, but upright.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The numbers of the file: levels of fewer than 8 bits are not stretched to 255, and where there is a
    /// palette, a pixel of grey is its number in it.
    pub image: DynamicImage,
    /// The highest number that a level can have: 65535 of 16 bits, 3 of 2 bits.
    pub highest: u16,
    /// Each number's colour and opacity.
    pub palette: Option<Vec<[u8; 4]>>,
    /// Whether its compression changes levels, as JPEG does.
    pub lossy: bool,
    /// How it was turned.
    pub orientation: Orientation,
}

impl Decoded {
    /// The picture that a viewer shows, in 8 bits: colours for the numbers of a palette, levels of fewer
    /// bits stretched, those of 16 bits through `window`, or by their own range.
    pub fn picture(self, window: Option<Window>) -> DynamicImage {
        let (width, height) = (self.image.width(), self.image.height());
        if let Some(palette) = self.palette {
            let colour = |number: &u8| palette.get(usize::from(*number)).copied();
            let numbers = self.image.into_bytes();
            let colours = numbers.iter().flat_map(|n| colour(n).unwrap_or([0, 0, 0, 255]));
            let image = ImageBuffer::<Rgba<u8>, _>::from_raw(width, height, colours.collect());
            return DynamicImage::ImageRgba8(image.unwrap_or_default());
        }
        if self.highest < 255 {
            let highest = u32::from(self.highest.max(1));
            let stretched = |level: u8| ((u32::from(level) * 255 + highest / 2) / highest) as u8;
            let mut image = self.image.into_luma8();
            image.iter_mut().for_each(|level| *level = stretched(*level));
            return DynamicImage::ImageLuma8(image);
        }
        window::eight_bits(self.image, window)
    }
}

/// Decodes an image; `path` is for messages only.
///
/// # Errors
/// [`Error::Content`] for another format, for what the [module](self) refuses, for what is damaged, and
/// for fewer than 2 pixels on a side.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded> {
    let mut decoded = match kind(path, bytes)? {
        Kind::Png => png::decode(path, bytes)?,
        Kind::Pgm => pgm::decode(path, bytes)?,
        Kind::Jpeg => {
            jpeg_header(path, bytes)?;
            jpeg::check(bytes).map_err(|wrong| Error::content(path, wrong, AGAIN))?;
            pixels(path, bytes, ImageFormat::Jpeg)?
        }
        Kind::Tiff => {
            tiff::check(path, bytes)?;
            pixels(path, bytes, ImageFormat::Tiff)?
        }
    };
    decoded.image.apply_orientation(decoded.orientation);
    check_smallest(path, [decoded.image.width(), decoded.image.height()])?;
    Ok(decoded)
}

/// Height and width of the upright image, by its header alone; `path` is for messages only.
///
/// # Errors
/// As [`decode`], but for what lies behind the header.
pub fn size(path: &Path, bytes: &[u8]) -> Result<[usize; 2]> {
    let (size, orientation) = match kind(path, bytes)? {
        Kind::Png => {
            let truncated = || Error::content(path, "is a truncated PNG", AGAIN);
            let size = png::size(bytes).ok_or_else(truncated)?;
            check_cost(path, size, 1)?;
            (size, png::orientation(bytes))
        }
        Kind::Jpeg => {
            let header = jpeg_header(path, bytes)?;
            ([header.width, header.height], header.orientation)
        }
        Kind::Pgm => {
            let header = pgm::header(path, bytes)?;
            ([header.width, header.height], Orientation::NoTransforms)
        }
        Kind::Tiff => {
            tiff::check(path, bytes)?;
            let mut decoder = decoder(path, bytes, ImageFormat::Tiff)?;
            let orientation = decoder.orientation().map_err(|error| failed(path, error))?;
            let (width, height) = decoder.dimensions();
            ([width, height], orientation)
        }
    };
    check_smallest(path, size)?;
    let [width, height] = size.map(|length| length as usize);
    Ok(if lies(orientation) { [width, height] } else { [height, width] })
}

/// Whether turning by `orientation` exchanges width and height.
pub fn lies(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}

enum Kind {
    Png,
    Pgm,
    Jpeg,
    Tiff,
}

fn kind(path: &Path, bytes: &[u8]) -> Result<Kind> {
    match bytes {
        _ if bytes.starts_with(png::SIGNATURE) => Ok(Kind::Png),
        [0xff, 0xd8, 0xff, ..] => Ok(Kind::Jpeg),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Ok(Kind::Tiff),
        _ if pgm::is_pgm(bytes) => Ok(Kind::Pgm),
        _ => {
            let what = match bytes {
                [b'P', b'3' | b'6', b' ' | b'\t' | b'\n' | b'\r', ..] => "is a PPM",
                [b'P', b'1' | b'4', b' ' | b'\t' | b'\n' | b'\r', ..] => "is a PBM",
                _ => "is not a PNG, TIFF, JPEG or PGM",
            };
            let hint = "convert it to an 8-bit grey or RGB PNG";
            Err(Error::content(path, what, hint))
        }
    }
}

/// The header of a JPEG whose size is allowed.
fn jpeg_header(path: &Path, bytes: &[u8]) -> Result<jpeg::Header> {
    let header = jpeg::header(bytes).map_err(|wrong| Error::content(path, wrong, AGAIN))?;
    // Levels, and coefficients of two bytes.
    let each = header.channels as u64 * if header.progressive { 3 } else { 1 };
    check_cost(path, [header.width, header.height], each)?;
    Ok(header)
}

/// Decodes a file of `format`.
fn pixels(path: &Path, bytes: &[u8], format: ImageFormat) -> Result<Decoded> {
    let failed = |error| failed(path, error);
    let mut decoder = decoder(path, bytes, format)?;
    let orientation = decoder.orientation().map_err(failed)?;
    let image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    let colour = image.color();
    let highest = match colour.bytes_per_pixel() / colour.channel_count() {
        1 => u16::from(u8::MAX),
        2 => u16::MAX,
        bytes => {
            return Err(Error::content(path, format!("has {} bits a pixel", 8 * bytes), LEVELS));
        }
    };
    let lossy = format == ImageFormat::Jpeg || tiff::is_lossy(bytes);
    Ok(Decoded { image, highest, palette: None, lossy, orientation })
}

/// The decoder of a file whose size is allowed.
fn decoder<'a>(
    path: &'a Path,
    bytes: &'a [u8],
    format: ImageFormat,
) -> Result<impl ImageDecoder + 'a> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|error| failed(path, error))?;
    let ((width, height), colour) = (decoder.dimensions(), decoder.color_type());
    check_cost(path, [width, height], u64::from(colour.bytes_per_pixel()))?;
    if format == ImageFormat::Tiff && !tiff::is_plausible(bytes, decoder.total_bytes()) {
        return Err(implausible(path, [width, height], bytes.len()));
    }
    Ok(decoder)
}

/// What a decoder said, as an error of the file.
fn failed(path: &Path, error: ImageError) -> Error {
    let text: Vec<String> = error.to_string().split_whitespace().map(str::to_owned).collect();
    let text = text.join(" ");
    match error {
        ImageError::Limits(_) => {
            Error::content(path, format!("is too large to be decoded ({text})"), SMALLER)
        }
        ImageError::Unsupported(kind) => match kind.kind() {
            // How the decoder of TIFF says floating point numbers.
            UnsupportedErrorKind::Color(ExtendedColorType::Unknown(bits)) => {
                Error::content(path, format!("has {bits} bits a pixel"), LEVELS)
            }
            _ => Error::content(path, format!("is of a kind that is not read ({text})"), LEVELS),
        },
        _ => Error::content(
            path,
            format!("cannot be decoded ({text})"),
            format!("the file is damaged: {AGAIN}"),
        ),
    }
}

/// Refuses an image of more than [`MOST_PIXELS`], or that takes more than [`MOST_BYTES`] with `each` bytes
/// a pixel.
fn check_cost(path: &Path, [width, height]: [u32; 2], each: u64) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels <= MOST_PIXELS && pixels.saturating_mul(each) <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::content(path, format!("is {width} x {height} pixels"), SMALLER))
}

fn check_smallest(path: &Path, [width, height]: [u32; 2]) -> Result<()> {
    if width >= 2 && height >= 2 {
        return Ok(());
    }
    let hint = "an image needs at least 2 pixels on each side";
    Err(Error::content(path, format!("is {width} x {height} pixels"), hint))
}

/// More pixels than can be packed into the file's bytes.
fn implausible(path: &Path, [width, height]: [u32; 2], length: usize) -> Error {
    let problem = format!("claims {width} x {height} pixels, which its {length} bytes cannot hold");
    Error::content(path, problem, format!("the file is damaged: {AGAIN}"))
}

const SMALLER: &str = "an image may have up to 268 million pixels (16384 x 16384) and take 1 GB to \
                       decode: shrink it or cut it; if it should be smaller, the file is damaged";

const LEVELS: &str = "convert it to grey or RGB of 8 or 16 bits";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::Grey;
    use crate::nets::images::fixtures::{self, textured};
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
    fn a_tiff_that_does_not_say_its_bits_has_one() {
        // 64 x 24 pixels, every other row white; 258 is missing, as it is where it is 1.
        let rows: Vec<u8> =
            (0..24).flat_map(|row| [if row % 2 == 0 { 0xff } else { 0 }; 8]).collect();
        let entries = [(256, 64), (257, 24), (259, 1), (262, 1), (273, 8), (278, 24), (279, 192)];
        let mut bytes = b"II\x2a\0".to_vec();
        bytes.extend((8 + rows.len() as u32).to_le_bytes());
        bytes.extend(&rows);
        bytes.extend((entries.len() as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend(u16::to_le_bytes(tag));
            bytes.extend([3, 0, 1, 0, 0, 0]);
            bytes.extend(u32::to_le_bytes(value));
        }
        bytes.extend([0; 4]);
        let read = Grey::decode(Path::new("x.tif"), &bytes).unwrap();
        assert_eq!((read.width, read.height), (64, 24));
        let expected = |index: usize| if (index / 64).is_multiple_of(2) { 255 } else { 0 };
        assert!(read.pixels.iter().enumerate().all(|(index, &level)| level == expected(index)));
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
                assert_eq!(Grey::from_decoded(read.picture(None)), image, "{length}");
            }
        }
        assert!(message(&whole[..whole.len() / 2]).contains("cannot be decoded"));
        let floats = message(&tiff_of_floats());
        assert!(floats.contains("32 bits a pixel") && !floats.contains("damaged"), "{floats}");
        assert!(message(b"GIF89a").contains("not a PNG, TIFF, JPEG or PGM"));
        assert!(message(b"").contains("not a PNG, TIFF, JPEG or PGM"));
    }

    #[test]
    fn what_claims_too_many_pixels_is_refused_before_memory_is_taken() {
        let huge = message(&fixtures::png_claiming(200_000, 200_000));
        assert!(huge.contains("200000 x 200000 pixels") && huge.contains("268 million"), "{huge}");
        // As many as are allowed, but not in a few bytes, and one row more.
        let most = message(&fixtures::png_claiming(16_384, 16_384));
        assert!(most.contains("claims 16384 x 16384 pixels, which its"), "{most}");
        let more = message(&fixtures::png_claiming(16_384, 16_385));
        assert!(more.contains("16384 x 16385 pixels"), "{more}");
        let mut wide = jpeg(&textured(31, 17).pixels);
        let frame = wide.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        wide[frame + 5..frame + 9].fill(0xff);
        assert!(message(&wide).contains("65535 x 65535 pixels"), "{}", message(&wide));
        wide[frame + 5..frame + 9].copy_from_slice(&[0x40, 0, 0x40, 0]);
        assert!(message(&wide).contains("claims 16384 x 16384 pixels"), "{}", message(&wide));
        let mut wide = fixtures::tiff(&textured(31, 17));
        let width =
            wide.windows(4).position(|entry| entry == [0, 1, 4, 0] || entry == [0, 1, 3, 0]);
        let width = width.unwrap() + 8;
        wide[width..width + 2].copy_from_slice(&[0xff, 0x3f]);
        assert!(message(&wide).contains("cannot hold"), "{}", message(&wide));
    }

    fn decoded(bytes: &[u8]) -> Decoded {
        decode(Path::new("x"), bytes).unwrap()
    }

    /// `bytes` with `segment` after the marker that opens a JPEG.
    fn with_exif(bytes: &[u8], exif: &[u8]) -> Vec<u8> {
        let length = (exif.len() as u16 + 8).to_be_bytes();
        [&bytes[..2], &[0xff, 0xe1], &length, b"Exif\0\0", exif, &bytes[2..]].concat()
    }

    /// EXIF data that say nothing but an orientation.
    fn exif(orientation: u16) -> Vec<u8> {
        let entry = [0x0112u16, 3].map(u16::to_be_bytes).concat();
        let value = [1u32.to_be_bytes(), [0, orientation as u8, 0, 0]].concat();
        [b"MM\0\x2a\0\0\0\x08\0\x01", &entry[..], &value, &[0; 4]].concat()
    }

    #[test]
    fn pictures_are_turned_as_viewers_show_them() {
        // What each orientation does to the picture  1 2 3 / 4 5 6, by the definition of EXIF.
        let shown: [(u16, &[&[u8]]); 8] = [
            (1, &[&[1, 2, 3], &[4, 5, 6]]),
            (2, &[&[3, 2, 1], &[6, 5, 4]]),
            (3, &[&[6, 5, 4], &[3, 2, 1]]),
            (4, &[&[4, 5, 6], &[1, 2, 3]]),
            (5, &[&[1, 4], &[2, 5], &[3, 6]]),
            (6, &[&[4, 1], &[5, 2], &[6, 3]]),
            (7, &[&[6, 3], &[5, 2], &[4, 1]]),
            (8, &[&[3, 6], &[2, 5], &[1, 4]]),
        ];
        let image = Grey { width: 3, height: 2, pixels: vec![1, 2, 3, 4, 5, 6] };
        for (orientation, rows) in shown {
            let png = fixtures::with_chunk(
                &image.encode(Path::new("x")).unwrap(),
                b"eXIf",
                &exif(orientation),
            );
            let tiff = fixtures::tiff_turned(&image, orientation);
            for bytes in [png, tiff] {
                let read = Grey::decode(Path::new("x"), &bytes).unwrap();
                assert_eq!(read.pixels, rows.concat(), "{orientation}");
                assert_eq!([read.height, read.width], [rows.len(), rows[0].len()]);
                assert_eq!(size(Path::new("x"), &bytes).unwrap(), [read.height, read.width]);
            }
            let upright = jpeg(&textured(31, 17).pixels);
            let turned = with_exif(&upright, &exif(orientation));
            let mut expected = decoded(&upright).image;
            expected.apply_orientation(Orientation::from_exif(orientation as u8).unwrap());
            assert_eq!(decoded(&turned).image, expected);
            let read = [expected.height() as usize, expected.width() as usize];
            assert_eq!(size(Path::new("x"), &turned).unwrap(), read);
        }
    }

    #[test]
    fn levels_of_16_bits_are_spread_and_palettes_are_colours() {
        let picture = |bytes: &[u8], window| decoded(bytes).picture(window).into_bytes();
        let deep: Vec<Vec<u8>> = vec![vec![0x10, 0x00, 0x10, 0xff], vec![0x10, 0x64, 0x10, 0x00]];
        let grey = fixtures::png(2, 16, 0, &deep);
        assert_eq!(picture(&grey, None), [0, 255, 100, 0]);
        assert_eq!(picture(&grey, Window::new(0x1064, 0x1163)), [0, 155, 0, 0]);
        let levels: Vec<u8> = textured(31, 17).pixels.iter().flat_map(|v| [*v, 16]).collect();
        let own = decoded(&tiff(ExtendedColorType::L16, &levels)).picture(None);
        let range = textured(31, 17).pixels;
        let (low, high) = (range.iter().min().unwrap(), range.iter().max().unwrap());
        let spread = |v: &u8| (u32::from(v - low) * 255 / u32::from(high - low)) as u8;
        let near = own.into_bytes().iter().zip(&range).all(|(a, b)| a.abs_diff(spread(b)) <= 1);
        assert!(near, "the levels of a TIFF");
        let numbers = fixtures::png(4, 2, 3, &vec![vec![0b0001_0100]; 2]);
        let read = decoded(&numbers);
        assert_eq!(read.image.as_bytes()[..4], [0, 1, 1, 0], "numbers of the palette");
        let colours = read.picture(None).into_rgb8().into_raw();
        assert_eq!(colours[..12], [0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0]);
    }

    #[test]
    fn a_transparent_level_of_grey_keeps_its_value() {
        let image = textured(9, 7);
        let plain = image.encode(Path::new("x")).unwrap();
        let level = image.pixels[10];
        let clear = fixtures::with_chunk(&plain, b"tRNS", &[0, level]);
        assert_eq!(Grey::decode(Path::new("x"), &clear).unwrap(), image);
        let colour = fixtures::png(2, 8, 2, &vec![vec![9, 9, 9, 200, 200, 200]; 2]);
        let clear = fixtures::with_chunk(&colour, b"tRNS", &[0, 200, 0, 200, 0, 200]);
        assert_eq!(Grey::decode(Path::new("x"), &clear).unwrap().pixels, [9, 200, 9, 200]);
    }

    fn base64(text: &str) -> Vec<u8> {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }

    /// 30 x 20 pixels in ten scans, with halved colours, by libjpeg-turbo.
    const PROGRESSIVE: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdB\
        RkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P\
        T09PT09PT09PT09PT0//wgARCAAUAB4DASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAMEAgX/xAAYAQACAwAAAAAA\
        AAAAAAAAAAADBAIFBv/aAAwDAQACEAMQAAAB4VFLVpStqeB/LQXzjnAGy//EABkQAQEBAAMAAAAAAAAAAAAAAAEAAgMSE//a\
        AAgBAQABBQIxecYjEYulnjjEEEEF/8QAGxEAAgIDAQAAAAAAAAAAAAAAAAMBAgQRIUL/2gAIAQMBAT8Bxm09SUdG+ChR/8QA\
        GhEAAgIDAAAAAAAAAAAAAAAAAAECAxEhQv/aAAgBAgEBPwFWR6LLVnQxn//EABQQAQAAAAAAAAAAAAAAAAAAADD/2gAIAQEA\
        Bj8CT//EABsQAQEAAQUAAAAAAAAAAAAAAAEAERAgQVFh/9oACAEBAAE/IYMetgA3mwe6AQQQX//aAAwDAQACAAMAAAAQDNfh\
        /8QAFxEBAQEBAAAAAAAAAAAAAAAAAQAhUf/aAAgBAwEBPxBY5cga5Jk3/8QAFxEBAQEBAAAAAAAAAAAAAAAAAQARIf/aAAgB\
        AgEBPxBW6yAt8mzb/8QAGxAAAgIDAQAAAAAAAAAAAAAAAAExUREhYeH/2gAIAQEAAT8Q5j5MYaZpg5nhBzvL24aYK5XK5hwf\
        /9k=";
    /// The same picture in one scan with a restart marker after each unit.
    const RESTARTED: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdB\
        RkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09P\
        T09PT09PT09PT09PT0//wAARCAAUAB4DASIAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAQFBgP/xAAhEAABAwQDAAMA\
        AAAAAAAAAAAAAQIDBBExUQUhYRJCof/EABcBAQADAAAAAAAAAAAAAAAAAAYBAwX/xAAfEQABAwQDAQAAAAAAAAAAAAABAAIE\
        AxETIQUSIlH/3QAEAAH/2gAMAwEAAhEDEQA/AMLFReFBnGK3KtKUVF4NNoXu+34ZzZNM3yGyt42XQIOV1vi//9DOx0VtKNR0\
        XWCrTcerFW6/K/g9HRdYD8iU0OPQ6SOjMaHeDpf/0e0UTNDcUTNAAQeSjkUlf//SuxRM0NxxMtgAAbyVMUlf/9k=";

    #[test]
    fn a_scan_that_lacks_blocks_is_a_truncated_jpeg_wherever_it_is_cut() {
        let sources = [base64(PROGRESSIVE), base64(RESTARTED), jpeg(&textured(31, 17).pixels)];
        for whole in sources {
            assert!(decode(Path::new("x"), &whole).is_ok());
            let scan = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
            for cut in scan..whole.len() - 4 {
                // As repair tools leave it: the rest is gone, and the end is marked.
                let mended = [&whole[..cut], &[0xff, 0xd9]].concat();
                let told = message(&mended);
                assert!(told.contains("JPEG"), "{cut} of {}: {told}", whole.len());
            }
            let half = scan + (whole.len() - scan) / 2;
            // Half of the scan is missing in its middle.
            let inner = [&whole[..scan + 4], &whole[half..]].concat();
            assert!(decode(Path::new("x"), &inner).is_err());
            // What follows the image does not count.
            let more = [&whole[..], &whole].concat();
            assert_eq!(decoded(&more).image, decoded(&whole).image);
        }
        let half = message(&[&jpeg(&textured(31, 17).pixels)[..400], &[0xff, 0xd9]].concat());
        assert!(half.contains("truncated JPEG: a scan of it ends at"), "{half}");
    }

    #[test]
    fn an_animation_is_refused() {
        let png = textured(4, 4).encode(Path::new("x")).unwrap();
        let moving = fixtures::with_chunk(&png, b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
        assert!(message(&moving).contains("animation of 2 pictures"), "{}", message(&moving));
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
