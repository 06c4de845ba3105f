//! How the kernels that work channel by channel share the rows of a tensor among invocations.

use super::{Dispatch, Lowering, Needs, Variant, grid};
use crate::error::{Error, Result};
use crate::shape::Shape;

/// The ladder of all kernels that go through rows with the same channels at hand.
pub(super) const LADDER: &[Variant] = &[
    Variant { name: "naive", needs: Needs::Nothing },
    // Four channels an invocation; neighbours read neighbouring rows, as GPUs like it.
    Variant { name: "quad", needs: Needs::Nothing },
    // The same kernel; an invocation reads rows one after another, as processors like it.
    Variant { name: "strip", needs: Needs::Nothing },
];

/// The best of [`LADDER`] for these views.
pub(super) fn choose(lowering: &Lowering) -> &'static str {
    match (lowering.is_vec4(), lowering.capabilities.software) {
        (false, _) => "naive",
        (true, false) => "quad",
        (true, true) => "strip",
    }
}

/// Whether the variant asked for takes four channels at a time.
///
/// # Errors
/// [`Error::Shape`] where it does and the tensors do not lie so.
pub(super) fn in_fours(lowering: &Lowering, name: &str) -> Result<bool> {
    match lowering.variant {
        "naive" => Ok(false),
        _ if lowering.is_vec4() => Ok(true),
        variant => Err(Error::shape(name, format!("{variant} takes channels in fours"))),
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
    pub fn each(lowering: &Lowering, shape: &Shape, name: &str) -> Result<Self> {
        let (rows, lanes) = Self::sides(lowering, shape, name)?;
        let each = match lowering.variant {
            "naive" => 1,
            "quad" => (rows * lanes / 65536).clamp(1, 8),
            _ => (rows * lanes / 1024).clamp(1, 32),
        };
        Ok(Self::new(lowering, rows, lanes, each))
    }

    /// For a kernel that sums over rows: as few blocks as keep every core busy, since their sums
    /// must be added too.
    pub fn sum(lowering: &Lowering, shape: &Shape, name: &str) -> Result<Self> {
        let (rows, lanes) = Self::sides(lowering, shape, name)?;
        let busy = if lowering.variant == "strip" { 1024 } else { 32768 };
        let most = (busy / lanes).clamp(1, 2048).min(rows.div_ceil(8));
        Ok(Self::new(lowering, rows, lanes, rows.div_ceil(most.max(1))))
    }

    fn sides(lowering: &Lowering, shape: &Shape, name: &str) -> Result<(usize, usize)> {
        let width = if in_fours(lowering, name)? { 4 } else { 1 };
        Ok((shape.rows().max(1), (shape.channels() / width).max(1)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Capabilities, View};

    /// Every row is in exactly one block, whichever way the blocks lie.
    #[test]
    fn blocks_cover_every_row_once() {
        let capabilities = Capabilities::default();
        for variant in ["naive", "quad", "strip"] {
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
                for walk in [
                    Walk::each(&lowering, &shape, "test").unwrap(),
                    Walk::sum(&lowering, &shape, "test").unwrap(),
                ] {
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
