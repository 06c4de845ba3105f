//! What maps that look at nothing score on the same ROIs.

use std::collections::BTreeMap;

use super::Material;
use super::at_threshold;
use super::results::{Baselines, BordersOfBaselines};
use crate::error::Result;
use crate::lab::data::Class;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::metrics::surface::{Surface, Surfaces, TOLERANCE};
use crate::nets::cam::dice::{self, Scores, best_threshold, mean_curve};
use crate::nets::images::Grey;
use crate::parallel;

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

/// Distances between borders on the validation side, at the threshold that is best on the training side, as a mean over
/// the splits.
pub fn borders(material: &Material) -> Result<BordersOfBaselines> {
    let of = |baseline: Baseline| -> Result<Surface> {
        let scores = scores(material, baseline)?;
        let abnormal: Vec<usize> = (0..material.rois.len())
            .filter(|&index| material.rois[index].class == Class::Abnormal)
            .collect();
        // Splits share ROIs and mostly thresholds.
        let mut found: BTreeMap<(usize, u8), Surface> = BTreeMap::new();
        let mut means = Vec::new();
        for split in &material.splits {
            let learnt = abnormal.iter().zip(&scores);
            let learnt = learnt.filter(|(index, _)| split.train.binary_search(index).is_ok());
            let threshold = best_threshold(&mean_curve(learnt.map(|(_, scores)| scores)));
            let judged =
                abnormal.iter().filter(|index| split.validation.binary_search(index).is_ok());
            let judged: Vec<(usize, u8)> = judged.map(|&index| (index, threshold)).collect();
            let new: Vec<(usize, u8)> =
                judged.iter().copied().filter(|key| !found.contains_key(key)).collect();
            let measured = parallel::map(&new, |&(index, threshold)| {
                let roi = &material.rois[index];
                let (width, height) = (roi.image.width, roi.image.height);
                let heatmap = baseline.heatmap(width as u32, height as u32);
                let truth = roi.mask_or_empty();
                Surfaces::of_levels(&truth.pixels, &heatmap, threshold, [height, width])
            });
            for (key, surfaces) in new.into_iter().zip(measured) {
                found.insert(key, surfaces?.figures(TOLERANCE));
            }
            means.push(at_threshold::means(judged.iter().map(|key| found[key])));
        }
        Ok(at_threshold::means(means.into_iter()))
    };
    Ok(BordersOfBaselines {
        ones: of(Baseline::Ones)?,
        gaussian: of(Baseline::Gaussian)?,
        ellipse: of(Baseline::Ellipse)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::data::Roi;
    use crate::lab::data::duplicates::Counts;
    use crate::lab::data::fixtures::roi;
    use crate::nets::images::Split;

    #[test]
    fn a_truth_that_is_the_ellipse_has_its_border() {
        let of = |name: &str, side: usize| {
            let pixels = Baseline::Ellipse.heatmap(side as u32, side as u32);
            let mask = Some(Grey { width: side, height: side, pixels });
            let image = Grey::filled(side, side, 9);
            Roi { image, mask, ..roi(name, Class::Abnormal, name) }
        };
        let rois = vec![of("a", 40), of("b", 24), of("c", 30), roi("n", Class::Normal, "n")];
        let splits = vec![
            Split { train: vec![0, 3], validation: vec![1, 2] },
            Split { train: vec![1, 2], validation: vec![0, 3] },
        ];
        let duplicates = Counts::default();
        let material = Material { rois, splits, duplicates, leakage: 0, test: Vec::new() };
        let found = borders(&material).unwrap();
        let exact = Surface {
            hausdorff_95: Some(0.0),
            average_surface_distance: Some(0.0),
            surface_dice: Some(1.0),
        };
        assert_eq!(found.ellipse, exact);
        // All of the picture is 1 / 1.4 off along its sides, and more in its corners.
        let ones = found.ones;
        assert!(ones.hausdorff_95 > Some(4.0) && ones.surface_dice < Some(0.2), "{ones:?}");
        assert!(found.gaussian.hausdorff_95 < Some(2.0), "{found:?}");
    }
}
