//! What tuning found, as a table and as JSON.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::engine::gpu::Gpu;
use crate::error::Error;
use crate::lab::bench::{Layer, Timing, Turns};
use crate::lab::report::table::Table;

/// One variant on one operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub variant: String,
    /// Its time; without one it was not timed.
    pub timing: Option<Timing>,
    /// The median of its time over the default's, turn by turn.
    pub ratio: Option<f64>,
    /// The distance between the quartiles of that ratio.
    pub spread: Option<f64>,
    /// What its result was compared with.
    pub checked: Option<String>,
    /// Why it was not timed: its result is wrong, or it is far too slow.
    pub out: Option<String>,
    /// Whether it failed, rather than being too slow.
    pub failed: bool,
}

impl Candidate {
    /// One that took part.
    pub(super) fn timed(variant: &str, turns: Turns, checked: String) -> Self {
        Candidate {
            variant: variant.to_owned(),
            timing: Some(turns.timing),
            ratio: Some(turns.ratio),
            spread: Some(turns.spread),
            checked: Some(checked),
            out: None,
            failed: false,
        }
    }

    fn out(variant: &str, why: String, failed: bool) -> Self {
        Candidate {
            variant: variant.to_owned(),
            timing: None,
            ratio: None,
            spread: None,
            checked: None,
            out: Some(why),
            failed,
        }
    }

    /// One that took `times` as long as the fastest.
    pub(super) fn slow(variant: &str, times: f64) -> Self {
        Self::out(variant, format!("{times:.0} times as long as the fastest"), false)
    }

    /// Another size of the tile of one that took `times` as long as the fastest.
    pub(super) fn as_slow(variant: &str, family: &str, times: f64) -> Self {
        let why = format!("{family} took {times:.0} times as long as the fastest");
        Self::out(variant, why, false)
    }

    /// One that would take too long.
    pub(super) fn left_out(variant: &str, error: &Error) -> Self {
        Candidate { failed: false, ..Self::failed(variant, error) }
    }

    /// One that did not pass.
    pub(super) fn failed(variant: &str, error: &Error) -> Self {
        // A problem with shapes names the operation and the case, as the report does.
        let why = match error {
            Error::Shape { problem, .. } => problem.clone(),
            other => other.to_string(),
        };
        Self::out(variant, why, true)
    }
}

/// One operation on given shapes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuned {
    /// The operation.
    pub op: String,
    /// The case's name: the first layer, the operation in words, its shapes.
    pub case: String,
    /// All layers that have it.
    pub layers: Vec<String>,
    /// The variant that the operation chooses by itself.
    pub default: String,
    /// The variant to be used from now on.
    pub chosen: String,
    /// The variants, those that were timed first.
    pub candidates: Vec<Candidate>,
}

impl Tuned {
    pub(super) fn new(layer: &Layer, default: &str, candidates: Vec<Candidate>) -> Self {
        Tuned {
            op: layer.case.operation.name().to_owned(),
            case: layer.case.name.clone(),
            layers: layer.layers.clone(),
            default: default.to_owned(),
            chosen: default.to_owned(),
            candidates,
        }
    }

    /// What the choice gains: the time of the chosen variant over the default's.
    pub fn ratio(&self) -> Option<f64> {
        self.candidates.iter().find(|one| one.variant == self.chosen)?.ratio
    }
}

/// Everything of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The adapter: name, backend and driver.
    pub adapter: String,
    /// The version of parula.
    pub version: &'static str,
    /// How time was taken.
    pub timer: &'static str,
    /// Where the result is kept.
    pub file: PathBuf,
    /// Operations that were there already, from an earlier run.
    pub known: usize,
    /// Parts of an earlier run whose findings were taken in.
    pub parts: usize,
    /// What was tuned.
    pub operations: Vec<Tuned>,
}

impl Report {
    /// Of what was tuned on `gpu` and is kept in `file`, where `known` operations were already, some of `parts`.
    pub fn new(gpu: &Gpu, file: &Path, known: usize, parts: usize, operations: Vec<Tuned>) -> Self {
        Report {
            adapter: gpu.report().to_string(),
            version: env!("CARGO_PKG_VERSION"),
            timer: gpu.timer(),
            file: file.to_owned(),
            known,
            parts,
            operations,
        }
    }
}

/// For a terminal: what has changed, and what failed.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; timed by {}", self.adapter, self.timer)?;
        let mut table = Table::new(&["operation", "layers", "by itself", "tuned", "time"]);
        for tuned in self.operations.iter().filter(|tuned| tuned.chosen != tuned.default) {
            let time = tuned.ratio().map_or(String::new(), |ratio| format!("x{ratio:.2}"));
            let layers = tuned.layers.len().to_string();
            let (default, chosen) = (tuned.default.clone(), tuned.chosen.clone());
            table.row(vec![tuned.case.clone(), layers, default, chosen, time]);
        }
        let changed = self.operations.iter().filter(|one| one.chosen != one.default).count();
        if changed > 0 {
            writeln!(f, "\n{}", table.to_text())?;
        }
        for tuned in &self.operations {
            for candidate in tuned.candidates.iter().filter(|candidate| candidate.failed) {
                let why = candidate.out.as_deref().unwrap_or_default();
                writeln!(f, "never to be used: {} of {}: {why}", candidate.variant, tuned.case)?;
            }
        }
        let known = match self.known {
            0 => String::new(),
            known => format!(", {known} were known already"),
        };
        if self.parts > 0 {
            writeln!(f, "what {} tasks have found was taken in", self.parts)?;
        }
        let tuned = self.operations.len();
        writeln!(f, "{tuned} operations were tuned{known}; {changed} now run another variant")?;
        writeln!(f, "kept in {}", self.file.display())
    }
}
