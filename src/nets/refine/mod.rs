//! From a map to a segmentation: a coarse map refined by the image that it explains.
//!
//! What speaks for foreground in each pixel, by the map, its place and its grey, is where the mean-field
//! inference of a dense conditional random field starts: pixels that are near and alike want the same
//! label. The probabilities that come of it are cut at a threshold, and of the mask the largest part
//! remains, without holes. All of it is one graph, and a batch is one submit.

mod limits;
mod recipe;
mod refiner;
mod stages;

pub use recipe::{Crf, Darkness, Part, Prior, Proposal, Recipe, Superpixels};
pub use refiner::{Refined, Refiner};
