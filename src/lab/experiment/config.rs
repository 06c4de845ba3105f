//! The options that decide what comes out of an experiment, as `results.json` has them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Options, TestSet};
use crate::lab::data::{ReadOptions, duplicates};
use crate::provenance::difference;

/// The options that decide the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The data set's folder, or `synthetic`.
    pub data: String,
    /// Names of networks.
    pub models: Vec<String>,
    /// One run of every model for each.
    pub seeds: Vec<u64>,
    /// Into how many parts the patients of each seed are dealt, each of which is the validation side once; left out
    /// without folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<usize>,
    /// What is held out: a share of the patients, or a folder; left out without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Of the ROIs.
    pub seed: u64,
    /// Whether whole images stand in the place of ROIs.
    #[serde(default)]
    pub whole: bool,
    /// What becomes of pictures that show the same scan.
    #[serde(default)]
    pub duplicates: duplicates::Handling,
    /// How pictures are read, as [`pictures`] has it; left out where all of it is usual.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub pictures: Map<String, Value>,
    /// The paper's experiments.
    pub experiments: Vec<u32>,
    /// For each model: epochs, batch, head, optimizer, learning_rate, schedule, patience, flips,
    /// balance, initial_weights, input, scaling, batch_norm_statistics unless they are the running
    /// ones, and dense where the head has hidden layers.
    pub training: BTreeMap<String, Map<String, Value>>,
}

impl Config {
    /// What `options` say.
    pub fn new(options: &Options) -> Self {
        // All of them by name: a new option does not compile before it is thought of here.
        let Options {
            read,
            duplicates,
            data,
            out: _,
            models,
            seeds,
            folds,
            test,
            seed,
            whole,
            experiments,
            only: _,
            again: _,
        } = options;
        let data = data.as_ref().map(|folder| folder.display().to_string());
        let name = |setup: &super::Setup| setup.network.name.to_owned();
        Config {
            data: data.unwrap_or("synthetic".to_owned()),
            models: models.iter().map(name).collect(),
            seeds: seeds.clone(),
            folds: *folds,
            test: test.as_ref().map(words),
            seed: *seed,
            whole: *whole,
            duplicates: *duplicates,
            pictures: pictures(read),
            experiments: experiments.clone(),
            training: models.iter().map(|one| (name(one), one.describe())).collect(),
        }
    }

    /// What all runs must share. Models, seeds and experiments may be added. Where the data lie does not count:
    /// their fingerprint does.
    pub fn settings(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut settings)) = serde_json::to_value(self) else { return Map::new() };
        for free in ["data", "test", "models", "seeds", "experiments", "training"] {
            settings.remove(free);
        }
        settings
    }

    /// The first thing in which runs under `earlier` would differ.
    pub fn difference(&self, earlier: &Config) -> Option<String> {
        difference(&self.settings(), &earlier.settings()).or_else(|| {
            self.training.iter().find_map(|(model, now)| {
                let difference = difference(now, earlier.training.get(model)?)?;
                Some(format!("{model}: {difference}"))
            })
        })
    }

    /// Takes in the models, seeds and experiments of `earlier`, whose runs are kept.
    pub fn take_in(&mut self, earlier: Config) {
        fn union<T: PartialEq>(own: &mut Vec<T>, others: Vec<T>) {
            let new: Vec<T> = others.into_iter().filter(|other| !own.contains(other)).collect();
            own.extend(new);
        }
        union(&mut self.models, earlier.models);
        union(&mut self.seeds, earlier.seeds);
        union(&mut self.experiments, earlier.experiments);
        self.experiments.sort_unstable();
        for (model, training) in earlier.training {
            self.training.entry(model).or_insert(training);
        }
    }
}

/// A test set as the command line has it.
fn words(test: &TestSet) -> String {
    match test {
        TestSet::Share(share) => share.to_string(),
        TestSet::Folder(folder) => folder.display().to_string(),
    }
}

/// How pictures are read, by name, where it is not as usual. What comes of it is in the fingerprint of the ROIs;
/// this says which option it was.
pub fn pictures(read: &ReadOptions) -> Map<String, Value> {
    let ReadOptions { projections, origin, window, mask_values, outlines, normals, positive } =
        read;
    let usual = ReadOptions::default();
    let named = [
        ("projections", *projections != usual.projections, json!(format!("{projections:?}"))),
        ("origin", *origin != usual.origin, json!(format!("{origin:?}"))),
        ("window", *window != usual.window, json!(window.map(|window| window.levels()))),
        ("mask_values", *mask_values != usual.mask_values, json!(mask_values)),
        // Where they lie does not count.
        ("outlines", outlines.is_some(), json!(true)),
        ("positive", !positive.is_empty(), json!(positive)),
        ("normals", *normals != usual.normals, json!(format!("{normals:?}").to_lowercase())),
    ];
    let named = named.into_iter().filter(|(_, is, _)| *is);
    named.map(|(name, _, value)| (name.to_owned(), value)).collect()
}
