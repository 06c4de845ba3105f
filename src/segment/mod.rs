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
mod look;
mod pseudo;
mod recipe;
mod results;
mod score;
mod seed;
mod unmasked;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::data::{ReadOptions, RoiOptions, duplicates};
use crate::error::Result;
use crate::experiment::{Material, Setup, earlier, synthetic, tables};
use crate::files;
use crate::gpu::Gpu;
use crate::train::interruption;

pub use look::Look;
pub use pseudo::{Pseudo, pseudo};
pub use recipe::Recipe;
pub use results::{Config, Results, SeedResult};
pub use score::{Line, Origin, Summary};
pub use unmasked::Unmasked;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// A data set; without it synthetic mammograms are made in the output folder.
    pub data: Option<PathBuf>,
    /// Where everything is written.
    pub out: PathBuf,
    /// The classifier, and how it is trained.
    pub classifier: Setup,
    /// A folder of [`reproduce`](crate::experiment::reproduce) whose classifiers are taken instead.
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
    pub duplicates: duplicates::Mode,
    /// One run for each: it fixes the split, the initial weights and all draws.
    pub seeds: Vec<u64>,
    /// Fixes the padding of ROIs and the places of normal ones.
    pub seed: u64,
    /// Go on where an earlier call with the same options was stopped in `out`.
    pub resume: bool,
}

/// The folders in the output folder, but for synthetic images.
const FOLDERS: &[&str] = &["checkpoints", "figures", "masks", "scores", "weights"];

/// Runs all seeds. `results.json` is written before the first and after each.
///
/// # Errors
/// Those of reading the data and the weights, of the GPU, and of writing; [`Error::Content`](crate::error::Error::Content) when `out`
/// is to be resumed and is of another configuration, and when the classifiers of another run were
/// trained on other ROIs; after Ctrl-C [`Error::Interrupted`](crate::error::Error::Interrupted).
pub fn weak(gpu: &Arc<Gpu>, options: &Options) -> Result<Results> {
    let classifier = options.weights.is_none().then_some(&options.classifier);
    [&options.segmenter].into_iter().chain(classifier).try_for_each(|setup| setup.fits(gpu))?;
    files::create_folder(&options.out)?;
    files::sweep(&options.out, FOLDERS)?;
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
    for (&seed, split) in options.seeds.iter().zip(&material.splits) {
        seed::Job { gpu, options, material: &material, split, seed }.expect()?;
    }
    let path = options.out.join("results.json");
    let mut results = Results::new(gpu, Config::new(options), material.summary());
    if let Some(run) = &options.weights {
        let models = [options.classifier.network.name];
        earlier::check(run, &models, &options.seeds, &results.dataset.fingerprint)?;
    }
    if options.resume && path.exists() {
        results.take_up(Results::read(&path)?, &path)?;
    }
    results.write(&path)?;
    for (&seed, split) in options.seeds.iter().zip(&material.splits) {
        if results.seeds.iter().any(|done| done.seed == seed) {
            continue;
        }
        interruption(|| format!("{} seeds were finished", results.seeds.len()))?;
        let job = seed::Job { gpu, options, material: &material, split, seed };
        if !options.resume {
            job.forget()?;
        }
        let done = job.run()?;
        results.seeds.push(done);
        results.summary = summary(&results, &options.out)?;
        results.write(&path)?;
        job.forget_states()?;
        crate::console::note!(
            "so far:\n{}{}",
            results.table().to_text(),
            results.too_few().unwrap_or_default()
        );
    }
    Ok(results)
}

/// The summary of the tables that the seeds left.
fn summary(results: &Results, out: &Path) -> Result<Vec<Summary>> {
    let table = |done: &SeedResult| tables::read::<Line>(&scores_file(out, done.seed));
    let tables: Vec<Vec<Line>> = results.seeds.iter().map(table).collect::<Result<_>>()?;
    Ok(score::summarize(&tables))
}

/// The table of a seed.
fn scores_file(out: &Path, seed: u64) -> PathBuf {
    out.join("scores").join(format!("{seed}.csv"))
}
