//! `parula report`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Global, print, print_json};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::bench::{self, Gathered, Group};
use crate::lab::experiment::{self, Missing, Results};
use crate::lab::report::{html, latex};
use crate::lab::run_folder::{Taken, parts};
use crate::lab::{compare, segment};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula report out")]
pub struct Report {
    /// A folder that `parula reproduce --out` wrote, or tasks in it: then what they have finished is put together first.
    /// Or the tasks of `parula compare`, `weak` or `bench`, which are put together
    #[arg(value_name = "RUN_DIR")]
    folder: PathBuf,
}

impl Report {
    pub fn run(&self, global: &Global) -> Result<()> {
        match parts::command(&self.folder)?.as_deref() {
            Some("compare") => self.compared(global),
            Some("weak") => self.segmented(global),
            Some("bench") => self.measured(global),
            _ => self.reproduced(global),
        }
    }

    /// Of a comparison in parts.
    fn compared(&self, global: &Global) -> Result<()> {
        let Some(results) = compare::gather(&self.folder)? else { return Ok(()) };
        if global.json {
            return print_json(&results);
        }
        let line = |one: &compare::Missing| {
            let lists = [("maps", &one.maps), ("trust of", &one.trust), ("trust of", &one.pairs)];
            let lists = lists.iter().filter(|(_, list)| !list.is_empty());
            let lists: Vec<_> =
                lists.map(|(what, list)| format!("{what} {}", list.join(", "))).collect();
            let (task, model, seed) = (one.task, &one.model, one.seed);
            format!("missing: task {task}, {model} seed {seed}: {}\n", lists.join("; "))
        };
        let (units, out) = (results.units.len(), self.folder.display());
        let lines: String = results.missing.iter().map(line).collect();
        let left =
            if lines.is_empty() { ", figures" } else { "; the figures come when none is missing" };
        print(&format!(
            "{}{units} maps put together\n{lines}see {out}: compare.md, compare.json, compare.csv, \
             summary.csv, scores, curves{left}\n",
            compare::text(&results),
        ))
    }

    /// Of a weakly supervised segmentation in parts.
    fn segmented(&self, global: &Global) -> Result<()> {
        let Some(results) = segment::gather(&self.folder)? else { return Ok(()) };
        if global.json {
            return print_json(&results);
        }
        let line =
            |one: &segment::Missing| format!("missing: task {}, seed {}\n", one.task, one.seed);
        let lines: String = results.missing.iter().map(line).collect();
        print(&format!(
            "{}{} seeds put together\n{lines}see {}: results.json, figures, masks, scores, weights\n",
            results.table().to_text(),
            results.seeds.len(),
            self.folder.display(),
        ))
    }

    /// Of a bench of layers in parts.
    fn measured(&self, global: &Global) -> Result<()> {
        let Some(Gathered { path, document, rows, missing }) = bench::gather(&self.folder)? else {
            return Ok(());
        };
        if global.json {
            return print_json(&document);
        }
        let line = |one: &Group| format!("missing: task {}, {}\n", one.task, one.words());
        let lines: String = missing.iter().map(line).collect();
        print(&format!("{rows} rows put together\n{lines}see {}\n", path.display()))
    }

    /// Of an experiment.
    fn reproduced(&self, global: &Global) -> Result<()> {
        let [read, page] = ["results.json", "report.html"].map(|name| self.folder.join(name));
        outputs::expect_apart([read], [page])?;
        expect_ours(&self.folder.join("tables.tex"))?;
        let gathered = experiment::gather(&self.folder)?;
        // Of parts the page and the figures are drawn already.
        let (gathered, written) = match gathered {
            Some((results, written)) => (Some(results), written),
            None => {
                tell_changed(&self.folder);
                let written = html::write_all(&self.folder, &mut |path, bytes| {
                    files::create_folder_of(path)?;
                    files::write(path, bytes)
                })?;
                (None, written)
            }
        };
        if global.json {
            return print_json(&written);
        }
        if let Some(Results { runs, missing, .. }) = &gathered {
            let line = |one: &Missing| {
                let fold = one.fold.map_or(String::new(), |fold| format!(" fold {fold}"));
                let (task, model, seed) = (one.task, &one.model, one.seed);
                format!(
                    "missing: task {task}, {model} seed {seed}{fold}: {}\n",
                    one.phases.join(", ")
                )
            };
            let lines: String = missing.iter().map(line).collect();
            print(&format!("{} runs put together\n{lines}", runs.len()))?;
        }
        let (path, rois) = (written.path.display(), written.rois);
        let figures = written.files.iter().filter(|path| path.extension() == Some("svg".as_ref()));
        print(&format!(
            "{path}: {} kB, {rois} ROIs in its gallery; beside it tables.tex, and in figures {} figures as PNG and SVG\n",
            written.bytes.div_ceil(1000),
            figures.count()
        ))
    }
}

/// Says on stderr where the results in `folder` are not as the run left them.
fn tell_changed(folder: &Path) {
    let hint = "the page shows what stands there now";
    let Ok(record) = Taken::of_part(folder, "reproduce", hint) else { return };
    if let Err(error) = record.origin(&folder.join("results.json")) {
        crate::console::note!("{error}");
    }
}

/// That the tables at `path`, where some are, were written by parula.
fn expect_ours(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() || latex::is_ours(&files::read(path)?) {
        return Ok(());
    }
    let problem = "is there already, and parula did not write it";
    Err(Error::content(path, problem, "move it away, or give it another name"))
}
