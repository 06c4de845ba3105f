//! The metrics of a comparison: what each is called, which way is good, and where it is in the tables.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A line of a unit's `scores.csv`: one validation ROI's heatmap. All numbers but ROAD's and the distances lie in [0, 1].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// The ROI.
    pub name: String,
    /// Mean of the Dice at all 256 thresholds.
    pub mean_dice: f64,
    /// Dice at the threshold that is best on training ROIs.
    pub dice: f64,
    /// IoU at the same threshold.
    pub iou: f64,
    /// Normalised surface Dice at that threshold; tables from before lack it and the two that follow.
    #[serde(default)]
    pub surface_dice: Option<f64>,
    /// Hausdorff distance at 95 % there, in pixels; empty where nothing is marked.
    #[serde(default)]
    pub hausdorff_95: Option<f64>,
    /// Average symmetric surface distance there, in pixels; empty where nothing is marked.
    #[serde(default)]
    pub average_surface_distance: Option<f64>,
    /// Dice at the heatmap's own Otsu threshold.
    pub otsu_dice: f64,
    /// IoU there.
    pub otsu_iou: f64,
    /// Average precision of pixels.
    pub average_precision: f64,
    /// Whether the highest pixel lies in the mask.
    pub pointing: f64,
    /// The share of the heatmap's sum that lies in the mask.
    pub energy: f64,
    /// Area under the probability as pixels are taken away; empty where it was not measured.
    pub deletion: Option<f64>,
    /// Area under the probability as pixels are put back.
    pub insertion: Option<f64>,
    /// Mean probability with the highest pixels imputed.
    pub road_morf: Option<f64>,
    /// Mean probability with the lowest pixels imputed.
    pub road_lerf: Option<f64>,
    /// Half the difference of the last two.
    pub road: Option<f64>,
    /// Whose it is: the patient, or whatever else a split keeps together.
    pub patient: String,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// In files and on the command line.
    pub name: &'static str,
    /// In pictures and tables.
    pub title: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Whether more is better.
    pub higher: bool,
    /// Of an ROI's line; none where it is of another table, that of predictions.
    pub(super) of: Option<fn(&Score) -> Option<f64>>,
}

impl Metric {
    /// Whether it lies in [0, 1]: all but ROAD's difference and distances do.
    pub fn is_share(&self) -> bool {
        self.name != ROAD && !self.is_distance()
    }

    /// Whether it is a distance in pixels, which a ROI lacks where nothing is marked.
    fn is_distance(&self) -> bool {
        [HAUSDORFF, DISTANCE].contains(&self.name)
    }

    /// Whether it takes runs of the network on changed ROIs, which `--faithfulness-images` bounds: what a
    /// line may lack although something is marked.
    pub fn is_faithfulness(&self) -> bool {
        let of_borders = self.is_distance() || self.name == SURFACE_DICE;
        self.of.is_some_and(|of| of(&Score::default()).is_none()) && !of_borders
    }
}

/// The metric that may be negative.
const ROAD: &str = "road";

/// Those of borders.
const SURFACE_DICE: &str = "surface_dice";
const HAUSDORFF: &str = "hausdorff_95";
const DISTANCE: &str = "average_surface_distance";

/// The metric that retraining gives.
pub(super) const FILTERED: &str = "filtered_accuracy";

/// Every metric, in the order of the tables. To add one: its file in `metrics/`, a field of [`Score`],
/// a line here.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "mean_dice",
        title: "mean-Dice",
        about: "Dice, mean over the thresholds 0 to 255",
        higher: true,
        of: Some(|score| Some(score.mean_dice)),
    },
    Metric {
        name: "dice",
        title: "Dice",
        about: "Dice at the one threshold that is best on training ROIs",
        higher: true,
        of: Some(|score| Some(score.dice)),
    },
    Metric {
        name: "iou",
        title: "IoU",
        about: "intersection over union at that threshold",
        higher: true,
        of: Some(|score| Some(score.iou)),
    },
    Metric {
        name: SURFACE_DICE,
        title: "surface Dice",
        about: "share of both borders that is no more than 2 pixels from the other, at that threshold",
        higher: true,
        of: Some(|score| score.surface_dice),
    },
    Metric {
        name: HAUSDORFF,
        title: "HD95",
        about: "Hausdorff distance at 95 % there, in pixels, over ROIs in which something is marked",
        higher: false,
        of: Some(|score| score.hausdorff_95),
    },
    Metric {
        name: DISTANCE,
        title: "ASSD",
        about: "average symmetric surface distance there, in pixels, over the same ROIs",
        higher: false,
        of: Some(|score| score.average_surface_distance),
    },
    Metric {
        name: "otsu_dice",
        title: "Dice, Otsu",
        about: "Dice at the heatmap's own Otsu threshold",
        higher: true,
        of: Some(|score| Some(score.otsu_dice)),
    },
    Metric {
        name: "otsu_iou",
        title: "IoU, Otsu",
        about: "intersection over union at the heatmap's own Otsu threshold",
        higher: true,
        of: Some(|score| Some(score.otsu_iou)),
    },
    Metric {
        name: "average_precision",
        title: "AP",
        about: "average precision of pixels; chance is the lesion's share of the ROI",
        higher: true,
        of: Some(|score| Some(score.average_precision)),
    },
    Metric {
        name: "pointing",
        title: "pointing",
        about: "pointing game without tolerance: the highest pixel lies in the lesion",
        higher: true,
        of: Some(|score| Some(score.pointing)),
    },
    Metric {
        name: "energy",
        title: "energy",
        about: "share of the heatmap's sum inside the lesion",
        higher: true,
        of: Some(|score| Some(score.energy)),
    },
    Metric {
        name: "deletion",
        title: "deletion",
        about: "area under the probability of abnormal as pixels are taken away, the highest first",
        higher: false,
        of: Some(|score| score.deletion),
    },
    Metric {
        name: "insertion",
        title: "insertion",
        about: "area under the probability of abnormal as a blurred ROI gets its pixels back, the highest \
                first",
        higher: true,
        of: Some(|score| score.insertion),
    },
    Metric {
        name: "road_morf",
        title: "ROAD MoRF",
        about: "mean probability of abnormal with the highest pixels imputed",
        higher: false,
        of: Some(|score| score.road_morf),
    },
    Metric {
        name: "road_lerf",
        title: "ROAD LeRF",
        about: "mean probability of abnormal with the lowest pixels imputed",
        higher: true,
        of: Some(|score| score.road_lerf),
    },
    Metric {
        name: ROAD,
        title: "ROAD",
        about: "half of LeRF minus MoRF; chance is 0",
        higher: true,
        of: Some(|score| score.road),
    },
    Metric {
        name: FILTERED,
        title: "acc. x maps",
        about: "validation accuracy of a network trained from scratch on ROIs times their heatmaps",
        higher: true,
        of: None,
    },
];

/// The metric called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find(name: &str) -> Result<&'static Metric> {
    let found = METRICS.iter().find(|metric| metric.name == name);
    found.ok_or_else(|| Error::unknown("metric", name, METRICS.iter().map(|metric| metric.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_the_scores_is_a_metric_in_the_same_order() {
        let value = serde_json::to_value(Score::default()).unwrap();
        let columns: Vec<&str> =
            value.as_object().unwrap().keys().skip(1).map(|k| k.as_str()).collect();
        let [columns @ .., "patient"] = &columns[..] else { panic!("{columns:?}") };
        let of_rois = METRICS.iter().filter(|metric| metric.of.is_some());
        assert_eq!(columns, of_rois.map(|metric| metric.name).collect::<Vec<_>>());
    }
}
