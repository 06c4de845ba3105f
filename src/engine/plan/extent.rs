//! The memory of plans that never run at the same time: they take turns in the same buffers.

use std::cmp::Reverse;

use super::{Plan, Staging};
use crate::engine::kernel::Element;

/// Buffers and textures that each of some plans finds room in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of each buffer, the largest first.
    pub slots: Vec<u64>,
    /// Textures, those of 32 bits first, and of each kind the largest first.
    pub staging: Vec<Staging>,
}

/// What a buffer of `bytes` takes.
pub fn allocation(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(256)
}

impl Extent {
    /// Two buffers stand behind bindings that kernels declare and do not use.
    pub const UNUSED: [u64; 2] = [256; 2];

    /// Room for each of `plans`: the largest buffer is as large as the largest of any plan, the second as
    /// large as the second of any, and so on.
    pub fn of<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Self {
        let mut extent = Extent::default();
        for plan in plans {
            for (slot, place) in plan.slots.iter().zip(extent.slots_of(plan)) {
                extent.slots.resize(extent.slots.len().max(place + 1), 0);
                extent.slots[place] = extent.slots[place].max(allocation(*slot));
            }
            for element in [Element::F32, Element::F16] {
                let first = extent.staging.iter().take_while(|one| one.element < element).count();
                let owns = plan.staging.iter().filter(|own| own.element == element);
                for (at, own) in (first..).zip(owns) {
                    match extent.staging.get_mut(at).filter(|there| there.element == element) {
                        Some(there) => there.bytes = there.bytes.max(own.bytes),
                        None => extent.staging.insert(at, *own),
                    }
                }
            }
        }
        extent
    }

    /// Which buffer each slot of `plan` is in.
    pub fn slots_of(&self, plan: &Plan) -> Vec<usize> {
        let mut order: Vec<usize> = (0..plan.slots.len()).collect();
        order.sort_by_key(|&slot| Reverse(plan.slots[slot]));
        let mut places = vec![0; order.len()];
        order.into_iter().enumerate().for_each(|(place, slot)| places[slot] = place);
        places
    }

    /// Which texture each of those of `plan` is.
    pub fn staging_of(&self, plan: &Plan) -> Vec<usize> {
        let first = |element| self.staging.iter().take_while(|one| one.element < element).count();
        let mut next = [first(Element::F32), first(Element::F16)];
        let place = |own: &Staging| {
            let next = &mut next[usize::from(own.element == Element::F16)];
            *next += 1;
            *next - 1
        };
        plan.staging.iter().map(place).collect()
    }

    /// Bytes of all of it.
    pub fn bytes(&self) -> u64 {
        let textures = self.staging.iter().map(|one| one.bytes);
        self.slots.iter().copied().chain(Self::UNUSED).chain(textures).sum()
    }
}

/// Bytes that sessions of `plans` take together with their variables, where they take turns in one
/// [`Extent`] and each has inputs of its own. All use the variables of the plan that has most.
pub fn together<'a>(plans: impl IntoIterator<Item = &'a Plan> + Clone) -> u64 {
    let inputs = plans.clone().into_iter().flat_map(|plan| &plan.inputs);
    let inputs: u64 = inputs.map(|input| allocation(input.place.bytes)).sum();
    let variables = plans.clone().into_iter().map(|plan| plan.variables.allocated()).max();
    Extent::of(plans).bytes() + inputs + variables.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::plan::{PlanData, VariableLayout};

    fn plan(slots: &[u64], staging: &[(u64, Element)]) -> Plan {
        let staging = staging.iter().map(|&(bytes, element)| Staging { bytes, element }).collect();
        Plan(PlanData {
            setup: Vec::new(),
            steps: Vec::new(),
            slots: slots.to_vec(),
            staging,
            inputs: Vec::new(),
            outputs: Vec::new(),
            variables: VariableLayout::default(),
            peak_bytes: 0,
            live_bytes: 0,
        })
    }

    #[test]
    fn every_plan_finds_room() {
        use Element::{F16, F32};
        let plans = [
            plan(&[256, 5120, 1024], &[(64, F32), (32, F32), (96, F16)]),
            plan(&[2048, 300, 2048, 512], &[(128, F16), (16, F16)]),
            plan(&[], &[(80, F32)]),
        ];
        let extent = Extent::of(&plans);
        assert_eq!(extent.slots, [5120, 2048, 512, 512]);
        let staging: Vec<_> = extent.staging.iter().map(|one| (one.bytes, one.element)).collect();
        assert_eq!(staging, [(80, F32), (32, F32), (128, F16), (16, F16)]);
        for plan in &plans {
            let mut taken = Vec::new();
            for (slot, place) in plan.slots.iter().zip(extent.slots_of(plan)) {
                assert!(*slot <= extent.slots[place] && !taken.contains(&place));
                taken.push(place);
            }
            taken.clear();
            for (own, place) in plan.staging.iter().zip(extent.staging_of(plan)) {
                let there = &extent.staging[place];
                assert!(own.bytes <= there.bytes && own.element == there.element);
                assert!(!taken.contains(&place));
                taken.push(place);
            }
        }
        let bytes = 5120 + 2048 + 512 + 512 + 512 + 80 + 32 + 128 + 16;
        assert_eq!((extent.bytes(), together(&plans)), (bytes, bytes));
    }
}
