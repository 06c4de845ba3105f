//! The activation map, what a layer sees before any weighting: the control of all others.
//!
//! ```text
//! map[h, w]  = mean over c of activation[h, w, c]
//! ```
//! It knows no class; sign -1 turns the map.

use super::{Kind, Method};
use crate::engine::ops::ChannelSum;

pub(super) const METHOD: Method = Method {
    name: "activation",
    about: "mean of the channels, whatever the class",
    relu: false,
    kind: Kind::Layer(|graph, site| {
        let factor = site.sign / graph.shape(site.activation).channels().max(1) as f32;
        let name = graph.unique("activation_map");
        graph.add(name, ChannelSum { factor }, &[site.activation])
    }),
};
