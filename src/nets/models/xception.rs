//! Xception (Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions",
//! figure 5), with the names that Keras gives its layers.
//!
//! ```text
//! entry   conv 3x3 /2, 32 -> conv 3x3, 64 -> 3 x ([sepconv, sepconv, max pool /2] + 1x1 /2)
//!                                                                      at 128, 256, 728 channels
//! middle  8 x ([relu, sepconv] x 3 + identity)                         at 728 channels
//! exit    [sepconv 728, sepconv 1024, max pool /2] + 1x1 /2 -> sepconv 1536 -> sepconv 2048
//!         -> global average pool -> dense
//! ```
//! An input of 299x299 gives a last activation of 10x10x2048.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Same;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "xception",
    input: [299, 299],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm::KERAS,
    preprocessing: Preprocessing::Tf,
    cam_layer: "block14_sepconv2_act",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = images;
    for (conv, kernel) in [(1, Conv::square(32, 3).stride(2)), (2, Conv::square(64, 3))] {
        x = l.conv2d(&format!("block1_conv{conv}"), x, kernel.valid())?;
        x = l.batch_norm(&format!("block1_conv{conv}_bn"), x)?;
        x = l.relu(&format!("block1_conv{conv}_act"), x)?;
    }
    // The first block follows an activation already.
    x = shrink(l, 2, x, [128, 128], false)?;
    x = shrink(l, 3, x, [256, 256], true)?;
    x = shrink(l, 4, x, [728, 728], true)?;
    for block in 5..=12 {
        let shortcut = x;
        for conv in 1..=3 {
            x = l.relu(&format!("block{block}_sepconv{conv}_act"), x)?;
            x = separable(l, block, conv, x, 728)?;
        }
        let name = l.auto("add");
        x = l.add(&name, x, shortcut)?;
    }
    x = shrink(l, 13, x, [728, 1024], true)?;
    for (conv, filters) in [(1, 1536), (2, 2048)] {
        x = separable(l, 14, conv, x, filters)?;
        x = l.relu(&format!("block14_sepconv{conv}_act"), x)?;
    }
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

/// Two separable convolutions and a pool, beside a convolution of 1x1: half the height and width.
fn shrink(l: &mut Layers, block: u32, x: Value, filters: [usize; 2], relu: bool) -> Result<Value> {
    let names = [l.auto("conv2d"), l.auto("batch_normalization"), l.auto("add")];
    let mut shortcut = l.conv2d(&names[0], x, Conv::square(filters[1], 1).stride(2))?;
    shortcut = l.batch_norm(&names[1], shortcut)?;
    let mut x = x;
    for (conv, filters) in [(1, filters[0]), (2, filters[1])] {
        if relu || conv > 1 {
            x = l.relu(&format!("block{block}_sepconv{conv}_act"), x)?;
        }
        x = separable(l, block, conv, x, filters)?;
    }
    x = l.max_pool(&format!("block{block}_pool"), x, Window::square(3, 2, Same))?;
    l.add(&names[2], x, shortcut)
}

fn separable(l: &mut Layers, block: u32, conv: u32, x: Value, filters: usize) -> Result<Value> {
    let name = format!("block{block}_sepconv{conv}");
    let x = l.separable_conv2d(&name, x, Conv::square(filters, 3))?;
    l.batch_norm(&format!("{name}_bn"), x)
}
