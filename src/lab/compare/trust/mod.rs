//! Does the map depend on the network? Tests that each method passes or fails, beside its Dice (Adebayo and others 2018;
//! Arun and others 2021).
//!
//! A *unit* of trust is one method of one model with the first of the seeds, or a control, which looks at no network and
//! must fail: edges and noise. It leaves a table of all similarities. Two architectures are units of their own, so that
//! a comparison may be gone on with for more models.

mod attribution;
mod cascade;
mod networks;
mod pairs;
mod results;
mod similar;
mod tables;
mod unit;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map as Object, Value, json};

use super::chosen::Chosen;
use super::maps::{CONTROLS, Map};
use super::network::Network;
use super::results::Results;
use super::{Options, Whole};
use crate::error::{Error, Result};
use crate::lab::data::Roi;
use crate::lab::experiment::progress::Rough;
use crate::lab::experiment::{Saved, earlier, origins};
use crate::lab::run_folder::content_of;
use crate::provenance::Items;

pub use cascade::{Learnt, Stage, stages};
pub use results::{
    Network as TrustNetwork, Other, Pairs, Passed, RULES, Randomised, Rule, Trust, TrustPair, rules,
};
pub use similar::Similarity;
pub(super) use tables::{draw, markdown, paths, pictures, text, write};

use unit::Job;

/// What to test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Validation ROIs of lesions whose maps are compared, of those that are scored.
    pub images: usize,
    /// Stages of the cascade where a map takes many runs of the network: blocks of layers. All other methods lose a
    /// layer at a time.
    pub stages: usize,
    /// Small changes of each ROI, of which the largest change of its map is taken.
    pub changes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        // Few of both: each stage and each change is a run of all copies, where a map takes many.
        Settings { images: 32, stages: 3, changes: 5 }
    }
}

/// The most ROIs: their maps are held.
const MOST_IMAGES: usize = 1000;
/// The most stages, and the most small changes.
const MOST: usize = 10_000;
/// Pairs of maps of different images.
const PAIRS: usize = 50;
/// Draws of random weights. Each ROI is explained by one of them.
const DRAWS: usize = 4;
/// ROIs that small changes are made to.
const CHANGED_ROIS: usize = 8;
/// The largest change of a pixel, in grey levels of 0 to 255: 2 %.
const RADIUS: f32 = 5.1;

impl Settings {
    /// What decides the outcome, by name.
    pub fn describe(&self) -> Object<String, Value> {
        let Settings { images, stages, changes } = self;
        let all = json!({
            "compared_rois": images,
            "stages": stages,
            "changes": changes,
            "changed_rois": CHANGED_ROIS,
            "radius": RADIUS,
            "pairs": PAIRS,
            "draws": DRAWS,
        });
        all.as_object().cloned().unwrap_or_default()
    }

    /// That they are in range.
    ///
    /// # Errors
    /// [`Error::Usage`] with the first that is not.
    pub fn check(&self) -> Result<()> {
        let ranges = [
            ("--trust-images", self.images, 2, MOST_IMAGES),
            ("--trust-stages", self.stages, 1, MOST),
            ("--trust-changes", self.changes, 1, MOST),
        ];
        match ranges.iter().find(|(_, value, least, most)| !(*least..=*most).contains(value)) {
            None => Ok(()),
            Some((name, value, least, most)) => Err(Error::usage(
                format!("{name} {value} is out of range"),
                format!("give {least} to {most}"),
            )),
        }
    }
}

/// The networks that are tested: each model with the first of the seeds.
fn networks<'a>(whole: &'a Whole) -> Vec<Network<'a>> {
    let first = whole.options.seeds.first().copied();
    whole.networks().filter(|network| Some(network.seed) == first).collect()
}

/// That there is enough to compare, that networks which an earlier call has left are of these options, and that
/// those of another run were trained by them: the others that are trained beside must differ in nothing else.
///
/// # Errors
/// [`Error::Usage`] or [`Error::Content`] with what does not fit.
pub(super) fn agree(whole: &Whole) -> Result<()> {
    if whole.options.trust.is_none() {
        return Ok(());
    }
    for network in networks(whole) {
        let chosen = Chosen::new(whole.options, whole.material, network.split)?;
        if chosen.trusted.len() < 2 {
            return Err(Error::usage(
                "--trust compares maps of different ROIs, and the validation side has one with a lesion",
                "give a larger data set or more --images, or leave --trust away",
            ));
        }
        if let Some(folder) = &whole.options.weights {
            earlier::same_training(folder, network.setup, network.seed)?;
        }
        networks::agree(whole, &network)?;
    }
    Ok(())
}

/// What is missing of a network's units, and what they are made from.
struct Left<'a> {
    network: Network<'a>,
    path: PathBuf,
    others: [PathBuf; 2],
    origin: Items,
    missing: Vec<Map>,
}

/// Runs the units that `results` lacks.
///
/// # Errors
/// Those of training, of the GPU, and of writing; after Ctrl-C [`Error::Interrupted`].
pub(super) fn run(whole: &Whole, results: &mut Results) -> Result<()> {
    let Some(settings) = &whole.options.trust else { return Ok(()) };
    let methods = whole.options.methods.iter().map(|&method| Map::Method(method));
    let maps: Vec<Map> = methods.chain(CONTROLS).collect();
    let mut left = Vec::new();
    for network in networks(whole) {
        left.push(what_is_left(whole, results, network, &maps, settings)?);
    }
    let pairs = (0..left.len()).flat_map(|a| (a + 1..left.len()).map(move |b| [a, b]));
    let mut missing_pairs = Vec::new();
    for both in pairs {
        let missing = pairs_left(whole, results, both.map(|at| &left[at]), &maps)?;
        missing_pairs.extend(missing.into_iter().map(|map| (both, map)));
    }
    let mut progress = Progress {
        left: left.iter().map(|one| one.missing.len()).sum::<usize>() + missing_pairs.len(),
        done: 0,
        seconds: 0.0,
    };
    let loaded: Vec<Option<Saved>> = (0..left.len())
        .map(|at| {
            let needed = !left[at].missing.is_empty()
                || missing_pairs.iter().any(|(both, _)| both.contains(&at));
            let Left { network, path, .. } = &left[at];
            needed.then(|| Saved::read(whole.gpu, network.setup, 1, path)).transpose()
        })
        .collect::<Result<_>>()?;
    let jobs: Vec<Option<Job>> = left
        .iter()
        .zip(&loaded)
        .map(|(left, saved)| {
            saved.as_ref().map(|saved| job(whole, settings, left, saved)).transpose()
        })
        .collect::<Result<_>>()?;
    for (left, job) in left.iter().zip(&jobs) {
        let (Some(job), name) = (job, left.network.setup.network.name) else { continue };
        for &map in &left.missing {
            let seed = left.network.seed;
            progress.tell(&format!("{name} seed {seed}, {}", map.name()));
            let path = file(&whole.options.out, name, seed, map.name());
            let trust = job.run(map, &path)?;
            progress.add(trust.seconds);
            results.trust.push(trust);
            whole.write(results)?;
        }
    }
    for (both, map) in missing_pairs {
        let [Some(one), Some(other)] = both.map(|at| jobs[at].as_ref()) else { continue };
        let [a, b] = [one, other].map(|job| job.network.setup.network.name);
        progress.tell(&format!("{a} and {b} seed {}, {}", one.network.seed, map.name()));
        let path = pair_file(&whole.options.out, [a, b], one.network.seed, map.name());
        let origin = pair_origin(both.map(|at| &left[at]))?;
        let pair = unit::reproducibility([one, other], map, &path, &origin)?;
        progress.add(pair.seconds);
        results.trust_pairs.push(pair);
        whole.write(results)?;
    }
    Ok(())
}

/// Trains the others of a network, unless that is done, and looks which units there are.
fn what_is_left<'a>(
    whole: &Whole,
    results: &mut Results,
    network: Network<'a>,
    maps: &[Map],
    settings: &Settings,
) -> Result<Left<'a>> {
    let (name, seed) = (network.setup.network.name, network.seed);
    let path = network.path(whole)?;
    let others = networks::learn(whole, &network)?;
    let origin = networks::with_contents(&network.unit_origin(whole, &path)?, &others)?;
    let origin = origins::with(&origin, "trust", Value::Object(settings.describe()));
    let of_network = |one: &TrustNetwork| one.model == name && one.seed == seed;
    if !results.trust_networks.iter().any(of_network) {
        let val_acc = results.units.iter().find(|unit| unit.model == name && unit.seed == seed);
        let val_acc = val_acc.map_or(f64::NAN, |unit| unit.val_acc);
        results.trust_networks.push(networks::describe(whole, &network, val_acc, &others)?);
        whole.write(results)?;
    }
    let mut missing = Vec::new();
    for &map in maps {
        let is = |one: &Trust| one.model == name && one.seed == seed && one.method == map.name();
        match results.trust.iter().any(is) {
            true => whole.out.hold(&file(&whole.options.out, name, seed, map.name()), &origin)?,
            false => missing.push(map),
        }
    }
    Ok(Left { network, path, others, origin, missing })
}

/// Which maps of two architectures were not held against each other, in either order.
fn pairs_left(
    whole: &Whole,
    results: &Results,
    both: [&Left; 2],
    maps: &[Map],
) -> Result<Vec<Map>> {
    let names = both.map(|left| left.network.setup.network.name);
    let seed = both[0].network.seed;
    let mut missing = Vec::new();
    for &map in maps {
        let found = results.trust_pairs.iter().find(|pair| {
            let own = pair.models.iter().all(|model| names.contains(&model.as_str()));
            own && pair.seed == seed && pair.method == map.name()
        });
        let Some(found) = found else {
            missing.push(map);
            continue;
        };
        // In the order in which they were held against each other.
        let turned = found.models[0] != names[0];
        let both = if turned { [both[1], both[0]] } else { both };
        let models = both.map(|left| left.network.setup.network.name);
        let path = pair_file(&whole.options.out, models, seed, map.name());
        whole.out.hold(&path, &pair_origin(both)?)?;
    }
    Ok(missing)
}

fn pair_origin(both: [&Left; 2]) -> Result<Items> {
    let [one, other] = both;
    // What these maps have nothing to do with is left out.
    let mut items = one.origin.clone();
    ["shuffled", "twin"].iter().for_each(|name| drop(items.remove(*name)));
    Ok(origins::with(&items, "other_network", json!(content_of(&other.path)?)))
}

fn job<'a>(
    whole: &'a Whole,
    settings: &'a Settings,
    left: &'a Left,
    working: &'a Saved,
) -> Result<Job<'a>> {
    let chosen = Chosen::new(whole.options, whole.material, left.network.split)?;
    let rois: Vec<&Roi> = chosen.trusted.iter().map(|&index| &whole.material.rois[index]).collect();
    let other = |path: &PathBuf| {
        let saved = Saved::read(whole.gpu, left.network.setup, 1, path)?;
        Learnt::of(&saved.store)
    };
    Ok(Job {
        whole,
        settings,
        network: &left.network,
        working,
        original: Learnt::of(&working.store)?,
        shuffled: other(&left.others[0])?,
        twin: other(&left.others[1])?,
        pictures: attribution::pictures(working, rois.iter().copied()),
        rois,
        origin: left.origin.clone(),
    })
}

/// How many units are left, and how long they take.
struct Progress {
    left: usize,
    done: usize,
    seconds: f64,
}

impl Progress {
    fn tell(&self, what: &str) {
        let each = self.seconds / self.done.max(1) as f64;
        let rest = Duration::try_from_secs_f64(each * (self.left - self.done) as f64);
        let rest = rest.ok().filter(|_| self.done > 0);
        let rest = rest.map_or(String::new(), |time| format!(", about {} left", Rough(time)));
        crate::console::note!("trust {} of {}{rest}: {what}", self.done + 1, self.left);
    }

    fn add(&mut self, seconds: f64) {
        self.done += 1;
        self.seconds += seconds;
    }
}

impl Results {
    /// Brings what is said of trust up to date with the units: reproducibility, Dice, and what was passed.
    pub(super) fn judge_trust(&mut self) {
        for trust in &mut self.trust {
            let pairs = self.trust_pairs.iter().filter(|pair| {
                let own = pair.models.contains(&trust.model);
                own && pair.seed == trust.seed && pair.method == trust.method
            });
            let found: Vec<Similarity> = pairs.filter_map(|pair| pair.similarity).collect();
            trust.reproducibility = Similarity::mean(&found);
            let is = |unit: &&super::Unit| {
                unit.model == trust.model && unit.seed == trust.seed && unit.method == trust.method
            };
            let unit = self.units.iter().find(is);
            let value = |name: &str| unit.and_then(|unit| unit.values.get(name).copied().flatten());
            (trust.mean_dice, trust.dice) = (value("mean_dice"), value("dice"));
            trust.judge();
        }
        self.trust_rules = if self.trust.is_empty() { Vec::new() } else { rules() };
    }
}

/// The folder of a model's tests.
fn folder(out: &Path, model: &str, seed: u64) -> PathBuf {
    out.join("trust").join(model).join(seed.to_string())
}

/// The table of a unit.
fn file(out: &Path, model: &str, seed: u64, method: &str) -> PathBuf {
    folder(out, model, seed).join(format!("{method}.csv"))
}

/// The table of two architectures.
fn pair_file(out: &Path, [model, other]: [&str; 2], seed: u64, method: &str) -> PathBuf {
    folder(out, model, seed).join(format!("with-{other}")).join(format!("{method}.csv"))
}

/// That the options are in range.
///
/// # Errors
/// [`Error::Usage`] with the first that is not.
pub(super) fn check(options: &Options) -> Result<()> {
    let Some(settings) = options.trust else { return Ok(()) };
    settings.check()?;
    use crate::lab::metrics::ssim::WINDOW;
    let small = |setup: &&crate::lab::experiment::Setup| setup.size.0.min(setup.size.1) < WINDOW;
    match options.models.iter().find(small) {
        None => Ok(()),
        Some(setup) => Err(Error::usage(
            format!(
                "--trust compares maps by windows of {WINDOW} pixels, and --size is {}",
                setup.size.0.min(setup.size.1)
            ),
            format!("give --size {WINDOW} or more"),
        )),
    }
}
