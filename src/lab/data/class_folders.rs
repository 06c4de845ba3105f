//! Whole images in folders that are called after their classes, `DIR/cat/x.png`, as Keras's
//! `image_dataset_from_directory` has them. Masks beside them are left aside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::dataset::{Class, Dataset, Normals, ReadOptions, Sample};
use super::folder::{PARTS, is_normal, one_file_a_sample, same_names, says_class};
use super::listing::{Entry, Listing};
use super::names::role;
use super::patients::Patients;
use super::problem::Problem;
use crate::error::{Error, Result};

/// More folders than these side by side are taken for classes only where somebody says so.
pub const MOST_UNASKED: usize = 12;

/// Whether no image has a mask.
pub fn is_bare(listing: &Listing) -> bool {
    listing.images.iter().all(|entry| entry.owners.is_empty())
}

/// The images of a folder. Where no mask has an image, nothing is a mask, whatever it is called, and neither is what
/// lies in a folder that is `wanted` as a class, such as `mask` beside `no mask`.
pub fn images<'a>(listing: &'a Listing, wanted: Option<&[String]>) -> Vec<&'a Entry> {
    let bare = is_bare(listing);
    let is_wanted = |folder: &str| {
        role(folder).1 && wanted.unwrap_or_default().iter().any(|one| alike(one, folder))
    };
    let of_class = |entry: &Entry| {
        let below = entry.path.strip_prefix(&listing.root).unwrap_or(&entry.path);
        let folders = below.parent().into_iter().flat_map(Path::iter);
        folders.into_iter().any(|folder| is_wanted(&folder.to_string_lossy()))
    };
    listing.images.iter().filter(|entry| bare || !entry.is_mask || of_class(entry)).collect()
}

/// Whether two names of a class are the same, in any case.
pub fn alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// The folders that could be classes, sorted by name without regard to case, as Keras sorts them where all are
/// written alike; none where the images lie in one folder.
pub fn classes(listing: &Listing) -> Vec<String> {
    let images = images(listing, None);
    let folders: Vec<Vec<String>> = images.iter().map(|entry| folders(listing, entry)).collect();
    match level_of_any(&folders) {
        Some(level) => spellings(&folders, level).into_values().collect(),
        None => Vec::new(),
    }
}

/// The folders that are classes because no image has a mask, which say more than normal and abnormal; none where there
/// are masks, or no such folders.
pub fn bare_classes(listing: &Listing) -> Option<Vec<String>> {
    let classes = classes(listing);
    let two = |name: &String| Class::ALL.iter().any(|class| class.name() == name.to_lowercase());
    let only_two = classes.len() == 2 && classes.iter().all(two);
    (is_bare(listing) && !classes.is_empty() && !only_two).then_some(classes)
}

/// Lists the images, each labelled by its folder: a class is a folder in any case, at the one level below the root that
/// has all that are `wanted`. Other levels may be patients, or parts such as `train`.
///
/// # Errors
/// [`Error::Usage`] for a class that is no folder; [`Error::Content`] where the images lie in no folders that could be
/// classes, and for a `patients.csv` that cannot be used.
pub fn read(
    listing: &Listing,
    options: &ReadOptions,
    wanted: Option<&[String]>,
) -> Result<Dataset> {
    let images = images(listing, wanted);
    let folders: Vec<Vec<String>> = images.iter().map(|entry| folders(listing, entry)).collect();
    let level = match wanted {
        Some(names) => level_of(&listing.root, &folders, names)?,
        None => level_of_any(&folders).ok_or_else(|| {
            Error::content(
                &listing.root,
                "its images lie in no folders that could be classes",
                "put the images of each class into a folder of its name, or give --labels TABLE",
            )
        })?,
    };
    let spellings = spellings(&folders, level);
    let patient_level = patient_level(&folders, level);
    let mut samples = Labelling::new(listing, options, &images)?;
    for (entry, folders) in images.into_iter().zip(&folders) {
        let Some(label) = folders.get(level).and_then(|name| spellings.get(&name.to_lowercase()))
        else {
            let what = "is left out: it lies in no folder of a class";
            let hint = "move it into the folder of its class";
            samples.problems.push(Problem::harmless(&entry.path, what, hint).of("no class"));
            continue;
        };
        let patient = patient_level.and_then(|level| folders.get(level)).cloned();
        samples.add(entry, label, patient);
    }
    Ok(samples.dataset("class folders"))
}

/// Samples of whole images, as they are added.
pub struct Labelling<'a> {
    listing: &'a Listing,
    options: &'a ReadOptions,
    patients: Option<Patients>,
    samples: Vec<Sample>,
    /// What is wrong with what was added so far.
    pub problems: Vec<Problem>,
    stems: HashMap<&'a str, usize>,
    same: Vec<(PathBuf, PathBuf)>,
    unit: &'static str,
}

impl<'a> Labelling<'a> {
    /// Of `images` of `listing`, with the patients of its `patients.csv`.
    ///
    /// # Errors
    /// Those of [`Patients::read`].
    pub fn new(
        listing: &'a Listing,
        options: &'a ReadOptions,
        images: &[&'a Entry],
    ) -> Result<Self> {
        let mut patients = Patients::read(listing)?;
        let problems = patients.iter_mut().flat_map(|table| std::mem::take(&mut table.problems));
        let problems = problems.collect();
        let mut stems: HashMap<&str, usize> = HashMap::new();
        for entry in images {
            *stems.entry(stem(&entry.path)).or_default() += 1;
        }
        let same = images.iter().filter_map(|one| Some((one.path.clone(), one.same_as.clone()?)));
        let same = same.collect();
        let unit = patients.as_ref().map_or("image", Patients::unit);
        let samples = Vec::new();
        Ok(Labelling { listing, options, patients, samples, problems, stems, same, unit })
    }

    /// Adds an image of this label, of `patient` where the table of patients knows no better.
    pub fn add(&mut self, entry: &'a Entry, label: &str, patient: Option<String>) {
        let stem = stem(&entry.path);
        let folders = folders(self.listing, entry);
        let name = match self.stems.get(stem) {
            Some(1) => stem.to_owned(),
            _ => format!("{}_{stem}", folders.join("_")),
        };
        let known = self
            .patients
            .as_ref()
            .and_then(|table| table.find(&self.listing.root, &entry.path, &mut self.problems));
        if patient.is_some() && self.patients.is_none() {
            self.unit = "patient";
        }
        self.samples.push(Sample {
            source: known.or(patient).unwrap_or_else(|| name.clone()),
            name,
            // Of no account here: whoever asks for classes goes by the label.
            class: if is_normal(label) { Class::Normal } else { Class::Abnormal },
            label: label.to_owned(),
            image: self.options.image(entry.path.clone()),
            masks: Vec::new(),
            circle: false,
            view: None,
            other_breast: None,
        });
    }

    /// All of them, sorted by path.
    pub fn dataset(mut self, layout: &str) -> Dataset {
        one_file_a_sample(&mut self.samples, self.same, &mut self.problems);
        same_names(&self.samples, &mut self.problems);
        self.samples.sort_by(|a, b| a.image.path().cmp(b.image.path()));
        Dataset {
            format: "folder",
            layout: layout.to_owned(),
            root: self.listing.root.clone(),
            unit: self.unit,
            samples: self.samples,
            problems: self.problems,
            counts: BTreeMap::new(),
            normals: Normals::Images,
        }
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

/// The folders between the root and an image, without those that only say `images`.
fn folders(listing: &Listing, entry: &Entry) -> Vec<String> {
    let below = entry.path.strip_prefix(&listing.root).unwrap_or(&entry.path);
    let folders = below.parent().into_iter().flat_map(Path::iter);
    let name = |folder: &std::ffi::OsStr| {
        let folder = folder.to_string_lossy();
        match role(&folder) {
            (rest, false) => rest,
            // Nothing is a mask here.
            (_, true) => Some(folder.into_owned()),
        }
    };
    folders.filter_map(name).collect()
}

/// The names at a level, in lower case.
fn names_at(folders: &[Vec<String>], level: usize) -> BTreeSet<String> {
    folders.iter().filter_map(|all| all.get(level)).map(|name| name.to_lowercase()).collect()
}

/// The first spelling of each name at a level, by its lower case.
fn spellings(folders: &[Vec<String>], level: usize) -> BTreeMap<String, String> {
    let mut spellings = BTreeMap::new();
    for name in folders.iter().filter_map(|all| all.get(level)) {
        spellings.entry(name.to_lowercase()).or_insert_with(|| name.clone());
    }
    spellings
}

fn levels(folders: &[Vec<String>]) -> std::ops::Range<usize> {
    0..folders.iter().map(Vec::len).max().unwrap_or(0)
}

/// Whether these folders divide the images by what they show, or by whose they are.
fn divides(names: &BTreeSet<String>) -> bool {
    names.len() > 1 && !names.iter().all(|name| PARTS.contains(&name.as_str()))
}

/// The level of folders that are called `normal`, `tumour` or the like, else the first that divides the images.
fn level_of_any(folders: &[Vec<String>]) -> Option<usize> {
    let named = |level: &usize| {
        let names = names_at(folders, *level);
        divides(&names) && names.len() <= MOST_UNASKED && names.iter().any(|name| says_class(name))
    };
    let dividing = |level: &usize| divides(&names_at(folders, *level));
    levels(folders).find(named).or_else(|| levels(folders).find(dividing))
}

/// The level that has folders of all of these names.
fn level_of(root: &Path, folders: &[Vec<String>], names: &[String]) -> Result<usize> {
    let missing = |level: usize| -> Vec<&String> {
        let there = names_at(folders, level);
        names.iter().filter(|name| !there.contains(&name.to_lowercase())).collect()
    };
    // The first of equals.
    let best = levels(folders).min_by_key(|&level| missing(level).len());
    match best.map(|level| (level, missing(level))) {
        Some((level, missing)) if missing.is_empty() => Ok(level),
        other => {
            let absent = other.as_ref().and_then(|(_, missing)| missing.first());
            let absent =
                absent.map_or_else(|| names.first().cloned(), |name| Some((*name).clone()));
            let level = match &other {
                Some((level, missing)) if missing.len() < names.len() => Some(*level),
                _ => level_of_any(folders),
            };
            let there: Vec<String> = level
                .map_or_else(Vec::new, |level| spellings(folders, level).into_values().collect());
            Err(no_class(root, &absent.unwrap_or_default(), &there))
        }
    }
}

/// The error that a class which was asked for is not among those there are.
pub fn no_class(root: &Path, name: &str, there: &[String]) -> Error {
    let some: Vec<&str> = there.iter().take(MOST_UNASKED).map(String::as_str).collect();
    let hint = match there.len() {
        0 => "put its images into a folder of this name, or give --labels TABLE".to_owned(),
        n if n > MOST_UNASKED => {
            format!("there are {}, and {} more", some.join(", "), n - some.len())
        }
        _ => format!("there are {}", some.join(", ")),
    };
    Error::usage(format!("{} has no images of the class {name}", root.display()), hint)
}

/// The level of the patients' folders.
fn patient_level(folders: &[Vec<String>], class: usize) -> Option<usize> {
    levels(folders).find(|&level| level != class && divides(&names_at(folders, level)))
}
