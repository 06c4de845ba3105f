//! From when to when each tensor is alive, and which must not share a buffer: by dispatches, so that what an
//! operation needs between two of its own dispatches is not in the way of its others.

use super::memory::Lifetime;
use super::{Memory, Reach, Step};

/// Of steps whose tensors have a slot each, `bytes` long. What the setup touches, which is computed once, is
/// kept for good, and so are those of `kept` from when they are computed.
pub fn lifetimes(bytes: &[u64], setup: &[Step], steps: &[Step], kept: &[usize]) -> Vec<Lifetime> {
    let unused = |&bytes| Lifetime { bytes, first: usize::MAX, last: 0, apart: Vec::new() };
    let mut lifetimes: Vec<Lifetime> = bytes.iter().map(unused).collect();
    // As if the variants that can run in place of a step's own ran after it.
    let dispatches = |steps: &[Step]| steps.iter().map(|step| step.all().count()).sum::<usize>();
    let before = dispatches(setup);
    let end = before + dispatches(steps);
    let all = setup.iter().chain(steps).flat_map(Step::all);
    for (now, dispatch) in all.enumerate() {
        let touched: Vec<(usize, Reach)> = dispatch
            .bindings
            .iter()
            .filter_map(|binding| match binding.memory {
                Memory::Slot(index) => Some((index, binding.reach)),
                _ => None,
            })
            .collect();
        for &(index, reach) in &touched {
            let lifetime = &mut lifetimes[index];
            (lifetime.first, lifetime.last) = match now < before {
                true => (0, end),
                false => (lifetime.first.min(now), lifetime.last.max(now)),
            };
            // What is read through a texture was copied before, and is not binding.
            if reach == Reach::Write {
                let is_bound = |reach| matches!(reach, Reach::Read | Reach::Write);
                let others =
                    touched.iter().filter(|(other, reach)| *other != index && is_bound(*reach));
                for &(other, _) in others {
                    lifetimes[index].apart.push(other);
                    lifetimes[other].apart.push(index);
                }
            }
        }
    }
    for &index in kept {
        lifetimes[index].last = end;
    }
    for lifetime in &mut lifetimes {
        // What no dispatch touches, since all that reads it is dead, takes no time.
        lifetime.first = lifetime.first.min(lifetime.last);
        lifetime.apart.sort_unstable();
        lifetime.apart.dedup();
    }
    lifetimes
}

#[cfg(test)]
mod tests {
    use super::super::testing::{binding, step};
    use super::*;

    #[test]
    fn a_tensor_is_alive_from_the_first_dispatch_that_touches_it_to_the_last() {
        const TEXELS: Reach = Reach::Texels { staging: 0, copy: true };
        let setup = [step(vec![vec![binding(0, 4, Reach::Write)]])];
        let steps = [
            step(vec![
                vec![binding(0, 4, Reach::Read), binding(1, 8, Reach::Write)],
                vec![binding(1, 8, TEXELS), binding(2, 16, Reach::Write)],
            ]),
            step(vec![vec![binding(2, 16, Reach::Read), binding(3, 32, Reach::Write)]]),
            step(vec![vec![binding(3, 32, Reach::Read), binding(4, 64, Reach::Write)]]),
        ];
        let lifetimes = lifetimes(&[4, 8, 16, 32, 64, 128], &setup, &steps, &[2]);
        let lives: Vec<_> = lifetimes.iter().map(|one| (one.bytes, one.first, one.last)).collect();
        assert_eq!(
            lives,
            [
                (4, 0, 5),  // of the setup
                (8, 1, 2),  // between the two dispatches of a step
                (16, 2, 5), // kept
                (32, 3, 4),
                (64, 4, 4),
                (128, 0, 0), // nothing touches it
            ]
        );
        // What is read through a texture may share a buffer with what is written.
        let apart: Vec<_> = lifetimes.iter().map(|one| one.apart.as_slice()).collect();
        assert_eq!(apart, [&[1][..], &[0], &[3], &[2, 4], &[3], &[]]);
    }
}
