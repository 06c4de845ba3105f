//! Means drawn again, all together: what a function of several means, such as a rank correlation over
//! models, may vary by.
//!
//! A draw gives every seed and every patient a number of its own from the normal distribution, shared by
//! all means, and moves each mean by the seeds' numbers times their deviations and the patients' times
//! their pulls (a multiplier bootstrap; Owen and Eckles 2012 weight rows and columns so). The parts are
//! scaled to the variances B and c of [`crossed`](super::crossed), and the seeds' by one draw of
//! sqrt((S - 1) / chi^2), which gives few seeds the tails of Student's t. A mean varies by itself as its
//! interval says, and two means vary together as far as they have seeds and patients in common.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::crossed::Parts;
use super::interval::LEVEL;
use crate::draw;

/// Draws behind an interval that is made of them.
pub const DRAWS: usize = 2000;

/// Fixes the draws.
const SEED: u64 = 0;

/// A mean that is drawn again with others.
#[derive(Clone, Copy, Debug)]
pub struct Quantity<'a> {
    /// Names of its seeds, in the order of [`Parts::means`].
    pub seeds: &'a [u64],
    /// The mean.
    pub parts: &'a Parts<'a>,
}

/// For each of `quantities` its values in [`DRAWS`] draws. A seed's or patient's numbers depend on its name
/// alone, so that further quantities change nothing.
pub fn redraw(quantities: &[Quantity]) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> =
        quantities.iter().map(|one| vec![one.parts.mean; DRAWS]).collect();
    let seeds: BTreeSet<u64> =
        quantities.iter().flat_map(|one| one.seeds.iter().copied()).collect();
    let patients: BTreeSet<&str> =
        quantities.iter().flat_map(|one| one.parts.pulls.keys().copied()).collect();

    let most = quantities.iter().map(|one| one.parts.means.len()).max().unwrap_or(0);
    // Of each draw the sum of so many squares: chi^2 with that many degrees of freedom.
    let mut squares = vec![vec![0.0; DRAWS]];
    for degree in 1..most {
        let mut sum = squares[degree - 1].clone();
        let drawn = normals(&format!("degree {degree}"));
        sum.iter_mut().zip(&drawn).for_each(|(sum, value)| *sum += value * value);
        squares.push(sum);
    }
    for seed in seeds {
        let drawn = normals(&format!("seed {seed}"));
        for (one, values) in quantities.iter().zip(&mut values) {
            let count = one.parts.means.len();
            let place = one.seeds.iter().position(|&own| own == seed);
            let Some(&mean) = place.and_then(|place| one.parts.means.get(place)) else { continue };
            if count < 2 {
                continue;
            }
            // sqrt((S - 1) / (S (S - 1))) is left of the two scales.
            let weight = (mean - one.parts.mean) / (count as f64).sqrt();
            let scales = squares[count - 1].iter().map(|square| weight / square.sqrt());
            values.iter_mut().zip(scales.zip(&drawn)).for_each(|(value, (s, n))| *value += s * n);
        }
    }
    let scales: Vec<f64> = quantities
        .iter()
        .map(|one| {
            let squares: f64 = one.parts.pulls.values().map(|pull| pull * pull).sum();
            if squares > 0.0 { (one.parts.added().max(0.0) / squares).sqrt() } else { 0.0 }
        })
        .collect();
    for patient in patients {
        let drawn = normals(&format!("patient {patient}"));
        for ((one, values), scale) in quantities.iter().zip(&mut values).zip(&scales) {
            let weight = scale * one.parts.pulls.get(patient).copied().unwrap_or(0.0);
            if weight != 0.0 {
                values.iter_mut().zip(&drawn).for_each(|(value, number)| *value += weight * number);
            }
        }
    }
    values
}

/// The ends between which [`LEVEL`] of `values` lie, which are sorted; none where there are none.
pub fn ends(values: &mut [f64]) -> Option<[f64; 2]> {
    values.sort_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    Some([quantile(values, tail)?, quantile(values, 1.0 - tail)?])
}

/// The value below which `share` of the `sorted` numbers lie, between neighbours along a line.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = share * sorted.len().checked_sub(1)? as f64;
    let low = sorted[position.floor() as usize];
    Some(low + (sorted[position.ceil() as usize] - low) * position.fract())
}

/// [`DRAWS`] numbers of the normal distribution that belong to `name` (Box and Muller 1958).
fn normals(name: &str) -> Vec<f64> {
    let mut random = draw::stream(SEED, name);
    (0..DRAWS).map(|_| normal(&mut random)).collect()
}

/// One number of the normal distribution.
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    // 1 - radius is above 0.
    (-2.0 * (1.0 - radius).ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::metrics::crossed::Group;

    fn deviation(values: &[f64]) -> f64 {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
    }

    #[test]
    fn means_vary_as_their_variance_says_and_together_where_they_share() {
        let names: Vec<String> = (0..40).map(|patient| patient.to_string()).collect();
        let group = |seed: usize, turn: usize| -> Group {
            let value = |p: usize| ((p * 7 + turn) % 11) as f64 / 11.0 + 0.001 * seed as f64;
            names.iter().enumerate().map(|(p, name)| (&name[..], value(p))).collect()
        };
        let groups =
            |turn: usize| -> Vec<Group> { (0..30).map(|seed| group(seed, turn)).collect() };
        let seeds: Vec<u64> = (0..30).collect();
        let (first, other) = (Parts::new(&groups(0)).unwrap(), Parts::new(&groups(5)).unwrap());
        let quantity = |parts| Quantity { seeds: &seeds, parts };
        let both = redraw(&[quantity(&first), quantity(&other), quantity(&first)]);
        let found = deviation(&both[0]) / first.variance().sqrt();
        assert!((found - 1.0).abs() < 0.06, "{found}");
        assert_eq!(both[0], both[2], "the same numbers for the same seeds and patients");
        let apart: Vec<f64> = both[0].iter().zip(&both[1]).map(|(a, b)| a - b).collect();
        assert!(deviation(&apart) > 1.0 * deviation(&both[0]), "turned, they pull otherwise");
        assert_eq!(redraw(&[quantity(&other)])[0], both[1]);
    }

    #[test]
    fn three_seeds_have_the_tails_of_t() {
        let rows = [0.2, 0.5, 0.6].map(|mean| vec![("a", mean), ("b", mean)]);
        let parts = Parts::new(&rows).unwrap();
        let seeds = [0, 1, 2];
        let mut values = redraw(&[Quantity { seeds: &seeds, parts: &parts }]).remove(0);
        let [low, high] = ends(&mut values).unwrap();
        let half = 4.3027 * parts.between.sqrt();
        assert!(((high - low) / 2.0 / half - 1.0).abs() < 0.12, "{low} {high} {half}");
    }
}
