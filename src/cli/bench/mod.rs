//! `parula bench`.

mod expected;
mod whole;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use self::expected::{all_right, expect_no_slower, is_empty, percent, something_timed, times};
use super::network::size;
use super::{Global, Numbers, at_least_one, parts, print, print_json};
use crate::engine::gpu::Gpu;
use crate::engine::ops::CaseSpec;
use crate::engine::plan::{BATCH, fitting};
use crate::engine::session;
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::bench::{
    self, BenchOptions, Bencher, Effort, Group, Kept, Layer, List, Old, Phase, PhaseGraph, Report,
    Watch, Which,
};
use crate::lab::run_folder::Again;
use crate::nets::cam::{self, Explainer, Settings};
use crate::nets::keras;
use crate::nets::models::{self, Mode, NETWORKS, Network};
use crate::nets::weights::Raw;
use crate::provenance::items;
use crate::stop::Stop;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula bench conv2d --quick\n  \
    parula bench conv2d --case n=8,h=19,w=19,cin=728,cout=728,k=1,s=1,g=1\n  \
    parula bench --layers xception --batch 4 --csv xception.csv\n  \
    parula bench --layers xception --batch 4 --out timed --task 3; parula report timed\n  \
    parula bench --model compact-xception --batch 32\n  \
    parula bench --model xception,nasnet-mobile --batch 1 --for scores,cam\n  \
    parula bench --model my.keras --batch 32\n  \
    parula bench --model compact-xception --methods all --for scores\n  \
    parula bench --model resnet50-v2 --size 96 --batch 4 --for training --profile\n  \
    parula bench conv2d --variant naive,fours --skip-slower-than 10x\n  \
    parula bench conv2d --list\n  \
    parula bench dice_thresholds --json > old.json\n  \
    parula bench dice_thresholds --compare old.json --fail-if-slower 5")]
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
    /// List the independent parts of --layers, the operations of each network, a line each, and time none
    #[arg(long, requires = "layers", conflicts_with_all = ["task", "model"])]
    tasks: bool,
    /// Time this part of --layers alone, and keep its report in a folder of its own below --out: parts may run on several
    /// machines at the same time, and `parula report` puts their rows together
    #[arg(long, value_name = "NUMBER", requires = "layers", conflicts_with_all = ["model", "list"])]
    task: Option<usize>,
    /// Where the reports of parts are kept
    #[arg(long, default_value = "bench", requires = "task")]
    out: PathBuf,
    /// Time a part again that was timed already
    #[arg(long, requires = "task")]
    overwrite: bool,
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
    /// Only these variants
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = super::choices::variant)]
    variant: Vec<String>,
    /// Only the variants that are used
    #[arg(long, conflicts_with = "variant")]
    chosen: bool,
    /// Leave out a variant whose first run takes more than this many times as long as that of the best one, as 10x
    #[arg(long, value_name = "TIMES", value_parser = times)]
    skip_slower_than: Option<f64>,
    /// Less time on each
    #[arg(long)]
    quick: bool,
    /// Empty the caches before each run of a kernel
    #[arg(long)]
    cold: bool,
    /// Record the GPU's clocks after each kernel, where the system tells
    #[arg(long)]
    clocks: bool,
    /// Run every kernel on every case of the tests first, and say how many are right
    #[arg(long)]
    check: bool,
    /// Draw the adapter's roofs and the kernels under them into this file
    #[arg(long, value_name = "FILE.svg")]
    roofline: Option<PathBuf>,
    /// Print what would be timed, and time nothing
    #[arg(long, conflicts_with_all = ["csv", "compare", "profile", "check", "roofline"])]
    list: bool,
    /// The small shapes of the tests too
    #[arg(long)]
    small: bool,
    /// Show where the time goes, by operation, with --model
    #[arg(long, requires = "model")]
    profile: bool,
    /// Write the rows to this file too, as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Set the times against those of an older report, which --json has printed; says faster or slower only where
    /// all samples of both, by what the machine could do at the time, are no chance, and that it cannot tell where the
    /// machine changed
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,
    /// End with exit code 1 where something is slower than in that report, and by more than this
    #[arg(long, value_name = "PERCENT", requires = "compare", value_parser = percent)]
    fail_if_slower: Option<f64>,
    /// Time what the processor does, on a device that computes nothing: files to scores and training steps, of
    /// --model [mobilenet-v2] at --batch and --size
    #[arg(long, conflicts_with_all = ["kernels", "layers", "methods", "case", "variant", "chosen", "skip_slower_than",
        "cold", "clocks", "check", "roofline", "list", "small", "profile", "csv", "compare", "tasks", "task"])]
    host: bool,
    #[command(flatten)]
    numbers: Numbers,
}

impl Bench {
    pub fn run(&self, global: &Global) -> Result<()> {
        if self.host {
            return self.host(global);
        }
        for output in [&self.csv, &self.roofline].into_iter().flatten() {
            outputs::expect_apart(&self.compare, [output])?;
            files::expect_writable(output)?;
        }
        let models = networks(&self.model, self.size)?;
        let mut cases = self.cases()?;
        if self.tasks {
            return parts::list(&Group::all(&cases), global, Group::words);
        }
        if self.list {
            return self.list(global, &cases, &models);
        }
        let gpu = global.open(self.numbers.precision)?;
        self.expect(&models, &gpu)?;
        let read = |path: &PathBuf| Old::read(path, gpu.precision());
        let old = self.compare.as_ref().map(read).transpose()?;
        let kept = self.task.map(|task| self.part(&gpu, &cases, task)).transpose()?;
        if let Some(kept) = &kept {
            if let Some(there) = kept.there()? {
                crate::console::note!("task {} was timed already", kept.part().task);
                return if global.json { print_json(&there) } else { Ok(()) };
            }
            cases.retain(|layer| kept.part().has(layer));
        }
        let effort = Effort::new(self.quick, gpu.capabilities().software);
        let effort = Effort { slowest: self.skip_slower_than, cold: self.cold, ..effort };
        let mut report = Report::begin(&gpu, effort)?;
        // What was timed before something ended the work is shown as well.
        let mut watch = self.watch(&gpu);
        let done = match self.check(&gpu, &mut report, &global.stop) {
            Ok(()) => {
                let on = On { gpu: &gpu, effort, stop: &global.stop };
                self.time(&on, &cases, &models, &mut report, &mut watch)
            }
            stopped => stopped,
        };
        report.clocks = watch.as_ref().and_then(Watch::clocks);
        if done.is_err() && is_empty(&report) {
            return done;
        }
        report.machine.ends();
        report.comparison = old.map(|old| old.compare(&report));
        if let Some(path) = &self.csv {
            files::write(path, report.csv().as_bytes())?;
        }
        if let Some(path) = &self.roofline {
            files::write(path, bench::roofline(&report).as_bytes())?;
        }
        if global.json {
            print_json(&report)?
        } else {
            print(&format!("{report}\n"))?
        }
        done?;
        something_timed(&report)?;
        all_right(&report)?;
        if let Some(kept) = kept {
            crate::console::note!("kept in {}", kept.keep(&report)?.display());
        }
        match (&report.comparison, self.fail_if_slower) {
            (Some(comparison), Some(percent)) => {
                let untold = comparison.untold();
                if untold > 0 {
                    crate::console::note!(
                        "of {untold} rows it cannot be told whether they are slower"
                    );
                }
                expect_no_slower(comparison, percent)
            }
            _ => Ok(()),
        }
    }

    /// Part number `task` of `layers`, and where its report is kept.
    fn part(&self, gpu: &Arc<Gpu>, layers: &[Layer], task: usize) -> Result<Kept> {
        let settings = items([
            ("layers", json!(self.layers)),
            ("kernels", json!(self.kernels)),
            ("for", json!(self.phases)),
            ("batch", json!(self.batch)),
            ("size", json!(self.size)),
            ("variant", json!(self.variant)),
            ("chosen", json!(self.chosen)),
            ("skip_slower_than", json!(self.skip_slower_than)),
            ("quick", json!(self.quick)),
            ("cold", json!(self.cold)),
        ]);
        outputs::prepare_run(&self.out, &self.compare)?;
        // As elsewhere, one that was done is done.
        let again = if self.overwrite { Again::Overwrite } else { Again::Resume };
        Kept::open(gpu, &self.out, layers, task, settings, again)
    }

    /// Prints what would be timed. An adapter is looked at only for what a plan on it would have.
    fn list(&self, global: &Global, cases: &[Layer], models: &[&'static Network]) -> Result<()> {
        let mut list = List::default();
        if self.chosen {
            let gpu = global.open(self.numbers.precision)?;
            let bencher = Bencher::new(&gpu, Effort::QUICK)?;
            list.kernels(cases, Which::Chosen, |layer| bencher.chosen(layer))?;
        } else {
            list.kernels(cases, self.which(), |_| None)?;
        }
        let methods = cam::find_all(&self.methods)?;
        let methods: Vec<&str> = methods.iter().map(|method| method.name).collect();
        for &network in models {
            let size = self.size.unwrap_or(network.input);
            list.model(network, &self.phases, &methods, self.batch, size);
        }
        if global.json { print_json(&list) } else { print(&format!("{list}\n")) }
    }

    fn which(&self) -> Which<'_> {
        match &self.variant[..] {
            _ if self.chosen => Which::Chosen,
            [] => Which::All,
            names => Which::Named(names),
        }
    }

    /// Who tells of clocks, where they are asked for.
    fn watch(&self, gpu: &Gpu) -> Option<Watch> {
        let watch = self.clocks.then(|| Watch::new(gpu.report()))?;
        if watch.is_none() {
            crate::console::note!("this system does not tell the clocks of {}", gpu.report().name);
        }
        watch
    }

    /// Checks every kernel, where that is asked for.
    fn check(&self, gpu: &Arc<Gpu>, report: &mut Report, stop: &Stop) -> Result<()> {
        if !self.check {
            return Ok(());
        }
        let mut told = 0;
        let checked = bench::cases(gpu, &mut |cases| {
            if cases.all >= told + 100 {
                told = cases.all;
                crate::console::note!("{} of {} cases are right", cases.correct, cases.all);
            }
            stop.check(|| format!("{} cases were checked", cases.all))
        })?;
        report.cases = Some(checked);
        Ok(())
    }

    /// Times what is asked for, into `report`.
    fn time(
        &self,
        on: &On,
        cases: &[Layer],
        models: &[&'static Network],
        report: &mut Report,
        watch: &mut Option<Watch>,
    ) -> Result<()> {
        let &On { gpu, effort, stop } = on;
        let mut told = 0;
        bench::measure(gpu, cases, self.which(), effort, report, &mut |report: &Report| {
            for row in &report.results[told..] {
                told += 1;
                if let Some(watch) = watch.as_mut() {
                    watch.look();
                }
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
            variants: self.variant.clone(),
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
            let any = self.variant.is_empty() || self.variant.iter().any(has);
            (self.kernels.is_empty() || named) && any
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
}

/// What is timed on, for how long, and what ends it.
struct On<'a> {
    gpu: &'a Arc<Gpu>,
    effort: Effort,
    stop: &'a Stop,
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
