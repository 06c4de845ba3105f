//! `parula train`, and the options of training that `reproduce` shares.

use std::path::{Path, PathBuf};

use clap::Args;

use super::network::fitted;
use super::{Global, print, print_json};
use crate::data::{Flips, RoiOptions, dataset, roi, split};
use crate::error::{Error, Result};
use crate::experiment;
use crate::models::{self, Head, Mode, Network};
use crate::ops::Optimizer;
use crate::report::curves;
use crate::train::{Schedule, TrainOptions, train};
use crate::weights::{self, Format, Raw, Weights};

/// How to train.
#[derive(Debug, Args)]
pub struct Training {
    /// Passes over the training images, at most
    #[arg(long, default_value_t = TrainOptions::default().epochs)]
    pub epochs: u32,
    /// Images in a step
    #[arg(long, default_value_t = TrainOptions::default().batch)]
    batch: usize,
    /// Two units that compete, or one
    #[arg(long, default_value = "softmax")]
    head: Head,
    /// The optimiser
    #[arg(long, default_value = "adam", value_parser = ["sgd", "adam", "nadam", "rmsprop"])]
    optimizer: String,
    /// The learning rate at the start
    #[arg(long, default_value_t = TrainOptions::default().learning_rate)]
    learning_rate: f64,
    /// How the learning rate goes on
    #[arg(long, default_value = "cosine")]
    schedule: Schedule,
    /// Stop after this many epochs without a lower validation loss
    #[arg(long)]
    patience: Option<u32>,
    /// Do not mirror training images
    #[arg(long)]
    no_flips: bool,
    /// Height and width of the network's input instead of its usual ones
    #[arg(long)]
    pub size: Option<usize>,
}

impl Training {
    /// As options, without seed and checkpoint.
    pub fn options(&self) -> Result<TrainOptions> {
        let invalid = |what: &str| Err(Error::usage(what.to_owned(), "see --help"));
        if self.epochs == 0 {
            return invalid("--epochs must be 1 or more");
        }
        if self.batch == 0 {
            return invalid("--batch must be 1 or more");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return invalid("--learning-rate must be a positive number");
        }
        Ok(TrainOptions {
            epochs: self.epochs,
            batch: self.batch,
            head: self.head,
            optimizer: match self.optimizer.as_str() {
                "sgd" => Optimizer::sgd(),
                "nadam" => Optimizer::nadam(),
                "rmsprop" => Optimizer::rms_prop(),
                _ => Optimizer::adam(),
            },
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            patience: self.patience,
            flips: Flips { horizontal: !self.no_flips, vertical: !self.no_flips },
            ..TrainOptions::default()
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula train --data mammograms --model compact-resnet --out resnet.safetensors")]
pub struct Train {
    /// The data set
    #[arg(long)]
    data: PathBuf,
    /// The network, see `parula models`
    #[arg(long)]
    model: String,
    /// Weights to start from, with a fresh head where theirs has other units
    #[arg(long)]
    weights: Option<PathBuf>,
    /// The weights file to write: .safetensors, or Keras .weights.h5, .h5, .keras; curves go beside it
    /// as CSV and PNG
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    training: Training,
}

/// The weights in `path` to start `network` from, with a head of `units` units.
fn start(path: &Path, network: &'static Network, units: usize) -> Result<Weights> {
    let model = network.build(Mode::Inference, 1, network.input, units)?;
    fitted(Raw::read(path)?, &model)
}

impl Train {
    pub fn run(&self, global: &Global) -> Result<()> {
        let network = models::find(&self.model)?;
        // Before hours of training, not after.
        Format::of_ending(&self.out)?;
        let units = self.training.head.units();
        let options = TrainOptions {
            seed: global.seed,
            checkpoint: Some(self.out.clone()),
            start: self.weights.as_deref().map(|path| start(path, network, units)).transpose()?,
            ..self.training.options()?
        };
        let dataset = dataset::read(&self.data)?;
        let seed = global.seed;
        let cut = roi::cut(&dataset, &RoiOptions { seed, ..RoiOptions::default() })?;
        cut.note(&self.data).iter().for_each(|note| eprintln!("{note}"));
        let rois = cut.rois;
        let split = split::split(&rois, split::VALIDATION, seed)?;
        let gpu = global.open()?;
        let prepared = experiment::prepare(network, &rois, self.training.size);
        let trained = train(&gpu, network, &prepared, &split, &options, network.name)?;
        weights::save(&self.out, &trained.weights, &trained.model.layers, None)?;
        let (csv, png) = (self.out.with_extension("csv"), self.out.with_extension("png"));
        curves::save(&trained.records, network.name, &csv, &png)?;
        let best = trained.best;
        if global.json {
            return print_json(&serde_json::json!({
                "model": network.name, "weights": self.out, "epochs": trained.records,
                "best_epoch": best.epoch, "val_acc": best.val_accuracy,
                "seconds": trained.time.as_secs_f64(), "adapter": gpu.report().to_string(),
                "train": split.train.len(), "validation": split.validation.len(),
            }));
        }
        print(&format!(
            "{}: validation accuracy {:.3} in epoch {} of {}, {:.0} s; weights in {}, curves in {}\n",
            network.name,
            best.val_accuracy,
            best.epoch,
            trained.records.len(),
            trained.time.as_secs_f64(),
            self.out.display(),
            png.display(),
        ))
    }
}
