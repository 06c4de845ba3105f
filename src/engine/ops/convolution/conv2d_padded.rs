//! Dense convolutions whose channels are not in fours: see `padded.rs`.

use super::conv2d::Sizes;
use super::conv2d_gradients::{input_product, weight_product};
use super::padded::{Block, Padded};
use super::table::Task;
use super::tiles::{Direction, cost, direct};
use crate::engine::kernel::{Lowered, Lowering};
use crate::error::Result;

/// The same convolution with the channels of each group in fours.
fn wide(task: &Task) -> Result<Task> {
    let Sizes { window, batch, height, width, groups, .. } = task.sizes;
    let in_fours = |channels: usize| groups * channels.next_multiple_of(4);
    let (from, to) = (in_fours(task.sizes.group_in()), in_fours(task.sizes.group_out()));
    let sizes = Sizes::new(task.name, window, [batch, height, width], from, to, groups)?;
    let product = match task.direction() {
        Direction::Forward => sizes.product(),
        Direction::Input => input_product(&sizes),
        Direction::Weight => weight_product(&sizes),
    };
    Ok(Task { sizes, product, wide: true, narrow: false, ..*task })
}

fn padded(task: &Task, wide: &Task, lowering: &Lowering) -> Padded {
    let x = Block::activation(&task.sizes.input(), task.sizes.groups, wide.sizes.input());
    let w = Block::kernel(&task.sizes, wide.sizes.kernel());
    let y = Block::activation(&task.sizes.output(), task.sizes.groups, wide.sizes.output());
    Padded::new(lowering, task.direction().tensors(x, w, y), &task.epilogue)
}

/// Whether there is something to copy.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) where there is not.
pub(in crate::engine::ops) fn fits(task: &Task, lowering: &Lowering) -> Result<()> {
    padded(task, &wide(task)?, lowering).expect_copies(task.name)
}

/// What the copies and the wide kernel take on a processor. GPUs are given `tiled`, which takes any channels.
pub(in crate::engine::ops) fn price(task: &Task, lowering: &Lowering) -> Option<f64> {
    let capabilities = lowering.capabilities;
    let wide = wide(task).ok().filter(|_| capabilities.software && !task.wide)?;
    let copies = padded(task, &wide, lowering).price(capabilities)?;
    let tile = direct(&wide.product, capabilities)?;
    Some(copies + cost(&wide.product, &tile, capabilities))
}

/// The dispatches.
pub(in crate::engine::ops) fn lower(task: &Task, lowering: &Lowering) -> Result<Lowered> {
    let wide = wide(task)?;
    let padded = padded(task, &wide, lowering);
    padded.lower(task.name, lowering, &task.sizes, |inner, epilogue| {
        let tile = direct(&wide.product, lowering.capabilities);
        Task { epilogue: *epilogue, ..wide }.lower(inner, tile.as_ref())
    })
}
