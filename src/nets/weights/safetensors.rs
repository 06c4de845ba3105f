//! Weights as safetensors: a JSON header with names, shapes and offsets, then the numbers.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::raw::{Format, Metadata, Raw, RawLayer, metadata_json};
use super::{METADATA, Weights};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

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
    let text = metadata_json(&weights.metadata);
    let metadata = HashMap::from([(METADATA.to_owned(), text)]);
    safetensors::serialize(views, Some(metadata)).map_err(failed)
}

/// Whether `bytes` begin as such a file: the length of the header, and a JSON object.
pub fn recognises(bytes: &[u8]) -> bool {
    let Some((length, header)) = bytes.split_first_chunk::<8>() else { return false };
    // A header of more than 100 MB is refused by the format itself.
    u64::from_le_bytes(*length) <= 100_000_000 && header.starts_with(b"{")
}

/// The layers in `bytes`, the content of `path`. The part of a name before its last `/` is the layer.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Raw> {
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
    let mut metadata = Metadata::new();
    if let Some(text) = header.metadata().as_ref().and_then(|metadata| metadata.get(METADATA)) {
        metadata = serde_json::from_str(text)
            .map_err(|error| failed(format!("its metadata is not ours ({error})")))?;
    }
    let mut layers: Vec<RawLayer> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    // In the order of the numbers: the reader's own is another in every process.
    for name in &header.offset_keys() {
        let view = file.tensor(name).map_err(broken)?;
        if view.dtype() != Dtype::F32 {
            return Err(failed(format!("{name} is {:?}, only F32 is read", view.dtype())));
        }
        let data = bytemuck::pod_collect_to_vec(view.data());
        let tensor = Tensor::new(view.shape().to_vec(), data)?;
        let (place, variable) = name.rsplit_once('/').unwrap_or((name, name));
        let index = *known.entry(place.to_owned()).or_insert_with(|| {
            layers.push(RawLayer {
                name: place.rsplit('/').next().map(str::to_owned),
                place: place.to_owned(),
                class: None,
                tensors: Vec::new(),
            });
            layers.len() - 1
        });
        let variable = variable.split(':').next().unwrap_or(variable);
        layers[index].tensors.push((variable.to_owned(), tensor));
    }
    let format = Format::Safetensors;
    Ok(Raw { path: path.to_owned(), format, layers, metadata, config: None, ordered: false })
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
        let raw = decode(path, &encode(path, &some()).unwrap()).unwrap();
        assert_eq!(raw.metadata, some().metadata);
        assert_eq!(raw.layers.len(), 1);
        assert_eq!(raw.layers[0].name.as_deref(), Some("dense"));
        let tensor = some().tensors["dense/kernel"].clone();
        assert_eq!(raw.layers[0].tensors, [("kernel".to_owned(), tensor)]);
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
    fn layers_are_in_the_order_of_the_file() {
        let path = Path::new("w.safetensors");
        let mut weights = Weights::default();
        let names: Vec<String> = (10..30).map(|number| format!("layer_{number}")).collect();
        for name in &names {
            for variable in ["bias", "kernel"] {
                weights.tensors.insert(format!("{name}/{variable}"), Tensor::zeros([1]));
            }
        }
        let raw = decode(path, &encode(path, &weights).unwrap()).unwrap();
        let found: Vec<&str> = raw.layers.iter().map(RawLayer::label).collect();
        assert_eq!(found, names);
        assert!(raw.layers.iter().all(|layer| layer.describe() == "bias 1, kernel 1"));
    }

    #[test]
    fn every_truncation_is_an_error_that_names_the_file() {
        let path = Path::new("w.safetensors");
        let bytes = encode(path, &some()).unwrap();
        for length in 0..bytes.len() {
            let error = Raw::decode(path, bytes[..length].to_vec()).unwrap_err().to_string();
            assert!(error.contains("w.safetensors"), "{error}");
        }
    }
}
