//! Inception v3 (Szegedy and others 2016, "Rethinking the Inception Architecture for Computer
//! Vision", table 1): blocks of parallel branches of different reach, side by side.
//!
//! ```text
//! conv 3x3 /2, 32 -> 3x3, 32 -> 3x3, 64 -> max pool /2 -> 1x1, 80 -> 3x3, 192 -> max pool /2
//! mixed0..2    1x1 | 5x5 | 3x3 twice | average pool                     256, 288, 288 channels
//! mixed3       3x3 /2 | 3x3 twice /2 | max pool /2                       768
//! mixed4..7    1x1 | 1x7, 7x1 | 7x1, 1x7 twice | average pool            768
//! mixed8       3x3 /2 | 1x7, 7x1, 3x3 /2 | max pool /2                   1280
//! mixed9, 10   1x1 | 1x3 beside 3x1 | 3x3, 1x3 beside 3x1 | average pool 2048
//! global average pool -> dense
//! ```
//! Every convolution is followed by a batch normalisation without scale and a ReLU. An input of
//! 299x299 gives a last activation of 8x8x2048.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::{Same, Valid};
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "inception-v3",
    input: [299, 299],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm::KERAS,
    preprocessing: Preprocessing::Tf,
    cam_layer: "mixed10",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = conv(l, images, Conv::square(32, 3).stride(2).valid())?;
    x = conv(l, x, Conv::square(32, 3).valid())?;
    x = conv(l, x, Conv::square(64, 3))?;
    x = max_pool(l, x)?;
    x = conv(l, x, Conv::square(80, 1).valid())?;
    x = conv(l, x, Conv::square(192, 3).valid())?;
    x = max_pool(l, x)?;
    for (block, pooled) in [(0, 32), (1, 64), (2, 64)] {
        x = mixed_35(l, &format!("mixed{block}"), x, pooled)?;
    }
    x = shrink_35(l, x)?;
    for (block, inner) in [(4, 128), (5, 160), (6, 160), (7, 192)] {
        x = mixed_17(l, &format!("mixed{block}"), x, inner)?;
    }
    x = shrink_17(l, x)?;
    for block in 0..2 {
        x = mixed_8(l, block, x)?;
    }
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

/// The blocks at 35x35.
fn mixed_35(l: &mut Layers, name: &str, x: Value, pooled: usize) -> Result<Value> {
    let one = conv(l, x, Conv::square(64, 1))?;
    let five = chain(l, x, &[Conv::square(48, 1), Conv::square(64, 5)])?;
    let three = chain(l, x, &[Conv::square(64, 1), Conv::square(96, 3), Conv::square(96, 3)])?;
    let pool = pooled_branch(l, x, pooled)?;
    l.concat(name, &[one, five, three, pool])
}

/// From 35x35 to 17x17.
fn shrink_35(l: &mut Layers, x: Value) -> Result<Value> {
    let three = conv(l, x, Conv::square(384, 3).stride(2).valid())?;
    let last = Conv::square(96, 3).stride(2).valid();
    let double = chain(l, x, &[Conv::square(64, 1), Conv::square(96, 3), last])?;
    let pool = max_pool(l, x)?;
    l.concat("mixed3", &[three, double, pool])
}

/// The blocks at 17x17, where 7x7 is split into 1x7 and 7x1.
fn mixed_17(l: &mut Layers, name: &str, x: Value, inner: usize) -> Result<Value> {
    let (wide, tall) = (Conv::new(inner, [1, 7]), Conv::new(inner, [7, 1]));
    let one = conv(l, x, Conv::square(192, 1))?;
    let seven = chain(l, x, &[Conv::square(inner, 1), wide, Conv::new(192, [7, 1])])?;
    let last = Conv::new(192, [1, 7]);
    let double = chain(l, x, &[Conv::square(inner, 1), tall, wide, tall, last])?;
    let pool = pooled_branch(l, x, 192)?;
    l.concat(name, &[one, seven, double, pool])
}

/// From 17x17 to 8x8.
fn shrink_17(l: &mut Layers, x: Value) -> Result<Value> {
    let last = |filters| Conv::square(filters, 3).stride(2).valid();
    let three = chain(l, x, &[Conv::square(192, 1), last(320)])?;
    let (wide, tall) = (Conv::new(192, [1, 7]), Conv::new(192, [7, 1]));
    let seven = chain(l, x, &[Conv::square(192, 1), wide, tall, last(192)])?;
    let pool = max_pool(l, x)?;
    l.concat("mixed8", &[three, seven, pool])
}

/// The blocks at 8x8, where the last convolution of a branch is two side by side.
fn mixed_8(l: &mut Layers, block: u32, x: Value) -> Result<Value> {
    let one = conv(l, x, Conv::square(320, 1))?;
    let three = conv(l, x, Conv::square(384, 1))?;
    let three = cross(l, &format!("mixed9_{block}"), three)?;
    let double = chain(l, x, &[Conv::square(448, 1), Conv::square(384, 3)])?;
    let name = l.auto("concatenate");
    let double = cross(l, &name, double)?;
    let pool = pooled_branch(l, x, 192)?;
    l.concat(&format!("mixed{}", 9 + block), &[one, three, double, pool])
}

/// 1x3 and 3x1 side by side.
fn cross(l: &mut Layers, name: &str, x: Value) -> Result<Value> {
    let wide = conv(l, x, Conv::new(384, [1, 3]))?;
    let tall = conv(l, x, Conv::new(384, [3, 1]))?;
    l.concat(name, &[wide, tall])
}

fn pooled_branch(l: &mut Layers, x: Value, filters: usize) -> Result<Value> {
    let name = l.auto("average_pooling2d");
    let x = l.average_pool(&name, x, Window::square(3, 1, Same))?;
    conv(l, x, Conv::square(filters, 1))
}

fn max_pool(l: &mut Layers, x: Value) -> Result<Value> {
    let name = l.auto("max_pooling2d");
    l.max_pool(&name, x, Window::square(3, 2, Valid))
}

fn chain(l: &mut Layers, x: Value, convs: &[Conv]) -> Result<Value> {
    convs.iter().try_fold(x, |x, &next| conv(l, x, next))
}

/// Convolution, batch normalisation, ReLU.
fn conv(l: &mut Layers, x: Value, conv: Conv) -> Result<Value> {
    let names = [l.auto("conv2d"), l.auto("batch_normalization"), l.auto("activation")];
    let x = l.conv2d(&names[0], x, conv)?;
    let x = l.batch_norm_unscaled(&names[1], x)?;
    l.relu(&names[2], x)
}
