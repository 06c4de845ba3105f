//! Which texture each tensor is read through, where a kernel reads through textures.

use super::{Bound, Memory, Reach, Step};
use crate::shaders::TEXELS_PER_ROW;

/// The textures of a plan.
#[derive(Debug, Default)]
pub struct Staged {
    /// Bytes of each texture.
    pub sizes: Vec<u64>,
    /// Bytes of textures that each setup step reads at once.
    pub setup: Vec<u64>,
    /// Bytes of textures that each step reads at once.
    pub steps: Vec<u64>,
}

/// What a texture holds: a range of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    memory: Memory,
    start: u64,
    bytes: u64,
}

impl Content {
    fn of(bound: &Bound) -> Self {
        Content { memory: bound.memory, start: bound.start, bytes: bound.bytes }
    }

    fn overlaps(&self, other: &Content) -> bool {
        self.memory == other.memory
            && self.start < other.start + other.bytes
            && other.start < self.start + self.bytes
    }
}

/// Gives every binding that is read through a texture its texture. A tensor that a texture still
/// holds from an earlier dispatch is not copied again.
pub fn assign(setup: &mut [Step], steps: &mut [Step]) -> Staged {
    let mut staged = Staged::default();
    staged.setup = assign_to(setup, &mut staged.sizes);
    staged.steps = assign_to(steps, &mut staged.sizes);
    staged
}

fn assign_to(steps: &mut [Step], sizes: &mut Vec<u64>) -> Vec<u64> {
    // What each texture holds, and the number of the dispatch that last read it.
    let mut held: Vec<(Option<Content>, usize)> = vec![(None, 0); sizes.len()];
    let mut now = 0;
    let mut read = Vec::new();
    for step in steps {
        let mut most = 0;
        for dispatch in &mut step.dispatches {
            now += 1;
            let mut bytes = 0;
            let mut wanted: Vec<&mut Bound> = dispatch
                .bindings
                .iter_mut()
                .filter(|bound| matches!(bound.reach, Reach::Texels { .. }))
                .collect();
            // First those that are there already, so that the others do not overwrite them.
            wanted.sort_by_key(|bound| {
                let content = Content::of(bound);
                !held.iter().any(|(there, _)| *there == Some(content))
            });
            for bound in wanted {
                let content = Content::of(bound);
                let there = held.iter().position(|(there, _)| *there == Some(content));
                let staging = there.unwrap_or_else(|| {
                    // The one not read for longest, if this dispatch leaves one.
                    let free = (0..held.len()).filter(|&texture| held[texture].1 != now);
                    free.min_by_key(|&texture| held[texture].1).unwrap_or_else(|| {
                        held.push((None, 0));
                        sizes.push(0);
                        held.len() - 1
                    })
                });
                held[staging] = (Some(content), now);
                let size = bound.bytes.next_multiple_of(16 * TEXELS_PER_ROW);
                sizes[staging] = sizes[staging].max(size);
                bytes += bound.bytes;
                bound.reach = Reach::Texels { staging, copy: there.is_none() };
            }
            most = most.max(bytes);
            for bound in dispatch.bindings.iter().filter(|bound| bound.reach == Reach::Write) {
                let written = Content::of(bound);
                for (there, _) in &mut held {
                    if there.is_some_and(|there| there.overlaps(&written)) {
                        *there = None;
                    }
                }
            }
        }
        read.push(most);
    }
    read
}
