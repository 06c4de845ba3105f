//! Every way in which parula can fail, each with what was being done, where, and what to try.

use std::path::{Path, PathBuf};

/// The result of anything that can fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure. Its `Display` is one line that a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    File {
        /// The verb: `read`, `write`, `create`.
        doing: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },

    /// A file was read, and what it holds cannot be used.
    #[error("{}: {problem}; {hint}", path.display())]
    Content {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to try.
        hint: String,
    },

    /// Layers or tensors that do not fit together.
    #[error("{layer}: {problem}")]
    Shape {
        /// The layer or the operation.
        layer: String,
        /// Both shapes, and the rule they break.
        problem: String,
    },

    /// A tensor, or all of a job, that the adapter or the machine cannot hold; nothing was allocated.
    #[error(
        "{tensor} needs {} {what}, at most {} is possible: {hint}", megabytes(*needs), megabytes(*allows)
    )]
    TooLarge {
        /// The layer's name and its shape, or the job.
        tensor: String,
        /// `in one binding`, `in one buffer`, `in one tensor` or `of memory`.
        what: &'static str,
        /// Bytes.
        needs: u64,
        /// Bytes.
        allows: u64,
        /// For example `use a batch of 24 or less`.
        hint: String,
    },

    /// No GPU and no software adapter was found, or not the one asked for.
    #[error("{problem}; {hint}")]
    Adapter {
        /// What was looked for.
        problem: String,
        /// The package to install, or the names there are.
        hint: String,
    },

    /// The GPU or its driver refused or lost something.
    #[error("{doing}: the GPU driver said: {message}")]
    Gpu {
        /// What was being done, with the pipeline or the buffer.
        doing: String,
        /// What wgpu reported, on one line.
        message: String,
    },

    /// A number that is not finite appeared in training.
    #[error(
        "the loss is {loss} at step {step}, first non-finite value in layer {layer}; \
         try a smaller learning rate or look at that batch's images"
    )]
    NotFinite {
        /// The loss, NaN or infinite.
        loss: f32,
        /// The optimiser step, from 1.
        step: u64,
        /// The first layer, in order of execution, whose output is not finite.
        layer: String,
    },

    /// A number that is not finite in what a network computes of an image.
    #[error(
        "{subject}: {what} not finite, first in {layer}; the weights are damaged or too large for \
         these pixels, or 16 bits are too few: try other weights, or --precision f32"
    )]
    Lost {
        /// The image.
        subject: String,
        /// What would have come out, with its verb: `the scores are`, `the map is`.
        what: &'static str,
        /// `layer X`, the first in order of execution whose output is not finite, or what else is known.
        layer: String,
    },

    /// Some of several images failed; what the others gave is there.
    #[error(
        "{failed} of {of} images failed{}; the first: {first}",
        if failed < of { ", the others are done" } else { "" }
    )]
    Partly {
        /// How many failed.
        failed: usize,
        /// Of how many.
        of: usize,
        /// What the first of them failed with.
        first: Box<Error>,
    },

    /// The user pressed Ctrl-C; what was finished is on disk.
    #[error("interrupted; {0}")]
    Interrupted(String),

    /// An argument, a combination of arguments, or a name that is not known.
    #[error("{problem}; {hint}")]
    Usage {
        /// What was asked.
        problem: String,
        /// What there is.
        hint: String,
    },
}

/// Bytes in words. The largest number stands for all that 64 bits cannot count.
fn megabytes(bytes: u64) -> String {
    match bytes {
        u64::MAX => "2^64 bytes or more".to_owned(),
        bytes => format!("{} MB", bytes.saturating_add(500_000) / 1_000_000),
    }
}

impl Error {
    /// A failed read, write or creation of `path`.
    pub fn file(doing: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::File { doing, path: path.as_ref().to_owned(), source }
    }

    /// Unusable content in `path`.
    pub fn content(
        path: impl AsRef<Path>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Error::Content {
            path: path.as_ref().to_owned(),
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// Shapes that do not fit, at `layer`.
    pub fn shape(layer: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Shape { layer: layer.into(), problem: problem.into() }
    }

    /// No `what` is called `name`; `known` are.
    pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        Error::usage(
            format!("no {what} is called \"{name}\""),
            format!("there are {}", known.join(", ")),
        )
    }

    /// A wrong argument or name.
    pub fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Error::Usage { problem: problem.into(), hint: hint.into() }
    }
}
