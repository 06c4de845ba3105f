//! A network with its weights, and images prepared for it: shared by `predict` and `cam`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::data::{Colour, Prepared};
use crate::error::Result;
use crate::experiment;
use crate::gpu::Gpu;
use crate::models::{self, Mode, Model, Network};
use crate::session::Store;
use crate::weights;

/// Which network, with which weights.
#[derive(Debug, Args)]
pub struct Source {
    /// The network, see `parula models`
    #[arg(long)]
    model: String,
    /// Its weights, a .safetensors file
    #[arg(long)]
    weights: PathBuf,
    /// Units of the head; without it, as many as the weights have
    #[arg(long)]
    classes: Option<usize>,
    /// Height and width of the network's input instead of those that it was trained at
    #[arg(long)]
    size: Option<usize>,
    /// Images at once
    #[arg(long, default_value_t = 16)]
    batch: usize,
}

/// A network with its variables on the GPU.
pub struct Loaded {
    pub network: &'static Network,
    pub model: Model,
    pub store: Store,
}

impl Source {
    /// Loads the weights for batches of up to `images` images.
    pub fn load(&self, gpu: &Arc<Gpu>, images: usize) -> Result<Loaded> {
        let network = models::find(&self.model)?;
        let loaded = weights::load(&self.weights)?;
        let size =
            self.size.map(|size| [size, size]).or_else(|| loaded.input()).unwrap_or(network.input);
        let classes = self.classes.or_else(|| loaded.classes()).unwrap_or(2).max(1);
        let batch = self.batch.clamp(1, images.max(1));
        let model = network.build(Mode::Inference, batch, size, classes)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        loaded.put(&self.weights, &model, &store)?;
        Ok(Loaded { network, model, store })
    }
}

impl Loaded {
    /// The images in `paths`, and all of them resized for the network.
    pub fn read(&self, paths: &[PathBuf]) -> Result<(Vec<Colour>, Prepared)> {
        let images: Vec<Colour> =
            paths.iter().map(|path| Colour::read(path)).collect::<Result<_>>()?;
        let [height, width] = self.model.size;
        let scaling = experiment::scaling(self.network);
        let channels = self.network.channels;
        let prepared = Prepared::from_colour(&images, (height, width), channels, scaling);
        Ok((images, prepared))
    }
}

/// Names for the files of each image: its stem, numbered where two images share one.
pub fn stems(paths: &[PathBuf]) -> Vec<String> {
    let stem = |path: &Path| {
        path.file_stem().map_or("image".to_owned(), |stem| stem.to_string_lossy().into_owned())
    };
    let mut taken = std::collections::HashMap::new();
    paths
        .iter()
        .map(|path| {
            let stem = stem(path);
            let count: &mut usize = taken.entry(stem.clone()).or_default();
            *count += 1;
            if *count == 1 { stem } else { format!("{stem}-{count}") }
        })
        .collect()
}
