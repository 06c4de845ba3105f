//! Data sets as they are published and as people keep them.

use super::*;
use crate::data::dataset::{self, Class};
use crate::data::fixtures::{png, put_bytes, tiff};
use crate::data::{inspect, load, roi, split, synth};

#[test]
fn busi_as_published() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("Dataset_BUSI_with_GT");
    // RGB image and 8-bit RGBA mask; 8-bit grey image with a mask of 1 bit and a second part.
    put_bytes(&root, "benign/benign (1).png", &png(4, 8, 2, &vec![vec![9; 12]; 3]));
    let rgba = [[0, 0, 0, 255], [255, 255, 255, 255], [0, 0, 0, 255], [0, 0, 0, 255]].concat();
    put_bytes(&root, "benign/benign (1)_mask.png", &png(4, 8, 6, &vec![rgba; 3]));
    put_bytes(&root, "malignant/malignant (1).png", &png(4, 8, 0, &vec![vec![1, 2, 3, 4]; 3]));
    put_bytes(&root, "malignant/malignant (1)_mask.png", &png(4, 1, 0, &vec![vec![0x80]; 3]));
    put_bytes(&root, "malignant/malignant (1)_mask_1.png", &png(4, 1, 0, &vec![vec![0x10]; 3]));
    put_bytes(&root, "normal/normal (1).png", &png(4, 8, 0, &vec![vec![1, 2, 3, 4]; 3]));
    put_bytes(&root, "normal/normal (1)_mask.png", &png(4, 1, 0, &vec![vec![0]; 3]));
    let set = dataset::read(folder.path()).unwrap();
    assert_eq!((set.format, set.unit), ("busi", "image"));
    assert_eq!(set.problems, []);
    let masks: Vec<Vec<u8>> = set
        .samples
        .iter()
        .map(|sample| load::load(sample).unwrap().mask.map_or(vec![], |m| m.pixels[..4].to_vec()))
        .collect();
    assert_eq!(masks, [vec![0, 255, 0, 0], vec![255, 0, 0, 255], vec![]], "united");
    let labels: Vec<&str> = set.samples.iter().map(|sample| sample.label.as_str()).collect();
    assert_eq!(labels, ["benign", "malignant", "normal"]);
    assert_eq!(set.samples[2].class, Class::Normal);
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!((report.images, report.masks, report.abnormal, report.normal), (3, 4, 2, 1));
    assert_eq!((report.width.median, report.height.median), (4, 3));
    assert!(report.usable, "{report}");
}

#[test]
fn a_folder_for_each_patient_with_slices_whose_mask_may_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    for patient in 0..6 {
        for slice in 0..5 {
            let stem = format!("kaggle_3m/TCGA_{patient}/TCGA_{patient}_{slice}");
            // As the set is published.
            put_bytes(folder.path(), &format!("{stem}.tif"), &tiff(&image()));
            let mask = if slice < 2 { lesion() } else { no_lesion() };
            put_bytes(folder.path(), &format!("{stem}_mask.tif"), &tiff(&mask));
        }
    }
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!((report.abnormal, report.normal), (12, 18));
    assert_eq!((report.split_unit, report.sources), ("patient folder", 6));
    assert!(report.problems.is_empty(), "{report}");
    let set = dataset::read(folder.path()).unwrap();
    let rois = roi::build(&set, &roi::RoiOptions::default()).unwrap();
    assert_eq!(roi::counts(&rois), [12, 12]);
    assert!(rois.iter().all(|roi| roi.name.starts_with(&roi.source)), "slices of their patients");
    let split = split::split(&rois, 0.2, 0).unwrap();
    assert_eq!(split::leakage(&rois, &split), 0);
    assert!(!split.validation.is_empty());
}

#[test]
fn folders_of_images_and_of_masks() {
    let folder = tempfile::tempdir().unwrap();
    for (label, mask) in [("lesion", lesion()), ("No_Finding", no_lesion())] {
        for i in 0..2 {
            put(folder.path(), &format!("train/{label}/images/x{i}.png"), &image());
            put(folder.path(), &format!("train/{label}/masks/x{i}.png"), &mask);
            put(folder.path(), &format!("images/test/{label}/x{i}.png"), &image());
            put(folder.path(), &format!("masks/test/{label}/x{i}_mask_0.png"), &mask);
        }
    }
    let set = dataset::read(folder.path()).unwrap();
    assert_eq!(set.problems, []);
    assert_eq!((set.samples.len(), set.unit), (8, "image"));
    assert!(set.samples.iter().all(|sample| sample.masks.len() == 1));
    let normal = set.samples.iter().filter(|sample| sample.class == Class::Normal);
    assert!(normal.clone().all(|sample| sample.label == "no_finding"));
    assert_eq!(normal.count(), 4);
    let names: std::collections::BTreeSet<&str> =
        set.samples.iter().map(|sample| sample.name.as_str()).collect();
    assert_eq!(names.len(), 8, "equal stems get their folders' names");
}

#[test]
fn a_table_of_patients_goes_before_everything() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    let table =
        "patient,image\n\"Doe, J\",mass\\a0.png\nB,a1\nB,n0.png\n\"Doe, J\",./normal/n1.png\n";
    put_bytes(folder.path(), "patients.csv", table.as_bytes());
    let set = dataset::read(folder.path()).unwrap();
    let sources: Vec<&str> = set.samples.iter().map(|sample| sample.source.as_str()).collect();
    assert_eq!((sources, set.unit), (vec!["Doe, J", "B", "B", "Doe, J"], "patients.csv"));

    put_bytes(folder.path(), "patients.csv", b"image,patient\na0.png,A\n");
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(!report.usable && report.to_string().contains("not in patients.csv"), "{report}");
    put_bytes(folder.path(), "patients.csv", b"picture,patient\na0.png,A\n");
    let error = dataset::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("patients.csv") && error.contains("image"), "{error}");
    put_bytes(folder.path(), "patients.csv", b"image,patient\na0.png\n");
    assert!(dataset::read(folder.path()).unwrap_err().to_string().contains("line 2"));
}

#[test]
fn what_does_not_belong_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    put(folder.path(), "overview.png", &image());
    put(folder.path(), "mass/lost_mask.png", &lesion());
    put_bytes(folder.path(), "mass/._a0.png", b"resource fork");
    put_bytes(folder.path(), "__MACOSX/mass/a0.png", b"resource fork");
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(report.usable, "{report}");
    assert_eq!((report.images, report.problems.len()), (4, 2), "{report}");
}

#[test]
fn names_that_would_overwrite_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    put(folder.path(), "normal/A0.png", &image());
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(!report.usable && report.to_string().contains("same name"), "{report}");
}

#[test]
fn synthetic_mammograms_are_recognised_and_the_same_again() {
    let folder = tempfile::tempdir().unwrap();
    let options = synth::SynthOptions { patients: 4, size: 96, seed: 5 };
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let summary = synth::synthesize(&one, &options).unwrap();
    assert_eq!((summary.abnormal, summary.normal), (4, 4));
    synth::synthesize(&two, &options).unwrap();
    let report = inspect::inspect(&one).unwrap();
    assert_eq!((report.abnormal, report.normal, report.sources), (4, 4, 4));
    assert!(report.problems.is_empty(), "{report}");
    assert_eq!((report.height.min, report.width.max), (96, 72));
    let build = |root: &Path| {
        let set = dataset::read(root).unwrap();
        roi::build(&set, &roi::RoiOptions::default()).unwrap()
    };
    let rois = build(&one);
    assert_eq!(rois, build(&two));
    assert_eq!(split::leakage(&rois, &split::split(&rois, 0.2, 0).unwrap()), 0);
    for roi in rois.iter().filter(|roi| roi.class == Class::Abnormal) {
        let mask = roi.mask_or_empty();
        let mean = |inside: bool| {
            let values = roi.image.pixels.iter().zip(&mask.pixels);
            let values: Vec<f32> = values
                .filter(|(_, mask)| (**mask == 255) == inside)
                .map(|(value, _)| f32::from(*value))
                .collect();
            values.iter().sum::<f32>() / values.len() as f32
        };
        assert!(mean(true) > mean(false), "{} is no brighter than its surroundings", roi.name);
    }
    let other = synth::SynthOptions { seed: 6, ..options };
    let error = synth::synthesize(&two, &other).unwrap_err().to_string();
    assert!(error.contains("other images"), "{error}");
    synth::synthesize(&two, &options).unwrap();
    let three = folder.path().join("three");
    synth::synthesize(&three, &other).unwrap();
    assert_ne!(rois, build(&three));
}
