//! `Info.txt`: a long header, and then a line for each abnormality of a film, or one for a normal film.
//!
//! ```text
//! mdb001 G CIRC B 535 425 197     film, tissue, kind, severity, x, y from the bottom, radius
//! mdb003 D NORM
//! mdb216 D CALC M *NOTE 3*        without a place: the calcifications are all over the film
//! ```
//!
//! Copies with commas, a first column of numbers, or one line as the header are read as well.

/// Columns and rows of a film as published, which the places count in.
pub const SIDE: u32 = 1024;

/// The most films that a copy may number.
const MOST_FILMS: u32 = 99_999;

/// Kinds of abnormalities.
const KINDS: [&str; 6] = ["CALC", "CIRC", "SPIC", "MISC", "ARCH", "ASYM"];

/// Words that stand where there is nothing.
const NOTHING: [&str; 5] = ["nan", "na", "none", "null", "-"];

/// A line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number, from 1.
    pub line: usize,
    /// 1 of `mdb001`.
    pub film: u32,
    /// What it says.
    pub finding: Finding,
}

/// What a line says of its film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is nothing.
    Normal,
    /// There is an abnormality.
    Abnormal {
        /// `benign`, `malignant`, or `abnormal` where it is not said.
        label: &'static str,
        /// Where it is, if that is said.
        place: Option<Place>,
    },
    /// The line cannot be understood.
    Unclear,
}

/// A circle, in pixels of a film of [`SIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Column of the centre.
    pub x: u32,
    /// Row of the centre, counted from the bottom.
    pub y: u32,
    /// At least 1.
    pub radius: u32,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Its lines, without those of the header.
    pub rows: Vec<Row>,
    /// Lines that cannot be understood: number, and what is wrong.
    pub problems: Vec<(usize, String)>,
}

/// Reads the text.
pub fn parse(text: &str) -> Info {
    let mut info = Info::default();
    for (line, text) in (1..).zip(text.lines()) {
        let separators = |c: char| c.is_whitespace() || [',', ';', '|', '"'].contains(&c);
        let mut words = text.split(separators).filter(|word| !word.is_empty());
        let Some(mut name) = words.next() else { continue };
        // A table may number its lines.
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            match words.next() {
                Some(second) => name = second,
                None => continue,
            }
        }
        if !name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("mdb")) {
            continue;
        }
        let Some(film) = film(name.split('.').next().unwrap_or_default()) else {
            info.problems.push((line, format!("{name:?} names no film")));
            continue;
        };
        let finding = finding(&words.collect::<Vec<_>>()).unwrap_or_else(|problem| {
            info.problems.push((line, problem));
            Finding::Unclear
        });
        info.rows.push(Row { line, film, finding });
    }
    info
}

/// 1 of `mdb001`, which is the name of a film without its ending.
pub fn film(stem: &str) -> Option<u32> {
    let number = stem.get(..3).filter(|start| start.eq_ignore_ascii_case("mdb"))?;
    let number = &stem[number.len()..];
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|film| digits && (1..=MOST_FILMS).contains(film))
}

/// What a line says behind the film's name.
fn finding(words: &[&str]) -> Result<Finding, String> {
    let is = |word: &&str, other: &str| word.eq_ignore_ascii_case(other);
    if words.iter().take(2).any(|word| is(word, "NORM")) {
        return Ok(Finding::Normal);
    }
    let kind = words.iter().take(2).position(|word| KINDS.iter().any(|kind| is(word, kind)));
    let Some(kind) = kind else {
        let known = KINDS.join(", ");
        return Err(format!("does not say which of {known} or NORM its film is"));
    };
    let rest = &words[kind + 1..];
    let (label, rest) = match rest.split_first() {
        Some((word, rest)) if is(word, "B") || is(word, "benign") => ("benign", rest),
        Some((word, rest)) if is(word, "M") || is(word, "malignant") => ("malignant", rest),
        _ => ("abnormal", rest),
    };
    let said = rest.iter().filter(|word| !NOTHING.iter().any(|nothing| is(word, nothing)));
    let said: Vec<&str> = said.copied().collect();
    // `*NOTE 3*` and the like stand in the place of numbers.
    let Some(first) = said.first().filter(|first| !first.starts_with('*')) else {
        return Ok(Finding::Abnormal { label, place: None });
    };
    let place = match said[..] {
        [x, y, radius] => number(x).zip(number(y)).zip(number(radius)),
        _ => None,
    };
    match place {
        Some(((x, y), radius)) if x < SIDE && y < SIDE && (1..=SIDE).contains(&radius) => {
            Ok(Finding::Abnormal { label, place: Some(Place { x, y, radius }) })
        }
        Some(((x, y), radius)) => Err(format!(
            "has a circle about ({x}, {y}) of radius {radius}, which is no place on a film"
        )),
        None => Err(format!("says {first:?} and so on in the place of x, y and radius")),
    }
}

/// A number of pixels, which tables may write with a fraction.
fn number(word: &str) -> Option<u32> {
    let number: f64 = word.parse().ok()?;
    (number >= 0.0 && number < f64::from(u16::MAX)).then(|| number.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(label: &'static str, x: u32, y: u32, radius: u32) -> Finding {
        Finding::Abnormal { label, place: Some(Place { x, y, radius }) }
    }

    fn findings(text: &str) -> Vec<(u32, Finding)> {
        let info = parse(text);
        assert_eq!(info.problems, [], "{text}");
        info.rows.iter().map(|row| (row.film, row.finding)).collect()
    }

    #[test]
    fn published_lines_are_read_below_their_header() {
        let text = "  MINI DATABASE\n\n1st column: MIAS database reference number.\n\
                    \tthe abnormality.\n1) The list is arranged in pairs\n====\n\n\
                    mdb001 G CIRC B 535 425 197\nmdb003 D NORM \r\nmdb005 F CIRC B 477 133 30\n\
                    mdb005 F SPIC M 500 168 26\nmdb059 F CIRC B\nmdb216 D CALC M *NOTE 3* \n====\n";
        let nowhere = |label| Finding::Abnormal { label, place: None };
        assert_eq!(
            findings(text),
            [
                (1, at("benign", 535, 425, 197)),
                (3, Finding::Normal),
                (5, at("benign", 477, 133, 30)),
                (5, at("malignant", 500, 168, 26)),
                (59, nowhere("benign")),
                (216, nowhere("malignant")),
            ]
        );
        assert_eq!(parse(text).rows[0].line, 8);
    }

    #[test]
    fn tables_made_of_it_are_read() {
        let text = "REFNUM BG CLASS SEVERITY X Y RADIUS\nMDB001.pgm G CIRC B 535 425 197";
        assert_eq!(findings(text), [(1, at("benign", 535, 425, 197))]);
        let text = ",REFNUM,BG,CLASS,SEVERITY,X,Y,RADIUS\n0,mdb001,G,CIRC,M,535.0,425.0,197.0\n\
                    1,mdb002,G,CIRC,M,NaN,NaN,NaN\n2,mdb003,D,NORM,,,,\n3,mdb004,D,ASYM,,10,20,30\n";
        assert_eq!(
            findings(text),
            [
                (1, at("malignant", 535, 425, 197)),
                (2, Finding::Abnormal { label: "malignant", place: None }),
                (3, Finding::Normal),
                (4, at("abnormal", 10, 20, 30)),
            ]
        );
    }

    #[test]
    fn what_is_damaged_is_named_and_unclear() {
        for (line, told) in [
            ("mdb001 G CIRC B 535 425", "\"535\" and so on"),
            ("mdb001 G CIRC B 535 x 3", "\"535\" and so on"),
            ("mdb001 G CIRC B 535 425 1 9", "\"535\" and so on"),
            ("mdb001 G CIRC B 1024 425 10", "no place on a film"),
            ("mdb001 G CIRC B 5 425 0", "no place on a film"),
            ("mdb001 G", "does not say which of CALC"),
        ] {
            let info = parse(line);
            assert!(info.problems[0].1.contains(told), "{line}: {:?}", info.problems);
            assert_eq!(info.rows[0].finding, Finding::Unclear, "{line}");
        }
        let info = parse("mdbx F NORM\nmdb000 F NORM\nmdb99999999999 F NORM");
        assert_eq!((info.rows.len(), info.problems.len()), (0, 3));
        assert_eq!(parse("nothing of it\n\n12\n"), Info::default());
    }
}
