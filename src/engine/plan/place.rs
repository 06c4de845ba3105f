//! From a job to a step: where each operand lies, what each binding and uniform of a dispatch holds.

use std::collections::BTreeMap;

use super::job::Job;
use super::layout::Owner;
use super::memory::Packing;
use super::planner::{LoweredJob, Planner};
use super::{Binding, Dispatch, Memory, Place, Reach, Rung, Step};
use crate::engine::kernel::{self, Element, Operand, View, Word};
use crate::engine::ops;
use crate::engine::shaders::{self, Access};
use crate::engine::shape::Shape;
use crate::error::{Error, Result};

/// Where things lie before memory is shared: each tensor in a slot of its own.
pub struct Places<'a> {
    pub planner: &'a Planner<'a>,
    /// As [`super::Options::texels_from`].
    pub texels_from: u64,
}

impl Places<'_> {
    /// Where a tensor lies.
    pub fn place(&self, owner: Owner, view: View, shape: &Shape) -> Place {
        let (memory, start, bytes) = match owner {
            Owner::Own(value) => {
                let index = self.planner.slot_of[&value];
                (Memory::Slot(index), 0, self.planner.bytes[index])
            }
            Owner::Input(value) => {
                let nodes = self.planner.input_nodes;
                let index = nodes.iter().position(|&node| node == value).unwrap_or_default();
                let bytes = 4 * self.planner.graph.shape(value).elements().max(1) as u64;
                (Memory::Input(index), 0, bytes)
            }
            Owner::Variables(role) => (Memory::Variables(role), 0, u64::MAX),
        };
        let element = self.planner.element(owner);
        // From the last aligned byte before the tensor to its end.
        let alignment = (self.planner.capabilities.storage_alignment / element.bytes()) as usize;
        let skipped = view.offset / alignment * alignment;
        let length = (shape.rows().max(1) - 1) * view.stride + shape.channels();
        let own = element.bytes() * (view.offset - skipped + length) as u64;
        let own = own.next_multiple_of(16);
        // A small part of a large buffer, such as one gradient of all, is bound alone: what is bound is
        // what is copied where reads go through textures. Parts of about the same size are bound as
        // the whole that they share, which then is copied once.
        let (start, bytes, view) = if own < bytes / 2 {
            (
                start + element.bytes() * skipped as u64,
                own,
                View { offset: view.offset - skipped, ..view },
            )
        } else {
            (start, bytes, view)
        };
        Place { memory, start, bytes, view, element, shape: shape.clone() }
    }

    /// A lowered job with its operands in place.
    pub fn step(&self, job: &Job, lowered: LoweredJob) -> Result<Step> {
        let shapes: Vec<&Shape> = job.inputs.iter().map(|(_, _, shape)| shape).collect();
        let bytes = |(owner, _, shape): &(Owner, View, Shape)| {
            self.planner.element(*owner).bytes() * shape.elements() as u64
        };
        let written = if job.updates { 0 } else { bytes(&job.output) };
        let dispatches = |lowered: &LoweredJob| -> Result<Vec<Dispatch>> {
            let all = lowered.lowered.dispatches.iter();
            all.map(|dispatch| self.dispatch(job, lowered, dispatch)).collect()
        };
        let rungs = lowered.rungs.iter().map(|(needs, rung)| {
            Ok(Rung { variant: rung.variant, needs: *needs, dispatches: dispatches(rung)? })
        });
        let (owner, view, shape) = &job.output;
        Ok(Step {
            layer: job.layer.clone(),
            what: job.operation.describe(),
            operation: job.operation.name(),
            variant: lowered.variant,
            tuned: lowered.tuned,
            shape: shape.clone(),
            output: (!job.updates).then(|| self.place(*owner, *view, shape)),
            flops: job.operation.flops(&shapes, shape),
            bytes: job.inputs.iter().map(bytes).sum::<u64>() + written,
            rungs: rungs.collect::<Result<_>>()?,
            dispatches: dispatches(&lowered)?,
        })
    }

    fn operand(&self, job: &Job, lowered: &LoweredJob, operand: Operand) -> Place {
        match operand {
            Operand::Input(index) => {
                let (owner, view, shape) = &job.inputs[index];
                self.place(*owner, *view, shape)
            }
            Operand::Images { input, first, count } => {
                let (owner, view, shape) = &job.inputs[input];
                let mut dims = shape.dims().to_vec();
                let rows = shape.rows() / dims[0].max(1);
                dims[0] = count;
                let offset = view.offset + first * rows * view.stride;
                self.place(*owner, View { offset, ..*view }, &Shape::from(dims))
            }
            Operand::Output => {
                let (owner, view, shape) = &job.output;
                self.place(*owner, *view, shape)
            }
            Operand::Scratch(index) => {
                let lifetime = lowered.scratch + index;
                let shape = Shape::from([lowered.lowered.scratch[index]]);
                let view = View::dense(&shape);
                Place {
                    memory: Memory::Slot(lifetime),
                    start: 0,
                    bytes: self.planner.bytes[lifetime],
                    view,
                    element: Element::F32,
                    shape,
                }
            }
        }
    }

    /// Whether a dispatch reads through textures what it only reads: where the adapter gains by it, if
    /// there are enough of them and the copies are worth their while.
    fn reads_through_texels(
        &self,
        job: &Job,
        lowered: &LoweredJob,
        dispatch: &kernel::Dispatch,
    ) -> Result<bool> {
        let most = self.planner.capabilities.texels as usize;
        if most == 0 {
            return Ok(false);
        }
        let interface = shaders::interface(dispatch.shader, dispatch.entry, true)?;
        let read = |name: &str| {
            let mut bindings = interface.bindings.iter();
            bindings.any(|binding| binding.name == name && binding.access == Access::Texels)
        };
        let operands = dispatch.bindings.iter().filter(|(name, _)| read(name));
        let bytes: u64 =
            operands.map(|(_, operand)| self.operand(job, lowered, *operand).bytes).sum();
        let count =
            interface.bindings.iter().filter(|binding| binding.access == Access::Texels).count();
        Ok(count <= most && bytes >= self.texels_from)
    }

    fn dispatch(
        &self,
        job: &Job,
        lowered: &LoweredJob,
        dispatch: &kernel::Dispatch,
    ) -> Result<Dispatch> {
        let kernel::Dispatch { shader, entry, .. } = *dispatch;
        let texels = self.reads_through_texels(job, lowered, dispatch)?;
        let interface = shaders::interface(shader, entry, texels)?;
        let wrong = |problem: String| Error::Gpu {
            doing: format!("planning {} with {shader}/{entry}", job.layer),
            message: problem,
        };
        let mut words: BTreeMap<String, Word> =
            dispatch.params.iter().map(|(name, word)| ((*name).to_owned(), *word)).collect();
        let mut bindings = Vec::new();
        let mut uniform = None;
        for (name, _) in &dispatch.bindings {
            if !interface.bindings.iter().any(|binding| binding.name == *name) {
                return Err(wrong(format!("no binding {name}")));
            }
        }
        for binding in &interface.bindings {
            if binding.access == Access::Uniform {
                uniform = Some(binding.index);
                continue;
            }
            let operand = dispatch.bindings.iter().find(|(name, _)| *name == binding.name);
            let place = operand.map(|(_, operand)| self.operand(job, lowered, *operand));
            let offset = format!("{}_offset", binding.name);
            let stride = format!("{}_stride", binding.name);
            match place {
                Some(place) => {
                    if interface.reads.contains(&offset) {
                        words.insert(offset, place.view.offset.into());
                    } else if place.view.offset != 0 {
                        return Err(wrong(format!("{} cannot start within", binding.name)));
                    }
                    let scratch = matches!(operand, Some((_, Operand::Scratch(_))));
                    if scratch && words.contains_key(&stride) {
                        // Scratch memory has the rows that the dispatch says.
                    } else if interface.reads.contains(&stride) {
                        words.insert(stride, place.view.stride.into());
                    } else if !place.view.is_dense(&place.shape) {
                        return Err(wrong(format!("{} cannot have gaps", binding.name)));
                    }
                    bindings.push(Binding {
                        index: binding.index,
                        reach: reach(binding.access),
                        memory: place.memory,
                        start: place.start,
                        bytes: place.bytes.next_multiple_of(16),
                        element: place.element,
                    });
                }
                None => {
                    words.entry(offset).or_insert(Word::U32(0));
                    words.entry(stride).or_insert(Word::U32(0));
                    bindings.push(Binding {
                        index: binding.index,
                        reach: reach(binding.access),
                        memory: Memory::Unused,
                        start: 0,
                        bytes: 16,
                        element: Element::F32,
                    });
                }
            }
        }
        let half = |operand| self.operand(job, lowered, operand).element == Element::F16;
        let mut halves: Vec<&'static str> = dispatch
            .bindings
            .iter()
            .filter_map(|(name, operand)| half(*operand).then_some(*name))
            .collect();
        halves.sort_unstable();
        let mut block = vec![0u8; interface.uniform_bytes as usize];
        for (field, offset) in &interface.fields {
            let word = words.get(field);
            let implied = field.ends_with("_offset") || field.ends_with("_stride");
            match word {
                Some(word) => {
                    block[*offset as usize..*offset as usize + 4].copy_from_slice(&word.bytes());
                }
                // Blocks of fields are of several kernels, and of one that has many constants some are unused.
                None if implied || field.starts_with('k') || !interface.reads.contains(field) => {}
                None => return Err(wrong(format!("no value for the uniform {field}"))),
            }
        }
        if let Some((name, _)) =
            dispatch.params.iter().find(|(name, _)| !interface.fields.contains_key(*name))
        {
            return Err(wrong(format!("no uniform {name}")));
        }
        Ok(Dispatch {
            shader,
            entry,
            constants: dispatch.constants.clone(),
            tiles: dispatch.tiles.clone(),
            texels,
            halves,
            checked: !ops::own(job.operation),
            bindings,
            uniform: uniform.map(|index| (index, block)),
            workgroups: dispatch.workgroups,
        })
    }
}

impl Place {
    /// From a slot of its own to where `packing` has it.
    pub(super) fn pack(&mut self, packing: &Packing) {
        packing.apply(&mut self.memory, &mut self.start);
    }
}

impl Step {
    /// The same of all that it reads and writes.
    pub(super) fn pack(&mut self, packing: &Packing) {
        if let Some(output) = &mut self.output {
            output.pack(packing);
        }
        let rungs = self.rungs.iter_mut().flat_map(|rung| &mut rung.dispatches);
        for binding in self.dispatches.iter_mut().chain(rungs).flat_map(|one| &mut one.bindings) {
            packing.apply(&mut binding.memory, &mut binding.start);
        }
    }
}

fn reach(access: Access) -> Reach {
    match access {
        Access::ReadWrite => Reach::Write,
        Access::Texels => Reach::Texels { staging: 0, copy: true },
        Access::Read | Access::Uniform => Reach::Read,
    }
}
