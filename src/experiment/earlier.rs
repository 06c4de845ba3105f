//! Networks of an earlier experiment that other commands go on with.

use std::path::{Path, PathBuf};

use super::results::Results;
use crate::error::{Error, Result};

/// The weights of `model` with `seed` in the folder of a run, learnt from ROIs as they are.
pub fn weights_of(folder: &Path, model: &str, seed: u64) -> PathBuf {
    folder.join("weights").join(model).join(format!("{seed}.safetensors"))
}

/// Refuses the run in `folder` where its networks are not of these ROIs, models and seeds: what is
/// validation here would have been learnt from there.
///
/// # Errors
/// [`Error::Content`] where it does not fit; those of reading.
pub fn check(folder: &Path, models: &[&str], seeds: &[u64], fingerprint: &str) -> Result<()> {
    let path = folder.join("results.json");
    if !path.exists() {
        let hint = "give the --out of `parula reproduce`, or leave --weights away to train";
        return Err(Error::content(folder, "no run of parula: results.json is missing", hint));
    }
    let run = Results::read(&path)?;
    if run.dataset.fingerprint != fingerprint {
        return Err(Error::content(
            path,
            "its networks learnt from other ROIs than those of --data, --seed and --whole, so that some of \
             them may be validation ROIs here",
            "give the --data, --seed and --whole of that run, or leave --weights away to train",
        ));
    }
    for &name in models {
        for &seed in seeds {
            let path = weights_of(folder, name, seed);
            if !path.exists() || run.run(name, seed).is_none() {
                let problem = format!("there are no weights of {name} with seed {seed}");
                let hint = "give models and --seeds of that run, or leave --weights away to train";
                return Err(Error::content(path, problem, hint));
            }
        }
    }
    Ok(())
}
