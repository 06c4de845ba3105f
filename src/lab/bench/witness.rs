//! Two loops at the adapter's ceilings, short enough to be timed beside every sample: what the machine could do in
//! that moment.

use std::time::Duration;

use super::loops::{Loop, MULTIPLY_ADD, copy};
use crate::engine::gpu::{Command, Gpu};
use crate::error::Result;

/// What one run of a loop should take.
const WANTED: Duration = Duration::from_micros(500);

/// Workgroups of the multiply-add loop, on a processor and on a GPU.
const GROUPS: [u32; 2] = [64, 2048];

/// Bytes of either side of the copy, on a processor and on a GPU.
const BYTES: [u64; 2] = [4 << 20, 64 << 20];

/// The loops, ready to run.
#[derive(Debug)]
pub struct Witness<'a> {
    gpu: &'a Gpu,
    arithmetic: (Vec<Command>, usize),
    memory: (Vec<Command>, usize),
}

impl<'a> Witness<'a> {
    /// Both loops for `gpu`, of a length that takes about half a millisecond here.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when memory or a kernel is refused.
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        let of = usize::from(!gpu.capabilities().software);
        let groups = GROUPS[of];
        let sums = gpu.buffer("sums", 16 * 64 * u64::from(groups))?;
        let constants = [("CHAINS", 4.0), ("FUSED", 0.0)];
        let sums = [("y", &sums)];
        let multiply_add = Loop { constants: &constants, rounds: 64, ..MULTIPLY_ADD };
        let multiply_add = multiply_add.command(gpu, &sums, [groups, 1, 1])?;
        let bytes = BYTES[of].min(gpu.capabilities().max_binding) / 256 * 256;
        let (from, to) = (gpu.buffer("copied from", bytes)?, gpu.buffer("copied to", bytes)?);
        Ok(Witness {
            gpu,
            arithmetic: repeated(gpu, multiply_add)?,
            memory: repeated(gpu, copy(gpu, &from, &to, bytes)?)?,
        })
    }

    /// The time of the loop that shares its roof with what is measured: of multiply-adds, or of copies.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
    pub fn time(&self, memory: bool) -> Result<Duration> {
        let (commands, repeats) = if memory { &self.memory } else { &self.arithmetic };
        self.gpu.time(commands, *repeats)
    }
}

/// How often `command` runs until it takes as long as is wanted.
fn repeated(gpu: &Gpu, command: Command) -> Result<(Vec<Command>, usize)> {
    let commands = vec![command];
    gpu.time(&commands, 1)?;
    let once = gpu.time(&commands, 2)?.max(Duration::from_nanos(100));
    let repeats = (WANTED.as_secs_f64() / once.as_secs_f64()).clamp(1.0, 500.0) as usize;
    Ok((commands, repeats))
}
