//! What an experiment is run on: the ROIs of a data set, and a split for each seed.

use std::path::{Path, PathBuf};

use super::results::TestRois;
use super::{DatasetSummary, Round};
use crate::error::{Error, Result};
use crate::lab::data::duplicates::{Counts, Handling};
use crate::lab::data::{ReadOptions, Roi, RoiOptions, Rois, Truth, roi, split};
use crate::nets::images::Split;
use crate::nets::train::digest;

/// The ROIs of an experiment.
#[derive(Clone, Debug)]
pub struct Material {
    /// The abnormal ones, then the normal ones.
    pub rois: Vec<Roi>,
    /// One a round, in order.
    pub splits: Vec<Split>,
    /// How many pictures showed the same scan, and what became of them.
    pub duplicates: Counts,
    /// Pairs of equal or nearly equal pictures across the splits, counted on their pixels.
    pub leakage: usize,
    /// ROIs that nothing is learnt from or chosen by; they are in none of [`Self::rois`].
    pub test: Vec<Roi>,
}

impl Material {
    /// Cuts the ROIs of the data set in `folder`, read as `read` says, as `options` say, and splits them
    /// once for each of `seeds`. What was left out, stderr is told.
    ///
    /// # Errors
    /// Those of reading the data set, cutting and splitting.
    pub fn read(
        folder: &Path,
        read: &ReadOptions,
        options: &RoiOptions,
        seeds: &[u64],
    ) -> Result<Self> {
        Self::of_rounds(folder, read, options, &Round::all(seeds, None), None, None)
    }

    /// The same with a split for each of `rounds`: those of a seed with `folds` validate on each patient once.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_rounds(
        folder: &Path,
        read: &ReadOptions,
        options: &RoiOptions,
        rounds: &[Round],
        folds: Option<usize>,
        test: Option<&TestSet>,
    ) -> Result<Self> {
        crate::console::note!("reading {}", folder.display());
        let mut cut = Rois::read(folder, read, options)?;
        cut.notes(folder).iter().for_each(|note| crate::console::note!("{note}"));
        let test = match test {
            None => Vec::new(),
            Some(TestSet::Share(share)) => held_out(&mut cut, folder, *share, options.seed)?,
            Some(TestSet::Folder(other)) => of_another_set(&cut, other, read, options)?,
        };
        let rois = &cut.rois;
        let splits = rounds
            .iter()
            .map(|round| match round.fold.zip(folds) {
                None => split::split(rois, split::VALIDATION, round.seed),
                Some((fold, folds)) => split::fold(rois, folds, fold, round.seed),
            })
            .collect::<Result<Vec<_>>>()?;
        let leaking = splits.iter().map(|split| split::leakage(rois, split)).sum::<usize>();
        if leaking != 0 {
            return Err(Error::content(
                folder,
                format!("{leaking} patients or images would be on both sides of the split"),
                "this is a bug, please report it",
            ));
        }
        let leakage = cut.leakage(&splits);
        if leakage > 0 {
            let why = match options.duplicates {
                Handling::Keep => "as --duplicates keep has it",
                // The count is stricter than the grouping in nothing that was seen so far.
                Handling::Group | Handling::Drop => {
                    "which were not taken for duplicates; look at them"
                }
            };
            crate::console::note!(
                "{leakage} pairs of pictures that are equal or nearly so stand on both sides of a split, {why}"
            );
        }
        Ok(Material { splits, leakage, duplicates: cut.duplicates, rois: cut.rois, test })
    }

    /// How many ROIs there are, and what stands for them.
    pub fn summary(&self) -> DatasetSummary {
        let [normal, abnormal] = roi::counts(&self.rois);
        let first =
            |side: fn(&Split) -> &Vec<usize>| self.splits.first().map_or(0, |s| side(s).len());
        DatasetSummary {
            abnormal,
            normal,
            train: first(|split| &split.train),
            validation: first(|split| &split.validation),
            leakage: self.leakage,
            truth: Truth::of(&self.rois),
            duplicates: self.duplicates,
            test: (!self.test.is_empty()).then(|| {
                let [normal, abnormal] = roi::counts(&self.test);
                TestRois {
                    abnormal,
                    normal,
                    fingerprint: format!("{:016x}", fingerprint(&self.test)),
                }
            }),
            fingerprint: format!("{:016x}", fingerprint(&self.rois)),
        }
    }
}

/// A number that stands for all of `rois`: their names, places, pixels and masks.
fn fingerprint(rois: &[Roi]) -> u64 {
    digest(rois.iter().flat_map(|roi| {
        let mask = roi.mask.iter().flat_map(|mask| &mask.pixels);
        let bytes = roi.name.bytes().chain(roi.source.bytes());
        let pixels = roi.image.pixels.iter().chain(mask).copied();
        let sizes = [roi.class.index(), roi.image.width, roi.image.height];
        bytes.chain(pixels).map(u64::from).chain(sizes.map(|size| size as u64))
    }))
}

/// What is held out, so that nothing is learnt from it or chosen by it.
#[derive(Clone, Debug, PartialEq)]
pub enum TestSet {
    /// A share of the patients, which the seed of the ROIs draws.
    Share(f64),
    /// All of another data set.
    Folder(PathBuf),
}

/// Another order of the patients than any split has.
const HELD_OUT: u64 = 0x07e5_75e7;

/// Takes about `share` of each class out of `cut`, by whole patients.
fn held_out(cut: &mut Rois, folder: &Path, share: f64, seed: u64) -> Result<Vec<Roi>> {
    let split = split::split(&cut.rois, share, seed ^ HELD_OUT)?;
    refuse_shared(
        cut.leakage(std::slice::from_ref(&split)),
        folder,
        "leave --duplicates keep away",
    )?;
    Ok(cut.take_out(&split.validation))
}

/// The ROIs of the data set in `other`.
fn of_another_set(
    cut: &Rois,
    other: &Path,
    read: &ReadOptions,
    options: &RoiOptions,
) -> Result<Vec<Roi>> {
    crate::console::note!("reading {}", other.display());
    let test = Rois::read(other, read, options)?;
    test.notes(other).iter().for_each(|note| crate::console::note!("{note}"));
    refuse_shared(cut.shared(&test), other, "give pictures that --data does not have")?;
    Ok(test.rois)
}

/// A test set that shows what was learnt from tests nothing.
fn refuse_shared(pairs: usize, folder: &Path, hint: &str) -> Result<()> {
    if pairs == 0 {
        return Ok(());
    }
    let problem = format!(
        "{pairs} pairs of pictures, one of the test set and one that is learnt from or chosen by, are equal or nearly so"
    );
    Err(Error::content(folder, problem, hint))
}
