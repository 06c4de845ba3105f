//! Running statistics that are estimated anew before each validation.

mod common {
    pub mod adapter;
}

use std::collections::HashMap;
use std::sync::Arc;

use common::adapter;
use parula::engine::session::evaluate;
use parula::engine::tensor::Tensor;
use parula::nets::images::{
    Augment, BatchOptions, Batches, Flips, Grey, Jitter, Prepared, Scaling, Split,
};
use parula::nets::models::{self, IMAGES, Mode};
use parula::nets::train::{Schedule, Statistics, TrainOptions, train};

/// Grey noise, in every other image with a bright square in its middle.
fn images(count: usize, side: usize, channels: usize) -> Prepared {
    let image = |index: usize| {
        let pixel = |at: usize| {
            let mut state = ((index * side * side + at) as u32).wrapping_mul(747_796_405);
            state = (state >> ((state >> 28) + 4) ^ state).wrapping_mul(277_803_737);
            let middle = side / 4..3 * side / 4;
            let inside = middle.contains(&(at / side)) && middle.contains(&(at % side));
            let bright = if inside && index % 2 == 1 { 90 } else { 0 };
            (40 + bright + (state >> 22 ^ state) % 100) as u8
        };
        Grey { width: side, height: side, pixels: (0..side * side).map(pixel).collect() }
    };
    let images: Vec<Grey> = (0..count).map(image).collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    Prepared::from_images(labelled, (side, side), channels, Scaling::Tf)
}

/// They are the plain average of what the reference finds in the epoch's whole batches, whatever the
/// running ones were.
#[test]
fn statistics_are_the_average_over_batches() {
    let gpu = Arc::new(adapter::open());
    let network = models::find("compact-resnet").unwrap();
    let (side, batch, epochs) = (16, 4, 2);
    let prepared = images(16, side, network.channels);
    // Three whole batches, and a tail that is left out.
    let split = Split { train: (0..14).collect(), validation: vec![14, 15] };
    let flips = Flips { horizontal: true, vertical: true };
    let augment = Augment { flips, jitter: Some(Jitter::default()) };
    let options = TrainOptions {
        epochs,
        batch,
        augment,
        statistics: Statistics::Reestimated,
        ..TrainOptions::default()
    };
    let trained = train(&gpu, network, &prepared, &split, &options, network.name).unwrap();

    let model = network.build(Mode::Training, batch, [side; 2], 2).unwrap();
    let mut given: HashMap<String, Tensor<f64>> = trained
        .weights
        .tensors
        .iter()
        .map(|(name, tensor)| (name.clone(), tensor.widen()))
        .collect();
    let find = |name: &str| model.graph.find(name).unwrap();
    let layers: Vec<&str> =
        given.keys().filter_map(|name| name.strip_suffix("/moving_mean")).collect();
    assert!(layers.len() > 5, "{layers:?}");
    let statistics: Vec<_> =
        layers.iter().map(|layer| find(&format!("{layer}/statistics"))).collect();
    let names: Vec<[String; 2]> = layers
        .iter()
        .map(|layer| ["mean", "variance"].map(|what| format!("{layer}/moving_{what}")))
        .collect();
    let epoch = u64::from(trained.best.epoch);
    let order = BatchOptions { batch, seed: options.seed, epoch, shuffle: true, augment };
    let batches: Vec<_> = Batches::new(&prepared, &split.train, order).collect();
    let mut sums = vec![Vec::new(); statistics.len()];
    for batch in &batches[..3] {
        let numbers = batch.images.iter().map(|&value| f64::from(value)).collect();
        let shape = model.graph.shape(find(IMAGES)).clone();
        given.insert(IMAGES.to_owned(), Tensor::new(shape, numbers).unwrap());
        let values = evaluate(&model.graph, &given, &statistics).unwrap();
        for (sum, &value) in sums.iter_mut().zip(&statistics) {
            let found = values.get(value).unwrap().data();
            sum.resize(found.len(), 0.0);
            sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found / 3.0);
        }
    }
    for (names, expected) in names.iter().zip(&sums) {
        let found: Vec<f64> = names.iter().flat_map(|name| given[name].data()).copied().collect();
        let halves = found.chunks(found.len() / 2).zip(expected.chunks(expected.len() / 2));
        for ((found, expected), name) in halves.zip(names) {
            let scale = expected.iter().fold(1e-3f64, |most, value| most.max(value.abs()));
            let pairs = found.iter().zip(expected);
            let apart = pairs.map(|(a, b)| (a - b).abs() / scale).fold(0.0, f64::max);
            assert!(apart < 1e-5, "{name}: {apart:e}");
        }
    }
}

/// In some dozens of steps, running averages that keep 0.999 of themselves are still where they started.
#[test]
fn a_high_momentum_does_not_hide_what_was_learnt() {
    let gpu = Arc::new(adapter::open());
    let network = models::find("mobilenet-v2").unwrap();
    assert!(network.batch_norm.momentum >= 0.999);
    let prepared = images(96, 32, network.channels);
    // Of the same images, so that nothing but the statistics tells validation from training.
    let all: Vec<usize> = (0..96).collect();
    let split = Split { train: all.clone(), validation: all };
    let validated = |statistics: Statistics| {
        let options = TrainOptions {
            epochs: 6,
            batch: 16,
            learning_rate: 1e-3,
            schedule: Schedule::Cosine,
            augment: Augment::default(),
            statistics,
            ..TrainOptions::default()
        };
        let trained = train(&gpu, network, &prepared, &split, &options, network.name).unwrap();
        let last = *trained.records.last().unwrap();
        assert!(last.accuracy > 0.9, "{statistics:?}: {last:?}");
        last.val_accuracy
    };
    let (running, reestimated) =
        (validated(Statistics::Running), validated(Statistics::Reestimated));
    assert!((running - 0.5).abs() < 0.1, "{running}");
    assert!(reestimated > 0.9, "{reestimated}");
}
