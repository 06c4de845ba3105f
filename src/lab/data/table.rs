//! Tables of text as spreadsheets and people write them: with commas, semicolons, tabs or bars, in UTF-8
//! with or without a byte order mark, in UTF-16, or in Windows' Latin alphabet.

use std::io::Read;
use std::path::Path;

use csv::{ReaderBuilder, Trim};

use crate::error::{Error, Result};
use crate::files;

/// The most bytes of a table: a hundred thousand long lines. In memory a short field takes some 24 times its text.
const MOST: u64 = 1 << 24;
/// The header of a table stands within its first bytes.
const HEAD: u64 = 1 << 16;

/// A header, and the lines below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The names of the columns in lower case, with spaces for `_`.
    pub header: Vec<String>,
    /// The same as they are written.
    pub titles: Vec<String>,
    /// Lines that are not empty, or what is wrong with them, each with its number; the header's is 1.
    pub rows: Vec<(u64, Result<Vec<String>, String>)>,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Content`] when it is larger than any table or has
    /// no header. A damaged line is in [`Table::rows`] instead.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(path, &files::read_at_most(path, MOST)?)
    }

    /// The same of `bytes`, the content of `path`.
    pub(crate) fn of(path: &Path, bytes: &[u8]) -> Result<Self> {
        let table = Self::parse(&text(bytes));
        if table.header.is_empty() {
            let hint = "its first line names the columns";
            return Err(Error::content(path, "is a table without a header", hint));
        }
        Ok(table)
    }

    /// The columns of a table, by its first bytes; none where they cannot be read.
    pub fn header(path: &Path) -> Vec<String> {
        let mut head = Vec::new();
        let Ok(file) = files::open(path) else { return Vec::new() };
        match file.take(HEAD).read_to_end(&mut head) {
            Ok(_) => {
                let text = text(&head);
                // The first may say what separates fields.
                Self::parse(&text.lines().take(2).collect::<Vec<_>>().join("\n")).header
            }
            Err(_) => Vec::new(),
        }
    }

    /// The number of the first of these columns that there is.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.iter().position(|column| column == name))
    }

    fn parse(text: &str) -> Self {
        // Excel may say in a line of its own what separates fields.
        let said = text.lines().next().and_then(|line| line.trim().strip_prefix("sep="));
        let (text, above) = match said {
            Some(_) => (text.split_once('\n').map_or("", |(_, rest)| rest), 1),
            None => (text, 0),
        };
        let delimiter = match said.map(str::as_bytes) {
            Some([one]) => *one,
            _ => delimiter(first_line(text)),
        };
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::All)
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let titles: Vec<String> = match reader.headers() {
            Ok(header) => header.iter().map(title).collect(),
            Err(_) => Vec::new(),
        };
        let header: Vec<String> = titles.iter().map(|title| spelling(title)).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let row = match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    if record.iter().all(str::is_empty) {
                        continue;
                    }
                    (line + above, fields(&record, header.len(), delimiter))
                }
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    (line + above, Err(error.to_string()))
                }
            };
            rows.push(row);
        }
        Table { header, titles, rows }
    }
}

/// The fields of a line. More than the header names, unless they are empty, show that a separator stands
/// within a field, and nobody can tell in which.
fn fields(
    record: &csv::StringRecord,
    columns: usize,
    delimiter: u8,
) -> Result<Vec<String>, String> {
    if record.iter().skip(columns).any(|field| !field.is_empty()) {
        let separator = match delimiter {
            b'\t' => "a tab".to_owned(),
            other => format!("`{}`", char::from(other)),
        };
        return Err(format!(
            "has {} fields under a header of {columns}: a field with {separator} in it needs quotes",
            record.len()
        ));
    }
    Ok(record.iter().map(str::to_owned).collect())
}

/// One way of writing a column's name: tables differ in `_` and in case.
fn spelling(name: &str) -> String {
    name.replace('_', " ").to_lowercase()
}

fn title(name: &str) -> String {
    name.trim().trim_matches('"').to_owned()
}

fn first_line(text: &str) -> &str {
    text.trim_start_matches(['\r', '\n']).lines().next().unwrap_or_default()
}

/// What separates the most fields of the header, outside of quotes.
fn delimiter(header: &str) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        let counted = counts.iter_mut().find(|(delimiter, _)| *delimiter == byte && !quoted);
        counted.into_iter().for_each(|(_, count)| *count += 1);
    }
    // The first of equals.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}

/// Bytes as text, by their mark, or by what they can be.
pub(super) fn text(bytes: &[u8]) -> String {
    let wide = |bytes: &[u8], number: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| number([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        // No text has a zero; that of two bytes a letter has one in each letter of the header.
        [first, 0, ..] if *first != 0 => wide(bytes, u16::from_le_bytes),
        [0, second, ..] if *second != 0 => wide(bytes, u16::from_be_bytes),
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            // Cut within a letter, as the head of a file may be.
            Err(error) if error.error_len().is_none() => {
                String::from_utf8_lossy(bytes).into_owned()
            }
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[&str; 3]; 2] = [["é1.png", "Doe; J, jr", "x"], ["b", "2", ""]];

    fn check(bytes: &[u8], rows: &[[&str; 3]]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, bytes).unwrap();
        let table = Table::read(&path).unwrap();
        assert_eq!(table.header, ["image", "patient id", "note"]);
        assert_eq!(Table::header(&path), table.header);
        assert_eq!(table.column(&["patient", "patient id"]), Some(1));
        let found: Vec<&[String]> =
            table.rows.iter().map(|row| &row.1.as_ref().unwrap()[..]).collect();
        assert_eq!(found, rows);
    }

    #[test]
    fn every_separator_and_every_encoding_is_the_same_table() {
        for separator in [",", ";", "\t", "|"] {
            let text = ["Image,Patient_ID,\"note\"", "é1.png,\"Doe; J, jr\",x", "", "b,2,"];
            let text = text.map(|line| match line.starts_with('é') {
                true => ["é1.png", "\"Doe; J, jr\"", "x"].join(separator),
                false => line.replace(',', separator),
            });
            let text = text.join("\r\n");
            check(text.as_bytes(), &ROWS);
            check(format!("\u{feff}{text}").as_bytes(), &ROWS);
            let marked = format!("\u{feff}{text}");
            let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
                text.encode_utf16().flat_map(bytes).collect()
            };
            check(&wide(&marked, u16::to_le_bytes), &ROWS);
            check(&wide(&marked, u16::to_be_bytes), &ROWS);
            check(&wide(&text, u16::to_le_bytes), &ROWS);
            let latin: Vec<u8> = text.chars().map(|c| c as u8).collect();
            check(&latin, &ROWS);
            check(format!("sep={separator}\n{text}").as_bytes(), &ROWS);
        }
    }

    #[test]
    fn a_line_of_more_fields_than_the_header_is_damaged() {
        let text = b"image;patient\na;1\nb;Doe; J\nc;2;;\nd;\"Doe; J\"";
        let table = Table::of(Path::new("t.csv"), text).unwrap();
        let good: Vec<(u64, bool)> = table.rows.iter().map(|row| (row.0, row.1.is_ok())).collect();
        assert_eq!(good, [(2, true), (3, false), (4, true), (5, true)]);
        let told = table.rows[1].1.as_ref().unwrap_err();
        assert!(told.contains("3 fields under a header of 2") && told.contains("`;`"), "{told}");
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, "").unwrap();
        assert!(Table::read(&path).unwrap_err().to_string().contains("t.csv: is a table without"));
        assert!(Table::read(folder.path()).is_err());
        assert!(Table::header(&folder.path().join("none")).is_empty());
    }
}
