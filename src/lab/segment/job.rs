//! One seed of a weakly supervised segmentation: what it works on, and the masks that come of it.

use std::sync::Arc;

use super::Options;
use super::score::{Origin, Scored};
use crate::engine::gpu::Gpu;
use crate::lab::data::Roi;
use crate::lab::experiment::Material;
use crate::lab::run_folder::RunFolder;
use crate::nets::images::Split;
use crate::provenance::Items;

/// What to run.
pub struct Job<'a> {
    pub gpu: &'a Arc<Gpu>,
    pub options: &'a Options,
    pub material: &'a Material,
    pub split: &'a Split,
    pub seed: u64,
    /// The run's files.
    pub out: &'a RunFolder,
    /// What all of them are made from, among others.
    pub shared: &'a Items,
}

/// The masks of an abnormal image of the validation side, at its own size.
pub struct Masks<'a> {
    pub roi: &'a Roi,
    /// The heatmap, in levels of 255.
    pub heatmap: Vec<u8>,
    /// The pseudo-mask, and those of both networks: 0 and 255.
    pub masks: [(Origin, Vec<u8>); 3],
    /// Of all origins.
    pub scores: Vec<Scored>,
}
