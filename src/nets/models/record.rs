//! What Keras calls a layer, for matching weights and for naming what is explained.

use crate::engine::graph::Value;

/// One layer of a network as Keras has it. A graph may have more nodes than that: a separable
/// convolution is two.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Keras's name in a fresh process: `block1_conv1_bn`, `conv2d_34`.
    pub name: String,
    /// Keras's class: `Conv2D`, `BatchNormalization`.
    pub class: &'static str,
    /// The layers that it reads, as positions among the layers of the network.
    pub inputs: Vec<usize>,
    /// Its output in the graph.
    pub output: Value,
    /// The names of its variables, in Keras's order.
    pub weights: Vec<String>,
}
