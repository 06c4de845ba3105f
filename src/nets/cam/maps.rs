//! From a network to the nodes of a method's map: the gradients it needs, its own nodes, and several
//! layers made one.

use super::{Fusion, Kind, Method, Site};
use crate::engine::autodiff::{Backward, gradients_by};
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::{ChannelSum, Elementwise, Instruction, ResizeBilinear, Stretch};
use crate::error::{Error, Result};
use crate::nets::models::{IMAGES, Model};

/// The feature maps called `names`; without a name those of the network's CAM layer.
pub(super) fn layers(model: &Model, names: &[String]) -> Result<Vec<Value>> {
    if names.is_empty() {
        return Ok(vec![model.heads.cam]);
    }
    let maps = maps(model);
    let find = |name: &String| {
        // A layer may be called otherwise than the last of its nodes: a model inside, or a dropout.
        let layer = model.layers.iter().find(|layer| layer.name == *name);
        let value = layer.map(|layer| layer.output).or_else(|| model.graph.find(name));
        let value = value.ok_or_else(|| unknown_layer(model, name))?;
        match maps.contains(&value) {
            true => Ok(value),
            false if layer.is_some() => Err(no_map(model, name, value)),
            false => Err(unknown_layer(model, name)),
        }
    };
    names.iter().map(find).collect()
}

/// The nodes that are maps of the pictures. A kernel in another shape has four axes, too, and is none.
fn maps(model: &Model) -> Vec<Value> {
    let graph = &model.graph;
    let mut of_pictures = vec![false; graph.nodes().len()];
    if let Some(images) = graph.find(IMAGES) {
        of_pictures[images.index()] = true;
    }
    let mut maps = Vec::new();
    for (value, node) in graph.nodes() {
        if node.inputs.iter().any(|input| of_pictures[input.index()]) {
            of_pictures[value.index()] = true;
            maps.extend((node.shape.rank() == 4).then_some(value));
        }
    }
    maps
}

/// A layer, but one of numbers without places, or of the pictures themselves.
fn no_map(model: &Model, name: &str, value: Value) -> Error {
    let node = model.graph.node(value);
    let dims: Vec<String> = node.shape.dims().iter().skip(1).map(usize::to_string).collect();
    let what = match node.operation() {
        None => "the pictures themselves".to_owned(),
        Some(_) => format!("({}), which is no map of rows and columns", dims.join(", ")),
    };
    Error::usage(format!("layer {name} gives {what}"), maps_there_are(model))
}

fn unknown_layer(model: &Model, name: &str) -> Error {
    let problem = format!("{} has no layer called {name}", model.network.name);
    Error::usage(problem, maps_there_are(model))
}

/// Layers that can be explained, in words.
fn maps_there_are(model: &Model) -> String {
    let maps = maps(model);
    // Those that have a name in the model's own file; parts of a layer have one here alone.
    let names: Vec<&str> = match model.network.described() {
        true => {
            let layers = model.layers.iter().filter(|layer| maps.contains(&layer.output));
            layers.map(|layer| layer.name.as_str()).collect()
        }
        false => maps.iter().map(|map| model.graph.node(*map).name.as_str()).collect(),
    };
    let last = names[names.len().saturating_sub(8)..].join(", ");
    let lists = match model.network.described() {
        true => "`parula explain` with the model's file".to_owned(),
        false => format!("`parula explain --model {}`", model.network.name),
    };
    format!("the last feature maps are {last}; {lists} lists all")
}

/// Adds the map (N, h, w, 1) of `method` before its ReLU; `layers` are those of `model` that it is of.
/// `class` (N, classes) is 1 at the class to explain. `None` for a method of samples.
pub(super) fn add(
    graph: &mut Graph,
    model: &Model,
    method: &Method,
    (layers, fusion): (&[Value], Fusion),
    class: Value,
    sign: f32,
) -> Result<Option<Value>> {
    let logits = model.heads.logits;
    let seed = match sign < 0.0 {
        true => scaled(graph, class, -1.0)?,
        false => class,
    };
    let images = model.graph.find(IMAGES);
    let (at, backward, map) = match method.kind {
        Kind::Sampled(_) => return Ok(None),
        Kind::Layer(map) => (layers.to_vec(), Backward::Exact, map),
        Kind::Input(backward, map) => (images.into_iter().collect(), backward, map),
    };
    let found = gradients_by(graph, logits, seed, &at, backward)?;
    let maps = at
        .into_iter()
        .zip(found)
        .map(|(activation, gradient)| {
            map(graph, &Site { activation, gradient, logits, seed, sign })
        })
        .collect::<Result<Vec<Value>>>()?;
    combine(graph, &maps, fusion).map(Some)
}

/// A method's map of one layer from tensors that are there already, and what it was made of.
#[derive(Clone, Copy, Debug)]
pub struct OfTensors {
    /// What the channels were weighted by, (N, C) or (N, h, w, C), where the method weights them.
    pub weights: Option<Value>,
    /// The map before its ReLU, (N, h, w, 1).
    pub sum: Value,
    /// The map as its method defines it, of the same shape.
    pub map: Value,
}

/// Adds the map of `method` from an `activation` and the `gradient` at it, (N, h, w, C) both; of a method of images
/// the two are of the images. `sign`: -1 where the gradient is that of minus the score. None for a method that needs
/// more than these: samples, or the weights of the network (`cam`).
///
/// # Errors
/// [`Error::Shape`] when the two differ in shape.
pub fn of_tensors(
    graph: &mut Graph,
    method: &Method,
    activation: Value,
    gradient: Value,
    sign: f32,
) -> Result<Option<OfTensors>> {
    let map = match method.kind {
        Kind::Sampled(_) => return Ok(None),
        Kind::Layer(_) if method.name == super::cam_of_head::METHOD.name => return Ok(None),
        Kind::Layer(map) | Kind::Input(_, map) => map,
    };
    // These look at the two tensors alone; the scores are the network's, which is not here.
    let site = Site { activation, gradient, logits: gradient, seed: gradient, sign };
    let sum = map(graph, &site)?;
    let weights = graph.node(sum).inputs.get(1).copied();
    finished(graph, method, weights, sum).map(Some)
}

/// The same of `cam`, whose `weights` (N, C) are the gradient at the pooled activation.
///
/// # Errors
/// [`Error::Shape`] when the two do not fit.
pub fn of_weights(graph: &mut Graph, activation: Value, weights: Value) -> Result<OfTensors> {
    let name = graph.unique("cam");
    let sum = graph.add(name, ChannelSum { factor: 1.0 }, &[activation, weights])?;
    finished(graph, &super::cam_of_head::METHOD, Some(weights), sum)
}

fn finished(
    graph: &mut Graph,
    method: &Method,
    weights: Option<Value>,
    sum: Value,
) -> Result<OfTensors> {
    let map = match method.relu {
        true => {
            let name = graph.unique("map");
            graph.add(name, Elementwise::relu(), &[sum])?
        }
        false => sum,
    };
    Ok(OfTensors { weights, sum, map })
}

/// Of several maps one: each cut off at 0, resized to the largest, divided by its maximum; then
/// combined. One map stays as it is.
fn combine(graph: &mut Graph, maps: &[Value], fusion: Fusion) -> Result<Value> {
    if let [map] = maps {
        return Ok(*map);
    }
    let sizes: Vec<[usize; 4]> = maps.iter().filter_map(|&map| graph.shape(map).nhwc()).collect();
    let largest = |axis: usize| sizes.iter().map(|size| size[axis]).max().unwrap_or(1);
    let resize = ResizeBilinear { height: largest(1), width: largest(2) };
    let mut whole: Option<Value> = None;
    for &map in maps {
        let mut part = add_unique(graph, "relu", Elementwise::relu(), &[map])?;
        part = add_unique(graph, "resized", resize, &[part])?;
        part = add_unique(graph, "stretched", Stretch { from_least: false }, &[part])?;
        if fusion == Fusion::Mean {
            part = scaled(graph, part, 1.0 / maps.len() as f32)?;
        }
        whole = Some(match (whole, fusion) {
            (None, _) => part,
            (Some(a), Fusion::Mean) => add_unique(graph, "mean", Elementwise::add(), &[a, part])?,
            (Some(a), Fusion::Product) => {
                add_unique(graph, "product", Elementwise::multiply(), &[a, part])?
            }
            // max(a, b) = max(0, b - a) + a.
            (Some(a), Fusion::Max) => {
                let minus = scaled(graph, a, -1.0)?;
                let over = add_unique(graph, "over", Elementwise::add(), &[part, minus])?;
                let over = add_unique(graph, "over", Elementwise::relu(), &[over])?;
                add_unique(graph, "largest", Elementwise::add(), &[over, a])?
            }
        });
    }
    whole.ok_or_else(|| Error::usage("no layer was given", "give one, or leave out --layer"))
}

fn add_unique(
    graph: &mut Graph,
    name: &str,
    operation: impl crate::engine::graph::Operation,
    inputs: &[Value],
) -> Result<Value> {
    let name = graph.unique(&format!("combined/{name}"));
    graph.add(name, operation, inputs)
}

fn scaled(graph: &mut Graph, value: Value, factor: f32) -> Result<Value> {
    let name = graph.unique(&format!("{}/scaled", graph.node(value).name));
    graph.add(name, Elementwise::one(Instruction::Scale(factor)), &[value])
}
