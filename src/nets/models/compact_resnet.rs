//! A small ResNet with pre-activation: normalise and activate, then convolve, with an identity path
//! that nothing interrupts (He and others 2016, "Identity Mappings in Deep Residual Networks",
//! figure 1b), for images of about 100 pixels.
//!
//! ```text
//! conv 3x3 /2, 32 -> max pool 3x3 /2
//! conv2  2 x [bn, relu, conv 3x3, bn, relu, conv 3x3] + identity        32 channels
//! conv3  the same, the first /2 with a 1x1 projection                    64 channels
//! conv4  the same, once, without stride                                 128 channels
//! bn, relu -> global average pool -> dense
//! ```
//! An input of 96x96 gives a last activation of 12x12x128.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Same;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "compact-resnet",
    input: [96, 96],
    channels: 1,
    classes: 2,
    batch_norm: BatchNorm::COMPACT,
    preprocessing: Preprocessing::Tf,
    cam_layer: "post_relu",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = l.conv2d("conv1_conv", images, Conv::square(32, 3).stride(2))?;
    x = l.max_pool("pool1_pool", x, Window::square(3, 2, Same))?;
    for (stage, filters, blocks, stride) in [(2, 32, 2, 1), (3, 64, 2, 2), (4, 128, 1, 1)] {
        for block in 1..=blocks {
            let stride = if block == 1 { stride } else { 1 };
            x = residual(l, &format!("conv{stage}_block{block}"), x, filters, stride)?;
        }
    }
    x = l.batch_norm("post_bn", x)?;
    x = l.relu("post_relu", x)?;
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    x = l.dropout("dropout", x, 0.3)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

fn residual(l: &mut Layers, name: &str, x: Value, filters: usize, stride: usize) -> Result<Value> {
    let mut y = l.batch_norm(&format!("{name}_preact_bn"), x)?;
    y = l.relu(&format!("{name}_preact_relu"), y)?;
    // A change of shape is projected from the activated input, as in the paper's appendix.
    let shortcut = if stride != 1 || l.channels(x) != filters {
        l.conv2d(&format!("{name}_0_conv"), y, Conv::square(filters, 1).stride(stride))?
    } else {
        x
    };
    y = l.conv2d(&format!("{name}_1_conv"), y, Conv::square(filters, 3).stride(stride))?;
    y = l.batch_norm(&format!("{name}_1_bn"), y)?;
    y = l.relu(&format!("{name}_1_relu"), y)?;
    y = l.conv2d(&format!("{name}_2_conv"), y, Conv::square(filters, 3))?;
    l.add(&format!("{name}_out"), shortcut, y)
}
