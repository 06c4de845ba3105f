//! Every case of every operation, in every variant: the GPU against the reference in double
//! precision, and every gradient against finite differences of that reference.
//!
//! `PARULA_ADAPTER` and `PARULA_BACKEND` choose the adapter, `PARULA_OPERATION` one operation.

mod common {
    pub mod adapter;
    pub mod lies;
}

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use common::adapter;
use common::lies::{LIES, Lie, UNSUPPORTED, build, lies_of, rounded, stored};
use parula::engine::autodiff::gradients;
use parula::engine::gpu::{Gpu, Precision};
use parula::engine::graph::{Graph, Value};
use parula::engine::kernel::Needs;
use parula::engine::ops::{Case, REGISTRY};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::tensor::Tensor;
use parula::lab::bench::Subject;

fn cases() -> Vec<(&'static str, Case)> {
    let only = std::env::var("PARULA_OPERATION").ok();
    REGISTRY
        .iter()
        .filter(|entry| only.as_ref().is_none_or(|only| only == entry.name))
        .flat_map(|entry| (entry.cases)().into_iter().map(|case| (entry.name, case)))
        .filter(|(_, case)| !case.bench_only)
        .collect()
}

/// Runs `graph` on the GPU and compares `wanted` with the reference.
fn compare(
    gpu: &Arc<Gpu>,
    graph: &Graph,
    given: &HashMap<String, Tensor<f64>>,
    wanted: &[Value],
    update: bool,
    options: &Options,
    tolerance: f64,
) -> Result<(), String> {
    let text = |error: parula::error::Error| error.to_string();
    let truth = evaluate(graph, given, wanted).map_err(text)?;
    let (outputs, updates) = if update { (&[][..], wanted) } else { (wanted, &[][..]) };
    let plan = plan::build(graph, outputs, updates, gpu.capabilities(), options).map_err(text)?;
    // A copy of what stands beside a result would hide what was written there.
    let is_copy = |layer: &str| layer.starts_with("concat/") && layer != "concat/stored";
    let copied = plan.steps.iter().find(|one| is_copy(&one.layer));
    assert!(copied.is_none(), "{} copies beside its result", copied.map_or("", |one| &one.layer));
    let store = Store::new(gpu, graph, 0).map_err(text)?;
    let mut session = Session::new(gpu, plan, &store).map_err(text)?;
    for (name, tensor) in given {
        let value = graph.find(name).unwrap();
        if matches!(graph.node(value).kind, parula::engine::graph::Kind::Variable(_)) {
            store.set(name, &tensor.narrow()).map_err(text)?;
        } else if session.plan().inputs.iter().any(|input| input.name == *name) {
            session.set(name, tensor.narrow().data()).map_err(text)?;
        }
    }
    session.run().map_err(text)?;
    for &value in wanted {
        let node = graph.node(value);
        let mut pairs = Vec::new();
        if update {
            let updates = node.operation().unwrap().updates();
            for &changed in updates {
                let input = node.inputs[changed];
                let name = graph.node(input).name.clone();
                let found = store.get(&[name]).map_err(text)?.remove(0);
                pairs.push((found, truth.get(input).unwrap()));
            }
        } else {
            pairs.push((session.read(&node.name).map_err(text)?, truth.get(value).unwrap()));
        }
        for (found, truth) in pairs {
            difference(&found, truth, tolerance).map_err(|why| format!("{}: {why}", node.name))?;
        }
    }
    Ok(())
}

/// Whether `found` equals `truth` up to `tolerance` times the largest magnitude.
fn difference(found: &Tensor, truth: &Tensor<f64>, tolerance: f64) -> Result<(), String> {
    if found.shape() != truth.shape() {
        return Err(format!("shape {} instead of {}", found.shape(), truth.shape()));
    }
    let scale = truth.data().iter().fold(1e-3f64, |most, value| most.max(value.abs()));
    for (index, (&a, &b)) in found.data().iter().zip(truth.data()).enumerate() {
        // Infinities have no difference.
        let apart = if f64::from(a) == b { 0.0 } else { (f64::from(a) - b).abs() / scale };
        if apart.is_nan() || apart > tolerance {
            return Err(format!("element {index} is {a}, the reference says {b} ({apart:.1e})"));
        }
    }
    Ok(())
}

fn report(what: &str, run: usize, failures: &[String]) {
    println!("{what}: {run} checks, {} failures", failures.len());
    assert!(run > 0, "no case was run");
    assert!(failures.is_empty(), "{what}:\n{}", failures.join("\n"));
}

fn kernels(checked: bool) {
    let mut gpu = adapter::open();
    gpu.check_shaders(checked);
    let gpu = Arc::new(gpu);
    let (mut run, mut failures) = (0, Vec::new());
    for (name, case) in cases() {
        for variant in case.operation.variants() {
            if !variant.needs.met_by(gpu.capabilities()) {
                println!("SKIPPED {name}/{}: the adapter lacks {:?}", variant.name, variant.needs);
                continue;
            }
            // The bounds checks are about indices, which all ways to lie share.
            let lies = if checked { &LIES[..1] } else { lies_of(variant) };
            for (lie, texels_from) in ways(&gpu, lies) {
                let (graph, given, output, _) = build(&case, lie, false);
                let update = !case.operation.updates().is_empty();
                let options =
                    Options { variant: Some(variant.name), texels_from, ..Options::default() };
                let result =
                    compare(&gpu, &graph, &given, &[output], update, &options, case.tolerance);
                // A variant may leave a shape or a way to lie to another.
                if matches!(&result, Err(why) if UNSUPPORTED.iter().any(|u| why.contains(u))) {
                    continue;
                }
                run += 1;
                if let Err(why) = result {
                    let through = if texels_from == 0 { ", through textures" } else { "" };
                    failures.push(format!(
                        "{name}/{} {} {lie:?}{through}: {why}",
                        variant.name, case.name
                    ));
                }
            }
        }
    }
    report("kernels", run, &failures);
}

/// The variant that is chosen, however the tensors lie, is one that computes the case.
#[test]
fn what_is_chosen_is_computed() {
    let gpu = Arc::new(adapter::open());
    let (mut run, mut failures) = (0, Vec::new());
    for (name, case) in cases().into_iter().filter(|(_, case)| case.operation.variants().len() > 1)
    {
        for lie in [LIES[0], LIES[2]] {
            let (graph, given, output, _) = build(&case, lie, false);
            let update = !case.operation.updates().is_empty();
            let options = Options::default();
            let result = compare(&gpu, &graph, &given, &[output], update, &options, case.tolerance);
            // A driver's own limit, for which a tensor can lie so that no variant is left.
            if matches!(&result, Err(why) if why.contains("this driver stops after")) {
                continue;
            }
            run += 1;
            if let Err(why) = result {
                failures.push(format!("{name} {} {lie:?}: {why}", case.name));
            }
        }
    }
    report("choices", run, &failures);
}

/// Every way to lie, read from buffers and, where the adapter gains by it, through textures.
fn ways(gpu: &Gpu, lies: &[Lie]) -> Vec<(Lie, u64)> {
    let from: &[u64] = if gpu.capabilities().texels > 0 { &[u64::MAX, 0] } else { &[u64::MAX] };
    lies.iter().flat_map(|&lie| from.iter().map(move |&from| (lie, from))).collect()
}

#[test]
fn every_kernel_equals_the_reference() {
    kernels(false);
}

#[test]
fn every_kernel_stays_within_its_arrays() {
    kernels(true);
}

#[test]
fn a_tile_of_another_size_computes_the_same_bits() {
    let gpu = Arc::new(adapter::open());
    if !gpu.capabilities().software {
        println!(
            "SKIPPED: a GPU's compiler may contract multiplications and additions of each differently"
        );
        return;
    }
    // Where the sum over pixels is split, as in a gradient of weights, its parts follow the tiles.
    let wanted = ["conv2d", "conv2d_input_gradient"];
    let cases = cases()
        .into_iter()
        .filter(|(name, case)| wanted.contains(name) && case.name.starts_with("over one tile"));
    let (mut run, mut failures) = (0, Vec::new());
    for (name, case) in cases {
        let subject = Subject::new(&case).unwrap();
        let inputs: Vec<Tensor> = case.tensors(7).iter().map(Tensor::narrow).collect();
        let mut families: HashMap<&str, (&str, Vec<u32>)> = HashMap::new();
        for variant in case.operation.variants() {
            if !variant.needs.met_by(gpu.capabilities())
                || subject.plan(gpu.capabilities(), Some(variant.name)).is_err()
            {
                continue;
            }
            let (mut session, store) = subject.session(&gpu, Some(variant.name), &inputs).unwrap();
            session.run().unwrap();
            let found = subject.results(&session, &store).unwrap().remove(0);
            let bits: Vec<u32> = found.data().iter().map(|value| value.to_bits()).collect();
            match families.get(variant.family) {
                None => {
                    families.insert(variant.family, (variant.name, bits));
                }
                Some((first, same)) => {
                    run += 1;
                    if *same != bits {
                        failures
                            .push(format!("{name}/{} and {first} on {}", variant.name, case.name));
                    }
                }
            }
        }
    }
    report("tiles", run, &failures);
}

#[test]
fn every_gradient_equals_finite_differences_and_runs_on_the_gpu() {
    let gpu = Arc::new(adapter::open());
    let (mut run, mut failures) = (0, Vec::new());
    for (name, case) in cases().into_iter().filter(|(_, case)| !case.differentiate.is_empty()) {
        let (mut graph, mut given, output, inputs) = build(&case, Lie::Dense, false);
        let shape = graph.shape(output).clone();
        let seed = graph.input("seed", shape.clone()).unwrap();
        let weights =
            Tensor::from_fn(shape, |index| f64::from(((index * 37 % 19) as f32 - 9.0) / 9.0));
        given.insert("seed".to_owned(), weights.clone());
        let wanted: Vec<Value> = case.differentiate.iter().map(|&index| inputs[index]).collect();
        let found = match gradients(&mut graph, output, seed, &wanted) {
            Ok(found) => found,
            Err(error) => {
                failures.push(format!("{name} {}: {error}", case.name));
                continue;
            }
        };
        let truth = evaluate(&graph, &given, &found).unwrap();
        let score = |given: &HashMap<String, Tensor<f64>>| -> f64 {
            let values = evaluate(&graph, given, &[output]).unwrap();
            let products = values.get(output).unwrap().data().iter().zip(weights.data());
            products.map(|(a, b)| a * b).sum()
        };
        for (&index, &gradient) in case.differentiate.iter().zip(&found) {
            let gradient = truth.get(gradient).unwrap();
            let scale = gradient.data().iter().fold(1e-3f64, |most, value| most.max(value.abs()));
            let key = format!("input_{index}");
            let count = gradient.data().len();
            for at in (0..count).step_by(count.div_ceil(25)) {
                let step = 1e-5;
                let mut at_offset = |offset: f64| {
                    let original = given[&key].data()[at];
                    given.get_mut(&key).unwrap().data_mut()[at] = original + offset;
                    let value = score(&given);
                    given.get_mut(&key).unwrap().data_mut()[at] = original;
                    value
                };
                let numeric = (at_offset(step) - at_offset(-step)) / (2.0 * step);
                let apart = (numeric - gradient.data()[at]).abs() / scale;
                run += 1;
                if apart.is_nan() || apart > 1e-4 {
                    failures.push(format!(
                        "{name} {}: gradient of input {index} at {at} is {}, by differences {numeric}",
                        case.name,
                        gradient.data()[at],
                    ));
                    break;
                }
            }
        }
        let tolerance = case.tolerance.max(2e-5);
        let result = compare(&gpu, &graph, &given, &found, false, &Options::default(), tolerance);
        if let Err(why) = result {
            failures.push(format!("{name} {} on the GPU: {why}", case.name));
        }
    }
    report("gradients", run, &failures);
}

// ---- in 16 bits ----

/// What rounding to 16 bits may change: 11 bits of precision, rounded to nearest or cut, which WGSL leaves
/// to the driver.
const HALF: f64 = 1.0 / 1024.0;

/// The adapter, if it has numbers of 16 bits.
fn in_halves() -> Option<Gpu> {
    match adapter::open_in(Precision::F16) {
        Ok(gpu) => Some(gpu),
        Err(why) => {
            println!("SKIPPED 16 bits: {why}");
            None
        }
    }
}

/// Bindings that the kernel for cooperative matrices alone has in 16 bits: shaders/convolution/conv2d_cooperative.wgsl.
const OF_MATRICES: [&str; 3] = ["left", "right", "out"];

/// Inputs are exact in 16 bits and sums are in 32, so all that differs from the reference is that results
/// are rounded once; variants that round what they multiply find it rounded.
fn halves(checked: bool) {
    let Some(mut gpu) = in_halves() else { return };
    gpu.check_shaders(checked);
    let gpu = Arc::new(gpu);
    let (mut run, mut failures) = (0, Vec::new());
    let (mut declared, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let matrices = gpu.capabilities().cooperative.is_some();
    if checked && !matrices {
        println!("SKIPPED kernels that round: the adapter lacks cooperative matrices");
        return;
    }
    for (name, case) in cases() {
        declared.extend(case.operation.halves().iter().map(|binding| (name, *binding)));
        for variant in case.operation.variants() {
            let rounds = variant.needs == Needs::Cooperative;
            if !variant.needs.met_by(gpu.capabilities()) {
                println!("SKIPPED {name}/{}: the adapter lacks {:?}", variant.name, variant.needs);
                continue;
            }
            // Other variants' indices are those that `kernels` has checked.
            if (checked || case.operation.halves().is_empty()) && !rounds {
                continue;
            }
            let lies = if checked { &LIES[..1] } else { lies_of(variant) };
            for (lie, texels_from) in ways(&gpu, lies) {
                let (graph, given, output, _) = build(&case, lie, true);
                let options = Options {
                    half: true,
                    fuse: false,
                    variant: Some(variant.name),
                    texels_from,
                    ..Options::default()
                };
                let tolerance = case.tolerance + HALF;
                let result = compare(&gpu, &graph, &given, &[output], false, &options, tolerance);
                if matches!(&result, Err(why) if UNSUPPORTED.iter().any(|u| why.contains(u))) {
                    continue;
                }
                run += 1;
                if let Err(why) = result {
                    failures.push(format!("{name}/{} {} {lie:?}: {why}", variant.name, case.name));
                }
                let plan =
                    plan::build(&graph, &[output], &[], gpu.capabilities(), &options).unwrap();
                let own = plan.steps.iter().filter(|step| step.layer == "output");
                let halves = own.flat_map(|step| &step.dispatches).flat_map(|one| &one.halves);
                seen.extend(halves.map(|binding| (name, *binding)));
            }
        }
    }
    report("kernels that store halves", run, &failures);
    let missing = declared.difference(&seen);
    let missing: Vec<_> =
        missing.filter(|(_, binding)| matrices || !OF_MATRICES.contains(binding)).collect();
    assert!(checked || missing.is_empty(), "never stored in 16 bits: {missing:?}");
}

#[test]
fn every_kernel_stores_halves() {
    halves(false);
}

#[test]
fn kernels_that_round_stay_within_their_arrays() {
    halves(true);
}

/// Gradients pass several kernels, each of which rounds what it stores.
#[test]
fn every_gradient_of_halves_equals_the_reference() {
    let Some(gpu) = in_halves() else { return };
    let gpu = Arc::new(gpu);
    let (mut run, mut failures) = (0, Vec::new());
    for (name, case) in cases().into_iter().filter(|(_, case)| !case.differentiate.is_empty()) {
        let (mut graph, mut given, output, inputs) = build(&case, Lie::Dense, true);
        let shape = graph.shape(output).clone();
        let seed = graph.input("seed", shape.clone()).unwrap();
        let weights = |index: usize| rounded(f64::from(((index * 37 % 19) as f32 - 9.0) / 9.0));
        given.insert("seed".to_owned(), Tensor::from_fn(shape, weights));
        let seed = stored(&mut graph, seed);
        let wanted: Vec<Value> = case.differentiate.iter().map(|&index| inputs[index]).collect();
        let found = gradients(&mut graph, output, seed, &wanted).unwrap();
        let found: Vec<Value> = found.into_iter().map(|one| stored(&mut graph, one)).collect();
        let options = Options { half: true, fuse: false, ..Options::default() };
        run += 1;
        let tolerance = case.tolerance.max(2e-5) + 4.0 * HALF;
        let result = compare(&gpu, &graph, &given, &found, false, &options, tolerance);
        if let Err(why) = result {
            failures.push(format!("{name} {}: {why}", case.name));
        }
    }
    report("gradients of halves", run, &failures);
}
