//! DenseNet-121 (Huang and others 2017, "Densely Connected Convolutional Networks", table 1): every
//! convolution reads what all before it in its block have written, and adds 32 channels.
//!
//! ```text
//! conv 7x7 /2, 64, bn, relu -> max pool 3x3 /2
//! block   n x [bn, relu, conv 1x1 128, bn, relu, conv 3x3 32, beside its own input]
//! between bn, relu, conv 1x1 to half the channels, average pool 2x2 /2
//!         n = 6, 12, 24, 16
//! bn, relu -> global average pool -> dense
//! ```
//! An input of 224x224 gives a last activation of 7x7x1024.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Valid;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "densenet121",
    input: [224, 224],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm { epsilon: 1.001e-5, momentum: 0.99 },
    preprocessing: Preprocessing::Torch,
    cam_layer: "relu",
    build: Build::Figure(build),
};

/// Channels that a convolution adds to its block.
const GROWTH: usize = 32;

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let pad = l.auto("zero_padding2d");
    let mut x = l.zero_pad(&pad, images, [[3, 3], [3, 3]])?;
    x = l.conv2d("conv1_conv", x, Conv::square(64, 7).stride(2).valid())?;
    x = l.batch_norm("conv1_bn", x)?;
    x = l.relu("conv1_relu", x)?;
    let pad = l.auto("zero_padding2d");
    x = l.zero_pad(&pad, x, [[1, 1], [1, 1]])?;
    x = l.max_pool("pool1", x, Window::square(3, 2, Valid))?;
    for (stage, blocks) in [(2, 6), (3, 12), (4, 24), (5, 16)] {
        for block in 1..=blocks {
            x = grow(l, &format!("conv{stage}_block{block}"), x)?;
        }
        if stage < 5 {
            x = transition(l, &format!("pool{stage}"), x)?;
        }
    }
    x = l.batch_norm("bn", x)?;
    x = l.relu("relu", x)?;
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

fn grow(l: &mut Layers, name: &str, x: Value) -> Result<Value> {
    let mut y = l.batch_norm(&format!("{name}_0_bn"), x)?;
    y = l.relu(&format!("{name}_0_relu"), y)?;
    y = l.conv2d(&format!("{name}_1_conv"), y, Conv::square(4 * GROWTH, 1).valid())?;
    y = l.batch_norm(&format!("{name}_1_bn"), y)?;
    y = l.relu(&format!("{name}_1_relu"), y)?;
    y = l.conv2d(&format!("{name}_2_conv"), y, Conv::square(GROWTH, 3))?;
    l.concat(&format!("{name}_concat"), &[x, y])
}

fn transition(l: &mut Layers, name: &str, x: Value) -> Result<Value> {
    let half = l.channels(x) / 2;
    let mut x = l.batch_norm(&format!("{name}_bn"), x)?;
    x = l.relu(&format!("{name}_relu"), x)?;
    x = l.conv2d(&format!("{name}_conv"), x, Conv::square(half, 1).valid())?;
    l.average_pool(&format!("{name}_pool"), x, Window::square(2, 2, Valid))
}
