//! Which tensors are stored in 16 bits.

use std::collections::BTreeSet;

use super::Options;
use super::job::Job;
use super::layout::{Layout, Owner};
use super::planner::LoweredJob;
use crate::engine::graph::{Graph, Kind, Value};
use crate::engine::kernel::Operand;

/// The nodes whose memory is stored in 16 bits: activations (N, H, W, C) and their gradients, where
/// every kernel that touches them says that it can. What the host reads, what is computed once and
/// kept, and what depends on [`Options::single_from`] stays in 32.
pub fn find(
    graph: &Graph,
    layout: &Layout,
    jobs: &[Job],
    lowered: &[LoweredJob],
    outputs: &[Value],
    options: &Options,
) -> BTreeSet<Value> {
    let mut found = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for (job, lowered) in jobs.iter().zip(lowered) {
        let allowed = job.operation.halves();
        for (name, operand) in lowered.lowered.dispatches.iter().flat_map(|one| &one.bindings) {
            let (owner, ..) = match operand {
                Operand::Input(input) | Operand::Images { input, .. } => &job.inputs[*input],
                Operand::Output => &job.output,
                Operand::Scratch(_) => continue,
            };
            let Owner::Own(value) = owner else { continue };
            found.insert(*value);
            if job.setup || !allowed.contains(name) || graph.shape(*value).nhwc().is_none() {
                refused.insert(*value);
            }
        }
    }
    for (value, single) in graph.nodes().map(|(value, _)| value).zip(singles(graph, options)) {
        if (single || outputs.contains(&value))
            && let Owner::Own(owner) = layout.location(value).owner
        {
            refused.insert(owner);
        }
    }
    &found - &refused
}

/// Of each node, whether it depends on [`Options::single_from`].
pub fn singles(graph: &Graph, options: &Options) -> Vec<bool> {
    let mut single = vec![false; graph.nodes().len()];
    for (value, node) in graph.nodes() {
        single[value.index()] = match node.kind {
            Kind::Input => options.single_from.contains(&node.name.as_str()),
            _ => node.inputs.iter().any(|input| single[input.index()]),
        };
    }
    single
}
