//! Intervals of means over seeds and patients that are crossed: the same patients are scored by every
//! seed, or by some of them where each seed has a validation side of its own. ROIs belong to patients,
//! and patients are what is drawn.
//!
//! With the means m_s of S seeds the estimate is their mean m. Its variance is estimated by
//!
//! ```text
//! V = B + c      B = sum_s (m_s - m)^2 / (S (S - 1))      c = mean over s != t of cov(m_s, m_t)
//! ```
//!
//! which is the variance of a mean of S numbers that are correlated alike: patients that two seeds share
//! move both means the same way, so that B alone is too small. The covariances are sums over the shared
//! patients of the products of their pulls (a patient's pull on m_s is the sum of its deviations from it
//! over the seed's ROIs), each divided by what deviations from means lack on average. In a complete,
//! balanced table V is (MS_seeds + MS_patients - MS_seeds:patients) / (S P), the estimate of the analysis
//! of variance (Cochran 1951; Searle, Casella and McCulloch 1992, chapter 4; Owen 2007 has the bootstrap
//! of the same design, whose variance counts the interaction thrice). Where sides share nobody it is that
//! of a t-test over seeds.
//!
//! The interval is m +- t(nu) sqrt(V). The degrees of freedom are Satterthwaite's (1946), corrected:
//!
//! ```text
//! 1 / nu = B (B + k c) / (V^2 (S - 1)) + var(c) / (2 V^2)
//! ```
//!
//! with var(c) from the patients' contributions to c. Satterthwaite has B^2 in the place of B (B + k c),
//! which takes the share of the seeds in V for known. It is estimated from few seeds; where they happen to
//! lie close to each other V is too small and nu too large at once, and the coverage with 3 seeds falls to
//! 92 %. k is 3/4, and 1/2 for counts, whose interval is wider by its form: both chosen by simulation
//! (`docs/intervals.md`). Further: c is not taken below -B / 4, nor nu below S - 1 or above the number of
//! patients less 1; and the half-width is at least one standard error of patients alone, for seeds that
//! agree by luck.
//!
//! Of 0 and 1 the interval is Wilson's with the same half-width at the estimate (as Korn and Graubard 1998
//! do for samples in clusters); where all are equal, that of as many trials as there are patients.
//!
//! One seed has no B: V is then the variance over patients, nu of the second term alone, and the interval
//! is of this network on other patients. Two have one degree of freedom. Both are marked: [`SEEDS`].
//!
//! [`SEEDS`]: super::interval::SEEDS

use std::collections::BTreeMap;

use super::interval::{Interval, LEVEL, trials, wilson};
use super::student;

/// The numbers of a seed: each with the patient, or what else is drawn as a whole, that it is of.
pub type Group<'a> = Vec<(&'a str, f64)>;

/// What numbers can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// In [0, 1], as Dice and accuracies.
    Share,
    /// Anything, as differences.
    Free,
}

/// A mean, and what its variance is made of.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    /// The mean over seeds of the mean over their numbers.
    pub mean: f64,
    /// Of each seed.
    pub means: Vec<f64>,
    /// B: the variance of the mean as the seeds' spread has it; 0 for one seed.
    pub between: f64,
    /// c: what patients that seeds share add to it. Of one seed, the variance over patients.
    pub shared: f64,
    /// The variance of `shared`.
    pub uncertainty: f64,
    /// The variance of the mean over patients, the seeds being as they are.
    pub patients_alone: f64,
    /// How far each patient pulls the mean.
    pub pulls: BTreeMap<&'a str, f64>,
    /// As many patients of equal weight would weigh as these do.
    effective: f64,
}

impl<'a> Parts<'a> {
    /// None without groups or with an empty one.
    pub fn new(groups: &[Group<'a>]) -> Option<Self> {
        if groups.is_empty() || groups.iter().any(Vec::is_empty) {
            return None;
        }
        let seeds = groups.len() as f64;
        let mean_of =
            |group: &Group| group.iter().map(|(_, value)| value).sum::<f64>() / group.len() as f64;
        let means: Vec<f64> = groups.iter().map(mean_of).collect();
        let mean = means.iter().sum::<f64>() / seeds;

        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        groups.iter().flatten().for_each(|&(patient, _)| {
            places.insert(patient, 0);
        });
        places.values_mut().enumerate().for_each(|(place, value)| *value = place);
        let patients = places.len();
        // Of each seed and patient: its share of the seed's numbers, and its pull on their mean.
        let mut shares = vec![vec![0.0; patients]; groups.len()];
        let mut pulls = vec![vec![0.0; patients]; groups.len()];
        for (seed, group) in groups.iter().enumerate() {
            for &(patient, value) in group {
                let place = places[patient];
                shares[seed][place] += 1.0 / group.len() as f64;
                pulls[seed][place] += (value - means[seed]) / group.len() as f64;
            }
        }

        let (mut all, mut apart) = (0.0, vec![0.0; patients]);
        for first in 0..groups.len() {
            for second in first..groups.len() {
                let factor = correction(&shares[first], &shares[second]);
                let times = if first == second { 1.0 } else { 2.0 };
                let products = pulls[first].iter().zip(&pulls[second]).map(|(a, b)| a * b);
                for (product, apart) in products.zip(&mut apart) {
                    all += times * factor * product;
                    if groups.len() == 1 || first != second {
                        *apart += times * factor * product;
                    }
                }
            }
        }
        // The number of pairs of different seeds, in both orders.
        let pairs = if groups.len() == 1 { 1.0 } else { seeds * (seeds - 1.0) };
        apart.iter_mut().for_each(|value| *value /= pairs);
        let spread = |values: &[f64], middle: f64| -> f64 {
            values.iter().map(|value| (value - middle).powi(2)).sum()
        };
        let shared: f64 = apart.iter().sum();
        let count = patients as f64;
        let uncertainty = spread(&apart, shared / count) * count / (count - 1.0).max(1.0);
        let weight = |place: usize| shares.iter().map(|seed| seed[place]).sum::<f64>() / seeds;
        let pull = |place: usize| pulls.iter().map(|seed| seed[place]).sum::<f64>() / seeds;
        Some(Parts {
            between: if groups.len() == 1 { 0.0 } else { spread(&means, mean) / pairs },
            shared,
            uncertainty,
            patients_alone: (all / (seeds * seeds)).max(0.0),
            effective: 1.0 / (0..patients).map(|place| weight(place).powi(2)).sum::<f64>(),
            pulls: places.iter().map(|(&patient, &place)| (patient, pull(place))).collect(),
            mean,
            means,
        })
    }

    /// V.
    pub fn variance(&self) -> f64 {
        self.between + self.added()
    }

    /// c as V has it.
    pub fn added(&self) -> f64 {
        self.shared.max(-self.between / 4.0)
    }

    /// nu, with the correction k.
    fn freedom(&self, correction: f64) -> f64 {
        let (variance, most) = (self.variance(), (self.effective - 1.0).max(1.0));
        if variance <= 0.0 {
            return most;
        }
        let others = self.means.len().saturating_sub(1).max(1) as f64;
        let share =
            self.between * (self.between + correction * self.added()) / (variance * variance);
        let inverse = share.clamp(0.0, 1.0) / others + self.uncertainty / 2.0 / variance.powi(2);
        (1.0 / inverse.max(1e-12)).clamp(others.min(most), most)
    }

    /// The interval's half-width, where it is m +- as much.
    fn half_width(&self, counts: bool) -> f64 {
        let freedom = self.freedom(if counts { 0.5 } else { 0.75 });
        let half = student::quantile(LEVEL, freedom) * self.variance().sqrt();
        half.max(self.patients_alone.sqrt())
    }
}

/// What products of pulls under two seeds are multiplied by. With shares a and b of patients that are
/// independent and vary alike, the covariance of the means goes with sum a b, and products of deviations
/// from the means add up to sum a b (1 - a - b + sum a b) on average.
fn correction(first: &[f64], second: &[f64]) -> f64 {
    let both = || first.iter().zip(second).filter(|(a, b)| **a > 0.0 && **b > 0.0);
    let true_sum: f64 = both().map(|(a, b)| a * b).sum();
    let found: f64 = both().map(|(a, b)| a * b * (1.0 - a - b + true_sum)).sum();
    // Nothing is shared, or a seed has one patient only, whose deviation is 0.
    if found > 1e-12 * true_sum { true_sum / found } else { 0.0 }
}

/// The mean of `groups` with its interval; none without groups or with an empty one.
pub fn interval(groups: &[Group], scale: Scale) -> Option<Interval> {
    let parts = Parts::new(groups)?;
    let is_count = |&(_, value): &(&str, f64)| value == 0.0 || value == 1.0;
    let counts = scale == Scale::Share && groups.iter().flatten().all(is_count);
    let (mean, half) = (parts.mean, parts.half_width(counts));
    let ends = match scale {
        Scale::Free => [mean - half, mean + half],
        Scale::Share if !counts => [(mean - half).max(0.0), (mean + half).min(1.0)],
        Scale::Share if half > 0.0 && mean > 0.0 && mean < 1.0 => wilson(mean, half),
        Scale::Share => trials(mean, parts.effective, student::quantile(LEVEL, f64::INFINITY)),
    };
    Some(Interval::of(mean, ends, groups.len(), parts.pulls.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

    /// A complete table: a row a seed, a column a patient.
    fn table(rows: &[&[f64]]) -> Vec<Group<'static>> {
        rows.iter().map(|row| NAMES.into_iter().zip(row.iter().copied()).collect()).collect()
    }

    #[test]
    fn a_complete_table_has_the_variance_of_the_analysis_of_variance() {
        let rows: [&[f64]; 3] =
            [&[3.0, 5.0, 1.0, 4.0], &[2.0, 6.0, 1.5, 3.0], &[4.0, 7.5, 2.5, 4.0]];
        let parts = Parts::new(&table(&rows)).unwrap();
        let (seeds, patients) = (3.0, 4.0);
        let columns: Vec<f64> =
            (0..4).map(|p| rows.iter().map(|row| row[p]).sum::<f64>() / seeds).collect();
        let means: Vec<f64> = rows.iter().map(|row| row.iter().sum::<f64>() / patients).collect();
        let mean = means.iter().sum::<f64>() / seeds;
        let of = |values: &[f64]| values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        let ms_seeds = patients * of(&means) / (seeds - 1.0);
        let ms_patients = seeds * of(&columns) / (patients - 1.0);
        let mut rest = 0.0;
        for (row, of_seed) in rows.iter().zip(&means) {
            for (value, of_patient) in row.iter().zip(&columns) {
                rest += (value - of_seed - of_patient + mean).powi(2);
            }
        }
        let ms_rest = rest / ((seeds - 1.0) * (patients - 1.0));
        let expected = (ms_seeds + ms_patients - ms_rest) / (seeds * patients);
        assert!((parts.variance() - expected).abs() < 1e-12, "{parts:?} {expected}");
        let alone = ms_patients / (seeds * patients);
        assert!((parts.patients_alone - alone).abs() < 1e-12, "{parts:?} {alone}");
    }

    #[test]
    fn seeds_that_share_nobody_are_a_t_test_over_seeds() {
        let groups = vec![
            vec![("a", 0.2), ("b", 0.4)],
            vec![("c", 0.5), ("d", 0.7)],
            vec![("e", 0.1), ("f", 0.9)],
        ];
        let found = interval(&groups, Scale::Free).unwrap();
        // Means 0.3, 0.6, 0.5: their deviation is 0.152753, and t with 2 degrees 4.302653.
        let half = 4.302_652_73 * 0.152_752_52 / 3f64.sqrt();
        assert!((found.high - found.mean - half).abs() < 1e-6, "{found:?} {half}");
    }

    #[test]
    fn roi_s_of_one_patient_are_not_independent() {
        let many = |patients: usize| -> Group<'static> {
            let value = |roi: usize| ((roi / (24 / patients)) % 2) as f64;
            (0..24)
                .map(|roi| (NAMES[roi * patients / 24], value(roi) + 0.01 * roi as f64))
                .collect()
        };
        let few = interval(&[many(6)], Scale::Free).unwrap();
        let independent: Vec<String> = (0..24).map(|roi| roi.to_string()).collect();
        let apart: Group = many(6)
            .iter()
            .zip(&independent)
            .map(|((_, value), name)| (&name[..], *value))
            .collect();
        let apart = interval(&[apart], Scale::Free).unwrap();
        assert_eq!(few.mean, apart.mean);
        assert!(few.high - few.low > 1.8 * (apart.high - apart.low), "{few:?} {apart:?}");
        assert_eq!((few.patients, few.seeds, few.too_few), (Some(6), Some(1), true));
    }

    #[test]
    fn a_seed_that_repeats_another_adds_nothing() {
        let row: &[f64] = &[0.2, 0.5, 0.9, 0.4, 0.7, 0.1];
        let one = Parts::new(&table(&[row])).unwrap();
        let three = Parts::new(&table(&[row, row, row])).unwrap();
        assert!((one.variance() - three.variance()).abs() < 1e-12, "{one:?} {three:?}");
    }

    #[test]
    fn shares_stay_shares_and_nothing_has_no_mean() {
        let right = |rows: &[&[f64]]| interval(&table(rows), Scale::Share).unwrap();
        let all: &[f64] = &[1.0; 6];
        let found = right(&[all, all, all]);
        // Six of six right: Wilson's lower end is 6 / (6 + 3.84).
        assert!((found.low - 6.0 / (6.0 + 3.8415)).abs() < 1e-4 && found.high == 1.0, "{found:?}");
        let found = right(&[all, &[1.0, 1.0, 1.0, 1.0, 1.0, 0.0]]);
        assert!(found.low > 0.0 && found.low < 0.9 && found.high <= 1.0, "{found:?}");
        let dice = interval(&table(&[&[0.98, 0.2, 0.9], &[0.4, 0.1, 0.7]]), Scale::Share).unwrap();
        assert_eq!((dice.low, dice.high), (0.0, 1.0));
        assert_eq!(interval(&[], Scale::Free), None);
        assert_eq!(interval(&[vec![("a", 1.0)], vec![]], Scale::Free), None);
        let single = interval(&[vec![("a", 0.25)]], Scale::Free).unwrap();
        assert_eq!((single.low, single.high, single.too_few), (0.25, 0.25, true));
    }
}
