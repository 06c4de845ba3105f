//! The operations of a plan before kernels are chosen for them: what there is to be measured.

use std::borrow::Cow;
use std::sync::Arc;

use super::Options;
use crate::engine::graph::{Alias, Graph, Kind, Operation, Value, fuse};
use crate::engine::ops::{self};
use crate::engine::shape::Shape;
use crate::error::Result;

/// An operation on shapes, of one node or of several that are the same.
#[derive(Clone, Debug)]
pub struct Work {
    /// The node's name.
    pub layer: String,
    /// The operation, with what it has absorbed.
    pub operation: Arc<dyn Operation>,
    /// The shapes of its inputs.
    pub inputs: Vec<Shape>,
    /// Which of them are variables.
    pub variables: Vec<usize>,
}

/// What a plan of `outputs` and `updates` computes, in order. Views, which compute nothing, are left
/// out; so are the copies that a layout may need.
///
/// # Errors
/// Those of fusing.
pub fn operations(
    graph: &Graph,
    outputs: &[Value],
    updates: &[Value],
    options: &Options,
) -> Result<Vec<Work>> {
    let wanted = Wanted::new(graph, outputs, updates, options)?;
    let live = wanted.live();
    let mut found = Vec::new();
    for (_, node) in wanted.graph.nodes().filter(|(value, _)| live[value.index()]) {
        let Some(operation) = node.operation() else { continue };
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| wanted.graph.shape(i)).collect();
        if ops::alias(&**operation, &shapes) == Alias::None {
            let is_variable =
                |&at: &usize| matches!(wanted.graph.node(node.inputs[at]).kind, Kind::Variable(_));
            found.push(Work {
                layer: node.name.clone(),
                operation: operation.clone(),
                variables: (0..shapes.len()).filter(is_variable).collect(),
                inputs: shapes.into_iter().cloned().collect(),
            });
        }
    }
    Ok(found)
}

/// A graph as it is planned, and what is wanted of it.
pub(super) struct Wanted<'a> {
    pub graph: Cow<'a, Graph>,
    pub outputs: Vec<Value>,
    pub updates: Vec<Value>,
}

impl<'a> Wanted<'a> {
    /// Fused where `options` say so.
    pub fn new(
        graph: &'a Graph,
        outputs: &[Value],
        updates: &[Value],
        options: &Options,
    ) -> Result<Self> {
        if !options.fuse || options.keep_all {
            let (outputs, updates) = (outputs.to_vec(), updates.to_vec());
            return Ok(Wanted { graph: Cow::Borrowed(graph), outputs, updates });
        }
        let mut keep: Vec<Value> = outputs.iter().chain(updates).copied().collect();
        let pruned = live(graph, &keep);
        // A value that only dead nodes read has no reader; nothing then absorbs it.
        keep.extend(graph.nodes().map(|(value, _)| value).filter(|value| !pruned[value.index()]));
        let (fused, map) = fuse(graph, &keep, false)?;
        let moved = |values: &[Value]| values.iter().filter_map(|v| map[v.index()]).collect();
        let (outputs, updates) = (moved(outputs), moved(updates));
        Ok(Wanted { graph: Cow::Owned(fused), outputs, updates })
    }

    /// Which nodes are needed.
    pub fn live(&self) -> Vec<bool> {
        let targets: Vec<Value> = self.outputs.iter().chain(&self.updates).copied().collect();
        live(&self.graph, &targets)
    }
}

/// Which nodes the targets need.
fn live(graph: &Graph, targets: &[Value]) -> Vec<bool> {
    let mut live = vec![false; graph.nodes().len()];
    for target in targets {
        live[target.index()] = true;
    }
    for (value, node) in graph.nodes().rev() {
        if live[value.index()] {
            for input in &node.inputs {
                live[input.index()] = true;
            }
        }
    }
    live
}
