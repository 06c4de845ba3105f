//! How to train: the options, and the sets of them that have names.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::state::digest;
use super::{Keep, Schedule, Statistics};
use crate::engine::ops::Optimizer;
use crate::engine::plan::BATCH;
use crate::error::{Error, Result};
use crate::nets::classes::Taught;
use crate::nets::images::{Augment, Flips, Scaling};
use crate::nets::models::{Head, Network};
use crate::nets::weights::Weights;
use crate::stop::Stop;

/// What training makes small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// The mean cross-entropy over images, or over pixels.
    #[default]
    CrossEntropy,
    /// One minus the soft Dice of a batch's masks: of segmenters with a sigmoid alone.
    Dice,
    /// The sum of both.
    Both,
}

/// How to train.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// At most this many passes over the training images.
    pub epochs: u32,
    /// Images in a step; the last of an epoch may have fewer.
    pub batch: usize,
    /// How the classes are scored.
    pub head: Head,
    /// What is told apart.
    pub taught: Taught,
    /// What is made small.
    pub loss: Loss,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// The learning rate at the start.
    pub learning_rate: f64,
    /// How the learning rate goes on.
    pub schedule: Schedule,
    /// Stop after this many epochs without a lower validation loss.
    pub patience: Option<u32>,
    /// Which epoch's weights are kept.
    pub keep: Keep,
    /// What may be done to a training image.
    pub augment: Augment,
    /// What batch normalisation goes by in validation, and in the weights that are kept.
    pub statistics: Statistics,
    /// Weigh classes so that all count the same in the loss. Labels, of which an image may have several, are never
    /// weighed.
    pub balance: bool,
    /// Fixes initial weights, order, augmentation and dropout.
    pub seed: u64,
    /// Where the weights of the best epoch so far are kept, if anywhere.
    pub checkpoint: Option<PathBuf>,
    /// Weights to start from; what is not among them, such as a head, starts fresh.
    pub start: Option<Weights>,
    /// Where the state of the training is kept after each epoch, if anywhere: a `.safetensors` file.
    /// When it is there already, training goes on from it, and gives the bits that it would have given uninterrupted.
    pub state: Option<PathBuf>,
    /// Where a JSON line an epoch is written, see [`epochs_of`](super::epochs_of); its folder is there.
    pub lines: Option<PathBuf>,
    /// What else decides the images, by name, so that a state of other ones can say why: how they were read and cut.
    pub pictures: Map<String, Value>,
    /// Whether to stop before the next step.
    pub stop: Stop,
    /// Whether a training in [`TrainOptions::state`] that is finished may be gone on with for more epochs. The
    /// schedule is then that of all epochs, from here on: only a constant learning rate gives the bits of as
    /// many epochs from the start.
    pub longer: bool,
}

impl Default for TrainOptions {
    fn default() -> Self {
        TrainOptions {
            epochs: 20,
            batch: BATCH,
            head: Head::Softmax,
            taught: Taught::Two,
            loss: Loss::CrossEntropy,
            optimizer: Optimizer::adam(),
            learning_rate: 2e-3,
            schedule: Schedule::Cosine,
            patience: None,
            keep: Keep::Best,
            augment: Augment { flips: Flips { horizontal: true, vertical: true }, jitter: None },
            statistics: Statistics::Running,
            balance: true,
            seed: 0,
            checkpoint: None,
            start: None,
            state: None,
            lines: None,
            pictures: Map::new(),
            stop: Stop::default(),
            longer: false,
        }
    }
}

/// A set of options with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The likely set-up of the paper's first author, as in his other public classifier of DDSM: one
    /// sigmoid unit, Nadam at 1e-4, batches of 26, 320 x 320 pixels as they are, no augmentation, no
    /// class weights. The paper states about 200 epochs and EarlyStopping; the patience of 20 is ours.
    Paper,
    /// Two softmax units, Adam from 1e-3 along a cosine, batches of 32, mirrored images, weighted
    /// classes, the network's own input size and scaling; 200 epochs with a patience of 30.
    Modern,
}

/// The paper's number of epochs: "about 200".
const PAPER_EPOCHS: u32 = 200;

impl Preset {
    /// The options of this set.
    pub fn options(self) -> TrainOptions {
        let epochs = PAPER_EPOCHS;
        match self {
            Preset::Paper => TrainOptions {
                epochs,
                batch: 26,
                head: Head::Sigmoid,
                optimizer: Optimizer::nadam(),
                learning_rate: 1e-4,
                schedule: Schedule::Constant,
                patience: Some(20),
                augment: Augment::default(),
                balance: false,
                ..TrainOptions::default()
            },
            Preset::Modern => TrainOptions {
                epochs,
                learning_rate: 1e-3,
                patience: Some(30),
                ..TrainOptions::default()
            },
        }
    }

    /// Height and width of the input; none for the network's own.
    pub fn size(self) -> Option<usize> {
        match self {
            Preset::Paper => Some(320),
            Preset::Modern => None,
        }
    }

    /// The scaling of pixels; none for the network's own.
    pub fn scaling(self) -> Option<Scaling> {
        match self {
            Preset::Paper => Some(Scaling::None),
            Preset::Modern => None,
        }
    }
}

impl TrainOptions {
    /// Units of the head: one for each class or label, or a single one for the second of two classes.
    ///
    /// # Errors
    /// [`Error::Usage`] for fewer than two classes, no label, and for more than two classes of a single unit.
    pub fn units(&self) -> Result<usize> {
        match (&self.taught, self.head) {
            (Taught::Two, head) => Ok(head.units()),
            (Taught::Labels(names), _) if !names.is_empty() => Ok(names.len()),
            (Taught::Classes(names), head) if names.len() == 2 => Ok(head.units()),
            (Taught::Classes(names), Head::Softmax) if names.len() > 2 => Ok(names.len()),
            (Taught::Classes(names), Head::Sigmoid) if names.len() > 2 => Err(Error::usage(
                format!("one sigmoid unit tells two classes apart, not {}", names.len()),
                "leave --head sigmoid away, or name two classes",
            )),
            (Taught::Classes(names), _) => Err(Error::usage(
                match names.first() {
                    None => "there is no class to learn".to_owned(),
                    Some(name) => format!("there is one class alone, {name}"),
                },
                "a classifier tells two classes or more apart",
            )),
            (Taught::Labels(_), _) => Err(Error::usage("there is no label to learn", "name one")),
        }
    }

    /// How scores are read: labels by a sigmoid each.
    pub fn scored(&self) -> Head {
        match self.taught {
            Taught::Labels(_) => Head::Sigmoid,
            _ => self.head,
        }
    }

    /// What `network` is trained with when nothing else is said: [`Preset::Modern`], and for the
    /// compact networks, which are there to show something in minutes, [`TrainOptions::default`]. A
    /// segmenter takes smaller steps: each of its images is thousands of examples.
    pub fn usual(network: &Network) -> Self {
        if network.segments() {
            let defaults = TrainOptions::default();
            TrainOptions { batch: 16, head: Head::of(network.classes), balance: false, ..defaults }
        } else if network.name.starts_with("compact-") {
            TrainOptions::default()
        } else {
            Preset::Modern.options()
        }
    }

    /// What decides the outcome, but for the seed, by name: for files, and for [`difference`](crate::provenance::difference). Running
    /// statistics, cross-entropy and the best epoch are not named, as they were not when there was no other choice: files
    /// of then can still be gone on from.
    pub fn describe(&self) -> Map<String, Value> {
        // All of them by name: a new option does not compile before it is thought of here.
        let TrainOptions {
            epochs,
            batch,
            head: _,
            taught,
            loss,
            optimizer,
            learning_rate,
            schedule,
            patience,
            keep,
            augment: Augment { flips, jitter },
            statistics,
            balance,
            seed: _,
            checkpoint: _,
            start,
            state: _,
            lines: _,
            pictures,
            stop: _,
            longer: _,
        } = self;
        let start = start.as_ref().map(|weights| {
            let numbers = weights.tensors.values().flat_map(|tensor| tensor.data());
            format!("{:016x}", digest(numbers.map(|value| u64::from(value.to_bits()))))
        });
        let entries = [
            ("epochs", json!(epochs)),
            ("batch", json!(batch)),
            ("head", json!(self.scored())),
            ("optimizer", json!(format!("{optimizer:?}"))),
            ("learning_rate", json!(learning_rate)),
            ("schedule", json!(schedule)),
            ("patience", json!(patience)),
            ("flips", json!([flips.horizontal, flips.vertical])),
            ("jitter", json!(jitter)),
            ("balance", json!(balance)),
            ("initial_weights", json!(start.unwrap_or("random".to_owned()))),
        ];
        let statistics = (*statistics != Statistics::Running)
            .then(|| ("batch_norm_statistics", json!(statistics)));
        let keep = (*keep != Keep::Best).then(|| ("keep", json!(keep)));
        let taught = match taught {
            Taught::Two => None,
            Taught::Classes(names) => Some(("classes", json!(names))),
            Taught::Labels(names) => Some(("labels", json!(names))),
        };
        let loss = (*loss != Loss::CrossEntropy).then(|| ("loss", json!(loss)));
        let entries = entries.into_iter().chain(statistics).chain(keep).chain(taught).chain(loss);
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        // They come first: with whole images other flips are usual, too.
        pictures.clone().into_iter().chain(entries).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::models;
    use crate::provenance::difference;

    #[test]
    fn keras_s_networks_train_for_about_200_epochs_and_the_compact_ones_for_minutes() {
        for network in models::NETWORKS {
            let options = TrainOptions::usual(network);
            let compact = network.name.starts_with("compact-");
            assert_eq!(options.epochs, if compact { 20 } else { 200 }, "{}", network.name);
            assert_eq!(options.patience.is_some(), !compact, "{}", network.name);
        }
    }

    #[test]
    fn units_are_those_of_what_is_told_apart() {
        let names = |n: usize| -> Vec<String> { (0..n).map(|name| name.to_string()).collect() };
        let units = |taught, head| TrainOptions { taught, head, ..TrainOptions::default() }.units();
        let (soft, sigmoid) = (Head::Softmax, Head::Sigmoid);
        for (taught, head, wanted) in [
            (Taught::Two, soft, 2),
            (Taught::Two, sigmoid, 1),
            (Taught::Classes(names(2)), soft, 2),
            (Taught::Classes(names(2)), sigmoid, 1),
            (Taught::Classes(names(5)), soft, 5),
            (Taught::Labels(names(5)), soft, 5),
            (Taught::Labels(names(2)), sigmoid, 2),
        ] {
            assert_eq!(units(taught.clone(), head).unwrap(), wanted, "{taught:?}");
        }
        for (taught, head) in [
            (Taught::Classes(names(3)), sigmoid),
            (Taught::Classes(names(1)), soft),
            (Taught::Classes(names(0)), soft),
            (Taught::Labels(names(0)), sigmoid),
        ] {
            assert!(units(taught.clone(), head).is_err(), "{taught:?}");
        }
        // The usual two are not named, as they were not when there were no others.
        assert!(!TrainOptions::default().describe().contains_key("classes"));
        let three = TrainOptions { taught: Taught::Classes(names(3)), ..TrainOptions::default() };
        let other = TrainOptions { taught: Taught::Labels(names(3)), ..TrainOptions::default() };
        assert!(difference(&three.describe(), &other.describe()).is_some());
    }

    #[test]
    fn a_difference_is_named() {
        let (paper, modern) = (Preset::Paper.options(), Preset::Modern.options());
        assert_eq!(difference(&paper.describe(), &paper.describe()), None);
        let other = TrainOptions { batch: 32, ..paper.clone() };
        let named = difference(&other.describe(), &paper.describe());
        assert_eq!(named.as_deref(), Some("batch was 26, is 32"));
        assert!(difference(&paper.describe(), &modern.describe()).is_some());
        // One that is named only where it is not the default.
        let other = TrainOptions { statistics: Statistics::Reestimated, ..paper.clone() };
        for (now, then, wanted) in [
            (&other, &paper, "batch_norm_statistics was the default, is \"reestimated\""),
            (&paper, &other, "batch_norm_statistics was \"reestimated\", is the default"),
        ] {
            let named = difference(&now.describe(), &then.describe());
            assert_eq!(named.as_deref(), Some(wanted));
        }
    }
}
