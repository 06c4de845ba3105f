//! Running a plan on the GPU, or a graph on the processor.

mod arena;
mod finite;
mod reference;
mod store;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::gpu::{Bindable, Buffer, Command, Gpu, Key, Resource};
use crate::engine::kernel::Element;
use crate::engine::plan::{Dispatch, Memory, Options, Place, Plan, Port, Reach, Step, allocation};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

pub use arena::Arena;
pub use finite::first_not_finite;
pub use reference::{Evaluated, evaluate};
pub use store::Store;

/// A plan bound to buffers, pipelines and prebuilt bind groups. A run re-encodes the list of
/// dispatches and submits once.
#[derive(Debug)]
pub struct Session {
    gpu: Arc<Gpu>,
    plan: Plan,
    inputs: Vec<Buffer>,
    slots: Vec<Buffer>,
    arena: Arena,
    /// Among the sessions of the arena.
    number: u64,
    store: Store,
    setup: Vec<Command>,
    setup_at: Option<u64>,
    steps: Vec<Command>,
    of_step: Vec<usize>,
}

impl Session {
    /// Allocates what `plan` needs and compiles its kernels. Variables are those of `store`, shared
    /// with other sessions.
    ///
    /// # Errors
    /// [`Error::Gpu`] when memory or a kernel is refused; [`Error::Shape`] when `store` was made for
    /// other variables.
    pub fn new(gpu: &Arc<Gpu>, plan: Plan, store: &Store) -> Result<Self> {
        let arena = Arena::new(gpu, [&plan])?;
        Self::within(gpu, plan, store, &arena)
    }

    /// The same in `arena`, which other sessions use as well. What a run has computed can be read until
    /// another of them runs.
    ///
    /// # Errors
    /// As [`Self::new`]; [`Error::Shape`] as well when `arena` was not made for the plan.
    pub fn within(gpu: &Arc<Gpu>, plan: Plan, store: &Store, arena: &Arena) -> Result<Self> {
        store.check(&plan.variables)?;
        let inputs = plan
            .inputs
            .iter()
            .map(|input| gpu.buffer(&input.name, allocation(input.place.bytes)))
            .collect::<Result<Vec<_>>>()?;
        let Some((number, slots, staging)) = arena.enter(&plan) else {
            return Err(Error::shape("session", "its plan has no room in this arena"));
        };

        // All uniform blocks of the plan stand in one buffer.
        let alignment = gpu.capabilities().uniform_alignment as usize;
        let mut blocks = Vec::new();
        let dispatches = || plan.setup.iter().chain(&plan.steps).flat_map(|s| &s.dispatches);
        for (_, block) in dispatches().filter_map(|dispatch| dispatch.uniform.as_ref()) {
            blocks.extend_from_slice(block);
            blocks.resize(blocks.len().next_multiple_of(alignment), 0);
        }
        let uniforms = gpu.uniforms("uniforms", &blocks)?;

        let keys: Vec<Key> = dispatches().map(key).collect();
        gpu.compile(&keys)?;

        let buffers = Buffers { inputs: &inputs, slots: &slots, store, arena };
        let mut at = 0;
        let mut commands = |steps: &[Step]| -> Result<Vec<(usize, Command)>> {
            let mut commands = Vec::new();
            for (at_step, step) in steps.iter().enumerate() {
                for dispatch in &step.dispatches {
                    let key = key(dispatch);
                    let pipeline = gpu.pipeline(&key)?;
                    let mut resources = Vec::new();
                    for bound in &dispatch.bindings {
                        let written = bound.reach == Reach::Write;
                        let (buffer, start) = buffers.find(bound.memory, written, bound.start)?;
                        let bytes = bound.bytes.min(buffer.bytes() - start);
                        let mut memory = Bindable::Range { buffer, start, bytes };
                        if let Reach::Texels { staging: texture, copy } = bound.reach {
                            let texture = &staging[texture];
                            memory = Bindable::Texture(texture);
                            if copy {
                                let (buffer, texture) = (buffer.clone(), texture.clone());
                                let stage = Command::Stage { buffer, start, bytes, texture };
                                commands.push((at_step, stage));
                            }
                        }
                        resources.push(Resource { index: bound.index, memory });
                    }
                    if let Some((index, block)) = &dispatch.uniform {
                        resources.push(Resource {
                            index: *index,
                            memory: Bindable::Range {
                                buffer: &uniforms,
                                start: at as u64,
                                bytes: block.len() as u64,
                            },
                        });
                        at = (at + block.len()).next_multiple_of(alignment);
                    }
                    let command = gpu.command(&pipeline, &resources, dispatch.workgroups)?;
                    commands.push((at_step, command));
                }
            }
            Ok(commands)
        };
        let setup = commands(&plan.setup)?.into_iter().map(|(_, command)| command).collect();
        let (of_step, steps) = commands(&plan.steps)?.into_iter().unzip();
        let session = Session {
            gpu: gpu.clone(),
            inputs,
            slots,
            arena: arena.clone(),
            number,
            store: store.clone(),
            setup,
            setup_at: None,
            steps,
            of_step,
            plan,
        };
        Ok(session)
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Bytes that this session and its variables have allocated for tensors; of an arena that it shares,
    /// what it uses.
    pub fn allocated_bytes(&self) -> u64 {
        let own: u64 = self.inputs.iter().chain(&self.slots).map(Buffer::bytes).sum();
        own + self.plan.staging.iter().map(|one| one.bytes).sum::<u64>() + self.store.bytes()
    }

    /// Writes the input `name`.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no such input or the count differs from its shape's.
    pub fn set(&self, name: &str, data: &[f32]) -> Result<()> {
        let index = position(&self.plan.inputs, name)?;
        let shape = &self.plan.inputs[index].place.shape;
        if data.len() != shape.elements() {
            return Err(Error::shape(
                format!("input {name}"),
                format!("{} numbers were given, its shape is {shape}", data.len()),
            ));
        }
        self.gpu.write(&self.inputs[index], 0, data)
    }

    /// Runs the plan once, without waiting for the result.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the driver reported a failure.
    pub fn run(&mut self) -> Result<()> {
        let held = self.arena.take(self.number);
        if !held || self.setup_at != Some(self.store.version()) {
            if !self.setup.is_empty() {
                self.gpu.submit(&self.setup);
            }
            self.setup_at = Some(self.store.version());
        }
        self.gpu.submit(&self.steps);
        // A plan that updates variables makes what others computed from them stale.
        if self.plan.steps.iter().any(|step| step.output.is_none()) {
            self.store.touch();
        }
        self.gpu.check()
    }

    /// The output `name` of the last run.
    ///
    /// # Errors
    /// [`Error::Shape`] when it is not an output of the plan; [`Error::Gpu`] when the device failed.
    pub fn read(&self, name: &str) -> Result<Tensor> {
        self.read_all(&[name])?
            .pop()
            .ok_or_else(|| Error::shape(format!("output {name}"), "nothing was read"))
    }

    /// Several outputs of the last run with one transfer.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&self, names: &[&str]) -> Result<Vec<Tensor>> {
        let mut places = Vec::new();
        for name in names {
            places.push(&self.plan.outputs[position(&self.plan.outputs, name)?].place);
        }
        let mut ranges = Vec::new();
        for place in &places {
            if matches!(place.memory, Memory::Slot(_)) && !self.arena.holds(self.number) {
                return Err(Error::shape(
                    "output",
                    "another session has run in its memory since, or it has not run yet",
                ));
            }
            let (buffer, start) = match place.memory {
                Memory::Slot(index) => (&self.slots[index], place.start),
                Memory::Input(index) => (&self.inputs[index], place.start),
                Memory::Variables(role) => (self.store.buffer(role)?, place.start),
                Memory::Unused => {
                    return Err(Error::shape("output", "it has no memory"));
                }
            };
            let start = start + place.element.bytes() * place.view.offset as u64;
            // Transfers are of whole words of 32 bits.
            let skipped = start % 4;
            let bytes = skipped + place.element.bytes() * span(place) as u64;
            ranges.push((buffer, start - skipped, bytes.div_ceil(4) as usize));
        }
        let raw = self.gpu.read(&ranges)?;
        let numbers = places.iter().zip(raw).map(|(place, raw)| match place.element {
            Element::F32 => raw,
            Element::F16 => {
                let first = place.view.offset % 2;
                raw.into_iter().flat_map(halves).skip(first).take(span(place)).collect()
            }
        });
        places.iter().zip(numbers).map(|(place, raw)| dense(place, raw)).collect()
    }

    /// GPU time of one run, and of each step of it, measured apart; for `parula bench`.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
    pub fn profile(&self) -> Result<Vec<(usize, Duration)>> {
        self.take();
        let mut times = Vec::new();
        let mut from = 0;
        for commands in self.of_step.chunk_by(|a, b| a == b) {
            let to = from + commands.len();
            times.push((commands[0], self.gpu.time(&self.steps[from..to], 1)?));
            from = to;
        }
        Ok(times)
    }

    /// Time of one run as a whole, over `repeats` runs in one pass.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
    pub fn time(&self, repeats: usize) -> Result<Duration> {
        self.take();
        self.gpu.time(&self.steps, repeats)
    }

    /// Computes again what is computed once, where another session has run in its memory.
    fn take(&self) {
        if !self.arena.take(self.number) && !self.setup.is_empty() {
            self.gpu.submit(&self.setup);
        }
    }
}

fn key(dispatch: &Dispatch) -> Key {
    Key::new(
        dispatch.shader,
        dispatch.entry,
        &dispatch.constants,
        &dispatch.tiles,
        dispatch.texels,
        &dispatch.halves,
    )
    .checked(dispatch.checked)
}

/// How plans for `gpu` are made: with the variants and the precision that were chosen for it.
pub fn options(gpu: &Gpu) -> Options {
    Options { choices: gpu.choices().clone(), half: gpu.half(), ..Options::default() }
}

/// The two numbers of 16 bits that stand in a word.
fn halves(word: f32) -> [f32; 2] {
    let bits = word.to_bits();
    [widen(bits as u16), widen((bits >> 16) as u16)]
}

/// An IEEE 754 binary16 as binary32, exactly.
fn widen(half: u16) -> f32 {
    let (exponent, fraction) = (u32::from(half) >> 10 & 31, u32::from(half) & 1023);
    let magnitude = match exponent {
        0 => fraction as f32 / 16_777_216.0,
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    if half >> 15 == 1 { -magnitude } else { magnitude }
}

fn position(ports: &[Port], name: &str) -> Result<usize> {
    ports.iter().position(|port| port.name == name).ok_or_else(|| {
        let known: Vec<&str> = ports.iter().map(|port| port.name.as_str()).take(12).collect();
        Error::shape(name, format!("not part of the plan, which has {}", known.join(", ")))
    })
}

/// Elements from the first to the last of a tensor, gaps included.
fn span(place: &Place) -> usize {
    match place.shape.rows() {
        0 => 0,
        rows => (rows - 1) * place.view.stride + place.shape.channels(),
    }
}

/// The tensor without the gaps between its rows.
fn dense(place: &Place, raw: Vec<f32>) -> Result<Tensor> {
    let channels = place.shape.channels();
    if place.view.is_dense(&place.shape) {
        return Tensor::new(place.shape.clone(), raw);
    }
    let rows = raw.chunks(place.view.stride);
    let data = rows.flat_map(|row| &row[..channels]).copied().collect();
    Tensor::new(place.shape.clone(), data)
}

struct Buffers<'a> {
    inputs: &'a [Buffer],
    slots: &'a [Buffer],
    store: &'a Store,
    arena: &'a Arena,
}

impl Buffers<'_> {
    fn find(&self, memory: Memory, written: bool, start: u64) -> Result<(&Buffer, u64)> {
        Ok(match memory {
            Memory::Slot(index) => (&self.slots[index], start),
            Memory::Input(index) => (&self.inputs[index], start),
            Memory::Variables(role) => (self.store.buffer(role)?, start),
            Memory::Unused => (self.arena.unused(written), 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::widen;

    #[test]
    fn halves_are_widened_exactly() {
        let pairs = [
            (0x0000, 0.0),
            (0x0001, 2f32.powi(-24)),
            (0x03ff, 1023.0 * 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3c01, 1.0 + 2f32.powi(-10)),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (bits, number) in pairs {
            assert_eq!(widen(bits), number, "{bits:04x}");
        }
        assert!(widen(0x7e00).is_nan() && widen(0x8000).is_sign_negative());
    }
}
