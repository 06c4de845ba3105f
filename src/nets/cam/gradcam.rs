//! Grad-CAM (Selvaraju and others 2017, equations 1 and 2):
//!
//! ```text
//! weight_c   = mean over (h, w) of d score / d activation[h, w, c]
//! map[h, w]  = max(0, sum over c of weight_c * activation[h, w, c])
//! ```
//! Sign -1 turns the gradient: the paper's counterfactual explanation.

use super::{Kind, Method, Site};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::{ChannelSum, Elementwise, GlobalAveragePool};
use crate::error::Result;

pub(super) const METHOD: Method = Method {
    name: "gradcam",
    about: "activation weighted by its averaged gradient",
    relu: true,
    kind: Kind::Layer(|graph, site| weighted(graph, site.activation, site.gradient)),
};

fn weighted(graph: &mut Graph, activation: Value, gradient: Value) -> Result<Value> {
    let name = graph.unique("grad_cam");
    let weights = graph.add(format!("{name}/weights"), GlobalAveragePool, &[gradient])?;
    graph.add(name, ChannelSum { factor: 1.0 }, &[activation, weights])
}

/// Adds to `graph` the Grad-CAM map (N, h, w, 1) from an activation and the gradient of the score at it,
/// (N, h, w, C) both: all of Grad-CAM but that gradient.
///
/// # Errors
/// [`Error::Shape`](crate::error::Error::Shape) when the two differ in shape.
pub fn grad_cam(graph: &mut Graph, activation: Value, gradient: Value) -> Result<Value> {
    let map = weighted(graph, activation, gradient)?;
    let name = graph.unique("grad_cam/relu");
    graph.add(name, Elementwise::relu(), &[map])
}

/// The weighted sum of channels that most methods end with.
pub(super) fn weigh(graph: &mut Graph, name: &str, site: &Site, weights: Value) -> Result<Value> {
    let name = graph.unique(name);
    graph.add(name, ChannelSum { factor: 1.0 }, &[site.activation, weights])
}
