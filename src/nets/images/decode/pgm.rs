//! PGM, the grey pictures of Netpbm: `P5`, levels of one byte or of two with the high one first, and `P2`,
//! levels as decimal numbers. Comments may stand wherever white space may.

use std::path::Path;

use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer};

use super::{AGAIN, Decoded, check_cost, implausible};
use crate::error::{Error, Result};

/// What stands before the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The highest level, which is white.
    highest: u16,
    /// Whether levels are decimal numbers.
    plain: bool,
    /// The byte at which the pixels begin.
    start: usize,
}

/// Whether these are the first bytes of a PGM.
pub fn is_pgm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'2' | b'5', next, ..] if next.is_ascii_whitespace() || *next == b'#')
}

/// Reads the header, and refuses more pixels than are allowed or than the file can hold.
///
/// # Errors
/// [`Error::Content`] for a header that is damaged, and for what does not fit.
pub fn header(path: &Path, bytes: &[u8]) -> Result<Header> {
    let mut words = Words { bytes, at: 2 };
    let mut number = |what: &str| match words.next() {
        None => Err(truncated(path, "it ends in its header")),
        Some(word) => decimal(word).ok_or_else(|| {
            let word = String::from_utf8_lossy(&word[..word.len().min(20)]).into_owned();
            Error::content(path, format!("is a PGM whose {what} is {word:?}"), DAMAGED)
        }),
    };
    let (width, height) = (number("width")?, number("height")?);
    let highest = number("highest level")?;
    let highest = u16::try_from(highest).ok().filter(|highest| *highest > 0).ok_or_else(|| {
        let what = format!("is a PGM whose highest level is {highest}, and not 1 to 65535");
        Error::content(path, what, DAMAGED)
    })?;
    let header =
        Header { width, height, highest, plain: bytes.get(1) == Some(&b'2'), start: words.end() };
    check_cost(path, [width, height], header.bytes_of_a_level() as u64)?;
    let left = bytes.len().saturating_sub(header.start) as u64;
    let pixels = u64::from(width) * u64::from(height);
    if header.plain {
        // A digit for each, and a space between two.
        if pixels.saturating_mul(2) > left + 1 {
            return Err(implausible(path, [width, height], bytes.len()));
        }
    } else if pixels * header.bytes_of_a_level() as u64 > left {
        let whole = pixels * header.bytes_of_a_level() as u64;
        return Err(truncated(path, &format!("it has {left} of {whole} bytes of pixels")));
    }
    Ok(header)
}

/// Decodes a PGM.
///
/// # Errors
/// As [`super::decode`].
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Decoded> {
    let header = header(path, bytes)?;
    let Header { width, height, highest, .. } = header;
    let pixels = width as usize * height as usize;
    let (levels, end) = match header.plain {
        true => plain(path, bytes, header, pixels)?,
        false => raw(bytes, header, pixels),
    };
    let row = if header.plain { usize::MAX } else { width as usize * header.bytes_of_a_level() };
    expect_the_end(path, &bytes[end..], row)?;
    if let Some(level) = levels.highest().filter(|level| *level > highest) {
        let what = format!("has a level of {level}, and says that the highest is {highest}");
        return Err(Error::content(path, what, DAMAGED));
    }
    let image = match levels {
        Levels::Narrow(levels) => {
            ImageBuffer::from_raw(width, height, levels).map(DynamicImage::ImageLuma8)
        }
        Levels::Wide(levels) => {
            ImageBuffer::from_raw(width, height, levels).map(DynamicImage::ImageLuma16)
        }
    };
    Ok(Decoded {
        image: image.ok_or_else(|| truncated(path, "pixels are missing"))?,
        highest: if header.bytes_of_a_level() == 1 { highest } else { u16::MAX },
        palette: None,
        lossy: false,
        orientation: Orientation::NoTransforms,
    })
}

impl Header {
    fn bytes_of_a_level(&self) -> usize {
        if self.highest > 255 { 2 } else { 1 }
    }
}

/// Levels in as few bytes as they need.
enum Levels {
    Narrow(Vec<u8>),
    Wide(Vec<u16>),
}

impl Levels {
    fn highest(&self) -> Option<u16> {
        match self {
            Levels::Narrow(levels) => levels.iter().max().copied().map(u16::from),
            Levels::Wide(levels) => levels.iter().max().copied(),
        }
    }
}

/// The levels of `P5`, of which the header has checked that they are there, and where they end.
fn raw(bytes: &[u8], header: Header, pixels: usize) -> (Levels, usize) {
    let length = pixels * header.bytes_of_a_level();
    let mut start = header.start;
    // A copy made as text has two bytes for the end of a line: the second is no pixel where all others are there.
    let doubled = bytes.len() == start + length + 1;
    if doubled && bytes[start] == b'\n' && bytes[start - 1] == b'\r' {
        start += 1;
    }
    let (levels, end) = (&bytes[start..start + length], start + length);
    let levels = match header.bytes_of_a_level() {
        1 => Levels::Narrow(levels.to_vec()),
        _ => {
            let pairs = levels.chunks_exact(2);
            Levels::Wide(pairs.map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect())
        }
    };
    (levels, end)
}

/// The levels of `P2`, and where they end.
fn plain(path: &Path, bytes: &[u8], header: Header, pixels: usize) -> Result<(Levels, usize)> {
    let mut words = Words { bytes, at: header.start };
    let mut all = Vec::with_capacity(pixels);
    for found in 0..pixels {
        let word = words
            .next()
            .ok_or_else(|| truncated(path, &format!("it has {found} of {pixels} pixels")))?;
        let level = decimal(word).and_then(|level| u16::try_from(level).ok()).ok_or_else(|| {
            let word = String::from_utf8_lossy(&word[..word.len().min(20)]).into_owned();
            Error::content(path, format!("has a level of {word:?}"), DAMAGED)
        })?;
        all.push(level);
    }
    // A level above the highest is said to be one, whatever fits a byte.
    let narrow = header.bytes_of_a_level() == 1 && all.iter().all(|level| *level <= 255);
    let levels = match narrow {
        true => Levels::Narrow(all.into_iter().map(|level| level as u8).collect()),
        false => Levels::Wide(all),
    };
    Ok((levels, words.at))
}

/// A file may hold several pictures, and one whose header is wrong holds more than it says. White space and a
/// few bytes behind the last row are what some programs leave.
fn expect_the_end(path: &Path, rest: &[u8], row: usize) -> Result<()> {
    let rest = rest.trim_ascii_start();
    if is_pgm(rest) {
        let hint = "write each of them to a file of its own";
        return Err(Error::content(path, "holds more than one picture", hint));
    }
    let more = if row == usize::MAX { !rest.is_empty() } else { rest.len() >= row.max(1) };
    if more {
        let what = format!("is a PGM with {} bytes behind its last pixel", rest.len());
        return Err(Error::content(path, what, DAMAGED));
    }
    Ok(())
}

/// What white space and comments separate.
struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            match self.bytes.get(self.at)? {
                b'#' => self.comment(),
                space if space.is_ascii_whitespace() => self.at += 1,
                _ => break,
            }
        }
        let rest = &self.bytes[self.at..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'#';
        let length = rest.iter().position(ends).unwrap_or(rest.len());
        self.at += length;
        Some(&rest[..length])
    }

    /// Past a comment, up to the end of its line.
    fn comment(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        self.at += length.unwrap_or(rest.len());
    }

    /// Where pixels begin: behind one white space after the last word.
    fn end(mut self) -> usize {
        if self.bytes.get(self.at) == Some(&b'#') {
            self.comment();
        }
        (self.at + 1).min(self.bytes.len())
    }
}

fn decimal(word: &[u8]) -> Option<u32> {
    let digits = word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn truncated(path: &Path, how: &str) -> Error {
    Error::content(path, format!("is a truncated PGM: {how}"), AGAIN)
}

const DAMAGED: &str = "the file is damaged: copy or download it again";

#[cfg(test)]
mod tests {
    use super::super::{decode, size};
    use super::*;
    use crate::nets::images::fixtures::{pgm, textured};
    use crate::nets::images::{Grey, Window};

    fn grey(bytes: &[u8]) -> Grey {
        Grey::decode(Path::new("x.pgm"), bytes).unwrap()
    }

    fn message(bytes: &[u8]) -> String {
        decode(Path::new("x.pgm"), bytes).unwrap_err().to_string()
    }

    #[test]
    fn every_value_is_kept_raw_and_plain() {
        let image = textured(31, 17);
        assert_eq!(grey(&pgm(&image)), image);
        let numbers: Vec<String> = image.pixels.iter().map(u8::to_string).collect();
        let plain = format!("P2\n31 17\n255\n{}\n", numbers.join(" "));
        assert_eq!(grey(plain.as_bytes()), image);
        assert_eq!(size(Path::new("x"), plain.as_bytes()).unwrap(), [17, 31]);
        assert_eq!(size(Path::new("x"), &pgm(&image)).unwrap(), [17, 31]);
    }

    #[test]
    fn comments_stand_where_space_may() {
        let plain = "P2# made by\n# 9 9\n 2 # wide\n\t2#\r\n 7 # the highest\n0 7 #\n 7\n0";
        assert_eq!(grey(plain.as_bytes()).pixels, [0, 255, 255, 0]);
        let raw = b"P5 # a\n2 2\n255# the pixels follow\n#ab\n";
        assert_eq!(grey(raw).pixels, b"#ab\n");
        // A pixel may have the value of a space.
        assert_eq!(grey(b"P5 2 2 255\n\n\n  ").pixels, b"\n\n  ");
        assert_eq!(grey(b"P5\r\n2 2\r\n255\r\nabcd").pixels, b"abcd");
    }

    #[test]
    fn other_highest_levels_are_stretched_and_two_bytes_begin_with_the_high_one() {
        assert_eq!(grey(b"P5 2 2 100\n\x00\x32\x63\x64").pixels, [0, 128, 252, 255]);
        assert_eq!(grey(b"P5 2 2 1\n\x00\x01\x01\x00").pixels, [0, 255, 255, 0]);
        let wide = b"P5 2 2 4095\n\x00\x00\x01\x00\x02\x00\x0f\xff";
        // By the picture's own range, or by a window.
        assert_eq!(grey(wide).pixels, [0, 16, 32, 255]);
        let plain = b"P2 2 2 4095 0 256 512 4095";
        assert_eq!(grey(plain).pixels, [0, 16, 32, 255]);
        let window = Window::new(256, 511);
        let read = decode(Path::new("x"), wide).unwrap().picture(window).into_bytes();
        assert_eq!(read, [0, 0, 255, 255]);
    }

    #[test]
    fn what_is_cut_short_is_said_to_be() {
        let whole = pgm(&textured(31, 17));
        for length in 3..whole.len() {
            assert!(message(&whole[..length]).contains("truncated PGM"), "{length}");
        }
        let told = message(&whole[..whole.len() - 7]);
        assert!(told.contains("520 of 527 bytes"), "{told}");
        let told = message(b"P2 2 3 9 1 2 3 4     ");
        assert!(told.contains("truncated PGM: it has 4 of 6 pixels"), "{told}");
    }

    #[test]
    fn what_is_no_picture_is_refused_in_words() {
        for (bytes, told) in [
            (&b"P5 a 2 255\nabcd"[..], "whose width is \"a\""),
            (b"P5 2 2 0\nabcd", "highest level is 0"),
            (b"P5 2 2 65536\nabcdabcd", "highest level is 65536"),
            (b"P5 2 2 7\n\0\x01\x02\x08", "has a level of 8, and says that the highest is 7"),
            (b"P2 2 2 7 0 1 2 999", "has a level of 999"),
            (b"P2 2 2 7 0 1 2 -1", "has a level of \"-1\""),
            (b"P5 2 2 255\nabcdabcd", "4 bytes behind its last pixel"),
            (b"P2 2 2 7 1 2 3 4 5", "1 bytes behind its last pixel"),
            (b"P5 2 2 255\nabcd\nP5 2 2 255\nabcd", "more than one picture"),
            (b"P5 1 4 255\nabcd", "1 x 4 pixels"),
            (b"P5 20000 20000 255\nabcd", "20000 x 20000 pixels"),
            (b"P5 16384 16384 255\nabcd", "4 of 268435456 bytes"),
            (b"P2 16384 16384 255\n1 2 3", "claims 16384 x 16384 pixels, which its"),
            (b"P6 2 2 255\nabcdabcdabcd", "is a PPM"),
        ] {
            let found = message(bytes);
            assert!(found.contains(told), "{told}: {found}");
        }
        assert_eq!(grey(b"P5 2 2 255\nabcd\n\0").pixels, b"abcd");
    }
}
