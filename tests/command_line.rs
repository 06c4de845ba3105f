//! The program as a user runs it: every command, and every bad input with its message.

mod common {
    pub mod judged;
    pub mod program;
}

use std::path::{Path, PathBuf};

use std::sync::OnceLock;

use common::judged::assert_at_training_threshold;
use common::program::{command, failure, failure_and_code, json, parula};
use parula::engine::graph::{Kind, Role};
use parula::engine::tensor::Tensor;
use parula::nets::cam::normalise::{Normalisation, levels};
use parula::nets::images::Grey;
use parula::nets::models::{self, Mode};
use parula::nets::weights::{self, Weights};
use serde_json::Value;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A small synthetic set, made once.
fn mammograms() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, folder) = SET.get_or_init(|| {
        let keep = tempfile::tempdir().unwrap();
        let folder = keep.path().join("set");
        let made =
            json(&["data", "synth", "--out", path(&folder), "--patients", "8", "--size", "96"]);
        assert_eq!(made["abnormal"], 8);
        (keep, folder)
    });
    folder
}

/// Copies a folder tree, so that a test can damage it.
fn copied(from: &Path) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &target);
            } else {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(from, folder.path());
    folder
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            found.extend(files(&entry, ending));
        } else if entry.to_str().unwrap().ends_with(ending) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// A command that opened one of these would not end.
#[test]
#[cfg(unix)]
fn pipes_and_devices_among_the_inputs_are_named_and_never_read() {
    let data = copied(mammograms());
    let pipe = data.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", data.path().join("zero.csv")).unwrap();
    let found = json(&["data", "inspect", path(data.path())]);
    let kinds: Vec<&Value> =
        found["problems"].as_array().unwrap().iter().map(|problem| &problem["kind"]).collect();
    assert_eq!(kinds, [&Value::from("no file"); 2], "{found}");
    let (image, mask) = lesion(data.path());
    let [out, weights] =
        ["out", "own"].map(|name| data.path().join(name).with_extension("safetensors"));
    some_weights(&weights);
    for command in [
        vec!["score", "--mask", path(&pipe), "--heatmap", path(&image)],
        vec!["score", "--mask", path(&mask), "--heatmap", "/dev/zero"],
        vec!["predict", "--model", "compact-resnet", "--weights", path(&pipe), path(&image)],
        vec!["predict", "--model", "compact-resnet", "--weights", path(&weights), path(&pipe)],
        vec!["weights", "convert", path(&pipe), path(&out)],
        vec!["data", "decode", path(&pipe), "--out", path(&out)],
        vec!["data", "outline", path(&pipe), "--rows", "9", "--columns", "9", "--out", path(&out)],
    ] {
        let message = failure(&command);
        assert!(message.contains("only regular files are read"), "{command:?}: {message}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn progress_that_cannot_be_shown_does_not_end_the_work() {
    let out = tempfile::tempdir().unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for (name, stderr) in [("closed", closed.into()), ("full", std::process::Stdio::from(full))] {
        let weights = out.path().join(name).with_extension("safetensors");
        let set = path(mammograms());
        let training = ["train", "--data", set, "--model", "compact-resnet", "--epochs", "1"];
        let mut train =
            command(&[&training[..], &["--size", "32", "--out", path(&weights)]].concat());
        let done = train.stderr(stderr).stdout(std::process::Stdio::null()).status().unwrap();
        assert!(done.success() && weights.exists(), "stderr {name}: {done}");
    }
}

/// An image with a lesion, and its mask.
fn lesion(folder: &Path) -> (PathBuf, PathBuf) {
    let mask = files(folder, "_mask.png")
        .into_iter()
        .find(|mask| Grey::read(mask).unwrap().bounds().is_some())
        .unwrap();
    let image = PathBuf::from(mask.to_str().unwrap().replace("_mask.png", ".png"));
    (image, mask)
}

const SMALL: [&str; 8] =
    ["--epochs", "1", "--batch", "6", "--size", "32", "--learning-rate", "0.001"];

fn reproduce(data: &Path, out: &Path) -> Vec<String> {
    let arguments =
        ["reproduce", "--data", path(data), "--out", path(out), "--models", "compact-resnet"];
    [&arguments[..], &SMALL].concat().into_iter().map(str::to_owned).collect()
}

fn failure_of(arguments: &[String]) -> String {
    failure(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_experiment_writes_what_can_be_scored_again() {
    let out = tempfile::tempdir().unwrap();
    let arguments = reproduce(mammograms(), out.path());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let results = json(&[&arguments[..], &["--seeds", "0,1"]].concat());
    assert_eq!(results["dataset"]["abnormal"], 8);
    assert_eq!(results["dataset"]["leakage"], 0);
    for (run, seed) in results["runs"].as_array().unwrap().iter().zip(["0", "1"]) {
        let table = |ending: &str| {
            out.path().join("predictions/compact-resnet").join(format!("{seed}{ending}"))
        };
        let (train, validation) = (table(".train.csv"), table(".csv"));
        assert_at_training_threshold(&run["at_training_threshold"], &train, &validation);
    }
    let written: Value =
        serde_json::from_slice(&std::fs::read(out.path().join("results.json")).unwrap()).unwrap();
    assert_eq!(written, results);
    assert_eq!(results["runs"].as_array().unwrap().len(), 2);

    // Every exported heatmap, scored by the same program's `score` and by the definition itself.
    let folder = out.path().join("heatmaps/compact-resnet/0");
    let scores = std::fs::read_to_string(folder.join("scores.csv")).unwrap();
    assert!(scores.starts_with("name,split,mean_dice,"), "{scores}");
    let (mut all, mut validation, mut at_threshold) = (Vec::new(), Vec::new(), Vec::new());
    let threshold = results["runs"][0]["best_threshold"].as_u64().unwrap() as u32;
    for line in scores.lines().skip(1) {
        let [name, split, mean, at_best, ..] = line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let read = |what: &str| Grey::read(folder.join(format!("{name}.{what}.png"))).unwrap();
        let (roi, mask, heatmap) = (read("roi"), read("mask"), read("heatmap"));
        assert_eq!((roi.width, roi.height), (heatmap.width, heatmap.height));
        let mut sum = 0.0;
        for t in 0..256u32 {
            let above = |value: u8| u32::from(value) > t;
            let pairs = || mask.pixels.iter().zip(&heatmap.pixels);
            let both = pairs().filter(|(m, h)| **m > 0 && above(**h)).count() as f64;
            let each = pairs().map(|(m, h)| u32::from(*m > 0) + u32::from(above(*h))).sum::<u32>();
            let dice = if each == 0 { 0.0 } else { 2.0 * both / f64::from(each) };
            sum += dice;
            if t == threshold {
                let found: f64 = at_best.parse().unwrap();
                assert!((found - dice).abs() < 1e-6, "{name}: {found} and {dice}");
            }
        }
        let mean: f64 = mean.parse().unwrap();
        assert!((mean - sum / 256.0).abs() < 1e-6, "{name}: {mean} and {}", sum / 256.0);
        all.push(mean);
        if split == "validation" {
            validation.push(mean);
            at_threshold.push(at_best.parse().unwrap());
        }
        let map = std::fs::read(folder.join(format!("{name}.map.npy"))).unwrap();
        assert!(map.starts_with(b"\x93NUMPY"));
    }
    assert_eq!(all.len(), 8);
    let close = |field: &str, values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((results["runs"][0][field].as_f64().unwrap() - mean).abs() < 1e-9, "{field}");
    };
    close("mean_dice", &all);
    close("mean_dice_validation", &validation);
    close("dice_at_best_threshold_validation", &at_threshold);
    the_statistics_are_those_of_the_tables(&results, &scores, out.path());
    let (mask, heatmap) = {
        let name = scores.lines().nth(1).unwrap().split(',').next().unwrap();
        let file = |what: &str| folder.join(format!("{name}.{what}.png"));
        (file("mask"), file("heatmap"))
    };
    let score = json(&["score", "--mask", path(&mask), "--heatmap", path(&heatmap)]);
    assert!((score["mean_dice"].as_f64().unwrap() - all[0]).abs() < 1e-6);
    assert_eq!(score["dice"].as_array().unwrap().len(), 256);
    for figure in ["dice.png", "compact-resnet-0-curves.png", "compact-resnet-1-contact-sheet.png"]
    {
        assert!(out.path().join("figures").join(figure).is_file(), "{figure}");
    }
    let report = out.path().join("report.html");
    let made = ["tables.tex", "figures/roc.svg", "figures/dice-compact-resnet.png"];
    let made = made.map(|name| out.path().join(name));
    let all = || [&made[..], std::slice::from_ref(&report)].concat();
    let read = || all().iter().map(|file| std::fs::read(file).unwrap()).collect::<Vec<_>>();
    let first = read();
    all().iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let again = json(&["report", path(out.path())]);
    let normals = std::fs::read_to_string(folder.join("normals.csv")).unwrap().lines().count() - 1;
    assert_eq!(again["rois"], 8 + normals, "and the normal ones of the validation side");
    assert!(read() == first, "the folder alone makes the same page, tables and figures");
    // Somebody's own file of that name is left as it is.
    std::fs::write(&made[0], "mine").unwrap();
    let error = failure(&["report", path(out.path())]);
    assert!(error.contains("tables.tex") && error.contains("move it away"), "{error}");
    assert_eq!(std::fs::read(&made[0]).unwrap(), b"mine");
    std::fs::write(&made[0], &first[0]).unwrap();
    let none = failure(&["report", path(mammograms())]);
    assert!(none.contains("has no results.json; give the folder that `parula reproduce"), "{none}");
    assert!(out.path().join("figures/compact-resnet-0-curves.csv").is_file());

    // Nothing is run again, and another configuration is refused with the difference.
    let again = json(&[&arguments[..], &["--seeds", "0,1", "--resume"]].concat());
    assert_eq!(again["runs"], results["runs"]);
    let refused = failure(&[&arguments[..], &["--resume", "--schedule", "constant"]].concat());
    assert!(refused.contains("schedule was \"cosine\", is \"constant\""), "{refused}");
    let other = ["--resume", "--batch-norm-statistics", "reestimated"];
    let refused = failure(&[&arguments[..], &other].concat());
    let difference = "batch_norm_statistics was the default, is \"reestimated\"";
    assert!(refused.contains(difference), "{refused}");

    // The weights it wrote can be used; those of another model, or of no model, cannot.
    let weights = out.path().join("weights/compact-resnet/0.safetensors");
    let (image, _) = lesion(mammograms());
    let use_it = |model| ["predict", "--model", model, "--weights", path(&weights), path(&image)];
    let answer = json(&use_it("compact-resnet"));
    let sum: f64 =
        answer[0]["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6);
    let other = failure(&use_it("compact-xception"));
    assert!(other.contains("weights of compact-resnet, not of compact-xception"), "{other}");
    let maps = out.path().join("maps");
    let cam = ["cam", "--model", "compact-resnet", "--weights", path(&weights), path(&image)];
    let found = json(&[&cam[..], &["--out", path(&maps)]].concat());
    let png = Grey::read(Path::new(found[0]["png"].as_str().unwrap())).unwrap();
    let original = Grey::read(&image).unwrap();
    assert_eq!((png.width, png.height), (original.width, original.height));
    assert_eq!(found[0]["layer"], "post_relu");
    let raw = std::fs::read(found[0]["raw"].as_str().unwrap()).unwrap();
    assert!(raw.starts_with(b"\x93NUMPY"));
    let layer = failure(&[&cam[..], &["--out", path(&maps), "--layer", "nonsense"]].concat());
    assert!(layer.contains("no layer called nonsense"), "{layer}");
    // Other methods, and what they are asked for: several layers, a grid of squares, the other sign.
    let of = |options: &[&str]| json(&[&cam[..], &["--out", path(&maps)], options].concat());
    let layers = ["--layer", "conv3_block1_out,post_relu", "--normalisation", "min-max"];
    let several = of(&[&["--method", "layercam"], &layers[..]].concat());
    assert_eq!(several[0]["layer"], "conv3_block1_out,post_relu");
    let levels = Grey::read(Path::new(several[0]["png"].as_str().unwrap())).unwrap().pixels;
    assert_eq!((levels.iter().min(), levels.iter().max()), (Some(&0), Some(&255)));
    for known in ["roi", "whole"] {
        of(&["--refine", known, "--fuse", "mean", "--layer", "conv3_block1_out,post_relu"]);
        let stem = Path::new(found[0]["png"].as_str().unwrap()).with_extension("");
        for (ending, levels) in [("refined", 256), ("mask", 2)] {
            let refined = Grey::read(stem.with_extension(format!("{ending}.png"))).unwrap();
            assert_eq!((refined.width, refined.height), (original.width, original.height));
            let mut seen = refined.pixels.clone();
            seen.sort_unstable();
            seen.dedup();
            assert!(seen.len() <= levels, "{known}: {} levels", seen.len());
        }
    }
    let squares = of(&["--method", "occlusion", "--patch", "24", "--stride", "24", "--against"]);
    assert_eq!(squares[0]["method"], "occlusion");
    assert_eq!(squares[0]["layer"], "input");
    let early =
        [&cam[..], &["--out", path(&maps), "--method", "cam", "--layer", "conv2_block1_out"]];
    let early = failure(&early.concat());
    assert!(early.contains("CAM has no weights for conv2_block1_out"), "{early}");
    let class = failure(&[&cam[..], &["--out", path(&maps), "--class", "7"]].concat());
    assert!(class.contains("class 7"), "{class}");
    let broken = out.path().join("broken.safetensors");
    let whole = std::fs::read(&weights).unwrap();
    std::fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let half = ["predict", "--model", "compact-resnet", "--weights", path(&broken), path(&image)];
    assert!(failure(&half).contains("not a whole safetensors file"));
}

/// Weights of compact-resnet with a head of two units, in `path`.
fn some_weights(path: &Path) {
    weights_with(path, 2);
}

/// The same with a head of `classes` units.
fn weights_with(path: &Path, classes: usize) {
    let network = models::find("compact-resnet").unwrap();
    let model = network.build(Mode::Inference, 1, [48, 48], classes).unwrap();
    let mut weights = Weights::default();
    for (value, node) in model.graph.nodes() {
        let Kind::Variable(variable) = &node.kind else { continue };
        if matches!(variable.role, Role::Trainable | Role::State) {
            let tensor = Tensor::from_fn(node.shape.clone(), |index| {
                0.1 + ((index + value.index()) % 7) as f32 / 70.0
            });
            weights.tensors.insert(node.name.clone(), tensor);
        }
    }
    weights.metadata.insert("input".to_owned(), "48x48".to_owned());
    weights::save(path, &weights, &model.layers, None).unwrap();
}

#[test]
fn weights_are_converted_looked_into_and_given_another_head() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own.safetensors");
    some_weights(&own);
    let image = &files(mammograms(), ".png")[0];
    let predict = |weights: &Path, more: &[&str]| {
        let fixed =
            ["predict", "--model", "compact-resnet", "--weights", path(weights), path(image)];
        json(&[&fixed, more].concat())
    };
    let truth = predict(&own, &[]);
    assert_eq!(truth[0]["logits"].as_array().unwrap().len(), 2);

    let layers = json(&["weights", "inspect", path(&own)])["layers"].clone();
    assert_eq!(layers[0]["name"], "conv1_conv");
    let names = |layers: &Value| -> Vec<Value> {
        layers.as_array().unwrap().iter().map(|layer| layer["name"].clone()).collect()
    };
    let mut from = own.clone();
    for name in ["new/folder/a.h5", "b.keras", "c.weights.h5", "d.safetensors"] {
        let to = folder.path().join(name);
        let done = json(&["weights", "convert", path(&from), path(&to)]);
        assert_eq!((&done["model"], &done["classes"]), (&"compact-resnet".into(), &2.into()));
        let seen = json(&["weights", "inspect", path(&to)]);
        assert_eq!((&seen["model"], &seen["classes"]), (&"compact-resnet".into(), &2.into()));
        assert_eq!(names(&seen["layers"]), names(&layers), "{name}");
        assert_eq!(predict(&to, &[]), truth, "{name}");
        from = to;
    }
    let first = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert!(first("own.safetensors").len() < first("new/folder/a.h5").len());

    // Another head is fresh, by the seed, and said to be.
    let five = ["--classes", "5"];
    let fresh = predict(&own, &five);
    assert_eq!(fresh[0]["logits"].as_array().unwrap().len(), 5);
    assert_eq!(predict(&own, &five), fresh);
    assert_ne!(predict(&own, &["--classes", "5", "--seed", "1"]), fresh);
    let said = parula(
        &[
            &["predict", "--model", "compact-resnet", "--weights", path(&own), path(image)][..],
            &five,
        ]
        .concat(),
    );
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("head of 2 units is replaced by a fresh one of 5"), "{said}");

    let nowhere = folder.path().join("x.npz");
    assert!(failure(&["weights", "convert", path(&own), path(&nowhere)]).contains(".weights.h5"));
    let text = folder.path().join("x.h5");
    std::fs::write(&text, "no weights").unwrap();
    assert!(failure(&["weights", "inspect", path(&text)]).contains("no weights file"));
    let other = ["weights", "convert", path(&own), path(&text), "--model", "compact-xception"];
    assert!(failure(&other).contains("not of compact-xception"));
    assert_eq!(std::fs::read(&text).unwrap(), b"no weights");
}

#[test]
fn a_folder_stands_for_the_images_in_it_and_not_for_their_masks() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("own.safetensors");
    some_weights(&weights);
    let common = ["--model", "compact-resnet", "--weights", path(&weights), "--size", "32"];
    let call = |command: &str, images: &Path, more: &[&str]| {
        json(&[&[command], &common[..], &[path(images)], more].concat())
    };
    let images = files(mammograms(), ".png").len() - files(mammograms(), "_mask.png").len();
    let scores = call("predict", mammograms(), &[]);
    let named = |row: &Value| row["image"].as_str().unwrap().to_owned();
    let seen: Vec<String> = scores.as_array().unwrap().iter().map(named).collect();
    assert_eq!(seen.len(), images);
    assert!(seen.iter().all(|name| !name.contains("_mask")), "{seen:?}");
    // The same as of the image by itself.
    let (last, alone) = (&scores[images - 1], call("predict", Path::new(&seen[images - 1]), &[]));
    assert_eq!(alone[0]["image"], last["image"]);
    let logit = |row: &Value| row["logits"][0].as_f64().unwrap();
    // Another number of images at once may take other kernels, which round otherwise.
    let (alone, last) = (logit(&alone[0]), logit(last));
    assert!((alone - last).abs() < 1e-6 * last.abs().max(1.0), "{alone} {last}");
    let out = folder.path().join("maps");
    assert_eq!(call("cam", mammograms(), &["--out", path(&out)]).as_array().unwrap().len(), images);
    assert_eq!(files(&out, ".npy").len(), images);

    let (empty, masks) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mask = &files(mammograms(), "_mask.png")[0];
    std::fs::copy(mask, masks.path().join(mask.file_name().unwrap())).unwrap();
    for (folder, problem) in [
        (&empty, "holds no PNG, TIFF, JPEG or PGM"),
        (&masks, "holds masks, and none of the images"),
    ] {
        for command in ["predict", "cam", "segment"] {
            let out: &[&str] = if command == "predict" { &[] } else { &["--out", path(&out)] };
            let message = failure(&[&[command], &common[..], &[path(folder.path())], out].concat());
            assert!(message.contains(problem), "{command}: {message}");
        }
    }
}

#[test]
fn the_numbers_of_a_map_are_those_of_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("own.safetensors");
    some_weights(&weights);
    let (image, _) = lesion(mammograms());
    let common = ["cam", "--model", "compact-resnet", "--weights", path(&weights), path(&image)];
    let map = |name: &str, normalisation: &str| {
        let out = folder.path().join(name);
        let more = ["--against", "--normalisation", normalisation, "--out", path(&out)];
        let found = json(&[&common[..], &more].concat());
        let file = |key: &str| PathBuf::from(found[0][key].as_str().unwrap());
        // The header is padded to 64 bytes.
        let raw = std::fs::read(file("raw")).unwrap();
        let length = 10 + usize::from(u16::from_le_bytes([raw[8], raw[9]]));
        let numbers =
            raw[length..].chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
        let numbers: Vec<f32> = numbers.collect();
        let side = numbers.len().isqrt();
        (Tensor::new([side, side], numbers).unwrap(), Grey::read(file("png")).unwrap())
    };
    for (name, normalisation) in [("min-max", Normalisation::MinMax), ("max", Normalisation::Max)] {
        let (map, picture) = map(name, name);
        assert!(map.data().iter().any(|&value| value < 0.0), "{name}: {:?}", map.data());
        let made = levels(&map, normalisation, [picture.height, picture.width]);
        let most = made.iter().zip(&picture.pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(most <= Some(1), "{name}: {most:?}");
    }
    // After its ReLU Grad-CAM has no negative values.
    let (map, _) = map("relu-max", "relu-max");
    assert!(map.data().iter().all(|&value| value >= 0.0), "{:?}", map.data());
}

#[test]
fn options_that_a_method_or_a_head_has_no_use_for_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("own.safetensors");
    weights_with(&weights, 1);
    let (image, _) = lesion(mammograms());
    let common = ["cam", "--model", "compact-resnet", "--weights", path(&weights), path(&image)];
    let out = folder.path().join("out");
    let call = |more: &[&str]| failure(&[&common[..], &["--out", path(&out)], more].concat());
    for method in ["gradcam", "saliency", "occlusion"] {
        let message = call(&["--method", method, "--samples", "5"]);
        assert!(message.contains(&format!("{method} has no use for --samples")), "{message}");
        assert!(message.contains("smoothgrad, integrated-gradients, gradientshap"), "{message}");
    }
    for (method, option, value) in [
        ("gradcam", "--patch", "8"),
        ("scorecam", "--stride", "8"),
        ("saliency", "--baseline", "black"),
        ("smoothgrad", "--baseline", "zero"),
        ("integrated-gradients", "--background", path(&image)),
        ("layercam", "--copies", "4"),
    ] {
        let message = call(&["--method", method, option, value]);
        assert!(message.contains(&format!("{method} has no use for {option}")), "{message}");
    }
    let message = call(&["--fuse", "mean"]);
    assert!(message.contains("--fuse is of the maps of several layers"), "{message}");
    let class = call(&["--class", "1"]);
    assert!(class.contains("the head has 1 unit, class 0, which speaks for abnormal"), "{class}");
    let seen = parula(&["weights", "inspect", path(&weights)]);
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    assert!(seen.contains("a head of 1 unit\n"), "{seen}");
    assert!(!out.exists());
}

#[test]
fn an_image_that_claims_to_be_huge_is_refused_by_every_command() {
    let data = copied(mammograms());
    let (image, mask) = lesion(data.path());
    // Width and height, and the check sum of the header.
    let mut bytes = std::fs::read(&image).unwrap();
    bytes[16..24].copy_from_slice(&[200_000u32.to_be_bytes(); 2].concat());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    std::fs::write(&image, bytes).unwrap();
    let weights = data.path().join("own.safetensors");
    some_weights(&weights);
    let (out, network) = (data.path().join("out"), ["--model", "compact-resnet", "--weights"]);
    let network = [&network[..], &[path(&weights), path(&image)]].concat();
    for command in [
        [&["predict"], &network[..]].concat(),
        [&["cam", "--out", path(&out)], &network[..]].concat(),
        vec!["score", "--mask", path(&mask), "--heatmap", path(&image)],
        vec!["data", "rois", path(data.path()), "--out", path(&out)],
    ] {
        let message = failure(&command);
        assert!(message.contains("is 200000 x 200000 pixels"), "{command:?}: {message}");
    }
    // The report is printed whatever is in it, and the exit code says that something is to be done.
    let output = parula(&["data", "inspect", path(data.path()), "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = found["problems"].as_array().unwrap();
    let stopping: Vec<&Value> =
        problems.iter().filter(|problem| problem["harmless"] == false).collect();
    assert_eq!(stopping.len(), 1, "{found}");
    assert_eq!((&stopping[0]["kind"], &stopping[0]["count"]), (&"unreadable".into(), &1.into()));
    assert!(stopping[0]["what"].as_str().unwrap().contains("200000 x 200000"), "{found}");
    assert!(stopping[0]["example"].as_str().unwrap().ends_with(".png"), "{found}");
    assert!(found["layout"].as_str().unwrap().contains("X with X_mask"), "{found}");
}

/// Columns of `scores.csv`, lines of predictions, and what `results.json` says of them.
fn the_statistics_are_those_of_the_tables(results: &Value, scores: &str, out: &Path) {
    let rows: Vec<Vec<&str>> = scores.lines().map(|line| line.split(',').collect()).collect();
    let mean = |column: usize| -> f64 {
        let values = rows[1..].iter().map(|row| row[column].parse::<f64>().unwrap());
        values.sum::<f64>() / (rows.len() - 1) as f64
    };
    let ways = results["runs"][0]["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 6);
    for way in ways {
        let [sign, scaling] = ["sign", "normalisation"].map(|key| way[key].as_str().unwrap());
        let name = match (sign, scaling) {
            ("for", "relu-max") => "mean_dice".to_owned(),
            _ => format!("{sign}_{}", scaling.replace('-', "_")),
        };
        let column = rows[0].iter().position(|found| *found == name).unwrap();
        assert!((way["mean_dice"].as_f64().unwrap() - mean(column)).abs() < 1e-9, "{name}");
    }
    assert!(scores.lines().all(|line| !line.ends_with(',')) && rows[0].ends_with(&["patient"]));
    let mut accuracies = Vec::new();
    for seed in 0..2 {
        let table = out.join(format!("predictions/compact-resnet/{seed}.csv"));
        let table = std::fs::read_to_string(table).unwrap();
        assert!(table.starts_with("name,patient,split,label,probability,right\n"), "{table}");
        let line = table.lines().nth(1).unwrap();
        assert!(line.contains(",validation,") && line.contains("normal,"), "{line}");
        let rights = table.lines().skip(1).map(|line| line.rsplit(',').next().unwrap());
        let rights: Vec<f64> = rights.map(|right| right.parse().unwrap()).collect();
        let accuracy = rights.iter().sum::<f64>() / rights.len() as f64;
        let found = results["runs"][seed]["val_acc"].as_f64().unwrap();
        assert!((found - accuracy).abs() < 1e-12, "{found} {accuracy}");
        accuracies.push(accuracy);
        for figure in ["auc", "sensitivity", "specificity", "balanced_accuracy", "brier"] {
            let ends = ["low", "value", "high"];
            let [low, value, high] =
                ends.map(|end| results["runs"][seed][figure][end].as_f64().unwrap());
            assert!(0.0 <= low && low <= value && value <= high && high <= 1.0, "{figure}");
        }
    }
    let summary = &results["summary"][0];
    let found = summary["val_acc"]["mean"].as_f64().unwrap();
    assert!((found - accuracies.iter().sum::<f64>() / 2.0).abs() < 1e-12);
    let [low, centre, high] =
        ["low", "mean", "high"].map(|key| summary["mean_dice"][key].as_f64().unwrap());
    assert!(low < centre && centre < high && low >= 0.0 && high <= 1.0, "{low} {centre} {high}");
    // Two seeds and eight lesions: the interval says that they are few.
    assert_eq!(summary["mean_dice"]["seeds"], 2);
    assert!(summary["mean_dice"]["too_few"] == true && results["intervals"]["seeds_needed"] == 3);
    // One model has no rank.
    assert!(results["rank_correlations"][0]["rho"].is_null());
    assert!(summary["cam_val_acc"].is_null() && results["runs"][0]["cam_val_acc"].is_null());
    for baseline in ["ones", "gaussian", "ellipse"] {
        for over in ["baselines", "baselines_validation", "baselines_at_best_threshold_validation"]
        {
            let value = results[over][baseline].as_f64().unwrap();
            assert!((0.1..1.0).contains(&value), "{over} {baseline} {value}");
        }
    }
}

#[test]
fn presets_are_starting_points_and_say_what_they_are() {
    let out = tempfile::tempdir().unwrap();
    let mut arguments = vec!["reproduce", "--data", path(mammograms()), "--out", path(out.path())];
    arguments.extend(["--models", "compact-resnet", "--preset", "paper", "--epochs", "1"]);
    let results = json(&[&arguments[..], &["--size", "32"]].concat());
    let training = &results["config"]["training"]["compact-resnet"];
    assert_eq!(training["head"], "sigmoid");
    assert_eq!(training["batch"], 26);
    assert_eq!(training["scaling"], "none");
    assert_eq!((&training["epochs"], &training["input"][0]), (&1.into(), &32.into()));
    assert!(training["optimizer"].as_str().unwrap().starts_with("Nadam"), "{training}");
    // The weights know the scaling that they were trained with.
    let weights = out.path().join("weights/compact-resnet/0.safetensors");
    let (image, _) = lesion(mammograms());
    let answer =
        json(&["predict", "--model", "compact-resnet", "--weights", path(&weights), path(&image)]);
    assert_eq!(answer[0]["logits"].as_array().unwrap().len(), 1);
    let bytes = std::fs::read(&weights).unwrap();
    let header = String::from_utf8_lossy(&bytes[..2000]);
    assert!(header.contains(r#"scaling\":\"none"#), "{header}");
    // They can be started from, by file; a folder without them says what is missing.
    let from = |weights: &Path| {
        let more = ["--size", "32", "--weights", path(weights)];
        [&arguments[..], &more].concat().iter().map(|&one| one.to_owned()).collect::<Vec<_>>()
    };
    let over_itself = failure_of(&from(&weights));
    assert!(over_itself.contains("this folder is also what is read"), "{over_itself}");
    let (other, mut again) = (tempfile::tempdir().unwrap(), from(&weights));
    let out_at = again.iter().position(|one| one == "--out").unwrap() + 1;
    again[out_at] = path(other.path()).to_owned();
    let again = json(&again.iter().map(String::as_str).collect::<Vec<_>>());
    assert_ne!(again["config"]["training"]["compact-resnet"]["initial_weights"], "random");
    let missing = failure_of(&from(out.path()));
    assert!(missing.contains("there are no weights of compact-resnet"), "{missing}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let weights = [a.path(), b.path()].map(|out| {
        let output =
            parula(&reproduce(mammograms(), out).iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(out.join("weights/compact-resnet/0.safetensors")).unwrap()
    });
    assert!(weights[0] == weights[1]);
}

#[test]
fn listings_are_json_with_the_documented_fields() {
    let models = json(&["models"]);
    for model in models.as_array().unwrap() {
        for field in ["name", "parameters", "parameters_without_top", "input", "cam_layer"] {
            assert!(!model[field].is_null(), "{field}");
        }
        assert_eq!(model["cam_shape"].as_array().unwrap().len(), 3);
    }
    let devices = json(&["devices"]);
    assert!(devices["chosen"].is_number());
    let found = json(&["data", "inspect", path(mammograms())]);
    assert!(!found["format"].is_null());
    let rois = tempfile::tempdir().unwrap();
    let cut = json(&["data", "rois", path(mammograms()), "--out", path(rois.path())]);
    assert_eq!(cut["abnormal"], 8);
    let plan = json(&["explain", "--model", "compact-xception", "--train", "--batch", "4"]);
    assert!(plan["peak_bytes"].as_u64() >= plan["live_bytes"].as_u64());
}

#[test]
fn wrong_usage_and_unknown_names_end_with_2_and_files_that_are_wrong_with_1() {
    assert_eq!(parula(&["reproduce", "--epochs", "many"]).status.code(), Some(2));
    assert_eq!(parula(&["nonsense"]).status.code(), Some(2));
    let out = tempfile::tempdir().unwrap();
    let asked = ["reproduce", "--models", "vgg", "--out", path(out.path())];
    let (model, code) = failure_and_code(&asked);
    assert!(model.contains("compact-xception, compact-resnet") && code == 2, "{code}: {model}");
    let text = out.path().join("text.png");
    std::fs::write(&text, "no picture").unwrap();
    let weights = out.path().join("w.safetensors");
    some_weights(&weights);
    let asked = ["predict", "--model", "compact-resnet", "--weights", path(&weights), path(&text)];
    let (said, code) = failure_and_code(&asked);
    assert!(said.contains("text.png") && code == 1, "{code}: {said}");
    let model = failure(&["reproduce", "--models", "", "--out", path(out.path())]);
    assert!(model.contains(r#"no model is called """#), "{model}");
    let model = ["--model", "compact-resnet"];
    let files = ["--weights", "w.safetensors", "x.png"];
    for (command, more) in [
        (&["predict"][..], &files[..]),
        (&["cam", "--out", "out"], &files),
        (&["segment", "--out", "out"], &files),
        (&["train", "--data", "set", "--out", "x.safetensors"], &[]),
        (&["bench"], &[]),
        (&["explain"], &[]),
    ] {
        for option in ["--batch", "--size"] {
            let said = parula(&[command, &model, more, &[option, "0"]].concat());
            let text = String::from_utf8_lossy(&said.stderr).into_owned();
            assert_eq!(said.status.code(), Some(2), "{command:?} {option}: {text}");
            assert!(text.contains(option) && text.contains("it must be 1 or more"), "{text}");
        }
    }
    let adapter = failure(&["explain", "--model", "compact-resnet", "--adapter", "Voodoo 2"]);
    assert!(adapter.contains("no adapter matches \"Voodoo 2\""), "{adapter}");
}

#[test]
fn train_makes_the_folder_of_its_weights() {
    let out = tempfile::tempdir().unwrap();
    let weights = out.path().join("new/folder/x.safetensors");
    let train = ["train", "--data", path(mammograms()), "--model", "compact-resnet"];
    let trained = json(&[&train[..], &SMALL, &["--out", path(&weights)]].concat());
    let pictures = ["png", "svg", "roc.png", "roc.svg"];
    let tables = ["safetensors", "csv", "predictions.csv", "predictions.train.csv"];
    for ending in tables.into_iter().chain(pictures) {
        assert!(weights.with_extension(ending).is_file(), "{ending}");
    }
    assert_eq!(trained["roc"], path(&weights.with_extension("roc.png")));
    let drawn = std::fs::read_to_string(weights.with_extension("roc.svg")).unwrap();
    assert!(drawn.contains(">abnormal<") && drawn.contains(">sensitivity<"), "{drawn}");
    assert_at_training_threshold(
        &trained["at_training_threshold"],
        &weights.with_extension("predictions.train.csv"),
        &weights.with_extension("predictions.csv"),
    );
    let confusion: Vec<u64> = [0, 1]
        .iter()
        .flat_map(|&class| trained["judgement"]["confusion"][class].as_array().unwrap().clone())
        .map(|count| count.as_u64().unwrap())
        .collect();
    assert_eq!(confusion.iter().sum::<u64>(), trained["validation"].as_u64().unwrap());
    let right = (confusion[0] + confusion[3]) as f64 / confusion.iter().sum::<u64>() as f64;
    assert!((right - trained["val_acc"].as_f64().unwrap()).abs() < 1e-9, "{trained}");
}

#[test]
fn bad_data_is_named_and_nothing_is_written() {
    let out = tempfile::tempdir().unwrap();
    let run = |data: &Path| failure_of(&reproduce(data, &out.path().join("out")));
    let empty = tempfile::tempdir().unwrap();
    assert!(run(empty.path()).contains(path(empty.path())));
    assert!(run(&empty.path().join("missing")).contains("missing"));

    type Damage = fn(image: &Path, mask: &Path);
    let damages: [(&str, Damage); 4] = [
        ("truncated", |image, _| {
            let bytes = std::fs::read(image).unwrap();
            std::fs::write(image, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("mask of another size", |_, mask| {
            Grey::filled(10, 10, 255).write(mask).unwrap();
        }),
        ("no lesion", |image, mask| {
            let size = Grey::read(image).unwrap();
            Grey::filled(size.width, size.height, 0).write(mask).unwrap();
        }),
        ("one pixel", |image, _| {
            Grey::filled(1, 1, 0).write(image).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let data = copied(mammograms());
        let (image, mask) = lesion(data.path());
        damage(&image, &mask);
        let message = run(data.path());
        let stem = image.file_stem().unwrap().to_str().unwrap();
        assert!(message.contains(stem), "{what}: {message}");
    }

    let only_abnormal = copied(mammograms());
    std::fs::remove_dir_all(only_abnormal.path().join("normal")).unwrap();
    assert!(run(only_abnormal.path()).contains("normal"));
    assert!(files(out.path(), ".png").is_empty() && files(out.path(), ".json").is_empty());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("file");
    std::fs::write(&file, "").unwrap();
    let message = failure_of(&reproduce(mammograms(), &file.join("below")));
    assert!(message.contains("cannot create"), "{message}");
}

#[test]
fn a_map_of_a_single_number_is_said_to_say_nothing_of_where() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("small");
    // Three halvings of 8 pixels.
    let arguments = ["reproduce", "--data", path(mammograms()), "--out", path(&out), "--json"];
    let small = ["--models", "compact-resnet", "--size", "8", "--epochs", "1", "--batch", "8"];
    let output = parula(&[&arguments[..], &small].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let words = "compact-resnet at 8x8: the map of gradcam is a single number";
    assert!(told.contains(words), "{told}");
    let results: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(results["runs"][0]["map_size"], serde_json::json!([1, 1]));
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("its map is a single number"));
}

#[test]
fn a_lost_loss_names_the_step_and_the_layer() {
    let out = tempfile::tempdir().unwrap();
    let mut arguments = reproduce(mammograms(), out.path());
    arguments.extend(["--learning-rate", "1e38", "--optimizer", "sgd"].map(str::to_owned));
    // The earlier --learning-rate must not stand beside it.
    let at = arguments.iter().position(|argument| argument == "--learning-rate").unwrap();
    arguments.drain(at..at + 2);
    arguments.extend(["--epochs", "4"].map(str::to_owned));
    let at = arguments.iter().position(|argument| argument == "--epochs").unwrap();
    arguments.drain(at..at + 2);
    let message = failure_of(&arguments);
    assert!(message.contains("first non-finite value in layer"), "{message}");
}

#[test]
fn a_tensor_that_does_not_fit_is_refused_with_the_batch_that_would() {
    let plan = ["explain", "--model", "compact-xception", "--train", "--batch", "600"];
    let message = failure(&[&plan[..], &["--baseline"]].concat());
    assert!(message.contains("in one binding") && message.contains("use a batch of"), "{message}");
}

#[test]
fn the_shader_that_is_printed_is_wgsl_with_its_entry_point() {
    for arguments in [&["shader", "conv2d"][..], &["shader", "conv2d", "--variant", "naive"]] {
        let kernels = json(arguments);
        let kernels = kernels.as_array().unwrap();
        assert!(!kernels.is_empty());
        for kernel in kernels {
            let module = naga::front::wgsl::parse_str(kernel["wgsl"].as_str().unwrap()).unwrap();
            let entry = kernel["entry"].as_str().unwrap();
            assert!(module.entry_points.iter().any(|point| point.name == entry), "{entry}");
            for (tile, value) in kernel["tiles"].as_object().unwrap() {
                let (_, constant) = module
                    .constants
                    .iter()
                    .find(|(_, constant)| constant.name.as_ref() == Some(tile))
                    .unwrap();
                let literal = &module.global_expressions[constant.init];
                let wanted = value.as_f64().unwrap() as u32;
                let naga::Expression::Literal(naga::Literal::U32(found)) = literal else {
                    panic!("{tile} is {literal:?}");
                };
                assert_eq!(*found, wanted, "{tile}");
            }
        }
    }
    let text = parula(&["shader", "conv2d", "--variant", "naive"]);
    let text = String::from_utf8(text.stdout).unwrap();
    naga::front::wgsl::parse_str(&text).unwrap();
    assert!(text.starts_with("// naive on "), "{text}");
    assert!(failure(&["shader", "conv3d"]).contains("conv2d"));
    assert!(failure(&["shader", "conv2d", "--variant", "best"]).contains("naive"));
}
