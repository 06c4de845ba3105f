//! Classifiers in files: trained and written, and read again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::setup::Setup;
use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::engine::session::Store;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::run_folder::RunFolder;
use crate::nets::images::{Grey, Prepared, Scaling, Split};
use crate::nets::models::{Mode, Model};
use crate::nets::train::{Predictor, TrainOptions, epochs_of, train};
use crate::nets::weights::{self, Raw, Top};
use crate::provenance::Items;

/// A trained classifier on the GPU.
#[derive(Debug)]
pub struct Saved {
    /// Built for inference.
    pub model: Model,
    /// Its variables.
    pub store: Store,
    /// How pixels become numbers.
    pub scaling: Scaling,
}

impl Saved {
    /// Reads the weights in `path` of the network of `setup`, for batches of `batch` images. The file says
    /// what the input's size, the head with its hidden layers and the scaling were; where it does not, `setup` does.
    ///
    /// # Errors
    /// Those of reading, and when the weights are of another network, or of other classes than normal and abnormal.
    pub fn read(gpu: &Arc<Gpu>, setup: &Setup, batch: usize, path: &Path) -> Result<Self> {
        let raw = Raw::read(path)?;
        // Which of its units would speak for a lesion, nobody can tell.
        let names = raw.class_names();
        if !names.is_empty() {
            return Err(Error::content(
                path,
                format!("it tells {} apart, and not normal from abnormal", names.join(", ")),
                "give weights that `parula train` made without --classes and --labels, or `parula reproduce`",
            ));
        }
        let network = raw.deepened(setup.network)?;
        let size = raw.input().unwrap_or([setup.size.0, setup.size.1]);
        let units = raw.classes().unwrap_or(setup.train.head.units());
        let scaling = raw.scaling().and_then(Scaling::named).unwrap_or(setup.scaling);
        let model = network.build(Mode::Inference, batch, size, units)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        raw.resolve(&model, Top::Keep)?.put(&store)?;
        Ok(Saved { model, store, scaling })
    }

    /// The same network for batches of `batch`: its variables are those of [`Self::store`].
    ///
    /// # Errors
    /// None that building it once did not have.
    pub fn of_batch(&self, batch: usize) -> Result<Model> {
        self.model.network.build(Mode::Inference, batch, self.model.size, self.model.classes)
    }

    /// `images` with their labels, as numbers for the network.
    pub fn prepare<'a>(&self, images: impl IntoIterator<Item = (&'a Grey, usize)>) -> Prepared {
        let [height, width] = self.model.size;
        Prepared::from_images(images, (height, width), self.model.network.channels, self.scaling)
    }

    /// The share of the images `indices` of `prepared` that are classified rightly.
    ///
    /// # Errors
    /// [`Error::Lost`] where what the network computes is not finite; those of the
    /// GPU.
    pub fn accuracy(&self, gpu: &Arc<Gpu>, prepared: &Prepared, indices: &[usize]) -> Result<f64> {
        if let Some(&first) = indices.first() {
            let numbers = prepared.numbers(first);
            self.model.expect_finite(gpu, &self.store, &prepared.name(first), &numbers)?;
        }
        Ok(self.predictor(gpu)?.score(prepared, indices)?.accuracy())
    }

    /// What gives its class scores, in the largest batch that fits.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when not even one image fits; those of the GPU.
    pub fn predictor(&self, gpu: &Arc<Gpu>) -> Result<Predictor> {
        let plan = |batch| Predictor::plan(gpu, &self.of_batch(batch)?);
        let (batch, _) = halving(self.model.batch, plan)?;
        Predictor::new(gpu, self.of_batch(batch)?, &self.store)
    }
}

/// Trains as `setup` says with `seed`, and writes the weights of the best epoch to `path` of a run, from
/// `origin`, unless they are there already. What is trained so far is kept in `state`, and gone on from where it
/// is there.
///
/// # Errors
/// Those of [`train`] and of writing; [`Error::Content`] when what is there was
/// made from something else.
pub fn learn(
    gpu: &Arc<Gpu>,
    job: &Learning,
    prepared: impl FnOnce() -> Prepared,
    split: &Split,
    state: PathBuf,
    path: &Path,
) -> Result<()> {
    let Learning { setup, seed, out, origin } = *job;
    if !out.reuse(path, origin)? {
        let lines = epochs_of(path);
        out.claim([path.to_owned(), lines.clone()])?;
        out.claim_state(&state)?;
        files::create_folder_of(path)?;
        let options = TrainOptions {
            seed,
            state: Some(state.clone()),
            lines: Some(lines.clone()),
            ..setup.train.clone()
        };
        let title = format!("{} seed {seed}", setup.network.name);
        let trained = train(gpu, setup.network, &prepared(), split, &options, &title)?;
        let layers = &trained.model.layers;
        // Before the weights: where they are there, nothing is trained again.
        out.made(&lines, origin)?;
        out.make(path, origin, |path| weights::save(path, &trained.weights, layers, None))?;
    }
    // Killed between the weights and this, a process leaves it.
    out.forget(&state)
}

/// What [`learn`] trains, and for which run.
#[derive(Clone, Copy, Debug)]
pub struct Learning<'a> {
    /// The network, and how it is trained.
    pub setup: &'a Setup,
    /// Fixes all draws.
    pub seed: u64,
    /// The run.
    pub out: &'a RunFolder,
    /// What the weights are made from.
    pub origin: &'a Items,
}
