//! Guided backpropagation (Springenberg and others 2015): the gradient at the image, but every
//! ReLU passes back what is positive only,
//!
//! ```text
//! back through y = relu(x):  R_x = [y > 0] * max(0, R_y)        (6 bounds y likewise in ReLU6)
//! map[y, x]  = max over channels of |R_image[y, x, channel]|
//! ```
//! Of the size of the network's input. Sign -1 starts from minus the score, and other paths pass.

use super::{Kind, Method};
use crate::engine::autodiff::Backward;
use crate::engine::ops::LargestMagnitude;

pub(super) const METHOD: Method = Method {
    name: "guided-backprop",
    about: "saliency through positive gradients alone",
    relu: false,
    kind: Kind::Input(Backward::Guided, |graph, site| {
        let name = graph.unique("guided_backprop");
        graph.add(name, LargestMagnitude, &[site.gradient])
    }),
};
