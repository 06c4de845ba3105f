//! What is computed number by number: activations, arithmetic, noise.

pub(super) mod activate;
pub(super) mod activation;
pub(super) mod blend;
pub(super) mod dropout;
pub(super) mod elementwise;
pub(super) mod expand;
pub(super) mod sigmoid;
pub(super) mod stretch;
