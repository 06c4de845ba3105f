//! Which texture each tensor is read through, where a kernel reads through textures.

use super::{Bound, Dispatch, Memory, Reach, Step};
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

    /// Bytes of a texture that holds it: whole rows.
    fn texture_bytes(&self) -> u64 {
        self.bytes.next_multiple_of(16 * TEXELS_PER_ROW)
    }

    fn overlaps(&self, other: &Content) -> bool {
        self.memory == other.memory
            && self.start < other.start + other.bytes
            && other.start < self.start + self.bytes
    }
}

/// A copy of a tensor in a texture, from the dispatch that it is made for to the last that reads it.
struct Copy {
    content: Content,
    first: usize,
    last: usize,
    /// (dispatch, position among its bindings), in order.
    readers: Vec<(usize, usize)>,
}

/// How many dispatches a copy waits for its next reader. Longer, and textures would pile up for the
/// sake of copies that cost little.
const PATIENCE: usize = 2;

/// Gives every binding that is read through a texture its texture. A tensor that was copied for a
/// dispatch shortly before is not copied again.
pub fn assign(setup: &mut [Step], steps: &mut [Step]) -> Staged {
    let mut sizes: Vec<u64> = Vec::new();
    for dispatch in setup.iter().chain(steps.iter()).flat_map(|step| &step.dispatches) {
        for (rank, content) in contents(dispatch).iter().enumerate() {
            sizes.resize(sizes.len().max(rank + 1), 0);
            sizes[rank] = sizes[rank].max(content.texture_bytes());
        }
    }
    let setup = assign_to(setup, &sizes);
    let steps = assign_to(steps, &sizes);
    Staged { sizes, setup, steps }
}

/// Returns the bytes of copies that are held during each step.
fn assign_to(steps: &mut [Step], sizes: &mut Vec<u64>) -> Vec<u64> {
    let copies = copies(steps);
    let textures = pack(&copies, sizes);
    let mut dispatches: Vec<_> =
        steps.iter_mut().flat_map(|step| step.dispatches.iter_mut()).collect();
    for (copy, &staging) in copies.iter().zip(&textures) {
        for (number, &(dispatch, binding)) in copy.readers.iter().enumerate() {
            let copy = number == 0;
            dispatches[dispatch].bindings[binding].reach = Reach::Texels { staging, copy };
        }
    }
    let mut held = Vec::new();
    let mut first = 0;
    for step in steps {
        let last = first + step.dispatches.len();
        let at = |now: usize| -> u64 {
            let alive = copies.iter().filter(|copy| copy.first <= now && now <= copy.last);
            alive.map(|copy| copy.content.bytes).sum()
        };
        held.push((first..last).map(at).max().unwrap_or(0));
        first = last;
    }
    held
}

fn copies(steps: &[Step]) -> Vec<Copy> {
    let mut done: Vec<Copy> = Vec::new();
    let mut open: Vec<Copy> = Vec::new();
    for (now, dispatch) in steps.iter().flat_map(|step| &step.dispatches).enumerate() {
        let (waiting, late) = open.into_iter().partition(|copy| now - copy.last <= PATIENCE);
        open = waiting;
        done.extend::<Vec<Copy>>(late);
        for (position, bound) in dispatch.bindings.iter().enumerate() {
            if !matches!(bound.reach, Reach::Texels { .. }) {
                continue;
            }
            let content = Content::of(bound);
            match open.iter_mut().find(|copy| copy.content == content) {
                Some(copy) => {
                    copy.last = now;
                    copy.readers.push((now, position));
                }
                None => {
                    let readers = vec![(now, position)];
                    open.push(Copy { content, first: now, last: now, readers });
                }
            }
        }
        // What is written now is another tensor, or another value, from the next dispatch on.
        for bound in dispatch.bindings.iter().filter(|bound| bound.reach == Reach::Write) {
            let written = Content::of(bound);
            let (stale, fresh) =
                open.into_iter().partition(|copy: &Copy| copy.content.overlaps(&written));
            open = fresh;
            done.extend::<Vec<Copy>>(stale);
        }
    }
    done.extend(open);
    done
}

/// The texture of each copy: the largest first, each into the smallest texture that is free as long
/// as it lasts, or into a new one.
fn pack(copies: &[Copy], sizes: &mut Vec<u64>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..copies.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(copies[index].content.bytes), index));
    let mut textures = vec![0; copies.len()];
    let mut residents: Vec<Vec<usize>> = vec![Vec::new(); sizes.len()];
    for index in order {
        let copy = &copies[index];
        let size = copy.content.bytes.next_multiple_of(16 * TEXELS_PER_ROW);
        let free = |texture: &usize| {
            residents[*texture].iter().all(|&other| {
                let other: &Copy = &copies[other];
                copy.last < other.first || other.last < copy.first
            })
        };
        let fits = |texture: &usize| sizes[*texture] >= size;
        let chosen = (0..sizes.len())
            .filter(|texture| free(texture) && fits(texture))
            .min_by_key(|&texture| sizes[texture])
            // A texture of the setup that is too small grows rather than stand beside a new one.
            .or_else(|| (0..sizes.len()).filter(free).max_by_key(|&texture| sizes[texture]));
        let texture = chosen.unwrap_or_else(|| {
            sizes.push(0);
            residents.push(Vec::new());
            sizes.len() - 1
        });
        sizes[texture] = sizes[texture].max(size);
        residents[texture].push(index);
        textures[index] = texture;
    }
    textures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shape;

    /// A step whose one dispatch reads inputs of these numbers and KiB, and writes a slot.
    fn step(reads: &[(usize, u64)], writes: usize) -> Step {
        let bound =
            |memory, kib: u64, reach| Bound { index: 0, reach, memory, start: 0, bytes: kib << 10 };
        let texels = Reach::Texels { staging: 99, copy: true };
        let mut bindings: Vec<Bound> =
            reads.iter().map(|&(slot, kib)| bound(Memory::Slot(slot), kib, texels)).collect();
        bindings.push(bound(Memory::Slot(writes), 64, Reach::Write));
        Step {
            layer: String::new(),
            what: String::new(),
            operation: "",
            variant: "",
            shape: Shape::from([1]),
            output: None,
            flops: 0,
            bytes: 0,
            dispatches: vec![Dispatch {
                shader: "",
                entry: "",
                constants: Vec::new(),
                tiles: Vec::new(),
                texels: true,
                bindings,
                uniform: None,
                workgroups: [1; 3],
            }],
        }
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
        assert_eq!(staged.sizes, [640 << 10, 128 << 10, 64 << 10]);
        assert_eq!(staged.steps[2], 448 << 10);
        for step in &steps {
            let mut used: Vec<usize> = reads(step).iter().map(|(texture, _)| *texture).collect();
            for (bound, texture) in step.dispatches[0].bindings.iter().zip(&used) {
                assert!(bound.bytes <= staged.sizes[*texture]);
            }
            used.sort_unstable();
            used.dedup();
            assert_eq!(used.len(), reads(step).len(), "two tensors in one texture");
        }
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
