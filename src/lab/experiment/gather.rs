//! From the parts of an experiment, each in its folder, to the folder that one process would leave.
//!
//! What a part has finished is taken over as it is. Parts must be of one version, of the same options and ROIs; of
//! other adapters they may be, and the results then name all of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::baseline;
use super::figures::{self, Trivial};
use super::origins;
use super::part::{FOLDER, Part};
use super::results::{Missing, Results};
use super::tables::{self, Score};
use super::{heatmap_folder, scores_file};
use crate::error::{Error, Result};
use crate::files::outputs;
use crate::lab::data::mask;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::report::html;
use crate::lab::run_folder::{Again, RunFolder, Taken};
use crate::nets::cam::dice::{Scores, mean_curve};
use crate::provenance::{Items, difference};

/// Files that are about all parts; they are made anew.
const OF_ALL: [&str; 3] = ["results.json", "report.html", "figures/dice.png"];

/// What to do about a part that does not fit.
const HINT: &str =
    "run it again with the options of the others and --overwrite, or move its folder away";

/// A part's folder, and what is in it.
struct Found {
    folder: PathBuf,
    record: Taken,
    results: Results,
}

/// Puts together what the parts in `out` have finished: their files, `results.json`, which says what is missing, and
/// `report.html`. None where there are no parts.
///
/// # Errors
/// [`Error::Content`] with the part that is of another version, of other options or ROIs, or no part of this
/// experiment; those of [`RunFolder::open`], of reading and of writing.
pub fn gather(out: &Path) -> Result<Option<Results>> {
    if !out.join(FOLDER).is_dir() {
        return Ok(None);
    }
    let found = find(&out.join(FOLDER))?;
    let Some(first) = found.first() else {
        let problem = "no task has left results yet";
        return Err(Error::content(out.join(FOLDER), problem, "see `parula reproduce --tasks`"));
    };
    let parts = first.results.config.parts();
    let part_of = |one: &Found| parts.iter().find(|part| part.folder(out) == one.folder);
    for one in &found {
        expect_alike(first, one)?;
        if part_of(one).is_none() {
            let problem = "it is no task of the experiment that the other tasks are of";
            return Err(Error::content(&one.folder, problem, HINT));
        }
    }

    outputs::prepare_run::<&Path>(out, [])?;
    let run = RunFolder::open(out, "reproduce", Again::Resume)?;
    for Found { folder, record, .. } in &found {
        for (name, origin, content) in record.files().filter(|(name, ..)| !OF_ALL.contains(name)) {
            run.adopt(&out.join(name), &folder.join(name), origin, content)?;
        }
    }
    let mut results = first.results.clone();
    results.runs.clear();
    for part in &parts {
        let own = found.iter().find(|one| part.folder(out) == one.folder);
        let done = own.and_then(|one| one.results.run(&part.model, part.round()));
        results.runs.extend(done.cloned());
        results.missing.extend(missing(part, &results));
    }
    // Each once, in order.
    let adapters: BTreeSet<&str> = found.iter().map(|one| &one.results.adapter[..]).collect();
    let mut origin = first.record.origin(&first.folder.join(OF_ALL[0]))?.clone();
    if adapters.len() > 1 {
        let all = adapters.into_iter().collect::<Vec<_>>().join("; ");
        crate::console::note!("the tasks ran on several adapters, which round otherwise: {all}");
        origin = origins::with(&origin, "adapter", json!(all));
        results.adapter = all;
    }
    results.summarize(out)?;
    run.make(&out.join(OF_ALL[0]), &origin, |path| results.write(path))?;
    if results.missing.is_empty() {
        let trivial = trivial(out, &results)?;
        let draw = |path: &Path| figures::dice_curves(&results, &trivial, path);
        run.make(&out.join(OF_ALL[2]), &origin, draw)?;
    }
    run.make(&out.join(OF_ALL[1]), &origin, |_| html::write(out).map(drop))?;
    run.finish()?;
    Ok(Some(results))
}

/// The parts that have left results, in order of their names.
fn find(folder: &Path) -> Result<Vec<Found>> {
    let entries = std::fs::read_dir(folder).map_err(|error| Error::file("read", folder, error))?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok()).map(|entry| entry.path()).collect();
    folders.sort();
    let mut found = Vec::new();
    for folder in folders {
        let path = folder.join(OF_ALL[0]);
        if !path.exists() {
            continue;
        }
        let record = Taken::read(&folder, "reproduce")?;
        found.push(Found { results: Results::read(&path)?, record, folder });
    }
    Ok(found)
}

/// That two parts are of one experiment: of one version, one set of kernels, the same ROIs and options.
fn expect_alike(first: &Found, other: &Found) -> Result<()> {
    let origin = |found: &Found| -> Result<Items> {
        let mut origin = found.record.origin(&found.folder.join(OF_ALL[0]))?.clone();
        origin.remove("adapter");
        Ok(origin)
    };
    let (then, now) = (&first.results.config, &other.results.config);
    let lists = [
        ("models", then.models == now.models),
        ("seeds", then.seeds == now.seeds),
        ("experiments", then.experiments == now.experiments),
    ];
    let list = || lists.iter().find(|(_, same)| !same).map(|(name, _)| format!("other {name}"));
    let differs = difference(&origin(other)?, &origin(first)?);
    match differs.or_else(|| now.difference(then)).or_else(list) {
        None => Ok(()),
        Some(difference) => {
            let first = first.folder.display();
            let problem = format!("it is from another configuration than {first}: {difference}");
            Err(Error::content(&other.folder, problem, HINT))
        }
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
