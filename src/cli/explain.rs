//! `parula explain`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::network::size;
use super::{Global, Numbers, at_least_one, print, print_json};
use crate::engine::graph::{Graph, Kind, Role};
use crate::engine::kernel::Capabilities;
use crate::engine::plan::{self, Options, Plan, planning};
use crate::engine::session;
use crate::error::Result;
use crate::lab::bench::{Phase, PhaseGraph};
use crate::nets::keras;
use crate::nets::models::{self, Mode, Network};
use crate::nets::weights::Raw;

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  parula explain model.keras\n  parula explain --model compact-xception\n  \
    parula explain --model compact-xception --for training --batch 32"
)]
pub struct Explain {
    /// A model's own file, .keras or .h5: its layers are listed, too, and the one that is explained by
    /// default is marked
    #[arg(value_name = "MODEL.keras", required_unless_present = "model")]
    file: Option<PathBuf>,
    /// The network, see `parula models`
    #[arg(long, conflicts_with = "file")]
    model: Option<String>,
    /// Images at once [32, or as many of them as fit]
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// What is computed
    #[arg(long = "for", default_value = "scores")]
    purpose: Phase,
    /// The same as --for training
    #[arg(long)]
    train: bool,
    /// Height and width of the input, as 224 or 96x160, instead of the usual ones
    #[arg(long, value_parser = size)]
    size: Option<[usize; 2]>,
    /// Print the graph too, as it is before fusion
    #[arg(long)]
    graph: bool,
    /// Plan for WebGPU's default limits instead of the GPU at hand
    #[arg(long)]
    baseline: bool,
    #[command(flatten)]
    numbers: Numbers,
}

impl Explain {
    pub fn run(&self, global: &Global) -> Result<()> {
        let network = match (&self.file, &self.model) {
            (Some(path), _) => keras::open(Raw::read(path)?, self.size)?.network,
            (None, name) => models::find_any(name.as_deref().unwrap_or_default())?,
        };
        let (graph, plan) = if self.baseline {
            self.plan(network, &Capabilities::default(), &Options::default())?
        } else {
            let gpu = global.open(self.numbers.precision)?;
            self.plan(network, gpu.capabilities(), &session::options(&gpu))?
        };
        let layers = match network.described() {
            true => self.layers(network)?,
            false => Vec::new(),
        };
        if global.json {
            let mut document = document(&plan);
            if network.described() {
                document["cam_layer"] = network.cam_layer.into();
                document["input"] = network.input.to_vec().into();
                document["layers"] = serde_json::json!(layers);
            }
            return print_json(&document);
        }
        let mut text = String::new();
        for layer in &layers {
            let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
            let numbers = match (layer.parameters, layer.trainable) {
                (0, _) => String::new(),
                (count, true) => format!("  {count} parameters"),
                (count, false) => format!("  {count} parameters, frozen"),
            };
            let mark =
                if layer.name == network.cam_layer { "  <- explained by default" } else { "" };
            text += &format!(
                "{:<40} {:<24} {:<16}{numbers}{mark}\n",
                layer.name,
                layer.class,
                shape.join("x")
            );
        }
        if self.graph {
            text += &format!("graph\n{graph}\nplan\n");
        }
        print(&(text + &plan.to_string()))
    }

    /// The layers of a model that a file describes.
    fn layers(&self, network: &'static Network) -> Result<Vec<Listed>> {
        let size = self.size.unwrap_or(network.input);
        let model = network.build(Mode::Inference, 1, size, network.classes)?;
        let graph = &model.graph;
        let listed = model.layers.iter().map(|layer| {
            let variables = layer.weights.iter().filter_map(|name| graph.find(name));
            let (mut parameters, mut trainable) = (0, false);
            for value in variables {
                let node = graph.node(value);
                parameters += node.shape.elements();
                trainable |=
                    matches!(&node.kind, Kind::Variable(own) if own.role == Role::Trainable);
            }
            Listed {
                name: layer.name.clone(),
                class: layer.class,
                shape: graph.shape(layer.output).dims()[1..].to_vec(),
                parameters,
                trainable,
            }
        });
        Ok(listed.collect())
    }

    fn plan(
        &self,
        network: &'static Network,
        capabilities: &Capabilities,
        options: &Options,
    ) -> Result<(Graph, Plan)> {
        let size = self.size.unwrap_or(network.input);
        let phase = if self.train { Phase::TrainingStep } else { self.purpose };
        let (_, made) = planning(self.batch, |batch| {
            let graph = PhaseGraph::new(network, phase, batch, size)?;
            let plan = graph.plan(capabilities, options)?;
            Ok((graph.graph, plan))
        })?;
        Ok(made)
    }
}

/// A line of the list.
#[derive(Serialize)]
struct Listed {
    name: String,
    class: &'static str,
    shape: Vec<usize>,
    parameters: usize,
    trainable: bool,
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
