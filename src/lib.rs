//! A tensor engine on raw wgpu that trains image classifiers, explains them with Grad-CAM and
//! scores the heatmaps as segmentations. `ARCHITECTURE.md` is the map of this crate.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod data;
pub mod error;
pub mod files;
