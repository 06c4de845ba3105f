//! Which texture each tensor is read through, where a kernel reads through textures.

use super::{Binding, Dispatch, Memory, Reach, Staging, Step};
use crate::engine::kernel::Element;
use crate::engine::shaders::texture_bytes;

/// The textures of a plan.
#[derive(Debug, Default)]
pub struct Staged {
    /// Each texture.
    pub textures: Vec<Staging>,
    /// Bytes of textures that each dispatch reads at once, those of the setup first.
    pub read: Vec<u64>,
}

impl Staged {
    /// Bytes of all textures.
    pub fn bytes(&self) -> u64 {
        self.textures.iter().map(|texture| texture.bytes).sum()
    }
}

/// What a texture holds: a range of a buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    memory: Memory,
    start: u64,
    bytes: u64,
    element: Element,
}

impl Content {
    fn of(bound: &Binding) -> Self {
        let Binding { memory, start, bytes, element, .. } = *bound;
        Content { memory, start, bytes, element }
    }

    /// Whether `texture` can hold it.
    fn fits(&self, texture: &Staging) -> bool {
        self.element == texture.element && texture.bytes >= texture_bytes(self.bytes, self.element)
    }

    fn overlaps(&self, other: &Content) -> bool {
        self.memory == other.memory
            && self.start < other.start + other.bytes
            && other.start < self.start + self.bytes
    }
}

/// Gives every binding that is read through a texture its texture. A tensor that a texture still
/// holds from an earlier dispatch is not copied again.
///
/// Of each kind of element, texture k is as large as the k-th largest tensor that any one dispatch
/// reads: less could not hold that dispatch's tensors side by side. Placing the largest first then
/// never finds all that are large enough taken.
pub fn assign(setup: &mut [Step], steps: &mut [Step]) -> Staged {
    let mut textures: Vec<Staging> = Vec::new();
    for element in [Element::F32, Element::F16] {
        let mut sizes: Vec<u64> = Vec::new();
        for dispatch in setup.iter().chain(steps.iter()).flat_map(|step| &step.dispatches) {
            let contents = contents(dispatch).into_iter().filter(|held| held.element == element);
            for (rank, content) in contents.enumerate() {
                sizes.resize(sizes.len().max(rank + 1), 0);
                sizes[rank] = sizes[rank].max(texture_bytes(content.bytes, element));
            }
        }
        textures.extend(sizes.into_iter().map(|bytes| Staging { bytes, element }));
    }
    let mut read = assign_to(setup, &textures);
    read.extend(assign_to(steps, &textures));
    Staged { textures, read }
}

/// What a dispatch reads through textures, the largest first, each once.
fn contents(dispatch: &Dispatch) -> Vec<Content> {
    let reads = |bound: &&Binding| matches!(bound.reach, Reach::Texels { .. });
    let mut contents: Vec<Content> = Vec::new();
    for content in dispatch.bindings.iter().filter(reads).map(Content::of) {
        if !contents.contains(&content) {
            contents.push(content);
        }
    }
    contents.sort_by_key(|content| std::cmp::Reverse(content.bytes));
    contents
}

/// Returns the bytes that each dispatch reads through textures at once.
fn assign_to(steps: &mut [Step], textures: &[Staging]) -> Vec<u64> {
    // What each texture holds, and the number of the dispatch that last read it.
    let mut held: Vec<(Option<Content>, usize)> = vec![(None, 0); textures.len()];
    let mut now = 0;
    let mut read = Vec::new();
    for step in steps {
        for dispatch in &mut step.dispatches {
            now += 1;
            let wanted = contents(dispatch);
            read.push(wanted.iter().map(|content| content.bytes).sum());
            for (index, &content) in wanted.iter().enumerate() {
                let fits =
                    |&texture: &usize| held[texture].1 != now && content.fits(&textures[texture]);
                let free = || (0..textures.len()).filter(fits);
                let there = free().find(|&texture| held[texture].0 == Some(content));
                let staging = there.or_else(|| {
                    // The one not read for longest, but none that this dispatch reads.
                    let needed = |texture: usize| {
                        held[texture].0.is_some_and(|there| wanted[index..].contains(&there))
                    };
                    free().min_by_key(|&texture| (needed(texture), held[texture].1))
                });
                let Some(staging) = staging else { continue };
                held[staging] = (Some(content), now);
                let mut copy = there.is_none();
                for bound in &mut dispatch.bindings {
                    let reads = matches!(bound.reach, Reach::Texels { .. });
                    if reads && Content::of(bound) == content {
                        bound.reach = Reach::Texels { staging, copy };
                        copy = false;
                    }
                }
            }
            for bound in dispatch.bindings.iter().filter(|bound| bound.reach == Reach::Write) {
                let written = Content::of(bound);
                for (there, _) in &mut held {
                    if there.is_some_and(|there| there.overlaps(&written)) {
                        *there = None;
                    }
                }
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    /// A step whose one dispatch reads inputs of these numbers and KiB, and writes a slot.
    fn step(reads: &[(usize, u64)], writes: usize) -> Step {
        let texels = Reach::Texels { staging: 99, copy: true };
        let read = |&(slot, kib): &(usize, u64)| testing::binding(slot, kib << 10, texels);
        let mut bindings: Vec<Binding> = reads.iter().map(read).collect();
        bindings.push(testing::binding(writes, 64 << 10, Reach::Write));
        testing::step(vec![bindings])
    }

    /// Texture and whether it is copied to, of each read.
    fn reads(step: &Step) -> Vec<(usize, bool)> {
        let bindings = step.dispatches[0].bindings.iter();
        bindings
            .filter_map(|bound| match bound.reach {
                Reach::Texels { staging, copy } => Some((staging, copy)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn textures_are_as_large_as_what_is_read_side_by_side() {
        let mut steps = [
            step(&[(0, 64), (1, 640)], 9),
            step(&[(2, 640), (3, 128)], 9),
            step(&[(4, 320), (5, 64), (6, 64)], 9),
            // Held since the first two dispatches; the small one lies where only small ones fit.
            step(&[(3, 128), (2, 640)], 9),
        ];
        let staged = assign(&mut [], &mut steps);
        // A row is 32 kB; their number is never a power of two.
        let sizes: Vec<u64> = staged.textures.iter().map(|texture| texture.bytes).collect();
        assert_eq!(sizes, [640 << 10, 160 << 10, 96 << 10]);
        assert_eq!(staged.read[2], 448 << 10);
        for step in &steps {
            let mut used: Vec<usize> = reads(step).iter().map(|(texture, _)| *texture).collect();
            for (bound, texture) in step.dispatches[0].bindings.iter().zip(&used) {
                assert!(bound.bytes <= staged.textures[*texture].bytes);
            }
            used.sort_unstable();
            used.dedup();
            assert_eq!(used.len(), reads(step).len(), "two tensors in one texture");
        }
    }

    #[test]
    fn halves_have_textures_of_their_own() {
        let mut steps = [step(&[(0, 64), (1, 640)], 9), step(&[(2, 320)], 9)];
        steps[0].dispatches[0].bindings[1].element = Element::F16;
        let staged = assign(&mut [], &mut steps);
        let found = staged.textures.iter().map(|texture| (texture.bytes >> 10, texture.element));
        // A row of halves is 16 kB; 640 kB are 40 of them.
        assert_eq!(found.collect::<Vec<_>>(), [(320, Element::F32), (640, Element::F16)]);
        assert_eq!(
            (reads(&steps[0]), reads(&steps[1])),
            (vec![(0, true), (1, true)], vec![(0, true)])
        );
    }

    #[test]
    fn what_a_texture_holds_is_not_copied_again_until_it_changes() {
        let mut steps = [
            step(&[(0, 64), (1, 64)], 9),
            step(&[(1, 64), (2, 64)], 9),
            step(&[(1, 64), (1, 64)], 1),
            step(&[(1, 64)], 9),
        ];
        assign(&mut [], &mut steps);
        let copies: Vec<Vec<bool>> =
            steps.iter().map(|step| reads(step).iter().map(|(_, copy)| *copy).collect()).collect();
        assert_eq!(copies, [vec![true, true], vec![false, true], vec![false, false], vec![true]]);
        assert_eq!(reads(&steps[2])[0].0, reads(&steps[2])[1].0, "one texture for one tensor");
    }
}
