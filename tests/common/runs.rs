//! What runs leave, and whether two of them left the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parula::nets::weights::Raw;
use serde_json::Value;

/// Every file below `folder`, by its path there.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    fn collect(root: &Path, folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, found);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.push((path.strip_prefix(root).unwrap().to_owned(), bytes));
            }
        }
    }
    let mut found = Vec::new();
    collect(folder, folder, &mut found);
    found.sort();
    found
}

/// Without what two runs of the same may differ in: times.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn without_times(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !key.starts_with("seconds"));
            kept.map(|(key, value)| (key.clone(), without_times(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_times).collect(),
        other => other.clone(),
    }
}

/// Panics unless both folders hold the same files, each the same bit for bit but for times.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn assert_same(one: &Path, other: &Path) {
    let (these, those) = (files(one), files(other));
    let names = |files: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&these), names(&those), "nothing half-written, no checkpoint left");
    for ((name, bytes), (_, others)) in these.iter().zip(&those) {
        let file = name.file_name().unwrap().to_str().unwrap();
        let shown = name.display();
        match file {
            // They say how long the runs took, and so does the report that is made from them.
            "results.json" | "compare.json" => {
                let [a, b] = [bytes, others].map(|bytes| without_times(&json(bytes)));
                assert_eq!(a, b, "{shown}");
            }
            "report.html" => assert!(!bytes.is_empty() && !others.is_empty()),
            _ if file.ends_with("run.jsonl") => {
                let [a, b] = [bytes, others].map(|bytes| record(bytes));
                assert_eq!(a, b, "{shown}");
            }
            _ if file.ends_with(".state.safetensors") => {
                let [a, b] = [one, other].map(|folder| state(&folder.join(name)));
                assert_eq!(a, b, "{shown}");
            }
            _ => assert!(bytes == others, "{shown} differs"),
        }
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The lines of a record, without the digests of files that have times in them.
fn record(bytes: &[u8]) -> Vec<Value> {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut line = json(line);
            let timed = ["results.json", "compare.json", "report.html"];
            if timed.iter().any(|name| line["made"]["file"] == *name) {
                line["made"]["content"] = Value::Null;
            }
            line
        })
        .collect()
}

/// A state of a training without its times: names and bits of tensors, and the rest.
fn state(path: &Path) -> (BTreeMap<String, Vec<u32>>, BTreeMap<String, Value>) {
    let raw = Raw::read(path).unwrap();
    let mut tensors = BTreeMap::new();
    for layer in &raw.layers {
        for (name, tensor) in &layer.tensors {
            let bits = tensor.data().iter().map(|value| value.to_bits()).collect();
            tensors.insert(format!("{}/{name}", layer.place), bits);
        }
    }
    // The digest is of the times as well.
    let rest = raw.metadata.iter().filter(|(key, _)| *key != "digest").map(|(key, text)| {
        let value = serde_json::from_str(text).unwrap_or(Value::String(text.clone()));
        (key.clone(), without_times(&value))
    });
    (tensors, rest.collect())
}
