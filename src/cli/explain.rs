//! `parula explain`.

use clap::{Args, ValueEnum};

use super::{Global, print, print_json};
use crate::cam;
use crate::error::Result;
use crate::gpu;
use crate::graph::{Graph, Value, gradients};
use crate::models::{self, Mode};
use crate::ops::{Capabilities, Optimizer};
use crate::plan::{self, Options, Plan};
use crate::train::TrainingGraph;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula explain --model compact-xception\n  \
    parula explain --model compact-xception --for training --batch 32")]
pub struct Explain {
    /// The network, see `parula models`
    #[arg(long)]
    model: String,
    /// Images at once
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// What is computed
    #[arg(long = "for", default_value = "scores")]
    purpose: Purpose,
    /// The same as --for training
    #[arg(long)]
    train: bool,
    /// Height and width of the input instead of the usual ones
    #[arg(long)]
    size: Option<usize>,
    /// Print the graph too, as it is before fusion
    #[arg(long)]
    graph: bool,
    /// Plan for WebGPU's default limits instead of the GPU at hand
    #[arg(long)]
    baseline: bool,
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
        let capabilities = if self.baseline {
            Capabilities::default()
        } else {
            gpu::open(&global.choice())?.capabilities().clone()
        };
        let (graph, plan) = self.plan(&capabilities)?;
        if global.json {
            return print_json(&document(&plan));
        }
        let mut text = String::new();
        if self.graph {
            text += &format!("graph\n{graph}\nplan\n");
        }
        print(&(text + &plan.to_string()))
    }

    fn plan(&self, capabilities: &Capabilities) -> Result<(Graph, Plan)> {
        let network = models::find(&self.model)?;
        let size = self.size.map_or(network.input, |size| [size, size]);
        let batch = self.batch.max(1);
        let purpose = if self.train { Purpose::Training } else { self.purpose };
        let (graph, outputs, updates): (Graph, Vec<Value>, Vec<Value>) = match purpose {
            Purpose::Training => {
                let step = TrainingGraph::build(network, batch, size, 2, &Optimizer::adam())?;
                (step.graph, vec![step.loss, step.logits], step.updates)
            }
            Purpose::Scores => {
                let model = network.build(Mode::Inference, batch, size, 2)?;
                (model.graph, vec![model.heads.logits], Vec::new())
            }
            Purpose::Cam => {
                let model = network.build(Mode::Inference, batch, size, 2)?;
                let (mut graph, heads) = (model.graph, model.heads);
                let class = graph.input("class", [batch, 2])?;
                let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam])?[0];
                let map = (cam::find("gradcam")?.map)(&mut graph, heads.cam, gradient, 1.0)?;
                (graph, vec![heads.logits, map], Vec::new())
            }
        };
        let plan = plan::build(&graph, &outputs, &updates, capabilities, &Options::default())?;
        Ok((graph, plan))
    }
}

fn document(plan: &Plan) -> serde_json::Value {
    let steps = |steps: &[plan::Step]| -> Vec<serde_json::Value> {
        let step = |step: &plan::Step| {
            let kernels: Vec<String> =
                step.dispatches.iter().map(|d| format!("{}/{}", d.shader, d.entry)).collect();
            serde_json::json!({
                "layer": step.layer, "operation": step.operation, "what": step.what,
                "variant": step.variant, "shape": step.shape.dims(), "kernels": kernels,
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
