//! A network with its weights, and images prepared for it: shared by `predict`, `cam` and `segment`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::at_least_one;
use super::classes::ClassNames;
use super::images::{Failures, Image};
use crate::engine::gpu::Gpu;
use crate::engine::plan::fitting;
use crate::engine::session::Store;
use crate::error::{Error, Result};
use crate::lab::experiment;
use crate::nets::images::{Colour, Prepared, Resize, Scaling, Window};
use crate::nets::keras;
use crate::nets::models::{self, Mode, Model, Network, Output};
use crate::nets::train::{Classifier, probabilities, softmax};
use crate::nets::weights::{Format, Raw, Top, Weights};

/// Which network, with which weights.
#[derive(Debug, Args)]
pub struct Source {
    /// The network, see `parula models`; not where the file of the weights says what the model is
    #[arg(long)]
    model: Option<String>,
    /// Its weights: .safetensors, or Keras .h5, .weights.h5, .keras
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Units of the head; another number than the weights have makes a fresh head
    #[arg(long, value_parser = at_least_one)]
    classes: Option<usize>,
    /// Height and width of the network's input, as 224 or 96x160, instead of those that it was trained at
    #[arg(long, value_parser = size)]
    size: Option<[usize; 2]>,
    /// How pixels of 0 to 255 become the network's numbers: none, unit (0 to 1), tf (-1 to 1), torch or
    /// caffe (by ImageNet's channels) [as the weights or the network say; none for a file that describes
    /// its model, which then scales them itself]
    #[arg(long, value_parser = scaling)]
    scaling: Option<Scaling>,
    /// How pictures are brought to the network's size: bilinear (tf.image.resize, the default), antialiased
    /// (the same with antialias=True), nearest (keras.utils.load_img) or area
    #[arg(long, value_parser = resize, default_value = "bilinear")]
    resize: Resize,
    /// The classes' names, in the order of the head's units [the lines of a classes.txt beside the file of
    /// the weights]. Keras orders classes by the names of their folders
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    class_names: Vec<String>,
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
    pub resize: Resize,
    /// Black and white of images of 16 bits.
    pub window: Option<Window>,
    /// What its classes are called.
    pub classes: ClassNames,
}

/// `224` or `96x160`.
pub fn size(text: &str) -> std::result::Result<[usize; 2], String> {
    let side = |text: &str| at_least_one(text.trim());
    match text.split_once(['x', 'X']) {
        Some((height, width)) => Ok([side(height)?, side(width)?]),
        None => side(text).map(|side| [side, side]),
    }
}

fn resize(text: &str) -> std::result::Result<Resize, String> {
    Resize::named(text).ok_or_else(|| "it is bilinear, antialiased, nearest or area".to_owned())
}

pub fn scaling(text: &str) -> std::result::Result<Scaling, String> {
    Scaling::named(text).ok_or_else(|| "it is none, unit, tf, torch or caffe".to_owned())
}

impl Source {
    /// The file of the weights, which may be the model `described` by itself.
    pub fn weights<'a>(&'a self, described: Option<&'a Path>) -> &'a Path {
        described.or(self.weights.as_deref()).unwrap_or(Path::new(""))
    }

    /// Loads the model that the file `described` is, or the weights of a classifier, for batches of up to
    /// `images` images; `seed` starts a head that is not among the weights.
    pub fn load(
        &self,
        described: Option<&Path>,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Loaded> {
        self.load_by(models::find, described, gpu, images, seed)
    }

    /// [`Self::load`] of any network, be it a classifier or a segmenter.
    pub fn load_any(
        &self,
        described: Option<&Path>,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Loaded> {
        self.load_by(models::find_any, described, gpu, images, seed)
    }

    fn load_by(
        &self,
        find: fn(&str) -> Result<&'static Network>,
        described: Option<&Path>,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Loaded> {
        let mut loaded = match (described, &self.model, self.weights.as_deref()) {
            (Some(path), None, None) | (None, None, Some(path)) => {
                self.load_described(path, gpu, images)?
            }
            (Some(path), Some(name), None) => {
                return Err(Error::usage(
                    format!("two networks are named: --model {name} and {}", path.display()),
                    format!(
                        "leave out --model {name}, or give its weights as --weights {}",
                        path.display()
                    ),
                ));
            }
            (Some(path), _, Some(weights)) => {
                return Err(Error::usage(
                    format!(
                        "two networks are named: {} and --weights {}",
                        path.display(),
                        weights.display()
                    ),
                    "give one of them",
                ));
            }
            (None, Some(name), Some(path)) => {
                let loaded = self.load_network(find(name)?, path, gpu, images, seed)?;
                let [height, width] = loaded.model.size;
                crate::console::note!(
                    "{}: taken for {name} at {height}x{width}, scaling {}, a head of {}",
                    path.display(),
                    loaded.scaling.name(),
                    units(loaded.model.classes)
                );
                loaded
            }
            (None, Some(name), None) => {
                return Err(Error::usage(
                    format!("no weights of {name} were given"),
                    "give them as --weights FILE",
                ));
            }
            (None, None, None) => {
                return Err(Error::usage(
                    "no model was given",
                    "give MODEL.keras or MODEL.h5 before the images, or --model NAME --weights FILE",
                ));
            }
        };
        let file = self.weights(described);
        loaded.classes = ClassNames::new(&self.class_names, file, loaded.model.classes)?;
        Ok(loaded)
    }

    /// The model that the file `path` describes.
    fn load_described(&self, path: &Path, gpu: &Arc<Gpu>, images: usize) -> Result<Loaded> {
        let raw = Raw::read(path)?;
        if !keras::describes(&raw) {
            let hint = match raw.format {
                Format::Safetensors => "give --model NAME --weights FILE",
                _ => "give --model NAME --weights FILE, or what model.save(\"x.keras\") wrote",
            };
            let problem = "it holds weights, and does not say of which model";
            return Err(Error::content(path, problem, hint));
        }
        let said = raw.scaling().and_then(Scaling::named);
        let file = keras::open(raw, self.size)?;
        let network = file.network;
        let scaling = self.scaling.or(said).unwrap_or(Scaling::None);
        let batch = self.batch.clamp(1, images.max(1));
        let classes = self.classes.unwrap_or(network.classes);
        if ![1, 3].contains(&network.channels) {
            return Err(Error::content(
                path,
                format!("its images have {} channels", network.channels),
                "pictures have one or three",
            ));
        }
        let model = planned(network, gpu, batch, network.input, classes)?;
        let weights = keras::weights(file.raw, &model)?;
        let store = Store::new(gpu, &model.graph, 0)?;
        weights.put(&store)?;
        let [height, width] = network.input;
        let made = match (network.output(), classes) {
            (Output::Usual, 1) => {
                ", its score made a probability by sigmoid, which is not in the file"
            }
            (Output::Usual, _) => {
                ", its scores made probabilities by softmax, which is not in the file"
            }
            _ => "",
        };
        let unscaled = scaling == Scaling::None && !file.scales;
        crate::console::note!(
            "{}: {} at {height}x{width}{}, scaling {}{}{made}",
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
        let classes = ClassNames::default();
        let gpu = gpu.clone();
        Ok(Loaded {
            gpu,
            network,
            model,
            store,
            scaling,
            window: self.window,
            classes,
            resize: self.resize,
        })
    }

    fn load_network(
        &self,
        network: &'static Network,
        path: &Path,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Loaded> {
        let raw = Raw::read(path)?;
        let size = self.size.or_else(|| raw.input()).unwrap_or(network.input);
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
                        path,
                        format!("these weights are of {}, not of {}", other.name, network.name),
                        format!("use weights that were made for {}", network.name),
                    ));
                }
                return Err(Error::content(
                    path,
                    format!("these weights of {} have no head", network.name),
                    "give --classes N for a fresh one of N units, which is not trained yet",
                ));
            }
        };
        let named = raw.scaling().and_then(Scaling::named);
        let scaling = self.scaling.or(named).unwrap_or_else(|| experiment::scaling(network));
        let batch = self.batch.clamp(1, images.max(1));
        let model = planned(network, gpu, batch, size, classes)?;
        let store = Store::new(gpu, &model.graph, seed)?;
        fitted(raw, &model)?.put(&store)?;
        Ok(self.loaded(gpu, network, model, store, scaling))
    }

    /// A model with its weights, and what the command line says of pictures.
    fn loaded(
        &self,
        gpu: &Arc<Gpu>,
        network: &'static Network,
        model: Model,
        store: Store,
        scaling: Scaling,
    ) -> Loaded {
        Loaded {
            gpu: gpu.clone(),
            network,
            model,
            store,
            scaling,
            window: self.window,
            classes: ClassNames::default(),
            resize: self.resize,
        }
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
        let scaling = self.scaling.or(scaling).unwrap_or_else(|| experiment::scaling(network));
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
    /// The probabilities that scores stand for.
    pub fn probabilities(&self, logits: &[f32]) -> Vec<f64> {
        match self.network.output() {
            Output::Usual => probabilities(logits),
            Output::Softmax => softmax(logits),
            Output::Given => logits.iter().map(|&share| f64::from(share)).collect(),
            Output::Sigmoid => logits.iter().flat_map(|unit| probabilities(&[*unit])).collect(),
        }
    }

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
