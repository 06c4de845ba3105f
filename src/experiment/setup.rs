//! A network, and how it is trained in an experiment.

use serde_json::{Map, Value, json};

use crate::data::{Grey, Prepared, Roi, Scaling};
use crate::models::Network;
use crate::train::{Preset, TrainOptions};

/// A network, and how it is trained.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The network.
    pub network: &'static Network,
    /// How to train; seed, checkpoint and state are set for each run.
    pub train: TrainOptions,
    /// Height and width of the network's input.
    pub size: (usize, usize),
    /// How pixels become numbers.
    pub scaling: Scaling,
}

impl Setup {
    /// `network` trained as `preset` says, or without one as it usually is.
    pub fn new(network: &'static Network, preset: Option<Preset>) -> Self {
        let size = preset.and_then(Preset::size);
        Setup {
            network,
            train: preset.map_or_else(|| TrainOptions::usual(network), Preset::options),
            size: size.map_or((network.input[0], network.input[1]), |size| (size, size)),
            scaling: preset.and_then(Preset::scaling).unwrap_or_else(|| scaling(network)),
        }
    }

    /// ROIs for the network, labelled by their class.
    pub fn prepare(&self, rois: &[Roi]) -> Prepared {
        Prepared::new(rois, self.size, self.network.channels, self.scaling)
    }

    /// Images in the place of those of `rois`, labelled by their class.
    pub fn prepare_filtered(&self, images: &[Grey], rois: &[Roi]) -> Prepared {
        let labels = rois.iter().map(|roi| roi.class.index());
        let channels = self.network.channels;
        let images = images.iter().zip(labels);
        let names = rois.iter().map(|roi| roi.name.clone()).collect();
        Prepared { names, ..Prepared::from_images(images, self.size, channels, self.scaling) }
    }

    /// What decides the outcome, but for seed and data, by name.
    pub fn describe(&self) -> Map<String, Value> {
        let mut description = self.train.describe();
        description.insert("input".to_owned(), json!([self.size.0, self.size.1]));
        description.insert("scaling".to_owned(), json!(self.scaling.name()));
        description
    }
}

/// The scaling that `network` was made for.
pub fn scaling(network: &Network) -> Scaling {
    network.preprocessing.into()
}
