//! Buffers and textures that sessions take turns in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::gpu::{Buffer, Gpu, Texture};
use crate::engine::plan::{Extent, Plan};
use crate::error::Result;

/// Memory for the values of plans of which one runs at a time: as much as the largest of them needs, and
/// not the sum. What a run has left there is gone when another session has run. Clones share it.
#[derive(Clone, Debug)]
pub struct Arena(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    extent: Extent,
    slots: Vec<Buffer>,
    textures: Vec<Texture>,
    unused: [Buffer; 2],
    /// How many sessions there were, and the number of the one that ran last.
    sessions: AtomicU64,
    last: AtomicU64,
}

impl Arena {
    /// Allocates what each of `plans` finds room in.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when the driver has not enough.
    pub fn new<'a>(gpu: &Gpu, plans: impl IntoIterator<Item = &'a Plan>) -> Result<Self> {
        let extent = Extent::of(plans);
        let slot = |(index, &bytes): (usize, &u64)| gpu.buffer(&format!("slot {index}"), bytes);
        let slots = extent.slots.iter().enumerate().map(slot).collect::<Result<_>>()?;
        let textures = extent
            .staging
            .iter()
            .enumerate()
            .map(|(index, one)| gpu.texture(&format!("staging {index}"), one.bytes, one.element))
            .collect::<Result<_>>()?;
        let [read, written] = Extent::UNUSED;
        let unused = [gpu.buffer("unused", read)?, gpu.buffer("unused", written)?];
        let (sessions, last) = Default::default();
        Ok(Arena(Arc::new(Shared { extent, slots, textures, unused, sessions, last })))
    }

    /// The number of a new session, and the buffers and textures of its `plan`: none where it has no room
    /// here.
    pub(super) fn enter(&self, plan: &Plan) -> Option<(u64, Vec<Buffer>, Vec<Texture>)> {
        let own = Extent::of([plan]);
        let fits = |(own, there): (&u64, &u64)| own <= there;
        let slots = self.0.extent.slots.iter();
        if own.slots.len() > slots.len() || !own.slots.iter().zip(slots).all(fits) {
            return None;
        }
        let mut textures = Vec::new();
        for (one, place) in plan.staging.iter().zip(self.0.extent.staging_of(plan)) {
            let there = self.0.extent.staging.get(place)?;
            if there.element != one.element || there.bytes < one.bytes {
                return None;
            }
            textures.push(self.0.textures[place].clone());
        }
        let places = self.0.extent.slots_of(plan);
        let slots = places.into_iter().map(|place| self.0.slots[place].clone()).collect();
        Some((self.0.sessions.fetch_add(1, Ordering::Relaxed) + 1, slots, textures))
    }

    /// What stands behind bindings that a kernel declares and does not use.
    pub(super) fn unused(&self, written: bool) -> &Buffer {
        &self.0.unused[usize::from(written)]
    }

    /// The session of this number runs now. Returns whether it was the last that did before.
    pub(super) fn take(&self, session: u64) -> bool {
        self.0.last.swap(session, Ordering::Relaxed) == session
    }

    /// Whether the session of this number was the last to run.
    pub(super) fn holds(&self, session: u64) -> bool {
        self.0.last.load(Ordering::Relaxed) == session
    }
}
