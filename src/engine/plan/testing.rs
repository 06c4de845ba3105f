//! Steps for the tests of this folder.

use super::{Binding, Dispatch, Memory, Reach, Step};
use crate::engine::kernel::Element;
use crate::engine::shape::Shape;

/// The first `bytes` of a slot.
pub fn binding(slot: usize, bytes: u64, reach: Reach) -> Binding {
    Binding { index: 0, reach, memory: Memory::Slot(slot), start: 0, bytes, element: Element::F32 }
}

/// A step with a dispatch for each of these lists of bindings.
pub fn step(dispatches: Vec<Vec<Binding>>) -> Step {
    let dispatch = |bindings| Dispatch {
        shader: "",
        entry: "",
        constants: Vec::new(),
        tiles: Vec::new(),
        texels: true,
        halves: Vec::new(),
        checked: false,
        bindings,
        uniform: None,
        workgroups: [1; 3],
    };
    Step {
        layer: String::new(),
        what: String::new(),
        operation: "",
        variant: "",
        tuned: false,
        shape: Shape::from([1]),
        output: None,
        flops: 0,
        bytes: 0,
        dispatches: dispatches.into_iter().map(dispatch).collect(),
        rungs: Vec::new(),
    }
}
