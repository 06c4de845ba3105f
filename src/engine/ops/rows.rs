//! How the kernels that work channel by channel share the rows of a tensor among invocations.

use super::{Dispatch, Lowering, Needs, Variant, grid};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// The ladder of all kernels that go through rows with the same channels at hand.
pub(super) const LADDER: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    // Four channels an invocation; neighbours read neighbouring rows, as GPUs like it.
    Variant { name: "fours", needs: Needs::Nothing },
    // Four channels; an invocation takes rows one after another, as processors like it.
    Variant { name: "strip", needs: Needs::Nothing },
];

/// The ladder of kernels in which every invocation computes one result: there are no rows to take one after another.
pub(super) const FLAT: &[Variant] = LADDER.split_at(2).0;

/// The best of [`FLAT`] for these views.
pub(super) fn choose_flat(lowering: &Lowering) -> &'static str {
    if lowering.is_vec4() { "fours" } else { "naive" }
}

/// The best of [`LADDER`] for these views.
pub(super) fn choose(lowering: &Lowering) -> &'static str {
    match (lowering.is_vec4(), lowering.capabilities.software) {
        (false, _) => "naive",
        (true, false) => "fours",
        (true, true) => "strip",
    }
}

/// What a variant's name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// Its entry point.
    pub entry: &'static str,
    /// The channels that one invocation takes.
    pub width: usize,
}

/// Of the entry points for one channel and for four, the version of the variant asked for.
///
/// # Errors
/// [`Error::Shape`] where it takes four and the tensors do not lie so.
pub(super) fn version(lowering: &Lowering, entries: [&'static str; 2]) -> Result<Version> {
    let variant = lowering.variant;
    if variant == "naive" {
        return Ok(Version { entry: entries[0], width: 1 });
    }
    if !lowering.is_vec4() {
        return Err(Error::shape(entries[1], format!("{variant} takes channels in fours")));
    }
    Ok(Version { entry: entries[1], width: 4 })
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
    pub fn each(lowering: &Lowering, shape: &Shape) -> Self {
        let (rows, lanes) = Self::sides(lowering, shape);
        let each = match lowering.variant {
            "fours" => (rows * lanes / 65536).clamp(1, 8),
            "strip" => (rows * lanes / 1024).clamp(1, 32),
            _ => 1,
        };
        Self::new(lowering, rows, lanes, each)
    }

    /// For a kernel that sums over rows: as few blocks as keep every core busy, since their sums
    /// must be added too.
    pub fn sum(lowering: &Lowering, shape: &Shape) -> Self {
        let (rows, lanes) = Self::sides(lowering, shape);
        let busy = if lowering.variant == "strip" { 1024 } else { 32768 };
        let most = (busy / lanes).clamp(1, 2048).min(rows.div_ceil(8));
        let longest = usize::try_from(lowering.capabilities.longest_loop).unwrap_or(usize::MAX);
        Self::new(lowering, rows, lanes, rows.div_ceil(most.max(1)).min(longest))
    }

    fn sides(lowering: &Lowering, shape: &Shape) -> (usize, usize) {
        let width = if lowering.variant == "naive" { 1 } else { 4 };
        (shape.rows().max(1), (shape.channels() / width).max(1))
    }

    fn new(lowering: &Lowering, rows: usize, lanes: usize, each: usize) -> Self {
        let blocks = rows.div_ceil(each);
        let (near, far) = if lowering.variant == "strip" { (each, 1) } else { (1, blocks) };
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
    use crate::engine::ops::{Capabilities, View};

    /// Every row is in exactly one block, whichever way the blocks lie.
    #[test]
    fn blocks_cover_every_row_once() {
        let capabilities = Capabilities::default();
        for variant in ["naive", "fours", "naive_texels", "strip"] {
            for rows in [1, 2, 7, 8, 9, 100, 4097, 70_000] {
                let shape = Shape::from([rows, 1, 1, 8]);
                let view = View::dense(&shape);
                let lowering = Lowering {
                    inputs: &[&shape],
                    views: &[view],
                    output: &shape,
                    output_view: view,
                    capabilities: &capabilities,
                    variant,
                };
                for walk in [Walk::each(&lowering, &shape), Walk::sum(&lowering, &shape)] {
                    let mut seen = vec![0; rows];
                    for block in 0..walk.blocks {
                        let first = block * walk.near;
                        assert!(first < rows, "{variant} {rows} {walk:?}");
                        for j in 0..walk.each.min((rows - first).div_ceil(walk.far)) {
                            seen[first + j * walk.far] += 1;
                        }
                    }
                    assert!(seen.iter().all(|&times| times == 1), "{variant} {rows} {walk:?}");
                }
            }
        }
    }
}
