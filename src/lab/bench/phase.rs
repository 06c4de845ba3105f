//! What a network is run for, as a graph and a plan: scores, Grad-CAM, or a training step.

use std::sync::Arc;

use super::Phase;
use crate::engine::autodiff::gradients;
use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Value};
use crate::engine::kernel::Capabilities;
use crate::engine::ops::Optimizer;
use crate::engine::plan::{self, Options, Plan, Work};
use crate::engine::session::{self, Session, Store};
use crate::error::{Error, Result};
use crate::nets::cam;
use crate::nets::models::{CLASS, Mode, Network};
use crate::nets::train::TrainingGraph;

/// The graph of a phase, and what is asked of it.
#[derive(Clone, Debug)]
pub struct PhaseGraph {
    /// Before fusion.
    pub graph: Graph,
    /// What the host reads.
    pub outputs: Vec<Value>,
    /// What changes variables.
    pub updates: Vec<Value>,
}

impl PhaseGraph {
    /// The graph of `phase` of `network`, for `batch` images of (height, width) `size`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the input is too small for the network; [`Error::Usage`] when a segmenter
    /// is to be explained.
    pub fn new(
        network: &'static Network,
        phase: Phase,
        batch: usize,
        size: [usize; 2],
    ) -> Result<Self> {
        let classes = network.classes;
        if phase == Phase::TrainingStep {
            let step = TrainingGraph::build(network, batch, size, classes, &Optimizer::adam())?;
            let outputs = vec![step.loss, step.logits];
            return Ok(PhaseGraph { graph: step.graph, outputs, updates: step.updates });
        }
        let model = network.build(Mode::Inference, batch, size, classes)?;
        let (mut graph, heads) = (model.graph, model.heads);
        let mut outputs = vec![heads.logits];
        if phase == Phase::GradCam && network.segments() {
            return Err(Error::usage(
                format!("{} gives a mask, whose classes Grad-CAM does not explain", network.name),
                "time or plan its forward pass and its training step",
            ));
        }
        if phase == Phase::GradCam {
            let class = graph.input(CLASS, [batch, classes])?;
            let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam])?[0];
            outputs.push(cam::grad_cam(&mut graph, heads.cam, gradient)?);
        }
        Ok(PhaseGraph { graph, outputs, updates: Vec::new() })
    }

    /// Its plan on an adapter, as `options` say; the gradients of an explanation have 32 bits.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge) when a tensor does not fit.
    pub fn plan(&self, capabilities: &Capabilities, options: &Options) -> Result<Plan> {
        let options = Options { single_from: &[CLASS], ..options.clone() };
        plan::build(&self.graph, &self.outputs, &self.updates, capabilities, &options)
    }

    /// What it computes, after fusion.
    ///
    /// # Errors
    /// Those of fusing.
    pub fn operations(&self) -> Result<Vec<Work>> {
        plan::operations(&self.graph, &self.outputs, &self.updates, &Options::default())
    }

    /// A session that has run once on images of zeros, so that all kernels are compiled.
    ///
    /// # Errors
    /// Those of planning and of the GPU.
    pub fn session(&self, gpu: &Arc<Gpu>) -> Result<Session> {
        let plan = self.plan(gpu.capabilities(), &session::options(gpu))?;
        let store = Store::new(gpu, &self.graph, 0)?;
        let mut session = Session::new(gpu, plan, &store)?;
        session.run()?;
        gpu.wait()?;
        Ok(session)
    }
}
