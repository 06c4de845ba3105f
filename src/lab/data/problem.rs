//! What is wrong with the files of a data set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::Error;

/// Something wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What others are like it, in a word or two, for scripts.
    pub kind: &'static str,
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to try.
    pub hint: String,
    /// True when the data set can be used all the same, the file being left out or not needed.
    pub harmless: bool,
}

impl Problem {
    /// A problem that stops the building of ROIs.
    pub fn new(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let (path, what, hint) = (path.to_owned(), what.into(), hint.into());
        Problem { kind: "other", path, what, hint, harmless: false }
    }

    /// The same problem, of this kind.
    pub fn of(self, kind: &'static str) -> Self {
        Problem { kind, ..self }
    }

    /// A problem that is reported, and does not stop anything.
    pub fn harmless(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem { harmless: true, ..Self::new(path, what, hint) }
    }

    /// A reading error as the problem of its file.
    pub(crate) fn reading(error: Error) -> Self {
        match error {
            Error::Content { path, problem, hint } => {
                Problem::new(&path, problem, hint).of("unreadable")
            }
            Error::File { path, source, .. } => {
                let hint = "check that it is there, and its permissions";
                Problem::new(&path, format!("cannot be read ({source})"), hint).of("unreadable")
            }
            // Reading an image gives no other error; if it ever does, its message is kept.
            other => Problem::new(Path::new(""), other.to_string(), "see `parula data inspect`"),
        }
    }

    /// The error that stops the building of ROIs, with the number of problems besides this one.
    pub fn into_error(self, others: usize) -> Error {
        let hint = match others {
            0 => self.hint,
            1 => format!("{} (one more problem: `parula data inspect` lists both)", self.hint),
            n => format!("{} ({n} more problems: `parula data inspect` lists all)", self.hint),
        };
        Error::content(self.path, self.what, hint)
    }
}

/// Problems that differ in the file alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// [`Problem::kind`] of all.
    pub kind: &'static str,
    /// How many there are.
    pub count: usize,
    /// The first file.
    pub example: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What to try.
    pub hint: String,
    /// Whether the data set can be used all the same.
    pub harmless: bool,
}

/// The problems by what they have in common, in the order in which the first of each comes.
pub fn groups(problems: &[Problem]) -> Vec<Group> {
    // Numbers and names differ from file to file, what is to be done does not.
    let pattern = |text: &str| -> String {
        let named = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || "./_".contains(c));
        text.split_whitespace().filter(named).collect::<Vec<_>>().join(" ")
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut found: BTreeMap<(bool, &str, String, String), usize> = BTreeMap::new();
    for problem in problems {
        let Problem { kind, path, what, hint, harmless } = problem.clone();
        let key = (harmless, kind, pattern(&what), pattern(&hint));
        let index = *found.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.count += 1,
            None => groups.push(Group { kind, count: 1, example: path, what, hint, harmless }),
        }
    }
    groups
}
