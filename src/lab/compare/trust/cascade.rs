//! A network loses what it has learnt, layer by layer, from the last layer with weights to the first (Adebayo and others
//! 2018, cascading randomisation).
//!
//! A stage sets all weights of some more layers to what the network's own initialisers draw: kernels anew, gammas and
//! variances 1, betas, biases and means 0. After the last stage nothing is left that was learnt. Layers are in the order
//! of their distance from the output, as Keras counts it.

use std::sync::Arc;

use super::DRAWS;
use crate::draw;
use crate::engine::gpu::Gpu;
use crate::engine::session::Store;
use crate::engine::tensor::Tensor;
use crate::error::Result;
use crate::nets::models::Model;
use crate::nets::weights::keras_order;

/// Some layers that lose their weights together.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The layer of these that is farthest from the output.
    pub layer: String,
    /// Layers with weights that have lost theirs by then.
    pub layers: usize,
    /// The variables of this stage.
    names: Vec<String>,
}

/// The stages of `model`: a layer each, or at most `most` blocks of layers, as even as they can be.
pub fn stages(model: &Model, most: Option<usize>) -> Vec<Stage> {
    let order = keras_order(&model.layers);
    let from_the_last = order.iter().rev().map(|&index| &model.layers[index]);
    let layers: Vec<_> = from_the_last.filter(|layer| !layer.weights.is_empty()).collect();
    let count = most.unwrap_or(layers.len()).clamp(1, layers.len().max(1));
    let stage = |number: usize| {
        let end = (number + 1) * layers.len() / count;
        let own = &layers[number * layers.len() / count..end];
        let names = own.iter().flat_map(|layer| layer.weights.iter().cloned()).collect();
        Some(Stage { layer: own.last()?.name.clone(), layers: end, names })
    };
    (0..count).filter_map(stage).collect()
}

/// All numbers that a network has learnt.
#[derive(Clone, Debug)]
pub struct Learnt(Vec<(String, Tensor)>);

impl Learnt {
    /// Those in `store`.
    ///
    /// # Errors
    /// Those of the GPU.
    pub fn of(store: &Store) -> Result<Self> {
        let names = store.names();
        let tensors = store.get(&names)?;
        Ok(Learnt(names.into_iter().zip(tensors).collect()))
    }

    /// Draw `draw` of numbers that nobody has learnt, for a network that was trained with `seed`: its own initial
    /// weights are another draw.
    ///
    /// # Errors
    /// Those of [`Store::new`].
    pub fn drawn(gpu: &Arc<Gpu>, model: &Model, seed: u64, draw: usize) -> Result<Self> {
        let seed = draw::rank(seed, &format!("randomised weights {draw} of {DRAWS}"));
        Learnt::of(&Store::new(gpu, &model.graph, seed)?)
    }

    /// Puts them into `store`, of the same network.
    ///
    /// # Errors
    /// None where the network is the same.
    pub fn put(&self, store: &Store) -> Result<()> {
        self.0.iter().try_for_each(|(name, tensor)| store.set(name, tensor))
    }

    /// Puts those of one stage.
    ///
    /// # Errors
    /// None where the network is the same.
    pub fn put_stage(&self, stage: &Stage, store: &Store) -> Result<()> {
        let own = self.0.iter().filter(|(name, _)| stage.names.contains(name));
        own.into_iter().try_for_each(|(name, tensor)| store.set(name, tensor))
    }
}
