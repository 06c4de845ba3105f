//! What the networks that are explained are worth as classifiers: their predictions, and figures of these.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Whole;
use super::network::Network;
use crate::error::Result;
use crate::lab::experiment::classified::Sides;
use crate::lab::experiment::tables;
use crate::lab::experiment::{
    Classified, Phase, Round, Saved, predictions_file, training_predictions_file,
};
use crate::lab::metrics::operating_point::OperatingPoint;
use crate::provenance::Items;

/// A network, and what it says of the whole validation side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier {
    /// The network.
    pub model: String,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// A ROI is called abnormal from a probability of one half on.
    #[serde(flatten)]
    pub classified: Classified,
    /// A ROI is called abnormal above the probability at which sensitivity plus specificity of the training side is
    /// highest.
    pub at_training_threshold: Option<OperatingPoint>,
}

impl Network<'_> {
    /// Predicts the ROIs of both sides with the weights in `path`, writes the tables, and judges the validation side.
    pub fn classify(&self, whole: &Whole, path: &Path, origin: &Items) -> Result<Classifier> {
        let (model, seed) = (self.setup.network.name, self.seed);
        let batch = self.setup.train.batch.clamp(1, self.split.validation.len().max(1));
        let saved = Saved::read(whole.gpu, self.setup, batch, path)?;
        let mut predictor = saved.predictor(whole.gpu)?;
        let rois = &whole.material.rois;
        let mut prepared = saved.prepare(rois.iter().map(|roi| (&roi.image, roi.class.index())));
        prepared.names = rois.iter().map(|roi| roi.name.clone()).collect();
        let sides = Sides::predict(&mut predictor, &prepared, rois, self.split)?;
        let (out, round) = (&whole.options.out, Round { seed, fold: None });
        let tables = [
            (training_predictions_file(out, model, round), &sides.train),
            (predictions_file(out, model, round, Phase::Original), &sides.validation),
        ];
        for (path, lines) in tables {
            whole.out.make(&path, origin, |path| tables::write(path, lines))?;
        }
        Ok(Classifier {
            model: model.to_owned(),
            seed,
            classified: Classified::new(&sides.validation),
            at_training_threshold: sides.at_training_threshold(),
        })
    }
}
