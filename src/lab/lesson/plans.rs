//! The plans of a lesson: one that keeps every layer and the gradient at it, and small ones for what is made of them.
//!
//! | plan | reads | gives |
//! |---|---|---|
//! | `explain` | `images`, `class` | every layer by its name, `gradient/LAYER`, `logits`, `pooled` |
//! | `guided` | `images`, `class` | `gradient/images` by guided backpropagation |
//! | `METHOD/HxWxC` | `activation`, `gradient` (of `cam`: `weights`) | `weights`, `sum`, `map` |
//! | `levels/HxW` | `map`, `regions` | `resized`, `levels` |
//! | `dice` | `levels`, `mask`, `regions` | `dice` |

use std::collections::BTreeSet;

use serde::Serialize;

use super::describe::{self, Layer};
use super::export::Document;
use crate::engine::autodiff::{Backward, gradients, gradients_by};
use crate::engine::graph::{Graph, Value, downcast};
use crate::engine::ops::{
    Dense, DiceThresholds, Elementwise, GlobalAveragePool, HeatmapToGray, ResizeToRegions, TopClass,
};
use crate::engine::plan::{self, Options, Plan};
use crate::engine::session::Store;
use crate::error::{Error, Result};
use crate::nets::cam::{METHODS, Method, OfTensors, of_tensors, of_weights};
use crate::nets::models::{CLASS, IMAGES, Model};

/// Pixels of a picture that the page makes grey levels and Dice of on the GPU; larger ones are left to the processor.
pub const PIXELS: usize = 1 << 18;

/// The most bytes of layers and gradients that a plan keeps: a tab has no more to spare.
const MOST_KEPT: u64 = 256 << 20;

/// The most bytes of weights in a page, which holds them as text.
const MOST_WEIGHTS: u64 = 64 << 20;

/// A method that the page offers.
#[derive(Clone, Debug, Serialize)]
pub struct Offered {
    name: &'static str,
    about: &'static str,
    /// `channels`: one weight a channel; `positions`: one a number; `activation`: without a gradient; `input`: of the
    /// image itself.
    family: &'static str,
    /// The layers that it explains; none for every one that is explainable.
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<String>>,
}

/// A network taken apart.
pub struct Network {
    /// Its layers.
    pub layers: Vec<Layer>,
    /// The methods that need no sampling.
    pub methods: Vec<Offered>,
    /// The layer that is explained by default.
    pub cam: String,
    /// The layer of the scores.
    pub logits: String,
}

/// Adds all plans of a lesson on `model`, built for inference and one image, to `document`, with the numbers in
/// `store` as the variables `network`.
///
/// # Errors
/// [`Error::TooLarge`] for a network that is more than a page can hold, or that needs more than WebGPU's default
/// limits; those of planning and of reading the numbers.
pub fn add(document: &mut Document, model: &Model, store: &Store) -> Result<Network> {
    expect_small(model)?;
    document.add_variables("network", &model.graph, Some(store))?;
    let mut layers = describe::layers(model);
    keep(&mut layers);
    let pooled = pooled(model);
    explain(document, model, &layers, pooled)?;
    let mut methods = Vec::new();
    let name_of = |value: Value| {
        let found = layers.iter().find(|layer| layer.value == value);
        found.map_or_else(String::new, |layer| layer.name.clone())
    };
    let cam = name_of(model.heads.cam);
    for method in METHODS.iter().filter(|method| !method.samples()) {
        let Some((backward, of_image)) = method.gradient() else { continue };
        let at_cam = method.name == "cam";
        if at_cam && pooled.is_none() {
            continue;
        }
        if of_image && backward == Backward::Guided {
            match guided(document, model) {
                // A network without a ReLU has no guided gradient, and its page no such method.
                Err(Error::Usage { .. }) => continue,
                done => done?,
            }
        }
        let takes = |layer: &&Layer| match of_image {
            true => layer.name == IMAGES || layer.value == images(model),
            false => layer.explainable && (!at_cam || layer.value == model.heads.cam),
        };
        let shapes: BTreeSet<&Vec<usize>> =
            layers.iter().filter(takes).map(|layer| &layer.shape).collect();
        for shape in shapes {
            of_shape(document, method, shape)?;
        }
        methods.push(Offered {
            name: method.name,
            about: method.about,
            family: family(method),
            layers: at_cam.then(|| vec![cam.clone()]),
        });
    }
    let mut sizes: BTreeSet<[usize; 2]> = layers
        .iter()
        .filter(|layer| layer.explainable)
        .map(|layer| [layer.shape[0], layer.shape[1]])
        .collect();
    sizes.insert(model.size);
    for size in sizes {
        levels(document, size)?;
    }
    dice(document)?;
    Ok(Network { cam, logits: name_of(model.heads.logits), methods, layers })
}

fn family(method: &Method) -> &'static str {
    match method.name {
        _ if method.gradient().is_some_and(|(_, of_image)| of_image) => "input",
        "hirescam" | "layercam" => "positions",
        "eigencam" | "activation" => "activation",
        _ => "channels",
    }
}

fn images(model: &Model) -> Value {
    model.graph.find(IMAGES).unwrap_or(model.heads.logits)
}

fn expect_small(model: &Model) -> Result<()> {
    let needs = 4 * model.parameters() as u64;
    match needs > MOST_WEIGHTS {
        false => Ok(()),
        true => Err(Error::TooLarge {
            tensor: format!("{} with its weights", model.network.name),
            what: "in one page",
            needs,
            allows: MOST_WEIGHTS,
            hint: "take a smaller network, such as mobilenet-v2".to_owned(),
        }),
    }
}

/// Leaves out layers until what is kept fits: first those that only prepare others, then the first ones.
fn keep(layers: &mut [Layer]) {
    let bytes = |layer: &Layer| 8 * layer.shape.iter().product::<usize>() as u64;
    let mut all: u64 = layers.iter().map(bytes).sum();
    let minor = ["BatchNormalization", "ZeroPadding2D", "SeparableConv2D", "Conv2D"];
    let first = |layer: &&mut Layer| minor.contains(&layer.operation.as_str());
    for only_minor in [true, false] {
        for layer in layers.iter_mut().skip(1).filter(|layer| layer.explainable) {
            if all > MOST_KEPT && (!only_minor || first(&&mut *layer)) {
                all -= bytes(layer);
                (layer.kept, layer.explainable) = (false, false);
            }
        }
    }
}

/// The mean that the head reads, where the head is a mean and a dense layer.
fn pooled(model: &Model) -> Option<Value> {
    let graph = &model.graph;
    let logits = graph.node(model.heads.logits);
    let dense = logits.operation().and_then(|one| downcast::<Dense>(&**one));
    let pooled = dense.and(logits.inputs.first().copied())?;
    let node = graph.node(pooled);
    let mean = node.operation().and_then(|one| downcast::<GlobalAveragePool>(&**one));
    mean.filter(|_| node.inputs.first() == Some(&model.heads.cam)).map(|_| pooled)
}

/// Unfused, so that every layer is a step of its own and can be read.
fn planned(graph: &Graph, outputs: &[Value]) -> Result<Plan> {
    let options = Options { fuse: false, rungs: Some(Document::rungs()), ..Options::default() };
    plan::build(graph, outputs, &[], &Document::capabilities(), &options)
}

fn explain(
    document: &mut Document,
    model: &Model,
    layers: &[Layer],
    pooled: Option<Value>,
) -> Result<()> {
    let mut graph = model.graph.clone();
    let logits = model.heads.logits;
    let class = graph.input(CLASS, [model.batch, model.classes])?;
    let seed = graph.add("top_class", TopClass, &[logits, class])?;
    let is_input = |layer: &Layer| layer.value == images(model);
    let mut wanted: Vec<(String, Value)> = layers
        .iter()
        .filter(|layer| layer.explainable || is_input(layer))
        .map(|layer| (format!("gradient/{}", layer.name), layer.value))
        .collect();
    wanted.extend(pooled.map(|pooled| ("gradient/pooled".to_owned(), pooled)));
    let at: Vec<Value> = wanted.iter().map(|(_, value)| *value).collect();
    let found = gradients(&mut graph, logits, seed, &at)?;
    let kept = layers.iter().filter(|layer| layer.kept && !is_input(layer));
    let mut outputs: Vec<(String, Value)> =
        kept.map(|layer| (layer.name.clone(), layer.value)).collect();
    outputs.push(("logits".to_owned(), logits));
    outputs.push(("seed".to_owned(), seed));
    let gradients = wanted.into_iter().map(|(name, _)| name).zip(found);
    outputs.extend(gradients);
    add_plan(document, "explain", &graph, &outputs, Some("network"))
}

fn guided(document: &mut Document, model: &Model) -> Result<()> {
    let mut graph = model.graph.clone();
    let logits = model.heads.logits;
    let class = graph.input(CLASS, [model.batch, model.classes])?;
    let seed = graph.add("top_class", TopClass, &[logits, class])?;
    let at = [images(model)];
    let gradient = gradients_by(&mut graph, logits, seed, &at, Backward::Guided)?[0];
    let outputs = [("logits".to_owned(), logits), ("gradient/images".to_owned(), gradient)];
    add_plan(document, "guided", &graph, &outputs, Some("network"))
}

/// The map of `method` from tensors of (h, w, c) `shape`. Of methods that know no gradient sign -1 turns the map, which is
/// left to the reader.
fn of_shape(document: &mut Document, method: &'static Method, shape: &[usize]) -> Result<()> {
    let [h, w, c] = shape[..] else { return Ok(()) };
    let mut graph = Graph::new();
    let activation = graph.input("activation", [1, h, w, c])?;
    let map = match method.name {
        "cam" => {
            let weights = graph.input("weights", [1, c])?;
            Some(of_weights(&mut graph, activation, weights)?)
        }
        _ => {
            let gradient = graph.input("gradient", [1, h, w, c])?;
            of_tensors(&mut graph, method, activation, gradient, 1.0)?
        }
    };
    let Some(OfTensors { weights, sum, map }) = map else { return Ok(()) };
    let mut outputs = vec![("sum".to_owned(), sum), ("map".to_owned(), map)];
    // What the host wrote, or a number for each position, is no weight of a channel.
    let one_a_channel = |value: &Value| graph.shape(*value).rank() == 2;
    outputs.extend(weights.filter(one_a_channel).map(|value| ("weights".to_owned(), value)));
    add_plan(document, &format!("{}/{h}x{w}x{c}", method.name), &graph, &outputs, None)
}

/// Grey levels of a map, as [`crate::nets::cam`] makes them by default: negative values to 0, resized, over the maximum.
fn levels(document: &mut Document, [h, w]: [usize; 2]) -> Result<()> {
    let mut graph = Graph::new();
    let map = graph.input("map", [1, h, w, 1])?;
    let regions = graph.input("regions", [1, 3])?;
    let relu = graph.add("relu", Elementwise::relu(), &[map])?;
    let resized = graph.add("resized", ResizeToRegions { capacity: PIXELS }, &[relu, regions])?;
    let levels = graph.add("levels", HeatmapToGray, &[resized, regions])?;
    let outputs = [("resized".to_owned(), resized), ("levels".to_owned(), levels)];
    add_plan(document, &format!("levels/{h}x{w}"), &graph, &outputs, None)
}

fn dice(document: &mut Document) -> Result<()> {
    let mut graph = Graph::new();
    let levels = graph.input("levels", [PIXELS])?;
    let mask = graph.input("mask", [PIXELS])?;
    let regions = graph.input("regions", [1, 3])?;
    let dice = graph.add("dice", DiceThresholds, &[levels, mask, regions])?;
    add_plan(document, "dice", &graph, &[("dice".to_owned(), dice)], None)
}

fn add_plan(
    document: &mut Document,
    name: &str,
    graph: &Graph,
    outputs: &[(String, Value)],
    variables: Option<&str>,
) -> Result<()> {
    let values: Vec<Value> = outputs.iter().map(|(_, value)| *value).collect();
    let plan = planned(graph, &values)?;
    let named = |(name, value): &(String, Value)| (name.clone(), graph.node(*value).name.clone());
    let names: Vec<(String, String)> = outputs.iter().map(named).collect();
    document.add_plan(name, graph, &plan, variables, &names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::models::{self, Mode};

    fn model(name: &str) -> Model {
        let network = models::find(name).unwrap();
        network.build(Mode::Inference, 1, network.input, network.classes).unwrap()
    }

    #[test]
    fn a_network_too_large_for_a_page_is_refused_with_its_size() {
        let text = expect_small(&model("xception")).unwrap_err().to_string();
        assert!(text.contains("xception") && text.contains("92 MB in one page"), "{text}");
        expect_small(&model("mobilenet-v2")).unwrap();
    }

    #[test]
    fn layers_are_left_out_until_the_rest_fits() {
        for (name, all) in [("compact-xception", true), ("densenet121", false)] {
            let mut layers = describe::layers(&model(name));
            keep(&mut layers);
            let kept: usize = layers
                .iter()
                .filter(|layer| layer.kept)
                .map(|l| l.shape.iter().product::<usize>())
                .sum();
            assert!(8 * kept as u64 <= MOST_KEPT, "{name}");
            assert_eq!(layers.iter().all(|layer| layer.kept), all, "{name}");
            let cam = layers.iter().rfind(|layer| layer.shape.len() == 3).unwrap();
            assert!(cam.kept && cam.explainable, "{name}: {}", cam.name);
        }
    }

    #[test]
    fn every_method_without_sampling_has_a_family() {
        let families: Vec<(&str, &str)> = METHODS
            .iter()
            .filter(|method| !method.samples())
            .map(|method| (method.name, family(method)))
            .collect();
        assert_eq!(families.len(), 11);
        let of = |name: &str| families.iter().find(|(own, _)| *own == name).unwrap().1;
        assert_eq!((of("gradcam"), of("layercam")), ("channels", "positions"));
        assert_eq!((of("eigencam"), of("saliency")), ("activation", "input"));
    }
}
