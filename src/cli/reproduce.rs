//! `parula reproduce`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::parts::{self, Parts};
use super::training::Training;
use super::{Global, Numbers, Repeat, distinct, print, print_json};
use crate::error::{Error, Result};
use crate::files::outputs;
use crate::lab::experiment::{self, Options, Setup, TestSet};
use crate::nets::models;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  parula reproduce --out out\n  \
    parula reproduce --data BUSI --models compact-xception --epochs 12 --seeds 0,1,2 --out busi\n  \
    parula reproduce --data DDSM --models xception,inception-v3 --preset paper --experiments 1,2 \
    --seeds 0,1,2 --out ddsm\n  \
    the same command with --resume goes on where it was stopped\n  \
    parula reproduce --data BUSI --seeds 0,1,2 --out busi --tasks\n  \
    parula reproduce --data BUSI --seeds 0,1,2 --out busi --task 3; parula report busi")]
pub struct Reproduce {
    /// The data set; without it, synthetic mammograms
    #[arg(long)]
    data: Option<PathBuf>,
    /// Networks, see `parula models`
    #[arg(long, value_delimiter = ',', default_value = "compact-xception,compact-resnet")]
    models: Vec<String>,
    /// One run of every network for each: it fixes split, initial weights and all draws
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seeds: Vec<u64>,
    /// Cross-validation: deal the patients of each seed into so many folds, train once for each, and validate on it,
    /// so that every ROI is validated once
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..=1000))]
    folds: Option<u64>,
    /// Hold a test set out, which nothing is learnt from or chosen by: this share of the patients, or another data set
    #[arg(long, value_name = "SHARE|DIR", value_parser = test_set)]
    test: Option<TestSet>,
    /// 1: train, explain, score. 2: the same, and train again from scratch on ROIs times their heatmaps,
    /// their masks, and what the masks leave out; it takes four times as long
    #[arg(long, value_delimiter = ',', default_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=2))]
    experiments: Vec<u32>,
    /// Weights to start from instead of from scratch, for every training: a file, or a folder of
    /// MODEL.safetensors, MODEL.weights.h5, MODEL.h5 or MODEL.keras
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Where everything is written
    #[arg(long, default_value = "out")]
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

/// A share of the patients, or a folder.
fn test_set(text: &str) -> Result<TestSet, String> {
    match text.parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Ok(TestSet::Share(share)),
        Ok(_) => Err("a share is between 0 and 1, such as 0.2".to_owned()),
        Err(_) => Ok(TestSet::Folder(PathBuf::from(text))),
    }
}

/// The weights of `model` in `path`, a file or a folder.
fn weights_of(path: &Path, model: &str) -> Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let endings = ["safetensors", "weights.h5", "h5", "keras"];
    let mut files = endings.iter().map(|ending| path.join(format!("{model}.{ending}")));
    files.find(|file| file.exists()).ok_or_else(|| {
        let hint = format!("put {model}.safetensors there, or .weights.h5, .h5 or .keras");
        Error::content(path, format!("there are no weights of {model}"), hint)
    })
}

impl Reproduce {
    pub fn run(&self, global: &Global) -> Result<()> {
        let setup = |name: &String| -> Result<Setup> {
            let network = models::find(name)?;
            let start = self.weights.as_deref().map(|path| weights_of(path, name)).transpose()?;
            self.training.setup(network, start.as_deref(), &global.stop)
        };
        let options = Options {
            data: self.data.clone(),
            out: self.out.clone(),
            models: distinct(&self.models).iter().map(setup).collect::<Result<_>>()?,
            seeds: distinct(&self.seeds),
            test: self.test.clone(),
            folds: self.folds.map(|folds| folds as usize),
            seed: global.seed,
            whole: self.training.whole,
            read: self.training.read(),
            duplicates: self.training.duplicates,
            experiments: distinct(&self.experiments),
            only: None,
            again: self.parts.again(&self.repeat),
        };
        if self.parts.tasks {
            return parts::list(&options.parts(), global, |part| {
                format!("{} {}  {}", part.model, part.round(), part.phases.join(", "))
            });
        }
        if self.parts.on_several(global)? {
            return self.on_all(&options, global);
        }
        let options = match self.parts.task {
            None => options,
            Some(task) => options.only(task)?,
        };
        let gpu = global.open(self.numbers.precision)?;
        crate::console::note!("on {}", gpu.report());
        let tell = |results: &experiment::Results| {
            let why = experiment::too_few(results).unwrap_or_default();
            crate::console::note!("so far:\n{}{why}", experiment::table(results).to_text());
        };
        // A run that cannot be leaves nothing behind.
        experiment::fits(&gpu, &options)?;
        let read = self.read();
        outputs::prepare_run(&options.out, read)?;
        let results = experiment::reproduce(&gpu, &options, &tell)?;
        self.tell(&results, &options.out, global)
    }

    /// What is read.
    fn read(&self) -> impl Iterator<Item = &PathBuf> {
        let test = match &self.test {
            Some(TestSet::Folder(folder)) => Some(folder),
            _ => None,
        };
        let beside = self.training.pictures.beside();
        self.data.iter().chain(&self.weights).chain(test).chain(beside)
    }

    /// Prints what came out.
    fn tell(&self, results: &experiment::Results, out: &Path, global: &Global) -> Result<()> {
        if global.json {
            return print_json(results);
        }
        let dataset = &results.dataset;
        print(&format!(
            "{}\n{} abnormal and {} normal ROIs, {} to train on, {} to validate on, none from the same \
             patient or image; heatmaps explain the class {}; intervals are 95 %, over {} \
             seed(s) and their patients\nsee {}: report.html, tables.tex, results.json, figures, heatmaps, \
             predictions, weights\n",
            experiment::text(results),
            dataset.abnormal,
            dataset.normal,
            dataset.train,
            dataset.validation,
            results.explained_class,
            results.config.seeds.len(),
            out.display(),
        ))
    }

    /// Runs all parts, on several adapters, and puts them together.
    fn on_all(&self, options: &Options, global: &Global) -> Result<()> {
        let read = self.read();
        outputs::prepare_run(&options.out, read)?;
        let tasks = options.parts().len();
        parts::run(tasks, &self.parts.adapters, &options.out, &global.stop)?;
        match experiment::gather(&options.out)? {
            Some((results, _)) => self.tell(&results, &options.out, global),
            None => Ok(()),
        }
    }
}
