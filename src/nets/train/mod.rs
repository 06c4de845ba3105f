//! Training a classifier: epochs of batches, validation, early stopping, the best epoch kept; and
//! training a segmenter, which has nothing to be validated by.

mod epochs;
mod evaluate;
mod graph;
mod job;
mod lines;
mod loss_scale;
mod options;
pub mod record;
mod schedule;
mod segmenter;
mod state;
mod statistics;
mod steps;
mod stopping;

use std::path::Path;
use std::time::Duration;

use crate::engine::session::Store;
use crate::error::Result;
use crate::files;
use crate::nets::models::Model;
use crate::nets::train::record::EpochRecord;
use crate::nets::weights::{self, Weights};

pub use epochs::{train, train_after};
pub use evaluate::{Predictor, Scores, each_alone, probabilities, softmax};
pub use graph::{TrainingGraph, inputs};
pub use job::expect;
pub use lines::epochs_of;
pub use options::{Loss, Preset, TrainOptions};
pub use schedule::Schedule;
pub use segmenter::{Segmenter, Targets, TrainedSegmenter, train_segmenter};
pub(crate) use state::progress_of;
pub use state::{Configuration, digest, sides};
pub use statistics::Statistics;
pub use stopping::{Best, EarlyStopping, Keep};

/// What training gave. The store holds the weights of the best epoch.
#[derive(Debug)]
pub struct Trained {
    /// A model for inference with the same variables, at the batch size of training.
    pub model: Model,
    /// Its variables, with the weights of the best epoch.
    pub store: Store,
    /// Those weights.
    pub weights: Weights,
    /// Loss and accuracy of every epoch.
    pub records: Vec<EpochRecord>,
    /// The best epoch, from 1, and its validation accuracy.
    pub best: Best,
    /// Whether early stopping ended it.
    pub stopped: bool,
    /// What decided all of it, by name; empty without [`TrainOptions::state`].
    pub configuration: Configuration,
    /// Time of all of it, with that before it was interrupted and taken up again.
    pub time: Duration,
}

/// Writes `weights` of `model` to `path`: a network that a user's file describes as that file with these numbers,
/// any other in the format that the ending of `path` names.
///
/// # Errors
/// Those of [`weights::save`] and of [`Network::rewritten`](crate::nets::models::Network::rewritten).
pub fn save(path: &Path, weights: &Weights, model: &Model) -> Result<()> {
    match model.network.rewritten(&weights.tensors)? {
        Some(bytes) => files::write(path, &bytes),
        None => weights::save(path, weights, &model.layers, None),
    }
}
