//! The paper's experiments. The first: train a classifier on abnormal and normal ROIs, explain every
//! abnormal ROI, score the heatmaps as segmentations. The second: train it again from scratch on ROIs
//! times their heatmaps, their masks, and what the masks leave out.

mod at_threshold;
mod baseline;
pub(crate) mod classified;
mod config;
pub(crate) mod earlier;
mod explain;
mod figures;
pub(crate) mod filter;
mod gather;
mod job;
mod material;
pub(crate) mod origins;
mod part;
mod phase;
pub(crate) mod progress;
mod results;
mod round;
mod run;
pub mod saved;
mod setup;
mod show;
mod summary;
pub(crate) mod tables;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::engine::gpu::Gpu;
use crate::engine::gpu::environment;
use crate::error::Result;
use crate::files;
use crate::lab::data::{ReadOptions, RoiOptions, duplicates, synth};
use crate::lab::report::draw::both;
use crate::lab::report::html::{self, Written};
use crate::lab::run_folder::{Again, RunFolder};
use crate::nets::images::Split;
use crate::nets::train::sides;
use crate::provenance::{Items, items};

pub use at_threshold::{AtThreshold, BySize, Lesions, Normals};
pub use classified::Classified;
pub use config::{Config, pictures};
pub use earlier::{EVERY_SETTING, Given, deepened, trained_so};
pub use gather::gather;
pub use material::{Material, TestSet};
pub use part::Part;
pub use phase::Phase;
pub(crate) use results::single;
pub use results::{
    Baselines, BordersOfBaselines, DatasetSummary, Intervals, MasksSummary, Missing, ModelSummary,
    Pooled, RankCorrelation, Results, Retrained, RunResult, Way,
};
pub use round::Round;
pub use saved::Saved;
pub use setup::{Setup, scaling};
pub use show::{table, text, too_few};
pub use tables::{LesionScore, NormalScore, Prediction, Score};

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
    /// For cross-validation: the patients of each seed are dealt into as many folds, and every network is trained
    /// once for each, which it is validated on.
    pub folds: Option<usize>,
    /// What is held out of everything, and judged by in the end.
    pub test: Option<TestSet>,
    /// Fixes the padding of ROIs and the places of normal ones.
    pub seed: u64,
    /// Whole images in the place of ROIs.
    pub whole: bool,
    /// How the pictures of the data set are read.
    pub read: ReadOptions,
    /// What becomes of pictures that show the same scan.
    pub duplicates: duplicates::Handling,
    /// The paper's experiments: 1, and 2, which needs the first and runs it.
    pub experiments: Vec<u32>,
    /// This part alone.
    pub only: Option<Part>,
    /// What becomes of an earlier run in `out`.
    pub again: Again,
}

/// Plans every training on one picture, before anything is read or written.
///
/// # Errors
/// [`Error::TooLarge`](crate::error::Error::TooLarge) with what does not fit.
pub fn fits(gpu: &Gpu, options: &Options) -> Result<()> {
    options.own().try_for_each(|setup| setup.fits(gpu))
}

/// Runs all phases of all models on all seeds. `results.json` and `report.html` are rewritten after every phase, and at the
/// end come the figures and tables for a paper; `tell` hears of each but the last with the results so far.
///
/// # Errors
/// Those of [`RunFolder::open`], of reading the data, of the GPU, and of writing; [`Error::Content`](crate::error::Error::Content) when
/// `out` is to be resumed and anything in it was made from something else; after Ctrl-C
/// [`Error::Interrupted`](crate::error::Error::Interrupted). What was finished before stays in `out`.
pub fn reproduce(gpu: &Arc<Gpu>, options: &Options, tell: &dyn Fn(&Results)) -> Result<Results> {
    fits(gpu, options)?;
    let out = RunFolder::open(&options.out, "reproduce", options.again)?;
    let mut config = Config::new(options);
    let path = options.out.join("results.json");
    // `parula report` may write the page of a run that was stopped, and what goes with it.
    let pages = html::paths(&options.out, options.models.iter().map(|setup| setup.network.name));
    out.claim(pages.iter().cloned().chain([path.clone()]))?;
    let earlier = match out.intact(&path)? {
        true => Some(Results::read(&path)?),
        false => None,
    };
    if let Some(earlier) = &earlier {
        out.refuse(&path, config.difference(&earlier.config))?;
        out.agree(&path, &environment(gpu))?;
    }
    let dice = options.out.join("figures").join("dice.png");
    let dice = both(&dice);
    let again = pages.into_iter().chain(dice.clone()).chain([path.clone()]);
    out.expect_whole(&again.collect::<Vec<_>>())?;

    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => synthetic(&out, options.seed)?,
    };
    let rois = RoiOptions {
        seed: options.seed,
        whole: options.whole,
        duplicates: options.duplicates,
        ..RoiOptions::default()
    };
    let material = Material::of_rounds(
        &folder,
        &options.read,
        &rois,
        &options.rounds(),
        options.folds,
        options.test.as_ref(),
    )?;
    options.own().try_for_each(|setup| explain::expect(gpu, setup, &material))?;
    let dataset = material.summary();
    let shared = origins::shared(gpu, &dataset.fingerprint);
    let shared = match &dataset.test {
        Some(test) => origins::with(&shared, "test", json!(test.fingerprint)),
        None => shared,
    };
    let origin = origins::with(&shared, "settings", Value::Object(config.settings()));
    let mut runs = Vec::new();
    if let Some(earlier) = earlier {
        let then = (&earlier.config.data[..], &earlier.dataset);
        origins::same_rois(&out, &path, then, (&config.data, &dataset))?;
        out.agree(&path, &origin)?;
        config.take_in(earlier.config);
        runs = earlier.runs;
    }
    let baselines = baseline::baselines(&material)?;
    let mut results = Results::new(gpu, config, dataset, baselines);
    results.baselines_borders_validation = Some(baseline::borders(&material)?);
    results.runs = runs;
    let whole = Whole { gpu, options, material: &material, out: &out, shared, origin };
    whole.agree()?;
    results.summarize(&options.out)?;
    whole.write(&results)?;
    whole.run_all(&mut results, tell)?;
    let trivial = figures::trivial(&material)?;
    out.make_all(&dice, &whole.origin, || figures::dice_curves(&results, &trivial, &dice[0]))?;
    report(&out, &options.out, &whole.origin)?;
    out.finish()?;
    Ok(results)
}

/// All of an experiment.
struct Whole<'a> {
    gpu: &'a Arc<Gpu>,
    options: &'a Options,
    material: &'a Material,
    out: &'a RunFolder,
    /// What every file is made from, among others.
    shared: Items,
    /// What is about all runs is made from these.
    origin: Items,
}

impl Whole<'_> {
    /// Runs the phases that `results` lacks.
    fn run_all(&self, results: &mut Results, tell: &dyn Fn(&Results)) -> Result<()> {
        let Whole { options, material, .. } = self;
        let progress = progress::Progress::new(options);
        let phases = Phase::of(&options.experiments);
        let filtered = phases.len() > 1;
        if filtered {
            for (round, split) in self.rounds() {
                self.masks(round, split)?;
            }
        }
        for job in self.jobs() {
            let (name, round) = (job.setup.network.name, job.round);
            for &phase in phases {
                if results.has(name, round, phase) {
                    job.hold(phase)?;
                    // Killed between the results and this, a process leaves it.
                    job.forget(phase)?;
                    continue;
                }
                crate::console::note!("{}: {}", progress.words(results), job.title(phase));
                if phase == Phase::Original {
                    let done = job.original(filtered)?;
                    figures::of_run(&job, material, &done)?;
                    results.runs.push(done.result);
                } else {
                    let (retrained, records) = job.retrain(phase)?;
                    figures::of_training(&job, phase, &records)?;
                    results.add(name, round, phase, retrained);
                }
                results.summarize(&options.out)?;
                self.write(results)?;
                job.forget(phase)?;
                if progress.left(results).0 > 0 {
                    self.page()?;
                    tell(results);
                }
            }
        }
        Ok(())
    }

    /// The rounds that are run, each with its split.
    fn rounds(&self) -> impl Iterator<Item = (Round, &Split)> {
        let only = self.options.only.as_ref().map(Part::round);
        let all = self.options.rounds().into_iter().zip(&self.material.splits);
        all.filter(move |(round, _)| only.is_none_or(|only| only == *round))
    }

    /// The phases of a model in a round.
    fn jobs(&self) -> impl Iterator<Item = job::Job<'_>> {
        let Whole { gpu, options, material, out, shared, .. } = self;
        let job = move |setup, (round, split)| job::Job {
            gpu,
            setup,
            round,
            options,
            material,
            split,
            out,
            shared,
        };
        options.own().flat_map(move |setup| self.rounds().map(move |one| job(setup, one)))
    }

    /// That networks which an earlier call has left are of these options.
    fn agree(&self) -> Result<()> {
        self.jobs().try_for_each(|job| {
            let path = job.weights_file(Phase::Original);
            self.out.agree(&path, &job.origin(Phase::Original)?)
        })
    }

    fn write(&self, results: &Results) -> Result<()> {
        let path = self.options.out.join("results.json");
        self.out.make(&path, &self.origin, |path| results.write(path))
    }

    /// The report without its files for a paper.
    fn page(&self) -> Result<()> {
        let path = self.options.out.join("report.html");
        self.out.make(&path, &self.origin, |_| html::write(&self.options.out).map(drop))
    }

    /// Writes the ROIs times masks of a round, unless an earlier call did.
    fn masks(&self, round: Round, split: &Split) -> Result<()> {
        let origin = origins::with(&self.shared, "seed", json!(round.seed));
        let origin = origins::with(&origin, "split", json!(sides(split)));
        let folder = self.options.out.join("filtered").join("masks").join(round.stem());
        let rois = &self.material.rois;
        let sources = filter::mask_sources(rois, split, round.seed);
        filter::export_masked(rois, &sources, &folder, self.out, &origin)
    }
}

/// The report of the run in `folder`, with its tables and figures for a paper.
fn report(out: &RunFolder, folder: &Path, origin: &Items) -> Result<Written> {
    let make =
        &mut |path: &Path, bytes: &[u8]| out.make(path, origin, |path| files::write(path, bytes));
    html::write_all(folder, make)
}

/// Where the heatmaps of a run are.
fn heatmap_folder(out: &Path, model: &str, round: Round) -> PathBuf {
    out.join("heatmaps").join(model).join(round.stem())
}

/// The scores of a run's heatmaps.
fn scores_file(out: &Path, model: &str, round: Round) -> PathBuf {
    heatmap_folder(out, model, round).join("scores.csv")
}

/// The table of lesions beside the scores.
const LESIONS: &str = "lesions.csv";

/// The table of normal ROIs beside the scores.
const NORMALS: &str = "normals.csv";

/// What the model of a phase says of the validation ROIs.
pub(crate) fn predictions_file(out: &Path, model: &str, round: Round, phase: Phase) -> PathBuf {
    out.join("predictions").join(model).join(format!("{}.csv", phase.stem(round)))
}

/// What a run's network says of the ROIs that it has learnt from.
pub(crate) fn training_predictions_file(out: &Path, model: &str, round: Round) -> PathBuf {
    out.join("predictions").join(model).join(format!("{}.train.csv", round.stem()))
}

/// What a run's network says of the test set: its `predictions`, or the `scores` of its maps.
fn test_file(out: &Path, what: &str, model: &str, round: Round) -> PathBuf {
    out.join("predictions").join(model).join(format!("{}.test-{what}.csv", round.stem()))
}

/// Makes synthetic mammograms in the run's folder, and returns theirs.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File) when they cannot be written; [`Error::Content`](crate::error::Error::Content) when others are there.
pub fn synthetic(out: &RunFolder, seed: u64) -> Result<PathBuf> {
    let folder = out.root().join("synthetic");
    crate::console::note!("making synthetic mammograms in {}", folder.display());
    let options = synth::SynthOptions { seed, ..Default::default() };
    let origin = items([
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("seed", json!(seed)),
        ("patients", json!(options.patients)),
        ("size", json!(options.size)),
    ]);
    let paths = synth::file_names(&options).into_iter().map(|name| folder.join(name));
    let paths: Vec<PathBuf> = paths.collect();
    out.claim(paths.iter().cloned())?;
    synth::synthesize(&folder, &options)?;
    paths.iter().try_for_each(|path| out.made(path, &origin))?;
    Ok(folder)
}
