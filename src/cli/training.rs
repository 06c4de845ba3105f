//! The options of training, which `train`, `reproduce`, `compare` and `weak` share.

use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};

use super::at_least_one;
use super::network::size;
use super::pictures::Pictures;
use crate::engine::graph::Role;
use crate::engine::ops::Optimizer;
use crate::error::{Error, Result};
use crate::lab::data::ReadOptions;
use crate::lab::data::duplicates::Handling as Duplicates;
use crate::lab::experiment::{EVERY_SETTING, Given};
use crate::lab::experiment::{Setup, pictures};
use crate::nets::classifier::{another_size, fitted};
use crate::nets::images::{Augment, Flips, Jitter, Scaling};
use crate::nets::keras;
use crate::nets::models::{Head, Mode, Network, Output};
use crate::nets::train::{Preset, Schedule, Statistics, TrainOptions};
use crate::nets::weights::Raw;
use crate::stop::Stop;

/// What `weak` asks its segmenter for as well.
pub(super) const NO_FLIPS: &str = "--no-flips";

/// How to train.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct Training {
    /// A set of the options below, each of which can still be given. paper: the likely set-up of the
    /// paper's first author. modern: two softmax units, Adam along a cosine, mirrored images. Without it
    /// modern, but 20 epochs at 0.002 for the compact networks
    #[arg(long)]
    preset: Option<Preset>,
    /// Passes over the training images, at most [200 with early stopping; compact networks: 20]
    #[arg(long)]
    epochs: Option<u32>,
    /// Images in a step [32; paper: 26]
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// A unit for each class, which compete, or of two classes one [softmax; paper: sigmoid]
    #[arg(long)]
    pub(super) head: Option<Head>,
    /// Hidden dense layers of so many units between the pooling and the class scores, each with ReLU, as 128 or
    /// 128,64 [none]. The weights file says it to the commands that read it
    #[arg(long, value_name = "UNITS", value_delimiter = ',')]
    pub(super) dense: Vec<usize>,
    /// The optimiser [adam; paper: nadam]
    #[arg(long, value_parser = ["sgd", "adam", "nadam", "rmsprop"])]
    optimizer: Option<String>,
    /// The learning rate at the start [0.001; compact networks: 0.002; paper: 0.0001]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// How the learning rate goes on [cosine; paper: constant]
    #[arg(long)]
    schedule: Option<Schedule>,
    /// Stop after this many epochs without a lower validation loss; 0 for never [30; compact networks:
    /// 0; paper: 20]
    #[arg(long)]
    patience: Option<u32>,
    /// Means and variances that batch normalisation goes by outside training [running]. Running ones settle
    /// over a thousand steps or more in mobilenet-v2 (momentum 0.999) and nasnet-mobile (0.9997): after
    /// fewer, such a network validates as if it had not learnt. Re-estimating them costs up to 64 forward
    /// passes an epoch
    #[arg(long)]
    batch_norm_statistics: Option<Statistics>,
    /// Do not mirror training images
    #[arg(long)]
    no_flips: bool,
    /// Also move, scale and relight training images a little
    #[arg(long)]
    jitter: bool,
    /// Height and width of the network's input, as 224 or 96x160 [the network's usual ones; paper: 320]
    #[arg(long, value_parser = size)]
    pub(super) size: Option<[usize; 2]>,
    /// Learn from whole images, abnormal and normal, instead of ROIs; they are not turned upside down
    #[arg(long)]
    pub(super) whole: bool,
    /// The labels whose lesions count as abnormal, such as malignant: ROIs of all others count as normal. Of other
    /// classes those that count as positive together when the network is judged [all lesions]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(super) positive: Vec<String>,
    #[command(flatten)]
    pub(super) pictures: Pictures,
    /// Pictures that show the same scan, by their pixels: group keeps them on one side of the split, drop
    /// takes one of them, keep treats them as different. Those with equal pixels are never on both sides
    #[arg(long, default_value = "group")]
    pub(super) duplicates: Duplicates,
}

impl Training {
    /// What is done to training images where `usual` is what would be.
    pub fn augment(&self, usual: Augment) -> Augment {
        let flips = match (self.no_flips, self.whole) {
            (true, _) => Flips::default(),
            (false, true) => usual.flips.upright(),
            (false, false) => usual.flips,
        };
        Augment { flips, jitter: self.jitter.then(Jitter::default).or(usual.jitter) }
    }

    /// The options that are given of how a classifier is trained, each with what its description calls it.
    pub(super) fn given(&self) -> Vec<Given> {
        let all = [
            ("--epochs", self.epochs.is_some(), "epochs"),
            ("--batch", self.batch.is_some(), "batch"),
            ("--head", self.head.is_some(), "head"),
            ("--dense", !self.dense.is_empty(), "dense"),
            ("--optimizer", self.optimizer.is_some(), "optimizer"),
            ("--learning-rate", self.learning_rate.is_some(), "learning_rate"),
            ("--schedule", self.schedule.is_some(), "schedule"),
            ("--patience", self.patience.is_some(), "patience"),
            (
                "--batch-norm-statistics",
                self.batch_norm_statistics.is_some(),
                "batch_norm_statistics",
            ),
            (NO_FLIPS, self.no_flips, "flips"),
            ("--jitter", self.jitter, "jitter"),
            ("--size", self.size.is_some(), "input"),
            ("--preset", self.preset.is_some(), EVERY_SETTING),
        ];
        all.into_iter().filter(|(_, given, _)| *given).map(|(flag, _, key)| (flag, key)).collect()
    }

    /// How the pictures of the data set are read.
    pub fn read(&self) -> ReadOptions {
        ReadOptions { positive: self.positive.clone(), ..self.pictures.options() }
    }

    /// What decides which pictures a network sees that are read so, by name, where it is not as usual.
    pub(super) fn cut(&self, read: &ReadOptions) -> Map<String, Value> {
        let mut named = Map::new();
        if self.whole {
            named.insert("whole".to_owned(), json!(true));
        }
        if self.duplicates != Duplicates::default() {
            named.insert("duplicates".to_owned(), json!(self.duplicates));
        }
        let pictures = pictures(read);
        if !pictures.is_empty() {
            named.insert("pictures".to_owned(), Value::Object(pictures));
        }
        named
    }

    /// How `network` is trained, from scratch or from the weights in `start`.
    pub fn setup(
        &self,
        network: &'static Network,
        start: Option<&Path>,
        stop: &Stop,
    ) -> Result<Setup> {
        let invalid = |what: &str| Err(Error::usage(what.to_owned(), "see --help"));
        let network = match &self.dense[..] {
            [] => network,
            units => network.with_dense(units)?,
        };
        let mut setup = Setup::new(network, self.preset);
        if let Some([height, width]) = self.size {
            setup.size = (height, width);
        }
        let train = &mut setup.train;
        let usual = train.clone();
        *train = TrainOptions {
            epochs: self.epochs.unwrap_or(usual.epochs),
            batch: self.batch.unwrap_or(usual.batch),
            head: self.head.unwrap_or(usual.head),
            optimizer: match self.optimizer.as_deref() {
                None => usual.optimizer,
                Some("sgd") => Optimizer::sgd(),
                Some("nadam") => Optimizer::nadam(),
                Some("rmsprop") => Optimizer::rms_prop(),
                Some(_) => Optimizer::adam(),
            },
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            schedule: self.schedule.unwrap_or(usual.schedule),
            patience: match self.patience {
                Some(0) => None,
                given => given.or(usual.patience),
            },
            augment: self.augment(usual.augment),
            statistics: self.batch_norm_statistics.unwrap_or(usual.statistics),
            stop: stop.clone(),
            ..usual
        };
        if train.epochs == 0 {
            return invalid("--epochs must be 1 or more");
        }
        if !(train.learning_rate.is_finite() && train.learning_rate > 0.0) {
            return invalid("--learning-rate must be a positive number");
        }
        if let Some(path) = start {
            start_from(&mut setup, path)?;
        }
        Ok(setup)
    }

    /// How the model of the file `file` is trained further: with its own head, size and weights.
    pub(super) fn fine_tuning(
        &self,
        file: keras::File,
        scaling: Option<Scaling>,
        stop: &Stop,
    ) -> Result<Setup> {
        let (network, path) = (file.network, file.raw.path.clone());
        let head = match (network.classes, network.output()) {
            (1, Output::Usual | Output::Sigmoid) | (2.., Output::Sigmoid) => Head::Sigmoid,
            (2.., Output::Usual | Output::Softmax) => Head::Softmax,
            (units, output) => {
                return Err(Error::content(
                    &path,
                    format!("its head is of {units} units, {}", output.describe()),
                    "classes are told apart by a unit each and softmax, or two by one and sigmoid",
                ));
            }
        };
        if self.head.is_some_and(|given| given != head) {
            return Err(Error::usage("the file has a head of its own", "leave out --head"));
        }
        let options = Training { head: Some(head), ..self.clone() };
        let mut setup = options.setup(network, None, stop)?;
        if self.size.is_none() {
            setup.size = (network.input[0], network.input[1]);
        }
        setup.scaling = scaling.unwrap_or(Scaling::None);
        if setup.scaling == Scaling::None && !file.scales {
            crate::console::note!(
                "{}: it scales no pixels itself: --scaling says what stood outside of it",
                path.display()
            );
        }
        let other = another_size(file.made_for, [setup.size.0, setup.size.1]);
        if !other.is_empty() {
            let (height, width) = setup.size;
            crate::console::note!("{}: trained at {height}x{width}{other}", path.display());
        }
        if !file.random.is_empty() {
            let all = file.random.join(", ");
            crate::console::note!("{}: {all}: nothing is drawn here in training", path.display());
        }
        if !file.regularised.is_empty() {
            let all = file.regularised.join(", ");
            crate::console::note!(
                "{}: {all}: regularisers and constraints do nothing here in training",
                path.display()
            );
        }
        let size = [setup.size.0, setup.size.1];
        let model = network.build(Mode::Inference, 1, size, network.classes)?;
        if model.graph.count(Role::Trainable) == 0 {
            return Err(Error::content(
                &path,
                "no layer of it is trained: all are frozen",
                "leave out --freeze, or save the model with trainable = True",
            ));
        }
        setup.train.start = Some(keras::weights(file.raw, &model)?);
        Ok(setup)
    }
}

/// The weights in `path` as those that `setup` starts from; a head of another size, or with
/// other hidden layers, is left out.
pub(super) fn start_from(setup: &mut Setup, path: &Path) -> Result<()> {
    let (network, units) = (setup.network, setup.train.units()?);
    let model = network.build(Mode::Inference, 1, network.input, units)?;
    setup.train.start = Some(fitted(Raw::read(path)?, &model)?);
    Ok(())
}
