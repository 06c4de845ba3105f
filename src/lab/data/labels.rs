//! The labels of images: a table of `image,label`, with a column `patient` where one is known, or the names of the
//! folders that images are in.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::patients::{IMAGE, PATIENT, spelling};
use super::table::Table;
use crate::error::{Error, Result};

/// Names of the column of labels.
const LABEL: [&str; 6] = ["label", "class", "diagnosis", "target", "truth", "y"];
/// What stands for the folders in the place of a table.
pub const FOLDERS: &str = "folders";

/// The label of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The class in words, or its number.
    pub class: String,
    /// Whose image it is, where that is known.
    pub patient: Option<String>,
}

/// Where labels come from.
pub enum Labels {
    /// The folder that an image is in is called after its class.
    Folders,
    /// A table.
    Table {
        /// The file.
        path: PathBuf,
        /// By the image's path as the table has it, without its ending; each with its line.
        rows: HashMap<String, (u64, Label)>,
    },
}

impl Labels {
    /// Reads the table `path`; `folders` stands for the folders.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Content`] when it has no column `image` or `label`, or a line
    /// that cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        if path == Path::new(FOLDERS) {
            return Ok(Labels::Folders);
        }
        let table = Table::read(path)?;
        let (Some(image), Some(label)) = (table.column(&IMAGE), table.column(&LABEL)) else {
            let hint = "its first line is `image,label` or `image,label,patient`, and then comes a line for each image";
            return Err(Error::content(path, "lacks a column `image` or `label`", hint));
        };
        let patient = table.column(&PATIENT);
        let mut rows: HashMap<String, (u64, Label)> = HashMap::new();
        for (line, row) in table.rows {
            let wrong = |what: String| Error::content(path, what, "mend the line, or remove it");
            let row = row.map_err(|what| wrong(format!("line {line} {what}")))?;
            let field = |column: usize| row.get(column).filter(|text| !text.is_empty()).cloned();
            let (Some(image), Some(class)) = (field(image), field(label)) else {
                return Err(wrong(format!("line {line} lacks an image or a label")));
            };
            let label = Label { class, patient: patient.and_then(field) };
            match rows.insert(spelling(&image), (line, label.clone())) {
                Some((first, other)) if other != label => {
                    return Err(wrong(format!(
                        "line {first} and line {line} differ about {image}"
                    )));
                }
                _ => {}
            }
        }
        Ok(Labels::Table { path: path.to_owned(), rows })
    }

    /// The label of each of `images`; none where the table has none. An image is found by its path from the table's
    /// folder, by its path as it was given, or by its name alone.
    ///
    /// # Errors
    /// [`Error::Content`] when not one has a label, or when one line is of several images.
    pub fn of(&self, images: &[&Path]) -> Result<Vec<Option<Label>>> {
        let (path, rows) = match self {
            Labels::Folders => return Ok(images.iter().map(|image| of_folder(image)).collect()),
            Labels::Table { path, rows } => (path, rows),
        };
        let mut taken: HashMap<u64, &Path> = HashMap::new();
        let mut found = Vec::with_capacity(images.len());
        for &image in images {
            let row = names(path, image).iter().find_map(|name| rows.get(name));
            if let Some((line, _)) = row
                && let Some(other) = taken.insert(*line, image)
                && other != image
            {
                return Err(Error::content(
                    path,
                    format!("line {line} is of {} and of {}", other.display(), image.display()),
                    "name images by their paths from the table's folder",
                ));
            }
            found.push(row.map(|(_, label)| label.clone()));
        }
        if found.iter().all(Option::is_none) {
            let hint =
                "name images by their files' names, or by their paths from the table's folder";
            return Err(Error::content(path, "has a label of none of the images", hint));
        }
        Ok(found)
    }
}

fn of_folder(image: &Path) -> Option<Label> {
    let whole = image.canonicalize().ok();
    let folder = whole.as_deref().unwrap_or(image).parent()?.file_name()?;
    Some(Label { class: folder.to_string_lossy().into_owned(), patient: None })
}

/// What a table may call `image`, the surest first.
fn names(table: &Path, image: &Path) -> Vec<String> {
    let real = |path: &Path| path.canonicalize().ok();
    let mut names = Vec::new();
    if let (Some(folder), Some(image)) = (table.parent(), real(image))
        && let Some(folder) =
            real(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        && let Ok(below) = image.strip_prefix(folder)
    {
        names.push(spelling(&below.to_string_lossy()));
    }
    names.push(spelling(&image.to_string_lossy()));
    if let Some(name) = image.file_name() {
        names.push(spelling(&name.to_string_lossy()));
    }
    names
}

/// The labels that are no class, in words, a few of them.
pub fn in_words<'a>(labels: impl Iterator<Item = &'a str>) -> String {
    let all: BTreeSet<&str> = labels.collect();
    let some: Vec<&str> = all.iter().take(5).copied().collect();
    some.join(", ") + if all.len() > 5 { ", ..." } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (tempfile::TempDir, Result<Labels>) {
        let folder = tempfile::tempdir().unwrap();
        for image in ["a.png", "x/b.png", "y/b.png"] {
            let path = folder.path().join(image);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        let labels = Labels::read(&path);
        (folder, labels)
    }

    fn of(folder: &Path, labels: &Labels) -> Result<Vec<Option<String>>> {
        let images = ["a.png", "x/b.png", "y/b.png"].map(|image| folder.join(image));
        let images: Vec<&Path> = images.iter().map(PathBuf::as_path).collect();
        let found = labels.of(&images)?;
        Ok(found.into_iter().map(|label| label.map(|label| label.class)).collect())
    }

    #[test]
    fn images_are_found_by_path_and_by_name() {
        let (folder, labels) =
            table("image,label,patient\na.png,cat,p1\nx/b.png,dog,\ny\\b,cat,p2\n");
        let labels = labels.unwrap();
        let words = |text: &str| Some(text.to_owned());
        assert_eq!(of(folder.path(), &labels).unwrap(), [words("cat"), words("dog"), words("cat")]);
        let found = labels.of(&[&folder.path().join("a.png"), &folder.path().join("x/b.png")]);
        let patients = found.unwrap().into_iter().map(|label| label.unwrap().patient);
        assert_eq!(patients.collect::<Vec<_>>(), [words("p1"), None]);
        let (folder, labels) = table("file;diagnosis\na;1\n");
        assert_eq!(of(folder.path(), &labels.unwrap()).unwrap(), [words("1"), None, None]);
        let folders = of(folder.path(), &Labels::Folders).unwrap();
        assert_eq!(folders[1..], [words("x"), words("y")]);
    }

    #[test]
    fn what_may_be_of_two_images_or_none_is_refused() {
        let wrong = |text: &str| match table(text) {
            (_, Err(error)) => error.to_string(),
            (folder, Ok(labels)) => of(folder.path(), &labels).unwrap_err().to_string(),
        };
        for (text, part) in [
            ("image,label\nb.png,cat\n", "line 2 is of"),
            ("image,label\na.png,cat\na.png,dog\n", "line 2 and line 3"),
            ("image,label\na.png,\n", "line 2 lacks"),
            ("image,kind\na.png,cat\n", "lacks a column"),
            ("image,label\nq.png,cat\n", "none of the images"),
            ("", "without a header"),
        ] {
            assert!(wrong(text).contains(part), "{text:?}: {}", wrong(text));
        }
    }
}
