//! A small U-Net (Ronneberger, Fischer and Brox 2015, figure 1), for images of about 100 pixels: what
//! the way down has seen at each size is put beside what comes up to that size again. In contrast to the
//! paper's, convolutions keep the size and are normalised, the way up is bilinear, and the first
//! convolution halves the image.
//!
//! ```text
//! down   conv 3x3 /2, 16, conv 16 | pool, 2 x conv 32 | pool, 2 x conv 64     kept as skips
//! bottom pool, conv 128, conv 64
//! up     resize to the skip, concat, conv c, conv c / 2                       c = 64, 32
//!        resize to the skip, concat, conv 16
//! head   conv 1x1 -> resize to the image
//! ```
//! An input of 96x96 goes down to 6x6. Every convolution but the head is followed by batch normalisation
//! and ReLU.

use super::{BatchNorm, Build, Conv, Heads, Layers, MASK, Network, Preprocessing};
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Same;
use crate::engine::ops::Window;
use crate::error::Result;

pub(super) const NETWORK: Network = Network {
    name: "compact-unet",
    input: [96, 96],
    channels: 1,
    classes: 1,
    batch_norm: BatchNorm::COMPACT,
    preprocessing: Preprocessing::Tf,
    cam_layer: "up1_conv1_act",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, units: usize) -> Result<Heads> {
    let size = l.size(images);
    let mut skips = Vec::new();
    let mut x = images;
    for (level, filters) in [(1, 16), (2, 32), (3, 64)] {
        x = match level {
            1 => activated(l, "down1_conv1", x, Conv::square(filters, 3).stride(2))?,
            _ => {
                let pooled =
                    l.max_pool(&format!("down{level}_pool"), x, Window::square(2, 2, Same))?;
                activated(l, &format!("down{level}_conv1"), pooled, Conv::square(filters, 3))?
            }
        };
        x = activated(l, &format!("down{level}_conv2"), x, Conv::square(filters, 3))?;
        skips.push((level, x));
    }
    x = l.max_pool("bottom_pool", x, Window::square(2, 2, Same))?;
    x = activated(l, "bottom_conv1", x, Conv::square(128, 3))?;
    x = activated(l, "bottom_conv2", x, Conv::square(64, 3))?;
    while let Some((level, skip)) = skips.pop() {
        let filters = l.channels(skip);
        let to = l.size(skip);
        x = l.resize(&format!("up{level}_resize"), x, to)?;
        x = l.concat(&format!("up{level}_concat"), &[skip, x])?;
        x = activated(l, &format!("up{level}_conv1"), x, Conv::square(filters, 3))?;
        if level > 1 {
            let next = Conv::square(filters / 2, 3);
            x = activated(l, &format!("up{level}_conv2"), x, next)?;
        }
    }
    let cam = x;
    x = l.conv2d(MASK, x, Conv::square(units, 1).bias())?;
    let logits = l.resize("mask_resize", x, size)?;
    Ok(Heads { cam, logits })
}

fn activated(l: &mut Layers, name: &str, x: Value, conv: Conv) -> Result<Value> {
    let x = l.conv2d(name, x, conv.he_normal())?;
    let x = l.batch_norm(&format!("{name}_bn"), x)?;
    l.relu(&format!("{name}_act"), x)
}
