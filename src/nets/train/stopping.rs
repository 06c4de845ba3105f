//! When to stop and which epoch to keep, with the semantics of Keras's callbacks.

use serde::{Deserialize, Serialize};

/// Keras's `EarlyStopping(monitor="val_loss", patience=p)`: improvement is strict, and training stops
/// after `patience` epochs in a row without one.
#[derive(Clone, Copy, Debug)]
pub struct EarlyStopping {
    patience: u32,
    best: f64,
    waited: u32,
}

impl EarlyStopping {
    /// Keras treats a patience of 0 like 1: the first epoch without improvement stops.
    pub fn new(patience: u32) -> Self {
        EarlyStopping { patience, best: f64::INFINITY, waited: 0 }
    }

    /// Whether to stop after an epoch with this validation loss. NaN is no improvement.
    pub fn stops(&mut self, val_loss: f64) -> bool {
        self.waited += 1;
        if val_loss < self.best {
            self.best = val_loss;
            self.waited = 0;
            return false;
        }
        self.waited >= self.patience.max(1)
    }
}

/// Which epoch's weights are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// That with the highest validation accuracy. Where one class is much rarer than the other, this may be one
    /// that takes nearly everything for the common class.
    #[default]
    Best,
    /// The last, at the end of the schedule.
    Last,
}

/// Keras's `ModelCheckpoint(monitor="val_accuracy", save_best_only=True)`: the epoch with the highest
/// validation accuracy, the earliest of equals.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Best {
    /// From 1; 0 before the first.
    pub epoch: u32,
    /// In [0, 1].
    pub val_accuracy: f64,
}

impl Best {
    /// Whether `epoch` is to be kept, and not one before it.
    pub fn keeps(&mut self, keep: Keep, epoch: u32, val_accuracy: f64) -> bool {
        match keep {
            Keep::Best => self.improves(epoch, val_accuracy),
            Keep::Last => {
                *self = Best { epoch, val_accuracy };
                true
            }
        }
    }

    /// Whether `epoch` is better than all before it; it is then kept.
    fn improves(&mut self, epoch: u32, val_accuracy: f64) -> bool {
        let better =
            !val_accuracy.is_nan() && (self.epoch == 0 || val_accuracy > self.val_accuracy);
        if better {
            *self = Best { epoch, val_accuracy };
        }
        better
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops_at(patience: u32, losses: &[f64]) -> Option<usize> {
        let mut stopping = EarlyStopping::new(patience);
        losses.iter().position(|&loss| stopping.stops(loss))
    }

    #[test]
    fn equal_losses_are_no_improvement() {
        assert_eq!(stops_at(2, &[1.0, 0.9, 0.9, 0.9, 0.1]), Some(3));
        assert_eq!(stops_at(0, &[1.0, 0.9, 0.95]), Some(2));
        assert_eq!(stops_at(3, &[1.0, 2.0, 2.0, 0.5, 2.0, 2.0]), None);
        assert_eq!(stops_at(1, &[f64::NAN]), Some(0));
    }

    #[test]
    fn of_equal_accuracies_the_earliest_epoch_is_kept() {
        let mut best = Best::default();
        let kept: Vec<bool> = [0.5, 0.8, 0.8, 0.7, 0.9]
            .iter()
            .enumerate()
            .map(|(index, &accuracy)| best.keeps(Keep::Best, index as u32 + 1, accuracy))
            .collect();
        assert_eq!(kept, [true, true, false, false, true]);
        assert_eq!(best, Best { epoch: 5, val_accuracy: 0.9 });
        assert!(best.keeps(Keep::Last, 6, 0.1));
        assert_eq!(best, Best { epoch: 6, val_accuracy: 0.1 });
    }
}
