//! Tensors that share memory: whatever looks into whatever, each is what its operations say. Graphs are drawn at
//! random of views, concatenations and what computes, and run on the GPU beside the reference.

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::sync::Arc;

use common::adapter;
use parula::engine::gpu::Gpu;
use parula::engine::graph::{Graph, Init, Role, Value};
use parula::engine::kernel::Capabilities;
use parula::engine::ops::{
    Concat, Conv2d, Elementwise, Instruction, Padding, Reshape, SliceChannels, Window,
};
use parula::engine::plan::{self, Options};
use parula::engine::session::{self, Session, Store, evaluate};
use parula::engine::tensor::Tensor;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What `wanted` are on the GPU and by the reference, apart by at most a rounding.
fn equal(gpu: &Arc<Gpu>, graph: &Graph, wanted: &[Value]) -> Result<(), String> {
    let options = session::options(gpu);
    let plan = plan::build(graph, wanted, &[], gpu.capabilities(), &options).unwrap();
    equal_by(gpu, graph, wanted, plan)
}

/// The same of a plan where every step runs by rung number `rung` of its ladder, and whether any does.
fn equal_on(gpu: &Arc<Gpu>, graph: &Graph, wanted: &[Value], rung: usize) -> Result<bool, String> {
    let plain = Capabilities { texels: 0, ..gpu.capabilities().clone() };
    let options = Options { rungs: Some(plain.clone()), ..Options::default() };
    let plan = plan::build(graph, wanted, &[], &plain, &options).unwrap();
    let some = plan.steps.iter().any(|step| rung < step.rungs.len());
    let changed = plan.clone().on_rungs(|_| Some(rung));
    assert_eq!(some, changed.steps != plan.steps, "a rung is another kernel");
    equal_by(gpu, graph, wanted, changed).map(|()| some)
}

fn equal_by(
    gpu: &Arc<Gpu>,
    graph: &Graph,
    wanted: &[Value],
    plan: plan::Plan,
) -> Result<(), String> {
    let x = Tensor::<f64>::from_fn([2, 3, 5, 4], |at| (at as f64 * 0.37).sin());
    let w = Tensor::<f64>::from_fn([1, 1, 4, 4], |at| (at as f64 * 0.71).cos());
    let given: HashMap<String, Tensor<f64>> =
        [("x".to_owned(), x.clone()), ("w".to_owned(), w.clone())].into();
    let truth = evaluate(graph, &given, wanted).unwrap();
    let store = Store::new(gpu, graph, 0).unwrap();
    let mut session = Session::new(gpu, plan, &store).unwrap();
    for (name, tensor) in [("x", &x), ("w", &w)] {
        if session.plan().inputs.iter().any(|input| input.name == name) {
            session.set(name, tensor.narrow().data()).unwrap();
        }
    }
    session.run().unwrap();
    for &value in wanted {
        let name = &graph.node(value).name;
        let found = session.read(name).unwrap();
        let truth = truth.get(value).unwrap();
        let most = found
            .data()
            .iter()
            .zip(truth.data())
            .fold(0.0f64, |most, (&a, &b)| most.max((f64::from(a) - b).abs()));
        let largest = truth.data().iter().fold(1.0f64, |most, value| most.max(value.abs()));
        if most.is_nan() || most > 1e-5 * largest {
            return Err(format!("{name} is {most:.1e} off"));
        }
    }
    Ok(())
}

fn start() -> (Graph, Value, Value) {
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 3, 5, 4]).unwrap();
    let w = graph.input("w", [1, 1, 4, 4]).unwrap();
    (graph, x, w)
}

/// A tensor that is written into a concatenation has gaps between its rows there; who reads it under another
/// shape must not see them.
#[test]
fn a_part_of_a_concatenation_is_reshaped_without_its_neighbours() {
    let gpu = Arc::new(adapter::open());
    let (mut graph, x, _) = start();
    let y = graph.add("y", Elementwise::one(Instruction::Scale(2.0)), &[x]).unwrap();
    let z = graph.add("z", Elementwise::one(Instruction::Offset(1.0)), &[x]).unwrap();
    let all = graph.add("all", Concat, &[y, z]).unwrap();
    let turned = graph.add("turned", Reshape([2, 5, 3, 4].into()), &[y]).unwrap();
    let relu = graph.add("relu", Elementwise::relu(), &[turned]).unwrap();
    for wanted in [&[all, relu][..], &[all, turned], &[turned, all, y]] {
        equal(&gpu, &graph, wanted).unwrap();
    }
}

/// The versions of a step share its memory, and may have scratch memory of their own: whichever runs, the others'
/// values stay what they are.
#[test]
fn every_rung_runs_in_place_of_what_was_chosen() {
    let gpu = Arc::new(adapter::open());
    let (mut graph, x, w) = start();
    let window = Window::square(1, 1, Padding::Valid);
    let y = graph.add("y", Conv2d::new(window), &[x, w]).unwrap();
    let z = graph.add("z", Elementwise::relu(), &[y]).unwrap();
    let all = graph.add("all", Concat, &[y, z, x]).unwrap();
    let last = graph.add("last", Conv2d::new(window), &[z, w]).unwrap();
    let climbed = (0..20).take_while(|&rung| equal_on(&gpu, &graph, &[all, last], rung).unwrap());
    let climbed = climbed.count();
    assert!(climbed > 2, "{climbed} rungs");
}

const INIT: Init = Init::HeNormal { fan_in: 72 };

/// What is made of weights alone is made once, and kept beside what shares memory: the bits are those of a plan that makes
/// it at every run, and of other weights it is made again.
#[test]
fn what_is_prepared_of_weights_is_kept_until_they_change() {
    let gpu = Arc::new(adapter::open());
    let mut graph = Graph::new();
    let x = graph.input("x", [2, 9, 7, 8]).unwrap();
    let window = Window::square(3, 1, Padding::Same);
    let mut last = x;
    for name in ["a", "b", "c"] {
        let w = graph.variable(name, [3, 3, 8, 8], Role::Trainable, INIT).unwrap();
        last = graph.add(format!("conv {name}"), Conv2d::new(window), &[last, w]).unwrap();
        last = graph.add(format!("relu {name}"), Elementwise::relu(), &[last]).unwrap();
    }
    let plan = |prepare, updates: &[Value]| {
        let options = Options { prepare, variant: Some("winograd"), ..session::options(&gpu) };
        plan::build(&graph, &[last], updates, gpu.capabilities(), &options).unwrap()
    };
    let (once, always) = (plan(true, &[]), plan(false, &[]));
    assert_eq!((once.setup.len(), always.setup.len()), (3, 0));
    assert_eq!(once.dispatches() + 3, always.dispatches());
    let store = Store::new(&gpu, &graph, 7).unwrap();
    let mut sessions = [once, always].map(|plan| Session::new(&gpu, plan, &store).unwrap());
    let numbers = Tensor::<f64>::from_fn([2, 9, 7, 8], |at| (at as f64 * 0.37).sin()).narrow();
    let name = &graph.node(last).name;
    let mut both = || {
        let found = sessions.each_mut().map(|session| {
            session.set("x", numbers.data()).unwrap();
            session.run().unwrap();
            session.run().unwrap();
            session.read(name).unwrap()
        });
        assert_eq!(found[0], found[1]);
        found[0].clone()
    };
    let before = both();
    let turned = Tensor::<f64>::from_fn([3, 3, 8, 8], |at| (at as f64 * 0.71).cos()).narrow();
    store.set("b", &turned).unwrap();
    assert_ne!(both(), before);
}

/// Where it takes more memory than there is, it is made at every run.
#[test]
fn nothing_is_prepared_that_does_not_fit() {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, 8, 8, 16]).unwrap();
    let window = Window::square(3, 1, Padding::Same);
    let mut last = x;
    for at in 0..4 {
        let w = graph.variable(format!("w{at}"), [3, 3, 16, 16], Role::Trainable, INIT);
        last = graph.add(format!("conv {at}"), Conv2d::new(window), &[last, w.unwrap()]).unwrap();
    }
    let options = Options { variant: Some("winograd"), ..Options::default() };
    let plan = |memory| {
        let capabilities = Capabilities { memory, ..Capabilities::default() };
        plan::build(&graph, &[last], &[], &capabilities, &options).unwrap()
    };
    let roomy = plan(u64::MAX);
    assert_eq!(roomy.setup.len(), 4);
    let tight = plan(roomy.peak_bytes - 1);
    assert!(tight.setup.is_empty() && tight.peak_bytes < roomy.peak_bytes);
}

#[test]
fn whatever_shares_memory_is_what_its_operations_say() {
    let gpu = Arc::new(adapter::open());
    let mut wrong = Vec::new();
    for seed in 0..400 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut graph, x, w) = start();
        let mut all = vec![x];
        for index in 0..random.random_range(4..12) {
            let &a = all.choose(&mut random).unwrap();
            let shape = graph.shape(a).clone();
            let Some([n, h, width, c]) = shape.nhwc() else { continue };
            let name = format!("n{index}");
            let same = |graph: &Graph, value: &Value| {
                graph.shape(*value).nhwc().is_some_and(|dims| dims[..3] == [n, h, width])
            };
            let made = match random.random_range(0..7) {
                0 => graph.add(name, Elementwise::relu(), &[a]),
                1 => graph.add(name, Elementwise::one(Instruction::Scale(-0.75)), &[a]),
                2 | 3 => {
                    let alike: Vec<Value> =
                        all.iter().copied().filter(|value| same(&graph, value)).collect();
                    let count = random.random_range(2..=3);
                    let parts: Vec<Value> =
                        (0..count).filter_map(|_| alike.choose(&mut random).copied()).collect();
                    if parts.iter().map(|&part| graph.shape(part).channels()).sum::<usize>() > 64 {
                        continue;
                    }
                    graph.add(name, Concat, &parts)
                }
                4 => {
                    let to = *[[n, width, h, c], [n, h * width, 1, c], [n, h, width * c, 1]]
                        .choose(&mut random)
                        .unwrap();
                    graph.add(name, Reshape(to.into()), &[a])
                }
                5 if c > 1 => {
                    let start = random.random_range(0..c);
                    let count = random.random_range(1..=c - start);
                    graph.add(name, SliceChannels { start, count }, &[a])
                }
                6 if c == 4 => {
                    let window = Window::square(1, 1, Padding::Valid);
                    graph.add(name, Conv2d::new(window), &[a, w])
                }
                _ => continue,
            };
            all.push(made.unwrap());
        }
        let outputs: Vec<Value> = all
            .iter()
            .copied()
            .skip(1)
            .filter(|_| random.random_bool(0.5))
            .chain(all.last().copied().filter(|&last| last != x))
            .collect();
        let mut wanted = outputs.clone();
        wanted.sort();
        wanted.dedup();
        if wanted.is_empty() {
            continue;
        }
        if let Err(problem) = equal(&gpu, &graph, &wanted) {
            wrong.push(format!("graph {seed}: {problem}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
