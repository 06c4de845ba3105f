//! HiResCAM (Draelos and Carin 2020; equation 8 of Guan and Loew as it is printed):
//!
//! ```text
//! map[h, w]  = sum over c of d score / d activation[h, w, c] * activation[h, w, c]
//! ```
//! The gradient keeps its place and there is no ReLU. Behind a pooled head it is Grad-CAM before its
//! ReLU. Sign -1 turns the map. (pytorch-grad-cam cuts it off at 0.)

use super::gradcam::weigh;
use super::{Kind, Method};

pub(super) const METHOD: Method = Method {
    name: "hirescam",
    about: "activation times gradient at every position, as equation 8 is printed",
    relu: false,
    kind: Kind::Layer(|graph, site| weigh(graph, "hirescam", site, site.gradient)),
};
