//! A network with its weights on a GPU, and pictures made into its numbers: what a file and a picture need to be
//! classified and explained.

use std::path::Path;
use std::sync::Arc;

use super::cam::{Explainer, Explanation, Request, Settings, find};
use super::classes::{ClassNames, units};
use super::images::{Colour, Grey, Prepared, Resize, Scaling, Window};
use super::keras;
use super::models::{self, Mode, Model, Network, Output};
use super::train::{Predictor, each_alone, probabilities, softmax};
use super::weights::{Raw, Top, Weights};
use crate::engine::gpu::Gpu;
use crate::engine::plan::{fitting, halving};
use crate::engine::session::Store;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// How a file becomes a classifier, where not as it says by itself.
#[derive(Clone, Debug)]
pub struct Opening {
    /// The network's name, see [`models::NETWORKS`]; not for a file that says what its model is.
    pub model: Option<String>,
    /// Whether `model` may be a segmenter.
    pub segmenter: bool,
    /// Units of the head; another number than the weights have makes a fresh head.
    pub classes: Option<usize>,
    /// Height and width of the network's input, instead of those that it was trained at.
    pub size: Option<[usize; 2]>,
    /// How pixels become the network's numbers, instead of what the weights or the network say.
    pub scaling: Option<Scaling>,
    /// How pictures are brought to the network's size.
    pub resize: Resize,
    /// The classes' names in the order of the head's units; without them the lines of a `classes.txt` beside the
    /// file.
    pub class_names: Vec<String>,
    /// Black and white of pictures of 16 bits; without it each picture's own range.
    pub window: Option<Window>,
    /// The most images at once.
    pub batch: usize,
    /// Whether somebody asked for so many: a batch that does not fit is then refused, and else halved until it does.
    pub asked: bool,
    /// Starts a head that is not among the weights.
    pub seed: u64,
}

impl Default for Opening {
    /// One image at once, everything else as the file says.
    fn default() -> Self {
        Opening {
            model: None,
            segmenter: false,
            classes: None,
            size: None,
            scaling: None,
            resize: Resize::default(),
            class_names: Vec::new(),
            window: None,
            batch: 1,
            asked: false,
            seed: 0,
        }
    }
}

/// A network with its variables on the GPU.
#[derive(Debug)]
pub struct Classifier {
    pub(crate) gpu: Arc<Gpu>,
    pub(crate) network: &'static Network,
    pub(crate) model: Model,
    pub(crate) store: Store,
    pub(crate) scaling: Scaling,
    pub(crate) resize: Resize,
    pub(crate) window: Option<Window>,
    pub(crate) classes: ClassNames,
    /// How scores become probabilities.
    pub(crate) output: Output,
    /// What gives scores, once it was asked to.
    predictor: Option<Predictor>,
}

/// Why a picture has its score.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The class that is explained, from 0.
    pub class: usize,
    /// Its name, where the file or the caller named it.
    pub name: Option<String>,
    /// Its probability, in [0, 1].
    pub probability: f64,
    /// The map as its method defines it, (h, w): at the layer's own size.
    pub map: Tensor,
    /// The map at the picture's size, divided by its maximum, 0 to 255; black where nothing speaks for the class.
    pub heatmap: Grey,
}

impl Classifier {
    /// The model in the file at `path`: a Keras model (`.keras`, `.h5`), or weights that parula wrote. Names of the
    /// classes are read from a `classes.txt` beside it.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Content`] for a file that is not there or not understood,
    /// [`Error::TooLarge`] where the network does not fit, and those of the GPU.
    pub fn open(gpu: &Arc<Gpu>, path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(gpu, path, &Opening::default())
    }

    /// [`Self::open`], with what `opening` says.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Usage`] where `opening` does not fit the file.
    pub fn open_with(gpu: &Arc<Gpu>, path: impl AsRef<Path>, opening: &Opening) -> Result<Self> {
        Self::open_raw(gpu, Raw::read(path.as_ref())?, opening)
    }

    /// [`Self::open_with`] of a file that was read already.
    pub(crate) fn open_raw(gpu: &Arc<Gpu>, raw: Raw, opening: &Opening) -> Result<Self> {
        let path = raw.path.clone();
        let (own, each_alone) = (raw.class_names(), raw.each_alone());
        let mut classifier = match &opening.model {
            Some(name) => {
                let find = if opening.segmenter { models::find_any } else { models::find };
                opening.load_network(find(name)?, raw, gpu)?
            }
            None if keras::describes(&raw) => opening.load_described(raw, gpu)?,
            None => opening.load_network(raw.identify()?, raw, gpu)?,
        };
        let units = classifier.model.classes;
        classifier.classes = ClassNames::new(&opening.class_names, &own, &path, units)?;
        // A fresh head of another size has not learnt the labels of the file.
        if each_alone && own.len() == units && classifier.output == Output::Usual {
            classifier.output = Output::Sigmoid;
        }
        Ok(classifier)
    }

    /// `network` with weights that were drawn, for batches of `batch` pictures of (height, width) `size`.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Shape`] where the input is too small, and those of the GPU.
    pub(crate) fn fresh(
        gpu: &Arc<Gpu>,
        network: &'static Network,
        batch: usize,
        size: [usize; 2],
    ) -> Result<Self> {
        let model = planned(network, gpu, (batch, true), size, network.classes)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        let scaling = network.preprocessing.into();
        Ok(Opening::default().loaded(gpu, network, model, store, scaling))
    }

    /// The picture in the file at `path`; of 16 bits with the black and white that the classifier was opened with.
    ///
    /// # Errors
    /// As [`Colour::read`].
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Colour> {
        Colour::read_with(path.as_ref(), self.window)
    }

    /// The probability of each class for `image`; of a model whose units do not compete, of each unit by itself.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn predict(&mut self, image: &Colour) -> Result<Vec<f64>> {
        let mut predictor = match self.predictor.take() {
            Some(predictor) => predictor,
            None => Predictor::new(&self.gpu, self.model.clone(), &self.store)?,
        };
        let rows = predictor.predict(&self.prepare([image].into_iter()), &[0]);
        self.predictor = Some(predictor);
        Ok(rows?.first().map(|row| self.probabilities(row)).unwrap_or_default())
    }

    /// What in `image` speaks for `class`, or without one for the class with the highest score, by `method`, one of
    /// [`METHODS`](super::cam::METHODS). It prepares a session for the method each time: for many images take an
    /// [`Explainer`].
    ///
    /// # Errors
    /// [`Error::Usage`] for a method or a class that is not there, [`Error::Lost`] where a number is not finite;
    /// those of the GPU.
    pub fn explain(&self, image: &Colour, method: &str, class: Option<usize>) -> Result<Explained> {
        let settings = Settings { scaling: Some(self.scaling), ..Settings::new(find(method)?) };
        let (width, height) = (image.width, image.height);
        let model = self.model.clone();
        let mut explainer =
            Explainer::new(&self.gpu, model, &self.store, &settings, width * height)?;
        let numbers = self.numbers(image);
        let request = Request { image: &numbers, class, size: [height, width], mask: None };
        let mut found = explainer.explain_finite(&[request], |_| "the image".to_owned())?;
        let Explanation { class, map, heatmap: pixels, logits, .. } = found.remove(0);
        let probability = self.probabilities(&logits).get(class).copied().unwrap_or(f64::NAN);
        let name = self.classes.name(class).map(str::to_owned);
        let heatmap = Grey { width, height, pixels };
        Ok(Explained { class, name, probability, map, heatmap })
    }

    /// `image` as the network takes it: resized and scaled, (H, W, C).
    pub fn numbers(&self, image: &Colour) -> Vec<f32> {
        self.prepare([image].into_iter()).all()
    }

    /// The model, for inference.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Its variables.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What its classes are called.
    pub fn class_names(&self) -> &ClassNames {
        &self.classes
    }

    /// Whether several units each stand for themselves.
    pub fn each_alone(&self) -> bool {
        self.output == Output::Sigmoid && self.model.classes > 1
    }

    /// The probabilities that scores stand for.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        match self.output {
            Output::Usual => probabilities(logits),
            Output::Softmax => softmax(logits),
            Output::Given => logits.iter().map(|&share| f64::from(share)).collect(),
            Output::Sigmoid => each_alone(logits),
        }
    }

    /// `images` for the network, all with label 0.
    pub(crate) fn prepare<'a>(&self, images: impl Iterator<Item = &'a Colour>) -> Prepared {
        let [height, width] = self.model.size;
        let channels = self.network.channels;
        let mut prepared =
            Prepared::from_colour(images, (height, width), channels, self.scaling, self.resize);
        if self.scaling == Scaling::Caffe && prepared.depth == 3 {
            // Networks of Caffe take blue, green, red.
            prepared.images.chunks_exact_mut(3).for_each(|pixel| pixel.swap(0, 2));
        }
        prepared
    }
}

impl Opening {
    /// The model that the file `path` describes.
    fn load_described(&self, raw: Raw, gpu: &Arc<Gpu>) -> Result<Classifier> {
        let path = raw.path.clone();
        let said = raw.scaling().and_then(Scaling::named);
        let file = keras::open(raw, self.size)?;
        let network = file.network;
        let scaling = self.scaling.or(said).unwrap_or(Scaling::None);
        let classes = self.classes.unwrap_or(network.classes);
        if ![1, 3].contains(&network.channels) {
            return Err(Error::content(
                &path,
                format!("its images have {} channels", network.channels),
                "pictures have one or three",
            ));
        }
        let model = planned(network, gpu, (self.batch, self.asked), network.input, classes)?;
        let weights = keras::weights(file.raw, &model)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        weights.put(&store)?;
        let [height, width] = network.input;
        let unscaled = scaling == Scaling::None && !file.scales;
        crate::console::note!(
            "{}: {} at {height}x{width}{}, scaling {}{}",
            path.display(),
            network.name,
            another_size(file.made_for, network.input),
            scaling.name(),
            if unscaled {
                ", and the model scales none itself: --scaling says what stood outside of it"
            } else {
                ""
            }
        );
        let logits = match (network.output(), model.classes) {
            (Output::Usual, 1) => Some("its score is taken for a logit: it ends without sigmoid"),
            (Output::Usual, _) => Some("its scores are taken for logits: it ends without softmax"),
            _ => None,
        };
        if let Some(logits) = logits {
            crate::console::note!("{}: {logits}", path.display());
        }
        Ok(self.loaded(gpu, network, model, store, scaling))
    }

    fn load_network(
        &self,
        network: &'static Network,
        raw: Raw,
        gpu: &Arc<Gpu>,
    ) -> Result<Classifier> {
        let size = self.size.or_else(|| raw.input()).unwrap_or(network.input);
        if network.segments() {
            return self.load_segmenter(network, raw, gpu, size);
        }
        let network = raw.deepened(network)?;
        let classes = match (self.classes, raw.classes()) {
            (Some(classes), _) | (None, Some(classes)) => classes,
            (None, None) => {
                // A segmenter has no head either: it is named before a fresh one is offered.
                if let Ok(other) = raw.identify()
                    && other.name != network.name
                {
                    return Err(Error::content(
                        &raw.path,
                        format!("these weights are of {}, not of {}", other.name, network.name),
                        format!("use weights that were made for {}", network.name),
                    ));
                }
                return Err(Error::content(
                    &raw.path,
                    format!("these weights of {} have no head", network.name),
                    "give --classes N for a fresh one of N units, which is not trained yet",
                ));
            }
        };
        let named = raw.scaling().and_then(Scaling::named);
        let scaling = self.scaling.or(named).unwrap_or_else(|| network.preprocessing.into());
        let model = planned(network, gpu, (self.batch, self.asked), size, classes)?;
        let store = Store::new(gpu, &model.graph, self.seed)?;
        fitted(raw, &model)?.put(&store)?;
        Ok(self.loaded(gpu, network, model, store, scaling))
    }

    /// A model with its weights, and what is said of pictures.
    fn loaded(
        &self,
        gpu: &Arc<Gpu>,
        network: &'static Network,
        model: Model,
        store: Store,
        scaling: Scaling,
    ) -> Classifier {
        Classifier {
            gpu: gpu.clone(),
            network,
            model,
            store,
            scaling,
            window: self.window,
            classes: ClassNames::default(),
            output: network.output(),
            predictor: None,
            resize: self.resize,
        }
    }

    /// A segmenter has no head that could be another's: all of its weights must be there.
    fn load_segmenter(
        &self,
        network: &'static Network,
        raw: Raw,
        gpu: &Arc<Gpu>,
        size: [usize; 2],
    ) -> Result<Classifier> {
        if self.classes.is_some() {
            return Err(Error::usage(
                format!("{} has no head of classes", network.name),
                "leave --classes away",
            ));
        }
        let units = raw.units(network).unwrap_or(network.classes);
        let scaling = raw.scaling().and_then(Scaling::named);
        let model = planned(network, gpu, (self.batch, self.asked), size, units)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        raw.resolve(&model, Top::Keep)?.put(&store)?;
        let scaling = self.scaling.or(scaling).unwrap_or_else(|| network.preprocessing.into());
        Ok(self.loaded(gpu, network, model, store, scaling))
    }
}

/// What is said where a model runs at another `size` than the one that its file names.
pub fn another_size(made_for: Option<[usize; 2]>, size: [usize; 2]) -> String {
    match made_for {
        Some([height, width]) if [height, width] != size => {
            format!(" instead of {height}x{width}, which it was made for")
        }
        _ => String::new(),
    }
}

/// A model for inference, once it is planned: before its variables are allocated.
fn planned(
    network: &'static Network,
    gpu: &Gpu,
    (batch, asked): (usize, bool),
    size: [usize; 2],
    units: usize,
) -> Result<Model> {
    let plan = |batch| {
        let model = network.build(Mode::Inference, batch, size, units)?;
        Predictor::plan(gpu, &model)?;
        Ok(model)
    };
    match asked {
        true => fitting(batch.max(1), plan),
        false => halving(batch, plan).map(|(_, model)| model),
    }
}

/// The weights in `raw` for `model`. A head of another size is left out, and so is one with other hidden layers, which
/// stderr is told.
pub fn fitted(raw: Raw, model: &Model) -> Result<Weights> {
    let path = raw.path.clone();
    let own = raw.deepened(model.network)?;
    if own.dense() != model.network.dense() {
        return below_the_head(raw, own, model);
    }
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

/// The weights in `raw`, of the network `own`, but for its head and the hidden layers of that.
fn below_the_head(raw: Raw, own: &'static Network, model: &Model) -> Result<Weights> {
    let (path, there) = (raw.path.clone(), raw.classes());
    let theirs = own.build(Mode::Inference, 1, own.input, there.unwrap_or(1))?;
    // All of the file is to fit, what is left out as well.
    let mut weights = raw.resolve(&theirs, there.map_or(Top::Drop, |_| Top::Keep))?;
    for layer in theirs.layers.iter().filter(|layer| layer.class == "Dense") {
        layer.weights.iter().for_each(|name| drop(weights.tensors.remove(name)));
    }
    for key in ["classes", "dense"] {
        weights.metadata.remove(key);
    }
    let fresh = format!(
        "a fresh one of {} behind {}",
        units(model.classes),
        models::in_words(model.network.dense())
    );
    match there {
        Some(there) => crate::console::note!(
            "{}: its head of {} behind {} is replaced by {fresh}",
            path.display(),
            units(there),
            models::in_words(own.dense())
        ),
        None => crate::console::note!("{}: it has no head, {fresh} is used", path.display()),
    }
    Ok(weights)
}
