//! The six networks of keras.applications against Keras itself: explanations, steps of training, and
//! that each learns. Scripts in `tests/reference/` wrote the numbers.

mod overfit;
mod parity;
mod seeded;
mod training;

use std::sync::Arc;

use parula::engine::gpu::{self, Choice, Gpu};
use parula::error::Error;

/// The adapter at hand; `None`, and why, where there is none at all.
fn gpu() -> Option<Arc<Gpu>> {
    let adapter = std::env::var("PARULA_ADAPTER").ok();
    let named = adapter.is_some();
    match gpu::open(&Choice { adapter, ..Choice::default() }) {
        Ok(gpu) => Some(Arc::new(gpu)),
        Err(Error::Adapter { problem, .. }) if !named => {
            println!("SKIPPED: {problem}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The largest difference over the largest magnitude of `truth`.
fn apart(found: &[f32], truth: &[f64]) -> f64 {
    assert_eq!(found.len(), truth.len());
    let largest = truth.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.0, "there is nothing to compare with");
    let pairs = found.iter().zip(truth);
    // Unlike `f64::max`, this keeps what is not a number.
    pairs.fold(0.0, |most, (&found, truth)| {
        let apart = (f64::from(found) - truth).abs() / largest;
        if most >= apart || most.is_nan() { most } else { apart }
    })
}
