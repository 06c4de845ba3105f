//! A JSON line an epoch, in a file beside the weights: what another program plots while a training runs.
//!
//! The file is replaced whole after every epoch, from what the state of the training knows. So it never ends in the
//! middle of a line, and a training that is gone on with has each of its epochs once.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::record::EpochRecord;
use crate::error::{Error, Result};
use crate::files;

/// A line of a classifier's training. What is not finite is null.
#[derive(Serialize)]
struct OfClassifier<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    /// Batches so far, of this and all earlier epochs.
    steps: u64,
    /// Whether its weights are the best so far.
    best: bool,
}

/// A line of a segmenter's training, which is not validated.
#[derive(Serialize)]
struct OfSegmenter {
    epoch: u32,
    /// The mean over its batches, in nats.
    loss: f64,
    steps: u64,
}

/// The file of the epochs of the training that leaves its weights in `weights`: that name with the ending
/// `.epochs.jsonl`.
pub fn epochs_of(weights: &Path) -> PathBuf {
    weights.with_extension("epochs.jsonl")
}

/// The lines of a training so far, and the file that they go to, if they go to one.
#[derive(Debug)]
pub(super) struct Lines {
    path: Option<PathBuf>,
    text: String,
}

impl Lines {
    /// Of no epoch.
    pub fn new(path: Option<&Path>) -> Self {
        Lines { path: path.map(Path::to_owned), text: String::new() }
    }

    /// An epoch of a classifier, in which so many `steps` were done until its end.
    pub fn classifier(&mut self, record: &EpochRecord, steps: u64, best: bool) -> Result<()> {
        self.add(&OfClassifier { record, steps, best })
    }

    /// An epoch of a segmenter.
    pub fn segmenter(&mut self, epoch: u32, loss: f64, steps: u64) -> Result<()> {
        self.add(&OfSegmenter { epoch, loss, steps })
    }

    fn add(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line)
            .map_err(|error| Error::shape("epoch", format!("is no JSON ({error})")))?;
        self.text += &line;
        self.text.push('\n');
        Ok(())
    }

    /// Before the first epoch: what is there is of these lines or of none.
    ///
    /// # Errors
    /// As [`Lines::write`].
    pub fn begin(&self) -> Result<()> {
        let there = self.path.as_ref().is_some_and(|path| path.exists());
        if there || !self.text.is_empty() { self.write() } else { Ok(()) }
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn write(&self) -> Result<()> {
        match &self.path {
            None => Ok(()),
            Some(path) => files::write(path, self.text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_line_is_json_with_the_numbers_of_its_epoch() {
        let folder = tempfile::tempdir().unwrap();
        let path = epochs_of(&folder.path().join("0.cam.safetensors"));
        assert_eq!(path, folder.path().join("0.cam.epochs.jsonl"));
        let mut lines = Lines::new(Some(&path));
        lines.begin().unwrap();
        assert!(!path.exists(), "no file of nothing");
        std::fs::write(&path, "{}").unwrap();
        lines.begin().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"", "nothing of an earlier training");
        let record = EpochRecord {
            epoch: 1,
            loss: 0.5,
            accuracy: 0.75,
            val_loss: f64::NAN,
            val_accuracy: 1.0,
        };
        lines.classifier(&record, 7, true).unwrap();
        lines.segmenter(2, 0.25, 14).unwrap();
        lines.write().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = serde_json::json!({ "epoch": 1, "loss": 0.5, "accuracy": 0.75, "val_loss": null,
            "val_accuracy": 1.0, "steps": 7, "best": true });
        assert_eq!(read, [first, serde_json::json!({ "epoch": 2, "loss": 0.25, "steps": 14 })]);
        assert!(Lines::new(None).write().is_ok());
    }
}
