//! Models from their own files train as in Keras, and go back into files that are read again.
//! `tests/reference/imported_training.py` wrote the numbers, in double precision.

#[path = "common/adapter.rs"]
mod adapter;
mod common {
    pub mod program;
}

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::program::{failure, json, parula};
use parula::engine::ops::Optimizer;
use parula::engine::plan::{self, Options, VariableLayout};
use parula::engine::session::{Session, Store};
use parula::engine::tensor::Tensor;
use parula::nets::keras;
use parula::nets::models::{IMAGES, Mode};
use parula::nets::train::TrainingGraph;
use parula::nets::weights::{Raw, Weights};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    rate: f64,
    batch: usize,
    runs: BTreeMap<String, Run>,
}

#[derive(Deserialize)]
struct Run {
    losses: Vec<f64>,
    changes: BTreeMap<String, Change>,
}

/// By how much a variable is not what it was at first: at most, and its first numbers.
#[derive(Deserialize)]
struct Change {
    largest: f64,
    all: Vec<f64>,
}

/// Of five steps in single precision.
const TOLERANCE: f64 = 1e-3;

/// What five steps lose by rounding numbers of about 1 to single precision.
const ROUNDED: f64 = 3e-7;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported")
}

/// The same as in the script.
fn picture(n: usize, [height, width, channels]: [usize; 3]) -> Vec<f32> {
    let mut numbers = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for c in 0..channels {
                let sum = 13 * y * y + 7 * x * y + 31 * x + 97 * c + 17 * y + 53 * n;
                numbers.push((sum % 256) as f32);
            }
        }
    }
    numbers
}

fn changes(before: &Tensor, after: &Tensor) -> Vec<f64> {
    let pairs = before.data().iter().zip(after.data());
    pairs.map(|(before, after)| f64::from(*after) - f64::from(*before)).collect()
}

#[test]
fn five_steps_of_sgd_are_those_of_keras() {
    let gpu = Arc::new(adapter::open());
    let golden = std::fs::read_to_string(folder().join("training.json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    for (name, run) in &golden.runs {
        let raw = Raw::read(&folder().join(format!("{name}.keras"))).unwrap();
        let file = keras::open(raw, None).unwrap();
        let network = file.network;
        let (size, classes, batch) = (network.input, network.classes, golden.batch);
        let model = network.build(Mode::Inference, 1, size, classes).unwrap();
        let weights = keras::weights(file.raw, &model).unwrap();
        let optimizer = Optimizer::sgd();
        let training = TrainingGraph::build(network, batch, size, classes, &optimizer).unwrap();
        let store = Store::new(&gpu, &training.graph, 0).unwrap();
        weights.put(&store).unwrap();
        let (outputs, updates) = ([training.loss], &training.updates);
        let (capabilities, options) = (gpu.capabilities(), Options::default());
        let plan = plan::build(&training.graph, &outputs, updates, capabilities, &options).unwrap();
        let mut session = Session::new(&gpu, plan, &store).unwrap();
        session.set("one", &[1.0]).unwrap();
        let mut apart = 0.0f64;
        for (step, loss) in run.losses.iter().enumerate() {
            let numbers = batch * step..batch * (step + 1);
            let shape = [size[0], size[1], network.channels];
            let images: Vec<f32> = numbers.clone().flat_map(|n| picture(n, shape)).collect();
            let one_hot = numbers
                .flat_map(|n| (0..classes).map(move |k| f32::from(u8::from(k == n % classes))));
            session.set(IMAGES, &images).unwrap();
            session.set("labels", &one_hot.collect::<Vec<f32>>()).unwrap();
            session.set("hyper", &optimizer.hyper(golden.rate, step as u64 + 1)).unwrap();
            session.run().unwrap();
            let found = f64::from(session.read("loss").unwrap().data()[0]);
            apart = apart.max((found - loss).abs() / loss);
        }
        assert!(apart < TOLERANCE, "{name}: losses {apart:.1e} apart");
        // A bias before a batch normalisation has a gradient of 0, and what is rounded is all that it gets.
        let most = run.changes.values().fold(0.0, |most: f64, change| most.max(change.largest));
        let after = Weights::of(&model, &store).unwrap();
        let mut worst = (0.0f64, "nothing");
        for (variable, change) in &run.changes {
            let found = changes(&weights.tensors[variable], &after.tensors[variable]);
            let largest = found.iter().fold(0.0, |most: f64, change| most.max(change.abs()));
            if change.largest == 0.0 && !variable.ends_with("/bias") {
                assert_eq!(largest, 0.0, "{name}: {variable} is frozen");
            }
            let scale = change.largest.max(1e-3 * most);
            let pairs = found.iter().zip(&change.all).chain([(&largest, &change.largest)]);
            let beyond = |a: f64, b: f64| ((a - b).abs() - ROUNDED).max(0.0);
            let apart = pairs.map(|(a, b)| beyond(*a, *b) / scale).fold(0.0, f64::max);
            if apart > worst.0 || apart.is_nan() {
                worst = (apart, variable);
            }
        }
        println!("{name}: losses {apart:.1e}, changes at most {:.1e} ({})", worst.0, worst.1);
        assert!(worst.0 < TOLERANCE, "{name}: {worst:?}");
    }
}

/// Training and validation share the variables, so each has to find them where the other does.
#[test]
fn variables_lie_alike_in_training_and_inference() {
    let mut seen = 0;
    let folders = [folder(), folder().join("applications")];
    for entry in folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()) {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "keras") {
            continue;
        }
        let network = keras::open(Raw::read(&path).unwrap(), None).unwrap().network;
        let [training, inference] = [Mode::Training, Mode::Inference].map(|mode| {
            let model = network.build(mode, 2, network.input, network.classes).unwrap();
            VariableLayout::new(&model.graph)
        });
        assert_eq!(training, inference, "{path:?}");
        seen += 1;
    }
    assert!(seen > 30);
}

/// Weights of 16 bits go back as such.
#[test]
fn numbers_of_16_bits_go_back_into_16_bits() {
    for name in ["half-whole", "half-brain"] {
        let path = folder().join(format!("{name}.keras"));
        let file = keras::open(Raw::read(&path).unwrap(), None).unwrap();
        let network = file.network;
        let model = network.build(Mode::Inference, 1, network.input, network.classes).unwrap();
        let weights = keras::weights(file.raw, &model).unwrap();
        let read = |numbers: &BTreeMap<String, Tensor>| {
            let bytes = network.rewritten(numbers).unwrap().unwrap();
            let raw = Raw::decode(Path::new("again.keras"), bytes).unwrap();
            keras::weights(raw, &model).unwrap().tensors
        };
        assert_eq!(read(&weights.tensors), weights.tensors, "{name}");
        let mut changed = weights.tensors.clone();
        for (index, tensor) in changed.values_mut().enumerate() {
            tensor.data_mut().fill(1.0 + index as f32 / 64.0);
        }
        assert_eq!(read(&changed), changed, "{name}");
    }
}

#[test]
fn numbers_go_back_to_the_places_that_they_came_from() {
    // Nested, nested twice, shared, with counters beside the weights, in double precision.
    for name in
        ["nested-average", "nested-twice", "shared", "normalization", "augmented", "whole-double"]
    {
        let path = folder().join(format!("{name}.keras"));
        let file = keras::open(Raw::read(&path).unwrap(), None).unwrap();
        let network = file.network;
        let model = network.build(Mode::Inference, 1, network.input, network.classes).unwrap();
        let config = file.raw.config.clone();
        let weights = keras::weights(file.raw, &model).unwrap();
        let mut changed = weights.tensors.clone();
        for (index, tensor) in changed.values_mut().enumerate() {
            tensor.data_mut().iter_mut().for_each(|value| *value = *value * 0.5 + index as f32);
        }
        let bytes = network.rewritten(&changed).unwrap().unwrap();
        let raw = Raw::decode(Path::new("again.keras"), bytes).unwrap();
        assert_eq!(raw.config, config, "{name}");
        let again = keras::weights(raw, &model).unwrap();
        assert_eq!(again.tensors, changed, "{name}");
        // The same numbers make the same file.
        let bytes = network.rewritten(&weights.tensors).unwrap().unwrap();
        let raw = Raw::decode(Path::new("same.keras"), bytes).unwrap();
        assert_eq!(keras::weights(raw, &model).unwrap().tensors, weights.tensors, "{name}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_model_is_trained_further_and_what_is_frozen_stays() {
    let folder_of_it = tempfile::tempdir().unwrap();
    let at = |name: &str| folder_of_it.path().join(name);
    let set = at("set");
    json(&["data", "synth", "--out", text(&set), "--patients", "8", "--size", "64"]);
    let source = folder().join("nested-average.keras");
    let out = at("tuned.keras");
    let train = |more: &[&str]| {
        let start = ["train", "--data", text(&set), "--weights", text(&source)];
        let rest = ["--out", text(&out), "--epochs", "1", "--batch", "6", "--overwrite"];
        [&start[..], &rest, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let run = |more: &[&str]| {
        let all = train(more);
        json(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let refused = |more: &[&str]| {
        let all = train(more);
        failure(&all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let weights = |path: &Path| {
        let file = keras::open(Raw::read(path).unwrap(), None).unwrap();
        let network = file.network;
        let model = network.build(Mode::Inference, 1, network.input, network.classes).unwrap();
        keras::weights(file.raw, &model).unwrap().tensors
    };
    let before = weights(&source);
    for (freeze, still) in [("base", "base/"), ("base/batch*", "base/batch"), ("dense", "dense/")] {
        let found = run(&["--freeze", freeze]);
        assert_eq!(found["weights"], text(&out));
        let after = weights(&out);
        assert_eq!(before.len(), after.len());
        for (name, tensor) in &before {
            let kept = *tensor == after[name];
            assert_eq!(kept, name.starts_with(still), "{name} with --freeze {freeze}");
        }
    }
    // At another size than its own, wider than high.
    let all = train(&["--size", "24x32"]);
    let output = parula(&all.iter().map(String::as_str).collect::<Vec<_>>());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("trained at 24x32 instead of 32x32"), "{said}");
    let picture = set.join("picture.png");
    image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([x as u8, 2 * y as u8, 7 * x as u8]))
        .save(&picture)
        .unwrap();
    let found = json(&["predict", text(&out), text(&picture)]);
    assert_eq!(found[0]["logits"].as_array().unwrap().len(), 2);
    assert!(refused(&["--freeze", "bass*"]).contains("no layer called bass*"));
    assert!(refused(&["--freeze", "*"]).contains("all are frozen"));
    assert!(refused(&["--head", "sigmoid"]).contains("a head of its own"));
    let three = folder().join("nested-maximum.keras");
    let wrong = ["train", "--data", text(&set), "--weights", text(&three), "--out", text(&out)];
    assert!(failure(&wrong).contains("its head is of 3 units"));
    let other = at("tuned.safetensors");
    let wrong = ["train", "--data", text(&set), "--weights", text(&source), "--out", text(&other)];
    assert!(failure(&wrong).contains("no .keras file"));
}

/// Units that do not compete are not taught classes that exclude each other.
#[test]
fn a_head_of_labels_is_not_taught_classes() {
    let keep = tempfile::tempdir().unwrap();
    let (folders, out) = (keep.path().join("set"), keep.path().join("tuned.keras"));
    for (n, class) in ["a", "b", "c", "d"].into_iter().enumerate() {
        std::fs::create_dir_all(folders.join(class)).unwrap();
        for image in 0..3 {
            let numbers = picture(3 * n + image, [32, 32, 1]);
            let bytes = numbers.iter().map(|&number| number as u8).collect();
            let pixels = image::GrayImage::from_raw(32, 32, bytes).unwrap();
            pixels.save(folders.join(class).join(format!("{image}.png"))).unwrap();
        }
    }
    let labels = folder().join("multi-label.keras");
    let wrong = ["train", "--data", text(&folders), "--whole", "--weights", text(&labels)];
    let said = failure(&[&wrong[..], &["--out", text(&out)]].concat());
    assert!(said.contains("4 units, each with a sigmoid, and there are 4 classes"), "{said}");
}
