//! Files that were made to do harm, each a few kilobytes that ask for gigabytes or for ever. All are refused with a
//! reason, and within the memory that any input may take.

use std::path::Path;

use hdf5_pure::{AttrValue, FileBuilder, LibVer};
use parula::attack;
use parula::lab::report;
use parula::nets::weights::Raw;
use serde_json::json;

use crate::memory::peak_of;
use crate::seeds;

/// Why a file of weights is refused, within its memory.
fn refusal(bytes: Vec<u8>) -> String {
    let bound = attack::find("weights").bound(bytes.len());
    let mut error = String::new();
    let peak = peak_of(|| {
        error = Raw::decode(Path::new("x.h5"), bytes).expect_err("it is refused").to_string();
    });
    assert!(peak <= bound, "{peak} bytes, and {bound} are allowed: {error}");
    assert!(error.starts_with("x.h5") && !error.contains('\n'), "{error}");
    error
}

/// All places where `pattern` stands in `bytes`.
fn places(bytes: &[u8], pattern: &[u8]) -> Vec<usize> {
    let windows = bytes.windows(pattern.len()).enumerate();
    windows.filter(|(_, window)| *window == pattern).map(|(at, _)| at).collect()
}

/// A file as Keras 3 lays it out; so many numbers in each variable.
fn plain(sizes: &[usize]) -> Vec<u8> {
    let mut file = FileBuilder::new();
    file.with_libver_bounds(LibVer::Earliest, LibVer::V18);
    let mut all = file.create_group("layers");
    let mut group = all.create_group("dense");
    let mut variables = group.create_group("vars");
    for (number, &size) in sizes.iter().enumerate() {
        let data = vec![number as f32; size];
        let dataset = variables.create_dataset(&number.to_string());
        dataset.with_f32_data(&data).with_shape(&[size as u64]);
    }
    group.add_group(variables.finish());
    all.add_group(group.finish());
    file.add_group(all.finish());
    file.finish().unwrap()
}

/// Overwrites what stands `behind` every place of `pattern` with `value`; there is one at least.
fn patch(bytes: &mut [u8], pattern: &[u8], behind: usize, value: &[u8]) {
    let found = places(bytes, pattern);
    assert!(!found.is_empty(), "{pattern:?} is not there");
    for at in found {
        bytes[at + pattern.len() + behind..][..value.len()].copy_from_slice(value);
    }
}

/// The message of a link called `name`, up to the address.
fn link(name: &str) -> Vec<u8> {
    [&[1, 0, name.len() as u8], name.as_bytes()].concat()
}

/// Where the link called `name` leads.
fn address(bytes: &[u8], name: &str) -> [u8; 8] {
    let link = link(name);
    let at = places(bytes, &link)[0] + link.len();
    bytes[at..at + 8].try_into().unwrap()
}

#[test]
fn datasets_that_were_never_written_are_not_made_up() {
    // 40 of a million million bytes, in a file of a few kilobytes.
    let mut bytes = plain(&[3; 40]);
    let size = 1u64 << 38;
    patch(&mut bytes, &[2, 1, 0, 1], 0, &size.to_le_bytes());
    patch(&mut bytes, &[3, 1], 8, &(4 * size).to_le_bytes());
    let without_address = {
        let mut bytes = bytes.clone();
        patch(&mut bytes, &[3, 1], 0, &[0xff; 8]);
        refusal(seeds::summed_hdf5(bytes))
    };
    assert!(without_address.contains("never written"), "{without_address}");
    let with_address = refusal(seeds::summed_hdf5(bytes));
    assert!(with_address.contains("larger than the file"), "{with_address}");
}

#[test]
fn names_that_share_their_numbers_are_counted_each() {
    let mut bytes = plain(&[5000, 1, 1, 1, 1]);
    assert!(Raw::decode(Path::new("x.h5"), bytes.clone()).is_ok());
    let first = address(&bytes, "0");
    for name in 1..5 {
        patch(&mut bytes, &link(&name.to_string()), 0, &first);
    }
    let error = refusal(seeds::summed_hdf5(bytes));
    assert!(error.contains("share their numbers"), "{error}");
}

#[test]
fn groups_that_hold_each_other_come_to_an_end() {
    let mut file = FileBuilder::new();
    let mut all = file.create_group("layers");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let mut group = all.create_group(name);
        let inner = group.create_group("layers").finish();
        group.add_group(inner);
        all.add_group(group.finish());
    }
    file.add_group(all.finish());
    let mut bytes = file.finish().unwrap();
    let top = address(&bytes, "layers");
    patch(&mut bytes, &link("layers"), 0, &top);
    let error = refusal(seeds::summed_hdf5(bytes));
    assert!(error.contains("groups") || error.contains("again and again"), "{error}");
}

#[test]
fn what_is_packed_is_unpacked_as_far_as_weights_of_such_a_file_are() {
    let error = refusal(seeds::hdf5(40, 1 << 20, true));
    assert!(error.contains("unpacks to"), "{error}");
    let error = refusal(seeds::deflated_keras(vec![0; 64 << 20]));
    assert!(error.contains("model.weights.h5 unpacks to more"), "{error}");
    let error = refusal(seeds::deflated_keras(seeds::hdf5(40, 1 << 19, false)));
    assert!(error.contains("unpacks to"), "{error}");
}

#[test]
fn one_text_behind_a_thousand_names_is_read_a_limited_number_of_times() {
    let mut file = FileBuilder::new();
    let mut texts = vec!["x".to_owned(); 2000];
    texts[0] = "x".repeat(1 << 15);
    file.set_attr("layer_names", AttrValue::VarLenStringArray(texts));
    let mut bytes = file.finish().unwrap();
    // The references stand one behind another: length, address, index. All become the first.
    let [long, short] = [1u32 << 15, 1].map(u32::to_le_bytes);
    let found = places(&bytes, &long);
    let mut found = found.into_iter().filter(|at| bytes.get(at + 16..at + 20) == Some(&short[..]));
    let first = found.next().expect("a reference");
    let reference = bytes[first..first + 16].to_vec();
    bytes[first..first + 16 * 2000].copy_from_slice(&reference.repeat(2000));
    let refused = |bytes: Vec<u8>| {
        let bound = (64 << 20) + bytes.len();
        let peak = peak_of(|| assert!(Raw::decode(Path::new("x.h5"), bytes).is_err()));
        assert!(peak < bound, "{peak} bytes");
    };
    refused(seeds::summed_hdf5(bytes));
}

#[test]
fn a_shape_with_a_zero_and_an_input_without_pixels_are_named() {
    let none = json!({});
    for shape in [&[4usize, 0][..], &[0, 2], &[0, 1 << 60]] {
        let head = [("predictions/kernel", shape), ("predictions/bias", &[0])];
        let error = refusal(seeds::safetensors(&head, &none));
        assert!(error.contains("of layer predictions") && error.contains("no number"), "{error}");
    }
    for input in
        ["0x64", "64x0", "4294967296x64", "64", "x", "-1x64", "1e3x64", "99999999999999999999x1"]
    {
        let bytes = seeds::safetensors(&[("a/kernel", &[2, 2])], &json!({ "input": input }));
        let error = refusal(bytes);
        assert!(error.contains(input) && error.contains("HEIGHTxWIDTH"), "{error}");
    }
}

/// Why no page is made of `results`, within its memory.
fn no_page(results: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("results.json"), results).unwrap();
    let bound = attack::find("report").bound(results.len());
    let mut error = String::new();
    let peak = peak_of(|| {
        let outcome = report::html::write(folder.path());
        error = outcome.expect_err("it is refused").to_string();
    });
    assert!(peak <= bound, "{peak} bytes, and {bound} are allowed: {error}");
    assert!(error.contains("results.json") && !folder.path().join("report.html").exists());
    error
}

#[test]
fn a_report_is_made_of_results_and_of_nothing_else() {
    for (place, value) in [
        ("/summary/0/mean_dice/high", json!(1e15)),
        ("/summary/0/mean_dice/high", json!(1e5)),
        ("/summary/0/mean_dice/high", json!(u64::MAX)),
        ("/summary/0/cam_val_acc/low", json!(-1e12)),
        ("/summary/0/ways/0/mean_dice/mean", json!(1e4)),
        ("/baselines/ones", json!(1e300)),
        ("/runs/0/dice_curve/7", json!(1e6)),
        ("/runs/0/seconds", json!(1e308)),
        ("/summary/0/model", json!("../../etc")),
        ("/summary/0/model", json!("x".repeat(1000))),
        ("/runs/0/model", json!("/")),
        ("/summary", json!(vec![json!({}); 100_000])),
    ] {
        let mut results = seeds::results();
        *results.pointer_mut(place).unwrap() = value.clone();
        let error = no_page(results.to_string().as_bytes());
        assert!(error.len() < 400, "{place} {value}: {error}");
    }
    no_page("[".repeat(200_000).as_bytes());
    no_page(b"{}");
}

#[test]
fn an_interval_somewhat_beyond_its_shares_is_drawn_within_the_axes() {
    let page = |value: f64| {
        let mut results = seeds::results();
        *results.pointer_mut("/summary/0/mean_dice/high").unwrap() = json!(value);
        *results.pointer_mut("/summary/0/cam_val_acc/low").unwrap() = json!(-value);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("results.json"), results.to_string()).unwrap();
        report::html::write(folder.path()).unwrap().bytes
    };
    let (usual, wide) = (page(0.9), page(99.0));
    assert!(wide < usual + 10_000, "{usual} {wide}");
}

#[test]
fn every_target_has_its_file_for_cargo_fuzz() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let package = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let mut own: Vec<String> =
        attack::TARGETS.iter().map(|target| target.name.to_owned()).collect();
    for name in &own {
        assert!(package.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        let text = std::fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("find(\"{name}\")")), "{name}");
    }
    let entries = std::fs::read_dir(folder.join("fuzz_targets")).unwrap();
    let mut files: Vec<String> = entries
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    own.sort();
    files.sort();
    assert_eq!(files, own);
}
