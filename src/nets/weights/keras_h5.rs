//! Keras's legacy `.h5`, as `model.save("x.h5")` and Keras 2's `save_weights("x.h5")` write it.
//!
//! ```text
//! /[model_weights/]      layer_names: names in the order of model.layers
//!   conv2d_34/           weight_names: ["conv2d_34/kernel", ...], with ":0" at the end in Keras 2
//!     conv2d_34/kernel
//! ```
//! A model inside a model is one layer, whose weight names tell its layers apart.
//! Source: `legacy_h5_format.py` of Keras 3.15.1.

use std::path::Path;

use hdf5_pure::{AttrValue, File, Group};

use super::Weights;
use super::hdf5::{self, KERAS_VERSION, broken};
use super::limits::Allowance;
use super::order::keras_order;
use super::raw::{Format, Raw, RawLayer};
use crate::error::{Error, Result};
use crate::nets::models::Layer;

/// The layers in `file`, the content of `path`.
pub fn decode(path: &Path, file: &File, allowance: &mut Allowance) -> Result<Raw> {
    let failed = |what: &str, error: hdf5_pure::Error| broken(path, what, &error);
    let mut group = file.root();
    let mut attributes = group.attrs().map_err(|error| failed("the root group", error))?;
    let metadata = hdf5::metadata(&attributes);
    let config = hdf5::string(&attributes, "model_config");
    let mut names = hdf5::strings(&attributes, "layer_names");
    if names.is_none()
        && let Ok(inner) = group.group("model_weights")
    {
        group = inner;
        attributes = group.attrs().map_err(|error| failed("model_weights", error))?;
        names = hdf5::strings(&attributes, "layer_names");
    }
    let Some(names) = names else {
        return Err(Error::content(
            path,
            "this is an HDF5 file, and not one of Keras's: it has neither layer_names nor layers",
            "give what `model.save` or `model.save_weights` wrote",
        ));
    };
    let mut raw = Raw {
        path: path.to_owned(),
        format: Format::KerasH5,
        layers: Vec::new(),
        metadata,
        config,
        ordered: true,
    };
    for name in names {
        allowance.group()?;
        let layer = group.group(&name).map_err(|error| failed(&format!("layer {name}"), error))?;
        let layers = layers_of(path, &name, &layer, allowance)?;
        raw.ordered &= layers.len() < 2;
        raw.layers.extend(layers);
    }
    Ok(raw)
}

/// What stands under one name: nothing, a layer, or the layers of a model.
fn layers_of(
    path: &Path,
    name: &str,
    group: &Group,
    allowance: &mut Allowance,
) -> Result<Vec<RawLayer>> {
    let attributes =
        group.attrs().map_err(|error| broken(path, &format!("layer {name}"), &error))?;
    let mut layers: Vec<RawLayer> = Vec::new();
    for weight in hdf5::strings(&attributes, "weight_names").unwrap_or_default() {
        let place = format!("{name}/{weight}");
        let dataset = group.dataset(&weight).map_err(|error| broken(path, &place, &error))?;
        let read = hdf5::tensor(path, &place, &dataset, allowance)?;
        let Some(tensor) = read else { continue };
        let (owner, variable) = weight.rsplit_once('/').unwrap_or((name, &weight));
        // Two models inside may have layers of one name: the whole path tells them apart.
        let place = format!("{name}/{owner}");
        let owner = owner.rsplit('/').next().unwrap_or(owner);
        let variable = variable.split(':').next().unwrap_or(variable).to_owned();
        match layers.iter_mut().find(|layer| layer.place == place) {
            Some(layer) => layer.tensors.push((variable, tensor)),
            None => layers.push(RawLayer {
                name: Some(owner.to_owned()),
                place,
                class: None,
                tensors: vec![(variable, tensor)],
            }),
        }
    }
    // A layer's own weights may go by a name of their own; the group's is what Keras goes by.
    if let [layer] = layers.as_mut_slice() {
        layer.name = Some(name.to_owned());
        layer.place = name.to_owned();
    }
    Ok(layers)
}

/// The file of `weights`, of the model of `layers`.
pub fn encode(path: &Path, weights: &Weights, layers: &[Layer]) -> Result<Vec<u8>> {
    let mut file = hdf5::builder(&weights.metadata);
    let order = keras_order(layers);
    let present = |layer: &&Layer| weights.holds(layer);
    let written: Vec<&Layer> = order.iter().map(|&index| &layers[index]).filter(present).collect();
    let names: Vec<String> = written.iter().map(|layer| layer.name.clone()).collect();
    for (name, value) in hdf5::names("layer_names", &names) {
        file.set_attr(&name, value);
    }
    file.set_attr("backend", AttrValue::String("tensorflow".to_owned()));
    file.set_attr("keras_version", AttrValue::String(KERAS_VERSION.to_owned()));
    for layer in written {
        let mut group = file.create_group(&layer.name);
        for (name, value) in hdf5::names("weight_names", &layer.weights) {
            group.set_attr(&name, value);
        }
        if !layer.weights.is_empty() {
            let mut inner = group.create_group(&layer.name);
            for name in &layer.weights {
                let tensor = &weights.tensors[name];
                let shape: Vec<u64> = tensor.dims().iter().map(|&size| size as u64).collect();
                let variable = name.rsplit('/').next().unwrap_or(name);
                inner.create_dataset(variable).with_f32_data(tensor.data()).with_shape(&shape);
            }
            group.add_group(inner.finish());
        }
        file.add_group(group.finish());
    }
    hdf5::finish(path, file)
}
