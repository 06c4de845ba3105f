//! What a classifier of two classes is worth: area under the ROC curve, sensitivity, specificity, their
//! mean, and Brier's score, each with its interval over patients.
//!
//! All five are means, or means over pairs, so that each ROI has a pull on them: its deviation from the
//! mean it is part of. Summed by patient, the squares of the pulls are the variance, which for the area is
//! that of DeLong, DeLong and Clarke-Pearson (1988) for samples in clusters (Obuchowski 1997). The
//! interval is Wilson's with Student's t at the number of patients less 1.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::interval::{LEVEL, trials, wilson};
use super::student;

/// A number in [0, 1] with its interval over patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The number.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

/// As `0.912 [0.874, 0.940]`.
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { value, low, high } = self;
        f.pad(&format!("{value:.3} [{low:.3}, {high:.3}]"))
    }
}

/// What is said of one ROI.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Whose it is.
    pub patient: &'a str,
    /// Whether it is of the second class, abnormal.
    pub positive: bool,
    /// The probability of that class.
    pub probability: f64,
    /// Whether the likelier class is the ROI's own.
    pub right: bool,
}

/// The five; where a class is missing there are none of those that take both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Binary {
    /// Area under the ROC curve: how often an abnormal ROI has a higher probability than a normal one.
    pub auc: Option<Figure>,
    /// The share of abnormal ROIs that are classified rightly.
    pub sensitivity: Option<Figure>,
    /// The share of normal ROIs that are.
    pub specificity: Option<Figure>,
    /// The mean of the two.
    pub balanced_accuracy: Option<Figure>,
    /// The mean squared difference of probability and truth: 0 is best, 0.25 is a coin's.
    pub brier: Option<Figure>,
}

/// ROIs of one class: each value with its patient.
type Values<'a> = Vec<(&'a str, f64)>;

impl Binary {
    /// Of what is said of ROIs of both classes.
    pub fn new(said: &[Said]) -> Self {
        let (abnormal, normal): (Vec<Said>, Vec<Said>) =
            said.iter().copied().partition(|one| one.positive);
        let right = |one: &Said| f64::from(u8::from(one.right));
        fn of<'a>(some: &[Said<'a>], value: impl Fn(&Said) -> f64) -> Values<'a> {
            some.iter().map(|one| (one.patient, value(one))).collect()
        }
        // Of each ROI the share of the other class that it is on the right side of.
        let share = |others: &[Said], one: &Said| -> f64 {
            let side = |other: &Said| match one.probability.total_cmp(&other.probability) {
                std::cmp::Ordering::Equal => 0.5,
                order => f64::from(u8::from(order.is_gt() == one.positive)),
            };
            others.iter().map(side).sum::<f64>() / others.len().max(1) as f64
        };
        let truth = |one: &Said| f64::from(u8::from(one.positive));
        let brier = of(said, |one| (one.probability - truth(one)).powi(2));
        let [own, other] = [of(&abnormal, right), of(&normal, right)];
        // The two means over pairs are one number, and its pulls come from both sides.
        let above = of(&abnormal, |one| share(&normal, one));
        let below = of(&normal, |one| share(&abnormal, one));
        Binary {
            auc: figure(&[(&above, 0.5, 1.0), (&below, 0.5, 1.0)]),
            sensitivity: figure(&[(&own, 1.0, 1.0)]),
            specificity: figure(&[(&other, 1.0, 1.0)]),
            balanced_accuracy: figure(&[(&own, 0.5, 0.5), (&other, 0.5, 0.5)]),
            brier: figure(&[(&brier, 1.0, 1.0)]),
        }
    }
}

/// The mean of values that each belong to a patient.
pub(crate) fn share(values: &[(&str, f64)]) -> Option<Figure> {
    figure(&[(&values.to_vec(), 1.0, 1.0)])
}

/// A sum of means, each with its weight in the value and that of its pulls; none where one is empty.
fn figure(parts: &[(&Values, f64, f64)]) -> Option<Figure> {
    let mut value = 0.0;
    let mut pulls: BTreeMap<&str, f64> = BTreeMap::new();
    for (values, in_value, in_pulls) in parts {
        let count = values.len() as f64;
        let mean = values.iter().map(|(_, value)| value).sum::<f64>() / count;
        value += in_value * mean;
        for (patient, one) in *values {
            *pulls.entry(patient).or_default() += in_pulls * (one - mean) / count;
        }
    }
    if parts.iter().any(|(values, ..)| values.is_empty()) || !value.is_finite() {
        return None;
    }
    let count = pulls.len() as f64;
    let variance =
        pulls.values().map(|pull| pull * pull).sum::<f64>() * count / (count - 1.0).max(1.0);
    let t = student::quantile(LEVEL, count - 1.0);
    let [low, high] = match variance > 0.0 && value > 0.0 && value < 1.0 {
        true => wilson(value, t * variance.sqrt()),
        false => trials(value, count, t),
    };
    Some(Figure { value, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(patient: &'static str, positive: bool, probability: f64) -> Said<'static> {
        Said { patient, positive, probability, right: (probability > 0.5) == positive }
    }

    #[test]
    fn a_figure_is_said_with_its_interval() {
        let figure = Figure { value: 0.9123, low: 0.8, high: 1.0 };
        assert_eq!(figure.to_string(), "0.912 [0.800, 1.000]");
        assert_eq!(format!("{figure:>22}|"), "  0.912 [0.800, 1.000]|");
    }

    #[test]
    fn the_figures_are_those_counted_by_hand() {
        let all = [
            said("a", true, 0.9),
            said("b", true, 0.4),
            said("c", true, 0.6),
            said("d", false, 0.4),
            said("e", false, 0.1),
        ];
        let found = Binary::new(&all);
        let value = |figure: Option<Figure>| figure.unwrap().value;
        // Of six pairs five are in order and one is a tie.
        assert!((value(found.auc) - 5.5 / 6.0).abs() < 1e-12, "{found:?}");
        assert!((value(found.sensitivity) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(value(found.specificity), 1.0);
        assert!((value(found.balanced_accuracy) - 5.0 / 6.0).abs() < 1e-12);
        let brier = (0.01 + 0.36 + 0.16 + 0.16 + 0.01) / 5.0;
        assert!((value(found.brier) - brier).abs() < 1e-12);
        for figure in [found.auc, found.sensitivity, found.specificity, found.brier] {
            let Figure { value, low, high } = figure.unwrap();
            assert!(0.0 <= low && low < value && value <= high && high <= 1.0, "{figure:?}");
        }
        let one_class = Binary::new(&all[..3]);
        assert!(one_class.auc.is_none() && one_class.specificity.is_none());
        assert!(one_class.sensitivity.is_some() && Binary::new(&[]).brier.is_none());
    }

    #[test]
    fn roi_s_of_one_patient_widen_the_interval() {
        let names: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let of = |patients: usize| -> Binary {
            let one = |number: usize| {
                let positive = number.is_multiple_of(2);
                let probability = ((number / 4 * 37) % 50) as f64 / 50.0;
                let probability = if positive { probability.sqrt() } else { probability };
                let patient = &names[number * patients / 200][..];
                Said { patient, positive, probability, right: (probability > 0.5) == positive }
            };
            Binary::new(&(0..200).map(one).collect::<Vec<Said>>())
        };
        let width = |figure: Option<Figure>| figure.map(|one| one.high - one.low).unwrap();
        let (few, many) = (of(50), of(200));
        assert!(width(few.sensitivity) > 1.3 * width(many.sensitivity), "{few:?} {many:?}");
        assert_eq!(few.auc.unwrap().value, many.auc.unwrap().value);
    }
}
