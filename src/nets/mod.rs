//! Networks: built or read from a Keras file, given weights and images, trained and explained.

pub mod cam;
pub mod classes;
pub mod classifier;
pub mod images;
pub mod keras;
pub mod models;
pub mod refine;
pub mod stream;
pub mod train;
pub mod weights;
