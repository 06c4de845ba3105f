//! Keras 3's `.keras`: a zip, stored without compression, of `metadata.json`, `config.json` and
//! `model.weights.h5`. Source: `saving_lib.py` of Keras 3.15.1.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::Weights;
use super::hdf5::{self, KERAS_VERSION};
use super::keras_weights;
use super::limits::Allowance;
use super::raw::{Format, Raw};
use crate::error::{Error, Result};
use crate::nets::models::Layer;

/// The first bytes of every zip that holds something.
pub const SIGNATURE: &[u8] = b"PK\x03\x04";

const WEIGHTS: &str = "model.weights.h5";
const CONFIG: &str = "config.json";

/// A configuration takes less: that of the largest network is 0.3 MB.
const MOST_CONFIG: u64 = 8 << 20;

/// The layers in `bytes`, the content of `path`.
pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<Raw> {
    let broken = |what: &str, error: &dyn std::fmt::Display| {
        Error::content(
            path,
            format!("not a whole .keras file: {what} ({error})"),
            "it may be cut off, or another kind of zip: give what `model.save` wrote",
        )
    };
    let mut allowance = Allowance::of(path, bytes.len());
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken("not a whole zip", &error))?;
    // Somebody took them out, or saved the configuration alone: nothing is damaged.
    if archive.index_for_name(CONFIG).is_some() && archive.index_for_name(WEIGHTS).is_none() {
        return Err(Error::content(
            path,
            format!("it says what the model is, and holds no weights: {WEIGHTS} is not in it"),
            "save both with model.save(\"x.keras\")",
        ));
    }
    let mut member = |name: &str, most: u64| -> Result<Vec<u8>> {
        let failed =
            |error: &dyn std::fmt::Display| broken(&format!("{name} cannot be read"), error);
        let file = archive.by_name(name).map_err(|error| failed(&error))?;
        // What it says of its size is not believed: it is unpacked as far as is allowed, and no further.
        let mut content = Vec::new();
        let most = most.min(allowance.left());
        file.take(most.saturating_add(1))
            .read_to_end(&mut content)
            .map_err(|error| failed(&error))?;
        if content.len() as u64 > most {
            return Err(allowance.refused(format!(
                "{name} unpacks to more than {} MB, which it does not for a network of a file of this size",
                most / 1_000_000
            )));
        }
        allowance.unpack(name, content.len() as u64)?;
        Ok(content)
    };
    let config = member(CONFIG, MOST_CONFIG)?;
    let config =
        String::from_utf8(config).map_err(|error| broken("config.json is not text", &error))?;
    let weights = member(WEIGHTS, u64::MAX)?;
    let inner = path.join(WEIGHTS);
    allowance.inner(weights.len());
    let file = hdf5::open(&inner, weights)?;
    let raw = keras_weights::decode(&inner, &file, &mut allowance)?;
    Ok(Raw { path: path.to_owned(), format: Format::KerasArchive, config: Some(config), ..raw })
}

/// The file of `weights`, of the model of `layers`. Without the `config` of a Keras model, Keras can
/// load the weights into a model, and cannot make the model of them.
pub fn encode(
    path: &Path,
    weights: &Weights,
    layers: &[Layer],
    config: Option<&str>,
) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::content(path, format!("cannot be made ({error})"), "this is a bug, please report it")
    };
    let metadata = serde_json::json!({ "keras_version": KERAS_VERSION }).to_string();
    let own = super::raw::metadata_json(&weights.metadata);
    let inner = keras_weights::encode(path, weights, layers)?;
    let members: [(&str, &[u8]); 3] = [
        ("metadata.json", metadata.as_bytes()),
        (CONFIG, config.unwrap_or(&own).as_bytes()),
        (WEIGHTS, &inner),
    ];
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in members {
        archive.start_file(name, stored).map_err(|error| failed(&error))?;
        archive.write_all(content).map_err(|error| failed(&error))?;
    }
    Ok(archive.finish().map_err(|error| failed(&error))?.into_inner())
}
