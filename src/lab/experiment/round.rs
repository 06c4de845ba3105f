//! A round of an experiment: what every network is trained on once.

use std::fmt;

/// A seed, and with folds one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Round {
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// Which of the seed's folds is the validation side, from 1.
    pub fold: Option<usize>,
}

impl Round {
    /// Every fold of every seed, in order; without folds, every seed.
    pub fn all(seeds: &[u64], folds: Option<usize>) -> Vec<Self> {
        let of = |&seed: &u64| match folds {
            None => vec![Round { seed, fold: None }],
            Some(folds) => (1..=folds).map(|fold| Round { seed, fold: Some(fold) }).collect(),
        };
        seeds.iter().flat_map(of).collect()
    }

    /// How its files are called: `0`, or `0-fold2`.
    pub fn stem(self) -> String {
        match self.fold {
            None => self.seed.to_string(),
            Some(fold) => format!("{}-fold{fold}", self.seed),
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.fold {
            None => write!(out, "seed {}", self.seed),
            Some(fold) => write!(out, "seed {} fold {fold}", self.seed),
        }
    }
}
