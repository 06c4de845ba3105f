//! `.OVERLAY` files: the abnormalities of one film, with their outlines.
//!
//! ```text
//! TOTAL_ABNORMALITIES 1
//! ABNORMALITY 1
//! LESION_TYPE MASS SHAPE OVAL MARGINS CIRCUMSCRIBED
//! ASSESSMENT 4
//! SUBTLETY 5
//! PATHOLOGY BENIGN
//! TOTAL_OUTLINES 2
//! BOUNDARY
//! 1234 567 2 2 3 4 ... #
//!     CORE
//! 1240 580 2 3 4 ... #
//! ```

use super::chain::Chain;

/// What an expert marked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Abnormality {
    /// As numbered in the file, from 1.
    pub number: usize,
    /// For example `MASS` or `CALCIFICATION`, each once.
    pub lesions: Vec<String>,
    /// `MALIGNANT`, `BENIGN`, `BENIGN_WITHOUT_CALLBACK` or `UNPROVEN`; empty when not said.
    pub pathology: String,
    /// The boundary and then any cores inside it; those that could be read.
    pub outlines: Vec<Chain>,
    /// Whether the boundary is among them: without it the rest outlines too little.
    pub has_boundary: bool,
    /// `TOTAL_OUTLINES`, where it was said.
    expected: Option<usize>,
    /// Outlines begun, whether they could be read or not.
    begun: usize,
}

/// What an OVERLAY file holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// In the file's order.
    pub abnormalities: Vec<Abnormality>,
    /// What could not be read, in words, with the line.
    pub problems: Vec<String>,
}

/// So many problems are told; a file with more is no OVERLAY file.
const MOST_PROBLEMS: usize = 100;

/// Reads the text of an OVERLAY file, or a bare `column row c c c ... #`, which is then the boundary
/// of an abnormality without a name.
pub fn parse(text: &str) -> Overlay {
    let mut reader = Reader::default();
    let mut total = None;
    for (line, number) in text.lines().zip(1..) {
        if reader.overlay.problems.len() >= MOST_PROBLEMS {
            let problem = format!("line {number} and those behind it are not read");
            reader.overlay.problems.push(problem);
            return reader.overlay;
        }
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if first.starts_with(|c: char| c.is_ascii_digit() || c == '#') {
            reader.chain(line, number);
            continue;
        }
        reader.end_chain();
        let second = words.next().unwrap_or_default();
        match first.to_ascii_uppercase().as_str() {
            "TOTAL_ABNORMALITIES" => total = second.parse::<usize>().ok(),
            "ABNORMALITY" => reader.abnormality(second),
            "LESION_TYPE" => {
                let lesions = &mut reader.current().lesions;
                if !lesions.iter().any(|known| known == second) {
                    lesions.push(second.to_owned());
                }
            }
            "PATHOLOGY" => reader.current().pathology = second.to_ascii_uppercase(),
            "TOTAL_OUTLINES" => reader.current().expected = second.parse().ok(),
            "BOUNDARY" => reader.begin(true),
            "CORE" => reader.begin(false),
            "ASSESSMENT" | "SUBTLETY" => {}
            _ => {
                let problem = format!("line {number} begins with the unknown word {first:?}");
                reader.overlay.problems.push(problem);
            }
        }
    }
    reader.end_chain();
    reader.finish(total)
}

#[derive(Default)]
struct Reader {
    overlay: Overlay,
    /// Set by `BOUNDARY` (true) or `CORE`, until the chain has come.
    awaited: Option<bool>,
    /// The lines of a chain so far, and the first one's number.
    words: String,
    line: usize,
}

impl Reader {
    fn abnormality(&mut self, number: &str) {
        let next = self.overlay.abnormalities.len() + 1;
        let number = number.parse().unwrap_or(next);
        self.overlay.abnormalities.push(Abnormality { number, ..Abnormality::default() });
    }

    fn current(&mut self) -> &mut Abnormality {
        if self.overlay.abnormalities.is_empty() {
            self.abnormality("1");
        }
        let last = self.overlay.abnormalities.len() - 1;
        &mut self.overlay.abnormalities[last]
    }

    fn begin(&mut self, boundary: bool) {
        self.awaited = Some(boundary);
        self.current().begun += 1;
    }

    /// A line of a chain, which may go over several.
    fn chain(&mut self, line: &str, number: usize) {
        if self.words.is_empty() {
            self.line = number;
        }
        self.words.push_str(line);
        self.words.push('\n');
        if line.split_whitespace().next_back() == Some("#") {
            self.end_chain();
        }
    }

    fn end_chain(&mut self) {
        let words = std::mem::take(&mut self.words);
        let boundary = match self.awaited.take() {
            Some(_) if words.is_empty() => {
                self.overlay.problems.push("an outline without its chain".to_owned());
                return;
            }
            Some(boundary) => boundary,
            None if words.is_empty() => return,
            // A bare line: the first is the boundary.
            None => {
                self.current().begun += 1;
                self.current().begun == 1
            }
        };
        match Chain::parse(words.split_whitespace()) {
            Ok(chain) => {
                let abnormality = self.current();
                abnormality.has_boundary |= boundary;
                abnormality.outlines.push(chain);
            }
            Err(problem) => {
                self.overlay.problems.push(format!("line {}: {problem}", self.line));
            }
        }
    }

    fn finish(mut self, total: Option<usize>) -> Overlay {
        let found = self.overlay.abnormalities.len();
        if let Some(total) = total.filter(|total| *total != found) {
            self.overlay
                .problems
                .push(format!("it announces {total} abnormalities and has {found}"));
        }
        for Abnormality { number, expected, begun, .. } in &self.overlay.abnormalities {
            if self.overlay.problems.len() >= MOST_PROBLEMS {
                break;
            }
            match expected {
                Some(expected) if expected != begun => self.overlay.problems.push(format!(
                    "abnormality {number} announces {expected} outlines and has {begun}"
                )),
                _ if *begun == 0 => {
                    self.overlay.problems.push(format!("abnormality {number} has no outline"));
                }
                _ => {}
            }
        }
        self.overlay
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO: &str = "TOTAL_ABNORMALITIES 2\r\nABNORMALITY 1\r\n\
        LESION_TYPE MASS SHAPE OVAL MARGINS CIRCUMSCRIBED\r\n\
        LESION_TYPE CALCIFICATION TYPE AMORPHOUS DISTRIBUTION CLUSTERED\r\n\
        ASSESSMENT 4\r\nSUBTLETY 5\r\nPATHOLOGY MALIGNANT\r\nTOTAL_OUTLINES 2\r\nBOUNDARY\r\n\
        10 20 2 4 6 0 #\r\n\tCORE\r\n11 21 2 #\r\n\
        ABNORMALITY 2\r\nLESION_TYPE OTHER\r\nPATHOLOGY BENIGN\r\nTOTAL_OUTLINES 1\r\n\
        BOUNDARY\r\n30 40 4 2\r\n0 6 #\r\n";

    #[test]
    fn several_abnormalities_with_several_outlines() {
        let overlay = parse(TWO);
        assert_eq!(overlay.problems, [] as [String; 0]);
        let [first, second] = &overlay.abnormalities[..] else { panic!("{overlay:?}") };
        assert_eq!((first.number, first.pathology.as_str()), (1, "MALIGNANT"));
        assert_eq!(first.lesions, ["MASS", "CALCIFICATION"]);
        assert_eq!(first.outlines.len(), 2);
        assert_eq!(first.outlines[1], Chain { start: (11, 21), steps: vec![2] });
        assert_eq!(second.outlines, [Chain { start: (30, 40), steps: vec![4, 2, 0, 6] }]);
        assert!(first.has_boundary && second.has_boundary);
    }

    #[test]
    fn a_bare_line_is_a_boundary() {
        let overlay = parse("10 20 2 4 6 0 #\n");
        assert_eq!(overlay.problems, [] as [String; 0]);
        assert!(overlay.abnormalities[0].has_boundary);
        assert_eq!(overlay.abnormalities[0].outlines.len(), 1);
    }

    #[test]
    fn what_is_cut_off_is_said_and_the_rest_is_read() {
        for length in 0..TWO.len() {
            let overlay = parse(&TWO[..length]);
            let whole = parse(TWO);
            // The last line break and what the number sign is followed by may be missing.
            if length > TWO.len() - 3 {
                assert_eq!(overlay, whole);
            } else if length > "TOTAL_ABNORMALITIES 2".len() {
                assert!(!overlay.problems.is_empty(), "{:?}", &TWO[..length]);
            }
        }
    }

    proptest! {
        /// Words in any order are read without a panic, and an outline is never made up.
        #[test]
        fn any_words_are_read(words in proptest::collection::vec(
            "(TOTAL_ABNORMALITIES|ABNORMALITY|TOTAL_OUTLINES|BOUNDARY|CORE|PATHOLOGY|#|[0-9]{1,3}|\n|-1)",
            0..60,
        )) {
            let text = words.join(" ");
            let overlay = parse(&text);
            let outlines: usize = overlay.abnormalities.iter().map(|a| a.outlines.len()).sum();
            prop_assert!(outlines <= text.matches('#').count());
        }
    }

    #[test]
    fn damage_is_told_by_line() {
        let overlay = parse(&TWO.replace("30 40 4 2", "30 40 4 9"));
        assert_eq!(overlay.abnormalities[1].outlines, []);
        assert!(!overlay.abnormalities[1].has_boundary);
        assert!(overlay.problems[0].contains("line 18") && overlay.problems[0].contains("\"9\""));
        let core = parse(&TWO.replace("11 21 2 #", "11 21 x #"));
        assert!(core.abnormalities[0].has_boundary && core.problems.len() == 1);
        assert!(parse("hello\n").problems[0].contains("hello"));
        assert_eq!(parse(""), Overlay::default());
    }
}
