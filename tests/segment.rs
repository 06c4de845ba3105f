//! Segmentation from image labels, end to end on synthetic mammograms, and what it must not have seen.

mod common {
    pub mod adapter;
    pub mod program;
}

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::adapter;
use common::program::{failure, json};
use parula::error::Error;
use parula::nets::images::{Grey, Prepared, Scaling};
use parula::nets::models::SEGMENTERS;
use parula::nets::train::{Targets, TrainOptions, TrainedSegmenter, train_segmenter};
use parula::stop::Stop;
use serde_json::Value;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn synthetic(folder: &Path) -> PathBuf {
    let data = folder.join("set");
    json(&["data", "synth", "--out", path(&data), "--patients", "8", "--size", "96"]);
    data
}

/// `parula weak` as small as can be.
fn weak(data: &Path, out: &Path, more: &[&str]) -> Value {
    let arguments = ["weak", "--data", path(data), "--out", path(out), "--model", "compact-resnet"];
    let small = ["--epochs", "2", "--batch", "6", "--size", "24"];
    let segmenter = ["--segmenter-epochs", "3", "--segmenter-size", "32"];
    json(&[&arguments[..], &small, &segmenter, more].concat())
}

/// The lines of a seed's table: image, origin, Dice, IoU.
fn scores(out: &Path) -> Vec<(String, String, f64, f64)> {
    let text = std::fs::read_to_string(out.join("scores/0.csv")).unwrap();
    let line = |line: &str| {
        let [name, origin, dice, iou, .., _patient] = line.split(',').collect::<Vec<_>>()[..]
        else {
            panic!("{line}")
        };
        (name.to_owned(), origin.to_owned(), dice.parse().unwrap(), iou.parse().unwrap())
    };
    text.lines().skip(1).map(line).collect()
}

fn weights(out: &Path, what: &str) -> Vec<u8> {
    std::fs::read(out.join(format!("weights/0.{what}.safetensors"))).unwrap()
}

/// Every mask below `folder` that shows a lesion.
fn lesions(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            found.extend(lesions(&entry));
        } else if path(&entry).ends_with("_mask.png")
            && Grey::read(&entry).unwrap().bounds().is_some()
        {
            found.push(entry);
        }
    }
    found
}

#[test]
fn masks_come_of_labels_and_no_truth_is_read_in_training() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path());
    let out = folder.path().join("weak");
    let results = weak(&data, &out, &[]);
    let written: Value =
        serde_json::from_slice(&std::fs::read(out.join("results.json")).unwrap()).unwrap();
    assert_eq!(written, results);
    assert!(!out.join("checkpoints").exists(), "states of what is finished");
    assert!(out.join("figures/0-masks.png").exists());

    // The table says what the masks that were written say, and the summary what the table says.
    let table = scores(&out);
    let origins = ["ones", "ellipse", "cam", "pseudo", "weak", "supervised"];
    for (origin, summary) in origins.iter().zip(results["summary"].as_array().unwrap()) {
        assert_eq!(summary["origin"], *origin);
        let own: Vec<_> = table.iter().filter(|line| line.1 == *origin).collect();
        let mean = own.iter().map(|line| line.2).sum::<f64>() / own.len() as f64;
        assert!((summary["dice"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9, "{origin}");
        for (_, _, dice, iou) in own {
            assert!((iou - dice / (2.0 - dice)).abs() < 1e-9);
        }
    }
    let rois = folder.path().join("rois");
    json(&["data", "rois", path(&data), "--out", path(&rois)]);
    for (name, origin, dice, _) in
        table.iter().filter(|line| ["pseudo", "weak", "supervised"].contains(&line.1.as_str()))
    {
        let mask = Grey::read(out.join(format!("masks/0/{name}.{origin}.png"))).unwrap();
        let truth = Grey::read(rois.join(format!("abnormal/{name}_mask.png"))).unwrap();
        assert_eq!((mask.width, mask.height), (truth.width, truth.height));
        assert!(mask.pixels.iter().all(|pixel| [0, 255].contains(pixel)));
        let both = mask.pixels.iter().zip(&truth.pixels).filter(|(a, b)| **a & **b > 0).count();
        let count = |mask: &Grey| mask.pixels.iter().filter(|pixel| **pixel > 0).count();
        let expected = 2.0 * both as f64 / (count(&mask) + count(&truth)).max(1) as f64;
        assert!((dice - expected).abs() < 1e-9, "{name} {origin}: {dice}, {expected}");
    }

    the_borders_are_what_score_says(&out, &rois);

    // Only the box of each lesion of the training side is left of the truth.
    let judged: Vec<&str> = table.iter().map(|line| line.0.as_str()).collect();
    let mut changed = 0;
    for path in lesions(&data) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if judged.iter().any(|judged| name.starts_with(&format!("{judged}_mask"))) {
            continue;
        }
        let truth = Grey::read(&path).unwrap();
        let bounds = truth.bounds().unwrap();
        let mut mask = Grey::filled(truth.width, truth.height, 0);
        for y in bounds.y..bounds.y + bounds.height {
            for x in bounds.x..bounds.x + bounds.width {
                let (right, bottom) = (bounds.x + bounds.width - 1, bounds.y + bounds.height - 1);
                let edge = y == bounds.y || y == bottom || x == bounds.x || x == right;
                mask.pixels[y * mask.width + x] = if edge { 255 } else { 0 };
            }
        }
        assert_ne!(mask, truth);
        mask.write(&path).unwrap();
        changed += 1;
    }
    assert!(changed >= 5, "{changed}");
    let blind = folder.path().join("blind");
    weak(&data, &blind, &[]);
    assert_eq!(weights(&out, "compact-resnet"), weights(&blind, "compact-resnet"));
    assert_eq!(weights(&out, "weak"), weights(&blind, "weak"));
    assert_ne!(weights(&out, "supervised"), weights(&blind, "supervised"));
    let masks = |lines: Vec<(String, String, f64, f64)>| -> Vec<_> {
        lines.into_iter().filter(|line| line.1 == "weak" || line.1 == "pseudo").collect()
    };
    assert_eq!(masks(scores(&blind)), masks(table), "the validation side is as it was");
    segmenting(&out, &rois);
}

/// Distances of the table of masks, and lesions beside it, are those of `parula score`.
fn the_borders_are_what_score_says(out: &Path, rois: &Path) {
    let read = |file: &str| {
        let mut table = csv::Reader::from_path(out.join("scores").join(file)).unwrap();
        let header = table.headers().unwrap().clone();
        let lines: Vec<csv::StringRecord> = table.records().map(|line| line.unwrap()).collect();
        let at = move |name: &str| header.iter().position(|column| column == name).unwrap();
        (at, lines)
    };
    let (at, lines) = read("0.csv");
    let (of_lesion, lesions) = read("0.lesions.csv");
    let mut seen = 0;
    for line in lines.iter().filter(|line| ["weak", "supervised"].contains(&&line[at("origin")])) {
        let (name, origin) = (&line[at("name")], &line[at("origin")]);
        let mask = out.join(format!("masks/0/{name}.{origin}.png"));
        let truth = rois.join(format!("abnormal/{name}_mask.png"));
        let score =
            ["score", "--mask", path(&truth), "--heatmap", path(&mask), "--threshold", "127"];
        let score = json(&score);
        for column in ["hausdorff_95", "average_surface_distance", "surface_dice", "false_areas"] {
            match score[column].as_f64() {
                Some(number) => {
                    let found: f64 = line[at(column)].parse().unwrap();
                    assert!((found - number).abs() < 1e-9, "{name} {origin}, {column}: {found}");
                }
                None => assert_eq!(&line[at(column)], "", "{name} {origin}"),
            }
        }
        let own = lesions
            .iter()
            .filter(|one| &one[of_lesion("name")] == name && &one[of_lesion("origin")] == origin);
        let dice: Vec<f64> = own.map(|one| one[of_lesion("dice")].parse().unwrap()).collect();
        let expected = score["lesions"].as_array().unwrap();
        assert_eq!(dice.len(), expected.len());
        for (dice, lesion) in dice.iter().zip(expected) {
            assert!((dice - lesion["dice"].as_f64().unwrap()).abs() < 1e-9, "{name} {origin}");
        }
        seen += 1;
    }
    assert!(seen >= 2, "{seen}");
}

/// `parula segment` with what was trained.
fn segmenting(out: &Path, rois: &Path) {
    let masks = out.join("new");
    let image = std::fs::read_dir(rois.join("abnormal"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| !path.to_str().unwrap().ends_with("_mask.png"))
        .unwrap();
    let unet = out.join("weights/0.weak.safetensors");
    let classifier = out.join("weights/0.compact-resnet.safetensors");
    for (model, weights) in [("compact-unet", &unet), ("compact-resnet", &classifier)] {
        let arguments = ["segment", "--model", model, "--weights", path(weights), path(&image)];
        let documents = json(&[&arguments[..], &["--out", path(&masks)]].concat());
        let written = Grey::read(Path::new(documents[0]["mask"].as_str().unwrap())).unwrap();
        let image = Grey::read(&image).unwrap();
        assert_eq!((written.width, written.height), (image.width, image.height), "{model}");
        let inside = written.pixels.iter().filter(|pixel| **pixel == 255).count();
        let outside = written.pixels.iter().filter(|pixel| **pixel == 0).count();
        assert_eq!(inside + outside, written.pixels.len(), "{model}");
        assert_eq!(documents[0]["mask_pixels"], inside, "{model}");
    }

    let refused = |model: &str, weights: &Path, image: &Path, more: &[&str]| {
        let arguments = ["segment", "--model", model, "--weights", path(weights), path(image)];
        failure(&[&arguments[..], &["--out", path(&masks)], more].concat())
    };
    let error = refused("compact-unet", &classifier, &image, &[]);
    assert!(error.contains("weights of compact-resnet, not of compact-unet"), "{error}");
    let error = refused("compact-resnet", &unet, &image, &[]);
    assert!(error.contains("compact-unet") || error.contains("no head"), "{error}");
    let error = refused("compact-unet", &unet, &image, &["--threshold", "1.5"]);
    assert!(error.contains("between 0 and 1"), "{error}");
    // What is of a classifier's heatmaps changes no mask of a U-Net, and lesions are looked for in whole images alone.
    for more in [&["--whole"][..], &["--bright"], &["--methods", "layercam"]] {
        let error = refused("compact-unet", &unet, &image, more);
        assert!(error.contains(more[0]) && error.contains("leave out"), "{error}");
    }
    let error = refused("compact-resnet", &classifier, &image, &["--bright"]);
    assert!(error.contains("--bright is of lesions in whole images"), "{error}");
    let cut_off = out.join("cut.png");
    let bytes = std::fs::read(&image).unwrap();
    std::fs::write(&cut_off, &bytes[..bytes.len() / 2]).unwrap();
    let error = refused("compact-unet", &unet, &cut_off, &[]);
    assert!(error.contains("cut.png"), "{error}");
    let unet = ["predict", "--model", "compact-unet", "--weights", path(&unet), path(&image)];
    let error = failure(&unet);
    assert!(error.contains("gives masks, not classes"), "{error}");
}

#[test]
fn whole_images_are_segmented_and_a_finished_run_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = synthetic(folder.path());
    let out = folder.path().join("whole");
    let results = weak(&data, &out, &["--whole", "--bright", "--method", "gradcam,layercam"]);
    assert_eq!(results["config"]["whole"], true);
    assert_eq!(results["config"]["training"]["keep"], "last");
    assert_eq!(results["dataset"]["abnormal"], results["dataset"]["normal"]);
    let mask = scores(&out)[0].0.clone();
    let mask = Grey::read(out.join(format!("masks/0/{mask}.weak.png"))).unwrap();
    assert_eq!(mask.height, 96, "an image, not an ROI");
    let before = weights(&out, "weak");
    let whole = ["--whole", "--bright", "--method", "gradcam,layercam", "--resume"];
    assert_eq!(weak(&data, &out, &whole), results);
    assert_eq!(weights(&out, "weak"), before);

    let error = failure(&["weak", "--data", path(&data), "--out", path(&out), "--resume"]);
    assert!(error.contains("another configuration"), "{error}");
    let run = folder.path().join("run");
    let reproduce = ["reproduce", "--data", path(&data), "--out", path(&run), "--epochs", "2"];
    let sizes = ["--size", "24", "--batch", "6", "--models", "compact-resnet"];
    json(&[&reproduce[..], &sizes].concat());
    let run = ["--weights", path(&run)];
    let other = folder.path().join("other");
    let [loss, jitter] = ["--segmenter-loss=both", "--segmenter-jitter"];
    let results = weak(&data, &other, &[&run[..], &[loss, jitter]].concat());
    assert!(results["config"]["training"].is_null());
    let segmenter = &results["config"]["segmenter_training"];
    assert_eq!(segmenter["loss"], "both");
    assert!(segmenter["jitter"].is_object(), "{segmenter}");
    // The loss of epochs that were made small otherwise is another number: no run goes on with it.
    let arguments = ["weak", "--data", path(&data), "--out", path(&other), "--resume"];
    let segmenter = ["--segmenter-epochs", "3", "--segmenter-size", "32", jitter];
    let small = ["--model", "compact-resnet", "--epochs", "2", "--batch", "6", "--size", "24"];
    let error = failure(&[&arguments[..], &segmenter, &small, &run].concat());
    assert!(error.contains("loss was \"both\", is the default"), "{error}");
    let whole = folder.path().join("whole of a run");
    let arguments = ["weak", "--data", path(&data), "--out", path(&whole), "--whole"];
    let error = failure(&[&arguments[..], &run].concat());
    assert!(error.contains("learnt from other ROIs"), "{error}");
}

#[test]
fn a_segmenter_that_was_interrupted_gives_the_bits_of_one_that_was_not() {
    let gpu = Arc::new(adapter::open());
    let folder = tempfile::tempdir().unwrap();
    let image = |salt: usize| {
        let pixels = (0..24 * 24).map(|i| (i * (salt + 3) * 37 % 191) as u8).collect();
        Grey { width: 24, height: 24, pixels }
    };
    let images: Vec<Grey> = (0..5).map(image).collect();
    let images =
        Prepared::from_images(images.iter().map(|image| (image, 0)), (24, 24), 1, Scaling::Tf);
    let probability = images.images.iter().map(|grey| f32::from(u8::from(*grey > 99.0))).collect();
    let targets = Targets { probability, weight: vec![1.0; 5 * 24 * 24] };
    let run = |state: Option<PathBuf>,
               targets: &Targets,
               stop: Stop|
     -> Result<TrainedSegmenter, Error> {
        let usual = TrainOptions::usual(&SEGMENTERS[0]);
        let options = TrainOptions { epochs: 6, batch: 2, state, stop, ..usual };
        train_segmenter(&gpu, &SEGMENTERS[0], &images, targets, &options, "test")
    };
    let straight = run(None, &targets, Stop::default()).unwrap();
    let state = folder.path().join("state.safetensors");
    let mut interruptions = 0;
    let resumed = loop {
        let before = std::fs::read(&state).ok();
        let done = std::sync::atomic::AtomicBool::new(false);
        let stop = Stop::default();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                let changed = || std::fs::read(&state).ok().is_some_and(|now| Some(now) != before);
                while !changed() && !done.load(Ordering::Relaxed) {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                stop.ask();
            });
            let result = run(Some(state.clone()), &targets, stop.clone());
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
    assert!(interruptions >= 1);
    assert_eq!(resumed.losses, straight.losses);
    assert_eq!(resumed.weights, straight.weights);
    let other = Targets { weight: vec![0.5; 5 * 24 * 24], ..targets.clone() };
    let error = run(Some(state), &other, Stop::default()).unwrap_err().to_string();
    assert!(error.contains("targets was"), "{error}");
    let short = Targets { weight: vec![1.0], ..targets };
    assert!(matches!(run(None, &short, Stop::default()), Err(Error::Usage { .. })));
}
