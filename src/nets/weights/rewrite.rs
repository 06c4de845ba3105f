//! The same `.keras` file with other numbers: each goes back to the place that it came from, and all else
//! stays as Keras wrote it: configuration, counters, the optimiser's memory.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use hdf5_pure::{DType, Layout};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::hdf5;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

const WEIGHTS: &str = "model.weights.h5";

/// The archive `bytes`, the content of `path`, with `numbers` in the place of those of the datasets that
/// they are named after.
///
/// # Errors
/// [`Error::Content`] when a dataset is not there, of another size, or laid out so that its numbers do
/// not stand in one piece.
pub fn rewrite(path: &Path, bytes: &[u8], numbers: &BTreeMap<String, &Tensor>) -> Result<Vec<u8>> {
    let failed = |problem: String| {
        Error::content(
            path,
            problem,
            "write the weights as .safetensors, or save the model again with Keras",
        )
    };
    let broken = |error: &dyn std::fmt::Display| failed(format!("cannot be copied ({error})"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut written = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(|error| broken(&error))?;
        let mut content = Vec::new();
        member.read_to_end(&mut content).map_err(|error| broken(&error))?;
        let name = member.name().map_err(|error| broken(&error))?.into_owned();
        if name == WEIGHTS {
            replace(path, &mut content, numbers, &failed)?;
        }
        written.start_file(name, stored).map_err(|error| broken(&error))?;
        written.write_all(&content).map_err(|error| broken(&error))?;
    }
    Ok(written.finish().map_err(|error| broken(&error))?.into_inner())
}

fn replace(
    path: &Path,
    content: &mut [u8],
    numbers: &BTreeMap<String, &Tensor>,
    failed: &impl Fn(String) -> Error,
) -> Result<()> {
    let file = hdf5::open(path, content.to_vec())?;
    for (place, tensor) in numbers {
        let broken = |error: hdf5_pure::Error| hdf5::broken(path, place, &error);
        let dataset = file.dataset(place).map_err(broken)?;
        let count = tensor.data().len();
        let encoded: Vec<u8> = match dataset.dtype().map_err(broken)? {
            DType::F32 => tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect(),
            DType::F64 => {
                tensor.data().iter().flat_map(|&value| f64::from(value).to_le_bytes()).collect()
            }
            other => {
                let sixteen = hdf5::sixteen(&dataset).ok_or_else(|| {
                    failed(format!("{place} holds {other}, which is not written"))
                })?;
                let bits = tensor.data().iter().map(|&value| sixteen.encode(value));
                bits.flat_map(u16::to_le_bytes).collect()
            }
        };
        let start = match dataset.layout().map_err(broken)? {
            Layout::Contiguous { address: Some(address), size } if size == encoded.len() as u64 => {
                usize::try_from(address).ok()
            }
            _ => None,
        };
        let target = start.and_then(|start| content.get_mut(start..start + encoded.len()));
        let target =
            target.ok_or_else(|| failed(format!("{place} is not one run of {count} numbers")))?;
        target.copy_from_slice(&encoded);
    }
    Ok(())
}
