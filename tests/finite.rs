//! Numbers that are not finite, in training and after it: named with layer and image, never taken for a result.

mod common {
    pub mod adapter;
}

use std::sync::Arc;

use common::adapter;
use parula::engine::gpu::Gpu;
use parula::engine::ops::{Optimizer, UNSCALE};
use parula::engine::plan;
use parula::engine::session::{self, Session, Store};
use parula::engine::tensor::Tensor;
use parula::error::Error;
use parula::nets::images::{Augment, Grey, Prepared, Scaling, Split};
use parula::nets::models::{self, IMAGES, Mode};
use parula::nets::train::{Predictor, TrainOptions, TrainingGraph, train};
use parula::nets::weights::Weights;

const NETWORK: &str = "compact-resnet";

fn images(count: usize) -> Prepared {
    let image = |kind: usize| Grey {
        width: 24,
        height: 24,
        pixels: (0..24 * 24).map(|index| (index * (kind + 3) % 251) as u8).collect(),
    };
    let images: Vec<Grey> = (0..count).map(image).collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    let mut prepared = Prepared::from_images(labelled, (24, 24), 1, Scaling::Tf);
    prepared.names = (0..count).map(|index| format!("scan {index}")).collect();
    prepared
}

/// Fresh weights, of which those whose name ends in `ending` are `value`.
fn weights(gpu: &Arc<Gpu>, ending: &str, value: f32) -> Weights {
    let model = models::find(NETWORK).unwrap().build(Mode::Inference, 2, [24, 24], 2).unwrap();
    let store = Store::new(gpu, &model.graph, 0).unwrap();
    let mut weights = Weights::of(&model, &store).unwrap();
    let chosen = weights.tensors.iter_mut().filter(|(name, _)| name.ends_with(ending));
    let changed = chosen.map(|(_, tensor)| tensor.data_mut().fill(value)).count();
    assert!(changed > 0, "{ending}");
    weights
}

fn trained(gpu: &Arc<Gpu>, start: Weights) -> Result<(), Error> {
    let options = TrainOptions {
        epochs: 2,
        batch: 4,
        augment: Augment::default(),
        start: Some(start),
        ..TrainOptions::default()
    };
    let split = Split { train: (0..8).collect(), validation: vec![8, 9] };
    train(gpu, models::find(NETWORK).unwrap(), &images(10), &split, &options, "").map(drop)
}

#[test]
fn a_loss_that_is_lost_names_the_layer_and_the_image() {
    let gpu = Arc::new(adapter::open());
    let error = trained(&gpu, weights(&gpu, "post_bn/gamma", 3e38)).unwrap_err().to_string();
    assert!(error.contains("at step 1, first non-finite value in layer post_"), "{error}");
    assert!(error.contains(", of scan "), "{error}");
}

#[test]
fn what_a_network_hides_behind_its_relus_is_no_result() {
    let gpu = Arc::new(adapter::open());
    // Training goes by the statistics of each batch, and validation by these, whose roots are NaN; the
    // activation after them is 0, and all scores are finite.
    let error = trained(&gpu, weights(&gpu, "bn/moving_variance", -1e3)).unwrap_err();
    assert!(matches!(&error, Error::Lost { subject, .. } if subject == "scan 8"), "{error:?}");
}

#[test]
fn scores_that_are_not_finite_are_no_scores() {
    let gpu = Arc::new(adapter::open());
    for (value, ending) in [(f32::NAN, "predictions/bias"), (f32::INFINITY, "predictions/kernel")] {
        let model = models::find(NETWORK).unwrap().build(Mode::Inference, 4, [24, 24], 2).unwrap();
        let store = Store::new(&gpu, &model.graph, 0).unwrap();
        weights(&gpu, ending, value).put(&store).unwrap();
        let mut classifier = Predictor::new(&gpu, model, &store).unwrap();
        let prepared = images(6);
        let scored = classifier.score(&prepared, &[1, 2]).map(drop);
        let predicted = classifier.predict(&prepared, &[1, 2]).map(drop);
        for error in [scored, predicted].map(Result::unwrap_err) {
            let error = error.to_string();
            let wanted = format!("scan 1: the scores are not finite, first in layer {ending}");
            assert!(error.contains(&wanted), "{error}");
        }
    }
}

#[test]
fn a_step_that_overflows_leaves_everything_as_it_was() {
    let gpu = Arc::new(adapter::open());
    let network = models::find(NETWORK).unwrap();
    let optimizer = Optimizer::adam();
    let step = TrainingGraph::scaled(network, 4, [24, 24], 2, &optimizer).unwrap();
    let store = Store::new(&gpu, &step.graph, 1).unwrap();
    let options = session::options(&gpu);
    let outputs = [step.loss, step.finite.unwrap()];
    let plan =
        plan::build(&step.graph, &outputs, &step.updates, gpu.capabilities(), &options).unwrap();
    let mut session = Session::new(&gpu, plan, &store).unwrap();
    let prepared = images(4);
    let mut run = |one: f32| -> (Vec<Tensor>, f32) {
        for input in session.plan().inputs.clone() {
            let mut hyper = optimizer.hyper(0.01, 1);
            hyper[UNSCALE] = 1.0 / one;
            let numbers = match input.name.as_str() {
                "hyper" => hyper.to_vec(),
                "one" => vec![one],
                "labels" => vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0],
                IMAGES => prepared.all(),
                _ => vec![1.0; input.place.shape.elements()],
            };
            session.set(&input.name, &numbers).unwrap();
        }
        session.run().unwrap();
        (store.get(&store.names()).unwrap(), session.read("loss").unwrap().data()[0])
    };
    // The loss is finite, and its gradients times the largest number are not.
    let (before, _) = run(f32::MAX);
    let (after, loss) = run(f32::MAX);
    assert!(loss.is_finite());
    assert_eq!(before, after, "running averages as well");
    let (after, _) = run(1.0);
    let pairs = store.names().into_iter().zip(before.iter().zip(&after));
    let same: Vec<String> =
        pairs.filter(|(_, (before, after))| before == after).map(|(name, _)| name).collect();
    assert!(same.is_empty(), "a step that does not overflow changes all: {same:?}");
}
