//! Blocks of rows whose sums are merged: an invocation's each, or a workgroup's.

use crate::engine::kernel::{Dispatch, Lowering, grid};
use crate::engine::ops::rows::{Walk, Way};
use crate::engine::shape::Shape;

/// Blocks of rows whose sums are merged.
pub(super) struct Blocks {
    /// How many there are.
    pub count: usize,
    kind: BlocksOf,
}

enum BlocksOf {
    /// An invocation's.
    Walk(Walk),
    /// A workgroup's: fours of channels side by side, all fours, rows, and tiles of the fours.
    Groups { across: usize, fours: usize, rows: usize, tiles: usize },
}

/// Invocations of a workgroup of `group`: `GROUP` in the shader.
const GROUP: usize = 256;
/// Workgroups that keep a GPU busy with them.
const GROUPS: usize = 512;
/// Rows that an invocation of `group` has at least, unless there are fewer.
const FEWEST_ROWS: usize = 4;

impl Blocks {
    /// Blocks of an invocation each.
    pub fn walked(lowering: &Lowering, way: Way, shape: &Shape) -> Self {
        let walk = Walk::sum(lowering, way, shape);
        Blocks { count: walk.blocks, kind: BlocksOf::Walk(walk) }
    }

    /// Blocks of a workgroup each.
    pub fn of_groups(shape: &Shape) -> Self {
        let (rows, fours) = (shape.rows(), shape.channels() / 4);
        let across = fours.next_power_of_two().clamp(4, 32);
        let tiles = fours.div_ceil(across);
        let most = rows.div_ceil(GROUP / across * FEWEST_ROWS);
        let count = (GROUPS / tiles).clamp(1, most);
        Blocks { count, kind: BlocksOf::Groups { across, fours, rows, tiles } }
    }

    /// Sets the uniforms, for a kernel over `channels`.
    pub fn describe(&self, dispatch: Dispatch, channels: usize) -> Dispatch {
        match &self.kind {
            BlocksOf::Walk(walk) => walk.describe(dispatch, channels).param("slices", 1u32),
            BlocksOf::Groups { across, rows, .. } => {
                let slices = GROUP / across;
                dispatch
                    .param("channels", channels)
                    .param("rows", *rows)
                    .param("blocks", self.count)
                    .param("near", slices)
                    .param("far", slices * self.count)
                    .param("each", 0u32)
                    .param("slices", slices)
            }
        }
    }

    /// Sets the uniforms and the grid of the kernel that sums.
    pub fn apply(&self, dispatch: Dispatch, lowering: &Lowering) -> Dispatch {
        match &self.kind {
            BlocksOf::Walk(walk) => walk.apply(dispatch, lowering).param("slices", 1u32),
            BlocksOf::Groups { across, fours, tiles, .. } => {
                let groups = tiles * self.count;
                self.describe(dispatch, *fours)
                    .tile("GROUP_ACROSS", *across as u32)
                    .param("count", groups)
                    .workgroups(grid(groups, lowering.capabilities.max_workgroups))
            }
        }
    }
}
