//! One image of CBIS-DDSM as 8-bit grey: DICOM without compression, PNG of 8 or 16 bits, or JPEG.
//!
//! The films are optical densities already, brought to the full range of 16 bits by those who made
//! the set, so 8 bits are the nearest of 256 greys and no window is to be chosen.

use std::io::Read;
use std::path::Path;

use super::dicom::{Dicom, EXPLICIT, IMPLICIT, PIXELS, Tag};
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::names;
use crate::nets::images::Grey;
use crate::nets::images::Grey16;
use crate::nets::images::Window;
use crate::nets::images::decode::{self, MOST_OF_FILE};

const SAMPLES: Tag = (0x0028, 0x0002);
const PHOTOMETRIC: Tag = (0x0028, 0x0004);
const ROWS: Tag = (0x0028, 0x0010);
const COLUMNS: Tag = (0x0028, 0x0011);
const ALLOCATED: Tag = (0x0028, 0x0100);
const STORED: Tag = (0x0028, 0x0101);
const SIGNED: Tag = (0x0028, 0x0103);

/// The elements before the pixels take a few kilobytes.
const HEAD: u64 = 1 << 18;

/// Columns and rows, without decoding.
///
/// # Errors
/// [`Error::File`] or [`Error::Content`] when the file cannot be read or is none of the three kinds.
pub fn size(path: &Path) -> Result<(usize, usize)> {
    let failed = |source| Error::file("read", path, source);
    let mut head = Vec::new();
    files::open(path)?.take(HEAD).read_to_end(&mut head).map_err(failed)?;
    if is_dicom(path) {
        let dicom = parse(path, &head)?;
        return Ok((integer(path, &dicom, COLUMNS)?, integer(path, &dicom, ROWS)?));
    }
    // What stands before the size in a PNG or a JPEG may be longer than that.
    let size = match decode::size(path, &head) {
        Err(_) if head.len() as u64 == HEAD => {
            decode::size(path, &files::read_at_most(path, MOST_OF_FILE)?)
        }
        size => size,
    };
    size.map(|[rows, columns]| (columns, rows))
}

/// The pixels, 0 black and 255 white.
///
/// # Errors
/// As [`size`], and [`Error::Content`] for a file that is truncated, compressed DICOM, or no grey.
pub fn read(path: &Path) -> Result<Grey> {
    read_bytes(path, &files::read_at_most(path, MOST_OF_FILE)?)
}

/// The same of `bytes`, the content of `path`.
pub(crate) fn read_bytes(path: &Path, bytes: &[u8]) -> Result<Grey> {
    if is_dicom(path) {
        return dicom(path, &parse(path, bytes)?);
    }
    // The films have the full range of 16 bits already.
    Ok(Grey::from_decoded(decode::decode(path, bytes)?.picture(Some(Window::FULL))))
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> Error {
    let problem = format!("cannot be read as DICOM, PNG or JPEG ({error})").replace('\n', " ");
    Error::content(path, problem, "copy or download it again")
}

/// By the ending: a conversion that lost its own would be found by nothing else either.
fn is_dicom(path: &Path) -> bool {
    names::extension(path) == "dcm"
}

fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<Dicom<'a>> {
    Dicom::parse(bytes).ok_or_else(|| damaged(path, &"it does not begin as DICOM does"))
}

fn integer(path: &Path, dicom: &Dicom, tag: Tag) -> Result<usize> {
    let missing = || damaged(path, &format!("it lacks the element {:04x},{:04x}", tag.0, tag.1));
    dicom.integer(tag).ok_or_else(missing)
}

fn dicom(path: &Path, dicom: &Dicom) -> Result<Grey> {
    let unusable = |problem: String| {
        Error::content(path, problem, "only grey DICOM without compression is read")
    };
    let syntax = dicom.syntax();
    if ![IMPLICIT, EXPLICIT].contains(&syntax) {
        return Err(unusable(format!("is compressed: its transfer syntax is {syntax}")));
    }
    let get = |tag| integer(path, dicom, tag);
    let (width, height, allocated) = (get(COLUMNS)?, get(ROWS)?, get(ALLOCATED)?);
    let stored = get(STORED)?;
    let inverted = match dicom.text(PHOTOMETRIC) {
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
    let bytes = dicom.bytes(PIXELS);
    let needed = width * height * allocated / 8;
    let Some(bytes) = bytes.get(..needed).filter(|_| needed > 0) else {
        let (found, what) = (bytes.len(), "bytes of pixels");
        return Err(damaged(path, &format!("it has {found} {what}, and needs {needed}")));
    };
    let pixels = match allocated {
        8 => bytes.iter().map(|&value| u16::from(value)).collect(),
        _ => bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
    };
    let most = (1u32 << stored) - 1;
    Ok(Grey16 { width, height, pixels }.to_grey(|value| {
        let value = u32::from(value).min(most);
        let value = if inverted { most - value } else { value };
        ((value * 255 + most / 2) / most) as u8
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::dicom::tests::file;
    use super::*;

    fn dicom(shape: [u16; 3], photometric: &str, pixels: &[u8]) -> Vec<u8> {
        file(EXPLICIT, shape, photometric, pixels)
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
        let (_folder, path) = written("x.dcm", &dicom([2, 3, 16], "MONOCHROME2", &values));
        assert_eq!(size(&path).unwrap(), (3, 2));
        assert_eq!(read(&path).unwrap().pixels, [0, 1, 0, 1, 255, 255]);
        let (_folder, path) =
            written("x.dcm", &dicom([2, 3, 8], "MONOCHROME1", &[0, 1, 2, 3, 4, 255]));
        assert_eq!(read(&path).unwrap().pixels, [255, 254, 253, 252, 251, 0]);
    }

    #[test]
    fn damaged_dicom_is_an_error() {
        let whole = dicom([4, 4, 16], "MONOCHROME2", &[7; 32]);
        for length in 0..whole.len() {
            let (_folder, path) = written("x.dcm", &whole[..length]);
            assert!(read(&path).unwrap_err().to_string().contains("x.dcm"), "{length}");
        }
        let (_folder, path) = written("x.dcm", &dicom([4, 4, 16], "RGB", &[7; 32]));
        assert!(read(&path).unwrap_err().to_string().contains("RGB"));
        let jpeg = file("1.2.840.10008.1.2.4.70", [4, 4, 16], "MONOCHROME2", &[7; 32]);
        let (_folder, path) = written("x.dcm", &jpeg);
        assert!(read(&path).unwrap_err().to_string().contains("compressed"));
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0usize..400, bit in 0u32..8) {
            let mut bytes = dicom([4, 4, 16], "MONOCHROME2", &[7; 32]);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let (_folder, path) = written("x.dcm", &bytes);
            // A changed value may well be read as another image.
            if let (Ok(grey), Ok(size)) = (read(&path), size(&path)) {
                prop_assert_eq!((grey.width, grey.height), size);
            }
        }
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
