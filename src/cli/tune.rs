//! `parula tune`.

use std::path::Path;

use clap::Args;

use super::bench::networks;
use super::network::size;
use super::{Global, Numbers, at_least_one, parts, print, print_json};
use crate::engine::gpu::AdapterReport;
use crate::engine::ops::CaseSpec;
use crate::engine::plan::{BATCH, fitting};
use crate::error::{Error, Result};
use crate::lab::bench::{self, BenchOptions, Effort, Group, Layer, Phase};
use crate::lab::run_folder::parts::{Part, pick};
use crate::lab::tune::{self, Report, Tuned, Tuning};
use crate::nets::models::{NETWORKS, Network};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula tune\n  \
    parula tune --models xception,nasnet-mobile --for scores,cam --batch 1\n  \
    parula tune --op conv2d --case n=8,h=19,w=19,cin=728,cout=728\n  \
    parula tune --models all --task 3\n\n\
    What is found is kept in a file for this adapter and driver, in the system's folder for caches or in \
    the one that PARULA_CACHE names, and is used from then on; --no-tuning leaves it aside. Batches of \
    other sizes are other shapes.")]
pub struct Tune {
    /// The networks, see `parula models`; all of them by `all`. Without any, the compact ones
    #[arg(long, value_delimiter = ',')]
    models: Vec<String>,
    /// Only these operations
    #[arg(long, value_delimiter = ',')]
    op: Vec<String>,
    /// This shape of a convolution with 'same' padding instead of those of networks:
    /// n=,h=,w=,cin=,cout=,k=,s=,d=,g=
    #[arg(long)]
    case: Option<CaseSpec>,
    /// Images at once
    #[arg(long, value_delimiter = ',', default_values_t = [BATCH], value_parser = at_least_one)]
    batch: Vec<usize>,
    /// Height and width of the input, as 224 or 96x160, instead of the usual ones
    #[arg(long, value_parser = size)]
    size: Option<[usize; 2]>,
    /// What the networks are run for
    #[arg(long = "for", value_delimiter = ',', default_value = "scores,training")]
    purposes: Vec<Phase>,
    /// Less time on each
    #[arg(long)]
    quick: bool,
    /// Tune again what is known already
    #[arg(long)]
    again: bool,
    /// List the independent parts of the job, the operations of each network, a line each, and tune none
    #[arg(long, conflicts_with = "task")]
    tasks: bool,
    /// Tune this part alone, or go on with it, and keep what is found in a file of its own: parts may run at the same
    /// time on machines of one kind. The same command without --task takes in what they have found, and tunes the rest
    #[arg(long, value_name = "NUMBER")]
    task: Option<usize>,
    #[command(flatten)]
    numbers: Numbers,
}

impl Tune {
    pub fn run(&self, global: &Global) -> Result<()> {
        let mut layers = self.layers()?;
        let groups = Group::all(&layers);
        if self.tasks {
            return parts::list(&groups, global, Group::words);
        }
        let part = self.task.map(|task| pick(groups, task)).transpose()?;
        if let Some(part) = &part {
            layers.retain(|layer| part.has(layer));
        }
        let gpu = global.open(self.numbers.precision)?;
        let path = tune::path(gpu.report(), gpu.precision())?;
        let taken = if part.is_none() { tune::gather(&path, gpu.report())? } else { 0 };
        // Where this process keeps what it finds.
        let own = part.as_ref().map_or(path.clone(), |part| tune::part(&path, &part.name()));
        let mut known = read(&path, gpu.report())?;
        if own != path {
            read(&own, gpu.report())?.entries.into_iter().for_each(|entry| known.put(entry));
        }
        layers.retain(|layer| tune::contenders(&gpu, layer) > 1);
        let all = layers.len();
        layers.retain(|layer| self.again || known.find(&layer.key).is_none());
        let (count, known_before) = (layers.len(), all - layers.len());
        let effort = Effort::new(self.quick, gpu.capabilities().software);
        let mut tell = |tuned: &Tuned, done: usize, found: &Tuning| {
            crate::console::note!("{done}/{count}: {}: {}", tuned.case, words(tuned));
            found.add_to(&own, gpu.report())?;
            global.stop.check(|| format!("{done} of {count} operations were tuned and are kept"))
        };
        let mut found = Tuning::new(gpu.report());
        let operations = tune::tune(&gpu, &layers, effort, &mut found, &mut tell)?;
        let report = Report::new(&gpu, &own, known_before, taken, operations);
        if global.json { print_json(&report) } else { print(&report.to_string()) }
    }

    /// What is to be tuned, whatever the adapter.
    fn layers(&self) -> Result<Vec<Layer>> {
        if self.case.is_some() {
            let options =
                BenchOptions { kernels: self.op.clone(), case: self.case, ..Default::default() };
            return Ok(bench::select(&options)?.into_iter().map(Layer::from).collect());
        }
        for name in &self.op {
            bench::expect_known(name)?;
        }
        let networks: Vec<&'static Network> = match &self.models[..] {
            [] => NETWORKS.iter().filter(|one| one.name.starts_with("compact-")).collect(),
            names => networks(names, self.size)?,
        };
        let mut layers: Vec<Layer> = Vec::new();
        for &batch in &self.batch {
            let of = |batch| bench::layers(&networks, &self.purposes, batch, self.size);
            let found = fitting(batch, of)?;
            let new = |layer: &Layer| layers.iter().all(|known| known.key != layer.key);
            let new: Vec<Layer> = found.into_iter().filter(new).collect();
            layers.extend(new);
        }
        layers.retain(|layer| {
            let name = layer.case.operation.name();
            self.op.is_empty() || self.op.iter().any(|op| op == name)
        });
        if layers.is_empty() {
            let hint = "see what there is by `parula explain --model M --for training`";
            return Err(Error::usage("nothing to tune", hint));
        }
        Ok(layers)
    }
}

/// What is known in `path`; nothing where that cannot be used, which was reported when the GPU was opened, and is
/// replaced.
fn read(path: &Path, adapter: &AdapterReport) -> Result<Tuning> {
    match Tuning::read(path, adapter) {
        Ok(known) => Ok(known.unwrap_or_else(|| Tuning::new(adapter))),
        Err(Error::Content { .. }) => Ok(Tuning::new(adapter)),
        Err(error) => Err(error),
    }
}

/// `blocked instead of tiled, x0.81`.
fn words(tuned: &Tuned) -> String {
    let failed: Vec<String> = tuned
        .candidates
        .iter()
        .filter(|candidate| candidate.failed)
        .map(|one| format!(", {} failed: {}", one.variant, one.out.as_deref().unwrap_or_default()))
        .collect();
    let found = match tuned.ratio() {
        _ if tuned.chosen == tuned.default => format!("{} stays", tuned.default),
        Some(ratio) => format!("{} instead of {}, x{ratio:.2}", tuned.chosen, tuned.default),
        None => format!("{} instead of {}", tuned.chosen, tuned.default),
    };
    found + &failed.concat()
}
