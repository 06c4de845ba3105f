//! `parula report`.

use std::path::PathBuf;

use clap::Args;

use super::{Global, print, print_json};
use crate::error::Result;
use crate::files::outputs;
use crate::lab::experiment::{self, Missing, Results};
use crate::lab::report::html;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula report out")]
pub struct Report {
    /// A folder that `parula reproduce --out` wrote, or tasks in it: then what they have finished is put together first
    #[arg(value_name = "RUN_DIR")]
    folder: PathBuf,
}

impl Report {
    pub fn run(&self, global: &Global) -> Result<()> {
        let [read, page] = ["results.json", "report.html"].map(|name| self.folder.join(name));
        outputs::expect_apart([read], [page])?;
        let gathered = experiment::gather(&self.folder)?;
        let written = html::write(&self.folder)?;
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
        print(&format!("{path}: {} kB, {rois} ROIs in its gallery\n", written.bytes.div_ceil(1000)))
    }
}
