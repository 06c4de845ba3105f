//! `patients.csv` in the root of a data set: which images are of one patient, so that a split keeps
//! them together.

use std::collections::HashMap;
use std::path::Path;

use super::decode::EXTENSIONS;
use crate::error::{Error, Result};
use crate::files;

/// `patients.csv`: image (a path below the root, or a file name, with or without its ending) to patient.
pub struct Patients(HashMap<String, String>);

impl Patients {
    /// Reads `root/patients.csv`; none when there is no such file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Content`] when a column or a field is missing.
    pub fn read(root: &Path) -> Result<Option<Self>> {
        let path = root.join("patients.csv");
        if !path.exists() {
            return Ok(None);
        }
        let hint = "its first line is `image,patient`, and then comes a line for each image";
        let bytes = files::read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let header: Vec<String> =
            fields(lines.next().unwrap_or_default()).iter().map(|f| f.to_lowercase()).collect();
        let column = |name| header.iter().position(|field| field == name);
        let (Some(image), Some(patient)) = (column("image"), column("patient")) else {
            return Err(Error::content(&path, "lacks a column `image` or `patient`", hint));
        };
        let mut patients = HashMap::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fields = fields(line);
            match (fields.get(image), fields.get(patient)) {
                (Some(image), Some(patient)) if !image.is_empty() && !patient.is_empty() => {
                    patients.insert(spelling(image), patient.clone());
                }
                _ => {
                    let problem = format!("line {} lacks an image or a patient", number + 2);
                    return Err(Error::content(&path, problem, hint));
                }
            }
        }
        Ok(Some(Patients(patients)))
    }

    /// The patient of `image`, which lies below `root`.
    pub fn of(&self, root: &Path, image: &Path) -> Option<&str> {
        let below = image.strip_prefix(root).unwrap_or(image).to_string_lossy().into_owned();
        let name = image.file_name()?.to_string_lossy().into_owned();
        let by = |key: &str| self.0.get(&spelling(key)).map(String::as_str);
        by(&below).or_else(|| by(&name))
    }
}

/// One way of writing a path, whoever wrote it.
fn spelling(image: &str) -> String {
    let image = image.replace('\\', "/");
    let image = image.trim_start_matches("./");
    match image.rsplit_once('.') {
        Some((stem, ending)) if EXTENSIONS.contains(&&*ending.to_lowercase()) => stem.to_owned(),
        _ => image.to_owned(),
    }
}

/// The fields of one line of CSV; a field in quotes may hold commas.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => fields.iter_mut().last().into_iter().for_each(|field| field.push(other)),
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}
