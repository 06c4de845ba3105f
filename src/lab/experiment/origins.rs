//! What the files of a run are made from, for its record.

use serde_json::{Value, json};

use std::path::Path;

use super::{DatasetSummary, Setup};
use crate::engine::gpu::Gpu;
use crate::engine::gpu::environment;
use crate::error::Result;
use crate::lab::run_folder::RunFolder;
use crate::nets::images::Split;
use crate::nets::train::sides;
use crate::provenance::Items;

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

/// That a run which is gone on with was on the ROIs of now, whatever folder they were read from: `path` has its
/// results, `then` and `now` the data set's name and ROIs. stderr is told of another folder with the same ROIs.
///
/// # Errors
/// [`Error::Content`](crate::error::Error::Content) when they are others.
pub fn same_rois(
    out: &RunFolder,
    path: &Path,
    then: (&str, &DatasetSummary),
    now: (&str, &DatasetSummary),
) -> Result<()> {
    let same = then.1.fingerprint == now.1.fingerprint;
    let difference = match (same, then.0 == now.0) {
        (true, true) => None,
        (true, false) => {
            crate::console::note!(
                "the ROIs of {} are those of {}, which the run was on",
                now.0,
                then.0
            );
            None
        }
        (false, true) => Some(format!(
            "the ROIs of {} have changed: a picture, a mask, a name or a patient is another",
            now.0
        )),
        (false, false) => Some(format!("data was {}, is {}, with other ROIs", then.0, now.0)),
    };
    out.refuse(path, difference)
}

/// The same items and another one.
pub fn with(items: &Items, name: &str, value: Value) -> Items {
    let mut items = items.clone();
    items.insert(name.to_owned(), value);
    items
}
