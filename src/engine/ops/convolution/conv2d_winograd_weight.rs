//! The weight gradient of a 3x3 convolution by Winograd's minimal filtering: see
//! `shaders/convolution/conv2d_winograd.wgsl`.

use super::conv2d::Sizes;
use super::conv2d_gradients::{lower_weight, weight_product};
use super::conv2d_winograd::{POINTS, Plain, if_worth_it};
use super::table::Task;
use super::tiles::{self, Product, cheapest, cost, direct, moved, of_fours};
use crate::engine::kernel::{Capabilities, Dispatch, Lowered, Lowering, Operand, View, grid};
use crate::engine::ops::{Padding, Window};
use crate::error::Result;

/// What a processor takes, in the multiply-adds of `tiles.rs` that follow each other: to transform and store a
/// number of x or of dy, and to read one of the products' sums and transform it back. Fitted to Mesa's
/// lavapipe (`benches/NOTES.md`, Winograd).
const PRICES: [f64; 2] = [1.9, 3.7];

/// Where the transforms are, in the order of the scratch memory; the last is the products' own.
const V: Operand = Operand::Scratch(0);
const Z: Operand = Operand::Scratch(1);
const Q: Operand = Operand::Scratch(2);
const PARTS: Operand = Operand::Scratch(3);

/// The products of `tiles` tiles as the gradient of the kernel of a convolution of 1x1.
fn product(plain: &Plain, tiles: usize) -> Product {
    Product {
        rows: plain.channels,
        columns: plain.out_channels,
        depth: tiles,
        times: POINTS,
        direction: tiles::Direction::Weight,
        pointwise: true,
    }
}

/// What it takes, where that is clearly less than by a direct kernel.
pub(in crate::engine::ops) fn price(task: &Task, capabilities: &Capabilities) -> Option<f64> {
    let sizes = &task.sizes;
    let plain = Plain::new(sizes, false);
    let (tiles, at_once) = (plain.tiles(), plain.at_once(capabilities));
    let parts = tiles.div_ceil(at_once);
    let inner = product(&plain, at_once);
    let tile = cheapest(&inner, capabilities, of_fours(capabilities))?;
    let products = cost(&inner, &tile, capabilities);
    let Plain { channels, out_channels, .. } = plain;
    let (transformed, back) =
        (POINTS * tiles * (channels + out_channels), parts * POINTS * channels * out_channels);
    let transforms = match capabilities.software {
        true => transformed as f64 * PRICES[0] + back as f64 * PRICES[1],
        // All are written and read again; of x and dy 16 numbers a tile are read.
        false => moved(2 * transformed + transformed * 16 / POINTS + 2 * back, 3 * parts),
    };
    if_worth_it(transforms + parts as f64 * products, task, capabilities)
}

/// The dispatches of the gradient: inputs 0 and 1 are x and dy.
pub(in crate::engine::ops) fn lower(task: &Task, lowering: &Lowering) -> Result<Lowered> {
    let (name, sizes, capabilities) = (task.name, &task.sizes, lowering.capabilities);
    let plain = Plain::new(sizes, false);
    let Plain { channels, out_channels, .. } = plain;
    const WEIGHT: &str = "conv2d_winograd_weight";
    let start = |entry| Dispatch::new("conv2d_winograd", entry);
    let at_once = plain.at_once(capabilities);
    let (mut dispatches, mut parts) = (Vec::new(), 0);
    for first in (0..plain.tiles()).step_by(at_once) {
        let tiles = at_once.min(plain.tiles() - first);
        let finish = |dispatch, first_tile: usize, invocations: usize| {
            plain
                .params(dispatch, false)
                .param("first_tile", first_tile)
                .param("tiles", tiles)
                .workgroups(grid(invocations.div_ceil(64), capabilities.max_workgroups))
        };
        let (x, from) = plain.images(0, first, tiles);
        let (dy, _) = plain.images(1, first, tiles);
        let input = start("input").bind("x", x).bind("v", V);
        let gradient = Dispatch::new(WEIGHT, "gradient").bind("dy", dy).bind("z", Z);
        let back =
            Dispatch::new(WEIGHT, "kernel_gradient").bind("q", Q).bind("dw", Operand::Output);
        dispatches.push(finish(input, from, tiles * channels / 4));
        dispatches.push(finish(gradient, from, tiles * out_channels / 4));
        let products = products(name, &plain, tiles, capabilities)?;
        parts = parts.max(products.scratch.iter().sum());
        dispatches.extend(products.dispatches);
        dispatches.push(finish(back, first, channels * out_channels / 4));
    }
    let mut scratch = vec![
        POINTS * at_once * channels,
        POINTS * at_once * out_channels,
        POINTS * channels * out_channels,
    ];
    scratch.extend((parts > 0).then_some(parts));
    Ok(Lowered { dispatches, scratch })
}

/// v and z to q.
fn products(
    name: &str,
    plain: &Plain,
    tiles: usize,
    capabilities: &Capabilities,
) -> Result<Lowered> {
    let (wide, wide_out) = (POINTS * plain.channels, POINTS * plain.out_channels);
    let window = Window::square(1, 1, Padding::Valid);
    let sizes = Sizes::new(name, window, [1, 1, tiles], wide, wide_out, POINTS)?;
    let (v, z, q) = (sizes.input(), sizes.output(), sizes.kernel());
    let lowering = Lowering {
        inputs: &[&v, &z],
        views: &[View::dense(&v), View::dense(&z)],
        output: &q,
        output_view: View::dense(&q),
        fixed: &[],
        capabilities,
    };
    let tile = direct(&weight_product(&sizes), capabilities);
    let mut lowered = lower_weight(&lowering, &sizes, tile.as_ref());
    for dispatch in &mut lowered.dispatches {
        for (_, operand) in &mut dispatch.bindings {
            *operand = match operand {
                Operand::Input(0) => V,
                Operand::Input(_) => Z,
                Operand::Output => Q,
                _ => PARTS,
            };
        }
        dispatch.params.extend([("x_stride", wide.into()), ("dy_stride", wide_out.into())]);
    }
    Ok(lowered)
}

#[cfg(test)]
mod tests {
    use super::super::epilogue::Epilogue;
    use super::*;

    #[test]
    fn it_is_taken_for_many_tiles_and_not_too_many_channels() {
        let capabilities = Capabilities {
            subgroup: Some((8, 8)),
            software: true,
            longest_loop: 65_535,
            ..Capabilities::default()
        };
        let chosen = |images, side, from, to, capabilities: &Capabilities| {
            let window = Window::square(3, 1, Padding::Same);
            let sizes = Sizes::new("", window, [images, side, side], from, to, 1).unwrap();
            let product = Product {
                rows: 9 * from,
                columns: to,
                depth: images * side * side,
                times: 1,
                direction: tiles::Direction::Weight,
                pointwise: false,
            };
            let epilogue = Epilogue::default();
            let task = Task { name: "", sizes, product, epilogue, wide: true, narrow: true };
            price(&task, capabilities).is_some()
        };
        for (images, side, from, to) in
            [(8, 56, 64, 64), (8, 28, 128, 128), (32, 12, 128, 128), (1, 56, 64, 64)]
        {
            let found = chosen(images, side, from, to, &capabilities);
            assert!(found, "{images}x{side}x{side}x{from} to {to}");
        }
        // Few channels make long transforms for short products; of many, the sums take long to turn back.
        for (images, side, from, to) in
            [(32, 48, 32, 32), (4, 6, 256, 256), (16, 8, 512, 512), (8, 56, 8, 32)]
        {
            let found = chosen(images, side, from, to, &capabilities);
            assert!(!found, "{images}x{side}x{side}x{from} to {to}");
        }
        let gpu = Capabilities { software: false, ..capabilities };
        for (images, side, from, to) in [(32, 56, 64, 64), (32, 7, 512, 512), (32, 28, 192, 48)] {
            let found = chosen(images, side, from, to, &gpu);
            assert!(found, "GPU, {images}x{side}x{side}x{from} to {to}");
        }
        // So little to do that its dispatches take longer.
        assert!(!chosen(1, 8, 16, 16, &gpu));
    }
}
