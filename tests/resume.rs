//! Runs that are stopped at any moment, and go on to the same bits.

mod common {
    pub mod adapter;
    pub mod runs;
}

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::adapter;
use common::runs::{assert_same, files, without_times};
use parula::engine::gpu::{Gpu, Precision};
use parula::engine::kernel::Choices;
use parula::engine::ops::Optimizer;
use parula::error::Error;
use parula::nets::images::{Augment, Flips, Grey, Jitter, Prepared, Scaling, Split};
use parula::nets::models::{self, Head};
use parula::nets::train::{Statistics, TrainOptions, Trained, train};
use parula::stop::Stop;
use serde_json::Value;

/// Waits until `path` is there, for two minutes at most.
fn wait_for(path: &Path, mut still_running: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        if !still_running() {
            return path.exists();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// Eight grey images of two classes.
fn images() -> (Prepared, Split) {
    let image = |index: usize| {
        let pixel = |i: usize| (i * (index + 3) * 37 % 191 + 60 * (index % 2)) as u8;
        Grey { width: 24, height: 24, pixels: (0..24 * 24).map(pixel).collect() }
    };
    let images: Vec<Grey> = (0..8).map(image).collect();
    let labelled = images.iter().enumerate().map(|(index, image)| (image, index % 2));
    let prepared = Prepared::from_images(labelled, (24, 24), 1, Scaling::Tf);
    (prepared, Split { train: (0..6).collect(), validation: vec![6, 7] })
}

#[test]
fn training_that_was_interrupted_gives_the_bits_of_one_that_was_not() {
    // One after the other: what interrupts is the same for the whole process.
    interrupted(adapter::open(), Statistics::Running);
    interrupted(adapter::open(), Statistics::Reestimated);
    match adapter::open_in(Precision::F16) {
        Ok(gpu) => interrupted(gpu, Statistics::Reestimated),
        Err(why) => println!("SKIPPED 16 bits: {why}"),
    }
}

fn interrupted(gpu: Gpu, statistics: Statistics) {
    let gpu = Arc::new(gpu);
    let (prepared, split) = images();
    let folder = tempfile::tempdir().unwrap();
    let network = models::find("compact-xception").unwrap();
    let options = TrainOptions {
        epochs: 6,
        // A tail in every epoch; an optimiser with memory and a schedule of its own.
        batch: 4,
        optimizer: Optimizer::nadam(),
        head: Head::Sigmoid,
        augment: Augment {
            flips: Flips { horizontal: true, vertical: true },
            jitter: Some(Jitter::default()),
        },
        patience: Some(50),
        statistics,
        ..TrainOptions::default()
    };
    let run = |options: &TrainOptions| -> Result<Trained, Error> {
        train(&gpu, network, &prepared, &split, options, network.name)
    };
    let straight = run(&options).unwrap();

    let state = folder.path().join("below/state.safetensors");
    let lines = folder.path().join("net.epochs.jsonl");
    let options =
        TrainOptions { state: Some(state.clone()), lines: Some(lines.clone()), ..options };
    // Stopped after some epoch, wherever that finds it, until nothing is left to stop.
    let mut interruptions = 0;
    let resumed = loop {
        let before = std::fs::read(&state).ok();
        let done = std::sync::atomic::AtomicBool::new(false);
        let stop = Stop::default();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let changed = || std::fs::read(&state).ok().is_some_and(|now| Some(now) != before);
                while !changed() && !done.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                stop.ask();
            });
            let result = run(&TrainOptions { stop: stop.clone(), ..options.clone() });
            done.store(true, Ordering::Relaxed);
            result
        });
        match result {
            Err(Error::Interrupted(what)) => {
                assert!(what.contains("--resume goes on from"), "{what}");
                interruptions += 1;
            }
            result => break result.unwrap(),
        }
    };
    // However often it was stopped, each epoch has one line, and it is what the training says of it.
    let text = std::fs::read_to_string(&lines).unwrap();
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), resumed.records.len(), "{text}");
    for (line, record) in told.iter().zip(&resumed.records) {
        assert_eq!(line["epoch"], record.epoch);
        assert_eq!(line["steps"].as_u64().unwrap() % u64::from(record.epoch), 0);
        assert_eq!(line["val_accuracy"].as_f64(), Some(record.val_accuracy));
    }
    let best = told.iter().rfind(|line| line["best"] == true).unwrap();
    assert_eq!(best["epoch"], resumed.best.epoch);
    assert!(interruptions >= 2, "{interruptions}");
    assert_eq!(resumed.records, straight.records);
    assert_eq!(resumed.best, straight.best);
    assert_eq!(resumed.weights.metadata, straight.weights.metadata);
    for (name, tensor) in &straight.weights.tensors {
        let bits = |tensor: &parula::engine::tensor::Tensor| -> Vec<u32> {
            tensor.data().iter().map(|value| value.to_bits()).collect()
        };
        assert_eq!(bits(tensor), bits(&resumed.weights.tensors[name]), "{name}");
    }

    // A finished training is not run again; one of another configuration is refused.
    let again = run(&options).unwrap();
    assert_eq!(again.records, straight.records);
    let refused = |options: TrainOptions| run(&options).unwrap_err().to_string();
    let error = refused(TrainOptions { batch: 3, ..options.clone() });
    assert!(error.contains("batch was 4, is 3") && error.contains("state.safetensors"), "{error}");
    let error = refused(TrainOptions { seed: 1, ..options.clone() });
    assert!(error.contains("seed was 0, is 1"), "{error}");
    let (other, wanted) = match statistics {
        Statistics::Running => (Statistics::Reestimated, "was the default, is \"reestimated\""),
        Statistics::Reestimated => (Statistics::Running, "was \"reestimated\", is the default"),
    };
    let error = refused(TrainOptions { statistics: other, ..options.clone() });
    assert!(error.contains(&format!("batch_norm_statistics {wanted}")), "{error}");
    // Other variants of kernels may round otherwise.
    let other = if gpu.half() { Precision::F32 } else { Precision::F16 };
    if let Ok(other) = adapter::open_in(other) {
        let wanted = format!("precision was \"{}\", is \"{}\"", gpu.precision(), other.precision());
        let result = train(&Arc::new(other), network, &prepared, &split, &options, network.name);
        let error = result.unwrap_err().to_string();
        assert!(error.contains(&wanted), "{error}");
    }
    let own = if gpu.half() { Precision::F16 } else { Precision::F32 };
    let mut tuned = adapter::open_in(own).unwrap();
    let mut choices = Choices::default();
    choices.insert("some operation", "some variant");
    tuned.choose(choices);
    let result = train(&Arc::new(tuned), network, &prepared, &split, &options, network.name);
    let error = result.unwrap_err().to_string();
    assert!(error.contains("tuning was \"none\", is"), "{error}");
    let whole = std::fs::read(&state).unwrap();
    std::fs::write(&state, &whole[..whole.len() - 100]).unwrap();
    let error = refused(options.clone());
    assert!(error.contains("state.safetensors") && error.contains("delete it"), "{error}");
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&state, changed).unwrap();
    let error = refused(options.clone());
    assert!(error.contains("state.safetensors") && error.contains("has changed"), "{error}");
}

/// `parula reproduce` of both experiments on `data`, as small as can be.
fn reproduce(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    command.args(["reproduce", "--experiments", "1,2", "--models", "compact-resnet"]);
    command.args(["--epochs", "2", "--batch", "6", "--size", "24", "--json", "--no-tuning"]);
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    for (variable, flag) in [("PARULA_BACKEND", "--backend"), ("PARULA_ADAPTER", "--adapter")] {
        if let Ok(value) = std::env::var(variable) {
            command.args([flag, &value]);
        }
    }
    command
}

fn finished(mut command: Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Synthetic mammograms of six patients.
fn set(folder: &Path) -> PathBuf {
    let data = folder.join("set");
    let made = Command::new(env!("CARGO_BIN_EXE_parula"))
        .args(["data", "synth", "--patients", "6", "--size", "64", "--out"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    data
}

/// A disk without room for a checkpoint, by way of the largest file that the shell lets its child write.
#[test]
#[cfg(unix)]
fn a_disk_that_fills_up_leaves_whole_files_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = set(folder.path());
    let out = folder.path().join("out");
    let whole = reproduce(&data, &out, &["--resume"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", r#"trap "" XFSZ; ulimit -f 600; exec "$0" "$@""#]);
    limited.arg(whole.get_program()).args(whole.get_args());
    let output = limited.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    let last = error.lines().last().unwrap_or_default();
    assert!(last.contains(".safetensors") && last.contains("too large"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
    for (name, bytes) in files(&out) {
        let hidden = name.file_name().unwrap().to_string_lossy().starts_with(".parula-");
        assert!(!hidden && !bytes.is_empty(), "{} was left behind", name.display());
    }
    let results = finished(reproduce(&data, &out, &["--resume"]));
    assert!(results["runs"][0]["inverse_mask_val_acc"].is_number(), "{results}");
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let data = set(folder.path());
    let (straight, killed) = (folder.path().join("straight"), folder.path().join("killed"));
    let expected = finished(reproduce(&data, &straight, &[]));

    // Killed when each of these is there: after an epoch, between training and results, in the second
    // experiment.
    let mut kills = 0;
    for moment in [
        "checkpoints/compact-resnet/0.safetensors",
        "heatmaps/compact-resnet/0/scores.csv",
        "checkpoints/compact-resnet/0.cam.safetensors",
        "checkpoints/compact-resnet/0.inverse_mask.safetensors",
    ] {
        let mut command = reproduce(&data, &killed, &["--resume"]);
        let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if wait_for(&killed.join(moment), || child.try_wait().unwrap().is_none()) {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        if moment.starts_with("checkpoints/compact-resnet/0.cam") {
            let mut other = reproduce(&data, &killed, &["--resume", "--patience", "7"]);
            let output = other.output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{error}");
            assert!(error.contains("compact-resnet: patience was null, is 7"), "{error}");
        }
    }
    assert!(kills >= 3, "{kills}");
    let resumed = finished(reproduce(&data, &killed, &["--resume"]));

    assert_eq!(without_times(&resumed), without_times(&expected));
    let run = &resumed["runs"][0];
    for accuracy in ["val_acc", "cam_val_acc", "mask_val_acc", "inverse_mask_val_acc"] {
        assert!(run[accuracy].is_number(), "{accuracy}");
    }
    assert_same(&killed, &straight);
    the_filtered_images_are_products(&straight);
}

/// Of an abnormal ROI: times its heatmap, its mask, and what the mask leaves out.
fn the_filtered_images_are_products(out: &Path) {
    let read = |path: PathBuf| Grey::read(&path).unwrap();
    let heatmaps = out.join("heatmaps/compact-resnet/0");
    let scores = std::fs::read_to_string(heatmaps.join("scores.csv")).unwrap();
    let filtered = out.join("filtered");
    for name in scores.lines().skip(1).map(|line| line.split(',').next().unwrap()) {
        let [roi, mask, heatmap] = ["roi", "mask", "heatmap"]
            .map(|what| read(heatmaps.join(format!("{name}.{what}.png"))));
        let file = format!("{name}.png");
        let cam = read(filtered.join("compact-resnet/0/cam").join(&file));
        let inside = read(filtered.join("masks/0/mask").join(&file));
        let outside = read(filtered.join("masks/0/inverse_mask").join(&file));
        for pixel in 0..roi.pixels.len() {
            let [roi, mask] = [&roi, &mask].map(|image| u32::from(image.pixels[pixel]));
            let product = f64::from(roi) * f64::from(heatmap.pixels[pixel]) / 255.0;
            assert!((f64::from(cam.pixels[pixel]) - product).abs() <= 0.5, "{name}");
            assert_eq!(u32::from(inside.pixels[pixel]), if mask > 0 { roi } else { 0 });
            assert_eq!(u32::from(outside.pixels[pixel]), if mask > 0 { 0 } else { roi });
        }
    }
    let masks = std::fs::read_to_string(filtered.join("masks/0/masks.csv")).unwrap();
    assert_eq!(masks.lines().next(), Some("name,class,mask"));
    assert_eq!(masks.lines().count(), 1 + 2 * scores.lines().skip(1).count());
}
