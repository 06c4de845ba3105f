//! Which numbers of a file are which variables: by the names of its layers, and by place only where the
//! file has no names.

use std::collections::BTreeMap;

use super::build::{free, layer_name};
use super::config::{Entry, Net};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::models::{Layer, Model};
use crate::nets::weights::{Format, Raw, RawLayer, Weights, snake_case};

/// What the group of a model's layers is called in a `.weights.h5`, now and in Keras 2.13.
const CONTAINERS: [&str; 2] = ["layers", "_layer_checkpoint_dependencies"];

/// The weights in `raw` for `model`, which [`super::open`] read from it.
///
/// # Errors
/// [`Error::Content`] when a layer's are not there or have another shape.
pub fn weights(raw: Raw, model: &Model) -> Result<Weights> {
    let (net, config) = super::config::read(&raw.path, raw.config.as_deref().unwrap_or_default())?;
    let made_for =
        super::input_shape(&net, &config).and_then(|[height, width, _]| Some([height?, width?]));
    let mut tensors = BTreeMap::new();
    for Found { variable, layer, tensor } in find(&raw, &net, &model.layers)? {
        let owner = &raw.layers[layer];
        let found = &owner.tensors[tensor].1;
        let value = model.graph.find(&variable).ok_or_else(|| {
            let problem = format!("{variable} of the configuration is not there");
            Error::content(&raw.path, problem, "save the model again")
        })?;
        let shape = model.graph.shape(value);
        let same = found.shape() == shape
            // A vector of a channel may be kept with the axes that it is spread over.
            || (shape.rank() == 1 && found.shape().elements() == shape.elements());
        if !same {
            let problem =
                format!("{variable} is {}, and the configuration asks for {shape}", found.shape());
            let hint = "save the model again: configuration and weights are not of one model";
            let error = Error::content(&raw.path, problem, hint);
            return Err(super::of_another_size(error, &raw.path, made_for, model.size));
        }
        let tensor = Tensor::new(shape.clone(), found.data().to_vec())?;
        tensors.insert(variable, tensor);
    }
    Ok(Weights { tensors, metadata: raw.metadata.clone() })
}

/// For each variable of `layers` the dataset in the `.keras` file `raw` that has its numbers.
///
/// # Errors
/// As [`weights`].
pub(super) fn places(raw: &Raw, net: &Net, layers: &[Layer]) -> Result<BTreeMap<String, String>> {
    let place = |Found { variable, layer, tensor }| {
        let owner = &raw.layers[layer];
        (variable, format!("{}/vars/{}", owner.place, owner.tensors[tensor].0))
    };
    Ok(find(raw, net, layers)?.into_iter().map(place).collect())
}

/// Where a variable's numbers are.
struct Found {
    variable: String,
    /// The layer of the file, by its place in it.
    layer: usize,
    /// Which of its tensors.
    tensor: usize,
}

/// Where the file has the variables of `layers`, the layers of the model `net`.
fn find(raw: &Raw, net: &Net, layers: &[Layer]) -> Result<Vec<Found>> {
    let mut finder = Finder { raw, places: BTreeMap::new(), named: false };
    finder.named = raw.layers.iter().all(|layer| layer.name.is_some());
    match raw.format {
        Format::KerasH5 => finder.legacy(net)?,
        _ => finder.groups(net, "", "")?,
    }
    let mut found = Vec::new();
    for layer in layers {
        let Some(first) = layer.weights.first() else { continue };
        let owner = first.rsplit_once('/').map_or(first.as_str(), |(owner, _)| owner);
        let missing = |what: &str| {
            Error::content(
                &raw.path,
                format!(
                    "the weights of layer {} ({}) are not there: {what}",
                    layer.name, layer.class
                ),
                "save the model again: configuration and weights are not of one model",
            )
        };
        let place = finder.places.get(owner).ok_or_else(|| missing("no layer of that name"))?;
        let (held, wanted) = (raw.layers[*place].tensors.len(), layer.weights.len());
        if held != wanted {
            return Err(missing(&format!("it holds {held} tensors, not {wanted}")));
        }
        let weights = layer.weights.iter().enumerate();
        found.extend(weights.map(|(tensor, variable)| Found {
            variable: variable.clone(),
            layer: *place,
            tensor,
        }));
    }
    Ok(found)
}

struct Finder<'a> {
    raw: &'a Raw,
    /// For each layer that owns variables, the layer of the file that has them.
    places: BTreeMap<String, usize>,
    /// Whether the file names its layers.
    named: bool,
}

impl Finder<'_> {
    /// A `.weights.h5`: groups are called by class and number, and a layer's name stands beside its
    /// variables.
    fn groups(&mut self, net: &Net, owner: &str, place: &str) -> Result<()> {
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        for entry in &net.layers {
            let class = group_of(entry);
            let number = numbers.entry(class.clone()).or_default();
            let group = if *number == 0 { class.clone() } else { format!("{class}_{number}") };
            *number += 1;
            let own = layer_name(owner, &entry.name, 0);
            for container in CONTAINERS {
                let here = format!("{place}{container}/{group}");
                if let Some(inner) = &entry.inner {
                    self.groups(inner, &own, &format!("{here}/"))?;
                    continue;
                }
                let within = format!("{place}{container}/");
                let layers = self.raw.layers.iter().enumerate();
                let inside = |layer: &RawLayer| {
                    let rest = layer.place.strip_prefix(&within);
                    rest.is_some_and(|rest| !rest.contains('/'))
                };
                let mut own_layers = layers.filter(|(_, layer)| inside(layer));
                let found = own_layers.find(|(_, layer)| match self.named {
                    true => layer.name.as_deref() == Some(&entry.name),
                    false => layer.place == here,
                });
                if let Some((index, _)) = found {
                    self.places.insert(free(own.clone()), index);
                }
            }
        }
        Ok(())
    }

    /// A whole `.h5`: layers by name; what is inside a model by the name of its weights.
    fn legacy(&mut self, net: &Net) -> Result<()> {
        let mut taken = vec![false; self.raw.layers.len()];
        for entry in &net.layers {
            let own = layer_name("", &entry.name, 0);
            match &entry.inner {
                None => {
                    let found = self.raw.layers.iter().position(|layer| layer.place == entry.name);
                    if let Some(index) = found {
                        self.places.insert(free(own), index);
                    }
                }
                Some(inner) => self.legacy_inside(inner, &entry.name, &own, "", &mut taken),
            }
        }
        Ok(())
    }

    /// The layers of `net`, all of whose weights stand under `top`.
    fn legacy_inside(&mut self, net: &Net, top: &str, owner: &str, path: &str, taken: &mut [bool]) {
        for entry in &net.layers {
            let own = layer_name(owner, &entry.name, 0);
            let inside = layer_name(path, &entry.name, 0);
            if let Some(inner) = &entry.inner {
                self.legacy_inside(inner, top, &own, &inside, taken);
                continue;
            }
            let of_top = |layer: &RawLayer| {
                layer.place == top || layer.place.starts_with(&format!("{top}/"))
            };
            let last =
                |layer: &RawLayer| layer.place.rsplit('/').next().unwrap_or_default().to_owned();
            // The longest path that agrees; a model with one layer is called as that layer alone.
            let fits = |layer: &RawLayer| {
                let path = layer.place.ends_with(&format!("/{inside}"));
                let name = last(layer) == entry.name;
                let alone = layer.place == top;
                if path {
                    3
                } else if name {
                    2
                } else {
                    usize::from(alone)
                }
            };
            let free_ones = (0..self.raw.layers.len())
                .filter(|&index| !taken[index] && of_top(&self.raw.layers[index]))
                .filter(|&index| fits(&self.raw.layers[index]) > 0);
            // The first of the best.
            let best = free_ones
                .max_by_key(|&index| (fits(&self.raw.layers[index]), std::cmp::Reverse(index)));
            if let Some(index) = best {
                // A layer without weights takes none.
                if fits(&self.raw.layers[index]) > 1 || weighs(entry) {
                    taken[index] = true;
                    self.places.insert(free(own), index);
                }
            }
        }
    }
}

/// Whether a layer of this class has weights at all, as far as its name tells.
fn weighs(entry: &Entry) -> bool {
    ["Conv", "Dense", "Norm", "PReLU", "LayerScale"].iter().any(|part| entry.class.contains(part))
}

/// The name of the entry's group, without its number.
fn group_of(entry: &Entry) -> String {
    match entry.class.as_str() {
        "Model" => "functional".to_owned(),
        class => snake_case(class),
    }
}
