//! The GPU: adapters, buffers, pipelines, submission. The only module that names wgpu.

mod adapter;
mod pipeline;
mod transfer;

use std::sync::{Arc, Mutex};

use crate::error::{Error, Result};
use crate::ops::Capabilities;

pub use adapter::{AdapterReport, Backend, Choice, adapters, open, open_noop};
pub use pipeline::{Key, Pipeline, Resource};

/// Memory on the GPU.
#[derive(Clone, Debug)]
pub struct Buffer(wgpu::Buffer);

impl Buffer {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.size()
    }
}

/// A dispatch that is ready to be recorded: a pipeline, its bindings, its grid.
#[derive(Clone, Debug)]
pub struct Command {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) group: wgpu::BindGroup,
    pub(crate) workgroups: [u32; 3],
}

/// A device with its queue.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    capabilities: Capabilities,
    timestamps: bool,
    checked: bool,
    pipelines: Mutex<pipeline::Cache>,
    failure: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// What was opened, in words and numbers.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// What kernels and plans need to know.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runs kernels as if the adapter had only these capabilities.
    pub fn restrict(&mut self, capabilities: Capabilities) {
        self.capabilities = capabilities;
    }

    /// Compiles kernels from now on with wgpu's bounds checks: slower, and the proof that no index
    /// leaves its array.
    pub fn check_shaders(&mut self, checked: bool) {
        self.checked = checked;
    }

    /// Whether passes can be timed on the GPU.
    pub fn timestamps(&self) -> bool {
        self.timestamps
    }

    /// Memory for kernels, zeroed, that the host can write and read.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver has not enough.
    pub fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer> {
        self.allocate(label, bytes, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC)
    }

    /// Memory for uniform blocks.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver has not enough.
    pub fn uniforms(&self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.allocate(label, bytes.len() as u64, wgpu::BufferUsages::UNIFORM)?;
        self.queue.write_buffer(&buffer.0, 0, bytes);
        Ok(buffer)
    }

    fn allocate(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes.max(16).next_multiple_of(16),
            usage: usage | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let failed = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        if let Some(error) = failed.into_iter().flatten().next() {
            return Err(Error::Gpu {
                doing: format!("allocating {} MB for {label}", bytes.div_ceil(1_000_000)),
                message: one_line(&error.to_string()),
            });
        }
        Ok(Buffer(buffer))
    }

    /// Records `commands` in order and submits them once. Returns without waiting.
    pub fn submit(&self, commands: &[Command]) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        record(&mut encoder, commands, None);
        self.queue.submit([encoder.finish()]);
    }

    /// The first failure that the driver reported outside of a call, if any.
    ///
    /// # Errors
    /// [`Error::Gpu`] with its message.
    pub fn check(&self) -> Result<()> {
        let failure = self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        match failure {
            Some(message) => Err(Error::Gpu { doing: "running kernels".to_owned(), message }),
            None => Ok(()),
        }
    }
}

fn record(
    encoder: &mut wgpu::CommandEncoder,
    commands: &[Command],
    timestamps: Option<wgpu::ComputePassTimestampWrites>,
) {
    let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes: timestamps };
    let mut pass = encoder.begin_compute_pass(&descriptor);
    let mut last: Option<&Arc<Pipeline>> = None;
    for command in commands {
        if last.is_none_or(|last| !Arc::ptr_eq(last, &command.pipeline)) {
            pass.set_pipeline(command.pipeline.handle());
            last = Some(&command.pipeline);
        }
        pass.set_bind_group(0, &command.group, &[]);
        let [x, y, z] = command.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// A driver's message without line breaks.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
