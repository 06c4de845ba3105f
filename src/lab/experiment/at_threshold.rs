//! Heatmaps as masks, at the one threshold that is best on the training side: how far borders are off, how lesions
//! are met by their size, and what is marked in normal ROIs.
//!
//! A heatmap is divided by its own maximum, so any map that is not 0 everywhere exceeds every threshold somewhere, in
//! a normal ROI too. Whether a map has anything in it and whether it is as strong as on lesions are therefore told
//! apart: the second takes the map before it is divided, and the threshold on the scale of the training side.

use serde::{Deserialize, Serialize};

use super::tables::{LesionScore, NormalScore, Score, TestScore};
use crate::lab::metrics::binary::{Figure, share};
use crate::lab::metrics::rank::spearman;
use crate::lab::metrics::surface::{Surface, TOLERANCE};

/// The figures of abnormal ROIs that were not learnt from, and of the normal ones beside them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AtThreshold {
    /// What is cut: heatmap > threshold. Chosen on the training side.
    pub threshold: u8,
    /// Pixels that a border may be off in `surface_dice`.
    pub surface_tolerance: f64,
    /// Abnormal ROIs.
    pub rois: usize,
    /// Mean intersection over union.
    pub iou: Option<f64>,
    /// The means of the borders' figures. Distances are those of ROIs where there is one.
    #[serde(flatten)]
    pub surface: Surface,
    /// ROIs of which nothing is marked, or that have no lesion: they have no distance.
    pub without_distance: usize,
    /// Marked areas in no lesion, a ROI.
    pub false_areas: f64,
    /// Lesion by lesion.
    pub lesions: Lesions,
    /// Of the normal ROIs; null where there is none.
    pub normals: Option<Normals>,
}

/// Lesions: connected areas of the truth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lesions {
    /// How many.
    pub count: usize,
    /// Of which nothing is marked.
    pub missed: usize,
    /// Mean Dice, a missed one with 0.
    pub dice: Option<f64>,
    /// Mean share of a lesion that is marked.
    pub coverage: Option<f64>,
    /// The means of their borders' figures. Distances are those of lesions that are not missed.
    #[serde(flatten)]
    pub surface: Surface,
    /// Spearman's correlation of Dice with the number of pixels; null where either is the same for all.
    pub size_correlation: Option<f64>,
    /// Thirds of the lesions, from the small to the large; fewer where there are not three.
    pub by_size: Vec<BySize>,
}

/// Some lesions of about one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BySize {
    /// Pixels of the smallest.
    pub from_pixels: usize,
    /// Pixels of the largest.
    pub to_pixels: usize,
    /// How many.
    pub count: usize,
    /// Mean Dice.
    pub dice: f64,
    /// Mean share that is marked.
    pub coverage: f64,
}

/// What is marked in normal ROIs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normals {
    /// How many were explained.
    pub rois: usize,
    /// The share in which the heatmap exceeds the threshold anywhere, with its interval over patients.
    pub exceeding: Option<Figure>,
    /// The mean share of a ROI that is marked then.
    pub marked: f64,
    /// The threshold for the map before it is divided by its maximum: threshold / 255 times the median of the maxima
    /// over abnormal ROIs of the training side. Null where those are empty.
    pub absolute_threshold: Option<f64>,
    /// The share in which the map exceeds that.
    pub exceeding_absolute: Option<Figure>,
    /// The mean share of a ROI that does.
    pub marked_absolute: Option<f64>,
    /// The share of the abnormal ROIs in which the map exceeds it: what the normals' is to be held against.
    pub abnormal_exceeding_absolute: Option<Figure>,
}

/// An abnormal ROI, of whichever table.
struct Row<'a> {
    patient: &'a str,
    iou: f64,
    surface: Surface,
    false_areas: usize,
    peak: f64,
}

impl<'a> Row<'a> {
    /// None of a table from before there were such columns.
    fn of(score: &'a Score) -> Option<Self> {
        let surface = Surface {
            hausdorff_95: score.hausdorff_95,
            average_surface_distance: score.average_surface_distance,
            surface_dice: score.surface_dice,
        };
        let (iou, false_areas, peak) = (score.iou?, score.false_areas?, score.peak?);
        Some(Row { patient: &score.patient, iou, surface, false_areas, peak })
    }

    fn of_test(score: &'a TestScore) -> Self {
        let surface = Surface {
            hausdorff_95: score.hausdorff_95,
            average_surface_distance: score.average_surface_distance,
            surface_dice: score.surface_dice,
        };
        let TestScore { patient, iou, false_areas, peak, .. } = score;
        Row { patient, iou: *iou, surface, false_areas: *false_areas, peak: *peak }
    }
}

impl AtThreshold {
    /// Of the validation side in the tables of a run; none of tables from before there was this.
    pub(super) fn of_validation(
        threshold: u8,
        scores: &[Score],
        lesions: &[LesionScore],
        normals: &[NormalScore],
    ) -> Option<Self> {
        let validated = scores.iter().filter(|score| score.is_validation());
        let rows: Vec<Row> = validated.map(Row::of).collect::<Option<_>>()?;
        let absolute = absolute_threshold(threshold, scores);
        let lesions: Vec<&LesionScore> = lesions.iter().filter(|one| one.is_validation()).collect();
        let normals: Vec<&NormalScore> = normals.iter().collect();
        Some(Self::new(threshold, &rows, &lesions, &normals, absolute))
    }

    /// Of the tables of the test set; `absolute` is the threshold of the training side.
    pub(super) fn of_test(
        threshold: u8,
        scores: &[TestScore],
        lesions: &[LesionScore],
        normals: &[NormalScore],
        absolute: Option<f64>,
    ) -> Self {
        let rows: Vec<Row> = scores.iter().map(Row::of_test).collect();
        let (lesions, normals): (Vec<_>, Vec<_>) =
            (lesions.iter().collect(), normals.iter().collect());
        Self::new(threshold, &rows, &lesions, &normals, absolute)
    }

    fn new(
        threshold: u8,
        rows: &[Row],
        lesions: &[&LesionScore],
        normals: &[&NormalScore],
        absolute: Option<f64>,
    ) -> Self {
        AtThreshold {
            threshold,
            surface_tolerance: TOLERANCE,
            rois: rows.len(),
            iou: mean(rows.iter().map(|row| Some(row.iou))),
            surface: means(rows.iter().map(|row| row.surface)),
            without_distance: rows.iter().filter(|row| row.surface.hausdorff_95.is_none()).count(),
            false_areas: mean(rows.iter().map(|row| Some(row.false_areas as f64))).unwrap_or(0.0),
            lesions: Lesions::new(lesions),
            normals: (!normals.is_empty()).then(|| Normals::new(normals, rows, absolute)),
        }
    }
}

/// `threshold` of 255 on the scale of the training side of `scores`: see [`Normals::absolute_threshold`].
pub(super) fn absolute_threshold(threshold: u8, scores: &[Score]) -> Option<f64> {
    let learnt = scores.iter().filter(|score| !score.is_validation());
    let mut peaks: Vec<f64> = learnt.filter_map(|score| score.peak).collect();
    peaks.sort_by(f64::total_cmp);
    let (below, above) = (peaks.len().checked_sub(1)? / 2, peaks.len() / 2);
    let median = (peaks[below] + peaks[above]) / 2.0;
    (median > 0.0).then(|| f64::from(threshold) / 255.0 * median)
}

impl Lesions {
    fn new(lesions: &[&LesionScore]) -> Self {
        let mut by_pixels: Vec<&LesionScore> = lesions.to_vec();
        by_pixels.sort_by_key(|lesion| lesion.pixels);
        let third = |index: usize| {
            let at = |index: usize| index * by_pixels.len() / 3;
            let some = &by_pixels[at(index)..at(index + 1)];
            Some(BySize {
                from_pixels: some.first()?.pixels,
                to_pixels: some.last()?.pixels,
                count: some.len(),
                dice: mean(some.iter().map(|lesion| Some(lesion.dice)))?,
                coverage: mean(some.iter().map(|lesion| Some(lesion.coverage)))?,
            })
        };
        let [sizes, dice]: [Vec<f64>; 2] = [
            lesions.iter().map(|lesion| lesion.pixels as f64).collect(),
            lesions.iter().map(|lesion| lesion.dice).collect(),
        ];
        Lesions {
            count: lesions.len(),
            missed: lesions.iter().filter(|lesion| lesion.coverage == 0.0).count(),
            dice: mean(dice.iter().map(|dice| Some(*dice))),
            coverage: mean(lesions.iter().map(|lesion| Some(lesion.coverage))),
            surface: means(lesions.iter().map(|lesion| Surface {
                hausdorff_95: lesion.hausdorff_95,
                average_surface_distance: lesion.average_surface_distance,
                surface_dice: lesion.surface_dice,
            })),
            size_correlation: spearman(&sizes, &dice),
            by_size: (0..3).filter_map(third).collect(),
        }
    }
}

impl Normals {
    fn new(normals: &[&NormalScore], rows: &[Row], absolute: Option<f64>) -> Self {
        let count = |exceeds: &dyn Fn(&NormalScore) -> bool| {
            let one = |normal: &&NormalScore| f64::from(u8::from(exceeds(normal)));
            let all = normals.iter().map(|normal| (&normal.patient[..], one(normal)));
            share(&all.collect::<Vec<_>>())
        };
        let of_rows = |absolute: f64| {
            let one = |row: &Row| f64::from(u8::from(row.peak > absolute));
            share(&rows.iter().map(|row| (row.patient, one(row))).collect::<Vec<_>>())
        };
        Normals {
            rois: normals.len(),
            exceeding: count(&|normal| normal.marked > 0.0),
            marked: mean(normals.iter().map(|normal| Some(normal.marked))).unwrap_or(0.0),
            absolute_threshold: absolute,
            exceeding_absolute: absolute.and_then(|cut| count(&|normal| normal.peak > cut)),
            marked_absolute: mean(normals.iter().map(|normal| normal.marked_absolute)),
            abnormal_exceeding_absolute: absolute.and_then(of_rows),
        }
    }
}

/// The mean of those that exist.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The means of those figures that exist.
pub(super) fn means(surfaces: impl Iterator<Item = Surface> + Clone) -> Surface {
    Surface {
        hausdorff_95: mean(surfaces.clone().map(|one| one.hausdorff_95)),
        average_surface_distance: mean(surfaces.clone().map(|one| one.average_surface_distance)),
        surface_dice: mean(surfaces.map(|one| one.surface_dice)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{TRAIN, VALIDATION};
    use super::*;

    fn score(split: &str, peak: f64, distance: Option<f64>) -> Score {
        Score {
            split: split.to_owned(),
            iou: Some(0.5),
            hausdorff_95: distance,
            average_surface_distance: distance,
            surface_dice: Some(0.25),
            lesions: Some(1),
            false_areas: Some(1),
            peak: Some(peak),
            patient: peak.to_string(),
            ..Score::default()
        }
    }

    fn lesion(pixels: usize, dice: f64) -> LesionScore {
        LesionScore {
            split: VALIDATION.to_owned(),
            pixels,
            dice,
            coverage: dice,
            ..LesionScore::default()
        }
    }

    #[test]
    fn means_leave_out_what_is_not_there_and_count_it() {
        let scores = [
            score(TRAIN, 2.0, Some(100.0)),
            score(TRAIN, 4.0, None),
            score(TRAIN, 9.0, None),
            score(VALIDATION, 3.0, Some(6.0)),
            score(VALIDATION, 0.0, None),
        ];
        let lesions = [lesion(40, 0.8), lesion(10, 0.0), lesion(30, 0.6), lesion(20, 0.4)];
        let normal = |peak: f64, marked: f64| NormalScore {
            peak,
            marked,
            marked_absolute: Some(marked / 2.0),
            patient: peak.to_string(),
            ..NormalScore::default()
        };
        let normals = [normal(0.0, 0.0), normal(0.5, 0.25), normal(2.5, 0.75), normal(1.0, 1.0)];
        let found = AtThreshold::of_validation(102, &scores, &lesions, &normals).unwrap();
        assert_eq!((found.rois, found.without_distance, found.iou), (2, 1, Some(0.5)));
        assert_eq!(found.surface.hausdorff_95, Some(6.0));
        assert_eq!((found.lesions.count, found.lesions.missed), (4, 1));
        assert_eq!(found.lesions.size_correlation, Some(1.0));
        let sizes: Vec<(usize, usize, usize)> = found
            .lesions
            .by_size
            .iter()
            .map(|some| (some.from_pixels, some.to_pixels, some.count))
            .collect();
        assert_eq!(sizes, [(10, 10, 1), (20, 20, 1), (30, 40, 2)]);
        assert!((found.lesions.by_size[2].dice - 0.7).abs() < 1e-12);
        // 102 of 255 on a median of 4 is 1.6.
        let normals = found.normals.unwrap();
        assert!((normals.absolute_threshold.unwrap() - 1.6).abs() < 1e-12, "{normals:?}");
        assert_eq!((normals.rois, normals.marked, normals.marked_absolute), (4, 0.5, Some(0.25)));
        let value = |figure: Option<Figure>| figure.unwrap().value;
        assert_eq!((value(normals.exceeding), value(normals.exceeding_absolute)), (0.75, 0.25));
        assert_eq!(value(normals.abnormal_exceeding_absolute), 0.5);
    }

    #[test]
    fn tables_from_before_have_none_and_no_normals_are_said() {
        let old = Score { iou: None, ..score(VALIDATION, 1.0, None) };
        assert_eq!(AtThreshold::of_validation(1, &[old], &[], &[]), None);
        let scores = [score(TRAIN, 0.0, None), score(VALIDATION, 1.0, None)];
        let found = AtThreshold::of_validation(1, &scores, &[], &[]).unwrap();
        assert_eq!((found.normals, found.lesions), (None, Lesions::default()));
        assert_eq!(absolute_threshold(1, &scores), None, "nothing speaks for abnormal");
    }
}
