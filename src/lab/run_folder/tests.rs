//! A folder used again: what may be, what must not, and what is not touched.

use crate::provenance::items;
use serde_json::json;

use super::*;

fn origin(value: u32) -> Items {
    items([("value", json!(value))])
}

/// A finished run of one file below the folder.
fn run(out: &Path) {
    let folder = RunFolder::open(out, "test", Again::Refuse).unwrap();
    write(&folder, "a/b.txt", 1);
    folder.finish().unwrap();
}

fn write(folder: &RunFolder, name: &str, value: u32) {
    let write = |path: &Path| files::write(path, format!("{value}").as_bytes());
    folder.make(&folder.root().join(name), &origin(value), write).unwrap();
}

fn error(out: &Path, command: &str, again: Again) -> String {
    RunFolder::open(out, command, again).unwrap_err().to_string()
}

#[test]
fn a_used_folder_is_refused_gone_on_with_or_emptied_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    run(&out);
    let text = error(&out, "test", Again::Refuse);
    assert!(text.contains("--resume") && text.contains("--overwrite"), "{text}");
    let text = error(&out, "other", Again::Resume);
    assert!(text.contains("of `parula test`, not other"), "{text}");
    let path = out.join("a/b.txt");
    let resumed = RunFolder::open(&out, "test", Again::Resume).unwrap();
    assert!(resumed.reuse(&path, &origin(1)).unwrap());
    assert!(!resumed.reuse(&out.join("a/c.txt"), &origin(1)).unwrap(), "never made");
    let text = resumed.reuse(&path, &origin(2)).unwrap_err().to_string();
    assert!(text.contains("value was 1, is 2") && text.contains("b.txt"), "{text}");
    drop(resumed);
    // What others have put there stays, and so does the folder that it is in.
    std::fs::write(out.join("a/notes.txt"), "mine").unwrap();
    let fresh = RunFolder::open(&out, "other", Again::Overwrite).unwrap();
    assert!(!path.exists() && out.join("a/notes.txt").exists());
    let text = fresh.claim([out.join("a/notes.txt")]).unwrap_err().to_string();
    assert!(text.contains("notes.txt") && text.contains("already"), "{text}");
    drop(fresh);
    run(&out);
}

#[test]
fn an_overwriting_that_was_killed_leaves_nothing_to_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(out);
    let mut journal = Journal::write(
        out.join("run.jsonl"),
        Record::read(&out.join("run.jsonl")).unwrap().unwrap(),
    )
    .unwrap();
    journal.overwritten().unwrap();
    drop(journal);
    let resumed = RunFolder::open(out, "other", Again::Resume).unwrap();
    assert!(!out.join("a").exists());
    assert!(!resumed.knows(&out.join("a/b.txt")).unwrap());
}

#[test]
fn a_call_that_wrote_nothing_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let refused = RunFolder::open(out, "test", Again::Refuse).unwrap();
    refused.claim([out.join("results.json")]).unwrap();
    drop(refused);
    run(out);
}

#[test]
fn what_has_changed_or_gone_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(out);
    let path = out.join("a/b.txt");
    let resumed = RunFolder::open(out, "test", Again::Resume).unwrap();
    std::fs::write(&path, "other").unwrap();
    let text = resumed.reuse(&path, &origin(1)).unwrap_err().to_string();
    assert!(text.contains("has changed since"), "{text}");
    std::fs::remove_file(&path).unwrap();
    assert!(!resumed.reuse(&path, &origin(1)).unwrap());
    let text = resumed.hold(&path, &origin(1)).unwrap_err().to_string();
    assert!(text.contains("missing"), "{text}");
    // Being replaced, it may have the old bytes or the new ones, and in the end it has the new ones.
    write(&resumed, "a/b.txt", 1);
    let replacing = |path: &Path| {
        assert!(resumed.intact(path).unwrap(), "before");
        files::write(path, b"3")?;
        assert!(resumed.intact(path).unwrap(), "after");
        Ok(())
    };
    resumed.make(&path, &origin(1), replacing).unwrap();
    std::fs::write(&path, "1").unwrap();
    assert!(resumed.intact(&path).is_err());
}

#[test]
fn what_killed_processes_left_of_our_files_goes_and_of_others_stays() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(out);
    let temporary = |name: &str| out.join("a").join(files::temporary_name(name) + "x1y2z3");
    let [own, other] = ["b.txt", "of another.txt"].map(temporary);
    for path in [&own, &other] {
        std::fs::write(path, "").unwrap();
    }
    drop(RunFolder::open(out, "test", Again::Resume).unwrap());
    assert!(!own.exists() && other.exists());
}

#[test]
fn results_without_a_record_are_of_an_earlier_version() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    std::fs::write(out.join("results.json"), "{}").unwrap();
    for again in [Again::Refuse, Again::Resume, Again::Overwrite] {
        let text = error(out, "test", again);
        assert!(text.contains("results.json") && text.contains("earlier version"), "{text}");
    }
    assert!(out.join("results.json").exists());
    let weights = out.join("w.safetensors");
    std::fs::write(&weights, "").unwrap();
    let text = RunFolder::of_file(&weights, "train", Again::Overwrite).unwrap_err().to_string();
    assert!(text.contains("w.safetensors"), "{text}");
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = RunFolder::open(folder.path(), "test", Again::Refuse).unwrap();
    let text = error(folder.path(), "test", Again::Overwrite);
    assert!(text.contains(&format!("process {} on ", std::process::id())), "{text}");
    drop(first);
    RunFolder::open(folder.path(), "test", Again::Refuse).unwrap();
}

#[test]
fn the_run_of_a_file_keeps_to_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let make = |out: &Path, again| {
        let run = RunFolder::of_file(out, "train", again).unwrap();
        run.make(out, &origin(1), |path| files::write(path, b"1")).unwrap();
        run.claim_state(&out.with_extension("state")).unwrap();
        run.finish().unwrap();
    };
    make(&one, Again::Refuse);
    make(&two, Again::Refuse);
    make(&one, Again::Overwrite);
    let mut left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    left.retain(|name| !name.ends_with(".lock"));
    assert_eq!(left, ["one", "one.run.jsonl", "two", "two.run.jsonl"]);
}

#[test]
fn what_is_put_together_from_parts_is_not_begun_anew_by_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    run(out);
    let path = out.join("a/b.txt");
    for change in [Some("mine"), None] {
        match change {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let told = |folder: RunFolder| match change {
            Some(_) => folder.intact(&path).unwrap_err().to_string(),
            None => folder.hold(&path, &origin(1)).unwrap_err().to_string(),
        };
        let open = || RunFolder::open(out, "test", Again::Resume).unwrap();
        let (alone, together) = (told(open()), told(open().of_parts()));
        assert!(alone.contains("--overwrite"), "{alone}");
        assert!(!together.contains("--overwrite"), "{together}");
        assert!(together.contains("move it away") && together.contains("b.txt"), "{together}");
    }
}
