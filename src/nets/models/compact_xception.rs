//! Xception in small: depthwise separable convolutions with linear residual connections (Chollet
//! 2017, figure 5), for images of about 100 pixels.
//!
//! ```text
//! entry   conv 3x3 /2, 32 -> [sepconv, sepconv, max pool /2] + 1x1 /2   at 64, 128 channels
//! middle  2 x ([relu, sepconv] x 3) + identity                         at 128 channels
//! exit    sepconv 192, sepconv 256 -> global average pool -> dense
//! ```
//! An input of 96x96 gives a last activation of 12x12x256.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Same;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "compact-xception",
    input: [96, 96],
    channels: 1,
    classes: 2,
    batch_norm: BatchNorm::COMPACT,
    preprocessing: Preprocessing::Tf,
    cam_layer: "block6_sepconv2_act",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = l.conv2d("block1_conv1", images, Conv::square(32, 3).stride(2))?;
    x = l.batch_norm("block1_conv1_bn", x)?;
    x = l.relu("block1_conv1_act", x)?;

    for (block, filters) in [(2, 64), (3, 128)] {
        let mut shortcut =
            l.conv2d(&format!("block{block}_residual"), x, Conv::square(filters, 1).stride(2))?;
        shortcut = l.batch_norm(&format!("block{block}_residual_bn"), shortcut)?;
        for conv in 1..=2 {
            // The first block follows an activation already.
            if (block, conv) != (2, 1) {
                x = l.relu(&format!("block{block}_sepconv{conv}_act"), x)?;
            }
            x = separable(l, block, conv, x, filters)?;
        }
        x = l.max_pool(&format!("block{block}_pool"), x, Window::square(3, 2, Same))?;
        x = l.add(&format!("block{block}_add"), x, shortcut)?;
    }

    for block in [4, 5] {
        let shortcut = x;
        for conv in 1..=3 {
            x = l.relu(&format!("block{block}_sepconv{conv}_act"), x)?;
            x = separable(l, block, conv, x, 128)?;
        }
        x = l.add(&format!("block{block}_add"), x, shortcut)?;
    }

    for (conv, filters) in [(1, 192), (2, 256)] {
        x = separable(l, 6, conv, x, filters)?;
        x = l.relu(&format!("block6_sepconv{conv}_act"), x)?;
    }
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    x = l.dropout("dropout", x, 0.3)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

fn separable(l: &mut Layers, block: u32, conv: u32, x: Value, filters: usize) -> Result<Value> {
    let name = format!("block{block}_sepconv{conv}");
    let x = l.separable_conv2d(&name, x, Conv::square(filters, 3))?;
    l.batch_norm(&format!("{name}_bn"), x)
}
