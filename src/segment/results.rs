//! `results.json` of a weakly supervised segmentation.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::score::Summary;
use super::{Options, Recipe};
use crate::error::{Error, Result};
use crate::experiment::{DatasetSummary, Intervals};
use crate::files;
use crate::gpu::Gpu;
use crate::metrics::interval::too_few;
use crate::report::table::Table;

/// The options that decide the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The data set's folder, or `synthetic`.
    pub data: String,
    /// Whether whole images stand in the place of ROIs.
    pub whole: bool,
    /// The network whose heatmaps are used.
    pub classifier: String,
    /// How it is trained; none where it comes from an earlier run.
    pub training: Option<Map<String, Value>>,
    /// The network that gives masks.
    pub segmenter: String,
    /// How it is trained.
    pub segmenter_training: Map<String, Value>,
    /// How pseudo-masks are made.
    pub recipe: Recipe,
    /// Of the ROIs.
    pub seed: u64,
}

impl Config {
    /// What `options` say.
    pub fn new(options: &Options) -> Self {
        let data = options.data.as_ref().map(|folder| folder.display().to_string());
        let own = options.weights.is_none();
        Config {
            data: data.unwrap_or("synthetic".to_owned()),
            whole: options.whole,
            classifier: options.classifier.network.name.to_owned(),
            training: own.then(|| options.classifier.describe()),
            segmenter: options.segmenter.network.name.to_owned(),
            segmenter_training: options.segmenter.describe(),
            recipe: options.recipe.clone(),
            seed: options.seed,
        }
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

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Of parula.
    pub version: String,
    /// The GPU, with its backend and driver.
    pub adapter: String,
    /// What stands for the kernel variants that `parula tune` chose, or `none`.
    pub tuning: String,
    /// The options that decide the outcome.
    pub config: Config,
    /// The ROIs, or whole images.
    pub dataset: DatasetSummary,
    /// How all intervals were found.
    pub intervals: Intervals,
    /// In order of running.
    pub seeds: Vec<SeedResult>,
    /// Of each origin of masks, over all seeds and the abnormal images of their validation sides.
    pub summary: Vec<Summary>,
}

impl Results {
    /// Results without seeds.
    pub fn new(gpu: &Gpu, config: Config, dataset: DatasetSummary) -> Self {
        Results {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: gpu.report().to_string(),
            tuning: gpu.choices().digest(),
            config,
            dataset,
            intervals: Intervals::over_seeds(),
            seeds: Vec::new(),
            summary: Vec::new(),
        }
    }

    /// Takes over the seeds of `earlier`, read from `path`.
    ///
    /// # Errors
    /// [`Error::Content`] when they are of another configuration: the first difference is named.
    pub fn take_up(&mut self, earlier: Results, path: &Path) -> Result<()> {
        let now = self.decisive(path)?;
        let then = earlier.decisive(path)?;
        if let Some(difference) = crate::train::difference(&now, &then) {
            return Err(Error::content(
                path,
                format!("it is from another configuration: {difference}"),
                "give the same options, another --out, or leave --resume away",
            ));
        }
        self.seeds = earlier.seeds;
        self.summary = earlier.summary;
        Ok(())
    }

    /// What decides the outcome, by name. Another path of the same data does not.
    fn decisive(&self, path: &Path) -> Result<Map<String, Value>> {
        let bug = |error: serde_json::Error| {
            Error::content(path, error.to_string(), "this is a bug, please report it")
        };
        let Value::Object(mut all) = serde_json::to_value(&self.config).map_err(bug)? else {
            return Ok(Map::new());
        };
        all.remove("data");
        for (key, value) in [
            ("version", &self.version),
            ("adapter", &self.adapter),
            ("tuning", &self.tuning),
            ("images", &self.dataset.fingerprint),
        ] {
            all.insert(key.to_owned(), Value::String(value.clone()));
        }
        Ok(all)
    }

    /// Why intervals of the table are marked, where any is.
    pub fn too_few(&self) -> Option<String> {
        too_few(self.summary.iter().flat_map(|one| [&one.dice, &one.iou, &one.over_ellipse]))
    }

    /// The summary for people.
    pub fn table(&self) -> Table {
        let mut table = Table::new(&["masks", "Dice", "IoU", "Dice over the ellipse's"]);
        for summary in &self.summary {
            table.row(vec![
                summary.origin.words().to_owned(),
                summary.dice.to_string(),
                summary.iou.to_string(),
                summary.over_ellipse.to_string(),
            ]);
        }
        table
    }

    /// Replaces the file at `path`.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        files::write_json(path, self)
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Content`] when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        files::read_json(path, "results")
    }
}
