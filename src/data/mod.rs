//! From a folder of images to batches: recognise a data set, cut ROIs by the paper's rule, split
//! them by patient, and copy them into batches. Nothing here knows of a GPU.
//!
//! ```text
//! folder ─ dataset::read ─> Dataset ─ duplicates::apply ─> Dataset ─ roi::cut ─> [Roi] ─ split::split ─> Split
//!                              └─ inspect                                         └─ batch::Prepared ─> batch::Batches
//! ```

pub mod augment;
pub mod batch;
pub mod busi;
pub mod cbis;
pub mod colour;
pub mod dataset;
pub mod ddsm;
pub mod decode;
pub mod draw;
pub mod duplicates;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod folder;
pub mod grey16;
pub mod gzip;
pub mod image;
pub mod inspect;
pub mod layout;
pub mod load;
pub mod mask;
pub mod material;
pub mod mias;
pub mod mirror;
pub mod pairs;
pub mod parallel;
pub mod patients;
pub mod picture;
pub mod resize;
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
pub mod window;

pub use augment::{Augment, Flips, Jitter};
pub use batch::{Batch, BatchOptions, Batches, Prepared, Scaling};
pub use colour::Colour;
pub use dataset::{Class, Dataset, Problem, ReadOptions, Sample};
pub use ddsm::Origin;
pub use grey16::Grey16;
pub use image::{Grey, Rect};
pub use material::Rois;
pub use picture::Picture;
pub use resize::Resize;
pub use roi::{Roi, RoiOptions};
pub use split::Split;
pub use truth::Truth;
pub use window::Window;
