//! How much memory is allocated for tensors, counted as it comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes now, and the most at once.
#[derive(Debug, Default)]
pub struct Meter {
    now: AtomicU64,
    most: AtomicU64,
}

impl Meter {
    /// Both counts.
    pub fn read(&self) -> [u64; 2] {
        [&self.now, &self.most].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Bytes that count for as long as this lives.
#[derive(Debug)]
pub struct Measured {
    meter: Arc<Meter>,
    bytes: u64,
}

impl Measured {
    pub fn new(meter: &Arc<Meter>, bytes: u64) -> Self {
        let now = meter.now.fetch_add(bytes, Ordering::Relaxed) + bytes;
        meter.most.fetch_max(now, Ordering::Relaxed);
        Measured { meter: meter.clone(), bytes }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.meter.now.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
