//! Fusion, from graph to graph: an operation absorbs the one consumer of its output.

use super::{Graph, Value};
use crate::error::Result;

/// Rewrites `graph` so that an operation takes over its only consumer wherever its own
/// [`absorb`](crate::ops::Operation::absorb) knows how: convolution then batch normalisation then
/// activation become one node, and so do chains of elementwise operations. Values in `keep` stay
/// visible. With `differentiable`, only what still has a gradient is fused: a training graph is fused
/// before it is differentiated, and again after. Returns the new graph and, for each old value, the new one if it still exists.
///
/// A fused node takes the name of the last operation in it, whose output it computes.
///
/// # Errors
/// Those of building a graph; none for a graph that was valid.
pub fn fuse(
    graph: &Graph,
    keep: &[Value],
    differentiable: bool,
) -> Result<(Graph, Vec<Option<Value>>)> {
    let count = graph.nodes().len();
    let mut readers = vec![0usize; count];
    for (_, node) in graph.nodes() {
        for input in &node.inputs {
            readers[input.0] += 1;
        }
    }
    for value in keep {
        readers[value.0] += 1;
    }

    // The operation and inputs of each node as they stand after what has been absorbed so far.
    let mut operations: Vec<_> = graph.nodes().map(|(_, node)| node.operation().cloned()).collect();
    let mut inputs: Vec<Vec<Value>> = graph.nodes().map(|(_, node)| node.inputs.clone()).collect();
    let mut absorbed = vec![false; count];
    for consumer in 0..count {
        let Some(outer) = operations[consumer].clone() else { continue };
        if !outer.updates().is_empty() {
            continue;
        }
        // Try the inputs from the last: of two convolutions that meet in an addition, the later one
        // takes it, and the earlier is still complete when it is needed.
        for position in (0..inputs[consumer].len()).rev() {
            let producer = inputs[consumer][position].0;
            if keep.contains(&Value(producer)) || readers[producer] != 1 || absorbed[producer] {
                continue;
            }
            let Some(inner) = operations[producer].clone() else { continue };
            if let Some(both) = inner.absorb(outer.as_ref(), position, differentiable) {
                let mut merged = inputs[producer].clone();
                let others = inputs[consumer].iter().enumerate();
                merged.extend(others.filter(|(at, _)| *at != position).map(|(_, value)| *value));
                operations[consumer] = Some(both);
                inputs[consumer] = merged;
                absorbed[producer] = true;
                break;
            }
        }
    }

    let mut fused = Graph::new();
    let mut map: Vec<Option<Value>> = vec![None; count];
    for (value, node) in graph.nodes() {
        if absorbed[value.0] {
            continue;
        }
        let mut copy = node.clone();
        if let Some(operation) = operations[value.0].take() {
            copy.kind = super::Kind::Operation(operation);
        }
        // An absorbed producer is read by nobody, so every input has been mapped.
        copy.inputs = inputs[value.0].iter().filter_map(|input| map[input.0]).collect();
        map[value.0] = Some(fused.push(copy)?);
    }
    Ok((fused, map))
}
