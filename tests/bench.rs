//! `parula bench` as a user runs it: kernels, models and methods. What it says of times is not tested, but
//! that it says it of everything that was asked for.

mod common {
    pub mod program;
}

use std::path::Path;

use common::program::{failure, json, parula};
use parula::nets::cam::METHODS;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_bench_times_layers_and_sets_them_against_an_older_report() {
    let folder = tempfile::tempdir().unwrap();
    let (old, csv) = (folder.path().join("old.json"), folder.path().join("rows.csv"));
    let bench = ["bench", "conv2d", "conv2d_weight_gradient", "--layers", "compact-resnet"];
    let bench = [&bench[..], &["--batch", "1", "--size", "24", "--quick", "--chosen"]].concat();
    let report = json(&[&bench[..], &["--csv", path(&csv)]].concat());
    let rows = report["results"].as_array().unwrap();
    for name in ["conv2d", "conv2d_weight_gradient"] {
        assert!(rows.iter().any(|row| row["op"] == name), "{name} is missing");
    }
    for row in rows {
        assert!(
            row["ms_q1"].as_f64() <= row["ms"].as_f64()
                && row["ms"].as_f64() <= row["ms_q3"].as_f64()
        );
        assert!(
            row["default"] == true
                && row["layers"].as_u64() > Some(0)
                && row["checked"].is_string()
        );
    }
    assert!(report["not_timed"].as_array().unwrap().is_empty(), "{}", report["not_timed"]);
    for cost in ["dispatch", "record", "submit"] {
        assert!(report["overhead"][cost]["ms"].as_f64() > Some(0.0), "{cost}");
    }
    assert!(["gpu timestamps", "host clock"].contains(&report["timer"].as_str().unwrap()));
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1 + rows.len());

    std::fs::write(&old, report.to_string()).unwrap();
    let one = [&bench[..], &["--phases", "forward", "--compare", path(&old)]].concat();
    let comparison = &json(&one)["comparison"];
    let compared = comparison["rows"].as_array().unwrap();
    assert!(!compared.is_empty() && compared.iter().all(|row| row["verdict"].is_string()));
    assert!(comparison["only_old"].as_u64() > Some(0) && comparison["only_new"] == 0);

    let mut other = report.clone();
    other["adapter"] = "another GPU".into();
    std::fs::write(&old, other.to_string()).unwrap();
    let error = failure(&one);
    assert!(error.contains("old.json") && error.contains("another GPU"), "{error}");
}

#[test]
fn nothing_timed_is_a_failure_with_its_reason() {
    let case = "n=1,h=4,w=4,cin=4,cout=4,k=4096,s=1,g=1";
    let message = failure(&["bench", "conv2d", "--case", case, "--quick", "--chosen"]);
    assert!(message.contains("nothing was timed: input_1 4096x4096x4x4"), "{message}");
    assert!(!message.contains("use a batch"), "the batch is 1: {message}");
}

#[test]
fn the_bench_shows_where_the_time_of_a_model_goes() {
    let model = ["bench", "--model", "compact-resnet", "--size", "24", "--batch", "2", "--quick"];
    let report = json(&[&model[..], &["--phases", "forward,training-step", "--profile"]].concat());
    let profiles = report["profiles"].as_array().unwrap();
    assert_eq!(profiles.len(), 2);
    for (profile, phase) in profiles.iter().zip(["forward", "training_step"]) {
        assert_eq!((&profile["phase"], &profile["batch"]), (&phase.into(), &2.into()));
        let rows = profile["rows"].as_array().unwrap();
        let sum = |field: &str| rows.iter().map(|row| row[field].as_f64().unwrap()).sum::<f64>();
        assert!((sum("share") - 1.0).abs() < 1e-9);
        assert!((sum("ms") / profile["sum_ms"].as_f64().unwrap() - 1.0).abs() < 1e-9);
        let convolutions = rows.iter().filter(|row| row["op"] == "conv2d");
        assert_eq!(convolutions.map(|row| row["steps"].as_u64().unwrap()).sum::<u64>(), 13);
        assert_eq!(rows.iter().any(|row| row["op"] == "optimizer"), phase == "training_step");
    }
    let text = parula(&["bench", "--profile"]);
    assert_eq!(text.status.code(), Some(2), "--profile is of a model");
}

#[test]
fn the_bench_says_what_a_method_costs_beside_what_it_needs() {
    let bench = ["bench", "--model", "compact-resnet", "--size", "24", "--batch", "2", "--quick"];
    let report = json(&[&bench[..], &["--phases", "forward", "--methods", "all"]].concat());
    let rows = report["methods"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(names, METHODS.iter().map(|method| method.name).collect::<Vec<_>>());
    let forward = report["models"][0]["forward"]["peak_bytes"].as_u64();
    for (row, method) in rows.iter().zip(METHODS) {
        assert!(row["ms"].as_f64() > Some(0.0) && row["over_forward"].as_f64() > Some(0.0));
        assert_eq!(row["beside_gradient"].is_null(), method.samples(), "{}", method.name);
        assert!(row["peak_bytes"].as_u64() >= forward, "{}", method.name);
    }
    let message = failure(&[&bench[..], &["--methods", "gradcamera"]].concat());
    assert!(message.contains("gradcamera") && message.contains("layercam"), "{message}");
    let unet = ["bench", "--model", "compact-unet", "--quick", "--phases", "forward"];
    let message = failure(&[&unet[..], &["--methods", "gradcam", "--size", "32"]].concat());
    assert!(message.contains("compact-unet gives a mask"), "{message}");
}
