//! XGrad-CAM (Fu and others 2020, "Axiom-based Grad-CAM"):
//!
//! ```text
//! weight_c   = sum over (h, w) of activation[h, w, c] * d score / d activation[h, w, c]
//!              / sum over (h, w) of activation[h, w, c]
//! map[h, w]  = max(0, sum over c of weight_c * activation[h, w, c])
//! ```
//! A channel whose sum is 0 has no weight. Sign -1 turns the gradient.

use super::gradcam::weigh;
use super::{Kind, Method};
use crate::engine::ops::ChannelWeights;

pub(super) const METHOD: Method = Method {
    name: "xgradcam",
    about: "Grad-CAM with gradients averaged by activation",
    relu: true,
    kind: Kind::Layer(|graph, site| {
        let name = graph.unique("xgrad_cam/weights");
        let weights = graph.add(name, ChannelWeights::XGrad, &[site.activation, site.gradient])?;
        weigh(graph, "xgrad_cam", site, weights)
    }),
};
