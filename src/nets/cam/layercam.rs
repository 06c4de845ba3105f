//! LayerCAM (Jiang and others 2021), for any layer:
//!
//! ```text
//! map[h, w]  = max(0, sum over c of max(0, d score / d activation[h, w, c]) * activation[h, w, c])
//! ```
//! Sign -1 turns the gradient before it is cut off: other positions, not the same map turned. Several
//! layers are combined as the settings say. (The paper also lifts maps of shallow layers by tanh(2 x)
//! before it combines them; here all layers are treated alike.)

use super::gradcam::weigh;
use super::{Kind, Method};
use crate::engine::ops::Elementwise;

pub(super) const METHOD: Method = Method {
    name: "layercam",
    about: "activation times positive gradient at every position, for any layer or several",
    relu: true,
    kind: Kind::Layer(|graph, site| {
        let name = graph.unique("layer_cam/weights");
        let weights = graph.add(name, Elementwise::relu(), &[site.gradient])?;
        weigh(graph, "layer_cam", site, weights)
    }),
};
