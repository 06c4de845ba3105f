//! `parula bench`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::network::size;
use super::{Global, Numbers, at_least_one, print, print_json};
use crate::engine::gpu::Gpu;
use crate::engine::ops::CaseSpec;
use crate::engine::plan::{BATCH, fitting};
use crate::engine::session;
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::bench::{
    self, BenchOptions, Effort, Layer, Old, Phase, PhaseGraph, Profile, Report, Which, time_model,
};
use crate::nets::cam::{self, Explainer, Settings};
use crate::nets::keras;
use crate::nets::models::{self, Mode, NETWORKS, Network};
use crate::nets::weights::Raw;
use crate::stop::Stop;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula bench conv2d --quick\n  \
    parula bench conv2d --case n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1\n  \
    parula bench --layers xception --batch 4 --csv xception.csv\n  \
    parula bench --model compact-xception --batch 32\n  \
    parula bench --model xception,nasnet-mobile --batch 1 --for scores,cam\n  \
    parula bench --model my.keras --batch 32\n  \
    parula bench --model compact-xception --methods all --for scores\n  \
    parula bench --model resnet50-v2 --size 96 --batch 4 --for training --profile\n  \
    parula bench dice_thresholds --json > old.json; parula bench dice_thresholds --compare old.json")]
pub struct Bench {
    /// Operations, such as conv2d, conv2d_input_gradient, depthwise_conv2d_weight_gradient; without
    /// any, and without --model, all of them
    kernels: Vec<String>,
    /// Time whole models, by name or in a file of Keras's, .keras or .h5: forward pass, Grad-CAM, training
    /// step; weights are drawn, since time does not depend on them
    #[arg(long, visible_alias = "models", value_name = "NAME|FILE", value_delimiter = ',')]
    model: Vec<String>,
    /// Time every layer shape of these models instead of the usual shapes, forward and backward; of all
    /// models by `all`
    #[arg(long, value_name = "NAME|FILE", value_delimiter = ',', conflicts_with_all = ["case", "small"])]
    layers: Vec<String>,
    /// Images at once, with --model and --layers
    #[arg(long, default_value_t = BATCH, value_parser = at_least_one)]
    batch: usize,
    /// Height and width of the input, as 224 or 96x160, instead of the usual ones, with --model and --layers
    #[arg(long, value_parser = size)]
    size: Option<[usize; 2]>,
    /// What models are run for
    #[arg(
        long = "for",
        alias = "phases",
        value_name = "PHASES",
        value_delimiter = ',',
        default_value = "scores,cam,training"
    )]
    phases: Vec<Phase>,
    /// Time these methods of explanation on the models, or `all`
    #[arg(long, value_delimiter = ',', requires = "model")]
    methods: Vec<String>,
    /// One shape of a convolution with 'same' padding: n=,h=,w=,cin=,cout=,k=,s=,d=,g=
    #[arg(long)]
    case: Option<CaseSpec>,
    /// Only this variant
    #[arg(long, value_parser = super::choices::variant)]
    variant: Option<String>,
    /// Only the variants that are used
    #[arg(long, conflicts_with = "variant")]
    chosen: bool,
    /// Less time on each
    #[arg(long)]
    quick: bool,
    /// The small shapes of the tests too
    #[arg(long)]
    small: bool,
    /// Show where the time goes, by operation, with --model
    #[arg(long, requires = "model")]
    profile: bool,
    /// Write the rows to this file too, as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Set the times against those of an older report, which --json has printed on this adapter; says
    /// faster or slower only where the difference is more than either was spread
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    #[command(flatten)]
    numbers: Numbers,
}

impl Bench {
    pub fn run(&self, global: &Global) -> Result<()> {
        outputs::expect_apart(&self.compare, &self.csv)?;
        if let Some(path) = &self.csv {
            files::expect_writable(path)?;
        }
        let models = networks(&self.model, self.size)?;
        let cases = self.cases()?;
        let gpu = global.open(self.numbers.precision)?;
        self.expect(&models, &gpu)?;
        let read = |path: &PathBuf| Old::read(path, &gpu.report().to_string(), gpu.timer());
        let old = self.compare.as_ref().map(read).transpose()?;
        let effort = Effort::new(self.quick, gpu.capabilities().software);
        let mut report = Report::begin(&gpu, effort)?;
        // What was timed before something ended the work is shown as well.
        let done = self.time(&gpu, &cases, &models, effort, &mut report, &global.stop);
        if done.is_err() && is_empty(&report) {
            return done;
        }
        report.comparison = old.map(|old| old.compare(&report));
        if let Some(path) = &self.csv {
            files::write(path, report.csv().as_bytes())?;
        }
        if global.json {
            print_json(&report)?
        } else {
            print(&format!("{report}\n"))?
        }
        done?;
        something_timed(&report)
    }

    /// Times what is asked for, into `report`.
    fn time(
        &self,
        gpu: &Arc<Gpu>,
        cases: &[Layer],
        models: &[&'static Network],
        effort: Effort,
        report: &mut Report,
        stop: &Stop,
    ) -> Result<()> {
        let mut told = 0;
        let which = match &self.variant {
            Some(name) => Which::Named(name),
            None if self.chosen => Which::Chosen,
            None => Which::All,
        };
        bench::measure(gpu, cases, which, effort, report, &mut |report: &Report| {
            for row in &report.results[told..] {
                told += 1;
                let ms = row.timing.ms;
                crate::console::note!(
                    "{told}: {}/{} {}: {ms:.3} ms",
                    row.op,
                    row.variant,
                    row.case
                );
            }
            stop.check(|| format!("{} kernels were timed", report.results.len()))
        })?;
        self.models(models, gpu, effort, report, stop)?;
        self.methods(models, gpu, effort, report, stop)
    }

    /// The kernels that are asked for; none where only models are.
    fn cases(&self) -> Result<Vec<Layer>> {
        if !self.layers.is_empty() {
            return self.layers();
        }
        if !self.model.is_empty() && self.kernels.is_empty() && self.case.is_none() {
            return Ok(Vec::new());
        }
        let options = BenchOptions {
            kernels: self.kernels.clone(),
            case: self.case,
            variant: self.variant.clone(),
            quick: self.quick,
            small: self.small,
        };
        Ok(bench::select(&options)?.into_iter().map(Layer::from).collect())
    }

    /// The layer shapes of networks: of all operations, or of those that are named.
    fn layers(&self) -> Result<Vec<Layer>> {
        self.kernels.iter().try_for_each(|name| bench::expect_known(name))?;
        let networks = networks(&self.layers, self.size)?;
        let layers = |batch| bench::layers(&networks, &self.phases, batch, self.size);
        let mut found = fitting(self.batch, layers)?;
        found.retain(|layer| {
            let operation = &layer.case.operation;
            let named = self.kernels.iter().any(|name| name == operation.name());
            let has = |name: &String| operation.variants().iter().any(|own| own.name == name);
            (self.kernels.is_empty() || named) && self.variant.as_ref().is_none_or(has)
        });
        if found.is_empty() {
            return Err(Error::usage(
                "none of these networks has such a layer",
                "see what they have by `parula explain --model M --for training`",
            ));
        }
        Ok(found)
    }

    /// Plans what is run of whole models, before the first kernel is timed.
    fn expect(&self, models: &[&'static Network], gpu: &Gpu) -> Result<()> {
        let methods = cam::find_all(&self.methods)?;
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            fitting(self.batch, |batch| {
                for &phase in &self.phases {
                    PhaseGraph::new(network, phase, batch, size)?
                        .plan(gpu.capabilities(), &session::options(gpu))?;
                }
                for &method in methods.iter().filter(|_| !network.segments()) {
                    let model = network.build(Mode::Inference, batch, size, network.classes)?;
                    Explainer::expect(gpu, &model, &Settings::new(method), size[0] * size[1])?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn models(
        &self,
        models: &[&'static Network],
        gpu: &Arc<Gpu>,
        effort: Effort,
        report: &mut Report,
        stop: &Stop,
    ) -> Result<()> {
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            let batch = self.batch;
            let timed = report.models.len();
            let mut open = |phase| {
                stop.check(|| format!("{timed} models were timed"))?;
                PhaseGraph::new(network, phase, batch, size)?.session(gpu)
            };
            let (name, ceiling) = (network.name, &report.ceiling);
            let timing = time_model(name, batch, size, &self.phases, effort, ceiling, &mut open)?;
            report.models.push(timing);
            for &phase in self.phases.iter().filter(|_| self.profile) {
                let rows = bench::profile(&open(phase)?)?;
                let (model, input) = (name.to_owned(), size);
                let sum_ms = rows.iter().map(|row| row.ms).sum();
                report.profiles.push(Profile { model, batch, input, phase, sum_ms, rows });
            }
        }
        Ok(())
    }
}

impl Bench {
    fn methods(
        &self,
        models: &[&'static Network],
        gpu: &Arc<Gpu>,
        effort: Effort,
        report: &mut Report,
        stop: &Stop,
    ) -> Result<()> {
        let methods = cam::find_all(&self.methods)?;
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            for method in &methods {
                stop.check(|| format!("{} methods were timed", report.methods.len()))?;
                let batch = self.batch;
                let timed = bench::time_method(gpu, network, method, batch, size, effort)?;
                crate::console::note!(
                    "{} {}: {:.3} ms",
                    network.name,
                    method.name,
                    timed.timing.ms
                );
                report.methods.push(timed);
            }
        }
        Ok(())
    }
}

/// Refuses a report that has reasons alone.
fn something_timed(report: &Report) -> Result<()> {
    match report.not_timed.first() {
        Some(first) if is_empty(report) => Err(Error::usage(
            format!("nothing was timed: {}", first.reason),
            "try another shape, kernel or variant",
        )),
        _ => Ok(()),
    }
}

fn is_empty(report: &Report) -> bool {
    report.results.is_empty() && report.models.is_empty() && report.methods.is_empty()
}

/// The networks of these names, all of them by `all`; a name that ends as a model's file does is that file,
/// read for images of (height, width) `size` or of its own.
pub fn networks(names: &[String], size: Option<[usize; 2]>) -> Result<Vec<&'static Network>> {
    let found = |name: &String| match Path::new(name).extension().and_then(OsStr::to_str) {
        Some("keras" | "h5" | "hdf5") => {
            let raw = Raw::read(Path::new(name))?;
            keras::open(raw, size).map(|file| file.network)
        }
        _ => models::find_any(name),
    };
    match names {
        [all] if all == "all" => Ok(NETWORKS.iter().collect()),
        names => names.iter().map(found).collect(),
    }
}
