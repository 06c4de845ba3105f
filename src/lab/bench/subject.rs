//! A case as a graph of its own, ready to be planned, run and compared with the reference.

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Init, Kind, Operation, Role, Value};
use crate::engine::kernel::{Capabilities, Choices};
use crate::engine::ops::Case;
use crate::engine::plan::{self, Options, Plan};
use crate::engine::session::{Session, Store};
use crate::engine::shape::Shape;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// The graph of a case: its tensors are inputs, and those that it updates are variables.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The graph.
    pub graph: Graph,
    /// The case's operation.
    pub output: Value,
    /// As in [`Options`]: from how many bytes on tensors are read through textures, where that pays.
    pub texels_from: u64,
    /// As in [`Options`]: what replaces the choice of the operation; none at first.
    pub choices: Arc<Choices>,
    operation: Arc<dyn Operation>,
    inputs: Vec<Value>,
    updates: &'static [usize],
}

impl Subject {
    /// The graph of `case`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the operation refuses its inputs.
    pub fn new(case: &Case) -> Result<Self> {
        let mut graph = Graph::new();
        let updates = case.operation.updates();
        let mut inputs = Vec::new();
        for (index, (shape, _)) in case.inputs.iter().enumerate() {
            let name = format!("input_{index}");
            inputs.push(if updates.contains(&index) {
                graph.variable(name, shape.clone(), Role::Optimizer, Init::Constant(0.0))?
            } else {
                graph.input(name, shape.clone())?
            });
        }
        let output = graph.add_shared("output", case.operation.clone(), &inputs)?;
        Ok(Subject {
            graph,
            output,
            texels_from: Options::default().texels_from,
            choices: Arc::default(),
            operation: case.operation.clone(),
            inputs,
            updates,
        })
    }

    /// Its plan with `variant`, or with the one that would be chosen.
    ///
    /// # Errors
    /// Those of [`plan::build`]; [`Error::Shape`] where the variant cannot do this shape.
    pub fn plan(&self, capabilities: &Capabilities, variant: Option<&'static str>) -> Result<Plan> {
        let texels_from = self.texels_from;
        let choices = self.choices.clone();
        let options = Options { fuse: false, variant, texels_from, choices, ..Options::default() };
        let target = [self.output];
        let (outputs, updates) =
            if self.updates.is_empty() { (&target[..], &[][..]) } else { (&[][..], &target[..]) };
        plan::build(&self.graph, outputs, updates, capabilities, &options)
    }

    /// A session with `tensors` as inputs, not yet run.
    ///
    /// # Errors
    /// As [`Self::plan`]; [`Error::Gpu`] when memory or a kernel is refused.
    pub fn session(
        &self,
        gpu: &Arc<Gpu>,
        variant: Option<&'static str>,
        tensors: &[Tensor],
    ) -> Result<(Session, Store)> {
        let plan = self.plan(gpu.capabilities(), variant)?;
        let store = Store::new(gpu, &self.graph, 0)?;
        let session = Session::new(gpu, plan, &store)?;
        for (&value, tensor) in self.inputs.iter().zip(tensors) {
            let node = self.graph.node(value);
            match node.kind {
                Kind::Variable(_) => store.set(&node.name, tensor)?,
                _ if session.plan().inputs.iter().any(|port| port.name == node.name) => {
                    session.set(&node.name, tensor.data())?;
                }
                _ => {}
            }
        }
        Ok((session, store))
    }

    /// What a run left: the output, or the updated tensors.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
    pub fn results(&self, session: &Session, store: &Store) -> Result<Vec<Tensor>> {
        if self.updates.is_empty() {
            return Ok(vec![session.read("output")?]);
        }
        let name = |&index: &usize| self.graph.node(self.inputs[index]).name.clone();
        store.get(&self.updates.iter().map(name).collect::<Vec<_>>())
    }

    /// Floating point operations.
    pub fn flops(&self) -> u64 {
        let shapes: Vec<&Shape> =
            self.inputs.iter().map(|&input| self.graph.shape(input)).collect();
        self.operation.flops(&shapes, self.graph.shape(self.output))
    }

    /// Bytes of all inputs and all results, each counted once.
    pub fn bytes(&self) -> u64 {
        let size = |value: Value| 4 * self.graph.shape(value).elements() as u64;
        let read: u64 = self.inputs.iter().map(|&input| size(input)).sum();
        let written = match self.updates {
            [] => size(self.output),
            updates => updates.iter().map(|&index| size(self.inputs[index])).sum(),
        };
        read + written
    }
}

/// Whether `found` equals `truth` up to `tolerance` times the largest magnitude.
///
/// # Errors
/// [`Error::Shape`] with the first element that does not.
pub fn difference(what: &str, found: &Tensor, truth: &Tensor<f64>, tolerance: f64) -> Result<()> {
    if found.shape() != truth.shape() {
        let problem = format!("its shape is {}, not {}", found.shape(), truth.shape());
        return Err(Error::shape(what, problem));
    }
    let scale = truth.data().iter().fold(1e-3f64, |most, value| most.max(value.abs()));
    for (index, (&a, &b)) in found.data().iter().zip(truth.data()).enumerate() {
        // Infinities have no difference.
        let apart = if f64::from(a) == b { 0.0 } else { (f64::from(a) - b).abs() / scale };
        if apart.is_nan() || apart > tolerance {
            let problem = format!("wrong: element {index} is {a}, not {b} ({apart:.1e})");
            return Err(Error::shape(what, problem));
        }
    }
    Ok(())
}
