//! How the learning rate changes over training.

/// The factor on the learning rate, step by step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// Always 1.
    Constant,
    /// From 1 to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts).
    Cosine,
}

impl Schedule {
    /// The factor at step `step` (from 1) of `total`.
    pub fn factor(self, step: u64, total: u64) -> f64 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Cosine => {
                let done = (step - 1) as f64 / total.max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cosine_falls_from_one_to_nearly_zero() {
        let factors: Vec<f64> = (1..=100).map(|step| Schedule::Cosine.factor(step, 100)).collect();
        assert_eq!(factors[0], 1.0);
        assert!((factors[50] - 0.5).abs() < 1e-12);
        assert!(factors.is_sorted_by(|a, b| a > b) && factors[99] < 1e-3);
        assert_eq!(Schedule::Constant.factor(50, 100), 1.0);
    }
}
