//! Lossless JPEG as the films of DDSM are stored in: process 14 of ITU-T T.81 (SOF3, Huffman, one
//! component, 2 to 16 bits), with the rule of the PVRG codec that wrote them.
//!
//! ```text
//!   c b      predictor 1: a   2: b   3: c   4: a + b - c
//!   a x                5: a + (b - c) / 2   6: b + (a - c) / 2   7: (a + b) / 2     halves round down
//! ```
//!
//! T.81 (H.1.2.1) predicts the first row from the left whatever the predictor. PVRG puts a row of
//! 2^(P - 1) above the image, P being the bits of a value, and uses the chosen predictor in the first
//! row too. Both take the pixel above in the first column. The two agree for predictors 1, 4 and 5
//! alone; for the others a general decoder gives a wrong image and no error.

use std::path::Path;

use super::huffman::{Bits, Table};
use super::unusable::Unusable;
use crate::error::{Error, Result};
use crate::nets::images::Grey16;

/// Decodes one film; `path` is for messages only.
///
/// Rows and columns are those of the file's header, which some films have swapped:
/// [`Grey16::reshape`] puts that right. Values are as stored, 0 to 2^P - 1.
///
/// # Errors
/// [`Error::Content`] for bytes that are no lossless JPEG of one component, that end too early, or
/// that contradict themselves.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Grey16> {
    image(bytes).map_err(|Unusable { problem, hint }| Error::content(path, problem, hint))
}

fn image(bytes: &[u8]) -> Result<Grey16, Unusable> {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return Err(Unusable::other("is not a JPEG"));
    }
    let mut markers = Markers { bytes, at: 2 };
    let mut frame: Option<Frame> = None;
    let mut tables: [Option<Table>; 4] = [const { None }; 4];
    let mut restart = 0;
    loop {
        let (marker, segment) = markers.next()?;
        match marker {
            0xc3 => frame = Some(Frame::read(segment)?),
            0xc4 => huffman_tables(segment, &mut tables)?,
            0xda => {
                let frame = frame.ok_or_else(|| Unusable::damaged("it has no frame header"))?;
                let scan = Scan::read(segment, &frame, &tables, restart)?;
                return scan.decode(bytes, markers.at);
            }
            0xdd => restart = usize::from(number(segment, 0)?),
            0xd9 => return Err(Unusable::damaged("it has no image data")),
            // The other frames: DCT, hierarchical and arithmetic.
            0xc0..=0xcf if marker != 0xc8 && marker != 0xcc => {
                let problem = "is a JPEG of another kind: lossy, hierarchical or arithmetic";
                return Err(Unusable::other(problem));
            }
            _ => {}
        }
    }
}

/// The segments before the scan.
struct Markers<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    /// The next marker and what its segment holds behind the length.
    fn next(&mut self) -> Result<(u8, &'a [u8]), Unusable> {
        let marker = marker(self.bytes, &mut self.at)?;
        if marker == 0xd9 {
            return Ok((marker, &[]));
        }
        let length = usize::from(number(self.bytes, self.at)?);
        let segment = self.bytes.get(self.at + 2..self.at + length.max(2));
        self.at += length.max(2);
        segment.map(|segment| (marker, segment)).ok_or_else(Unusable::truncated)
    }
}

/// The code of the marker at `at`, behind any fill bytes.
fn marker(bytes: &[u8], at: &mut usize) -> Result<u8, Unusable> {
    let start = *at;
    while bytes.get(*at) == Some(&0xff) {
        *at += 1;
    }
    let code = *bytes.get(*at).ok_or_else(Unusable::truncated)?;
    *at += 1;
    if *at < start + 2 || code == 0 {
        return Err(Unusable::damaged("a marker is missing"));
    }
    Ok(code)
}

/// The 16-bit number at `at`.
fn number(bytes: &[u8], at: usize) -> Result<u16, Unusable> {
    match bytes.get(at..at + 2) {
        Some(&[high, low]) => Ok(u16::from_be_bytes([high, low])),
        _ => Err(Unusable::truncated()),
    }
}

/// The frame header, SOF3.
#[derive(Clone, Copy)]
struct Frame {
    precision: u32,
    /// 0 when the number of rows stands behind the scan.
    rows: usize,
    columns: usize,
}

impl Frame {
    fn read(segment: &[u8]) -> Result<Self, Unusable> {
        let rows = usize::from(number(segment, 1)?);
        let columns = usize::from(number(segment, 3)?);
        let (precision, components) = (u32::from(segment[0]), segment.get(5));
        match components {
            Some(1) => {}
            Some(n) => {
                return Err(Unusable::other(format!("has {n} components, where a film has one")));
            }
            None => return Err(Unusable::truncated()),
        }
        if !(2..=16).contains(&precision) || columns == 0 {
            return Err(Unusable::damaged("its frame header is out of range"));
        }
        Ok(Frame { precision, rows, columns })
    }
}

fn huffman_tables(mut segment: &[u8], tables: &mut [Option<Table>; 4]) -> Result<(), Unusable> {
    while let Some((head, rest)) = segment.split_first_chunk::<17>() {
        let [slot, counts @ ..] = head;
        let total = counts.iter().map(|&count| usize::from(count)).sum();
        let values = rest.get(..total).ok_or_else(Unusable::truncated)?;
        let table = tables
            .get_mut(usize::from(*slot))
            .ok_or_else(|| Unusable::damaged("it has a Huffman table for another process"))?;
        *table = Some(Table::new(counts, values)?);
        segment = &rest[total..];
    }
    if segment.is_empty() { Ok(()) } else { Err(Unusable::damaged("a Huffman table is cut off")) }
}

/// The scan header, SOS, with what it refers to.
struct Scan<'a> {
    frame: Frame,
    table: &'a Table,
    predictor: u8,
    /// Values were divided by 2 to this power.
    transform: u32,
    /// Rows between restarts; 0 for none.
    rows_of_interval: usize,
}

impl<'a> Scan<'a> {
    fn read(
        segment: &[u8],
        frame: &Frame,
        tables: &'a [Option<Table>; 4],
        restart: usize,
    ) -> Result<Self, Unusable> {
        let &[1, _, selector, predictor, _, transform] = segment else {
            return Err(Unusable::damaged("its scan header is not of one component"));
        };
        let table = tables.get(usize::from(selector >> 4)).and_then(Option::as_ref);
        let table = table.ok_or_else(|| Unusable::damaged("a Huffman table is missing"))?;
        let transform = u32::from(transform & 15);
        if !(1..=7).contains(&predictor) || transform >= frame.precision {
            return Err(Unusable::damaged("its scan header is out of range"));
        }
        // T.81, H.1.1: an interval is a whole number of rows.
        if !restart.is_multiple_of(frame.columns) {
            return Err(Unusable::damaged("it restarts within a row"));
        }
        let rows_of_interval = restart / frame.columns;
        Ok(Scan { frame: *frame, table, predictor, transform, rows_of_interval })
    }

    /// Decodes the data at `bytes[at]`, up to and with the marker that ends the image.
    fn decode(&self, bytes: &[u8], at: usize) -> Result<Grey16, Unusable> {
        let rows = match self.frame.rows {
            0 => rows_behind_scan(&bytes[at..])?,
            rows => rows,
        };
        let columns = self.frame.columns;
        // Each pixel takes a bit or more, so a header may not ask for memory that no pixel fills.
        if rows * columns > 8 * (bytes.len() - at) {
            return Err(Unusable::truncated());
        }
        let mut pixels = Vec::with_capacity(rows * columns);
        // A closure for each predictor, so that each has a loop of its own.
        let mut end = match self.predictor {
            1 => self.rows(bytes, at, rows, &mut pixels, |a, _, _| a),
            2 => self.rows(bytes, at, rows, &mut pixels, |_, b, _| b),
            3 => self.rows(bytes, at, rows, &mut pixels, |_, _, c| c),
            4 => self.rows(bytes, at, rows, &mut pixels, |a, b, c| a + b - c),
            5 => self.rows(bytes, at, rows, &mut pixels, |a, b, c| a + ((b - c) >> 1)),
            6 => self.rows(bytes, at, rows, &mut pixels, |a, b, c| b + ((a - c) >> 1)),
            _ => self.rows(bytes, at, rows, &mut pixels, |a, b, _| (a + b) >> 1),
        }?;
        let mut last = marker(bytes, &mut end)?;
        if last == 0xdc {
            end += usize::from(number(bytes, end)?);
            last = marker(bytes, &mut end)?;
        }
        if last != 0xd9 {
            return Err(Unusable::damaged("another marker stands where the image should end"));
        }
        if self.transform > 0 {
            pixels.iter_mut().for_each(|pixel| *pixel <<= self.transform);
        }
        Ok(Grey16 { width: columns, height: rows, pixels })
    }

    /// Appends `rows` rows to `pixels`; returns where the marker behind them begins.
    fn rows(
        &self,
        bytes: &[u8],
        at: usize,
        rows: usize,
        pixels: &mut Vec<u16>,
        predict: impl Fn(i32, i32, i32) -> i32,
    ) -> Result<usize, Unusable> {
        let columns = self.frame.columns;
        let start = 1u16 << (self.frame.precision - self.transform - 1);
        let mut above = vec![start; columns];
        let mut bits = Bits::new(bytes, at);
        for y in 0..rows {
            if self.rows_of_interval > 0 && y > 0 && y % self.rows_of_interval == 0 {
                let mut next = bits.end()?;
                let expected = 0xd0 + ((y / self.rows_of_interval - 1) % 8) as u8;
                if marker(bytes, &mut next)? != expected {
                    return Err(Unusable::damaged("a restart marker is missing"));
                }
                bits = Bits::new(bytes, next);
                above.fill(start);
            }
            let (mut left, mut corner) = (0, 0);
            for (x, above) in above.iter_mut().enumerate() {
                let up = i32::from(*above);
                let guess = if x == 0 { up } else { predict(left, up, corner) };
                let Some(difference) = self.table.difference(&mut bits) else {
                    return Err(no_code(&bits));
                };
                // Differences are modulo 65536.
                *above = (guess + difference) as u16;
                (left, corner) = (i32::from(*above), up);
            }
            if bits.overrun() {
                return Err(Unusable::truncated());
            }
            pixels.extend_from_slice(&above);
        }
        bits.end()
    }
}

/// The problem of bits that are no code: behind the end of the data there is nothing but zeros.
fn no_code(bits: &Bits) -> Unusable {
    if bits.exhausted() {
        Unusable::truncated()
    } else {
        Unusable::damaged("its data holds a code that no table has")
    }
}

/// The number of rows in a DNL segment, which follows a scan whose frame header leaves it out.
fn rows_behind_scan(data: &[u8]) -> Result<usize, Unusable> {
    let at = data.windows(2).position(|pair| pair == [0xff, 0xdc]);
    match at.map(|at| number(data, at + 4)) {
        Some(Ok(rows)) if rows > 0 => Ok(usize::from(rows)),
        _ => Err(Unusable::damaged("it does not say how many rows it has")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encoder::Encoder;
    use super::*;

    fn decode(bytes: &[u8]) -> Result<Grey16> {
        super::decode(Path::new("x.LJPEG"), bytes)
    }

    /// Smooth with grain, and with every extreme, so that differences of every size occur.
    fn film(rows: usize, columns: usize, precision: u32) -> Vec<u16> {
        let most = (1u32 << precision) - 1;
        (0..rows * columns)
            .map(|i| {
                let (x, y) = ((i % columns) as u32, (i / columns) as u32);
                let grain = (x * 7919 + y * 104_729) % 61;
                let value = match (x * 31 + y * 17) % 97 {
                    0 => 0,
                    1 => most,
                    2 => most / 2 + 1,
                    _ => (x * 40 + y * 25 + grain) % (most + 1),
                };
                value as u16
            })
            .collect()
    }

    #[test]
    fn every_predictor_at_both_precisions() {
        for precision in [12, 16] {
            let pixels = film(37, 53, precision);
            for predictor in 1..=7 {
                let encoder = Encoder { precision, predictor, ..Encoder::default() };
                let decoded = decode(&encoder.encode(&pixels, 37, 53)).unwrap();
                assert_eq!((decoded.height, decoded.width), (37, 53));
                assert_eq!(decoded.pixels, pixels, "predictor {predictor}, {precision} bits");
            }
        }
    }

    #[test]
    fn the_first_row_follows_pvrg_and_not_the_standard() {
        // 16 bits, predictor 2, one row of two pixels, both differences 0: PVRG predicts both from
        // its virtual row.
        let encoder = Encoder { predictor: 2, ..Encoder::default() };
        let bytes = encoder.encode_differences(&[5, 0], 1, 2);
        assert_eq!(decode(&bytes).unwrap().pixels, [32773, 32768]);
        let encoder = Encoder { predictor: 7, ..Encoder::default() };
        let bytes = encoder.encode_differences(&[4, 0], 1, 2);
        assert_eq!(decode(&bytes).unwrap().pixels, [32772, 32770]);
    }

    #[test]
    fn differences_wrap_around() {
        for pixels in [[0u16, 65535, 0, 65535], [32768, 0, 32768, 65535]] {
            let encoder = Encoder { predictor: 1, ..Encoder::default() };
            assert_eq!(decode(&encoder.encode(&pixels, 2, 2)).unwrap().pixels, pixels);
        }
        // Category 16 is 32768, and no bits follow it.
        let bytes = Encoder::default().encode_differences(&[32768, 1, -1], 1, 3);
        assert_eq!(decode(&bytes).unwrap().pixels, [0, 1, 0]);
    }

    #[test]
    fn restarts_rows_behind_the_scan_and_shifted_values() {
        let pixels = film(12, 9, 16);
        for predictor in 1..=7 {
            let encoder = Encoder { predictor, restart_rows: 1, ..Encoder::default() };
            assert_eq!(decode(&encoder.encode(&pixels, 12, 9)).unwrap().pixels, pixels);
            let encoder = Encoder { predictor, rows_behind_scan: true, ..Encoder::default() };
            assert_eq!(decode(&encoder.encode(&pixels, 12, 9)).unwrap().pixels, pixels);
            let encoder = Encoder { predictor, transform: 2, ..Encoder::default() };
            let shifted: Vec<u16> = pixels.iter().map(|value| value >> 2 << 2).collect();
            assert_eq!(decode(&encoder.encode(&pixels, 12, 9)).unwrap().pixels, shifted);
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let pixels = film(9, 11, 16);
        for predictor in [1, 7] {
            let encoder = Encoder { predictor, restart_rows: 4, ..Encoder::default() };
            let whole = encoder.encode(&pixels, 9, 11);
            for length in 0..whole.len() {
                let error = decode(&whole[..length]).unwrap_err().to_string();
                assert!(error.contains("x.LJPEG"), "{error}");
            }
            // What follows the image is nobody's business.
            let longer = [&whole[..], &[0; 7]].concat();
            assert_eq!(decode(&longer).unwrap().pixels, pixels);
        }
    }

    #[test]
    fn other_files_are_named_for_what_they_are() {
        let whole = Encoder::default().encode(&film(4, 4, 16), 4, 4);
        let changed = |from: &[u8], to: &[u8]| {
            let at = whole.windows(from.len()).position(|window| window == from).unwrap();
            let mut bytes = whole.clone();
            bytes[at..at + to.len()].copy_from_slice(to);
            decode(&bytes).unwrap_err().to_string()
        };
        assert!(decode(b"II*\0 tiff").unwrap_err().to_string().contains("is not a JPEG"));
        assert!(changed(&[0xff, 0xc3], &[0xff, 0xc0]).contains("another kind"));
        assert!(changed(&[1, 1, 0x11, 0], &[3]).contains("3 components"));
        // 65535 x 65535 pixels are refused before memory is asked for.
        assert!(changed(&[0, 4, 0, 4, 1], &[0xff; 4]).contains("truncated"));
        let more = Encoder::default().encode(&film(8, 4, 16), 4, 4);
        assert!(decode(&more).unwrap_err().to_string().contains("more data"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            (rows, columns, pixels) in (1usize..20, 1usize..20).prop_flat_map(|(rows, columns)| {
                let pixels = proptest::collection::vec(any::<u16>(), rows * columns);
                (Just(rows), Just(columns), pixels)
            }),
            predictor in 1u8..=7,
            precision in prop_oneof![Just(12u32), Just(16)],
            restart_rows in 0usize..4,
        ) {
            let pixels: Vec<u16> = pixels.iter().map(|value| value >> (16 - precision)).collect();
            let encoder = Encoder { precision, predictor, restart_rows, ..Encoder::default() };
            let decoded = decode(&encoder.encode(&pixels, rows, columns)).unwrap();
            prop_assert_eq!(decoded, Grey16 { width: columns, height: rows, pixels });
        }

        #[test]
        fn damage_never_panics(at in 0usize..400, bit in 0u32..8, predictor in 1u8..=7) {
            let encoder = Encoder { predictor, restart_rows: 3, ..Encoder::default() };
            let mut bytes = encoder.encode(&film(10, 10, 16), 10, 10);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            // A changed value may well decode to another image of the same size.
            if let Ok(decoded) = decode(&bytes) {
                prop_assert_eq!(decoded.pixels.len(), decoded.width * decoded.height);
            }
        }
    }
}
