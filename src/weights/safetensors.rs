//! Weights as safetensors: a JSON header with names, shapes and offsets, then the numbers.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Weights;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// The key of [`Weights::metadata`], as JSON, in the file's own metadata.
const METADATA: &str = "parula";

/// The file of `weights`, 32-bit floating point.
pub fn encode(path: &Path, weights: &Weights) -> Result<Vec<u8>> {
    let failed = |error: safetensors::SafeTensorError| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    };
    let mut views = Vec::new();
    for (name, tensor) in &weights.tensors {
        let bytes: &[u8] = bytemuck::cast_slice(tensor.data());
        let view = TensorView::new(Dtype::F32, tensor.dims().to_vec(), bytes).map_err(failed)?;
        views.push((name.clone(), view));
    }
    // One entry: the format's own map has no order, and the same weights shall be the same bytes.
    let text = serde_json::to_string(&weights.metadata).map_err(|error| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    })?;
    let metadata = HashMap::from([(METADATA.to_owned(), text)]);
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// The weights in `bytes`, the content of `path`.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Weights> {
    let failed = |problem: String| {
        Error::content(
            path,
            problem,
            "give a .safetensors file, as `parula train` writes it; if it should be one, fetch it again",
        )
    };
    let broken = |error: safetensors::SafeTensorError| {
        failed(format!("not a whole safetensors file ({error})"))
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let mut weights = Weights::default();
    if let Some(text) = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA)) {
        weights.metadata = serde_json::from_str(text)
            .map_err(|error| failed(format!("its metadata is not ours ({error})")))?;
    }
    for (name, view) in file.iter() {
        if view.dtype() != Dtype::F32 {
            return Err(failed(format!("{name} is {:?}, only F32 is read", view.dtype())));
        }
        let data = bytemuck::pod_collect_to_vec(view.data());
        weights.tensors.insert(name.to_owned(), Tensor::new(view.shape().to_vec(), data)?);
    }
    Ok(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Weights {
        let mut weights = Weights::default();
        let numbers = Tensor::from_fn([2, 3], |index| index as f32 - 0.5);
        weights.tensors.insert("dense/kernel".to_owned(), numbers);
        weights.metadata.insert("model".to_owned(), "compact-resnet".to_owned());
        weights
    }

    #[test]
    fn what_is_written_is_read_back() {
        let path = Path::new("w.safetensors");
        assert_eq!(decode(path, &encode(path, &some()).unwrap()).unwrap(), some());
    }

    #[test]
    fn the_same_weights_are_the_same_bytes() {
        let path = Path::new("w.safetensors");
        let mut weights = some();
        for key in ["classes", "input", "format", "a", "b", "c", "d"] {
            weights.metadata.insert(key.to_owned(), key.to_owned());
        }
        let first = encode(path, &weights).unwrap();
        for _ in 0..8 {
            assert!(encode(path, &weights).unwrap() == first);
        }
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_file() {
        let path = Path::new("w.safetensors");
        let bytes = encode(path, &some()).unwrap();
        for length in 0..bytes.len() {
            let error = decode(path, &bytes[..length]).unwrap_err().to_string();
            assert!(error.contains("w.safetensors"), "{error}");
        }
    }
}
