//! Any folder of images with masks beside them, nested as it comes.
//!
//! The class is the folder's, where a folder is called `normal`, `benign`, `mass` or the like; else
//! an empty mask makes an image normal. What may not be torn apart by a split is said by
//! `patients.csv` (`image,patient`), else by a folder for each patient, else it is the image.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;

use super::dataset::{Class, Dataset, Normals, ReadOptions, Sample};
use super::listing::{Entry, Listing, Pair};
use super::load;
use super::patients::{Patients, alike};
use super::picture::Picture;
use super::problem::Problem;
use super::truth;
use super::{names, pairs};
use crate::error::Result;

/// Words in the name of a folder of normal images, and in that of a folder of abnormal ones.
const NORMAL: [&str; 10] = [
    "normal",
    "normals",
    "negative",
    "negatives",
    "healthy",
    "control",
    "controls",
    "notumor",
    "notumour",
    "unremarkable",
];
const ABNORMAL: [&str; 32] = [
    "abnormal",
    "benign",
    "malignant",
    "cancer",
    "cancers",
    "carcinoma",
    "mass",
    "masses",
    "tumor",
    "tumors",
    "tumour",
    "tumours",
    "tumorous",
    "lesion",
    "lesions",
    "positive",
    "positives",
    "disease",
    "diseased",
    "nodule",
    "nodules",
    "polyp",
    "polyps",
    "calc",
    "calcification",
    "calcifications",
    "glioma",
    "meningioma",
    "pituitary",
    "adenoma",
    "cyst",
    "melanoma",
];
/// Those of [`ABNORMAL`] that are kinds of lesions: where they are not, there may be others.
const KINDS: [&str; 13] = [
    "benign",
    "malignant",
    "cancer",
    "cancers",
    "carcinoma",
    "calc",
    "calcification",
    "calcifications",
    "glioma",
    "meningioma",
    "pituitary",
    "adenoma",
    "melanoma",
];
/// Folders that divide a data set without saying anything of the patient.
pub(super) const PARTS: [&str; 8] =
    ["train", "training", "val", "valid", "validation", "test", "testing", "data"];

/// More folders than this side by side are not classes.
const MOST_CLASSES: usize = 12;

/// True when there is any image: this is the layout of last resort.
pub fn recognise(listing: &Listing) -> bool {
    !listing.images.is_empty()
}

/// Lists the samples, reading masks only where they decide the class.
///
/// # Errors
/// [`Error::Content`](crate::error::Error::Content) or [`Error::File`](crate::error::Error::File) for a `patients.csv` that cannot be used.
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let mut patients = Patients::read(listing)?;
    let (mut found, mut problems) = listing.pairs();
    problems.extend(patients.iter_mut().flat_map(|table| std::mem::take(&mut table.problems)));
    let layout = pairs::describe(listing, &found);
    let mut same = Vec::new();
    let circles = truth::circles_in(&listing.root);
    let levels = Levels::of(&found);
    let unique = unique_stems(&found);
    let mut unit = "image";
    let mut samples = Vec::new();
    let mut patient_folders = BTreeSet::new();
    for Pair { entry, masks } in found.drain(..) {
        let masks: Vec<Picture> = masks.into_iter().map(|path| options.mask(path)).collect();
        let circle = masks.iter().any(|mask| circles.contains(mask.path()));
        let label = levels.class_folder(entry);
        let class = match label {
            Some(folder) if is_normal(folder) => Class::Normal,
            Some(folder) if !leaves_open(folder) => Class::Abnormal,
            Some(folder) if masks.is_empty() => {
                let what = format!("has no mask, and may be normal in a folder `{folder}`");
                let hint = "add a mask (empty for a normal image), or move it to a folder `normal`";
                problems.push(Problem::new(&entry.path, what, hint).of("no class"));
                continue;
            }
            None if masks.is_empty() => {
                let what = "is left out: it has no mask and no folder that says its class";
                let hint = "add a mask (empty for a normal image), or move it to a folder `normal`; \
                            `parula train --whole` takes folders of any names for classes";
                problems.push(Problem::harmless(&entry.path, what, hint).of("no class"));
                continue;
            }
            _ => match load::has_lesion(&masks) {
                Ok(false) => Class::Normal,
                Ok(true) => Class::Abnormal,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            },
        };
        let name = if unique.contains(&entry.stem) {
            entry.stem.clone()
        } else {
            format!("{}_{}", entry.folders.join("_"), entry.stem)
        };
        let mut source = name.clone();
        if let Some(folder) = levels.patient_folder(entry) {
            source = folder.nfc().collect();
            unit = "patient folder";
            patient_folders.insert(source.clone());
        }
        if let Some(patients) = &patients {
            unit = patients.unit();
            let found = patients.find(&listing.root, &entry.path, &mut problems);
            source = found.unwrap_or(source);
        }
        let label = label.unwrap_or_else(|| class.name()).to_lowercase();
        same.extend(entry.same_as.clone().map(|other| (entry.path.clone(), other)));
        samples.push(Sample {
            name,
            class,
            label,
            source,
            image: options.image(entry.path.clone()),
            masks,
            circle,
            view: None,
            other_breast: None,
        });
    }
    if patients.is_none() {
        problems.extend(alike(&listing.root, patient_folders.iter().map(String::as_str)));
    }
    one_file_a_sample(&mut samples, same, &mut problems);
    same_names(&samples, &mut problems);
    Ok(Dataset {
        format: "folder",
        layout,
        root: listing.root.clone(),
        unit,
        samples,
        problems,
        counts: BTreeMap::new(),
        normals: Normals::Images,
    })
}

/// The stems that one image alone has, so that they can be its name.
fn unique_stems(found: &[Pair]) -> BTreeSet<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    found.iter().for_each(|pair| *counts.entry(&pair.entry.stem).or_default() += 1);
    counts.into_iter().filter(|(_, n)| *n == 1).map(|(stem, _)| stem.to_owned()).collect()
}

/// Leaves out samples whose image is the same file as another's: `same` has both paths. Where the two are of
/// different classes, neither can be right.
pub(super) fn one_file_a_sample(
    samples: &mut Vec<Sample>,
    same: Vec<(PathBuf, PathBuf)>,
    problems: &mut Vec<Problem>,
) {
    for (path, other) in same {
        let of = |path: &Path| samples.iter().find(|sample| sample.image.path() == path);
        let (Some(one), Some(first)) = (of(&path), of(&other)) else { continue };
        let name = other.display();
        let problem = if one.label == first.label {
            let what = format!("is left out: it is the same file as {name}");
            Problem::harmless(&path, what, "nothing is to be done")
        } else {
            let label = &first.label;
            let what = format!("is the same file as {name}, which is of the class {label}");
            Problem::new(&path, what, "keep it in one of the two")
        };
        problems.push(problem.of("same file"));
        // What is left out may be what two patients have in common.
        let [kept, gone] = [first, one].map(|sample| sample.source.clone());
        samples.retain(|sample| sample.image.path() != path);
        if kept != gone {
            let of_gone = samples.iter_mut().filter(|sample| sample.source == gone);
            of_gone.for_each(|sample| sample.source.clone_from(&kept));
        }
    }
}

/// Two samples of one name would overwrite each other's results.
pub(super) fn same_names(samples: &[Sample], problems: &mut Vec<Problem>) {
    let mut first: HashMap<String, &Path> = HashMap::new();
    for sample in samples {
        // Some file systems do not tell cases apart, or ways to write an accent.
        if let Some(other) = first.insert(names::spelling(&sample.name), sample.image.path()) {
            let what = format!("has the same name as {}", other.display());
            let problem = Problem::new(sample.image.path(), what, "rename one of them");
            problems.push(problem.of("same name"));
        }
    }
}

/// Which level of folders below the root says the class, and which the patient.
struct Levels {
    class: Option<usize>,
    patient: Option<usize>,
}

impl Levels {
    fn of(found: &[Pair]) -> Self {
        let deepest = found.iter().map(|pair| pair.entry.folders.len()).max().unwrap_or(0);
        let names: Vec<BTreeSet<String>> = (0..deepest)
            .map(|level| {
                let folders = found.iter().filter_map(|pair| pair.entry.folders.get(level));
                folders.map(|folder| folder.to_lowercase()).collect()
            })
            .collect();
        let says_class = |names: &BTreeSet<String>| {
            names.len() <= MOST_CLASSES && names.iter().any(|name| says_class(name))
        };
        let class = names.iter().position(says_class);
        // One folder around everything is not a patient, and neither is `train` beside `test`.
        let says_patient = |names: &BTreeSet<String>| {
            names.len() > 1 && !names.iter().all(|name| PARTS.contains(&name.as_str()))
        };
        let patient =
            (0..deepest).find(|level| Some(*level) != class && says_patient(&names[*level]));
        Levels { class, patient }
    }

    fn class_folder<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        Some(entry.folders.get(self.class?)?.as_str())
    }

    fn patient_folder<'a>(&self, entry: &'a Entry) -> Option<&'a str> {
        Some(entry.folders.get(self.patient?)?.as_str())
    }
}

fn words(folder: &str) -> impl Iterator<Item = String> {
    let lower = folder.to_lowercase();
    let words: Vec<String> = lower
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

/// What a folder's name says that there is not: `tumor` of `no_tumor` and of `nontumor`, nothing of `no`.
fn denied(folder: &str) -> Option<Option<String>> {
    let mut all = words(folder);
    let first = all.next()?;
    if ["no", "non", "none", "not", "without"].contains(&first.as_str()) {
        return Some(all.next());
    }
    let mut rests = ["non", "not", "no"].iter().filter_map(|no| first.strip_prefix(no));
    rests.find(|rest| ABNORMAL.contains(rest)).map(|rest| Some(rest.to_owned()))
}

/// Whether a folder's name says that there is no lesion: `normal`, `no_tumor`, `no findings`, `no`.
pub(super) fn is_normal(folder: &str) -> bool {
    match denied(folder) {
        // What is not malignant is benign, as well as normal.
        Some(Some(word)) => {
            (ABNORMAL.contains(&word.as_str()) && !KINDS.contains(&word.as_str()))
                || ["finding", "findings"].contains(&word.as_str())
        }
        Some(None) => true,
        None => words(folder).any(|word| NORMAL.contains(&word.as_str())),
    }
}

/// Whether a folder's name says of which kind its lesions are not, so that there may be others or none.
fn leaves_open(folder: &str) -> bool {
    denied(folder).flatten().is_some_and(|word| KINDS.contains(&word.as_str()))
}

/// Whether a folder's name says anything of whether there is a lesion.
pub(super) fn says_class(folder: &str) -> bool {
    is_normal(folder) || is_abnormal(folder) || leaves_open(folder)
}

fn is_abnormal(folder: &str) -> bool {
    words(folder).any(|word| ABNORMAL.contains(&word.as_str()))
        || ["yes"].contains(&folder.to_lowercase().as_str())
}
