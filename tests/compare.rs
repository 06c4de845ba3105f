//! `parula compare` as a user runs it: what it writes, how it goes on, and what it refuses.

mod common {
    pub mod judged;
    pub mod program;
}

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use common::judged::assert_at_training_threshold;
use common::program::{self, failure, json, parula, path};
use parula::lab::compare::METRICS;
use parula::nets::images::Grey;
use serde_json::Value;

/// A small synthetic set, made once.
fn mammograms() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &SET.get_or_init(|| program::mammograms(10, 96)).1
}

/// The arguments of a small comparison.
fn small<'a>(out: &'a Path, methods: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["compare", "--data", path(mammograms()), "--out", path(out)];
    arguments.extend(["--methods", methods, "--models", "compact-resnet", "--epochs", "1"]);
    arguments.extend(["--batch", "6", "--size", "32", "--training-images", "3", "--steps", "3"]);
    arguments.extend(more);
    arguments
}

/// The document without what depends on the clock.
fn without_times(mut document: Value) -> Value {
    for unit in document["units"].as_array_mut().unwrap() {
        for key in ["seconds", "seconds_a_heatmap", "seconds_a_faithfulness"] {
            unit.as_object_mut().unwrap().remove(key);
        }
    }
    document
}

fn csv(path: &Path) -> Vec<csv::StringRecord> {
    csv::Reader::from_path(path).unwrap().records().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_comparison_has_every_metric_of_every_map_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let results = json(&small(&whole, "gradcam,saliency", &[]));
    let written = std::fs::read(whole.join("compare.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), results);

    let maps = ["gradcam", "saliency", "ones", "gaussian", "ellipse", "darkness"];
    let units = results["units"].as_array().unwrap();
    assert_eq!(units.iter().map(|unit| unit["method"].as_str().unwrap()).collect::<Vec<_>>(), maps);
    for unit in units {
        assert_eq!((&unit["rois"], &unit["faithfulness_rois"]), (&2.into(), &2.into()), "{unit}");
        for metric in METRICS.iter().filter(|metric| metric.name != "filtered_accuracy") {
            let value = unit["values"][metric.name].as_f64().unwrap();
            // A distance in pixels of ROIs that are not a hundred long.
            let is_distance = ["hausdorff_95", "average_surface_distance"].contains(&metric.name);
            assert!(is_distance != (metric.is_share() || metric.name == "road"));
            let range = if is_distance { 0.0..=142.0 } else { -0.5..=1.0 };
            assert!(range.contains(&value), "{}: {unit}", metric.name);
        }
        assert!(unit["values"]["filtered_accuracy"].is_null());
    }
    // The same means come of the tables of ROIs.
    let scores = csv(&whole.join("scores/compact-resnet/0/gradcam.csv"));
    let mean = scores.iter().map(|line| line[1].parse::<f64>().unwrap()).sum::<f64>() / 2.0;
    assert!((mean - units[0]["values"]["mean_dice"].as_f64().unwrap()).abs() < 1e-12);
    let curve = csv(&whole.join("curves/compact-resnet/0/gradcam.csv"));
    assert_eq!(curve.len(), 256);
    let under = curve.iter().map(|line| line[1].parse::<f64>().unwrap()).sum::<f64>() / 256.0;
    assert!((mean - under).abs() < 1e-12);
    // A map of 255 everywhere knows one thing: how much of an ROI a lesion fills.
    let ones = &units[2]["values"];
    let [energy, precision] =
        ["energy", "average_precision"].map(|name| ones[name].as_f64().unwrap());
    assert!((energy - precision).abs() < 1e-12, "{ones}");

    let classifier = &results["classifiers"][0];
    assert_eq!((&classifier["model"], &classifier["seed"]), (&"compact-resnet".into(), &0.into()));
    let [train, validation] =
        ["0.train.csv", "0.csv"].map(|name| whole.join("predictions/compact-resnet").join(name));
    assert_at_training_threshold(&classifier["at_training_threshold"], &train, &validation);

    let summary = results["summary"].as_array().unwrap();
    let ranked: Vec<f64> =
        summary.iter().map(|map| map["values"]["mean_dice"]["mean"].as_f64().unwrap()).collect();
    assert!(ranked.windows(2).all(|pair| pair[0] >= pair[1]), "{ranked:?}");
    assert!(summary.iter().zip(1..).all(|(map, rank)| map["rank"] == rank));
    let lines = csv(&whole.join("compare.csv"));
    assert_eq!(lines.len(), 6 * (METRICS.len() - 1));
    assert_eq!(csv(&whole.join("summary.csv")).len(), lines.len());
    let table = std::fs::read_to_string(whole.join("compare.md")).unwrap();
    assert!(maps.iter().all(|map| table.contains(&format!("| {map}"))), "{table}");
    for figure in ["bars.png", "dice.png", "roc.png", "gallery-compact-resnet.png"] {
        assert!(Grey::read(whole.join("figures").join(figure)).unwrap().width > 700, "{figure}");
    }

    // One method first, the other later: as if they had been asked for at once.
    json(&small(&parts, "gradcam", &["--resume"]));
    let units_before = std::fs::read(parts.join("scores/compact-resnet/0/gradcam.csv")).unwrap();
    let resumed = json(&small(&parts, "gradcam,saliency", &["--resume"]));
    assert_eq!(resumed["units"].as_array().unwrap().len(), 6);
    assert_eq!(without_times(resumed)["summary"], results["summary"]);
    let scores = whole.join("scores/compact-resnet/0/gradcam.csv");
    assert_eq!(units_before, std::fs::read(scores).unwrap());

    let other = failure(&small(&parts, "gradcam", &["--resume", "--images", "1"]));
    assert!(other.contains("images was null, is 1"), "{other}");
    let other = failure(&small(&parts, "gradcam", &["--resume", "--learning-rate", "0.5"]));
    assert!(other.contains("compact-resnet: learning_rate was 0.002, is 0.5"), "{other}");
}

#[test]
fn the_networks_of_a_run_are_explained_and_only_of_the_same_rois() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("out"));
    let reproduce = ["reproduce", "--data", path(mammograms()), "--models", "compact-resnet"];
    let options = ["--epochs", "1", "--batch", "6", "--size", "32", "--seeds", "3"];
    let of_run = json(&[&reproduce[..], &options, &["--out", path(&run)]].concat());

    let from = ["--weights", path(&run), "--seeds", "3"];
    let more = ["--retrain", "--faithfulness-images", "0", "--rank-by", "filtered_accuracy"];
    let results = json(&small(&out, "gradcam", &[&from[..], &more].concat()));
    // The heatmaps are those of the run, and so is their score.
    let unit = &results["units"][0];
    let of_run = &of_run["runs"][0];
    let [own, other] = [&unit["values"]["mean_dice"], &of_run["mean_dice_validation"]];
    assert!((own.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6, "{own} {other}");
    assert_eq!(unit["val_acc"], of_run["val_acc"]);
    assert!(unit["values"]["road"].is_null() && unit["seconds_a_faithfulness"].is_null());
    for unit in results["units"].as_array().unwrap() {
        assert_eq!(unit["retrained"]["val_acc"], unit["values"]["filtered_accuracy"]);
    }
    // Times 255 everywhere an ROI is what it was, and trained alike a network learns the same.
    let ones = results["units"].as_array().unwrap().iter().find(|unit| unit["method"] == "ones");
    assert_eq!(ones.unwrap()["retrained"]["val_acc"], of_run["val_acc"]);
    assert_eq!(csv(&out.join("predictions/compact-resnet/3/ones.csv")).len(), 4);

    // Trained again otherwise, they do not learn the same; stderr says so.
    let noted = parula(&small(
        &folder.path().join("noted"),
        "gradcam",
        &[&from[..], &more, &["--no-flips"]].concat(),
    ));
    let noted = String::from_utf8(noted.stderr).unwrap();
    assert!(noted.contains("--retrain trains otherwise") && noted.contains("flips was"), "{noted}");

    let refused = |more: &[&str]| {
        let out = folder.path().join("refused");
        failure(&small(&out, "gradcam", &[&["--weights", path(&run)], more].concat()))
    };
    assert!(refused(&["--seeds", "4"]).contains("no weights of compact-resnet with seed 4"));
    assert!(refused(&["--seeds", "3", "--seed", "9"]).contains("learnt from other ROIs"));
    let none = failure(&small(
        &folder.path().join("none"),
        "gradcam",
        &["--weights", path(folder.path())],
    ));
    assert!(none.contains("results.json is missing"), "{none}");
}

#[test]
fn names_and_numbers_that_are_wrong_are_refused_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let error = failure(&small(&out, "gradcam", &["--patch", "3"]));
    assert!(error.contains("no method that is compared has a use for --patch"), "{error}");
    let method = failure(&small(&out, "gradcam,gradcom", &[]));
    assert!(
        method.contains(r#"no CAM method is called "gradcom""#) && method.contains("layercam"),
        "{method}"
    );
    let all = failure(&small(&out, "all", &["--images", "0"]));
    assert!(
        all.contains("--images must be 1"),
        "all methods are known, and refused is the rest: {all}"
    );
    let metric = failure(&small(&out, "gradcam", &["--rank-by", "beauty"]));
    assert!(
        metric.contains(r#"no metric is called "beauty""#) && metric.contains("road_morf"),
        "{metric}"
    );
    let metric = failure(&small(&out, "gradcam", &["--rank-by", "filtered_accuracy"]));
    assert!(metric.contains("--retrain"), "{metric}");
    for name in ["deletion", "insertion", "road_morf", "road_lerf", "road"] {
        let more = ["--faithfulness-images", "0", "--rank-by", name];
        let metric = failure(&small(&out, "gradcam", &more));
        assert!(metric.contains(name) && metric.contains("--faithfulness-images 0"), "{metric}");
    }
    for (option, value) in [("--steps", "1"), ("--images", "0"), ("--training-images", "0")] {
        let arguments =
            ["compare", "--data", path(mammograms()), "--out", path(&out), option, value];
        let error = failure(&arguments);
        assert!(error.contains(option), "{error}");
    }
    let model =
        failure(&["compare", "--data", path(mammograms()), "--models", "vgg", "--out", path(&out)]);
    assert!(model.contains("compact-xception, compact-resnet"), "{model}");
    assert!(!out.exists(), "nothing was written");
    assert_eq!(parula(&["compare", "--images", "many"]).status.code(), Some(2));
}
