//! How a plan is made.

use std::sync::Arc;

use crate::engine::kernel::{Capabilities, Choices};

/// How a plan is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// Fuse operations; on by default.
    pub fuse: bool,
    /// Where variables do not change, compute once what a kernel makes of them alone, such as transformed weights, and
    /// keep it: on by default. It takes memory; a plan that does not fit with it is made without.
    pub prepare: bool,
    /// Keep every value until the end, so that all can be read: for finding where a NaN appears.
    pub keep_all: bool,
    /// Use this variant for every operation that has it.
    pub variant: Option<&'static str>,
    /// On adapters that gain by it, dispatches that read this many bytes or more read them through
    /// textures; copying fewer is not worth its while.
    pub texels_from: u64,
    /// Store activations and their gradients in 16 bits, where every kernel that touches them can.
    /// Inputs, outputs, variables, sums and gradients of variables have 32.
    pub half: bool,
    /// With `half`: what is computed from inputs of these names has 32 bits still, such as the
    /// gradients of an explanation, which no loss scale keeps from underflow.
    pub single_from: &'static [&'static str],
    /// Variants that were measured to be faster than those that operations choose by themselves. One
    /// that the adapter or the layout of tensors does not allow is passed over.
    pub choices: Arc<Choices>,
    /// The other variants of each step as well, one of each family, that a device with these capabilities can run:
    /// to be tried in place of what was chosen. They take memory. Only where nothing has 16 bits or is read
    /// through textures.
    pub rungs: Option<Capabilities>,
}

impl Options {
    /// Whether kernels may be divided into what is computed once and what at every run: not where other variants
    /// can take their place.
    pub(super) fn prepares(&self) -> bool {
        self.prepare && self.rungs.is_none()
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            fuse: true,
            prepare: true,
            keep_all: false,
            variant: None,
            texels_from: 4096,
            half: false,
            single_from: &[],
            choices: Arc::default(),
            rungs: None,
        }
    }
}
