//! From a graph to a plan: fuse, share memory, choose variants, lower, place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::layout::{Layout, Root, VariableLayout};
use super::memory::{live_bytes, pack};
use super::operations::Wanted;
use super::place::Places;
use super::{Plan, PlanData, Port, halves, lifetimes, staging};
use crate::engine::graph::{Graph, Kind, Value};
use crate::engine::ops::{
    self, Alias, Capabilities, Choices, Copy, Element, Lowering, Operation, View,
};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// How a plan is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fuse operations; on by default.
    pub fuse: bool,
    /// Keep every value until the end, so that all can be read: for finding where a NaN appears.
    pub keep_all: bool,
    /// Use this variant for every operation that has it.
    pub variant: Option<&'static str>,
    /// On adapters that gain by it, dispatches that read this many bytes or more read them through
    /// textures; copying fewer is not worth its while.
    pub texels_from: u64,
    /// Store activations and their gradients in 16 bits, where every kernel that touches them can.
    /// Inputs, outputs, variables, sums and gradients of variables have 32.
    pub half: bool,
    /// With `half`: what is computed from inputs of these names has 32 bits still, such as the
    /// gradients of an explanation, which no loss scale keeps from underflow.
    pub single_from: &'static [&'static str],
    /// Variants that were measured to be faster than those that operations choose by themselves. One
    /// that the adapter or the layout of tensors does not allow is passed over.
    pub choices: Arc<Choices>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            fuse: true,
            keep_all: false,
            variant: None,
            texels_from: 4096,
            half: false,
            single_from: &[],
            choices: Arc::default(),
        }
    }
}

/// A kernel to be run: an operation with the spots that it reads and writes.
pub(super) struct Job<'a> {
    pub layer: String,
    pub operation: &'a dyn Operation,
    pub inputs: Vec<(Root, View, Shape)>,
    pub output: (Root, View, Shape),
    pub updates: bool,
    pub setup: bool,
    /// Whether it depends on [`Options::single_from`].
    pub single: bool,
}

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
        tenant_of: BTreeMap::new(),
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
    for (job, lowered) in jobs.iter().zip(lowered) {
        let step = places.step(job, lowered)?;
        if job.setup { setup.push(step) } else { steps.push(step) }
    }
    let kept: Vec<usize> = outputs_kept
        .iter()
        .filter_map(|&value| match layout.spot(value).root {
            Root::Own(value) => planner.tenant_of.get(&value).copied(),
            _ => None,
        })
        .collect();
    let tenants = lifetimes::tenants(&planner.bytes, &setup, &steps, &kept);
    let largest = capabilities.max_buffer.min(1 << 30);
    let packing = pack(&tenants, largest, capabilities.storage_alignment);
    for step in setup.iter_mut().chain(&mut steps) {
        step.pack(&packing);
    }
    let staged = staging::assign(&mut setup, &mut steps);
    let port = |value: Value| {
        let node = graph.node(value);
        let spot = layout.spot(value);
        let mut place = places.place(spot.root, spot.view, &node.shape);
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
        live_bytes: live_bytes(&tenants, &staged.read) + fixed,
        staging: staged.textures,
        slots: packing.buffers,
        variables,
    }))
}

/// The kernels to run, in order. `constant`: nothing changes variables, so what depends on them
/// alone is computed once.
fn jobs<'a>(
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
        let spot = |value: Value| {
            let spot = layout.spot(value);
            (spot.root, spot.view, graph.shape(value).clone())
        };
        let (setup, single) = (fixed[value.index()], single[value.index()]);
        let shapes: Vec<&Shape> = node.inputs.iter().map(|&i| graph.shape(i)).collect();
        match ops::alias(&**operation, &shapes) {
            Alias::None => jobs.push(Job {
                layer: node.name.clone(),
                operation: operation.as_ref(),
                inputs: node.inputs.iter().map(|&input| spot(input)).collect(),
                output: spot(value),
                updates: !operation.updates().is_empty(),
                setup,
                single,
            }),
            Alias::Within { .. } if layout.is_view(value) => {}
            Alias::Within { .. } => {
                // Copied element by element in order, as rows of the source.
                let source = spot(node.inputs[0]);
                let (root, view, _) = spot(value);
                let view = View { offset: view.offset, stride: source.2.channels() };
                jobs.push(Job {
                    layer: node.name.clone(),
                    operation: &COPY,
                    output: (root, view, source.2.clone()),
                    inputs: vec![source],
                    updates: false,
                    setup,
                    single,
                });
            }
            Alias::Gather { offsets, keeps_stride } => {
                for (index, offset) in offsets.into_iter().enumerate() {
                    let wanted = layout.gathered(value, index, offset, keeps_stride);
                    let source = spot(node.inputs[index]);
                    if source.0 == wanted.root && source.1.offset == wanted.view.offset {
                        continue;
                    }
                    jobs.push(Job {
                        layer: format!("{}/{index}", node.name),
                        operation: &COPY,
                        output: (wanted.root, wanted.view, source.2.clone()),
                        inputs: vec![source],
                        updates: false,
                        setup,
                        single,
                    });
                }
            }
        }
    }
    jobs
}

/// What lowering made of a job.
pub(super) struct LoweredJob {
    pub variant: &'static str,
    /// Whether measurements chose it.
    pub tuned: bool,
    pub lowered: ops::Lowered,
    /// The first of its scratch tensors among those that have memory of their own.
    pub scratch: usize,
}

pub(super) struct Planner<'a> {
    pub graph: &'a Graph,
    pub capabilities: &'a Capabilities,
    pub variables: &'a VariableLayout,
    pub input_nodes: &'a [Value],
    /// Of each tensor that has memory of its own.
    pub bytes: Vec<u64>,
    /// Its number among them.
    pub tenant_of: BTreeMap<Value, usize>,
    /// Nodes whose memory is stored in 16 bits.
    pub halves: BTreeSet<Value>,
}

impl Planner<'_> {
    fn lower(&mut self, jobs: &[Job], options: &Options) -> Result<Vec<LoweredJob>> {
        self.variables.check(self.capabilities)?;
        for &value in self.input_nodes {
            self.check_node(value)?;
        }
        // What has 32 bits is not multiplied in 16 either.
        let exact = Capabilities { rounding: false, cooperative: None, ..*self.capabilities };
        let mut all = Vec::new();
        for job in jobs {
            for (root, _, shape) in job.inputs.iter().chain([&job.output]) {
                if let Root::Variables(_) = root {
                    let tensor = format!("a variable of {} {shape}", job.layer);
                    self.check(&tensor, None, 4 * shape.elements() as u64)?;
                }
                if let Root::Own(value) = root
                    && !self.tenant_of.contains_key(value)
                {
                    // What has 16 bits is known when all is lowered.
                    if !options.half {
                        self.check_node(*value)?;
                    }
                    self.tenant_of.insert(*value, self.bytes.len());
                    self.bytes.push(bytes(self.graph.shape(*value).elements()));
                }
            }
            let shapes: Vec<&Shape> = job.inputs.iter().map(|(_, _, shape)| shape).collect();
            let views: Vec<View> = job.inputs.iter().map(|(_, view, _)| *view).collect();
            let lowering = Lowering {
                inputs: &shapes,
                views: &views,
                output: &job.output.2,
                output_view: job.output.1,
                capabilities: if job.single { &exact } else { self.capabilities },
            };
            let forced = options.variant.and_then(|name| ops::find(job.operation, name));
            let tuned = match forced {
                None => tuned(job.operation, &lowering, &options.choices),
                Some(_) => None,
            };
            let (variant, lowered, tuned) = match (tuned, forced) {
                (Some((variant, lowered)), _) => (variant, lowered, true),
                (None, Some(variant)) => {
                    (variant, variant.lowered(job.operation, &lowering)?, false)
                }
                (None, None) => {
                    let (variant, lowered) = ops::choose(job.operation, &lowering)?;
                    (variant, lowered, false)
                }
            };
            let variant = variant.name;
            let most = self.capabilities.longest_loop;
            if let Some(long) = lowered.dispatches.iter().find(|dispatch| dispatch.rounds > most) {
                let rounds = long.rounds;
                return Err(Error::shape(
                    &job.layer,
                    format!("{variant} loops {rounds} times, and this driver stops after {most}"),
                ));
            }
            let scratch = self.bytes.len();
            for &elements in &lowered.scratch {
                self.check(&format!("scratch of {}", job.layer), None, 4 * elements as u64)?;
                self.bytes.push(bytes(elements));
            }
            all.push(LoweredJob { variant, tuned, lowered, scratch });
        }
        Ok(all)
    }

    /// How the numbers behind `root` are stored.
    pub fn element(&self, root: Root) -> Element {
        match root {
            Root::Own(value) if self.halves.contains(&value) => Element::F16,
            _ => Element::F32,
        }
    }

    /// Sizes tenants by how their numbers are stored, and refuses what cannot be bound.
    fn sizes(&mut self) -> Result<()> {
        for &value in &self.halves {
            let elements = self.graph.shape(value).elements().max(1) as u64;
            self.bytes[self.tenant_of[&value]] =
                (Element::F16.bytes() * elements).next_multiple_of(4);
        }
        self.tenant_of.keys().try_for_each(|&value| self.check_node(value))
    }

    fn check_node(&self, value: Value) -> Result<()> {
        let node = self.graph.node(value);
        let each = self.element(Root::Own(value)).bytes();
        let bytes = each * node.shape.elements() as u64;
        // The first input has a row for each image. Other tensors, such as kernels, may be of no image, and
        // no smaller for a smaller batch.
        let first = |value: &Value| self.graph.shape(*value).dims().first().copied();
        let batch = self.input_nodes.first().and_then(first);
        let images = node.shape.nhwc().map(|[images, ..]| images);
        let images = images.filter(|&images| images > 1 && Some(images) == batch);
        self.check(&format!("{} {}", node.name, node.shape), images, bytes)
    }

    /// Refuses what the adapter cannot bind, before anything is allocated.
    /// `images` is how many of a batch it holds, if it holds some.
    fn check(&self, tensor: &str, images: Option<usize>, bytes: u64) -> Result<()> {
        let allows = self.capabilities.max_binding;
        if bytes <= allows {
            return Ok(());
        }
        let hint = match images {
            Some(images) if allows >= bytes / images as u64 => {
                format!("use a batch of {} or less", images as u64 * allows / bytes)
            }
            _ => "use a smaller input, or an adapter with larger bindings (`parula devices`)"
                .to_owned(),
        };
        Err(Error::TooLarge {
            tensor: tensor.to_owned(),
            what: "in one binding",
            needs: bytes,
            allows,
            hint,
        })
    }
}

/// The variant that `choices` have for `operation`, and its dispatches, where it can be used here.
fn tuned(
    operation: &dyn Operation,
    lowering: &Lowering,
    choices: &Choices,
) -> Option<(&'static ops::Variant, ops::Lowered)> {
    let variant = ops::find(operation, choices.variant(operation, lowering.inputs)?)?;
    let allowed = variant.needs.met_by(lowering.capabilities);
    let lowered = allowed.then(|| variant.lowered(operation, lowering).ok())??;
    lowered.ends(lowering.capabilities).then_some((variant, lowered))
}

fn bytes(elements: usize) -> u64 {
    4 * elements.max(1) as u64
}
