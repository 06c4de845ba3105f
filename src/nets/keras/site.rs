//! Where a layer is built: what it reads, what its file says, and the graph that it adds to.

use std::sync::Arc;

use serde_json::Value as Json;

use super::fields::Fields;
use super::function::Function;
use crate::engine::graph::{Init, Operation, Role, Value};
use crate::engine::ops::{Padding, Window};
use crate::engine::shape::Shape;
use crate::error::Result;
use crate::nets::models::{Layers, Mode};

/// What a layer gives.
#[derive(Clone, Debug)]
pub(super) enum Tensor {
    /// Numbers.
    Plain(Value),
    /// Whole numbers, as pixels are to a model that asks for them: what Keras makes of those it rounds, or wraps.
    Whole(Value),
    /// Probabilities, computed only where something reads them: at the end of a classifier the scores
    /// before them are what is wanted.
    Scores {
        /// The scores.
        before: Value,
        /// What makes probabilities of them.
        function: Function,
        /// The name that the probabilities have.
        name: String,
    },
}

impl From<Value> for Tensor {
    fn from(value: Value) -> Self {
        Tensor::Plain(value)
    }
}

/// One call of a layer.
pub(super) struct Site<'a> {
    /// The graph.
    pub layers: &'a mut Layers,
    /// What the layer is, by its file.
    pub fields: &'a Fields<'a>,
    /// Whether Keras 2 wrote the file, some of whose defaults differ.
    pub keras2: bool,
    /// What the layer's output is called.
    pub name: String,
    /// What its variables' names begin with: the same at every call.
    pub owner: String,
    /// Whether its weights may change.
    pub trainable: bool,
    /// What it reads.
    pub inputs: Vec<Value>,
    /// Numbers that it is called with, each with its place among the arguments.
    pub numbers: Vec<(usize, f64)>,
    /// The same for constant tensors.
    pub constants: Vec<(usize, Vec<f64>)>,
    /// What else it is called with: the parts of an index.
    pub parts: Vec<Json>,
    /// The names of its variables so far, in Keras's order.
    pub weights: Vec<String>,
}

impl Site<'_> {
    /// The one tensor that it reads.
    pub fn x(&self) -> Result<Value> {
        match self.inputs[..] {
            [x] => Ok(x),
            _ => Err(self.fields.refuse(
                format!("it takes one input, and is called with {}", self.inputs.len()),
                "call it with one",
            )),
        }
    }

    /// The one tensor that it reads, which must be images, and their shape.
    pub fn images(&self) -> Result<(Value, [usize; 4])> {
        let x = self.x()?;
        let shape = self.shape(x);
        let dims = shape.nhwc().ok_or_else(|| {
            let problem = format!("it takes images, and is called with {}", described(&shape));
            self.fields.refuse(problem, "look at the layer before it")
        })?;
        Ok((x, dims))
    }

    /// The shape of `value`.
    pub fn shape(&self, value: Value) -> Shape {
        self.layers.graph.shape(value).clone()
    }

    /// Whether the graph is for training.
    pub fn training(&self) -> bool {
        self.layers.mode() == Mode::Training
    }

    /// The variable called `name` of the layer, learned.
    pub fn weight(&mut self, name: &str, dims: &[usize], init: Init) -> Result<Value> {
        let role = if self.trainable { Role::Trainable } else { Role::State };
        self.variable(name, dims, role, init)
    }

    /// The variable called `name` of the layer, not learned.
    pub fn state(&mut self, name: &str, dims: &[usize], start: f32) -> Result<Value> {
        self.variable(name, dims, Role::State, Init::Constant(start))
    }

    fn variable(&mut self, name: &str, dims: &[usize], role: Role, init: Init) -> Result<Value> {
        let full = format!("{}/{name}", self.owner);
        // A layer that is called again has its variables already.
        if let Some(value) = self.layers.graph.find(&full) {
            if self.layers.graph.shape(value).dims() != dims {
                let problem = format!(
                    "{name} is {}, and would be {} at another call",
                    self.shape(value),
                    Shape::from(dims.to_vec())
                );
                return Err(self.fields.refuse(problem, "call it with tensors of one shape"));
            }
            return Ok(value);
        }
        self.checked(dims)?;
        let value = self.layers.graph.variable(&full, dims.to_vec(), role, init)?;
        self.weights.push(full);
        Ok(value)
    }

    /// Numbers that are the same for ever.
    pub fn constant(&mut self, name: &str, dims: &[usize], values: &[f64]) -> Result<Value> {
        let full = format!("{}/{name}", self.owner);
        if let Some(value) = self.layers.graph.find(&full) {
            return Ok(value);
        }
        let values: Arc<[f32]> = values.iter().map(|&value| value as f32).collect();
        self.layers.graph.variable(full, dims.to_vec(), Role::Constant, Init::Values(values))
    }

    /// Refuses sizes whose product no machine holds.
    pub fn checked(&self, dims: &[usize]) -> Result<()> {
        let count = dims.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        match count {
            Some(1..=0x7fff_ffff) => Ok(()),
            _ => Err(self.fields.refuse(
                format!("a tensor {} cannot be", Shape::from(dims.to_vec())),
                "check its sizes",
            )),
        }
    }

    /// Adds what the layer computes, under its name.
    pub fn add(&mut self, operation: impl Operation, inputs: &[Value]) -> Result<Tensor> {
        let name = self.name.clone();
        self.layers.graph.add(name, operation, inputs).map(Tensor::Plain)
    }

    /// Adds a part of what the layer computes.
    pub fn part(
        &mut self,
        what: &str,
        operation: impl Operation,
        inputs: &[Value],
    ) -> Result<Value> {
        let name = format!("{}/{what}", self.name);
        self.layers.graph.add(name, operation, inputs)
    }

    /// Adds what the layer computes and its `function`: the layer's name is that of the last.
    pub fn add_with(
        &mut self,
        operation: impl Operation,
        inputs: &[Value],
        function: Option<Function>,
    ) -> Result<Tensor> {
        match function {
            None => self.add(operation, inputs),
            Some(function) => {
                let sums = self.part("sums", operation, inputs)?;
                self.activated(sums, function)
            }
        }
    }

    /// Adds `function` of `x` under the layer's name.
    pub fn activated(&mut self, x: Value, function: Function) -> Result<Tensor> {
        if function.makes_probabilities() {
            return Ok(Tensor::Scores { before: x, function, name: self.name.clone() });
        }
        let name = self.name.clone();
        function.add(&mut self.layers.graph, name, x).map(Tensor::Plain)
    }

    /// The window of the size in the field `size` that `strides`, `dilation_rate` and `padding` describe.
    /// Without `size` in the file it is of `usual`; without strides it has `stride`, or its own size.
    pub fn window(
        &self,
        size: &str,
        usual: [usize; 2],
        stride: Option<[usize; 2]>,
    ) -> Result<Window> {
        let fields = self.fields;
        let possible = |name: &str, default: [usize; 2]| {
            let pair = fields.pair_or(name, default)?;
            match pair.iter().all(|size| (1..=1 << 16).contains(size)) {
                true => Ok(pair),
                false => Err(fields.impossible(name, "give two whole numbers from 1 on")),
            }
        };
        let size = possible(size, usual)?;
        let padding = match fields.text_or("padding", "valid")?.to_lowercase().as_str() {
            "valid" => Padding::Valid,
            "same" => Padding::Same,
            _ => return Err(fields.strange("padding")),
        };
        Ok(Window {
            size,
            stride: possible("strides", stride.unwrap_or(size))?,
            dilation: possible("dilation_rate", [1, 1])?,
            padding,
        })
    }
}

/// A shape without the images in a batch, in words.
pub(super) fn described(shape: &Shape) -> String {
    let parts: Vec<String> = shape.dims().iter().skip(1).map(usize::to_string).collect();
    format!("({})", parts.join(", "))
}

/// More channels than any layer of constants has.
const MOST_CHANNELS: usize = 1 << 22;

/// A number for each of `channels`, where `numbers` are one for all, one for each, or none: then `default`.
pub(super) fn constant_of(numbers: &[f64], default: f64, channels: usize) -> Option<Vec<f64>> {
    if channels > MOST_CHANNELS {
        return None;
    }
    match numbers {
        [] => Some(vec![default; channels]),
        [one] => Some(vec![*one; channels]),
        all if all.len() == channels => Some(all.to_vec()),
        _ => None,
    }
}
