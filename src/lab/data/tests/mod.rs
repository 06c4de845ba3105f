//! From folders made by the tests to ROIs, as a user goes.

mod bad_input;
mod cbis;
mod classes;
mod ddsm;
mod layouts;
mod mias;
mod published;
mod rois;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::draw;
use crate::nets::images::fixtures::{mask, put};
use crate::nets::images::{Grey, Rect};

/// The lesion of every image here, in 64 x 48 pixels.
const LESION: Rect = Rect { x: 20, y: 14, width: 12, height: 10 };

/// Another scan at every call: no two pictures of a set are alike, unless a test says so.
fn image() -> Grey {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let pixels = (0..64 * 48).map(|index| (draw::mix(call << 16 | index) % 251) as u8);
    Grey { width: 64, height: 48, pixels: pixels.collect() }
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
