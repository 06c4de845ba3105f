//! What an experiment is run on: the ROIs of a data set, and a split for each seed.

use std::path::Path;

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
        Self::of_rounds(folder, read, options, &Round::all(seeds, None), None)
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
    ) -> Result<Self> {
        crate::console::note!("reading {}", folder.display());
        let cut = Rois::read(folder, read, options)?;
        cut.notes(folder).iter().for_each(|note| crate::console::note!("{note}"));
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
        Ok(Material { splits, leakage, duplicates: cut.duplicates, rois: cut.rois })
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
            fingerprint: format!("{:016x}", self.fingerprint()),
        }
    }

    /// A number that stands for all ROIs: their names, places, pixels and masks.
    fn fingerprint(&self) -> u64 {
        digest(self.rois.iter().flat_map(|roi| {
            let mask = roi.mask.iter().flat_map(|mask| &mask.pixels);
            let bytes = roi.name.bytes().chain(roi.source.bytes());
            let pixels = roi.image.pixels.iter().chain(mask).copied();
            let sizes = [roi.class.index(), roi.image.width, roi.image.height];
            bytes.chain(pixels).map(u64::from).chain(sizes.map(|size| size as u64))
        }))
    }
}
