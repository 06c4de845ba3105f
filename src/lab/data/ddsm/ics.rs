//! `.ics` files: which films a case has, their sizes, and what they were scanned with.
//!
//! ```text
//! ics_version 1.0
//! filename B-3024-1
//! DIGITIZER LUMISYS LASER
//! SEQUENCE
//! LEFT_CC LINES 4616 PIXELS_PER_LINE 3016 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY
//! RIGHT_CC LINES 4624 PIXELS_PER_LINE 3008 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY
//! ```

use std::collections::BTreeMap;

use crate::lab::data::view::View;

/// One film as its case describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Rows.
    pub rows: usize,
    /// Pixels of a row.
    pub columns: usize,
    /// Whether an OVERLAY file belongs to it.
    pub has_overlay: bool,
}

/// What an `.ics` file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ics {
    /// Behind `DIGITIZER`, in upper case; empty when not said.
    pub digitizer: String,
    /// By view.
    pub films: BTreeMap<View, Line>,
    /// Lines that could not be read, in words.
    pub problems: Vec<String>,
}

/// No film has more pixels; the largest of DDSM have 40 million.
const MOST_PIXELS: usize = 1 << 26;
/// So many problems are told; a file with more is no `.ics` file.
const MOST_PROBLEMS: usize = 20;

/// Reads the text of an `.ics` file.
pub fn parse(text: &str) -> Ics {
    let mut ics = Ics::default();
    for (line, number) in text.lines().zip(1..) {
        if ics.problems.len() >= MOST_PROBLEMS {
            ics.problems.push(format!("line {number} and those behind it are not read"));
            break;
        }
        let words: Vec<String> = line.split_whitespace().map(str::to_ascii_uppercase).collect();
        let Some(first) = words.first() else { continue };
        if first == "DIGITIZER" {
            ics.digitizer = words[1..].join(" ");
        } else if let Some(view) = View::parse(first) {
            match film(&words) {
                Some(film) if ics.films.contains_key(&view) => {
                    let what = format!("line {number} describes {first} a second time: {film:?}");
                    ics.problems.push(what);
                }
                Some(film) => {
                    ics.films.insert(view, film);
                }
                None => ics.problems.push(format!(
                    "line {number} does not give LINES, PIXELS_PER_LINE and OVERLAY or NON_OVERLAY \
                     of {first}, or gives more pixels than a film has"
                )),
            }
        }
    }
    ics
}

fn film(words: &[String]) -> Option<Line> {
    let number = |name: &str| -> Option<usize> {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse().ok().filter(|number| (1..=65535).contains(number))
    };
    // Whole words: the one is the end of the other.
    let says = |name: &str| words.iter().any(|word| word == name);
    let has_overlay = match (says("OVERLAY"), says("NON_OVERLAY")) {
        (true, false) => true,
        (false, true) => false,
        _ => return None,
    };
    let (rows, columns) = (number("LINES")?, number("PIXELS_PER_LINE")?);
    (rows * columns <= MOST_PIXELS).then_some(Line { rows, columns, has_overlay })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_with_their_sizes_and_the_scanner() {
        let text = "ics_version 1.0\r\nfilename A-1141-1\r\nDATE_OF_STUDY 2 7 1993\r\n\
            PATIENT_AGE\r\nFILM\r\nFILM_TYPE REGULAR\r\nDENSITY 3\r\n\
            DATE_DIGITIZED 7 22 1997\r\nDIGITIZER LUMISYS LASER\r\n\r\nSEQUENCE\r\n\
            LEFT_CC LINES 4646 PIXELS_PER_LINE 2986 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY\r\n\
            RIGHT_CC LINES 4656 PIXELS_PER_LINE 2991 BITS_PER_PIXEL 12 RESOLUTION 50 NON_OVERLAY\r\n";
        let ics = parse(text);
        assert_eq!(ics.digitizer, "LUMISYS LASER");
        assert_eq!(ics.problems, [] as [String; 0]);
        let left = Line { rows: 4646, columns: 2986, has_overlay: true };
        let right = Line { rows: 4656, columns: 2991, has_overlay: false };
        let views = ["LEFT_CC", "RIGHT_CC"].map(|name| View::parse(name).unwrap());
        assert_eq!(ics.films, BTreeMap::from([(views[0], left), (views[1], right)]));
        assert_eq!(parse("").films.len(), 0);
    }

    #[test]
    fn lines_that_are_cut_off_or_out_of_range_are_said() {
        let line = "LEFT_CC LINES 46 PIXELS_PER_LINE 29 BITS_PER_PIXEL 12 RESOLUTION 50 OVERLAY";
        assert_eq!(parse(line).films.len(), 1);
        for length in 7..line.len() {
            let ics = parse(&line[..length]);
            assert_eq!((ics.films.len(), ics.problems.len()), (0, 1), "{:?}", &line[..length]);
        }
        for (from, to) in [
            ("46", "0"),
            ("29", "99999999999"),
            ("46", "-4"),
            ("29", "x"),
            ("46 PIXELS_PER_LINE 29", "65535 PIXELS_PER_LINE 65535"),
        ] {
            assert_eq!(parse(&line.replace(from, to)).problems.len(), 1, "{to}");
        }
        let twice = parse(&format!("{line}\n{line}\n"));
        assert!(twice.problems[0].contains("line 2"), "{twice:?}");
    }
}
