//! Which ROIs of a split are looked at.

use super::{GALLERY, Material, Options};
use crate::draw;
use crate::error::{Error, Result};
use crate::lab::data::{Class, Roi};
use crate::lab::report::contact_sheet;
use crate::nets::images::Split;

/// Indices of ROIs of lesions.
pub struct Chosen {
    /// Of the training side, to choose the threshold on; ascending.
    pub training: Vec<usize>,
    /// Of the validation side, to be scored; ascending.
    pub validation: Vec<usize>,
    /// Of these, those that faithfulness is measured on; ascending.
    pub faithful: Vec<usize>,
    /// Of all scored ones, those whose maps are compared with those of other networks; ascending.
    pub trusted: Vec<usize>,
    /// Of all scored ones, those of the gallery: at even ranks of the lesion's share of the ROI, which no method
    /// has a say in.
    pub gallery: Vec<usize>,
}

impl Chosen {
    /// Draws as many as `options` ask for. The draws of a seed are independent of what else there is: more
    /// of them are those of before and others.
    pub fn new(options: &Options, material: &Material, split: &Split) -> Result<Self> {
        let rois = &material.rois;
        let drawn = |from: &[usize], count: usize| -> Vec<usize> {
            let abnormal = from.iter().filter(|&&index| rois[index].class == Class::Abnormal);
            let mut drawn: Vec<usize> = abnormal.copied().collect();
            let rank =
                |&index: &usize| draw::rank(options.seed, &format!("compare {}", rois[index].name));
            drawn.sort_by_key(rank);
            drawn.truncate(count);
            drawn.sort_unstable();
            drawn
        };
        let training = drawn(&split.train, options.training_images);
        let validation = drawn(&split.validation, options.images.unwrap_or(usize::MAX));
        if training.is_empty() || validation.is_empty() {
            return Err(Error::usage(
                "one side of the split has no ROI with a lesion",
                "give a larger data set",
            ));
        }
        let faithful = drawn(&validation, options.faithfulness_images);
        let trusted = drawn(&validation, options.trust.map_or(0, |trust| trust.images));
        let shares: Vec<f64> = validation.iter().map(|&index| share(&rois[index])).collect();
        let gallery = contact_sheet::spread(&shares, GALLERY);
        let gallery = gallery.into_iter().map(|rank| validation[rank]).collect();
        Ok(Chosen { training, validation, faithful, trusted, gallery })
    }
}

/// How much of the ROI its lesion fills.
pub fn share(roi: &Roi) -> f64 {
    let mask = roi.mask_or_empty();
    let inside = mask.pixels.iter().filter(|&&value| value != 0).count();
    inside as f64 / mask.pixels.len().max(1) as f64
}
