//! Optimisers against Keras: five steps with gradients that vary, by the reference and on the GPU.
//! `tests/reference/optimizers.py` wrote the numbers.

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::sync::Arc;

use common::adapter;
use parula::engine::graph::{Graph, Init, Role, Value};
use parula::engine::ops::{Optimize, Optimizer, Pack};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::tensor::Tensor;

#[derive(serde::Deserialize)]
struct Golden {
    start: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    runs: Vec<Run>,
}

#[derive(serde::Deserialize)]
struct Run {
    optimizer: String,
    learning_rate: f64,
    parameters: Vec<Vec<f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("reference/optimizers.json")).unwrap()
}

fn optimizer(name: &str) -> Optimizer {
    match name {
        "sgd" => Optimizer::sgd(),
        "sgd momentum" => Optimizer::Sgd { momentum: 0.9, nesterov: false },
        "sgd nesterov" => Optimizer::Sgd { momentum: 0.9, nesterov: true },
        "adam" => Optimizer::adam(),
        "nadam" => Optimizer::nadam(),
        "rmsprop" => Optimizer::rms_prop(),
        "rmsprop momentum" => Optimizer::RmsProp { rho: 0.9, momentum: 0.8, epsilon: 1e-7 },
        other => panic!("no optimizer {other}"),
    }
}

/// Two variables of 4 and 2 elements, packed as a training step packs them, and their update.
fn graph(optimizer: Optimizer) -> (Graph, Value) {
    let mut graph = Graph::new();
    let zero = Init::Constant(0.0);
    let a = graph.variable("a", [4], Role::Trainable, zero.clone()).unwrap();
    let b = graph.variable("b", [2], Role::Trainable, zero.clone()).unwrap();
    let parameters = graph.add("parameters", Pack, &[a, b]).unwrap();
    let da = graph.input("da", [4]).unwrap();
    let db = graph.input("db", [2]).unwrap();
    let gradients = graph.add("gradients", Pack, &[da, db]).unwrap();
    let hyper = graph.input("hyper", [8]).unwrap();
    let loss = graph.input("loss", [1]).unwrap();
    let mut inputs = vec![parameters, gradients, hyper, loss];
    for state in optimizer.states() {
        inputs.push(graph.variable(*state, [8], Role::Optimizer, zero.clone()).unwrap());
    }
    let update = graph.add("update", Optimize { optimizer }, &inputs).unwrap();
    (graph, update)
}

fn tensor<T: Copy + Default>(values: impl IntoIterator<Item = T>) -> Tensor<T> {
    let values: Vec<T> = values.into_iter().collect();
    Tensor::new([values.len()], values).unwrap()
}

/// The relative difference of two numbers, absolute below 1.
fn apart(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs().max(1.0)
}

#[test]
fn the_reference_equals_keras() {
    let golden = golden();
    for run in &golden.runs {
        let optimizer = optimizer(&run.optimizer);
        let operation: &dyn parula::engine::graph::Operation = &Optimize { optimizer };
        let mut tensors = vec![tensor(golden.start.clone())];
        tensors.extend(optimizer.states().iter().map(|_| Tensor::zeros([golden.start.len()])));
        for (step, (gradient, wanted)) in golden.gradients.iter().zip(&run.parameters).enumerate() {
            let hyper = optimizer.hyper(run.learning_rate, step as u64 + 1).map(f64::from);
            let (gradient, hyper, loss) =
                (tensor(gradient.iter().copied()), tensor(hyper), tensor([0.5]));
            let mut inputs = vec![&tensors[0], &gradient, &hyper, &loss];
            inputs.extend(&tensors[1..]);
            tensors = operation.reference(&inputs);
            for (found, wanted) in tensors[0].data().iter().zip(wanted) {
                // Only the hyperparameters were rounded to single precision.
                let name = &run.optimizer;
                assert!(
                    apart(*found, *wanted) < 1e-7,
                    "{name}, step {step}: {found}, Keras {wanted}"
                );
            }
        }
    }
}

#[test]
fn the_gpu_equals_keras_and_leaves_all_alone_after_a_bad_loss() {
    let gpu = Arc::new(adapter::open());
    let golden = golden();
    for run in &golden.runs {
        let optimizer = optimizer(&run.optimizer);
        let (graph, update) = graph(optimizer);
        let options = Options::default();
        let plan = plan::build(&graph, &[], &[update], gpu.capabilities(), &options).unwrap();
        let chosen: Vec<_> = plan.steps.iter().map(|s| (s.operation, s.variant)).collect();
        assert!(chosen.contains(&("optimizer", "fours")), "{chosen:?}");
        let store = Store::new(&gpu, &graph, 0).unwrap();
        let start = tensor(golden.start.iter().map(|&value| value as f32));
        store.set("a", &tensor(start.data()[..4].iter().copied())).unwrap();
        store.set("b", &tensor(start.data()[4..].iter().copied())).unwrap();
        let mut session = Session::new(&gpu, plan, &store).unwrap();
        let mut names = vec!["a".to_owned(), "b".to_owned()];
        names.extend(optimizer.states().iter().map(|&state| state.to_owned()));
        for (step, (gradient, wanted)) in golden.gradients.iter().zip(&run.parameters).enumerate() {
            let gradient: Vec<f32> = gradient.iter().map(|&value| value as f32).collect();
            session.set("da", &gradient[..4]).unwrap();
            session.set("db", &gradient[4..]).unwrap();
            session.set("hyper", &optimizer.hyper(run.learning_rate, step as u64 + 1)).unwrap();
            session.set("loss", &[0.5]).unwrap();
            session.run().unwrap();
            let found = store.get(&names).unwrap();
            let parameters = found[0].data().iter().chain(found[1].data());
            for (found, wanted) in parameters.zip(wanted) {
                let name = &run.optimizer;
                assert!(
                    apart(f64::from(*found), *wanted) < 1e-6,
                    "{name}, step {step}: {found}, Keras {wanted}"
                );
            }
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                session.set("loss", &[bad]).unwrap();
                session.run().unwrap();
                assert_eq!(store.get(&names).unwrap(), found, "{} and {bad}", run.optimizer);
            }
        }
    }
}

#[test]
fn the_reference_evaluates_packed_variables() {
    let (graph, update) = graph(Optimizer::sgd());
    let given: HashMap<String, Tensor<f64>> = [
        ("a", tensor([1.0, 2.0, 3.0, 4.0])),
        ("b", tensor([5.0, 6.0])),
        ("da", tensor([1.0, 0.0, -1.0, 2.0])),
        ("db", tensor([10.0, 20.0])),
        ("hyper", tensor(Optimizer::sgd().hyper(0.5, 1).map(f64::from))),
        ("loss", tensor([1.0])),
    ]
    .map(|(name, tensor)| (name.to_owned(), tensor))
    .into();
    let values = evaluate(&graph, &given, &[update]).unwrap();
    let new = [0.5, 2.0, 3.5, 3.0, 0.0, -4.0, 0.0, 0.0];
    assert_eq!(values.get(update).unwrap().data(), new);
}

#[test]
fn the_schedule_of_nadam_stays_finite_for_as_long_as_anyone_trains() {
    for optimizer in [Optimizer::nadam(), Optimizer::adam()] {
        for step in [0, 1, 2, 1000, 10_000_000, u64::MAX] {
            let hyper = optimizer.hyper(1e-3, step);
            assert!(hyper.iter().all(|value| value.is_finite()), "step {step}: {hyper:?}");
        }
    }
}
