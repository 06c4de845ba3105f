//! Masks against the truth. Only this file and the supervised network look at it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::lab::data::Roi;
use crate::lab::experiment::LesionScore;
use crate::lab::experiment::tables::VALIDATION;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::metrics::crossed::{Group, Scale, interval};
use crate::lab::metrics::interval::Interval;
use crate::lab::metrics::lesions::{Against, Segmented};
use crate::lab::metrics::surface::TOLERANCE;
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
    /// The Hausdorff distance at 95 %, in pixels; empty where nothing is marked, and in tables from before, as all that
    /// follows.
    #[serde(default)]
    pub hausdorff_95: Option<f64>,
    /// The average symmetric surface distance, in pixels.
    #[serde(default)]
    pub average_surface_distance: Option<f64>,
    /// The normalised surface Dice, at [`TOLERANCE`] pixels.
    #[serde(default)]
    pub surface_dice: Option<f64>,
    /// Connected areas of the truth.
    #[serde(default)]
    pub lesions: Option<usize>,
    /// The mean Dice of these lesions, each against the areas of the mask that touch it.
    #[serde(default)]
    pub lesion_dice: Option<f64>,
    /// Connected areas of the mask in no lesion.
    #[serde(default)]
    pub false_areas: Option<usize>,
    /// Whose it is: the patient, or whatever else a split keeps together.
    pub patient: String,
}

/// One mask of one image: its line, and its lesions.
#[derive(Clone, Debug)]
pub struct Scored {
    pub line: Line,
    pub lesions: Vec<LesionScore>,
}

/// A line of a seed's table of lesions: a connected area of the truth against the areas of a mask that touch it.
#[derive(Clone, Debug, Serialize)]
pub struct LesionLine {
    /// The image.
    pub name: String,
    /// Where the mask comes from.
    pub origin: Origin,
    /// Which of the image's, from 1, the largest first.
    pub lesion: usize,
    /// As in [`LesionScore`], as all that follows.
    pub pixels: usize,
    pub diameter: f64,
    pub x: f64,
    pub y: f64,
    pub coverage: f64,
    pub dice: f64,
    pub iou: f64,
    pub hausdorff_95: Option<f64>,
    pub average_surface_distance: Option<f64>,
    pub surface_dice: Option<f64>,
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

/// The score of `levels` above `cut`, and that of each lesion.
pub fn scored(roi: &Roi, origin: Origin, levels: &[u8], cut: u8) -> Result<Scored> {
    let size = [roi.image.height, roi.image.width];
    let truth = roi.mask_or_empty();
    let found = Segmented::of_levels(&truth.pixels, levels, cut, size, TOLERANCE)?;
    let Against { dice, iou, surface } = found.whole;
    let lesions = LesionScore::of(roi, VALIDATION, &found.lesions);
    let sum: f64 = lesions.iter().map(|lesion| lesion.dice).sum();
    let line = Line {
        name: roi.name.clone(),
        origin,
        dice,
        iou,
        hausdorff_95: surface.hausdorff_95,
        average_surface_distance: surface.average_surface_distance,
        surface_dice: surface.surface_dice,
        lesions: Some(found.lesion_count),
        lesion_dice: (!lesions.is_empty()).then(|| sum / lesions.len() as f64),
        false_areas: Some(found.false_areas),
        patient: roi.source.clone(),
    };
    Ok(Scored { line, lesions })
}

/// The masks that know nothing of the image.
pub fn trivial(roi: &Roi) -> Result<[Scored; 2]> {
    let (width, height) = (roi.image.width as u32, roi.image.height as u32);
    Ok([
        scored(roi, Origin::Ones, &Baseline::Ones.heatmap(width, height), CUT)?,
        scored(roi, Origin::Ellipse, &Baseline::Ellipse.heatmap(width, height), CUT)?,
    ])
}

/// The table of the lesions of `masks`.
pub fn of_lesions<'a>(masks: impl Iterator<Item = &'a Scored>) -> Vec<LesionLine> {
    let lines = masks.flat_map(|scored| {
        let line = |lesion: &LesionScore| LesionLine {
            name: lesion.name.clone(),
            origin: scored.line.origin,
            lesion: lesion.lesion,
            pixels: lesion.pixels,
            diameter: lesion.diameter,
            x: lesion.x,
            y: lesion.y,
            coverage: lesion.coverage,
            dice: lesion.dice,
            iou: lesion.iou,
            hausdorff_95: lesion.hausdorff_95,
            average_surface_distance: lesion.average_surface_distance,
            surface_dice: lesion.surface_dice,
            patient: lesion.patient.clone(),
        };
        scored.lesions.iter().map(line)
    });
    lines.collect()
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
    /// Mean Hausdorff distance at 95 %, in pixels, over images in which something is marked; null in results from
    /// before, as all that follows.
    #[serde(default)]
    pub hausdorff_95: Option<Interval>,
    /// Mean of average symmetric surface distances, in pixels, over the same.
    #[serde(default)]
    pub average_surface_distance: Option<Interval>,
    /// Mean normalised surface Dice.
    #[serde(default)]
    pub surface_dice: Option<Interval>,
    /// Mean Dice lesion by lesion, then over images.
    #[serde(default)]
    pub lesion_dice: Option<Interval>,
    /// Images without a distance, over all seeds.
    #[serde(default)]
    pub without_distance: Option<usize>,
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
        // What some lines may lack.
        let there = |value: fn(&Line) -> Option<f64>, scale: Scale| {
            let group = |table: &'a Vec<Line>| -> Group<'a> {
                let own = of(table, origin);
                own.filter_map(|line| Some((&line.patient[..], value(line)?))).collect()
            };
            let groups: Vec<Group> =
                tables.iter().map(group).filter(|one| !one.is_empty()).collect();
            interval(&groups, scale)
        };
        let surface_dice = there(|line| line.surface_dice, Scale::Share);
        let lines = tables.iter().flat_map(|table| of(table, origin));
        let without = lines.filter(|line| line.hausdorff_95.is_none()).count();
        Some(MaskSummary {
            origin,
            dice: interval(&groups(origin, |line| line.dice), Scale::Share)?,
            iou: interval(&groups(origin, |line| line.iou), Scale::Share)?,
            over_ellipse: interval(&gains, Scale::Free)?,
            hausdorff_95: there(|line| line.hausdorff_95, Scale::Free),
            average_surface_distance: there(|line| line.average_surface_distance, Scale::Free),
            without_distance: surface_dice.is_some().then_some(without),
            surface_dice,
            lesion_dice: there(|line| line.lesion_dice, Scale::Share),
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
        let Scored { line, lesions } =
            scored(&roi, Origin::Weak, &[0, 200, 128, 127], CUT).unwrap();
        assert_eq!((lesions.len(), lesions[0].pixels, lesions[0].coverage), (1, 2, 0.5));
        assert!((line.dice - 0.5).abs() < 1e-12 && (line.iou - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((line.hausdorff_95, line.surface_dice), (Some(1.0), Some(1.0)));
        assert_eq!(
            (line.lesions, line.lesion_dice, line.false_areas),
            (Some(1), Some(0.5), Some(0))
        );
        let levels = levels(&[0.0, 1.0], [1, 2], &roi);
        assert_eq!(levels, [0, 64, 191, 255]);
        assert_eq!(mask(&[0.0, 1.0], [1, 2], &roi, 0.2), [0, 255, 255, 255]);
    }

    #[test]
    fn gains_are_paired() {
        let line = |at: i32, origin, dice: f64| {
            let (name, patient) = (at.to_string(), at.to_string());
            Line {
                name,
                patient,
                origin,
                dice,
                iou: dice,
                hausdorff_95: None,
                average_surface_distance: None,
                surface_dice: None,
                lesions: None,
                lesion_dice: None,
                false_areas: None,
            }
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
