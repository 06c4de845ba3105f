//! A folder that a run has used already: what a later call goes on with, what it refuses, and what it leaves
//! alone.

mod common {
    pub mod program;
}

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::program::{self, command, failure, json, parula, path};
use serde_json::Value;

/// A small synthetic set, made once.
fn mammograms() -> &'static Path {
    static SET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &SET.get_or_init(|| program::mammograms(6, 64)).1
}

/// The arguments of a small `verb` that writes to `out`.
fn small<'a>(verb: &'a str, out: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec![verb, "--data", path(mammograms()), "--out", path(out), "--no-tuning"];
    arguments.extend(["--batch", "6", "--size", "24"]);
    arguments.extend(match verb {
        "reproduce" => &["--models", "compact-resnet"][..],
        "compare" => &["--models", "compact-resnet", "--methods", "gradcam", "--steps", "2"],
        "weak" => {
            &["--model", "compact-resnet", "--segmenter-epochs", "1", "--segmenter-size", "32"]
        }
        _ => &["--model", "compact-resnet"],
    });
    if !more.contains(&"--epochs") {
        arguments.extend(["--epochs", "1"]);
    }
    arguments.extend(more);
    arguments
}

/// Runs it; it must succeed.
fn run(verb: &str, out: &Path, more: &[&str]) -> Value {
    json(&small(verb, out, more))
}

/// Runs it; it must be refused with all of `parts` in its one line.
#[track_caller]
fn refused(verb: &str, out: &Path, more: &[&str], parts: &[&str]) {
    let error = failure(&small(verb, out, more));
    assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
}

/// Every file below `folder`, by its path there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn edit(path: &Path, change: impl Fn(String) -> String) {
    let before = std::fs::read_to_string(path).unwrap();
    let after = change(before.clone());
    assert_ne!(before, after, "{}", path.display());
    std::fs::write(path, after).unwrap();
}

/// As it would be if the kernels had been others then.
fn with_other_kernels(record: &Path) {
    edit(record, |text| {
        let (before, rest) = text.split_once("\"kernels\":\"").unwrap();
        let digest = &rest[..16];
        assert!(before.len() < text.len() && digest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        text.replace(digest, "0123456789abcdef")
    });
}

#[test]
fn reproduce_in_a_used_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (out, straight) = (folder.path().join("out"), folder.path().join("straight"));
    let both = ["--experiments", "1,2"];
    let first = run("reproduce", &out, &both);
    // Every file but the record itself is in it.
    let record = std::fs::read_to_string(out.join("run.jsonl")).unwrap();
    let own = ["run.jsonl", ".parula.outputs"];
    for file in files(&out).iter().filter(|file| own.iter().all(|own| !file.ends_with(own))) {
        let made = format!("{{\"made\":{{\"file\":\"{}\"", path(file));
        assert!(record.contains(&made), "{}", file.display());
    }
    assert!(!out.join("run.lock").exists());

    let before = files(&out);
    refused("reproduce", &out, &both, &["an earlier run", "--resume", "--overwrite"]);
    refused("reproduce", &out, &["--seed", "1", "--resume"], &["seed was 0, is 1"]);
    refused("compare", &out, &["--resume"], &["is of `parula reproduce`"]);
    let other = folder.path().join("other");
    json(&["data", "synth", "--out", path(&other), "--patients", "6", "--size", "80"]);
    let mut data = small("reproduce", &out, &["--resume"]);
    data[2] = path(&other);
    let error = failure(&data);
    assert!(error.contains("data was"), "{error}");
    assert_eq!(files(&out), before);
    let again = run("reproduce", &out, &[&both[..], &["--resume"]].concat());
    assert_eq!(again["runs"], first["runs"]);

    // Kernels that have changed since, a network that was trained again since, a table that was edited.
    let keep = |name: &str| (out.join(name), std::fs::read(out.join(name)).unwrap());
    let (record, whole) = keep("run.jsonl");
    with_other_kernels(&record);
    refused("reproduce", &out, &["--resume"], &["kernels was \"0123456789abcdef\", is"]);
    std::fs::write(&record, whole).unwrap();
    let (weights, own) = keep("weights/compact-resnet/0.safetensors");
    std::fs::copy(out.join("weights/compact-resnet/0.cam.safetensors"), &weights).unwrap();
    refused("reproduce", &out, &[&both[..], &["--resume"]].concat(), &["0.safetensors", "changed"]);
    std::fs::write(&weights, own).unwrap();
    let (scores, own) = keep("heatmaps/compact-resnet/0/scores.csv");
    edit(&scores, |text| text.replacen("0.", "0.9", 1));
    refused("reproduce", &out, &["--resume"], &["scores.csv", "changed since"]);
    std::fs::write(&scores, own).unwrap();
    run("reproduce", &out, &[&both[..], &["--resume"]].concat());

    // Begun anew with other options, nothing of before is left but what is somebody else's; and heatmaps
    // that filter ROIs are of the network as it is now.
    std::fs::write(out.join("filtered/notes.txt"), "mine").unwrap();
    let longer = ["--epochs", "2"];
    run("reproduce", &out, &[&longer[..], &["--overwrite"]].concat());
    assert_eq!(std::fs::read_to_string(out.join("filtered/notes.txt")).unwrap(), "mine");
    std::fs::remove_file(out.join("filtered/notes.txt")).unwrap();
    std::fs::remove_dir(out.join("filtered")).unwrap();
    run("reproduce", &out, &[&longer[..], &both, &["--resume"]].concat());
    run("reproduce", &straight, &[&longer[..], &both].concat());
    assert_eq!(files(&out), files(&straight));
    for file in files(&out).iter().filter(|file| file.starts_with("filtered")) {
        let bytes = [&out, &straight].map(|folder| std::fs::read(folder.join(file)).unwrap());
        assert!(bytes[0] == bytes[1], "{}", file.display());
    }

    // A page is made of any folder, a record or not; going on needs the record.
    std::fs::remove_file(out.join("run.jsonl")).unwrap();
    json(&["report", path(&out)]);
    for flag in ["--resume", "--overwrite"] {
        refused("reproduce", &out, &[flag], &["results.json", "earlier version"]);
    }
    // What somebody else has put in a file's place stays.
    let fresh = folder.path().join("fresh");
    std::fs::create_dir_all(fresh.join("weights/compact-resnet")).unwrap();
    let theirs = fresh.join("weights/compact-resnet/0.safetensors");
    std::fs::write(&theirs, "mine").unwrap();
    refused("reproduce", &fresh, &[], &["weights", "is there already"]);
    assert_eq!(std::fs::read_to_string(theirs).unwrap(), "mine");
}

#[test]
fn compare_and_weak_take_no_weights_of_other_options() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (verb, results) in [("compare", "compare.json"), ("weak", "results.json")] {
        let out = at(verb);
        run(verb, &out, &[]);
        refused(verb, &out, &[], &["--resume", "--overwrite"]);
        let other = ["--learning-rate", "0.5", "--resume"];
        refused(verb, &out, &other, &["learning_rate was 0.002, is 0.5"]);
        // As a run leaves it that was killed before it wrote its results.
        let (path, document) = (out.join(results), std::fs::read(out.join(results)).unwrap());
        std::fs::remove_file(&path).unwrap();
        refused(verb, &out, &other, &["compact-resnet", "learning_rate was 0.002, is 0.5"]);
        std::fs::write(&path, document).unwrap();
        let record = out.join("run.jsonl");
        let whole = std::fs::read(&record).unwrap();
        with_other_kernels(&record);
        refused(verb, &out, &["--resume"], &["kernels was"]);
        std::fs::write(&record, whole).unwrap();
        run(verb, &out, &["--resume"]);
    }

    // Networks of another run are others, wherever they lie.
    let (one, same, two) = (at("one"), at("same"), at("two"));
    run("reproduce", &one, &[]);
    run("reproduce", &same, &[]);
    run("reproduce", &two, &["--epochs", "2"]);
    for (verb, what) in [("compare", "network was"), ("weak", "classifier was")] {
        let out = at(&format!("{verb} of a run"));
        run(verb, &out, &["--weights", path(&one)]);
        let longer = ["--weights", path(&two), "--epochs", "2"];
        refused(verb, &out, &[&longer[..], &["--resume"]].concat(), &[what]);
        run(verb, &out, &["--weights", path(&same), "--resume"]);
        run(verb, &out, &[&longer[..], &["--overwrite"]].concat());
        // They are trained as they are, whatever is said of training here.
        let other = at(&format!("{verb} otherwise"));
        let otherwise = ["--weights", path(&one), "--epochs", "2"];
        refused(verb, &other, &otherwise, &["--epochs would change nothing", "was 1, is 2"]);
        let otherwise = ["--weights", path(&one), "--preset", "paper"];
        refused(verb, &other, &otherwise, &["--preset would change nothing"]);
        assert!(!other.exists(), "{verb}");
    }
}

#[test]
fn train_that_is_finished_says_so_and_goes_on_for_more_epochs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).join("w.safetensors");
    let (out, straight) = (at("out"), at("straight"));
    let constant = |epochs| ["--schedule", "constant", "--epochs", epochs];
    let train = |out: &Path, epochs, more: &[&str]| {
        run("train", out, &[&constant(epochs)[..], more].concat())
    };
    let said = |out: &Path, more: &[&str]| {
        let output = parula(&small("train", out, more));
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    train(&out, "2", &[]);
    let written = std::fs::read(&out).unwrap();
    refused("train", &out, &constant("2"), &["w.safetensors", "--resume", "--overwrite"]);
    refused("train", &out, &[&constant("1")[..], &["--resume"]].concat(), &["epochs was 2, is 1"]);
    let words = said(&out, &[&constant("2")[..], &["--resume"]].concat());
    assert!(words.contains("finished, after epoch 2 of 2"), "{words}");
    assert_eq!(std::fs::read(&out).unwrap(), written);

    // With a constant learning rate four epochs are four epochs.
    let longer = train(&out, "4", &["--resume"]);
    let expected = train(&straight, "4", &[]);
    assert_eq!(longer["epochs"], expected["epochs"]);
    assert_eq!(longer["epochs"].as_array().unwrap().len(), 4);
    for ending in ["safetensors", "csv", "png"] {
        let bytes = [&out, &straight].map(|out| std::fs::read(out.with_extension(ending)).unwrap());
        assert!(bytes[0] == bytes[1], "{ending}");
    }
    train(&out, "4", &["--resume"]);
    // Along a cosine they are not, and that is said.
    let cosine = at("cosine");
    run("train", &cosine, &[]);
    let words = said(&cosine, &["--epochs", "2", "--resume"]);
    assert!(words.contains("after epoch 1") && words.contains("not that of as many"), "{words}");

    let state = PathBuf::from(format!("{}.state.safetensors", path(&out)));
    let record = PathBuf::from(format!("{}.run.jsonl", path(&out)));
    std::fs::remove_file(&state).unwrap();
    refused(
        "train",
        &out,
        &[&constant("4")[..], &["--resume"]].concat(),
        &["state.safetensors is gone"],
    );
    train(&out, "1", &["--overwrite"]);
    std::fs::remove_file(record).unwrap();
    refused("train", &out, &["--overwrite"], &["w.safetensors", "no record"]);
    // Weights of the same name in another format are another run's, and so are the curves beside them.
    let beside = straight.with_extension("h5");
    refused("train", &beside, &[], &["w.csv", "already"]);
}

#[test]
fn a_refused_resume_leaves_a_training_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("w.safetensors");
    run("train", &out, &[]);
    let state = PathBuf::from(format!("{}.state.safetensors", path(&out)));
    let all = || {
        let files = files(folder.path());
        files.into_iter().map(|name| (std::fs::read(folder.path().join(&name)).unwrap(), name))
    };
    let before: Vec<_> = all().collect();
    refused(
        "train",
        &out,
        &["--resume", "--patience", "7"],
        &["patience was null, is 7", "--overwrite"],
    );
    assert!(before == all().collect::<Vec<_>>());
    // What the refusal did not say to do loses nothing either.
    let kept = std::fs::read(&state).unwrap();
    std::fs::remove_file(&state).unwrap();
    refused("train", &out, &["--resume", "--patience", "7"], &["finished", "--overwrite"]);
    std::fs::write(&state, &kept).unwrap();

    // A state whose numbers or words are others.
    let last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let record = |bytes: &mut Vec<u8>| {
        let key = br#"\\\"val_accuracy\\\":"#;
        let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
        bytes[at + key.len()] = if bytes[at + key.len()] == b'0' { b'1' } else { b'0' };
    };
    for change in [&last as &dyn Fn(&mut Vec<u8>), &record] {
        let mut changed = kept.clone();
        change(&mut changed);
        std::fs::write(&state, changed).unwrap();
        for epochs in ["1", "2"] {
            let more = ["--resume", "--epochs", epochs];
            refused("train", &out, &more, &["state.safetensors", "has changed", "--overwrite"]);
        }
    }
    std::fs::write(&state, &kept).unwrap();
    assert!(before == all().collect::<Vec<_>>());

    // What the user has put into the files that would be made again.
    for name in ["w.safetensors", "w.csv", "w.png"] {
        let file = folder.path().join(name);
        let own = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&own[..], b" "].concat()).unwrap();
        for epochs in ["1", "2"] {
            refused("train", &out, &["--resume", "--epochs", epochs], &[name, "has changed since"]);
        }
        std::fs::write(&file, own).unwrap();
    }
    std::fs::remove_file(folder.path().join("w.png")).unwrap();
    run("train", &out, &["--resume"]);
    assert_eq!(before.len(), all().count());
}

#[test]
fn a_checkpoint_that_has_changed_is_not_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let state = out.join("checkpoints/compact-resnet/0.safetensors");
    let long = ["--epochs", "300", "--schedule", "constant"];
    let mut child = command(&small("reproduce", &out, &long));
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !state.exists() {
        assert!(start.elapsed() < Duration::from_secs(300) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() - 1000;
    bytes[middle] ^= 64;
    std::fs::write(&state, bytes).unwrap();
    let more = [&long[..], &["--resume"]].concat();
    refused("reproduce", &out, &more, &["0.safetensors", "has changed", "delete it"]);
}

#[test]
fn trainings_whose_files_have_names_in_common_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["a.safetensors", "a.h5"].map(|name| folder.path().join(name));
    let lock = folder.path().join("a.run.lock");
    let long = ["--epochs", "500", "--schedule", "constant"];
    let mut first = command(&small("train", &one, &long));
    let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while !folder.path().join("a.safetensors.run.jsonl").exists() {
        assert!(start.elapsed() < Duration::from_secs(300) && first.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    refused("train", &other, &[], &[&format!("process {} on ", first.id()), "at work"]);
    first.kill().unwrap();
    first.wait().unwrap();
    run("train", &one, &["--overwrite"]);
    assert!(!lock.exists());
    // A file of the user that is called as the lock.
    std::fs::write(&lock, "u").unwrap();
    refused("train", &one, &["--overwrite"], &["a.run.lock", "not of parula"]);
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "u");
    assert!(one.exists());
}

/// What is in a state's header may be anything.
#[test]
fn a_state_that_took_longer_than_there_was_time_is_refused() {
    // JSON inside JSON inside JSON.
    const KEY: &str = r#"\\\"seconds\\\":"#;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("w.safetensors");
    run("train", &out, &[]);
    let state = PathBuf::from(format!("{}.state.safetensors", path(&out)));
    let whole = std::fs::read(&state).unwrap();
    let length = header_length(&whole);
    let header = std::str::from_utf8(&whole[8..8 + length]).unwrap();
    for seconds in ["1e308", "-1.0", "1e11"] {
        let (before, rest) = header.split_once(KEY).unwrap();
        let end = rest.find([',', '}']).unwrap();
        let mut header = format!("{before}{KEY}{seconds}{}", &rest[end..]);
        // Tensors begin at a multiple of eight.
        header += &" ".repeat(header.len().next_multiple_of(8) - header.len());
        let head = (header.len() as u64).to_le_bytes();
        let bytes = [&head[..], header.as_bytes(), &whole[8 + length..]].concat();
        std::fs::write(&state, bytes).unwrap();
        refused("train", &out, &["--resume"], &["state.safetensors", "took"]);
    }
}

fn header_length(safetensors: &[u8]) -> usize {
    u64::from_le_bytes(safetensors[..8].try_into().unwrap()) as usize
}

#[test]
fn a_second_process_hears_of_the_first_and_a_killed_one_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, name) in [("reproduce", "out"), ("train", "w.safetensors")] {
        let out = folder.path().join(name);
        let long = ["--epochs", "500", "--schedule", "constant"];
        let mut first = command(&small(verb, &out, &long));
        let mut first = first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Locked before anything is written.
        let written = match verb {
            "train" => folder.path().join("w.safetensors.run.jsonl"),
            _ => out.join("run.jsonl"),
        };
        let start = Instant::now();
        while !written.exists() {
            assert!(start.elapsed() < Duration::from_secs(120), "{} never came", written.display());
            assert!(first.try_wait().unwrap().is_none(), "{verb} ended");
            std::thread::sleep(Duration::from_millis(2));
        }
        for more in [&[][..], &["--resume"], &["--overwrite"]] {
            let process = format!("process {} on ", first.id());
            refused(verb, &out, more, &[&process, "at work"]);
        }
        first.kill().unwrap();
        first.wait().unwrap();
        run(verb, &out, &["--overwrite"]);
    }
}

/// Of the files that a record says were made, one of each kind: the first of each folder with each ending.
fn kinds(out: &Path) -> Vec<String> {
    let record = std::fs::read_to_string(out.join("run.jsonl")).unwrap();
    let lines = record.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let made = lines.filter_map(|line| line["made"]["file"].as_str().map(str::to_owned));
    let mut kinds = std::collections::BTreeMap::new();
    for file in made {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", &file));
        let ending = name.split_once('.').map_or("", |(_, ending)| ending);
        kinds.entry((folder.to_owned(), ending.to_owned())).or_insert(file);
    }
    kinds.into_values().collect()
}

#[test]
fn what_somebody_changed_or_deleted_is_named_and_not_reported_as_the_run_s() {
    let folder = tempfile::tempdir().unwrap();
    for (verb, more, again) in [
        (
            "reproduce",
            &["--experiments", "1,2"][..],
            &["report.html", "figures/dice.png", "tables.tex", "figures/roc.svg"][..],
        ),
        (
            "compare",
            &[],
            &[
                "compare.csv",
                "compare.md",
                "figures/bars.png",
                "figures/bars.svg",
                "figures/roc.png",
                "figures/roc.svg",
                "tables.tex",
            ],
        ),
        ("weak", &[], &["tables.tex"]),
    ] {
        let out = folder.path().join(verb);
        run(verb, &out, more);
        let resume = [more, &["--resume"]].concat();
        let results = if verb == "compare" { "compare.json" } else { "results.json" };
        let before = files(&out);
        let mut number = 0;
        for name in kinds(&out) {
            let made_again = name.starts_with("summary") || again.contains(&&name[..]);
            if made_again || name == results || name.starts_with("figures/dice") {
                continue;
            }
            let file = out.join(&name);
            let own = std::fs::read(&file).unwrap();
            let what = if number % 2 == 0 {
                std::fs::write(&file, [&own[..], b" "].concat()).unwrap();
                "has changed since"
            } else {
                std::fs::remove_file(&file).unwrap();
                "is missing, and the results of the run speak of it"
            };
            refused(verb, &out, &resume, &[&name, what, "--overwrite"]);
            std::fs::write(&file, own).unwrap();
            number += 1;
        }
        assert!(number >= 3, "{verb}: {number}");
        assert_eq!(files(&out), before);
        // What is only made again is.
        for (number, name) in again.iter().enumerate() {
            let own = std::fs::read(out.join(name)).unwrap();
            match number {
                0 => std::fs::write(out.join(name), "mine").unwrap(),
                _ => std::fs::remove_file(out.join(name)).unwrap(),
            }
            run(verb, &out, &resume);
            let now = std::fs::read(out.join(name)).unwrap();
            assert!(now == own || *name == "report.html" && now.len() > 1000, "{name}");
        }
        // An option that decides how pictures are read is named, whatever comes of it.
        for (option, value, said) in [
            ("--mask-values", "255", "pictures.mask_values was the default, is [255]"),
            ("--window", "0,4095", "pictures.window was the default, is [0,4095]"),
        ] {
            refused(verb, &out, &[&resume[..], &[option, value]].concat(), &[said]);
        }
        run(verb, &out, &resume);
    }
}

#[test]
fn where_the_data_lie_is_said_and_what_changed_in_them_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let copied = |name: &PathBuf| {
        let to = other.join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(mammograms().join(name), to).unwrap();
    };
    files(mammograms()).iter().for_each(copied);
    for verb in ["reproduce", "compare", "weak"] {
        let out = folder.path().join(verb);
        run(verb, &out, &[]);
        let mut elsewhere = small(verb, &out, &["--resume"]);
        elsewhere[2] = path(&other);
        let output = parula(&elsewhere);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{words}");
        assert!(words.contains("which the run was on"), "{words}");
    }
    // Of a training the images count, and each option is named.
    let out = folder.path().join("w.safetensors");
    run("train", &out, &[]);
    let mut elsewhere = small("train", &out, &["--resume"]);
    elsewhere[2] = path(&other);
    json(&elsewhere);
    for (more, said) in [
        (&["--whole"][..], "whole was the default, is true"),
        (&["--duplicates", "keep"], "duplicates was the default, is \"keep\""),
        (&["--mask-values", "255"], "pictures.mask_values was the default, is [255]"),
    ] {
        refused("train", &out, &[more, &["--resume"]].concat(), &[said, "--overwrite"]);
    }
    let is_picture = |name: &PathBuf| path(name).ends_with("R.png");
    let picture = other.join(files(&other).into_iter().find(is_picture).unwrap());
    let mut grey = parula::nets::images::Grey::read(&picture).unwrap();
    grey.pixels.iter_mut().for_each(|level| *level = level.saturating_add(1));
    grey.write(&picture).unwrap();
    let error = failure(&elsewhere);
    assert!(error.contains("the images are others"), "{error}");
    for verb in ["reproduce", "compare", "weak"] {
        let out = folder.path().join(verb);
        let mut elsewhere = small(verb, &out, &["--resume"]);
        elsewhere[2] = path(&other);
        let error = failure(&elsewhere);
        assert!(error.contains("have changed: a picture"), "{error}");
    }
}

#[test]
fn weights_of_a_run_are_taken_only_as_it_wrote_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (one, other) = (at("one"), at("other"));
    run("reproduce", &one, &[]);
    run("reproduce", &other, &["--seed", "1"]);
    let weights = "weights/compact-resnet/0.safetensors";
    let out = at("out");
    let refused = |parts: &[&str]| {
        for verb in ["compare", "weak"] {
            refused(verb, &out, &["--weights", path(&one)], &[parts, &["again"]].concat());
        }
    };
    // Those of other data: what is validated here would have been learnt from.
    let own = std::fs::read(one.join(weights)).unwrap();
    std::fs::copy(other.join(weights), one.join(weights)).unwrap();
    refused(&["0.safetensors", "has changed since the run wrote it"]);
    std::fs::write(one.join(weights), own).unwrap();
    let results = std::fs::read(one.join("results.json")).unwrap();
    edit(&one.join("results.json"), |text| text + " ");
    refused(&["results.json", "has changed since the run wrote it"]);
    let told = String::from_utf8(parula(&["report", path(&one)]).stderr).unwrap();
    assert!(told.contains("results.json: it has changed since the run wrote it"), "{told}");
    std::fs::write(one.join("results.json"), results).unwrap();
    let record = std::fs::read(one.join("run.jsonl")).unwrap();
    // A run that was killed before the weights were whole.
    edit(&one.join("run.jsonl"), |text| {
        let line = text.lines().find(|line| line.contains(weights)).unwrap();
        text.replace(line, &format!("{{\"claimed\":\"{weights}\"}}"))
    });
    refused(&["0.safetensors", "no record of having finished"]);
    std::fs::remove_file(one.join("run.jsonl")).unwrap();
    refused(&["no record", "earlier version"]);
    std::fs::write(one.join("run.jsonl"), record).unwrap();
    for verb in ["compare", "weak"] {
        run(verb, &at(verb), &["--weights", path(&one)]);
    }
}

#[test]
fn what_is_refused_before_it_has_written_anything_leaves_no_record() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["reproduce", "compare", "weak", "train"] {
        let root = folder.path().join(verb);
        let out = if verb == "train" { root.join("w.safetensors") } else { root.clone() };
        refused(verb, &out, &["--positive", "nothing"], &["no images of the class nothing"]);
        let left: Vec<_> =
            std::fs::read_dir(&root).unwrap().map(|one| one.unwrap().path()).collect();
        assert!(left.is_empty(), "{verb}: {left:?}");
    }
    // What an earlier run has left stays, with its record.
    let out = folder.path().join("train/w.safetensors");
    run("train", &out, &[]);
    refused("train", &out, &["--positive", "nothing", "--resume"], &["no images of the class"]);
    assert!(folder.path().join("train/w.safetensors.run.jsonl").exists());
}

#[test]
fn what_is_too_large_is_refused_before_a_folder_is_made() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["reproduce", "compare", "weak", "train"] {
        let out = folder.path().join(verb).join("w.safetensors");
        let mut large = small(verb, &out, &[]);
        let size = large.iter().position(|&argument| argument == "24").unwrap();
        large[size] = "100000";
        failure(&large);
        assert!(!out.parent().unwrap().exists(), "{verb}");
    }
}
