//! Classes by folders, by the labels of lesions, and by tables.

use super::*;
use crate::error::Result;
use crate::lab::data::{Examples, ReadOptions, Roi, RoiOptions, Rois, Which, inspect, roi};
use crate::nets::classes::Taught;
use crate::nets::images::fixtures::put_bytes;
use crate::nets::images::{Prepared, Scaling};

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

fn read(root: &Path, whole: bool, classes: &[&str], table: Option<&str>) -> Result<Examples> {
    let cut = RoiOptions { whole, ..RoiOptions::default() };
    let table = table.map(|text| {
        let path = root.join("labels.csv");
        std::fs::write(&path, text).unwrap();
        path
    });
    let which = Which::of(&names(classes));
    Examples::read(root, &ReadOptions::default(), &cut, &which, table.as_deref())
}

fn refused(root: &Path, whole: bool, classes: &[&str], table: Option<&str>) -> String {
    read(root, whole, classes, table).unwrap_err().to_string()
}

/// `n` images of each of these folders.
fn folders(root: &Path, names: &[&str], n: usize) {
    for name in names {
        for i in 0..n {
            put(root, &format!("{name}/{i}.png"), &image());
        }
    }
}

/// The class of each example, by its name.
fn each(examples: &Examples) -> Vec<(String, Vec<usize>)> {
    let names = examples.rois.rois.iter().map(|roi| roi.name.clone());
    names.zip(examples.classes.iter().cloned()).collect()
}

/// Three benign and three malignant lesions with their masks.
fn six_lesions(root: &Path) {
    for label in ["benign", "malignant"] {
        for i in 0..3 {
            put(root, &format!("{label}/{label}{i}.png"), &image());
            put(root, &format!("{label}/{label}{i}_mask.png"), &lesion());
        }
    }
}

#[test]
fn folders_without_masks_are_classes() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["dog", "cat", "Bird"], 2);
    let found = read(folder.path(), true, &[], None).unwrap();
    assert_eq!(found.taught, Taught::Classes(names(&["Bird", "cat", "dog"])));
    let all = each(&found);
    assert_eq!(all[0], ("Bird_0".to_owned(), vec![0]));
    assert_eq!(all[5], ("dog_1".to_owned(), vec![2]));
    assert!(found.notes.iter().any(|note| note.contains("Bird, cat, dog")), "{:?}", found.notes);
    // Some, in another order and other letters.
    let some = read(folder.path(), true, &["DOG", "bird"], None).unwrap();
    assert_eq!(some.taught.names(), ["DOG", "bird"]);
    assert_eq!(some.classes, [[1], [1], [0], [0]]);
    assert!(some.notes.iter().any(|note| note.contains("2 of 6 images")), "{:?}", some.notes);
    let error = refused(folder.path(), true, &["dog", "cow"], None);
    assert!(error.contains("class cow") && error.contains("Bird, cat, dog"), "{error}");
    assert!(refused(folder.path(), true, &["dog", "Dog"], None).contains("twice"));
    // ROIs need masks, and the error says what does not.
    assert!(refused(folder.path(), false, &[], None).contains("mask"));
}

#[test]
fn normal_and_abnormal_stay_the_two_classes_they_were() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["normal", "Abnormal"], 2);
    let found = read(folder.path(), true, &[], None).unwrap();
    assert_eq!(found.taught, Taught::Two);
    assert_eq!(found.names(), ["normal", "abnormal"]);
    // The abnormal ones come first, as ever.
    assert_eq!(found.classes, [[1], [1], [0], [0]]);
    // With masks beside them folders of any name are no more than that.
    let masked = tempfile::tempdir().unwrap();
    simple(masked.path(), 3);
    let found = read(masked.path(), true, &[], None).unwrap();
    assert_eq!((found.taught.clone(), found.rois.truth.outlines), (Taught::Two, 3));
    let old = Rois::read(
        masked.path(),
        &ReadOptions::default(),
        &RoiOptions { whole: true, ..RoiOptions::default() },
    )
    .unwrap();
    let pictures = |rois: &[Roi]| -> Vec<(String, Grey)> {
        rois.iter().map(|roi| (roi.name.clone(), roi.image.clone())).collect()
    };
    assert_eq!(pictures(&old.rois), pictures(&found.rois.rois));
    let by_name = read(masked.path(), true, &["normal", "mass"], None).unwrap();
    assert_eq!(by_name.taught, Taught::Classes(names(&["normal", "mass"])));
    // One that lacks its mask is an image like the others.
    std::fs::remove_file(masked.path().join("mass/a1_mask.png")).unwrap();
    assert_eq!(read(masked.path(), true, &[], None).unwrap().classes.len(), 6);
    assert!(refused(masked.path(), false, &[], None).contains("--whole"));
}

#[test]
fn lesions_are_told_apart_by_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    six_lesions(root);
    // There need be no normal image where none is asked for.
    let found = read(root, false, &["malignant", "benign"], None).unwrap();
    assert_eq!(found.classes, [[1], [1], [1], [0], [0], [0]]);
    assert!(found.rois.rois.iter().all(|roi| roi.mask.is_some()));
    assert!(refused(root, false, &[], None).contains("normal"));
    folders(root, &["normal"], 2);
    let all = read(root, false, &["all"], None).unwrap();
    assert_eq!(all.names(), ["benign", "malignant", "normal"]);
    assert_eq!(all.counts(&(0..all.classes.len()).collect::<Vec<_>>()), [3, 3, 6]);
    let some = read(root, false, &["normal", "malignant"], None).unwrap();
    assert_eq!(some.counts(&(0..some.classes.len()).collect::<Vec<_>>()), [3, 3]);
    let error = refused(root, false, &["normal", "cyst"], None);
    assert!(error.contains("class cyst") && error.contains("benign, malignant, normal"), "{error}");
}

#[test]
fn patients_and_parts_are_no_classes() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for (part, patient) in [("train", "p1"), ("train", "p2"), ("test", "p3"), ("test", "p4")] {
        folders(
            root,
            &[&format!("{part}/images/{patient}/cat"), &format!("{part}/{patient}/dog")],
            3,
        );
    }
    let found = read(root, true, &["dog", "cat"], None).unwrap();
    assert_eq!(found.counts(&(0..24).collect::<Vec<_>>()), [12, 12]);
    let sources: std::collections::BTreeSet<&str> =
        found.rois.rois.iter().map(|roi| &roi.source[..]).collect();
    assert_eq!(sources.into_iter().collect::<Vec<_>>(), ["p1", "p2", "p3", "p4"]);
    let split = found.split(0.25, 1).unwrap();
    assert_eq!((split.validation.len(), found.counts(&split.validation)), (6, vec![3, 3]));
    // A patient of one class alone cannot stand on both sides.
    std::fs::create_dir_all(root.join("train/p1/cow")).unwrap();
    folders(root, &["train/p1/cow"], 3);
    let found = read(root, true, &["dog", "cat", "cow"], None).unwrap();
    let error = found.split(0.25, 1).unwrap_err().to_string();
    assert!(error.contains("class cow comes from fewer than two"), "{error}");
    // Many folders side by side are classes only where somebody says so.
    let many = tempfile::tempdir().unwrap();
    let all: Vec<String> = (0..14).map(|number| format!("kind{number}")).collect();
    folders(many.path(), &all.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let error = refused(many.path(), true, &[], None);
    assert!(error.contains("14 folders") && error.contains("--classes all"), "{error}");
    assert_eq!(read(many.path(), true, &["all"], None).unwrap().names().len(), 14);
    let flat = tempfile::tempdir().unwrap();
    folders(flat.path(), &["."], 2);
    assert!(refused(flat.path(), true, &["all"], None).contains("no folders"));
}

#[test]
fn folders_that_sound_like_masks_are_classes_where_there_are_none() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path(), &["mask", "no_mask"], 2);
    let found = read(folder.path(), true, &["mask", "no_mask"], None).unwrap();
    assert_eq!(found.counts(&[0, 1, 2, 3]), [2, 2]);
}

#[test]
fn one_scan_under_two_classes_is_left_out_and_duplicates_stay_together() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root, &["a", "b", "c"], 3);
    std::fs::copy(root.join("a/0.png"), root.join("b/copy.png")).unwrap();
    std::fs::copy(root.join("c/0.png"), root.join("c/twin.png")).unwrap();
    // Also where the other class is not asked for.
    for classes in [&["all"][..], &["a", "c"]] {
        let found = read(root, true, classes, None).unwrap();
        let of_a = found.rois.rois.iter().filter(|roi| roi.label == "a").count();
        assert_eq!((of_a, found.rois.duplicates.contradictions), (2, 2));
        let of_scan = |name: &str| {
            let is = |roi: &&Roi| roi.name == name;
            found.rois.rois.iter().find(is).unwrap().source.clone()
        };
        assert_eq!(of_scan("c_0"), of_scan("twin"));
    }
}

#[test]
fn a_table_has_labels_and_patients() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root, &["x", "y"], 3);
    let text =
        "image,diagnosis,patient\nx/0,10,p1\nx/1,9,p2\nx/2,10,p3\ny/0,9,p1\ny/1,9,p3\nz,9,p9\n";
    let found = read(root, true, &[], Some(text)).unwrap();
    assert_eq!(found.taught, Taught::Classes(names(&["9", "10"])));
    assert_eq!(found.classes, [[1], [0], [1], [0], [0]]);
    assert_eq!(found.rois.rois[3].source, "p1");
    let notes = found.notes.join("; ");
    assert!(notes.contains("1 images have no label"), "{notes}");
    assert!(notes.contains("1 lines of") && notes.contains("such as z"), "{notes}");
    assert!(refused(root, false, &[], Some(text)).contains("--whole"));
    assert!(refused(root, true, &["9", "11"], Some(text)).contains("class 11"));
    assert!(refused(root, true, &[], Some("image,label\nq,1\n")).contains("none of the images"));
}

#[test]
fn an_image_may_have_several_labels_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root, &["x"], 6);
    let text = "image,b,a,c\n0,1,1,0\n1,0,0,1\n2,0,0,0\n3,1,0,1\n4,0,1,0\n5,1,1,1\n";
    let found = read(root, true, &[], Some(text)).unwrap();
    assert_eq!(found.taught, Taught::Labels(names(&["b", "a", "c"])));
    assert_eq!(found.classes[..3], [vec![0, 1], vec![2], vec![]]);
    let images = found.rois.rois.iter().map(|roi| (&roi.image, 0));
    let mut prepared = Prepared::from_images(images, (8, 8), 1, Scaling::None);
    found.label(&mut prepared);
    assert_eq!(prepared.marks[3], [true, false, true]);
    let split = found.split(0.34, 0).unwrap();
    assert!(found.counts(&split.validation).iter().all(|&count| count > 0), "{split:?}");
    assert!(found.counts(&split.train).iter().all(|&count| count > 0), "{split:?}");
    // The labels that are asked for are judged, and the images of others stay.
    let some = read(root, true, &["c", "B"], Some(text)).unwrap();
    assert_eq!(some.classes[..3], [vec![1], vec![0], vec![]]);
    assert!(refused(root, true, &["c"], Some(text)).contains("lacks a column `label`"));
    let one = "image,label,label\n0,a,\n1,a,\n";
    assert!(refused(root, true, &[], Some(one)).contains("only label"));
}

#[test]
fn lesions_of_other_labels_count_as_normal() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    six_lesions(root);
    let cut = RoiOptions::default();
    let of = |positive: &[&str]| {
        let read = ReadOptions { positive: names(positive), ..ReadOptions::default() };
        Rois::read(root, &read, &cut)
    };
    let all = Rois::read(root, &ReadOptions::default(), &cut).unwrap_err().to_string();
    assert!(all.contains("normal"), "{all}");
    let found = of(&["Malignant"]).unwrap();
    assert_eq!(roi::counts(&found.rois), [3, 3]);
    assert_eq!(found.truth.outlines, 3);
    for (at, roi) in found.rois.iter().enumerate() {
        let malignant = at < 3;
        assert_eq!((roi.label == "malignant", roi.mask.is_some()), (malignant, malignant));
        // A normal one is cut around its lesion all the same.
        assert!(roi.rect.width < 48 && roi.rect.height < 48, "{:?}", roi.rect);
    }
    folders(root, &["normal"], 2);
    assert_eq!(roi::counts(&of(&["malignant"]).unwrap().rois), [9, 3]);
    assert_eq!(roi::counts(&of(&["malignant", "benign"]).unwrap().rois), [6, 6]);
    let error = of(&["cyst"]).unwrap_err().to_string();
    assert!(error.contains("class cyst") && error.contains("benign, malignant"), "{error}");
    std::fs::remove_dir_all(root.join("normal")).unwrap();
    assert!(of(&["malignant", "benign"]).unwrap_err().to_string().contains("none as normal"));
}

#[test]
fn an_inspection_of_folders_of_classes_counts_them_and_names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    folders(root, &["rose", "Tulip", "daisy"], 3);
    let found = inspect::inspect(root).unwrap();
    assert!(found.usable && found.class_folders && found.problems.is_empty(), "{found}");
    let classes: Vec<(&str, usize)> =
        found.classes.iter().map(|(name, count)| (name.as_str(), count.images)).collect();
    assert_eq!(classes, [("Tulip", 3), ("daisy", 3), ("rose", 3)]);
    assert_eq!((found.images, found.masks, found.abnormal, found.normal), (9, 0, 0, 0));
    let text = found.to_string();
    assert!(text.contains("classes    3") && text.contains("rose       3 images"), "{text}");
    assert!(text.contains("--whole`") && !text.contains("lesions"), "{text}");
    assert!(found.refusal().is_none());

    // One scan twice, and under two classes; a file that cannot be read.
    std::fs::copy(root.join("rose/0.png"), root.join("rose/copy.png")).unwrap();
    std::fs::copy(root.join("rose/1.png"), root.join("daisy/other.png")).unwrap();
    put_bytes(root, "Tulip/broken.png", b"\x89PNG\r\n\x1a\nnothing");
    let found = inspect::inspect(root).unwrap();
    assert_eq!(found.duplicates.len(), 2, "{found}");
    assert!(found.duplicates.iter().any(|group| group.contradiction), "{found}");
    assert!(!found.usable && found.to_string().contains("broken.png"), "{found}");
    std::fs::remove_file(root.join("Tulip/broken.png")).unwrap();

    // With a mask it is a set of lesions, as it was; with normal and abnormal too.
    put(root, "rose/2_mask.png", &lesion());
    assert!(!inspect::inspect(root).is_ok_and(|found| found.class_folders));
    let two = tempfile::tempdir().unwrap();
    folders(two.path(), &["normal", "abnormal"], 2);
    assert!(!inspect::inspect(two.path()).is_ok_and(|found| found.class_folders));
    // More folders than are taken for classes unasked.
    let many = tempfile::tempdir().unwrap();
    let all: Vec<String> = (0..14).map(|number| format!("kind{number}")).collect();
    folders(many.path(), &all.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    let text = inspect::inspect(many.path()).unwrap().to_string();
    assert!(text.contains("--whole --classes all`"), "{text}");
}
