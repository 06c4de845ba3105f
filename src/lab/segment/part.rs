//! The independent parts of a weakly supervised segmentation, a seed each, and what they have finished put together.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::results::{Config, Missing, Results};
use super::{FILE, Options, TABLES, summary};
use crate::error::Result;
use crate::files;
use crate::lab::run_folder::parts::{self, Part as _, Together};
use crate::provenance::difference;

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// From 0, in order of running.
    pub task: usize,
    /// The classifier.
    pub model: String,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
}

impl parts::Part for Part {
    fn name(&self) -> String {
        format!("{}-{}", self.model, self.seed)
    }
}

fn all(model: &str, seeds: &[u64]) -> Vec<Part> {
    let of = |(task, &seed): (usize, &u64)| Part { task, model: model.to_owned(), seed };
    seeds.iter().enumerate().map(of).collect()
}

impl Config {
    /// All parts.
    pub fn parts(&self) -> Vec<Part> {
        all(&self.classifier, &self.seeds)
    }
}

impl Options {
    /// All parts.
    pub fn parts(&self) -> Vec<Part> {
        all(self.classifier.network.name, &self.seeds)
    }

    /// Part number `task`, in a folder of its own.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) when there are not so many.
    pub fn only(mut self, task: usize) -> Result<Self> {
        let part = parts::pick(self.parts(), task)?;
        self.out = part.folder(&self.out);
        self.only = Some(part);
        Ok(self)
    }

    /// Whether the seed is run.
    pub(super) fn runs(&self, seed: u64) -> bool {
        self.only.as_ref().is_none_or(|part| part.seed == seed)
    }
}

impl parts::Results for Results {
    type Part = Part;
    const COMMAND: &'static str = "weak";
    const FILE: &'static str = FILE;

    fn read(path: &Path) -> Result<Self> {
        Results::read(path)
    }

    fn parts(&self) -> Vec<Part> {
        self.config.parts()
    }

    fn difference(&self, other: &Self) -> Option<String> {
        let (now, then) = (&self.config, &other.config);
        let seeds = || (then.seeds != now.seeds).then(|| "other seeds".to_owned());
        difference(&now.settings(), &then.settings()).or_else(seeds)
    }

    fn is_of(&self, part: &Part) -> bool {
        self.seeds.iter().all(|done| done.seed == part.seed)
    }

    fn of_all(&self, out: &Path) -> Vec<PathBuf> {
        vec![out.join(FILE), out.join(TABLES)]
    }

    fn adapter(&self) -> &str {
        &self.adapter
    }
}

/// Puts together what the parts in `out` have finished: their files, and `results.json`, which says what is missing.
/// None where there are no parts.
///
/// # Errors
/// Those of [`parts::together`], of reading and of writing.
pub fn gather(out: &Path) -> Result<Option<Results>> {
    let Some(Together { run, parts, origin, adapter }) = parts::together::<Results>(out)? else {
        return Ok(None);
    };
    let Some(first) = parts.iter().find_map(|(_, done)| done.as_ref()) else { return Ok(None) };
    let mut results = Results { adapter, seeds: Vec::new(), ..first.clone() };
    for (Part { task, seed, .. }, done) in parts {
        let done = done.map(|done| done.seeds).unwrap_or_default();
        if done.is_empty() {
            results.missing.push(Missing { task, seed });
        }
        results.seeds.extend(done);
    }
    results.summary = summary(&results, out)?;
    run.make(&out.join(FILE), &origin, |path| results.write(path))?;
    run.make(&out.join(TABLES), &origin, |path| files::write(path, results.latex().as_bytes()))?;
    run.finish()?;
    Ok(Some(results))
}
