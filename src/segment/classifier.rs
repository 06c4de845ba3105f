//! The classifier whose heatmaps point at the lesions: trained on images and labels, or taken from a
//! run of the experiment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::look::{Look, Mean};
use super::unmasked::Unmasked;
use crate::cam::{Explainer, Request, Settings, find};
use crate::data::{Class, Grey, Prepared, Scaling, Split};
use crate::error::Result;
use crate::experiment::Setup;
use crate::gpu::Gpu;
use crate::models::{Head, Mode, Model};
use crate::session::Store;
use crate::train::{self, TrainOptions, interruption, train};
use crate::weights::{self, Raw, Top};

/// A trained classifier of normal and abnormal images.
#[derive(Debug)]
pub struct Classifier {
    /// Built for inference.
    pub model: Model,
    /// Its variables.
    pub store: Store,
    /// How pixels become numbers.
    pub scaling: Scaling,
}

/// Images at once.
const BATCH: usize = 32;

impl Classifier {
    /// Reads the weights in `path` for the network of `setup`.
    ///
    /// # Errors
    /// Those of reading, and when they are of another network.
    pub fn read(gpu: &Arc<Gpu>, setup: &Setup, path: &Path) -> Result<Self> {
        let raw = Raw::read(path)?;
        let size = raw.input().unwrap_or([setup.size.0, setup.size.1]);
        let units = raw.classes().unwrap_or(setup.train.head.units());
        let scaling = raw.scaling().and_then(Scaling::named).unwrap_or(setup.scaling);
        let model = setup.network.build(Mode::Inference, BATCH, size, units)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        raw.resolve(&model, Top::Keep)?.put(&store)?;
        Ok(Classifier { model, store, scaling })
    }

    /// Trains on the labels of `images`, writes the best epoch's weights to `path`, and reads them.
    ///
    /// # Errors
    /// Those of training and of writing.
    pub fn train(
        gpu: &Arc<Gpu>,
        setup: &Setup,
        images: &[Unmasked],
        split: &Split,
        seed: u64,
        path: &Path,
        state: PathBuf,
    ) -> Result<Self> {
        let labelled = images.iter().map(|one| (one.image, one.class.index()));
        let channels = setup.network.channels;
        let prepared = Prepared::from_images(labelled, setup.size, channels, setup.scaling);
        let options = TrainOptions { seed, state: Some(state), ..setup.train.clone() };
        let title = format!("{} seed {seed}", setup.network.name);
        let trained = train(gpu, setup.network, &prepared, split, &options, &title)?;
        weights::save(path, &trained.weights, &trained.model.layers, None)?;
        Self::read(gpu, setup, path)
    }

    /// The share of the images `indices` that it classifies rightly.
    ///
    /// # Errors
    /// Those of the GPU.
    pub fn accuracy(&self, gpu: &Arc<Gpu>, images: &[Unmasked], indices: &[usize]) -> Result<f64> {
        let labelled = images.iter().map(|one| (one.image, one.class.index()));
        let prepared = self.prepare(labelled);
        let mut scorer = train::Classifier::new(gpu, self.model.clone(), &self.store)?;
        Ok(scorer.score(&prepared, indices)?.accuracy())
    }

    /// For each image the mean heatmap of the class `abnormal` over `methods` and `looks`, at (height,
    /// width) `size`, [0, 1].
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) for a method that there is not; those of the GPU.
    pub fn heatmaps(
        &self,
        gpu: &Arc<Gpu>,
        images: &[&Grey],
        methods: &[String],
        looks: &[Look],
        size: [usize; 2],
    ) -> Result<Vec<Vec<f32>>> {
        let batch = self.model.batch;
        let class = Head::of(self.model.classes).unit(Class::Abnormal.index());
        let mut means = vec![Mean::new(size); images.len()];
        for method in methods {
            let settings = Settings { scaling: Some(self.scaling), ..Settings::new(find(method)?) };
            let (model, pixels) = (self.model.clone(), size[0] * size[1]);
            let mut explainer = Explainer::new(gpu, model, &self.store, &settings, pixels)?;
            for look in looks {
                let size = look.size_on(size);
                for (images, means) in images.chunks(batch).zip(means.chunks_mut(batch)) {
                    interruption(|| "the heatmaps are not finished".to_owned())?;
                    let seen: Vec<Grey> = images.iter().map(|image| look.at(image)).collect();
                    let numbers = self.prepare(seen.iter().map(|image| (image, 0)));
                    let (length, numbers) = (numbers.image_len(), numbers.all());
                    let requests: Vec<Request> = numbers
                        .chunks(length)
                        .map(|image| Request { image, class: Some(class), size, mask: None })
                        .collect();
                    let explained = explainer.explain(&requests)?;
                    let pairs = means.iter_mut().zip(&explained);
                    pairs.for_each(|(mean, explanation)| mean.add(look, &explanation.heatmap));
                }
            }
        }
        Ok(means.into_iter().map(Mean::finish).collect())
    }

    fn prepare<'a>(&self, images: impl IntoIterator<Item = (&'a Grey, usize)>) -> Prepared {
        let [height, width] = self.model.size;
        let channels = self.model.network.channels;
        Prepared::from_images(images, (height, width), channels, self.scaling)
    }
}
