//! The graph: operations on tensors, shapes inferred as it is built, nodes never changed after.

mod choose;
mod fuse;
mod ladder;
mod operation;
mod splice;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::engine::shape::Shape;
use crate::error::{Error, Result};

pub use choose::{choose, current_name, find};
pub use fuse::fuse;
pub use ladder::ladder;
pub use operation::{Alias, Operation, Rule, Variant, downcast};
pub use splice::splice;

/// A node of a [`Graph`], and the tensor that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub(crate) usize);

impl Value {
    /// Its position in the order of building, which is an order of execution.
    pub fn index(self) -> usize {
        self.0
    }
}

/// How a variable's numbers start.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// These, repeated as often as needed.
    Values(Arc<[f32]>),
    /// Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010), Keras's default.
    GlorotUniform {
        /// Inputs that one output sums over.
        fan_in: usize,
        /// Outputs that one input reaches.
        fan_out: usize,
    },
    /// Normal, truncated at two deviations, of variance 2 / fan_in (He and others 2015).
    HeNormal {
        /// Inputs that one output sums over.
        fan_in: usize,
    },
}

/// What a variable is for; variables of one role stand side by side in one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Changed by the optimiser.
    Trainable,
    /// Changed otherwise, such as running statistics.
    State,
    /// The optimiser's own memory.
    Optimizer,
    /// The same for ever, part of the network and not of its weights.
    Constant,
}

/// Numbers that persist from run to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// What it is for.
    pub role: Role,
    /// How it starts.
    pub init: Init,
}

/// Where a node's tensor comes from.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Written by the host before a run.
    Input,
    /// Persists from run to run.
    Variable(Variable),
    /// Computed from the node's inputs.
    Operation(Arc<dyn Operation>),
}

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// A Keras-style layer name, unique in its graph.
    pub name: String,
    /// The shape of its output.
    pub shape: Shape,
    /// Where its tensor comes from.
    pub kind: Kind,
    /// What it reads.
    pub inputs: Vec<Value>,
}

impl Node {
    /// The operation, where there is one.
    pub fn operation(&self) -> Option<&Arc<dyn Operation>> {
        match &self.kind {
            Kind::Operation(operation) => Some(operation),
            _ => None,
        }
    }
}

/// Nodes in order of building; each reads only earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    nodes: Vec<Node>,
    names: HashMap<String, Value>,
}

impl Graph {
    /// A graph without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tensor that the host writes before each run.
    ///
    /// # Errors
    /// [`Error::Shape`] when the name is taken; [`Error::TooLarge`] as for every node, when there are more
    /// than [`Shape::MOST_ELEMENTS`] numbers.
    pub fn input(&mut self, name: impl Into<String>, shape: impl Into<Shape>) -> Result<Value> {
        self.push(Node {
            name: name.into(),
            shape: shape.into(),
            kind: Kind::Input,
            inputs: Vec::new(),
        })
    }

    /// Numbers that persist from run to run.
    ///
    /// # Errors
    /// [`Error::Shape`] when the name is taken.
    pub fn variable(
        &mut self,
        name: impl Into<String>,
        shape: impl Into<Shape>,
        role: Role,
        init: Init,
    ) -> Result<Value> {
        let kind = Kind::Variable(Variable { role, init });
        self.push(Node { name: name.into(), shape: shape.into(), kind, inputs: Vec::new() })
    }

    /// Applies `operation`; its shape rule decides the new node's shape.
    ///
    /// # Errors
    /// [`Error::Shape`], naming the layer, when the inputs do not fit or the name is taken.
    pub fn add(
        &mut self,
        name: impl Into<String>,
        operation: impl Operation,
        inputs: &[Value],
    ) -> Result<Value> {
        self.add_shared(name, Arc::new(operation), inputs)
    }

    /// [`Self::add`] for an operation that is held already.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_shared(
        &mut self,
        name: impl Into<String>,
        operation: Arc<dyn Operation>,
        inputs: &[Value],
    ) -> Result<Value> {
        let name = name.into();
        let shapes: Vec<&Shape> = inputs.iter().map(|&input| self.shape(input)).collect();
        let shape = operation.infer(&shapes).map_err(|error| match error {
            Error::Shape { layer, problem } => {
                Error::Shape { layer: format!("layer {name} ({layer})"), problem }
            }
            other => other,
        })?;
        self.push(Node { name, shape, kind: Kind::Operation(operation), inputs: inputs.to_vec() })
    }

    fn push(&mut self, node: Node) -> Result<Value> {
        // Here, where every shape comes by: behind it sizes may be multiplied.
        if node.shape.elements() > Shape::MOST_ELEMENTS {
            return Err(Error::TooLarge {
                tensor: format!("{} {}", node.name, node.shape),
                what: "in one tensor",
                needs: node.shape.bytes(),
                allows: 4 * Shape::MOST_ELEMENTS as u64,
                hint: match node.kind {
                    Kind::Variable(_) => "use fewer classes",
                    Kind::Input | Kind::Operation(_) => {
                        "use a smaller input, fewer images at once, or fewer classes"
                    }
                }
                .to_owned(),
            });
        }
        let value = Value(self.nodes.len());
        if self.names.insert(node.name.clone(), value).is_some() {
            return Err(Error::shape(
                format!("layer {}", node.name),
                "two layers have this name; names must differ",
            ));
        }
        self.nodes.push(node);
        Ok(value)
    }

    /// `stem`, or `stem_1`, `stem_2` and so on where it is taken, as Keras numbers layers.
    pub fn unique(&self, stem: &str) -> String {
        if !self.names.contains_key(stem) {
            return stem.to_owned();
        }
        let numbered = |number: &usize| !self.names.contains_key(&format!("{stem}_{number}"));
        let number = (1..).find(numbered).unwrap_or_default();
        format!("{stem}_{number}")
    }

    /// The node behind `value`.
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.0]
    }

    /// The shape behind `value`.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.nodes[value.0].shape
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (Value, &Node)> + DoubleEndedIterator {
        self.nodes.iter().enumerate().map(|(index, node)| (Value(index), node))
    }

    /// The node called `name`.
    pub fn find(&self, name: &str) -> Option<Value> {
        self.names.get(name).copied()
    }

    /// How many elements all variables of `role` hold.
    pub fn count(&self, role: Role) -> usize {
        self.nodes()
            .filter(|(_, node)| matches!(&node.kind, Kind::Variable(v) if v.role == role))
            .map(|(_, node)| node.shape.elements())
            .sum()
    }
}

/// One line a node: name, operation, shape, and what it reads.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (_, node) in self.nodes() {
            let what = match &node.kind {
                Kind::Input => "input".to_owned(),
                Kind::Variable(variable) => format!("{:?}", variable.role).to_lowercase(),
                Kind::Operation(operation) => operation.describe(),
            };
            let reads: Vec<&str> =
                node.inputs.iter().map(|&input| self.node(input).name.as_str()).collect();
            writeln!(f, "{:<44} {:<18} {what}  <- {}", node.name, node.shape, reads.join(", "))?;
        }
        Ok(())
    }
}
