//! `parula data`: inspect, rois, synth.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Global, print, print_json};
use crate::data::{RoiOptions, dataset, inspect, roi, roi_files, synth};
use crate::error::Result;
use crate::files;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula data synth --out mammograms\n  \
    parula data inspect mammograms\n  parula data rois mammograms --out rois")]
pub struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What is in a folder: layout, images, masks, classes, sizes, every problem by file
    #[command(after_help = "Example:\n  parula data inspect mammograms --json")]
    Inspect {
        /// The data set
        dir: PathBuf,
    },
    /// Cut the ROIs and their masks by the paper's rule, as PNGs and an index in CSV
    #[command(after_help = "Example:\n  parula data rois mammograms --out rois")]
    Rois {
        /// The data set
        dir: PathBuf,
        /// Where to write
        #[arg(long)]
        out: PathBuf,
    },
    /// Make synthetic mammograms with outlined masses
    #[command(after_help = "Example:\n  parula data synth --out mammograms --patients 50")]
    Synth {
        /// Where to write
        #[arg(long)]
        out: PathBuf,
        /// Each gives one image with a mass and one without
        #[arg(long, default_value_t = synth::SynthOptions::default().patients)]
        patients: usize,
        /// Rows of an image
        #[arg(long, default_value_t = synth::SynthOptions::default().size)]
        size: usize,
    },
}

impl Data {
    pub fn run(&self, global: &Global) -> Result<()> {
        let seed = global.seed;
        match &self.command {
            Command::Inspect { dir } => {
                let report = inspect::inspect(dir)?;
                if global.json { print_json(&report) } else { print(&report.to_string()) }
            }
            Command::Rois { dir, out } => {
                let dataset = dataset::read(dir)?;
                let rois = roi::build(&dataset, &RoiOptions { seed, ..RoiOptions::default() })?;
                let index = roi_files::write(&rois, out)?;
                let [normal, abnormal] = roi::counts(&rois);
                if global.json {
                    return print_json(&serde_json::json!({
                        "abnormal": abnormal, "normal": normal, "index": index,
                    }));
                }
                print(&format!(
                    "{abnormal} abnormal and {normal} normal ROIs, see {}\n",
                    index.display()
                ))
            }
            Command::Synth { out, patients, size } => {
                files::create_folder(out)?;
                let options = synth::SynthOptions { patients: *patients, size: *size, seed };
                let summary = synth::synthesize(out, &options)?;
                if global.json {
                    return print_json(&summary);
                }
                print(&format!(
                    "{} images with a mass and {} without, {}x{} pixels, in {}\n",
                    summary.abnormal,
                    summary.normal,
                    summary.width,
                    summary.height,
                    out.display()
                ))
            }
        }
    }
}
