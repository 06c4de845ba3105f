//! `parula compare --trust`: weights that are lost layer by layer, controls that must fail, and what a run leaves.

#[path = "keras/seeded.rs"]
#[allow(dead_code, reason = "weights are taken, images are not")]
mod seeded;

mod common {
    pub mod adapter;
    pub mod program;
}

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::adapter;
use common::program::{self, failure, failure_and_code, json, path};
use parula::engine::session::Store;
use parula::engine::tensor::Tensor;
use parula::lab::compare::trust::{Learnt, stages};
use parula::nets::images::Grey;
use parula::nets::models::{self, Mode, Model};
use serde_json::Value;

/// All variables of a store, by name.
fn variables(store: &Store) -> BTreeMap<String, Tensor> {
    let names = store.names();
    let tensors = store.get(&names).unwrap();
    names.into_iter().zip(tensors).collect()
}

/// Whether `tensor` is what Keras's defaults start the variable `name` with.
fn is_initial(name: &str, tensor: &Tensor) -> bool {
    let all = |value: f32| tensor.data().iter().all(|&number| number == value);
    match name.rsplit('/').next().unwrap() {
        "gamma" | "moving_variance" => all(1.0),
        "beta" | "moving_mean" | "bias" => all(0.0),
        _ => {
            // Glorot's uniform: sqrt(6 / (fan_in + fan_out)), by the shape as Keras counts.
            let dims = tensor.dims();
            let (channels, filters) = (dims[dims.len() - 2], dims[dims.len() - 1]);
            let taps: usize = dims[..dims.len() - 2].iter().product();
            let limit = (6.0 / (taps * (channels + filters)) as f32).sqrt();
            let squares: f32 = tensor.data().iter().map(|number| number * number).sum();
            let deviation = (squares / tensor.data().len() as f32).sqrt();
            let largest = tensor.data().iter().fold(0.0f32, |most, number| most.max(number.abs()));
            let share = deviation / (limit / 3f32.sqrt());
            largest <= limit && largest > 0.8 * limit && (0.8..1.2).contains(&share)
        }
    }
}

/// For each layer of `model`, those that read it, directly or not.
fn readers(model: &Model) -> Vec<Vec<usize>> {
    let mut readers = vec![Vec::new(); model.layers.len()];
    for (index, layer) in model.layers.iter().enumerate() {
        // Layers stand after what they read.
        let mut above = layer.inputs.clone();
        while let Some(input) = above.pop() {
            readers[input].push(index);
            above.extend(&model.layers[input].inputs);
        }
    }
    readers
}

#[test]
fn the_cascade_goes_from_the_last_layer_to_the_first_and_leaves_nothing_that_was_learnt() {
    let Some(gpu) = adapter::at_hand() else { return };
    for (name, first) in [
        ("compact-resnet", "conv1_conv"),
        ("compact-xception", "block1_conv1"),
        ("mobilenet-v2", "Conv1"),
    ] {
        let network = models::find(name).unwrap();
        let model = network.build(Mode::Inference, 1, [32, 32], 2).unwrap();
        let store = Store::new(&gpu, &model.graph, 5).unwrap();
        let own_start = variables(&store);
        seeded::fill(&model.graph, &store, 0.1);
        let learnt = variables(&store);
        let kept = Learnt::of(&store).unwrap();
        let random = Learnt::drawn(&gpu, &model, 5, 0).unwrap();

        let all = stages(&model, None);
        let with_weights = model.layers.iter().filter(|layer| !layer.weights.is_empty()).count();
        assert_eq!(all.len(), with_weights);
        assert_eq!((&all[0].layer[..], &all[with_weights - 1].layer[..]), ("predictions", first));
        let mut lost_at = BTreeMap::new();
        for (number, stage) in all.iter().enumerate() {
            random.put_stage(stage, &store).unwrap();
            assert_eq!(stage.layers, number + 1);
            for (name, now) in variables(&store) {
                if now != learnt[&name] {
                    lost_at.entry(name).or_insert(number);
                }
            }
            let layer = model.layers.iter().find(|layer| layer.name == stage.layer).unwrap();
            assert!(
                layer.weights.iter().all(|name| lost_at.get(name) == Some(&number)),
                "{name}: {stage:?}"
            );
            assert_eq!(lost_at.values().filter(|at| **at == number).count(), layer.weights.len());
        }
        let now = variables(&store);
        assert!(now.keys().all(|name| lost_at.contains_key(name)), "{name}: something is left");
        for (variable, tensor) in &now {
            assert!(is_initial(variable, tensor), "{name}: {variable}");
        }
        // A layer keeps its weights until all that read it have lost theirs.
        for (layer, after) in model.layers.iter().zip(readers(&model)) {
            for own in &layer.weights {
                for reader in after.iter().flat_map(|&index| &model.layers[index].weights) {
                    assert!(lost_at[reader] <= lost_at[own], "{name}: {reader} after {own}");
                }
            }
        }
        // Not what the training started from, and another draw is another network.
        Learnt::drawn(&gpu, &model, 5, 1).unwrap().put(&store).unwrap();
        let other = variables(&store);
        for (variable, tensor) in now.iter().filter(|(name, _)| name.ends_with("kernel")) {
            assert!(*tensor != own_start[variable] && *tensor != other[variable], "{variable}");
        }
        kept.put(&store).unwrap();
        assert!(variables(&store) == learnt, "{name} is as it was");

        let blocks = stages(&model, Some(4));
        assert_eq!((blocks.len(), blocks[3].layers), (4, with_weights));
        assert_eq!(blocks[3].layer, first);
        blocks.iter().for_each(|stage| random.put_stage(stage, &store).unwrap());
        assert!(variables(&store) == now, "{name}: blocks lose what layers lose");
        assert_eq!(stages(&model, Some(10_000)), all);
    }
}

/// A small synthetic set, made once.
fn mammograms() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &SET.get_or_init(|| program::mammograms(24, 96)).1
}

/// The arguments of a small comparison.
fn small<'a>(out: &'a Path, models: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["compare", "--data", path(mammograms()), "--out", path(out)];
    arguments.extend(["--methods", "activation,saliency,smoothgrad", "--models", models]);
    arguments.extend(["--epochs", "1", "--batch", "8", "--size", "32", "--training-images", "3"]);
    arguments.extend(["--faithfulness-images", "0", "--samples", "3"]);
    arguments.extend(more);
    arguments
}

const TRUST: [&str; 5] = ["--trust", "--trust-stages", "2", "--trust-changes", "2"];

fn csv(path: &Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().collect::<Result<_, _>>().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn a_comparison_says_of_each_method_what_it_passed_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // Without it first: it may be asked for later.
    let before = json(&small(&out, "compact-resnet", &[]));
    assert!(before.get("trust").is_none() && before["config"].get("trust").is_none());
    let results = json(&small(&out, "compact-resnet", &[&TRUST[..], &["--resume"]].concat()));
    let network = models::find("compact-resnet").unwrap();
    let model = network.build(Mode::Inference, 1, [32, 32], 2).unwrap();
    let layers = stages(&model, None).len();
    let trust = results["trust"].as_array().unwrap();
    let methods: Vec<&str> = trust.iter().map(|one| one["method"].as_str().unwrap()).collect();
    assert_eq!(methods, ["activation", "saliency", "smoothgrad", "sobel", "noise"]);
    for one in trust {
        let (method, stages) =
            (one["method"].as_str().unwrap(), one["randomised"].as_array().unwrap());
        // A layer at a time where that is cheap.
        let cheap = ["activation", "saliency"].contains(&method);
        assert_eq!(stages.len(), if cheap { layers } else { 2 }, "{method}");
        assert_eq!(stages[stages.len() - 1]["layer"], "conv1_conv");
        let lines = csv(&out.join(format!("trust/compact-resnet/0/{method}.csv")));
        let mean = |test: &str, layer: &str, column: &str| {
            let own = lines.iter().filter(|line| line["test"] == test && line["layer"] == layer);
            let values: Vec<f64> = own.map(|line| line[column].parse().unwrap()).collect();
            assert!(!values.is_empty(), "{method}: {test} {layer}");
            values.iter().sum::<f64>() / values.len() as f64
        };
        for column in ["ssim", "rank", "ssim_signed", "rank_signed"] {
            let near = |found: &Value, test: &str, layer: &str| {
                let expected = mean(test, layer, column);
                assert!(
                    (number(found) - expected).abs() < 1e-9,
                    "{method}, {test}: {found} {expected}"
                );
            };
            for stage in stages {
                near(&stage[column], "randomised", stage["layer"].as_str().unwrap());
            }
            for test in ["random_pairs", "label_randomised", "repeatability", "edges", "noise"] {
                near(&one[test][column], test, "");
            }
        }
        // The rules, computed anew.
        let pairs = &one["random_pairs"];
        let level = |what: &str| {
            let error =
                number(&pairs[format!("{what}_deviation")]) / number(&pairs["pairs"]).sqrt();
            number(&pairs[what]) + 1.96 * error
        };
        type Rule = fn(f64, f64) -> bool;
        let both = |found: &Value, rule: Rule| {
            ["ssim", "rank"].iter().all(|what| rule(number(&found[*what]), level(what)))
        };
        let unlike: Rule = |found, level| found <= level;
        let alike: Rule = |found, level| found > level;
        let passed = &one["passed"];
        assert_eq!(passed["randomised"], both(&stages[stages.len() - 1], unlike), "{one}");
        assert_eq!(passed["label_randomised"], both(&one["label_randomised"], unlike), "{one}");
        assert_eq!(passed["repeatability"], both(&one["repeatability"], alike), "{one}");
        assert_eq!(
            passed["max_sensitivity"],
            number(&one["max_sensitivity"]) < number(&pairs["change"]),
            "{one}"
        );
        assert!(passed["reproducibility"].is_null() && one["reproducibility"].is_null());
        assert!((0.0..1.0).contains(&number(&one["sparseness"])), "{one}");
        let unit = results["units"].as_array().unwrap();
        let unit = unit.iter().find(|unit| unit["method"] == method).unwrap();
        assert_eq!(one["mean_dice"], unit["values"]["mean_dice"]);

        if one["trivial"] == true {
            // What looks at no network stays as it is, whatever becomes of the network.
            for found in stages.iter().chain([&one["label_randomised"], &one["repeatability"]]) {
                assert!((number(&found["ssim"]) - 1.0).abs() < 1e-9, "{one}");
                assert!((number(&found["rank"]) - 1.0).abs() < 1e-9, "{one}");
            }
            assert_eq!(
                (&passed["randomised"], &passed["label_randomised"]),
                (&false.into(), &false.into())
            );
        } else {
            assert!(stages.windows(2).any(|pair| pair[0]["rank"] != pair[1]["rank"]), "{method}");
            assert!(number(&stages[stages.len() - 1]["ssim"]) < 0.999, "{method}");
        }
    }
    let edges = trust.iter().find(|one| one["method"] == "sobel").unwrap();
    assert!((number(&edges["edges"]["ssim"]) - 1.0).abs() < 1e-9);
    assert_eq!(results["trust_rules"].as_array().unwrap().len(), 5);
    let networks = &results["trust_networks"][0];
    assert_eq!((&networks["shuffled"]["seed"], &networks["twin"]["seed"]), (&0.into(), &1.into()));
    let table = std::fs::read_to_string(out.join("compare.md")).unwrap();
    assert!(table.contains("sobel (control)") && table.contains("FAILED 1.00 1.00"), "{table}");
    assert!(csv(&out.join("trust.csv")).len() > 5 * 10);
    let figure = out.join("figures/trust-compact-resnet.png");
    assert!(Grey::read(&figure).unwrap().width > 700);

    // Another architecture later: what is there stays, and gets its reproducibility.
    let table = std::fs::read(out.join("trust/compact-resnet/0/activation.csv")).unwrap();
    let models = "compact-resnet,compact-xception";
    let both = json(&small(&out, models, &[&TRUST[..], &["--resume"]].concat()));
    assert_eq!(table, std::fs::read(out.join("trust/compact-resnet/0/activation.csv")).unwrap());
    let both_trust = both["trust"].as_array().unwrap();
    assert_eq!(both_trust.len(), 10);
    for one in both_trust {
        let method = one["method"].as_str().unwrap();
        let folder = out.join("trust/compact-resnet/0/with-compact-xception");
        let lines = csv(&folder.join(format!("{method}.csv")));
        let ranks = lines.iter().map(|line| line["rank"].parse::<f64>().unwrap());
        let mean = ranks.sum::<f64>() / lines.len() as f64;
        assert!((number(&one["reproducibility"]["rank"]) - mean).abs() < 1e-9, "{one}");
        assert!(one["passed"]["reproducibility"].is_boolean(), "{one}");
    }
    assert_eq!(both_trust[0]["randomised"], trust[0]["randomised"]);

    // In another order, and without the flag, nothing is made again or lost.
    let turned = json(&small(
        &out,
        "compact-xception,compact-resnet",
        &[&TRUST[..], &["--resume"]].concat(),
    ));
    assert_eq!(turned["trust"], both["trust"]);
    let without = json(&small(&out, models, &["--resume"]));
    assert_eq!(without["trust"], both["trust"]);
    let other = [&TRUST[..], &["--resume", "--trust-images", "3"]].concat();
    let other = failure(&small(&out, models, &other));
    assert!(other.contains("trust: compared_rois was 32, is 3"), "{other}");
}

#[test]
fn the_networks_of_a_run_are_only_held_against_others_that_learn_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("out"));
    let reproduce = ["reproduce", "--data", path(mammograms()), "--models", "compact-resnet"];
    let options = ["--epochs", "1", "--batch", "8", "--size", "32", "--experiments", "1"];
    json(&[&reproduce[..], &options, &["--out", path(&run)]].concat());
    let from = [&TRUST[..], &["--weights", path(&run)]].concat();
    let more = [&from[..], &["--learning-rate", "0.5"]].concat();
    let refused = failure(&small(&out, "compact-resnet", &more));
    assert!(refused.contains("learning_rate was 0.002, is 0.5"), "{refused}");
    let only = [&from[..], &["--resume", "--trust-images", "2"]].concat();
    let results = json(&small(&out, "compact-resnet", &only));
    for one in results["trust"].as_array().unwrap() {
        let compared = number(&one["rois"]) + number(&one["empty"]);
        assert_eq!(compared, 2.0, "{one}");
    }
}

#[test]
fn what_is_out_of_range_is_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for (option, value) in [
        ("--trust-images", "1"),
        ("--trust-images", "1001"),
        ("--trust-stages", "0"),
        ("--trust-changes", "0"),
    ] {
        let (error, code) =
            failure_and_code(&small(&out, "compact-resnet", &["--trust", option, value]));
        assert!(error.contains(option) && error.contains("give "), "{error}");
        assert_eq!(code, 2, "{error}");
    }
    let without = common::program::parula(&small(&out, "compact-resnet", &["--trust-images", "4"]));
    assert_eq!(without.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&without.stderr).contains("--trust"));
    assert!(!out.exists(), "nothing was written");
}

#[test]
fn guided_backpropagation_outlives_the_network_and_grad_cam_does_not() {
    // As published: by Adebayo and others (2018), figure 2, and by Arun and others (2021), figure 3.
    let folder = tempfile::tempdir().unwrap();
    let (set, out) = (folder.path().join("set"), folder.path().join("out"));
    json(&["data", "synth", "--out", path(&set), "--patients", "40", "--size", "128"]);
    let mut arguments = vec!["compare", "--data", path(&set), "--out", path(&out), "--trust"];
    arguments.extend(["--methods", "gradcam,guided-backprop", "--models", "compact-resnet"]);
    arguments.extend(["--epochs", "8", "--batch", "16", "--size", "48", "--training-images", "3"]);
    arguments.extend(["--faithfulness-images", "0", "--trust-changes", "1"]);
    let results = json(&arguments);
    let passed = |method: &str| {
        let trust = results["trust"].as_array().unwrap();
        let one = trust.iter().find(|one| one["method"] == method).unwrap();
        (one["passed"]["randomised"].clone(), one.to_string())
    };
    let (grad_cam, why) = passed("gradcam");
    assert_eq!(grad_cam, true, "{why}");
    let (guided, why) = passed("guided-backprop");
    assert_eq!(guided, false, "{why}");
}
