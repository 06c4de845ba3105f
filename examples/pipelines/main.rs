//! Every pipeline of the baseline as JSON, for `scripts/dawn/check`, which creates each of them in a
//! second implementation of WebGPU.
//!
//!     cargo run --example pipelines > pipelines.json

use std::collections::BTreeMap;

use parula::engine::graph::gradients;
use parula::engine::ops::{Capabilities, Needs, Optimizer, REGISTRY};
use parula::engine::plan::{self, Options, Plan};
use parula::engine::shaders;
use parula::error::Error;
use parula::lab::bench::Subject;
use parula::nets::cam;
use parula::nets::models::{Mode, NETWORKS};
use parula::nets::train::TrainingGraph;
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let adapter = Capabilities::default();
    let mut pipelines = BTreeMap::new();
    for case in REGISTRY.iter().flat_map(|entry| (entry.cases)()) {
        let subject = Subject::new(&case)?;
        let baseline = case.operation.variants().iter().filter(|v| v.needs == Needs::Nothing);
        for variant in baseline {
            match subject.plan(&adapter, Some(variant.name)) {
                Ok(plan) => add(&mut pipelines, &plan)?,
                // A variant need not do every shape.
                Err(Error::Shape { .. } | Error::TooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    for network in NETWORKS {
        let step = TrainingGraph::build(network, 2, network.input, 2, &Optimizer::adam())?;
        let outputs = [step.loss, step.logits];
        let options = Options::default();
        add(
            &mut pipelines,
            &plan::build(&step.graph, &outputs, &step.updates, &adapter, &options)?,
        )?;

        let model = network.build(Mode::Inference, 2, network.input, 2)?;
        let (mut graph, heads) = (model.graph, model.heads);
        let class = graph.input("class", graph.shape(heads.logits).clone())?;
        let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam])?[0];
        let map = cam::grad_cam(&mut graph, heads.cam, gradient)?;
        add(&mut pipelines, &plan::build(&graph, &[heads.logits, map], &[], &adapter, &options)?)?;
    }
    println!("{}", serde_json::to_string(&pipelines.into_values().collect::<Vec<_>>())?);
    Ok(())
}

/// Adds the pipelines of `plan`, each once.
fn add(
    pipelines: &mut BTreeMap<String, Value>,
    plan: &Plan,
) -> Result<(), Box<dyn std::error::Error>> {
    for dispatch in plan.setup.iter().chain(&plan.steps).flat_map(|step| &step.dispatches) {
        let constants: Map<String, Value> = dispatch
            .constants
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let key =
            format!("{}/{} {constants:?} {:?}", dispatch.shader, dispatch.entry, dispatch.tiles);
        if pipelines.contains_key(&key) {
            continue;
        }
        let wgsl = shaders::source_with(
            dispatch.shader,
            &dispatch.tiles,
            dispatch.texels,
            &dispatch.halves,
        )?;
        let pipeline = json!({
            "shader": dispatch.shader,
            "wgsl": shaders::without_subgroups(&wgsl),
            "entry": dispatch.entry,
            "constants": constants,
        });
        pipelines.insert(key, pipeline);
    }
    Ok(())
}
