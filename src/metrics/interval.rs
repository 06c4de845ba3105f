//! Means with 95 % intervals by the bootstrap (Efron and Tibshirani 1993, the percentile method).
//!
//! Numbers come in groups: a group is a seed, its numbers are those of the ROIs. A resample draws as
//! many seeds as there are, with replacement, and from each as many ROIs as it has, with replacement.
//! Its value is the mean over the drawn seeds of the mean over the drawn ROIs. The interval runs from
//! the 2.5 % to the 97.5 % quantile of the resamples' values.
//!
//! Few seeds give intervals that are too narrow: two seeds have three resamples of seeds.

use std::fmt;

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::data::draw;

/// Resamples behind every interval.
pub const RESAMPLES: usize = 2000;

/// The share of resamples that lies inside an interval.
pub const LEVEL: f64 = 0.95;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl From<f64> for Interval {
    fn from(value: f64) -> Self {
        Interval { mean: value, low: value, high: value }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:.3}", self.mean)?;
        if self.low < self.high {
            write!(out, " [{:.3}, {:.3}]", self.low, self.high)?;
        }
        Ok(())
    }
}

/// The mean over groups of the mean in each; none without groups or with an empty one.
pub fn mean(groups: &[Vec<f64>]) -> Option<f64> {
    if groups.is_empty() || groups.iter().any(Vec::is_empty) {
        return None;
    }
    let of = |group: &Vec<f64>| group.iter().sum::<f64>() / group.len() as f64;
    Some(groups.iter().map(of).sum::<f64>() / groups.len() as f64)
}

/// The means of [`RESAMPLES`] resamples of `groups`; none without groups or with an empty one.
///
/// Resample k depends on `seed`, k and the sizes of the groups alone. Two quantities of the same ROIs
/// and seeds are therefore resampled alike, and what they share does not blur their comparison.
pub fn resampled(groups: &[Vec<f64>], seed: u64) -> Option<Vec<f64>> {
    mean(groups)?;
    let one = |number: usize| {
        let mut random = draw::stream(seed, &format!("resample {number}"));
        let mut total = 0.0;
        for _ in groups {
            let group = &groups[random.random_range(0..groups.len())];
            let drawn = group.iter().map(|_| group[random.random_range(0..group.len())]);
            total += drawn.sum::<f64>() / group.len() as f64;
        }
        total / groups.len() as f64
    };
    Some((0..RESAMPLES).map(one).collect())
}

/// The mean of `groups` with its interval; none without groups or with an empty one.
pub fn bootstrap(groups: &[Vec<f64>], seed: u64) -> Option<Interval> {
    Some(around(mean(groups)?, &mut resampled(groups, seed)?))
}

/// `mean` with the interval that holds [`LEVEL`] of `resamples`, which are sorted.
pub fn around(mean: f64, resamples: &mut [f64]) -> Interval {
    resamples.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    let at = |share| quantile(resamples, share).unwrap_or(mean);
    Interval { mean, low: at(tail), high: at(1.0 - tail) }
}

/// The value below which `share` of the `sorted` numbers lie, between neighbours along a line.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * sorted.len().checked_sub(1)? as f64;
    let low = sorted[position.floor() as usize];
    Some(low + (sorted[position.ceil() as usize] - low) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of a group that spread evenly over `centre` +- 1/2.
    fn group(centre: f64, count: usize) -> Vec<f64> {
        (0..count).map(|i| centre - 0.5 + (i as f64 + 0.5) / count as f64).collect()
    }

    #[test]
    fn the_interval_of_one_group_is_that_of_a_mean() {
        let found = bootstrap(&[group(3.0, 400)], 7).unwrap();
        // Deviation 1 / sqrt(12), over sqrt(400), times 1.96.
        let half = 1.96 / 12f64.sqrt() / 20.0;
        assert!((found.mean - 3.0).abs() < 1e-9);
        assert!((found.mean - found.low - half).abs() < 0.1 * half, "{found:?}");
        assert!((found.high - found.mean - half).abs() < 0.1 * half, "{found:?}");
    }

    #[test]
    fn seeds_that_differ_widen_the_interval() {
        let alike = bootstrap(&[group(3.0, 400), group(3.0, 400), group(3.0, 400)], 7).unwrap();
        let apart = bootstrap(&[group(2.0, 400), group(3.0, 400), group(4.0, 400)], 7).unwrap();
        assert!((alike.mean - apart.mean).abs() < 1e-9);
        assert!(apart.high - apart.low > 10.0 * (alike.high - alike.low));
        // One resample in 27 draws the first seed three times.
        assert!(apart.low < 2.1 && apart.high > 3.9, "{apart:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_pairs_what_is_compared() {
        let values = [group(1.0, 30), group(1.5, 20)];
        assert_eq!(bootstrap(&values, 3), bootstrap(&values, 3));
        assert_ne!(bootstrap(&values, 3), bootstrap(&values, 4));
        let shifted = values.clone().map(|group| group.iter().map(|v| v + 5.0).collect());
        let (first, second) = (resampled(&values, 3).unwrap(), resampled(&shifted, 3).unwrap());
        assert!(first.iter().zip(&second).all(|(a, b)| (b - a - 5.0).abs() < 1e-9));
    }

    #[test]
    fn nothing_has_no_mean() {
        assert_eq!((mean(&[]), bootstrap(&[vec![1.0], vec![]], 0)), (None, None));
        assert_eq!(bootstrap(&[vec![0.25]], 0), Some(0.25.into()));
    }
}
