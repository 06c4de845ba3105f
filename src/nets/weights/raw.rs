//! What a weights file holds, as the file has it, before it is known which network it is for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::models::{self, MASK, Network};

/// What a file says of itself: `model`, `classes`, `input`, `scaling`, `dense`, `class_names`, `output`. Only in files that we wrote.
pub type Metadata = BTreeMap<String, String>;

/// The formats that are read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Named tensors behind a JSON header.
    Safetensors,
    /// Keras's legacy `.h5`: layers by name, in order.
    KerasH5,
    /// Keras 3's `.weights.h5`: layers by class and number.
    KerasWeights,
    /// Keras 3's `.keras`: a zip of the model's configuration and a `.weights.h5`.
    KerasArchive,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::Safetensors => "safetensors",
            Format::KerasH5 => "Keras .h5 (legacy)",
            Format::KerasWeights => "Keras .weights.h5",
            Format::KerasArchive => "Keras .keras",
        })
    }
}

impl Format {
    /// The format that the ending of `path` asks for.
    ///
    /// # Errors
    /// [`Error::Usage`] with the endings there are.
    pub fn of_ending(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        // The longer ending first: `.weights.h5` ends in `.h5`, too.
        let endings = [
            (".safetensors", Format::Safetensors),
            (".weights.h5", Format::KerasWeights),
            (".h5", Format::KerasH5),
            (".hdf5", Format::KerasH5),
            (".keras", Format::KerasArchive),
        ];
        let found = endings.iter().find(|(ending, _)| name.ends_with(ending));
        found.map(|(_, format)| *format).ok_or_else(|| {
            Error::usage(
                format!("the ending of {} names no weights format", path.display()),
                "use .safetensors, .weights.h5, .h5 (legacy) or .keras",
            )
        })
    }
}

/// A layer of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct RawLayer {
    /// Its name. Older `.weights.h5` have none.
    pub name: Option<String>,
    /// Where it stands in the file, for messages.
    pub place: String,
    /// In `.weights.h5`: Keras's class in snake case, and the number among layers of that class.
    pub class: Option<(String, usize)>,
    /// Its tensors in the file's order, with the names that the file has for them.
    pub tensors: Vec<(String, Tensor)>,
}

impl RawLayer {
    /// Its name, or its place where it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.place)
    }

    /// Whether it multiplies vectors by a matrix: of Keras's layers here only `Dense` does.
    pub fn is_dense(&self) -> bool {
        self.tensors.iter().any(|(_, tensor)| tensor.shape().rank() == 2)
    }

    /// Its tensors in words: `kernel 3x3x3x32, bias 32`.
    pub fn describe(&self) -> String {
        let shown = self.tensors.iter().map(|(name, tensor)| format!("{name} {}", tensor.shape()));
        shown.collect::<Vec<_>>().join(", ")
    }
}

/// A weights file: its layers with tensors, and what else is known of them.
#[derive(Clone, Debug)]
pub struct Raw {
    /// The file.
    pub path: PathBuf,
    /// How it is laid out.
    pub format: Format,
    /// The layers that have tensors. Their order is the model's in the legacy format only.
    pub layers: Vec<RawLayer>,
    /// What we wrote into it; empty in files from elsewhere.
    pub metadata: Metadata,
    /// The model's configuration, of a `.keras` file or a whole `.h5`.
    pub config: Option<String>,
    /// Whether the order of `layers` is that of Keras's `model.layers`.
    pub ordered: bool,
}

impl Raw {
    /// The index of the head: the last dense layer, `predictions` before others.
    pub fn head(&self) -> Option<usize> {
        let dense = || (0..self.layers.len()).filter(|&index| self.layers[index].is_dense());
        let named = |&index: &usize| self.layers[index].name.as_deref() == Some("predictions");
        dense().find(named).or_else(|| dense().next_back())
    }

    /// Units of the head; none where the file has no head.
    pub fn classes(&self) -> Option<usize> {
        let head = &self.layers[self.head()?];
        let matrix = head.tensors.iter().find(|(_, tensor)| tensor.shape().rank() == 2);
        matrix.map(|(_, tensor)| tensor.shape().channels())
    }

    /// The units of the hidden dense layers that the file says its head has, from the pooling on; none where it does
    /// not say.
    ///
    /// # Errors
    /// [`Error::Content`] where that is no list of numbers.
    pub fn dense(&self) -> Result<Vec<usize>> {
        let Some(text) = self.metadata.get(super::DENSE) else { return Ok(Vec::new()) };
        let units = text.split(',').map(str::parse).collect::<std::result::Result<_, _>>();
        units.map_err(|_| {
            let problem = format!("its hidden dense layers are said to have {text:?} units");
            self.no_head(problem)
        })
    }

    /// `network` with the hidden dense layers that the file says its head has. Files of another network are not
    /// looked into: [`Self::resolve`] says which it is.
    ///
    /// # Errors
    /// [`Error::Content`] where they are none that `network` can have.
    pub fn deepened(&self, network: &'static Network) -> Result<&'static Network> {
        let noted = self.metadata.get("model");
        if noted.is_some_and(|noted| noted != network.name && models::find_any(noted).is_ok()) {
            return Ok(network);
        }
        network.with_dense(&self.dense()?).map_err(|error| match error {
            Error::Usage { problem, .. } => self.no_head(format!("it says that it has {problem}")),
            error => error,
        })
    }

    fn no_head(&self, problem: String) -> Error {
        let hint = "use the file as `parula train` has written it";
        Error::content(&self.path, problem, hint)
    }

    /// Units of the head, which of a segmenter is its last convolution, if these are weights of `network`.
    pub fn units(&self, network: &Network) -> Option<usize> {
        if !network.segments() {
            return self.classes();
        }
        let head = self.layers.iter().find(|layer| layer.name.as_deref() == Some(MASK));
        let mut tensors = head.into_iter().flat_map(|layer| &layer.tensors);
        let kernel = tensors.find(|(_, tensor)| tensor.shape().rank() == 4);
        Some(kernel.map_or(network.classes, |(_, kernel)| kernel.shape().channels().max(1)))
    }

    /// Height and width that these weights were trained at, where the file says so.
    pub fn input(&self) -> Option<[usize; 2]> {
        super::input(&self.metadata)
    }

    /// The name of the scaling of pixels that these weights were trained with, where the file says so.
    pub fn scaling(&self) -> Option<&str> {
        self.metadata.get("scaling").map(String::as_str)
    }

    /// The names of the classes, in the order of the head's units; none where the file does not say.
    pub fn class_names(&self) -> Vec<String> {
        let text = self.metadata.get(super::CLASS_NAMES);
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Whether the file says that each unit of the head stands for itself, by a sigmoid.
    pub fn each_alone(&self) -> bool {
        self.metadata.get(super::OUTPUT).is_some_and(|output| output == super::EACH_ALONE)
    }

    /// How many numbers it holds.
    pub fn numbers(&self) -> usize {
        let tensors = self.layers.iter().flat_map(|layer| &layer.tensors);
        tensors.map(|(_, tensor)| tensor.shape().elements()).sum()
    }
}

/// Splits what Keras numbers itself: `conv2d_34` is `conv2d` and 34, `conv2d` is `conv2d` and 0.
pub fn numbered(name: &str) -> (&str, usize) {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    match name.rsplit_once('_') {
        Some((stem, tail)) => number(tail).map_or((name, 0), |number| (stem, number)),
        None => (name, 0),
    }
}

/// Metadata as JSON; the same metadata is the same text.
pub fn metadata_json(metadata: &Metadata) -> String {
    let entries = metadata.iter().map(|(key, value)| (key.clone(), value.as_str().into()));
    serde_json::Value::Object(entries.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_name_formats() {
        for (name, format) in [
            ("a/x.safetensors", Format::Safetensors),
            ("x.weights.h5", Format::KerasWeights),
            ("x.weights.7.h5", Format::KerasH5),
            ("X.H5", Format::KerasH5),
            ("x.keras", Format::KerasArchive),
        ] {
            assert_eq!(Format::of_ending(Path::new(name)).unwrap(), format, "{name}");
        }
        let error = Format::of_ending(Path::new("x.npz")).unwrap_err().to_string();
        assert!(error.contains("x.npz") && error.contains(".keras"), "{error}");
    }

    #[test]
    fn numbers_at_the_end_are_split_off() {
        assert_eq!(numbered("conv2d_34"), ("conv2d", 34));
        assert_eq!(numbered("conv2d"), ("conv2d", 0));
        assert_eq!(numbered("block1_conv1"), ("block1_conv1", 0));
        assert_eq!(numbered("x_"), ("x_", 0));
        assert_eq!(numbered("x_99999999999999999999999"), ("x_99999999999999999999999", 0));
    }
}
