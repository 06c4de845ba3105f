//! One network in one round: what its phases work on.

use std::sync::Arc;

use super::{Material, Options, Round, Setup};
use crate::engine::gpu::Gpu;
use crate::lab::run_folder::RunFolder;
use crate::nets::images::Split;
use crate::provenance::Items;

/// What to run.
pub struct Job<'a> {
    pub gpu: &'a Arc<Gpu>,
    pub setup: &'a Setup,
    pub round: Round,
    pub options: &'a Options,
    pub material: &'a Material,
    pub split: &'a Split,
    /// The run's files.
    pub out: &'a RunFolder,
    /// What all of them are made from, among others.
    pub shared: &'a Items,
}
