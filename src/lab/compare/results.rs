//! `compare.json`: what was compared, on what, and what came out.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map as Object, Value, json};

use super::classifier::Classifier;
use super::maps::CONTROLS;
use super::metric::METRICS;
use super::trust::{Rule, Trust, TrustNetwork, TrustPair};
use super::{Options, TRIVIAL};
use crate::engine::gpu::Gpu;
use crate::error::Result;
use crate::files;
use crate::lab::data::Class;
use crate::lab::experiment::{DatasetSummary, Intervals, pictures};
use crate::lab::metrics::interval::Interval;
use crate::provenance::difference;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Of parula.
    pub version: String,
    /// The GPU, with its backend and driver.
    pub adapter: String,
    /// What stands for the kernel variants that `parula tune` chose, or `none`.
    pub tuning: String,
    /// How activations were stored: `f32` or `f16`.
    #[serde(default = "crate::lab::experiment::single")]
    pub precision: String,
    /// What was asked.
    pub config: Config,
    /// The ROIs.
    pub dataset: DatasetSummary,
    /// The class whose score every heatmap explains.
    pub explained_class: String,
    /// Name, title, meaning of every metric, and whether more is better.
    pub metrics: Vec<Value>,
    /// How all intervals were found.
    pub intervals: Intervals,
    /// One entry a model, seed and map, in order of running.
    pub units: Vec<Unit>,
    /// One entry a model and map: of each model the best first.
    pub summary: Vec<MapSummary>,
    /// One entry a model and seed: what the network is worth. Empty in results from before there was this.
    #[serde(default)]
    pub classifiers: Vec<Classifier>,
    /// What is still to be run, where the results were put together from parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// With `--trust`, one entry a model and method, and the controls: whether its maps depend on the network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<Trust>,
    /// When each test of trust is passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_rules: Vec<Rule>,
    /// The networks that maps were held against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_networks: Vec<TrustNetwork>,
    /// One entry a method and two models.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust_pairs: Vec<TrustPair>,
}

/// What a part has not finished of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The part's number.
    pub task: usize,
    /// The network.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// The maps that are not scored.
    pub maps: Vec<String>,
    /// The maps that are not tested for trust.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trust: Vec<String>,
    /// The maps that are not held against those of another network, as `gradcam with compact-resnet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<String>,
}

/// The options that decide the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The data set's folder, or `synthetic`.
    pub data: String,
    /// Names of networks.
    pub models: Vec<String>,
    /// Names of methods; trivial maps go without saying.
    pub methods: Vec<String>,
    /// One network of every model for each.
    pub seeds: Vec<u64>,
    /// The metric that the summary is ordered by.
    pub rank_by: String,
    /// All others, which runs that are gone on with must share.
    pub settings: Object<String, Value>,
    /// For each model, how it is trained; of networks that are only explained it says nothing.
    pub training: BTreeMap<String, Object<String, Value>>,
    /// How trust was tested, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Object<String, Value>>,
}

/// One map of one model with one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Unit {
    /// The network.
    pub model: String,
    /// Of the split, the network and all draws.
    pub seed: u64,
    /// The method, or the trivial map.
    pub method: String,
    /// Whether it looks at no network.
    pub trivial: bool,
    /// The network's accuracy on the whole validation side.
    pub val_acc: f64,
    /// The threshold with the best mean Dice over training ROIs.
    pub threshold: u8,
    /// Training ROIs that it was chosen on.
    pub training_rois: usize,
    /// Validation ROIs that were scored.
    pub rois: usize,
    /// How many of them were also judged by deletion, insertion and ROAD.
    pub faithfulness_rois: usize,
    /// Validation ROIs whose heatmap is 0 everywhere.
    pub empty: usize,
    /// The mean of each metric; null where it was not measured.
    pub values: BTreeMap<String, Option<f64>>,
    /// What training on ROIs times their heatmaps gave; null where it was not asked for.
    pub retrained: Option<Retrained>,
    /// Making heatmaps, a ROI.
    pub seconds_a_heatmap: f64,
    /// Deletion, insertion and ROAD, a ROI; null where they were not measured.
    pub seconds_a_faithfulness: Option<f64>,
    /// All of it.
    pub seconds: f64,
}

/// What training from scratch on ROIs times their heatmaps gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retrained {
    /// The best validation accuracy.
    pub val_acc: f64,
    /// Epochs that were run.
    pub epochs: usize,
    /// Filtered normal ROIs of which nothing is left: all black.
    pub black_normal: usize,
    /// The same of abnormal ones.
    pub black_abnormal: usize,
}

/// A map of a model over its seeds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapSummary {
    /// The network.
    pub model: String,
    /// The method, or the trivial map.
    pub method: String,
    /// Whether it looks at no network.
    pub trivial: bool,
    /// Among the maps of the model, from 1.
    pub rank: usize,
    /// How many.
    pub seeds: usize,
    /// Mean and interval of each metric; null where it was not measured.
    pub values: BTreeMap<String, Option<Interval>>,
}

impl Config {
    /// What `options` say.
    pub fn new(options: &Options) -> Self {
        // All of them by name: a new option does not compile before it is thought of here.
        let Options {
            data,
            read,
            duplicates,
            out: _,
            weights,
            models,
            methods,
            seeds,
            seed,
            whole,
            images,
            training_images,
            faithfulness_images,
            steps,
            samples,
            patch,
            stride,
            rank_by,
            retrain,
            heatmaps,
            trust,
            only: _,
            again: _,
        } = options;
        let shown = |path: &Path| path.display().to_string();
        let name = |setup: &crate::lab::experiment::Setup| setup.network.name.to_owned();
        let settings = json!({
            "seed": seed,
            "whole": whole,
            "duplicates": duplicates,
            "images": images,
            "training_images": training_images,
            "faithfulness_images": faithfulness_images,
            "steps": steps,
            "samples": samples,
            "patch": patch,
            "stride": stride,
            "retrain": retrain,
            "heatmaps": heatmaps,
            "weights": weights.as_deref().map(shown),
        });
        let mut settings = settings.as_object().cloned().unwrap_or_default();
        let pictures = pictures(read);
        if !pictures.is_empty() {
            settings.insert("pictures".to_owned(), Value::Object(pictures));
        }
        let trains = weights.is_none() || *retrain || trust.is_some();
        let trained = models.iter().filter(|_| trains);
        Config {
            data: data.as_deref().map_or("synthetic".to_owned(), shown),
            models: models.iter().map(name).collect(),
            methods: methods.iter().map(|method| method.name.to_owned()).collect(),
            seeds: seeds.clone(),
            rank_by: rank_by.name.to_owned(),
            settings,
            training: trained.map(|setup| (name(setup), setup.describe())).collect(),
            trust: trust.map(|trust| trust.describe()),
        }
    }

    /// What all units must share. Models, methods and seeds may be added. Where weights lie does not count:
    /// what they are does.
    pub fn shared_settings(&self) -> Object<String, Value> {
        let mut settings = self.settings.clone();
        settings.remove("weights");
        settings
    }

    /// The first thing in which units under `earlier` would differ.
    pub fn difference(&self, earlier: &Config) -> Option<String> {
        difference(&self.shared_settings(), &earlier.shared_settings())
            .or_else(|| {
                self.training.iter().find_map(|(model, now)| {
                    let difference = difference(now, earlier.training.get(model)?)?;
                    Some(format!("{model}: {difference}"))
                })
            })
            .or_else(|| {
                let difference = difference(self.trust.as_ref()?, earlier.trust.as_ref()?)?;
                Some(format!("trust: {difference}"))
            })
    }

    /// Takes in the models, methods and seeds of `earlier`, whose units are kept.
    pub fn take_in(&mut self, earlier: Config) {
        fn union<T: PartialEq>(own: &mut Vec<T>, others: Vec<T>) {
            let new: Vec<T> = others.into_iter().filter(|other| !own.contains(other)).collect();
            own.extend(new);
        }
        union(&mut self.models, earlier.models);
        union(&mut self.methods, earlier.methods);
        union(&mut self.seeds, earlier.seeds);
        for (model, training) in earlier.training {
            self.training.entry(model).or_insert(training);
        }
        if self.trust.is_none() {
            self.trust = earlier.trust;
        }
    }
}

impl Results {
    /// What `show` makes of the `maps` of each model that has some, in the models' order.
    pub(in crate::lab::compare) fn each_model<T>(
        &self,
        maps: &[T],
        model_of: impl Fn(&T) -> &str,
        show: impl Fn(&str, &[&T]) -> String,
    ) -> String {
        let of = |model: &String| -> String {
            let own: Vec<&T> = maps.iter().filter(|map| model_of(map) == model).collect();
            if own.is_empty() { String::new() } else { show(model, &own) }
        };
        self.config.models.iter().map(of).collect()
    }

    /// Results without units.
    pub fn new(gpu: &Gpu, config: Config, dataset: DatasetSummary) -> Self {
        let metric = |metric: &super::Metric| {
            json!({
                "name": metric.name, "title": metric.title, "about": metric.about,
                "better": if metric.higher { "higher" } else { "lower" },
            })
        };
        Results {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: gpu.report().to_string(),
            tuning: gpu.choices().digest(),
            precision: gpu.precision().to_owned(),
            config,
            dataset,
            explained_class: Class::Abnormal.name().to_owned(),
            metrics: METRICS.iter().map(metric).collect(),
            intervals: Intervals::over_seeds(),
            units: Vec::new(),
            summary: Vec::new(),
            classifiers: Vec::new(),
            missing: Vec::new(),
            trust: Vec::new(),
            trust_rules: Vec::new(),
            trust_networks: Vec::new(),
            trust_pairs: Vec::new(),
        }
    }

    /// Takes up the units that `earlier` has finished.
    pub(super) fn take_up(&mut self, earlier: Results) {
        self.units = earlier.units;
        self.classifiers = earlier.classifiers;
        self.trust = earlier.trust;
        self.trust_networks = earlier.trust_networks;
        self.trust_pairs = earlier.trust_pairs;
    }

    /// What the network is worth, where that is known.
    pub fn classifier(&self, model: &str, seed: u64) -> Option<&Classifier> {
        self.classifiers.iter().find(|one| one.model == model && one.seed == seed)
    }

    /// Whether the unit is finished.
    pub fn has(&self, model: &str, seed: u64, method: &str) -> bool {
        self.unit(model, seed, method).is_some()
    }

    /// A finished unit.
    pub fn unit(&self, model: &str, seed: u64, method: &str) -> Option<&Unit> {
        let is = |unit: &&Unit| unit.model == model && unit.seed == seed && unit.method == method;
        self.units.iter().find(is)
    }

    /// The maps that were compared: methods, then trivial maps, and where trust was tested its controls.
    pub fn maps(&self) -> Vec<&str> {
        let methods = self.config.methods.iter().map(String::as_str);
        let controls = self.config.trust.iter().flat_map(|_| &CONTROLS);
        methods.chain(TRIVIAL.iter().chain(controls).map(|map| map.name())).collect()
    }

    /// Replaces the file at `path`.
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File) when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_json(path, self)
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File) or [`Error::Content`](crate::error::Error::Content) when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        files::read_json(path, "a comparison")
    }
}
