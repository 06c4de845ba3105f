//! Plans as a document that other programs can run: `docs/plan-format.md` says what each field means.
//!
//! Everything is as the driver of a device with WebGPU's default limits would be given it: the text of each shader, the
//! constants of each pipeline, which range of which buffer stands behind each binding, the words of each uniform block.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::engine::graph::{Graph, Init, Kind, Role};
use crate::engine::kernel::Capabilities;
use crate::engine::plan::{self, Memory, Place, Plan, Reach, VariableLayout, allocation};
use crate::engine::session::Store;
use crate::engine::shaders;
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
    shaders: Vec<Shader>,
    pipelines: Vec<Pipeline>,
    variables: BTreeMap<String, Variables>,
    plans: BTreeMap<String, Exported>,
}

/// What a device must allow, under WebGPU's names.
#[allow(non_snake_case)]
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Limits {
    maxBufferSize: u64,
    maxStorageBufferBindingSize: u64,
    maxStorageBuffersPerShaderStage: usize,
    maxComputeWorkgroupsPerDimension: u32,
}

#[derive(Clone, Debug, Serialize)]
struct Shader {
    name: &'static str,
    files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiles: Vec<(&'static str, u32)>,
    wgsl: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Pipeline {
    shader: usize,
    entry: &'static str,
    constants: BTreeMap<&'static str, f64>,
    /// What each `@binding` is called, by its number.
    bindings: BTreeMap<u32, String>,
    /// Where each field of the uniform block stands, in bytes.
    fields: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, Serialize)]
struct Exported {
    #[serde(skip_serializing_if = "Option::is_none")]
    variables: Option<String>,
    buffers: Vec<BufferOf>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Each different one once; steps name them by number.
    dispatches: Vec<Dispatch>,
    once: Vec<Step>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
struct BufferOf {
    of: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    bytes: u64,
}

/// A tensor in a buffer: number (row, channel) stands `offset + row * stride + channel` numbers after its start.
#[derive(Clone, Debug, Serialize)]
struct Port {
    name: String,
    buffer: usize,
    offset: u64,
    stride: usize,
    shape: Vec<usize>,
    /// Of an output: it is there when so many steps have run.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
struct Step {
    layer: String,
    operation: &'static str,
    what: String,
    variant: &'static str,
    /// As `parula bench` names it.
    case: String,
    inputs: Vec<String>,
    shape: Vec<usize>,
    flops: u64,
    bytes: u64,
    dispatches: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Dispatch {
    pipeline: usize,
    /// `[binding, buffer, first byte, bytes]`.
    bindings: Vec<[u64; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uniform: Option<(u32, Vec<u32>)>,
    workgroups: [u32; 3],
}

#[derive(Clone, Debug, Serialize)]
struct Variables {
    roles: BTreeMap<&'static str, Bank>,
    tensors: Vec<Tensor>,
}

#[derive(Clone, Debug, Serialize)]
struct Bank {
    elements: usize,
    /// Little-endian numbers of 32 bits in base64; none where all are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Tensor {
    name: String,
    role: &'static str,
    offset: usize,
    shape: Vec<usize>,
    start: Start,
}

/// How a variable starts before training.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Start {
    Constant(f32),
    /// Uniform between minus this and this.
    Uniform(f64),
    /// Normal with this deviation, cut at two of them.
    Normal(f64),
    /// Numbers that are part of the network.
    Given,
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Trainable => "trainable",
        Role::State => "state",
        Role::Optimizer => "optimizer",
        Role::Constant => "constant",
    }
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
            shaders: Vec::new(),
            pipelines: Vec::new(),
            variables: BTreeMap::new(),
            plans: BTreeMap::new(),
        }
    }
}

impl Document {
    /// What a plan must be made for: WebGPU's default limits, no optional feature.
    pub fn capabilities() -> Capabilities {
        Capabilities::default()
    }

    /// The names of the plans, in alphabetical order.
    pub fn plans(&self) -> impl Iterator<Item = &str> {
        self.plans.keys().map(String::as_str)
    }

    /// Adds the variables of `graph` under `name`, with the numbers in `store`; what the optimiser remembers starts
    /// at 0.
    ///
    /// # Errors
    /// Those of reading them.
    pub fn add_variables(&mut self, name: &str, graph: &Graph, store: &Store) -> Result<()> {
        let layout = VariableLayout::new(graph);
        let mut roles = BTreeMap::new();
        for (&of, &elements) in &layout.elements {
            let data = match of {
                Role::Optimizer => None,
                _ => {
                    let names = layout.entries.iter().filter(|entry| entry.2 == of);
                    let names: Vec<String> = names.map(|entry| entry.0.clone()).collect();
                    let mut bank = vec![0.0; elements];
                    for (name, tensor) in names.iter().zip(store.get(&names)?) {
                        let Some((_, _, at)) = layout.find(name) else { continue };
                        bank[at..at + tensor.data().len()].copy_from_slice(tensor.data());
                    }
                    Some(base64(&bank))
                }
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
                    Some(Kind::Variable(variable)) => start_of(&variable.init),
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
            buffer: buffers.find(place.memory, true),
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
                let mut dispatches = Vec::new();
                for dispatch in &step.dispatches {
                    let dispatch = self.dispatch(dispatch, buffers)?;
                    dispatches.push(position(all, |there| *there == dispatch, || dispatch.clone()));
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
                    dispatches,
                })
            })
            .collect()
    }

    fn dispatch(&mut self, dispatch: &plan::Dispatch, buffers: &Buffers) -> Result<Dispatch> {
        if dispatch.texels || !dispatch.halves.is_empty() {
            return Err(Error::Gpu {
                doing: format!("exporting {}/{}", dispatch.shader, dispatch.entry),
                message: "it was planned for a device with textures or numbers of 16 bits".into(),
            });
        }
        let pipeline = self.pipeline(dispatch)?;
        let mut bindings = Vec::new();
        for bound in &dispatch.bindings {
            let at = buffers.find(bound.memory, bound.reach == Reach::Write);
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

    fn pipeline(&mut self, dispatch: &plan::Dispatch) -> Result<usize> {
        let shader = self.shader(dispatch)?;
        let interface = shaders::interface(dispatch.shader, dispatch.entry, false)?;
        let bindings = interface.bindings.iter();
        let pipeline = Pipeline {
            shader,
            entry: dispatch.entry,
            constants: dispatch.constants.iter().copied().collect(),
            bindings: bindings.map(|one| (one.index, one.name.clone())).collect(),
            fields: interface.fields.clone(),
        };
        Ok(position(&mut self.pipelines, |there| *there == pipeline, || pipeline.clone()))
    }

    fn shader(&mut self, dispatch: &plan::Dispatch) -> Result<usize> {
        let (name, tiles) = (dispatch.shader, &dispatch.tiles);
        let text = shaders::source_with(name, tiles, false, &[])?;
        let wgsl = shaders::without_cooperative(&shaders::without_subgroups(&text));
        let files = shaders::source(name)?.files().map(|file| format!("shaders/{file}")).collect();
        let make = || Shader { name, files, tiles: tiles.clone(), wgsl };
        Ok(position(&mut self.shaders, |there| there.name == name && there.tiles == *tiles, make))
    }
}

/// Where in `all` something is, put there first where it is not yet.
fn position<T>(all: &mut Vec<T>, is: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> usize {
    match all.iter().position(is) {
        Some(at) => at,
        None => {
            all.push(make());
            all.len() - 1
        }
    }
}

fn start_of(init: &Init) -> Start {
    match init {
        Init::Constant(value) => Start::Constant(*value),
        Init::Values(_) => Start::Given,
        Init::GlorotUniform { fan_in, fan_out } => {
            Start::Uniform((6.0 / (*fan_in + *fan_out).max(1) as f64).sqrt())
        }
        Init::HeNormal { fan_in } => {
            Start::Normal((2.0 / (*fan_in).max(1) as f64).sqrt() / 0.879_625_661_034_239_8)
        }
    }
}

/// The buffers of a plan in one list: slots, inputs, variables by role, and two that stand behind bindings which a
/// kernel declares and does not use.
struct Buffers {
    all: Vec<BufferOf>,
    slots: usize,
    inputs: usize,
    roles: Vec<Role>,
}

impl Buffers {
    fn of(plan: &Plan) -> Self {
        let one = |of, bytes| BufferOf { of, role: None, bytes: allocation(bytes) };
        let mut all: Vec<BufferOf> = plan.slots.iter().map(|&bytes| one("slot", bytes)).collect();
        all.extend(plan.inputs.iter().map(|input| one("input", input.place.bytes)));
        let roles: Vec<Role> = plan.variables.elements.keys().copied().collect();
        all.extend(plan.variables.elements.iter().map(|(&of, &elements)| {
            let bytes = allocation(4 * elements as u64);
            BufferOf { of: "variables", role: Some(role(of)), bytes }
        }));
        all.extend([one("unused", 256), one("unused", 256)]);
        Buffers { all, slots: plan.slots.len(), inputs: plan.inputs.len(), roles }
    }

    fn find(&self, memory: Memory, written: bool) -> usize {
        let fixed = self.slots + self.inputs;
        match memory {
            Memory::Slot(index) => index,
            Memory::Input(index) => self.slots + index,
            Memory::Variables(of) => {
                fixed + self.roles.iter().position(|&role| role == of).unwrap_or_default()
            }
            Memory::Unused => fixed + self.roles.len() + usize::from(written),
        }
    }
}
