//! How fast each of an adapter's memories is, and its matrix units: the roofs beside multiply-adds and copies.

use super::loops::{GROUP, Loop};
use super::timing::{Effort, time_repeatedly};
use crate::engine::gpu::{Buffer, Command, Gpu};
use crate::engine::kernel::Needs;
use crate::error::Result;

/// The working sets that are tried, in bytes: powers of two.
const SETS: [u64; 5] = [256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20];

/// Workgroups that read, on a processor and on a GPU; a power of two.
const GROUPS: [u32; 2] = [64, 2048];

/// Bytes of one run of a loop that reads, on a processor and on a GPU.
const BYTES: [u64; 2] = [16 << 20, 4 << 30];

/// Bytes from one link of a chain to the next: no line of a cache has two.
const LINK: usize = 128;

/// How many links one run follows.
const LINKS: u32 = 8192;

/// What the memories do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memories {
    /// Bytes read from workgroup memory a second, in 10^9.
    pub workgroup_gbps: f64,
    /// Bytes of the working set that is fastest.
    pub cache_gbps: f64,
    /// The largest working set that is nearer to that than to main memory.
    pub cache_bytes: u64,
    /// Bytes of the largest working set a second.
    pub memory_gbps: f64,
    /// Nanoseconds of a load whose address the load before has given, in the largest working set.
    pub latency_ns: f64,
    /// The same in the smallest one.
    pub cache_latency_ns: f64,
}

/// Measures them in `from` and `to`, between which copies move `gbps`.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when memory or a kernel is refused.
pub fn memories(
    gpu: &Gpu,
    effort: Effort,
    from: &Buffer,
    to: &Buffer,
    gbps: f64,
) -> Result<Memories> {
    let largest = from.bytes().min(to.bytes());
    let mut sets: Vec<u64> = SETS.into_iter().filter(|&bytes| bytes <= largest / 2).collect();
    // What is masked must be a power of two.
    sets.push(1 << largest.max(1).ilog2());
    let mut rates = Vec::new();
    for &bytes in &sets {
        let mut best = fastest(gpu, effort, read(gpu, from, to, bytes)?)?;
        if bytes < largest / 2 {
            let half = [gpu.buffer("copied from", bytes / 2)?, gpu.buffer("copied to", bytes / 2)?];
            let copy =
                time_repeatedly(effort, |repeats| gpu.time_copy(&half[0], &half[1], repeats))?;
            best = best.max(bytes as f64 / copy.ms_min / 1e6);
        }
        rates.push((bytes, best));
    }
    let (cache_gbps, cache_bytes, memory_gbps) = levels(&rates, gbps);
    let smallest = sets.first().copied().unwrap_or(largest);
    Ok(Memories {
        workgroup_gbps: fastest(gpu, effort, workgroup_read(gpu, from, to)?)?,
        cache_gbps,
        cache_bytes,
        memory_gbps,
        cache_latency_ns: latency(gpu, effort, from, to, smallest)?,
        latency_ns: latency(gpu, effort, from, to, largest)?,
    })
}

/// The rate of the fastest working set, the largest set that is nearer to it than to main memory, and the rate of main
/// memory, from (bytes, rate) of working sets that grow, and the rate of copies of the largest.
fn levels(rates: &[(u64, f64)], copies: f64) -> (f64, u64, f64) {
    let memory = rates.last().map_or(copies, |last| last.1.max(copies));
    let cache = rates.iter().map(|rate| rate.1).fold(memory, f64::max);
    let middle = (cache * memory).sqrt();
    // Where nothing is faster than main memory, no cache is seen.
    let fits = rates.iter().rev().find(|rate| rate.1 > middle && cache > 1.1 * memory);
    (cache, fits.map_or(0, |rate| rate.0), memory)
}

/// A loop, and the bytes or operations of one run.
type Counted = (Vec<Command>, f64);

/// The loops that read.
const READ: Loop = Loop {
    shader: "roofs",
    entry: "read_vectors",
    constants: &[],
    tiles: &[],
    rounds: 0,
    count: 0,
};

fn fastest(gpu: &Gpu, effort: Effort, (commands, count): Counted) -> Result<f64> {
    let timing = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
    Ok(count / timing.ms_min / 1e6)
}

fn read(gpu: &Gpu, from: &Buffer, to: &Buffer, bytes: u64) -> Result<Counted> {
    let of = usize::from(!gpu.capabilities().software);
    let (groups, count) = (GROUPS[of], (bytes / 16) as u32);
    let invocations = u64::from(groups) * GROUP as u64;
    // As the kernel counts its steps, four at a time.
    let steps = (u64::from(count) / invocations / 4).max(1) * 4;
    let round = 16 * invocations * steps;
    let rounds = (BYTES[of] / round).clamp(1, 60_000);
    let bound = [("x", from), ("y", to)];
    let read = Loop { rounds: rounds as u32, count, ..READ };
    let command = read.command(gpu, &bound, [groups, 1, 1])?;
    Ok((vec![command], (rounds * round) as f64))
}

fn workgroup_read(gpu: &Gpu, from: &Buffer, to: &Buffer) -> Result<Counted> {
    let of = usize::from(!gpu.capabilities().software);
    let round = 8 * 16 * u64::from(GROUPS[of]) * GROUP as u64;
    let rounds = (BYTES[of] / round).clamp(1, 60_000);
    let bound = [("x", from), ("y", to)];
    let read = Loop { entry: "workgroup_read", rounds: rounds as u32, ..READ };
    let command = read.command(gpu, &bound, [GROUPS[of], 1, 1])?;
    Ok((vec![command], (rounds * round) as f64))
}

fn latency(gpu: &Gpu, effort: Effort, from: &Buffer, to: &Buffer, bytes: u64) -> Result<f64> {
    gpu.write(from, 0, &chain(bytes as usize / LINK))?;
    gpu.write(to, 0, &[0.0])?;
    let bound = [("chain", from), ("at", to)];
    let commands = [Loop { entry: "chase", rounds: LINKS, ..READ }.command(gpu, &bound, [1; 3])?];
    let timing = time_repeatedly(effort, |repeats| gpu.time(&commands, repeats))?;
    Ok(timing.ms_min * 1e6 / f64::from(LINKS))
}

/// A ring of `links` links [`LINK`] bytes apart, in an order that no adapter guesses, as the bits of numbers: where a
/// link stands is the index of the next.
fn chain(links: usize) -> Vec<f32> {
    let mut order: Vec<usize> = (0..links).collect();
    let mut state = 1u64;
    // Sattolo (1986): one ring through all of them.
    for last in (1..links).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (state >> 33) as usize % last);
    }
    let apart = LINK / 4;
    let mut words = vec![0.0; links * apart];
    for (link, next) in order.into_iter().enumerate() {
        words[link * apart] = f32::from_bits((next * apart) as u32);
    }
    words
}

/// Floating point operations a second, in 10^9, of matrices of 16-bit numbers; none where the adapter has no matrix
/// units, or kernels may not use them.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when memory or the kernel is refused.
pub fn matrix_gflops(gpu: &Gpu, effort: Effort) -> Result<Option<f64>> {
    let capabilities = gpu.capabilities();
    let (Some(size), true) = (capabilities.cooperative, Needs::Cooperative.met_by(capabilities))
    else {
        return Ok(None);
    };
    let invocations = 4 * capabilities.subgroup.map_or(32, |(least, _)| least);
    let groups = if capabilities.software { 16 } else { 1024 };
    let y = gpu.buffer("sums", 4 * u64::from(groups * invocations))?;
    let rounds = if capabilities.software { 64 } else { 4096 };
    let tiles = [("SIZE", size), ("INVOCATIONS", invocations)];
    let multiply =
        Loop { shader: "matrix", entry: "cooperative_multiply_add", tiles: &tiles, rounds, ..READ };
    let command = multiply.command(gpu, &[("y", &y)], [groups, 1, 1])?;
    let products = f64::from(groups) * 4.0 * f64::from(rounds) * 8.0;
    let flops = products * 2.0 * f64::from(size).powi(3);
    fastest(gpu, effort, (vec![command], flops)).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_ends_where_rates_come_nearer_to_main_memory() {
        let rates = [(1, 90.0), (4, 100.0), (16, 60.0), (64, 12.0), (256, 10.0)];
        assert_eq!(levels(&rates, 8.0), (100.0, 16, 10.0));
        assert_eq!(levels(&rates, 20.0), (100.0, 16, 20.0));
        assert_eq!(levels(&[(1, 10.5), (4, 10.0)], 9.0), (10.5, 0, 10.0), "none is seen");
        assert_eq!(levels(&[], 9.0), (9.0, 0, 9.0));
    }

    #[test]
    fn a_chain_comes_by_every_link_once() {
        let words = chain(1000);
        let (mut at, mut seen) = (0, 0);
        loop {
            at = words[at].to_bits() as usize;
            assert_eq!(at % (LINK / 4), 0);
            seen += 1;
            if at == 0 {
                break;
            }
        }
        assert_eq!(seen, 1000);
    }
}
