//! What a classifier is worth whose labels do not exclude each other: each label by itself, and means over all.

use serde::Serialize;

use super::binary::{Binary, Figure, Said, share};
use super::classifier::{Point, average_precision, mean, ranked, roc};

/// Probabilities above it are called so, where nothing else is asked for.
const HALF: f64 = 0.5;

/// What is said of one image.
#[derive(Clone, Copy, Debug)]
pub struct Marked<'a> {
    /// Whose it is.
    pub patient: &'a str,
    /// Whether it has each label; none where that is not known.
    pub marks: &'a [Option<bool>],
    /// The probability of each label.
    pub probabilities: &'a [f64],
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct LabelsJudgement {
    /// How many.
    pub images: usize,
    /// Probabilities above it are called so.
    pub threshold: f64,
    /// The share, over images and labels, that is called rightly.
    pub accuracy: Option<Figure>,
    /// The share of images of which every label is.
    pub exact: Option<Figure>,
    /// The mean area under the ROC curve of the labels; null where one has none.
    pub macro_auc: Option<f64>,
    /// The mean average precision of the labels; null where one has none.
    pub macro_average_precision: Option<f64>,
    /// Each label.
    pub labels: Vec<OneLabel>,
}

/// One label against its absence.
#[derive(Clone, Debug, Serialize)]
pub struct OneLabel {
    /// Images that have it.
    pub images: usize,
    /// At the threshold, with intervals over patients.
    #[serde(flatten)]
    pub binary: Binary,
    /// The area under precision and recall, by steps; null without an image that has it.
    pub average_precision: Option<f64>,
    /// From the highest threshold to the lowest; for pictures.
    #[serde(skip)]
    pub roc: Vec<Point>,
}

impl LabelsJudgement {
    /// Of `answers` with `labels` labels, at `threshold` or a half.
    pub fn new(answers: &[Marked], labels: usize, threshold: Option<f64>) -> Self {
        let threshold = threshold.unwrap_or(HALF);
        let right = |one: &Marked, label: usize| -> Option<bool> {
            Some((*one.probabilities.get(label)? > threshold) == (*one.marks.get(label)?)?)
        };
        let of_image = |one: &Marked| -> Vec<bool> {
            (0..labels).filter_map(|label| right(one, label)).collect()
        };
        let known: Vec<(&str, Vec<bool>)> = answers
            .iter()
            .map(|one| (one.patient, of_image(one)))
            .filter(|(_, rights)| !rights.is_empty())
            .collect();
        let number = |is: bool| f64::from(u8::from(is));
        let each: Vec<(&str, f64)> = known
            .iter()
            .flat_map(|(patient, rights)| rights.iter().map(|&right| (*patient, number(right))))
            .collect();
        let exact: Vec<(&str, f64)> = known
            .iter()
            .map(|(patient, rights)| (*patient, number(rights.iter().all(|right| *right))))
            .collect();
        let one_label = |label: usize| -> OneLabel {
            let said: Vec<Said> = answers
                .iter()
                .filter_map(|one| {
                    let (positive, right) = ((*one.marks.get(label)?)?, right(one, label)?);
                    let probability = one.probabilities[label];
                    Some(Said { patient: one.patient, positive, probability, right })
                })
                .collect();
            let ranked = ranked(&said);
            OneLabel {
                images: said.iter().filter(|one| one.positive).count(),
                binary: Binary::new(&said),
                average_precision: average_precision(&ranked),
                roc: roc(&ranked),
            }
        };
        let all: Vec<OneLabel> = (0..labels).map(one_label).collect();
        LabelsJudgement {
            images: answers.len(),
            threshold,
            accuracy: share(&each),
            exact: share(&exact),
            macro_auc: mean(all.iter().map(|label| Some(label.binary.auc?.value))),
            macro_average_precision: mean(all.iter().map(|label| label.average_precision)),
            labels: all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_judged_by_itself() {
        let marks = [[1, 0], [1, 1], [0, 1], [0, 0]].map(|marks| marks.map(|mark| Some(mark == 1)));
        let said = [[0.9, 0.6], [0.4, 0.8], [0.3, 0.7], [0.6, 0.1]];
        let names = ["a", "b", "c", "d"];
        let answers: Vec<Marked> = (0..4)
            .map(|at| Marked { patient: names[at], marks: &marks[at], probabilities: &said[at] })
            .collect();
        let found = LabelsJudgement::new(&answers, 2, None);
        let value = |figure: Option<Figure>| figure.unwrap().value;
        // Of the first label 0.9 and 0.4 against 0.3 and 0.6: three of four pairs; of the second all.
        let areas = [0, 1].map(|label: usize| value(found.labels[label].binary.auc));
        assert_eq!((areas, found.macro_auc), ([0.75, 1.0], Some(0.875)));
        // Precision 1 at the first, 2/3 at the third.
        let average = found.labels[0].average_precision.unwrap();
        assert!((average - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(found.labels[1].average_precision, Some(1.0));
        // Wrong are 0.4 and 0.6 of the first label, 0.6 of the second; all right is the third image alone.
        assert_eq!((value(found.accuracy), value(found.exact)), (5.0 / 8.0, 0.25));
        assert_eq!(found.labels.iter().map(|one| one.images).collect::<Vec<_>>(), [2, 2]);
        let low = LabelsJudgement::new(&answers, 2, Some(0.35));
        assert_eq!(value(low.labels[0].binary.sensitivity), 1.0);
        assert_eq!(low.macro_auc, found.macro_auc);
    }

    #[test]
    fn what_is_not_known_is_not_judged() {
        let marks = [[Some(true), None], [Some(false), None]];
        let answers: Vec<Marked> = (0..2)
            .map(|at| Marked { patient: "a", marks: &marks[at], probabilities: &[0.9, 0.1] })
            .collect();
        let found = LabelsJudgement::new(&answers, 2, None);
        assert_eq!(found.accuracy.unwrap().value, 0.5);
        assert!(found.labels[1].binary.auc.is_none() && found.macro_auc.is_none());
        assert!(LabelsJudgement::new(&[], 2, None).accuracy.is_none());
    }
}
