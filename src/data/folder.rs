//! Any folder of images with masks beside them, nested as it comes.
//!
//! The class is the folder's, where a folder is called `normal`, `benign`, `mass` or the like; else
//! an empty mask makes an image normal. What may not be torn apart by a split is said by
//! `patients.csv` (`image,patient`), else by a folder for each patient, else it is the image.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::dataset::{Class, Dataset, Normals, Problem, ReadOptions, Sample};
use super::layout::{Entry, Listing, Pair};
use super::load;
use super::pairs;
use super::patients::Patients;
use super::picture::Picture;
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
/// Folders that divide a data set without saying anything of the patient.
const PARTS: [&str; 8] =
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
    let patients = Patients::read(listing)?;
    let (mut found, mut problems) = listing.pairs();
    let layout = pairs::describe(listing, &found);
    let mut same = Vec::new();
    let levels = Levels::of(&found);
    let unique = unique_stems(&found);
    let mut unit = "image";
    let mut samples = Vec::new();
    for Pair { entry, masks } in found.drain(..) {
        let masks: Vec<Picture> = masks.into_iter().map(|path| options.mask(path)).collect();
        let label = levels.class_folder(entry);
        let class =
            match label {
                Some(folder) if is_normal(folder) => Class::Normal,
                Some(_) => Class::Abnormal,
                None if masks.is_empty() => {
                    problems.push(Problem::harmless(
                    &entry.path,
                    "is left out: it has no mask and no folder that says its class",
                    "add a mask (empty for a normal image), or move it to a folder `normal`",
                )
                .of("no class"));
                    continue;
                }
                None => match load::has_lesion(&masks) {
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
            source = folder.to_owned();
            unit = "patient folder";
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
            view: None,
            other_breast: None,
        });
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
        samples.retain(|sample| sample.image.path() != path);
    }
}

/// Two samples of one name would overwrite each other's results.
pub(super) fn same_names(samples: &[Sample], problems: &mut Vec<Problem>) {
    let mut first: HashMap<String, &Path> = HashMap::new();
    for sample in samples {
        // Some file systems do not tell cases apart, or ways to write an accent.
        if let Some(other) = first.insert(pairs::spelling(&sample.name), sample.image.path()) {
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
            names.len() <= MOST_CLASSES
                && names.iter().any(|name| is_normal(name) || is_abnormal(name))
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

/// Whether a folder's name says that there is no lesion: `normal`, `no_tumor`, `no findings`, `no`.
fn is_normal(folder: &str) -> bool {
    let mut all = words(folder);
    if all.any(|word| NORMAL.contains(&word.as_str())) {
        return true;
    }
    let mut all = words(folder);
    let denies = all.next().is_some_and(|word| ["no", "non", "none", "without"].contains(&&*word));
    denies
        && all.next().is_none_or(|word| {
            ABNORMAL.contains(&word.as_str()) || ["finding", "findings"].contains(&word.as_str())
        })
}

fn is_abnormal(folder: &str) -> bool {
    words(folder).any(|word| ABNORMAL.contains(&word.as_str()))
        || ["yes"].contains(&folder.to_lowercase().as_str())
}
