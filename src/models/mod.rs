//! The networks, each in a file that reads like the figure in its paper.

mod compact_resnet;
mod compact_xception;
mod layers;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::graph::{Graph, Role, Value};

pub use layers::{Layers, Mode};

/// How pixels of 0 to 255 become the numbers that a network takes. The names are Keras's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preprocessing {
    /// `x / 127.5 - 1`.
    Tf,
}

/// What a network's file gives: the last activation before pooling, and the class scores.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// The layer that Grad-CAM explains, (N, h, w, C).
    pub cam: Value,
    /// Class scores before softmax, (N, classes).
    pub logits: Value,
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
    /// The scaling of its input.
    pub preprocessing: Preprocessing,
    /// The name of the layer that Grad-CAM explains.
    pub cam_layer: &'static str,
    build: fn(&mut Layers, Value, usize) -> Result<Heads>,
}

/// Every network. To add one: its file, a line here.
pub const NETWORKS: &[Network] = &[compact_xception::NETWORK, compact_resnet::NETWORK];

/// The network called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are.
pub fn find(name: &str) -> Result<&'static Network> {
    NETWORKS.iter().find(|network| network.name == name).ok_or_else(|| {
        let known: Vec<&str> = NETWORKS.iter().map(|network| network.name).collect();
        Error::usage(
            format!("no model is called {name}"),
            format!("there are {}", known.join(", ")),
        )
    })
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
    /// Images in a batch.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Units of the head.
    pub classes: usize,
}

/// The name of the input node of every model: images (N, H, W, C), scaled.
pub const IMAGES: &str = "images";

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
        let mut layers = Layers::new(mode);
        let shape = [batch, size[0], size[1], self.channels];
        let images = layers.graph.input(IMAGES, shape)?;
        let heads = (self.build)(&mut layers, images, classes)?;
        let Layers { graph, updates, .. } = layers;
        Ok(Model { network: self, graph, heads, updates, batch, size, classes })
    }

    /// What `parula models` prints.
    ///
    /// # Errors
    /// None for a network of the registry.
    pub fn summary(&'static self) -> Result<Summary> {
        let count = |classes| {
            let model = self.build(Mode::Inference, 1, self.input, classes)?;
            Ok::<_, Error>(model.parameters())
        };
        let model = self.build(Mode::Inference, 1, self.input, 2)?;
        // The head is linear in the number of classes.
        let (one, two) = (count(1)?, count(2)?);
        let cam = model.graph.shape(model.heads.cam).dims().to_vec();
        Ok(Summary {
            name: self.name,
            parameters: two,
            parameters_without_top: one - (two - one),
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
pub struct Summary {
    /// The network.
    pub name: &'static str,
    /// Numbers in its weights with a head of two classes (the compact networks) or 1000.
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
