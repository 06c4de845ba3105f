//! The GPU: adapters, buffers, pipelines, submission. The only module that names wgpu.

mod adapter;
mod assigned;
mod disk;
mod environment;
mod meter;
mod pipeline;
mod staging;
mod transfer;

use std::sync::{Arc, Mutex};

use crate::engine::kernel::{Capabilities, Choices, Element};
use crate::engine::shaders::{TEXELS_PER_ROW, row_bytes, texture_bytes};
use crate::error::{Error, Result};

pub use adapter::{
    AdapterReport, Backend, Choice, Precision, adapters, open, open_large_noop, open_noop, variable,
};
pub(crate) use disk::parse as pipelines_of;
pub use environment::environment;
use meter::{Measured, Meter};
pub(crate) use pipeline::{Bindable, Key, Pipeline, Resource};

/// Memory on the GPU. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Buffer(Arc<HeldBuffer>);

#[derive(Debug)]
struct HeldBuffer {
    buffer: wgpu::Buffer,
    _measured: Measured,
}

impl Buffer {
    /// Its size in bytes.
    pub fn bytes(&self) -> u64 {
        self.0.buffer.size()
    }
}

/// A texture that tensors are copied into to be read: four elements a texel, rows of
/// [`TEXELS_PER_ROW`].
#[derive(Clone, Debug)]
pub(crate) struct Texture(Arc<HeldTexture>);

#[derive(Debug)]
struct HeldTexture {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    element: Element,
    _measured: Measured,
}

fn texture_format(element: Element) -> wgpu::TextureFormat {
    match element {
        Element::F32 => wgpu::TextureFormat::Rgba32Float,
        Element::F16 => wgpu::TextureFormat::Rgba16Float,
    }
}

/// Something that is ready to be recorded.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// A kernel, its bindings, its grid.
    Dispatch {
        /// The kernel.
        pipeline: Arc<Pipeline>,
        /// Its bindings.
        group: BindGroup,
        /// Its grid.
        workgroups: [u32; 3],
    },
    /// `bytes` of `buffer` from `start` into a texture.
    Stage {
        /// From.
        buffer: Buffer,
        /// In bytes.
        start: u64,
        /// In bytes, a multiple of 16.
        bytes: u64,
        /// To.
        texture: Texture,
    },
}

/// Bindings of a kernel, made once.
pub type BindGroup = wgpu::BindGroup;

/// A device with its queue.
#[derive(Debug)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    capabilities: Capabilities,
    choices: Arc<Choices>,
    half: bool,
    timestamps: bool,
    checked: bool,
    pipelines: Mutex<pipeline::Cache>,
    disk: Option<disk::Disk>,
    failure: Arc<Mutex<Option<String>>>,
    meter: Arc<Meter>,
    uploads: staging::Spare,
    readbacks: staging::Spare,
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

    /// The variants that were measured to be faster on this adapter: none, until [`Self::choose`].
    pub fn choices(&self) -> &Arc<Choices> {
        &self.choices
    }

    /// Has plans for this adapter use the variants of `choices`.
    pub fn choose(&mut self, choices: Choices) {
        self.choices = Arc::new(choices);
    }

    /// Whether activations are stored in 16 bits.
    pub fn half(&self) -> bool {
        self.half
    }

    /// How activations are stored: `f16` or `f32`.
    pub fn precision(&self) -> &'static str {
        if self.half { "f16" } else { "f32" }
    }

    /// Bytes of buffers and textures for tensors that are there now, and the most that there were at once.
    /// Uniform blocks, readbacks and what the driver takes besides are not among them.
    pub fn allocated(&self) -> [u64; 2] {
        self.meter.read()
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

    /// How time is taken on it, in words.
    pub fn timer(&self) -> &'static str {
        if self.timestamps { "gpu timestamps" } else { "host clock" }
    }

    /// Memory for kernels, zeroed, that the host can write and read.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver has not enough.
    pub(crate) fn buffer(&self, label: &str, bytes: u64) -> Result<Buffer> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        let buffer = self.allocate(label, bytes, usage)?;
        let _measured = Measured::new(&self.meter, buffer.size());
        Ok(Buffer(Arc::new(HeldBuffer { buffer, _measured })))
    }

    /// Memory for uniform blocks.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver has not enough.
    pub(crate) fn uniforms(&self, label: &str, bytes: &[u8]) -> Result<Buffer> {
        let buffer = self.allocate(label, bytes.len() as u64, wgpu::BufferUsages::UNIFORM)?;
        self.queue.write_buffer(&buffer, 0, bytes);
        let _measured = Measured::new(&self.meter, 0);
        Ok(Buffer(Arc::new(HeldBuffer { buffer, _measured })))
    }

    /// A texture of at least `bytes` that tensors of `element`s can be copied into.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver has not enough memory.
    pub(crate) fn texture(&self, label: &str, bytes: u64, element: Element) -> Result<Texture> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let texture = self.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(label),
            size: wgpu::Extent3d {
                width: TEXELS_PER_ROW as u32,
                height: (texture_bytes(bytes, element) / row_bytes(element)) as u32,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: texture_format(element),
            usage: wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let failed = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        if let Some(error) = failed.into_iter().flatten().next() {
            return Err(Error::Gpu {
                doing: format!("allocating {} MB for {label}", bytes.div_ceil(1_000_000)),
                message: one_line(&error.to_string()),
            });
        }
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let _measured = Measured::new(&self.meter, texture_bytes(bytes, element));
        Ok(Texture(Arc::new(HeldTexture { texture, view, element, _measured })))
    }

    fn allocate(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
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
        Ok(buffer)
    }

    /// Records `commands` in order and submits them once. Returns without waiting.
    pub(crate) fn submit(&self, commands: &[Command]) {
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

/// Pipelines that were compiled are kept for the next process. That is worth no error: without them
/// everything runs, only later.
impl Drop for Gpu {
    fn drop(&mut self) {
        if self.compiled() > 0
            && let Some(disk) = &self.disk
        {
            let _ = disk.save();
        }
    }
}

/// Records `commands`: dispatches in as few passes as copies between them allow.
fn record(
    encoder: &mut wgpu::CommandEncoder,
    commands: &[Command],
    timestamps: Option<&wgpu::QuerySet>,
) {
    let dispatch = |command: &&Command| matches!(command, Command::Dispatch { .. });
    let mut left = commands.iter().filter(dispatch).count();
    let mut rest = commands;
    let mut first = true;
    if let (Some(query_set), Some(Command::Stage { .. })) = (timestamps, commands.first()) {
        // Copies are outside of passes: an empty one in front of them starts the clock.
        let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: None,
        });
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        first = false;
    }
    while let Some(command) = rest.first() {
        if let Command::Stage { buffer, start, bytes, texture } = command {
            stage(encoder, buffer, *start, *bytes, texture);
            rest = &rest[1..];
            continue;
        }
        let length = rest.iter().take_while(dispatch).count();
        left -= length;
        let timestamp_writes = timestamps.map(|query_set| wgpu::ComputePassTimestampWrites {
            query_set,
            beginning_of_pass_write_index: first.then_some(0),
            end_of_pass_write_index: (left == 0).then_some(1),
        });
        // A pass that is neither the first nor the last writes no timestamp, and may not say so.
        let timestamp_writes = timestamp_writes.filter(|_| first || left == 0);
        let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        let mut last: Option<&Arc<Pipeline>> = None;
        for command in &rest[..length] {
            let Command::Dispatch { pipeline, group, workgroups: [x, y, z] } = command else {
                continue;
            };
            if last.is_none_or(|last| !Arc::ptr_eq(last, pipeline)) {
                pass.set_pipeline(pipeline.handle());
                last = Some(pipeline);
            }
            pass.set_bind_group(0, group, &[]);
            pass.dispatch_workgroups(*x, *y, *z);
        }
        first = false;
        rest = &rest[length..];
    }
}

/// Copies a range of a buffer into a texture: whole rows, then what is left.
fn stage(
    encoder: &mut wgpu::CommandEncoder,
    buffer: &Buffer,
    start: u64,
    bytes: u64,
    texture: &Texture,
) {
    let row = row_bytes(texture.0.element);
    let (rows, left) = (bytes / row, bytes % row);
    for (from, y, width, height) in [(0, 0, row, rows), (rows * row, rows, left, 1)] {
        if width == 0 || height == 0 {
            continue;
        }
        encoder.copy_buffer_to_texture(
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer.0.buffer,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: start + from,
                    bytes_per_row: Some(row as u32),
                    rows_per_image: None,
                },
            },
            wgpu::TexelCopyTextureInfo {
                texture: &texture.0.texture,
                mip_level: 0,
                origin: wgpu::Origin3d { x: 0, y: y as u32, z: 0 },
                aspect: wgpu::TextureAspect::All,
            },
            wgpu::Extent3d {
                width: width.div_ceil(row / TEXELS_PER_ROW) as u32,
                height: height as u32,
                depth_or_array_layers: 1,
            },
        );
    }
}

/// A driver's message without line breaks.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
