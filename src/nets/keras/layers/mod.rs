//! The layers that are understood, a file for each family.

pub(super) mod activation;
mod convolution;
mod dense;
mod merge;
mod normalization;
mod nothing;
mod pooling;
mod prelu;
mod preprocessing;
mod reduce;
mod shape;

use super::site::{Site, Tensor};
use crate::error::Result;

/// How a layer is added.
pub(super) type Make = fn(&mut Site) -> Result<Tensor>;

/// A class of layers.
#[derive(Debug)]
pub(super) struct Kind {
    /// As in a configuration.
    pub class: &'static str,
    /// What it adds; none where it adds nothing in inference.
    pub make: Option<Make>,
}

/// A class of layers that compute something.
const fn kind(class: &'static str, make: Make) -> Kind {
    Kind { class, make: Some(make) }
}

/// Every family. To add a layer: a line in its family's table, and a function of a few lines.
const FAMILIES: &[&[Kind]] = &[
    activation::LAYERS,
    convolution::LAYERS,
    dense::LAYERS,
    merge::LAYERS,
    normalization::LAYERS,
    nothing::LAYERS,
    pooling::LAYERS,
    preprocessing::LAYERS,
    reduce::LAYERS,
    shape::LAYERS,
];

/// The class called `class`, if it is understood.
pub(super) fn find(class: &str) -> Option<&'static Kind> {
    FAMILIES.iter().copied().flatten().find(|kind| kind.class == class)
}

/// Whether a layer of `class` gives whole numbers where it is given some; none where Keras would round what it computes
/// of them, or fail.
pub(super) fn keeps_whole(class: &str) -> Option<bool> {
    const FLOATS: [&str; 5] = ["Rescaling", "Normalization", "TrueDivide", "Cast", "Mean"];
    const SAME: [&str; 13] = [
        "MaxPooling2D",
        "ZeroPadding2D",
        "Cropping2D",
        "CenterCrop",
        "Flatten",
        "Reshape",
        "Permute",
        "Transpose",
        "GetItem",
        "SlicingOpLambda",
        "Concatenate",
        "ExpandDims",
        "Squeeze",
    ];
    match class {
        class if FLOATS.contains(&class) => Some(false),
        class if SAME.contains(&class) => Some(true),
        _ => None,
    }
}

/// Whether a layer of `class` draws at random in Keras's training, and does nothing here.
pub(super) fn draws(class: &str) -> bool {
    let still = ["Identity", "ActivityRegularization"].contains(&class);
    find(class).is_some_and(|kind| kind.make.is_none()) && !still
}
