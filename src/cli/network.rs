//! A network with its weights, and images prepared for it: shared by `predict`, `cam` and `segment`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::at_least_one;
use super::images::{Failures, Image};
use crate::data::{Colour, Prepared, Scaling, Window};
use crate::error::{Error, Result};
use crate::experiment;
use crate::gpu::Gpu;
use crate::models::{self, Mode, Model, Network};
use crate::plan::fitting;
use crate::session::Store;
use crate::train::Classifier;
use crate::weights::{Raw, Top, Weights};

/// Which network, with which weights.
#[derive(Debug, Args)]
pub struct Source {
    /// The network, see `parula models`
    #[arg(long)]
    model: String,
    /// Its weights: .safetensors, or Keras .h5, .weights.h5, .keras
    #[arg(long)]
    weights: PathBuf,
    /// Units of the head; another number than the weights have makes a fresh head
    #[arg(long, value_parser = at_least_one)]
    classes: Option<usize>,
    /// Height and width of the network's input instead of those that it was trained at
    #[arg(long, value_parser = at_least_one)]
    size: Option<usize>,
    /// The levels of 16-bit images that are black and white [each image's lowest and highest]
    #[arg(long, value_name = "LOW,HIGH")]
    window: Option<Window>,
    /// Images at once
    #[arg(long, default_value_t = 16, value_parser = at_least_one)]
    batch: usize,
}

/// A network with its variables on the GPU.
pub struct Loaded {
    pub gpu: Arc<Gpu>,
    pub network: &'static Network,
    pub model: Model,
    pub store: Store,
    pub scaling: Scaling,
    /// Black and white of images of 16 bits.
    pub window: Option<Window>,
}

impl Source {
    /// The file of the weights.
    pub fn weights(&self) -> &Path {
        &self.weights
    }

    /// Loads the weights of a classifier for batches of up to `images` images; `seed` starts a head that
    /// is not among them.
    pub fn load(&self, gpu: &Arc<Gpu>, images: usize, seed: u64) -> Result<Loaded> {
        self.load_network(models::find(&self.model)?, gpu, images, seed)
    }

    /// [`Self::load`] of any network, be it a classifier or a segmenter.
    pub fn load_any(&self, gpu: &Arc<Gpu>, images: usize, seed: u64) -> Result<Loaded> {
        self.load_network(models::find_any(&self.model)?, gpu, images, seed)
    }

    fn load_network(
        &self,
        network: &'static Network,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Loaded> {
        let raw = Raw::read(&self.weights)?;
        let size =
            self.size.map(|size| [size, size]).or_else(|| raw.input()).unwrap_or(network.input);
        if network.segments() {
            return self.load_segmenter(network, raw, gpu, images, size);
        }
        let classes = match (self.classes, raw.classes()) {
            (Some(classes), _) | (None, Some(classes)) => classes,
            (None, None) => {
                // A segmenter has no head either: it is named before a fresh one is offered.
                if let Ok(other) = raw.identify()
                    && other.name != network.name
                {
                    return Err(Error::content(
                        &self.weights,
                        format!("these weights are of {}, not of {}", other.name, network.name),
                        format!("use weights that were made for {}", network.name),
                    ));
                }
                return Err(Error::content(
                    &self.weights,
                    format!("these weights of {} have no head", network.name),
                    "give --classes N for a fresh one of N units, which is not trained yet",
                ));
            }
        };
        let named = raw.scaling().and_then(Scaling::named);
        let scaling = named.unwrap_or_else(|| experiment::scaling(network));
        let batch = self.batch.clamp(1, images.max(1));
        let model = planned(network, gpu, batch, size, classes)?;
        let store = Store::new(gpu, &model.graph, seed)?;
        fitted(raw, &model)?.put(&store)?;
        Ok(Loaded { gpu: gpu.clone(), network, model, store, scaling, window: self.window })
    }

    /// A segmenter has no head that could be another's: all of its weights must be there.
    fn load_segmenter(
        &self,
        network: &'static Network,
        raw: Raw,
        gpu: &Arc<Gpu>,
        images: usize,
        size: [usize; 2],
    ) -> Result<Loaded> {
        if self.classes.is_some() {
            return Err(Error::usage(
                format!("{} has no head of classes", network.name),
                "leave --classes away",
            ));
        }
        let units = raw.units(network).unwrap_or(network.classes);
        let scaling = raw.scaling().and_then(Scaling::named);
        let batch = self.batch.clamp(1, images.max(1));
        let model = planned(network, gpu, batch, size, units)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        raw.resolve(&model, Top::Keep)?.put(&store)?;
        let scaling = scaling.unwrap_or_else(|| experiment::scaling(network));
        Ok(Loaded { gpu: gpu.clone(), network, model, store, scaling, window: self.window })
    }
}

/// A model for inference, once it is planned: before its variables are allocated.
fn planned(
    network: &'static Network,
    gpu: &Gpu,
    batch: usize,
    size: [usize; 2],
    units: usize,
) -> Result<Model> {
    fitting(batch, |batch| {
        let model = network.build(Mode::Inference, batch, size, units)?;
        Classifier::plan(gpu, &model)?;
        Ok(model)
    })
}

impl Loaded {
    /// The images in `paths`, all of them resized for the network.
    pub fn read(&self, paths: &[PathBuf]) -> Result<Prepared> {
        let images: Vec<Colour> =
            paths.iter().map(|path| Colour::read_with(path, self.window)).collect::<Result<_>>()?;
        Ok(self.prepare(images.iter()))
    }

    /// Those of `images` that can be read, and the same resized for the network; `failures` is told of the
    /// others.
    pub fn read_each<'a>(
        &self,
        images: &'a [Image],
        failures: &mut Failures,
    ) -> (Vec<(&'a Image, Colour)>, Prepared) {
        let mut found = Vec::with_capacity(images.len());
        for image in images {
            match Colour::read_with(&image.path, self.window) {
                Ok(colour) => found.push((image, colour)),
                Err(error) => failures.add(error),
            }
        }
        let mut prepared = self.prepare(found.iter().map(|(_, colour)| colour));
        prepared.names = found.iter().map(|(image, _)| image.shown()).collect();
        (found, prepared)
    }

    /// Refuses weights with which what the network computes of the first image that can be read is not
    /// finite. To be asked before more is allocated.
    ///
    /// # Errors
    /// [`Error::Lost`]; those of the GPU.
    pub fn expect_finite(&self, images: &[Image]) -> Result<()> {
        let mut read = images
            .iter()
            .filter_map(|image| Some((image, Colour::read_with(&image.path, self.window).ok()?)));
        let Some((image, colour)) = read.next() else { return Ok(()) };
        let numbers = self.prepare([&colour].into_iter()).all();
        self.model.expect_finite(&self.gpu, &self.store, &image.shown(), &numbers)
    }

    fn prepare<'a>(&self, images: impl Iterator<Item = &'a Colour>) -> Prepared {
        let [height, width] = self.model.size;
        Prepared::from_colour(images, (height, width), self.network.channels, self.scaling)
    }
}

/// The weights in `raw` for `model`. A head of another size is left out, which stderr is told.
pub fn fitted(raw: Raw, model: &Model) -> Result<Weights> {
    let path = raw.path.clone();
    let there = raw.classes();
    let top = if there == Some(model.classes) { Top::Keep } else { Top::Drop };
    let weights = raw.resolve(model, top)?;
    let (path, classes) = (path.display(), model.classes);
    match there {
        Some(there) if there == classes => {}
        Some(there) => {
            crate::console::note!(
                "{path}: its head of {} is replaced by a fresh one of {classes}",
                units(there)
            );
        }
        None => crate::console::note!(
            "{path}: it has no head, a fresh one of {} is used",
            units(classes)
        ),
    }
    Ok(weights)
}

/// So many units of a head, in words.
pub fn units(count: usize) -> String {
    format!("{count} unit{}", if count == 1 { "" } else { "s" })
}
