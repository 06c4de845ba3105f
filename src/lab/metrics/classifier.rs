//! What a classifier is worth on labelled images: the [figures of two classes](super::binary) at a threshold, the
//! confusion matrix, average precision, calibration, and the ROC curve.
//!
//! ```text
//! AP    sum over n of (R_n - R_(n-1)) P_n        precision and recall at the n-th highest probability
//! ECE   sum over bins of n_b / n |o_b - p_b|     p_b: mean probability, o_b: share that is so, of bin b
//! ```
//! The expected calibration error (Naeini, Cooper and Hauskrecht 2015) has ten bins of equal width. Of two classes it
//! is of the probability of the second; of more, of the likeliest (Guo and others 2017).

use serde::Serialize;

use super::binary::{Binary, Figure, Said, share};

/// Bins of the reliability curve.
const BINS: usize = 10;

/// What is said of one image.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Whose it is.
    pub patient: &'a str,
    /// The class it is of.
    pub class: usize,
    /// The probability of each class; of a single unit, that of the second of two.
    pub probabilities: &'a [f64],
}

impl Answer<'_> {
    /// The probability of these classes together; a single unit is the second of two.
    fn sum_of(&self, classes: &[usize]) -> f64 {
        match (self.probabilities, classes) {
            ([unit], [0]) => 1.0 - unit,
            ([unit], _) => *unit,
            (all, classes) => classes.iter().filter_map(|&class| all.get(class)).sum(),
        }
    }

    /// The likeliest class, of equals the first; with one unit or two, the second from `threshold` on.
    pub fn says(&self, threshold: Option<f64>) -> usize {
        match (self.probabilities, threshold) {
            ([unit], cut) => usize::from(*unit > cut.unwrap_or(0.5)),
            ([_, second], Some(cut)) => usize::from(*second > cut),
            (all, _) => {
                let likelier = |a: &usize, b: &usize| all[*a].total_cmp(&all[*b]);
                (0..all.len()).rev().max_by(likelier).unwrap_or(0)
            }
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Judgement {
    /// How many.
    pub images: usize,
    /// The share that is classified rightly.
    pub accuracy: Option<Figure>,
    /// `confusion[i][j]`: images of class i that are called j.
    pub confusion: Vec<Vec<usize>>,
    /// Of two classes, or of those that count as positive against all others.
    pub positive: Option<Positive>,
    /// Of more than two: each class against all others.
    pub classes: Vec<OneClass>,
    /// Of more than two classes: the mean of their areas; null where a class has no image.
    pub macro_auc: Option<f64>,
    /// The mean over the classes of the share that is classified rightly; null where a class has no image.
    pub balanced_accuracy: Option<f64>,
    /// The expected calibration error, from 0 to 1.
    pub calibration_error: f64,
    /// The reliability curve.
    pub reliability: Vec<Bin>,
}

/// What there is of two sides, of which one counts as positive: the second of two classes, or some of several.
#[derive(Clone, Debug, Serialize)]
pub struct Positive {
    /// The classes that count as positive.
    pub of: Vec<usize>,
    /// Probabilities above it are called positive.
    pub threshold: f64,
    /// At that threshold, with intervals over patients.
    #[serde(flatten)]
    pub binary: Binary,
    /// The area under precision and recall, by steps; null without a positive image.
    pub average_precision: Option<f64>,
    /// From the highest threshold to the lowest.
    pub roc: Vec<Point>,
    /// The threshold with the highest sum of sensitivity and specificity (Youden 1950), of equals the highest.
    pub youden: Option<f64>,
}

/// A point of the ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What has this probability or more is called positive; none at the start, where nothing is.
    pub threshold: Option<f64>,
    /// The share of positive images that are called so.
    pub sensitivity: f64,
    /// The share of negative images that are.
    pub false_positive_rate: f64,
}

impl Point {
    /// As a place of a chart: across and up.
    pub fn place(&self) -> (f64, f64) {
        (self.false_positive_rate, self.sensitivity)
    }
}

/// One class against all others.
#[derive(Clone, Debug, Serialize)]
pub struct OneClass {
    /// Its images.
    pub images: usize,
    /// Area under its ROC curve.
    pub auc: Option<Figure>,
    /// The share of its images that are classified rightly.
    pub sensitivity: Option<f64>,
    /// From the highest threshold to the lowest; for pictures.
    #[serde(skip)]
    pub roc: Vec<Point>,
}

/// A bin of the reliability curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// What is above this is in it, up to where the next begins.
    pub from: f64,
    /// Images in it.
    pub images: usize,
    /// Their mean probability.
    pub probability: Option<f64>,
    /// The share of them that is so.
    pub observed: Option<f64>,
}

impl Judgement {
    /// Of `answers` with `classes` classes (two for a single unit), at `threshold` in place of the likelier class.
    pub fn new(answers: &[Answer], classes: usize, threshold: Option<f64>) -> Self {
        Self::with_positive(answers, classes, threshold, &[])
    }

    /// The same where the classes `positive` count as positive together, each image by the sum of their probabilities.
    /// Without any it is the second of two classes, and none of more. The threshold is of that sum, a half where none
    /// is given.
    pub fn with_positive(
        answers: &[Answer],
        classes: usize,
        threshold: Option<f64>,
        positive: &[usize],
    ) -> Self {
        let positive = match (positive, classes) {
            ([], 2) => &[1],
            (positive, _) => positive,
        };
        let says = |answer: &Answer| match (positive, classes, threshold) {
            ([0], 2, Some(cut)) => usize::from(answer.sum_of(positive) <= cut),
            _ => answer.says(threshold),
        };
        let said: Vec<usize> = answers.iter().map(says).collect();
        let mut confusion = vec![vec![0; classes]; classes];
        for (answer, &said) in answers.iter().zip(&said) {
            confusion[answer.class][said] += 1;
        }
        let right = |index: usize| f64::from(u8::from(answers[index].class == said[index]));
        let rights: Vec<(&str, f64)> =
            answers.iter().enumerate().map(|(index, one)| (one.patient, right(index))).collect();
        let recall = |class: usize| {
            let images: usize = confusion[class].iter().sum();
            (images > 0).then(|| confusion[class][class] as f64 / images as f64)
        };
        let recalls: Option<Vec<f64>> = (0..classes).map(recall).collect();
        let confidence = |index: usize| match (classes, answers[index].probabilities) {
            (2, all) => (all.last().copied().unwrap_or(0.0), answers[index].class == 1),
            (_, all) => (all[said[index]], answers[index].class == said[index]),
        };
        let reliability = reliability((0..answers.len()).map(confidence));
        let one_class = |class: usize| {
            let against: Vec<Said> = answers
                .iter()
                .map(|one| said_of(one, one.probabilities[class], one.class == class, true))
                .collect();
            OneClass {
                images: confusion[class].iter().sum(),
                auc: Binary::new(&against).auc,
                sensitivity: recall(class),
                roc: roc(&ranked(&against)),
            }
        };
        let each: Vec<OneClass> =
            if classes > 2 { (0..classes).map(one_class).collect() } else { Vec::new() };
        Judgement {
            images: answers.len(),
            accuracy: share(&rights),
            positive: (!positive.is_empty())
                .then(|| Positive::new(answers, &said, threshold, positive)),
            macro_auc: mean(each.iter().map(|class| Some(class.auc?.value))),
            classes: each,
            balanced_accuracy: recalls.map(|all| all.iter().sum::<f64>() / classes as f64),
            calibration_error: calibration_error(&reliability),
            reliability,
            confusion,
        }
    }
}

/// The threshold where none is given.
const HALF: f64 = 0.5;

/// The mean of numbers; none where one is missing, or all are.
pub(super) fn mean(numbers: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let all: Vec<f64> = numbers.collect::<Option<_>>()?;
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn said_of<'a>(answer: &Answer<'a>, probability: f64, positive: bool, right: bool) -> Said<'a> {
    Said { patient: answer.patient, positive, probability, right }
}

impl Positive {
    fn new<'a>(
        answers: &'a [Answer<'a>],
        said: &[usize],
        threshold: Option<f64>,
        of: &[usize],
    ) -> Self {
        let two = answers.first().is_some_and(|one| one.probabilities.len() <= 2);
        let judge = |one: &'a Answer<'a>, said: usize| {
            let (sum, is) = (one.sum_of(of), of.contains(&one.class));
            let called = match threshold {
                // What is called so is said already.
                _ if two => of.contains(&said),
                // Not whether the likeliest class is one of them: none of two may be, and they together all the same.
                cut => sum > cut.unwrap_or(HALF),
            };
            said_of(one, sum, is, called == is)
        };
        let all: Vec<Said> =
            answers.iter().zip(said).map(|(one, &said)| judge(one, said)).collect();
        let ranked = ranked(&all);
        let roc = roc(&ranked);
        let best = roc.iter().skip(1).fold(None, |best: Option<&Point>, point| {
            let height = |point: &Point| point.sensitivity - point.false_positive_rate;
            match best {
                Some(best) if height(best) >= height(point) => Some(best),
                _ => Some(point),
            }
        });
        Positive {
            of: of.to_vec(),
            threshold: threshold.unwrap_or(HALF),
            binary: Binary::new(&all),
            average_precision: average_precision(&ranked),
            youden: best.and_then(|point| point.threshold),
            roc,
        }
    }
}

/// Probabilities from the highest on, each with whether it is of a positive image.
pub(super) fn ranked(all: &[Said]) -> Vec<(f64, bool)> {
    let mut ranked: Vec<(f64, bool)> =
        all.iter().map(|one| (one.probability, one.positive)).collect();
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranked
}

/// Ends of runs of one probability, each with how many there are up to it, and how many of them are positive.
fn runs(ranked: &[(f64, bool)]) -> Vec<(f64, usize, usize)> {
    let mut positive = 0;
    let mut ends = Vec::new();
    for (index, &(probability, is)) in ranked.iter().enumerate() {
        positive += usize::from(is);
        if ranked.get(index + 1).is_none_or(|(next, _)| *next != probability) {
            ends.push((probability, index + 1, positive));
        }
    }
    ends
}

/// The ROC curve of what is sorted from the highest probability on; empty where a class is missing.
pub(super) fn roc(ranked: &[(f64, bool)]) -> Vec<Point> {
    let positive = ranked.iter().filter(|(_, is)| *is).count();
    let negative = ranked.len() - positive;
    if positive == 0 || negative == 0 {
        return Vec::new();
    }
    let start = Point { threshold: None, sensitivity: 0.0, false_positive_rate: 0.0 };
    let point = |(probability, called, right): (f64, usize, usize)| Point {
        threshold: Some(probability),
        sensitivity: right as f64 / positive as f64,
        false_positive_rate: (called - right) as f64 / negative as f64,
    };
    std::iter::once(start).chain(runs(ranked).into_iter().map(point)).collect()
}

/// The area under precision and recall of what is sorted from the highest probability on.
pub(super) fn average_precision(ranked: &[(f64, bool)]) -> Option<f64> {
    let (mut before, mut sum) = (0, 0.0);
    for (_, called, right) in runs(ranked) {
        sum += (right - before) as f64 * right as f64 / called as f64;
        before = right;
    }
    (before > 0).then(|| sum / before as f64)
}

/// Probabilities, with whether it is so, in ten bins that hold their upper ends, as Guo and others have them.
fn reliability(all: impl Iterator<Item = (f64, bool)>) -> Vec<Bin> {
    let mut bins = [(0usize, 0.0, 0usize); BINS];
    for (probability, is) in all {
        let above = |edge: &usize| probability > *edge as f64 / BINS as f64;
        let bin = (1..BINS).filter(above).count();
        bins[bin].0 += 1;
        bins[bin].1 += probability;
        bins[bin].2 += usize::from(is);
    }
    let bin = |(index, (images, sum, observed)): (usize, (usize, f64, usize))| Bin {
        from: index as f64 / BINS as f64,
        images,
        probability: (images > 0).then(|| sum / images as f64),
        observed: (images > 0).then(|| observed as f64 / images as f64),
    };
    bins.into_iter().enumerate().map(bin).collect()
}

fn calibration_error(bins: &[Bin]) -> f64 {
    let images: usize = bins.iter().map(|bin| bin.images).sum();
    let apart = |bin: &Bin| {
        let gap = (bin.observed? - bin.probability?).abs();
        Some(gap * bin.images as f64)
    };
    bins.iter().filter_map(apart).sum::<f64>() / images.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(all: &[(usize, &[f64])], classes: usize, threshold: Option<f64>) -> Judgement {
        let names: Vec<String> = (0..all.len()).map(|index| index.to_string()).collect();
        let answers: Vec<Answer> = all
            .iter()
            .zip(&names)
            .map(|(&(class, probabilities), patient)| Answer { patient, class, probabilities })
            .collect();
        Judgement::new(&answers, classes, threshold)
    }

    #[test]
    fn a_threshold_moves_sensitivity_and_specificity_and_not_the_area() {
        let all: [(usize, &[f64]); 4] = [(1, &[0.9]), (1, &[0.4]), (0, &[0.3]), (0, &[0.6])];
        let usual = judged(&all, 2, None);
        assert_eq!(usual.confusion, [[1, 1], [1, 1]]);
        let low = judged(&all, 2, Some(0.35));
        assert_eq!(low.confusion, [[1, 1], [0, 2]]);
        let [usual, low] = [usual, low].map(|one| one.positive.unwrap());
        assert_eq!(usual.binary.auc, low.binary.auc);
        assert_eq!(low.binary.sensitivity.unwrap().value, 1.0);
        // 0.9 alone: 1 - 0 + 0.5; so does 0.4 and above: 1 and 0.5 off. The higher one is taken.
        assert_eq!((usual.youden, usual.threshold, low.threshold), (Some(0.9), 0.5, 0.35));
    }

    #[test]
    fn of_three_classes_each_is_set_against_the_others() {
        let all: [(usize, &[f64]); 4] = [
            (0, &[0.7, 0.2, 0.1]),
            (1, &[0.1, 0.5, 0.4]),
            (2, &[0.2, 0.5, 0.3]),
            (2, &[0.1, 0.1, 0.8]),
        ];
        let found = judged(&all, 3, None);
        assert_eq!(found.confusion, [[1, 0, 0], [0, 1, 0], [0, 1, 1]]);
        assert_eq!(found.accuracy.unwrap().value, 0.75);
        assert!((found.balanced_accuracy.unwrap() - 2.5 / 3.0).abs() < 1e-12);
        assert!(found.positive.is_none());
        let area = |class: usize| found.classes[class].auc.unwrap().value;
        // Of the pairs of class 2 and others: 0.3 above 0.1 and below 0.4, 0.8 above both.
        assert_eq!([area(0), area(2)], [1.0, 0.75]);
        // 0.7 and 0.8 in bins of their own, both right; of the two at 0.5 one.
        assert!((found.calibration_error - (0.3 + 0.0 + 0.2) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn classes_that_count_as_positive_are_summed() {
        let all: [(usize, &[f64]); 4] = [
            (0, &[0.7, 0.2, 0.1]),
            (1, &[0.1, 0.5, 0.4]),
            (2, &[0.45, 0.25, 0.3]),
            (0, &[0.5, 0.1, 0.4]),
        ];
        let answers =
            all.map(|(class, probabilities)| Answer { patient: "a", class, probabilities });
        let union = |cut| Judgement::with_positive(&answers, 3, cut, &[1, 2]).positive.unwrap();
        // 0.9 and 0.55 against 0.3 and 0.5; of 0.55 the likeliest class is none of them.
        assert_eq!(union(None).binary.auc.unwrap().value, 1.0);
        assert_eq!(
            (union(None).threshold, union(None).binary.sensitivity.unwrap().value),
            (0.5, 1.0)
        );
        assert_eq!(union(None).binary.specificity.unwrap().value, 1.0);
        assert_eq!(union(Some(0.52)).binary.sensitivity.unwrap().value, 1.0);
        assert_eq!(union(Some(0.4)).binary.specificity.unwrap().value, 0.5);
        let found = Judgement::with_positive(&answers, 3, None, &[1, 2]);
        assert_eq!(found.confusion, Judgement::new(&answers, 3, None).confusion);
        let areas: Vec<f64> = found.classes.iter().map(|one| one.auc.unwrap().value).collect();
        assert!((found.macro_auc.unwrap() - areas.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        // The first of two classes, by one unit or by two.
        for probabilities in [&[0.2][..], &[0.8, 0.2]] {
            let one = Answer { patient: "a", class: 0, probabilities };
            let other = Answer { class: 1, ..one };
            let found = Judgement::with_positive(&[one, other], 2, Some(0.9), &[0]);
            assert_eq!(found.confusion, [[0, 1], [0, 1]]);
            assert_eq!(found.positive.unwrap().binary.sensitivity.unwrap().value, 0.0);
        }
    }

    #[test]
    fn one_class_alone_has_no_curve() {
        let found = judged(&[(1, &[0.9]), (1, &[0.2])], 2, None);
        let positive = found.positive.unwrap();
        assert!(
            positive.roc.is_empty() && positive.youden.is_none() && positive.binary.auc.is_none()
        );
        assert_eq!(found.balanced_accuracy, None);
        assert_eq!(positive.average_precision, Some(1.0));
    }
}
