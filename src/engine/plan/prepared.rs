//! What a kernel makes of variables alone, such as Winograd's transform of weights: computed once, and kept.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Binding, Dispatch, Memory, Place, Reach, Step};
use crate::engine::kernel::View;
use crate::engine::shape::Shape;

/// Slots that hold what is computed once, while every tensor has a slot to itself.
#[derive(Debug, Default)]
pub struct Prepared {
    slots: BTreeSet<usize>,
}

impl Prepared {
    /// Takes note of a step that runs once.
    pub fn keep(&mut self, step: &Step) {
        self.slots.extend(step.dispatches.iter().flat_map(written));
    }

    /// Takes those dispatches out of a step of every run that need not run again, and makes a step of them: they read
    /// nothing but variables and what is computed once, and write memory of the step's own, `scratch`, that no dispatch
    /// which is left writes.
    pub fn take_out(&mut self, step: &mut Step, scratch: Range<usize>) -> Option<Step> {
        let mut own: BTreeSet<usize> = scratch.collect();
        // Of the scratch, what is written of other things goes, and with it what is made of that.
        loop {
            let refused = step.dispatches.iter().filter(|one| !self.allows(one, &own));
            let others: BTreeSet<usize> = refused.flat_map(written).collect();
            let before = own.len();
            own.retain(|slot| !others.contains(slot));
            if own.len() == before {
                break;
            }
        }
        let (once, always): (Vec<Dispatch>, Vec<Dispatch>) =
            step.dispatches.drain(..).partition(|one| self.allows(one, &own));
        step.dispatches = always;
        let last = once.last()?.bindings.iter().find(|bound| bound.reach == Reach::Write)?.clone();
        self.slots.extend(once.iter().flat_map(written));
        Some(prepared(step, once, &last))
    }

    /// Whether a dispatch can run once, where the memory `own` is written by nothing else.
    fn allows(&self, dispatch: &Dispatch, own: &BTreeSet<usize>) -> bool {
        written(dispatch).next().is_some()
            && dispatch.bindings.iter().all(|bound| match (bound.memory, bound.reach) {
                (Memory::Slot(slot), Reach::Write) => own.contains(&slot),
                (Memory::Slot(slot), _) => self.slots.contains(&slot) || own.contains(&slot),
                (Memory::Variables(_), Reach::Read | Reach::Texels { .. })
                | (Memory::Unused, _) => true,
                (Memory::Variables(_), Reach::Write) | (Memory::Input(_), _) => false,
            })
    }
}

/// The slots that a dispatch writes.
fn written(dispatch: &Dispatch) -> impl Iterator<Item = usize> {
    dispatch.bindings.iter().filter_map(|bound| match (bound.memory, bound.reach) {
        (Memory::Slot(slot), Reach::Write) => Some(slot),
        _ => None,
    })
}

/// The step that runs `once` for `step`; what it makes of variables lies at `last`.
fn prepared(step: &Step, once: Vec<Dispatch>, last: &Binding) -> Step {
    let shape = Shape::from([(last.bytes / last.element.bytes()) as usize]);
    let output = Place {
        memory: last.memory,
        start: last.start,
        bytes: last.bytes,
        view: View::dense(&shape),
        element: last.element,
        shape: shape.clone(),
    };
    Step {
        layer: format!("{} (prepared)", step.layer),
        what: step.what.clone(),
        operation: step.operation,
        variant: step.variant,
        tuned: step.tuned,
        shape,
        output: Some(output),
        flops: 0,
        bytes: last.bytes,
        dispatches: once,
        rungs: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::engine::graph::Role;

    /// A step of dispatches that each read some slots and write one; slot 100 stands for variables.
    fn step(dispatches: &[(&[usize], usize)]) -> Step {
        let read = |&slot: &usize| {
            let mut bound = testing::binding(slot, 64, Reach::Read);
            if slot == 100 {
                bound.memory = Memory::Variables(Role::Trainable);
            }
            bound
        };
        let one = |(reads, written): &(&[usize], usize)| {
            let mut bindings: Vec<Binding> = reads.iter().map(read).collect();
            bindings.push(testing::binding(*written, 64, Reach::Write));
            bindings
        };
        testing::step(dispatches.iter().map(one).collect())
    }

    /// What each dispatch of a step writes.
    fn writes(step: &Step) -> Vec<usize> {
        step.dispatches.iter().flat_map(written).collect()
    }

    #[test]
    fn what_is_made_of_variables_alone_runs_once() {
        let mut prepared = Prepared::default();
        prepared.keep(&step(&[(&[100], 5)]));
        // Slot 1 is activations, 2 the output, 10 to 14 scratch.
        let mut all =
            step(&[(&[100, 5], 10), (&[1], 11), (&[10], 12), (&[10, 11], 13), (&[12, 13], 2)]);
        let once = prepared.take_out(&mut all, 10..15).unwrap();
        assert_eq!((writes(&once), writes(&all)), (vec![10, 12], vec![11, 13, 2]));
        let output = once.output.unwrap();
        assert_eq!(
            (output.memory, output.bytes, output.shape),
            (Memory::Slot(12), 64, [16].into())
        );
        // It is kept for other steps, too.
        let mut later = step(&[(&[12], 20), (&[20, 1], 3)]);
        assert_eq!(writes(&prepared.take_out(&mut later, 20..21).unwrap()), [20]);
        assert_eq!(writes(&later), [3]);
    }

    #[test]
    fn what_a_run_writes_again_is_made_again() {
        let mut prepared = Prepared::default();
        // A scratch that is cleared, and then added to; one that is of an output or another step; an output.
        for (dispatches, scratch) in [
            (&[(&[][..], 10), (&[1], 10), (&[10], 2)][..], 10..11),
            (&[(&[100], 10), (&[10, 1], 11), (&[1], 10), (&[11], 2)], 10..12),
            (&[(&[100], 9), (&[9, 1], 2)], 10..11),
            (&[(&[100], 2)], 10..10),
        ] {
            let mut all = step(dispatches);
            let before = all.clone();
            assert_eq!(prepared.take_out(&mut all, scratch), None);
            assert_eq!(all, before);
        }
    }
}
