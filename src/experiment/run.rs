//! One model with one seed: train, explain, score, export.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;

use super::{Options, RunResult, prepare, scaling};
use crate::cam::{Explainer, Explanation, Request, find};
use crate::data::batch;
use crate::data::{Class, Grey, Roi, Split};
use crate::error::Result;
use crate::files;
use crate::gpu::Gpu;
use crate::metrics::epoch::EpochRecord;
use crate::models::{Head, Mode, Network};
use crate::train::{TrainOptions, Trained, interruption, train};
use crate::weights;

/// What to run.
pub struct Job<'a> {
    pub gpu: &'a Arc<Gpu>,
    pub network: &'static Network,
    pub seed: u64,
    pub options: &'a Options,
}

/// An explained ROI.
pub struct Explained {
    /// Its index among the ROIs.
    pub roi: usize,
    /// Whether it is on the validation side.
    pub validation: bool,
    pub heatmap: Vec<u8>,
    pub dice: Vec<f64>,
    pub mean_dice: f64,
}

/// What came of a job.
pub struct Done {
    pub result: RunResult,
    pub records: Vec<EpochRecord>,
    pub explained: Vec<Explained>,
}

/// Images explained at once.
const BATCH: usize = 32;

impl Job<'_> {
    /// Trains, explains and scores, and writes weights, heatmaps and `scores.csv`.
    pub fn run(&self, rois: &[Roi], split: &Split) -> Result<Done> {
        let start = Instant::now();
        let prepared = prepare(self.network, rois, self.options.size);
        let weights_path = self.file("weights", &format!("{}.safetensors", self.seed))?;
        let options = TrainOptions {
            seed: self.seed,
            checkpoint: Some(weights_path.clone()),
            ..self.options.train.clone()
        };
        let title = format!("{} seed {}", self.network.name, self.seed);
        let trained = train(self.gpu, self.network, &prepared, split, &options, &title)?;
        weights::save(&weights_path, &trained.weights, &trained.model.layers, None)?;
        let explained = self.explain(rois, split, &trained, [prepared.size.0, prepared.size.1])?;
        self.export(rois, &explained)?;

        let mean = |chosen: &dyn Fn(&Explained) -> bool, value: &dyn Fn(&Explained) -> f64| {
            let values: Vec<f64> = explained.iter().filter(|one| chosen(one)).map(value).collect();
            values.iter().sum::<f64>() / values.len().max(1) as f64
        };
        let curve = |chosen: &dyn Fn(&Explained) -> bool| -> Vec<f64> {
            (0..256).map(|t| mean(chosen, &|one: &Explained| one.dice[t])).collect()
        };
        let training = curve(&|one| !one.validation);
        let best_threshold =
            (0..256).rev().max_by(|&a, &b| training[a].total_cmp(&training[b])).unwrap_or_default();
        let result = RunResult {
            model: self.network.name.to_owned(),
            seed: self.seed,
            val_acc: trained.best.val_accuracy,
            mean_dice: mean(&|_| true, &|one| one.mean_dice),
            mean_dice_validation: mean(&|one| one.validation, &|one| one.mean_dice),
            cam_val_acc: None,
            mask_val_acc: None,
            inverse_mask_val_acc: None,
            epochs: trained.records.len(),
            best_epoch: trained.best.epoch,
            best_threshold: best_threshold as u8,
            dice_at_best_threshold_validation: mean(&|one| one.validation, &|one| {
                one.dice[best_threshold]
            }),
            empty_heatmaps: explained
                .iter()
                .filter(|one| one.heatmap.iter().all(|&value| value == 0))
                .count(),
            seconds: start.elapsed().as_secs_f64(),
            dice_curve: curve(&|_| true),
        };
        Ok(Done { result, records: trained.records, explained })
    }

    /// Explains the score of the class `abnormal` on every abnormal ROI.
    fn explain(
        &self,
        rois: &[Roi],
        split: &Split,
        trained: &Trained,
        size: [usize; 2],
    ) -> Result<Vec<Explained>> {
        let abnormal: Vec<usize> =
            (0..rois.len()).filter(|&index| rois[index].class == Class::Abnormal).collect();
        let pixels = |index: &usize| rois[*index].image.pixels.len();
        let largest = abnormal.iter().map(pixels).max().unwrap_or(1);
        let units = trained.model.classes;
        let model = self.network.build(Mode::Inference, BATCH, size, units)?;
        let method = find("gradcam")?;
        let mut explainer =
            Explainer::new(self.gpu, model, &trained.store, method, None, 1.0, largest)?;
        let bar = ProgressBar::new(abnormal.len() as u64);
        let mut explained = Vec::with_capacity(abnormal.len());
        for chunk in abnormal.chunks(BATCH) {
            interruption(|| "the weights are written, the heatmaps are not".to_owned())?;
            let chosen: Vec<&Roi> = chunk.iter().map(|&index| &rois[index]).collect();
            let (channels, scaling) = (self.network.channels, scaling(self.network));
            let images = batch::tensor(&chosen, (size[0], size[1]), channels, scaling);
            let masks: Vec<Grey> = chosen.iter().map(|roi| roi.mask_or_empty()).collect();
            let requests: Vec<Request> = images
                .chunks(images.len() / chosen.len())
                .zip(&chosen)
                .zip(&masks)
                .map(|((image, roi), mask)| Request {
                    image,
                    class: Some(Head::of(units).unit(Class::Abnormal.index())),
                    size: [roi.image.height, roi.image.width],
                    mask: Some(&mask.pixels),
                })
                .collect();
            for (&roi, explanation) in chunk.iter().zip(explainer.explain(&requests)?) {
                let mean_dice = explanation.mean_dice().unwrap_or(f64::NAN);
                let Explanation { heatmap, dice, .. } = explanation;
                let validation = split.validation.binary_search(&roi).is_ok();
                let dice = dice.unwrap_or_default();
                explained.push(Explained { roi, validation, heatmap, dice, mean_dice });
            }
            bar.inc(chunk.len() as u64);
        }
        bar.finish_and_clear();
        Ok(explained)
    }

    /// ROI, mask and heatmap of every explained ROI as 8-bit grey PNGs, and `scores.csv`.
    fn export(&self, rois: &[Roi], explained: &[Explained]) -> Result<()> {
        let mut scores = String::from("name,split,mean_dice\n");
        for one in explained {
            interruption(|| "the weights are written, the heatmaps in part".to_owned())?;
            let roi = &rois[one.roi];
            let (width, height) = (roi.image.width, roi.image.height);
            let write = |what: &str, grey: &Grey| -> Result<()> {
                grey.write(&self.heatmap_file(&format!("{}.{what}.png", roi.name))?)
            };
            write("roi", &roi.image)?;
            write("mask", &roi.mask_or_empty())?;
            write("heatmap", &Grey { width, height, pixels: one.heatmap.clone() })?;
            let side = if one.validation { "validation" } else { "train" };
            scores += &format!("{},{side},{}\n", csv(&roi.name), one.mean_dice);
        }
        files::write(&self.heatmap_file("scores.csv")?, scores.as_bytes())
    }

    fn heatmap_file(&self, name: &str) -> Result<PathBuf> {
        let folder = Path::new("heatmaps").join(self.network.name).join(self.seed.to_string());
        let folder = self.options.out.join(folder);
        files::create_folder(&folder)?;
        Ok(folder.join(name))
    }

    fn file(&self, kind: &str, name: &str) -> Result<PathBuf> {
        let folder = self.options.out.join(kind).join(self.network.name);
        files::create_folder(&folder)?;
        Ok(folder.join(name))
    }
}

/// A field of a CSV file, quoted where it must be.
fn csv(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
