//! Networks of an earlier experiment that other commands go on with.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::Setup;
use super::phase::Phase;
use super::results::Results;
use super::round::Round;
use crate::error::{Error, Result};
use crate::lab::run_folder::Taken;
use crate::nets::images::Split;
use crate::nets::models::Network;
use crate::nets::train::sides;
use crate::provenance::{Items, difference};

/// The weights of `model` with `seed` in the folder of a run, learnt from ROIs as they are.
pub fn weights_of(folder: &Path, model: &str, seed: u64) -> PathBuf {
    folder.join("weights").join(model).join(format!("{seed}.safetensors"))
}

/// `network` with the hidden dense layers that it has in the run in `folder`; as it is where the run does not know it,
/// which whoever goes on with its networks is then told.
///
/// # Errors
/// [`Error::Content`] for layers that no network has; those of reading.
pub fn deepened(folder: &Path, network: &'static Network) -> Result<&'static Network> {
    let path = folder.join("results.json");
    if !path.exists() {
        return Ok(network);
    }
    let run = results(&path)?;
    let said = run.config.training.get(network.name).and_then(|training| training.get("dense"));
    let Some(said) = said else { return Ok(network) };
    let units: Option<Vec<usize>> = serde_json::from_value(said.clone()).ok();
    units.and_then(|units| network.with_dense(&units).ok()).ok_or_else(|| {
        let problem =
            format!("{} is said to have hidden dense layers of {said} units", network.name);
        Error::content(path, problem, "give the --out of `parula reproduce` as it wrote it")
    })
}

/// Refuses the run in `folder` where its network of `setup` with `seed` was trained by other options: another one that
/// is trained as `setup` says would differ in more than it should.
///
/// # Errors
/// [`Error::Content`] with the first difference; those of reading.
pub fn same_training(folder: &Path, setup: &Setup, seed: u64) -> Result<()> {
    let Some(difference) = other_training(folder, setup, seed)? else { return Ok(()) };
    let path = weights_of(folder, setup.network.name, seed);
    let problem = format!(
        "other networks are trained beside it, which must differ in nothing but their labels or their seed, and \
         its own training was another: {difference}"
    );
    Err(Error::content(path, problem, "give the options that it was trained by"))
}

/// The first difference between `setup` and how its network with `seed` was trained in the run in `folder`.
///
/// # Errors
/// Those of reading.
pub fn other_training(folder: &Path, setup: &Setup, seed: u64) -> Result<Option<String>> {
    let path = weights_of(folder, setup.network.name, seed);
    let record = Taken::read(folder, "reproduce")?;
    let then = record.origin(&path)?.get("training").and_then(Value::as_object);
    Ok(difference(&setup.describe(), &then.cloned().unwrap_or_default()))
}

/// An option of training that was given, and what a description of a training calls what it sets.
pub type Given = (&'static str, &'static str);

/// What an option sets that sets more than one thing.
pub const EVERY_SETTING: &str = "";

/// Refuses options that are `given` and say otherwise than the run in `folder` how its network of `setup` was trained:
/// it is not trained again, so that they would change nothing.
///
/// # Errors
/// [`Error::Usage`] with the first of them; those of reading.
pub fn trained_so(folder: &Path, setup: &Setup, given: &[Given]) -> Result<()> {
    let path = folder.join("results.json");
    if given.is_empty() || !path.exists() {
        return Ok(());
    }
    let run = results(&path)?;
    let Some(then) = run.config.training.get(setup.network.name) else { return Ok(()) };
    let now = setup.describe();
    for &(option, sets) in given {
        let of = |all: &Items| -> Items {
            let own = all.iter().filter(|(key, _)| sets == EVERY_SETTING || *key == sets);
            own.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        if let Some(difference) = difference(&of(&now), &of(then)) {
            let name = setup.network.name;
            return Err(Error::usage(
                format!(
                    "{option} would change nothing: {name} of {} is trained, and otherwise: {difference}",
                    folder.display()
                ),
                format!("leave out {option}, or --weights to train"),
            ));
        }
    }
    Ok(())
}

/// The results of the run in the file `path`.
fn results(path: &Path) -> Result<Results> {
    Results::read(path).map_err(|error| match error {
        // What to do about results of one's own is not what to do about those of another run.
        Error::Content { path, problem, .. } => {
            Error::content(path, problem, "make that run again, or leave --weights away to train")
        }
        other => other,
    })
}

/// Refuses the run in `folder` where its networks are not of ROIs of this `fingerprint`, of these models, and of
/// these seeds with these splits: what is validation here would have been learnt from there. What the weights
/// are of, the run's record says, with a digest of each file; not where they lie.
///
/// # Errors
/// [`Error::Content`] where it does not fit; those of reading.
pub fn check(
    folder: &Path,
    models: &[&str],
    seeds: &[u64],
    splits: &[Split],
    fingerprint: &str,
) -> Result<()> {
    let path = folder.join("results.json");
    if !path.exists() {
        let hint = "give the --out of `parula reproduce`, or leave --weights away to train";
        return Err(Error::content(folder, "no run of parula: results.json is missing", hint));
    }
    let record = Taken::read(folder, "reproduce")?;
    record.origin(&path)?;
    let run = results(&path)?;
    let other = |path: &Path| {
        Error::content(
            path,
            "its networks learnt from other ROIs than those of --data, --seed and --whole, so that some of \
             them may be validation ROIs here",
            "give the --data, --seed and --whole of that run, or leave --weights away to train",
        )
    };
    if run.dataset.fingerprint != fingerprint {
        return Err(other(&path));
    }
    for &name in models {
        for (&seed, split) in seeds.iter().zip(splits) {
            let path = weights_of(folder, name, seed);
            if !path.exists() || run.run(name, Round { seed, fold: None }).is_none() {
                let problem = format!("there are no weights of {name} with seed {seed}");
                let hint = "give models and --seeds of that run, or leave --weights away to train";
                return Err(Error::content(path, problem, hint));
            }
            let origin = record.origin(&path)?;
            let original = Phase::Original.name();
            let own = [("model", json!(name)), ("seed", json!(seed)), ("phase", json!(original))];
            let of = [("rois", json!(fingerprint)), ("split", json!(sides(split)))];
            let differs = |(key, value): &(&str, _)| origin.get(*key) != Some(value);
            if let Some((key, _)) = own.iter().find(|one| differs(one)) {
                let problem = format!("by its record it is of another {key}");
                let hint = "make that run again, or leave --weights away to train";
                return Err(Error::content(path, problem, hint));
            }
            if of.iter().any(differs) {
                return Err(other(&path));
            }
        }
    }
    Ok(())
}
