//! Fusion, from graph to graph: what is computed twice is computed once, and an operation absorbs the
//! one consumer of its output.

use std::collections::HashMap;

use super::{Graph, Value};
use crate::error::Result;

/// Rewrites `graph` so that an operation takes over its only consumer wherever its own
/// [`absorb`](crate::engine::graph::Operation::absorb) knows how: convolution then batch normalisation then
/// activation become one node, and so do chains of elementwise operations. Before that, operations
/// that compute the same from the same become one: the cells of NASNet activate one tensor up to five
/// times. Values in `keep` stay visible. With `differentiable`, only what still has a gradient is fused: a training graph is fused
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
    let mut kept = vec![false; count];
    keep.iter().for_each(|value| kept[value.0] = true);
    let same = repeated(graph, &kept);
    let first = |value: &Value| same[value.0].unwrap_or(*value);

    // The operation and inputs of each node as they stand after what has been absorbed so far.
    let mut operations: Vec<_> = graph.nodes().map(|(_, node)| node.operation().cloned()).collect();
    let mut inputs: Vec<Vec<Value>> =
        graph.nodes().map(|(_, node)| node.inputs.iter().map(first).collect()).collect();
    let mut readers = vec![0usize; count];
    for value in (0..count).filter(|&index| same[index].is_none()) {
        inputs[value].iter().for_each(|input| readers[input.0] += 1);
    }
    let mut absorbed = vec![false; count];
    for consumer in 0..count {
        let Some(outer) = operations[consumer].clone() else { continue };
        if !outer.updates().is_empty() || same[consumer].is_some() {
            continue;
        }
        // Try the inputs from the last: of two convolutions that meet in an addition, the later one
        // takes it, and the earlier is still complete when it is needed.
        for position in (0..inputs[consumer].len()).rev() {
            let producer = inputs[consumer][position].0;
            if kept[producer] || absorbed[producer] {
                continue;
            }
            let Some(inner) = operations[producer].clone() else { continue };
            // What only repeats is done again by each of its readers.
            if readers[producer] != 1 && !inner.only_repeats() {
                continue;
            }
            if let Some(both) = inner.absorb(outer.as_ref(), position, differentiable) {
                let mut merged = inputs[producer].clone();
                let others = inputs[consumer].iter().enumerate();
                merged.extend(others.filter(|(at, _)| *at != position).map(|(_, value)| *value));
                readers[producer] -= 1;
                absorbed[producer] = readers[producer] == 0;
                if !absorbed[producer] {
                    inputs[producer].iter().for_each(|input| readers[input.0] += 1);
                }
                operations[consumer] = Some(both);
                inputs[consumer] = merged;
                break;
            }
        }
    }

    let mut fused = Graph::new();
    let mut map: Vec<Option<Value>> = vec![None; count];
    for (value, node) in graph.nodes() {
        if let Some(first) = same[value.0] {
            map[value.0] = map[first.0];
            continue;
        }
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

/// For each node that is not kept, the earlier one that computes the same from the same.
fn repeated(graph: &Graph, kept: &[bool]) -> Vec<Option<Value>> {
    let mut same: Vec<Option<Value>> = vec![None; kept.len()];
    let mut known = HashMap::new();
    for (value, node) in graph.nodes() {
        let Some(operation) = node.operation() else { continue };
        if kept[value.0] || !operation.updates().is_empty() {
            continue;
        }
        let inputs: Vec<Value> =
            node.inputs.iter().map(|input| same[input.0].unwrap_or(*input)).collect();
        // An operation's debug format has all of its parameters.
        match known.entry((format!("{operation:?}"), inputs)) {
            std::collections::hash_map::Entry::Occupied(first) => {
                same[value.0] = Some(*first.get())
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }
    same
}
