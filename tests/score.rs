//! `parula score`: borders and lesions at one threshold, and by what that was chosen.

mod common {
    pub mod program;
}

use std::path::Path;

use common::program::{failure, failure_and_code, json, mammograms, parula, path};
use parula::engine::tensor::Tensor;
use parula::nets::cam::normalise::{self, Normalisation};
use parula::nets::images::Grey;
use serde_json::{Value, json as value};

/// A picture of 12 x 10: what is 255, then what is 100, by first column, first row, width and height.
fn picture(path: &Path, bright: &[[usize; 4]], dim: &[[usize; 4]]) {
    let mut grey = Grey::filled(12, 10, 0);
    for (boxes, level) in [(bright, 255), (dim, 100)] {
        for &[left, top, width, height] in boxes {
            for y in top..top + height {
                for x in left..left + width {
                    grey.pixels[y * 12 + x] = level;
                }
            }
        }
    }
    grey.write(path).unwrap();
}

#[test]
fn borders_and_lesions_are_measured_at_one_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (mask, heatmap, csv) = (file("mask.png"), file("heatmap.png"), file("lesions.csv"));
    // Two lesions: one is met a column to the right, one is missed; a dim area lies beside both.
    picture(&mask, &[[1, 1, 4, 4], [9, 7, 2, 2]], &[]);
    picture(&heatmap, &[[2, 1, 4, 4]], &[[0, 8, 3, 1]]);
    let score = |more: &[&str]| -> Value {
        let all = [&["score", "--mask", path(&mask), "--heatmap", path(&heatmap)], more].concat();
        json(&all)
    };
    let near = |found: &Value, expected: f64| {
        assert!((found.as_f64().unwrap() - expected).abs() < 1e-9, "{found} {expected}");
    };

    let given = score(&["--threshold", "50", "--tolerance", "1", "--csv", path(&csv)]);
    assert_eq!(
        (&given["threshold"], &given["threshold_chosen"]),
        (&value!(50), &value!("elsewhere"))
    );
    assert_eq!((&given["lesion_count"], &given["false_areas"]), (&value!(2), &value!(1)));
    assert_eq!(given["dice"].as_array().unwrap().len(), 256);
    near(&given["dice_at_threshold"], 24.0 / 39.0);
    near(&given["iou"], 12.0 / 27.0);
    let [met, missed] = &given["lesions"].as_array().unwrap()[..] else { panic!("{given}") };
    assert_eq!((&met["pixels"], &met["centre"]), (&value!(16), &value!([2.5, 2.5])));
    near(&met["coverage"], 0.75);
    near(&met["dice"], 0.75);
    near(&met["hausdorff_95"], 1.0);
    near(&met["surface_dice"], 1.0);
    assert_eq!((&missed["coverage"], &missed["hausdorff_95"]), (&value!(0.0), &Value::Null));
    near(&missed["surface_dice"], 0.0);

    let mut table = csv::Reader::from_path(&csv).unwrap();
    let header: Vec<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = table.records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), 3);
    let cell = |row: usize, column: &str| {
        &rows[row][header.iter().position(|name| name == column).unwrap()]
    };
    assert_eq!([cell(0, "lesion"), cell(1, "lesion"), cell(2, "lesion")], ["", "1", "2"]);
    assert_eq!((cell(0, "pixels"), cell(2, "hausdorff_95")), ("20", ""));
    assert_eq!(cell(1, "threshold_chosen"), "elsewhere");
    assert_eq!(cell(1, "dice").parse::<f64>().unwrap(), met["dice"].as_f64().unwrap());
    // A table of before is written over, and somebody's file is not.
    score(&["--csv", path(&csv)]);
    std::fs::write(file("own.csv"), "mine").unwrap();
    let own = file("own.csv");
    let onto = |path_of: &Path| {
        let mask = ["score", "--mask", path(&mask), "--heatmap", path(&heatmap), "--csv"];
        failure(&[&mask[..], &[path(path_of)]].concat())
    };
    assert!(onto(&own).contains("parula did not write it"));
    assert!(onto(&heatmap).contains("what is read"));

    // Without one, the mask has chosen it, which is said.
    let best = score(&[]);
    assert_eq!(best["threshold_chosen"], "on this image");
    assert_eq!(best["threshold"], best["best_threshold"]);
    assert_eq!(best["dice_at_threshold"], best["best_dice"]);
    assert_eq!((&best["false_areas"], &best["surface_tolerance"]), (&value!(0), &value!(2.0)));
    let shown = parula(&["score", "--mask", path(&mask), "--heatmap", path(&heatmap)]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("which this image's own mask has chosen"), "{shown}");
    assert!(shown.contains("2 lesion(s)") && shown.contains("HD95 none"), "{shown}");
}

#[test]
fn an_empty_map_has_no_distance_and_what_is_no_tolerance_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [mask, heatmap] = ["mask.png", "heatmap.png"].map(|name| folder.path().join(name));
    picture(&mask, &[[1, 1, 4, 4]], &[]);
    picture(&heatmap, &[], &[]);
    let call = ["score", "--mask", path(&mask), "--heatmap", path(&heatmap)];
    let found = json(&call);
    assert_eq!(
        (&found["hausdorff_95"], &found["average_surface_distance"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!((&found["surface_dice"], &found["iou"]), (&value!(0.0), &value!(0.0)));
    let (message, code) = failure_and_code(&[&call[..], &["--tolerance=-1"]].concat());
    assert!(code == 2 && message.contains("tolerance of -1"), "{message}");
    let (message, code) = failure_and_code(&[&call[..], &["--tolerance", "NaN"]].concat());
    assert!(code == 2 && message.contains("tolerance of NaN"), "{message}");
    let output = parula(&[&call[..], &["--threshold", "256"]].concat());
    assert_eq!(output.status.code(), Some(2));
}

/// A table by its columns.
fn table(path: &Path) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut table = csv::Reader::from_path(path).unwrap();
    let header = table.headers().unwrap().clone();
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.unwrap();
        header.iter().zip(row.iter()).map(|(key, cell)| (key.to_owned(), cell.to_owned())).collect()
    };
    table.records().map(row).collect()
}

/// A cell of a table is a number of JSON, or empty and null.
fn same(cell: &str, number: &Value, what: &str) {
    match number.as_f64() {
        Some(number) => assert!((cell.parse::<f64>().unwrap() - number).abs() < 1e-9, "{what}"),
        None => assert!(cell.is_empty() && number.is_null(), "{what}: {cell} {number}"),
    }
}

#[test]
fn what_a_run_says_at_its_threshold_is_what_score_says_and_normals_are_explained() {
    let (_keep, data) = mammograms(10, 96);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let results = json(&[
        "reproduce",
        "--data",
        path(&data),
        "--out",
        path(&out),
        "--models",
        "compact-resnet",
        "--epochs",
        "1",
        "--batch",
        "6",
        "--size",
        "32",
        "--test",
        "0.2",
    ]);
    let run = &results["runs"][0];
    let found = &run["at_threshold"];
    let threshold = run["best_threshold"].to_string();
    assert_eq!(found["threshold"], run["best_threshold"]);
    let maps = out.join("heatmaps/compact-resnet/0");
    let (scores, lesions) = (table(&maps.join("scores.csv")), table(&maps.join("lesions.csv")));
    let mut distances = Vec::new();
    for line in &scores {
        let file = |what: &str| maps.join(format!("{}.{what}.png", line["name"]));
        let (mask, heatmap) = (file("mask"), file("heatmap"));
        let score = json(&[
            "score",
            "--mask",
            path(&mask),
            "--heatmap",
            path(&heatmap),
            "--threshold",
            &threshold,
        ]);
        for column in
            ["iou", "hausdorff_95", "average_surface_distance", "surface_dice", "false_areas"]
        {
            same(&line[column], &score[column], column);
        }
        // The adapter's, which has 32 bits.
        let dice: f64 = line["dice_at_best_threshold"].parse().unwrap();
        assert!((dice - score["dice_at_threshold"].as_f64().unwrap()).abs() < 1e-6, "{line:?}");
        let own: Vec<_> = lesions.iter().filter(|one| one["name"] == line["name"]).collect();
        assert_eq!(own.len().to_string(), line["lesions"]);
        for (one, expected) in own.iter().zip(score["lesions"].as_array().unwrap()) {
            for column in ["pixels", "diameter", "coverage", "dice", "hausdorff_95", "surface_dice"]
            {
                same(&one[column], &expected[column], column);
            }
            assert_eq!((&one["split"], &one["patient"]), (&line["split"], &line["patient"]));
        }
        if line["split"] == "validation" {
            distances.extend(line["hausdorff_95"].parse::<f64>());
        }
    }
    let mean = distances.iter().sum::<f64>() / distances.len() as f64;
    match distances.is_empty() {
        true => assert!(found["hausdorff_95"].is_null()),
        false => assert!((found["hausdorff_95"].as_f64().unwrap() - mean).abs() < 1e-9, "{found}"),
    }
    let validated = scores.iter().filter(|line| line["split"] == "validation").count() as u64;
    assert_eq!(found["rois"], validated);
    assert_eq!(found["without_distance"], validated - distances.len() as u64);
    assert!(found["lesions"]["count"].as_u64().unwrap() >= validated);

    // Every normal ROI that was not learnt from, and no other; its map is there.
    let normals = table(&maps.join("normals.csv"));
    let predictions = table(&out.join("predictions/compact-resnet/0.csv"));
    let expected: Vec<&String> = predictions
        .iter()
        .filter(|line| line["label"] == "normal")
        .map(|line| &line["name"])
        .collect();
    let named: Vec<&String> = normals.iter().map(|line| &line["name"]).collect();
    assert!(!named.is_empty() && named == expected, "{named:?} {expected:?}");
    let mut peaks: Vec<f64> = scores
        .iter()
        .filter(|line| line["split"] == "train")
        .map(|line| line["peak"].parse().unwrap())
        .collect();
    peaks.sort_by(f64::total_cmp);
    let median = (peaks[(peaks.len() - 1) / 2] + peaks[peaks.len() / 2]) / 2.0;
    let cut = threshold.parse::<f64>().unwrap() / 255.0 * median;
    let (mut exceeding, mut absolute) = (0.0, 0.0);
    for line in &normals {
        let map =
            std::fs::read(maps.join("normal").join(format!("{}.map.npy", line["name"]))).unwrap();
        let [height, width] = ["height", "width"].map(|side| line[side].parse::<usize>().unwrap());
        let map = tensor(&map);
        let peak: f64 = line["peak"].parse().unwrap();
        assert!((peak - normalise::peak(&map, [height, width])).abs() < 1e-9, "{line:?}");
        let levels = normalise::levels(&map, Normalisation::ReluMax, [height, width]);
        let marked =
            levels.iter().filter(|level| i64::from(**level) > threshold.parse().unwrap()).count();
        let share: f64 = line["marked"].parse().unwrap();
        // The adapter's level may round otherwise.
        assert!((share - marked as f64 / (height * width) as f64).abs() < 0.02, "{line:?}");
        exceeding += f64::from(u8::from(share > 0.0)) / normals.len() as f64;
        absolute += f64::from(u8::from(peak > cut)) / normals.len() as f64;
    }
    assert_eq!(found["normals"]["rois"], normals.len());
    let value = |figure: &str| found["normals"][figure]["value"].as_f64().unwrap();
    assert!((value("exceeding") - exceeding).abs() < 1e-9, "{found}");
    if median > 0.0 {
        assert!((found["normals"]["absolute_threshold"].as_f64().unwrap() - cut).abs() < 1e-9);
        assert!((value("exceeding_absolute") - absolute).abs() < 1e-9, "{found}");
    }

    // Of the test set the same, at the same threshold.
    let tested = &run["test"]["at_threshold"];
    assert_eq!(
        (&tested["rois"], &tested["threshold"]),
        (&results["dataset"]["test"]["abnormal"], &found["threshold"])
    );
    assert_eq!(tested["normals"]["rois"], results["dataset"]["test"]["normal"]);
    let lines = table(&out.join("predictions/compact-resnet/0.test-normals.csv"));
    assert!(lines.iter().all(|line| line["split"] == "test"));
    // And the page shows it.
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("Heatmaps as masks") && page.contains("Dice against the size of"));
}

/// A map of numbers of 32 bits in NumPy's format.
fn tensor(bytes: &[u8]) -> Tensor {
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..10 + header]).unwrap();
    let (_, shape) = text.split_once("'shape': (").unwrap();
    let shape: Vec<usize> = shape
        .split_once(')')
        .unwrap()
        .0
        .split(',')
        .filter_map(|side| side.trim().parse().ok())
        .collect();
    let numbers: Vec<f32> = bytes[10 + header..]
        .chunks(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    Tensor::from_fn([shape[0], shape[1]], |index| numbers[index])
}
