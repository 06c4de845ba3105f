//! A classifier's operating point from its tables of predictions, by trying every threshold: independent of the library.

use std::path::Path;

use serde_json::Value;

/// Probability of abnormal, and whether the ROI is so, of the lines of one side.
fn lines(path: &Path, side: &str) -> Vec<(f64, bool)> {
    let mut table = csv::Reader::from_path(path).unwrap();
    let header = table.headers().unwrap().clone();
    let column = |name: &str| header.iter().position(|title| title == name).unwrap();
    let (split, label, probability) = (column("split"), column("label"), column("probability"));
    let line = |line: Result<csv::StringRecord, csv::Error>| {
        let line = line.unwrap();
        assert_eq!(&line[split], side, "{}", path.display());
        (line[probability].parse().unwrap(), &line[label] == "abnormal")
    };
    table.records().map(line).collect()
}

/// `[[normal called normal, called abnormal], [abnormal called normal, called abnormal]]`.
fn confusion(lines: &[(f64, bool)], threshold: f64) -> [[usize; 2]; 2] {
    let mut counts = [[0; 2]; 2];
    for &(probability, abnormal) in lines {
        counts[usize::from(abnormal)][usize::from(probability > threshold)] += 1;
    }
    counts
}

/// Sensitivity plus specificity.
fn height(counts: [[usize; 2]; 2]) -> f64 {
    let share =
        |class: usize| counts[class][class] as f64 / (counts[class][0] + counts[class][1]) as f64;
    share(0) + share(1)
}

/// That `found`, a field `at_training_threshold`, is what the tables `train` and `validation` give.
pub fn assert_at_training_threshold(found: &Value, train: &Path, validation: &Path) {
    let (train, validation) = (lines(train, "train"), lines(validation, "validation"));
    let threshold = found["threshold"].as_f64().unwrap();
    let best = train.iter().map(|&(cut, _)| height(confusion(&train, cut))).fold(0.0, f64::max);
    let here = height(confusion(&train, threshold));
    assert!((here - best).abs() < 1e-12, "{here} at {threshold}, {best} at best");
    let counts = confusion(&validation, threshold);
    assert_eq!(found["confusion"], serde_json::json!(counts), "{found}");
    let [sensitivity, specificity] =
        ["sensitivity", "specificity"].map(|name| found[name]["value"].as_f64().unwrap());
    assert!((sensitivity + specificity - height(counts)).abs() < 1e-12, "{found}");
    let balanced = found["balanced_accuracy"]["value"].as_f64().unwrap();
    assert!((balanced - height(counts) / 2.0).abs() < 1e-12, "{found}");
}
