//! Whole networks: the GPU against the reference, fused and not, and training that learns.

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::sync::Arc;

use common::adapter;
use parula::engine::autodiff::gradients;
use parula::engine::graph::{Graph, Kind, Role, Value};
use parula::engine::ops::Optimizer;
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store, evaluate};
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::nets::cam;
use parula::nets::images::{Augment, Grey, Prepared, Scaling, Split};
use parula::nets::models::{Head, IMAGES, Mode, NETWORKS, SEGMENTERS, STEP};
use parula::nets::train::{
    Keep, Loss, Schedule, Segmenter, Targets, TrainOptions, TrainingGraph, train, train_segmenter,
};
use parula::nets::weights::Weights;

/// The networks that the reference can follow in a test's time: the first two. Keras's own are held
/// against Keras.
const COMPACT: usize = 2;

/// Numbers in [-1, 1) that look random and are the same everywhere.
fn noise(shape: &[usize], salt: u32) -> Tensor<f64> {
    Tensor::from_fn(shape.to_vec(), |index| {
        let mut state = (index as u32).wrapping_add(salt).wrapping_mul(747_796_405) ^ 2_891_336_453;
        state = (state >> ((state >> 28) + 4) ^ state).wrapping_mul(277_803_737);
        f64::from(((state >> 22 ^ state) % 20_000) as f32 / 10_000.0 - 1.0)
    })
}

/// Variables with statistics that are not trivial, in the store and by name.
fn variables(graph: &Graph, store: &Store) -> HashMap<String, Tensor<f64>> {
    let mut given = HashMap::new();
    for (value, node) in graph.nodes() {
        let Kind::Variable(variable) = &node.kind else { continue };
        let salt = value.index() as u32 * 1000;
        let tensor = match variable.role {
            Role::Optimizer => Tensor::zeros(node.shape.clone()),
            Role::Constant => Tensor::from_fn(node.shape.clone(), |_| 1.0),
            Role::State if node.name.ends_with("variance") => {
                let noise = noise(node.shape.dims(), salt);
                Tensor::from_fn(node.shape.clone(), |i| {
                    f64::from(1.2 + 0.8 * noise.data()[i] as f32)
                })
            }
            Role::State => noise(node.shape.dims(), salt),
            Role::Trainable => {
                let own = store.get(std::slice::from_ref(&node.name)).unwrap().remove(0);
                let noise = noise(node.shape.dims(), salt);
                Tensor::from_fn(node.shape.clone(), |i| {
                    f64::from(own.data()[i] + 0.1 * noise.data()[i] as f32)
                })
            }
        };
        store.set(&node.name, &tensor.narrow()).unwrap();
        given.insert(node.name.clone(), tensor);
    }
    given
}

fn assert_close(what: &str, found: &Tensor, truth: &Tensor<f64>, tolerance: f64) {
    assert_eq!(found.shape(), truth.shape(), "{what}");
    let scale = truth.data().iter().fold(1e-6f64, |most, value| most.max(value.abs()));
    for (a, b) in found.data().iter().zip(truth.data()) {
        let apart = (f64::from(*a) - b).abs() / scale;
        assert!(apart <= tolerance, "{what}: {a} and {b} are {apart:.1e} of {scale:.3} apart");
    }
}

#[test]
fn scores_activation_gradient_and_map_equal_the_reference_at_odd_sizes() {
    let gpu = Arc::new(adapter::open());
    for network in &NETWORKS[..COMPACT] {
        let model = network.build(Mode::Inference, 2, [37, 50], 3).unwrap();
        let (mut graph, heads) = (model.graph, model.heads);
        let class = graph.input("class", [2, 3]).unwrap();
        let gradient = gradients(&mut graph, heads.logits, class, &[heads.cam]).unwrap()[0];
        let map = cam::grad_cam(&mut graph, heads.cam, gradient).unwrap();
        let wanted = [heads.logits, heads.cam, gradient, map];

        let store = Store::new(&gpu, &graph, 3).unwrap();
        let mut given = variables(&graph, &store);
        given.insert(IMAGES.to_owned(), noise(&[2, 37, 50, 1], 5));
        given.insert(
            "class".to_owned(),
            Tensor::new([2, 3], vec![0.0, 1.0, 0.0, 1.0, 0.0, 0.0]).unwrap(),
        );
        let truth = evaluate(&graph, &given, &wanted).unwrap();
        for fuse in [true, false] {
            let options = Options { fuse, ..Options::default() };
            let plan = plan::build(&graph, &wanted, &[], gpu.capabilities(), &options).unwrap();
            let mut session = Session::new(&gpu, plan, &store).unwrap();
            for name in [IMAGES, "class"] {
                session.set(name, given[name].narrow().data()).unwrap();
            }
            session.run().unwrap();
            for value in wanted {
                let name = &graph.node(value).name;
                let what = format!("{} {name}, fused: {fuse}", network.name);
                assert_close(&what, &session.read(name).unwrap(), truth.get(value).unwrap(), 1e-4);
            }
        }
    }
}

#[test]
fn a_segmenter_s_scores_equal_the_reference_at_odd_sizes() {
    let gpu = Arc::new(adapter::open());
    for (network, units) in SEGMENTERS.iter().flat_map(|network| [(network, 1), (network, 2)]) {
        let model = network.build(Mode::Inference, 2, [37, 50], units).unwrap();
        let wanted = [model.heads.logits, model.heads.cam];
        let store = Store::new(&gpu, &model.graph, 3).unwrap();
        let mut given = variables(&model.graph, &store);
        given.insert(IMAGES.to_owned(), noise(&[2, 37, 50, 1], 5));
        let truth = evaluate(&model.graph, &given, &wanted).unwrap();
        assert_eq!(truth.get(wanted[0]).unwrap().dims(), [2, 37, 50, units]);
        for fuse in [true, false] {
            let options = Options { fuse, ..Options::default() };
            let plan =
                plan::build(&model.graph, &wanted, &[], gpu.capabilities(), &options).unwrap();
            let mut session = Session::new(&gpu, plan, &store).unwrap();
            session.set(IMAGES, given[IMAGES].narrow().data()).unwrap();
            session.run().unwrap();
            for value in wanted {
                let name = &model.graph.node(value).name;
                let what = format!("{} {name}, fused: {fuse}", network.name);
                assert_close(&what, &session.read(name).unwrap(), truth.get(value).unwrap(), 1e-4);
            }
        }
    }
}

#[test]
fn steps_of_training_equal_the_reference() {
    let gpu = Arc::new(adapter::open());
    let segmenters = SEGMENTERS.iter().map(|network| (network, Optimizer::sgd()));
    let classifiers = NETWORKS[..COMPACT].iter().zip([Optimizer::adam(), Optimizer::sgd()]);
    for (network, optimizer) in classifiers.chain(segmenters) {
        let classes = network.classes;
        let step = TrainingGraph::build(network, 3, [24, 24], classes, &optimizer).unwrap();
        let graph = &step.graph;
        let store = Store::new(&gpu, graph, 1).unwrap();
        let mut given = variables(graph, &store);
        let capabilities = gpu.capabilities();
        let outputs = [step.loss, step.logits];
        let plan =
            plan::build(graph, &outputs, &step.updates, capabilities, &Options::default()).unwrap();
        let mut session = Session::new(&gpu, plan, &store).unwrap();
        for number in 1..=3u64 {
            let hyper = optimizer.hyper(0.01, number).map(f64::from).to_vec();
            given.insert("hyper".to_owned(), Tensor::new([8], hyper).unwrap());
            given.insert("one".to_owned(), Tensor::new([1], vec![1.0]).unwrap());
            given.insert(STEP.to_owned(), Tensor::new([1], vec![number as f64]).unwrap());
            given.insert(IMAGES.to_owned(), noise(&[3, 24, 24, 1], number as u32));
            if network.segments() {
                // Every third pixel counts nothing.
                let pixels = 3 * 24 * 24;
                let soft = noise(&[pixels, 1], 17 + number as u32);
                let soft = Tensor::from_fn([pixels, 1], |at| (0.5 + 0.5 * soft.data()[at]).round());
                given.insert("labels".to_owned(), soft);
                let weight = |at: usize| f64::from(u8::from(!at.is_multiple_of(3)));
                given.insert("weights".to_owned(), Tensor::from_fn([pixels], weight));
            } else {
                given.insert(
                    "labels".to_owned(),
                    Tensor::new([3, 2], vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0]).unwrap(),
                );
            }
            for input in session.plan().inputs.clone() {
                session.set(&input.name, given[&input.name].narrow().data()).unwrap();
            }
            session.run().unwrap();
            let names: Vec<String> = store.names();
            let mut wanted = vec![step.loss];
            wanted.extend(&step.updates);
            let changed: Vec<Value> = names.iter().map(|name| graph.find(name).unwrap()).collect();
            wanted.extend(&changed);
            let truth = evaluate(graph, &given, &wanted).unwrap();
            let loss = session.read("loss").unwrap();
            let what = format!("{} step {number}", network.name);
            assert_close(&format!("{what} loss"), &loss, truth.get(step.loss).unwrap(), 1e-3);
            // What the packed update changed is looked up where the reference put it.
            let packed = graph.find("parameters").unwrap();
            let packed = truth.get(packed).unwrap();
            let mut at = 0;
            for (value, node) in graph.nodes() {
                let Kind::Variable(variable) = &node.kind else { continue };
                let truth = match variable.role {
                    Role::Trainable => {
                        let length = node.shape.elements();
                        let data = packed.data()[at..at + length].to_vec();
                        at += length.next_multiple_of(4);
                        Tensor::new(node.shape.clone(), data).unwrap()
                    }
                    Role::State => truth.get(value).unwrap().clone(),
                    Role::Optimizer | Role::Constant => continue,
                };
                let found = store.get(std::slice::from_ref(&node.name)).unwrap().remove(0);
                // Adam divides by the root of a mean of squares: where a gradient is nearly zero, its
                // sign decides, and single precision may decide otherwise.
                if optimizer == Optimizer::sgd() || variable.role == Role::State {
                    assert_close(&format!("{what} {}", node.name), &found, &truth, 2e-3);
                }
            }
            // The next step starts from the same numbers on both sides.
            for name in &names {
                let own = store.get(std::slice::from_ref(name)).unwrap().remove(0);
                given.insert(name.clone(), own.widen());
            }
            for state in optimizer.states() {
                let name = format!("optimizer/{state}");
                let own = store.get(std::slice::from_ref(&name)).unwrap().remove(0);
                given.insert(name, own.widen());
            }
        }
    }
}

/// Eight images, every second with a bright middle, to learn from and to validate with.
fn eight_images() -> (Prepared, Split) {
    let images: Vec<Grey> = (0..8)
        .map(|index| {
            let noise = noise(&[24 * 24], index * 999);
            let bright = if index % 2 == 1 { 40.0 } else { 0.0 };
            let pixel = |i: usize| {
                let inside = i / 24 > 8 && i / 24 < 16 && i % 24 > 8 && i % 24 < 16;
                (100.0 + 60.0 * noise.data()[i] + if inside { bright } else { 0.0 }) as u8
            };
            Grey { width: 24, height: 24, pixels: (0..24 * 24).map(pixel).collect() }
        })
        .collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    let prepared = Prepared::from_images(labelled, (24, 24), 1, Scaling::Tf);
    let split = Split { train: (0..8).collect(), validation: (0..8).collect() };
    (prepared, split)
}

#[test]
fn eight_images_are_learned() {
    let gpu = Arc::new(adapter::open());
    let (prepared, split) = eight_images();
    for (network, head) in NETWORKS[..COMPACT].iter().zip([Head::Softmax, Head::Sigmoid]) {
        let options = TrainOptions {
            epochs: 30,
            head,
            // A tail of two images in every epoch.
            batch: 6,
            schedule: Schedule::Constant,
            learning_rate: 3e-3,
            augment: Augment::default(),
            ..TrainOptions::default()
        };
        let trained = train(&gpu, network, &prepared, &split, &options, network.name).unwrap();
        let lowest = trained.records.iter().map(|record| record.loss).fold(f64::MAX, f64::min);
        assert!(lowest < 0.1, "{}: the lowest loss is {lowest}", network.name);
        assert!(trained.best.val_accuracy >= 0.99, "{}: {:?}", network.name, trained.best);
        // The store holds the weights that are returned: those of the best epoch.
        let now = Weights::of(&trained.model, &trained.store).unwrap();
        assert_eq!(now.tensors, trained.weights.tensors);
    }
}

#[test]
fn the_epoch_that_is_asked_for_is_kept() {
    let gpu = Arc::new(adapter::open());
    let (prepared, split) = eight_images();
    let network = &NETWORKS[1];
    // What an epoch does depends on none that follow it.
    let run = |keep, epochs| {
        let schedule = Schedule::Constant;
        let options = TrainOptions { epochs, batch: 4, schedule, keep, ..TrainOptions::default() };
        train(&gpu, network, &prepared, &split, &options, network.name).unwrap()
    };
    let (best, last) = (run(Keep::Best, 5), run(Keep::Last, 5));
    assert_eq!(best.records, last.records);
    assert_eq!((last.best.epoch, last.best.val_accuracy), (5, last.records[4].val_accuracy));
    let highest = best.records.iter().map(|record| record.val_accuracy).fold(0.0, f64::max);
    assert_eq!(best.best.val_accuracy, highest);
    assert_eq!(run(Keep::Last, best.best.epoch).weights.tensors, best.weights.tensors);
    assert_eq!(best.weights.tensors == last.weights.tensors, best.best.epoch == 5);
}

#[test]
fn masks_are_learned_and_what_weighs_nothing_teaches_nothing() {
    let gpu = Arc::new(adapter::open());
    // A bright square on noise, in another corner of each image.
    let inside = |image: usize, i: usize| {
        let (y, x) = (4 + 8 * (image / 2 % 2), 4 + 8 * (image % 2));
        (y..y + 9).contains(&(i / 24)) && (x..x + 9).contains(&(i % 24))
    };
    let images: Vec<Grey> = (0..6)
        .map(|image| {
            let noise = noise(&[24 * 24], image as u32 * 999);
            let pixel = |i: usize| {
                (90.0 + 40.0 * noise.data()[i] + if inside(image, i) { 90.0 } else { 0.0 }) as u8
            };
            Grey { width: 24, height: 24, pixels: (0..24 * 24).map(pixel).collect() }
        })
        .collect();
    let images =
        Prepared::from_images(images.iter().map(|image| (image, 0)), (24, 24), 1, Scaling::Tf);
    let pixels: Vec<(usize, usize)> =
        (0..6).flat_map(|image| (0..24 * 24).map(move |i| (image, i))).collect();
    let truth: Vec<bool> = pixels.iter().map(|&(image, i)| inside(image, i)).collect();
    for (head, loss) in [
        (Head::Sigmoid, Loss::CrossEntropy),
        (Head::Softmax, Loss::CrossEntropy),
        (Head::Sigmoid, Loss::Dice),
        (Head::Sigmoid, Loss::Both),
    ] {
        // A tenth of the targets are wrong, and count nothing.
        let ignored = |at: usize| at.is_multiple_of(10);
        let right = |(at, &inside): (usize, &bool)| f32::from(u8::from(inside != ignored(at)));
        let targets = Targets {
            probability: truth.iter().enumerate().map(right).collect(),
            weight: (0..truth.len()).map(|at| f32::from(u8::from(!ignored(at)))).collect(),
        };
        let options = TrainOptions {
            epochs: 25,
            batch: 3,
            head,
            loss,
            schedule: Schedule::Cosine,
            learning_rate: 5e-3,
            ..TrainOptions::usual(&SEGMENTERS[0])
        };
        let train = |targets: &Targets| {
            train_segmenter(&gpu, &SEGMENTERS[0], &images, targets, &options, "squares").unwrap()
        };
        let trained = train(&targets);
        assert!(trained.losses[24] < 0.5 * trained.losses[0], "{:?}", trained.losses);
        let mut segmenter = Segmenter::new(&gpu, trained.model, &trained.store).unwrap();
        let found = segmenter.probabilities(&images, &[0, 1, 2, 3, 4, 5]).unwrap().concat();
        let both = found.iter().zip(&truth).filter(|(p, truth)| **p > 0.5 && **truth).count();
        let each =
            found.iter().filter(|p| **p > 0.5).count() + truth.iter().filter(|t| **t).count();
        let dice = 2.0 * both as f64 / each as f64;
        assert!(dice > 0.9, "{head:?}, {loss:?}: {dice}");

        if head == Head::Softmax {
            continue;
        }
        let mut other = targets.clone();
        let numbers = other.probability.iter_mut().zip(&targets.weight);
        numbers.filter(|(_, weight)| **weight == 0.0).for_each(|(p, _)| *p = 0.25);
        assert_eq!(train(&other).weights, trained.weights);
    }
    let targets = Targets { probability: vec![0.0; truth.len()], weight: vec![1.0; truth.len()] };
    let options = TrainOptions {
        head: Head::Softmax,
        loss: Loss::Dice,
        ..TrainOptions::usual(&SEGMENTERS[0])
    };
    let refused = train_segmenter(&gpu, &SEGMENTERS[0], &images, &targets, &options, "squares");
    assert!(matches!(refused, Err(Error::Usage { .. })), "{refused:?}");
}
