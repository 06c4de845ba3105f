//! MobileNetV2 (Sandler and others 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
//! table 2), with the names that Keras gives its layers.
//!
//! ```text
//! conv 3x3 /2, 32
//! block   conv 1x1 to 6 times the channels, bn, relu6; depthwise 3x3, bn, relu6; conv 1x1, bn;
//!         + identity where the shape stays
//!         channels 16 (without the first conv), 24 x2 /2, 32 x3 /2, 64 x4 /2, 96 x3, 160 x3 /2, 320
//! conv 1x1, 1280, bn, relu6 -> global average pool -> dense
//! ```
//! An input of 224x224 gives a last activation of 7x7x1280.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing, shrinking_pad};
use crate::engine::graph::Value;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "mobilenet-v2",
    input: [224, 224],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm { epsilon: 1e-3, momentum: 0.999 },
    preprocessing: Preprocessing::Tf,
    cam_layer: "out_relu",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = l.conv2d("Conv1", images, Conv::square(32, 3).stride(2))?;
    x = l.batch_norm("bn_Conv1", x)?;
    x = l.relu6("Conv1_relu", x)?;
    x = bottleneck(l, "expanded_conv", x, 16, 1, 1)?;
    let mut block = 0;
    let stages = [(24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1)];
    for (filters, repeats, stride) in stages {
        for repeat in 0..repeats {
            block += 1;
            let stride = if repeat == 0 { stride } else { 1 };
            x = bottleneck(l, &format!("block_{block}"), x, filters, 6, stride)?;
        }
    }
    x = l.conv2d("Conv_1", x, Conv::square(1280, 1).valid())?;
    x = l.batch_norm("Conv_1_bn", x)?;
    x = l.relu6("out_relu", x)?;
    let cam = x;
    let pool = l.auto("global_average_pooling2d");
    x = l.global_average_pool(&pool, x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

fn bottleneck(
    l: &mut Layers,
    name: &str,
    input: Value,
    filters: usize,
    expansion: usize,
    stride: usize,
) -> Result<Value> {
    let mut x = input;
    if expansion > 1 {
        let wide = Conv::square(expansion * l.channels(input), 1);
        x = l.conv2d(&format!("{name}_expand"), x, wide)?;
        x = l.batch_norm(&format!("{name}_expand_BN"), x)?;
        x = l.relu6(&format!("{name}_expand_relu"), x)?;
    }
    let mut depthwise = Conv::square(0, 3).stride(stride);
    if stride == 2 {
        x = l.zero_pad(&format!("{name}_pad"), x, shrinking_pad(l.size(x), 3))?;
        depthwise = depthwise.valid();
    }
    x = l.depthwise_conv2d(&format!("{name}_depthwise"), x, depthwise)?;
    x = l.batch_norm(&format!("{name}_depthwise_BN"), x)?;
    x = l.relu6(&format!("{name}_depthwise_relu"), x)?;
    x = l.conv2d(&format!("{name}_project"), x, Conv::square(filters, 1))?;
    x = l.batch_norm(&format!("{name}_project_BN"), x)?;
    if stride == 1 && l.channels(input) == filters {
        x = l.add(&format!("{name}_add"), input, x)?;
    }
    Ok(x)
}
