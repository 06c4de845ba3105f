//! Which of the adapter's roofs a kernel runs into first, and how near it comes.

use std::fmt;

use serde::Serialize;

use super::Ceiling;

/// What there is a limit of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Roof {
    /// Multiply-adds of 32 bits.
    MultiplyAdd,
    /// Multiply-adds of matrix units.
    Matrix,
    /// Bytes read from workgroup memory.
    Workgroup,
    /// Bytes of a working set that a cache holds.
    Cache,
    /// Bytes of one that none does.
    Memory,
    /// Dispatches, each waiting for the one before it.
    Dispatch,
}

/// For people.
impl fmt::Display for Roof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Roof::MultiplyAdd => "multiply-add",
            Roof::Matrix => "matrix",
            Roof::Workgroup => "workgroup",
            Roof::Cache => "cache",
            Roof::Memory => "memory",
            Roof::Dispatch => "dispatch",
        })
    }
}

/// What one run of a kernel cannot do without.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    /// Floating point operations.
    pub flops: u64,
    /// Bytes of inputs and results, each counted once.
    pub bytes: u64,
    /// Bytes of inputs alone.
    pub input_bytes: u64,
    /// Dispatches.
    pub dispatches: usize,
    /// Whether matrix units multiply.
    pub matrix: bool,
    /// Whether inputs pass through workgroup memory: each of their bytes is then read from there once at least.
    pub workgroup: bool,
    /// Whether caches are empty when it begins.
    pub cold: bool,
}

impl Demand {
    /// The roof that allows the fewest runs a second, and the milliseconds that one run takes under it. `dispatch_ms`
    /// is what a dispatch costs that does nothing.
    pub fn bound(&self, ceiling: &Ceiling, dispatch_ms: f64) -> (Roof, f64) {
        let ms = |count: u64, per_nanosecond: f64| count as f64 / per_nanosecond / 1e6;
        let cached = !self.cold && self.bytes <= ceiling.cache_bytes;
        let mut roofs = vec![
            match ceiling.matrix_gflops.filter(|_| self.matrix) {
                Some(gflops) => (Roof::Matrix, ms(self.flops, gflops)),
                None => (Roof::MultiplyAdd, ms(self.flops, ceiling.gflops)),
            },
            match cached {
                true => (Roof::Cache, ms(self.bytes, ceiling.cache_gbps)),
                false => (Roof::Memory, ms(self.bytes, ceiling.memory_gbps)),
            },
            (Roof::Dispatch, self.dispatches as f64 * dispatch_ms),
        ];
        if self.workgroup {
            roofs.push((Roof::Workgroup, ms(self.input_bytes, ceiling.workgroup_gbps)));
        }
        // The first of equals.
        let longest = |a: (Roof, f64), b: (Roof, f64)| if b.1 > a.1 { b } else { a };
        roofs.into_iter().reduce(longest).unwrap_or((Roof::Dispatch, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::ceiling;
    use super::*;

    const DEMAND: Demand = Demand {
        flops: 1_000_000,
        bytes: 1_000_000,
        input_bytes: 800_000,
        dispatches: 1,
        matrix: false,
        workgroup: false,
        cold: false,
    };

    #[test]
    fn the_lowest_roof_binds() {
        // 100 GFLOP/s, 20 GB/s up to 2 MB and 10 GB/s beyond, workgroup memory 5 GB/s.
        let ceiling = ceiling();
        let bound = |demand: Demand| demand.bound(&ceiling, 0.001);
        assert_eq!(bound(DEMAND), (Roof::Cache, 0.05));
        assert_eq!(bound(Demand { cold: true, ..DEMAND }), (Roof::Memory, 0.1));
        assert_eq!(bound(Demand { bytes: 4_000_000, ..DEMAND }), (Roof::Memory, 0.4));
        assert_eq!(bound(Demand { flops: 50_000_000, ..DEMAND }), (Roof::MultiplyAdd, 0.5));
        assert_eq!(bound(Demand { workgroup: true, ..DEMAND }), (Roof::Workgroup, 0.16));
        assert_eq!(bound(Demand { dispatches: 200, ..DEMAND }), (Roof::Dispatch, 0.2));
        let matrix = Demand { flops: 50_000_000, matrix: true, ..DEMAND };
        assert_eq!(bound(matrix), (Roof::MultiplyAdd, 0.5), "no matrix units were measured");
        let with = Ceiling { matrix_gflops: Some(400.0), ..ceiling.clone() };
        assert_eq!(matrix.bound(&with, 0.001), (Roof::Matrix, 0.125));
    }
}
