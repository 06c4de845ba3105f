//! A network, and how it is trained in an experiment.

use serde_json::{Map, Value, json};

use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::error::Result;
use crate::lab::data::Roi;
use crate::nets::cam::{Explainer, Settings};
use crate::nets::images::{Grey, Prepared, Scaling, Split};
use crate::nets::models::{Mode, Network};
use crate::nets::train::{self, Preset, TrainOptions};

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

    /// Plans the training on one picture: what does not fit then is refused before the data are read.
    ///
    /// # Errors
    /// As [`Self::expect`].
    pub fn fits(&self, gpu: &Gpu) -> Result<()> {
        let size = [self.size.0, self.size.1];
        train::expect(gpu, self.network, size, [1; 2], &self.train).map(|_| ())
    }

    /// Plans the training on each of `splits` of `pictures` images, before any of them is resized.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge) with the batch that fits, and when the input is
    /// too small for the network.
    pub fn expect(&self, gpu: &Gpu, splits: &[Split], pictures: usize) -> Result<()> {
        let mut learnt: Vec<usize> = splits.iter().map(|split| split.train.len()).collect();
        learnt.sort_unstable();
        learnt.dedup();
        let size = [self.size.0, self.size.1];
        learnt.into_iter().try_for_each(|learnt| {
            train::expect(gpu, self.network, size, [learnt, pictures], &self.train).map(|_| ())
        })
    }

    /// The images that are explained at once as `settings` say, `batch` or the first half of it that fits,
    /// where the largest map has `largest` pixels.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge) when not even one fits.
    pub fn explains(
        &self,
        gpu: &Gpu,
        settings: &Settings,
        batch: usize,
        largest: usize,
    ) -> Result<usize> {
        let (size, units) = ([self.size.0, self.size.1], self.train.head.units());
        let plan = |batch| {
            let model = self.network.build(Mode::Inference, batch, size, units)?;
            Explainer::expect(gpu, &model, settings, largest)
        };
        halving(batch, plan).map(|(batch, _)| batch)
    }

    /// ROIs for the network, labelled by their class.
    pub fn prepare(&self, rois: &[Roi]) -> Prepared {
        self.prepared(rois.iter().map(|roi| &roi.image), rois)
    }

    /// Images in the place of those of `rois`, labelled by their class.
    pub fn prepare_filtered(&self, images: &[Grey], rois: &[Roi]) -> Prepared {
        self.prepared(images.iter(), rois)
    }

    fn prepared<'a>(&self, images: impl Iterator<Item = &'a Grey>, rois: &[Roi]) -> Prepared {
        let images = images.zip(rois.iter().map(|roi| roi.class.index()));
        let names = rois.iter().map(|roi| roi.name.clone()).collect();
        let channels = self.network.channels;
        Prepared { names, ..Prepared::from_images(images, self.size, channels, self.scaling) }
    }

    /// What decides the outcome, but for seed and data, by name.
    pub fn describe(&self) -> Map<String, Value> {
        let mut description = self.train.describe();
        description.insert("input".to_owned(), json!([self.size.0, self.size.1]));
        description.insert("scaling".to_owned(), json!(self.scaling.name()));
        // Runs of the time when there was no other head do not name it.
        if !self.network.dense().is_empty() {
            description.insert("dense".to_owned(), json!(self.network.dense()));
        }
        description
    }
}

/// The scaling that `network` was made for.
pub fn scaling(network: &Network) -> Scaling {
    network.preprocessing.into()
}
