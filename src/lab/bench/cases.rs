//! Every kernel variant on every case of the tests: whether this adapter computes what the reference does.

use std::sync::Arc;

use serde::Serialize;

use super::check::{Checker, reference};
use super::report::NotTimed;
use crate::engine::gpu::Gpu;
use crate::engine::ops::REGISTRY;
use crate::error::{Error, Result};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cases {
    /// Pairs of a variant and a case that agree with the reference.
    pub correct: usize,
    /// Of how many: those whose variant the adapter can run, and that can do the case.
    pub all: usize,
    /// Those that do not, with the first element that is wrong.
    pub wrong: Vec<NotTimed>,
}

/// Checks all of them, but for the cases that are made for timing. `progress` hears of each finished case.
///
/// # Errors
/// [`Error::Gpu`] when the device failed, and those of `progress`, which ends it.
pub fn cases(gpu: &Arc<Gpu>, progress: &mut dyn FnMut(&Cases) -> Result<()>) -> Result<Cases> {
    let checker = Checker::new(gpu);
    let mut found = Cases::default();
    let all = REGISTRY.iter().flat_map(|entry| (entry.cases)());
    for case in all.filter(|case| !case.bench_only) {
        let tensors = case.tensors(7);
        let truth = reference(&case, &tensors);
        let variants = case.operation.variants().iter();
        for variant in variants.filter(|variant| variant.needs.met_by(gpu.capabilities())) {
            match checker.on(&case, variant, &tensors, &truth) {
                Ok(false) => continue,
                Ok(true) => found.correct += 1,
                Err(Error::Gpu { doing, message }) => return Err(Error::Gpu { doing, message }),
                Err(error) => found.wrong.push(NotTimed::new(&case, variant, &error)),
            }
            found.all += 1;
        }
        progress(&found)?;
    }
    Ok(found)
}
