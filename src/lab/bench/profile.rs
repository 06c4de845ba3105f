//! Where the time of a whole model goes: by operation and variant.

use std::time::Duration;

use serde::Serialize;

use super::Phase;
use crate::engine::session::Session;
use crate::error::Result;

/// All steps of a plan that run one operation by one variant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileRow {
    /// The operation.
    pub op: String,
    /// The kernel variant.
    pub variant: String,
    /// How many steps of the plan.
    pub steps: usize,
    /// Milliseconds of all of them.
    pub ms: f64,
    /// Their share of the sum over all steps.
    pub share: f64,
    /// Floating point operations a second, in 10^9.
    pub gflops: f64,
    /// Bytes of inputs and outputs, each counted once a step, a second, in 10^9.
    pub gbps: f64,
}

/// One phase of one model, by operation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The model's name.
    pub model: String,
    /// Images in a batch.
    pub batch: usize,
    /// Height and width of the images.
    pub input: [usize; 2],
    /// What it was run for.
    pub phase: Phase,
    /// Milliseconds of all steps, each timed by itself: more than a run, which overlaps them, or less
    /// where they evict each other's data.
    pub sum_ms: f64,
    /// The longest first.
    pub rows: Vec<ProfileRow>,
}

/// How often every step is timed; the fastest counts.
const ROUNDS: usize = 3;

/// Times every step of a session by itself.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
pub fn profile(session: &Session) -> Result<Vec<ProfileRow>> {
    let steps = &session.plan().steps;
    let mut fastest = vec![Duration::MAX; steps.len()];
    for _ in 0..ROUNDS {
        for (step, time) in session.profile()? {
            fastest[step] = fastest[step].min(time);
        }
    }
    // A step that is a view has no dispatch, and no time.
    let timed = steps.iter().zip(fastest).filter(|(_, time)| *time < Duration::MAX);
    Ok(rows(timed.map(|(step, time)| {
        let seconds = time.as_secs_f64();
        (step.operation, step.variant, seconds, step.flops, step.bytes)
    })))
}

/// From operation, variant, seconds, floating point operations and bytes of each step.
fn rows<'a>(steps: impl Iterator<Item = (&'a str, &'a str, f64, u64, u64)>) -> Vec<ProfileRow> {
    let mut rows: Vec<ProfileRow> = Vec::new();
    for (op, variant, seconds, flops, bytes) in steps {
        let known = rows.iter().position(|row| row.op == op && row.variant == variant);
        let index = known.unwrap_or_else(|| {
            let (op, variant) = (op.to_owned(), variant.to_owned());
            let (steps, ms, share, gflops, gbps) = (0, 0.0, 0.0, 0.0, 0.0);
            rows.push(ProfileRow { op, variant, steps, ms, share, gflops, gbps });
            rows.len() - 1
        });
        let row = &mut rows[index];
        row.steps += 1;
        row.ms += 1e3 * seconds;
        row.gflops += flops as f64;
        row.gbps += bytes as f64;
    }
    let sum: f64 = rows.iter().map(|row| row.ms).sum();
    for row in &mut rows {
        row.share = row.ms / sum.max(f64::MIN_POSITIVE);
        let per_second = 1e6 * row.ms.max(1e-6);
        row.gflops /= per_second;
        row.gbps /= per_second;
    }
    rows.sort_by(|a, b| b.ms.total_cmp(&a.ms));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_one_kernel_are_one_row() {
        let steps = [
            ("conv2d", "tiled", 0.002, 4_000_000, 1_000_000),
            ("pool", "fours", 0.001, 0, 3_000_000),
            ("conv2d", "naive", 0.001, 1_000_000, 0),
            ("conv2d", "tiled", 0.004, 8_000_000, 2_000_000),
        ];
        let rows = rows(steps.into_iter());
        assert_eq!(rows.len(), 3);
        let first = &rows[0];
        assert_eq!(
            (first.op.as_str(), first.variant.as_str(), first.steps),
            ("conv2d", "tiled", 2)
        );
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(first.ms, 6.0) && near(first.share, 0.75), "{first:?}");
        assert!(near(first.gflops, 2.0) && near(first.gbps, 0.5), "{first:?}");
        assert!(near(rows.iter().map(|row| row.share).sum(), 1.0));
    }
}
