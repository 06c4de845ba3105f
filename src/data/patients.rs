//! Which images are of one patient, so that a split keeps them together: `patients.csv` in the root of a
//! data set, or a table there that came with it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::dataset::Problem;
use super::decode::EXTENSIONS;
use super::layout;
use super::table::Table;
use crate::error::{Error, Result};

/// Names of the column of images, and of that of patients.
const IMAGE: [&str; 8] =
    ["image", "image id", "image name", "file", "filename", "file name", "id", "name"];
const PATIENT: [&str; 7] =
    ["patient", "patient id", "patientid", "case", "case id", "subject", "subject id"];

/// From image (a path below the root, or a file name, with or without its ending) to patient.
pub struct Patients {
    /// The table's file name.
    pub name: String,
    /// Whether it was written for this program, so that every image must be in it.
    pub complete: bool,
    patients: HashMap<String, String>,
}

impl Patients {
    /// Reads `patients.csv`, or another table in the root that names images and patients, such as
    /// `bus_data.csv` of BUS-BRA with `ID` and `Case`; none when there is none.
    ///
    /// # Errors
    /// Of `patients.csv`: [`Error::File`] when it cannot be read, [`Error::Content`] when a column or a
    /// field is missing. Other tables that cannot be used are passed over.
    pub fn read(listing: &layout::Listing) -> Result<Option<Self>> {
        let is_table = |path: &&PathBuf| {
            path.parent() == Some(&listing.root)
                && ["csv", "tsv"].contains(&layout::extension(path).as_str())
        };
        let tables: Vec<&PathBuf> = listing.files.iter().filter(is_table).collect();
        let own = |path: &&&PathBuf| layout::name(path).to_lowercase() == "patients.csv";
        if let Some(path) = tables.iter().find(own) {
            return Self::of_table(path, true).map(Some);
        }
        Ok(tables.iter().find_map(|path| Self::of_table(path, false).ok()))
    }

    fn of_table(path: &Path, complete: bool) -> Result<Self> {
        let hint = "its first line is `image,patient`, and then comes a line for each image";
        let table = Table::read(path)?;
        let (Some(image), Some(patient)) = (table.column(&IMAGE), table.column(&PATIENT)) else {
            return Err(Error::content(path, "lacks a column `image` or `patient`", hint));
        };
        let mut patients = HashMap::new();
        for (line, row) in table.rows {
            let row = row.unwrap_or_default();
            match (row.get(image), row.get(patient)) {
                (Some(image), Some(patient)) if !image.is_empty() && !patient.is_empty() => {
                    patients.insert(spelling(image), patient.clone());
                }
                _ => {
                    let problem = format!("line {line} lacks an image or a patient");
                    return Err(Error::content(path, problem, hint));
                }
            }
        }
        Ok(Patients { name: layout::name(path), complete, patients })
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
        let by = |key: &str| self.patients.get(&spelling(key)).map(String::as_str);
        by(&below).or_else(|| by(&layout::name(image)))
    }
}

/// One way of writing a path, whoever wrote it: letters with accents are one sign or two.
fn spelling(image: &str) -> String {
    let image: String = image.replace('\\', "/").nfc().collect();
    let image = image.trim_start_matches("./");
    match image.rsplit_once('.') {
        Some((stem, ending)) if EXTENSIONS.contains(&&*ending.to_lowercase()) => stem.to_owned(),
        _ => image.to_owned(),
    }
}
