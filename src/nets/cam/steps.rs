//! Grad-CAM taken apart: every tensor between an image and its map, one image at a time.
//!
//! The symbols are those of Selvaraju and others (2017): A is the layer's activation, (h, w, C); y the score
//! of the class before softmax; g = dy/dA, (h, w, C); a = the mean of g over (h, w), (C); L = the sum over
//! channels of a times A, (h, w); the map is max(0, L).

use std::sync::Arc;

use super::maps;
use crate::engine::autodiff::gradients;
use crate::engine::gpu::Gpu;
use crate::engine::ops::{ChannelSum, Elementwise, GlobalAveragePool, Instruction, TopClass};
use crate::engine::plan::{self, Options};
use crate::engine::session::{self, Session, Store};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::models::{CLASS, IMAGES, Model};

/// The tensors of one explanation.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The layer that is explained.
    pub layer: String,
    /// The class whose score it is.
    pub class: usize,
    /// Scores before softmax, one a class.
    pub logits: Vec<f32>,
    /// A: (h, w, C).
    pub activation: Tensor,
    /// g: (h, w, C).
    pub gradient: Tensor,
    /// a: (C).
    pub weights: Tensor,
    /// L: (h, w).
    pub sum: Tensor,
    /// max(0, L): (h, w).
    pub map: Tensor,
}

impl Steps {
    /// (h, w, C).
    pub fn shape(&self) -> [usize; 3] {
        match *self.activation.dims() {
            [h, w, c] => [h, w, c],
            _ => [0; 3],
        }
    }

    /// What channel `channel` adds to the sum at each position: a times A, (h, w).
    pub fn part(&self, channel: usize) -> Tensor {
        let [h, w, channels] = self.shape();
        let weight = self.weights.data()[channel];
        let of = |at: usize| weight * self.activation.data()[at * channels + channel];
        Tensor::from_fn([h, w], of)
    }

    /// The channels in the order of what they add to the sum somewhere, the most first.
    pub fn ranked(&self) -> Vec<usize> {
        let [.., channels] = self.shape();
        let reach = |channel: usize| {
            let part = self.part(channel);
            part.data().iter().fold(0.0f32, |most, value| most.max(value.abs()))
        };
        let reaches: Vec<f32> = (0..channels).map(reach).collect();
        let mut order: Vec<usize> = (0..channels).collect();
        order.sort_by(|&a, &b| reaches[b].total_cmp(&reaches[a]).then(a.cmp(&b)));
        order
    }
}

/// A model ready to be taken apart.
#[derive(Debug)]
pub struct Stepper {
    session: Session,
    names: [String; 6],
    layer: String,
    classes: usize,
}

impl Stepper {
    /// Prepares `model`, built for inference and one image, with the variables of `store`. `layer`: the one
    /// to explain, without it that which the network says; `sign`: -1 for what speaks against a class.
    ///
    /// # Errors
    /// [`Error::Usage`] for a layer that is not there or not a feature map; [`Error::TooLarge`] or those of
    /// the GPU.
    pub fn new(
        gpu: &Arc<Gpu>,
        model: &Model,
        store: &Store,
        layer: Option<&str>,
        sign: f32,
    ) -> Result<Self> {
        let names: Vec<String> = layer.map(str::to_owned).into_iter().collect();
        let at = maps::layers(model, &names)?[0];
        let mut graph = model.graph.clone();
        let logits = model.heads.logits;
        let class = graph.input(CLASS, [model.batch, model.classes])?;
        let class = graph.add("top_class", TopClass, &[logits, class])?;
        let turn = Elementwise::one(Instruction::Scale(sign));
        let seed = graph.add("steps/seed", turn, &[class])?;
        let gradient = gradients(&mut graph, logits, seed, &[at])?[0];
        let weights = graph.add("steps/weights", GlobalAveragePool, &[gradient])?;
        let sum = graph.add("steps/sum", ChannelSum { factor: 1.0 }, &[at, weights])?;
        let map = graph.add("steps/map", Elementwise::relu(), &[sum])?;
        let outputs = [logits, at, gradient, weights, sum, map];
        let options = Options { single_from: &[CLASS], ..session::options(gpu) };
        let plan = plan::build(&graph, &outputs, &[], gpu.capabilities(), &options)?;
        let names = outputs.map(|value| graph.node(value).name.clone());
        let layer = layer.unwrap_or(model.network.cam_layer).to_owned();
        let session = Session::new(gpu, plan, store)?;
        Ok(Stepper { session, names, layer, classes: model.classes })
    }

    /// Explains `image`, the scaled input of the network (H, W, C): for `class`, or without it for that with
    /// the highest score.
    ///
    /// # Errors
    /// [`Error::Usage`] for a class that is not there; those of the GPU.
    pub fn run(&mut self, image: &[f32], class: Option<usize>) -> Result<Steps> {
        let mut named = vec![0.0; self.classes];
        if let Some(class) = class {
            *named.get_mut(class).ok_or_else(|| {
                Error::usage(format!("no class {class}"), "give one that the network has")
            })? = 1.0;
        }
        self.session.set(IMAGES, image)?;
        if self.session.plan().inputs.iter().any(|input| input.name == CLASS) {
            self.session.set(CLASS, &named)?;
        }
        self.session.run()?;
        let names = self.names.each_ref().map(String::as_str);
        let mut read = self.session.read_all(&names)?.into_iter();
        let mut next =
            || read.next().ok_or_else(|| Error::shape("steps of Grad-CAM", "an output is missing"));
        let [logits, activation, gradient, weights, sum, map] =
            [next()?, next()?, next()?, next()?, next()?, next()?];
        let logits = logits.data().to_vec();
        let top = (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        Ok(Steps {
            layer: self.layer.clone(),
            class: class.or(top).unwrap_or(0),
            logits,
            activation: without_batch(activation)?,
            gradient: without_batch(gradient)?,
            weights: without_batch(weights)?,
            sum: one_channel(sum)?,
            map: one_channel(map)?,
        })
    }
}

/// (1, ...) as (...).
fn without_batch(tensor: Tensor) -> Result<Tensor> {
    let dims = tensor.dims().get(1..).unwrap_or_default().to_vec();
    Tensor::new(dims, tensor.data().to_vec())
}

/// (1, h, w, 1) as (h, w).
fn one_channel(tensor: Tensor) -> Result<Tensor> {
    let [_, h, w, _] = tensor.shape().nhwc().unwrap_or([0; 4]);
    Tensor::new([h, w], tensor.data().to_vec())
}
