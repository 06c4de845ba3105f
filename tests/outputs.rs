//! What commands write and what they read are kept apart; one bad image does not cost the others; and what
//! is not finite is not shown as if it were.

mod common {
    pub mod program;
}

use std::path::{Path, PathBuf};

use common::program::{failure, json, parula};
use parula::engine::graph::{Kind, Role};
use parula::engine::tensor::Tensor;
use parula::nets::images::Grey;
use parula::nets::models::{self, Mode};
use parula::nets::weights::{self, Weights};
use serde_json::Value;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Weights of `network` for 32x32 in `folder`, each number `of` its variable's name and index.
fn weights(folder: &Path, network: &str, of: impl Fn(&str, usize) -> f32) -> PathBuf {
    let network = models::find_any(network).unwrap();
    let model = network.build(Mode::Inference, 1, [32, 32], network.classes.min(2)).unwrap();
    let mut weights = Weights::default();
    for (_, node) in model.graph.nodes() {
        let Kind::Variable(variable) = &node.kind else { continue };
        if matches!(variable.role, Role::Trainable | Role::State) {
            let tensor = Tensor::from_fn(node.shape.clone(), |index| of(&node.name, index));
            weights.tensors.insert(node.name.clone(), tensor);
        }
    }
    weights.metadata.insert("input".to_owned(), "32x32".to_owned());
    let path = folder.join(format!("{}.safetensors", network.name));
    weights::save(&path, &weights, &model.layers, None).unwrap();
    path
}

fn usual(_: &str, index: usize) -> f32 {
    0.1 + (index % 7) as f32 / 70.0
}

/// A picture that is no other's.
fn picture(path: &Path, kind: usize) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixels = (0..40 * 36).map(|index| (index * (kind + 3) % 251) as u8).collect();
    Grey { width: 40, height: 36, pixels }.write(path).unwrap();
}

/// The options that `predict`, `cam` and `segment` have in common.
fn common<'a>(network: &'a str, weights: &'a Path) -> Vec<&'a str> {
    vec!["--model", network, "--weights", path(weights)]
}

/// A set of images with masks.
fn set(folder: &Path) -> PathBuf {
    let set = folder.join("set");
    json(&["data", "synth", "--out", path(&set), "--patients", "8", "--size", "96"]);
    set
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[test]
fn no_output_lands_on_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let own = weights(folder.path(), "compact-resnet", usual);
    let photo = at("photos/a.png");
    picture(&photo, 1);
    let before = bytes(&photo);
    let mut outs = vec![at("photos"), at("photos/../photos")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("photos", at("link")).unwrap();
        // Here the output itself is a link to the image.
        std::fs::create_dir(at("maps")).unwrap();
        std::os::unix::fs::symlink("../photos/a.png", at("maps/a.png")).unwrap();
        outs.extend([at("link"), at("maps")]);
    }
    for command in ["cam", "segment"] {
        for out in &outs {
            for input in [&photo, &at("photos")] {
                let arguments = [&[command], &common("compact-resnet", &own)[..]].concat();
                let refused =
                    failure(&[&arguments[..], &[path(input), "--out", path(out)]].concat());
                assert!(refused.contains("written over what is read"), "{command}: {refused}");
                assert!(refused.contains("a.png") && refused.contains("another --out"));
            }
        }
    }
    assert_eq!(bytes(&photo), before);
    assert!(!at("photos/a.npy").exists(), "nothing was written");

    let converted = bytes(&own);
    let refused = failure(&["weights", "convert", path(&own), path(&own)]);
    assert!(refused.contains("written over what is read"), "{refused}");
    assert_eq!(bytes(&own), converted);

    for arguments in [
        &["data", "decode", path(&photo), "--out", path(&photo)][..],
        &["data", "outline", path(&photo), "--rows", "9", "--columns", "9", "--out", path(&photo)],
        &["bench", "relu", "--quick", "--compare", path(&photo), "--csv", path(&photo)],
    ] {
        let refused = failure(arguments);
        assert!(refused.contains("written over what is read"), "{arguments:?}: {refused}");
    }
    assert_eq!(bytes(&photo), before);
}

#[test]
fn no_run_writes_into_what_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let set = set(folder.path());
    let table = set.join("patients.csv");
    let before = bytes(&table);
    let refused = |arguments: &[&str], part: &str| {
        let refused = failure(arguments);
        assert!(refused.contains(part), "{arguments:?}: {refused}");
    };
    // The curves would be patients.csv.
    let out = set.join("patients.safetensors");
    let train = ["train", "--data", path(&set), "--model", "compact-resnet", "--epochs", "1"];
    refused(&[&train[..], &["--out", path(&out)]].concat(), "written over what is read");
    assert_eq!(bytes(&table), before);

    let folder_too = "this folder is also what is read";
    refused(&["data", "rois", path(&set), "--out", path(&set)], folder_too);
    for command in ["reproduce", "compare", "weak"] {
        refused(&[command, "--data", path(&set), "--out", path(&set)], folder_too);
        let run = folder.path().join("run");
        std::fs::create_dir_all(run.join("weights/x")).unwrap();
        let inside = run.join("weights/x");
        refused(&[command, "--data", path(&inside), "--out", path(&run)], folder_too);
    }
    for command in ["compare", "weak"] {
        let run = folder.path().join("run");
        refused(&[command, "--weights", path(&run), "--out", path(&run)], folder_too);
    }
}

#[test]
fn what_parula_did_not_write_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let own = weights(folder.path(), "compact-resnet", usual);
    // Masks that no argument names, and one that an image's outputs would be called as.
    for kind in 0..3 {
        picture(&at(&format!("set/images/{kind}.png")), kind);
        picture(&at(&format!("set/masks/{kind}.png")), kind + 10);
    }
    let masks = at("set/masks");
    let before: Vec<Vec<u8>> =
        (0..3).map(|kind| bytes(&masks.join(format!("{kind}.png")))).collect();
    let refused = |arguments: &[&str]| {
        let refused = failure(arguments);
        assert!(refused.contains("parula did not write it"), "{arguments:?}: {refused}");
    };
    for command in ["cam", "segment"] {
        let arguments = [&[command], &common("compact-resnet", &own)[..]].concat();
        for input in ["set", "set/images", "set/images/1.png"] {
            refused(&[&arguments[..], &[path(&at(input)), "--out", path(&masks)]].concat());
        }
    }
    for command in ["reproduce", "compare", "weak"] {
        let data = at("set/images");
        std::fs::create_dir_all(at("set/weights/mine")).unwrap();
        refused(&[command, "--data", path(&data), "--out", path(&at("set"))]);
        // A folder that is not there leaves no trace either.
        failure(&[command, "--data", path(&at("none")), "--out", path(&at("set"))]);
    }
    for (kind, before) in before.iter().enumerate() {
        assert_eq!(&bytes(&masks.join(format!("{kind}.png"))), before);
    }
    for trace in ["set/.parula.outputs", "set/masks/.parula.outputs", "set/run.jsonl"] {
        assert!(!at(trace).exists(), "{trace}");
    }

    // Two scans that are one make a sheet, which is not called as the user's picture is.
    picture(&at("twice/abnormal/a.png"), 1);
    picture(&at("twice/abnormal/b.png"), 1);
    picture(&at("twice/normal/duplicates-001.png"), 2);
    let normal = at("twice/normal");
    let mine = bytes(&normal.join("duplicates-001.png"));
    refused(&["data", "inspect", path(&at("twice")), "--out", path(&normal)]);
    assert_eq!(bytes(&normal.join("duplicates-001.png")), mine);

    let set = set(&at("synthetic"));
    let rois = at("rois");
    json(&["data", "rois", path(&set), "--out", path(&rois)]);
    json(&["data", "rois", path(&set), "--out", path(&rois)]);
    let few = at("few");
    json(&["data", "synth", "--out", path(&few), "--patients", "5", "--size", "96"]);
    let mixed = failure(&["data", "rois", path(&few), "--out", path(&rois)]);
    assert!(mixed.contains("of an earlier call"), "{mixed}");
    let cut = std::fs::read_dir(rois.join("abnormal")).unwrap().next().unwrap().unwrap();
    picture(&at("others/abnormal").join(cut.file_name()), 3);
    refused(&["data", "rois", path(&set), "--out", path(&at("others"))]);
}

#[test]
fn every_image_has_outputs_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let own = weights(folder.path(), "compact-resnet", usual);
    let images = ["p1/1.png", "p2/1.png", "p2/1-2.png", "p2/A.png", "p3/a.png", "p3/a.figure.png"];
    let images = images.map(|name| folder.path().join(name));
    images.iter().enumerate().for_each(|(kind, image)| picture(image, kind));
    let images: Vec<&str> = images.iter().map(|image| path(image)).collect();
    for (command, keys, options) in
        [("cam", &["raw", "png"][..], &["--figure"][..]), ("segment", &["mask"], &[])]
    {
        let out = folder.path().join(command);
        let arguments = [&[command], &common("compact-resnet", &own)[..], options].concat();
        let found = json(&[&arguments[..], &images, &["--out", path(&out)]].concat());
        let mut named: Vec<String> = Vec::new();
        for row in found.as_array().unwrap() {
            named.extend(keys.iter().map(|key| row[key].as_str().unwrap().to_lowercase()));
        }
        let all = named.len();
        named.sort();
        named.dedup();
        assert_eq!((all, named.len()), (images.len() * keys.len(), all), "{found}");
        assert!(std::fs::read_dir(&out).unwrap().count() >= all);
        for row in found.as_array().unwrap() {
            assert!(keys.iter().all(|key| Path::new(row[key].as_str().unwrap()).is_file()));
        }
    }
}

#[test]
fn what_was_written_is_not_taken_for_input() {
    let folder = tempfile::tempdir().unwrap();
    let own = weights(folder.path(), "compact-resnet", usual);
    let photos = folder.path().join("photos");
    (0..3).for_each(|kind| picture(&photos.join(format!("{kind}.png")), kind));
    let cam = |out: &Path| {
        let arguments = [&["cam"], &common("compact-resnet", &own)[..], &["--figure"]].concat();
        json(&[&arguments[..], &[path(&photos), "--out", path(out)]].concat())
    };
    let maps = photos.join("maps");
    let first = cam(&maps);
    assert_eq!(first.as_array().unwrap().len(), 3);
    assert_eq!(cam(&maps), first, "the same again");
    assert_eq!(cam(&photos.join("others")).as_array().unwrap().len(), 3, "another --out");
    let predict = |images: &Path| {
        json(&[&["predict"], &common("compact-resnet", &own)[..], &[path(images)]].concat())
    };
    assert_eq!(predict(&photos).as_array().unwrap().len(), 3);
    // The user's own image among outputs is one, and a folder of outputs alone that is named is meant.
    assert_eq!(predict(&maps).as_array().unwrap().len(), 6);
    picture(&maps.join("mine.png"), 9);
    assert_eq!(predict(&photos).as_array().unwrap().len(), 4);

    let set = set(folder.path());
    let before = json(&["data", "inspect", path(&set)]);
    let rois = set.join("rois");
    json(&["data", "rois", path(&set), "--out", path(&rois)]);
    let after = json(&["data", "inspect", path(&set)]);
    assert_eq!((&after["images"], &after["masks"]), (&before["images"], &before["masks"]));
    let problems = after["problems"].as_array().unwrap();
    let said = |problem: &Value| problem["what"].as_str().unwrap().contains("parula wrote");
    assert!(problems.iter().any(said), "{problems:?}");
    assert!(!before["problems"].as_array().unwrap().iter().any(said));
    let again = json(&["data", "rois", path(&set), "--out", path(&set.join("rois2"))]);
    let inspected = json(&["data", "inspect", path(&rois)]);
    assert_eq!(inspected["abnormal"], again["abnormal"], "a data set like any other");

    // Curves of a training are a picture, too.
    let out = set.join("own.safetensors");
    let training = ["train", "--data", path(&set), "--model", "compact-resnet", "--epochs", "1"];
    json(&[&training[..], &["--size", "32", "--out", path(&out)]].concat());
    assert!(set.join("own.png").is_file());
    assert_eq!(json(&["data", "inspect", path(&set)])["images"], before["images"]);
}

#[test]
fn a_bad_image_does_not_cost_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let own = weights(folder.path(), "compact-resnet", usual);
    let image = |name: &str| folder.path().join(name);
    (0..4).for_each(|kind| picture(&image(&format!("{kind}.png")), kind));
    // The first is seen to be bad before anything is computed, the second when it is decoded.
    std::fs::write(image("bad.png"), "no picture").unwrap();
    let whole = bytes(&image("3.png"));
    std::fs::write(image("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let names = ["0.png", "bad.png", "1.png", "cut.png", "missing.png", "2.png"];
    let images = names.map(image);
    let images: Vec<&str> = images.iter().map(|image| path(image)).collect();
    let good = ["0.png", "1.png", "2.png"];
    for command in ["predict", "cam", "segment"] {
        let out = image(command);
        let out: &[&str] = if command == "predict" { &[] } else { &["--out", path(&out)] };
        let fixed = [&[command], &common("compact-resnet", &own)[..], &["--batch", "2"]].concat();
        let arguments = [&fixed[..], &images, out].concat();
        let last = failure(&arguments);
        assert!(last.contains("3 of 6 images failed, the others are done"), "{last}");
        let done = parula(&[&arguments[..], &["--json"]].concat());
        assert_eq!(done.status.code(), Some(1));
        let document: Value = serde_json::from_slice(&done.stdout).unwrap();
        let seen: Vec<&str> =
            document.as_array().unwrap().iter().map(|row| row["image"].as_str().unwrap()).collect();
        assert_eq!(seen, good.map(|name| images[names.iter().position(|n| *n == name).unwrap()]));
        let said = String::from_utf8(done.stderr).unwrap();
        for name in ["bad.png", "cut.png", "missing.png"] {
            let named = |line: &&str| line.starts_with("failed: ") && line.contains(name);
            assert_eq!(said.lines().filter(named).count(), 1, "{command}, {name}: {said}");
        }
        if command == "predict" {
            let text = String::from_utf8(parula(&arguments).stdout).unwrap();
            assert_eq!(text.lines().count(), 3, "{text}");
        }
        let none = [&fixed[..], &[images[1], images[4]], out].concat();
        assert!(failure(&none).contains("2 of 2 images failed; the first:"));
        let one = failure(&[&fixed[..], &[images[1]], out].concat());
        assert!(one.contains("bad.png") && !one.contains("images failed"), "{one}");
    }
}

#[test]
fn numbers_that_are_lost_are_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("a.png"), 1);
    picture(&folder.path().join("b.png"), 2);
    let images = [folder.path().join("a.png"), folder.path().join("b.png")];
    let images: Vec<&str> = images.iter().map(|image| path(image)).collect();
    // Too large for 32 bits in a layer whose ReLU hides it: infinity minus infinity is not above 0.
    let huge = |name: &str, index: usize| match name.contains("kernel") && name.contains("conv") {
        true => [1e38, -1e38][index % 2],
        false => usual(name, index),
    };
    // Finite, and its root is not.
    let negative = |name: &str, index: usize| match name.ends_with("moving_variance") {
        true => -1.0,
        false => usual(name, index),
    };
    for (network, commands) in
        [("compact-resnet", &["predict", "cam", "segment"][..]), ("compact-unet", &["segment"])]
    {
        for (case, own) in [
            ("huge", weights(&folder.path().join("."), network, huge)),
            (
                "negative",
                weights(&tempfile::tempdir_in(folder.path()).unwrap().keep(), network, negative),
            ),
        ] {
            for command in commands {
                let out = folder.path().join(format!("{command}-{network}-{case}"));
                let out: &[&str] = if *command == "predict" { &[] } else { &["--out", path(&out)] };
                let arguments = [&[*command], &common(network, &own)[..], &images, out].concat();
                let lost = failure(&arguments);
                assert!(
                    lost.contains("a.png: ") && lost.contains("not finite, first in layer"),
                    "{lost}"
                );
                assert!(lost.contains("conv") || lost.contains("bn"), "{case}, {command}: {lost}");
                assert!(out.last().is_none_or(|out| !Path::new(out).exists()), "{command}");
            }
        }
    }
}

#[test]
fn a_map_of_zeros_is_written_and_said() {
    let folder = tempfile::tempdir().unwrap();
    // Everything in an image speaks for class 0, and nothing for class 1.
    let of = |name: &str, index: usize| match name == "predictions/kernel" {
        true => [1.0, -1.0][index % 2],
        false => usual(name, index),
    };
    let own = weights(folder.path(), "compact-resnet", of);
    let images = folder.path().join("images");
    (0..3).for_each(|kind| picture(&images.join(format!("{kind}.png")), kind));
    let out = folder.path().join("maps");
    let cam = [&["cam"], &common("compact-resnet", &own)[..], &[path(&images)]].concat();
    let cam = [&cam[..], &["--out", path(&out), "--json", "--class"]].concat();
    for (class, zeros) in [("1", 3), ("0", 0)] {
        let done = parula(&[&cam[..], &[class]].concat());
        assert!(done.status.success());
        let said = String::from_utf8(done.stderr).unwrap();
        let wanted = format!("nothing speaks for class {class} in 3 of 3 images");
        assert_eq!(said.contains(&wanted), zeros > 0, "{said}");
        let document: Value = serde_json::from_slice(&done.stdout).unwrap();
        let rows = document.as_array().unwrap();
        assert_eq!(rows.iter().filter(|row| row["all_zero"] == true).count(), zeros);
        let png = Grey::read(Path::new(rows[0]["png"].as_str().unwrap())).unwrap();
        assert_eq!(png.pixels.iter().all(|level| *level == 0), zeros > 0);
    }
    let segment = [&["segment"], &common("compact-resnet", &own)[..], &[path(&images)]].concat();
    let masks = folder.path().join("segmented");
    let done = parula(&[&segment[..], &["--out", path(&masks), "--json"]].concat());
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("nothing speaks for abnormal in 3 of 3 images"), "{said}");
    let document: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(document.as_array().unwrap().iter().all(|row| row["all_zero"] == true), "{document}");
}
