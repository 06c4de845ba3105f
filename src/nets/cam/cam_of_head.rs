//! CAM (Zhou and others 2016, equation 2):
//!
//! ```text
//! map[h, w]  = sum over c of kernel[c, class] * activation[h, w, c]
//! ```
//! with the kernel of the dense layer that reads the pooled activation. There is no ReLU, and the bias
//! is left out. Only a network that does nothing but average the layer before that dense layer has such
//! a map. The kernel's column is the gradient of the logit at the pooled activation, so it is taken from
//! there; sign -1 turns it.

use super::gradcam::weigh;
use super::{Kind, Method, Site};
use crate::engine::autodiff::gradients;
use crate::engine::graph::{Graph, Value, downcast};
use crate::engine::ops::{Dense, GlobalAveragePool};
use crate::error::{Error, Result};

pub(super) const METHOD: Method = Method {
    name: "cam",
    about: "activation weighted by the dense layer's kernel; for the layer before pooling alone",
    relu: false,
    kind: Kind::Layer(|graph, site| {
        let pooled = pooled(graph, site)?;
        let weights = gradients(graph, site.logits, site.seed, &[pooled])?[0];
        weigh(graph, "cam", site, weights)
    }),
};

/// The mean of the activation that the dense layer reads.
fn pooled(graph: &Graph, site: &Site) -> Result<Value> {
    let reads = |value: Value| {
        let node = graph.node(value);
        node.operation().zip(node.inputs.first().copied())
    };
    let dense = reads(site.logits).filter(|(op, _)| downcast::<Dense>(op.as_ref()).is_some());
    dense
        .map(|(_, pooled)| pooled)
        .filter(|&pooled| {
            reads(pooled).is_some_and(|(op, input)| {
                downcast::<GlobalAveragePool>(op.as_ref()).is_some() && input == site.activation
            })
        })
        .ok_or_else(|| {
            Error::usage(
                format!(
                    "CAM has no weights for {}: between it and the scores there is more than an \
                     average and a dense layer",
                    graph.node(site.activation).name
                ),
                "leave out --layer, or use gradcam, which takes any layer and any head",
            )
        })
}
