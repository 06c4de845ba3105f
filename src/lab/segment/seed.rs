//! One seed of a weakly supervised segmentation, from the classifier to the scores.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;

use super::job::{Job, Masks};
use super::pseudo::{self, Pseudo, pseudo, refines};
use super::results::SeedResult;
use super::score::{self, CUT, Line, Origin};
use super::unmasked::Unmasked;
use super::{figure, scores_file};
use crate::error::Result;
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::lab::experiment::earlier::weights_of;
use crate::lab::experiment::saved::{self, Learning};
use crate::lab::experiment::{Saved, origins, tables};
use crate::lab::report::draw::both;
use crate::lab::run_folder::content_of;
use crate::memory;
use crate::nets::cam::{Settings, find};
use crate::nets::images::{Grey, Prepared};
use crate::nets::train::{
    self, Segmenter, Targets, TrainOptions, TrainedSegmenter, epochs_of, sides, train_segmenter,
};
use crate::nets::weights;
use crate::provenance::Items;

/// Images that the classifier looks at at once, where so many fit.
pub const BATCH: usize = 32;

impl Job<'_> {
    /// Runs everything, and writes weights, masks, scores and a contact sheet; `settings` is what all seeds
    /// are made from.
    pub fn run(&self, settings: &Items) -> Result<SeedResult> {
        let start = Instant::now();
        let rois = &self.material.rois;
        // What the weak side learns from goes through here, and nothing of the truth with it.
        let images: Vec<Unmasked> = rois.iter().map(Unmasked::from).collect();
        let classifier = self.classifier(&images)?;
        let origin = self.origin(settings)?;
        let labelled = images.iter().map(|one| (one.image, one.class.index()));
        let prepared = classifier.prepare(labelled);
        let val_acc = classifier.accuracy(self.gpu, &prepared, &self.split.validation)?;
        let abnormal: Vec<usize> =
            (0..images.len()).filter(|&at| images[at].class == Class::Abnormal).collect();
        let greys: Vec<&Grey> = abnormal.iter().map(|&at| images[at].image).collect();
        let size = [self.options.segmenter.size.0, self.options.segmenter.size.1];
        let found = pseudo(
            self.gpu,
            &classifier,
            &greys,
            &self.options.recipe,
            size,
            &self.options.classifier.train.stop,
        )?;
        drop(classifier);
        let mut beliefs: Vec<Option<Pseudo>> = vec![None; images.len()];
        abnormal.iter().zip(found).for_each(|(&at, pseudo)| beliefs[at] = Some(pseudo));

        let taught = self.taught(&images);
        let inputs = self.prepare(taught.iter().map(|&at| images[at].image));
        let weak =
            self.train(Origin::Weak, &inputs, &self.weak_targets(&taught, &beliefs), &origin)?;
        let truth = supervised_targets(taught.iter().map(|&at| &rois[at]), size);
        let supervised = self.train(Origin::Supervised, &inputs, &truth, &origin)?;
        let (weak_losses, supervised_losses) = (weak.losses.clone(), supervised.losses.clone());

        let sides = |side: &[usize]| -> Vec<(usize, Pseudo)> {
            let pair = |&at: &usize| Some((at, beliefs[at].clone()?));
            side.iter().filter_map(pair).collect()
        };
        let cam_threshold = score::best_threshold(
            sides(&self.split.train)
                .iter()
                .map(|(at, own)| (&rois[*at], score::levels(&own.heatmap, size, &rois[*at]))),
        )?;
        let judged = sides(&self.split.validation);
        let inputs = self.prepare(judged.iter().map(|(at, _)| images[*at].image));
        let all: Vec<usize> = (0..judged.len()).collect();
        let masks = |trained: TrainedSegmenter| {
            Segmenter::new(self.gpu, trained.model, &trained.store)?.probabilities(&inputs, &all)
        };
        let (weak, supervised) = (masks(weak)?, masks(supervised)?);
        let networks = weak.into_iter().zip(supervised);
        let rows: Vec<Masks> = judged
            .iter()
            .zip(networks)
            .map(|((at, own), (weak, supervised))| {
                let roi = &rois[*at];
                let heatmap = score::levels(&own.heatmap, size, roi);
                let threshold = self.options.recipe.threshold;
                let masks = [
                    (Origin::Pseudo, score::mask(&own.belief, size, roi, 0.5)),
                    (Origin::Weak, score::mask(&weak, size, roi, threshold)),
                    (Origin::Supervised, score::mask(&supervised, size, roi, threshold)),
                ];
                let mut scores = score::trivial(roi)?.to_vec();
                scores.push(score::scored(roi, Origin::Cam, &heatmap, cam_threshold)?);
                for (origin, mask) in &masks {
                    scores.push(score::scored(roi, *origin, mask, CUT)?);
                }
                Ok(Masks { roi, heatmap, masks, scores })
            })
            .collect::<Result<_>>()?;
        self.write_masks(&rows, &origin)?;
        let path = self.options.out.join("figures").join(format!("{}-masks.png", self.seed));
        self.out.make_all(&both(&path), &origin, || figure::write(self, &rows, &path))?;
        let lesions = score::of_lesions(rows.iter().flat_map(|row| &row.scores));
        let path = scores_file(&self.options.out, self.seed);
        let of_lesions = path.with_extension("lesions.csv");
        self.out.make(&of_lesions, &origin, |path| tables::write(path, &lesions))?;
        let scores = rows.into_iter().flat_map(|row| row.scores);
        let lines: Vec<Line> = scores.map(|one| one.line).collect();
        self.out.make(&path, &origin, |path| tables::write(path, &lines))?;
        Ok(SeedResult {
            seed: self.seed,
            val_acc,
            cam_threshold,
            weak_losses,
            supervised_losses,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Plans everything that is run with a network, before a picture is resized: both trainings, heatmaps
    /// and their refinement. Of a classifier of an earlier run only its weights say what size it is.
    pub fn expect(&self) -> Result<()> {
        let (options, gpu) = (self.options, self.gpu);
        let rois = &self.material.rois;
        let segmenter = &options.segmenter;
        let size = [segmenter.size.0, segmenter.size.1];
        if options.weights.is_none() {
            let classifier = &options.classifier;
            classifier.expect(gpu, std::slice::from_ref(self.split), rois.len())?;
            for method in &options.recipe.methods {
                let scaling = Some(classifier.scaling);
                let settings = Settings { scaling, ..Settings::new(find(method)?) };
                let pixels = size[0].saturating_mul(size[1]);
                classifier.explains(gpu, &settings, BATCH, pixels)?;
            }
        }
        // Heatmaps and what is believed by them, of each image and of each side once more; its pixels.
        let numbers = [rois.len(), size[0], size[1], 10, 4].map(|factor| factor as u64);
        let what = format!("{} heatmaps of {}x{}", rois.len(), size[0], size[1]);
        let bytes = numbers.into_iter().fold(1, u64::saturating_mul);
        memory::expect(&what, bytes, "use a smaller --segmenter-size, or fewer pictures")?;
        refines(gpu, size, pseudo::BATCH, &options.recipe)?;
        let taught = self.taught(&rois.iter().map(Unmasked::from).collect::<Vec<_>>()).len();
        train::expect(gpu, segmenter.network, size, [taught; 2], &segmenter.train)?;
        Ok(())
    }

    /// The classifier of an earlier run, or one that learns from the labels of `images` now.
    fn classifier(&self, images: &[Unmasked]) -> Result<Saved> {
        let (gpu, setup) = (self.gpu, &self.options.classifier);
        let path = self.classifier_file();
        if self.options.weights.is_none() {
            let origin = self.classifier_origin();
            let prepared = || {
                let labelled = images.iter().map(|one| (one.image, one.class.index()));
                let (channels, scaling) = (setup.network.channels, setup.scaling);
                Prepared::from_images(labelled, setup.size, channels, scaling)
            };
            let (seed, out, state) = (self.seed, self.out, self.state(setup.network.name));
            let learning = Learning { setup, seed, out, origin: &origin };
            saved::learn(gpu, &learning, prepared, self.split, state, &path)?;
        }
        Saved::read(gpu, setup, BATCH, &path)
    }

    /// What the classifier is made from, where it is trained here.
    fn classifier_origin(&self) -> Items {
        origins::training(self.shared, &self.options.classifier, self.seed, self.split)
    }

    /// That the classifier which an earlier call has left here, if it has, is of these options.
    pub fn agree(&self) -> Result<()> {
        match self.options.weights {
            Some(_) => Ok(()),
            None => self.out.agree(&self.classifier_file(), &self.classifier_origin()),
        }
    }

    /// Where the classifier is: in an earlier run, or here.
    fn classifier_file(&self) -> PathBuf {
        let name = self.options.classifier.network.name;
        match &self.options.weights {
            Some(run) => weights_of(run, name, self.seed),
            None => self.weights_file(name),
        }
    }

    /// What comes of the classifier is made from it, and from `settings`.
    fn origin(&self, settings: &Items) -> Result<Items> {
        let mut origin = origins::with(settings, "seed", json!(self.seed));
        origin = origins::with(&origin, "split", json!(sides(self.split)));
        Ok(origins::with(&origin, "classifier", json!(content_of(&self.classifier_file())?)))
    }

    /// That what the results say of this seed is of these options and this classifier, and its files are as
    /// they were written.
    pub fn hold(&self, settings: &Items) -> Result<()> {
        let origin = self.origin(settings)?;
        for origin_of_masks in [Origin::Weak, Origin::Supervised] {
            self.out.hold(&self.weights_file(stem(origin_of_masks)), &origin)?;
        }
        self.out.hold(&scores_file(&self.options.out, self.seed), &origin)
    }

    /// The images of the training side that a segmenter learns from: of ROIs the abnormal ones, since
    /// every ROI that will be segmented is one; of whole images all.
    fn taught(&self, images: &[Unmasked]) -> Vec<usize> {
        let taught = |at: &&usize| self.options.whole || images[**at].class == Class::Abnormal;
        self.split.train.iter().filter(taught).copied().collect()
    }

    fn prepare<'a>(&self, images: impl Iterator<Item = &'a Grey>) -> Prepared {
        let setup = &self.options.segmenter;
        let images = images.map(|image| (image, 0));
        Prepared::from_images(images, setup.size, setup.network.channels, setup.scaling)
    }

    /// Pseudo-masks, and of normal images that nothing in them is foreground: so says their label.
    fn weak_targets(&self, taught: &[usize], beliefs: &[Option<Pseudo>]) -> Targets {
        let pixels = self.options.segmenter.size.0 * self.options.segmenter.size.1;
        let mut targets = Targets::default();
        for &at in taught {
            let own = match &beliefs[at] {
                Some(own) => self.options.recipe.targets(&own.belief),
                None => Targets { probability: vec![0.0; pixels], weight: vec![1.0; pixels] },
            };
            targets.probability.extend(own.probability);
            targets.weight.extend(own.weight);
        }
        targets
    }

    fn train(
        &self,
        origin: Origin,
        images: &Prepared,
        targets: &Targets,
        made_from: &Items,
    ) -> Result<TrainedSegmenter> {
        let setup = &self.options.segmenter;
        let name = stem(origin);
        let path = self.weights_file(name);
        let lines = epochs_of(&path);
        self.out.claim([path.clone(), lines.clone()])?;
        self.out.agree(&path, made_from)?;
        self.out.claim_state(&self.state(name))?;
        files::create_folder_of(&path)?;
        let options = TrainOptions {
            seed: self.seed,
            state: Some(self.state(name)),
            lines: Some(lines.clone()),
            ..setup.train.clone()
        };
        let title = format!("{} on {name} masks, seed {}", setup.network.name, self.seed);
        let mut trained =
            train_segmenter(self.gpu, setup.network, images, targets, &options, &title)?;
        let seen = if self.options.whole { "whole" } else { "rois" };
        trained.weights.metadata.insert("images".to_owned(), seen.to_owned());
        let layers = &trained.model.layers;
        let save = |path: &Path| weights::save(path, &trained.weights, layers, None);
        self.out.make(&path, made_from, save)?;
        self.out.made(&lines, made_from)?;
        Ok(trained)
    }

    fn write_masks(&self, rows: &[Masks], made_from: &Items) -> Result<()> {
        let folder = self.options.out.join("masks").join(self.seed.to_string());
        let file = |row: &Masks, origin: Origin| {
            folder.join(format!("{}.{}.png", row.roi.name, stem(origin)))
        };
        let all = rows.iter().flat_map(|row| row.masks.iter().map(|mask| file(row, mask.0)));
        self.out.claim(all)?;
        files::create_folder(&folder)?;
        for row in rows {
            let (width, height) = (row.roi.image.width, row.roi.image.height);
            for (origin, mask) in &row.masks {
                let pixels = mask.clone();
                let path = file(row, *origin);
                Grey { width, height, pixels }.write(&path)?;
                self.out.made(&path, made_from)?;
            }
        }
        Ok(())
    }

    fn weights_file(&self, what: &str) -> PathBuf {
        self.options.out.join("weights").join(format!("{}.{what}.safetensors", self.seed))
    }

    /// The state of a training; it is there while the seed is not finished.
    fn state(&self, what: &str) -> PathBuf {
        self.options.out.join("checkpoints").join(format!("{}.{what}.safetensors", self.seed))
    }

    fn trainings(&self) -> [&'static str; 3] {
        let classifier = self.options.classifier.network.name;
        [classifier, stem(Origin::Weak), stem(Origin::Supervised)]
    }

    /// Deletes the states of trainings that are finished.
    pub fn forget_states(&self) -> Result<()> {
        self.trainings().iter().try_for_each(|what| self.out.forget(&self.state(what)))
    }
}

/// The name in files.
fn stem(origin: Origin) -> &'static str {
    match origin {
        Origin::Weak => "weak",
        Origin::Supervised => "supervised",
        Origin::Pseudo => "pseudo",
        Origin::Cam => "cam",
        Origin::Ones => "ones",
        Origin::Ellipse => "ellipse",
    }
}

/// The truth of each pixel, as far as the size lets it be told.
fn supervised_targets<'a>(rois: impl Iterator<Item = &'a Roi>, size: [usize; 2]) -> Targets {
    let mut probability = Vec::new();
    for roi in rois {
        let mask = roi.mask_or_empty().resize(size[0], size[1]);
        probability.extend(mask.iter().map(|value| value / 255.0));
    }
    let weight = vec![1.0; probability.len()];
    Targets { probability, weight }
}
