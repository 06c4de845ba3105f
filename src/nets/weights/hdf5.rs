//! What the two Keras formats on HDF5 share: opening, attributes that hold text, tensors.

use std::collections::HashMap;
use std::path::Path;

use hdf5_pure::{
    AttrValue, DType, Dataset, Datatype, DatatypeByteOrder, File, FileAccessProperties,
    FileBuilder, Layout, LibVer, WriteMarkPolicy,
};

use super::METADATA;
use super::limits::{Allowance, Metered};
use super::raw::Metadata;
use super::sixteen::Sixteen;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// The first bytes of every HDF5 file.
pub const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Chunks of one tensor. Those that tools make have thousands of numbers each.
const MOST_CHUNKS: u64 = 1 << 16;

/// Keras splits lists of names into attributes of at most this many bytes.
const MOST_ATTRIBUTE: usize = 64_512;

/// What Keras calls itself in files laid out as ours.
pub const KERAS_VERSION: &str = "3.15.1";

/// The file in `bytes`, the content of `path`.
pub fn open(path: &Path, bytes: Vec<u8>) -> Result<File> {
    let length = bytes.len() as u64;
    // Whoever wrote it may have been killed; what is there is read all the same.
    let properties =
        FileAccessProperties::new().with_write_mark_policy(WriteMarkPolicy::AllowSnapshot);
    let file = File::from_source_with_options(Metered::new(bytes), properties)
        .map_err(|error| broken(path, "it", &error))?;
    let meant = file.superblock().eof_address;
    // What is cut off may be something that is not read, and still says that the file is not whole.
    if meant > length {
        return Err(Error::content(
            path,
            format!("not a whole HDF5 file: {length} of its {meant} bytes are here"),
            "it is cut off: copy or fetch it again",
        ));
    }
    Ok(file)
}

/// `what` of `path` cannot be read.
pub fn broken(path: &Path, what: &str, error: &hdf5_pure::Error) -> Error {
    Error::content(
        path,
        format!("not a whole HDF5 file: {what} cannot be read ({error})"),
        "it may be cut off or damaged: copy or fetch it again",
    )
}

/// The list of strings called `name`, which Keras writes in parts when it is long.
pub fn strings(attributes: &HashMap<String, AttrValue>, name: &str) -> Option<Vec<String>> {
    if let Some(value) = attributes.get(name) {
        return Some(texts(value));
    }
    let parts = (0..).map_while(|part| attributes.get(&format!("{name}{part}")));
    let all: Vec<Vec<String>> = parts.map(texts).collect();
    if all.is_empty() { None } else { Some(all.concat()) }
}

/// The text of the attribute called `name`.
pub fn string(attributes: &HashMap<String, AttrValue>, name: &str) -> Option<String> {
    texts(attributes.get(name)?).into_iter().next()
}

/// Text in any of the ways that Keras 2, Keras 3 and h5py write it. An empty list of names is an
/// empty list of numbers there.
fn texts(value: &AttrValue) -> Vec<String> {
    use AttrValue::{
        AsciiString, AsciiStringArray, AsciiStringArraySized, AsciiStringSized, String,
        StringArray, StringArraySized, StringSized, VarLenAsciiString, VarLenAsciiStringArray,
        VarLenString, VarLenStringArray,
    };
    match value {
        String(text) | AsciiString(text) | VarLenString(text) | VarLenAsciiString(text) => {
            vec![text.clone()]
        }
        StringSized { value, .. } | AsciiStringSized { value, .. } => vec![value.clone()],
        StringArray(texts)
        | AsciiStringArray(texts)
        | VarLenStringArray(texts)
        | VarLenAsciiStringArray(texts) => texts.clone(),
        StringArraySized { values, .. } | AsciiStringArraySized { values, .. } => values.clone(),
        _ => Vec::new(),
    }
}

/// The numbers of a dataset, rounded to single precision where it holds more. None where it holds whole
/// numbers: a counter or the state of a generator, which is no weight.
///
/// A dataset may be declared far larger than its file: what was never written, or is packed, takes no bytes there. So
/// its size is held against `allowance` before it is read.
///
/// # Errors
/// [`Error::Content`] when the dataset is damaged, or holds weights in a form that is not read, such as
/// those of 8 bits that quantisation makes.
pub fn tensor(
    path: &Path,
    place: &str,
    dataset: &Dataset,
    allowance: &mut Allowance,
) -> Result<Option<Tensor>> {
    let failed = |error: hdf5_pure::Error| broken(path, place, &error);
    allowance.tensor()?;
    let shape = dataset.shape().map_err(failed)?;
    let size = dataset.element_size().map_err(failed)?;
    let bytes = product(size, &shape).filter(|_| (1..=16).contains(&size)).ok_or_else(|| {
        allowance.refused(format!("{place} would hold {shape:?} numbers of {size} bytes"))
    })?;
    let unwritten = |allowance: &Allowance| {
        let what = format!("{place} is declared as {shape:?} numbers, and was never written");
        allowance.refused(format!("{what}, at least in part"))
    };
    match dataset.layout().map_err(failed)? {
        Layout::Compact { .. } | Layout::Contiguous { address: Some(_), .. } => {
            allowance.store(place, bytes)?;
        }
        Layout::Contiguous { address: None, .. } => return Err(unwritten(allowance)),
        Layout::Chunked { chunk_shape, .. } => {
            let chunk = product(size, &chunk_shape).filter(|&chunk| chunk > 0);
            let grid = shape.iter().zip(&chunk_shape).map(|(&all, &one)| all.div_ceil(one.max(1)));
            let count = product(1, &grid.collect::<Vec<_>>());
            let (Some(chunk), Some(count @ 1..=MOST_CHUNKS)) = (chunk, count) else {
                let problem = format!("{place} is {shape:?} numbers in chunks of {chunk_shape:?}");
                return Err(allowance.refused(problem));
            };
            if dataset.filters().is_empty() {
                allowance.store(place, bytes)?;
            }
            allowance.unpack(place, chunk.saturating_mul(count))?;
            let chunks = dataset.chunks().map_err(failed)?;
            if chunks.len() as u64 != count {
                return Err(unwritten(allowance));
            }
            // The library places a chunk where its offset says, be that within the data or not.
            let mut offsets: Vec<&[u64]> = chunks.iter().map(|chunk| &chunk.offset[..]).collect();
            offsets.sort_unstable();
            offsets.dedup();
            let on_grid = |offset: &&[u64]| {
                let sides = offset.iter().zip(&shape).zip(&chunk_shape);
                offset.len() == shape.len()
                    && sides.into_iter().all(|((&at, &all), &one)| at < all && at % one == 0)
            };
            if offsets.len() as u64 != count || !offsets.iter().all(on_grid) {
                let problem = format!("{place} has parts that do not fill its {shape:?} numbers");
                return Err(allowance.refused(problem));
            }
        }
        _ => return Err(allowance.refused(format!("{place} is a view of other files"))),
    }
    let data = match dataset.dtype().map_err(failed)? {
        DType::I16 | DType::I32 | DType::I64 | DType::U16 | DType::U32 | DType::U64 => {
            return Ok(None);
        }
        DType::I8 | DType::U8 => {
            return Err(Error::content(
                path,
                format!("{place} holds whole numbers of 8 bits: the weights are quantised"),
                "save the model as it was before `quantize`",
            ));
        }
        other @ DType::Other(_) => {
            let kept = sixteen(dataset).ok_or_else(|| {
                Error::content(
                    path,
                    format!("{place} holds numbers of a kind that is not read ({other})"),
                    "save the model in float32",
                )
            })?;
            let bytes = dataset.read_raw().map_err(failed)?;
            let pairs = bytes.chunks_exact(2);
            pairs.map(|pair| kept.decode(u16::from_le_bytes([pair[0], pair[1]]))).collect()
        }
        _ => dataset.read_f32().map_err(failed)?,
    };
    let dims: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
    Tensor::new(dims, data).map(Some).map_err(|error| {
        Error::content(path, format!("{place}: {error}"), "copy or fetch the file again")
    })
}

/// `first` times all of `factors`, where that is a number of 64 bits.
fn product(first: u64, factors: &[u64]) -> Option<u64> {
    factors.iter().try_fold(first, |product, &factor| product.checked_mul(factor))
}

/// What the numbers of `dataset` are, if they are of 16 bits and lie as every machine writes them. HDF5 has no type for
/// bfloat16: Keras writes bytes, and says beside what they are.
pub fn sixteen(dataset: &Dataset) -> Option<Sixteen> {
    let DType::Other(kind) = dataset.dtype().ok()? else { return None };
    match *kind {
        Datatype::FloatingPoint {
            size: 2,
            byte_order: DatatypeByteOrder::LittleEndian,
            layout,
        } => (layout.exponent_size == 5).then_some(Sixteen::Half),
        Datatype::Opaque { size: 2, .. } => {
            let brain = string(&dataset.attrs().ok()?, "dtype").as_deref() == Some("bfloat16");
            brain.then_some(Sixteen::Brain)
        }
        _ => None,
    }
}

/// What [`set_metadata`] wrote, if we wrote the file.
pub fn metadata(attributes: &HashMap<String, AttrValue>) -> Metadata {
    let text = string(attributes, METADATA);
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// A file in the making, for HDF5 1.8 and newer.
pub fn builder(metadata: &Metadata) -> FileBuilder {
    let mut file = FileBuilder::new();
    file.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    if !metadata.is_empty() {
        file.set_attr(METADATA, AttrValue::String(super::raw::metadata_json(metadata)));
    }
    file
}

/// The file's bytes.
pub fn finish(path: &Path, file: FileBuilder) -> Result<Vec<u8>> {
    file.finish().map_err(|error| {
        Error::content(path, format!("cannot be made ({error})"), "this is a bug, please report it")
    })
}

/// A list of names as Keras writes it: one attribute, or several where it is long.
pub fn names(name: &str, texts: &[String]) -> Vec<(String, AttrValue)> {
    if texts.is_empty() {
        return vec![(name.to_owned(), AttrValue::F64Array(Vec::new()))];
    }
    // Every entry takes as many bytes as the longest.
    let longest = texts.iter().map(String::len).max().unwrap_or(0).max(1);
    let most = (MOST_ATTRIBUTE / longest).max(1);
    if texts.len() <= most {
        return vec![(name.to_owned(), AttrValue::StringArray(texts.to_vec()))];
    }
    let parts = texts.chunks(most).enumerate();
    parts
        .map(|(part, texts)| (format!("{name}{part}"), AttrValue::StringArray(texts.to_vec())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_names_are_split_and_read_back_whole() {
        let texts: Vec<String> =
            (0..3000).map(|index| format!("a_rather_long_name_{index}")).collect();
        let parts = names("layer_names", &texts);
        assert!(parts.len() > 1);
        let mut file = FileBuilder::new();
        for (name, value) in parts {
            file.set_attr(&name, value);
        }
        let file = open(Path::new("x.h5"), file.finish().unwrap()).unwrap();
        let attributes = file.root().attrs().unwrap();
        assert_eq!(strings(&attributes, "layer_names").unwrap(), texts);
        assert_eq!(strings(&attributes, "weight_names"), None);
    }
}
