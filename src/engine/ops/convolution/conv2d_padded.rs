//! Dense convolutions whose channels are not in fours: see `padded.rs`.

use super::conv2d::{Sizes, choose, lower_forward};
use super::conv2d_gradients::{
    Conv2dInputGradient, Conv2dWeightGradient, input_product, weight_product,
};
use super::epilogue::Epilogue;
use super::padded::{Block, Padded};
use super::tiles::Mode;
use super::tiles::{Product, Tile, cost};
use crate::engine::ops::{Lowered, Lowering, Operation};
use crate::error::Result;

/// What a multiply-add of `naive` takes a processor, in those of `tiles.rs`: forward, to the input and to the
/// weights (`benches/NOTES.md`, Channels not in fours).
const NAIVE: [f64; 3] = [2.5, 3.0, 6.0];

/// The same convolution with the channels of each group in fours.
fn wide(name: &str, sizes: &Sizes) -> Result<Sizes> {
    let Sizes { window, batch, height, width, groups, .. } = *sizes;
    let in_fours = |channels: usize| groups * channels.next_multiple_of(4);
    let (from, to) = (in_fours(sizes.group_in()), in_fours(sizes.group_out()));
    Sizes::new(name, window, [batch, height, width], from, to, groups)
}

fn padded(
    lowering: &Lowering,
    sizes: &Sizes,
    wide: &Sizes,
    mode: Mode,
    epilogue: &Epilogue,
) -> Padded {
    let x = Block::activation(&sizes.input(), sizes.groups, wide.input());
    let w = Block::kernel(sizes, wide.kernel());
    let y = Block::activation(&sizes.output(), sizes.groups, wide.output());
    Padded::new(lowering, mode.tensors(x, w, y), epilogue)
}

fn product(sizes: &Sizes, mode: Mode) -> Product {
    match mode {
        Mode::Forward => sizes.product(),
        Mode::Input => input_product(sizes),
        Mode::Weight => weight_product(sizes),
    }
}

/// The variant of a convolution whose tensors do not all lie in fours: `direct`, or `padded` where it is
/// expected to be faster.
pub(in crate::engine::ops) fn or_direct(
    direct: &'static str,
    lowering: &Lowering,
    sizes: &Sizes,
    mode: Mode,
    epilogue: &Epilogue,
) -> &'static str {
    let capabilities = lowering.capabilities;
    // GPUs are given `tiled`, which takes any channels.
    if !capabilities.software {
        return direct;
    }
    let usual = match Tile::of(direct, capabilities).filter(|_| direct == "subgroup_narrow") {
        Some(tile) => cost(&product(sizes, mode), &tile, capabilities),
        // What else is left is `tiled`, and no faster.
        None => NAIVE[mode as usize] * (sizes.flops() / 2) as f64,
    };
    let Ok(wide) = wide("", sizes) else { return direct };
    let inner = product(&wide, mode);
    let tile = Tile::of(choose(capabilities, &inner, true, false), capabilities);
    let copies = padded(lowering, sizes, &wide, mode, epilogue).price(capabilities);
    match tile.zip(copies) {
        Some((tile, copies)) if copies + cost(&inner, &tile, capabilities) < usual => "padded",
        _ => direct,
    }
}

/// The dispatches of `padded`.
pub(in crate::engine::ops) fn lower(
    name: &str,
    lowering: &Lowering,
    sizes: &Sizes,
    mode: Mode,
    epilogue: &Epilogue,
) -> Result<Lowered> {
    let wide = wide(name, sizes)?;
    let padded = padded(lowering, sizes, &wide, mode, epilogue);
    padded.lower(name, lowering, sizes, |inner, epilogue| {
        let variant = choose(lowering.capabilities, &product(&wide, mode), true, false);
        let inner = Lowering { variant, ..*inner };
        match mode {
            Mode::Forward => lower_forward(&inner, &wide, epilogue),
            Mode::Input => {
                Conv2dInputGradient::new(wide.window, wide.groups, &wide.input()).lower(&inner)
            }
            Mode::Weight => Conv2dWeightGradient::new(wide.window, wide.groups).lower(&inner),
        }
    })
}
