//! The loops that the ceilings are measured by, and the memory that they run in.

use crate::engine::gpu::{Bindable, Buffer, Command, Gpu, Key, Resource};
use crate::engine::kernel::grid;
use crate::engine::shaders;
use crate::error::{Error, Result};

/// Invocations of a workgroup in `shaders/bench`.
pub const GROUP: usize = 64;

/// The loops of `shaders/bench/ceiling.wgsl`.
pub const MULTIPLY_ADD: Loop = Loop {
    shader: "ceiling",
    entry: "multiply_add",
    constants: &[],
    tiles: &[],
    rounds: 0,
    count: 0,
};
pub const COPY: Loop = Loop { entry: "copy", ..MULTIPLY_ADD };

/// A run of `entry` of a shader of the bench that has these `tiles` and constants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loop<'a> {
    pub shader: &'static str,
    pub entry: &'static str,
    pub constants: &'a [(&'static str, f64)],
    pub tiles: &'a [(&'static str, u32)],
    pub rounds: u32,
    pub count: u32,
}

impl Loop<'_> {
    /// The command that runs it on `bound` memory, in so many `workgroups`.
    pub fn command(
        &self,
        gpu: &Gpu,
        bound: &[(&str, &Buffer)],
        workgroups: [u32; 3],
    ) -> Result<Command> {
        let Loop { shader, entry, .. } = *self;
        let wrong =
            |message: String| Error::Gpu { doing: format!("timing {shader}/{entry}"), message };
        let interface = shaders::interface(shader, entry, false)?;
        let mut block = vec![0u8; interface.uniform_bytes as usize];
        // m and s keep the sums between 0 and 1, far from denormal numbers.
        let words = [
            ("rounds", self.rounds),
            ("count", self.count),
            ("m", 0.5f32.to_bits()),
            ("s", 0.25f32.to_bits()),
        ];
        for (field, word) in words {
            let at =
                interface.fields.get(field).ok_or_else(|| wrong(format!("no uniform {field}")))?;
            block[*at as usize..*at as usize + 4].copy_from_slice(&word.to_le_bytes());
        }
        let uniforms = gpu.uniforms("ceiling", &block)?;
        let mut resources = Vec::new();
        for binding in &interface.bindings {
            let named = bound.iter().find(|(name, _)| *name == binding.name);
            let buffer = match (binding.access, named) {
                (shaders::Access::Uniform, _) => &uniforms,
                (_, Some((_, buffer))) => buffer,
                _ => return Err(wrong(format!("nothing stands behind {}", binding.name))),
            };
            let memory = Bindable::Range { buffer, start: 0, bytes: buffer.bytes() };
            resources.push(Resource { index: binding.index, memory });
        }
        let pipeline =
            gpu.pipeline(&Key::new(shader, entry, self.constants, self.tiles, false, &[]))?;
        gpu.command(&pipeline, &resources, workgroups)
    }
}

/// A copy of the first `bytes` of `from` to `to`, by a kernel.
pub fn copy(gpu: &Gpu, from: &Buffer, to: &Buffer, bytes: u64) -> Result<Command> {
    let count = (bytes.min(from.bytes()).min(to.bytes()) / 16) as usize;
    let grid = grid(count.div_ceil(GROUP), gpu.capabilities().max_workgroups);
    Loop { count: count as u32, ..COPY }.command(gpu, &[("x", from), ("y", to)], grid)
}

/// Two buffers that no cache holds, or the largest that the adapter gives.
pub fn buffers(gpu: &Gpu) -> Result<(Buffer, Buffer)> {
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
