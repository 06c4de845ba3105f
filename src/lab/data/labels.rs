//! The labels of images: a table, with a column `patient` where one is known, or the names of the folders that images
//! are in.
//!
//! ```text
//! image,label          one label an image: classes that exclude each other
//! image,label,label    a column for each that an image may have; empty ones count nothing
//! image,label          with a|b in some line: several labels in one field
//! image,a,b,c          no column `label`: 1 where an image has the label, 0 where not
//! ```
//! In the last three an image may have several labels. Beside a column `label` other columns count nothing.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::patients::{IMAGE, PATIENT, spelling};
use super::table::Table;
use crate::error::{Error, Result};

/// Names of the column of labels.
const LABEL: [&str; 8] =
    ["label", "labels", "class", "classes", "diagnosis", "target", "truth", "y"];
/// What stands between labels in one field.
const BETWEEN: char = '|';
/// What stands for the folders in the place of a table.
pub const FOLDERS: &str = "folders";

/// The label of an image, or its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The classes in words, or their numbers: one, or where an image may have several labels none or more.
    pub classes: Vec<String>,
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
        /// All labels: numbers and names in order, or columns as they stand.
        names: Vec<String>,
        /// Whether an image may have several.
        several: bool,
    },
}

/// Whether a column is called `label`, `label 2`, `label3` or the like.
fn is_of_words(column: &str) -> bool {
    LABEL.contains(&column.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end())
}

/// How a table says which labels an image has.
enum Form {
    /// In these columns in words.
    Words(Vec<usize>),
    /// By 0 or 1 in these columns, whose titles are the labels.
    Marks(Vec<(usize, String)>),
}

impl Form {
    /// The form of `table`; of columns of 0 and 1 those of the labels `wanted`, or all.
    fn of(table: &Table, path: &Path, wanted: Option<&[String]>) -> Result<Self> {
        let (image, patient) = (table.column(&IMAGE), table.column(&PATIENT));
        let words: Vec<usize> = (0..table.header.len())
            .filter(|at| is_of_words(&table.header[*at]) && Some(*at) != image)
            .collect();
        if !words.is_empty() {
            // `label` and `class` say one thing twice, or two things: the first of the list counts.
            let named = |name: &str| -> Vec<usize> {
                let of_name = |at: &&usize| table.header[**at].starts_with(name);
                words.iter().filter(of_name).copied().collect()
            };
            let first = LABEL.iter().map(|name| named(name)).find(|all| !all.is_empty());
            return Ok(Form::Words(first.unwrap_or(words)));
        }
        let others =
            (0..table.header.len()).filter(|at| Some(*at) != image && Some(*at) != patient);
        let is_wanted = |at: &usize| {
            let title = table.titles[*at].to_lowercase();
            wanted.is_none_or(|all| all.iter().any(|one| one.to_lowercase() == title))
        };
        let marks: Vec<(usize, String)> =
            others.filter(is_wanted).map(|at| (at, table.titles[at].clone())).collect();
        if marks.len() < 2 {
            let hint = "its first line is `image,label`, `image,label,patient`, or `image` and a column of 0 and 1 for each label";
            return Err(Error::content(path, "lacks a column `label`", hint));
        }
        let named: Vec<String> = marks.iter().map(|(_, title)| title.to_lowercase()).collect();
        if let Some(at) = (1..named.len()).find(|&at| named[..at].contains(&named[at])) {
            let what = format!("has two columns `{}`", marks[at].1);
            return Err(Error::content(path, what, "give each label one column"));
        }
        Ok(Form::Marks(marks))
    }

    /// The labels in `row`; an error says what is wrong with it.
    fn labels(&self, row: &[String]) -> Result<Vec<String>, String> {
        let field = |at: usize| row.get(at).map(String::as_str).unwrap_or_default();
        let mut found: Vec<String> = Vec::new();
        match self {
            Form::Words(columns) => {
                for word in columns.iter().flat_map(|&at| field(at).split(BETWEEN)) {
                    let word = word.trim();
                    if !word.is_empty() && !found.iter().any(|one| one == word) {
                        found.push(word.to_owned());
                    }
                }
                if found.is_empty() {
                    return Err("lacks a label".to_owned());
                }
            }
            Form::Marks(columns) => {
                for (at, title) in columns {
                    match field(*at) {
                        "1" | "1.0" => found.push(title.clone()),
                        "0" | "0.0" => {}
                        other => {
                            return Err(format!(
                                "has `{other}` under `{title}`, which is neither 0 nor 1"
                            ));
                        }
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Labels {
    /// Reads the table `path`; `folders` stands for the folders.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Content`] when it has no column `image` or none of labels, or a
    /// line that cannot be used.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_some(path, None)
    }

    /// The same, where of columns of 0 and 1 those of the labels `wanted` alone are labels.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_some(path: &Path, wanted: Option<&[String]>) -> Result<Self> {
        if path == Path::new(FOLDERS) {
            return Ok(Labels::Folders);
        }
        let table = Table::read(path)?;
        let Some(image) = table.column(&IMAGE) else {
            let hint = "its first line is `image,label` or `image,label,patient`, and then comes a line for each image";
            return Err(Error::content(path, "lacks a column `image`", hint));
        };
        let form = Form::of(&table, path, wanted)?;
        let patient = table.column(&PATIENT);
        let mut rows: HashMap<String, (u64, Label)> = HashMap::new();
        let mut names: BTreeSet<Name> = BTreeSet::new();
        let mut several = match &form {
            Form::Words(columns) => columns.len() > 1,
            Form::Marks(_) => true,
        };
        for (line, row) in table.rows {
            let wrong = |what: String| Error::content(path, what, "mend the line, or remove it");
            let row = row.map_err(|what| wrong(format!("line {line} {what}")))?;
            let field = |column: usize| row.get(column).filter(|text| !text.is_empty()).cloned();
            let Some(image) = field(image) else {
                return Err(wrong(format!("line {line} lacks an image")));
            };
            let classes = form.labels(&row).map_err(|what| wrong(format!("line {line} {what}")))?;
            several |= classes.len() > 1;
            names.extend(classes.iter().map(|name| Name::of(name)));
            let label = Label { classes, patient: patient.and_then(field) };
            match rows.insert(spelling(&image), (line, label.clone())) {
                Some((first, other)) if other != label => {
                    return Err(wrong(format!(
                        "line {first} and line {line} differ about {image}: an image has one line"
                    )));
                }
                _ => {}
            }
        }
        let names = match form {
            Form::Words(_) => names.into_iter().map(|name| name.1).collect(),
            Form::Marks(columns) => columns.into_iter().map(|(_, title)| title).collect(),
        };
        Ok(Labels::Table { path: path.to_owned(), rows, names, several })
    }

    /// Whether a table has no column of labels in words, so that each may have one of 0 and 1.
    pub fn has_marks(path: &Path) -> bool {
        let header = Table::header(path);
        header.iter().any(|column| IMAGE.contains(&column.as_str()))
            && !header.iter().any(|column| is_of_words(column))
    }

    /// Whether an image may have several labels.
    pub fn several(&self) -> bool {
        matches!(self, Labels::Table { several: true, .. })
    }

    /// The lines that are of none of `images`: how many, and what the first of them calls its image.
    pub fn unused(&self, images: &[&Path]) -> (usize, Option<String>) {
        let Labels::Table { path, rows, .. } = self else { return (0, None) };
        let used: BTreeSet<u64> = images
            .iter()
            .filter_map(|image| names(path, image).iter().find_map(|name| rows.get(name)))
            .map(|(line, _)| *line)
            .collect();
        let mut unused: Vec<(u64, &String)> =
            rows.iter().map(|(image, (line, _))| (*line, image)).collect();
        unused.retain(|(line, _)| !used.contains(line));
        (unused.len(), unused.into_iter().min().map(|(_, image)| image.clone()))
    }

    /// The label of each of `images`; none where the table has none. An image is found by its path from the table's
    /// folder, by its path as it was given, or by its name alone.
    ///
    /// # Errors
    /// [`Error::Content`] when not one has a label, or when one line is of several images.
    pub fn of(&self, images: &[&Path]) -> Result<Vec<Option<Label>>> {
        let (path, rows) = match self {
            Labels::Folders => return Ok(images.iter().map(|image| of_folder(image)).collect()),
            Labels::Table { path, rows, .. } => (path, rows),
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
    Some(Label { classes: vec![folder.to_string_lossy().into_owned()], patient: None })
}

/// A label in its place: words by their letters, and before them numbers by their size.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(u64, String);

impl Name {
    fn of(name: &str) -> Self {
        Name(name.parse().unwrap_or(u64::MAX), name.to_owned())
    }
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
        Ok(found.into_iter().map(|label| label.map(|label| label.classes.join("+"))).collect())
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
    fn an_image_may_have_several_labels() {
        for (text, found, all) in [
            (
                "image,label,label\na.png,cat,dog\nx/b.png,,cat\n",
                ["cat+dog", "cat"],
                ["cat", "dog"],
            ),
            ("image,labels\na.png,dog|cat\nx/b.png,cat\n", ["dog+cat", "cat"], ["cat", "dog"]),
            ("image,Dog,Cat\na.png,1,0\nx/b.png,0,0\n", ["Dog", ""], ["Dog", "Cat"]),
            ("image,label1,label2\na.png,10,9\nx/b.png,9,\n", ["10+9", "9"], ["9", "10"]),
        ] {
            let (folder, labels) = table(text);
            let labels = labels.unwrap();
            assert!(labels.several(), "{text:?}");
            let each = of(folder.path(), &labels).unwrap();
            assert_eq!(each[..2], found.map(|label| Some(label.to_owned())), "{text:?}");
            let Labels::Table { names, .. } = &labels else { panic!("a table") };
            assert_eq!(*names, all, "{text:?}");
        }
        let (folder, labels) = table("image,label,sex,age\na.png,cat,0,7\nq.png,dog,1,8\n");
        let labels = labels.unwrap();
        assert!(!labels.several());
        assert_eq!(labels.unused(&[&folder.path().join("a.png")]), (1, Some("q".to_owned())));
        // Columns that are not asked for may hold anything.
        let path = folder.path().join("marks.csv");
        std::fs::write(&path, "image,age,cat,dog\na.png,70,1,0\n").unwrap();
        assert!(Labels::read(&path).is_err());
        let asked = ["CAT".to_owned(), "dog".to_owned()];
        assert!(Labels::read_some(&path, Some(&asked)).unwrap().several());
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
            ("image,kind\na.png,cat\n", "lacks a column `label`"),
            ("file name,label,label\na.png,,\n", "line 2 lacks a label"),
            ("image,cat,dog\na.png,1,2\n", "has `2` under `dog`"),
            ("image,cat,dog\na.png,1,\n", "has `` under `dog`"),
            ("image,cat,Cat\na.png,1,1\n", "two columns `Cat`"),
            ("image,label\na.png,cat\na.png,cat|dog\n", "an image has one line"),
            ("label\ncat\n", "lacks a column `image`"),
            ("image,label\nq.png,cat\n", "none of the images"),
            ("", "without a header"),
        ] {
            assert!(wrong(text).contains(part), "{text:?}: {}", wrong(text));
        }
    }
}
