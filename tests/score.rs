//! `parula score`: borders and lesions at one threshold, and by what that was chosen.

mod common {
    pub mod program;
}

use std::path::Path;

use common::program::{failure, failure_and_code, json, parula, path};
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
