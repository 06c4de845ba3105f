//! `parula report`.

use std::path::PathBuf;

use clap::Args;

use super::{Global, print, print_json};
use crate::error::Result;
use crate::files::outputs;
use crate::lab::report::html;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula report out")]
pub struct Report {
    /// A folder that `parula reproduce --out` wrote
    #[arg(value_name = "RUN_DIR")]
    folder: PathBuf,
}

impl Report {
    pub fn run(&self, global: &Global) -> Result<()> {
        let [read, page] = ["results.json", "report.html"].map(|name| self.folder.join(name));
        outputs::expect_apart([read], [page])?;
        let written = html::write(&self.folder)?;
        if global.json {
            return print_json(&written);
        }
        let (path, rois) = (written.path.display(), written.rois);
        print(&format!("{path}: {} kB, {rois} ROIs in its gallery\n", written.bytes.div_ceil(1000)))
    }
}
