//! The program as a child process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A path as an argument.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Synthetic mammograms of so many patients, `size` pixels long; they go with the folder.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn mammograms(patients: usize, size: usize) -> (tempfile::TempDir, PathBuf) {
    let keep = tempfile::tempdir().unwrap();
    let folder = keep.path().join("set");
    let (patients, size) = (patients.to_string(), size.to_string());
    json(&["data", "synth", "--out", path(&folder), "--patients", &patients, "--size", &size]);
    (keep, folder)
}

/// `parula` on the adapter that the tests run on.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parula"));
    // What was tuned on this machine is left aside.
    command.args(arguments).env("PARULA_CACHE", env!("CARGO_TARGET_TMPDIR"));
    for (variable, flag) in [("PARULA_BACKEND", "--backend"), ("PARULA_ADAPTER", "--adapter")] {
        if let Ok(value) = std::env::var(variable) {
            command.args([flag, &value]);
        }
    }
    command
}

/// Runs it.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn parula(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Its document, with `--json`.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn json(arguments: &[&str]) -> Value {
    let output = parula(&[arguments, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs what must fail, and returns its one line.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn failure(arguments: &[&str]) -> String {
    failure_and_code(arguments).0
}

/// The same with the exit code: 2 for what was asked, 1 for all else.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn failure_and_code(arguments: &[&str]) -> (String, i32) {
    let output = parula(arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or_default();
    assert!([1, 2].contains(&code), "{arguments:?}: {code}: {text}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("parula: ")).collect();
    assert_eq!(lines.len(), 1, "one line says what is wrong: {text}");
    assert!(!text.contains("panicked"), "{text}");
    (lines[0].to_owned(), code)
}
