//! Where a classifier of two classes is cut: a threshold that some images choose, and what it is worth on others.

use serde::{Deserialize, Serialize};

use super::binary::{Binary, Figure, Said};

/// What a classifier does at one threshold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// An image is called positive where its probability is above this, 0 to 1. Null where each fold has its own.
    pub threshold: Option<f64>,
    /// Of the positive images the share that is called so; null where there is none.
    pub sensitivity: Option<Figure>,
    /// Of the others the share that is not; null where there is none.
    pub specificity: Option<Figure>,
    /// The mean of both.
    pub balanced_accuracy: Option<Figure>,
    /// `confusion[i][j]`: images of class i that are called j; 0 is negative, 1 positive.
    pub confusion: [[usize; 2]; 2],
}

impl OperatingPoint {
    /// What becomes of `said` at `threshold`, whatever was found right before.
    pub fn new(said: &[Said], threshold: f64) -> Self {
        let cut = said.iter().map(|one| cut(one, threshold)).collect::<Vec<_>>();
        OperatingPoint { threshold: Some(threshold), ..Self::of(&cut) }
    }

    /// What became of `said`, each of which has been cut already: by [`cut`], at a threshold that need not be the same.
    pub fn of(said: &[Said]) -> Self {
        let mut confusion = [[0; 2]; 2];
        for one in said {
            confusion[usize::from(one.positive)][usize::from(one.positive == one.right)] += 1;
        }
        let Binary { sensitivity, specificity, balanced_accuracy, .. } = Binary::new(said);
        OperatingPoint { threshold: None, sensitivity, specificity, balanced_accuracy, confusion }
    }
}

/// `said`, called positive above `threshold`.
pub fn cut<'a>(said: &Said<'a>, threshold: f64) -> Said<'a> {
    Said { right: (said.probability > threshold) == said.positive, ..*said }
}

/// The threshold at which sensitivity plus specificity of `said` is highest (Youden, *Cancer* 3, 1950), in the middle
/// between the two probabilities that it parts; of several the one closest to one half. None without both classes.
pub fn youden(said: &[Said]) -> Option<f64> {
    let positive = said.iter().filter(|one| one.positive).count();
    let negative = said.len() - positive;
    if positive == 0 || negative == 0 {
        return None;
    }
    let mut ranked: Vec<(f64, bool)> =
        said.iter().map(|one| (one.probability, one.positive)).collect();
    ranked.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // How many positive and negative images are at or below the cut: nobody yet.
    let (mut missed, mut spared) = (0, 0);
    let mut best: Option<(i128, f64)> = None;
    let mut consider = |missed: usize, spared: usize, threshold: f64| {
        // Both shares over one denominator: whole numbers, so that what is equal is so.
        let height = spared as i128 * positive as i128 - missed as i128 * negative as i128;
        let nearer = |other: f64| (threshold - 0.5).abs() < (other - 0.5).abs();
        if best.is_none_or(|(high, at)| height > high || (height == high && nearer(at))) {
            best = Some((height, threshold));
        }
    };
    for (index, &(probability, is_positive)) in ranked.iter().enumerate() {
        missed += usize::from(is_positive);
        spared += usize::from(!is_positive);
        match ranked.get(index + 1) {
            Some(&(next, _)) if next == probability => {}
            Some(&(next, _)) => consider(missed, spared, between(probability, next)),
            // All are called negative.
            None => consider(missed, spared, probability),
        }
    }
    best.map(|(_, threshold)| threshold)
}

/// A number that is not below `low` and below `high`: the middle, where there is one.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle < high { middle } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &[(f64, bool)]) -> Vec<Said<'static>> {
        let one = |&(probability, positive): &(f64, bool)| Said {
            patient: "p",
            positive,
            probability,
            right: (probability > 0.5) == positive,
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn the_cut_parts_the_classes_in_the_middle() {
        // At 0.5 two of three positives are missed.
        let all = said(&[(0.1, false), (0.2, false), (0.3, true), (0.4, true), (0.9, true)]);
        assert_eq!(youden(&all), Some(0.25));
        let at = OperatingPoint::new(&all, 0.25);
        assert_eq!(at.confusion, [[2, 0], [0, 3]]);
        assert_eq!(at.sensitivity.map(|one| one.value), Some(1.0));
        let usual = OperatingPoint::new(&all, 0.5);
        assert_eq!(usual.confusion, [[2, 0], [2, 1]]);
        assert_eq!(usual.specificity.map(|one| one.value), Some(1.0));
        assert!((usual.balanced_accuracy.unwrap().value - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_above_by_the_smallest_step_is_called() {
        let (low, high) = (0.3, 0.3_f64.next_up());
        let all = said(&[(low, false), (high, true)]);
        let threshold = youden(&all).unwrap();
        assert_eq!(OperatingPoint::new(&all, threshold).confusion, [[1, 0], [0, 1]]);
    }

    #[test]
    fn of_equal_cuts_the_one_next_to_one_half_is_taken() {
        let all = said(&[(0.1, false), (0.2, true), (0.6, false), (0.7, true)]);
        // Between 0.1 and 0.2, and between 0.6 and 0.7, 3 of 4 are right.
        let close = youden(&all).unwrap();
        assert!((close - 0.65).abs() < 1e-12, "{close}");
        assert_eq!(youden(&said(&[(0.4, true)])), None);
        // Who has it all the wrong way round does best by calling all alike, or none.
        let wrong = said(&[(0.9, false), (0.2, true)]);
        assert_eq!(youden(&wrong), Some(0.9));
        assert_eq!(OperatingPoint::new(&wrong, 0.9).confusion, [[1, 0], [1, 0]]);
    }

    #[test]
    fn the_cut_is_the_best_of_all_that_could_be() {
        proptest::proptest!(|(drawn in proptest::collection::vec((0u8..12, proptest::bool::ANY), 2..40))| {
            let drawn: Vec<(f64, bool)> =
                drawn.into_iter().map(|(level, positive)| (f64::from(level) / 11.0, positive)).collect();
            let all = said(&drawn);
            let height = |threshold: f64| {
                let at = OperatingPoint::new(&all, threshold);
                Some(at.sensitivity?.value + at.specificity?.value)
            };
            let Some(threshold) = youden(&all) else { return Ok(()) };
            let best = (0..=24).filter_map(|step| height(f64::from(step) / 24.0)).fold(0.0, f64::max);
            proptest::prop_assert!(height(threshold).unwrap() >= best - 1e-12);
        });
    }
}
