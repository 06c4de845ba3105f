//! Empties the adapter's caches: a copy that no cache holds.

use super::loops::buffers;
use crate::engine::gpu::{Buffer, Gpu};
use crate::error::Result;

/// The memory that is copied.
#[derive(Debug)]
pub struct Flush<'a> {
    gpu: &'a Gpu,
    from: Buffer,
    to: Buffer,
}

impl<'a> Flush<'a> {
    /// For one adapter.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when memory is refused.
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        let (from, to) = buffers(gpu)?;
        Ok(Flush { gpu, from, to })
    }

    /// Copies all of it, and waits.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
    pub fn run(&self) -> Result<()> {
        self.gpu.time_copy(&self.from, &self.to, 1).map(|_| ())
    }
}
