//! What a document holds, as it is written: `docs/plan-format.md` says what each field means.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::engine::graph::{Init, Role};

/// What a device must allow, under WebGPU's names.
#[allow(non_snake_case)]
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Limits {
    pub maxBufferSize: u64,
    pub maxStorageBufferBindingSize: u64,
    pub maxStorageBuffersPerShaderStage: usize,
    pub maxComputeWorkgroupsPerDimension: u32,
}

#[derive(Clone, Debug, Serialize)]
pub struct Shader {
    pub name: &'static str,
    pub files: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiles: Vec<(&'static str, u32)>,
    /// The optional feature that its text enables, under WebGPU's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<&'static str>,
    pub wgsl: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pipeline {
    pub shader: usize,
    pub entry: &'static str,
    pub constants: BTreeMap<&'static str, f64>,
    /// What each `@binding` is called, by its number.
    pub bindings: BTreeMap<u32, String>,
    /// Where each field of the uniform block stands, in bytes.
    pub fields: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Exported {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
    pub buffers: Vec<BufferOf>,
    pub inputs: Vec<Port>,
    pub outputs: Vec<Port>,
    /// Each different one once; steps name them by number.
    pub dispatches: Vec<Dispatch>,
    pub once: Vec<Step>,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, Serialize)]
pub struct BufferOf {
    pub of: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    pub bytes: u64,
}

/// A tensor in a buffer: number (row, channel) stands `offset + row * stride + channel` numbers after its start.
#[derive(Clone, Debug, Serialize)]
pub struct Port {
    pub name: String,
    pub buffer: usize,
    pub offset: u64,
    pub stride: usize,
    pub shape: Vec<usize>,
    /// Of an output: it is there when so many steps have run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<usize>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub layer: String,
    pub operation: &'static str,
    pub what: String,
    pub variant: &'static str,
    /// As `parula bench` names it.
    pub case: String,
    pub inputs: Vec<String>,
    pub shape: Vec<usize>,
    pub flops: u64,
    pub bytes: u64,
    pub dispatches: Vec<usize>,
    /// Other variants, whose dispatches can run in place of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<Rung>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Rung {
    pub variant: &'static str,
    /// The optional feature that it needs, under WebGPU's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feature: Option<&'static str>,
    pub dispatches: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dispatch {
    pub pipeline: usize,
    /// `[binding, buffer, first byte, bytes]`.
    pub bindings: Vec<[u64; 4]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uniform: Option<(u32, Vec<u32>)>,
    pub workgroups: [u32; 3],
}

#[derive(Clone, Debug, Serialize)]
pub struct Variables {
    pub roles: BTreeMap<&'static str, Bank>,
    pub tensors: Vec<Tensor>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Bank {
    pub elements: usize,
    /// Little-endian numbers of 32 bits in base64; none where all are 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tensor {
    pub name: String,
    pub role: &'static str,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub start: Start,
}

/// How a variable starts before training.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    Constant(f32),
    /// Uniform between minus this and this.
    Uniform(f64),
    /// Normal with this deviation, cut at two of them.
    Normal(f64),
    /// Numbers that are part of the network.
    Given,
}

impl Start {
    pub fn of(init: &Init) -> Self {
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
}

/// The name of a role.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Trainable => "trainable",
        Role::State => "state",
        Role::Optimizer => "optimizer",
        Role::Constant => "constant",
    }
}
