//! Which images are of one patient, so that a split keeps them together: `patients.csv` in the root of a
//! data set, or a table there that came with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::problem::Problem;
use super::table::Table;
use crate::error::{Error, Result};
use crate::lab::data::listing;
use crate::lab::data::names;
use crate::nets::images::decode::EXTENSIONS;

/// Names of the column of images, and of that of patients.
pub(super) const IMAGE: [&str; 8] =
    ["image", "image id", "image name", "file", "filename", "file name", "id", "name"];
pub(super) const PATIENT: [&str; 7] =
    ["patient", "patient id", "patientid", "case", "case id", "subject", "subject id"];

/// From image (a path below the root, or a file name, with or without its ending) to patient.
pub struct Patients {
    /// The table's file name.
    pub name: String,
    /// Whether it was written for this program, so that every image must be in it.
    pub complete: bool,
    /// What is wrong with its lines, and which of its patients may be one.
    pub problems: Vec<Problem>,
    /// The line and the patient of each image.
    patients: HashMap<String, (u64, String)>,
}

impl Patients {
    /// Reads `patients.csv`, or another table in the root that names images and patients, such as
    /// `bus_data.csv` of BUS-BRA with `ID` and `Case`; none when there is none. Another table counts where it
    /// names an image of the data set; a line of it that cannot be used is in [`Patients::problems`].
    ///
    /// # Errors
    /// Of `patients.csv`: [`Error::File`] when it cannot be read, [`Error::Content`] when a column is missing,
    /// or for the first line that cannot be used.
    pub fn read(listing: &listing::Listing) -> Result<Option<Self>> {
        let is_table = |path: &&PathBuf| {
            path.parent() == Some(&listing.root)
                && ["csv", "tsv"].contains(&names::extension(path).as_str())
        };
        let tables: Vec<&PathBuf> = listing.files.iter().filter(is_table).collect();
        let own = |path: &&&PathBuf| names::name(path).to_lowercase() == "patients.csv";
        if let Some(path) = tables.iter().find(own) {
            let mut table = Self::of_table(path, true)?;
            table.problems.extend(table.conflicts(path, listing));
            return match table.problems.iter().position(|problem| !problem.harmless) {
                Some(first) => {
                    let others = table.problems.iter().filter(|one| !one.harmless).count() - 1;
                    Err(table.problems.swap_remove(first).into_error(others))
                }
                None => Ok(Some(table)),
            };
        }
        let of_this_set = tables.iter().find_map(|path| {
            let mut table = Self::of_table(path, false).ok()?;
            let images = listing.images.iter().filter(|entry| !entry.is_mask);
            let covered =
                images.clone().any(|entry| table.of(&listing.root, &entry.path).is_some());
            table.problems.extend(table.conflicts(path, listing));
            covered.then_some(table)
        });
        Ok(of_this_set)
    }

    /// A table whose lines are as good as can be told without the images.
    fn of_table(path: &Path, complete: bool) -> Result<Self> {
        let table = Table::read(path)?;
        let (Some(image), Some(patient)) = (table.column(&IMAGE), table.column(&PATIENT)) else {
            let hint = "its first line is `image,patient`, and then comes a line for each image";
            return Err(Error::content(path, "lacks a column `image` or `patient`", hint));
        };
        let mut found = Patients {
            name: names::name(path),
            complete,
            problems: Vec::new(),
            patients: HashMap::new(),
        };
        let mut names = BTreeSet::new();
        for (line, row) in table.rows {
            let fields = row.as_ref().map(|row| (row.get(image), row.get(patient)));
            let (image, patient) = match fields {
                Ok((Some(image), Some(patient))) if !image.is_empty() && !patient.is_empty() => {
                    (spelling(image), patient.nfc().collect::<String>())
                }
                Ok(_) => {
                    found.damaged(path, format!("line {line} lacks an image or a patient"));
                    continue;
                }
                Err(wrong) => {
                    found.damaged(path, format!("line {line} {wrong}"));
                    continue;
                }
            };
            match found.patients.get(&image) {
                Some((first, other)) if *other != patient => {
                    let what = two_patients(&image, [(*first, other), (line, &patient)]);
                    found.damaged(path, what);
                }
                Some(_) => {}
                None => {
                    names.insert(patient.clone());
                    found.patients.insert(image, (line, patient));
                }
            }
        }
        found.problems.extend(alike(path, names.iter().map(String::as_str)));
        Ok(found)
    }

    /// Some line cannot be used, so that a patient might stand on both sides of a split.
    fn damaged(&mut self, path: &Path, what: String) {
        let hint = if what.contains(" and line ") {
            "keep the line that is right, so that no patient is on both sides of a split"
        } else {
            "correct or remove the line, so that no patient is on both sides of a split"
        };
        self.problems.push(Problem::new(path, what, hint).of("patient"));
    }

    /// Images that one line names by their path and another by their name alone, with different patients.
    fn conflicts(&self, table: &Path, listing: &listing::Listing) -> Vec<Problem> {
        let images = || listing.images.iter().filter(|entry| !entry.is_mask);
        let below = |path: &Path| {
            spelling(&path.strip_prefix(&listing.root).unwrap_or(path).to_string_lossy())
        };
        // Of an image in the root itself the name is the path.
        let paths: HashSet<String> = images().map(|entry| below(&entry.path)).collect();
        let mut found = Patients {
            name: String::new(),
            complete: false,
            problems: Vec::new(),
            patients: HashMap::new(),
        };
        for entry in images() {
            let (path, name) = (below(&entry.path), spelling(&names::name(&entry.path)));
            let (Some(by_path), Some(by_name)) =
                (self.patients.get(&path), self.patients.get(&name))
            else {
                continue;
            };
            if by_path.1 != by_name.1 && !paths.contains(&name) {
                let mut lines = [(by_path.0, &by_path.1), (by_name.0, &by_name.1)];
                lines.sort_unstable();
                found.damaged(table, two_patients(&path, lines));
            }
        }
        found.problems
    }

    /// The patient of `image`; one that `patients.csv` lacks is a problem.
    pub fn find(&self, root: &Path, image: &Path, problems: &mut Vec<Problem>) -> Option<String> {
        let found = self.of(root, image).map(str::to_owned);
        if found.is_none() && self.complete {
            let what = format!("is not in {}", self.name);
            let hint = "add its line, so that no patient is on both sides of the split";
            problems.push(Problem::new(image, what, hint).of("patient"));
        }
        found
    }

    /// What [`Dataset::unit`](super::dataset::Dataset::unit) is by this table.
    pub fn unit(&self) -> &'static str {
        if self.complete { "patients.csv" } else { "table of patients" }
    }

    /// The patient of `image`, which lies below `root`.
    pub fn of(&self, root: &Path, image: &Path) -> Option<&str> {
        let below = image.strip_prefix(root).unwrap_or(image).to_string_lossy().into_owned();
        let by = |key: &str| self.patients.get(&spelling(key)).map(|(_, patient)| &**patient);
        by(&below).or_else(|| by(&names::name(image)))
    }
}

/// An image under two patients: which line says which.
fn two_patients(image: &str, [first, second]: [(u64, &String); 2]) -> String {
    format!(
        "gives {image} to two patients: line {} says {} and line {} says {}",
        first.0, first.1, second.0, second.1
    )
}

/// A note for each two of some patients whose names differ in nothing but capital letters, spaces or zeros
/// before a number; `path` is where they stand.
pub fn alike<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> Vec<Problem> {
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for name in names {
        let mut key = String::new();
        for c in name.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
            // The zeros before a number go.
            let zeros =
                key.ends_with('0') && !key[..key.len() - 1].ends_with(|c: char| c.is_ascii_digit());
            if zeros && c.is_ascii_digit() {
                key.pop();
            }
            key.push(c);
        }
        match first.get(&key) {
            Some(other) => {
                let what = format!("has the patients {other} and {name}, which are taken for two");
                let hint = "give them one name if they are one";
                problems.push(Problem::harmless(path, what, hint).of("patient"));
            }
            None => {
                first.insert(key, name);
            }
        }
    }
    problems
}

/// One way of writing a path, whoever wrote it: letters with accents are one sign or two.
pub(super) fn spelling(image: &str) -> String {
    let image: String = image.replace('\\', "/").nfc().collect();
    let image = image.trim_start_matches("./");
    match image.rsplit_once('.') {
        Some((stem, ending)) if EXTENSIONS.contains(&&*ending.to_lowercase()) => stem.to_owned(),
        _ => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_one_patient_are_noted() {
        let told = |names: &[&str]| alike(Path::new("t.csv"), names.iter().copied()).len();
        for [a, b] in [["P0", "p0"], ["1", "01"], ["a 7", "A007"], ["0", "00"], ["x01y2", "x1y02"]]
        {
            assert_eq!(told(&[a, b]), 1, "{a} {b}");
        }
        for [a, b] in [["1", "10"], ["100", "1000"], ["P0", "P1"], ["a", "á"], ["1.5", "15"]] {
            assert_eq!(told(&[a, b]), 0, "{a} {b}");
        }
    }
}
