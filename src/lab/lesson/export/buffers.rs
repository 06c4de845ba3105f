//! The buffers of an exported plan.

use super::format::{BufferOf, role};
use crate::engine::graph::Role;
use crate::engine::plan::{Memory, Plan, allocation};

/// The buffers of a plan in one list: slots, inputs, variables by role, and two that stand behind bindings which a
/// kernel declares and does not use.
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
        all.extend([one("unused", 256), one("unused", 256)]);
        Buffers { all, slots: plan.slots.len(), inputs: plan.inputs.len(), roles }
    }

    /// The number of the buffer behind a binding.
    pub fn find(&self, memory: Memory, written: bool) -> usize {
        let fixed = self.slots + self.inputs;
        match memory {
            Memory::Slot(index) => index,
            Memory::Input(index) => self.slots + index,
            Memory::Variables(of) => {
                fixed + self.roles.iter().position(|&role| role == of).unwrap_or_default()
            }
            Memory::Unused => fixed + self.roles.len() + usize::from(written),
        }
    }
}
