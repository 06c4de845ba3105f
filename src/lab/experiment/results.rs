//! `results.json`: what was run, on what, and what came out.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::at_threshold::AtThreshold;
use super::classified::Classified;
use super::config::Config;
use super::phase::Phase;
use super::round::Round;
use crate::engine::gpu::Gpu;
use crate::engine::kernel::Choices;
use crate::error::Result;
use crate::files;
use crate::lab::data::{Class, Truth, duplicates};
use crate::lab::metrics::binary::Figure;
use crate::lab::metrics::interval::{self, Interval, LEVEL};
use crate::lab::metrics::operating_point::OperatingPoint;
use crate::lab::metrics::redraw::DRAWS;
use crate::lab::metrics::surface::Surface;
use crate::lab::report::latex;
use crate::nets::cam::normalise::{Normalisation, Sign};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results {
    /// Of parula.
    pub version: String,
    /// The GPU, with its backend and driver.
    pub adapter: String,
    /// What stands for the kernel variants that `parula tune` chose, or `none`.
    #[serde(default = "untuned")]
    pub tuning: String,
    /// How activations were stored: `f32` or `f16`.
    #[serde(default = "single")]
    pub precision: String,
    /// The options that decide the outcome.
    pub config: Config,
    /// The ROIs.
    pub dataset: DatasetSummary,
    /// Mean-Dice of trivial maps over all abnormal ROIs.
    pub baselines: Baselines,
    /// The same over those of the validation side, as a mean over the seeds' splits.
    pub baselines_validation: Baselines,
    /// Dice of trivial maps on the validation side, at the threshold that is best on the training side,
    /// as a mean over the seeds' splits.
    pub baselines_at_best_threshold_validation: Baselines,
    /// Distances between borders of trivial maps on the validation side, at the same thresholds, as a mean over the
    /// seeds' splits; null in results from before there were such.
    #[serde(default)]
    pub baselines_borders_validation: Option<BordersOfBaselines>,
    /// The class whose score every heatmap explains, on normal ROIs as well.
    pub explained_class: String,
    /// How all intervals were found.
    pub intervals: Intervals,
    /// One entry a model and seed, in order of running.
    pub runs: Vec<RunResult>,
    /// With folds: an entry a model and seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pooled: Vec<Pooled>,
    /// One entry a model.
    pub summary: Vec<ModelSummary>,
    /// What is still to be run, where the results were put together from parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Over the models: the claim of the paper's Figure 8.
    pub rank_correlations: Vec<RankCorrelation>,
}

/// Of results from before there was tuning.
fn untuned() -> String {
    Choices::default().digest()
}

/// Of results from before there was a choice.
pub(crate) fn single() -> String {
    "f32".to_owned()
}

/// What a part has not finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// The part's number.
    pub task: usize,
    /// The network.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// Which of the seed's folds; null without folds.
    pub fold: Option<usize>,
    /// The trainings that are not finished.
    pub phases: Vec<String>,
}

/// How intervals were found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Intervals {
    /// In words.
    pub method: String,
    /// Draws behind the intervals of rank correlations.
    pub resamples: usize,
    /// The probability with which an interval holds the truth.
    pub level: f64,
    /// Seeds from which on that is so.
    #[serde(default)]
    pub seeds_needed: usize,
    /// Patients from which on that is so.
    #[serde(default)]
    pub patients_needed: usize,
}

impl Intervals {
    /// Those of means over seeds and patients.
    pub fn over_seeds() -> Self {
        Intervals {
            method: "means with Student's t on variance components of seeds and patients, crossed, \
                     ROIs within patients; Wilson's form for accuracies; rank correlations by draws of \
                     seeds and patients that all models share"
                .to_owned(),
            resamples: DRAWS,
            level: LEVEL,
            seeds_needed: interval::SEEDS,
            patients_needed: interval::PATIENTS,
        }
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
    /// Pairs of equal or nearly equal pictures of which one was learnt from and the other judged by, over
    /// all seeds, counted on the pixels of the finished splits. Patients are never on both sides.
    pub leakage: usize,
    /// What the truth of the abnormal ROIs is.
    #[serde(default)]
    pub truth: Truth,
    /// Pictures that show the same scan, and what became of them.
    #[serde(default)]
    pub duplicates: duplicates::Counts,
    /// What is held out, of which nothing is in the other counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestRois>,
    /// Of all ROIs, masks and names: other ROIs have another.
    pub fingerprint: String,
}

impl DatasetSummary {
    /// What the caption of a table of a run with these `seeds` says of it; adapter and version are to be filled in.
    pub fn source<'a>(
        &self,
        data: &'a str,
        seeds: &[u64],
        too_few: Option<String>,
    ) -> latex::Source<'a> {
        let rois = [self.abnormal, self.normal, self.train, self.validation];
        latex::Source {
            data,
            rois: rois.map(|count| Some(count as u64)),
            seeds: seeds.iter().map(u64::to_string).collect(),
            truth: self.truth.words(),
            too_few,
            ..latex::Source::default()
        }
    }
}

/// ROIs that nothing is learnt from or chosen by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestRois {
    /// ROIs with a lesion.
    pub abnormal: usize,
    /// ROIs without.
    pub normal: usize,
    /// As that of the others.
    pub fingerprint: String,
}

/// What a network says of the test set, at the epoch and the threshold that were chosen without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// ROIs.
    pub rois: usize,
    /// The share that is classified rightly, with its interval over patients.
    pub accuracy: Option<Figure>,
    /// More of the classifier.
    #[serde(flatten)]
    pub classified: Classified,
    /// The same where a ROI is called abnormal above the probability that the training side has chosen; null where that
    /// is of one class.
    #[serde(default)]
    pub at_training_threshold: Option<OperatingPoint>,
    /// Over the abnormal ROIs; null without one.
    pub mean_dice: Option<f64>,
    /// At the threshold that is best on the training side.
    pub dice_at_best_threshold: Option<f64>,
    /// More of the maps at that threshold; null without an abnormal ROI.
    #[serde(default)]
    pub at_threshold: Option<AtThreshold>,
}

/// A number for each map that looks at nothing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Baselines {
    /// All of the ROI.
    pub ones: f64,
    /// A centred Gaussian.
    pub gaussian: f64,
    /// A centred filled ellipse.
    pub ellipse: f64,
}

/// Borders of each map that looks at nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BordersOfBaselines {
    /// All of the ROI.
    pub ones: Surface,
    /// A centred Gaussian.
    pub gaussian: Surface,
    /// A centred filled ellipse.
    pub ellipse: Surface,
}

/// One model with one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResult {
    /// The network.
    pub model: String,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// Which of the seed's folds is the validation side, from 1; left out without folds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// The best validation accuracy, whose weights are kept.
    pub val_acc: f64,
    /// What the kept epoch's model says of the validation side.
    #[serde(flatten)]
    pub classified: Classified,
    /// The same where a ROI is called abnormal above the probability at which sensitivity plus specificity of the
    /// training side is highest; null in results from before there was this.
    #[serde(default)]
    pub at_training_threshold: Option<OperatingPoint>,
    /// Over all abnormal ROIs, training images included, as in the paper.
    pub mean_dice: f64,
    /// Over the abnormal ROIs of the validation side.
    pub mean_dice_validation: f64,
    /// Both signs of the map in all normalisations.
    pub ways: Vec<Way>,
    /// Validation accuracy after training on ROIs times their heatmaps; null where not run.
    pub cam_val_acc: Option<f64>,
    /// The same with the truth masks.
    pub mask_val_acc: Option<f64>,
    /// The same with the inverse masks.
    pub inverse_mask_val_acc: Option<f64>,
    /// What the network says of the test set, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Tested>,
    /// What training on filtered ROIs gave, in order of running.
    pub retrained: Vec<Retrained>,
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
    /// Height and width of a map before it was resized to its ROI: 1x1 says nothing of where. None in results from
    /// before there was this.
    #[serde(default)]
    pub map_size: Option<[usize; 2]>,
    /// Training and explaining.
    pub seconds: f64,
    /// Mean Dice over all abnormal ROIs at each threshold.
    pub dice_curve: Vec<f64>,
    /// The maps of the validation side at the best threshold: borders, lesions, normal ROIs. Null in results from before
    /// there was this.
    #[serde(default)]
    pub at_threshold: Option<AtThreshold>,
}

/// The validation sides of all folds of a seed together: each ROI once, by the network that has not seen it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pooled {
    /// The network.
    pub model: String,
    /// The seed.
    pub seed: u64,
    /// How many of its folds are in it.
    pub folds: usize,
    /// ROIs.
    pub rois: usize,
    /// The share that is classified rightly.
    pub accuracy: f64,
    /// The rest.
    #[serde(flatten)]
    pub classified: Classified,
    /// The same where each fold's ROIs are cut at the threshold of its own training side.
    #[serde(default)]
    pub at_training_threshold: Option<OperatingPoint>,
}

/// Mean-Dice of one sign of the map in one normalisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Way<T = f64> {
    /// What speaks for the class, or against it.
    pub sign: Sign,
    /// How the map became grey levels.
    pub normalisation: Normalisation,
    /// Over all abnormal ROIs.
    pub mean_dice: T,
    /// Over those of the validation side.
    pub mean_dice_validation: T,
}

/// What training from scratch on filtered ROIs gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Retrained {
    /// By what they were filtered: `cam`, `mask` or `inverse_mask`.
    pub phase: String,
    /// The best validation accuracy.
    pub val_acc: f64,
    /// Epochs that were run.
    pub epochs: usize,
    /// The epoch that was kept, from 1.
    pub best_epoch: u32,
    /// Filtered ROIs of the class normal of which nothing is left: all black. Where the two classes
    /// differ in this, the accuracy is that of telling black images from others.
    pub black_normal: usize,
    /// The same of the class abnormal.
    pub black_abnormal: usize,
    /// Of training.
    pub seconds: f64,
}

/// One model over its seeds: means with 95 % intervals over seeds and patients.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The network.
    pub model: String,
    /// Runs.
    pub seeds: usize,
    /// The best validation accuracy.
    pub val_acc: Interval,
    /// Over all abnormal ROIs.
    pub mean_dice: Interval,
    /// Over the abnormal ROIs of the validation side.
    pub mean_dice_validation: Interval,
    /// Dice of the validation side at the threshold that is best on the training side.
    pub dice_at_best_threshold_validation: Interval,
    /// After training on ROIs times their heatmaps; null where no seed has run it.
    pub cam_val_acc: Option<Interval>,
    /// The same with the truth masks.
    pub mask_val_acc: Option<Interval>,
    /// The same with the inverse masks.
    pub inverse_mask_val_acc: Option<Interval>,
    /// Both signs of the map in all normalisations.
    pub ways: Vec<Way<Interval>>,
    /// Of the validation side at the threshold that is best on the training side; null in results from before.
    #[serde(default)]
    pub at_threshold: Option<MasksSummary>,
    /// Mean over the seeds.
    pub epochs: f64,
    /// Mean over the seeds, of training and explaining on the original ROIs.
    pub seconds: f64,
}

/// The maps of a model's validation sides as masks. A mean of distances is over ROIs that have one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MasksSummary {
    /// Intersection over union.
    pub iou: Option<Interval>,
    /// The Hausdorff distance at 95 %, in pixels.
    pub hausdorff_95: Option<Interval>,
    /// The average symmetric surface distance, in pixels.
    pub average_surface_distance: Option<Interval>,
    /// The normalised surface Dice.
    pub surface_dice: Option<Interval>,
    /// Dice, lesion by lesion.
    pub lesion_dice: Option<Interval>,
    /// ROIs without a distance, over all seeds.
    pub without_distance: usize,
    /// The share of normal ROIs in which the heatmap exceeds the threshold; null where none was explained.
    pub normals_exceeding: Option<Interval>,
    /// The share in which the map does before it is divided by its maximum.
    pub normals_exceeding_absolute: Option<Interval>,
}

/// Spearman's rank correlation of two quantities over models, each the mean over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankCorrelation {
    /// Of what.
    pub first: String,
    /// With what.
    pub second: String,
    /// How many models have both.
    pub models: usize,
    /// Rho with its interval; null for fewer than three models, or where one quantity is the same for
    /// all. Draws without a rho of their own are left out of the interval.
    pub rho: Option<Interval>,
}

impl Results {
    /// Results without runs.
    pub fn new(
        gpu: &Gpu,
        config: Config,
        dataset: DatasetSummary,
        baselines: [Baselines; 3],
    ) -> Self {
        let [baselines, baselines_validation, baselines_at_best_threshold_validation] = baselines;
        Results {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: gpu.report().to_string(),
            tuning: gpu.choices().digest(),
            precision: gpu.precision().to_owned(),
            config,
            dataset,
            baselines,
            baselines_validation,
            baselines_at_best_threshold_validation,
            baselines_borders_validation: None,
            explained_class: Class::Abnormal.name().to_owned(),
            intervals: Intervals::over_seeds(),
            runs: Vec::new(),
            pooled: Vec::new(),
            missing: Vec::new(),
            summary: Vec::new(),
            rank_correlations: Vec::new(),
        }
    }

    /// The run of `model` in `round`.
    pub fn run(&self, model: &str, round: Round) -> Option<&RunResult> {
        self.runs.iter().find(|run| run.model == model && run.round() == round)
    }

    /// Whether `phase` of `model` in `round` is finished.
    pub fn has(&self, model: &str, round: Round, phase: Phase) -> bool {
        self.run(model, round).is_some_and(|run| run.seconds_of(phase).is_some())
    }

    /// Adds what training on filtered ROIs gave to the run of `model` in `round`.
    pub(super) fn add(&mut self, model: &str, round: Round, phase: Phase, retrained: Retrained) {
        let run = self.runs.iter_mut().find(|run| run.model == model && run.round() == round);
        let Some(run) = run else { return };
        let accuracy = match phase {
            Phase::Original => return,
            Phase::Cam => &mut run.cam_val_acc,
            Phase::Mask => &mut run.mask_val_acc,
            Phase::InverseMask => &mut run.inverse_mask_val_acc,
        };
        *accuracy = Some(retrained.val_acc);
        run.retrained.push(retrained);
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

impl RunResult {
    /// Its seed and fold.
    pub fn round(&self) -> Round {
        Round { seed: self.seed, fold: self.fold }
    }

    /// The time that `phase` took, where it is finished.
    pub fn seconds_of(&self, phase: Phase) -> Option<f64> {
        match phase {
            Phase::Original => Some(self.seconds),
            filtered => {
                let found = self.retrained.iter().find(|one| one.phase == filtered.name());
                found.map(|one| one.seconds)
            }
        }
    }
}
