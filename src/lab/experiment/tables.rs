//! The tables of numbers that a run leaves beside its pictures: what everything in `results.json` is
//! computed from.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::documents;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::lab::metrics::binary::Said;
use crate::lab::metrics::lesions::{Against, Lesion};
use crate::lab::metrics::operating_point::{OperatingPoint, cut, youden};
use crate::lab::metrics::surface::Surface;
use crate::nets::train::probabilities;

/// A line of `scores.csv`: the heatmaps of one abnormal ROI. Numbers are mean-Dice, but for those at a threshold and
/// what stands after them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The ROI.
    pub name: String,
    /// `train` or `validation`.
    pub split: String,
    /// Of the exported heatmap: what speaks for the class, ReLU, divided by the maximum.
    pub mean_dice: f64,
    /// Dice of that heatmap at the threshold that was chosen on training ROIs.
    pub dice_at_best_threshold: f64,
    /// What speaks for the class, from minimum to maximum.
    pub for_min_max: f64,
    /// What speaks for the class, divided by the maximum.
    pub for_max: f64,
    /// What speaks against the class, ReLU, divided by the maximum.
    pub against_relu_max: f64,
    /// What speaks against the class, from minimum to maximum.
    pub against_min_max: f64,
    /// What speaks against the class, divided by the maximum.
    pub against_max: f64,
    /// Intersection over union at the same threshold as Dice, as all that follows; tables of before lack these.
    #[serde(default)]
    pub iou: Option<f64>,
    /// The Hausdorff distance at 95 %, in pixels; empty where the heatmap or the truth is.
    #[serde(default)]
    pub hausdorff_95: Option<f64>,
    /// The average symmetric surface distance, in pixels; empty as that.
    #[serde(default)]
    pub average_surface_distance: Option<f64>,
    /// The normalised surface Dice, at [`TOLERANCE`](crate::lab::metrics::surface::TOLERANCE) pixels.
    #[serde(default)]
    pub surface_dice: Option<f64>,
    /// Connected areas of the truth.
    #[serde(default)]
    pub lesions: Option<usize>,
    /// Connected areas of the mask that are in none of them.
    #[serde(default)]
    pub false_areas: Option<usize>,
    /// The highest value of the map at the ROI's size, before it is divided by it.
    #[serde(default)]
    pub peak: Option<f64>,
    /// Whose it is: the patient, or whatever else a split keeps together.
    pub patient: String,
}

impl Score {
    /// Whether the ROI is on the validation side.
    pub fn is_validation(&self) -> bool {
        self.split == VALIDATION
    }

    /// Mean-Dice in the order of [`crate::nets::cam::normalise::WAYS`].
    pub fn ways(&self) -> [f64; 6] {
        [
            self.mean_dice,
            self.for_min_max,
            self.for_max,
            self.against_relu_max,
            self.against_min_max,
            self.against_max,
        ]
    }
}

/// The two sides of a split in [`Score::split`].
pub const TRAIN: &str = "train";
/// See [`TRAIN`].
pub const VALIDATION: &str = "validation";

/// Neither, in [`Prediction::split`].
pub const TEST: &str = "test";

/// A line of the scores of maps on the test set: an abnormal ROI.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestScore {
    /// The ROI.
    pub name: String,
    /// Whose it is.
    pub patient: String,
    /// Of the heatmap: what speaks for the class, ReLU, divided by the maximum.
    pub mean_dice: f64,
    /// Dice of that heatmap at the threshold that was chosen on training ROIs.
    pub dice_at_best_threshold: f64,
    /// As in [`Score`].
    pub iou: f64,
    /// As in [`Score`].
    pub hausdorff_95: Option<f64>,
    /// As in [`Score`].
    pub average_surface_distance: Option<f64>,
    /// As in [`Score`].
    pub surface_dice: Option<f64>,
    /// As in [`Score`].
    pub lesions: usize,
    /// As in [`Score`].
    pub false_areas: usize,
    /// As in [`Score`].
    pub peak: f64,
}

/// A line of `lesions.csv`: a connected area of the truth of an abnormal ROI, against the areas of the heatmap above
/// the chosen threshold that touch it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LesionScore {
    /// The ROI.
    pub name: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Which of the ROI's, from 1, the largest first.
    pub lesion: usize,
    /// Its size.
    pub pixels: usize,
    /// The diameter of a disc of that size, in pixels.
    pub diameter: f64,
    /// The column of its centre, from the left of the ROI.
    pub x: f64,
    /// The row of its centre.
    pub y: f64,
    /// The share of it that is marked.
    pub coverage: f64,
    /// Against those areas.
    pub dice: f64,
    /// Against those areas.
    pub iou: f64,
    /// In pixels; empty where it is missed.
    pub hausdorff_95: Option<f64>,
    /// In pixels; empty where it is missed.
    pub average_surface_distance: Option<f64>,
    /// At [`TOLERANCE`](crate::lab::metrics::surface::TOLERANCE) pixels.
    pub surface_dice: Option<f64>,
    /// Whose it is.
    pub patient: String,
}

impl LesionScore {
    /// Whether the ROI is on the validation side.
    pub fn is_validation(&self) -> bool {
        self.split == VALIDATION
    }

    /// The lesions of `roi`, which is on the side `split`.
    pub(crate) fn of(roi: &Roi, split: &str, lesions: &[Lesion]) -> Vec<Self> {
        let line = |(index, lesion): (usize, &Lesion)| {
            let Against { dice, iou, surface } = lesion.against;
            let Surface { hausdorff_95, average_surface_distance, surface_dice } = surface;
            LesionScore {
                name: roi.name.clone(),
                split: split.to_owned(),
                lesion: index + 1,
                pixels: lesion.pixels,
                diameter: lesion.diameter,
                x: lesion.centre[0],
                y: lesion.centre[1],
                coverage: lesion.coverage,
                dice,
                iou,
                hausdorff_95,
                average_surface_distance,
                surface_dice,
                patient: roi.source.clone(),
            }
        };
        lesions.iter().enumerate().map(line).collect()
    }
}

/// A line of `normals.csv`: the map of the class abnormal on a normal ROI that was not learnt from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NormalScore {
    /// The ROI.
    pub name: String,
    /// `validation` or `test`.
    pub split: String,
    /// Its columns.
    pub width: usize,
    /// Its rows.
    pub height: usize,
    /// The highest value of the map at that size, before it is divided by it; 0 where nothing speaks for abnormal.
    pub peak: f64,
    /// The share of its pixels in which the heatmap exceeds the chosen threshold.
    pub marked: f64,
    /// The share in which the map exceeds that threshold on the scale of the training side; empty where that has none.
    pub marked_absolute: Option<f64>,
    /// Whose it is.
    pub patient: String,
}

/// A line of a table of predictions: a ROI, and what the kept epoch's model says of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// The ROI.
    pub name: String,
    /// Whose it is: the patient, or whatever else a split keeps together.
    pub patient: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// The class that the ROI is of: `normal` or `abnormal`.
    pub label: String,
    /// The probability of `abnormal`.
    pub probability: f64,
    /// 1 where the likelier class is the ROI's, else 0.
    pub right: u8,
}

impl Prediction {
    /// Whether the ROI is of the class abnormal.
    pub(crate) fn is_abnormal(&self) -> bool {
        self.label == Class::Abnormal.name()
    }

    /// Calls it abnormal above the probability `threshold`.
    pub(crate) fn cut(&mut self, threshold: f64) {
        self.right = u8::from(cut(&self.said(), threshold).right);
    }

    /// What the figures of a classifier take of it.
    pub(crate) fn said(&self) -> Said<'_> {
        Said {
            patient: &self.patient,
            positive: self.is_abnormal(),
            probability: self.probability,
            right: self.right != 0,
        }
    }

    /// What class scores before softmax or sigmoid, `logits`, say of `roi`, which is on the side `split`.
    pub(crate) fn new(roi: &Roi, split: &str, logits: &[f32]) -> Self {
        // As the accuracy has it: of equal scores the first class.
        let says = match logits {
            [unit] => *unit > 0.0,
            [normal, abnormal] => abnormal > normal,
            _ => false,
        };
        Prediction {
            name: roi.name.clone(),
            patient: roi.source.clone(),
            split: split.to_owned(),
            label: roi.class.name().to_owned(),
            probability: probabilities(logits).last().copied().unwrap_or_default(),
            right: u8::from(says == (roi.class == Class::Abnormal)),
        }
    }
}

/// What becomes of `lines` where a ROI is called abnormal above the probability `threshold`.
pub(crate) fn operating_point(lines: &[Prediction], threshold: f64) -> OperatingPoint {
    OperatingPoint::new(&lines.iter().map(Prediction::said).collect::<Vec<_>>(), threshold)
}

/// The probability above which a ROI is called abnormal, as `lines` choose it; none where they are of one class.
pub(crate) fn threshold(lines: &[Prediction]) -> Option<f64> {
    youden(&lines.iter().map(Prediction::said).collect::<Vec<_>>())
}

/// Writes `lines` to `path`, whole or not at all.
///
/// # Errors
/// [`Error::File`] when it cannot be written.
pub fn write<T: Serialize>(path: &Path, lines: &[T]) -> Result<()> {
    let mut table = csv::Writer::from_writer(Vec::new());
    let failed = |error: csv::Error| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    };
    lines.iter().try_for_each(|line| table.serialize(line)).map_err(failed)?;
    let bytes = table.into_inner().map_err(|error| failed(error.into_error().into()))?;
    files::write(path, &bytes)
}

/// Reads what [`write`] wrote.
///
/// # Errors
/// [`Error::File`] or [`Error::Content`] when it cannot be read.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let bytes = files::read_at_most(path, documents::MOST_TABLE)?;
    documents::table(&bytes).map_err(|error| {
        let problem = format!("not a table of this version ({error})");
        Error::content(path, problem, "give another --out, or --overwrite to begin anew")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        let line = |name: &str, probability| Prediction {
            name: name.to_owned(),
            patient: "p, 1".to_owned(),
            split: VALIDATION.to_owned(),
            label: "normal".to_owned(),
            probability,
            right: 1,
        };
        let lines = [line("plain", 0.1 + 0.2), line("with, \"all\"\nof it", 1.0 / 3.0)];
        write(&path, &lines).unwrap();
        assert_eq!(read::<Prediction>(&path).unwrap(), lines);
        let error = read::<Score>(&path).unwrap_err().to_string();
        assert!(error.contains("p.csv"), "{error}");
    }

    #[test]
    fn a_table_from_before_borders_were_measured_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        let old = "name,split,mean_dice,dice_at_best_threshold,for_min_max,for_max,against_relu_max,\
                   against_min_max,against_max,patient\na,train,0.5,0.25,0,0,0,0,0,p\n";
        std::fs::write(&path, old).unwrap();
        let [line] = &read::<Score>(&path).unwrap()[..] else { panic!("one line") };
        assert_eq!(
            (line.iou, line.hausdorff_95, line.lesions, line.peak),
            (None, None, None, None)
        );
        assert_eq!((line.dice_at_best_threshold, &line.patient[..]), (0.25, "p"));
    }
}
