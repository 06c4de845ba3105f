//! Everything that a user may feed in by mistake: one line that names the file, and no ROIs.

use std::path::Path;

use super::*;
use crate::lab::data::cut;
use crate::lab::data::formats;
use crate::lab::data::roi::RoiOptions;
use crate::lab::data::{inspect, roi_files, synth};
use crate::nets::images::fixtures::{png, png_claiming, put_bytes, tiff};

/// What `build` says, or `read` before it.
fn message(root: &Path) -> String {
    let built = formats::read(root).and_then(|set| cut::build(&set, &RoiOptions::default()));
    let message = built.expect_err("it was accepted").to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// A good data set but for one file, and what is said of it: the file's name, and each word.
fn expect(path: &str, bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 3);
    put_bytes(folder.path(), path, bytes);
    let message = message(folder.path());
    let name = path.rsplit('/').next().unwrap();
    for word in words.iter().chain([&name]) {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
    // The inspection does not fail, and lists the same.
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(!report.usable);
    assert_eq!(report.problems.len(), 1, "{report}");
    assert!(report.problems[0].path.ends_with(path), "{report}");
    assert!(report.to_string().contains(name), "{report}");
}

fn encoded(grey: &Grey) -> Vec<u8> {
    grey.encode(Path::new("x")).unwrap()
}

#[test]
fn images_that_cannot_be_read_are_named() {
    let good = encoded(&image());
    for (path, others) in [("mass/a1.png", ""), ("normal/n1.png", ""), ("mass/a1_mask.png", "")] {
        expect(path, &good[..good.len() / 2], &["truncated", others]);
        expect(path, &good[..good.len() - 12], &["truncated", others]);
        expect(path, &good[..20], &["truncated", others]);
        expect(path, b"", &["not a PNG", others]);
        expect(path, b"GIF89a\x01", &["not a PNG", others]);
        expect(path, b"\xff\xd8\xff\xe0 jpeg", &["truncated JPEG", others]);
        expect(path, &png_claiming(16_384, 16_384), &["16384 x 16384 pixels", "cannot hold"]);
        expect(path, &png(1, 8, 0, &[vec![7]]), &["1 x 1 pixels"]);
        expect(path, &png_claiming(200_000, 200_000), &["200000 x 200000 pixels", others]);
        let mut damaged = good.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        expect(path, &damaged, &["cannot be decoded", "damaged"]);
    }
}

#[test]
fn a_mask_of_another_size_tells_both() {
    let small = mask(32, 40, LESION);
    expect("mass/a2_mask.png", &encoded(&small), &["32 x 40", "64 x 48", "a2.png"]);
}

#[test]
fn masks_and_classes_must_agree() {
    expect("mass/a0_mask.png", &encoded(&no_lesion()), &["no lesion", "mass"]);
    expect("normal/n0_mask.png", &encoded(&lesion()), &["lesion", "normal"]);
    expect("mass/extra.png", &encoded(&image()), &["no mask", "extra_mask.png"]);
}

#[test]
fn two_images_of_one_name_are_one_problem() {
    for name in ["mass/q", "benign/benign (1)"] {
        let folder = tempfile::tempdir().unwrap();
        if name.starts_with("mass") {
            simple(folder.path(), 2);
        }
        put(folder.path(), &format!("{name}.png"), &image());
        put(folder.path(), &format!("{name}_mask.png"), &lesion());
        put_bytes(folder.path(), &format!("{name}.tif"), &tiff(&image()));
        put(folder.path(), "normal/normal (1).png", &image());
        let report = inspect::inspect(folder.path()).unwrap();
        let told: Vec<&str> = report.problems.iter().map(|problem| &*problem.what).collect();
        assert!(told.len() == 1 && told[0].contains("has the same name"), "{report}");
        assert!(!report.usable);
    }
}

#[test]
fn the_number_of_problems_is_told() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 4);
    for i in 0..3 {
        put(folder.path(), &format!("mass/a{i}_mask.png"), &no_lesion());
    }
    let message = message(folder.path());
    assert!(message.contains("a0_mask.png") && message.contains("2 more problems"), "{message}");
}

#[test]
fn a_missing_folder_an_empty_one_and_a_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(message(&folder.path().join("none")).contains("no such folder"));
    assert!(message(folder.path()).contains("no PNG"));
    put(folder.path(), "x.png", &image());
    assert!(message(&folder.path().join("x.png")).contains("is a file"));
    assert!(message(folder.path()).contains("x.png"), "an image without class or mask");
}

#[test]
fn a_class_with_no_images_is_named() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "mass/a.png", &image());
    put(folder.path(), "mass/a_mask.png", &lesion());
    let without_normals = message(folder.path());
    assert!(without_normals.contains("class normal has no images"), "{without_normals}");
    assert!(!inspect::inspect(folder.path()).unwrap().usable);

    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "normal/n.png", &image());
    let without_masses = message(folder.path());
    assert!(without_masses.contains("class abnormal has no images"), "{without_masses}");
}

#[test]
fn other_formats_are_named() {
    let folder = tempfile::tempdir().unwrap();
    put_bytes(folder.path(), "p1/p1_1.bmp", b"BM");
    put_bytes(folder.path(), "p1/p1_2.bmp", b"BM");
    let others = message(folder.path());
    assert!(others.contains("2 .bmp") && others.contains("no PNG, TIFF, JPEG or PGM"), "{others}");
    simple(folder.path(), 2);
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(report.usable, "images beside them are used: {report}");
    assert!(report.problems[0].what.contains(".bmp"), "{report}");
}

#[test]
fn normal_images_of_one_value_are_no_normal_images() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    put(folder.path(), "normal/n0.png", &Grey::filled(64, 48, 9));
    let set = formats::read(folder.path()).unwrap();
    let rois = cut::build(&set, &RoiOptions::default()).unwrap();
    assert!(rois.iter().all(|roi| roi.source != "n0"));
    put(folder.path(), "normal/n1.png", &Grey::filled(64, 48, 9));
    assert!(message(folder.path()).contains("one grey value"));
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    let set = formats::read(folder.path()).unwrap();
    let rois = cut::build(&set, &RoiOptions::default()).unwrap();
    put_bytes(folder.path(), "taken", b"a file");
    // Below a file no folder can be made, not even by root.
    let out = folder.path().join("taken/out");
    let error = roi_files::write(&rois, &out).unwrap_err().to_string();
    assert!(error.contains("taken"), "{error}");
    let error = synth::synthesize(&out, &synth::SynthOptions::default()).unwrap_err().to_string();
    assert!(error.contains("taken"), "{error}");
}

#[test]
fn options_out_of_range_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    let set = formats::read(folder.path()).unwrap();
    for padding in [0.3..=0.1, -0.5..=0.1, f32::NAN..=0.1, 0.0..=f32::INFINITY] {
        assert!(cut::build(&set, &RoiOptions { padding, ..RoiOptions::default() }).is_err());
    }
    let out = folder.path().join("synthetic");
    for (patients, size) in [(0, 128), (1, 2), (1, 100_000)] {
        let options = synth::SynthOptions { patients, size, seed: 0 };
        assert!(synth::synthesize(&out, &options).is_err());
        assert!(!out.exists());
    }
}
