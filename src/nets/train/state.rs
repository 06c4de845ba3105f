//! The state of a training run after an epoch, in one file that is whole or absent.
//!
//! It holds the variables, the optimiser's memory, the weights of the best epoch, and what every epoch
//! reached. All else follows: the best epoch and early stopping from the epochs' records, the order of
//! images and the learning rate from their number.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TrainOptions;
use super::loss_scale::LossScale;
use crate::draw::mix;
use crate::engine::gpu::Gpu;
use crate::engine::gpu::environment;
use crate::engine::graph::Role;
use crate::engine::session::Store;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::files;
use crate::nets::images::{Prepared, Split};
use crate::nets::models::Network;
use crate::nets::train::record::EpochRecord;
use crate::nets::weights::{self, Metadata, Raw, Weights};
use crate::provenance::{Items, difference};

/// What comes before a tensor's name in the file.
const NOW: &str = "now/";
const BEST: &str = "best/";
const MEMORY: &str = "memory/";
/// Keys of the file's metadata.
const PROGRESS: &str = "progress";
const CONFIGURATION: &str = "configuration";
/// What stands for all of the rest: the state and its digest are whole together, or not there at all.
const DIGEST: &str = "digest";

/// How many epochs a training is to have, in [`Configuration`], and how many it was to have before, if it was
/// finished and then gone on with.
const EPOCHS: &str = "epochs";
const EPOCHS_BEFORE: &str = "epochs_before";
/// No training takes longer: a thousand years.
const MOST_SECONDS: f64 = 3e10;

/// What decides the outcome of a training, by name.
pub type Configuration = Items;

/// How far a training has come; `R` is what an epoch leaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Progress<R = EpochRecord> {
    /// Of each epoch that is finished.
    pub records: Vec<R>,
    /// Time that they took.
    pub seconds: f64,
    /// After the last of them, in 16 bits.
    #[serde(default)]
    pub loss_scale: Option<LossScale>,
}

impl<R> Progress<R> {
    /// Before the first epoch.
    pub fn start() -> Self {
        Progress { records: Vec::new(), seconds: 0.0, loss_scale: None }
    }
}

/// What of the images decides the outcome of a training, by name: their numbers and labels, and which
/// are learnt from.
pub fn material(prepared: &Prepared, split: &Split) -> Configuration {
    let numbers = prepared.images.iter().map(|value| u64::from(value.to_bits()));
    let labels = prepared.labels.iter().map(|&label| label as u64);
    let marks = prepared.marks.iter().flatten().map(|&mark| u64::from(mark));
    [
        ("input", json!([prepared.size.0, prepared.size.1])),
        ("scaling", json!(prepared.scaling.name())),
        ("images", json!(format!("{:016x}", digest(numbers.chain(labels).chain(marks))))),
        ("split", json!(sides(split))),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// What stands for the two sides of a split.
pub fn sides(split: &Split) -> String {
    let train = split.train.iter().map(|&index| index as u64);
    let sides = train.chain([u64::MAX]).chain(split.validation.iter().map(|&index| index as u64));
    format!("{:016x}", digest(sides))
}

/// The configuration of training `network` on `material` as `options` say, on an adapter with the
/// variants and the precision that were chosen for it.
pub fn configuration(
    gpu: &Gpu,
    network: &Network,
    material: Configuration,
    options: &TrainOptions,
) -> Configuration {
    let mut configuration = environment(gpu);
    configuration.insert("model".to_owned(), json!(network.identity()));
    configuration.insert("seed".to_owned(), json!(options.seed));
    configuration.extend(material);
    configuration.extend(options.describe());
    if !network.dense().is_empty() {
        configuration.insert("dense".to_owned(), json!(network.dense()));
    }
    configuration
}

/// The progress in a state's `text`.
///
/// # Errors
/// That it is none of this version.
pub(crate) fn progress_of<R: DeserializeOwned>(
    text: &str,
) -> Result<Progress<R>, serde_json::Error> {
    serde_json::from_str(text)
}

/// A number that stands for a sequence of numbers.
pub fn digest(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, |state, number| mix(state ^ number))
}

/// Writes the state to `path`: the weights `now`, those of the best epoch, `best`, which is none when it
/// is the last one, and the optimiser's memory in `store`.
///
/// # Errors
/// [`Error::File`] when it cannot be written: the older file is then untouched. [`Error::Gpu`] when
/// the device failed.
pub fn save<R: Serialize>(
    path: &Path,
    configuration: &Configuration,
    progress: &Progress<R>,
    now: &Weights,
    best: Option<&Weights>,
    store: &Store,
) -> Result<()> {
    let bug = |error: serde_json::Error| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    };
    let mut file = Weights::default();
    file.metadata.insert(PROGRESS.to_owned(), serde_json::to_string(progress).map_err(bug)?);
    file.metadata
        .insert(CONFIGURATION.to_owned(), serde_json::to_string(configuration).map_err(bug)?);
    let best = best.into_iter().flat_map(|best| &best.tensors).map(|entry| (BEST, entry));
    for (role, (name, tensor)) in now.tensors.iter().map(|entry| (NOW, entry)).chain(best) {
        file.tensors.insert(format!("{role}{name}"), tensor.clone());
    }
    let memory = store.names_of(&[Role::Optimizer]);
    for (name, tensor) in memory.iter().zip(store.get(&memory)?) {
        file.tensors.insert(format!("{MEMORY}{name}"), tensor);
    }
    let content = content(&file.metadata, &file.tensors);
    file.metadata.insert(DIGEST.to_owned(), content);
    files::create_folder_of(path)?;
    weights::save(path, &file, &[], None)
}

/// What stands for a state's texts and tensors.
fn content(metadata: &Metadata, tensors: &BTreeMap<String, Tensor>) -> String {
    let texts = metadata.iter().filter(|(key, _)| *key != DIGEST).flat_map(|(k, v)| [k, v]);
    let names = tensors.keys();
    let text = crate::digest::digest(texts.chain(names).map(String::as_str));
    let numbers = tensors.values().flat_map(|tensor| {
        let shape = tensor.shape().dims().iter().map(|&length| length as u64);
        // Two at once: it is done after every epoch, and a network has many.
        let pairs = tensor.data().chunks(2).map(|pair| {
            let [low, high] = [0, 1].map(|at| pair.get(at).map_or(0, |value| value.to_bits()));
            u64::from(high) << 32 | u64::from(low)
        });
        shape.chain(pairs)
    });
    format!("{text}{:016x}", digest(numbers))
}

/// What to do about a state that is of no use: that of one phase of a run may go by itself, that of a training
/// with `longer`, which is all there is, not without a word for its weights.
pub fn hint(longer: bool) -> &'static str {
    match longer {
        true => "give --overwrite to begin anew, or another --out",
        false => "delete it, and this training starts from the beginning",
    }
}

/// What a state says.
pub struct Restored<R> {
    /// How far the training had come.
    pub progress: Progress<R>,
    /// The weights of the best epoch, where that is not the last one.
    pub best: Option<Weights>,
    /// What decides the outcome from here on.
    pub configuration: Configuration,
    /// Whether the training was finished, and is gone on with for more epochs.
    pub longer: bool,
}

/// Puts the state in `path` into `store`, and returns the rest of it. With `longer`, `configuration` may have
/// more epochs than a training that is finished.
///
/// # Errors
/// [`Error::File`] or [`Error::Content`] when it cannot be read, or is of another configuration: the
/// difference is named, and `store` is unchanged.
pub fn restore<R: DeserializeOwned>(
    path: &Path,
    configuration: &Configuration,
    longer: bool,
    store: &Store,
) -> Result<Restored<R>> {
    let hint = hint(longer);
    let broken = |problem: String| Error::content(path, problem, hint);
    let file = Raw::read(path).map_err(|error| match error {
        Error::Content { problem, .. } => broken(problem),
        other => other,
    })?;
    let text = |key| {
        let text = file.metadata.get(key).map(String::as_str);
        text.ok_or_else(|| broken("it is not the state of a training".to_owned()))
    };
    let unreadable =
        |error: serde_json::Error| broken(format!("not a state of this version ({error})"));
    let then: Configuration = serde_json::from_str(text(CONFIGURATION)?).map_err(unreadable)?;
    let progress: Progress<R> = progress_of(text(PROGRESS)?).map_err(unreadable)?;
    if !(0.0..=MOST_SECONDS).contains(&progress.seconds) {
        return Err(broken(format!("it says that it took {} s", progress.seconds)));
    }
    let digest_then = text(DIGEST)?.to_owned();
    let mut tensors: BTreeMap<String, Tensor> = BTreeMap::new();
    for layer in file.layers {
        let named = layer.tensors.into_iter();
        tensors.extend(named.map(|(name, tensor)| (format!("{}/{name}", layer.place), tensor)));
    }
    if content(&file.metadata, &tensors) != digest_then {
        return Err(broken("it has changed since the training wrote it".to_owned()));
    }
    let (configuration, longer) = match longer {
        true => taken_up(configuration, &then, progress.records.len()),
        false => (configuration.clone(), false),
    };
    // What a longer training differs in is known.
    let compared = |configuration: &Configuration| {
        let known = |name: &String| longer && [EPOCHS, EPOCHS_BEFORE].contains(&name.as_str());
        configuration.clone().into_iter().filter(|(name, _)| !known(name)).collect()
    };
    if let Some(difference) = difference(&compared(&configuration), &compared(&then)) {
        return Err(Error::content(
            path,
            format!("it is from another configuration: {difference}"),
            format!("give the same options, or {}", hint.trim_start_matches("give ")),
        ));
    }
    let mut take = |role: &str, names: &[String]| -> Option<BTreeMap<String, Tensor>> {
        let take = |name: &String| Some((name.clone(), tensors.remove(&format!("{role}{name}"))?));
        names.iter().map(take).collect()
    };
    let (own, memory) = (store.names(), store.names_of(&[Role::Optimizer]));
    let (Some(now), Some(memory)) = (take(NOW, &own), take(MEMORY, &memory)) else {
        return Err(broken("variables are missing".to_owned()));
    };
    let best = take(BEST, &own).map(|tensors| Weights { tensors, ..Weights::default() });
    now.iter().chain(&memory).try_for_each(|(name, tensor)| store.set(name, tensor))?;
    Ok(Restored { progress, best, configuration, longer })
}

/// What decides the outcome where a training as `then` says, of which `done` epochs are finished, is gone on
/// with, and whether that is for more epochs than it was to have. How many it was to have before is part of
/// it: the learning rate was that of a shorter schedule.
fn taken_up(now: &Configuration, then: &Configuration, done: usize) -> (Configuration, bool) {
    let epochs = |configuration: &Configuration| {
        configuration.get(EPOCHS).and_then(Value::as_u64).unwrap_or_default()
    };
    let before = then.get(EPOCHS_BEFORE).and_then(Value::as_array);
    let mut before = before.cloned().unwrap_or_default();
    let longer = epochs(now) > epochs(then) && done as u64 >= epochs(then);
    if longer {
        before.push(json!(epochs(then)));
    }
    let mut now = now.clone();
    if !before.is_empty() {
        now.insert(EPOCHS_BEFORE.to_owned(), Value::Array(before));
    }
    (now, longer)
}
