//! The loss scale of training in 16 bits.
//!
//! Gradients of activations are often below 6e-8, the smallest number that 16 bits hold. The loss is
//! multiplied by a power of two before it is differentiated, which costs no precision, and the
//! optimiser divides by it (Micikevicius et al. 2018, <https://arxiv.org/abs/1710.03740>). The factor
//! finds itself: it is halved when a gradient overflows, and that step is left out; it is doubled after
//! [`GROWTH`] steps without an overflow.

use serde::{Deserialize, Serialize};

/// The first factor, as in Keras.
const START: f32 = 32_768.0;
/// Steps without an overflow after which the factor is doubled, as in Keras.
const GROWTH: u32 = 2000;
/// The largest factor: what overflows beyond it lies in 32 bits.
const MOST: f32 = 16_777_216.0;

/// The factor, and what decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct LossScale {
    /// A power of two.
    factor: f32,
    /// Steps since it was last changed.
    good: u32,
    /// Steps that were left out.
    skipped: u64,
}

/// As a file has it.
#[derive(Deserialize)]
struct Stored {
    factor: f32,
    good: u32,
    skipped: u64,
}

impl TryFrom<Stored> for LossScale {
    type Error = String;

    /// Gradients are divided by the factor, so a file may not say that it is 0.
    fn try_from(Stored { factor, good, skipped }: Stored) -> Result<Self, String> {
        let is_power = (1.0..=MOST).contains(&factor) && factor.log2().fract() == 0.0;
        if !is_power || good >= GROWTH || skipped > u64::from(u32::MAX) {
            return Err(format!("a loss scale of {factor} after {good} steps is none"));
        }
        Ok(LossScale { factor, good, skipped })
    }
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale { factor: START, good: 0, skipped: 0 }
    }
}

impl LossScale {
    /// What the loss is multiplied by.
    pub fn factor(&self) -> f32 {
        self.factor
    }

    /// How many steps were left out because a gradient overflowed.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes note of a step: whether all gradients were finite. False where a factor of 1 is too large,
    /// so that scaling cannot help.
    pub fn learn(&mut self, finite: bool) -> bool {
        if finite {
            self.good += 1;
            if self.good >= GROWTH {
                *self = LossScale { factor: MOST.min(2.0 * self.factor), good: 0, ..*self };
            }
            return true;
        }
        let possible = self.factor > 1.0;
        *self =
            LossScale { factor: (self.factor / 2.0).max(1.0), good: 0, skipped: self.skipped + 1 };
        possible
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_halves_and_many_good_steps_double() {
        let mut scale = LossScale::default();
        assert!(scale.learn(false) && scale.learn(false));
        assert_eq!((scale.factor(), scale.skipped()), (START / 4.0, 2));
        for _ in 0..GROWTH - 1 {
            assert!(scale.learn(true));
        }
        assert_eq!(scale.factor(), START / 4.0);
        scale.learn(true);
        assert_eq!(scale.factor(), START / 2.0);
        // An overflow in between starts the count again.
        (0..GROWTH - 1).for_each(|_| assert!(scale.learn(true)));
        scale.learn(false);
        (0..GROWTH - 1).for_each(|_| assert!(scale.learn(true)));
        assert_eq!(scale.factor(), START / 4.0);
    }

    #[test]
    fn the_factor_has_ends() {
        let mut scale = LossScale { factor: 1.0, good: 0, skipped: 0 };
        assert!(!scale.learn(false));
        assert_eq!(scale.factor(), 1.0);
        scale.factor = MOST;
        (0..GROWTH).for_each(|_| assert!(scale.learn(true)));
        assert_eq!(scale.factor(), MOST);
    }
}
