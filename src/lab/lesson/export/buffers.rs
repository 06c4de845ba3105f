//! The buffers of an exported plan.

use super::format::{BufferOf, role};
use crate::engine::graph::Role;
use crate::engine::plan::{Binding, Memory, Plan, Reach, allocation};

/// The buffers of a plan in one list: slots, inputs, variables by role, and those that stand behind bindings which a
/// kernel declares and does not use: one for all that are read, and as many as a dispatch has that are written, since
/// WebGPU refuses two that may write one range.
pub struct Buffers {
    pub all: Vec<BufferOf>,
    slots: usize,
    inputs: usize,
    roles: Vec<Role>,
}

impl Buffers {
    pub fn of(plan: &Plan) -> Self {
        let one = |of, bytes| BufferOf { of, role: None, bytes: allocation(bytes) };
        let mut all: Vec<BufferOf> = plan.slots.iter().map(|&bytes| one("slot", bytes)).collect();
        all.extend(plan.inputs.iter().map(|input| one("input", input.place.bytes)));
        let roles: Vec<Role> = plan.variables.elements.keys().copied().collect();
        all.extend(plan.variables.elements.iter().map(|(&of, &elements)| {
            let bytes = allocation(4 * elements as u64);
            BufferOf { of: "variables", role: Some(role(of)), bytes }
        }));
        let steps = plan.setup.iter().chain(&plan.steps);
        let dispatches = steps.flat_map(|step| {
            step.dispatches.iter().chain(step.rungs.iter().flat_map(|rung| &rung.dispatches))
        });
        let idle = |bound: &&Binding| bound.memory == Memory::Unused && bound.reach == Reach::Write;
        let written = dispatches.map(|one| one.bindings.iter().filter(idle).count()).max();
        all.extend((0..1 + written.unwrap_or(0).max(1)).map(|_| one("unused", 256)));
        Buffers { all, slots: plan.slots.len(), inputs: plan.inputs.len(), roles }
    }

    /// The number of the buffer behind a binding. `unused`: which one that is written it is of those that its dispatch does
    /// not use, from 1; 0 for one that is read.
    pub fn find(&self, memory: Memory, unused: usize) -> usize {
        let fixed = self.slots + self.inputs;
        match memory {
            Memory::Slot(index) => index,
            Memory::Input(index) => self.slots + index,
            Memory::Variables(of) => {
                fixed + self.roles.iter().position(|&role| role == of).unwrap_or_default()
            }
            Memory::Unused => fixed + self.roles.len() + unused,
        }
    }
}
