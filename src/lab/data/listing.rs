//! What is found below a folder: images, masks, whose they are, and what was left out.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use super::names::spelling;
use super::problem::Problem;
use crate::error::Error;

/// What to do about a folder in which nothing was found.
pub const EXPECTED: &str = "give a folder of images (PNG, TIFF, JPEG, PGM) with masks beside them, such as `mass/X.png` and `mass/X_mask.png`";

/// One image file found below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// The folders between the root and the file, without those that only say `images` or `masks`.
    pub folders: Vec<String>,
    /// The file's name without its ending, and for a mask without what makes it one.
    pub stem: String,
    /// Whether its name or its folder says that it is a mask.
    pub is_mask: bool,
    /// Of a mask: whether it outlines something else than lesions.
    pub foreign: bool,
    /// Of a mask: the images that it is of, by their places in [`Listing::images`].
    pub owners: Vec<usize>,
    /// Of a mask that might be of an image and is not: why.
    pub stray: Option<String>,
    /// Of an image: the other name of the same file that stands for it.
    pub same_as: Option<PathBuf>,
}

impl Entry {
    /// What an image and its masks have in common: folders and stem, however they are written.
    pub fn key(&self) -> String {
        self.key_of(&self.stem)
    }

    /// The key of another stem in the same folders.
    pub fn key_of(&self, stem: &str) -> String {
        spelling(&format!("{}/{stem}", self.folders.join("/")))
    }
}

/// An image and its masks.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// The image.
    pub entry: &'a Entry,
    /// What outlines its lesions; may be none.
    pub masks: Vec<PathBuf>,
}

/// Everything found below a folder.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The folder.
    pub root: PathBuf,
    /// All files in and below it, sorted by path.
    pub files: Vec<PathBuf>,
    /// Its images, sorted by path.
    pub images: Vec<Entry>,
    /// Images in formats that are not read: extension to paths.
    pub others: BTreeMap<String, Vec<PathBuf>>,
    /// Files and folders that were left out, because parula wrote them.
    pub outputs: Vec<PathBuf>,
    /// What is no file, and links to folders that were seen already. All harmless.
    pub passed: Vec<Problem>,
}

impl Listing {
    /// One harmless problem for each format that was found and is not read, and one for outputs.
    pub fn left_out(&self) -> Vec<Problem> {
        let outputs = self.outputs.first().map(|first| {
            let what = match self.outputs.len() {
                1 => "is left out: parula wrote it".to_owned(),
                n => format!("and {} more are left out: parula wrote them", n - 1),
            };
            let hint = "name the folder itself if it is meant";
            Problem::harmless(first, what, hint).of("output")
        });
        self.others
            .iter()
            .filter_map(|(extension, paths)| {
                let what = match paths.len() {
                    1 => format!("is not read: PNG, TIFF, JPEG and PGM are, not .{extension}"),
                    n => format!(
                        "and {} more .{extension} are not read: PNG, TIFF, JPEG and PGM are",
                        n - 1
                    ),
                };
                let hint = convert_hint(extension);
                Some(Problem::harmless(paths.first()?, what, hint).of("format"))
            })
            .chain(outputs)
            .chain(self.passed.iter().cloned())
            .collect()
    }

    /// The pictures that are not read, most of one ending first, in words, and what to do about them; none
    /// where there are none.
    pub fn unread(&self) -> Option<(String, String)> {
        let (extension, _) = self.others.iter().max_by_key(|(_, paths)| paths.len())?;
        let counts = self.others.iter().map(|(other, paths)| format!("{} .{other}", paths.len()));
        let what = format!("{}, which are not read", counts.collect::<Vec<_>>().join(", "));
        Some((what, convert_hint(extension)))
    }

    /// Every image with its masks, and a harmless problem for each file that is left out. Two images of one
    /// name, such as `a.png` and `a.jpg`, have the same masks.
    pub fn pairs(&self) -> (Vec<Pair<'_>>, Vec<Problem>) {
        let mut masks: HashMap<usize, Vec<PathBuf>> = HashMap::new();
        let mut problems = Vec::new();
        for entry in self.images.iter().filter(|entry| entry.is_mask) {
            for owner in &entry.owners {
                masks.entry(*owner).or_default().push(entry.path.clone());
            }
            if entry.foreign {
                let what = "is left out: by its name it outlines something else than a lesion";
                let problem =
                    Problem::harmless(&entry.path, what, "call it X_mask_1 if it does not");
                problems.push(problem.of("other outline"));
            } else if let Some(what) = &entry.stray {
                let hint = "add its image, call it after its own as X_mask_1, or remove it";
                problems.push(Problem::new(&entry.path, what, hint).of("no image"));
            } else if entry.owners.is_empty() {
                let what = "is left out: there is no image for this mask";
                let hint = "add its image, under the same name without what makes it a mask";
                problems.push(Problem::harmless(&entry.path, what, hint).of("no image"));
            }
        }
        let images = self.images.iter().enumerate().filter(|(_, entry)| !entry.is_mask);
        let pair = |(index, entry)| Pair { entry, masks: masks.remove(&index).unwrap_or_default() };
        (images.map(pair).collect(), problems)
    }

    /// What to say when no layout recognises the folder.
    pub fn nothing_found(&self) -> Error {
        let most = self.others.iter().max_by_key(|(_, paths)| paths.len());
        let (problem, hint) = match most {
            _ if !self.images.is_empty() && self.images.iter().all(|entry| entry.is_mask) => (
                "holds masks, and none of the images that they are of".to_owned(),
                EXPECTED.to_owned(),
            ),
            None if !self.outputs.is_empty() => (
                "holds no PNG, TIFF, JPEG or PGM but those that parula wrote".to_owned(),
                "name the folder that they are in, if they are meant".to_owned(),
            ),
            Some((extension, paths)) if extension == "dcm" => (
                format!("holds {} .dcm and no table that describes them", paths.len()),
                "put the case descriptions of CBIS-DDSM beside them, which are CSV files"
                    .to_owned(),
            ),
            Some((extension, paths)) => (
                format!("holds no PNG, TIFF, JPEG or PGM, but {} .{extension}", paths.len()),
                convert_hint(extension),
            ),
            None if self.root.join("saved_model.pb").is_file() => (
                "holds a model as TensorFlow saves it, and no images".to_owned(),
                "open it with Keras, and write it with model.save(\"x.keras\") or model.save(\"x.h5\")"
                    .to_owned(),
            ),
            None => ("holds no PNG, TIFF, JPEG or PGM".to_owned(), EXPECTED.to_owned()),
        };
        Error::content(&self.root, problem, hint)
    }
}

fn convert_hint(extension: &str) -> String {
    format!("convert them to PNG, e.g. `mogrify -format png *.{extension}`")
}
