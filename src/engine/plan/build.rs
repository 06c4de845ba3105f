//! From a graph to a plan: fuse, share memory, choose variants, lower, place.

use std::collections::{BTreeMap, BTreeSet};

use super::job::jobs;
use super::layout::{Layout, Owner, VariableLayout};
use super::memory::{live_bytes, pack};
use super::operations::Wanted;
use super::place::Places;
use super::planner::Planner;
use super::prepared::Prepared;
use super::{Options, Plan, PlanData, Port, halves, lifetimes, staging};
use crate::engine::graph::{Graph, Kind, Value};
use crate::engine::kernel::Capabilities;
use crate::error::{Error, Result};

/// Plans the computation of `outputs` and of everything that `updates` changes.
///
/// # Errors
/// [`Error::TooLarge`] when a tensor does not fit the adapter, with the batch size that would;
/// errors of lowering otherwise.
pub fn build(
    graph: &Graph,
    outputs: &[Value],
    updates: &[Value],
    capabilities: &Capabilities,
    options: &Options,
) -> Result<Plan> {
    match attempt(graph, outputs, updates, capabilities, options) {
        // Less memory is taken by what is computed anew at every run.
        Err(Error::TooLarge { .. }) if options.prepares() => {
            let options = Options { prepare: false, ..options.clone() };
            attempt(graph, outputs, updates, capabilities, &options)
        }
        planned => planned,
    }
}

fn attempt(
    graph: &Graph,
    outputs: &[Value],
    updates: &[Value],
    capabilities: &Capabilities,
    options: &Options,
) -> Result<Plan> {
    let wanted = Wanted::new(graph, outputs, updates, options)?;
    let (graph, outputs, updates) = (wanted.graph.as_ref(), &wanted.outputs, &wanted.updates);
    let live = wanted.live();
    let variables = VariableLayout::new(graph);
    let layout = Layout::new(graph, &variables, &live);
    let single = halves::singles(graph, options);
    let jobs = jobs(graph, &layout, &live, updates.is_empty(), &single);

    let input_nodes: Vec<Value> = graph
        .nodes()
        .filter(|(value, node)| live[value.index()] && matches!(node.kind, Kind::Input))
        .map(|(value, _)| value)
        .collect();
    let mut planner = Planner {
        graph,
        capabilities,
        variables: &variables,
        input_nodes: &input_nodes,
        bytes: Vec::new(),
        slot_of: BTreeMap::new(),
        halves: BTreeSet::new(),
    };
    let lowered = planner.lower(&jobs, options)?;
    if options.half {
        planner.halves = halves::find(graph, &layout, &jobs, &lowered, outputs, options);
    }
    planner.sizes()?;
    let outputs_kept: Vec<Value> = if options.keep_all {
        graph
            .nodes()
            .filter(|(v, n)| live[v.index()] && n.operation().is_some())
            .map(|(v, _)| v)
            .collect()
    } else {
        outputs.clone()
    };
    // Every tensor in a slot of its own at first: what each dispatch reads and writes says which of them
    // can share one.
    let places = Places { planner: &planner, texels_from: options.texels_from };
    let (mut setup, mut steps) = (Vec::new(), Vec::new());
    let mut prepared = Prepared::default();
    for (job, lowered) in jobs.iter().zip(lowered) {
        let scratch = lowered.scratch..lowered.scratch + lowered.lowered.scratch.len();
        let mut step = places.step(job, lowered)?;
        if job.setup {
            prepared.keep(&step);
            setup.push(step);
            continue;
        }
        if options.prepares() && updates.is_empty() {
            setup.extend(prepared.take_out(&mut step, scratch));
        }
        steps.push(step);
    }
    let kept: Vec<usize> = outputs_kept
        .iter()
        .filter_map(|&value| match layout.location(value).owner {
            Owner::Own(value) => planner.slot_of.get(&value).copied(),
            _ => None,
        })
        .collect();
    let lifetimes = lifetimes::lifetimes(&planner.bytes, &setup, &steps, &kept);
    let largest = capabilities.max_buffer.min(1 << 30);
    let packing = pack(&lifetimes, largest, capabilities.storage_alignment);
    for step in setup.iter_mut().chain(&mut steps) {
        step.pack(&packing);
    }
    let staged = staging::assign(&mut setup, &mut steps);
    let port = |value: Value| {
        let node = graph.node(value);
        let location = layout.location(value);
        let mut place = places.place(location.owner, location.view, &node.shape);
        place.pack(&packing);
        Port { name: node.name.clone(), place }
    };
    let inputs: Vec<Port> = input_nodes.iter().map(|&value| port(value)).collect();
    let outputs: Vec<Port> = outputs_kept.iter().map(|&value| port(value)).collect();
    let fixed = variables.bytes() + inputs.iter().map(|input| input.place.bytes).sum::<u64>();
    let (needs, allows) = (packing.bytes() + staged.bytes() + fixed, capabilities.memory);
    if needs > allows {
        return Err(Error::TooLarge {
            tensor: match outputs.first() {
                Some(Port { name, .. }) => format!("the plan of {name}"),
                None => "the plan".to_owned(),
            },
            what: "of memory",
            needs,
            allows,
            hint: "use a smaller input, or fewer images at once".to_owned(),
        });
    }
    Ok(Plan(PlanData {
        setup,
        steps,
        inputs,
        outputs,
        peak_bytes: needs,
        live_bytes: live_bytes(&lifetimes, &staged.read) + fixed,
        staging: staged.textures,
        slots: packing.buffers,
        variables,
    }))
}
