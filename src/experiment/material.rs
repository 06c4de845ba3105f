//! What an experiment is run on: the ROIs of a data set, and a split for each seed.

use std::path::Path;

use super::DatasetSummary;
use crate::data::{ReadOptions, Roi, RoiOptions, Split, dataset, roi, split};
use crate::error::{Error, Result};
use crate::train::digest;

/// The ROIs of an experiment.
#[derive(Clone, Debug)]
pub struct Material {
    /// The abnormal ones, then the normal ones.
    pub rois: Vec<Roi>,
    /// One a seed, in order.
    pub splits: Vec<Split>,
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
        crate::console::note!("reading {}", folder.display());
        let cut = roi::cut(&dataset::read_with(folder, read)?, options)?;
        cut.note(folder).iter().for_each(|note| crate::console::note!("{note}"));
        let rois = cut.rois;
        let splits = seeds
            .iter()
            .map(|&seed| split::split(&rois, split::VALIDATION, seed))
            .collect::<Result<Vec<_>>>()?;
        let leaking = splits.iter().map(|split| split::leakage(&rois, split)).sum::<usize>();
        if leaking != 0 {
            return Err(Error::content(
                folder,
                format!("{leaking} patients or images would be on both sides of the split"),
                "this is a bug, please report it",
            ));
        }
        Ok(Material { rois, splits })
    }

    /// How many ROIs there are, and what stands for them.
    pub fn summary(&self) -> DatasetSummary {
        let [normal, abnormal] = roi::counts(&self.rois);
        let first =
            |side: fn(&Split) -> &Vec<usize>| self.splits.first().map_or(0, |s| side(s).len());
        let leaking = self.splits.iter().map(|split| split::leakage(&self.rois, split));
        DatasetSummary {
            abnormal,
            normal,
            train: first(|split| &split.train),
            validation: first(|split| &split.validation),
            leakage: leaking.sum(),
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
