//! What computes, in words that a run folder keeps.

use serde_json::json;

use super::Gpu;
use crate::engine::shaders;
use crate::provenance::{Items, items};

/// What computes: parula's version, the adapter with its driver, all kernels, the variants of them that
/// tuning chose, and the precision. Each of them may round otherwise.
pub fn environment(gpu: &Gpu) -> Items {
    items([
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("adapter", json!(gpu.report().to_string())),
        ("kernels", json!(shaders::digest())),
        ("tuning", json!(gpu.choices().digest())),
        ("precision", json!(gpu.precision())),
    ])
}
