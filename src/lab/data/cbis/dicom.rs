//! As much of DICOM (PS3.5, PS3.10) as an uncompressed grey image needs: the elements of the data set
//! itself, little endian, with value representations written out or not.
//!
//! Lengths are believed only as far as the file reaches, so that a damaged one asks for no memory.

use std::collections::BTreeMap;

/// Group and element.
pub type Tag = (u16, u16);

/// Implicit little endian, the one syntax without value representations.
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
/// Explicit little endian.
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";

const SYNTAX: Tag = (0x0002, 0x0010);
/// The last element of an image.
pub const PIXELS: Tag = (0x7fe0, 0x0010);
/// What sequences are made of; these have no value representation.
const ITEMS: u16 = 0xfffe;
const END_OF_SEQUENCE: Tag = (ITEMS, 0xe0dd);
/// The length of a sequence that ends with a mark instead.
const UNDEFINED: u32 = u32::MAX;
/// Representations whose length takes four bytes, behind two that are reserved.
const LONG: [&[u8; 2]; 13] =
    [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];

/// The values of a file, up to the pixels or to where the bytes end.
pub struct Dicom<'a> {
    values: BTreeMap<Tag, &'a [u8]>,
}

impl<'a> Dicom<'a> {
    /// Reads the elements; none when the bytes are no DICOM file. The values of a file that is cut
    /// short are short or missing.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.get(128..132) != Some(b"DICM") {
            return None;
        }
        let mut dicom = Dicom { values: BTreeMap::new() };
        let mut walk = Walk { bytes, at: 132, explicit: true };
        // Elements inside sequences describe something else.
        let mut depth = 0usize;
        while let Some(Element { tag, value, undefined }) = walk.next(&dicom) {
            if tag == END_OF_SEQUENCE {
                depth = depth.saturating_sub(1);
            } else if depth == 0 && tag.0 != ITEMS {
                dicom.values.insert(tag, value);
            }
            if undefined && tag.0 != ITEMS {
                depth += 1;
            }
            if tag == PIXELS && depth == 0 {
                break;
            }
        }
        Some(dicom)
    }

    /// The transfer syntax; empty when it is not said.
    pub fn syntax(&self) -> &str {
        self.text(SYNTAX).unwrap_or_default()
    }

    /// The bytes of a value, empty when there is none.
    pub fn bytes(&self, tag: Tag) -> &'a [u8] {
        self.values.get(&tag).copied().unwrap_or_default()
    }

    /// A value of one 16-bit number.
    pub fn integer(&self, tag: Tag) -> Option<usize> {
        let bytes = self.bytes(tag).first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*bytes)))
    }

    /// A value of text, without what it is padded with.
    pub fn text(&self, tag: Tag) -> Option<&'a str> {
        let text = std::str::from_utf8(self.values.get(&tag)?).ok()?;
        Some(text.trim_matches(|c: char| c == '\0' || c.is_whitespace()))
    }
}

struct Element<'a> {
    tag: Tag,
    value: &'a [u8],
    undefined: bool,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    explicit: bool,
}

impl<'a> Walk<'a> {
    /// The next element; none at the end of the bytes. `dicom` has those before.
    fn next(&mut self, dicom: &Dicom) -> Option<Element<'a>> {
        let tag = (self.number()?, self.number()?);
        // The first group is always explicit, and says what the others are.
        if tag.0 > 2 {
            self.explicit = dicom.syntax() != IMPLICIT;
        }
        let length = if self.explicit && tag.0 != ITEMS {
            let representation: &[u8; 2] = self.take()?;
            if LONG.contains(&representation) {
                self.number()?;
                u32::from_le_bytes(*self.take()?)
            } else {
                u32::from(self.number()?)
            }
        } else {
            u32::from_le_bytes(*self.take()?)
        };
        let undefined = length == UNDEFINED;
        let length = if undefined { 0 } else { length as usize };
        let rest = self.bytes.get(self.at..)?;
        let value = &rest[..length.min(rest.len())];
        self.at += value.len();
        Some(Element { tag, value, undefined })
    }

    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let bytes = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(*self.take()?))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes elements one after another.
    #[derive(Default)]
    struct Writer {
        bytes: Vec<u8>,
        implicit: bool,
    }

    impl Writer {
        fn put(&mut self, tag: Tag, representation: &[u8; 2], value: &[u8]) {
            let mut value = value.to_vec();
            if value.len() % 2 == 1 {
                value.push(if representation == b"UI" { 0 } else { b' ' });
            }
            self.head(tag, representation, value.len() as u32);
            self.bytes.extend(value);
        }

        fn head(&mut self, tag: Tag, representation: &[u8; 2], length: u32) {
            self.bytes.extend([tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat());
            let explicit = tag.0 == 2 || !self.implicit && tag.0 != ITEMS;
            if explicit {
                self.bytes.extend(representation);
            }
            if explicit && !LONG.contains(&representation) {
                self.bytes.extend((length as u16).to_le_bytes());
            } else {
                self.bytes.extend(if explicit { &[0, 0][..] } else { &[] });
                self.bytes.extend(length.to_le_bytes());
            }
        }
    }

    /// A file of this syntax. `pixels` has a byte or two for each pixel. Before them stands a
    /// sequence with an icon, whose rows and columns are not those of the image.
    pub fn file(
        syntax: &str,
        [rows, columns, bits]: [u16; 3],
        photometric: &str,
        pixels: &[u8],
    ) -> Vec<u8> {
        let mut writer = Writer { implicit: syntax == IMPLICIT, ..Writer::default() };
        writer.bytes = vec![0; 128];
        writer.bytes.extend(b"DICM");
        writer.put((2, 1), b"OB", &[0, 1]);
        writer.put(SYNTAX, b"UI", syntax.as_bytes());
        writer.put((0x10, 0x20), b"LO", b"P_00001");
        let shape =
            [(2, 1), (0x10, rows), (0x11, columns), (0x100, bits), (0x101, bits), (0x103, 0)];
        for (element, value) in shape {
            writer.put((0x28, element), b"US", &value.to_le_bytes());
        }
        writer.put((0x28, 4), b"CS", photometric.as_bytes());
        writer.head((0x88, 0x200), b"SQ", UNDEFINED);
        writer.head((ITEMS, 0xe000), b"  ", UNDEFINED);
        writer.put((0x28, 0x10), b"US", &[9, 9]);
        writer.head((0x88, 0x200), b"SQ", UNDEFINED);
        writer.head(END_OF_SEQUENCE, b"  ", 0);
        writer.head((ITEMS, 0xe00d), b"  ", 0);
        writer.head(END_OF_SEQUENCE, b"  ", 0);
        writer.put(PIXELS, if bits == 8 { b"OB" } else { b"OW" }, pixels);
        writer.bytes
    }

    #[test]
    fn both_syntaxes_with_sequences_that_do_not_count() {
        for syntax in [IMPLICIT, EXPLICIT] {
            let bytes = file(syntax, [3, 2, 8], "MONOCHROME2", &[1, 2, 3, 4, 5, 6]);
            let dicom = Dicom::parse(&bytes).unwrap();
            assert_eq!(dicom.syntax(), syntax);
            assert_eq!(dicom.integer((0x28, 0x10)), Some(3), "{syntax}");
            assert_eq!(dicom.text((0x28, 4)), Some("MONOCHROME2"));
            assert_eq!(dicom.bytes(PIXELS), [1, 2, 3, 4, 5, 6]);
            assert_eq!((dicom.integer((9, 9)), dicom.text((9, 9))), (None, None));
        }
        assert!(Dicom::parse(b"DICM").is_none());
    }
}
