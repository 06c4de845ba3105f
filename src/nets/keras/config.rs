//! A model's configuration as Keras writes it, read into layers and calls. Nothing in it is run, and no
//! class that it names is imported.
//!
//! Keras 3 writes a call as `{"args": [...], "kwargs": {...}}`, in which a tensor is a `__keras_tensor__`
//! with its `keras_history`; Keras 2 as `[[layer, call, output, {...}], ...]`. Both become [`Call`].

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use crate::error::{Error, Result};

/// A network has hundreds of layers; what has more than this is no network.
const MOST_LAYERS: usize = 20_000;

/// The configuration of the largest applications has less than a megabyte; read, it takes some twenty times
/// as much.
const MOST_BYTES: usize = 8 << 20;

/// A model: layers, and how they call each other.
#[derive(Clone, Debug)]
pub(super) struct Net {
    /// Its layers, in Keras's order.
    pub layers: Vec<Entry>,
    /// What it is given.
    pub inputs: Vec<Source>,
    /// What it gives.
    pub outputs: Vec<Source>,
}

/// A layer of a model.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Its name, unique in its model.
    pub name: String,
    /// Its class, as `Conv2D`.
    pub class: String,
    /// The module of its class; none in Keras 2.
    pub module: String,
    /// The name that the class is registered by, with its package; empty where it is not.
    pub registered: String,
    /// Its fields.
    pub config: Map<String, Json>,
    /// How often it is called, and with what; an input is called once, with nothing.
    pub calls: Vec<Call>,
    /// The model that it is.
    pub inner: Option<Box<Net>>,
}

/// One call of a layer.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// What it is given, in order.
    pub arguments: Vec<Argument>,
    /// What it is given by name.
    pub named: Map<String, Json>,
}

/// What a layer is called with.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    /// The output of another call.
    Tensor(Source),
    /// A number.
    Number(f64),
    /// Numbers that stand in the configuration: a constant tensor.
    Numbers(Vec<f64>),
    /// What else Keras writes, such as the parts of an index: for the layer to understand.
    Other(Json),
}

/// One output of one call of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source {
    /// The layer, by its place in the model.
    pub layer: usize,
    /// Which of its calls.
    pub call: usize,
    /// Which of the outputs of that call.
    pub output: usize,
}

/// Reads the configuration `text` of the file `path`.
///
/// # Errors
/// [`Error::Content`] when it is none of a Functional or Sequential model, or contradicts itself.
pub(super) fn read(path: &Path, text: &str) -> Result<(Net, Map<String, Json>)> {
    if text.len() > MOST_BYTES {
        return Err(Error::content(
            path,
            format!("its configuration has {} bytes, more than a network's", text.len()),
            "save the model again",
        ));
    }
    let json: Json = serde_json::from_str(text).map_err(|error| {
        Error::content(
            path,
            format!("its configuration cannot be read ({error})"),
            "save the model again",
        )
    })?;
    let mut reader = Reader { path, layers: 0, keras2: super::keras2(text) };
    let whole = json.as_object().ok_or_else(|| reader.wrong("it is no object"))?;
    let class = text_of(whole, "class_name");
    if !is_model(class) {
        return Err(reader.refused(&format!(
            "the model is of the class {class}, which is neither Functional nor Sequential"
        )));
    }
    let config = config_of(whole);
    let net = reader.net(class, &config, 0)?;
    Ok((net, config))
}

/// Where a layer of a model stands, and how its calls are counted.
#[derive(Clone, Copy)]
struct Place {
    layer: usize,
    /// The number of its first call where another layer reads it.
    first: usize,
    /// The same where it is what the model gives.
    first_given: usize,
}

/// Where the layers of a model stand, by name.
type Places = HashMap<String, Place>;

/// Whether the model that a layer is begins with its input. Keras 2 has then called it once, when it was
/// made, and counts its calls in other models from 1 on.
fn has_input(layer: &Json) -> bool {
    let layers = layer.get("config").and_then(|config| config.get("layers").or(Some(config)));
    let first = layers.and_then(|layers| layers.get(0)).and_then(|first| first.get("class_name"));
    first.is_some_and(|class| class == "InputLayer")
}

/// Whether a layer of `class` is a model.
fn is_model(class: &str) -> bool {
    matches!(class, "Functional" | "Sequential" | "Model")
}

fn text_of<'a>(object: &'a Map<String, Json>, key: &str) -> &'a str {
    object.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// The field `config`; older versions of Keras give a Sequential model a list of layers.
fn config_of(object: &Map<String, Json>) -> Map<String, Json> {
    match object.get("config") {
        Some(Json::Object(config)) => config.clone(),
        Some(layers @ Json::Array(_)) => {
            [("layers".to_owned(), layers.clone())].into_iter().collect()
        }
        _ => Map::new(),
    }
}

struct Reader<'a> {
    path: &'a Path,
    layers: usize,
    /// Whether Keras 2 wrote it.
    keras2: bool,
}

impl Reader<'_> {
    fn wrong(&self, problem: &str) -> Error {
        Error::content(
            self.path,
            format!("its configuration cannot be used: {problem}"),
            "save the model again with Keras",
        )
    }

    fn refused(&self, problem: &str) -> Error {
        Error::content(
            self.path,
            problem,
            "give a model of Keras's own layers, made by keras.Model(inputs, outputs) or keras.Sequential",
        )
    }

    fn net(&mut self, class: &str, config: &Map<String, Json>, depth: usize) -> Result<Net> {
        let layers = config.get("layers").and_then(Json::as_array);
        let layers = layers.ok_or_else(|| self.wrong("a model has no list of layers"))?;
        self.layers += layers.len();
        if self.layers > MOST_LAYERS {
            let problem = format!("it has more than {MOST_LAYERS} layers");
            return Err(self.wrong(&problem));
        }
        let mut entries = Vec::with_capacity(layers.len());
        for layer in layers {
            let layer = layer.as_object().ok_or_else(|| self.wrong("a layer is no object"))?;
            entries.push(self.entry(layer, depth)?);
        }
        if class == "Sequential" {
            return Ok(sequential(entries));
        }
        let mut places = Places::new();
        for (place, (entry, layer)) in entries.iter().zip(layers).enumerate() {
            let first = usize::from(self.keras2 && entry.inner.is_some() && has_input(layer));
            // Among a model's outputs Keras 3, too, counts the calls of a Functional model from 1 on, and only there.
            let functional = entry.inner.is_some() && entry.class != "Sequential";
            let first_given = first.max(usize::from(functional));
            let place = Place { layer: place, first, first_given };
            if places.insert(entry.name.clone(), place).is_some() {
                return Err(self.wrong(&format!("two layers are called {}", entry.name)));
            }
        }
        for (place, layer) in layers.iter().enumerate() {
            let calls = layer.get("inbound_nodes").and_then(Json::as_array);
            let calls = calls.map(Vec::as_slice).unwrap_or_default();
            entries[place].calls = match calls {
                [] => vec![Call::default()],
                calls => {
                    calls.iter().map(|call| self.call(call, &places)).collect::<Result<_>>()?
                }
            };
        }
        let inputs = self.sources(config, "input_layers", &places)?;
        let outputs = self.sources(config, "output_layers", &places)?;
        let net = Net { layers: entries, inputs, outputs };
        self.check(&net)?;
        Ok(net)
    }

    fn entry(&mut self, layer: &Map<String, Json>, depth: usize) -> Result<Entry> {
        let class = text_of(layer, "class_name").to_owned();
        let config = config_of(layer);
        let named = [text_of(&config, "name"), text_of(layer, "name")];
        let name = named.into_iter().find(|name| !name.is_empty()).unwrap_or_default().to_owned();
        if class.is_empty() || name.is_empty() {
            return Err(self.wrong("a layer has no class or no name"));
        }
        // They go to terminals, where such characters move the cursor and more.
        if class.chars().chain(name.chars()).any(char::is_control) {
            return Err(self.wrong("the name of a layer or of its class has control characters"));
        }
        let inner = match is_model(&class) {
            true => Some(Box::new(self.net(&class, &config, depth + 1)?)),
            false => None,
        };
        let module = text_of(layer, "module").to_owned();
        let registered = text_of(layer, "registered_name").to_owned();
        Ok(Entry { name, class, module, registered, config, calls: vec![Call::default()], inner })
    }

    /// `input_layers` or `output_layers`: one place, or several.
    fn sources(
        &self,
        config: &Map<String, Json>,
        key: &str,
        places: &Places,
    ) -> Result<Vec<Source>> {
        let listed = config.get(key).unwrap_or(&Json::Null);
        let mut found = Vec::new();
        // Places stand in lists, and in objects where a model's inputs have names: then they count in the order of
        // the names, wherever they stand in the file.
        let mut open = vec![listed];
        while let Some(json) = open.pop() {
            match json {
                Json::Array(parts) if parts.first().is_some_and(Json::is_string) => {
                    found.push(self.source(parts, places, key == "output_layers")?);
                }
                Json::Array(parts) => open.extend(parts.iter().rev()),
                Json::Object(parts) => {
                    let mut named: Vec<_> = parts.iter().collect();
                    named.sort_unstable_by_key(|(name, _)| *name);
                    open.extend(named.into_iter().rev().map(|(_, part)| part));
                }
                _ => return Err(self.wrong(&format!("{key} is no list of layers"))),
            }
        }
        if found.is_empty() {
            return Err(self.wrong(&format!("{key} is empty")));
        }
        Ok(found)
    }

    /// `[layer, call, output]`, of what the model gives or of what one of its layers reads.
    fn source(&self, parts: &[Json], places: &Places, given: bool) -> Result<Source> {
        let name = parts.first().and_then(Json::as_str).unwrap_or_default();
        let number = |at: usize| {
            let number = parts.get(at).and_then(Json::as_u64);
            number.and_then(|number| usize::try_from(number).ok())
        };
        let place = places.get(name).map(|place| match given {
            true => (place.layer, place.first_given),
            false => (place.layer, place.first),
        });
        match (place, number(1), number(2)) {
            (Some((layer, first)), Some(call), Some(output)) if call >= first => {
                Ok(Source { layer, call: call - first, output })
            }
            (None, ..) => {
                Err(self.wrong(&format!("there is no layer {name}, which another reads")))
            }
            _ => Err(self.wrong(&format!("an output of {name} is not numbered"))),
        }
    }

    fn call(&self, call: &Json, places: &Places) -> Result<Call> {
        let mut read = Call::default();
        match call {
            Json::Object(call) => {
                if let Some(arguments) = call.get("args") {
                    self.arguments(arguments, places, &mut read.arguments)?;
                }
                let named = call.get("kwargs").and_then(Json::as_object).cloned();
                read.named = named.unwrap_or_default();
            }
            // Keras 2: places with what is named behind them; a single one may stand alone.
            Json::Array(parts) if parts.first().is_some_and(Json::is_string) => {
                self.old(parts, places, &mut read)?;
            }
            Json::Array(tensors) => {
                for tensor in tensors {
                    let parts = tensor.as_array();
                    let parts = parts.ok_or_else(|| self.wrong("a call is not understood"))?;
                    self.old(parts, places, &mut read)?;
                }
            }
            _ => return Err(self.wrong("a call is not understood")),
        }
        Ok(read)
    }

    fn old(&self, parts: &[Json], places: &Places, call: &mut Call) -> Result<()> {
        let constant = parts.first().and_then(Json::as_str) == Some("_CONSTANT_VALUE");
        call.arguments.push(match parts.get(2).and_then(Json::as_f64) {
            Some(number) if constant => Argument::Number(number),
            _ => Argument::Tensor(self.source(parts, places, false)?),
        });
        let Some(Json::Object(named)) = parts.get(3) else { return Ok(()) };
        for (key, value) in named {
            match value.as_array() {
                // The second operand of an operation, where it is a tensor.
                Some(parts) if key == "y" && parts.first().is_some_and(Json::is_string) => {
                    call.arguments.push(Argument::Tensor(self.source(parts, places, false)?));
                }
                // Or a number for each channel.
                Some(row) if key == "y" && row.len() <= MOST_NUMBERS => match row_of(value) {
                    Some(numbers) => call.arguments.push(Argument::Numbers(numbers)),
                    None => {
                        call.named.insert(key.clone(), value.clone());
                    }
                },
                _ => {
                    call.named.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    /// Tensors and numbers, in lists or alone.
    fn arguments(&self, json: &Json, places: &Places, found: &mut Vec<Argument>) -> Result<()> {
        let mut open = vec![json];
        while let Some(json) = open.pop() {
            match json {
                Json::Array(parts) => open.extend(parts.iter().rev()),
                Json::Number(number) => {
                    found.push(Argument::Number(number.as_f64().unwrap_or(f64::NAN)));
                }
                Json::Object(tensor) if text_of(tensor, "class_name") == "__keras_tensor__" => {
                    let history =
                        tensor.get("config").and_then(|config| config.get("keras_history"));
                    let history = history.and_then(Json::as_array);
                    let history = history.ok_or_else(|| self.wrong("a tensor has no history"))?;
                    found.push(Argument::Tensor(self.source(history, places, false)?));
                }
                Json::Object(tensor)
                    if matches!(text_of(tensor, "class_name"), "__tensor__" | "__numpy__") =>
                {
                    // Without what it holds, which may be much.
                    let other = || Argument::Other(json!({"class_name": OTHER_CONSTANT}));
                    found.push(constant(tensor).unwrap_or_else(other));
                }
                other => found.push(Argument::Other(other.clone())),
            }
        }
        Ok(())
    }

    /// Every call that is read is there. Outputs are counted when they are made.
    fn check(&self, net: &Net) -> Result<()> {
        let calls = net.layers.iter().flat_map(|layer| &layer.calls);
        let read = calls.flat_map(|call| &call.arguments).filter_map(|argument| match argument {
            Argument::Tensor(source) => Some(source),
            _ => None,
        });
        for source in read.chain(&net.inputs).chain(&net.outputs) {
            let layer = &net.layers[source.layer];
            if source.call >= layer.calls.len() {
                return Err(self.wrong(&format!(
                    "call {} of layer {} is read, which has {}",
                    source.call,
                    layer.name,
                    layer.calls.len()
                )));
            }
        }
        Ok(())
    }
}

/// Stands for a constant that is not understood, until the layer that is called with it is built.
pub(super) const OTHER_CONSTANT: &str = "__tensor__";

/// More numbers are weights, and belong elsewhere.
const MOST_NUMBERS: usize = 4096;

/// The numbers of `__tensor__` or `__numpy__`: one, or a row of them within lists of one, which are of the last
/// axis wherever they meet a tensor.
fn constant(tensor: &Map<String, Json>) -> Option<Argument> {
    let mut value = tensor.get("config")?.get("value")?;
    while let Some([inner @ Json::Array(_)]) = value.as_array().map(Vec::as_slice) {
        value = inner;
    }
    let Some(row) = value.as_array() else { return value.as_f64().map(Argument::Number) };
    if row.len() > MOST_NUMBERS {
        return None;
    }
    let numbers: Vec<f64> = row.iter().map(Json::as_f64).collect::<Option<_>>()?;
    Some(match numbers[..] {
        [number] => Argument::Number(number),
        _ => Argument::Numbers(numbers),
    })
}

/// A row of numbers.
pub(super) fn row_of(json: &Json) -> Option<Vec<f64>> {
    json.as_array()?.iter().map(Json::as_f64).collect()
}

/// Each layer reads the one before; without an input of its own the model has one before all.
fn sequential(mut layers: Vec<Entry>) -> Net {
    if layers.first().is_none_or(|first| first.class != "InputLayer") {
        // In Keras 2 the first layer says what shape it takes.
        let mut config = Map::new();
        let first = layers.first().map(|layer| &layer.config);
        for key in ["batch_input_shape", "batch_shape"] {
            if let Some(shape) = first.and_then(|config| config.get(key)) {
                config.insert(key.to_owned(), shape.clone());
            }
        }
        layers.insert(
            0,
            Entry {
                name: "input".to_owned(),
                class: "InputLayer".to_owned(),
                module: String::new(),
                registered: String::new(),
                config,
                calls: vec![Call::default()],
                inner: None,
            },
        );
    }
    let of = |layer| Source { layer, call: 0, output: 0 };
    for (place, layer) in layers.iter_mut().enumerate().skip(1) {
        let arguments = vec![Argument::Tensor(of(place - 1))];
        layer.calls = vec![Call { arguments, named: Map::new() }];
    }
    let last = layers.len() - 1;
    Net { layers, inputs: vec![of(0)], outputs: vec![of(last)] }
}
