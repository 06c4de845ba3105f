//! From a graph whose tensors have their places to kernels that are to be run, in order.

use super::layout::{Layout, Owner};
use crate::engine::graph::{Alias, Graph, Kind, Operation, Value};
use crate::engine::kernel::View;
use crate::engine::ops::{self, Copy};
use crate::engine::shape::Shape;

/// A kernel to be run: an operation with the locations that it reads and writes.
pub struct Job<'a> {
    pub layer: String,
    pub operation: &'a dyn Operation,
    pub inputs: Vec<(Owner, View, Shape)>,
    pub output: (Owner, View, Shape),
    pub updates: bool,
    /// Of each input, whether it depends on variables alone, which nothing changes.
    pub fixed: Vec<bool>,
    /// Whether all of them do: it is computed once.
    pub setup: bool,
    /// Whether it depends on [`Options::single_from`].
    pub single: bool,
}

/// The kernels to run, in order. `constant`: nothing changes variables, so what depends on them
/// alone is computed once.
pub fn jobs<'a>(
    graph: &'a Graph,
    layout: &Layout,
    live: &[bool],
    constant: bool,
    single: &[bool],
) -> Vec<Job<'a>> {
    static COPY: Copy = Copy;
    let mut fixed = vec![false; graph.nodes().len()];
    let mut jobs = Vec::new();
    for (value, node) in graph.nodes() {
        fixed[value.index()] = match &node.kind {
            Kind::Input => false,
            Kind::Variable(_) => constant,
            Kind::Operation(_) => node.inputs.iter().all(|input| fixed[input.index()]),
        };
        let (Some(operation), true) = (node.operation(), live[value.index()]) else { continue };
        let location = |value: Value| {
            let location = layout.location(value);
            (location.owner, location.view, graph.shape(value).clone())
        };
        let (setup, single) = (fixed[value.index()], single[value.index()]);
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| graph.shape(i)).collect();
        match ops::alias(&**operation, &shapes) {
            Alias::None => jobs.push(Job {
                layer: node.name.clone(),
                operation: operation.as_ref(),
                inputs: node.inputs.iter().map(|&input| location(input)).collect(),
                output: location(value),
                updates: !operation.updates().is_empty(),
                fixed: node.inputs.iter().map(|input| fixed[input.index()]).collect(),
                setup,
                single,
            }),
            Alias::Within { .. } if layout.is_view(value) => {}
            Alias::Within { .. } => {
                // Copied element by element in order, as rows of the source.
                let source = location(node.inputs[0]);
                let (owner, view, _) = location(value);
                let view = View { offset: view.offset, stride: source.2.channels() };
                jobs.push(Job {
                    layer: node.name.clone(),
                    operation: &COPY,
                    output: (owner, view, source.2.clone()),
                    inputs: vec![source],
                    updates: false,
                    fixed: vec![setup],
                    setup,
                    single,
                });
            }
            Alias::Gather { offsets, keeps_stride } => {
                for (index, offset) in offsets.into_iter().enumerate() {
                    let wanted = layout.gathered(value, index, offset, keeps_stride);
                    let source = location(node.inputs[index]);
                    if source.0 == wanted.owner && source.1.offset == wanted.view.offset {
                        continue;
                    }
                    jobs.push(Job {
                        layer: format!("{}/{index}", node.name),
                        operation: &COPY,
                        output: (wanted.owner, wanted.view, source.2.clone()),
                        inputs: vec![source],
                        updates: false,
                        fixed: vec![setup],
                        setup,
                        single,
                    });
                }
            }
        }
    }
    jobs
}
