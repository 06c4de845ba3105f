//! From the parts of an experiment, each in its folder, to the folder that one process would leave.

use std::path::{Path, PathBuf};

use super::baseline;
use super::figures::{self, Trivial};
use super::part::Part;
use super::results::{Missing, Results};
use super::tables::{self, Score};
use super::{heatmap_folder, report, scores_file};
use crate::error::Result;
use crate::lab::data::mask;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::report::draw::both;
use crate::lab::report::html::{self, Written};
use crate::lab::run_folder::parts::{self, Together};
use crate::nets::cam::dice::{Scores, mean_curve};

/// The file of results.
const FILE: &str = "results.json";

/// Dice against threshold of all parts.
fn dice(out: &Path) -> [PathBuf; 2] {
    both(&out.join("figures").join("dice.png"))
}

/// Puts together what the parts in `out` have finished: their files, `results.json`, which says what is missing, and
/// `report.html` with what goes with it, which is returned as well. None where there are no parts.
///
/// # Errors
/// Those of [`parts::together`], of reading and of writing.
pub fn gather(out: &Path) -> Result<Option<(Results, Written)>> {
    let Some(Together { run, parts, origin, adapter }) = parts::together::<Results>(out)? else {
        return Ok(None);
    };
    let Some(first) = parts.iter().find_map(|(_, done)| done.as_ref()) else { return Ok(None) };
    let mut results = Results { adapter, runs: Vec::new(), ..first.clone() };
    for (part, done) in &parts {
        let done = done.as_ref().and_then(|done| done.run(&part.model, part.round()));
        results.runs.extend(done.cloned());
        results.missing.extend(missing(part, &results));
    }
    results.summarize(out)?;
    run.make(&out.join(FILE), &origin, |path| results.write(path))?;
    if results.missing.is_empty() {
        let trivial = trivial(out, &results)?;
        let paths = dice(out);
        run.make_all(&paths, &origin, || figures::dice_curves(&results, &trivial, &paths[0]))?;
    }
    let written = report(&run, out, &origin)?;
    run.finish()?;
    Ok(Some((results, written)))
}

impl parts::Results for Results {
    type Part = Part;
    const COMMAND: &'static str = "reproduce";
    const FILE: &'static str = FILE;

    fn read(path: &Path) -> Result<Self> {
        Results::read(path)
    }

    fn parts(&self) -> Vec<Part> {
        self.config.parts()
    }

    fn difference(&self, other: &Self) -> Option<String> {
        let (now, then) = (&self.config, &other.config);
        let lists = [
            ("models", then.models == now.models),
            ("seeds", then.seeds == now.seeds),
            ("experiments", then.experiments == now.experiments),
        ];
        let list = || lists.iter().find(|(_, same)| !same).map(|(name, _)| format!("other {name}"));
        now.difference(then).or_else(list)
    }

    fn is_of(&self, part: &Part) -> bool {
        self.runs.iter().all(|run| run.model == part.model && run.round() == part.round())
    }

    fn of_all(&self, out: &Path) -> Vec<PathBuf> {
        let models = self.config.models.iter().map(String::as_str);
        html::paths(out, models).into_iter().chain(dice(out)).chain([out.join(FILE)]).collect()
    }

    fn adapter(&self) -> &str {
        &self.adapter
    }
}

/// The trainings of `part` that `results` lack.
fn missing(part: &Part, results: &Results) -> Option<Missing> {
    let run = results.run(&part.model, part.round());
    let done = |phase: &str| match (run, phase) {
        (None, _) => false,
        (Some(_), "original") => true,
        (Some(run), filtered) => run.retrained.iter().any(|one| one.phase == filtered),
    };
    let left = part.phases.iter().filter(|phase| !done(phase));
    let phases: Vec<String> = left.map(|&phase| phase.to_owned()).collect();
    let Part { task, seed, fold, .. } = *part;
    (!phases.is_empty()).then(|| Missing { task, model: part.model.clone(), seed, fold, phases })
}

/// Dice of the trivial maps on the truths that the first run has left.
fn trivial(out: &Path, results: &Results) -> Result<Trivial> {
    let Some(run) = results.runs.first() else { return Ok(Vec::new()) };
    let (model, round) = (&run.model, run.round());
    let lines: Vec<Score> = tables::read(&scores_file(out, model, round))?;
    let of = |baseline: Baseline| {
        let score = |line: &Score| {
            let name = format!("{}.mask.png", line.name);
            let truth = mask::read(&heatmap_folder(out, model, round).join(name), None)?.grey;
            baseline::score(&truth, baseline)
        };
        let scores: Vec<Scores> = lines.iter().map(score).collect::<Result<_>>()?;
        Ok((baseline.name(), mean_curve(&scores)))
    };
    Baseline::ALL.into_iter().map(of).collect()
}
