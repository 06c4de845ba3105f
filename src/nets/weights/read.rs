//! Reads a weights file of any format.

use std::path::Path;

use super::limits::{Allowance, MOST_BYTES};
use super::raw::Raw;
use super::{MOST_SIDE, hdf5, keras_archive, keras_h5, keras_weights, safetensors};
use crate::error::{Error, Result};
use crate::files;
use crate::memory;

/// The content of the weights file `path`.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Content`] when it is larger than any, [`Error::TooLarge`] when
/// this machine has no memory for it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    // Of what is not there, or is no file, reading says more. The bytes and their numbers are held at once.
    let length = std::fs::metadata(path).map_or(0, |found| found.len()).min(MOST_BYTES);
    let what = format!("{} with its numbers", path.display());
    memory::expect(&what, 2 * length, "use a machine with more memory, or a smaller network")?;
    files::read_at_most(path, MOST_BYTES)
}

impl Raw {
    /// Reads the file `path`; its content says which format it is.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Content`] when it is not a whole file of
    /// weights.
    pub fn read(path: &Path) -> Result<Self> {
        Self::decode(path, read(path)?)
    }

    /// What is in `bytes`, the content of `path`.
    ///
    /// # Errors
    /// [`Error::Content`] when that is not a whole file of weights.
    pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        let raw = if bytes.starts_with(hdf5::SIGNATURE) {
            let mut allowance = Allowance::of(path, bytes.len());
            let file = hdf5::open(path, bytes)?;
            if keras_weights::recognises(&file) {
                keras_weights::decode(path, &file, &mut allowance)?
            } else {
                keras_h5::decode(path, &file, &mut allowance)?
            }
        } else if bytes.starts_with(keras_archive::SIGNATURE) {
            keras_archive::decode(path, bytes)?
        } else if safetensors::recognises(&bytes) {
            safetensors::decode(path, &bytes)?
        } else {
            return Err(Error::content(
                path,
                "this is no weights file: neither HDF5, nor a zip, nor safetensors",
                "give a .safetensors, .weights.h5, .h5 or .keras file; if it should be one, it is \
                 cut off or damaged",
            ));
        };
        if let (true, Some(class)) =
            (raw.layers.is_empty(), raw.config.as_deref().and_then(own_class))
        {
            return Err(Error::content(
                path,
                format!(
                    "it is of a model of the class {class:.60}, whose layers stand in a program"
                ),
                "give a model made by keras.Model(inputs, outputs) or keras.Sequential",
            ));
        }
        if raw.layers.is_empty() {
            return Err(Error::content(
                path,
                format!("no weights are in this {} file", raw.format),
                match raw.config {
                    Some(_) => {
                        "give a model with layers that have some: model.save(\"x.keras\") writes both"
                    }
                    None => "save the weights again; `model.save_weights` writes them",
                },
            ));
        }
        raw.check()?;
        Ok(raw)
    }

    /// Refuses numbers that nothing can be made of: a shape with a 0 in it divides by 0 somewhere, and says nothing of
    /// the file's size in its other numbers.
    fn check(&self) -> Result<()> {
        let hint = "give weights as `parula train` or Keras saves them";
        for layer in &self.layers {
            if let Some((name, tensor)) =
                layer.tensors.iter().find(|(_, tensor)| tensor.dims().contains(&0))
            {
                let problem = format!(
                    "{name} of layer {} is {}: it holds no number",
                    layer.label(),
                    tensor.shape()
                );
                return Err(Error::content(&self.path, problem, hint));
            }
        }
        let noted = self.metadata.get("input");
        if let (Some(text), None) = (noted, self.input()) {
            let problem = format!(
                "it says that its input is {text:.40}, and an input is HEIGHTxWIDTH, each from 1 to {MOST_SIDE}"
            );
            return Err(Error::content(&self.path, problem, hint));
        }
        Ok(())
    }
}

/// The class in the configuration of a model, where it is a user's own.
fn own_class(config: &str) -> Option<String> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    let class = config.get("class_name")?.as_str()?;
    let known = ["Functional", "Sequential", "Model"].contains(&class);
    (!known).then(|| class.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_weights_file_is_said_to_be_none() {
        for bytes in [&b""[..], b"hello", b"{\"a\": 1}", &[0; 64], &[255; 64]] {
            let error = Raw::decode(Path::new("x.h5"), bytes.to_vec()).unwrap_err().to_string();
            assert!(error.contains("x.h5") && error.contains("no weights file"), "{error}");
        }
    }
}
