//! PNGs with the numbers that stand in them: levels of fewer than 8 bits as they are, and of a palette
//! the numbers as well as the colours.

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};
use png::{BitDepth, ColorType, DecodingError, Transformations};

use super::{AGAIN, Decoded, check_cost, implausible};
use crate::error::{Error, Result};

/// What a PNG begins with.
pub const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Deflate makes at most 1032 bytes of one.
const MOST_OF_A_BYTE: u64 = 1032;

/// Decodes a PNG. A level of a grey or RGB picture that is said to be transparent keeps its value: it is
/// one of the picture, and viewers would show whatever is behind it.
///
/// # Errors
/// As [`super::decode`].
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded> {
    let truncated = || Error::content(path, "is a truncated PNG", AGAIN);
    let failed = |error: DecodingError| {
        let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let hint = format!("the file is damaged: {AGAIN}");
        Error::content(path, format!("cannot be decoded ({text})"), hint)
    };
    // The decoder is content with a file that ends after its pixels; a copy cut short is not.
    let has_end = bytes.windows(4).rev().any(|tag| tag == b"IEND");
    let [width, height] = size(bytes).ok_or_else(truncated)?;
    check_cost(path, [width, height], 1)?;
    if !has_end {
        return Err(truncated());
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info().map_err(failed)?;
    let info = reader.info();
    if let Some(frames) = info.animation_control.map(|control| control.num_frames)
        && frames > 1
    {
        let hint = "write each of them to a file of its own";
        return Err(Error::content(path, format!("is an animation of {frames} pictures"), hint));
    }
    let (colour, depth) = (info.color_type, info.bit_depth);
    let claimed = reader.output_buffer_size().unwrap_or(usize::MAX);
    let line = reader.output_line_size(width).unwrap_or(usize::MAX);
    check_cost(
        path,
        [width, height],
        (claimed as u64).div_ceil((u64::from(width) * u64::from(height)).max(1)),
    )?;
    if claimed as u64 / MOST_OF_A_BYTE > bytes.len() as u64 {
        return Err(implausible(path, [width, height], bytes.len()));
    }
    let mut raw = vec![0; claimed];
    reader.next_frame(&mut raw).map_err(failed)?;
    reader.finish().map_err(failed)?;
    let (palette, transparent) = (reader.info().palette.clone(), reader.info().trns.clone());
    let orientation = orientation(bytes);
    let bits = depth as u8;
    if bits < 8 {
        raw = raw.chunks_exact(line).flat_map(|row| unpacked(row, bits, width as usize)).collect();
    }
    let image = picture([width, height], colour, depth, raw);
    Ok(Decoded {
        lossy: false,
        image: image.ok_or_else(truncated)?,
        highest: match (colour, depth) {
            (ColorType::Indexed, _) => 255,
            (_, BitDepth::Sixteen) => u16::MAX,
            _ => (1 << bits) - 1,
        },
        palette: (colour == ColorType::Indexed).then(|| colours(palette, transparent)),
        orientation,
    })
}

/// Columns and rows by the header, which is the first chunk.
pub fn size(bytes: &[u8]) -> Option<[u32; 2]> {
    // A file that ends before byte 26 ends inside of it.
    bytes.get(25)?;
    let number = |at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes))
    };
    Some([number(16)?, number(20)?])
}

/// How the picture is to be turned, by its chunk of EXIF data, wherever that stands.
pub fn orientation(bytes: &[u8]) -> Orientation {
    let chunk = |at: usize| {
        let length: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        let end = (at + 8).checked_add(u32::from_be_bytes(length) as usize)?;
        Some((bytes.get(at + 4..at + 8)?, bytes.get(at + 8..end)?, end + 4))
    };
    let mut at = SIGNATURE.len();
    while let Some((name, data, next)) = chunk(at) {
        if name == b"eXIf" {
            return Orientation::from_exif_chunk(data).unwrap_or(Orientation::NoTransforms);
        }
        at = next;
    }
    Orientation::NoTransforms
}

/// The samples of a row, each in a byte of its own.
fn unpacked(row: &[u8], bits: u8, width: usize) -> impl Iterator<Item = u8> {
    let mask = (1u8 << bits) - 1;
    let parts = (0..8 / bits).rev();
    row.iter()
        .flat_map(move |byte| parts.clone().map(move |part| byte >> (part * bits) & mask))
        .take(width)
}

/// Each number's colour and opacity.
fn colours(palette: Option<Cow<[u8]>>, transparent: Option<Cow<[u8]>>) -> Vec<[u8; 4]> {
    let (palette, opaque) = (palette.unwrap_or_default(), transparent.unwrap_or_default());
    let colour = |(index, rgb): (usize, &[u8])| {
        [rgb[0], rgb[1], rgb[2], opaque.get(index).copied().unwrap_or(255)]
    };
    palette.chunks_exact(3).enumerate().map(colour).collect()
}

fn picture(
    [width, height]: [u32; 2],
    colour: ColorType,
    depth: BitDepth,
    raw: Vec<u8>,
) -> Option<DynamicImage> {
    if depth == BitDepth::Sixteen {
        let raw = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        return Some(match colour {
            ColorType::Rgb => DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, raw)?),
            ColorType::Rgba => {
                DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, raw)?)
            }
            ColorType::GrayscaleAlpha => {
                DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, raw)?)
            }
            _ => DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, raw)?),
        });
    }
    Some(match colour {
        ColorType::Rgb => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, raw)?),
        ColorType::Rgba => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, raw)?),
        ColorType::GrayscaleAlpha => {
            DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, raw)?)
        }
        _ => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, raw)?),
    })
}
