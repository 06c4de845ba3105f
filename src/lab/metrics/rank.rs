//! Spearman's rank correlation.

/// The rank of each value, from 1; equal values share the mean of their ranks. Values are equal to
/// twelve places: the same accuracies, added up in another order, differ in the sixteenth.
fn ranks(values: &[f64]) -> Vec<f64> {
    let values: Vec<f64> = values.iter().map(|value| (value * 1e12).round()).collect();
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| other.total_cmp(value).is_lt()).count();
        let equal = values.iter().filter(|other| other.total_cmp(value).is_eq()).count();
        below as f64 + (equal as f64 + 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

/// Spearman's rho of pairs, in [-1, 1]: Pearson's correlation of their ranks, ties at the mean of
/// their ranks. None for fewer than three pairs, or where one side is all equal.
pub fn spearman(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.len() < 3 || first.len() != second.len() {
        return None;
    }
    // Ranks sum to n (n + 1) / 2 with ties or without.
    let middle = (first.len() as f64 + 1.0) / 2.0;
    let centred = |values| -> Vec<f64> { ranks(values).iter().map(|rank| rank - middle).collect() };
    let (a, b) = (centred(first), centred(second));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| (product(&a, &b) / scale).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_s_figure_8_correlates() {
        // Table I: Dice and CAM_val_acc of the six classifiers. One pair of neighbours is swapped, so
        // rho = 1 - 6 * 2 / (6 * 35).
        let dice = [0.435, 0.365, 0.353, 0.256, 0.034, 0.030];
        let cam_val_acc = [0.816, 0.792, 0.768, 0.776, 0.736, 0.704];
        let rho = spearman(&dice, &cam_val_acc).unwrap();
        assert!((rho - (1.0 - 12.0 / 210.0)).abs() < 1e-12, "{rho}");
    }

    #[test]
    fn ties_share_their_ranks() {
        assert_eq!(ranks(&[0.3, 0.1, 0.3, 0.2]), [3.5, 1.0, 3.5, 2.0]);
        let other_order = 0.1 + (0.2 + 0.3);
        assert!((0.1 + 0.2) + 0.3 != other_order);
        assert_eq!(ranks(&[(0.1 + 0.2) + 0.3, other_order]), [1.5, 1.5]);
        // By hand: ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
        let rho = spearman(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert!((rho - 4.5 / 22.5f64.sqrt()).abs() < 1e-12, "{rho}");
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
    }

    #[test]
    fn two_pairs_or_equal_values_have_none() {
        assert_eq!(spearman(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
    }
}
