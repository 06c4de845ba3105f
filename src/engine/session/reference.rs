//! A graph run on the processor in double precision: the truth that the GPU is compared with.

use std::collections::HashMap;

use crate::engine::graph::{Graph, Kind, Value};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// The values of a graph.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    values: HashMap<Value, Tensor<f64>>,
}

impl Evaluated {
    /// The tensor of a value that was asked for.
    pub fn get(&self, value: Value) -> Option<&Tensor<f64>> {
        self.values.get(&value)
    }
}

/// Evaluates all nodes that `wanted` needs. `given` holds inputs and variables by name. An update
/// replaces its variable for later nodes, and its value is the new content.
///
/// # Errors
/// [`Error::Shape`] when an input or a variable is missing or has another shape.
pub fn evaluate(
    graph: &Graph,
    given: &HashMap<String, Tensor<f64>>,
    wanted: &[Value],
) -> Result<Evaluated> {
    let mut needed = vec![false; graph.nodes().len()];
    for value in wanted {
        needed[value.index()] = true;
    }
    for (value, node) in graph.nodes().rev() {
        if needed[value.index()] {
            for input in &node.inputs {
                needed[input.index()] = true;
            }
        }
    }
    let mut values: HashMap<Value, Tensor<f64>> = HashMap::new();
    for (value, node) in graph.nodes().filter(|(value, _)| needed[value.index()]) {
        let missing = || Error::shape(node.name.clone(), "no numbers were given for it");
        match &node.kind {
            Kind::Input | Kind::Variable(_) => {
                let tensor = given.get(&node.name).ok_or_else(missing)?;
                if *tensor.shape() != node.shape {
                    return Err(Error::shape(
                        node.name.clone(),
                        format!("it is {}, {} was given", node.shape, tensor.shape()),
                    ));
                }
                values.insert(value, tensor.clone());
            }
            Kind::Operation(operation) => {
                let inputs: Vec<&Tensor<f64>> =
                    node.inputs.iter().filter_map(|input| values.get(input)).collect();
                if inputs.len() != node.inputs.len() {
                    return Err(missing());
                }
                let results = operation.reference(&inputs);
                let updates = operation.updates();
                for (position, result) in results.into_iter().enumerate().rev() {
                    if let Some(&changed) = updates.get(position) {
                        values.insert(node.inputs[changed], result.clone());
                    }
                    if position == 0 {
                        values.insert(value, result);
                    }
                }
            }
        }
    }
    Ok(Evaluated { values })
}
