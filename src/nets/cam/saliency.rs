//! Saliency (Simonyan and others 2014, section 3.1):
//!
//! ```text
//! map[y, x]  = max over channels of |d score / d image[y, x, channel]|
//! ```
//! Of the size of the network's input. A magnitude: both signs have the same map.

use super::{Kind, Method};
use crate::engine::autodiff::Backward;
use crate::engine::ops::LargestMagnitude;

pub(super) const METHOD: Method = Method {
    name: "saliency",
    about: "magnitude of the gradient at each pixel, largest of the channels",
    relu: false,
    kind: Kind::Input(Backward::Exact, |graph, site| {
        let name = graph.unique("saliency");
        graph.add(name, LargestMagnitude, &[site.gradient])
    }),
};
