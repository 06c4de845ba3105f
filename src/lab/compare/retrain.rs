//! The paper's own metric of a map: the same network, trained from scratch on ROIs times their heatmaps.
//!
//! As in the experiment, all ROIs are filtered by the map of the class `abnormal`, normal ones too: a
//! filter chosen by the label would carry the label.

use super::maps::Map;
use super::results::Retrained;
use super::unit::Job;
use super::{checkpoint, file};
use crate::console;
use crate::error::Result;
use crate::files;
use crate::lab::data::Class;
use crate::lab::experiment::filter::times;
use crate::lab::experiment::tables::{self, Prediction};
use crate::nets::images::Grey;
use crate::nets::train::{Predictor, TrainOptions, train};

impl Job<'_> {
    /// Filters all ROIs by `map`, trains, and writes what the network says of the validation side.
    pub fn retrain(&mut self, map: Map) -> Result<Retrained> {
        let rois = &self.material.rois;
        let all: Vec<usize> = (0..rois.len()).collect();
        let mut heatmaps = self.heatmaps(map, rois.iter())?;
        let bar = console::bar("", all.len() as u64);
        let mut images: Vec<Grey> = Vec::with_capacity(all.len());
        self.each(&mut heatmaps, &all, &*bar, &mut 0.0, |_, index, heatmap| {
            images.push(times(&rois[index].image, &heatmap));
            Ok(())
        })?;
        drop(bar);
        drop(heatmaps);
        let black = |class: Class| {
            let is_black = |image: &Grey| image.pixels.iter().all(|&value| value == 0);
            let own = images.iter().zip(rois).filter(|(_, roi)| roi.class == class);
            own.filter(|(image, _)| is_black(image)).count()
        };
        let (black_normal, black_abnormal) = (black(Class::Normal), black(Class::Abnormal));

        let (name, out) = (self.setup.network.name, &self.options.out);
        let state = checkpoint(out, name, &format!("{}.{}", self.seed, map.name()));
        let log =
            file(out, "predictions", name, self.seed, map.name()).with_extension("epochs.jsonl");
        self.out.claim([log.clone()])?;
        self.out.claim_state(&state)?;
        files::create_folder_of(&log)?;
        let options = TrainOptions {
            seed: self.seed,
            state: Some(state.clone()),
            lines: Some(log.clone()),
            ..self.setup.train.clone()
        };
        let prepared = self.setup.prepare_filtered(&images, rois);
        drop(images);
        let title = format!("{name} seed {}, ROIs x {}", self.seed, map.name());
        let trained = train(self.gpu, self.setup.network, &prepared, self.split, &options, &title)?;
        let validation = &self.split.validation;
        let mut classifier = Predictor::new(self.gpu, trained.model, &trained.store)?;
        let rows = classifier.predict(&prepared, validation)?;
        let lines: Vec<Prediction> = validation
            .iter()
            .zip(&rows)
            .map(|(&index, row)| Prediction::new(&rois[index], tables::VALIDATION, row))
            .collect();
        self.out.made(&log, self.origin)?;
        let path = file(out, "predictions", name, self.seed, map.name());
        self.out.make(&path, self.origin, |path| tables::write(path, &lines))?;
        self.out.forget(&state)?;
        let (val_acc, epochs) = (trained.best.val_accuracy, trained.records.len());
        Ok(Retrained { val_acc, epochs, black_normal, black_abnormal })
    }
}
