//! The tensor engine: a graph of operations, its gradients, a plan of kernels, and a session that runs the plan on
//! a GPU. It knows nothing of images, classes or files.
//!
//! ```text
//! Graph ── autodiff::gradients ──> Graph ── plan::build ──> Plan ──> Session ──> Tensor
//! ```

pub mod autodiff;
pub mod gpu;
pub mod graph;
pub mod kernel;
pub mod ops;
pub mod plan;
pub mod session;
pub mod shaders;
pub mod shape;
pub mod tensor;
