//! What one epoch of training leaves behind.

use serde::{Deserialize, Serialize};

/// Loss and accuracy of one epoch, on the training set and on the validation set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: u32,
    /// Mean loss over the training set.
    pub loss: f64,
    /// Share of the training set that was classified rightly.
    pub accuracy: f64,
    /// Mean loss over the validation set.
    pub val_loss: f64,
    /// Share of the validation set that was classified rightly.
    pub val_accuracy: f64,
}

/// The index of the epoch whose weights are kept: the highest validation accuracy, and the first
/// of equals. `None` where no epoch has a finite one.
pub fn best_epoch(records: &[EpochRecord]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (index, record) in records.iter().enumerate() {
        let better = best.is_none_or(|b| record.val_accuracy > records[b].val_accuracy);
        if record.val_accuracy.is_finite() && better {
            best = Some(index);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u32, val_accuracy: f64) -> EpochRecord {
        EpochRecord { epoch, loss: 0.5, accuracy: 0.5, val_loss: 0.5, val_accuracy }
    }

    #[test]
    fn the_first_of_equals_is_kept_and_nan_is_never_best() {
        let records = [record(1, f64::NAN), record(2, 0.8), record(3, 0.9), record(4, 0.9)];
        assert_eq!(best_epoch(&records), Some(2));
        assert_eq!(best_epoch(&records[..1]), None);
        assert_eq!(best_epoch(&[]), None);
    }
}
