//! Across channels: the weighted sum of Grad-CAM and its kin.

pub(super) mod channel_sum;
pub(super) mod channel_weights;
pub(super) mod principal;
pub(super) mod top_class;
