//! Images as numbers: files decoded, turned and windowed, resized and scaled as Keras does, augmented, and
//! copied into batches, N x H x W x C. Nothing here knows what an image shows.

pub mod augment;
pub mod batch;
pub mod colour;
pub mod decode;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod grey;
pub mod grey16;
pub mod resize;
pub mod scaling;
pub mod window;

pub use augment::{Augment, Flips, Jitter};
pub use batch::{Batch, BatchOptions, Batches, Prepared, Split};
pub use colour::Colour;
pub use grey::{Grey, Rect};
pub use grey16::Grey16;
pub use resize::Resize;
pub use scaling::Scaling;
pub use window::Window;
