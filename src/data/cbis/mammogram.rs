//! One image of CBIS-DDSM as 8-bit grey: DICOM without compression, PNG of 8 or 16 bits, or JPEG.
//!
//! The films are optical densities already, brought to the full range of 16 bits by those who made
//! the set, so 8 bits are the nearest of 256 greys and no window is to be chosen.

use std::io::Cursor;
use std::path::Path;

use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use image::{DynamicImage, ImageFormat, ImageReader};

use crate::data::grey16::{Grey16, nearest8};
use crate::data::image::Grey;
use crate::error::{Error, Result};

const ROWS: Tag = Tag(0x0028, 0x0010);
const COLUMNS: Tag = Tag(0x0028, 0x0011);
const SAMPLES: Tag = Tag(0x0028, 0x0002);
const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);
const ALLOCATED: Tag = Tag(0x0028, 0x0100);
const STORED: Tag = Tag(0x0028, 0x0101);
const SIGNED: Tag = Tag(0x0028, 0x0103);
const PIXELS: Tag = Tag(0x7fe0, 0x0010);

/// Implicit and explicit little endian: what the set is distributed in.
const UNCOMPRESSED: [&str; 2] = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"];

/// Columns and rows, without decoding.
///
/// # Errors
/// [`Error::File`] or [`Error::Content`] when the file cannot be read or is none of the three kinds.
pub fn size(path: &Path) -> Result<(usize, usize)> {
    if is_dicom(path) {
        let dicom = open(path, OpenFileOptions::new().read_until(PIXELS))?;
        return Ok((integer(path, &dicom, COLUMNS)?, integer(path, &dicom, ROWS)?));
    }
    let failed = |source| Error::file("read", path, source);
    let reader = ImageReader::open(path).map_err(failed)?.with_guessed_format().map_err(failed)?;
    let (columns, rows) = reader.into_dimensions().map_err(|error| damaged(path, &error))?;
    Ok((columns as usize, rows as usize))
}

/// The pixels, 0 black and 255 white.
///
/// # Errors
/// As [`size`], and [`Error::Content`] for a file that is truncated, compressed DICOM, or no grey.
pub fn read(path: &Path) -> Result<Grey> {
    if is_dicom(path) {
        return dicom(path, &open(path, OpenFileOptions::new())?);
    }
    let bytes = std::fs::read(path).map_err(|source| Error::file("read", path, source))?;
    let reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format();
    let reader = reader.map_err(|source| Error::file("read", path, source))?;
    // Both decoders are content with files that end early.
    let whole = match reader.format() {
        Some(ImageFormat::Png) => bytes.windows(4).rev().any(|tag| tag == b"IEND"),
        _ => bytes.windows(2).rev().any(|tag| tag == [0xff, 0xd9]),
    };
    let decoded = reader.decode().map_err(|error| damaged(path, &error))?;
    if !whole {
        return Err(damaged(path, &"it is truncated"));
    }
    Ok(match decoded {
        DynamicImage::ImageLuma16(image) => {
            let (width, height) = (image.width() as usize, image.height() as usize);
            Grey16 { width, height, pixels: image.into_raw() }.to_grey(nearest8)
        }
        other => Grey::from_decoded(other),
    })
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let problem = format!("cannot be read as DICOM, PNG or JPEG ({error})").replace('\n', " ");
    Error::content(path, problem, "copy or download it again")
}

/// By the ending: a conversion that lost its own would be found by nothing else either.
fn is_dicom(path: &Path) -> bool {
    crate::data::layout::extension(path) == "dcm"
}

fn open(path: &Path, options: OpenFileOptions) -> Result<DefaultDicomObject> {
    options.open_file(path).map_err(|error| damaged(path, &error))
}

fn integer(path: &Path, dicom: &DefaultDicomObject, tag: Tag) -> Result<usize> {
    let value = dicom.get(tag).and_then(|element| element.to_int::<u16>().ok());
    value.map(usize::from).ok_or_else(|| damaged(path, &format!("it lacks the element {tag}")))
}

fn dicom(path: &Path, dicom: &DefaultDicomObject) -> Result<Grey> {
    let unusable = |problem: String| {
        Error::content(path, problem, "only grey DICOM without compression is read")
    };
    let syntax = dicom.meta().transfer_syntax().trim_end_matches('\0').to_owned();
    if !UNCOMPRESSED.contains(&syntax.as_str()) {
        return Err(unusable(format!("is compressed: its transfer syntax is {syntax}")));
    }
    let get = |tag| integer(path, dicom, tag);
    let (width, height, allocated) = (get(COLUMNS)?, get(ROWS)?, get(ALLOCATED)?);
    let stored = get(STORED)?;
    let photometric = dicom.get(PHOTOMETRIC).and_then(|element| element.to_str().ok());
    let inverted = match photometric.as_deref().map(str::trim) {
        Some("MONOCHROME1") => true,
        Some("MONOCHROME2") => false,
        other => return Err(unusable(format!("has the colours {:?}", other.unwrap_or_default()))),
    };
    let (samples, signed) = (get(SAMPLES)?, get(SIGNED)?);
    if samples != 1 || signed != 0 || ![8, 16].contains(&allocated) {
        return Err(unusable(format!(
            "has {samples} values a pixel, of {allocated} bits{}",
            if signed == 0 { "" } else { ", signed" }
        )));
    }
    if !(1..=allocated).contains(&stored) {
        return Err(damaged(path, &format!("it stores {stored} of {allocated} bits")));
    }
    let bytes = dicom.get(PIXELS).and_then(|element| element.to_bytes().ok()).unwrap_or_default();
    let needed = width * height * allocated / 8;
    let Some(bytes) = bytes.get(..needed).filter(|_| needed > 0) else {
        let (found, what) = (bytes.len(), "bytes of pixels");
        return Err(damaged(path, &format!("it has {found} {what}, and needs {needed}")));
    };
    let pixels = match allocated {
        8 => bytes.iter().map(|&value| u16::from(value)).collect(),
        // Words come in the byte order of this machine.
        _ => bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect(),
    };
    let most = (1u32 << stored) - 1;
    Ok(Grey16 { width, height, pixels }.to_grey(|value| {
        let value = u32::from(value).min(most);
        let value = if inverted { most - value } else { value };
        ((value * 255 + most / 2) / most) as u8
    }))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A DICOM file, explicit little endian. `pixels` has a byte or two for each pixel.
    pub fn dicom(rows: u16, columns: u16, bits: u16, photometric: &str, pixels: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        let mut put = |group: u16, element: u16, vr: &str, value: &[u8]| {
            let mut value = value.to_vec();
            if value.len() % 2 == 1 {
                value.push(if vr == "UI" { 0 } else { b' ' });
            }
            bytes.extend([group.to_le_bytes(), element.to_le_bytes()].concat());
            bytes.extend(vr.as_bytes());
            if vr == "OB" || vr == "OW" {
                bytes.extend([0, 0]);
                bytes.extend((value.len() as u32).to_le_bytes());
            } else {
                bytes.extend((value.len() as u16).to_le_bytes());
            }
            bytes.extend(value);
        };
        let class = b"1.2.840.10008.5.1.4.1.1.7";
        // What follows in this group: four headers of 12 or 8 bytes and their values.
        let length = (12 + 2) + (8 + 26) + (8 + 8) + (8 + 20);
        put(2, 0, "UL", &u32::to_le_bytes(length));
        put(2, 1, "OB", &[0, 1]);
        put(2, 2, "UI", class);
        put(2, 3, "UI", b"1.2.3.4");
        put(2, 0x10, "UI", b"1.2.840.10008.1.2.1");
        put(0x28, 2, "US", &1u16.to_le_bytes());
        put(0x28, 4, "CS", photometric.as_bytes());
        put(0x28, 0x10, "US", &rows.to_le_bytes());
        put(0x28, 0x11, "US", &columns.to_le_bytes());
        put(0x28, 0x100, "US", &bits.to_le_bytes());
        put(0x28, 0x101, "US", &bits.to_le_bytes());
        put(0x28, 0x103, "US", &0u16.to_le_bytes());
        put(0x7fe0, 0x10, if bits == 8 { "OB" } else { "OW" }, pixels);
        bytes
    }

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn dicom_of_8_and_16_bits_and_inverted() {
        let values: Vec<u8> =
            [0u16, 257, 128, 129, 65534, 65535].iter().flat_map(|v| v.to_le_bytes()).collect();
        let (_folder, path) = written("x.dcm", &dicom(2, 3, 16, "MONOCHROME2", &values));
        assert_eq!(size(&path).unwrap(), (3, 2));
        assert_eq!(read(&path).unwrap().pixels, [0, 1, 0, 1, 255, 255]);
        let (_folder, path) =
            written("x.dcm", &dicom(2, 3, 8, "MONOCHROME1", &[0, 1, 2, 3, 4, 255]));
        assert_eq!(read(&path).unwrap().pixels, [255, 254, 253, 252, 251, 0]);
    }

    #[test]
    fn damaged_dicom_is_an_error() {
        let whole = dicom(4, 4, 16, "MONOCHROME2", &[7; 32]);
        for length in 0..whole.len() {
            let (_folder, path) = written("x.dcm", &whole[..length]);
            assert!(read(&path).unwrap_err().to_string().contains("x.dcm"), "{length}");
        }
        let (_folder, path) = written("x.dcm", &dicom(4, 4, 16, "RGB", &[7; 32]));
        assert!(read(&path).unwrap_err().to_string().contains("RGB"));
        let mut jpeg = whole.clone();
        let at = jpeg.windows(19).position(|window| window == b"1.2.840.10008.1.2.1").unwrap();
        jpeg[at + 17..at + 19].copy_from_slice(b".5");
        let (_folder, path) = written("x.dcm", &jpeg);
        assert!(read(&path).unwrap_err().to_string().contains("compressed"));
    }

    #[test]
    fn conversions_to_png_and_jpeg() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let deep = Grey16 { width: 2, height: 2, pixels: vec![0, 128, 129, 65535] };
        deep.write(&path).unwrap();
        assert_eq!(
            (size(&path).unwrap(), read(&path).unwrap().pixels),
            ((2, 2), vec![0, 0, 1, 255])
        );
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
        assert!(read(&path).is_err());
        // One grey everywhere survives JPEG.
        let path = folder.path().join("x.jpg");
        image::GrayImage::from_pixel(8, 16, image::Luma([77])).save(&path).unwrap();
        assert_eq!(size(&path).unwrap(), (8, 16));
        assert_eq!(read(&path).unwrap(), Grey::filled(8, 16, 77));
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        assert!(read(&path).is_err());
    }
}
