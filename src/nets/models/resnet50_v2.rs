//! ResNet-50 with pre-activation (He and others 2016, "Identity Mappings in Deep Residual
//! Networks"), as Keras builds it: a stage's last block halves the image, by the stride of its 3x3.
//!
//! ```text
//! conv 7x7 /2, 64 -> max pool 3x3 /2
//! conv2   3 blocks at  64, out  256, the last /2
//! conv3   4 blocks at 128, out  512, the last /2
//! conv4   6 blocks at 256, out 1024, the last /2
//! conv5   3 blocks at 512, out 2048
//! bn, relu -> global average pool -> dense
//!
//! block   bn, relu, conv 1x1, bn, relu, conv 3x3, bn, relu, conv 1x1  + shortcut
//! ```
//! An input of 224x224 gives a last activation of 7x7x2048.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Valid;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "resnet50-v2",
    input: [224, 224],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm { epsilon: 1.001e-5, momentum: 0.99 },
    preprocessing: Preprocessing::Tf,
    cam_layer: "post_relu",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = l.zero_pad("conv1_pad", images, [[3, 3], [3, 3]])?;
    x = l.conv2d("conv1_conv", x, Conv::square(64, 7).stride(2).valid().bias())?;
    x = l.zero_pad("pool1_pad", x, [[1, 1], [1, 1]])?;
    x = l.max_pool("pool1_pool", x, Window::square(3, 2, Valid))?;
    for (stage, filters, blocks) in [(2, 64, 3), (3, 128, 4), (4, 256, 6), (5, 512, 3)] {
        for block in 1..=blocks {
            let stride = if block == blocks && stage < 5 { 2 } else { 1 };
            x = residual(l, &format!("conv{stage}_block{block}"), x, filters, stride)?;
        }
    }
    x = l.batch_norm("post_bn", x)?;
    x = l.relu("post_relu", x)?;
    let cam = x;
    x = l.global_average_pool("avg_pool", x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

fn residual(l: &mut Layers, name: &str, x: Value, filters: usize, stride: usize) -> Result<Value> {
    let mut y = l.batch_norm(&format!("{name}_preact_bn"), x)?;
    y = l.relu(&format!("{name}_preact_relu"), y)?;
    let wide = Conv::square(4 * filters, 1).valid().bias();
    // More channels are projected from the activated input, fewer pixels picked from the plain one.
    let shortcut = if l.channels(x) != 4 * filters {
        l.conv2d(&format!("{name}_0_conv"), y, wide.stride(stride))?
    } else if stride > 1 {
        let pool = l.auto("max_pooling2d");
        l.max_pool(&pool, x, Window::square(1, stride, Valid))?
    } else {
        x
    };
    y = l.conv2d(&format!("{name}_1_conv"), y, Conv::square(filters, 1).valid())?;
    y = l.batch_norm(&format!("{name}_1_bn"), y)?;
    y = l.relu(&format!("{name}_1_relu"), y)?;
    y = l.zero_pad(&format!("{name}_2_pad"), y, [[1, 1], [1, 1]])?;
    y = l.conv2d(&format!("{name}_2_conv"), y, Conv::square(filters, 3).stride(stride).valid())?;
    y = l.batch_norm(&format!("{name}_2_bn"), y)?;
    y = l.relu(&format!("{name}_2_relu"), y)?;
    y = l.conv2d(&format!("{name}_3_conv"), y, wide)?;
    l.add(&format!("{name}_out"), shortcut, y)
}
