//! The networks, each in a file that reads like the figure in its paper: classifiers, which give a score
//! for each class, and segmenters, which give one for each class at each pixel.

mod compact_resnet;
mod compact_unet;
mod compact_xception;
mod dense;
mod densenet121;
mod finite;
mod inception_v3;
mod layers;
mod mobilenet_v2;
mod nasnet_mobile;
mod record;
mod resnet50_v2;
mod xception;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::graph::{Graph, Role, Value};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

pub use dense::{MOST_LAYERS, MOST_UNITS, in_words};
pub use layers::{Conv, Layers, Mode};
pub use record::Layer;

/// How pixels of 0 to 255 become the numbers that a network takes. The names are Keras's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preprocessing {
    /// `x`: whatever scaling there is stands inside the network, or is the user's to name.
    None,
    /// `x / 127.5 - 1`.
    Tf,
    /// `(x / 255 - mean) / deviation`, with those of ImageNet's channels R, G, B.
    Torch,
}

/// The constants of a network's batch normalisations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance.
    pub epsilon: f32,
    /// What a running statistic keeps of itself in a step.
    pub momentum: f32,
}

impl BatchNorm {
    /// Keras's defaults, but for a momentum of 0.9: at a few dozen steps an epoch, 0.99 would take
    /// tens of epochs to forget where it started.
    const COMPACT: Self = BatchNorm { epsilon: 1e-3, momentum: 0.9 };
    /// Keras's defaults.
    const KERAS: Self = BatchNorm { epsilon: 1e-3, momentum: 0.99 };
}

/// What a network's file gives: the last activation before the head, and the class scores.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// The layer that Grad-CAM explains, (N, h, w, C).
    pub cam: Value,
    /// Class scores before softmax: (N, classes) of a classifier, (N, H, W, classes) of a segmenter.
    pub logits: Value,
}

/// The zeros around an image of (height, width) `size` under which a window of `kernel` at stride 2
/// halves it: for an even side one less before than after, as TensorFlow's "same" has it.
fn shrinking_pad(size: [usize; 2], kernel: usize) -> [[usize; 2]; 2] {
    size.map(|length| [(kernel / 2 + length % 2).saturating_sub(1), kernel / 2])
}

/// How the last layer's units are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// A unit for each class, which compete.
    Softmax,
    /// One unit: how much speaks for the second of two classes.
    Sigmoid,
}

impl Head {
    /// Units for two classes.
    pub fn units(self) -> usize {
        match self {
            Head::Softmax => 2,
            Head::Sigmoid => 1,
        }
    }

    /// The head of that many units.
    pub fn of(units: usize) -> Self {
        if units == 1 { Head::Sigmoid } else { Head::Softmax }
    }

    /// The unit whose score is that of class `class`; that of a single unit is the second class's.
    pub fn unit(self, class: usize) -> usize {
        match self {
            Head::Softmax => class,
            Head::Sigmoid => 0,
        }
    }
}

/// A network's entry in the registry.
#[derive(Debug)]
pub struct Network {
    /// As on the command line.
    pub name: &'static str,
    /// The usual input, (height, width); other sizes work.
    pub input: [usize; 2],
    /// Channels of the input image.
    pub channels: usize,
    /// Units of the usual head.
    pub classes: usize,
    /// Constants of its batch normalisations.
    pub batch_norm: BatchNorm,
    /// The scaling of its input.
    pub preprocessing: Preprocessing,
    /// The name of the layer that Grad-CAM explains; of a segmenter the last before its head.
    pub cam_layer: &'static str,
    /// Where its layers come from.
    pub(crate) build: Build,
}

/// Adds the layers of a figure behind the images, with a head of so many units.
pub(crate) type Figure = fn(&mut Layers, Value, usize) -> Result<Heads>;

/// Where a network's layers come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Build {
    /// A file here, which reads like the figure in its paper.
    Figure(Figure),
    /// The same with hidden dense layers of so many units before its class scores.
    Deeper(Figure, &'static [usize]),
    /// A configuration that was read from a user's file.
    Described(&'static dyn Description),
}

/// A network that is described by a file.
pub trait Description: std::fmt::Debug + Send + Sync {
    /// Adds its layers behind the images, with a head of `classes` units.
    ///
    /// # Errors
    /// [`Error::Shape`] where the layers do not fit the images, [`Error::Content`] for what the file
    /// asks and nothing here does.
    fn build(&self, layers: &mut Layers, images: Value, classes: usize) -> Result<Heads>;

    /// How its last layer makes probabilities of scores.
    fn output(&self) -> Output;

    /// What tells it apart from others of its name.
    fn identity(&self) -> String;

    /// The content of its file with `numbers`, by the names of variables, in the place of its own.
    ///
    /// # Errors
    /// [`Error::File`] when its file cannot be read any more, [`Error::Content`] when that is not the one that
    /// described it, or has no place for them.
    fn rewritten(&self, numbers: &BTreeMap<String, Tensor>) -> Result<Vec<u8>>;
}

/// How scores become probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// All of them together: softmax, and of a single unit the sigmoid.
    Usual,
    /// Softmax, however many units there are.
    Softmax,
    /// Each unit by itself: a sigmoid.
    Sigmoid,
    /// They are probabilities: what follows the last softmax or sigmoid has no weights.
    Given,
}

impl Output {
    /// What is made of the scores, in words.
    pub fn describe(self) -> &'static str {
        match self {
            Output::Usual => "linear",
            Output::Softmax => "with softmax",
            Output::Sigmoid => "each with a sigmoid",
            Output::Given => "made of probabilities",
        }
    }
}

/// Every classifier. To add one: its file, a line here.
pub const NETWORKS: &[Network] = &[
    compact_xception::NETWORK,
    compact_resnet::NETWORK,
    nasnet_mobile::NETWORK,
    mobilenet_v2::NETWORK,
    densenet121::NETWORK,
    resnet50_v2::NETWORK,
    xception::NETWORK,
    inception_v3::NETWORK,
];

/// Every network that gives a mask instead of classes. To add one: its file, a line here.
pub const SEGMENTERS: &[Network] = &[compact_unet::NETWORK];

/// All networks, classifiers first.
pub fn all() -> impl Iterator<Item = &'static Network> + Clone {
    NETWORKS.iter().chain(SEGMENTERS)
}

/// The classifier called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find(name: &str) -> Result<&'static Network> {
    match SEGMENTERS.iter().find(|network| network.name == name) {
        Some(_) => Err(Error::usage(
            format!("{name} gives masks, not classes"),
            format!(
                "`parula weak` trains it, `parula segment` runs it; {}",
                known(NETWORKS.iter())
            ),
        )),
        None => find_among(NETWORKS.iter(), name),
    }
}

/// The network called `name`, be it a classifier or a segmenter.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find_any(name: &str) -> Result<&'static Network> {
    find_among(all(), name)
}

fn find_among(
    mut networks: impl Iterator<Item = &'static Network> + Clone,
    name: &str,
) -> Result<&'static Network> {
    let there = networks.clone();
    networks
        .find(|network| network.name == name)
        .ok_or_else(|| Error::unknown("model", name, there.map(|network| network.name)))
}

fn known(networks: impl Iterator<Item = &'static Network>) -> String {
    let names: Vec<&str> = networks.map(|network| network.name).collect();
    format!("there are {}", names.join(", "))
}

/// A network as a graph for one batch size and one input size.
#[derive(Clone, Debug)]
pub struct Model {
    /// The network.
    pub network: &'static Network,
    /// Its graph; the input node is called `images`.
    pub graph: Graph,
    /// The CAM layer and the class scores.
    pub heads: Heads,
    /// Nodes that update running statistics; none in inference.
    pub updates: Vec<Value>,
    /// Its layers as Keras has them, in order of building, the input first.
    pub layers: Vec<Layer>,
    /// Images in a batch.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Units of the head.
    pub classes: usize,
}

/// The name of the input node of every model: images (N, H, W, C), scaled.
pub const IMAGES: &str = "images";

/// The name of every segmenter's last convolution, 1x1, whose output is resized to the images.
pub const MASK: &str = "mask";

/// The name of the input that says which class is explained, (N, classes): one-hot rows, the gradient of
/// the explained score with respect to all scores. Only where a model is explained.
pub const CLASS: &str = "class";

/// The name of the input that dropout draws its numbers from: the step, from 1. Only in training.
pub const STEP: &str = "step";

impl Network {
    /// Builds the graph for batches of `batch` images of (height, width) `size`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input is too small for the network.
    pub fn build(
        &'static self,
        mode: Mode,
        batch: usize,
        size: [usize; 2],
        classes: usize,
    ) -> Result<Model> {
        let shape = [batch, size[0], size[1], self.channels];
        let (mut builder, images) = Layers::new(mode, self.batch_norm, shape)?;
        let heads = match self.build {
            Build::Figure(build) => build(&mut builder, images, classes)?,
            Build::Deeper(build, units) => {
                builder.hide(units);
                build(&mut builder, images, classes)?
            }
            Build::Described(description) => description.build(&mut builder, images, classes)?,
        };
        let Layers { graph, updates, layers, .. } = builder;
        Ok(Model { network: self, graph, heads, updates, layers, batch, size, classes })
    }

    /// How scores become probabilities.
    pub fn output(&self) -> Output {
        match self.build {
            Build::Figure(_) | Build::Deeper(..) => Output::Usual,
            Build::Described(description) => description.output(),
        }
    }

    /// Its name, and what tells it apart from others of that name.
    pub fn identity(&self) -> String {
        match self.build {
            Build::Figure(_) | Build::Deeper(..) => self.name.to_owned(),
            Build::Described(description) => format!("{} {}", self.name, description.identity()),
        }
    }

    /// The content of the user's file that describes it, with `numbers` in the place of its own; none where
    /// there is no such file.
    ///
    /// # Errors
    /// Those of [`Description::rewritten`].
    pub fn rewritten(&self, numbers: &BTreeMap<String, Tensor>) -> Result<Option<Vec<u8>>> {
        match self.build {
            Build::Figure(_) | Build::Deeper(..) => Ok(None),
            Build::Described(description) => description.rewritten(numbers).map(Some),
        }
    }

    /// Whether a user's file describes it.
    pub fn described(&self) -> bool {
        matches!(self.build, Build::Described(_))
    }

    /// Whether it gives a score at each pixel.
    pub fn segments(&self) -> bool {
        SEGMENTERS.iter().any(|network| network.name == self.name)
    }

    /// What `parula models` prints.
    ///
    /// # Errors
    /// None for a network of the registry.
    pub fn summary(&'static self) -> Result<NetworkSummary> {
        let model = self.build(Mode::Inference, 1, self.input, self.classes)?;
        let cam = model.graph.shape(model.heads.cam).dims().to_vec();
        // The head is the last layer.
        let head: usize = model.layers.last().map_or(0, |layer| {
            let variables = layer.weights.iter().filter_map(|name| model.graph.find(name));
            variables.map(|value| model.graph.shape(value).elements()).sum()
        });
        Ok(NetworkSummary {
            name: self.name,
            file: self.described(),
            gives: if self.segments() { "masks" } else { "classes" },
            parameters: model.parameters(),
            parameters_without_top: model.parameters() - head,
            input: self.input,
            preprocessing: self.preprocessing,
            cam_layer: self.cam_layer,
            cam_shape: cam[1..].to_vec(),
        })
    }
}

impl Model {
    /// How many numbers its weights hold, running statistics included, as Keras counts.
    pub fn parameters(&self) -> usize {
        self.graph.count(Role::Trainable) + self.graph.count(Role::State)
    }
}

/// A line of `parula models`.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkSummary {
    /// The network.
    pub name: &'static str,
    /// Whether a user's file describes it.
    pub file: bool,
    /// `classes` or `masks`.
    pub gives: &'static str,
    /// Numbers in its weights, running statistics included, with a head of two classes (the compact
    /// networks) or 1000.
    pub parameters: usize,
    /// The same without the head.
    pub parameters_without_top: usize,
    /// Height and width.
    pub input: [usize; 2],
    /// Scaling of the input.
    pub preprocessing: Preprocessing,
    /// The layer that Grad-CAM explains.
    pub cam_layer: &'static str,
    /// Its height, width and channels at the usual input size.
    pub cam_shape: Vec<usize>,
}
