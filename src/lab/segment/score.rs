//! Masks against the truth. Only this file and the supervised network look at it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::lab::data::Roi;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::metrics::crossed::{Group, Scale, interval};
use crate::lab::metrics::interval::Interval;
use crate::nets::cam::dice;
use crate::nets::images::grey::resize_plane;

/// Where a mask comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// All of the image.
    Ones,
    /// A centred ellipse.
    Ellipse,
    /// The heatmap, cut at the threshold that is best on the training side: by the truth there.
    Cam,
    /// The heatmap with what its image tells.
    Pseudo,
    /// The network that learnt from pseudo-masks.
    Weak,
    /// The network that learnt from the truth.
    Supervised,
}

impl Origin {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Origin; 6] = [
        Origin::Ones,
        Origin::Ellipse,
        Origin::Cam,
        Origin::Pseudo,
        Origin::Weak,
        Origin::Supervised,
    ];

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Origin::Ones => "all of the image",
            Origin::Ellipse => "centred ellipse",
            Origin::Cam => "CAM, threshold by truth",
            Origin::Pseudo => "pseudo-mask",
            Origin::Weak => "U-Net on pseudo-masks",
            Origin::Supervised => "U-Net on true masks",
        }
    }
}

/// A line of a seed's table: one mask of one abnormal image of the validation side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The image.
    pub name: String,
    /// Where the mask comes from.
    pub origin: Origin,
    /// 2 |A and B| / (|A| + |B|).
    pub dice: f64,
    /// |A and B| / |A or B|.
    pub iou: f64,
    /// Whose it is: the patient, or whatever else a split keeps together.
    pub patient: String,
}

/// Cuts masks of 0 and 255.
pub const CUT: u8 = 127;

/// Probabilities of (height, width) `from` at the size of `roi`, in levels of 255.
pub fn levels(probability: &[f32], from: [usize; 2], roi: &Roi) -> Vec<u8> {
    let resized = resize_plane(probability, from, [roi.image.height, roi.image.width]);
    resized.into_iter().map(|p| (255.0 * p + 0.5) as u8).collect()
}

/// Probabilities of (height, width) `from` above `threshold` at the size of `roi`: 255, else 0.
pub fn mask(probability: &[f32], from: [usize; 2], roi: &Roi, threshold: f32) -> Vec<u8> {
    let resized = resize_plane(probability, from, [roi.image.height, roi.image.width]);
    resized.into_iter().map(|p| if p > threshold { 255 } else { 0 }).collect()
}

/// The score of `levels` above `cut`.
pub fn line(roi: &Roi, origin: Origin, levels: &[u8], cut: u8) -> Result<Line> {
    let scores = dice::score(&roi.mask_or_empty().pixels, levels)?;
    let dice = scores.dice[usize::from(cut)];
    let (name, patient) = (roi.name.clone(), roi.source.clone());
    Ok(Line { name, patient, origin, dice, iou: dice / (2.0 - dice) })
}

/// The masks that know nothing of the image.
pub fn trivial(roi: &Roi) -> Result<[Line; 2]> {
    let (width, height) = (roi.image.width as u32, roi.image.height as u32);
    Ok([
        line(roi, Origin::Ones, &Baseline::Ones.heatmap(width, height), CUT)?,
        line(roi, Origin::Ellipse, &Baseline::Ellipse.heatmap(width, height), CUT)?,
    ])
}

/// The threshold with the best mean Dice over `heatmaps` of `rois`.
pub fn best_threshold<'a>(pairs: impl Iterator<Item = (&'a Roi, Vec<u8>)>) -> Result<u8> {
    let scores: Vec<dice::Scores> = pairs
        .map(|(roi, heatmap)| dice::score(&roi.mask_or_empty().pixels, &heatmap))
        .collect::<Result<_>>()?;
    Ok(dice::best_threshold(&dice::mean_curve(&scores)))
}

/// All masks of one origin, over seeds and images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaskSummary {
    /// Where the masks come from.
    pub origin: Origin,
    /// Mean Dice.
    pub dice: Interval,
    /// Mean of intersection over union.
    pub iou: Interval,
    /// How much higher the Dice is than that of the ellipse on the same images.
    pub over_ellipse: Interval,
}

/// The lines of `origin` in a seed's table.
fn of(table: &[Line], origin: Origin) -> impl Iterator<Item = &Line> {
    table.iter().filter(move |line| line.origin == origin)
}

/// The summary of the tables of all seeds; the intervals are over seeds and patients.
pub fn summarize<'a>(tables: &'a [Vec<Line>]) -> Vec<MaskSummary> {
    let groups = |origin: Origin, value: fn(&Line) -> f64| -> Vec<Group<'a>> {
        let group = |table: &'a [Line]| -> Group<'a> {
            of(table, origin).map(|line| (&line.patient[..], value(line))).collect()
        };
        tables.iter().map(|table| group(table)).collect()
    };
    let ellipse: Vec<BTreeMap<&str, f64>> = tables
        .iter()
        .map(|table| of(table, Origin::Ellipse).map(|line| (&line.name[..], line.dice)).collect())
        .collect();
    let summary = |origin| {
        // Paired: of each image with the ellipse's on the same one.
        let gains: Vec<Group> = tables
            .iter()
            .zip(&ellipse)
            .map(|(table, ellipse)| {
                let gain = |line: &'a Line| {
                    Some((&line.patient[..], line.dice - ellipse.get(&line.name[..])?))
                };
                of(table, origin).filter_map(gain).collect()
            })
            .collect();
        Some(MaskSummary {
            origin,
            dice: interval(&groups(origin, |line| line.dice), Scale::Share)?,
            iou: interval(&groups(origin, |line| line.iou), Scale::Share)?,
            over_ellipse: interval(&gains, Scale::Free)?,
        })
    };
    Origin::ALL.into_iter().filter_map(summary).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::data::Class;
    use crate::nets::images::Grey;

    fn roi(mask: &[u8]) -> Roi {
        let grey = |pixels: &[u8]| Grey { width: 4, height: 1, pixels: pixels.to_vec() };
        let image = grey(&[0; 4]);
        Roi {
            image,
            mask: Some(grey(mask)),
            ..crate::lab::data::fixtures::roi("x", Class::Abnormal, "x")
        }
    }

    #[test]
    fn iou_is_the_share_of_the_union() {
        let roi = roi(&[255, 255, 0, 0]);
        let line = line(&roi, Origin::Weak, &[0, 200, 128, 127], CUT).unwrap();
        assert!((line.dice - 0.5).abs() < 1e-12 && (line.iou - 1.0 / 3.0).abs() < 1e-12);
        let levels = levels(&[0.0, 1.0], [1, 2], &roi);
        assert_eq!(levels, [0, 64, 191, 255]);
        assert_eq!(mask(&[0.0, 1.0], [1, 2], &roi, 0.2), [0, 255, 255, 255]);
    }

    #[test]
    fn gains_are_paired() {
        let line = |at: i32, origin, dice: f64| {
            let (name, patient) = (at.to_string(), at.to_string());
            Line { name, patient, origin, dice, iou: dice }
        };
        let table: Vec<Line> = (0..20)
            .flat_map(|at| {
                let ellipse = 0.02 * f64::from(at);
                [line(at, Origin::Ellipse, ellipse), line(at, Origin::Weak, ellipse + 0.1)]
            })
            .collect();
        let summaries = summarize(&[table.clone(), table]);
        let [ellipse, weak] = &summaries[..] else { panic!("{summaries:?}") };
        let none = ellipse.over_ellipse;
        assert_eq!((none.mean, none.low, none.high), (0.0, 0.0, 0.0));
        assert!(weak.dice.high - weak.dice.low > 0.05);
        assert!((weak.over_ellipse.low - 0.1).abs() < 1e-9);
        assert!((weak.over_ellipse.high - 0.1).abs() < 1e-9);
    }
}
