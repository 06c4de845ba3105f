//! Memory between the host and the GPU that is used again: to make it anew for every batch costs the system more, page by
//! page, than the copy does.

use std::sync::{Arc, Mutex, PoisonError};

/// Buffers that wait for their next use: those for uploads mapped, those for readbacks not.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare(Arc<Mutex<Vec<wgpu::Buffer>>>);

impl Spare {
    /// How many wait at most: a batch that is on its way, the one after it, and one of another size.
    const MOST: usize = 3;

    /// One that holds `bytes` and is not more than twice as large as a new one would be.
    pub fn take(&self, bytes: u64) -> Option<wgpu::Buffer> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &wgpu::Buffer| (bytes..=2 * bytes).contains(&buffer.size());
        let place = waiting.iter().position(fits)?;
        Some(waiting.remove(place))
    }

    /// Keeps `buffer`, and of those that wait too many the one that has done so for longest no more.
    pub fn put(&self, buffer: wgpu::Buffer) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(buffer);
        let over = waiting.len().saturating_sub(Self::MOST);
        waiting.drain(..over);
    }
}
