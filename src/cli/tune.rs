//! `parula tune`.

use clap::Args;

use super::bench::networks;
use super::network::size;
use super::{Global, Numbers, at_least_one, print, print_json};
use crate::engine::ops::CaseSpec;
use crate::engine::plan::{BATCH, fitting};
use crate::error::{Error, Result};
use crate::lab::bench::{self, BenchOptions, Effort, Layer, Phase};
use crate::lab::tune::{self, Report, Tuned, Tuning};
use crate::nets::models::{NETWORKS, Network};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula tune\n  \
    parula tune --models xception,nasnet-mobile --for scores,cam --batch 1\n  \
    parula tune --op conv2d --case n=8,h=19,w=19,cin=728,cout=728\n\n\
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
    #[command(flatten)]
    numbers: Numbers,
}

impl Tune {
    pub fn run(&self, global: &Global) -> Result<()> {
        let mut layers = self.layers()?;
        let gpu = global.open(self.numbers.precision)?;
        let path = tune::path(gpu.report(), gpu.precision())?;
        let mut known = match Tuning::read(&path, gpu.report()) {
            Ok(known) => known.unwrap_or_else(|| Tuning::new(gpu.report())),
            // It was reported when the GPU was opened, and is replaced.
            Err(Error::Content { .. }) => Tuning::new(gpu.report()),
            Err(error) => return Err(error),
        };
        layers.retain(|layer| tune::contenders(&gpu, layer) > 1);
        let all = layers.len();
        layers.retain(|layer| self.again || known.find(&layer.key).is_none());
        let (count, known_before) = (layers.len(), all - layers.len());
        let effort = Effort::new(self.quick, gpu.capabilities().software);
        let mut tell = |tuned: &Tuned, done: usize, known: &Tuning| {
            crate::console::note!("{done}/{count}: {}: {}", tuned.case, words(tuned));
            known.write(&path)?;
            global.stop.check(|| format!("{done} of {count} operations were tuned and are kept"))
        };
        let operations = tune::tune(&gpu, &layers, effort, &mut known, &mut tell)?;
        let report = Report::new(&gpu, &path, known_before, operations);
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
