//! Grad-CAM in a browser: plans exported as data, and one page that runs them on the reader's GPU.
//!
//! A plan is plain data and its kernels are WGSL, so a browser can run both as they are. [`export`] writes plans as a
//! document (`docs/plan-format.md`); [`plans`] makes those that the lesson needs of a network; `page` puts the data and
//! the modules in `page/` into one file that loads nothing.

mod describe;
pub mod export;
mod modules;
mod page;
mod pictures;
pub mod plans;
mod training;

pub use page::{Lesson, Source};
pub use pictures::{Picture, standard};
