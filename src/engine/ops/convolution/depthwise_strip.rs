//! What the depthwise convolution and its gradients share: the rows of their tables, and how long the strips are that
//! `strip` goes along.

use super::conv2d::{Sizes, needs_fours};
use super::depthwise_conv2d::{kernel, lower_forward};
use super::depthwise_gradients::{lower_input, lower_weight};
use super::epilogue::Epilogue;
use super::padded::{Block, Padded};
use super::tiles::Direction;
use crate::engine::graph::{Operation, Variant};
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, View};
use crate::engine::ops::Window;
use crate::engine::ops::table::LAST;
use crate::engine::shape::Shape;
use crate::error::Result;

/// A depthwise convolution of any of the three kinds, on given tensors.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine::ops) struct Task {
    pub name: &'static str,
    pub sizes: Sizes,
    pub direction: Direction,
    pub epilogue: Epilogue,
}

/// An operation that is one.
pub(in crate::engine::ops) trait Depthwise: Operation {
    /// What is to be done.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where the shapes are none of its.
    fn task(&self, lowering: &Lowering) -> Result<Task>;
}

/// The rows of all three. A GPU computes enough numbers side by side by `naive`, without copies.
pub(in crate::engine::ops) const fn table<T: Depthwise>() -> [Variant; 3] {
    variants!(T:
        {
            name: "naive",
            price: |this, at| this.task(at).map_or(LAST, |task| task.work() * NAIVE[task.direction as usize]),
            lower: |this, at| Ok(this.task(at)?.lower(at, false)),
        },
        {
            name: "padded",
            fits: |this, at| {
                let task = this.task(at)?;
                match is_strip(&task.sizes.window) {
                    true => task.padded(at).expect_copies(task.name),
                    false => Err(needs_fours(task.name, STRIP_WINDOWS)),
                }
            },
            price: |this, at| {
                let task = this.task(at).ok().filter(|_| at.capabilities.software);
                let price = task.and_then(|task| {
                    Some(task.padded(at).price(at.capabilities)? + task.work() * STRIPPED)
                });
                price.unwrap_or(f64::INFINITY)
            },
            lower: |this, at| {
                let task = this.task(at)?;
                task.padded(at).lower(task.name, at, &task.sizes, |inner, epilogue| {
                    Ok(Task { epilogue: *epilogue, sizes: task.wide(), ..task }.lower(inner, true))
                })
            },
        },
        {
            name: "strip",
            fits: |this, at| {
                let task = this.task(at)?;
                check_strip(task.name, at, &task.sizes.window)
            },
            price: |this, at| this.task(at).map_or(f64::INFINITY, |task| task.work() * STRIPPED),
            lower: |this, at| Ok(this.task(at)?.lower(at, true)),
        },
    )
}

impl Task {
    /// The dispatches of `strip`, or of `naive`.
    fn lower(&self, lowering: &Lowering, in_strips: bool) -> Lowered {
        match self.direction {
            Direction::Forward => lower_forward(lowering, &self.sizes, &self.epilogue, in_strips),
            Direction::Input => lower_input(lowering, &self.sizes, in_strips),
            Direction::Weight => lower_weight(lowering, &self.sizes, in_strips),
        }
    }

    /// Multiply-adds.
    fn work(&self) -> f64 {
        (self.sizes.flops() / 2) as f64
    }

    /// The same with channels in fours.
    fn wide(&self) -> Sizes {
        let channels = self.sizes.in_channels.next_multiple_of(4);
        let (in_channels, out_channels, groups) = (channels, channels, channels);
        Sizes { in_channels, out_channels, groups, ..self.sizes }
    }

    /// The convolution with its channels in fours, for windows that `strip` takes.
    fn padded(&self, lowering: &Lowering) -> Padded {
        let (sizes, wide) = (&self.sizes, self.wide());
        let x = Block::activation(&sizes.input(), 1, wide.input());
        let w = Block::depthwise_kernel(sizes, kernel(&wide));
        let y = Block::activation(&sizes.output(), 1, wide.output());
        Padded::new(lowering, self.direction.tensors(x, w, y), &self.epilogue)
    }
}

/// Whether `strip` can do it: what its constants allow, and four channels at a time.
fn fits_strip(lowering: &Lowering, window: &Window) -> bool {
    // A kernel (kh, kw, C, 1) is dense, and its rows are single numbers.
    let aligned = |view: &View, shape: &Shape| match shape.channels() {
        1 => view.offset.is_multiple_of(4),
        _ => view.is_vec4(shape),
    };
    let mut inputs = lowering.views.iter().zip(lowering.inputs);
    is_strip(window)
        && lowering.inputs[0].channels().is_multiple_of(4)
        && aligned(&lowering.output_view, lowering.output)
        && inputs.all(|(view, shape)| aligned(view, shape))
}

/// The same, as an error that says what it takes.
fn check_strip(name: &str, lowering: &Lowering, window: &Window) -> Result<()> {
    match (is_strip(window), fits_strip(lowering, window)) {
        (false, _) => Err(needs_fours(name, STRIP_WINDOWS)),
        (_, false) => Err(needs_fours(name, "strip")),
        _ => Ok(()),
    }
}

const STRIP_WINDOWS: &str =
    "strip takes square kernels of 2 to 7, a stride of up to 4, no dilation, and";

/// Whether the constants of `strip` allow a window.
fn is_strip(window: &Window) -> bool {
    window.size[0] == window.size[1]
        && window.stride[0] == window.stride[1]
        && (2..=7).contains(&window.size[0])
        && window.stride[0] <= 4
        && window.dilation == [1, 1]
}

/// What a multiply-add of `naive` takes a processor, in those of `tiles.rs`, forward, to the input and to the
/// weights; and one of `strip` (`benches/NOTES.md`, Channels not in fours).
const NAIVE: [f64; 3] = [8.0, 16.0, 5.0];
const STRIPPED: f64 = 1.0;

/// How many lines of pixels one invocation computes: on a processor `most`. Software drivers compile there as
/// well, for a time that goes with the multiply-adds of the unrolled kernel: 7x7 taps for each of four pixels
/// took seconds. A GPU's compiler unrolls no more than it has registers for, and what is left lies in memory
/// (`benches/NOTES.md`, What a GPU's compiler makes of it).
pub(in crate::engine::ops) fn strip(
    window: &Window,
    capabilities: &Capabilities,
    most: usize,
) -> usize {
    let taps = window.size[0] * window.size[1];
    let (held, most) = if capabilities.software { (12 * most, most) } else { (50, 4) };
    (held / taps.max(1)).clamp(1, most)
}

/// Lines of a strip on a processor: more of them keep more sums, or pixels, than it has registers for.
pub(in crate::engine::ops) const STRIP_LINES: usize = 2;

pub(in crate::engine::ops) fn tiles(dispatch: Dispatch, window: &Window, strip: usize) -> Dispatch {
    dispatch
        .tile("KERNEL", window.size[0] as u32)
        .tile("STRIDE", window.stride[0] as u32)
        .tile("STRIP", strip as u32)
}

/// How many of `width` columns one invocation of `strip` goes through, so that enough are left to go
/// through side by side: a multiple of `whole`.
pub(in crate::engine::ops) fn columns(
    lowering: &Lowering,
    width: usize,
    side_by_side: usize,
    whole: usize,
) -> usize {
    let wanted = if lowering.capabilities.software { 4096 } else { 1 << 17 };
    let most = (width * side_by_side / wanted).clamp(1, 32);
    // As even as can be.
    width.div_ceil(width.div_ceil(most)).next_multiple_of(whole)
}
