//! `results.json`: what was run, on what, and what came out.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Options;
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::AdapterReport;
use crate::report::table::Interval;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Of parula.
    pub version: String,
    /// The GPU, with its backend and driver.
    pub adapter: String,
    /// The options that decide the outcome.
    pub config: Config,
    /// The ROIs.
    pub dataset: DatasetSummary,
    /// Mean-Dice of trivial maps.
    pub baselines: Baselines,
    /// One entry a model and seed, in order of running.
    pub runs: Vec<RunResult>,
    /// One entry a model.
    pub summary: Vec<Summary>,
}

/// The options that decide the outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The data set's folder, or `synthetic`.
    pub data: String,
    /// Names of networks.
    pub models: Vec<String>,
    /// One run of every model for each.
    pub seeds: Vec<u64>,
    /// Of the ROIs.
    pub seed: u64,
    /// At most.
    pub epochs: u32,
    /// Images in a step.
    pub batch: usize,
    /// In words.
    pub optimizer: String,
    /// At the start.
    pub learning_rate: f64,
    /// `constant` or `cosine`.
    pub schedule: String,
    /// Epochs without a lower validation loss before stopping.
    pub patience: Option<u32>,
    /// Height and width of the input; null for each network's own.
    pub size: Option<usize>,
}

impl Config {
    /// What `options` say.
    pub fn new(options: &Options) -> Self {
        let train = &options.train;
        Config {
            data: options
                .data
                .as_ref()
                .map_or("synthetic".to_owned(), |folder| folder.display().to_string()),
            models: options.models.clone(),
            seeds: options.seeds.clone(),
            seed: options.seed,
            epochs: train.epochs,
            batch: train.batch,
            optimizer: format!("{:?}", train.optimizer),
            learning_rate: train.learning_rate,
            schedule: format!("{:?}", train.schedule).to_lowercase(),
            patience: train.patience,
            size: options.size,
        }
    }

    /// The first thing in which runs under `other` would differ. Other models and seeds do not: they
    /// are further runs.
    pub fn difference(&self, other: &Config) -> Option<String> {
        let fields = |config: &Config| {
            let mut config = config.clone();
            (config.models, config.seeds) = (Vec::new(), Vec::new());
            serde_json::to_value(config).unwrap_or_default()
        };
        let (now, then) = (fields(self), fields(other));
        let (now, then) = (now.as_object()?, then.as_object()?);
        now.iter().find(|(key, value)| then.get(*key) != Some(value)).map(|(key, value)| {
            format!("{key} was {}, is {value}", then.get(key).unwrap_or(&serde_json::Value::Null))
        })
    }
}

/// The ROIs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatasetSummary {
    /// ROIs with a lesion.
    pub abnormal: usize,
    /// ROIs without.
    pub normal: usize,
    /// ROIs to learn from, with the first seed.
    pub train: usize,
    /// ROIs to be judged by, with the first seed.
    pub validation: usize,
    /// Patients or images on both sides, over all seeds: 0.
    pub leakage: usize,
}

/// Mean-Dice of maps that look at nothing, over all abnormal ROIs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Baselines {
    /// All of the ROI.
    pub ones: f64,
    /// A centred Gaussian.
    pub gaussian: f64,
    /// A centred filled ellipse.
    pub ellipse: f64,
}

/// One model with one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// The network.
    pub model: String,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// The best validation accuracy, whose weights are kept.
    pub val_acc: f64,
    /// Over all abnormal ROIs, training images included, as in the paper.
    pub mean_dice: f64,
    /// Over the abnormal ROIs of the validation side.
    pub mean_dice_validation: f64,
    /// Validation accuracy after training on ROIs times their heatmaps; null where not run.
    pub cam_val_acc: Option<f64>,
    /// The same with the truth masks.
    pub mask_val_acc: Option<f64>,
    /// The same with the inverse masks.
    pub inverse_mask_val_acc: Option<f64>,
    /// Epochs that were run.
    pub epochs: usize,
    /// The epoch that was kept, from 1.
    pub best_epoch: u32,
    /// The threshold with the best mean Dice over the abnormal ROIs of the training side.
    pub best_threshold: u8,
    /// The mean Dice of the validation side at that threshold.
    pub dice_at_best_threshold_validation: f64,
    /// Abnormal ROIs whose heatmap is empty: nothing spoke for the class.
    pub empty_heatmaps: usize,
    /// Training and explaining.
    pub seconds: f64,
    /// Mean Dice over all abnormal ROIs at each threshold.
    pub dice_curve: Vec<f64>,
}

/// One model over its seeds: means with 95 % intervals of Student's t, which for a single seed have
/// no width.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The network.
    pub model: String,
    /// Runs.
    pub seeds: usize,
    /// Over the seeds.
    pub val_acc: Interval,
    /// Over the seeds.
    pub mean_dice: Interval,
    /// Over the seeds.
    pub mean_dice_validation: Interval,
    /// Mean over the seeds.
    pub epochs: f64,
    /// Mean over the seeds.
    pub seconds: f64,
}

impl Results {
    /// Results without runs.
    pub fn new(
        adapter: &AdapterReport,
        config: Config,
        dataset: DatasetSummary,
        baselines: Baselines,
    ) -> Self {
        Results {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: adapter.to_string(),
            config,
            dataset,
            baselines,
            runs: Vec::new(),
            summary: Vec::new(),
        }
    }

    /// Brings the summary up to date with the runs.
    pub fn summarize(&mut self) {
        let mut models: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !models.contains(&run.model.as_str()) {
                models.push(&run.model);
            }
        }
        self.summary = models
            .into_iter()
            .map(|model| {
                let runs: Vec<&RunResult> =
                    self.runs.iter().filter(|run| run.model == model).collect();
                let over = |field: fn(&RunResult) -> f64| -> Vec<f64> {
                    runs.iter().map(|run| field(run)).collect()
                };
                Summary {
                    model: model.to_owned(),
                    seeds: runs.len(),
                    val_acc: interval(&over(|run| run.val_acc)),
                    mean_dice: interval(&over(|run| run.mean_dice)),
                    mean_dice_validation: interval(&over(|run| run.mean_dice_validation)),
                    epochs: interval(&over(|run| run.epochs as f64)).mean,
                    seconds: interval(&over(|run| run.seconds)).mean,
                }
            })
            .collect();
    }

    /// Replaces the file at `path`.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::content(path, error.to_string(), "this is a bug, please report it")
        })?;
        text.push(b'\n');
        files::write(path, &text)
    }

    /// Reads what [`Self::write`] wrote.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Content`] when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).map_err(|source| Error::file("read", path, source))?;
        serde_json::from_slice(&text).map_err(|error| {
            Error::content(
                path,
                format!("not results of this version ({error})"),
                "give another --out, or leave --resume away",
            )
        })
    }
}

/// Mean and 95 % interval of a few numbers.
fn interval(values: &[f64]) -> Interval {
    // Two-sided 95 % quantiles of Student's t for 1, 2, ... degrees of freedom.
    const T: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    if values.len() < 2 {
        return Interval::from(mean);
    }
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    let t = T.get(values.len() - 2).copied().unwrap_or(1.96);
    let half = t * (variance / count).sqrt();
    Interval { mean, low: mean - half, high: mean + half }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_three_numbers_is_that_of_students_t() {
        let found = interval(&[0.90, 0.92, 0.94]);
        // Deviation 0.02, over sqrt(3), times 4.303.
        assert!((found.mean - 0.92).abs() < 1e-12);
        assert!((found.high - found.mean - 0.049687).abs() < 1e-5, "{found:?}");
        assert_eq!(interval(&[0.5]).low, 0.5);
    }
}
