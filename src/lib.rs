//! A tensor engine on raw wgpu that trains image classifiers, explains them with Grad-CAM and
//! scores the heatmaps as segmentations. `ARCHITECTURE.md` is the map of this crate.

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
