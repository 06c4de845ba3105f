//! Methods of explanation compared: every method of every model with every seed, scored by every metric on
//! the same validation ROIs, beside maps that look at no network.
//!
//! A *unit* is one map of one model with one seed. It leaves a table of ROIs and one of Dice by threshold;
//! everything else is computed from these, and a run that was stopped goes on after the last unit.

mod chosen;
mod classifier;
mod faithful;
mod figures;
mod gather;
mod maps;
mod metric;
mod network;
mod part;
mod results;
mod retrain;
mod summary;
mod tables;
pub mod trust;
mod unit;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::engine::gpu::Gpu;
use crate::engine::gpu::environment;
use crate::error::{Error, Result};
use crate::lab::data::{ReadOptions, RoiOptions, duplicates};
use crate::lab::experiment::progress::Rough;
use crate::lab::experiment::{
    self, Material, Phase, Round, Setup, earlier, origins, predictions_file,
    training_predictions_file,
};
use crate::lab::run_folder::{Again, RunFolder};
use crate::nets::cam::{Argument, Method};
use crate::nets::images::Split;
use crate::nets::models::in_words;
use crate::provenance::Items;

pub use classifier::Classifier;
pub use gather::gather;
pub use maps::{CONTROLS, Map, TRIVIAL};
pub use metric::{METRICS, Metric, Score, find};
pub use part::Part;
pub use results::{Config, MapSummary, Missing, Results, Retrained, Unit};
pub use tables::{markdown, text};

use chosen::Chosen;

/// What to compare.
#[derive(Clone, Debug)]
pub struct Options {
    /// A data set; without it synthetic mammograms are made in the output folder.
    pub data: Option<PathBuf>,
    /// Where everything is written.
    pub out: PathBuf,
    /// The folder of an earlier experiment whose networks are explained; without it they are trained.
    pub weights: Option<PathBuf>,
    /// The networks, and how each is trained.
    pub models: Vec<Setup>,
    /// The methods.
    pub methods: Vec<&'static Method>,
    /// One network of every model for each: it fixes the split, the initial weights and all draws.
    pub seeds: Vec<u64>,
    /// Fixes the padding of ROIs, the places of normal ones, and which ROIs are drawn.
    pub seed: u64,
    /// Whole images in the place of ROIs.
    pub whole: bool,
    /// How the pictures of the data set are read.
    pub read: ReadOptions,
    /// What becomes of pictures that show the same scan.
    pub duplicates: duplicates::Handling,
    /// Validation ROIs of lesions that are scored; all without it.
    pub images: Option<usize>,
    /// Training ROIs of lesions that the threshold is chosen on.
    pub training_images: usize,
    /// Of the validation ROIs, those that deletion, insertion and ROAD are measured on.
    pub faithfulness_images: usize,
    /// Steps of deletion, insertion and ROAD: pixels change in that many parts. At least 2.
    pub steps: usize,
    /// Samples of methods that take any number; without it, each method's own.
    pub samples: Option<usize>,
    /// Side of the square that occlusion covers.
    pub patch: Option<usize>,
    /// Distance of these squares.
    pub stride: Option<usize>,
    /// What the ranks are by.
    pub rank_by: &'static Metric,
    /// Whether networks are also trained from scratch on ROIs times their heatmaps.
    pub retrain: bool,
    /// Whether maps depend on the network, where that is asked.
    pub trust: Option<trust::Settings>,
    /// Whether the heatmaps of all scored ROIs are kept, not only those of the gallery.
    pub heatmaps: bool,
    /// This part alone.
    pub only: Option<Part>,
    /// What becomes of an earlier run in `out`.
    pub again: Again,
}

/// The most steps of deletion, insertion and ROAD.
const MOST_STEPS: usize = 10_000;

/// ROIs of a gallery.
const GALLERY: usize = 4;

/// Plans every training on one picture, before anything is read or written.
///
/// # Errors
/// [`Error::TooLarge`] with what does not fit.
pub fn fits(gpu: &Gpu, options: &Options) -> Result<()> {
    let trained = options.trains();
    options.own().filter(|_| trained).try_for_each(|setup| setup.fits(gpu))
}

/// Runs all units. `compare.json` is rewritten after each; the summary, the tables and the figures come at
/// the end.
///
/// # Errors
/// [`Error::Usage`] for options out of range; those of [`RunFolder::open`], of reading the data and weights, of
/// the GPU, and of writing; [`Error::Content`] when `out` is to be resumed and anything in it was made from
/// something else; after Ctrl-C [`Error::Interrupted`]. Units that were finished before stay in `out`.
pub fn compare(gpu: &Arc<Gpu>, options: &Options) -> Result<Results> {
    check(options)?;
    fits(gpu, options)?;
    let out = RunFolder::open(&options.out, "compare", options.again)?;
    let path = options.out.join(gather::FILE);
    let mut config = Config::new(options);
    let earlier = match out.intact(&path)? {
        true => Some(Results::read(&path)?),
        false => None,
    };
    if let Some(earlier) = &earlier {
        out.refuse(&path, config.difference(&earlier.config))?;
        out.agree(&path, &environment(gpu))?;
    }
    let models = || options.models.iter().map(|setup| setup.network.name);
    let galleries = || models().map(|model| figures::gallery_of(&options.out, model));
    let mut again = gather::paths(&options.out, models());
    again.extend(galleries().flatten().chain([path.clone()]));
    out.expect_whole(&again)?;
    let folder = match &options.data {
        Some(folder) => folder.clone(),
        None => experiment::synthetic(&out, options.seed)?,
    };
    let rois = RoiOptions {
        seed: options.seed,
        whole: options.whole,
        duplicates: options.duplicates,
        ..RoiOptions::default()
    };
    let material = Material::read(&folder, &options.read, &rois, &options.seeds)?;
    expect(gpu, options, &material)?;
    let dataset = material.summary();
    if let Some(folder) = &options.weights {
        let own: Vec<&str> = options.own().map(|setup| setup.network.name).collect();
        let seeds = options.seeds.iter().zip(&material.splits);
        let run = |seed| own.iter().any(|model| options.runs(model, seed));
        let (seeds, splits): (Vec<u64>, Vec<Split>) = seeds
            .filter(|(seed, _)| run(**seed))
            .map(|(seed, split)| (*seed, split.clone()))
            .unzip();
        earlier::check(folder, &own, &seeds, &splits, &dataset.fingerprint)?;
        if options.retrain {
            tell_other_training(options, folder)?;
        }
    }
    let shared = origins::shared(gpu, &dataset.fingerprint);
    let settings = Value::Object(config.shared_settings());
    let origin = origins::with(&shared, "settings", settings);
    let mut done = None;
    if let Some(earlier) = earlier {
        let then = (&earlier.config.data[..], &earlier.dataset);
        origins::same_rois(&out, &path, then, (&config.data, &dataset))?;
        out.agree(&path, &origin)?;
        config.take_in(earlier.config.clone());
        done = Some(earlier);
    }
    let mut results = Results::new(gpu, config, dataset);
    if let Some(done) = done {
        results.take_up(done);
    }
    let whole = Whole { gpu, options, material: &material, out: &out, shared, origin };
    whole.networks().try_for_each(|network| network.agree(&whole))?;
    trust::agree(&whole)?;
    whole.write(&results)?;
    whole.run_all(&mut results)?;
    trust::run(&whole, &mut results)?;
    results.summarize(&options.out, options.rank_by)?;
    results.judge_trust();
    whole.write(&results)?;
    // Parts have the tables and pictures of their own units; the others are about all.
    if options.only.is_none() {
        gather::write(&out, &whole.origin, &results, &options.out)?;
    }
    let first = options.seeds.first().copied().unwrap_or_default();
    for (model, paths) in models().zip(galleries()).filter(|(model, _)| options.runs(model, first))
    {
        out.make_all(&paths, &whole.origin, || {
            figures::gallery(&results, options, &material, model, &paths[0])
        })?;
    }
    out.finish()?;
    Ok(results)
}

/// Plans everything that is run with a network, before a picture is resized. Of networks of an earlier run
/// only their weights say what size they are; they are planned as they are read.
fn expect(gpu: &Gpu, options: &Options, material: &Material) -> Result<()> {
    let rois = &material.rois;
    let largest = rois.iter().map(|roi| roi.image.pixels.len()).max().unwrap_or(1);
    for setup in options.own() {
        if options.trains() {
            setup.expect(gpu, &material.splits, rois.len())?;
        }
        if options.weights.is_none() {
            for &method in &options.methods {
                let map = Map::Method(method);
                let settings = maps::settings(method, options, setup.scaling, options.seed);
                setup.explains(gpu, &settings, map.batch(), largest)?;
            }
        }
    }
    Ok(())
}

/// That the options are in range.
///
/// # Errors
/// [`Error::Usage`] with the first that is not.
pub fn check(options: &Options) -> Result<()> {
    if options.steps > MOST_STEPS {
        let problem = format!("{} steps are more than anyone can wait for", options.steps);
        return Err(Error::usage(problem, format!("give --steps 2 to {MOST_STEPS}")));
    }
    let least = [
        ("--steps", options.steps, 2),
        ("--training-images", options.training_images, 1),
        ("--images", options.images.unwrap_or(1), 1),
    ];
    if let Some((name, _, least)) = least.iter().find(|(_, value, least)| value < least) {
        return Err(Error::usage(format!("{name} must be {least} or more"), "see --help"));
    }
    let Metric { name, .. } = options.rank_by;
    if options.rank_by.of.is_none() && !options.retrain {
        let problem = format!("{name} is not measured without --retrain");
        return Err(Error::usage(problem, "add it, or rank by something else"));
    }
    if options.rank_by.is_faithfulness() && options.faithfulness_images == 0 {
        let problem = format!("{name} is not measured with --faithfulness-images 0");
        return Err(Error::usage(problem, "give 1 or more, or rank by something else"));
    }
    for setup in &options.models {
        if let Some(method) = options.methods.iter().find(|one| !one.explains(setup.network)) {
            let layers = in_words(setup.network.dense());
            return Err(Error::usage(
                format!("{} has no map of {}: it has {layers}", method.name, setup.network.name),
                "leave the method out, or the hidden layers",
            ));
        }
    }
    let given = [
        (options.samples.is_some(), "--samples", Argument::Samples),
        (options.patch.is_some(), "--patch", Argument::Patch),
        (options.stride.is_some(), "--stride", Argument::Stride),
    ];
    for (given, option, argument) in given {
        if given && !options.methods.iter().any(|method| method.takes(argument)) {
            return Err(Error::usage(
                format!("no method that is compared has a use for {option}"),
                format!("leave out {option}, which is for {}", argument.takers()),
            ));
        }
    }
    trust::check(options)
}

/// Says on stderr where networks are trained again otherwise than those of the run in `folder`, which they stand beside.
fn tell_other_training(options: &Options, folder: &Path) -> Result<()> {
    for setup in options.own() {
        let name = setup.network.name;
        let Some(seed) = options.seeds.iter().find(|&&seed| options.runs(name, seed)) else {
            continue;
        };
        if let Some(difference) = earlier::other_training(folder, setup, *seed)? {
            crate::console::note!(
                "{name}: --retrain trains otherwise than the network of {} was trained: {difference}",
                folder.display()
            );
        }
    }
    Ok(())
}

impl Options {
    /// Whether any network is trained.
    fn trains(&self) -> bool {
        self.weights.is_none() || self.retrain || self.trust.is_some()
    }
}

/// All of a comparison.
struct Whole<'a> {
    gpu: &'a Arc<Gpu>,
    options: &'a Options,
    material: &'a Material,
    out: &'a RunFolder,
    /// What every file is made from, among others.
    shared: Items,
    /// What is about all units is made from these.
    origin: Items,
}

impl Whole<'_> {
    /// Runs the units that `results` lacks.
    fn run_all(&self, results: &mut Results) -> Result<()> {
        let Whole { gpu, options, material, out, .. } = self;
        let methods = options.methods.iter().map(|&method| Map::Method(method));
        let controls = options.trust.iter().flat_map(|_| CONTROLS);
        let maps: Vec<Map> = methods.chain(TRIVIAL).chain(controls).collect();
        let all = self.networks().count() * maps.len();
        let mut number = 0;
        for network in self.networks() {
            let network::Network { setup, seed, split } = network;
            let name = setup.network.name;
            let path = network.path(self)?;
            let origin = network.unit_origin(self, &path)?;
            self.classify(&network, &path, &origin, results)?;
            let mut missing = Vec::new();
            for &map in &maps {
                match results.has(name, seed, map.name()) {
                    true => unit::hold(out, options, name, seed, map, &origin)?,
                    false => missing.push(map),
                }
            }
            number += maps.len() - missing.len();
            if missing.is_empty() {
                continue;
            }
            let chosen = Chosen::new(options, material, split)?;
            let trained = network.load(self, &path)?;
            let mut job = unit::Job {
                gpu,
                options,
                material,
                split,
                setup,
                seed,
                faithfulness: unit::Job::faithfulness(gpu, options, &trained, &chosen, seed)?,
                trained: &trained,
                chosen: &chosen,
                out,
                origin: &origin,
            };
            for map in missing {
                number += 1;
                let expected = self
                    .expected(results, &maps)
                    .map_or(String::new(), |time| format!(", about {} left", Rough(time)));
                crate::console::note!(
                    "{number} of {all}{expected}: {name} seed {seed}, {}",
                    map.name()
                );
                let unit = job.run(map)?;
                results.units.push(unit);
                self.write(results)?;
            }
        }
        Ok(())
    }

    /// Judges the network, unless an earlier call has.
    fn classify(
        &self,
        network: &network::Network,
        path: &Path,
        origin: &Items,
        results: &mut Results,
    ) -> Result<()> {
        let (model, seed) = (network.setup.network.name, network.seed);
        if results.classifier(model, seed).is_some() {
            let round = Round { seed, fold: None };
            let out = &self.options.out;
            self.out.hold(&training_predictions_file(out, model, round), origin)?;
            return self.out.hold(&predictions_file(out, model, round, Phase::Original), origin);
        }
        results.classifiers.push(network.classify(self, path, origin)?);
        self.write(results)
    }

    /// Writes `compare.json`.
    fn write(&self, results: &Results) -> Result<()> {
        let path = self.options.out.join(gather::FILE);
        self.out.make(&path, &self.origin, |path| results.write(path))
    }

    /// The networks, in order of running.
    fn networks(&self) -> impl Iterator<Item = network::Network<'_>> {
        let seeds = || self.options.seeds.iter().zip(&self.material.splits);
        let of =
            move |setup| seeds().map(move |(&seed, split)| network::Network { setup, seed, split });
        let runs = |one: &network::Network| self.options.runs(one.setup.network.name, one.seed);
        self.options.models.iter().flat_map(of).filter(runs)
    }

    /// The time that is left: each unit takes what the finished ones of its map and model took, else those
    /// of its map, else nothing is known.
    fn expected(&self, results: &Results, maps: &[Map]) -> Option<Duration> {
        let mut seconds = 0.0;
        for network in self.networks() {
            let model = network.setup.network.name;
            for map in maps.iter().filter(|map| !results.has(model, network.seed, map.name())) {
                let mean = |same_model: bool| {
                    let alike = results.units.iter().filter(|unit| {
                        unit.method == map.name() && (!same_model || unit.model == model)
                    });
                    let times: Vec<f64> = alike.map(|unit| unit.seconds).collect();
                    (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64)
                };
                seconds += mean(true).or_else(|| mean(false))?;
            }
        }
        // What a file says of times may be anything.
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// A file of a unit in one of the folders.
fn file(out: &Path, folder: &str, model: &str, seed: u64, method: &str) -> PathBuf {
    out.join(folder).join(model).join(seed.to_string()).join(format!("{method}.csv"))
}

/// A heatmap that was kept.
fn heatmap(out: &Path, model: &str, seed: u64, method: &str, roi: &str) -> PathBuf {
    let folder = out.join("heatmaps").join(model).join(seed.to_string()).join(method);
    folder.join(format!("{roi}.png"))
}

/// The state of a training that is not finished.
fn checkpoint(out: &Path, model: &str, stem: &str) -> PathBuf {
    out.join("checkpoints").join(model).join(format!("{stem}.safetensors"))
}

/// Seconds since `start`.
fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}
