//! Plans as a document that other programs can run: `docs/plan-format.md` says what each field means.
//!
//! Everything is as the driver of a device with WebGPU's default limits would be given it: the text of each shader, the
//! constants of each pipeline, which range of which buffer stands behind each binding, the words of each uniform block.

mod buffers;
mod format;
mod kernels;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use self::buffers::Buffers;
use self::format::{
    Bank, Dispatch, Exported, Limits, Port, Rung, Start, Step, Tensor, Variables, role,
};
use self::kernels::{Kernels, feature, position};
use crate::engine::graph::{Graph, Kind, Role};
use crate::engine::kernel::Capabilities;
use crate::engine::plan::{self, Memory, Place, Plan, Reach, VariableLayout};
use crate::engine::session::Store;
use crate::error::{Error, Result};

/// The format's version: it changes when an old reader would misread a new document.
pub const VERSION: u32 = 1;

/// Several plans with the shaders, pipelines and variables that they share.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    format: &'static str,
    version: u32,
    made_by: String,
    needs: Limits,
    #[serde(flatten)]
    kernels: Kernels,
    variables: BTreeMap<String, Variables>,
    plans: BTreeMap<String, Exported>,
}

/// The numbers of `data`, little-endian, in base64.
pub fn base64(data: &[f32]) -> String {
    STANDARD.encode(data.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

impl Default for Document {
    fn default() -> Self {
        Document {
            format: "parula-plan",
            version: VERSION,
            made_by: format!("parula {}", env!("CARGO_PKG_VERSION")),
            needs: Limits::default(),
            kernels: Kernels::default(),
            variables: BTreeMap::new(),
            plans: BTreeMap::new(),
        }
    }
}

impl Document {
    /// What a plan must be made for: WebGPU's default limits, no optional feature, and loops that every driver runs to
    /// their end, since a browser does not tell which one it has. Mesa's leave theirs after so many turns.
    pub fn capabilities() -> Capabilities {
        Capabilities { longest_loop: 65_535, ..Capabilities::default() }
    }

    /// What the other variants of its steps may use: subgroups as well, of whichever size a browser may have.
    pub fn rungs() -> Capabilities {
        Capabilities { subgroup: Some((4, 128)), ..Self::capabilities() }
    }

    /// The names of the plans, in alphabetical order.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }

    /// Adds the variables of `graph` under `name`, with the numbers in `store`; without one all start at 0, as what the
    /// optimiser remembers does.
    ///
    /// # Errors
    /// Those of reading them.
    pub fn add_variables(
        &mut self,
        name: &str,
        graph: &Graph,
        store: Option<&Store>,
    ) -> Result<()> {
        let layout = VariableLayout::new(graph);
        let mut roles = BTreeMap::new();
        for (&of, &elements) in &layout.elements {
            let data = match store {
                Some(store) if of != Role::Optimizer => {
                    let names = layout.entries.iter().filter(|entry| entry.2 == of);
                    let names: Vec<String> = names.map(|entry| entry.0.clone()).collect();
                    let mut bank = vec![0.0; elements];
                    for (name, tensor) in names.iter().zip(store.get(&names)?) {
                        let Some((_, _, at)) = layout.find(name) else { continue };
                        bank[at..at + tensor.data().len()].copy_from_slice(tensor.data());
                    }
                    Some(base64(&bank))
                }
                _ => None,
            };
            roles.insert(role(of), Bank { elements, data });
        }
        let tensors = layout.entries.iter().map(|(name, shape, of, offset)| {
            let start = graph.find(name).map(|value| &graph.node(value).kind);
            Tensor {
                name: name.clone(),
                role: role(*of),
                offset: *offset,
                shape: shape.dims().to_vec(),
                start: match start {
                    Some(Kind::Variable(variable)) => Start::of(&variable.init),
                    _ => Start::Given,
                },
            }
        });
        let variables = Variables { roles, tensors: tensors.collect() };
        self.variables.insert(name.to_owned(), variables);
        Ok(())
    }

    /// Adds `plan`, made of `graph` for [`Self::capabilities`], under `name`. `variables`: those that it uses;
    /// `outputs`: each of the plan's as it shall be called, and its own name.
    ///
    /// # Errors
    /// [`Error::Gpu`] for a plan that was made for a device with more, [`Error::Shape`] for an output that is not its
    /// own.
    pub fn add_plan(
        &mut self,
        name: &str,
        graph: &Graph,
        plan: &Plan,
        variables: Option<&str>,
        outputs: &[(String, String)],
    ) -> Result<()> {
        let buffers = Buffers::of(plan);
        for one in &buffers.all {
            self.needs.maxBufferSize = self.needs.maxBufferSize.max(one.bytes);
        }
        let port = |name: &str, place: &Place| Port {
            name: name.to_owned(),
            buffer: buffers.find(place.memory, 0),
            offset: place.start / 4 + place.view.offset as u64,
            stride: place.view.stride,
            shape: place.shape.dims().to_vec(),
            after: None,
        };
        // A view of something else is there at the end at the latest.
        let after = |own: &str| {
            let made = plan.steps.iter().rposition(|step| step.layer == own);
            Some(made.map_or(plan.steps.len(), |at| at + 1))
        };
        let inputs = plan.inputs.iter().map(|input| port(&input.name, &input.place)).collect();
        let found = outputs.iter().map(|(shown, own)| {
            let there = plan.outputs.iter().find(|output| output.name == *own);
            there
                .map(|output| Port { after: after(own), ..port(shown, &output.place) })
                .ok_or_else(|| Error::shape(format!("plan {name}"), format!("it has no {own}")))
        });
        let mut dispatches = Vec::new();
        let exported = Exported {
            variables: variables.map(str::to_owned),
            inputs,
            outputs: found.collect::<Result<_>>()?,
            once: self.steps(graph, &plan.setup, &buffers, &mut dispatches)?,
            steps: self.steps(graph, &plan.steps, &buffers, &mut dispatches)?,
            dispatches,
            buffers: buffers.all,
        };
        self.plans.insert(name.to_owned(), exported);
        Ok(())
    }

    fn steps(
        &mut self,
        graph: &Graph,
        steps: &[plan::Step],
        buffers: &Buffers,
        all: &mut Vec<Dispatch>,
    ) -> Result<Vec<Step>> {
        steps
            .iter()
            .map(|step| {
                let node = graph.find(&step.layer).map(|value| graph.node(value));
                let inputs = || node.iter().flat_map(|node| &node.inputs);
                let shapes = inputs().map(|&input| graph.shape(input).to_string());
                let shapes = shapes.collect::<Vec<_>>().join(", ");
                let mut numbers = |dispatches: &[plan::Dispatch], feature| {
                    let number = |dispatch| {
                        let dispatch = self.dispatch(dispatch, buffers, feature)?;
                        Ok(position(all, |there| *there == dispatch, || dispatch.clone()))
                    };
                    dispatches.iter().map(number).collect::<Result<Vec<usize>>>()
                };
                let mut rungs = Vec::new();
                for rung in &step.rungs {
                    let feature = feature(rung.needs);
                    let dispatches = numbers(&rung.dispatches, feature)?;
                    rungs.push(Rung { variant: rung.variant, feature, dispatches });
                }
                Ok(Step {
                    layer: step.layer.clone(),
                    operation: step.operation,
                    what: step.what.clone(),
                    variant: step.variant,
                    case: format!("{}, {} of {shapes}", step.layer, step.what),
                    inputs: inputs().map(|&input| graph.node(input).name.clone()).collect(),
                    shape: step.shape.dims().to_vec(),
                    flops: step.flops,
                    bytes: step.bytes,
                    dispatches: numbers(&step.dispatches, None)?,
                    rungs,
                })
            })
            .collect()
    }

    fn dispatch(
        &mut self,
        dispatch: &plan::Dispatch,
        buffers: &Buffers,
        feature: Option<&'static str>,
    ) -> Result<Dispatch> {
        if dispatch.texels || !dispatch.halves.is_empty() {
            return Err(Error::Gpu {
                doing: format!("exporting {}/{}", dispatch.shader, dispatch.entry),
                message: "it was planned for a device with textures or numbers of 16 bits".into(),
            });
        }
        let pipeline = self.kernels.pipeline(dispatch, feature)?;
        let mut bindings = Vec::new();
        let mut unused = 0;
        for bound in &dispatch.bindings {
            let written = bound.reach == Reach::Write;
            unused += usize::from(written && bound.memory == Memory::Unused);
            let at = buffers.find(bound.memory, if written { unused } else { 0 });
            let start = if bound.memory == Memory::Unused { 0 } else { bound.start };
            let bytes = bound.bytes.min(buffers.all[at].bytes - start);
            let largest = self.needs.maxStorageBufferBindingSize;
            self.needs.maxStorageBufferBindingSize = largest.max(bytes);
            bindings.push([u64::from(bound.index), at as u64, start, bytes]);
        }
        let most = self.needs.maxStorageBuffersPerShaderStage;
        self.needs.maxStorageBuffersPerShaderStage = most.max(bindings.len());
        let widest = dispatch.workgroups.into_iter().max().unwrap_or(0);
        let most = self.needs.maxComputeWorkgroupsPerDimension;
        self.needs.maxComputeWorkgroupsPerDimension = most.max(widest);
        let words = |block: &Vec<u8>| {
            let words = block.chunks_exact(4).map(|word| match *word {
                [a, b, c, d] => u32::from_le_bytes([a, b, c, d]),
                _ => 0,
            });
            words.collect()
        };
        Ok(Dispatch {
            pipeline,
            bindings,
            uniform: dispatch.uniform.as_ref().map(|(index, block)| (*index, words(block))),
            workgroups: dispatch.workgroups,
        })
    }
}
