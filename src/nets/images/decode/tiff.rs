//! What the first directory of a TIFF says before it is decoded.

use std::path::Path;

use crate::error::{Error, Result};

/// One picture a file, since which of several is meant cannot be known.
///
/// # Errors
/// [`Error::Content`] where there are several.
pub fn check(path: &Path, bytes: &[u8]) -> Result<()> {
    if !has_pages(bytes) {
        return Ok(());
    }
    let hint = "write each page to a file of its own, e.g. `convert IN.tif OUT_%d.png`";
    Err(Error::content(path, "is a TIFF of several pages", hint))
}

/// Whether a file of these bytes can hold `claimed` bytes of pixels.
pub fn is_plausible(bytes: &[u8], claimed: u64) -> bool {
    let length = bytes.len() as u64;
    match tag(bytes, COMPRESSION).unwrap_or(UNCOMPRESSED) {
        // Of one bit a pixel the decoder makes bytes; a file that does not say its bits has one.
        UNCOMPRESSED if tag(bytes, BITS).unwrap_or(1) == 1 => claimed / 8 <= length,
        UNCOMPRESSED => claimed <= length,
        // A blank row of fax takes a bit, whatever its length.
        2..=4 => true,
        // LZW makes at most 1290 bytes of one, and deflate 1032.
        _ => claimed / 1300 <= length,
    }
}

/// Whether the pixels are in JPEG: they are not what they were.
pub fn is_lossy(bytes: &[u8]) -> bool {
    matches!(tag(bytes, COMPRESSION), Some(6 | 7))
}

const BITS: usize = 258;
const COMPRESSION: usize = 259;
const UNCOMPRESSED: usize = 1;

/// A number of `length` bytes at `at`.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let part = bytes.get(at..at.checked_add(length)?)?;
    let add = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
    Some(match bytes[0] {
        b'I' => part.iter().rev().fold(0, add),
        _ => part.iter().fold(0, add),
    })
}

/// Where the entries of the first directory begin, and how many there are. At byte 4 stands where it is;
/// it begins with the number of its entries of 12 bytes and ends with where the next is, or 0.
fn directory(bytes: &[u8]) -> Option<(usize, usize)> {
    let first = number(bytes, 4, 4)?;
    Some((first.checked_add(2)?, number(bytes, first, 2)?))
}

fn has_pages(bytes: &[u8]) -> bool {
    let next = || {
        let (entries, count) = directory(bytes)?;
        number(bytes, entries.checked_add(12 * count)?, 4)
    };
    next().is_some_and(|next| next != 0)
}

/// The first value of a tag of short numbers.
fn tag(bytes: &[u8], wanted: usize) -> Option<usize> {
    let (entries, count) = directory(bytes)?;
    (0..count).find_map(|index| {
        let at = entries.checked_add(12 * index)?;
        (number(bytes, at, 2)? == wanted).then(|| number(bytes, at + 8, 2)).flatten()
    })
}
