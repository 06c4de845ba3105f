//! The plan: which kernels run in which order on which memory. Plain data, made without a GPU.

mod build;
mod explain;
mod extent;
mod fit;
mod halves;
mod job;
mod layout;
mod lifetimes;
mod memory;
mod operations;
mod options;
mod place;
mod planner;
mod prepared;
mod staging;
#[cfg(test)]
mod testing;

use std::collections::BTreeMap;
use std::ops::Deref;

use crate::engine::graph::Role;
use crate::engine::kernel::{Element, Needs, View};
use crate::engine::shape::Shape;

pub use build::build;
pub use extent::{Extent, allocation, together};
pub use fit::{BATCH, fitting, halving, planning};
pub use layout::VariableLayout;
pub use operations::{Work, operations};
pub use options::Options;

/// Which buffer a range of memory is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Memory {
    /// Number i of [`PlanData::slots`]: computed values, shared by those that are not alive together.
    Slot(usize),
    /// Number i of [`PlanData::inputs`].
    Input(usize),
    /// All variables of one role.
    Variables(Role),
    /// A few bytes behind a binding that a kernel declares and does not use.
    Unused,
}

/// Where a tensor lies: its buffer, the bytes that a binding to it spans, and its view within them.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The buffer.
    pub memory: Memory,
    /// Where the binding starts, in bytes; a multiple of the adapter's alignment.
    pub start: u64,
    /// How many bytes the binding spans.
    pub bytes: u64,
    /// Offset and stride in elements from `start`.
    pub view: View,
    /// How its numbers are stored.
    pub element: Element,
    /// The tensor's shape.
    pub shape: Shape,
}

/// How a kernel reaches a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A storage binding, read.
    Read,
    /// A storage binding, read and written.
    Write,
    /// Texture number `staging` of [`PlanData::staging`]; `copy`: the tensor must be copied into it
    /// first, because it does not hold it already.
    Texels {
        /// Which texture.
        staging: usize,
        /// Whether to copy.
        copy: bool,
    },
}

/// A binding of a dispatch.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// `@binding(index)`.
    pub index: u32,
    /// How the kernel reaches it.
    pub reach: Reach,
    /// The buffer.
    pub memory: Memory,
    /// In bytes.
    pub start: u64,
    /// In bytes.
    pub bytes: u64,
    /// How the tensor's numbers are stored.
    pub element: Element,
}

/// One run of one entry point, with everything that a GPU needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The shader's file stem.
    pub shader: &'static str,
    /// The entry point.
    pub entry: &'static str,
    /// `override` constants, by name.
    pub constants: Vec<(&'static str, f64)>,
    /// Register tiles, by name.
    pub tiles: Vec<(&'static str, u32)>,
    /// Whether it reads through textures.
    pub texels: bool,
    /// The tensors that it reaches in 16 bits, by name, in alphabetical order.
    pub halves: Vec<&'static str>,
    /// Whether it runs with bounds checks: what an operation of another crate lowers to.
    pub checked: bool,
    /// Storage and texture bindings, by index.
    pub bindings: Vec<Binding>,
    /// `@binding(index)` of the uniform block and its bytes.
    pub uniform: Option<(u32, Vec<u8>)>,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
}

/// What one node of the graph became.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The layer's name.
    pub layer: String,
    /// The operation in words.
    pub what: String,
    /// The operation's name.
    pub operation: &'static str,
    /// The kernel variant.
    pub variant: &'static str,
    /// Whether the variant was chosen by [`Options::choices`].
    pub tuned: bool,
    /// The shape of the output.
    pub shape: Shape,
    /// Where the output lies; nothing for an update.
    pub output: Option<Place>,
    /// Floating point operations.
    pub flops: u64,
    /// Bytes of all inputs and of the output, each counted once.
    pub bytes: u64,
    /// In order.
    pub dispatches: Vec<Dispatch>,
    /// Other variants, which can run in place of [`Self::dispatches`]: as [`Options::rungs`] asks.
    pub rungs: Vec<Rung>,
}

/// Another variant of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Rung {
    /// Its name.
    pub variant: &'static str,
    /// What it asks of the adapter.
    pub needs: Needs,
    /// In order.
    pub dispatches: Vec<Dispatch>,
}

impl Step {
    /// Its own dispatches, and those of the variants that can run in their place.
    fn all(&self) -> impl Iterator<Item = &Dispatch> {
        self.dispatches.iter().chain(self.rungs.iter().flat_map(|rung| &rung.dispatches))
    }
}

/// A texture that tensors are copied into to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Staging {
    /// Its size.
    pub bytes: u64,
    /// Of the tensors that it holds.
    pub element: Element,
}

/// A tensor that the host writes or reads by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// The node's name.
    pub name: String,
    /// Where it lies.
    pub place: Place,
}

/// Everything that a session needs: what is in it, to be read. Kernels run without bounds checks because plans are
/// right, so nobody can make one but [`build`], or change one.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan(PlanData);

impl Plan {
    /// The same plan where each step runs by the rung whose number in [`Step::rungs`] `choose` gives, if it gives one that
    /// there is.
    #[must_use]
    pub fn on_rungs(mut self, choose: impl Fn(&Step) -> Option<usize>) -> Self {
        for step in self.0.setup.iter_mut().chain(&mut self.0.steps) {
            if let Some(rung) = choose(step).and_then(|at| step.rungs.get(at)).cloned() {
                (step.variant, step.dispatches) = (rung.variant, rung.dispatches);
            }
        }
        self
    }
}

impl Deref for Plan {
    type Target = PlanData;

    fn deref(&self) -> &PlanData {
        &self.0
    }
}

/// What is in a [`Plan`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlanData {
    /// Steps that depend on variables alone, and what other steps make of variables alone; run when variables have
    /// changed.
    pub setup: Vec<Step>,
    /// Steps of every run.
    pub steps: Vec<Step>,
    /// Bytes of each slot.
    pub slots: Vec<u64>,
    /// Textures that tensors are copied into to be read.
    pub staging: Vec<Staging>,
    /// Tensors that the host writes.
    pub inputs: Vec<Port>,
    /// Tensors that the host may read after a run.
    pub outputs: Vec<Port>,
    /// All variables, with their places.
    pub variables: VariableLayout,
    /// Bytes of all memory: slots, textures, inputs and variables.
    pub peak_bytes: u64,
    /// The largest sum of bytes of values alive at once, with the textures that are read at that
    /// moment, inputs and variables: no plan can need less.
    pub live_bytes: u64,
}

impl PlanData {
    /// Floating point operations of one run.
    pub fn flops(&self) -> u64 {
        self.steps.iter().map(|step| step.flops).sum()
    }

    /// How many dispatches one run makes.
    pub fn dispatches(&self) -> usize {
        self.steps.iter().map(|step| step.dispatches.len()).sum()
    }

    /// How many different pipelines the plan needs.
    pub fn pipelines(&self) -> usize {
        let mut keys = BTreeMap::new();
        for dispatch in self.setup.iter().chain(&self.steps).flat_map(|step| &step.dispatches) {
            let constants = format!("{:?}{:?}", dispatch.constants, dispatch.tiles);
            let form = (dispatch.texels, &dispatch.halves, dispatch.checked);
            keys.insert((dispatch.shader, dispatch.entry, constants, form), ());
        }
        keys.len()
    }
}
