//! A tensor engine on raw wgpu that trains image classifiers, explains them with Grad-CAM and
//! scores the heatmaps as segmentations.
//!
//! ```
//! use parula::{Classifier, Colour, Gpu};
//!
//! # fn main() -> parula::Result<()> {
//! # let out = std::env::temp_dir().join(format!("parula-doc-{}.png", std::process::id()));
//! let gpu = Gpu::open()?;
//! let mut classifier = Classifier::open(&gpu, "docs/tutorial/compact-xception.safetensors")?;
//! let image = Colour::read("docs/tutorial/roi.png")?;
//! let probabilities = classifier.predict(&image)?;
//! let explained = classifier.explain(&image, "gradcam", None)?;
//! println!("class {} of {}: {:.3}", explained.class, probabilities.len(), explained.probability);
//! explained.heatmap.write(&out)?;
//! # assert_eq!((explained.class, probabilities.len()), (1, 2));
//! # assert!(std::fs::remove_file(&out).is_ok() && explained.probability == probabilities[1]);
//! # Ok(())
//! # }
//! ```
//!
//! Three wings, of which each knows only those before it:
//!
//! - [`engine`]: a graph of operations, its gradients, a plan of kernels, and a session that runs the plan on a GPU.
//!   Tensors are (N, H, W, C). It knows nothing of images, classes or files.
//! - [`nets`]: networks, built in or read from a Keras file; pictures as numbers; training, explanations
//!   ([`nets::cam`]), masks made of heatmaps.
//! - [`lab`]: data sets and regions of interest, the paper's experiment, comparisons, metrics, reports, benchmarks.
//!
//! `examples/` has a graph of one's own with its gradient, training, Grad-CAM with every intermediate value, an
//! operation of one's own, and how to time a kernel. `ARCHITECTURE.md` is the map of the code.
//!
//! The feature `cli`, on by default, brings the command line. Without it the library tells nothing unless a
//! [`console`] is installed.

#![deny(unsafe_code)]
#![warn(missing_docs)]
// A closed stderr or stdout must not panic: `note!`, and `cli::print`.
#![deny(clippy::print_stderr, clippy::print_stdout)]
// A pipe or a device must not be opened: `files::read`. Tests read what they wrote.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

#[doc(hidden)]
pub mod attack;
#[cfg(feature = "cli")]
pub mod cli;
pub mod console;
pub mod digest;
pub mod documents;
pub mod draw;
pub mod engine;
pub mod error;
pub mod files;
pub mod lab;
pub mod memory;
pub mod nets;
pub mod parallel;
pub mod provenance;
pub mod stop;

pub use engine::gpu::Gpu;
pub use error::{Error, Result};
pub use nets::classifier::{Classifier, Explained, Opening};
pub use nets::images::Colour;

/// The examples of README.md compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
