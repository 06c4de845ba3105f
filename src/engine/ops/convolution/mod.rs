//! Convolutions: dense, grouped, depthwise, their gradients, and dense layers, which are convolutions of one pixel.

pub(super) mod conv2d;
pub(super) mod conv2d_cooperative;
pub(super) mod conv2d_gradients;
pub(super) mod conv2d_padded;
pub(super) mod conv2d_winograd;
pub(super) mod conv2d_winograd_weight;
pub(super) mod dense;
pub(super) mod depthwise_conv2d;
pub(super) mod depthwise_gradients;
pub(super) mod depthwise_strip;
pub(super) mod epilogue;
pub(super) mod padded;
pub(super) mod table;
pub(super) mod tiles;
