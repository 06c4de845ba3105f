//! Weights as safetensors: a JSON header with names, shapes and offsets, then the numbers.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Weights;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

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
    let metadata: HashMap<String, String> = weights.metadata.clone().into_iter().collect();
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
    if let Some(metadata) = header.metadata() {
        weights.metadata = metadata.clone().into_iter().collect();
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
    fn every_truncation_is_an_error_that_names_the_file() {
        let path = Path::new("w.safetensors");
        let bytes = encode(path, &some()).unwrap();
        for length in 0..bytes.len() {
            let error = decode(path, &bytes[..length]).unwrap_err().to_string();
            assert!(error.contains("w.safetensors"), "{error}");
        }
    }
}
