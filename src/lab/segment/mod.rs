//! Segmentation without masks to learn from: a classifier that has seen image labels only is explained,
//! its heatmaps and the images become pseudo-masks, and a segmenter learns from these. Beside it the
//! same network learns from the truth, which is the most that can be hoped for.
//!
//! ```text
//! images, labels -> classifier -> heatmaps -> pseudo-masks -> segmenter     Unmasked: no truth
//! images, truth  ---------------------------------------->  segmenter     the upper bound
//! validation side: masks of both, and of what looks at nothing, against the truth
//! ```

mod figure;
mod heatmaps;
mod job;
mod look;
mod part;
mod pseudo;
mod recipe;
mod results;
mod score;
mod seed;
mod unmasked;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::engine::gpu::Gpu;
use crate::engine::gpu::environment;
use crate::error::Result;
use crate::files;
use crate::lab::data::{ReadOptions, RoiOptions, duplicates};
use crate::lab::experiment::{Material, Setup, earlier, origins, synthetic, tables};
use crate::lab::run_folder::{Again, RunFolder};
use crate::nets::images::Split;
use crate::provenance::difference;

pub use look::Look;
pub use part::{Part, gather};
pub use pseudo::{Pseudo, pseudo};
pub use recipe::Recipe;
pub use results::{Config, Missing, Results, SeedResult};
pub use score::{Line, MaskSummary, Origin};
pub use unmasked::Unmasked;

/// The file of results.
const FILE: &str = "results.json";

/// The table of results for a paper.
const TABLES: &str = "tables.tex";

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// A data set; without it synthetic mammograms are made in the output folder.
    pub data: Option<PathBuf>,
    /// Where everything is written.
    pub out: PathBuf,
    /// The classifier, and how it is trained.
    pub classifier: Setup,
    /// A folder of [`reproduce`](crate::lab::experiment::reproduce) whose classifiers are taken instead.
    pub weights: Option<PathBuf>,
    /// The segmenter, and how it is trained, on pseudo-masks and on the truth.
    pub segmenter: Setup,
    /// How pseudo-masks are made.
    pub recipe: Recipe,
    /// Whole images in the place of ROIs.
    pub whole: bool,
    /// How the pictures of the data set are read.
    pub read: ReadOptions,
    /// What becomes of pictures that show the same scan.
    pub duplicates: duplicates::Handling,
    /// One run for each: it fixes the split, the initial weights and all draws.
    pub seeds: Vec<u64>,
    /// Fixes the padding of ROIs and the places of normal ones.
    pub seed: u64,
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
    let classifier = options.weights.is_none().then_some(&options.classifier);
    [&options.segmenter].into_iter().chain(classifier).try_for_each(|setup| setup.fits(gpu))
}

/// Runs all seeds. `results.json` is written before the first and after each.
///
/// # Errors
/// Those of [`RunFolder::open`], of reading the data and the weights, of the GPU, and of writing;
/// [`Error::Content`](crate::error::Error::Content) when `out` is to be resumed and anything in it was made from
/// something else, and when the classifiers of another run were trained on other ROIs; after Ctrl-C [`Error::Interrupted`](crate::error::Error::Interrupted).
pub fn weak(gpu: &Arc<Gpu>, options: &Options) -> Result<Results> {
    fits(gpu, options)?;
    let run = RunFolder::open(&options.out, "weak", options.again)?;
    let out = &run;
    let path = options.out.join(FILE);
    let config = Config::new(options);
    let earlier = match out.intact(&path)? {
        true => Some(Results::read(&path)?),
        false => None,
    };
    if let Some(earlier) = &earlier {
        out.refuse(&path, difference(&config.settings(), &earlier.config.settings()))?;
        out.agree(&path, &environment(gpu))?;
    }
    let tables = options.out.join(TABLES);
    out.expect_whole(&[path.clone(), tables.clone()])?;
    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => synthetic(out, options.seed)?,
    };
    let rois = RoiOptions {
        seed: options.seed,
        whole: options.whole,
        duplicates: options.duplicates,
        ..RoiOptions::default()
    };
    let material = Material::read(&folder, &options.read, &rois, &options.seeds)?;
    let settings = Value::Object(config.settings());
    let mut results = Results::new(gpu, config, material.summary());
    if let Some(run) = &options.weights {
        let models = [options.classifier.network.name];
        let own =
            options.seeds.iter().zip(&material.splits).filter(|(seed, _)| options.runs(**seed));
        let (seeds, splits): (Vec<u64>, Vec<Split>) =
            own.map(|(&seed, split)| (seed, split.clone())).unzip();
        earlier::check(run, &models, &seeds, &splits, &results.dataset.fingerprint)?;
    }
    let shared = origins::shared(gpu, &results.dataset.fingerprint);
    let origin = origins::with(&shared, "settings", settings);
    if let Some(earlier) = earlier {
        let then = (&earlier.config.data[..], &earlier.dataset);
        origins::same_rois(out, &path, then, (&results.config.data, &results.dataset))?;
        out.agree(&path, &origin)?;
        results.config.take_in(earlier.config);
        results.seeds = earlier.seeds;
        results.summary = earlier.summary;
    }
    let write = |results: &Results| {
        out.make(&path, &origin, |path| results.write(path))?;
        out.make(&tables, &origin, |path| files::write(path, results.latex().as_bytes()))
    };
    let seeds = options.seeds.iter().zip(&material.splits).filter(|(seed, _)| options.runs(**seed));
    let (material, shared) = (&material, &shared);
    let job = |(&seed, split)| job::Job { gpu, options, material, split, seed, out, shared };
    seeds.clone().try_for_each(|one| {
        let job = job(one);
        job.expect()?;
        job.agree()
    })?;
    write(&results)?;
    for one in seeds {
        let (job, seed) = (job(one), *one.0);
        if results.seeds.iter().any(|done| done.seed == seed) {
            job.hold(&origin)?;
            job.forget_states()?;
            continue;
        }
        options
            .classifier
            .train
            .stop
            .check(|| format!("{} seeds were finished", results.seeds.len()))?;
        let done = job.run(&origin)?;
        results.seeds.push(done);
        results.summary = summary(&results, &options.out)?;
        write(&results)?;
        job.forget_states()?;
        crate::console::note!(
            "so far:\n{}{}",
            results.table().to_text(),
            results.too_few().unwrap_or_default()
        );
    }
    run.finish()?;
    Ok(results)
}

/// The summary of the tables that the seeds left.
fn summary(results: &Results, out: &Path) -> Result<Vec<MaskSummary>> {
    let table = |done: &SeedResult| tables::read::<Line>(&scores_file(out, done.seed));
    let tables: Vec<Vec<Line>> = results.seeds.iter().map(table).collect::<Result<_>>()?;
    Ok(score::summarize(&tables))
}

/// The table of a seed.
fn scores_file(out: &Path, seed: u64) -> PathBuf {
    out.join("scores").join(format!("{seed}.csv"))
}
