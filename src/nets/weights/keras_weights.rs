//! Keras 3's `.weights.h5`, which is also inside every `.keras`.
//!
//! ```text
//! /layers/conv2d_3/vars/       name: "block1_conv1" (recent versions)
//!   0, 1, ...                  the variables in the layer's order
//! ```
//! The group is called by the layer's class in snake case, numbered in the order of model.layers; a
//! model inside a model has `layers` of its own. Source: `saving_lib.py` of Keras 3.15.1.

use std::collections::HashMap;
use std::path::Path;

use hdf5_pure::{AttrValue, File, Group};

use super::Weights;
use super::hdf5::{self, broken};
use super::limits::Allowance;
use super::order::keras_order;
use super::raw::{Format, Raw, RawLayer, numbered};
use crate::error::Result;
use crate::nets::models::Layer;

/// What the group of layers is called, now and in Keras 2.13.
const LAYERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// Models inside models, at most; more is a file that refers to itself.
const DEEPEST: usize = 8;

/// Whether `file` is laid out like this.
pub fn recognises(file: &File) -> bool {
    LAYERS.iter().any(|name| file.group(name).is_ok())
}

/// The layers in `file`, the content of `path`.
pub fn decode(path: &Path, file: &File, allowance: &mut Allowance) -> Result<Raw> {
    let attributes = file.root().attrs().map_err(|error| broken(path, "the root group", &error))?;
    let mut raw = Raw {
        path: path.to_owned(),
        format: Format::KerasWeights,
        layers: Vec::new(),
        metadata: hdf5::metadata(&attributes),
        config: None,
        ordered: false,
    };
    collect(path, &file.root(), "", 0, allowance, &mut raw.layers)?;
    Ok(raw)
}

/// Adds the layers of `model`, those of models inside it first: the head is then the last.
fn collect(
    path: &Path,
    model: &Group,
    place: &str,
    depth: usize,
    allowance: &mut Allowance,
    found: &mut Vec<RawLayer>,
) -> Result<()> {
    if depth > DEEPEST {
        return Ok(());
    }
    let mut own = Vec::new();
    for container in LAYERS {
        let Ok(group) = model.group(container) else { continue };
        let place = format!("{place}{container}");
        let mut names = group.groups().map_err(|error| broken(path, &place, &error))?;
        names.sort_by_key(|name| {
            let (class, number) = numbered(name);
            (class.to_owned(), number)
        });
        for name in names {
            let place = format!("{place}/{name}");
            allowance.group()?;
            let layer = group.group(&name).map_err(|error| broken(path, &place, &error))?;
            collect(path, &layer, &format!("{place}/"), depth + 1, allowance, found)?;
            let Ok(variables) = layer.group("vars") else { continue };
            let tensors = tensors(path, &place, &variables, allowance)?;
            if tensors.is_empty() {
                continue;
            }
            let attributes = variables.attrs().map_err(|error| broken(path, &place, &error))?;
            let (class, number) = numbered(&name);
            own.push(RawLayer {
                name: hdf5::string(&attributes, "name"),
                class: Some((class.to_owned(), number)),
                place,
                tensors,
            });
        }
    }
    found.append(&mut own);
    Ok(())
}

/// The variables of a layer, by number.
fn tensors(
    path: &Path,
    place: &str,
    variables: &Group,
    allowance: &mut Allowance,
) -> Result<Vec<(String, crate::engine::tensor::Tensor)>> {
    let mut names = variables.datasets().map_err(|error| broken(path, place, &error))?;
    names.sort_by_key(|name| name.parse::<usize>().unwrap_or(usize::MAX));
    let mut read = |name: String| {
        let place = format!("{place}/vars/{name}");
        let dataset = variables.dataset(&name).map_err(|error| broken(path, &place, &error))?;
        let tensor = hdf5::tensor(path, &place, &dataset, allowance)?;
        Ok(tensor.map(|tensor| (name, tensor)))
    };
    names.into_iter().filter_map(|name| read(name).transpose()).collect()
}

/// The file of `weights`, of the model of `layers`.
pub fn encode(path: &Path, weights: &Weights, layers: &[Layer]) -> Result<Vec<u8>> {
    let mut file = hdf5::builder(&weights.metadata);
    let mut all = file.create_group(LAYERS[0]);
    let mut counts: HashMap<String, usize> = HashMap::new();
    for index in keras_order(layers) {
        let layer = &layers[index];
        if !weights.holds(layer) {
            continue;
        }
        let class = snake_case(layer.class);
        let count = counts.entry(class.clone()).or_default();
        let name = if *count == 0 { class } else { format!("{class}_{count}") };
        *count += 1;
        let mut group = all.create_group(&name);
        let mut variables = group.create_group("vars");
        variables.set_attr("name", AttrValue::String(layer.name.clone()));
        for (number, name) in layer.weights.iter().enumerate() {
            let tensor = &weights.tensors[name];
            let shape: Vec<u64> = tensor.dims().iter().map(|&size| size as u64).collect();
            let dataset = variables.create_dataset(&number.to_string());
            dataset.with_f32_data(tensor.data()).with_shape(&shape);
        }
        group.add_group(variables.finish());
        all.add_group(group.finish());
    }
    file.add_group(all.finish());
    hdf5::finish(path, file)
}

/// Keras's name of a class in a path: `BatchNormalization` is `batch_normalization`, `Conv2D` is
/// `conv2d`, `ReLU` is `re_lu` (`to_snake_case` of Keras 3.15.1).
pub fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut text = String::new();
    for (index, &letter) in letters.iter().enumerate() {
        let after = letters.get(index + 1).is_some_and(char::is_ascii_lowercase);
        let before = index > 0 && letters[index - 1].is_ascii_lowercase();
        if index > 0 && letter.is_ascii_uppercase() && (after || before) {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::snake_case;

    #[test]
    fn classes_are_spelt_as_keras_spells_them() {
        for (class, name) in [
            ("Conv2D", "conv2d"),
            ("SeparableConv2D", "separable_conv2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("ZeroPadding2D", "zero_padding2d"),
            ("InputLayer", "input_layer"),
            ("Dense", "dense"),
        ] {
            assert_eq!(snake_case(class), name);
        }
    }
}
