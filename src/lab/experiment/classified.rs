//! What classifiers of ROIs are worth, as medicine has it: from tables of predictions to figures, and a table of them.

use serde::{Deserialize, Serialize};

use super::tables::{self, Prediction};
use crate::error::Result;
use crate::lab::data::Roi;
use crate::lab::metrics::binary::{Binary, Figure, Said, share};
use crate::lab::metrics::classifier::{Answer, Judgement};
use crate::lab::metrics::operating_point::OperatingPoint;
use crate::lab::report::table::Table;
use crate::nets::images::{Prepared, Split};
use crate::nets::train::Predictor;

/// What a classifier says of ROIs: more than its accuracy. The class abnormal is the positive one, from a probability
/// of one half on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Classified {
    /// With intervals over patients.
    #[serde(flatten)]
    pub binary: Binary,
    /// The area under precision and recall, by steps.
    #[serde(default)]
    pub average_precision: Option<f64>,
    /// The expected calibration error, in ten bins.
    #[serde(default)]
    pub calibration_error: Option<f64>,
    /// `confusion[i][j]`: ROIs of class i that are called j; normal is 0, abnormal 1.
    #[serde(default)]
    pub confusion: [[usize; 2]; 2],
}

impl Classified {
    /// The share of `lines` that is right.
    pub(super) fn accuracy(lines: &[Prediction]) -> Option<Figure> {
        let right = |line: &Prediction| f64::from(line.right);
        share(&lines.iter().map(|line| (&line.patient[..], right(line))).collect::<Vec<_>>())
    }

    /// Of the `lines` of a table.
    pub fn new(lines: &[Prediction]) -> Self {
        let mut confusion = [[0; 2]; 2];
        for line in lines {
            let class = usize::from(line.is_abnormal());
            confusion[class][if line.right != 0 { class } else { 1 - class }] += 1;
        }
        let judged = judgement(lines);
        let said: Vec<Said> = lines.iter().map(Prediction::said).collect();
        Classified {
            binary: Binary::new(&said),
            average_precision: judged.positive.and_then(|positive| positive.average_precision),
            calibration_error: (!lines.is_empty()).then_some(judged.calibration_error),
            confusion,
        }
    }
}

/// All that is measured of the `lines` of a table, the ROC curve among it.
pub fn judgement(lines: &[Prediction]) -> Judgement {
    let probabilities: Vec<[f64; 1]> = lines.iter().map(|line| [line.probability]).collect();
    let answers = lines.iter().zip(&probabilities).map(|(line, probabilities)| Answer {
        patient: &line.patient,
        class: usize::from(line.is_abnormal()),
        probabilities,
    });
    Judgement::new(&answers.collect::<Vec<_>>(), 2, None)
}

/// What a classifier says of the ROIs of both sides of its split, as they are: not turned, moved or relit, as those of
/// the training side were when they were learnt from.
pub struct Sides {
    /// Of the training side.
    pub train: Vec<Prediction>,
    /// Of the validation side.
    pub validation: Vec<Prediction>,
}

impl Sides {
    /// Asks `predictor` for those of `rois`, which are the images of `prepared`.
    ///
    /// # Errors
    /// Those of [`Predictor::predict`].
    pub fn predict(
        predictor: &mut Predictor,
        prepared: &Prepared,
        rois: &[Roi],
        split: &Split,
    ) -> Result<Self> {
        let mut side = |indices: &[usize], name: &str| -> Result<Vec<Prediction>> {
            let rows = predictor.predict(prepared, indices)?;
            let all = indices.iter().zip(&rows);
            Ok(all.map(|(&index, row)| Prediction::new(&rois[index], name, row)).collect())
        };
        Ok(Sides {
            train: side(&split.train, tables::TRAIN)?,
            validation: side(&split.validation, tables::VALIDATION)?,
        })
    }

    /// The validation side at the threshold that the training side chooses; none where that is of one class.
    pub fn at_training_threshold(&self) -> Option<OperatingPoint> {
        Some(tables::operating_point(&self.validation, tables::threshold(&self.train)?))
    }
}

/// A table of classifiers: each with its name and seed. Sensitivity and specificity are those at the threshold that the
/// training side has chosen, where it has. AP is the average precision, ECE the expected calibration error.
pub fn table<'a>(
    all: impl Iterator<Item = (String, &'a Classified, Option<&'a OperatingPoint>)>,
) -> Table {
    let mut table = Table::new(&[
        "classifier",
        "AUC",
        "AP",
        "Brier",
        "ECE",
        "threshold",
        "sensitivity",
        "specificity",
        "balanced accuracy",
    ]);
    let found = |figure: Option<Figure>| figure.map_or("-".to_owned(), |figure| figure.to_string());
    let plain = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let value = |figure: Option<Figure>| plain(figure.map(|figure| figure.value));
    for (name, classified, at_threshold) in all {
        let binary = classified.binary;
        let (threshold, [sensitivity, specificity, balanced]) = match at_threshold {
            Some(at) => {
                let threshold = plain(at.threshold);
                (threshold, [at.sensitivity, at.specificity, at.balanced_accuracy])
            }
            None => {
                let usual = [binary.sensitivity, binary.specificity, binary.balanced_accuracy];
                ("0.5 (usual)".to_owned(), usual)
            }
        };
        table.row(vec![
            name,
            found(binary.auc),
            plain(classified.average_precision),
            value(binary.brier),
            plain(classified.calibration_error),
            threshold,
            found(sensitivity),
            found(specificity),
            value(balanced),
        ]);
    }
    table
}
