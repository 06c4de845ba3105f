//! What is made of all units: of those of one process, and of those that parts have left, each in its folder.

use std::path::{Path, PathBuf};

use super::part::Part;
use super::results::{Results, Unit};
use super::{figures, find, tables, trust};
use crate::error::Result;
use crate::lab::run_folder::RunFolder;
use crate::lab::run_folder::parts::{self, Together};
use crate::provenance::Items;

/// The file of results.
pub const FILE: &str = "compare.json";

/// The tables and pictures that [`write`] makes of the results with these `models`.
pub fn paths<'a>(out: &'a Path, models: impl Iterator<Item = &'a str> + 'a) -> Vec<PathBuf> {
    let tables = tables::paths(out).into_iter().chain(trust::paths(out));
    let pictures = trust::pictures(out, models).flatten();
    tables.chain(figures::paths(out)).chain(pictures).collect()
}

/// Writes the tables of `results`, whose units are in `out`, and where none is missing the pictures.
///
/// # Errors
/// Those of reading and of writing.
pub fn write(run: &RunFolder, origin: &Items, results: &Results, out: &Path) -> Result<()> {
    run.make_all(&tables::paths(out), origin, || tables::write_all(results, out))?;
    if !results.trust.is_empty() {
        run.make_all(&trust::paths(out), origin, || trust::write(results, out))?;
    }
    if !results.missing.is_empty() {
        return Ok(());
    }
    run.make_all(&figures::paths(out), origin, || figures::draw_all(results, out))?;
    let models = || results.config.models.iter().map(String::as_str);
    for (model, paths) in models().zip(trust::pictures(out, models())) {
        if results.trust.iter().any(|trust| trust.model == model) {
            run.make_all(&paths, origin, || trust::draw(results, out, model))?;
        }
    }
    Ok(())
}

/// Puts together what the parts in `out` have finished: their files, `compare.json`, which says what is missing, and
/// the tables; the pictures where nothing is missing. None where there are no parts.
///
/// # Errors
/// Those of [`parts::together`], of reading and of writing.
pub fn gather(out: &Path) -> Result<Option<Results>> {
    let Some(Together { run, parts, origin, adapter }) = parts::together::<Results>(out)? else {
        return Ok(None);
    };
    let Some(first) = parts.iter().find_map(|(_, done)| done.as_ref()) else { return Ok(None) };
    let mut results = Results {
        adapter,
        units: Vec::new(),
        classifiers: Vec::new(),
        trust: Vec::new(),
        trust_networks: Vec::new(),
        trust_pairs: Vec::new(),
        ..first.clone()
    };
    for done in parts.iter().filter_map(|(_, done)| done.clone()) {
        results.units.extend(done.units);
        results.classifiers.extend(done.classifiers);
        results.trust.extend(done.trust);
        results.trust_networks.extend(done.trust_networks);
        results.trust_pairs.extend(done.trust_pairs);
    }
    results.order_units();
    results.missing = parts.iter().flat_map(|(part, _)| part.missing(&results)).collect();
    results.summarize(out, find(&results.config.rank_by)?)?;
    results.judge_trust();
    run.make(&out.join(FILE), &origin, |path| results.write(path))?;
    write(&run, &origin, &results, out)?;
    run.finish()?;
    Ok(Some(results))
}

impl Results {
    /// As one process runs them.
    fn order_units(&mut self) {
        let maps: Vec<String> = self.maps().into_iter().map(str::to_owned).collect();
        let (models, seeds) = (self.config.models.clone(), self.config.seeds.clone());
        self.units.sort_by_key(|unit: &Unit| {
            (
                models.iter().position(|model| *model == unit.model),
                seeds.iter().position(|&seed| seed == unit.seed),
                maps.iter().position(|map| *map == unit.method),
            )
        });
        self.classifiers.sort_by_key(|one| {
            (
                models.iter().position(|model| *model == one.model),
                seeds.iter().position(|&seed| seed == one.seed),
            )
        });
    }
}

impl parts::Results for Results {
    type Part = Part;
    const COMMAND: &'static str = "compare";
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
            ("methods", then.methods == now.methods),
            ("seeds", then.seeds == now.seeds),
            ("rank_by", then.rank_by == now.rank_by),
            ("trust", then.trust.is_some() == now.trust.is_some()),
        ];
        let list = || lists.iter().find(|(_, same)| !same).map(|(name, _)| format!("other {name}"));
        now.difference(then).or_else(list)
    }

    fn is_of(&self, part: &Part) -> bool {
        self.units.iter().all(|unit| part.has(&unit.model, unit.seed))
            && self.trust.iter().all(|one| part.trust && part.has(&one.model, one.seed))
    }

    fn of_all(&self, out: &Path) -> Vec<PathBuf> {
        let mut all = paths(out, self.config.models.iter().map(String::as_str));
        all.push(out.join(FILE));
        all
    }

    fn adapter(&self) -> &str {
        &self.adapter
    }
}
