//! Convolution and its gradients on cooperative matrices, with factors of 16 bits and sums of 32: see
//! `shaders/convolution/conv2d_cooperative.wgsl`.

use super::conv2d::needs_fours;
use super::conv2d_gradients::split;
use super::table::Task;
use super::tiles::Direction;
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, Operand, grid};
use crate::error::{Error, Result};

/// Subgroups of a workgroup.
const SUBGROUPS: usize = 4;

/// The side of the matrices for which `cooperative_fours` was timed, and the least of its tiles and of their
/// contents for which it is chosen.
const TIMED: u32 = 16;
const FEWEST_TILES: usize = 64;
const FULLEST: f64 = 0.4;

/// Whether it was timed on such an adapter, for products that fill some of its tiles.
pub(in crate::engine::ops) fn is_timed(task: &Task, lowering: &Lowering) -> bool {
    let capabilities = lowering.capabilities;
    if capabilities.cooperative != Some(TIMED) || capabilities.software {
        return false;
    }
    let product = &task.product;
    let (height, width) = (8 * TIMED as usize, 4 * TIMED as usize);
    let tiles = product.rows.div_ceil(height) * product.columns.div_ceil(width);
    let filled = (product.rows * product.columns) as f64 / (tiles * height * width) as f64;
    // A gradient of weights is split into as many parts as it takes.
    let enough = product.direction == Direction::Weight || tiles >= FEWEST_TILES;
    enough && filled >= FULLEST
}

/// Whether it can do a task at all.
///
/// # Errors
/// [`Error::Shape`] with what it takes.
pub(in crate::engine::ops) fn fits(task: &Task, lowering: &Lowering) -> Result<()> {
    let refuse = |why: &str| Err(Error::shape(task.name, format!("cooperative_fours {why}")));
    if task.sizes.groups != 1 {
        return refuse("takes one group of channels");
    }
    if !task.wide || (task.direction() == Direction::Input && task.sizes.window.stride != [1, 1]) {
        let takes = "cooperative_fours, to the input with a stride of 1,";
        return Err(needs_fours(task.name, takes));
    }
    let Capabilities { cooperative, subgroup, .. } = lowering.capabilities;
    match cooperative.is_some() && subgroup.is_some() {
        true => Ok(()),
        false => refuse("takes an adapter with cooperative matrices"),
    }
}

/// The dispatches: the product of inputs 0 and 1, and what follows it.
pub(in crate::engine::ops) fn lower(task: &Task, lowering: &Lowering) -> Result<Lowered> {
    let (sizes, direction, epilogue) = (&task.sizes, task.direction(), &task.epilogue);
    let capabilities = lowering.capabilities;
    let (Some(size), Some((lanes, _))) = (capabilities.cooperative, capabilities.subgroup) else {
        return Err(Error::shape(task.name, "there are no cooperative matrices"));
    };
    let (size, invocations) = (size as usize, SUBGROUPS * lanes as usize);
    let [kh, kw] = sizes.window.size;
    let (taps, pixels) = (kh * kw, sizes.output().rows());
    let (channels, out_channels) = (sizes.in_channels, sizes.out_channels);
    let [rows, columns, depth] = match direction {
        Direction::Forward => [pixels, out_channels, taps * channels],
        Direction::Input => [sizes.input().rows(), channels, taps * out_channels],
        Direction::Weight => [taps * channels, out_channels, pixels],
    };
    // What a workgroup computes, and how many steps of the sum it takes at a time.
    let (height, width, steps) = (8 * size, 4 * size, 2 * size);
    let squares = rows.div_ceil(height) * columns.div_ceil(width);
    // Gathering, multiplying, and the steps themselves.
    let gathered = 2 * (height * steps).div_ceil(invocations);
    let rounds = gathered + steps * (1 + height * width / invocations) + 1;
    let units = depth.div_ceil(steps).max(1);
    let (splits, each) = match direction {
        Direction::Weight => split(units, rounds, squares, capabilities),
        Direction::Forward | Direction::Input => (1, units),
    };
    let start = |dispatch| {
        sizes
            .channel_params(sizes.params(dispatch))
            .param("splits", splits)
            .param("split_pixels", each * steps)
    };
    let product = Dispatch::new("conv2d_cooperative", "cooperative_fours")
        .tile("SIZE", size as u32)
        .tile("INVOCATIONS", invocations as u32)
        .constant("MODE", direction as u32)
        .bind("left", Operand::Input(0))
        .bind("right", Operand::Input(1))
        .param("product_rows", rows)
        .param("product_columns", columns)
        .param("product_depth", depth)
        .rounds(each * rounds + height * width / invocations)
        .workgroups(grid(squares * splits, capabilities.max_workgroups));
    let product = epilogue.bind(start(product));
    if splits == 1 {
        return Ok(product.bind("out", Operand::Output).into());
    }
    let count = lowering.output.elements();
    let reduce = start(Dispatch::new("conv2d_weight_gradient", "reduce"))
        .bind("parts", Operand::Scratch(0))
        .bind("dw", Operand::Output)
        .workgroups(grid(count.div_ceil(64), capabilities.max_workgroups));
    Ok(Lowered {
        dispatches: vec![product.bind("out", Operand::Scratch(0)), reduce],
        scratch: vec![splits * count],
    })
}

#[cfg(test)]
mod tests {
    use super::super::conv2d::Sizes;
    use super::super::epilogue::Epilogue;
    use super::super::tiles::Product;
    use super::*;
    use crate::engine::ops::{Padding, Window};

    #[test]
    fn gpus_take_cooperative_matrices_where_factors_may_be_rounded_and_tiles_are_filled() {
        let gpu = Capabilities {
            subgroup: Some((32, 32)),
            cooperative: Some(16),
            ..Capabilities::default()
        };
        let chosen = |images, side, from, to, stride, direction, capabilities: &Capabilities| {
            let window = Window::square(3, stride, Padding::Same);
            let sizes = Sizes::new("", window, [images, side, side], from, to, 1).unwrap();
            let pixels = sizes.output().rows();
            let [rows, columns, depth] = match direction {
                Direction::Forward => [pixels, to, 9 * from],
                Direction::Input => [images * side * side, from, 9 * to],
                Direction::Weight => [9 * from, to, pixels],
            };
            let product = Product { rows, columns, depth, times: 1, direction, pointwise: false };
            let epilogue = Epilogue::default();
            let (wide, narrow) = (true, true);
            let task = Task { name: "", sizes, product, epilogue, wide, narrow };
            let shape = crate::engine::shape::Shape::from([1]);
            let output_view = crate::engine::kernel::View::dense(&shape);
            let (inputs, views, output) = (&[][..], &[][..], &shape);
            let fixed = &[];
            let lowering = Lowering { inputs, views, output, output_view, fixed, capabilities };
            is_timed(&task, &lowering) && fits(&task, &lowering).is_ok()
        };
        for direction in [Direction::Forward, Direction::Input, Direction::Weight] {
            assert!(chosen(32, 28, 128, 128, 1, direction, &gpu), "{direction:?}");
            for other in [
                Capabilities { cooperative: None, ..gpu },
                Capabilities { software: true, ..gpu },
                Capabilities { cooperative: Some(8), ..gpu },
            ] {
                assert!(!chosen(32, 28, 128, 128, 1, direction, &other), "{direction:?} {other:?}");
            }
            assert_eq!(chosen(32, 28, 128, 128, 2, direction, &gpu), direction != Direction::Input);
        }
        // Few tiles; narrow ones.
        assert!(!chosen(1, 14, 64, 64, 1, Direction::Forward, &gpu));
        assert!(!chosen(32, 56, 16, 16, 1, Direction::Forward, &gpu));
    }
}
