//! A model's weights as files: named tensors, whole or not at all.
//!
//! Reading takes two steps, because a file does not say which network it is for: [`Raw::read`] gives
//! its layers as they are there, and [`Raw::resolve`] finds the model's variables among them.

mod hdf5;
mod keras_archive;
mod keras_h5;
mod keras_weights;
mod limits;
mod order;
mod raw;
mod read;
mod resolve;
mod rewrite;
mod safetensors;
mod sixteen;

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::graph::{Kind, Role};
use crate::engine::session::Store;
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::Result;
use crate::nets::classes::Taught;
use crate::nets::models::{Layer, Model};

pub use keras_weights::snake_case;
pub use order::keras_order;
pub use raw::{Format, Metadata, Raw, RawLayer};
pub use read::read;
pub use resolve::Top;
pub use rewrite::rewrite;

/// What our metadata is called in a file of any format.
const METADATA: &str = "parula";

/// Key of the units of hidden dense layers in [`Metadata`], from the pooling on: `128,64`; not there without any.
const DENSE: &str = "dense";

/// Keys of the classes' names in [`Metadata`], a JSON array, and of whether each unit stands for itself.
const CLASS_NAMES: &str = "class_names";
const OUTPUT: &str = "output";
const EACH_ALONE: &str = "sigmoid";

/// Named tensors, and what the file says of itself (`model`, `classes`, `input`, `scaling`, where its head has hidden
/// layers `dense`, and where its classes have names `class_names` and `output`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// By variable name, for example `block2_sepconv1/pointwise_kernel`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Written by [`save`]; may be empty in files from elsewhere.
    pub metadata: Metadata,
}

impl Weights {
    /// The weights of `model` as they are in `store` now.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
    pub fn of(model: &Model, store: &Store) -> Result<Self> {
        let names: Vec<String> = variables(model).map(|(name, _)| name.to_owned()).collect();
        let tensors = names.iter().cloned().zip(store.get(&names)?).collect();
        let metadata = [
            ("model", model.network.name.to_owned()),
            ("classes", model.classes.to_string()),
            ("input", format!("{}x{}", model.size[0], model.size[1])),
            ("format", "parula".to_owned()),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
        let mut weights = Weights { tensors, metadata };
        weights.note_dense(model.network.dense());
        Ok(weights)
    }

    /// Notes the units of the head's hidden dense layers; a head without any goes without saying.
    fn note_dense(&mut self, units: &[usize]) {
        self.metadata.remove(DENSE);
        if !units.is_empty() {
            let units: Vec<String> = units.iter().map(usize::to_string).collect();
            self.metadata.insert(DENSE.to_owned(), units.join(","));
        }
    }

    /// Notes what the units were taught to tell apart; the two usual classes go without saying.
    pub fn name_classes(&mut self, taught: &Taught) {
        let names = taught.names();
        if !names.is_empty() {
            let text = serde_json::Value::from(names).to_string();
            self.metadata.insert(CLASS_NAMES.to_owned(), text);
        }
        if matches!(taught, Taught::Labels(_)) {
            self.metadata.insert(OUTPUT.to_owned(), EACH_ALONE.to_owned());
        }
    }

    /// Writes them into `store`. What is not here, such as a head, stays there as it is.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when a variable is not in the store or of another
    /// shape; none for what [`Raw::resolve`] gave for the same network.
    pub fn put(&self, store: &Store) -> Result<()> {
        self.tensors.iter().try_for_each(|(name, tensor)| store.set(name, tensor))
    }

    /// Whether all variables of `layer` are here; a layer without any always is.
    fn holds(&self, layer: &Layer) -> bool {
        layer.weights.iter().all(|name| self.tensors.contains_key(name))
    }

    /// The first tensor that holds a number that is not finite.
    pub fn not_finite(&self) -> Option<&str> {
        let lost = |tensor: &Tensor| tensor.data().iter().any(|value| !value.is_finite());
        self.tensors.iter().find(|(_, tensor)| lost(tensor)).map(|(name, _)| name.as_str())
    }

    /// Height and width that these weights were trained at.
    pub fn input(&self) -> Option<[usize; 2]> {
        input(&self.metadata)
    }
}

/// No image that a network takes is longer on a side.
const MOST_SIDE: usize = 65_535;

fn input(metadata: &Metadata) -> Option<[usize; 2]> {
    let (height, width) = metadata.get("input")?.split_once('x')?;
    let side = |text: &str| text.parse().ok().filter(|side| (1..=MOST_SIDE).contains(side));
    Some([side(height)?, side(width)?])
}

fn variables(model: &Model) -> impl Iterator<Item = (&str, &Shape)> {
    model.graph.nodes().filter_map(|(_, node)| match &node.kind {
        Kind::Variable(variable) if matches!(variable.role, Role::Trainable | Role::State) => {
            Some((node.name.as_str(), &node.shape))
        }
        _ => None,
    })
}

/// Writes `weights` to `path`, for the model of `layers`, in the format that the ending of `path`
/// names. A `.keras` archive holds `config`, the configuration of a Keras model; without one Keras
/// loads the weights into a model that it has, and cannot make the model.
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) when the ending names no format,
/// [`Error::File`](crate::error::Error::File) when it cannot be written; an older file is then
/// untouched.
pub fn save(path: &Path, weights: &Weights, layers: &[Layer], config: Option<&str>) -> Result<()> {
    let bytes = match Format::of_ending(path)? {
        Format::Safetensors => safetensors::encode(path, weights)?,
        Format::KerasH5 => keras_h5::encode(path, weights, layers)?,
        Format::KerasWeights => keras_weights::encode(path, weights, layers)?,
        Format::KerasArchive => keras_archive::encode(path, weights, layers, config)?,
    };
    crate::files::write(path, &bytes)
}
