//! From a folder of images to ROIs in two parts: recognise a data set, cut ROIs by the paper's rule, split
//! them by patient. [`images`](crate::nets::images) makes them into batches. Nothing here knows of a GPU.
//!
//! ```text
//! folder ─ formats::read ─> Dataset ─ duplicates::apply ─> Dataset ─ cut::cut ─> [Roi] ─ split::split ─> Split
//!                              └─ inspect                                         └─ roi::prepare ─> images::Prepared
//! ```

pub mod busi;
pub mod cbis;
pub mod class_folders;
pub mod cut;
pub mod dataset;
pub mod ddsm;
pub mod duplicates;
pub mod examples;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod folder;
pub mod formats;
pub mod gzip;
pub mod inspect;
pub mod labels;
pub mod layout;
pub mod listing;
pub mod load;
pub mod mask;
pub mod material;
pub mod mias;
pub mod mirror;
pub mod names;
pub mod pairs;
pub mod patients;
pub mod picture;
pub mod problem;
pub mod roi;
pub mod roi_files;
pub mod split;
pub mod synth;
pub mod table;
#[cfg(test)]
mod tests;
pub mod texture;
pub mod truth;
pub mod view;
pub mod walk;

pub use dataset::{Class, Dataset, ReadOptions, Sample};
pub use ddsm::Origin;
pub use examples::{Examples, Which};
pub use material::Rois;
pub use picture::Picture;
pub use problem::Problem;
pub use roi::{Roi, RoiOptions};
pub use truth::Truth;
