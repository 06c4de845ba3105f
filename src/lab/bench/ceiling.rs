//! The most that this adapter can do: multiply-adds in registers, and a copy. Measured in the same
//! run as what is compared with it, since clocks and neighbours change. The fastest timings count,
//! not the medians: a ceiling is what is possible.

use serde::Serialize;

use super::timing::{Effort, time_repeatedly};
use crate::engine::gpu::{Bindable, Buffer, Command, Gpu, Key, Resource};
use crate::engine::kernel::grid;
use crate::engine::shaders;
use crate::error::{Error, Result};

/// The two ceilings, and what they were taken from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ceiling {
    /// Floating point operations a second, in 10^9.
    pub gflops: f64,
    /// Bytes read and written a second, in 10^9: the better of the two copies.
    pub gbps: f64,
    /// By a kernel that reads and writes storage buffers.
    pub copy_kernel_gbps: f64,
    /// By the driver's own copy of a buffer.
    pub copy_driver_gbps: f64,
    /// The fastest multiply-add loop: independent sums, and whether it used `fma`.
    pub multiply_add: String,
}

impl Ceiling {
    /// The larger of the two shares.
    pub fn share(&self, gflops: f64, gbps: f64) -> f64 {
        (gflops / self.gflops).max(gbps / self.gbps)
    }
}

/// Invocations of a workgroup in `shaders/bench/ceiling.wgsl`.
const GROUP: usize = 64;

/// Measures both ceilings.
///
/// # Errors
/// [`Error::Gpu`] when memory or a kernel is refused.
pub fn ceiling(gpu: &Gpu, effort: Effort) -> Result<Ceiling> {
    let mut best = (0.0, String::new());
    for chains in [2, 4, 8] {
        for fused in [false, true] {
            let gflops = multiply_add(gpu, effort, chains, fused)?;
            if gflops > best.0 {
                best = (gflops, format!("{chains} x vec4{}", if fused { ", fma" } else { "" }));
            }
        }
    }
    let (from, to) = buffers(gpu)?;
    let kernel = copy_kernel(gpu, effort, &from, &to)?;
    let driver = time_repeatedly(effort, |repeats| gpu.time_copy(&from, &to, repeats))?;
    let driver = (from.bytes() + to.bytes()) as f64 / driver.ms_min / 1e6;
    Ok(Ceiling {
        gflops: best.0,
        gbps: kernel.max(driver),
        copy_kernel_gbps: kernel,
        copy_driver_gbps: driver,
        multiply_add: best.1,
    })
}

/// Two buffers that no cache holds, or the largest that the adapter gives.
fn buffers(gpu: &Gpu) -> Result<(Buffer, Buffer)> {
    let capabilities = gpu.capabilities();
    let wanted = if capabilities.software { 64 << 20 } else { 256 << 20 };
    let mut bytes = wanted.min(capabilities.max_binding).min(capabilities.max_buffer) / 256 * 256;
    loop {
        let pair = gpu
            .buffer("copied from", bytes)
            .and_then(|from| Ok((from, gpu.buffer("copied to", bytes)?)));
        match pair {
            Err(_) if bytes > 16 << 20 => bytes /= 2,
            result => return result,
        }
    }
}

fn multiply_add(gpu: &Gpu, effort: Effort, chains: u32, fused: bool) -> Result<f64> {
    let groups: u32 = if gpu.capabilities().software { 256 } else { 8192 };
    let invocations = groups as usize * GROUP;
    let y = gpu.buffer("sums", 16 * invocations as u64)?;
    let constants = [("CHAINS", f64::from(chains)), ("FUSED", f64::from(u8::from(fused)))];
    // Rounds are raised until one run is long enough to be timed by itself.
    let mut rounds: u32 = 64;
    loop {
        let bound = [("y", &y)];
        let command = command(gpu, "multiply_add", &constants, &bound, rounds, 0, [groups, 1, 1])?;
        let commands = [command];
        gpu.time(&commands, 1)?;
        let once = gpu.time(&commands, 1)?;
        if once * 2 < effort.sample && rounds < 1 << 20 {
            rounds *= 2;
            continue;
        }
        let timing = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
        let steps = invocations as f64 * f64::from(rounds) * f64::from(chains) * 4.0;
        return Ok(steps * 4.0 * 2.0 / timing.ms_min / 1e6);
    }
}

fn copy_kernel(gpu: &Gpu, effort: Effort, from: &Buffer, to: &Buffer) -> Result<f64> {
    let count = (from.bytes().min(to.bytes()) / 16) as usize;
    let grid = grid(count.div_ceil(GROUP), gpu.capabilities().max_workgroups);
    let commands = [command(gpu, "copy", &[], &[("x", from), ("y", to)], 0, count as u32, grid)?];
    let timing = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
    Ok(32.0 * count as f64 / timing.ms_min / 1e6)
}

/// A run of `entry` of `shaders/bench/ceiling.wgsl`.
pub(super) fn command(
    gpu: &Gpu,
    entry: &'static str,
    constants: &[(&'static str, f64)],
    bound: &[(&str, &Buffer)],
    rounds: u32,
    count: u32,
    workgroups: [u32; 3],
) -> Result<Command> {
    const SHADER: &str = "ceiling";
    let wrong = |message: String| Error::Gpu { doing: format!("timing {SHADER}/{entry}"), message };
    let interface = shaders::interface(SHADER, entry, false)?;
    let mut block = vec![0u8; interface.uniform_bytes as usize];
    // m and s keep the sums between 0 and 1, far from denormal numbers.
    let words =
        [("rounds", rounds), ("count", count), ("m", 0.5f32.to_bits()), ("s", 0.25f32.to_bits())];
    for (field, word) in words {
        let at = interface.fields.get(field).ok_or_else(|| wrong(format!("no uniform {field}")))?;
        block[*at as usize..*at as usize + 4].copy_from_slice(&word.to_le_bytes());
    }
    let uniforms = gpu.uniforms("ceiling", &block)?;
    let mut resources = Vec::new();
    for binding in &interface.bindings {
        let named = bound.iter().find(|(name, _)| *name == binding.name).map(|(_, buffer)| *buffer);
        let buffer = match binding.access {
            shaders::Access::Uniform => &uniforms,
            _ => named.ok_or_else(|| wrong(format!("nothing stands behind {}", binding.name)))?,
        };
        let memory = Bindable::Range { buffer, start: 0, bytes: buffer.bytes() };
        resources.push(Resource { index: binding.index, memory });
    }
    let pipeline = gpu.pipeline(&Key::new(SHADER, entry, constants, &[], false, &[]))?;
    gpu.command(&pipeline, &resources, workgroups)
}
