//! `parula bench` as a user runs it: kernels, models and methods. What it says of times is not tested, but
//! that it says it of everything that was asked for.

mod common {
    pub mod program;
}

use std::path::Path;
use std::process::{Command, Output};

use common::program::{failure, json, parula};
use parula::nets::cam::METHODS;
use serde_json::Value;

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

    // Of another adapter, or of a machine that was much faster, it cannot be told, and that is no failure.
    let mut other = report.clone();
    other["adapter"] = "another GPU".into();
    let mut faster = report.clone();
    faster["ceiling"]["gflops"] = (50.0 * report["ceiling"]["gflops"].as_f64().unwrap()).into();
    let strict = [&one[..], &["--fail-if-slower", "0"]].concat();
    for (changed, why) in [(other, "another GPU"), (faster, "GFLOP/s")] {
        std::fs::write(&old, changed.to_string()).unwrap();
        let comparison = &json(&strict)["comparison"];
        for row in comparison["rows"].as_array().unwrap() {
            assert_eq!(row["verdict"], "cannot_tell");
            assert!(row["reason"].as_str().unwrap().contains(why), "{row}");
        }
    }
    let mut half = report.clone();
    half["precision"] = "f16".into();
    std::fs::write(&old, half.to_string()).unwrap();
    let error = failure(&one);
    assert!(error.contains("old.json") && error.contains("f16"), "{error}");
}

/// `report` with every time, and what was timed beside it, as it is on a machine of the same speed where a kernel takes
/// `factor` times as long.
fn slowed(report: &Value, factor: f64) -> Value {
    let mut slow = report.clone();
    for row in slow["results"].as_array_mut().unwrap() {
        for ms in row["raw_ms"].as_array_mut().unwrap() {
            *ms = (factor * ms.as_f64().unwrap()).into();
        }
        row["ms"] = (factor * row["ms"].as_f64().unwrap()).into();
    }
    slow
}

#[test]
fn a_kernel_that_was_twenty_times_as_fast_is_found_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join("old.json");
    let bench = ["bench", "channel_sum", "--quick", "--chosen"];
    let report = json(&bench);
    for row in report["results"].as_array().unwrap() {
        let raw = row["raw_ms"].as_array().unwrap();
        assert_eq!(raw.len() as u64, row["samples"].as_u64().unwrap());
        assert_eq!(row["ceiling_ms"].as_array().unwrap().len(), raw.len());
        assert!(row["settled"].is_boolean() && row["ms_low"].as_f64() <= row["ms"].as_f64());
    }
    assert!(report["date"].as_str().unwrap().ends_with('Z'));
    assert!(report["machine"]["cores"].as_u64() > Some(0));
    let strict = [&bench[..], &["--compare", path(&old), "--fail-if-slower", "50"]].concat();
    // The machine may change between two runs, and then nothing is said: several are tried.
    let told = (0..10).find_map(|_| {
        std::fs::write(&old, slowed(&report, 1.0 / 20.0).to_string()).unwrap();
        let done = parula(&strict);
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        (!text.contains("cannot tell:")).then_some((done, text))
    });
    let Some((done, text)) = told else {
        println!("SKIPPED: this machine changes so fast that nothing can be told");
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(1), "{text}\n{said}");
    assert!(
        text.contains("slower") && said.contains("slower than there by more than 50 %"),
        "{text}\n{said}"
    );
    std::fs::write(&old, slowed(&report, 3.0).to_string()).unwrap();
    assert_eq!(parula(&strict).status.code(), Some(0), "what is faster is no failure");
    assert_eq!(parula(&["bench", "copy", "--fail-if-slower", "5"]).status.code(), Some(2));
}

/// The program where no adapter is found.
fn nowhere(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    command.args(arguments).args(["--adapter", "none such"]).output().unwrap()
}

#[test]
fn what_would_be_timed_is_listed_without_a_run() {
    let list = json(&["bench", "conv2d", "--variant", "naive,fours", "--list"]);
    let rows = list.as_array().unwrap();
    for variant in ["naive", "fours"] {
        assert!(rows.iter().any(|row| row["variant"] == variant), "{variant}");
    }
    assert!(rows.iter().all(|row| row["op"] == "conv2d" && row["flops"].as_u64() > Some(0)));
    // No adapter is looked for.
    let text = nowhere(&["bench", "--list", "--model", "compact-resnet"]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("training step") && text.ends_with("3 would be timed\n"), "{text}");
}

#[test]
fn variants_that_are_much_slower_are_left_out_and_said() {
    let case = "n=1,h=16,w=16,cin=32,cout=32,k=3,s=1,g=1";
    let bench = ["bench", "conv2d", "--case", case, "--quick", "--skip-slower-than", "1.01x"];
    let report = json(&bench);
    let reason = |row: &Value| row["reason"].as_str().unwrap().contains("its first run took");
    assert!(report["not_timed"].as_array().unwrap().iter().any(reason), "{}", report["not_timed"]);
    assert!(!report["results"].as_array().unwrap().is_empty(), "the best one is timed");
    let never = parula(&["bench", "conv2d", "--skip-slower-than", "0.5x"]);
    assert_eq!(never.status.code(), Some(2));
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

#[test]
fn a_report_has_its_roofs_and_draws_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (csv, svg) = (file("rows.csv"), file("roofs.svg"));
    let bench = ["bench", "dense", "--quick", "--chosen", "--cold", "--clocks"];
    let report = json(&[&bench[..], &["--csv", path(&csv), "--roofline", path(&svg)]].concat());
    let ceiling = &report["ceiling"];
    for roof in ["workgroup_gbps", "cache_gbps", "memory_gbps", "latency_ns", "cache_latency_ns"] {
        assert!(ceiling[roof].as_f64() > Some(0.0), "{roof}: {ceiling}");
    }
    // Matrix units round to 16 bits, which nobody has asked for.
    assert!(ceiling["matrix_gflops"].is_null());
    let row = &report["results"][0];
    assert!(row["roof"].is_string() && row["share_of_roof"].as_f64() > Some(0.0), "{row}");
    assert_ne!(row["roof"], "cache", "caches were emptied");
    assert!(report["cold"] == true && row["repeats"] == 1);
    assert!(
        report["clocks"].is_null() || report["clocks"]["core"]["median_mhz"].as_f64() > Some(0.0)
    );
    let text = std::fs::read_to_string(&svg).unwrap();
    assert!(text.starts_with("<svg") && text.contains("main memory") && text.contains("dense/"));
    let text = std::fs::read_to_string(&csv).unwrap();
    let header: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    for column in ["flops", "bytes", "inputs", "out_c", "roof", "share_of_roof", "adapter"] {
        assert!(header.contains(&column), "{column}: {header:?}");
    }
    let missing = file("none").join("rows.svg");
    for flag in ["--roofline", "--csv"] {
        let done = nowhere(&["bench", "dense", flag, path(&missing)]);
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(error.contains("rows.svg"), "before an adapter is looked for: {error}");
    }
}

#[cfg(unix)]
#[test]
fn what_was_timed_before_ctrl_c_is_in_the_json_and_in_the_csv() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("rows.csv");
    let bench = ["bench", "conv2d", "--quick", "--json", "--csv", path(&csv)];
    let mut child = common::program::command(&bench)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The first row is told as soon as it is timed.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("1: ")).unwrap().unwrap();
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let said: Vec<String> = lines.map(Result::unwrap).collect();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(1), "{said:?}");
    assert!(said.iter().any(|line| line.contains("kernels were timed")), "{said:?}");
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let rows = report["results"].as_array().unwrap().len();
    assert!(rows > 0 && report["machine"].is_object());
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1 + rows);
}
