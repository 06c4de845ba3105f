//! Networks as Keras describes them: a `.keras` file, or a whole `.h5`, holds the model's configuration
//! beside its weights, and the graph is built from that.
//!
//! ```text
//! config.json ──config──> layers and calls ──build──> Graph      (site, fields, layers/)
//! weights     ────────────────────────────weights──> variables
//! ```
//! A field of a layer that is not understood is an error, unless it says nothing of what the layer
//! computes: a model is computed as Keras computes it, or refused. Code in a file is never run, and no
//! class that it names is imported.

mod build;
mod config;
mod fields;
mod function;
mod layers;
mod pattern;
mod probabilities;
mod site;
mod tensorflow;
mod weights;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use crate::digest::digest;
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::Curve;
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor as Numbers;
use crate::error::{Error, Result};
use crate::nets::models::{
    BatchNorm, Build, Description, Heads, Layer, Layers, Mode, Network, Output, Preprocessing,
};
use crate::nets::weights::{Format, Raw, read, rewrite};
use build::Builder;
use config::{Argument, Entry, Net};
use function::Function;
use probabilities::are_probabilities;
use site::{Tensor, described};

pub use self::weights::weights;

/// A model that a file describes.
#[derive(Debug)]
struct Imported {
    path: PathBuf,
    net: Net,
    /// Whether Keras 2 wrote it.
    keras2: bool,
    /// Whether the whole model may be trained.
    trainable: bool,
    /// Patterns of the names of layers that are not trained, whatever the file says.
    frozen: Vec<String>,
    /// How its scores become probabilities.
    output: Output,
    /// Stands for the configuration.
    digest: String,
    /// Where the file has each variable; empty where it cannot be written back.
    places: BTreeMap<String, String>,
}

/// A model file that has been read: the network that it describes, and its weights.
#[derive(Debug)]
pub struct File {
    /// The network.
    pub network: &'static Network,
    /// The weights as the file has them.
    pub raw: Raw,
    /// The height and width that the file names; none where it leaves them open.
    pub made_for: Option<[usize; 2]>,
    /// Whether pixels are scaled inside the model, as its first layers say.
    pub scales: bool,
    /// Its layers that draw at random in Keras's training, and do nothing here.
    pub random: Vec<String>,
    /// Its layers that have regularisers or constraints in Keras's training, and none here.
    pub regularised: Vec<String>,
}

/// Whether `raw` says which network it is of.
pub fn describes(raw: &Raw) -> bool {
    // Our own files without a model of Keras's have something else there.
    raw.config.as_deref().is_some_and(|text| text.contains("\"class_name\""))
}

/// The network that `raw` describes, for images of (height, width) `size` or of the file's own.
///
/// # Errors
/// [`Error::Content`] for a configuration that is damaged, contradicts itself or asks for what is not
/// here, with the layer, its class and the field; [`Error::Usage`] where a size is needed.
pub fn open(raw: Raw, size: Option<[usize; 2]>) -> Result<File> {
    open_frozen(raw, size, &[])
}

/// The same, with weights that are not trained: those of layers whose name fits one of the patterns `frozen`, in
/// which `*` stands for anything, and of all layers of a model whose name does.
///
/// # Errors
/// Those of [`open`]; [`Error::Usage`] when no layer fits a pattern.
pub fn open_frozen(raw: Raw, size: Option<[usize; 2]>, frozen: &[String]) -> Result<File> {
    let text = raw.config.as_deref().ok_or_else(|| no_configuration(&raw.path))?;
    let described = Described::read(&raw.path, text, size)?;
    let Described { mut imported, input, channels, made_for, scales, name } = described;
    imported.frozen = frozen.to_vec();
    let built = imported.try_out(input, channels);
    let Built { classes, cam_layer, output, layers } =
        built.map_err(|error| of_another_size(error, &raw.path, made_for, input))?;
    let idle = frozen
        .iter()
        .find(|pattern| !layers.iter().any(|layer| pattern::fits(pattern, &layer.name)));
    if let Some(pattern) = idle {
        return Err(Error::usage(
            format!("{} has no layer called {pattern}", raw.path.display()),
            "`parula explain` with the model's file lists them; * stands for anything",
        ));
    }
    let places = match raw.format {
        Format::KerasArchive => weights::places(&raw, &imported.net, &layers)?,
        _ => BTreeMap::new(),
    };
    let draws = |layer: &&Layer| layers::draws(layer.class);
    let mut regularised = Vec::new();
    list_regularised(&imported.net, "", &mut regularised);
    let random = layers.iter().filter(draws).map(|layer| layer.name.clone()).collect();
    let imported = Imported { output, places, ..imported };
    let network = Network {
        name: Box::leak(name.into_boxed_str()),
        input,
        channels,
        classes,
        batch_norm: USUAL,
        preprocessing: Preprocessing::None,
        cam_layer: Box::leak(cam_layer.into_boxed_str()),
        build: Build::Described(Box::leak(Box::new(imported))),
    };
    // One network a file, for as long as the program runs, like those that stand in `models`.
    Ok(File { network: Box::leak(Box::new(network)), raw, made_for, scales, random, regularised })
}

/// Adds the names of the layers of `net`, which stands in the model `owner`, that have regularisers or constraints.
fn list_regularised(net: &Net, owner: &str, found: &mut Vec<String>) {
    for layer in &net.layers {
        let name = build::layer_name(owner, &layer.name, 0);
        if let Some(inner) = &layer.inner {
            list_regularised(inner, &name, found);
            continue;
        }
        let told = |(field, value): (&String, &Json)| {
            let ends = ["_regularizer", "_constraint"].iter().any(|ending| field.ends_with(ending));
            ends && !value.is_null()
        };
        if layer.class == "ActivityRegularization" || layer.config.iter().any(told) {
            found.push(name);
        }
    }
}

/// What is wrong with a model at a `size` that is not the one it was `made_for`: most likely that.
fn of_another_size(
    error: Error,
    path: &Path,
    made_for: Option<[usize; 2]>,
    size: [usize; 2],
) -> Error {
    match (made_for, error) {
        (Some(own), Error::Content { problem, .. }) if own != size => {
            let [[h, w], [height, width]] = [own, size];
            let problem = format!("it was made for {h}x{w}, and at {height}x{width} {problem}");
            Error::content(path, problem, "leave out --size")
        }
        (_, error) => error,
    }
}

/// Whether the configuration `text` is one that [`open`] makes a network of. It keeps nothing.
///
/// # Errors
/// Those of [`open`].
pub fn check(path: &Path, text: &str, size: Option<[usize; 2]>) -> Result<()> {
    let described = Described::read(path, text, size)?;
    described.imported.try_out(described.input, described.channels).map(|_| ())
}

/// A name that messages show is not longer.
const LONGEST_NAME: usize = 80;

/// What Keras takes where a layer says nothing else.
const USUAL: BatchNorm = BatchNorm { epsilon: 1e-3, momentum: 0.99 };

/// What a configuration says of a model.
struct Described {
    imported: Imported,
    input: [usize; 2],
    channels: usize,
    made_for: Option<[usize; 2]>,
    scales: bool,
    name: String,
}

/// What is known of a model once it was built.
struct Built {
    classes: usize,
    cam_layer: String,
    output: Output,
    layers: Vec<Layer>,
}

impl Described {
    fn read(path: &Path, text: &str, size: Option<[usize; 2]>) -> Result<Self> {
        let (mut net, config) = config::read(path, text)?;
        if keras2(text) {
            tensorflow::translate(&mut net);
        }
        let refused = |problem: String, hint: &str| Error::content(path, problem, hint);
        for (what, count) in [("inputs", net.inputs.len()), ("outputs", net.outputs.len())] {
            if count != 1 {
                return Err(refused(
                    format!("the model has {count} {what}"),
                    "give a model of one picture and one row of scores",
                ));
            }
        }
        let input = input_shape(&net, &config).ok_or_else(|| match other_input(&net) {
            Some(shape) => refused(
                format!("its input is {shape}, and no picture"),
                "give a model of pictures (height, width, channels)",
            ),
            None => refused("its input has no shape".to_owned(), "save it with keras.Input"),
        })?;
        let [height, width, channels] = input;
        let Some(channels) = channels else {
            return Err(refused("its input has no number of channels".to_owned(), "give it one"));
        };
        let made_for = height.zip(width).map(|(height, width)| [height, width]);
        let size = size.or(made_for).ok_or_else(|| {
            Error::usage(
                format!("{} takes images of any size", path.display()),
                "give --size, for example --size 224x224",
            )
        })?;
        if size.iter().chain([&channels]).any(|&side| side == 0 || side > 1 << 14) {
            return Err(refused(
                format!("its images would be of {}x{}x{channels}", size[0], size[1]),
                "give another --size",
            ));
        }
        let scales = scales(&net);
        let trainable = config.get("trainable").and_then(Json::as_bool).unwrap_or(true);
        let name = config.get("name").and_then(Json::as_str).unwrap_or("model");
        let name = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        let imported = Imported {
            path: path.to_owned(),
            net,
            keras2: keras2(text),
            trainable,
            frozen: Vec::new(),
            output: Output::Usual,
            digest: digest([text]),
            places: BTreeMap::new(),
        };
        Ok(Described { imported, input: size, channels, made_for, scales, name })
    }
}

fn no_configuration(path: &Path) -> Error {
    Error::content(
        path,
        "it holds weights, and does not say of which model",
        "give --model NAME --weights FILE, or save the whole model with model.save(\"x.keras\")",
    )
}

/// Height, width and channels of the only input.
fn input_shape(net: &Net, config: &Map<String, Json>) -> Option<[Option<usize>; 3]> {
    let mut net = net;
    let mut found = Vec::new();
    // The first layer of a Sequential model may be a model, whose input it is.
    loop {
        let layer = &net.layers[net.inputs.first()?.layer];
        found.extend(["batch_shape", "batch_input_shape"].map(|key| layer.config.get(key)));
        let next = net.layers.get(1).and_then(|layer| layer.inner.as_deref());
        match next {
            Some(inner) => net = inner,
            None => break,
        }
    }
    found.push(config.get("build_input_shape"));
    let size = |value: &Json| value.as_u64().and_then(|size| usize::try_from(size).ok());
    found.into_iter().flatten().find_map(|shape| match shape.as_array()?.as_slice() {
        [_, height, width, channels] => Some([size(height), size(width), size(channels)]),
        _ => None,
    })
}

/// The shape of an input that is none of pictures, without the images in a batch.
fn other_input(net: &Net) -> Option<String> {
    let config = &net.layers[net.inputs.first()?.layer].config;
    let shape = ["batch_shape", "batch_input_shape"].iter().find_map(|key| config.get(*key))?;
    let sides = shape.as_array()?.get(1..)?;
    let side = |side: &Json| side.as_u64().map_or("None".to_owned(), |side| side.to_string());
    let sides: Vec<String> = sides.iter().take(8).map(side).collect();
    Some(format!("({})", sides.join(", ")))
}

/// Keras 2 says the shape of an input otherwise.
fn keras2(text: &str) -> bool {
    text.contains("\"batch_input_shape\"")
}

/// Whether what reads the input, before any layer with weights, scales it; that may be in a model inside.
fn scales(net: &Net) -> bool {
    scaled_first(net).unwrap_or(false)
}

/// Whether pixels are scaled before a layer with weights reads them; none where there is neither.
fn scaled_first(net: &Net) -> Option<bool> {
    net.layers.iter().find_map(|layer| match layer.class.as_str() {
        "Rescaling" | "Normalization" | "TrueDivide" | "TFOpLambda" => Some(true),
        "Add" | "Subtract" | "Multiply" if takes_numbers(layer) => Some(true),
        "Conv2D" | "Dense" | "DepthwiseConv2D" | "SeparableConv2D" => Some(false),
        _ => layer.inner.as_deref().and_then(scaled_first),
    })
}

/// Whether the layer is arithmetic with numbers that stand in the file.
fn takes_numbers(layer: &Entry) -> bool {
    layer.calls.iter().any(|call| {
        let number =
            |argument: &Argument| matches!(argument, Argument::Number(_) | Argument::Numbers(_));
        call.arguments.iter().any(number) || call.named.values().any(Json::is_number)
    })
}

impl Imported {
    /// Builds the model once, for images of `size` and `channels`, to learn what it gives.
    fn try_out(&self, size: [usize; 2], channels: usize) -> Result<Built> {
        let shape = [1, size[0], size[1], channels];
        let (mut layers, images) = Layers::new(Mode::Inference, USUAL, shape)?;
        let (heads, output) = self.heads(&mut layers, images)?;
        let classes = layers.graph.shape(heads.logits).channels();
        let cam_layer = name_of(&layers, heads.cam);
        Ok(Built { classes, cam_layer, output, layers: layers.layers })
    }

    /// Adds the whole model, and finds its scores and the layer to explain.
    fn heads(&self, layers: &mut Layers, images: Value) -> Result<(Heads, Output)> {
        // The builder names the input as the file does.
        layers.layers.clear();
        let outputs = Builder { imported: self, layers }.whole(images)?;
        let refused = |problem: String, hint: &str| Error::content(&self.path, problem, hint);
        let [output] = &outputs[..] else {
            return Err(refused("the model gives nothing".to_owned(), "give a classifier"));
        };
        let (logits, output) = match output {
            Tensor::Plain(value) if are_probabilities(&layers.graph, *value) => {
                (*value, Output::Given)
            }
            Tensor::Plain(value) | Tensor::Whole(value) => (*value, Output::Usual),
            Tensor::Scores { before, function: Function::Curve(Curve::Sigmoid), .. } => {
                (*before, Output::Sigmoid)
            }
            Tensor::Scores { before, .. } => (*before, Output::Softmax),
        };
        let shape = layers.graph.shape(logits).clone();
        if shape.rank() != 2 || layers.graph.node(logits).operation().is_none() {
            return Err(refused(
                format!("the model gives {}, and no row of class scores", described(&shape)),
                "give a classifier, whose last layer has a unit for each class",
            ));
        }
        let cam = explained(layers, logits).ok_or_else(|| {
            refused(
                "no layer of it gives feature maps that its scores depend on".to_owned(),
                "give a network of convolutions",
            )
        })?;
        Ok((Heads { cam, logits }, output))
    }
}

impl Description for Imported {
    fn build(&self, layers: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
        let (heads, _) = self.heads(layers, images)?;
        let own = layers.graph.shape(heads.logits).channels();
        if own != classes {
            return Err(Error::usage(
                format!("{} has a head of {own} units, not of {classes}", self.path.display()),
                "leave out --classes",
            ));
        }
        Ok(heads)
    }

    fn output(&self) -> Output {
        self.output
    }

    fn identity(&self) -> String {
        let parts = self.frozen.iter().map(String::as_str);
        digest(std::iter::once(self.digest.as_str()).chain(parts))
    }

    fn rewritten(&self, numbers: &BTreeMap<String, Numbers>) -> Result<Vec<u8>> {
        let bytes = read(&self.path)?;
        let raw = Raw::decode(&self.path, bytes.clone())?;
        if digest(raw.config.as_deref()) != self.digest || self.places.is_empty() {
            return Err(Error::content(
                &self.path,
                "it is not the .keras file any more whose model was trained",
                "leave it as it is until the training is done",
            ));
        }
        let numbers = numbers.iter().filter_map(|(name, tensor)| {
            let place = self.places.get(name)?;
            Some((place.clone(), tensor))
        });
        rewrite(&self.path, &bytes, &numbers.collect())
    }
}

/// The last feature maps that the scores depend on; those of one pixel only where there are no others.
fn explained(layers: &Layers, logits: Value) -> Option<Value> {
    let needed = needed(&layers.graph, logits);
    let maps = |least: usize| {
        let outputs = layers.layers.iter().map(|layer| layer.output);
        let fits = |shape: &Shape| shape.nhwc().is_some_and(|[_, h, w, _]| h * w >= least);
        let wanted = |value: &Value| {
            let node = layers.graph.node(*value);
            needed[value.index()] && node.operation().is_some() && fits(&node.shape)
        };
        outputs.filter(wanted).max_by_key(|value| value.index())
    };
    maps(2).or_else(|| maps(1))
}

/// For each node whether `value` depends on it.
fn needed(graph: &Graph, value: Value) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    needed[value.index()] = true;
    for (at, node) in graph.nodes().rev() {
        if needed[at.index()] {
            node.inputs.iter().for_each(|input| needed[input.index()] = true);
        }
    }
    needed
}

/// What the layer whose output is `value` is called.
fn name_of(layers: &Layers, value: Value) -> String {
    let named = layers.layers.iter().find(|layer| layer.output == value);
    named.map_or_else(|| layers.graph.node(value).name.clone(), |layer| layer.name.clone())
}
