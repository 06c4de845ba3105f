//! The paper's experiments. The first: train a classifier on abnormal and normal ROIs, explain every
//! abnormal ROI, score the heatmaps as segmentations. The second: train it again from scratch on ROIs
//! times their heatmaps, their masks, and what the masks leave out.

mod baseline;
mod config;
pub(crate) mod earlier;
mod explain;
mod figures;
pub(crate) mod filter;
mod material;
mod phase;
pub(crate) mod progress;
mod results;
mod run;
pub mod saved;
mod setup;
mod show;
mod summary;
pub(crate) mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::{ReadOptions, RoiOptions, Split, duplicates, synth};
use crate::error::{Error, Result};
use crate::files;
use crate::gpu::Gpu;
use crate::report::html;

pub use config::Config;
pub use material::Material;
pub use phase::Phase;
pub use results::{
    Baselines, DatasetSummary, Intervals, RankCorrelation, Results, Retrained, RunResult, Summary,
    Way,
};
pub use saved::Saved;
pub use setup::{Setup, scaling};
pub use show::{table, text, too_few};
pub use tables::{Prediction, Score};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// A data set; without it synthetic mammograms are made in the output folder.
    pub data: Option<PathBuf>,
    /// Where everything is written.
    pub out: PathBuf,
    /// The networks, and how each is trained.
    pub models: Vec<Setup>,
    /// One run of every model for each: it fixes the split, the initial weights and all draws.
    pub seeds: Vec<u64>,
    /// Fixes the padding of ROIs and the places of normal ones.
    pub seed: u64,
    /// Whole images in the place of ROIs.
    pub whole: bool,
    /// How the pictures of the data set are read.
    pub read: ReadOptions,
    /// What becomes of pictures that show the same scan.
    pub duplicates: duplicates::Mode,
    /// The paper's experiments: 1, and 2, which needs the first and runs it.
    pub experiments: Vec<u32>,
    /// Go on where an earlier call with the same configuration was stopped in `out`.
    pub resume: bool,
}

/// The folders in the output folder, but for synthetic images.
const FOLDERS: &[&str] =
    &["checkpoints", "figures", "filtered", "heatmaps", "predictions", "weights"];

/// Runs all phases of all models on all seeds. `results.json` and `report.html` are rewritten after every phase; `tell`
/// hears of each but the last with the results so far.
///
/// # Errors
/// Those of reading the data, of the GPU, and of writing; [`Error::Content`] when `out` is to be resumed
/// and is of another configuration; after Ctrl-C [`Error::Interrupted`]. What was finished before stays
/// in `out`.
pub fn reproduce(gpu: &Arc<Gpu>, options: &Options, tell: &dyn Fn(&Results)) -> Result<Results> {
    options.models.iter().try_for_each(|setup| setup.fits(gpu))?;
    files::create_folder(&options.out)?;
    files::sweep(&options.out, FOLDERS)?;
    let mut config = Config::new(options);
    let path = options.out.join("results.json");
    let earlier = match options.resume && path.exists() {
        true => Some(Results::read(&path)?),
        false => None,
    };
    if !options.resume && path.exists() {
        crate::console::note!(
            "{} is replaced; with --resume it would be gone on with",
            path.display()
        );
    }
    if let Some(earlier) = &earlier {
        let adapter = gpu.report().to_string();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let tuning = gpu.choices().digest();
        let precision = gpu.precision().to_owned();
        let differs = |what: &str, then: &String, now: &String| {
            (then != now).then(|| format!("{what} was {then}, is {now}"))
        };
        let difference = config
            .difference(&earlier.config)
            .or_else(|| differs("the adapter", &earlier.adapter, &adapter))
            .or_else(|| differs("the tuning", &earlier.tuning, &tuning))
            .or_else(|| differs("the precision", &earlier.precision, &precision))
            .or_else(|| differs("parula's version", &earlier.version, &version));
        refuse(&path, difference)?;
    }

    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => synthetic(&options.out, options.seed)?,
    };
    let rois = RoiOptions {
        seed: options.seed,
        whole: options.whole,
        duplicates: options.duplicates,
        ..RoiOptions::default()
    };
    let material = Material::read(&folder, &options.read, &rois, &options.seeds)?;
    options.models.iter().try_for_each(|setup| explain::expect(gpu, setup, &material))?;
    let dataset = material.summary();
    let mut runs = Vec::new();
    if let Some(earlier) = earlier {
        let difference = match earlier.dataset.fingerprint == dataset.fingerprint {
            true => None,
            false if earlier.config.data == config.data => {
                Some(format!("the ROIs of {} have changed", config.data))
            }
            false => Some(format!("data was {}, is {}", earlier.config.data, config.data)),
        };
        refuse(&path, difference)?;
        config.take_in(earlier.config);
        runs = earlier.runs;
    }
    let baselines = baseline::baselines(&material)?;
    let mut results = Results::new(gpu, config, dataset, baselines);
    results.runs = runs;
    results.summarize(&options.out)?;
    results.write(&path)?;
    run_all(gpu, options, &material, &mut results, tell)?;
    figures::dice_curves(&results, &material, &options.out)?;
    html::write(&options.out)?;
    Ok(results)
}

/// An error when what is to be resumed differs.
fn refuse(path: &Path, difference: Option<String>) -> Result<()> {
    let Some(difference) = difference else { return Ok(()) };
    Err(Error::content(
        path,
        format!("it is from another configuration: {difference}"),
        "give the same options, another --out, or leave --resume away",
    ))
}

/// Runs the phases that `results` lacks.
fn run_all(
    gpu: &Arc<Gpu>,
    options: &Options,
    material: &Material,
    results: &mut Results,
    tell: &dyn Fn(&Results),
) -> Result<()> {
    let progress = progress::Progress::new(options);
    let phases = Phase::of(&options.experiments);
    let filtered = phases.len() > 1;
    if filtered {
        let seeds = options.seeds.iter().zip(&material.splits);
        seeds.into_iter().try_for_each(|(&seed, split)| masks(options, material, seed, split))?;
    }
    for setup in &options.models {
        for (&seed, split) in options.seeds.iter().zip(&material.splits) {
            let job = run::Job { gpu, setup, seed, options, material, split };
            let name = setup.network.name;
            for &phase in phases {
                if results.has(name, seed, phase) {
                    // Killed between the results and this, a process leaves it.
                    job.forget(phase)?;
                    continue;
                }
                if !options.resume {
                    job.forget(phase)?;
                }
                crate::console::note!("{}: {}", progress.words(results), job.title(phase));
                if phase == Phase::Original {
                    let done = job.original(filtered)?;
                    figures::of_run(&job, material, &done, &options.out)?;
                    results.runs.push(done.result);
                } else {
                    let (retrained, records) = job.retrain(phase)?;
                    figures::of_training(&job, phase, &records, &options.out)?;
                    results.add(name, seed, phase, retrained);
                }
                results.summarize(&options.out)?;
                results.write(&options.out.join("results.json"))?;
                job.forget(phase)?;
                if progress.left(results).0 > 0 {
                    html::write(&options.out)?;
                    tell(results);
                }
            }
        }
    }
    Ok(())
}

/// Writes the ROIs times masks of a seed, unless an earlier call did.
fn masks(options: &Options, material: &Material, seed: u64, split: &Split) -> Result<()> {
    let folder = options.out.join("filtered").join("masks").join(seed.to_string());
    if options.resume && filter::is_exported(&folder) {
        return Ok(());
    }
    let sources = filter::mask_sources(&material.rois, split, seed);
    filter::export_masked(&material.rois, &sources, &folder)
}

/// Where the heatmaps of a run are.
fn heatmap_folder(out: &Path, model: &str, seed: u64) -> PathBuf {
    out.join("heatmaps").join(model).join(seed.to_string())
}

/// The scores of a run's heatmaps.
fn scores_file(out: &Path, model: &str, seed: u64) -> PathBuf {
    heatmap_folder(out, model, seed).join("scores.csv")
}

/// What the model of a phase says of the validation ROIs.
fn predictions_file(out: &Path, model: &str, seed: u64, phase: Phase) -> PathBuf {
    out.join("predictions").join(model).join(format!("{}.csv", phase.stem(seed)))
}

/// Makes synthetic mammograms in `out`, and returns their folder.
///
/// # Errors
/// [`Error::File`] when they cannot be written.
pub fn synthetic(out: &Path, seed: u64) -> Result<PathBuf> {
    let folder = out.join("synthetic");
    files::create_folder(&folder)?;
    crate::console::note!("making synthetic mammograms in {}", folder.display());
    synth::synthesize(&folder, &synth::SynthOptions { seed, ..Default::default() })?;
    Ok(folder)
}
