//! `parula explain`.

use clap::{Args, ValueEnum};

use super::{Global, Numbers, at_least_one, print, print_json};
use crate::bench::{Phase, PhaseGraph};
use crate::error::Result;
use crate::graph::Graph;
use crate::models;
use crate::ops::Capabilities;
use crate::plan::{self, Options, Plan, fitting};
use crate::session;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula explain --model compact-xception\n  \
    parula explain --model compact-xception --for training --batch 32")]
pub struct Explain {
    /// The network, see `parula models`
    #[arg(long)]
    model: String,
    /// Images at once
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    batch: usize,
    /// What is computed
    #[arg(long = "for", default_value = "scores")]
    purpose: Purpose,
    /// The same as --for training
    #[arg(long)]
    train: bool,
    /// Height and width of the input instead of the usual ones
    #[arg(long, value_parser = at_least_one)]
    size: Option<usize>,
    /// Print the graph too, as it is before fusion
    #[arg(long)]
    graph: bool,
    /// Plan for WebGPU's default limits instead of the GPU at hand
    #[arg(long)]
    baseline: bool,
    #[command(flatten)]
    numbers: Numbers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// Class scores
    Scores,
    /// Class scores and their Grad-CAM
    Cam,
    /// A training step
    Training,
}

impl Explain {
    pub fn run(&self, global: &Global) -> Result<()> {
        let (graph, plan) = if self.baseline {
            self.plan(&Capabilities::default(), &Options::default())?
        } else {
            let gpu = global.open(self.numbers.precision)?;
            self.plan(gpu.capabilities(), &session::options(&gpu))?
        };
        if global.json {
            return print_json(&document(&plan));
        }
        let mut text = String::new();
        if self.graph {
            text += &format!("graph\n{graph}\nplan\n");
        }
        print(&(text + &plan.to_string()))
    }

    fn plan(&self, capabilities: &Capabilities, options: &Options) -> Result<(Graph, Plan)> {
        let network = models::find_any(&self.model)?;
        let size = self.size.map_or(network.input, |size| [size, size]);
        let phase = match self.purpose {
            _ if self.train => Phase::TrainingStep,
            Purpose::Scores => Phase::Forward,
            Purpose::Cam => Phase::GradCam,
            Purpose::Training => Phase::TrainingStep,
        };
        fitting(self.batch, |batch| {
            let graph = PhaseGraph::new(network, phase, batch, size)?;
            let plan = graph.plan(capabilities, options)?;
            Ok((graph.graph, plan))
        })
    }
}

fn document(plan: &Plan) -> serde_json::Value {
    let steps = |steps: &[plan::Step]| -> Vec<serde_json::Value> {
        let step = |step: &plan::Step| {
            let kernels: Vec<String> =
                step.dispatches.iter().map(|d| format!("{}/{}", d.shader, d.entry)).collect();
            serde_json::json!({
                "layer": step.layer, "operation": step.operation, "what": step.what,
                "variant": step.variant, "tuned": step.tuned, "shape": step.shape.dims(), "kernels": kernels,
                "memory": step.output.as_ref().map(|place| place.memory.to_string()),
                "flops": step.flops, "bytes": step.bytes,
            })
        };
        steps.iter().map(step).collect()
    };
    serde_json::json!({
        "setup": steps(&plan.setup), "steps": steps(&plan.steps), "flops": plan.flops(),
        "dispatches": plan.dispatches(), "pipelines": plan.pipelines(), "slots": plan.slots,
        "peak_bytes": plan.peak_bytes, "live_bytes": plan.live_bytes,
        "variable_bytes": plan.variables.bytes(),
    })
}
