//! Convolutions whose channels are not in fours, or whose tensors do not lie so, by the kernels that take
//! fours: what is narrow is copied with zeros after its channels (`shaders/convolution/padded.wgsl`), and of the result
//! what is asked for is kept.

use super::conv2d::Sizes;
use super::epilogue::Epilogue;
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, Operand, View, grid};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// What a processor takes, in the multiply-adds of `tiles.rs` that follow each other: to copy a number into a
/// wide tensor, and out of one; and to begin a dispatch. Fitted to Mesa's lavapipe (`benches/NOTES.md`,
/// Channels not in fours).
const WIDEN: f64 = 1.5;
const CUT: f64 = 3.0;
const DISPATCH: f64 = 5e4;

/// A tensor as (parts, rows, groups, channels), and what it is in fours.
#[derive(Clone, Debug)]
pub(in crate::engine::ops) struct Block {
    parts: usize,
    rows: usize,
    wide_rows: usize,
    groups: usize,
    channels: usize,
    /// The shape of the tensor in fours.
    wide: Shape,
}

impl Block {
    /// An activation of this shape, with its channels in `groups`.
    pub fn activation(shape: &Shape, groups: usize, wide: Shape) -> Self {
        let channels = shape.channels() / groups.max(1);
        Block { parts: shape.rows(), rows: 1, wide_rows: 1, groups, channels, wide }
    }

    /// The kernel (kh, kw, C / groups, K) of a convolution, whose rows are the channels of x.
    pub fn kernel(sizes: &Sizes, wide: Shape) -> Self {
        let [kh, kw] = sizes.window.size;
        let (rows, channels) = (sizes.group_in(), sizes.group_out());
        let wide_rows = rows.next_multiple_of(4);
        Block { parts: kh * kw, rows, wide_rows, groups: sizes.groups, channels, wide }
    }

    /// The kernel (kh, kw, C, 1) of a depthwise convolution: one row, in which each tap is a group.
    pub fn depthwise_kernel(sizes: &Sizes, wide: Shape) -> Self {
        let [kh, kw] = sizes.window.size;
        let (groups, channels) = (kh * kw, sizes.in_channels);
        Block { parts: 1, rows: 1, wide_rows: 1, groups, channels, wide }
    }

    /// Channels of a group in fours.
    fn wide_channels(&self) -> usize {
        self.channels.next_multiple_of(4)
    }

    /// Whether the tensor can be used as it lies.
    fn fits(&self, view: View) -> bool {
        // The rows of a kernel (kh, kw, C, 1) are single numbers, which follow each other.
        let stride = if self.parts * self.rows == 1 { 0 } else { view.stride };
        let fours = [self.channels, view.offset, stride];
        self.wide_rows == self.rows && fours.iter().all(|size| size.is_multiple_of(4))
    }

    /// A dispatch of `entry`, `widen` or `cut`.
    fn copy(&self, entry: &'static str, limit: u32) -> Dispatch {
        let rows = if entry == "widen" { self.wide_rows } else { self.rows };
        let count = self.parts * rows * self.groups * self.wide_channels() / 4;
        Dispatch::new("padded", entry)
            .param("count", count)
            .param("rows", self.rows)
            .param("wide_rows", self.wide_rows)
            .param("groups", self.groups)
            .param("channels", self.channels)
            .param("wide", self.wide_channels())
            .workgroups(grid(count.div_ceil(64), limit))
    }
}

/// The two tensors of a convolution of any kind and its result.
pub(in crate::engine::ops) struct Padded {
    blocks: [Block; 3],
    /// Which of them need no copy.
    fits: [bool; 3],
    epilogue: Epilogue,
}

impl Padded {
    /// `blocks`: of inputs 0 and 1, and of the output; `epilogue`: what follows the sum.
    pub fn new(lowering: &Lowering, blocks: [Block; 3], epilogue: &Epilogue) -> Self {
        // The result is stored by the wide kernel only if all that follows the sum can be done there.
        let output = blocks[2].fits(lowering.output_view) && epilogue.is_vec4(lowering);
        let input = |i: usize| blocks[i].fits(lowering.views[i]);
        let fits = [input(0), input(1), output];
        Padded { blocks, fits, epilogue: *epilogue }
    }

    /// What the copies take on a processor, in the multiply-adds of `tiles.rs`; none where there is nothing to
    /// copy, or a copy is larger than what can be bound.
    pub fn price(&self, capabilities: &Capabilities) -> Option<f64> {
        let large = |block: &Block| 4 * block.wide.elements() as u64 > capabilities.max_binding;
        if self.fits == [true; 3] || self.blocks.iter().any(large) {
            return None;
        }
        let each = [WIDEN, WIDEN, CUT];
        let copies = (0..3).filter(|i| !self.fits[*i]);
        Some(copies.map(|i| DISPATCH + self.blocks[i].wide.elements() as f64 * each[i]).sum())
    }

    /// Refuses to copy what lies in fours.
    pub fn expect_copies(&self, name: &str) -> Result<()> {
        match self.fits == [true; 3] {
            true => Err(Error::shape(name, "padded takes channels that are not in fours")),
            false => Ok(()),
        }
    }

    /// The dispatches: copies in, those of `products` on wide tensors with what of the epilogue it can do, and
    /// the copy out. `sizes`: of the convolution that is asked for, its groups those of the epilogue's channels.
    pub fn lower(
        &self,
        name: &str,
        lowering: &Lowering,
        sizes: &Sizes,
        products: impl FnOnce(&Lowering, &Epilogue) -> Result<Lowered>,
    ) -> Result<Lowered> {
        let Padded { blocks, fits, epilogue } = self;
        self.expect_copies(name)?;
        let limit = lowering.capabilities.max_workgroups;
        let view = |i: usize, own: View| match fits[i] {
            true => own,
            false => View::dense(&blocks[i].wide),
        };
        let mut inputs = vec![&blocks[0].wide, &blocks[1].wide];
        let mut views = vec![view(0, lowering.views[0]), view(1, lowering.views[1])];
        // What follows the sum is read by the wide kernel only where that computes it.
        if fits[2] {
            inputs.extend(&lowering.inputs[2..]);
            views.extend(&lowering.views[2..]);
        }
        let inner = Lowering {
            inputs: &inputs,
            views: &views,
            output: &blocks[2].wide,
            output_view: view(2, lowering.output_view),
            fixed: lowering.fixed,
            capabilities: lowering.capabilities,
        };
        let products = products(&inner, if fits[2] { epilogue } else { &NOTHING })?;

        // Scratch memory: the wide tensors, then what the products take themselves.
        let mut scratch = Vec::new();
        let mut places = [Operand::Input(0), Operand::Input(1), Operand::Output];
        for i in (0..3).filter(|i| !fits[*i]) {
            places[i] = Operand::Scratch(scratch.len());
            scratch.push(blocks[i].wide.elements());
        }
        let own = scratch.len();
        let mut dispatches = Vec::new();
        for i in (0..2).filter(|i| !fits[*i]) {
            let widen = blocks[i].copy("widen", limit);
            dispatches.push(widen.bind("x", Operand::Input(i)).bind("y", places[i]));
        }
        for mut dispatch in products.dispatches {
            for (tensor, operand) in &mut dispatch.bindings {
                let role = match operand {
                    Operand::Input(i @ (0 | 1)) => *i,
                    Operand::Output => 2,
                    Operand::Scratch(i) => {
                        *i += own;
                        continue;
                    }
                    // What the epilogue reads.
                    _ => continue,
                };
                *operand = places[role];
                if !fits[role]
                    && let Some(stride) = stride(tensor)
                {
                    dispatch.params.push((stride, blocks[role].wide.channels().into()));
                }
            }
            dispatches.push(dispatch);
        }
        scratch.extend(products.scratch);
        if !fits[2] {
            let block = &blocks[2];
            let cut = if *epilogue == NOTHING {
                block.copy("cut", limit)
            } else {
                let count = block.parts * block.groups * block.wide_channels() / 4;
                let finish = Dispatch::new("conv2d", "finish")
                    .param("x_stride", block.wide.channels())
                    .workgroups(grid(count.div_ceil(64), limit));
                Sizes { groups: block.groups, ..*sizes }
                    .channel_params(sizes.params(epilogue.bind(finish)))
            };
            dispatches.push(cut.bind("x", places[2]).bind("y", Operand::Output));
        }
        Ok(Lowered { dispatches, scratch })
    }
}

const NOTHING: Epilogue = Epilogue {
    bias: false,
    affine: false,
    residual: false,
    activation: crate::engine::ops::Activation::None,
};

/// The uniform that says how far apart the rows of an activation are. Kernels have no gaps.
fn stride(tensor: &str) -> Option<&'static str> {
    ["x_stride", "y_stride", "d_x_stride", "dy_stride"]
        .into_iter()
        .find(|stride| stride.strip_suffix("_stride") == Some(tensor))
}
