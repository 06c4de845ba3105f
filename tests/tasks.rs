//! An experiment in parts: each runs by itself, in any order and at the same time as others, and together they are
//! what one process leaves. Folds among them: every ROI is validated once.

mod common {
    pub mod runs;
}

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::runs::{assert_same, without_times};
use serde_json::Value;

/// `parula reproduce` of two networks, one seed and two folds, as small as can be, or another command.
fn parula(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    command.args(arguments).arg("--no-tuning");
    for (variable, flag) in [("PARULA_BACKEND", "--backend"), ("PARULA_ADAPTER", "--adapter")] {
        if let Ok(value) = std::env::var(variable) {
            command.args([flag, &value]);
        }
    }
    command
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn reproduce(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = parula(&["reproduce", "--models", "compact-resnet,compact-xception"]);
    command.args(["--folds", "2", "--experiments", "1,2", "--epochs", "1", "--batch", "8"]);
    command.args(["--size", "24", "--json", "--data", path(data), "--out", path(out)]).args(more);
    command
}

fn json(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn failure(mut command: Command, code: i32) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let error = String::from_utf8_lossy(&stderr).into_owned();
    assert_eq!(status.code(), Some(code), "{error}");
    error
}

fn results(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("results.json")).unwrap()).unwrap()
}

#[test]
fn parts_are_together_what_one_process_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let synth = ["data", "synth", "--patients", "8", "--size", "64", "--out", path(&data)];
    assert!(parula(&synth).stdout(Stdio::null()).status().unwrap().success());

    let whole = folder.path().join("whole");
    let expected = json(reproduce(&data, &whole, &[]));
    every_roi_is_validated_once(&whole, &expected);

    let out = folder.path().join("parts");
    let tasks = json(reproduce(&data, &out, &["--tasks"]));
    let tasks = tasks.as_array().unwrap();
    let named = |task: &Value| (task["model"].as_str().unwrap().to_owned(), task["fold"].as_u64());
    let names: Vec<_> = tasks.iter().map(named).collect();
    let both = ["compact-resnet", "compact-xception"];
    let all = both.iter().flat_map(|model| [1, 2].map(|fold| ((*model).to_owned(), Some(fold))));
    assert_eq!(names, all.collect::<Vec<_>>());
    assert!(!out.exists(), "--tasks runs none");

    let error = failure(reproduce(&data, &out, &["--task", "4"]), 2);
    assert!(error.contains("no task 4") && error.contains("0 to 3"), "{error}");
    // The last first, and two at the same time.
    json(reproduce(&data, &out, &["--task", "3"]));
    let mut first = reproduce(&data, &out, &["--task", "0"]);
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    json(reproduce(&data, &out, &["--task", "1"]));
    assert!(first.wait().unwrap().success());
    // One that was done is done.
    json(reproduce(&data, &out, &["--task", "3"]));

    json(parula(&["report", path(&out), "--json"]));
    let missing = results(&out)["missing"].clone();
    assert_eq!((missing.as_array().unwrap().len(), &missing[0]["task"]), (1, &Value::from(2)));
    assert_eq!(missing[0]["phases"].as_array().unwrap().len(), 4);

    // Another version's kernels, other options: refused, with the part and what differs.
    let part = out.join("tasks").join("compact-xception-0-fold1");
    json(reproduce(&data, &out, &["--task", "2", "--learning-rate", "0.01"]));
    let error = failure(parula(&["report", path(&out)]), 1);
    assert!(
        error.contains("compact-xception-0-fold1") && error.contains("learning_rate"),
        "{error}"
    );
    std::fs::remove_dir_all(&part).unwrap();
    json(reproduce(&data, &out, &["--task", "2"]));

    json(parula(&["report", path(&out), "--json"]));
    assert_eq!(without_times(&results(&out)), without_times(&expected));
    std::fs::remove_dir_all(out.join("tasks")).unwrap();
    assert_same(&out, &whole);

    // Together they are a run that can be gone on with.
    let more = json(reproduce(&data, &out, &["--resume"]));
    assert_eq!(without_times(&more), without_times(&expected));
}

/// Each ROI stands in the predictions of one fold of every network, and the pooled figures are of all of them.
fn every_roi_is_validated_once(out: &Path, results: &Value) {
    let dataset = &results["dataset"];
    let rois = dataset["abnormal"].as_u64().unwrap() + dataset["normal"].as_u64().unwrap();
    for model in ["compact-resnet", "compact-xception"] {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        let mut right = 0.0;
        for fold in [1, 2] {
            let path = out.join("predictions").join(model).join(format!("0-fold{fold}.csv"));
            let mut table = csv::Reader::from_path(path).unwrap();
            for line in table.records() {
                let line = line.unwrap();
                *times.entry(line[0].to_owned()).or_default() += 1;
                right += line[5].parse::<f64>().unwrap();
            }
        }
        assert!(times.values().all(|&times| times == 1), "{times:?}");
        assert_eq!(times.len() as u64, rois);
        let pooled = results["pooled"].as_array().unwrap();
        let own = pooled.iter().find(|one| one["model"] == model).unwrap();
        assert_eq!((own["folds"].as_u64(), own["rois"].as_u64()), (Some(2), Some(rois)));
        assert!((own["accuracy"].as_f64().unwrap() - right / rois as f64).abs() < 1e-12);
        let confusion: u64 = own["confusion"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row.as_array().unwrap())
            .map(|count| count.as_u64().unwrap())
            .sum();
        assert_eq!(confusion, rois);
    }
}
