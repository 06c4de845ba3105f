//! `parula bench`.

use std::path::PathBuf;

use clap::Args;

use super::{Global, print, print_json};
use crate::bench::{self, BenchOptions, Effort, Phase, PhaseGraph, Report, ceiling, time_model};
use crate::error::Result;
use crate::files;
use crate::models;
use crate::ops::CaseSpec;
use crate::train::interruption;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula bench conv2d --quick\n  \
    parula bench conv2d --case n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1\n  \
    parula bench --model compact-xception --batch 32\n  \
    parula bench --model xception,nasnet-mobile --batch 1 --phases forward,grad-cam")]
pub struct Bench {
    /// Operations, such as conv2d, conv2d_input_gradient, depthwise_conv2d_weight_gradient; without
    /// any, and without --model, all of them
    kernels: Vec<String>,
    /// Time whole models: forward pass, Grad-CAM, training step
    #[arg(long, value_delimiter = ',')]
    model: Vec<String>,
    /// Images at once, with --model
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Height and width of the input instead of the usual ones, with --model
    #[arg(long)]
    size: Option<usize>,
    /// What to run them for
    #[arg(long, value_delimiter = ',', default_value = "forward,grad-cam,training-step")]
    phases: Vec<Phase>,
    /// One shape of a convolution with 'same' padding: n=,h=,w=,cin=,cout=,k=,s=,d=,g=
    #[arg(long)]
    case: Option<CaseSpec>,
    /// Only this variant
    #[arg(long)]
    variant: Option<String>,
    /// Less time on each
    #[arg(long)]
    quick: bool,
    /// The small shapes of the tests too
    #[arg(long)]
    small: bool,
    /// Write the rows to this file too, as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
}

impl Bench {
    pub fn run(&self, global: &Global) -> Result<()> {
        let gpu = global.open()?;
        let effort = if self.quick { Effort::QUICK } else { Effort::FULL };
        let mut report = if self.model.is_empty() || !self.kernels.is_empty() {
            let options = BenchOptions {
                kernels: self.kernels.clone(),
                case: self.case,
                variant: self.variant.clone(),
                quick: self.quick,
                small: self.small,
            };
            bench::run_with(&gpu, &options, &mut |report: &Report| {
                if let Some(row) = report.results.last() {
                    let at = report.results.len();
                    eprintln!(
                        "{at}: {}/{} {}: {:.3} ms",
                        row.op, row.variant, row.case, row.timing.ms
                    );
                }
                interruption(|| format!("{} kernels were timed", report.results.len()))
            })?
        } else {
            Report::new(&gpu, ceiling(&gpu, effort)?)
        };
        for name in &self.model {
            let network = models::find(name)?;
            let size = self.size.map_or(network.input, |size| [size, size]);
            let batch = self.batch.max(1);
            let mut open = |phase| {
                interruption(|| format!("{} models were timed", report.models.len()))?;
                PhaseGraph::new(network, phase, batch, size)?.session(&gpu)
            };
            let ceiling = &report.ceiling;
            let timing = time_model(name, batch, size, &self.phases, effort, ceiling, &mut open)?;
            report.models.push(timing);
        }
        if let Some(path) = &self.csv {
            files::write(path, report.csv().as_bytes())?;
        }
        if global.json { print_json(&report) } else { print(&format!("{report}\n")) }
    }
}
