//! Experiments, comparisons and segmentations in parts: each runs by itself, in any order and at the same time as others,
//! and together they are what one process leaves. Folds among them: every ROI is validated once.

mod common {
    pub mod program;
    pub mod runs;
}

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::program::{command as parula, mammograms, path};
use common::runs::{assert_same, without_times};
use serde_json::Value;

/// `parula reproduce` of two networks, one seed and two folds, as small as can be.
fn reproduce(data: &Path, out: &Path, more: &[&str]) -> Command {
    small(parula(&["reproduce"]), data, out, more)
}

/// The same on whatever adapter it chooses.
fn bare(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    command.args(["reproduce", "--no-tuning"]);
    small(command, data, out, more)
}

fn small(mut command: Command, data: &Path, out: &Path, more: &[&str]) -> Command {
    command.args(["--models", "compact-resnet,compact-xception"]);
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
    let (_keep, data) = mammograms(8, 64);

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

    // A GPU that is asked for and not there.
    for (adapter, part) in [("0,99", "no adapter matches"), ("pci:0000:fe:00.0", "is at 0000:fe")] {
        let error = failure(bare(&data, &out, &["--adapters", adapter]), 1);
        assert!(error.contains(part), "{error}");
    }
    let error = failure(bare(&data, &out, &["--adapters", "0", "--adapter", "0"]), 2);
    assert!(error.contains("cannot both be given"), "{error}");
    let mut named = bare(&data, &out, &["--task", "0"]);
    let error = failure(
        {
            named.env("CUDA_VISIBLE_DEVICES", "99");
            named
        },
        1,
    );
    assert!(error.contains("CUDA_VISIBLE_DEVICES=99") && error.contains("--adapter"), "{error}");

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

    // The same by one command, on two adapters at once: here the same one twice.
    let both = folder.path().join("both");
    let mut command = bare(&data, &both, &["--adapters", "0,0"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!((0..4).all(|task| said.contains(&format!("[0] task {task}: "))), "{said}");
    let together: Value = serde_json::from_slice(&output.stdout).unwrap();
    match ["PARULA_ADAPTER", "PARULA_BACKEND"].iter().any(|name| std::env::var_os(name).is_some()) {
        true => {
            println!("SKIPPED equal bits: the first adapter need not be the one that is tested")
        }
        false => assert_eq!(without_times(&together)["runs"], without_times(&expected)["runs"]),
    }

    // Together they are a run that can be gone on with.
    let more = json(reproduce(&data, &out, &["--resume"]));
    assert_eq!(without_times(&more), without_times(&expected));
}

/// What `--tasks` lists, by what is called `key` in each.
fn listed(command: Command, key: &str) -> Vec<Value> {
    json(command).as_array().unwrap().iter().map(|task| task[key].clone()).collect()
}

#[test]
fn the_parts_of_a_comparison_are_together_what_one_process_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (_keep, data) = mammograms(8, 64);
    let compare = |out: &Path, more: &[&str]| {
        let mut command = parula(&["compare", "--models", "compact-resnet,compact-xception"]);
        command.args(["--methods", "gradcam", "--seeds", "3,4", "--epochs", "1", "--batch", "8"]);
        command.args(["--size", "24", "--training-images", "3", "--steps", "2", "--trust"]);
        command.args(["--trust-images", "2", "--trust-stages", "1", "--trust-changes", "1"]);
        command.args(["--json", "--data", path(&data), "--out", path(out)]).args(more);
        command
    };
    let whole = folder.path().join("whole");
    let expected = json(compare(&whole, &[]));
    assert_eq!(expected["trust_pairs"].as_array().unwrap().len(), 3, "gradcam and two controls");

    // Maps that are held against those of another network are one part with it.
    let out = folder.path().join("parts");
    let models = listed(compare(&out, &["--tasks"]), "models");
    let both = serde_json::json!(["compact-resnet", "compact-xception"]);
    let [resnet, xception] = ["compact-resnet", "compact-xception"].map(|m| serde_json::json!([m]));
    assert_eq!(models, [both, resnet, xception]);
    assert!(!out.exists(), "--tasks runs none");
    let error = failure(compare(&out, &["--task", "3"]), 2);
    assert!(error.contains("no task 3: they are 0 to 2"), "{error}");

    json(compare(&out, &["--task", "2"]));
    let together = json(parula(&["report", path(&out), "--json"]));
    let missing = together["missing"].as_array().unwrap();
    let numbers: Vec<_> = missing.iter().map(|one| one["task"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 0, 1], "a line for each network");
    assert_eq!(missing[0]["maps"].as_array().unwrap().len(), 7);
    assert_eq!(missing[0]["pairs"][0], "gradcam with compact-xception");
    assert!(missing[2]["trust"].is_null() && !out.join("figures/bars.png").exists());
    json(compare(&out, &["--task", "0"]));

    // Other options: refused, with the part and what differs.
    json(compare(&out, &["--task", "1", "--images", "1"]));
    let error = failure(parula(&["report", path(&out)]), 1);
    let parts = ["tasks/compact-xception-4: ", "tasks/compact-resnet-4: ", "images was 1, is null"];
    assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    json(compare(&out, &["--task", "1", "--overwrite", "--rank-by", "dice"]));
    let error = failure(parula(&["report", path(&out)]), 1);
    assert!(error.contains("other rank_by"), "{error}");
    json(compare(&out, &["--task", "1", "--overwrite"]));
    // One that was done is done.
    json(compare(&out, &["--task", "1"]));

    let together = json(parula(&["report", path(&out), "--json"]));
    assert_eq!(without_times(&together), without_times(&expected));
    std::fs::remove_dir_all(out.join("tasks")).unwrap();
    assert_same(&out, &whole);

    // Together they are a run that can be gone on with.
    let more = json(compare(&out, &["--resume"]));
    assert_eq!(without_times(&more), without_times(&expected));
}

#[test]
fn the_parts_of_a_segmentation_are_together_what_one_process_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (_keep, data) = mammograms(8, 64);
    let small = |mut command: Command, out: &Path, more: &[&str]| {
        command.args(["--model", "compact-resnet", "--seeds", "5,3", "--epochs", "1"]);
        command.args(["--batch", "6", "--size", "24", "--segmenter-epochs", "1"]);
        command.args(["--segmenter-size", "32", "--json", "--data", path(&data)]);
        command.args(["--out", path(out)]).args(more);
        command
    };
    let weak = |out: &Path, more: &[&str]| small(parula(&["weak"]), out, more);
    let whole = folder.path().join("whole");
    let expected = json(weak(&whole, &[]));

    let out = folder.path().join("parts");
    assert_eq!(listed(weak(&out, &["--tasks"]), "seed"), [5, 3]);
    assert!(!out.exists(), "--tasks runs none");
    let error = failure(weak(&out, &["--task", "2"]), 2);
    assert!(error.contains("no task 2: they are 0 to 1"), "{error}");
    json(weak(&out, &["--task", "1"]));
    let together = json(parula(&["report", path(&out), "--json"]));
    assert_eq!(together["missing"], serde_json::json!([{ "task": 0, "seed": 5 }]));

    json(weak(&out, &["--task", "0", "--learning-rate", "0.01"]));
    let error = failure(parula(&["report", path(&out)]), 1);
    assert!(error.contains("compact-resnet-") && error.contains("learning_rate"), "{error}");
    json(weak(&out, &["--task", "0", "--overwrite"]));
    let together = json(parula(&["report", path(&out), "--json"]));
    assert_eq!(without_times(&together), without_times(&expected));

    std::fs::remove_dir_all(out.join("tasks")).unwrap();
    assert_same(&out, &whole);
    let more = json(weak(&out, &["--resume"]));
    assert_eq!(without_times(&more), without_times(&expected));

    // By one command, on two adapters at once: here the same one twice.
    let twice = folder.path().join("twice");
    let mut bare = Command::new(env!("CARGO_BIN_EXE_parula"));
    bare.args(["weak", "--no-tuning"]);
    let together = json(small(bare, &twice, &["--adapters", "0,0"]));
    assert_eq!(together["seeds"].as_array().unwrap().len(), 2);
}

/// `bench --layers` or `tune` of one operation forward and backward: few shapes, in two parts.
fn layers(command: &[&str], cache: &Path, more: &[&str]) -> Command {
    let mut command = parula(command);
    command.args(["--batch", "1", "--size", "24", "--for", "training", "--quick", "--json"]);
    command.env("PARULA_CACHE", cache).args(more);
    command
}

#[test]
fn parts_of_a_bench_measure_what_one_process_does() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("timed");
    let bench = |more: &[&str]| {
        let of = ["bench", "global_pool", "pool", "--layers", "compact-resnet", "--chosen"];
        layers(&of, folder.path(), more)
    };
    let rows = |report: &Value| -> Vec<(String, String, String)> {
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let row = |row: &Value| (text(row, "op"), text(row, "variant"), text(row, "case"));
        report["results"].as_array().unwrap().iter().map(row).collect()
    };
    let whole = json(bench(&[]));
    let ops = listed(bench(&["--tasks"]), "op");
    assert_eq!(ops.len(), 2, "{ops:?}");
    let to = ["--out", path(&out)];
    let part = |task: &str, more: &[&str]| bench(&[&["--task", task], &to[..], more].concat());
    let error = failure(part("2", &[]), 2);
    assert!(error.contains("no task 2: they are 0 to 1"), "{error}");
    let first = json(part("1", &[]));
    assert!(first["results"].as_array().unwrap().iter().all(|row| row["op"] == ops[1]));
    let together = json(parula(&["report", path(&out), "--json"]));
    assert_eq!(together["missing"][0]["op"], ops[0]);
    // One that was done is done: not even its times change.
    assert_eq!(json(part("1", &[]))["results"], first["results"]);
    let error = failure(part("1", &["--cold"]), 1);
    assert!(error.contains("settings.cold was false, is true"), "{error}");
    json(part("0", &["--cold"]));
    let error = failure(parula(&["report", path(&out)]), 1);
    assert!(error.contains("compact-resnet-") && error.contains("settings.cold"), "{error}");
    json(part("0", &["--overwrite"]));
    let together = json(parula(&["report", path(&out), "--json"]));
    // By parts, not in the order of the network.
    let sorted = |report: &Value| {
        let mut rows = rows(report);
        rows.sort();
        rows
    };
    assert_eq!(sorted(&together), sorted(&whole));
    assert!(together["missing"].as_array().unwrap().is_empty());
    assert_eq!(together["parts"].as_array().unwrap().len(), 2);
    // It is a report like any other.
    let compared = json(bench(&["--compare", path(&out.join("bench.json"))]));
    assert_eq!(compared["comparison"]["rows"].as_array().unwrap().len(), rows(&whole).len());
}

#[test]
fn what_parts_of_a_tuning_find_is_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    let tune = |cache: &Path, more: &[&str]| {
        let of = ["tune", "--models", "compact-resnet", "--op", "dense,batch_norm"];
        layers(&of, cache, more)
    };
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let entries = |report: &Value| -> Vec<Value> {
        let file = std::fs::read(report["file"].as_str().unwrap()).unwrap();
        let tuning: Value = serde_json::from_slice(&file).unwrap();
        let keys = tuning["entries"].as_array().unwrap().iter();
        let mut keys: Vec<Value> =
            keys.map(|entry| serde_json::json!([entry["key"], entry["default"]])).collect();
        keys.sort_by_key(Value::to_string);
        keys
    };
    let expected = entries(&json(tune(&whole, &[])));
    let tasks = listed(tune(&parts, &["--tasks"]), "op");
    let error = failure(tune(&parts, &["--task", &tasks.len().to_string()]), 2);
    assert!(error.contains("no task") && error.contains("--tasks"), "{error}");
    let mut found = Vec::new();
    for task in 0..tasks.len() {
        let report = json(tune(&parts, &["--task", &task.to_string()]));
        found.extend(entries(&report));
        // Again, nothing is left to be done.
        let again = json(tune(&parts, &["--task", &task.to_string()]));
        assert!(again["operations"].as_array().unwrap().is_empty(), "{again}");
    }
    found.sort_by_key(Value::to_string);
    assert_eq!(found, expected);
    let together = json(tune(&parts, &[]));
    assert_eq!(together["parts"].as_u64(), Some(tasks.len() as u64));
    assert!(together["operations"].as_array().unwrap().is_empty(), "all of it is known");
    assert_eq!(entries(&together), expected);
    assert_eq!(json(tune(&parts, &[]))["parts"], 0, "once");
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

#[test]
fn a_test_set_is_judged_by_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (_keep, data) = mammograms(8, 64);
    let one = |out: &Path, more: &[&str]| {
        let mut command = parula(&["reproduce", "--models", "compact-resnet", "--epochs", "1"]);
        command.args(["--batch", "8", "--size", "24", "--json", "--data", path(&data)]);
        command.args(["--out", path(out)]).args(more);
        command
    };
    let results = json(one(&out, &["--test", "0.25"]));
    let (dataset, run) = (&results["dataset"], &results["runs"][0]);
    let of = |value: &Value, key: &str| value[key].as_u64().unwrap();
    let held_out = of(&dataset["test"], "abnormal") + of(&dataset["test"], "normal");
    assert!(held_out > 0 && of(&run["test"], "rois") == held_out, "{dataset}");
    let rows = |name: &str| -> Vec<csv::StringRecord> {
        let path = out.join("predictions/compact-resnet").join(name);
        csv::Reader::from_path(path).unwrap().records().map(|line| line.unwrap()).collect()
    };
    let tested = rows("0.test-predictions.csv");
    assert_eq!(tested.len() as u64, held_out);
    assert!(tested.iter().all(|line| &line[2] == "test"));
    let right = tested.iter().filter(|line| &line[5] == "1").count() as f64;
    let accuracy = run["test"]["accuracy"]["value"].as_f64().unwrap();
    assert!((accuracy - right / held_out as f64).abs() < 1e-12, "{accuracy}");
    // No patient of it is anywhere else.
    let scores = csv::Reader::from_path(out.join("heatmaps/compact-resnet/0/scores.csv"));
    let others = scores.unwrap().records().map(|line| line.unwrap()).collect::<Vec<_>>();
    let others: Vec<&str> = others.iter().map(|line| &line[line.len() - 1]).collect();
    let validated = rows("0.csv");
    for line in &tested {
        assert!(!others.contains(&&line[1]), "{line:?}");
        assert!(validated.iter().all(|other| other[1] != line[1]), "{line:?}");
    }

    // Pictures that are learnt from as well; a share that is none; another test set in the same run.
    let second = folder.path().join("second");
    let error = failure(one(&second, &["--test", path(&data)]), 1);
    assert!(error.contains("equal or nearly so"), "{error}");
    failure(one(&second, &["--test", "2"]), 2);
    let error = failure(one(&out, &["--test", "0.4", "--resume"]), 1);
    assert!(error.contains("another configuration") || error.contains("have changed"), "{error}");
}
