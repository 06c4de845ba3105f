//! `parula weak`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::distinct;
use super::parts::{self, Parts};
use super::training::{NO_FLIPS, Training};
use super::{Global, Numbers, Repeat, print, print_json};
use crate::error::{Error, Result};
use crate::files::outputs;
use crate::lab::experiment::trained_so;
use crate::lab::experiment::{Setup, deepened};
use crate::lab::segment::{self, Options, Recipe, Results};
use crate::nets::cam;
use crate::nets::images::{Augment, Jitter};
use crate::nets::models;
use crate::nets::train::{Keep, Loss};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  parula weak --out weak\n  \
    parula weak --data BUSI --seeds 0,1,2 --out weak\n  \
    parula weak --data BUSI --weights out/busi --seeds 0,1,2 --out weak    # classifiers of a run of reproduce\n  \
    parula weak --data BUSI --whole --out whole\n  \
    parula weak --data BUSI --seeds 0,1,2 --out weak --task 1; parula report weak")]
pub struct Weak {
    /// The data set; without it, synthetic mammograms
    #[arg(long)]
    data: Option<PathBuf>,
    /// The classifier, see `parula models`
    #[arg(long, default_value = "compact-xception")]
    model: String,
    /// The folder of a run of `parula reproduce` whose classifiers are taken, instead of training them;
    /// of the same data, --seed and --whole
    #[arg(long)]
    weights: Option<PathBuf>,
    /// The classifier's epoch whose weights are taken [best; of whole images: last]
    #[arg(long)]
    keep: Option<Keep>,
    /// The network that learns masks
    #[arg(long, default_value = "compact-unet")]
    segmenter: String,
    /// Passes of that network over its images
    #[arg(long, default_value_t = 20)]
    segmenter_epochs: u32,
    /// Height and width of that network's input [the network's usual ones]
    #[arg(long)]
    segmenter_size: Option<usize>,
    /// What that network's training makes small
    #[arg(long, default_value = "cross-entropy")]
    segmenter_loss: Loss,
    /// Also move, scale and relight that network's images a little, and their masks with them
    #[arg(long)]
    segmenter_jitter: bool,
    /// One run for each: it fixes split, initial weights and all draws
    #[arg(long, value_delimiter = ',', default_value = "0")]
    seeds: Vec<u64>,
    /// Where everything is written
    #[arg(long, default_value = "weak")]
    out: PathBuf,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    numbers: Numbers,
}

/// How pseudo-masks are made: shared with `segment`.
#[derive(Debug, Args)]
pub struct RecipeArgs {
    /// The methods of explanation whose heatmaps are averaged [gradcam; of whole images
    /// layercam]
    #[arg(long = "methods", alias = "method", value_delimiter = ',')]
    method: Vec<String>,
    /// Of whole images: lesions are brighter than what is around them, as in mammograms, not darker
    #[arg(long)]
    bright: bool,
}

impl RecipeArgs {
    /// Which of its options are given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [("--methods", !self.method.is_empty()), ("--bright", self.bright)];
        all.into_iter().filter_map(|(name, given)| given.then_some(name)).collect()
    }

    /// The recipe for whole images, or for ROIs that are cut around their lesions.
    pub fn get(&self, whole: bool) -> Result<Recipe> {
        let mut recipe = if whole { Recipe::whole() } else { Recipe::rois() };
        if self.bright && recipe.from.proposal.is_none() {
            return Err(Error::usage(
                "--bright is of lesions in whole images; in ROIs nobody looks for them",
                "add --whole, or leave out --bright",
            ));
        }
        self.method.iter().try_for_each(|method| cam::find(method).map(|_| ()))?;
        if !self.method.is_empty() {
            recipe.methods.clone_from(&self.method);
        }
        if let Some(proposal) = &mut recipe.from.proposal {
            proposal.bright = self.bright;
        }
        Ok(recipe)
    }
}

impl Weak {
    pub fn run(&self, global: &Global) -> Result<()> {
        let recipe = self.recipe.get(self.training.whole)?;
        let mut network = models::find(&self.model)?;
        if let Some(run) = &self.weights {
            network = deepened(run, network)?;
        }
        let mut classifier = self.training.setup(network, None, &global.stop)?;
        // Few whole images are normal: the highest accuracy is often that of an epoch which calls nearly
        // everything abnormal, and shows nothing (docs/weak.md).
        let usual = if self.training.whole { Keep::Last } else { Keep::Best };
        classifier.train.keep = self.keep.unwrap_or(usual);
        if let Some(run) = &self.weights {
            // The segmenter is trained in any case, and mirrors as it is told here.
            let mut given = self.training.given();
            given.retain(|(option, _)| *option != NO_FLIPS);
            given.extend(self.keep.map(|_| ("--keep", "keep")));
            trained_so(run, &classifier, &given)?;
        }
        let options = Options {
            data: self.data.clone(),
            out: self.out.clone(),
            classifier,
            weights: self.weights.clone(),
            segmenter: self.segmenter()?,
            recipe,
            whole: self.training.whole,
            read: self.training.read(),
            duplicates: self.training.duplicates,
            seeds: distinct(&self.seeds),
            seed: global.seed,
            only: None,
            again: self.parts.again(&self.repeat),
        };
        if self.parts.tasks {
            return parts::list(&options.parts(), global, |part| {
                format!("{} seed {}", part.model, part.seed)
            });
        }
        if self.parts.on_several(global)? {
            outputs::prepare_run(&self.out, self.read())?;
            let tasks = options.parts().len();
            parts::run(tasks, &self.parts.adapters, &self.out, &global.stop)?;
            return match segment::gather(&self.out)? {
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
        segment::fits(&gpu, &options)?;
        outputs::prepare_run(&options.out, self.read())?;
        let results = segment::weak(&gpu, &options)?;
        tell(&results, &options.out, global)
    }

    /// What is read.
    fn read(&self) -> impl Iterator<Item = &PathBuf> {
        self.data.iter().chain(&self.weights).chain(self.training.pictures.beside())
    }

    fn segmenter(&self) -> Result<Setup> {
        let network = models::find_any(&self.segmenter)?;
        if !network.segments() {
            return Err(Error::usage(
                format!("{} gives classes, not masks", network.name),
                "give compact-unet",
            ));
        }
        if self.segmenter_epochs == 0 || self.segmenter_size == Some(0) {
            return Err(Error::usage(
                "--segmenter-epochs and --segmenter-size must be 1 or more",
                "see --help",
            ));
        }
        let mut setup = Setup::new(network, None);
        setup.train.epochs = self.segmenter_epochs;
        setup.train.loss = self.segmenter_loss;
        // `--jitter` is the classifier's: in few epochs a segmenter learns less from images that move
        // (docs/weak.md).
        let augment = self.training.augment(setup.train.augment);
        let jitter = self.segmenter_jitter.then(Jitter::default);
        setup.train.augment = Augment { jitter, ..augment };
        if let Some(size) = self.segmenter_size {
            setup.size = (size, size);
        }
        Ok(setup)
    }
}

/// Prints what came out.
fn tell(results: &Results, out: &Path, global: &Global) -> Result<()> {
    if global.json {
        return print_json(results);
    }
    let dataset = &results.dataset;
    let notes = results.too_few().into_iter().chain(dataset.truth.words());
    let notes: String = notes.map(|note| format!("{note}\n")).collect();
    print(&format!(
        "{}{}\nDice and IoU are means over the abnormal images of the validation side, {} in all on \
         that side and {} to learn from, none from the same patient or image; intervals are 95 %, \
         over {} seed(s) and their patients\nsee {}: results.json, figures, masks, scores, weights\n",
        results.table().to_text(),
        notes,
        dataset.validation,
        dataset.train,
        results.seeds.len(),
        out.display(),
    ))
}
