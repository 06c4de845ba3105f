//! From folders made by the tests to ROIs, as a user goes.

mod bad_input;
mod cbis;
mod ddsm;
mod layouts;
mod rois;

use std::path::Path;

use super::fixtures::{mask, put, textured};
use super::image::{Grey, Rect};

/// The lesion of every image here, in 64 x 48 pixels.
const LESION: Rect = Rect { x: 20, y: 14, width: 12, height: 10 };

fn image() -> Grey {
    textured(64, 48)
}

fn lesion() -> Grey {
    mask(64, 48, LESION)
}

fn no_lesion() -> Grey {
    Grey::filled(64, 48, 0)
}

/// `mass/a0..` with masks and `normal/n0..` without, `n` of each.
fn simple(root: &Path, n: usize) {
    for i in 0..n {
        put(root, &format!("mass/a{i}.png"), &image());
        put(root, &format!("mass/a{i}_mask.png"), &lesion());
        put(root, &format!("normal/n{i}.png"), &image());
    }
}
