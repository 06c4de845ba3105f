//! NASNet-A (4 @ 1056), the mobile size (Zoph and others 2018, "Learning Transferable Architectures
//! for Scalable Image Recognition", figure 4), with the names that Keras gives its layers.
//!
//! ```text
//! conv 3x3 /2, 32 -> reduction 11 -> reduction 22
//! -> 4 normal cells at 44  -> reduction 88
//! -> 4 normal cells at 88  -> reduction 176
//! -> 4 normal cells at 176 -> relu -> global average pool -> dense
//! ```
//! A cell reads the two outputs before it: h, the last, and p, the one before that; p is first
//! brought to the size of h. A normal cell concatenates six times its filters, a reduction cell four
//! times at half the size. An input of 224x224 gives a last activation of 7x7x1056.

use super::{BatchNorm, Build, Conv, Heads, Layers, Network, Preprocessing, shrinking_pad};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::{Same, Valid};
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "nasnet-mobile",
    input: [224, 224],
    channels: 3,
    classes: 1000,
    batch_norm: BatchNorm { epsilon: 1e-3, momentum: 0.9997 },
    preprocessing: Preprocessing::Tf,
    cam_layer: "activation_187",
    build: Build::Figure(build),
};

/// Filters of the first normal cells: a 24th of the 1056 of the last activation.
const FILTERS: usize = 44;
/// Normal cells between two reductions.
const CELLS: usize = 4;

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x =
        l.conv2d("stem_conv1", images, Conv::square(32, 3).stride(2).valid().he_normal())?;
    x = l.batch_norm("stem_bn1", x)?;
    let mut p = x;
    (x, p) = (reduction_cell(l, "stem_1", x, p, FILTERS / 4)?, x);
    (x, p) = (reduction_cell(l, "stem_2", x, p, FILTERS / 2)?, x);
    for stage in 0..3 {
        let filters = FILTERS << stage;
        if stage > 0 {
            let name = format!("reduce_{}", stage * CELLS);
            (x, p) = (reduction_cell(l, &name, x, p, filters)?, x);
        }
        // The first reduction counts as a cell in the numbers of those after it.
        let first = stage * CELLS + stage.min(1);
        for cell in first..first + CELLS {
            (x, p) = (normal_cell(l, &cell.to_string(), x, p, filters)?, x);
        }
    }
    let name = l.auto("activation");
    x = l.relu(&name, x)?;
    let cam = x;
    let name = l.auto("global_average_pooling2d");
    x = l.global_average_pool(&name, x)?;
    let logits = l.predictions(x, classes)?;
    Ok(Heads { cam, logits })
}

/// Figure 4, left: the image keeps its size.
fn normal_cell(l: &mut Layers, id: &str, x: Value, p: Value, filters: usize) -> Result<Value> {
    let p = adjust(l, id, p, x, filters)?;
    let h = squeeze(l, "normal", id, x, filters)?;
    let average = Window::square(3, 1, Same);

    let left = separable_twice(l, &format!("normal_left1_{id}"), h, filters, 5, 1)?;
    let right = separable_twice(l, &format!("normal_right1_{id}"), p, filters, 3, 1)?;
    let x1 = l.add(&format!("normal_add_1_{id}"), left, right)?;

    let left = separable_twice(l, &format!("normal_left2_{id}"), p, filters, 5, 1)?;
    let right = separable_twice(l, &format!("normal_right2_{id}"), p, filters, 3, 1)?;
    let x2 = l.add(&format!("normal_add_2_{id}"), left, right)?;

    let left = l.average_pool(&format!("normal_left3_{id}"), h, average)?;
    let x3 = l.add(&format!("normal_add_3_{id}"), left, p)?;

    let left = l.average_pool(&format!("normal_left4_{id}"), p, average)?;
    let right = l.average_pool(&format!("normal_right4_{id}"), p, average)?;
    let x4 = l.add(&format!("normal_add_4_{id}"), left, right)?;

    let left = separable_twice(l, &format!("normal_left5_{id}"), h, filters, 3, 1)?;
    let x5 = l.add(&format!("normal_add_5_{id}"), left, h)?;

    l.concat(&format!("normal_concat_{id}"), &[p, x1, x2, x3, x4, x5])
}

/// Figure 4, right: half the height and width.
fn reduction_cell(l: &mut Layers, id: &str, x: Value, p: Value, filters: usize) -> Result<Value> {
    let p = adjust(l, id, p, x, filters)?;
    let h = squeeze(l, "reduction", id, x, filters)?;
    let padded = l.zero_pad(&format!("reduction_pad_1_{id}"), h, shrinking_pad(l.size(h), 3))?;
    let half = Window::square(3, 2, Valid);

    let left = separable_twice(l, &format!("reduction_left1_{id}"), h, filters, 5, 2)?;
    let right = separable_twice(l, &format!("reduction_right1_{id}"), p, filters, 7, 2)?;
    let x1 = l.add(&format!("reduction_add_1_{id}"), left, right)?;

    let left = l.max_pool(&format!("reduction_left2_{id}"), padded, half)?;
    let right = separable_twice(l, &format!("reduction_right2_{id}"), p, filters, 7, 2)?;
    let x2 = l.add(&format!("reduction_add_2_{id}"), left, right)?;

    let left = l.average_pool(&format!("reduction_left3_{id}"), padded, half)?;
    let right = separable_twice(l, &format!("reduction_right3_{id}"), p, filters, 5, 2)?;
    let x3 = l.add(&format!("reduction_add3_{id}"), left, right)?;

    let pooled =
        l.average_pool(&format!("reduction_left4_{id}"), x1, Window::square(3, 1, Same))?;
    let name = l.auto("add");
    let x4 = l.add(&name, x2, pooled)?;

    let left = separable_twice(l, &format!("reduction_left4_{id}"), x1, filters, 3, 1)?;
    let right = l.max_pool(&format!("reduction_right5_{id}"), padded, half)?;
    let x5 = l.add(&format!("reduction_add4_{id}"), left, right)?;

    l.concat(&format!("reduction_concat_{id}"), &[x2, x3, x4, x5])
}

/// The last output, brought to `filters` channels.
fn squeeze(l: &mut Layers, kind: &str, id: &str, x: Value, filters: usize) -> Result<Value> {
    let name = l.auto("activation");
    let h = l.relu(&name, x)?;
    let conv = Conv::square(filters, 1).he_normal();
    let h = l.conv2d(&format!("{kind}_conv_1_{id}"), h, conv)?;
    l.batch_norm(&format!("{kind}_bn_1_{id}"), h)
}

/// The output before the last, `p`, brought to the size of the last, `x`, and to `filters` channels.
/// Where it is larger, half of the channels come from every second pixel, half from those between.
fn adjust(l: &mut Layers, id: &str, p: Value, x: Value, filters: usize) -> Result<Value> {
    if p == x {
        return Ok(p);
    }
    let bn = format!("adjust_bn_{id}");
    if l.size(p)[1] != l.size(x)[1] {
        let half = Conv::square(filters / 2, 1).he_normal();
        let pick = Window::square(1, 2, Valid);
        let p = l.relu(&format!("adjust_relu_1_{id}"), p)?;
        let even = l.average_pool(&format!("adjust_avg_pool_1_{id}"), p, pick)?;
        let even = l.conv2d(&format!("adjust_conv_1_{id}"), even, half)?;
        let name = l.auto("zero_padding2d");
        let odd = l.zero_pad(&name, p, [[0, 1], [0, 1]])?;
        let name = l.auto("cropping2d");
        let odd = l.crop(&name, odd, [[1, 0], [1, 0]])?;
        let odd = l.average_pool(&format!("adjust_avg_pool_2_{id}"), odd, pick)?;
        let odd = l.conv2d(&format!("adjust_conv_2_{id}"), odd, half)?;
        let name = l.auto("concatenate");
        let p = l.concat(&name, &[even, odd])?;
        return l.batch_norm(&bn, p);
    }
    if l.channels(p) == filters {
        return Ok(p);
    }
    let name = l.auto("activation");
    let p = l.relu(&name, p)?;
    let conv = Conv::square(filters, 1).he_normal();
    let p = l.conv2d(&format!("adjust_conv_projection_{id}"), p, conv)?;
    l.batch_norm(&bn, p)
}

/// Twice: ReLU, separable convolution, batch normalisation. The first has the stride.
fn separable_twice(
    l: &mut Layers,
    id: &str,
    x: Value,
    filters: usize,
    size: usize,
    stride: usize,
) -> Result<Value> {
    let name = l.auto("activation");
    let mut x = l.relu(&name, x)?;
    let mut conv = Conv::square(filters, size);
    if stride == 2 {
        x = l.zero_pad(&format!("separable_conv_1_pad_{id}"), x, shrinking_pad(l.size(x), size))?;
        conv = conv.stride(2).valid();
    }
    x = l.separable_conv2d(&format!("separable_conv_1_{id}"), x, conv)?;
    x = l.batch_norm(&format!("separable_conv_1_bn_{id}"), x)?;
    let name = l.auto("activation");
    x = l.relu(&name, x)?;
    x = l.separable_conv2d(&format!("separable_conv_2_{id}"), x, Conv::square(filters, size))?;
    l.batch_norm(&format!("separable_conv_2_bn_{id}"), x)
}
