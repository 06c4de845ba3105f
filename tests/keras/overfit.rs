//! Eight images are learned by each of the six networks, from its own initial weights: forward,
//! gradients, batch normalisation and Adam together. At the network's usual input on a GPU, at a small
//! one on a software adapter.

use parula::engine::ops::Optimizer;
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store};
use parula::nets::models::{self, IMAGES};
use parula::nets::train::TrainingGraph;

use crate::{gpu, seeded};

const IMAGES_LEARNED: usize = 8;
const CLASSES: usize = 2;
const LEARNING_RATE: f64 = 1e-3;
const STEPS: u64 = 60;
const LOSS: f32 = 0.05;

fn learns_eight_images(name: &str, small: usize) {
    let Some(gpu) = gpu() else { return };
    let network = models::find(name).unwrap();
    let size = if gpu.capabilities().software { small } else { network.input[0] };
    let optimizer = Optimizer::adam();
    let training =
        TrainingGraph::build(network, IMAGES_LEARNED, [size; 2], CLASSES, &optimizer).unwrap();
    let graph = &training.graph;
    let store = Store::new(&gpu, graph, 0).unwrap();
    let (outputs, updates) = ([training.loss], &training.updates);
    let plan =
        plan::build(graph, &outputs, updates, gpu.capabilities(), &Options::default()).unwrap();
    let mut session = Session::new(&gpu, plan, &store).unwrap();
    let labels: Vec<f32> =
        (0..IMAGES_LEARNED).flat_map(|n| [(n + 1) % 2, n % 2]).map(|one| one as f32).collect();
    session.set("one", &[1.0]).unwrap();
    session.set("labels", &labels).unwrap();
    session.set(IMAGES, &seeded::images(network, 0..IMAGES_LEARNED, size)).unwrap();
    let mut losses = Vec::new();
    for step in 1..=STEPS {
        session.set("hyper", &optimizer.hyper(LEARNING_RATE, step)).unwrap();
        session.run().unwrap();
        let loss = session.read("loss").unwrap().data()[0];
        losses.push(loss);
        if loss < LOSS {
            println!("{name} at {size}x{size}: from {} to {loss} in {step} steps", losses[0]);
            return;
        }
    }
    panic!("{name} did not learn eight images in {STEPS} steps: {losses:?}");
}

#[test]
fn nasnet_mobile_learns_eight_images() {
    learns_eight_images("nasnet-mobile", 64);
}

#[test]
fn mobilenet_v2_learns_eight_images() {
    learns_eight_images("mobilenet-v2", 64);
}

#[test]
fn densenet121_learns_eight_images() {
    learns_eight_images("densenet121", 64);
}

#[test]
fn resnet50_v2_learns_eight_images() {
    learns_eight_images("resnet50-v2", 64);
}

#[test]
fn xception_learns_eight_images() {
    learns_eight_images("xception", 71);
}

#[test]
fn inception_v3_learns_eight_images() {
    learns_eight_images("inception-v3", 75);
}
