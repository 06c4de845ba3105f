//! How the kernels that work channel by channel share the rows of a tensor among invocations.

use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Dispatch, Lowered, Lowering, grid};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// How a version goes through the rows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The channels that one invocation takes at once: 1 or 4.
    pub width: usize,
    /// Whether an invocation takes rows one after another, as processors like it; else neighbours read neighbouring
    /// rows, as GPUs like it.
    pub along: bool,
}

impl Way {
    pub const NAIVE: Way = Way { width: 1, along: false };
    pub const FOURS: Way = Way { width: 4, along: false };
    pub const STRIP: Way = Way { width: 4, along: true };

    /// Of the entry points for one channel and for four, this version's.
    pub fn entry(self, entries: [&'static str; 2]) -> &'static str {
        entries[usize::from(self.width > 1)]
    }
}

/// An operation whose kernels go through rows with the same channels at hand.
pub(super) trait Rowwise: Operation {
    /// The dispatches of a version.
    fn dispatches(&self, lowering: &Lowering, way: Way) -> Result<Lowered>;
}

/// The versions of such an operation.
pub(super) const fn ladder<T: Rowwise>() -> [Variant; 3] {
    variants!(T:
        { name: "naive", price: |_, _| 4.0, lower: |this, at| this.dispatches(at, Way::NAIVE) },
        {
            name: "fours",
            fits: in_fours,
            price: |_, at| at.on(2.0, 1.0),
            lower: |this, at| this.dispatches(at, Way::FOURS),
        },
        {
            name: "strip",
            fits: in_fours,
            price: |_, at| at.on(1.0, 2.0),
            lower: |this, at| this.dispatches(at, Way::STRIP),
        },
    )
}

/// Those of one in which every invocation computes one result: there are no rows to take one after another.
pub(super) const fn flat<T: Rowwise>() -> [Variant; 2] {
    let [naive, fours, _] = ladder::<T>();
    [naive, fours]
}

/// What versions for four channels take.
pub(super) fn in_fours<T: Operation>(this: &T, lowering: &Lowering) -> Result<()> {
    fours_if(this, lowering.is_vec4())
}

/// The same, as the operation sees it.
pub(super) fn fours_if<T: Operation>(this: &T, fits: bool) -> Result<()> {
    match fits {
        true => Ok(()),
        false => Err(Error::shape(this.name(), "it takes channels in fours")),
    }
}

/// Blocks of rows, one an invocation and channel: block b goes through the rows
/// b * near + j * far for j = 0..each, as far as there are such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    rows: usize,
    /// Invocations side by side in one row: channels, or a quarter of them.
    lanes: usize,
    pub blocks: usize,
    near: usize,
    far: usize,
    each: usize,
}

impl Walk {
    /// For a kernel with one result an element: few rows each, so that there is enough to do for
    /// every core, and some, so that what belongs to a channel is read seldom.
    pub fn each(way: Way, shape: &Shape) -> Self {
        let (rows, lanes) = Self::sides(way, shape);
        let each = match way {
            Way::FOURS => (rows * lanes / 65536).clamp(1, 8),
            Way::STRIP => (rows * lanes / 1024).clamp(1, 32),
            _ => 1,
        };
        Self::new(way, rows, lanes, each)
    }

    /// For a kernel that sums over rows: as few blocks as keep every core busy, since their sums
    /// must be added too.
    pub fn sum(lowering: &Lowering, way: Way, shape: &Shape) -> Self {
        let (rows, lanes) = Self::sides(way, shape);
        let busy = if way.along { 1024 } else { 32768 };
        let most = (busy / lanes).clamp(1, 2048).min(rows.div_ceil(8));
        let longest = usize::try_from(lowering.capabilities.longest_loop).unwrap_or(usize::MAX);
        Self::new(way, rows, lanes, rows.div_ceil(most.max(1)).min(longest))
    }

    fn sides(way: Way, shape: &Shape) -> (usize, usize) {
        (shape.rows().max(1), (shape.channels() / way.width).max(1))
    }

    fn new(way: Way, rows: usize, lanes: usize, each: usize) -> Self {
        let blocks = rows.div_ceil(each);
        let (near, far) = if way.along { (each, 1) } else { (1, blocks) };
        Walk { rows, lanes, blocks, near, far, each }
    }

    /// Sets the uniforms and the grid of one invocation a block and channel.
    pub fn apply(&self, dispatch: Dispatch, lowering: &Lowering) -> Dispatch {
        let count = self.blocks * self.lanes;
        self.describe(dispatch, self.lanes)
            .param("count", count)
            .workgroups(grid(count.div_ceil(64), lowering.capabilities.max_workgroups))
    }

    /// Sets the uniforms alone, for a kernel over `channels`.
    pub fn describe(&self, dispatch: Dispatch, channels: usize) -> Dispatch {
        dispatch
            .param("channels", channels)
            .param("rows", self.rows)
            .param("blocks", self.blocks)
            .param("near", self.near)
            .param("far", self.far)
            .param("each", self.each)
    }
}

/// Large enough for [`Walk::each`] to give an invocation several rows in every variant, and odd, so
/// that the last has fewer.
pub(super) const SEVERAL_ROWS: [usize; 4] = [1, 263, 127, 16];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kernel::{Capabilities, View};

    /// Every row is in exactly one block, whichever way the blocks lie.
    #[test]
    fn blocks_cover_every_row_once() {
        let capabilities = Capabilities::default();
        for way in [Way::NAIVE, Way::FOURS, Way::STRIP] {
            for rows in [1, 2, 7, 8, 9, 100, 4097, 70_000] {
                let shape = Shape::from([rows, 1, 1, 8]);
                let view = View::dense(&shape);
                let lowering = Lowering {
                    inputs: &[&shape],
                    views: &[view],
                    output: &shape,
                    output_view: view,
                    fixed: &[],
                    capabilities: &capabilities,
                };
                for walk in [Walk::each(way, &shape), Walk::sum(&lowering, way, &shape)] {
                    let mut seen = vec![0; rows];
                    for block in 0..walk.blocks {
                        let first = block * walk.near;
                        assert!(first < rows, "{way:?} {rows} {walk:?}");
                        for j in 0..walk.each.min((rows - first).div_ceil(walk.far)) {
                            seen[first + j * walk.far] += 1;
                        }
                    }
                    assert!(seen.iter().all(|&times| times == 1), "{way:?} {rows} {walk:?}");
                }
            }
        }
    }
}
