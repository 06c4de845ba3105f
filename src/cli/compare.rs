//! `parula compare`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::parts::{self, Parts};
use super::training::Training;
use super::{Global, Numbers, Repeat, distinct, print, print_json};
use crate::error::Result;
use crate::files::outputs;
use crate::lab::compare::{self, Options, Part, Results, trust};
use crate::lab::experiment::trained_so;
use crate::lab::experiment::{Setup, deepened};
use crate::nets::cam::{self, METHODS, Method};
use crate::nets::models;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  parula compare --data BUSI --epochs 6 --out compared\n  \
    parula compare --data BUSI --weights out/busi --seeds 0,1,2 --out compared\n  \
    parula compare --data BUSI --methods gradcam,layercam,scorecam --models compact-resnet \\\n      \
    --images 40 --rank-by road --out compared\n  \
    parula compare --data BUSI --weights out/busi --epochs 6 --trust --out compared\n  \
    the same command with --resume goes on where it was stopped; it may ask for more methods, models and seeds\n  \
    parula compare --data BUSI --seeds 0,1,2 --out compared --task 3; parula report compared\n\n\
    OUT has compare.json (everything), compare.md (the ranked tables), compare.csv (a line for each model, \
    seed, map and metric), summary.csv (means over seeds, with intervals), scores/MODEL/SEED/MAP.csv (a line \
    for each ROI), curves/MODEL/SEED/MAP.csv (Dice by threshold) and figures/: bars.png, dice.png, \
    gallery-MODEL.png. With --trust also trust.csv (a line for each model, map and test), \
    trust/MODEL/SEED/MAP.csv (a line for each two maps) and figures/trust-MODEL.png.")]
pub struct Compare {
    /// The data set; without it, synthetic mammograms
    #[arg(long)]
    data: Option<PathBuf>,
    /// Methods of explanation, see `parula cam --help`, or `all` [all of them]
    #[arg(long, value_delimiter = ',')]
    methods: Vec<String>,
    /// Networks, see `parula models`
    #[arg(long, value_delimiter = ',', default_value = "compact-xception,compact-resnet")]
    models: Vec<String>,
    /// One network of every model for each: it fixes split, initial weights and all draws
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seeds: Vec<u64>,
    /// Explain the networks of this run, the --out of `parula reproduce` on the same data, instead of
    /// training
    #[arg(long, value_name = "RUN")]
    weights: Option<PathBuf>,
    /// Score only this many ROIs of each validation side, drawn at random [all]
    #[arg(long, value_name = "N")]
    images: Option<usize>,
    /// Training ROIs that each map's threshold is chosen on
    #[arg(long, value_name = "N", default_value_t = 100)]
    training_images: usize,
    /// Of the validation ROIs, measure deletion, insertion and ROAD on this many; 0 for none
    #[arg(long, value_name = "N", default_value_t = 16)]
    faithfulness_images: usize,
    /// Steps of deletion, insertion and ROAD: a tenth of the pixels at a time
    #[arg(long, value_name = "N", default_value_t = 10)]
    steps: usize,
    /// Samples of smoothgrad, integrated-gradients and gradientshap; without it, 50
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// Side of the square that occlusion covers, in pixels of the network's input; without it, an
    /// eighth of the input
    #[arg(long, value_name = "PIXELS")]
    patch: Option<usize>,
    /// Distance of these squares; without it, half their side
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,
    /// The metric that the maps of a model are ranked by, as compare.json names it
    #[arg(long, value_name = "METRIC", default_value = "mean_dice")]
    rank_by: String,
    /// Also the paper's own metric: train each model from scratch on ROIs times their heatmaps, once for
    /// every map and seed. It takes as long as so many trainings; give the options of the first
    #[arg(long)]
    retrain: bool,
    /// Also test whether maps depend on the network, with the first seed: weights drawn anew layer by layer,
    /// shuffled labels, another seed, other models, an edge detector and noise. Two more trainings a model; with
    /// --weights, give the options of the first
    #[arg(long)]
    trust: bool,
    /// Of the scored validation ROIs, compare the maps of this many [32]
    #[arg(long, value_name = "N", requires = "trust")]
    trust_images: Option<usize>,
    /// Blocks of layers that lose their weights together in methods that take many runs of the network; all
    /// others lose a layer at a time [3]
    #[arg(long, value_name = "N", requires = "trust")]
    trust_stages: Option<usize>,
    /// Small changes of each of eight ROIs, to find the largest change of its map [5]
    #[arg(long, value_name = "N", requires = "trust")]
    trust_changes: Option<usize>,
    /// Keep the heatmaps of all scored ROIs, not only those of the galleries
    #[arg(long)]
    heatmaps: bool,
    /// Where everything is written
    #[arg(long, default_value = "compared")]
    out: PathBuf,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    numbers: Numbers,
}

impl Compare {
    pub fn run(&self, global: &Global) -> Result<()> {
        let setup = |name: &String| -> Result<Setup> {
            let mut network = models::find(name)?;
            if let Some(run) = &self.weights {
                network = deepened(run, network)?;
            }
            self.training.setup(network, None, &global.stop)
        };
        let models: Vec<Setup> = distinct(&self.models).iter().map(setup).collect::<Result<_>>()?;
        // Where others are trained beside them, the options are of those.
        if let Some(run) = self.weights.as_ref().filter(|_| !self.retrain && !self.trust) {
            let given = self.training.given();
            models.iter().try_for_each(|setup| trained_so(run, setup, &given))?;
        }
        let methods: Vec<&'static Method> = match &self.methods[..] {
            [] => usual(&models),
            names => cam::find_all(&distinct(names))?,
        };
        let options = Options {
            data: self.data.clone(),
            out: self.out.clone(),
            weights: self.weights.clone(),
            models,
            methods,
            seeds: distinct(&self.seeds),
            seed: global.seed,
            whole: self.training.whole,
            read: self.training.read(),
            duplicates: self.training.duplicates,
            images: self.images,
            training_images: self.training_images,
            faithfulness_images: self.faithfulness_images,
            steps: self.steps,
            samples: self.samples,
            patch: self.patch,
            stride: self.stride,
            rank_by: compare::find(&self.rank_by)?,
            retrain: self.retrain,
            trust: self.trust.then(|| {
                let usual = trust::Settings::default();
                trust::Settings {
                    images: self.trust_images.unwrap_or(usual.images),
                    stages: self.trust_stages.unwrap_or(usual.stages),
                    changes: self.trust_changes.unwrap_or(usual.changes),
                }
            }),
            heatmaps: self.heatmaps,
            only: None,
            again: self.parts.again(&self.repeat),
        };
        compare::check(&options)?;
        if self.parts.tasks {
            return parts::list(&options.parts(), global, words);
        }
        if self.parts.on_several(global)? {
            outputs::prepare_run(&self.out, self.read())?;
            let tasks = options.parts().len();
            parts::run(tasks, &self.parts.adapters, &self.out, &global.stop)?;
            return match compare::gather(&self.out)? {
                Some(results) => tell(&results, &self.out, global),
                None => Ok(()),
            };
        }
        let options = match self.parts.task {
            None => options,
            Some(task) => options.only(task)?,
        };
        let gpu = global.open(self.numbers.precision)?;
        crate::console::note!("on {}", gpu.report());
        // A run that cannot be leaves nothing behind.
        compare::fits(&gpu, &options)?;
        outputs::prepare_run(&options.out, self.read())?;
        let results = compare::compare(&gpu, &options)?;
        tell(&results, &options.out, global)
    }

    /// What is read.
    fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.data.iter().chain(&self.weights).chain(self.training.pictures.beside())
    }
}

/// The methods where none is named: those that have maps of all `models`, of which stderr is told.
fn usual(models: &[Setup]) -> Vec<&'static Method> {
    let explains = |method: &&Method| models.iter().all(|setup| method.explains(setup.network));
    let (methods, others): (Vec<_>, Vec<_>) = METHODS.iter().partition(explains);
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|method| method.name).collect();
        crate::console::note!(
            "without {}: there is no such map where a head has hidden dense layers",
            names.join(", ")
        );
    }
    methods
}

/// A part in a line.
fn words(part: &Part) -> String {
    let trust = if part.trust { ", with trust" } else { "" };
    format!("{} seed {}{trust}", part.models.join(", "), part.seed)
}

/// Prints what came out.
fn tell(results: &Results, out: &Path, global: &Global) -> Result<()> {
    if global.json {
        return print_json(results);
    }
    print(&format!(
        "{}ranked by {}, with its 95 % interval over {} seed(s) and the patients of their \
         validation sides; heatmaps explain the class {}\nsee {}: compare.md, compare.json, compare.csv, \
         summary.csv, scores, curves, figures\n",
        compare::text(results),
        compare::find(&results.config.rank_by)?.title,
        results.config.seeds.len(),
        results.explained_class,
        out.display(),
    ))
}
