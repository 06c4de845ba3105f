//! A model's weights as files: named tensors, whole or not at all.

mod safetensors;

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::{Kind, Role};
use crate::models::Model;
use crate::session::Store;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// Named tensors, and what the file says of itself (`model`, `classes`, `input`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// By variable name, for example `block2_sepconv1/pointwise_kernel`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Written by [`save`]; may be empty in files from elsewhere.
    pub metadata: BTreeMap<String, String>,
}

impl Weights {
    /// The weights of `model` as they are in `store` now.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
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
        Ok(Weights { tensors, metadata })
    }

    /// Writes all of them into `store`. Nothing is written unless every tensor fits.
    ///
    /// # Errors
    /// [`Error::Content`] with the first tensor that is missing, left over or of another shape, and
    /// how many there are; `path` is where the weights are from.
    pub fn put(&self, path: &Path, model: &Model, store: &Store) -> Result<()> {
        let name = model.network.name;
        if let Some(other) = self.metadata.get("model").filter(|other| *other != name) {
            return Err(Error::content(
                path,
                format!("these are weights of {other}, not of {name}"),
                format!("use --model {other}, or other weights"),
            ));
        }
        let wrong = |problem: String| {
            Err(Error::content(path, problem, format!("use weights that were made for {name}")))
        };
        let mut expected = BTreeMap::new();
        for (variable, shape) in variables(model) {
            expected.insert(variable, shape);
        }
        let missing: Vec<&str> =
            expected.keys().filter(|key| !self.tensors.contains_key(**key)).copied().collect();
        if let Some(first) = missing.first() {
            return wrong(format!(
                "{name} needs {first} {}, which is not there ({} of {} tensors are missing)",
                expected[first],
                missing.len(),
                expected.len()
            ));
        }
        for (key, tensor) in &self.tensors {
            match expected.get(key.as_str()) {
                None => return wrong(format!("{name} has no layer for {key} {}", tensor.shape())),
                Some(shape) if *shape != tensor.shape() => {
                    return wrong(format!("{key} is {}, {name} needs {shape}", tensor.shape()));
                }
                Some(_) => {}
            }
        }
        self.tensors.iter().try_for_each(|(key, tensor)| store.set(key, tensor))
    }

    /// The first tensor that holds a number that is not finite.
    pub fn not_finite(&self) -> Option<&str> {
        let lost = |tensor: &Tensor| tensor.data().iter().any(|value| !value.is_finite());
        self.tensors.iter().find(|(_, tensor)| lost(tensor)).map(|(name, _)| name.as_str())
    }

    /// Units of the head that these weights were made for: the length of the last bias.
    pub fn classes(&self) -> Option<usize> {
        self.metadata.get("classes")?.parse().ok()
    }

    /// Height and width that these weights were trained at.
    pub fn input(&self) -> Option<[usize; 2]> {
        let (height, width) = self.metadata.get("input")?.split_once('x')?;
        Some([height.parse().ok()?, width.parse().ok()?])
    }
}

fn variables(model: &Model) -> impl Iterator<Item = (&str, &Shape)> {
    model.graph.nodes().filter_map(|(_, node)| match &node.kind {
        Kind::Variable(variable) if matches!(variable.role, Role::Trainable | Role::State) => {
            Some((node.name.as_str(), &node.shape))
        }
        _ => None,
    })
}

/// Reads the weights in `path`.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Content`] when it is not a whole file of weights.
pub fn load(path: &Path) -> Result<Weights> {
    let bytes = std::fs::read(path).map_err(|source| Error::file("read", path, source))?;
    safetensors::decode(path, &bytes)
}

/// Writes `weights` to `path`, as safetensors.
///
/// # Errors
/// [`Error::File`] when it cannot be written; an older file is then untouched.
pub fn save(path: &Path, weights: &Weights) -> Result<()> {
    crate::files::write(path, &safetensors::encode(path, weights)?)
}
