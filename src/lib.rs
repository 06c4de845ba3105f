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
pub mod bench;
pub mod cam;
pub mod cli;
pub mod compare;
pub mod console;
pub mod data;
pub mod digest;
pub mod documents;
pub mod draw;
pub mod error;
pub mod experiment;
pub mod files;
pub mod gpu;
pub mod graph;
pub mod images;
pub mod keras;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod parallel;
pub mod plan;
pub mod provenance;
pub mod refine;
pub mod report;
pub mod run_folder;
pub mod segment;
pub mod session;
pub mod shaders;
pub mod shape;
pub mod tensor;
pub mod train;
pub mod tune;
pub mod weights;
