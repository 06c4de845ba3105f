//! Convolution and its gradients with factors of 16 bits and sums of 32: see `shaders/conv2d_half.wgsl`.

use super::conv2d::Sizes;
use super::conv2d_gradients::split;
use super::epilogue::Epilogue;
use super::{Dispatch, Lowered, Lowering, Operand, grid};
use crate::error::{Error, Result};

/// Which of the three products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Forward,
    Input,
    Weight,
}

impl Mode {
    /// What is read and what is written: inputs 0 and 1 and the output, where y is the convolution of x with w.
    pub fn tensors<T>(self, x: T, w: T, y: T) -> [T; 3] {
        match self {
            Mode::Forward => [x, w, y],
            Mode::Input => [y, w, x],
            Mode::Weight => [x, y, w],
        }
    }
}

/// The sides of what the plain version multiplies at a time.
const SIZE: usize = 16;
/// Invocations of a workgroup of the plain version.
const INVOCATIONS: usize = 128;
/// Subgroups of a workgroup of the other.
const SUBGROUPS: usize = 4;

/// Whether `variant` is one of this file.
pub(super) fn is_half(variant: &str) -> bool {
    matches!(variant, "half" | "cooperative")
}

/// The dispatches of `lowering.variant`: the product of inputs 0 and 1, and what follows it.
pub(super) fn lower(
    name: &str,
    lowering: &Lowering,
    sizes: &Sizes,
    mode: Mode,
    epilogue: &Epilogue,
) -> Result<Lowered> {
    let refuse = |why: &str| Err(Error::shape(name, format!("{} {why}", lowering.variant)));
    if sizes.groups != 1 {
        return refuse("takes one group of channels");
    }
    let capabilities = lowering.capabilities;
    let (size, invocations) = match lowering.variant {
        "cooperative" => match (capabilities.cooperative, capabilities.subgroup) {
            (Some(size), Some((lanes, _))) => (size as usize, SUBGROUPS * lanes as usize),
            _ => return refuse("takes an adapter with cooperative matrices"),
        },
        _ => (SIZE, INVOCATIONS),
    };
    let [kh, kw] = sizes.window.size;
    let (taps, pixels) = (kh * kw, sizes.output().rows());
    let (channels, out_channels) = (sizes.in_channels, sizes.out_channels);
    let [rows, columns, depth] = match mode {
        Mode::Forward => [pixels, out_channels, taps * channels],
        Mode::Input => [sizes.input().rows(), channels, taps * out_channels],
        Mode::Weight => [taps * channels, out_channels, pixels],
    };
    let side = 4 * size;
    let squares = rows.div_ceil(side) * columns.div_ceil(side);
    // Gathering, multiplying, and the steps themselves.
    let gathered = 2 * (side * size).div_ceil(invocations);
    let rounds = gathered + size * (1 + side * side / invocations) + 1;
    let units = depth.div_ceil(size).max(1);
    let (splits, each) = match mode {
        Mode::Weight => split(units, rounds, squares, capabilities),
        Mode::Forward | Mode::Input => (1, units),
    };
    let start = |dispatch| {
        sizes
            .channel_params(sizes.params(dispatch))
            .param("splits", splits)
            .param("split_pixels", each * size)
    };
    let product = Dispatch::new("conv2d_half", lowering.variant)
        .tile("SIZE", size as u32)
        .tile("INVOCATIONS", invocations as u32)
        .constant("MODE", mode as u32)
        .bind("left", Operand::Input(0))
        .bind("right", Operand::Input(1))
        .param("rows", rows)
        .param("columns", columns)
        .param("depth", depth)
        .rounds(each * rounds + side * side / invocations)
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
