//! One unit: a map of a model with a seed, from heatmaps to its two tables.

use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::chosen::Chosen;
use super::faithful::Faithfulness;
use super::maps::{Heatmaps, Map};
use super::metric::{METRICS, Score};
use super::network::Trained;
use super::results::Unit;
use super::{Material, Options, file, heatmap, since};
use crate::console::{self, Bar};
use crate::engine::gpu::Gpu;
use crate::error::Result;
use crate::lab::data::Roi;
use crate::lab::experiment::{Setup, tables};
use crate::lab::metrics::average_precision::average_precision;
use crate::lab::metrics::energy::energy;
use crate::lab::metrics::iou::iou;
use crate::lab::metrics::otsu;
use crate::lab::metrics::pointing::pointing;
use crate::lab::metrics::surface::{Surfaces, TOLERANCE};
use crate::lab::run_folder::RunFolder;
use crate::nets::cam::dice::{self, Scores, best_threshold};
use crate::nets::cam::levels::Levels;
use crate::nets::images::{Grey, Split};
use crate::provenance::Items;

/// A line of a unit's table of Dice by threshold: the mean over the scored ROIs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub threshold: u8,
    pub dice: f64,
}

/// A trained network, and what all its units share.
pub struct Job<'a> {
    pub gpu: &'a Arc<Gpu>,
    pub options: &'a Options,
    pub material: &'a Material,
    pub split: &'a Split,
    pub setup: &'a Setup,
    pub seed: u64,
    pub trained: &'a Trained,
    pub chosen: &'a Chosen,
    /// Where it is to be measured.
    pub faithfulness: Option<Faithfulness>,
    /// The run's files.
    pub out: &'a RunFolder,
    /// What the units of this network are made from.
    pub origin: &'a Items,
}

/// That what the results say of a unit is of this origin, and its tables are as they were written.
pub fn hold(
    out: &RunFolder,
    options: &Options,
    model: &str,
    seed: u64,
    map: Map,
    origin: &Items,
) -> Result<()> {
    let tables = if options.retrain { &TABLES[..] } else { &TABLES[..2] };
    let path = |folder: &&str| file(&options.out, folder, model, seed, map.name());
    tables.iter().try_for_each(|folder| out.hold(&path(folder), origin))
}

/// The folders of a unit's tables; the last is there where networks are retrained.
const TABLES: [&str; 3] = ["scores", "curves", "predictions"];

/// A mean of Dice by threshold, as it grows.
struct Curve {
    sum: Vec<f64>,
    count: usize,
}

impl Curve {
    fn add(&mut self, scores: &Scores) {
        self.sum.iter_mut().zip(&scores.dice).for_each(|(sum, dice)| *sum += dice);
        self.count += 1;
    }

    fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|sum| sum / self.count.max(1) as f64).collect()
    }
}

impl<'a> Job<'a> {
    /// What measures faithfulness, where any ROI is chosen for it.
    pub fn faithfulness(
        gpu: &Arc<Gpu>,
        options: &Options,
        trained: &Trained,
        chosen: &Chosen,
        seed: u64,
    ) -> Result<Option<Faithfulness>> {
        match chosen.faithful.is_empty() {
            true => Ok(None),
            false => Faithfulness::new(gpu, &trained.saved, options.steps, seed).map(Some),
        }
    }

    /// Runs the unit of `map`, and writes its tables.
    pub fn run(&mut self, map: Map) -> Result<Unit> {
        let start = Instant::now();
        let rois = &self.material.rois;
        let chosen = self.chosen;
        let every = chosen.training.iter().chain(&chosen.validation);
        let bar = console::bar("", every.clone().count() as u64);
        let mut heatmaps = self.heatmaps(map, every.map(|&index| &rois[index]))?;
        let mut explaining = 0.0;

        let empty_curve = || Curve { sum: vec![0.0; dice::THRESHOLDS], count: 0 };
        let mut training = empty_curve();
        self.each(&mut heatmaps, &chosen.training, &*bar, &mut explaining, |_, index, heatmap| {
            training.add(&dice::score(&rois[index].mask_or_empty().pixels, &heatmap)?);
            Ok(())
        })?;
        let threshold = best_threshold(&training.mean());

        let (mut validation, mut lines, mut empty) = (empty_curve(), Vec::new(), 0);
        let mut judging = 0.0;
        self.each(
            &mut heatmaps,
            &chosen.validation,
            &*bar,
            &mut explaining,
            |job, index, levels| {
                let roi = &rois[index];
                let mask = roi.mask_or_empty();
                let scores = dice::score(&mask.pixels, &levels)?;
                validation.add(&scores);
                empty += usize::from(scores.heatmap_pixels == 0);
                let mut line =
                    score(roi, &Levels::count(&mask.pixels, &levels)?, &scores, threshold);
                let size = [roi.image.height, roi.image.width];
                let surfaces = Surfaces::of_levels(&mask.pixels, &levels, threshold, size)?;
                let surface = surfaces.figures(TOLERANCE);
                line.surface_dice = surface.surface_dice;
                line.hausdorff_95 = surface.hausdorff_95;
                line.average_surface_distance = surface.average_surface_distance;
                if let Some(faithfulness) = &mut job.faithfulness
                    && chosen.faithful.binary_search(&index).is_ok()
                {
                    let start = Instant::now();
                    let found = faithfulness.measure(roi, &levels)?;
                    line.deletion = Some(found.deletion);
                    line.insertion = Some(found.insertion);
                    line.road_morf = Some(found.morf);
                    line.road_lerf = Some(found.lerf);
                    line.road = Some((found.lerf - found.morf) / 2.0);
                    judging += since(start);
                }
                lines.push(line);
                if job.options.heatmaps || chosen.gallery.contains(&index) {
                    let name = job.setup.network.name;
                    let path = heatmap(&job.options.out, name, job.seed, map.name(), &roi.name);
                    let heatmap = Grey { pixels: levels, ..roi.image };
                    job.out.make(&path, job.origin, |path| heatmap.write(path))?;
                }
                Ok(())
            },
        )?;
        drop(bar);
        let explained = chosen.training.len() + chosen.validation.len();
        let retrained = match self.options.retrain {
            true => Some(self.retrain(map)?),
            false => None,
        };
        let name = self.setup.network.name;
        let curve: Vec<Point> = (0..=u8::MAX)
            .zip(validation.mean())
            .map(|(threshold, dice)| Point { threshold, dice })
            .collect();
        let path = |folder| file(&self.options.out, folder, name, self.seed, map.name());
        self.out.make(&path("curves"), self.origin, |path| tables::write(path, &curve))?;
        self.out.make(&path("scores"), self.origin, |path| tables::write(path, &lines))?;
        let accuracy = retrained.as_ref().map(|retrained| retrained.val_acc);
        let value = |metric: &super::Metric| match metric.of {
            None => accuracy,
            Some(of) => {
                let values: Vec<f64> = lines.iter().filter_map(of).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            }
        };
        let judged = chosen.faithful.len();
        Ok(Unit {
            model: name.to_owned(),
            seed: self.seed,
            method: map.name().to_owned(),
            trivial: map.is_trivial(),
            val_acc: self.trained.val_acc,
            threshold,
            training_rois: chosen.training.len(),
            rois: lines.len(),
            faithfulness_rois: judged,
            empty,
            values: METRICS.iter().map(|metric| (metric.name.to_owned(), value(metric))).collect(),
            retrained,
            seconds_a_heatmap: explaining / explained.max(1) as f64,
            seconds_a_faithfulness: (judged > 0).then(|| judging / judged as f64),
            seconds: since(start),
        })
    }

    /// What makes the heatmaps of `map` for `rois`.
    pub fn heatmaps<'r>(
        &self,
        map: Map,
        rois: impl Iterator<Item = &'r Roi>,
    ) -> Result<Heatmaps<'a>> {
        let largest = rois.map(|roi| roi.image.pixels.len()).max().unwrap_or(1);
        Heatmaps::new(self.gpu, map, &self.trained.saved, self.seed, self.options, largest)
    }

    /// Gives the heatmap of each of the ROIs `indices` to `take`.
    pub fn each(
        &mut self,
        heatmaps: &mut Heatmaps,
        indices: &[usize],
        bar: &dyn Bar,
        seconds: &mut f64,
        mut take: impl FnMut(&mut Self, usize, Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let rois = &self.material.rois;
        for some in indices.chunks(heatmaps.batch()) {
            let start = Instant::now();
            let of: Vec<&Roi> = some.iter().map(|&index| &rois[index]).collect();
            let found = heatmaps.of(&of)?;
            *seconds += since(start);
            for (&index, heatmap) in some.iter().zip(found) {
                let stop = &self.setup.train.stop;
                stop.check(|| "finished units are kept, --resume goes on after them".to_owned())?;
                take(self, index, heatmap)?;
                bar.step(1);
            }
        }
        Ok(())
    }
}

/// The metrics that need no network.
fn score(roi: &Roi, levels: &Levels, scores: &Scores, threshold: u8) -> Score {
    let otsu = otsu::threshold(levels);
    Score {
        name: roi.name.clone(),
        patient: roi.source.clone(),
        mean_dice: scores.mean_dice,
        dice: scores.dice[usize::from(threshold)],
        iou: iou(levels, threshold),
        otsu_dice: scores.dice[usize::from(otsu)],
        otsu_iou: iou(levels, otsu),
        average_precision: average_precision(levels),
        pointing: pointing(levels),
        energy: energy(levels),
        ..Score::default()
    }
}
