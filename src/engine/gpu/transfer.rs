//! Bytes to and from the GPU, and time measured on it.

use std::time::{Duration, Instant};

use super::{Buffer, Command, Gpu, one_line, record};
use crate::error::{Error, Result};

/// Fewer bytes than these are left to wgpu, which gathers them.
const WORTH_STAGING: usize = 1 << 18;

impl Gpu {
    /// Writes `data` at byte `offset`; ordered before later submissions.
    ///
    /// # Errors
    /// [`Error::Gpu`] when it does not fit the buffer.
    pub(crate) fn write(&self, buffer: &Buffer, offset: u64, data: &[f32]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        if offset + bytes.len() as u64 > buffer.bytes() {
            return Err(Error::Gpu {
                doing: "writing to the GPU".to_owned(),
                message: format!("{} bytes do not fit {}", bytes.len(), buffer.bytes()),
            });
        }
        if bytes.len() < WORTH_STAGING {
            self.queue.write_buffer(&buffer.0.buffer, offset, bytes);
            return Ok(());
        }
        self.upload(buffer, offset, bytes)
    }

    /// [`Self::write`] through memory that is used again.
    fn upload(&self, buffer: &Buffer, offset: u64, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        let staging = self.uploads.take(length).unwrap_or_else(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("upload"),
                size: length,
                usage: wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::MAP_WRITE,
                mapped_at_creation: true,
            })
        });
        let mut view = staging.get_mapped_range_mut(..length).map_err(|error| Error::Gpu {
            doing: "writing to the GPU".to_owned(),
            message: one_line(&error.to_string()),
        })?;
        view.copy_from_slice(bytes);
        drop(view);
        staging.unmap();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&staging, 0, &buffer.0.buffer, offset, length);
        self.queue.submit([encoder.finish()]);
        // Mapped again when the GPU has read it; what cannot be is not used again.
        let (spare, again) = (self.uploads.clone(), staging.clone());
        staging.map_async(wgpu::MapMode::Write, .., move |mapped| {
            if mapped.is_ok() {
                spare.put(again);
            }
        });
        Ok(())
    }

    /// Reads ranges (buffer, byte offset, number of f32) after everything submitted so far, with one
    /// submission and one wait.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device was lost or a kernel failed.
    pub(crate) fn read(&self, ranges: &[(&Buffer, u64, usize)]) -> Result<Vec<Vec<f32>>> {
        let total: u64 = ranges.iter().map(|range| 4 * range.2 as u64).sum();
        if total == 0 {
            return Ok(vec![Vec::new(); ranges.len()]);
        }
        let staging = self.readbacks.take(total).unwrap_or_else(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("readback"),
                size: total,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut at = 0;
        for (buffer, offset, count) in ranges {
            let bytes = 4 * *count as u64;
            encoder.copy_buffer_to_buffer(&buffer.0.buffer, *offset, &staging, at, bytes);
            at += bytes;
        }
        self.queue.submit([encoder.finish()]);
        let words = self.map(&staging, total)?;
        self.readbacks.put(staging);
        let mut at = 0;
        Ok(ranges
            .iter()
            .map(|(_, _, count)| {
                at += count;
                words[at - count..at].iter().map(|&word| f32::from_bits(word)).collect()
            })
            .collect())
    }

    /// Waits for everything submitted so far.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device was lost or a kernel failed.
    pub fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|error| Error::Gpu {
            doing: "waiting for the GPU".to_owned(),
            message: one_line(&error.to_string()),
        })?;
        self.check()
    }

    /// The first `bytes` of `staging`, once everything submitted so far is done.
    fn map(&self, staging: &wgpu::Buffer, bytes: u64) -> Result<Vec<u32>> {
        let failed = |message: String| Error::Gpu {
            doing: "reading from the GPU".to_owned(),
            message: one_line(&message),
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, ..bytes, move |result| {
            // The receiver is gone only when this call has failed already.
            let _ = sender.send(result);
        });
        self.wait()?;
        receiver
            .recv()
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        let view = staging.get_mapped_range(..bytes).map_err(|error| failed(error.to_string()))?;
        let words = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        staging.unmap();
        Ok(words)
    }

    /// Copies all of `from` to `to` `repeats` times, as the driver does it, and returns the time of
    /// one copy by the host's clock.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device was lost.
    pub(crate) fn time_copy(&self, from: &Buffer, to: &Buffer, repeats: usize) -> Result<Duration> {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let bytes = from.bytes().min(to.bytes());
        for _ in 0..repeats.max(1) {
            encoder.copy_buffer_to_buffer(&from.0.buffer, 0, &to.0.buffer, 0, bytes);
        }
        self.wait()?;
        let start = Instant::now();
        self.queue.submit([encoder.finish()]);
        self.wait()?;
        Ok(start.elapsed() / repeats.max(1) as u32)
    }

    /// Runs `commands` `repeats` times in one pass and returns the time of one run: by GPU
    /// timestamps where the adapter has them, by the host's clock around the submission otherwise.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device was lost or a kernel failed.
    pub(crate) fn time(&self, commands: &[Command], repeats: usize) -> Result<Duration> {
        let repeated: Vec<Command> = (0..repeats).flat_map(|_| commands.iter().cloned()).collect();
        self.wait()?;
        let repeats = repeats.max(1) as u32;
        if !self.timestamps {
            let start = Instant::now();
            self.submit(&repeated);
            self.wait()?;
            return Ok(start.elapsed() / repeats);
        }
        let queries = self.device.create_query_set(&wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: 2,
        });
        let resolved = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 16,
            usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size: 16,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        record(&mut encoder, &repeated, Some(&queries));
        encoder.resolve_query_set(&queries, 0..2, &resolved, 0);
        encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, 16);
        self.queue.submit([encoder.finish()]);
        let words = self.map(&staging, 16)?;
        let tick = |at: usize| u64::from(words[at]) | u64::from(words[at + 1]) << 32;
        let nanoseconds =
            tick(2).saturating_sub(tick(0)) as f64 * f64::from(self.queue.get_timestamp_period());
        Ok(Duration::from_nanos(nanoseconds as u64) / repeats)
    }
}
