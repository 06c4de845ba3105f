//! The Breast Ultrasound Images data set as published: folders `benign`, `malignant` and `normal`
//! with `benign (1).png`, `benign (1)_mask.png` and, for further parts of one lesion,
//! `benign (1)_mask_1.png`. Every image is its own source: the set does not say whose it is.

use std::collections::BTreeMap;

use super::dataset::{Class, Dataset, Normals, Problem, ReadOptions, Sample};
use super::folder::same_names;
use super::layout::{Entry, Listing, Pair};
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
/// None today: every problem is in [`Dataset::problems`].
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let (pairs, alone) = listing.pairs();
    let mut problems = Vec::new();
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
        samples.push(Sample {
            name: entry.stem.clone(),
            class: if label == "normal" { Class::Normal } else { Class::Abnormal },
            label: label.to_owned(),
            source: entry.stem.clone(),
            image: options.image(entry.path.clone()),
            masks: masks.into_iter().map(|path| options.mask(path)).collect(),
            view: None,
            other_breast: None,
        });
    }
    same_names(&samples, &mut problems);
    problems.extend(alone.iter().map(|path| {
        Problem::harmless(path, "is left out: there is no image for this mask", "add the image")
    }));
    Ok(Dataset {
        format: "busi",
        root: listing.root.clone(),
        unit: "image",
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
