//! Training a classifier: epochs of batches, validation, early stopping, the best epoch kept.

mod evaluate;
mod graph;
mod schedule;
mod steps;
mod stopping;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::data::{BatchOptions, Batches, Flips, Prepared, Split};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::metrics::epoch::EpochRecord;
use crate::models::{Head, Mode, Model, Network};
use crate::ops::Optimizer;
use crate::session::Store;
use crate::weights::{self, Weights};

pub use evaluate::{Classifier, Scores, probabilities, softmax};
pub use graph::TrainingGraph;
pub use schedule::Schedule;
pub use stopping::{Best, EarlyStopping};

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// At most this many passes over the training images.
    pub epochs: u32,
    /// Images in a step; the last of an epoch may have fewer.
    pub batch: usize,
    /// How the classes are scored.
    pub head: Head,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The learning rate at the start.
    pub learning_rate: f64,
    /// How the learning rate goes on.
    pub schedule: Schedule,
    /// Stop after this many epochs without a lower validation loss.
    pub patience: Option<u32>,
    /// Which mirrorings a training image may have.
    pub flips: Flips,
    /// Weigh classes so that both count the same in the loss.
    pub balance: bool,
    /// Fixes initial weights, order, mirrorings and dropout.
    pub seed: u64,
    /// Where the weights of the best epoch so far are kept, if anywhere.
    pub checkpoint: Option<PathBuf>,
    /// Weights to start from; what is not among them, such as a head, starts fresh.
    pub start: Option<Weights>,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            epochs: 20,
            batch: 32,
            head: Head::Softmax,
            optimizer: Optimizer::adam(),
            learning_rate: 2e-3,
            schedule: Schedule::Cosine,
            patience: None,
            flips: Flips { horizontal: true, vertical: true },
            balance: true,
            seed: 0,
            checkpoint: None,
            start: None,
        }
    }
}

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
    /// Time of all of it.
    pub time: Duration,
}

/// Set by Ctrl-C; long work stops at the next step that looks.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether the user wants to stop.
///
/// # Errors
/// [`Error::Interrupted`] with `finished` in words.
pub fn interruption(finished: impl FnOnce() -> String) -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(Error::Interrupted(finished())) } else { Ok(()) }
}

/// Trains `network`, from scratch or from [`TrainOptions::start`], on the training side of `split`, and keeps the epoch with the best
/// validation accuracy, the earliest of equals.
///
/// `title` stands before the progress bar.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated, [`Error::NotFinite`] when the loss is lost,
/// [`Error::Interrupted`] after Ctrl-C, and those of the GPU and of writing the checkpoint.
pub fn train(
    gpu: &Arc<Gpu>,
    network: &'static Network,
    prepared: &Prepared,
    split: &Split,
    options: &TrainOptions,
    title: &str,
) -> Result<Trained> {
    let start = Instant::now();
    let size = [prepared.size.0, prepared.size.1];
    let classes = options.head.units();
    let build = |batch| TrainingGraph::build(network, batch, size, classes, &options.optimizer);
    let batch = options.batch.clamp(1, split.train.len().max(1));
    let whole = build(batch)?;
    let store = Store::new(gpu, &whole.graph, options.seed)?;
    if let Some(weights) = &options.start {
        weights.put(&store)?;
    }
    let mut steps =
        steps::Steps::new(gpu, &store, options, class_weights(prepared, split, options));
    steps.add(whole)?;
    let tail = split.train.len() % batch;
    if tail != 0 {
        steps.add(build(tail)?)?;
    }
    let model = network.build(Mode::Inference, batch, size, classes)?;
    let mut classifier = Classifier::new(gpu, model.clone(), &store)?;

    let bar = progress(title, options.epochs, split.train.len().div_ceil(batch));
    let mut records: Vec<EpochRecord> = Vec::new();
    let mut best = Best::default();
    let mut kept: Option<Weights> = None;
    let mut stopping = options.patience.map(EarlyStopping::new);
    let total_steps = u64::from(options.epochs) * split.train.len().div_ceil(batch) as u64;
    for epoch in 1..=options.epochs {
        let order = BatchOptions {
            batch,
            seed: options.seed,
            epoch: u64::from(epoch),
            shuffle: true,
            flips: options.flips,
        };
        let mut seen = Scores::default();
        for images in Batches::new(prepared, &split.train, order) {
            interruption(|| finished(&records, options))?;
            seen.add(&steps.step(&images, total_steps)?, &images.labels);
            bar.inc(1);
        }
        let validation = classifier.score(prepared, &split.validation)?;
        let record = EpochRecord {
            epoch,
            loss: seen.loss(),
            accuracy: seen.accuracy(),
            val_loss: validation.loss(),
            val_accuracy: validation.accuracy(),
        };
        bar.set_message(format!(
            "loss {:.3}, accuracy {:.3}, validation {:.3}",
            record.loss, record.accuracy, record.val_accuracy
        ));
        if bar.is_hidden() {
            eprintln!(
                "{title}: epoch {epoch}/{}: loss {:.4} accuracy {:.4} val_loss {:.4} val_accuracy \
                 {:.4}, {:.0} s",
                options.epochs,
                record.loss,
                record.accuracy,
                record.val_loss,
                record.val_accuracy,
                start.elapsed().as_secs_f64(),
            );
        }
        records.push(record);
        let weights = Weights::of(&model, &store)?;
        // A ReLU may turn NaN into 0, so that weights are lost without a trace in the loss.
        if let Some(layer) = weights.not_finite() {
            let (loss, layer) = (record.loss as f32, layer.to_owned());
            return Err(Error::NotFinite { loss, step: steps.done(), layer });
        }
        if best.improves(epoch, record.val_accuracy) {
            if let Some(path) = &options.checkpoint {
                weights::save(path, &weights, &model.layers, None)?;
            }
            kept = Some(weights);
        }
        if stopping.as_mut().is_some_and(|stopping| stopping.stops(record.val_loss)) {
            break;
        }
    }
    bar.finish_and_clear();
    let weights = match kept {
        Some(weights) => weights,
        // No epoch was run, or no validation accuracy was a number.
        None => Weights::of(&model, &store)?,
    };
    let tensors = weights.tensors.iter();
    tensors.into_iter().try_for_each(|(name, tensor)| store.set(name, tensor))?;
    Ok(Trained { model, store, weights, records, best, time: start.elapsed() })
}

fn finished(records: &[EpochRecord], options: &TrainOptions) -> String {
    let kept = match &options.checkpoint {
        Some(path) if !records.is_empty() => {
            format!(", the best weights are in {}", path.display())
        }
        _ => String::new(),
    };
    format!("{} of {} epochs were finished{kept}", records.len(), options.epochs)
}

/// The weight of each class: n / (classes * n_class), so that all classes weigh the same together.
fn class_weights(prepared: &Prepared, split: &Split, options: &TrainOptions) -> [f32; 2] {
    let mut counts = [0usize; 2];
    for &index in &split.train {
        counts[prepared.labels[index].min(1)] += 1;
    }
    if !options.balance || counts.contains(&0) {
        return [1.0; 2];
    }
    counts.map(|count| split.train.len() as f32 / (2.0 * count as f32))
}

fn progress(title: &str, epochs: u32, steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::from(epochs) * steps as u64);
    // The template is a constant that is known to parse.
    if let Ok(style) = ProgressStyle::with_template(
        "{prefix} {bar:30} {pos}/{len} steps, {elapsed} gone, {eta} left  {msg}",
    ) {
        bar.set_style(style);
    }
    bar.set_prefix(title.to_owned());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}
