//! Whether one sample lies above another: the rank test of Mann and Whitney, two-sided.
//!
//! U counts the pairs in which the first is larger, an equal pair as a half. Where nothing is equal and both samples
//! are small, its distribution is counted out; else it is nearly normal, with a variance that ties make smaller
//! (Lehmann 1975). `tests/reference/rank_test.py` holds both to SciPy.

/// Larger samples than this are judged by the normal distribution.
const MOST_EXACT: usize = 40;

/// The probability that samples of one distribution lie apart as far as these or farther, in (0, 1]. 1 where a
/// sample is empty or a value is not a number: nothing can be said then.
pub fn mann_whitney(first: &[f64], second: &[f64]) -> f64 {
    let (n, m) = (first.len(), second.len());
    if n == 0 || m == 0 || first.iter().chain(second).any(|value| value.is_nan()) {
        return 1.0;
    }
    let mut all: Vec<(f64, bool)> = first.iter().map(|&value| (value, true)).collect();
    all.extend(second.iter().map(|&value| (value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Ranks count from 1; equal values share the mean of theirs.
    let (mut rank_sum, mut ties, mut at) = (0.0, 0.0, 0);
    for equal in all.chunk_by(|a, b| a.0 == b.0) {
        let count = equal.len() as f64;
        let rank = at as f64 + (count + 1.0) / 2.0;
        rank_sum += rank * equal.iter().filter(|(_, first)| *first).count() as f64;
        ties += count * (count * count - 1.0);
        at += equal.len();
    }
    let (pairs, own) = ((n * m) as f64, n as f64 * (n as f64 + 1.0) / 2.0);
    let u = rank_sum - own;
    let larger = u.max(pairs - u);
    if ties == 0.0 && n <= MOST_EXACT && m <= MOST_EXACT {
        return (2.0 * exact_tail(n, m, larger.round() as usize)).min(1.0);
    }
    let total = (n + m) as f64;
    let variance = pairs / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    // Half a step towards the middle, as U is a whole number or a half.
    let z = (larger - pairs / 2.0 - 0.5) / variance.sqrt();
    complementary_error(z / std::f64::consts::SQRT_2).min(1.0)
}

/// The probability that U of samples of `n` and `m` values without ties is `least` or more.
fn exact_tail(n: usize, m: usize, least: usize) -> f64 {
    // Of the last value in order: it is of the first sample with n / (n + m), and then above all m others.
    let mut row: Vec<Vec<f64>> = (0..=m).map(|_| vec![1.0]).collect();
    for i in 1..=n {
        let mut next: Vec<Vec<f64>> = vec![vec![1.0]];
        for j in 1..=m {
            let (share, above, left) = (i as f64 / (i + j) as f64, &row[j], &next[j - 1]);
            let mut here = vec![0.0; i * j + 1];
            for (u, chance) in above.iter().enumerate() {
                here[u + j] += share * chance;
            }
            for (u, chance) in left.iter().enumerate() {
                here[u] += (1.0 - share) * chance;
            }
            next.push(here);
        }
        row = next;
    }
    row[m].iter().skip(least).sum()
}

/// erfc(x) for x of any sign: by the series of erf near 0, by the continued fraction beyond, both to about fourteen
/// places (Abramowitz and Stegun 7.1.6 and 7.1.14).
fn complementary_error(x: f64) -> f64 {
    if x < 0.0 {
        return 2.0 - complementary_error(-x);
    }
    let scale = std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp();
    if x < 2.5 {
        let (mut term, mut sum) = (x, x);
        for number in 1..200 {
            term *= 2.0 * x * x / f64::from(2 * number + 1);
            sum += term;
        }
        return 1.0 - scale * sum;
    }
    let fraction = (1..=200).rev().fold(x, |below, number| x + f64::from(number) / 2.0 / below);
    scale / 2.0 / fraction
}

/// The same probabilities after Holm (1979): the chance that any of the verdicts below a level is false is at most
/// that level, however many are made.
pub fn holm(chances: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..chances.len()).collect();
    order.sort_by(|&a, &b| chances[a].total_cmp(&chances[b]));
    let (mut corrected, mut most) = (vec![1.0; chances.len()], 0.0f64);
    for (place, &index) in order.iter().enumerate() {
        most = most.max(chances[index] * (chances.len() - place) as f64).min(1.0);
        corrected[index] = most;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
    }

    #[test]
    fn small_samples_are_counted_out() {
        // Of 20 orders of three and three, two lie wholly apart.
        near(mann_whitney(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), 0.1);
        near(mann_whitney(&[4.0, 5.0, 6.0], &[1.0, 2.0, 3.0]), 0.1);
        near(mann_whitney(&[1.0, 4.0], &[2.0, 3.0]), 1.0);
        // Of 184756 orders, two.
        let (low, high): (Vec<f64>, Vec<f64>) =
            (1..=10).map(|at| (f64::from(at), f64::from(at + 10))).unzip();
        near(mann_whitney(&low, &high), 2.0 / 184_756.0);
    }

    #[test]
    fn nothing_can_be_said_of_equal_empty_or_broken_samples() {
        assert_eq!(mann_whitney(&[1.0; 9], &[1.0; 7]), 1.0);
        assert_eq!(mann_whitney(&[], &[1.0]), 1.0);
        assert_eq!(mann_whitney(&[1.0, f64::NAN], &[2.0, 3.0]), 1.0);
    }

    #[test]
    fn verdicts_of_many_rows_are_corrected() {
        assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
        assert_eq!(holm(&[0.5, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn the_tails_of_the_normal_distribution_are_those_of_the_tables() {
        near(complementary_error(0.0), 1.0);
        near(complementary_error(1.0), 0.157_299_207_050_285_13);
        near(complementary_error(2.0), 0.004_677_734_981_047_266);
        near(complementary_error(3.0), 2.209_049_699_858_544e-5);
        near(complementary_error(-1.0), 2.0 - 0.157_299_207_050_285_13);
    }
}
