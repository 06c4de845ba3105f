//! From a configuration to a graph: every call of every layer, in an order in which what it reads is
//! there.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde_json::Value as Json;

use super::Imported;
use super::config::{Argument, Call, Entry, Net, OTHER_CONSTANT, Source};
use super::fields::Fields;
use super::layers::{self, Make};
use super::pattern;
use super::site::{Site, Tensor};
use crate::engine::graph::Value;
use crate::error::{Error, Result};
use crate::nets::models::{CLASS, IMAGES, Layers, STEP};

/// Calls of shared models multiply; a graph of more nodes, or calls that add none, is of no use to anybody.
const MOST_NODES: usize = 200_000;

/// What nodes of this program are called, and layers of a user must not be.
const TAKEN: [&str; 6] = [IMAGES, CLASS, STEP, "top_class", "map", "one"];

/// A model under construction.
pub(super) struct Builder<'a> {
    pub imported: &'a Imported,
    pub layers: &'a mut Layers,
}

/// Where in the model of models a layer stands.
#[derive(Clone, Copy)]
struct Scope<'a> {
    /// Before the names of its outputs.
    names: &'a str,
    /// Before the names of its variables.
    owners: &'a str,
    /// Whether all models around it may be trained.
    trainable: bool,
    /// Whether all models around it are called for the first time.
    first: bool,
}

impl Builder<'_> {
    /// Adds the model behind `images`, and returns what it gives.
    pub fn whole(&mut self, images: Value) -> Result<Vec<Tensor>> {
        let imported = self.imported;
        let scope = Scope { names: "", owners: "", trainable: imported.trainable, first: true };
        self.net(&imported.net, scope, &[Tensor::Whole(images)])
    }

    fn net(&mut self, net: &Net, scope: Scope, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let mut made: HashMap<(usize, usize), Vec<Tensor>> = HashMap::new();
        let mut waiting: HashMap<(usize, usize), usize> = HashMap::new();
        let mut readers: HashMap<(usize, usize), Vec<(usize, usize)>> = HashMap::new();
        let mut ready = BinaryHeap::new();
        for (layer, entry) in net.layers.iter().enumerate() {
            for (index, call) in entry.calls.iter().enumerate() {
                let mut count = 0;
                for source in sources(call) {
                    readers.entry((source.layer, source.call)).or_default().push((layer, index));
                    count += 1;
                }
                match count {
                    0 => ready.push(Reverse((layer, index))),
                    count => {
                        waiting.insert((layer, index), count);
                    }
                }
            }
        }
        while let Some(Reverse((layer, index))) = ready.pop() {
            let entry = &net.layers[layer];
            let given = net.inputs.iter().position(|source| source.layer == layer);
            let outputs = match given {
                Some(place) => {
                    let input = inputs.get(place).ok_or_else(|| {
                        self.wrong(format!("a model is called with {} tensors", inputs.len()))
                    })?;
                    let input = self.declared(entry, scope, input)?;
                    self.record(entry, scope, 0, &[], &input, Vec::new());
                    vec![input]
                }
                None => self.call(net, entry, index, scope, &made)?,
            };
            made.insert((layer, index), outputs);
            if self.layers.graph.nodes().len().max(self.layers.layers.len()) > MOST_NODES {
                return Err(self.wrong(format!("its graph has more than {MOST_NODES} nodes")));
            }
            for reader in readers.remove(&(layer, index)).unwrap_or_default() {
                if let Some(count) = waiting.get_mut(&reader) {
                    *count -= 1;
                    if *count == 0 {
                        waiting.remove(&reader);
                        ready.push(Reverse(reader));
                    }
                }
            }
        }
        if let Some((layer, _)) = waiting.keys().min() {
            let name = &net.layers[*layer].name;
            return Err(
                self.wrong(format!("layer {name} waits for its own output: there is a cycle"))
            );
        }
        net.outputs.iter().map(|source| self.output(net, &made, *source)).collect()
    }

    /// What an input of a model makes of what it is given: numbers of the kind that it asks for.
    fn declared(&self, entry: &Entry, scope: Scope, given: &Tensor) -> Result<Tensor> {
        const WHOLE: [&str; 6] = ["uint8", "uint16", "uint32", "int16", "int32", "int64"];
        const FLOATS: [&str; 4] = ["float16", "bfloat16", "float32", "float64"];
        let kind = entry.config.get("dtype").and_then(|kind| {
            let policy = kind.get("config").and_then(|config| config.get("name"));
            policy.unwrap_or(kind).as_str()
        });
        let kind = kind.unwrap_or("float32");
        match given {
            Tensor::Whole(value) if FLOATS.contains(&kind) || kind.starts_with("mixed") => {
                Ok(Tensor::Plain(*value))
            }
            Tensor::Whole(_) if WHOLE.contains(&kind) => Ok(given.clone()),
            _ if FLOATS.contains(&kind) || kind.starts_with("mixed") => Ok(given.clone()),
            _ => {
                let name = layer_name(scope.names, &entry.name, 0);
                let fields = Fields::new(&self.imported.path, &name, &entry.class, &entry.config);
                let problem = format!("it makes numbers of the kind {kind} of what it is given");
                Err(fields.refuse(problem, "give it dtype=\"float32\""))
            }
        }
    }

    fn wrong(&self, problem: String) -> Error {
        Error::content(
            &self.imported.path,
            format!("its configuration cannot be used: {problem}"),
            "save the model again with Keras",
        )
    }

    fn output(
        &self,
        net: &Net,
        made: &HashMap<(usize, usize), Vec<Tensor>>,
        source: Source,
    ) -> Result<Tensor> {
        let outputs = made.get(&(source.layer, source.call));
        outputs.and_then(|outputs| outputs.get(source.output)).cloned().ok_or_else(|| {
            let name = &net.layers[source.layer].name;
            self.wrong(format!(
                "output {} of layer {name} is read, and is not there",
                source.output
            ))
        })
    }

    fn call(
        &mut self,
        net: &Net,
        entry: &Entry,
        index: usize,
        scope: Scope,
        made: &HashMap<(usize, usize), Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let call = &entry.calls[index];
        let name = layer_name(scope.names, &entry.name, index);
        let owner = layer_name(scope.owners, &entry.name, 0);
        let frozen = &self.imported.frozen;
        let trainable = scope.trainable
            && entry.config.get("trainable").and_then(Json::as_bool).unwrap_or(true)
            && !frozen.iter().any(|pattern| pattern::fits(pattern, &owner));
        let first = scope.first && index == 0;
        let mut inputs = Vec::new();
        let (mut numbers, mut constants, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for (place, argument) in call.arguments.iter().enumerate() {
            match argument {
                Argument::Tensor(source) => inputs.push(self.output(net, made, *source)?),
                Argument::Number(number) => numbers.push((place, *number)),
                Argument::Numbers(numbers) => constants.push((place, numbers.clone())),
                Argument::Other(part) => parts.push(part.clone()),
            }
        }
        let path = &self.imported.path;
        let fields = Fields::new(path, &name, &entry.class, &entry.config);
        // That a layer is not understood is said before what it is called with.
        if entry.inner.is_none() {
            self.find(entry, &fields)?;
        }
        self.check(entry, call, &fields, &mut numbers)?;
        let constant = |part: &Json| part["class_name"] == OTHER_CONSTANT;
        if parts.iter().any(constant) {
            return Err(fields.refuse(
                "a constant tensor is no row of numbers, or a long one",
                "call it with one number, or with one for each channel",
            ));
        }
        if let (Some(part), false) = (parts.first(), entry.class == "GetItem") {
            let shown: String = part.to_string().chars().take(60).collect();
            let problem = format!("it is called with {shown}");
            return Err(fields.refuse(problem, "call it with tensors and numbers"));
        }
        let numbered = !constants.is_empty() || !numbers.is_empty();
        if let Some(inner) = &entry.inner {
            if numbered {
                return Err(fields.refuse("it is called with numbers", "call it with tensors"));
            }
            if inputs.len() != inner.inputs.len() {
                let problem = format!(
                    "the model takes {} inputs, and is called with {}",
                    inner.inputs.len(),
                    inputs.len()
                );
                return Err(fields.refuse(problem, "call it with as many"));
            }
            let scope = Scope { names: &name, owners: &owner, trainable, first };
            let outputs = self.net(inner, scope, &inputs)?;
            if let Some(output) = outputs.first() {
                let scope = Scope { names: "", owners: "", trainable, first };
                let renamed = Entry { name, inner: None, ..shell(entry) };
                self.record(&renamed, scope, 0, &inputs, output, Vec::new());
            }
            return Ok(outputs);
        }
        let make = self.find(entry, &fields)?;
        if numbered && !fields.is_operation() && entry.class != "GetItem" {
            return Err(fields.refuse("it is called with numbers", "call it with tensors"));
        }
        let Some(make) = make else {
            // Nothing happens to what passes through.
            let [x] = &inputs[..] else {
                return Err(fields.refuse("it takes one input", "call it with one"));
            };
            let x = x.clone();
            self.record(entry, scope, index, &inputs, &x, Vec::new());
            return Ok(vec![x]);
        };
        let through = matches!(entry.class.as_str(), "Dropout" | "Activation");
        if let ([scores @ Tensor::Scores { .. }], true) = (&inputs[..], through) {
            let linear = entry.config.get("activation").is_none_or(|name| name == "linear");
            if linear && self.layers.mode() == crate::nets::models::Mode::Inference {
                let scores = scores.clone();
                self.record(entry, scope, index, &inputs, &scores, Vec::new());
                return Ok(vec![scores]);
            }
        }
        let whole = inputs.iter().any(|input| matches!(input, Tensor::Whole(_)));
        let whole = match (whole, layers::keeps_whole(&entry.class)) {
            (true, None) => {
                let problem = "it is given whole numbers, and Keras rounds what it makes of them";
                let hint = "put a Rescaling before it, or give the model's Input dtype=\"float32\"";
                return Err(fields.refuse(problem, hint));
            }
            (whole, keeps) => whole && keeps == Some(true),
        };
        let values: Vec<Value> =
            inputs.iter().map(|input| number_of(self.layers, input)).collect::<Result<_>>()?;
        let mut site = Site {
            layers: &mut *self.layers,
            fields: &fields,
            keras2: self.imported.keras2,
            name: free(name),
            owner: free(owner),
            trainable,
            inputs: values,
            numbers,
            constants,
            parts,
            weights: Vec::new(),
        };
        let output = match make(&mut site).map_err(|error| within(path, error))? {
            Tensor::Plain(value) if whole => Tensor::Whole(value),
            output => output,
        };
        let weights = site.weights;
        self.record(entry, scope, index, &inputs, &output, weights);
        Ok(vec![output])
    }

    /// Refuses what a call is told beside its tensors, and precisions that are no numbers' own.
    fn check(
        &self,
        entry: &Entry,
        call: &Call,
        fields: &Fields,
        numbers: &mut Vec<(usize, f64)>,
    ) -> Result<()> {
        for (name, value) in &call.named {
            // Keras 3 goes by what the whole model is called with; Keras 2 by this.
            if name == "training" && self.imported.keras2 && value.as_bool() == Some(true) {
                let problem = "it is called with training = true, and predicts as in training";
                return Err(fields.refuse(problem, "call it without"));
            }
            // What a model does in training is what it is built for.
            let harmless = matches!(name.as_str(), "training" | "mask" | "name");
            match (value.as_f64(), name.as_str()) {
                _ if value.is_null() || (harmless && says_nothing(value)) => {}
                _ if harmless && !value.is_object() && !value.is_array() => {}
                (Some(number), "y" | "x2") if fields.is_operation() => numbers.push((1, number)),
                _ => {
                    let shown: String = value.to_string().chars().take(60).collect();
                    let problem = format!("it is called with {name} = {shown}");
                    return Err(fields.refuse(problem, "call it with its tensors alone"));
                }
            }
        }
        if let Some(precision) = entry.config.get("dtype") {
            let text = precision.to_string();
            if ["Quantized", "_from_", "float8"].iter().any(|part| text.contains(part)) {
                return Err(fields.refuse(
                    "its weights are quantised",
                    "save the model as it was before `quantize`",
                ));
            }
            if text.contains("int") && entry.class != "Cast" {
                return Err(fields.refuse(
                    format!("{} is no kind of number that is computed with", fields.shown("dtype")),
                    "give it dtype=\"float32\"",
                ));
            }
        }
        if entry.config.get("quantization_config").is_some_and(|config| !config.is_null()) {
            return Err(fields.refuse(
                "its weights are quantised",
                "save the model as it was before `quantize`",
            ));
        }
        Ok(())
    }

    /// How the layer is made; none where it does nothing.
    fn find(&self, entry: &Entry, fields: &Fields) -> Result<Option<Make>> {
        // Applications have layers of their own under modules of Keras; a user's have other modules, or
        // another package before their names.
        let under = |module: &str| {
            entry.module == module || entry.module.starts_with(&format!("{module}."))
        };
        let modules = ["keras", "tf_keras", "tensorflow.python.keras", "builtins"];
        let package = entry.registered.split_once('>').map_or("keras", |(package, _)| package);
        let keras = (entry.module.is_empty() || modules.into_iter().any(under))
            && package.eq_ignore_ascii_case("keras");
        match layers::find(&entry.class) {
            Some(kind) if keras => Ok(kind.make),
            _ => {
                let hint = match entry.class.as_str() {
                    "Lambda" => "its code is never run: use layers of Keras's own in its place",
                    _ => "build the model of layers that docs/keras.md lists, or ask for this one",
                };
                Err(fields.refuse("this layer is not understood", hint))
            }
        }
    }

    /// Says what the layer gives, for messages, `--layer` and the layer that is explained by default.
    fn record(
        &mut self,
        entry: &Entry,
        scope: Scope,
        index: usize,
        inputs: &[Tensor],
        output: &Tensor,
        weights: Vec<String>,
    ) {
        let class = match entry.class.as_str() {
            "Functional" | "Model" => "Functional",
            "Sequential" => "Sequential",
            "InputLayer" => "InputLayer",
            class => layers::find(class).map_or("", |kind| kind.class),
        };
        let inputs: Vec<Value> = inputs.iter().map(value_of).collect();
        let name = layer_name(scope.names, &entry.name, index);
        self.layers.record(&name, class, &inputs, value_of(output), weights);
    }
}

/// Whether `value` is null, or made of nothing else: a model of several inputs is called with a mask for each.
fn says_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Array(parts) => parts.iter().all(says_nothing),
        Json::Object(parts) => parts.values().all(says_nothing),
        _ => false,
    }
}

/// An entry without what is large.
fn shell(entry: &Entry) -> Entry {
    Entry {
        name: entry.name.clone(),
        class: entry.class.clone(),
        module: String::new(),
        registered: String::new(),
        config: serde_json::Map::new(),
        calls: Vec::new(),
        inner: None,
    }
}

/// The tensors that a call reads.
fn sources(call: &Call) -> impl Iterator<Item = Source> + '_ {
    call.arguments.iter().filter_map(|argument| match argument {
        Argument::Tensor(source) => Some(*source),
        _ => None,
    })
}

/// `base/conv`, and from the second call on `base/conv#2`.
pub(super) fn layer_name(prefix: &str, name: &str, call: usize) -> String {
    let mut text = String::new();
    if !prefix.is_empty() {
        text = format!("{prefix}/");
    }
    text += name;
    if call > 0 {
        text += &format!("#{}", call + 1);
    }
    text
}

/// The same name, or another where this program uses it.
pub(super) fn free(name: String) -> String {
    if TAKEN.contains(&name.as_str()) { format!("{name}_layer") } else { name }
}

/// The graph's node behind a tensor; of probabilities that are not computed, their scores.
pub(super) fn value_of(tensor: &Tensor) -> Value {
    match tensor {
        Tensor::Plain(value) | Tensor::Whole(value) | Tensor::Scores { before: value, .. } => {
            *value
        }
    }
}

/// The numbers of a tensor, computed now if they were not before: what the layer gives is then that.
fn number_of(layers: &mut Layers, tensor: &Tensor) -> Result<Value> {
    let (before, function, name) = match tensor {
        Tensor::Plain(value) | Tensor::Whole(value) => return Ok(*value),
        Tensor::Scores { before, function, name } => (*before, function, name),
    };
    if let Some(value) = layers.graph.find(name) {
        return Ok(value);
    }
    let value = function.add(&mut layers.graph, name.clone(), before)?;
    // The layer itself, and what passed its scores on.
    let own = layers.layers.iter_mut().skip_while(|layer| free(layer.name.clone()) != *name);
    own.filter(|layer| layer.output == before).for_each(|layer| layer.output = value);
    Ok(value)
}

/// Shapes that do not fit are the file's fault where its own sizes say so.
fn within(path: &std::path::Path, error: Error) -> Error {
    match error {
        Error::Shape { layer, problem } => {
            let hint = match problem.contains("have this name") {
                true => "give the layer another name",
                false => "check the sizes in the model, and --size if it was given",
            };
            Error::content(path, format!("{layer}: {problem}"), hint)
        }
        other => other,
    }
}
