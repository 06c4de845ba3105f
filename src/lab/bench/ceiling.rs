//! The most that this adapter can do: multiply-adds in registers, a copy, and each of its memories. Measured in the
//! same run as what is compared with it, since clocks and neighbours change. The fastest timings count, not the
//! medians: a ceiling is what is possible.

use serde::Serialize;

use super::loops::{GROUP, Loop, MULTIPLY_ADD, buffers, copy};
use super::memories::{matrix_gflops, memories};
use super::timing::{Effort, LEAST, Timing, time_repeatedly};
use crate::engine::gpu::{Buffer, Gpu};
use crate::error::Result;

/// The ceilings, and what they were taken from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ceiling {
    /// Floating point operations a second, in 10^9.
    pub gflops: f64,
    /// Bytes read and written a second, in 10^9: the better of the two copies.
    pub gbps: f64,
    /// How far timings of the fastest multiply-add loop were spread: between the quartiles, as a share of the median.
    pub gflops_spread: f64,
    /// The same of the better copy.
    pub gbps_spread: f64,
    /// By a kernel that reads and writes storage buffers.
    pub copy_kernel_gbps: f64,
    /// By the driver's own copy of a buffer.
    pub copy_driver_gbps: f64,
    /// The fastest multiply-add loop: independent sums, and whether it used `fma`.
    pub multiply_add: String,
    /// Floating point operations a second, in 10^9, of matrix units: factors of 16 bits, sums of 32. None where the
    /// adapter has none, or kernels may not round to 16 bits.
    pub matrix_gflops: Option<f64>,
    /// Bytes read from workgroup memory a second, in 10^9.
    pub workgroup_gbps: f64,
    /// Bytes of a working set that fits a cache.
    pub cache_gbps: f64,
    /// How many bytes such a set has at most, of those that were tried; 0 where none was faster than main memory.
    pub cache_bytes: u64,
    /// Bytes of a working set that fits none: read, or copied.
    pub memory_gbps: f64,
    /// Nanoseconds of a load from main memory whose address the load before has given.
    pub latency_ns: f64,
    /// The same from the fastest cache.
    pub cache_latency_ns: f64,
}

impl Ceiling {
    /// The larger of the shares of multiply-adds and copies.
    pub fn share(&self, gflops: f64, gbps: f64) -> f64 {
        (gflops / self.gflops).max(gbps / self.gbps)
    }
}

/// Measures all ceilings.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when memory or a kernel is refused.
pub fn ceiling(gpu: &Gpu, effort: Effort) -> Result<Ceiling> {
    // The fastest counts, so that more timings than these would tell little.
    let effort = Effort { budget: effort.sample * LEAST as u32, ..effort };
    let mut best = (Rate::default(), String::new());
    for chains in [2, 4, 8] {
        for fused in [false, true] {
            let rate = multiply_add(gpu, effort, chains, fused)?;
            if rate.most > best.0.most {
                best = (rate, format!("{chains} x vec4{}", if fused { ", fma" } else { "" }));
            }
        }
    }
    let (from, to) = buffers(gpu)?;
    let bytes = (from.bytes() + to.bytes()) as f64;
    let kernel = Rate::new(bytes, &copy_kernel(gpu, effort, &from, &to)?);
    let driver = time_repeatedly(effort, |repeats| gpu.time_copy(&from, &to, repeats))?;
    let driver = Rate::new(bytes, &driver);
    let better = if kernel.most > driver.most { kernel } else { driver };
    let memories = memories(gpu, effort, &from, &to, better.most)?;
    Ok(Ceiling {
        gflops: best.0.most,
        gbps: better.most,
        gflops_spread: best.0.spread,
        gbps_spread: better.spread,
        copy_kernel_gbps: kernel.most,
        copy_driver_gbps: driver.most,
        multiply_add: best.1,
        matrix_gflops: matrix_gflops(gpu, effort)?,
        workgroup_gbps: memories.workgroup_gbps,
        cache_gbps: memories.cache_gbps,
        cache_bytes: memories.cache_bytes,
        memory_gbps: memories.memory_gbps,
        latency_ns: memories.latency_ns,
        cache_latency_ns: memories.cache_latency_ns,
    })
}

/// What was done in the best time, a second and in 10^9, and how far the times were spread.
#[derive(Clone, Copy, Default)]
struct Rate {
    most: f64,
    spread: f64,
}

impl Rate {
    fn new(count: f64, timing: &Timing) -> Self {
        Rate { most: count / timing.ms_min / 1e6, spread: timing.spread() / timing.ms }
    }
}

fn multiply_add(gpu: &Gpu, effort: Effort, chains: u32, fused: bool) -> Result<Rate> {
    let groups: u32 = if gpu.capabilities().software { 256 } else { 8192 };
    let invocations = groups as usize * GROUP;
    let y = gpu.buffer("sums", 16 * invocations as u64)?;
    let constants = [("CHAINS", f64::from(chains)), ("FUSED", f64::from(u8::from(fused)))];
    // Rounds are raised until one run is long enough to be timed by itself.
    let mut rounds: u32 = 64;
    loop {
        let bound = [("y", &y)];
        let commands = [Loop { constants: &constants, rounds, ..MULTIPLY_ADD }.command(
            gpu,
            &bound,
            [groups, 1, 1],
        )?];
        gpu.time(&commands, 1)?;
        let once = gpu.time(&commands, 1)?;
        if once * 2 < effort.sample && rounds < 1 << 20 {
            rounds *= 2;
            continue;
        }
        let timing = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
        let steps = invocations as f64 * f64::from(rounds) * f64::from(chains) * 4.0;
        return Ok(Rate::new(steps * 4.0 * 2.0, &timing));
    }
}

fn copy_kernel(gpu: &Gpu, effort: Effort, from: &Buffer, to: &Buffer) -> Result<Timing> {
    let commands = [copy(gpu, from, to, from.bytes().min(to.bytes()))?];
    time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))
}
