//! The ROIs of a data set, with everything done that must be done before they are split: duplicates are
//! found and grouped. The one way from a folder to ROIs for every command that trains or cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::class_folders::no_class;
use super::dataset::{Class, Dataset, ReadOptions};
use super::duplicates::leakage::Print;
use super::duplicates::{self, Counts};
use super::picture::Picture;
use super::problem::Problem;
use super::roi::{self, Roi, RoiOptions};
use super::truth::Truth;
use crate::error::{Error, Result};
use crate::lab::data::cut;
use crate::lab::data::formats;
use crate::nets::images::Split;
use crate::parallel;

/// The ROIs of a data set.
#[derive(Clone, Debug)]
pub struct Rois {
    /// The abnormal ones, then the normal ones.
    pub rois: Vec<Roi>,
    /// What no ROI was cut from, and why. All harmless.
    pub left_out: Vec<Problem>,
    /// How masks of labels were understood. All harmless.
    pub labels: Vec<Problem>,
    /// What the truth of the abnormal ones is.
    pub truth: Truth,
    /// How many pictures showed the same scan, and what became of them.
    pub duplicates: Counts,
    /// The pictures that the ROIs were cut from, by [`Roi::file`].
    pictures: BTreeMap<PathBuf, Picture>,
}

impl Rois {
    /// Reads the data set in `folder`, does about duplicates what [`RoiOptions::duplicates`] says, and cuts
    /// the ROIs.
    ///
    /// # Errors
    /// Those of [`formats::read_with`] and [`cut::cut`].
    pub fn read(folder: &Path, read: &ReadOptions, options: &RoiOptions) -> Result<Self> {
        let mut dataset = formats::read_with(folder, read)?;
        let (duplicates, _) = duplicates::apply(&mut dataset, options.duplicates);
        // Normal is then what has a lesion of another label.
        let labels = match read.positive.is_empty() {
            true => options.labels.clone(),
            false => options.labels.clone().or_else(|| Some(all_labels(&dataset))),
        };
        let options = &RoiOptions { labels, ..options.clone() };
        let mut cut = cut::cut(&dataset, options)?;
        // Normal ROIs of films have no sample of their own.
        cut.rois.retain(|roi| options.takes(&roi.label));
        only_positive(&mut cut.rois, &read.positive, folder)?;
        let truth = match options.masked {
            true => Truth::of(&cut.rois),
            false => Truth::of_samples(&dataset.samples),
        };
        Ok(Self::of(&dataset, duplicates, cut, truth))
    }

    /// The same of whole images, whose masks are of no account, whatever their classes are. Those whose label `takes`
    /// refuses are compared with the others, and then left out.
    ///
    /// # Errors
    /// Those of [`cut::images`].
    pub fn whole(
        dataset: &mut Dataset,
        handling: duplicates::Handling,
        takes: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let (duplicates, _) = duplicates::apply(dataset, handling);
        dataset.samples.retain(|sample| takes(&sample.label));
        let cut = cut::images(dataset)?;
        Ok(Self::of(dataset, duplicates, cut, Truth::default()))
    }

    fn of(dataset: &Dataset, duplicates: Counts, cut: roi::Cut, truth: Truth) -> Self {
        let pictures = pictures(dataset, &cut.rois);
        let roi::Cut { rois, left_out, notes: labels } = cut;
        Rois { rois, left_out, labels, truth, duplicates, pictures }
    }

    /// What a person should know of the data set in `folder`, a line each.
    pub fn notes(&self, folder: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        let n = self.left_out.len();
        let shown = folder.display();
        if n > 0 {
            notes.push(format!(
                "{n} files, outlines or ROIs are left out: `parula data inspect {shown}`"
            ));
        }
        let of_kind = |problems: &[Problem], kind| -> usize {
            problems.iter().filter(|problem| problem.kind == kind).count()
        };
        for (kind, what) in [
            ("no place", "abnormal films without a place of their lesion are left out"),
            ("dark", "lesions whose place lies on the dark beside the breast are left out"),
        ] {
            match of_kind(&self.left_out, kind) {
                0 => {}
                n => notes.push(format!("{n} {what}, and no normal ROI is cut there")),
            }
        }
        match of_kind(&self.labels, "scaled") {
            0 => {}
            n => notes.push(format!("{n} circles were scaled to films of another size")),
        }
        notes.extend(self.truth.words());
        let n = of_kind(&self.labels, "labels");
        if n > 0 {
            notes.push(format!(
                "{n} masks hold labels, and what is not 0 is lesion: `parula data inspect {shown}`"
            ));
        }
        notes.extend(self.duplicates_in_words(folder));
        notes
    }

    /// What was found of duplicates in `folder`, where there are some.
    pub fn duplicates_in_words(&self, folder: &Path) -> Option<String> {
        let Counts { groups, images, contradictions, dropped } = self.duplicates;
        if groups == 0 {
            return None;
        }
        let mut note = duplicates::words(images, groups);
        if contradictions > 0 {
            note += &format!(", {contradictions} of them under two labels, which are left out");
        }
        if dropped > contradictions {
            note += &format!(", {} further ones are left out", dropped - contradictions);
        }
        Some(format!("{note}: `parula data inspect {}`", folder.display()))
    }

    /// The pictures on the validation side of `splits` that are equal or nearly equal to one on the training
    /// side, as pairs, in all splits together: see [`duplicates::leakage()`].
    pub fn leakage(&self, splits: &[Split]) -> usize {
        let prints = self.prints(Path::new(""));
        let number: BTreeMap<&PathBuf, usize> =
            prints.iter().enumerate().map(|(index, print)| (&print.path, index)).collect();
        let side = |rois: &[usize]| -> Vec<usize> {
            let files = rois.iter().filter_map(|&index| number.get(&self.rois[index].file));
            files.copied().collect::<BTreeSet<usize>>().into_iter().collect()
        };
        let of = |split: &Split| {
            duplicates::leakage(&prints, &side(&split.train), &side(&split.validation))
        };
        splits.iter().map(of).sum()
    }

    /// The pictures of `other` that are equal or nearly equal to one of this set, as pairs.
    pub fn shared(&self, other: &Rois) -> usize {
        let own = self.prints(Path::new(""));
        // Files of two folders may have one name.
        let others = other.prints(Path::new("the other set"));
        let sides = [0..own.len(), own.len()..own.len() + others.len()];
        let [own_side, other_side] = sides.map(|side| side.collect::<Vec<usize>>());
        duplicates::leakage(&[own, others].concat(), &own_side, &other_side)
    }

    /// Takes the ROIs of these numbers, in order, out of the set.
    pub fn take_out(&mut self, numbers: &[usize]) -> Vec<Roi> {
        let mut index = 0;
        let taken = self.rois.extract_if(.., |_| {
            index += 1;
            numbers.binary_search(&(index - 1)).is_ok()
        });
        taken.collect()
    }

    /// What tells the pictures apart; their paths are shown below `root`.
    fn prints(&self, root: &Path) -> Vec<Print> {
        let files: Vec<(&PathBuf, &Picture)> = self.pictures.iter().collect();
        let read = parallel::map(&files, |(path, picture)| {
            Some(Print::of(root.join(path), &picture.read().ok()?))
        });
        read.into_iter().flatten().collect()
    }
}

/// The labels of a data set, and that of normal ROIs which have no image of their own.
fn all_labels(dataset: &Dataset) -> Vec<String> {
    let labels = dataset.samples.iter().map(|sample| sample.label.clone());
    labels.chain([Class::Normal.name().to_owned()]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Makes ROIs of lesions normal that are of none of the labels `positive`, where there are some: their masks say where
/// they are cut, and nothing more. Abnormal ones still come first.
fn only_positive(rois: &mut [Roi], positive: &[String], folder: &Path) -> Result<()> {
    if positive.is_empty() {
        return Ok(());
    }
    let of = |label: &String, roi: &Roi| {
        roi.class == Class::Abnormal && roi.label.to_lowercase() == label.to_lowercase()
    };
    if let Some(absent) = positive.iter().find(|label| !rois.iter().any(|roi| of(label, roi))) {
        let lesions = rois.iter().filter(|roi| roi.class == Class::Abnormal);
        let there: BTreeSet<String> = lesions.map(|roi| roi.label.clone()).collect();
        return Err(no_class(folder, absent, &there.into_iter().collect::<Vec<_>>()));
    }
    for roi in rois.iter_mut() {
        if !positive.iter().any(|label| of(label, roi)) {
            roi.class = Class::Normal;
            roi.mask = None;
        }
    }
    rois.sort_by_key(|roi| roi.class == Class::Normal);
    match rois.last().map(|roi| roi.class) {
        Some(Class::Normal) => Ok(()),
        _ => Err(Error::usage(
            "every ROI counts as abnormal, and none as normal",
            "leave a label out of --positive, or add normal images",
        )),
    }
}

/// The pictures that `rois` were cut from.
fn pictures(dataset: &Dataset, rois: &[Roi]) -> BTreeMap<PathBuf, Picture> {
    let used: BTreeSet<&PathBuf> = rois.iter().map(|roi| &roi.file).collect();
    let all = dataset
        .samples
        .iter()
        .flat_map(|sample| std::iter::once(&sample.image).chain(&sample.other_breast));
    all.map(|picture| (dataset.below_root(picture.path()), picture.clone()))
        .filter(|(path, _)| used.contains(path))
        .collect()
}
