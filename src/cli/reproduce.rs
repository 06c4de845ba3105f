//! `parula reproduce`.

use std::path::PathBuf;

use clap::Args;

use super::train::Training;
use super::{Global, print, print_json};
use crate::error::Result;
use crate::experiment::{self, Options};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula reproduce --out out\n  \
    parula reproduce --data BUSI --models compact-xception --epochs 12 --seeds 0,1,2 --out busi")]
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
    /// 1: train, explain, score
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = ["1"])]
    experiments: Vec<String>,
    /// Where everything is written
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Keep the runs that an earlier call with the same options finished in --out
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    training: Training,
}

impl Reproduce {
    pub fn run(&self, global: &Global) -> Result<()> {
        let options = Options {
            data: self.data.clone(),
            out: self.out.clone(),
            models: self.models.clone(),
            seeds: self.seeds.clone(),
            seed: global.seed,
            train: self.training.options()?,
            size: self.training.size,
            resume: self.resume,
        };
        let gpu = global.open()?;
        eprintln!("on {}", gpu.report());
        let results = experiment::reproduce(&gpu, &options)?;
        if global.json {
            return print_json(&results);
        }
        let dataset = &results.dataset;
        print(&format!(
            "{}\n{} abnormal and {} normal ROIs, {} to train on, {} to validate on, none from the same \
             patient or image; intervals are 95 % over {} seed(s)\nsee {}: results.json, figures, \
             heatmaps, weights\n",
            experiment::table(&results).to_text(),
            dataset.abnormal,
            dataset.normal,
            dataset.train,
            dataset.validation,
            options.seeds.len(),
            self.out.display(),
        ))
    }
}
