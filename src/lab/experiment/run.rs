//! One model with one seed: trained on the original ROIs, explained, scored, and trained again on
//! filtered ROIs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::at_threshold::AtThreshold;
use super::classified::{Classified, Sides};
use super::explain::{Explained, mean_ways, normal, segmented};
use super::filter;
use super::job::Job;
use super::phase::Phase;
use super::results::{Retrained, RunResult, Tested, Way};
use super::tables::{self, LesionScore, NormalScore, Prediction, TestScore, operating_point};
use super::{origins, predictions_file, scores_file, test_file, training_predictions_file};
use crate::error::Result;
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::lab::run_folder::content_of;
use crate::nets::cam::dice::best_threshold;
use crate::nets::cam::normalise::WAYS;
use crate::nets::images::{Grey, Prepared};
use crate::nets::train::record::EpochRecord;
use crate::nets::train::{Predictor, TrainOptions, Trained, epochs_of, train};
use crate::nets::weights;
use crate::provenance::Items;

/// What came of the original ROIs.
pub struct Done {
    pub result: RunResult,
    pub records: Vec<EpochRecord>,
    pub explained: Vec<Explained>,
}

/// What the training side chooses for every other.
#[derive(Clone, Copy)]
struct Thresholds {
    /// Of heatmaps.
    heatmap: u8,
    /// The same on the scale of maps before they are divided by their maximum.
    absolute: Option<f64>,
    /// Of probabilities.
    cut: Option<f64>,
}

impl Job<'_> {
    /// Trains on the original ROIs, explains and scores, and writes weights, heatmaps and tables. With
    /// `filter` the ROIs times their heatmaps are written as well.
    pub fn original(&self, filter: bool) -> Result<Done> {
        let start = Instant::now();
        let prepared = self.setup.prepare(&self.material.rois);
        let trained = self.train(Phase::Original, &prepared)?;
        let training = start.elapsed();
        let (explained, normals) = self.explain(&trained.store, trained.model.classes, filter)?;
        let curve = |chosen: &dyn Fn(&Explained) -> bool| -> Vec<f64> {
            let chosen: Vec<&Explained> = explained.iter().filter(|one| chosen(one)).collect();
            let at = |t: usize| chosen.iter().map(|one| one.dice[t]).sum::<f64>();
            (0..256).map(|t| at(t) / chosen.len().max(1) as f64).collect()
        };
        let threshold = best_threshold(&curve(&|one| !one.validation));
        let absolute = self.write_scores(&explained, &normals, threshold)?;
        let cut = self.training_threshold()?;
        let test = self.test(&trained, Thresholds { heatmap: threshold, absolute, cut })?;
        let all = mean_ways(explained.iter());
        let validation = mean_ways(explained.iter().filter(|one| one.validation));
        let ways = WAYS.iter().enumerate().map(|(way, &(sign, normalisation))| Way {
            sign,
            normalisation,
            mean_dice: all[way],
            mean_dice_validation: validation[way],
        });
        let empty = |one: &&Explained| one.heatmap.iter().all(|&value| value == 0);
        let result = RunResult {
            model: self.setup.network.name.to_owned(),
            seed: self.round.seed,
            fold: self.round.fold,
            val_acc: trained.best.val_accuracy,
            // Of the tables, as all statistics.
            classified: Classified::default(),
            at_training_threshold: None,
            mean_dice: all[0],
            mean_dice_validation: validation[0],
            ways: ways.collect(),
            cam_val_acc: None,
            mask_val_acc: None,
            inverse_mask_val_acc: None,
            retrained: Vec::new(),
            test,
            epochs: trained.records.len(),
            best_epoch: trained.best.epoch,
            best_threshold: threshold,
            dice_at_best_threshold_validation: curve(&|one| one.validation)[usize::from(threshold)],
            empty_heatmaps: explained.iter().filter(empty).count(),
            map_size: explained.first().map(|one| one.map_size),
            // The training may have begun in an earlier process.
            seconds: (trained.time + start.elapsed().saturating_sub(training)).as_secs_f64(),
            dice_curve: curve(&|_| true),
            // Of the tables as well.
            at_threshold: None,
        };
        Ok(Done { result, records: trained.records, explained })
    }

    /// Trains from scratch on the ROIs filtered as `phase` says, with the seed and the options of the
    /// original ones.
    pub fn retrain(&self, phase: Phase) -> Result<(Retrained, Vec<EpochRecord>)> {
        let rois = &self.material.rois;
        let images = match phase {
            Phase::Original => rois.iter().map(|roi| roi.image.clone()).collect(),
            Phase::Cam => self.read_filtered()?,
            Phase::Mask | Phase::InverseMask => {
                let sources = filter::mask_sources(rois, self.split, self.round.seed);
                filter::masked(rois, &sources, phase == Phase::InverseMask)
            }
        };
        let trained = self.train(phase, &self.setup.prepare_filtered(&images, rois))?;
        let black = |class: Class| {
            let is_black = |image: &&Grey| image.pixels.iter().all(|&value| value == 0);
            let own = images.iter().zip(rois).filter(|(_, roi)| roi.class == class);
            own.map(|(image, _)| image).filter(is_black).count()
        };
        let retrained = Retrained {
            phase: phase.name().to_owned(),
            val_acc: trained.best.val_accuracy,
            epochs: trained.records.len(),
            best_epoch: trained.best.epoch,
            black_normal: black(Class::Normal),
            black_abnormal: black(Class::Abnormal),
            seconds: trained.time.as_secs_f64(),
        };
        Ok((retrained, trained.records))
    }

    /// Trains on `prepared`; writes the best weights, and what they say of the validation ROIs.
    fn train(&self, phase: Phase, prepared: &Prepared) -> Result<Trained> {
        let path = self.weights_file(phase);
        let origin = self.origin(phase)?;
        let lines = epochs_of(&path);
        self.out.claim([path.clone(), lines.clone()])?;
        self.out.agree(&path, &origin)?;
        if !self.state(phase).exists() {
            // All of it is trained again, over what is there.
            self.out.renew(&[path.clone(), lines.clone()])?;
        }
        self.out.claim_state(&self.state(phase))?;
        files::create_folder_of(&path)?;
        let options = TrainOptions {
            seed: self.round.seed,
            checkpoint: Some(path.clone()),
            state: Some(self.state(phase)),
            lines: Some(lines.clone()),
            ..self.setup.train.clone()
        };
        let title = self.title(phase);
        let trained = train(self.gpu, self.setup.network, prepared, self.split, &options, &title)?;
        self.out.make(&path, &origin, |path| {
            weights::save(path, &trained.weights, &trained.model.layers, None)
        })?;
        self.out.made(&lines, &origin)?;
        self.predict(phase, &trained, prepared, &origin)?;
        Ok(trained)
    }

    fn predict(
        &self,
        phase: Phase,
        trained: &Trained,
        prepared: &Prepared,
        origin: &Items,
    ) -> Result<()> {
        let mut classifier = Predictor::new(self.gpu, trained.model.clone(), &trained.store)?;
        let (out, name) = (&self.options.out, self.setup.network.name);
        let path = predictions_file(out, name, self.round, phase);
        let write = |path: &Path, lines: &[Prediction]| {
            self.out.make(path, origin, |path| tables::write(path, lines))
        };
        let rois = &self.material.rois;
        let sides = Sides::predict(&mut classifier, prepared, rois, self.split)?;
        if phase == Phase::Original {
            write(&training_predictions_file(out, name, self.round), &sides.train)?;
        }
        write(&path, &sides.validation)
    }

    /// The probability above which the network calls a ROI abnormal, as its training ROIs choose it; none where they
    /// are of one class.
    fn training_threshold(&self) -> Result<Option<f64>> {
        let (out, name) = (&self.options.out, self.setup.network.name);
        let lines: Vec<Prediction> =
            tables::read(&training_predictions_file(out, name, self.round))?;
        Ok(tables::threshold(&lines))
    }

    /// What the network says of the test set, where there is one, and its maps there.
    fn test(&self, trained: &Trained, chosen: Thresholds) -> Result<Option<Tested>> {
        let Thresholds { heatmap: threshold, absolute, cut } = chosen;
        let rois = &self.material.test;
        if rois.is_empty() {
            return Ok(None);
        }
        let all: Vec<usize> = (0..rois.len()).collect();
        let mut classifier = Predictor::new(self.gpu, trained.model.clone(), &trained.store)?;
        let rows = classifier.predict(&self.setup.prepare(rois), &all)?;
        drop(classifier);
        let line = |(roi, row): (&Roi, &Vec<f32>)| Prediction::new(roi, tables::TEST, row);
        let lines: Vec<Prediction> = rois.iter().zip(&rows).map(line).collect();
        let (explained, normals) = self.explain_test(&trained.store, trained.model.classes)?;
        self.write_test(explained.iter().chain(&normals))?;
        let mean = |of: &dyn Fn(&[f64]) -> f64| {
            let count = explained.len();
            (count > 0)
                .then(|| explained.iter().map(|one| of(&one.dice)).sum::<f64>() / count as f64)
        };
        let mean_dice = |dice: &[f64]| dice.iter().sum::<f64>() / dice.len().max(1) as f64;
        let (mut scores, mut lesions) = (Vec::new(), Vec::new());
        for one in &explained {
            let found = segmented(one.roi, &one.heatmap, threshold)?;
            lesions.extend(LesionScore::of(one.roi, tables::TEST, &found.lesions));
            scores.push(TestScore {
                name: one.roi.name.clone(),
                patient: one.roi.source.clone(),
                mean_dice: mean_dice(&one.dice),
                dice_at_best_threshold: one.dice[usize::from(threshold)],
                iou: found.whole.iou,
                hausdorff_95: found.whole.surface.hausdorff_95,
                average_surface_distance: found.whole.surface.average_surface_distance,
                surface_dice: found.whole.surface.surface_dice,
                lesions: found.lesion_count,
                false_areas: found.false_areas,
                peak: one.peak,
            });
        }
        let normals: Vec<NormalScore> =
            normals.iter().map(|one| normal(one, tables::TEST, threshold, absolute)).collect();
        let (out, name) = (&self.options.out, self.setup.network.name);
        let origin = self.explained_origin()?;
        let path = test_file(out, "predictions", name, self.round);
        self.out.make(&path, &origin, |path| tables::write(path, &lines))?;
        let path = test_file(out, "scores", name, self.round);
        self.out.make(&path, &origin, |path| tables::write(path, &scores))?;
        let path = test_file(out, "lesions", name, self.round);
        self.out.make(&path, &origin, |path| tables::write(path, &lesions))?;
        let path = test_file(out, "normals", name, self.round);
        self.out.make(&path, &origin, |path| tables::write(path, &normals))?;
        Ok(Some(Tested {
            rois: rois.len(),
            accuracy: Classified::accuracy(&lines),
            classified: Classified::new(&lines),
            at_training_threshold: cut.map(|cut| operating_point(&lines, cut)),
            mean_dice: mean(&mean_dice),
            dice_at_best_threshold: mean(&|dice| dice[usize::from(threshold)]),
            at_threshold: (!scores.is_empty())
                .then(|| AtThreshold::of_test(threshold, &scores, &lesions, &normals, absolute)),
        }))
    }

    /// The name of a phase of this job, for people.
    pub fn title(&self, phase: Phase) -> String {
        let name = self.setup.network.name;
        match phase {
            Phase::Original => format!("{name} {}", self.round),
            filtered => format!("{name} {}, {}", self.round, filtered.words()),
        }
    }

    /// The weights of a phase.
    pub fn weights_file(&self, phase: Phase) -> PathBuf {
        let folder = self.options.out.join("weights").join(self.setup.network.name);
        folder.join(format!("{}.safetensors", phase.stem(self.round)))
    }

    /// What a phase's network is made from: filtered by heatmaps, of the network that gave them, too.
    pub fn origin(&self, phase: Phase) -> Result<Items> {
        let training = origins::training(self.shared, self.setup, self.round.seed, self.split);
        let origin = origins::with(&training, "phase", json!(phase.name()));
        match phase {
            Phase::Cam => self.of_network(&origin),
            _ => Ok(origin),
        }
    }

    /// What heatmaps and what comes of them are made from.
    pub fn explained_origin(&self) -> Result<Items> {
        self.of_network(&self.origin(Phase::Original)?)
    }

    fn of_network(&self, items: &Items) -> Result<Items> {
        let content = content_of(&self.weights_file(Phase::Original))?;
        Ok(origins::with(items, "network", json!(content)))
    }

    /// That what the results say of a phase is of these options, and its files are as they were written.
    pub fn hold(&self, phase: Phase) -> Result<()> {
        let (name, out) = (self.setup.network.name, &self.options.out);
        let origin = self.origin(phase)?;
        self.out.hold(&self.weights_file(phase), &origin)?;
        self.out.hold(&predictions_file(out, name, self.round, phase), &origin)?;
        if phase == Phase::Original {
            self.out.hold(&training_predictions_file(out, name, self.round), &origin)?;
            self.out.hold(&scores_file(out, name, self.round), &self.explained_origin()?)?;
        }
        Ok(())
    }

    /// The state of a phase's training; it is there while the phase is not finished.
    fn state(&self, phase: Phase) -> PathBuf {
        let folder = self.options.out.join("checkpoints").join(self.setup.network.name);
        folder.join(format!("{}.safetensors", phase.stem(self.round)))
    }

    /// Deletes the state of a phase's training, which is finished.
    pub fn forget(&self, phase: Phase) -> Result<()> {
        self.out.forget(&self.state(phase))
    }
}
