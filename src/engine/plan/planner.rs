//! What each kernel becomes: its variant, its dispatches, and how large the memory is that it asks for.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::job::Job;
use super::layout::{Owner, VariableLayout};
use crate::engine::graph::{Graph, Operation, Value, Variant, choose, find, ladder};
use crate::engine::kernel::{Capabilities, Choices, Element, Lowered, Lowering, Needs, View};
use crate::engine::ops;
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// What lowering made of a job.
pub struct LoweredJob {
    pub variant: &'static str,
    /// Whether measurements chose it.
    pub tuned: bool,
    pub lowered: Lowered,
    /// The first of its scratch tensors among those that have memory of their own.
    pub scratch: usize,
    /// Others that can run in its place, with what they ask of the adapter.
    pub rungs: Vec<(Needs, LoweredJob)>,
}

impl LoweredJob {
    fn of(variant: &'static str, lowered: Lowered, scratch: usize) -> Self {
        LoweredJob { variant, tuned: false, lowered, scratch, rungs: Vec::new() }
    }
}

/// Lowers jobs for one adapter.
pub struct Planner<'a> {
    pub graph: &'a Graph,
    pub capabilities: &'a Capabilities,
    pub variables: &'a VariableLayout,
    pub input_nodes: &'a [Value],
    /// Of each tensor that has memory of its own.
    pub bytes: Vec<u64>,
    /// Its number among them.
    pub slot_of: BTreeMap<Value, usize>,
    /// Nodes whose memory is stored in 16 bits.
    pub halves: BTreeSet<Value>,
}

impl Planner<'_> {
    /// Lowers all jobs, and counts the memory that they ask for.
    pub fn lower(&mut self, jobs: &[Job], options: &Options) -> Result<Vec<LoweredJob>> {
        self.variables.check(self.capabilities)?;
        for &value in self.input_nodes {
            self.check_node(value)?;
        }
        // What has 32 bits is not multiplied in 16 either.
        let prepare = options.prepares();
        let exact = Capabilities { rounding: false, cooperative: None, ..*self.capabilities };
        let mut all = Vec::new();
        for job in jobs {
            for (owner, _, shape) in job.inputs.iter().chain([&job.output]) {
                if let Owner::Variables(_) = owner {
                    let tensor = format!("a variable of {} {shape}", job.layer);
                    self.check(&tensor, None, 4 * shape.elements() as u64)?;
                }
                if let Owner::Own(value) = owner
                    && !self.slot_of.contains_key(value)
                {
                    // What has 16 bits is known when all is lowered.
                    if !options.half {
                        self.check_node(*value)?;
                    }
                    self.slot_of.insert(*value, self.bytes.len());
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
                fixed: if prepare { &job.fixed } else { &[] },
                capabilities: if job.single { &exact } else { self.capabilities },
            };
            let forced = options.variant.and_then(|name| find(job.operation, name));
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
                    let (variant, lowered) = choose(job.operation, &lowering)?;
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
            let scratch = self.scratch(job, &lowered)?;
            let mut own = LoweredJob { tuned, ..LoweredJob::of(variant, lowered, scratch) };
            let plain = !options.half && self.capabilities.texels == 0;
            if let Some(allowed) = options.rungs.as_ref().filter(|_| plain) {
                let rungs = ladder(job.operation, &lowering, allowed).into_iter();
                for (row, lowered) in rungs.filter(|(row, _)| row.name != variant) {
                    let scratch = self.scratch(job, &lowered)?;
                    own.rungs.push((row.needs, LoweredJob::of(row.name, lowered, scratch)));
                }
            }
            all.push(own);
        }
        Ok(all)
    }

    /// Memory for each scratch tensor: the number of the first.
    fn scratch(&mut self, job: &Job, lowered: &Lowered) -> Result<usize> {
        let first = self.bytes.len();
        for &elements in &lowered.scratch {
            self.check(&format!("scratch of {}", job.layer), None, 4 * elements as u64)?;
            self.bytes.push(bytes(elements));
        }
        Ok(first)
    }

    /// How the numbers behind `owner` are stored.
    pub fn element(&self, owner: Owner) -> Element {
        match owner {
            Owner::Own(value) if self.halves.contains(&value) => Element::F16,
            _ => Element::F32,
        }
    }

    /// Sizes lifetimes by how their numbers are stored, and refuses what cannot be bound.
    pub fn sizes(&mut self) -> Result<()> {
        for &value in &self.halves {
            let elements = self.graph.shape(value).elements().max(1) as u64;
            self.bytes[self.slot_of[&value]] =
                (Element::F16.bytes() * elements).next_multiple_of(4);
        }
        self.slot_of.keys().try_for_each(|&value| self.check_node(value))
    }

    fn check_node(&self, value: Value) -> Result<()> {
        let node = self.graph.node(value);
        let each = self.element(Owner::Own(value)).bytes();
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
) -> Option<(&'static Variant, Lowered)> {
    let variant = find(operation, ops::chosen(choices, operation, lowering.inputs)?)?;
    let allowed = variant.needs.met_by(lowering.capabilities);
    let lowered = allowed.then(|| variant.lowered(operation, lowering).ok())??;
    lowered.ends(lowering.capabilities).then_some((variant, lowered))
}

fn bytes(elements: usize) -> u64 {
    4 * elements.max(1) as u64
}
