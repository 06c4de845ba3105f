//! What the files of a run are made from, for its record.

use serde_json::{Value, json};

use super::Setup;
use crate::data::Split;
use crate::gpu::Gpu;
use crate::run_folder::{Items, environment};
use crate::train::sides;

/// What all files of a run on ROIs of this fingerprint depend on.
pub fn shared(gpu: &Gpu, fingerprint: &str) -> Items {
    with(&environment(gpu), "rois", json!(fingerprint))
}

/// What a network is made from that `setup` trains with `seed` on a side of `split`.
pub fn training(shared: &Items, setup: &Setup, seed: u64, split: &Split) -> Items {
    let mut items = shared.clone();
    for (name, value) in [
        ("model", json!(setup.network.name)),
        ("seed", json!(seed)),
        ("split", json!(sides(split))),
        ("training", Value::Object(setup.describe())),
    ] {
        items.insert(name.to_owned(), value);
    }
    items
}

/// The same items and another one.
pub fn with(items: &Items, name: &str, value: Value) -> Items {
    let mut items = items.clone();
    items.insert(name.to_owned(), value);
    items
}
