//! Grad-CAM++ (Chattopadhay and others 2018): with g = d score / d
//! activation, and exp(score) for the paper's Y,
//!
//! ```text
//! alpha[h, w, c]  = g^2 / (2 g^2 + sum over (a, b) of activation[a, b, c] * g^3)
//! weight_c        = sum over (h, w) of alpha[h, w, c] * max(0, g[h, w, c])
//! map[h, w]       = max(0, sum over c of weight_c * activation[h, w, c])
//! ```
//! alpha is 0 where its divisor is. The paper's factor exp(score) of all weights of an image is left out:
//! any normalisation cancels it, and it is not finite for scores above 88. Sign -1 turns g, so that it
//! takes another alpha and other positions. (pytorch-grad-cam adds 1e-6 to the divisor, which counts where
//! gradients are small.)

use super::gradcam::weigh;
use super::{Kind, Method};
use crate::engine::ops::ChannelWeights;

pub(super) const METHOD: Method = Method {
    name: "gradcam++",
    about: "Grad-CAM from positive gradients, each weighted by how much depends on it",
    relu: true,
    kind: Kind::Layer(|graph, site| {
        let name = graph.unique("grad_cam_plus_plus/weights");
        let inputs = [site.activation, site.gradient];
        let weights = graph.add(name, ChannelWeights::PlusPlus, &inputs)?;
        weigh(graph, "grad_cam_plus_plus", site, weights)
    }),
};
