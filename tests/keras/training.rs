//! Five steps of training from the same weights on the same batches: the loss of each step, and by how
//! much running statistics and the head have changed in the end. `tests/reference/training.py`
//! wrote the numbers, in double precision.

use std::collections::BTreeMap;

use parula::engine::ops::Optimizer;
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store};
use parula::nets::models::{self, IMAGES};
use parula::nets::train::TrainingGraph;

use crate::{apart, gpu, seeded};

#[derive(serde::Deserialize)]
struct Golden {
    labels: Vec<Vec<usize>>,
    runs: Vec<Run>,
}

#[derive(serde::Deserialize)]
struct Run {
    optimizer: String,
    learning_rate: f64,
    losses: Vec<f64>,
    changes: BTreeMap<String, Change>,
}

/// By how much a variable is not what it was at first.
#[derive(serde::Deserialize)]
struct Change {
    largest: f64,
    samples: Vec<f64>,
}

const SIZE: usize = 96;
const CLASSES: usize = 10;
/// The middle of beta: `tests/reference/training.py` says why it is not 0.
const BETA: f64 = 1.5;
const TOLERANCE: f64 = 1e-3;

fn trains_as_keras_does(name: &str, optimizer: &str, golden: &str) {
    let Some(gpu) = gpu() else { return };
    let golden: Golden = serde_json::from_str(golden).unwrap();
    let run = golden.runs.iter().find(|run| run.optimizer == optimizer).unwrap();
    let optimizer = match optimizer {
        "adam" => Optimizer::adam(),
        "sgd momentum" => Optimizer::Sgd { momentum: 0.9, nesterov: false },
        other => panic!("no optimizer {other}"),
    };
    let network = models::find(name).unwrap();
    let batch = golden.labels[0].len();
    let training = TrainingGraph::build(network, batch, [SIZE; 2], CLASSES, &optimizer).unwrap();
    let graph = &training.graph;
    let store = Store::new(&gpu, graph, 0).unwrap();
    seeded::fill(graph, &store, BETA);
    let (outputs, updates) = ([training.loss], &training.updates);
    let plan =
        plan::build(graph, &outputs, updates, gpu.capabilities(), &Options::default()).unwrap();
    let mut session = Session::new(&gpu, plan, &store).unwrap();
    session.set("one", &[1.0]).unwrap();

    let mut losses = Vec::new();
    for (step, labels) in golden.labels.iter().enumerate() {
        let images = seeded::images(network, batch * step..batch * (step + 1), SIZE);
        let one_hot = labels
            .iter()
            .flat_map(|&label| (0..CLASSES).map(move |k| f32::from(u8::from(k == label))));
        let hyper = optimizer.hyper(run.learning_rate, step as u64 + 1);
        session.set(IMAGES, &images).unwrap();
        session.set("labels", &one_hot.collect::<Vec<f32>>()).unwrap();
        session.set("hyper", &hyper).unwrap();
        session.run().unwrap();
        losses.push(session.read("loss").unwrap().data()[0]);
    }
    let of_losses = losses.iter().zip(&run.losses).map(|(&a, &b)| apart(&[a], &[b]));
    let of_losses: Vec<f64> = of_losses.collect();

    // The statistics of a few steps are mostly what they were: the change is what tells.
    let names: Vec<String> = run.changes.keys().cloned().collect();
    let mut worst = (0.0, "nothing");
    for ((name, change), found) in run.changes.iter().zip(store.get(&names).unwrap()) {
        let start = seeded::weight(name, found.shape(), BETA);
        let pairs = found.data().iter().zip(start.data());
        let changes: Vec<f32> = pairs.map(|(found, start)| found - start).collect();
        let mut samples = seeded::sample(&changes, change.samples.len());
        samples.extend(changes.iter().map(|change| change.abs()).max_by(f32::total_cmp));
        let truth: Vec<f64> = change.samples.iter().copied().chain([change.largest]).collect();
        let apart = apart(&samples, &truth);
        if apart > worst.0 || apart.is_nan() {
            worst = (apart, name);
        }
    }
    let listed: Vec<String> = of_losses.iter().map(|apart| format!("{apart:.1e}")).collect();
    println!(
        "{name}, {}: apart from Keras: losses {}, changes at most {:.1e} ({})",
        run.optimizer,
        listed.join(", "),
        worst.0,
        worst.1
    );
    assert!(
        of_losses.iter().all(|apart| *apart <= TOLERANCE),
        "{losses:?}, Keras {:?}",
        run.losses
    );
    assert!(worst.0 <= TOLERANCE, "{worst:?}");
}

#[test]
fn mobilenet_v2_trains_as_keras_does_by_sgd() {
    let golden = include_str!("../reference/training-mobilenet-v2.json");
    trains_as_keras_does("mobilenet-v2", "sgd momentum", golden);
}

#[test]
fn mobilenet_v2_trains_as_keras_does_by_adam() {
    let golden = include_str!("../reference/training-mobilenet-v2.json");
    trains_as_keras_does("mobilenet-v2", "adam", golden);
}

#[test]
fn resnet50_v2_trains_as_keras_does_by_sgd() {
    let golden = include_str!("../reference/training-resnet50-v2.json");
    trains_as_keras_does("resnet50-v2", "sgd momentum", golden);
}

#[test]
fn resnet50_v2_trains_as_keras_does_by_adam() {
    let golden = include_str!("../reference/training-resnet50-v2.json");
    trains_as_keras_does("resnet50-v2", "adam", golden);
}
