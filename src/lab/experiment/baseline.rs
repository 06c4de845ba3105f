//! What maps that look at nothing score on the same ROIs.

use super::Material;
use super::results::Baselines;
use crate::error::Result;
use crate::lab::data::Class;
use crate::lab::metrics::baselines::Baseline;
use crate::nets::cam::dice::{self, Scores, best_threshold, mean_curve};
use crate::nets::images::Grey;

/// Scores of every abnormal ROI.
pub fn scores(material: &Material, baseline: Baseline) -> Result<Vec<Scores>> {
    let abnormal = material.rois.iter().filter(|roi| roi.class == Class::Abnormal);
    abnormal.map(|roi| score(&roi.mask_or_empty(), baseline)).collect()
}

/// The score on one truth.
pub fn score(mask: &Grey, baseline: Baseline) -> Result<Scores> {
    dice::score(&mask.pixels, &baseline.heatmap(mask.width as u32, mask.height as u32))
}

/// Mean-Dice over all abnormal ROIs; over those of the validation side, as a mean over the splits; and
/// Dice there at the threshold that is best on the training side.
pub fn baselines(material: &Material) -> Result<[Baselines; 3]> {
    let of = |baseline| -> Result<[f64; 3]> {
        let scores = scores(material, baseline)?;
        let abnormal: Vec<usize> = (0..material.rois.len())
            .filter(|&index| material.rois[index].class == Class::Abnormal)
            .collect();
        let mean = |curve: &[f64]| curve.iter().sum::<f64>() / curve.len().max(1) as f64;
        let (mut validation, mut at_threshold) = (0.0, 0.0);
        for split in &material.splits {
            let side = |side: &[usize]| {
                let inside = |(index, _): &(&usize, &Scores)| side.binary_search(index).is_ok();
                let chosen = abnormal.iter().zip(&scores).filter(inside);
                mean_curve(chosen.map(|(_, scores)| scores))
            };
            let curve = side(&split.validation);
            validation += mean(&curve);
            at_threshold += curve[usize::from(best_threshold(&side(&split.train)))];
        }
        let splits = material.splits.len().max(1) as f64;
        Ok([mean(&mean_curve(&scores)), validation / splits, at_threshold / splits])
    };
    let [ones, gaussian, ellipse] =
        [of(Baseline::Ones)?, of(Baseline::Gaussian)?, of(Baseline::Ellipse)?];
    Ok(std::array::from_fn(|which| Baselines {
        ones: ones[which],
        gaussian: gaussian[which],
        ellipse: ellipse[which],
    }))
}
