//! `results.json` of a weakly supervised segmentation.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::score::MaskSummary;
use super::{Options, Recipe};
use crate::engine::gpu::Gpu;
use crate::error::Result;
use crate::files;
use crate::lab::data::duplicates;
use crate::lab::experiment::{DatasetSummary, Intervals, pictures};
use crate::lab::metrics::interval::{Interval, too_few};
use crate::lab::report::latex;
use crate::lab::report::table::Table;

/// The options that decide the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The data set's folder, or `synthetic`.
    pub data: String,
    /// Whether whole images stand in the place of ROIs.
    pub whole: bool,
    /// What becomes of pictures that show the same scan.
    #[serde(default)]
    pub duplicates: duplicates::Handling,
    /// How pictures are read, as [`pictures`] has it; left out where all of it is usual.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub pictures: Map<String, Value>,
    /// The network whose heatmaps are used.
    pub classifier: String,
    /// How it is trained; none where it comes from an earlier run.
    pub training: Option<Map<String, Value>>,
    /// The earlier run that it comes from, if it does.
    #[serde(default)]
    pub weights: Option<String>,
    /// The network that gives masks.
    pub segmenter: String,
    /// How it is trained.
    pub segmenter_training: Map<String, Value>,
    /// How pseudo-masks are made.
    pub recipe: Recipe,
    /// Of the ROIs.
    pub seed: u64,
    /// One run for each; none in files of before they were written.
    #[serde(default)]
    pub seeds: Vec<u64>,
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
            classifier,
            weights,
            segmenter,
            recipe,
            whole,
            seeds,
            seed,
            only: _,
            again: _,
        } = options;
        let shown = |folder: &PathBuf| folder.display().to_string();
        let own = weights.is_none();
        Config {
            data: data.as_ref().map_or("synthetic".to_owned(), shown),
            whole: *whole,
            duplicates: *duplicates,
            pictures: pictures(read),
            classifier: classifier.network.name.to_owned(),
            training: own.then(|| classifier.describe()),
            weights: weights.as_ref().map(shown),
            segmenter: segmenter.network.name.to_owned(),
            segmenter_training: segmenter.describe(),
            recipe: recipe.clone(),
            seed: *seed,
            seeds: seeds.clone(),
        }
    }

    /// What all seeds must share. They may be more. Where data and weights lie does not count: what they are does.
    pub fn settings(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut settings)) = serde_json::to_value(self) else { return Map::new() };
        for free in ["data", "weights", "seeds"] {
            settings.remove(free);
        }
        settings
    }

    /// Takes in the seeds of `earlier`, which are kept.
    pub fn take_in(&mut self, earlier: Config) {
        let new = earlier.seeds.into_iter().filter(|seed| !self.seeds.contains(seed));
        self.seeds.extend(new.collect::<Vec<_>>());
    }
}

/// One seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedResult {
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// The share of validation images that the classifier tells rightly.
    pub val_acc: f64,
    /// The heatmaps' threshold, of 255, that is best on the training side: by the truth there.
    pub cam_threshold: u8,
    /// The mean loss of each epoch on pseudo-masks.
    pub weak_losses: Vec<f64>,
    /// The mean loss of each epoch on the truth.
    pub supervised_losses: Vec<f64>,
    /// Of all of it in this process.
    pub seconds: f64,
}

/// A part that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The part's number.
    pub task: usize,
    /// The seed.
    pub seed: u64,
}

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
    /// The options that decide the outcome.
    pub config: Config,
    /// The ROIs, or whole images.
    pub dataset: DatasetSummary,
    /// How all intervals were found.
    pub intervals: Intervals,
    /// In order of running.
    pub seeds: Vec<SeedResult>,
    /// Of each origin of masks, over all seeds and the abnormal images of their validation sides.
    pub summary: Vec<MaskSummary>,
    /// What is still to be run, where the results were put together from parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
}

impl Results {
    /// Results without seeds.
    pub fn new(gpu: &Gpu, config: Config, dataset: DatasetSummary) -> Self {
        Results {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: gpu.report().to_string(),
            tuning: gpu.choices().digest(),
            precision: gpu.precision().to_owned(),
            config,
            dataset,
            intervals: Intervals::over_seeds(),
            seeds: Vec::new(),
            summary: Vec::new(),
            missing: Vec::new(),
        }
    }

    /// Why intervals of the table are marked, where any is.
    pub fn too_few(&self) -> Option<String> {
        too_few(self.summary.iter().flat_map(|one| [&one.dice, &one.iou, &one.over_ellipse]))
    }

    /// The summary for people.
    pub fn table(&self) -> Table {
        let header =
            ["masks", "Dice", "IoU", "Dice over the ellipse's", "HD95, pixels", "surface Dice"];
        let mut table = Table::new(&header);
        let mean = |found: Option<Interval>, decimals: usize| match found {
            Some(found) => format!("{:.decimals$}", found.mean),
            None => "-".to_owned(),
        };
        for summary in &self.summary {
            table.row(vec![
                summary.origin.words().to_owned(),
                summary.dice.to_string(),
                summary.iou.to_string(),
                summary.over_ellipse.to_string(),
                mean(summary.hausdorff_95, 1),
                mean(summary.surface_dice, 3),
            ]);
        }
        table
    }

    /// The same as LaTeX.
    pub fn latex(&self) -> String {
        let Config { data, classifier, segmenter, .. } = &self.config;
        let seeds: Vec<u64> = self.seeds.iter().map(|done| done.seed).collect();
        let what = self.dataset.source(data, &seeds, self.too_few());
        let what = latex::Source { adapter: &self.adapter, version: &self.version, ..what }.words();
        let caption = format!(
            "Masks of {segmenter}, learnt from heatmaps of {classifier} or from the truth, held against the truth of the \
             validation side. {what}"
        );
        latex::head("weak") + &latex::float(&self.table(), &caption, "masks")
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
        files::read_json(path, "results")
    }
}
