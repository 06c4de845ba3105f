//! A network with its weights, and images prepared for it: shared by `predict`, `cam` and `segment`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::at_least_one;
use super::images::{Failures, Image};
use crate::engine::gpu::Gpu;
use crate::engine::plan::BATCH;
use crate::error::{Error, Result};
use crate::nets::classes::units;
use crate::nets::classifier::{Classifier, Opening};
use crate::nets::images::{Colour, Prepared, Resize, Scaling, Window};
use crate::nets::keras;
use crate::nets::models::in_words;
use crate::nets::stream::Stream;
use crate::nets::weights::{Format, Raw};
use crate::stop::Stop;

/// Which network, with which weights.
#[derive(Debug, Args)]
#[command(next_help_heading = "The network and its input")]
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
    /// Images at once [32, or as many of them as fit]
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
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
    /// Whether neither a network nor a file is named.
    pub fn is_empty(&self) -> bool {
        self.model.is_none() && self.weights.is_none()
    }

    /// Whether a number of images at once was asked for.
    pub fn asked(&self) -> bool {
        self.batch.is_some()
    }

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
    ) -> Result<Classifier> {
        self.load_by(false, described, gpu, images, seed)
    }

    /// [`Self::load`] of any network, be it a classifier or a segmenter.
    pub fn load_any(
        &self,
        described: Option<&Path>,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Classifier> {
        self.load_by(true, described, gpu, images, seed)
    }

    fn load_by(
        &self,
        segmenter: bool,
        described: Option<&Path>,
        gpu: &Arc<Gpu>,
        images: usize,
        seed: u64,
    ) -> Result<Classifier> {
        let opening = Opening {
            model: self.model.clone(),
            segmenter,
            classes: self.classes,
            size: self.size,
            scaling: self.scaling,
            resize: self.resize,
            class_names: self.class_names.clone(),
            window: self.window,
            batch: self.batch.unwrap_or(BATCH).clamp(1, images.max(1)),
            asked: self.batch.is_some(),
            seed,
        };
        match (described, &self.model, self.weights.as_deref()) {
            (Some(path), None, None) | (None, None, Some(path)) => {
                let raw = Raw::read(path)?;
                if !keras::describes(&raw) {
                    let hint = match raw.format {
                        Format::Safetensors => "give --model NAME --weights FILE",
                        _ => {
                            "give --model NAME --weights FILE, or what model.save(\"x.keras\") wrote"
                        }
                    };
                    let problem = "it holds weights, and does not say of which model";
                    return Err(Error::content(path, problem, hint));
                }
                Classifier::open_raw(gpu, raw, &opening)
            }
            (Some(path), Some(name), None) => Err(Error::usage(
                format!("two networks are named: --model {name} and {}", path.display()),
                format!(
                    "leave out --model {name}, or give its weights as --weights {}",
                    path.display()
                ),
            )),
            (Some(path), _, Some(weights)) => Err(Error::usage(
                format!(
                    "two networks are named: {} and --weights {}",
                    path.display(),
                    weights.display()
                ),
                "give one of them",
            )),
            (None, Some(name), Some(path)) => {
                let loaded = Classifier::open_with(gpu, path, &opening)?;
                let [height, width] = loaded.model.size;
                let behind = match loaded.network.dense() {
                    [] => String::new(),
                    layers => format!(" behind {}", in_words(layers)),
                };
                crate::console::note!(
                    "{}: taken for {name} at {height}x{width}, scaling {}, a head of {}{behind}",
                    path.display(),
                    loaded.scaling.name(),
                    units(loaded.model.classes)
                );
                Ok(loaded)
            }
            (None, Some(name), None) => Err(Error::usage(
                format!("no weights of {name} were given"),
                "give them as --weights FILE",
            )),
            (None, None, None) => Err(Error::usage(
                "no model was given",
                "give MODEL.keras or MODEL.h5 before the images, or --model NAME --weights FILE",
            )),
        }
    }
}

/// The images in `paths`, all of them resized for the network of `loaded`.
pub fn read(loaded: &Classifier, paths: &[PathBuf]) -> Result<Prepared> {
    let images: Vec<Colour> = paths.iter().map(|path| loaded.read(path)).collect::<Result<_>>()?;
    Ok(loaded.prepare(images.iter()))
}

/// Gives `take` the images in batches of `batch`, read and resized on all cores ahead of it. `keep` says what of a
/// picture is needed besides the network's input.
pub fn stream<K: Send, A>(
    loaded: &Classifier,
    images: &[Image],
    batch: usize,
    keep: fn(Colour) -> K,
    take: impl FnOnce(&mut Stream<K>) -> A,
) -> A {
    loaded.stream(images, batch, |image| (&image.path, image.size), keep, take)
}

/// The next batch of [`stream`], with its images; none when there are no more, or after a wish to stop, which `failures`
/// is then told of: `done` says what is finished, of the images that were looked at.
pub fn next<'a, K>(
    stream: &mut Stream<K>,
    images: &'a [Image],
    failures: &mut Failures,
    stop: &Stop,
    done: impl FnOnce(usize) -> String,
) -> Option<(Vec<(&'a Image, K)>, Prepared)> {
    if let Err(stop) = stop.check(|| done(stream.seen)) {
        failures.stop(stop);
        return None;
    }
    let (found, prepared) = stream.next(|error| failures.add(error))?;
    Some((found.into_iter().map(|(at, kept)| (&images[at], kept)).collect(), prepared))
}

/// Refuses weights with which what the network computes of the first image that can be read is not
/// finite. To be asked before more is allocated.
///
/// # Errors
/// [`Error::Lost`]; those of the GPU.
pub fn expect_finite(loaded: &Classifier, images: &[Image]) -> Result<()> {
    let mut read = images.iter().filter_map(|image| Some((image, loaded.read(&image.path).ok()?)));
    let Some((image, colour)) = read.next() else { return Ok(()) };
    let numbers = loaded.prepare([&colour].into_iter()).all();
    loaded.model.expect_finite(&loaded.gpu, &loaded.store, &image.shown(), &numbers)
}
