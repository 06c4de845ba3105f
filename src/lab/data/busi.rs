//! The Breast Ultrasound Images data set as published: folders `benign`, `malignant` and `normal`
//! with `benign (1).png`, `benign (1)_mask.png` and, for further parts of one lesion,
//! `benign (1)_mask_1.png`. Every image is its own source, since the set does not say
//! whose it is, unless a `patients.csv` does.

use std::collections::BTreeMap;

use super::dataset::{Class, Dataset, Normals, ReadOptions, Sample};
use super::folder::{one_file_a_sample, same_names};
use super::listing::{Entry, Listing, Pair};
use super::pairs;
use super::patients::Patients;
use super::problem::Problem;
use crate::error::Result;

/// The folders, which are also the beginnings of the names in them.
const LABELS: [&str; 3] = ["benign", "malignant", "normal"];

/// True when most images are called `LABEL (number)` in a folder `LABEL`.
pub fn recognise(listing: &Listing) -> bool {
    let images = listing.images.iter().filter(|entry| !entry.is_mask);
    let (ours, all) = images
        .fold((0, 0), |(ours, all), entry| (ours + usize::from(label(entry).is_some()), all + 1));
    ours * 2 > all
}

/// Lists the samples; masks are united when they are loaded.
///
/// # Errors
/// [`Error::Content`](crate::error::Error::Content) or [`Error::File`](crate::error::Error::File) for a
/// `patients.csv` that cannot be used.
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let (pairs, mut problems) = listing.pairs();
    let mut patients = Patients::read(listing)?;
    problems.extend(patients.iter_mut().flat_map(|table| std::mem::take(&mut table.problems)));
    let layout = pairs::describe(listing, &pairs);
    let mut same = Vec::new();
    let mut samples = Vec::new();
    for Pair { entry, masks } in pairs {
        let Some(label) = label(entry) else {
            problems.push(Problem::harmless(
                &entry.path,
                "is left out: its name is not of this data set",
                "call it after its folder, like `benign/benign (1).png`",
            ));
            continue;
        };
        let known = patients.as_ref();
        let known = known.and_then(|table| table.find(&listing.root, &entry.path, &mut problems));
        same.extend(entry.same_as.clone().map(|other| (entry.path.clone(), other)));
        samples.push(Sample {
            name: entry.stem.clone(),
            class: if label == "normal" { Class::Normal } else { Class::Abnormal },
            label: label.to_owned(),
            source: known.unwrap_or_else(|| entry.stem.clone()),
            image: options.image(entry.path.clone()),
            masks: masks.into_iter().map(|path| options.mask(path)).collect(),
            circle: false,
            view: None,
            other_breast: None,
        });
    }
    one_file_a_sample(&mut samples, same, &mut problems);
    same_names(&samples, &mut problems);
    Ok(Dataset {
        format: "busi",
        layout,
        root: listing.root.clone(),
        unit: patients.map_or("image", |patients| patients.unit()),
        samples,
        problems,
        counts: BTreeMap::new(),
        normals: Normals::Images,
    })
}

/// The label of an image that lies in its folder under its published name.
fn label(entry: &Entry) -> Option<&'static str> {
    let folder = entry.folders.last()?.to_lowercase();
    let label = LABELS.into_iter().find(|label| *label == folder)?;
    let stem = entry.stem.to_lowercase();
    let number = stem.strip_prefix(label)?.strip_prefix(" (")?.strip_suffix(')')?;
    number.bytes().all(|digit| digit.is_ascii_digit()).then_some(label)
}
