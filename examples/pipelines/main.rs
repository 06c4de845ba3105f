//! Every pipeline, for compilers that are not ours.
//!
//!     cargo run --example pipelines > pipelines.json      the baseline, for `scripts/dawn/check`
//!     cargo run --example pipelines -- --hlsl FOLDER      what DX12 is given, for `scripts/hlsl-check`
//!     cargo run --example pipelines -- --page FILE        a page that runs the kernels' cases, for `scripts/kernels-check`

mod hlsl;
#[path = "../../tests/common/lies.rs"]
mod lies;
mod page;

use std::collections::BTreeMap;
use std::path::Path;

use parula::engine::autodiff::gradients;
use parula::engine::kernel::{Capabilities, Needs};
use parula::engine::ops::{Optimizer, REGISTRY};
use parula::engine::plan::{self, Dispatch, Options, Plan};
use parula::engine::shaders;
use parula::error::Error;
use parula::lab::bench::Subject;
use parula::nets::cam;
use parula::nets::models::{Mode, NETWORKS};
use parula::nets::train::TrainingGraph;
use serde_json::{Map, Value, json};

/// What went wrong, if anything.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Dispatches by what makes their pipelines differ, each once.
type Pipelines = BTreeMap<String, Dispatch>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let mut pipelines = Pipelines::new();
            of_cases(&mut pipelines, &Capabilities::default(), false)?;
            of_networks(&mut pipelines, &Capabilities::default())?;
            let all: Vec<Value> = pipelines.values().map(described).collect::<Outcome<_>>()?;
            println!("{}", serde_json::to_string(&all)?);
            Ok(())
        }
        ["--hlsl", folder] => hlsl::write(Path::new(folder)),
        ["--page", file] => page::write(Path::new(file)),
        _ => Err("usage: pipelines [--hlsl FOLDER | --page FILE]".into()),
    }
}

/// A pipeline as WebGPU takes it.
fn described(dispatch: &Dispatch) -> Outcome<Value> {
    let number = |(name, value): &(&'static str, f64)| ((*name).to_owned(), json!(value));
    let constants: Map<String, Value> = dispatch.constants.iter().map(number).collect();
    let wgsl =
        shaders::source_with(dispatch.shader, &dispatch.tiles, dispatch.texels, &dispatch.halves)?;
    Ok(json!({
        "shader": dispatch.shader,
        "wgsl": shaders::without_subgroups(&wgsl),
        "entry": dispatch.entry,
        "constants": constants,
    }))
}

/// Adds what the cases of all operations run on `adapter`: in the variants that need nothing, or in `every`
/// one that it can do.
fn of_cases(pipelines: &mut Pipelines, adapter: &Capabilities, every: bool) -> Outcome {
    for case in REGISTRY.iter().flat_map(|entry| (entry.cases)()) {
        let mut subject = Subject::new(&case)?;
        if every {
            subject.texels_from = 0;
        }
        for variant in case.operation.variants() {
            let wanted = variant.needs == Needs::Nothing || every;
            if !wanted || !variant.needs.met_by(adapter) {
                continue;
            }
            match subject.plan(adapter, Some(variant.name)) {
                Ok(plan) if every && adapter.f16 => {
                    add(pipelines, &plan, &[])?;
                    add(pipelines, &plan, case.operation.halves())?;
                }
                Ok(plan) => add(pipelines, &plan, &[])?,
                // A variant need not do every shape.
                Err(Error::Shape { .. } | Error::TooLarge { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Adds what the networks run on `adapter`, in training and to explain.
fn of_networks(pipelines: &mut Pipelines, adapter: &Capabilities) -> Outcome {
    for network in NETWORKS {
        let step = TrainingGraph::build(network, 2, network.input, 2, &Optimizer::adam())?;
        let outputs = [step.loss, step.logits];
        let options = Options::default();
        let plan = plan::build(&step.graph, &outputs, &step.updates, adapter, &options)?;
        add(pipelines, &plan, &[])?;

        let model = network.build(Mode::Inference, 2, network.input, 2)?;
        let (mut graph, heads) = (model.graph, model.heads);
        let class = graph.input("class", graph.shape(heads.logits).clone())?;
        let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam])?[0];
        let map = cam::grad_cam(&mut graph, heads.cam, gradient)?;
        add(pipelines, &plan::build(&graph, &[heads.logits, map], &[], adapter, &options)?, &[])?;
    }
    Ok(())
}

/// Adds the pipelines of `plan`, each once; those of `halves` that they reach are in 16 bits.
fn add(pipelines: &mut Pipelines, plan: &Plan, halves: &[&'static str]) -> Outcome {
    for dispatch in plan.setup.iter().chain(&plan.steps).flat_map(|step| &step.dispatches) {
        let mut dispatch = dispatch.clone();
        if !halves.is_empty() {
            let interface = shaders::interface(dispatch.shader, dispatch.entry, dispatch.texels)?;
            let reached =
                |half: &&&'static str| interface.bindings.iter().any(|bound| bound.name == **half);
            dispatch.halves = halves.iter().filter(reached).copied().collect();
        }
        let key = format!(
            "{}/{} {:?} {:?} {} {:?}",
            dispatch.shader,
            dispatch.entry,
            dispatch.constants,
            dispatch.tiles,
            dispatch.texels,
            dispatch.halves,
        );
        pipelines.entry(key).or_insert(dispatch);
    }
    Ok(())
}
