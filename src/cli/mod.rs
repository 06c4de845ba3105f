//! The command line, one file a subcommand.

mod bench;
mod cam;
mod choices;
mod classes;
mod compare;
mod data;
mod devices;
mod environment;
mod explain;
mod images;
mod judge;
mod judged;
mod lesson;
mod models;
mod network;
mod parts;
mod pictures;
mod predict;
mod report;
mod reproduce;
mod score;
mod segment;
mod shader;
mod steps;
mod terminal;
mod train;
mod training;
mod tune;
mod weak;
mod weights;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::console;
use crate::engine::gpu::{self, Backend, Choice, Gpu, Precision};
use crate::error::{Error, Result};
use crate::lab::run_folder::Again;
use crate::stop::Stop;

/// Train image classifiers on any GPU, explain them with Grad-CAM, and score the heatmaps as
/// segmentations.
#[derive(Debug, Parser)]
#[command(name = "parula", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Example:\n  parula reproduce --out out\n\nNo GPU and no data are needed: \
    without --data synthetic mammograms are made, and a software driver will do.")]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The GPU to use: a part of its name, its number in `parula devices`, or its PCI bus id as pci:0000:41:00.0
    /// [what CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES or Slurm name, else the best]
    #[arg(long, global = true, value_name = "NAME|INDEX|pci:ID")]
    adapter: Option<String>,
    /// Only GPUs behind this interface
    #[arg(long, global = true)]
    backend: Option<Backend>,
    /// Fixes every random draw
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Print one JSON document on stdout and nothing else there
    #[arg(long, global = true)]
    json: bool,
    /// Leave what `parula tune` has found aside
    #[arg(long, global = true)]
    no_tuning: bool,
    /// Set by Ctrl-C.
    #[arg(skip)]
    stop: Stop,
}

/// The precision, for commands that run networks.
#[derive(Clone, Debug, Args)]
struct Numbers {
    /// How activations are stored between kernels; weights, sums and the optimiser have 32 bits in any
    /// case
    #[arg(long, default_value = "f32")]
    precision: Precision,
}

/// What becomes of an earlier run in the place of `--out`. Without either it is left as it is, and the command
/// stops.
#[derive(Clone, Debug, Args)]
struct Repeat {
    /// Go on where an earlier call with the same options was stopped, even in the middle of a training: the
    /// result is the same, bit for bit. What was made from other options, pictures, weights or kernels, or on
    /// another GPU, is refused, with what differs
    #[arg(long)]
    resume: bool,
    /// Delete what an earlier run has written there, and nothing else, and begin anew
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
}

impl Repeat {
    fn again(&self) -> Again {
        match (self.resume, self.overwrite) {
            (true, _) => Again::Resume,
            (_, true) => Again::Overwrite,
            _ => Again::Refuse,
        }
    }
}

impl Global {
    fn choice(&self) -> Choice {
        Choice { adapter: self.adapter.clone(), backend: self.backend, ..Choice::default() }
    }

    /// The GPU, with what `parula tune` found for it, and plans of this precision.
    fn open(&self, precision: Precision) -> Result<Arc<Gpu>> {
        if self.backend == Some(Backend::Noop) {
            crate::console::note!(
                "nothing is computed (--backend noop): every result is 0, or follows from zeros"
            );
        }
        let mut gpu = gpu::open(&Choice { precision, ..self.choice() })?;
        if !self.no_tuning {
            gpu.choose(crate::lab::tune::choices(gpu.report(), gpu.precision()));
        }
        Ok(Arc::new(gpu))
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the GPUs, and say which would be used and why
    Devices(devices::Devices),
    /// List the networks
    Models(models::Models),
    /// Look at a data set, cut its ROIs, or make a synthetic one
    Data(data::Data),
    /// The paper: train, explain, score, retrain
    Reproduce(reproduce::Reproduce),
    /// Segment without masks to learn from: heatmaps to pseudo-masks to a U-Net
    Weak(weak::Weak),
    /// Methods, models and metrics compared, with intervals, a ranked table and figures
    Compare(compare::Compare),
    /// Make report.html of a run's folder again, with its figures as PNG and SVG and its tables as LaTeX
    Report(report::Report),
    /// Train one classifier
    Train(train::Train),
    /// Class scores of images
    Predict(predict::Predict),
    /// Heatmaps of images
    Cam(cam::Cam),
    /// Masks of images, by a segmenter or by a classifier's heatmaps
    Segment(segment::Segment),
    /// Convert weights between formats, and look into them
    Weights(weights::Weights),
    /// Dice of a heatmap against a mask at all 256 thresholds
    Score(score::Score),
    /// Grad-CAM in a browser: one page that computes on the reader's GPU
    Lesson(lesson::LessonOf),
    /// A network's graph and plan in words
    Explain(explain::Explain),
    /// Time kernels and models on this GPU
    Bench(bench::Bench),
    /// Print the WGSL that the driver is given for an operation
    Shader(shader::Shader),
    /// Find the fastest variant of each kernel on this GPU, and use it from then on
    Tune(tune::Tune),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    console::install(Box::new(terminal::Terminal::default()));
    environment::prepare();
    let cli = Cli::parse();
    // SIGTERM as well, which schedulers send before they kill. A second one ends the process at once. Without a handler
    // the first one does.
    let stop = cli.global.stop.clone();
    let _ = ctrlc::set_handler(move || {
        if stop.ask() {
            std::process::exit(130);
        }
        crate::console::note!("\nstopping after this step; Ctrl-C again stops at once");
    });
    let global = &cli.global;
    let done = match &cli.command {
        Command::Devices(command) => command.run(global),
        Command::Models(command) => command.run(global),
        Command::Data(command) => command.run(global),
        Command::Reproduce(command) => command.run(global),
        Command::Weak(command) => command.run(global),
        Command::Compare(command) => command.run(global),
        Command::Report(command) => command.run(global),
        Command::Train(command) => command.run(global),
        Command::Predict(command) => command.run(global),
        Command::Cam(command) => command.run(global),
        Command::Segment(command) => command.run(global),
        Command::Weights(command) => command.run(global),
        Command::Score(command) => command.run(global),
        Command::Lesson(command) => command.run(global),
        Command::Explain(command) => command.run(global),
        Command::Bench(command) => command.run(global),
        Command::Shader(command) => command.run(global),
        Command::Tune(command) => command.run(global),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            crate::console::note!("parula: {}", error.to_string().replace('\n', " "));
            match error {
                // As clap ends where it understands an argument no better.
                Error::Usage { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// Writes to stdout. A reader that went away, such as `head`, ends the program quietly.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::file("write", "standard output", error))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON document.
fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Error::content("standard output", error.to_string(), "this is a bug, please report it")
    })?;
    print(&(text + "\n"))
}

/// Reads a number of images, of units, or of pixels on a side: of none nothing can be made.
fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be 1 or more".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(std::num::ParseIntError::to_string(&error)),
    }
}

/// The values without those that stood before: the same run twice is one run.
fn distinct<T: PartialEq + Clone>(values: &[T]) -> Vec<T> {
    let first =
        |(index, value): (usize, &T)| (!values[..index].contains(value)).then(|| value.clone());
    values.iter().enumerate().filter_map(first).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_an_example() {
        let mut cli = super::Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{name} has no example");
        }
    }
}
