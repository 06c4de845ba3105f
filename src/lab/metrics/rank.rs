//! Spearman's rank correlation.

/// The ranks of numbers, from 1, equal ones at the mean of theirs; less their mean.
#[derive(Clone, Debug)]
pub struct Ranks {
    centred: Vec<f64>,
    /// The sum of their squares.
    squares: f64,
}

impl Ranks {
    /// Of finite `values`. 0 and -0 are equal.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut order: Vec<(f64, usize)> =
            values.into_iter().enumerate().map(|(index, value)| (value + 0.0, index)).collect();
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut centred = vec![0.0; order.len()];
        // Ranks sum to n (n + 1) / 2 with ties or without.
        let middle = (order.len() as f64 + 1.0) / 2.0;
        let mut below = 0;
        for equal in order.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
            let rank = below as f64 + (equal.len() as f64 + 1.0) / 2.0;
            equal.iter().for_each(|&(_, index)| centred[index] = rank - middle);
            below += equal.len();
        }
        let squares = centred.iter().map(|rank| rank * rank).sum();
        Ranks { centred, squares }
    }

    /// Spearman's rho of the two, in [-1, 1]: Pearson's correlation of the ranks. None for fewer than three pairs,
    /// for different lengths, or where one side is all equal.
    pub fn correlation(&self, other: &Self) -> Option<f64> {
        if self.centred.len() < 3 || self.centred.len() != other.centred.len() {
            return None;
        }
        let product: f64 = self.centred.iter().zip(&other.centred).map(|(a, b)| a * b).sum();
        let scale = (self.squares * other.squares).sqrt();
        (scale > 0.0).then(|| (product / scale).clamp(-1.0, 1.0))
    }
}

/// Spearman's rho of pairs, in [-1, 1]: Pearson's correlation of their ranks, ties at the mean of
/// their ranks. None for fewer than three pairs, or where one side is all equal. Values are equal to
/// twelve places: the same accuracies, added up in another order, differ in the sixteenth.
pub fn spearman(first: &[f64], second: &[f64]) -> Option<f64> {
    let ranks = |values: &[f64]| Ranks::new(values.iter().map(|value| (value * 1e12).round()));
    ranks(first).correlation(&ranks(second))
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
        let ranks = |values: &[f64]| Ranks::new(values.iter().copied()).centred;
        assert_eq!(ranks(&[0.3, 0.1, 0.3, 0.2]), [1.0, -1.5, 1.0, -0.5]);
        assert_eq!(ranks(&[0.0, -0.0, 1e-30]), [-0.5, -0.5, 1.0]);
        let other_order = 0.1 + (0.2 + 0.3);
        assert!((0.1 + 0.2) + 0.3 != other_order);
        let rho = spearman(&[(0.1 + 0.2) + 0.3, other_order, 1.0], &[1.0, 1.0, 2.0]).unwrap();
        assert!((rho - 1.0).abs() < 1e-12, "{rho}");
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
