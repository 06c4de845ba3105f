//! How sparse a map is: the Gini index of its absolute values (Chalasani and others 2020, section 5).
//!
//! With |v| in ascending order, d of them, k from 1:
//!
//! ```text
//! gini = 1 - 2 sum over k of (|v_k| / sum |v|) (d - k + 1/2) / d
//! ```
//! 0 where all are equal, 1 - 1/d where one of them holds everything.

/// The index; none where all values are 0, or one is not finite.
pub fn gini(values: &[f32]) -> Option<f64> {
    let mut sizes: Vec<f64> = values.iter().map(|&value| f64::from(value).abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let (sum, count) = (sizes.iter().sum::<f64>(), sizes.len() as f64);
    if !sum.is_finite() || sum <= 0.0 {
        return None;
    }
    let weighted = sizes.iter().enumerate().map(|(k, size)| size / sum * (count - k as f64 - 0.5));
    Some(1.0 - 2.0 * weighted.sum::<f64>() / count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_even_has_0_and_a_single_pixel_almost_1() {
        assert!(gini(&[-2.0; 8]).unwrap().abs() < 1e-12);
        let mut one = [0.0; 8];
        one[3] = -5.0;
        assert!((gini(&one).unwrap() - 7.0 / 8.0).abs() < 1e-12);
        // 1 and 3: 1 - 2 (1/4 3/4 + 3/4 1/4).
        assert!((gini(&[3.0, -1.0]).unwrap() - 0.25).abs() < 1e-12);
    }

    #[test]
    fn what_is_nothing_or_not_finite_has_none() {
        for values in [&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY]] {
            assert_eq!(gini(values), None);
        }
    }
}
