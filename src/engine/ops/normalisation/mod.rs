//! Normalisations, in training and in inference.

pub(super) mod batch_norm;
pub(super) mod channel_affine;
pub(super) mod normalize;
