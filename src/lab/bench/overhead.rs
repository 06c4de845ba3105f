//! What a dispatch costs that does next to nothing, and a submission with the wait for it: what many
//! small layers pay, whatever they compute.

use std::time::Instant;

use serde::Serialize;

use super::loops::{COPY, Loop};
use super::timing::{Effort, Timing, time_repeatedly};
use crate::engine::gpu::Gpu;
use crate::error::Result;

/// The price of running anything.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overhead {
    /// Of one dispatch of one workgroup among many in a pass, each waiting for the one before it; by the
    /// report's timer.
    pub dispatch: Timing,
    /// Time of the processor for one dispatch among 400: recording all of them and handing them
    /// over, bind groups and pipelines being there; by the host's clock.
    pub record: Timing,
    /// From before a submission of one such dispatch until the host knows that it is done; by the host's
    /// clock.
    pub submit: Timing,
}

/// About as many dispatches as a step of a large network takes.
const RECORDED: usize = 400;

/// Measures all of them.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when memory or a kernel is refused.
pub fn overhead(gpu: &Gpu, effort: Effort) -> Result<Overhead> {
    let (from, to) = (gpu.buffer("copied from", 1024)?, gpu.buffer("copied to", 1024)?);
    let bound = [("x", &from), ("y", &to)];
    let commands = [Loop { count: 64, ..COPY }.command(gpu, &bound, [1, 1, 1])?];
    let dispatch = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
    let many = vec![commands[0].clone(); RECORDED];
    let mut times = Vec::new();
    for _ in 0..effort.samples {
        gpu.wait()?;
        let start = Instant::now();
        gpu.submit(&many);
        times.push(start.elapsed().as_secs_f64() * 1e3 / RECORDED as f64);
    }
    gpu.wait()?;
    let record = Timing::of(&times, RECORDED);
    let submit = time_repeatedly(effort, |repeats| {
        gpu.wait()?;
        let start = Instant::now();
        for _ in 0..repeats {
            gpu.submit(&commands);
            gpu.wait()?;
        }
        Ok(start.elapsed() / repeats.max(1) as u32)
    })?;
    Ok(Overhead { dispatch, record, submit })
}
