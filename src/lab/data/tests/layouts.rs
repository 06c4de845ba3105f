//! Data sets as they are published and as people keep them.

use super::*;
use crate::lab::data::cut;
use crate::lab::data::dataset::Class;
use crate::lab::data::formats;
use crate::lab::data::{inspect, load, roi, split, synth};
use crate::nets::images::fixtures::{png, put_bytes, tiff};

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
    let set = formats::read(folder.path()).unwrap();
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
    let set = formats::read(folder.path()).unwrap();
    let rois = cut::build(&set, &roi::RoiOptions::default()).unwrap();
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
    let set = formats::read(folder.path()).unwrap();
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
    let set = formats::read(folder.path()).unwrap();
    let sources: Vec<&str> = set.samples.iter().map(|sample| sample.source.as_str()).collect();
    assert_eq!((sources, set.unit), (vec!["Doe, J", "B", "B", "Doe, J"], "patients.csv"));

    put_bytes(folder.path(), "patients.csv", b"image,patient\na0.png,A\n");
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(!report.usable && report.to_string().contains("not in patients.csv"), "{report}");
    put_bytes(folder.path(), "patients.csv", b"picture,patient\na0.png,A\n");
    let error = formats::read(folder.path()).unwrap_err().to_string();
    assert!(error.contains("patients.csv") && error.contains("image"), "{error}");
    put_bytes(folder.path(), "patients.csv", b"image,patient\na0.png\n");
    assert!(formats::read(folder.path()).unwrap_err().to_string().contains("line 2"));
}

/// What `inspect` says of the table `name` with these lines beside the images of [`simple`].
fn with_table(name: &str, lines: &str) -> inspect::Inspection {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    put_bytes(folder.path(), name, lines.as_bytes());
    inspect::inspect(folder.path()).unwrap()
}

#[test]
fn a_damaged_line_of_any_table_of_patients_is_to_be_solved() {
    let lines = "ID,Case\na0,A\na1,B\nn0,A\nn1,B\n";
    let good = with_table("bus_data.csv", lines);
    assert!(good.usable && (good.split_unit, good.sources) == ("table of patients", 2), "{good}");
    for (more, words) in [
        ("extra.png,\n", "line 6 lacks an image or a patient"),
        ("a1,C\n", "line 3 says B and line 6 says C"),
        ("mass/a1.png,C\n", "line 3 says B and line 6 says C"),
        ("a9,Doe, J\n", "line 6 has 3 fields under a header of 2"),
    ] {
        let report = with_table("bus_data.csv", &format!("{lines}{more}"));
        assert!(!report.usable, "{report}");
        assert_eq!(report.split_unit, "table of patients", "{report}");
        let problem = &report.problems[0];
        assert!(problem.path.ends_with("bus_data.csv") && problem.what.contains(words), "{report}");
        assert!(problem.hint.contains("both sides of a split"), "{report}");
    }
    // A table of other images is none of ours, whatever is wrong with it.
    let foreign = with_table("other.csv", "ID,Case\nx,A\ny,\n");
    assert!(foreign.usable && foreign.problems.is_empty(), "{foreign}");
}

#[test]
fn a_table_of_patients_says_one_thing_of_an_image() {
    let lines = "image,patient\nmass/a0.png,A\na1,B\nn0,A\nn1,B\n";
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    for (more, words) in [
        ("mass/a0,C\n", Some("mass/a0 to two patients: line 2 says A and line 6 says C")),
        ("a0.png,C\n", Some("mass/a0 to two patients: line 2 says A and line 6 says C")),
        ("a0.png,A\n", None),
        ("a1,B,,\n", None),
        ("a1,\"B\",x\n", Some("line 6 has 3 fields")),
    ] {
        put_bytes(folder.path(), "patients.csv", format!("{lines}{more}").as_bytes());
        match (formats::read(folder.path()), words) {
            (Ok(set), None) => assert_eq!(set.problems, []),
            (Err(error), Some(words)) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            (read, _) => panic!("{more}: {read:?}"),
        }
    }
}

#[test]
fn names_of_patients_are_one_in_every_spelling_and_near_ones_are_noted() {
    let lines =
        |b: &str, c: &str| format!("image,patient\na0,Ju\u{e9}\na1,Jue\u{301}\nn0,{b}\nn1,{c}\n");
    let report = with_table("patients.csv", &lines("P", "Q"));
    assert!(report.sources == 3 && report.problems.is_empty(), "{report}");
    for (b, c) in [("P0", "p0"), ("1", "01")] {
        let report = with_table("patients.csv", &lines(b, c));
        assert_eq!((report.sources, report.problems.len(), report.usable), (3, 1, true));
        assert!(report.to_string().contains(&format!("{b} and {c}")) || b == "1", "{report}");
        assert!(report.to_string().contains("taken for two"), "{report}");
    }
    // Folders of patients too.
    let folder = tempfile::tempdir().unwrap();
    for (number, patient) in ["a\u{e9}", "ae\u{301}", "P 1", "p01"].into_iter().enumerate() {
        put(folder.path(), &format!("{patient}/{number}.png"), &image());
        put(folder.path(), &format!("{patient}/{number}_mask.png"), &lesion());
    }
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!((report.split_unit, report.sources), ("patient folder", 3), "{report}");
    assert!(report.to_string().contains("taken for two"), "{report}");
}

#[test]
fn a_mask_without_its_image_is_not_given_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (part, number) in [("train", 1), ("test", 5)] {
        put(root, &format!("{part}/images/{number}.png"), &image());
        put(root, &format!("{part}/masks/{number}.png"), &lesion());
    }
    put(root, "train/masks/5.png", &no_lesion());
    put(root, "test/images/7.png", &image());
    put(root, "train/masks/7.png", &no_lesion());
    put(root, "normal/scan_2.png", &image());
    put(root, "normal/scan_2_mask.png", &no_lesion());
    put(root, "normal/mask_2.png", &lesion());
    // By the end of its name, since there is no other.
    put(root, "normal/scan_3.png", &image());
    put(root, "normal/mask_3.png", &no_lesion());
    let listing = crate::lab::data::layout::list(root).unwrap();
    let (pairs, problems) = listing.pairs();
    let masks = |name: &str| {
        let pair = pairs.iter().find(|pair| pair.entry.path.ends_with(name)).unwrap();
        pair.masks.iter().map(|path| path.strip_prefix(root).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(masks("images/5.png"), [Path::new("test/masks/5.png")]);
    assert_eq!(masks("images/7.png"), [] as [&Path; 0]);
    assert_eq!(masks("scan_2.png"), [Path::new("normal/scan_2_mask.png")]);
    assert_eq!(masks("scan_3.png"), [Path::new("normal/mask_3.png")]);
    let stray: Vec<&str> = problems
        .iter()
        .filter(|problem| !problem.harmless && problem.what.contains("left out"))
        .map(|problem| problem.path.strip_prefix(root).unwrap().to_str().unwrap())
        .collect();
    assert_eq!(stray, ["normal/mask_2.png", "train/masks/5.png", "train/masks/7.png"]);
}

#[test]
fn masks_are_found_by_number_and_by_their_bare_word() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..3 {
        put(folder.path(), &format!("a/images/img{number}.png"), &image());
        put(folder.path(), &format!("a/masks/mask{number}.png"), &lesion());
    }
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!((report.abnormal, report.masks), (3, 3), "{report}");
    assert!(report.layout.contains("(3 masks)"), "{report}");
    for mask in ["mask", "gt"] {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..3 {
            put(folder.path(), &format!("{number}/image.png"), &image());
            let grey = if number == 0 { no_lesion() } else { lesion() };
            put(folder.path(), &format!("{number}/{mask}.png"), &grey);
        }
        let report = inspect::inspect(folder.path()).unwrap();
        assert_eq!((report.abnormal, report.normal, report.masks), (2, 1, 3), "{report}");
        assert_eq!((report.split_unit, report.sources), ("patient folder", 3), "{report}");
    }
    // Beside several images nobody can tell.
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 2);
    put(folder.path(), "normal/mask.png", &image());
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!((report.normal, report.masks), (3, 2), "{report}");
}

#[test]
fn what_is_not_malignant_need_not_be_normal() {
    for name in ["non_malignant", "nonmalignant", "non-cancer"] {
        let folder = tempfile::tempdir().unwrap();
        simple(folder.path(), 2);
        put(folder.path(), &format!("{name}/b.png"), &image());
        put(folder.path(), &format!("{name}/b_mask.png"), &lesion());
        put(folder.path(), &format!("{name}/c.png"), &image());
        put(folder.path(), &format!("{name}/c_mask.png"), &no_lesion());
        let report = inspect::inspect(folder.path()).unwrap();
        assert!(report.usable && (report.abnormal, report.normal) == (3, 3), "{report}");
        put(folder.path(), &format!("{name}/d.png"), &image());
        let report = inspect::inspect(folder.path()).unwrap();
        assert!(!report.usable && report.to_string().contains("has no mask, and may"), "{report}");
    }
    for name in ["no_tumor", "nontumor", "no findings", "without lesion"] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), &format!("{name}/n.png"), &image());
        put(folder.path(), "tumor/a.png", &image());
        put(folder.path(), "tumor/a_mask.png", &lesion());
        let report = inspect::inspect(folder.path()).unwrap();
        assert_eq!((report.abnormal, report.normal), (1, 1), "{name}: {report}");
    }
}

#[test]
fn pictures_that_are_not_read_are_named_with_what_to_convert_them_to() {
    let said = |paths: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            match path.ends_with(".png") {
                true => put(folder.path(), path, &image()),
                false => put_bytes(folder.path(), path, b"BM"),
            }
        }
        let read = formats::read(folder.path());
        match read.and_then(|set| cut::build(&set, &roi::RoiOptions::default())) {
            Ok(_) => panic!("{paths:?} were accepted"),
            Err(error) => error.to_string(),
        }
    };
    for ending in ["bmp", "webp", "gif"] {
        let [one, two] = [1, 2].map(|number| format!("masks/{number}.{ending}"));
        let told = said(&["images/1.png", "images/2.png", &one, &two]);
        assert!(told.contains(&format!("2 .{ending}")) && told.contains("to PNG"), "{told}");
        let [one, two] = [1, 2].map(|number| format!("mass/masks/{number}.{ending}"));
        let told = said(&["mass/images/1.png", "mass/images/2.png", &one, &two]);
        assert!(told.contains(&format!("2 .{ending}")) && told.contains("to PNG"), "{told}");
        assert!(told.contains("2 abnormal images without a mask"), "{told}");
        let [one, two] = [1, 2].map(|number| format!("images/{number}.{ending}"));
        let told = said(&[&one, &two, "masks/1.png", "masks/2.png"]);
        assert!(told.contains(&format!("and 2 .{ending}")), "{told}");
        assert!(told.contains("no image that can be used") && told.contains("to PNG"), "{told}");
    }
}

#[test]
fn one_file_under_two_patients_joins_them() {
    let folder = tempfile::tempdir().unwrap();
    for (patient, name) in [("p1", "a"), ("p1", "b"), ("p2", "c"), ("p3", "d")] {
        put(folder.path(), &format!("{patient}/{name}.png"), &image());
        put(folder.path(), &format!("{patient}/{name}_mask.png"), &lesion());
    }
    for name in ["x.png", "x_mask.png"] {
        let from = folder.path().join(format!("p1/{}", name.replace('x', "a")));
        std::fs::hard_link(from, folder.path().join("p2").join(name)).unwrap();
    }
    let set = formats::read(folder.path()).unwrap();
    let sources: Vec<&str> = set.samples.iter().map(|sample| sample.source.as_str()).collect();
    assert_eq!(sources, ["p1", "p1", "p1", "p3"]);
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
        let set = formats::read(root).unwrap();
        cut::build(&set, &roi::RoiOptions::default()).unwrap()
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
