//! Gradient x input (Shrikumar and others 2016, as the numbers enter the network):
//!
//! ```text
//! map[y, x]  = sum over channels of image[y, x, channel] * d score / d image[y, x, channel]
//! ```
//! Of the size of the network's input, without a ReLU. Sign -1 turns the map.

use super::gradcam::weigh;
use super::{Kind, Method};
use crate::engine::autodiff::Backward;

pub(super) const METHOD: Method = Method {
    name: "gradient-x-input",
    about: "each pixel times its gradient, summed over the channels",
    relu: false,
    kind: Kind::Input(Backward::Exact, |graph, site| {
        weigh(graph, "gradient_x_input", site, site.gradient)
    }),
};
