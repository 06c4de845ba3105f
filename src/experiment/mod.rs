//! The paper's experiment 1: train a classifier on abnormal and normal ROIs, explain every abnormal
//! ROI, score the heatmaps as segmentations.

mod figures;
mod results;
mod run;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::{self, Class, Roi, RoiOptions, Split, dataset, roi, split, synth};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Gpu;
use crate::metrics::baselines::Baseline;
use crate::metrics::dice;
use crate::models::{self, Network};
use crate::report::table::{self, Table};
use crate::train::TrainOptions;

pub use results::{Baselines, Config, DatasetSummary, Results, RunResult, Summary};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// A data set; without it synthetic mammograms are made in the output folder.
    pub data: Option<PathBuf>,
    /// Where everything is written.
    pub out: PathBuf,
    /// Names of networks.
    pub models: Vec<String>,
    /// One run of every model for each: it fixes the split, the initial weights and all draws.
    pub seeds: Vec<u64>,
    /// Fixes the padding of ROIs and the places of normal ones.
    pub seed: u64,
    /// How to train; seed and checkpoint are set for each run.
    pub train: TrainOptions,
    /// Height and width of the network's input; its usual one without.
    pub size: Option<usize>,
    /// Keep the runs that an earlier call with the same configuration finished in `out`.
    pub resume: bool,
}

/// The ROIs of an experiment.
struct Material {
    rois: Vec<Roi>,
    /// One a seed, in order.
    splits: Vec<Split>,
}

/// Runs all models on all seeds. `results.json` is rewritten after every run.
///
/// # Errors
/// Those of reading the data, of the GPU, and of writing; after Ctrl-C [`Error::Interrupted`]. What
/// was finished before stays in `out`.
pub fn reproduce(gpu: &Arc<Gpu>, options: &Options) -> Result<Results> {
    let networks: Vec<&'static Network> =
        options.models.iter().map(|name| models::find(name)).collect::<Result<_>>()?;
    files::create_folder(&options.out)?;
    let config = Config::new(options);
    let path = options.out.join("results.json");
    let earlier = earlier(&path, &config, options.resume)?;

    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => synthetic(&options.out, options.seed)?,
    };
    let material = material(&folder, options)?;
    let mut results = Results::new(gpu.report(), config, summary(&material), baselines(&material)?);
    results.runs = earlier;
    results.write(&path)?;

    for network in networks {
        for (index, &seed) in options.seeds.iter().enumerate() {
            if results.runs.iter().any(|run| run.model == network.name && run.seed == seed) {
                continue;
            }
            let job = run::Job { gpu, network, seed, options };
            let done = job.run(&material.rois, &material.splits[index])?;
            figures::of_run(&job, &material, &done, &options.out)?;
            results.runs.push(done.result);
            results.summarize();
            results.write(&path)?;
            figures::dice_curves(&results, &material, &options.out)?;
        }
    }
    results.summarize();
    results.write(&path)?;
    Ok(results)
}

/// The runs that can be kept.
fn earlier(path: &Path, config: &Config, resume: bool) -> Result<Vec<RunResult>> {
    if !resume || !path.exists() {
        return Ok(Vec::new());
    }
    let results = Results::read(path)?;
    if let Some(difference) = config.difference(&results.config) {
        return Err(Error::content(
            path,
            format!("it is from another configuration: {difference}"),
            "give the same options, another --out, or leave --resume away",
        ));
    }
    Ok(results.runs)
}

fn synthetic(out: &Path, seed: u64) -> Result<PathBuf> {
    let folder = out.join("synthetic");
    files::create_folder(&folder)?;
    eprintln!("making synthetic mammograms in {}", folder.display());
    synth::synthesize(&folder, &synth::SynthOptions { seed, ..Default::default() })?;
    Ok(folder)
}

fn material(folder: &Path, options: &Options) -> Result<Material> {
    eprintln!("reading {}", folder.display());
    let dataset = dataset::read(folder)?;
    let cut = roi::cut(&dataset, &RoiOptions { seed: options.seed, ..RoiOptions::default() })?;
    cut.note(folder).iter().for_each(|note| eprintln!("{note}"));
    let rois = cut.rois;
    let splits = options
        .seeds
        .iter()
        .map(|&seed| split::split(&rois, split::VALIDATION, seed))
        .collect::<Result<Vec<_>>>()?;
    let leaking = splits.iter().map(|split| split::leakage(&rois, split)).sum::<usize>();
    if leaking != 0 {
        return Err(Error::content(
            folder,
            format!("{leaking} patients or images would be on both sides of the split"),
            "this is a bug, please report it",
        ));
    }
    Ok(Material { rois, splits })
}

fn summary(material: &Material) -> DatasetSummary {
    let [normal, abnormal] = roi::counts(&material.rois);
    let first = &material.splits[0];
    let leaking = material.splits.iter().map(|split| split::leakage(&material.rois, split));
    DatasetSummary {
        abnormal,
        normal,
        train: first.train.len(),
        validation: first.validation.len(),
        leakage: leaking.sum(),
    }
}

/// Mean-Dice of the maps that look at nothing, over all abnormal ROIs.
fn baselines(material: &Material) -> Result<Baselines> {
    let mean = |baseline: Baseline| -> Result<f64> {
        let curves = baseline_scores(material, baseline)?;
        Ok(curves.iter().map(|scores| scores.mean_dice).sum::<f64>() / curves.len().max(1) as f64)
    };
    Ok(Baselines {
        ones: mean(Baseline::Ones)?,
        gaussian: mean(Baseline::Gaussian)?,
        ellipse: mean(Baseline::Ellipse)?,
    })
}

fn baseline_scores(material: &Material, baseline: Baseline) -> Result<Vec<dice::Scores>> {
    let abnormal = material.rois.iter().filter(|roi| roi.class == Class::Abnormal);
    abnormal
        .map(|roi| {
            let heatmap = baseline.heatmap(roi.image.width as u32, roi.image.height as u32);
            dice::score(&roi.mask_or_empty().pixels, &heatmap)
        })
        .collect()
}

/// The table of `results`, with the trivial baselines below.
pub fn table(results: &Results) -> Table {
    let rows: Vec<table::Row> = results
        .summary
        .iter()
        .map(|summary| table::Row {
            model: summary.model.clone(),
            val_acc: Some(summary.val_acc),
            mean_dice: Some(summary.mean_dice),
            mean_dice_validation: Some(summary.mean_dice_validation),
            epochs: Some(summary.epochs),
            seconds: Some(summary.seconds),
        })
        .collect();
    let baselines = &results.baselines;
    let baselines = [
        ("ones", baselines.ones),
        ("gaussian", baselines.gaussian),
        ("ellipse", baselines.ellipse),
    ]
    .map(|(name, mean_dice)| table::BaselineRow {
        name,
        mean_dice,
        mean_dice_validation: None,
    });
    table::reproduce(&rows, &baselines)
}

/// The input size and scaling of `network` for ROIs.
pub(crate) fn prepare(network: &Network, rois: &[Roi], size: Option<usize>) -> data::Prepared {
    let size = size.map_or((network.input[0], network.input[1]), |size| (size, size));
    data::Prepared::new(rois, size, network.channels, scaling(network))
}

/// The scaling that `network` was made for.
pub(crate) fn scaling(network: &Network) -> data::Scaling {
    match network.preprocessing {
        models::Preprocessing::Tf => data::Scaling::Tf,
        models::Preprocessing::Torch => data::Scaling::Torch,
    }
}
