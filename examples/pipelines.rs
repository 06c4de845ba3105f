//! Every pipeline of the baseline as JSON, for `scripts/dawn/check`, which creates each of them in a
//! second implementation of WebGPU.
//!
//!     cargo run --example pipelines > pipelines.json

use std::collections::BTreeMap;
use std::error::Error;

use parula::bench::Subject;
use parula::ops::{Capabilities, Needs, REGISTRY};
use parula::plan::Plan;
use parula::shaders;
use serde_json::{Map, Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let adapter = Capabilities::default();
    let mut pipelines = BTreeMap::new();
    for case in REGISTRY.iter().flat_map(|entry| (entry.cases)()) {
        let subject = Subject::new(&case)?;
        let baseline = case.operation.variants().iter().filter(|v| v.needs == Needs::Nothing);
        for variant in baseline {
            // A variant need not do every shape.
            if let Ok(plan) = subject.plan(&adapter, Some(variant.name)) {
                add(&mut pipelines, &plan)?;
            }
        }
    }
    println!("{}", serde_json::to_string(&pipelines.into_values().collect::<Vec<_>>())?);
    Ok(())
}

/// Adds the pipelines of `plan`, each once.
fn add(pipelines: &mut BTreeMap<String, Value>, plan: &Plan) -> Result<(), Box<dyn Error>> {
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
        let wgsl = shaders::source_with(dispatch.shader, &dispatch.tiles, dispatch.texels)?;
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
