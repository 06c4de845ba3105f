//! On regions of many sizes side by side: heatmaps to grey levels, Dice at 256 thresholds, refinement to masks.

pub(super) mod components;
pub(super) mod dice;
pub(super) mod evidence;
pub(super) mod mean_field;
pub(super) mod morphology;
pub(super) mod proposals;
pub(super) mod regions;
pub(super) mod superpixels;
