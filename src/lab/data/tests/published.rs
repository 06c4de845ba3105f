//! Data sets whose masks are in folders of their own or are called otherwise, links, and names in which an
//! accent is one sign or two.

use super::*;
use crate::lab::data::dataset::Dataset;
use crate::lab::data::formats;
use crate::lab::data::inspect;
use crate::lab::data::picture::Picture;
use crate::nets::images::fixtures::{png, put_bytes};

/// Images with their masks, as names below the root, and everything that was noted.
fn read(root: &Path) -> (Vec<(String, Vec<String>)>, Dataset) {
    let set = formats::read(root).unwrap();
    let name = |picture: &Picture| {
        picture.path().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/")
    };
    let pairs = set.samples.iter();
    let pairs = pairs.map(|s| (name(&s.image), s.masks.iter().map(name).collect())).collect();
    (pairs, set)
}

#[test]
fn masks_are_found_by_folder_prefix_and_suffix_and_it_is_said_how() {
    for (images, masks, said) in [
        (
            ["images/a1.png", "images/b-2.png"],
            ["masks/a1.png", "masks/b-2.png"],
            "images/X with masks/X",
        ),
        (["original/1.png", "original/2.png"], ["GT/1.png", "GT/2.png"], "original/X with GT/X"),
        (
            ["Original/1.tif", "Original/2.tif"],
            ["Ground Truth/1.png", "Ground Truth/2.png"],
            "Original/X with Ground Truth/X",
        ),
        (
            ["Images/a.png", "Images/b.png"],
            ["Masks/mask_a.png", "Masks/mask_b.png"],
            "Images/X with Masks/mask_X",
        ),
        (
            ["Images/bus_0001-l.png", "Images/bus_0002-r.png"],
            ["Masks/mask_0001-l.png", "Masks/mask_0002-r.png"],
            "Images/bus_X with Masks/mask_X",
        ),
        (
            ["case001.png", "case002.png"],
            ["case001_tumor.png", "case002_tumor.png"],
            "X with X_tumor",
        ),
        (
            ["I_1.jpg.png", "I_2.png"],
            ["I_1.jpg_segmentation.png", "I_2_segmentation.png"],
            "X with X_segmentation",
        ),
        (
            ["Training_Data/I_1.png", "Training_Data/I_2.png"],
            ["Part1_GroundTruth/I_1_segmentation.png", "Part1_GroundTruth/I_2_segmentation.png"],
            "Training_Data/X with Part1_GroundTruth/X_segmentation",
        ),
        (["p/x_1.png", "q/x_2.png"], ["p/x_1_mask.png", "q/x_2_mask.png"], "X with X_mask"),
        (["img_1.png", "img_2.png"], ["mask_1.png", "mask_2.png"], "img_X with mask_X"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        images.iter().for_each(|path| put(folder.path(), path, &image()));
        masks.iter().for_each(|path| put(folder.path(), path, &lesion()));
        let (mut pairs, set) = read(folder.path());
        pairs.sort();
        let expected: Vec<(String, Vec<String>)> =
            images.iter().zip(masks).map(|(a, b)| ((*a).to_owned(), vec![b.to_owned()])).collect();
        assert_eq!(pairs, expected, "{said}");
        assert_eq!(set.problems, [], "{said}");
        assert_eq!(set.layout, format!("{said} (2 masks)"));
    }
}

#[test]
fn words_of_masks_are_words_of_images_where_there_is_nothing_to_outline() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["tumor/Y1_tumor.png", "tumor/mask_3.png", "normal/n_other.png"] {
        put(folder.path(), path, &image());
    }
    put(folder.path(), "tumor/Y1_tumor_mask.png", &lesion());
    put(folder.path(), "tumor/mask_3_mask.png", &lesion());
    assert_eq!(read(folder.path()).0.len(), 3);
    // Beside its image, what outlines something else is neither.
    put(folder.path(), "tumor/Y1_tumor_other1.png", &lesion());
    let (pairs, set) = read(folder.path());
    assert_eq!((pairs.len(), set.problems.len()), (3, 1));
    assert!(set.problems[0].what.contains("outlines something else"), "{:?}", set.problems);
}

#[test]
fn a_table_that_came_with_the_set_names_its_patients() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["0001-l", "0001-r", "0002-l"] {
        put(folder.path(), &format!("Images/bus_{name}.png"), &image());
        put(folder.path(), &format!("Masks/mask_{name}.png"), &lesion());
    }
    let table = "ID,Case,Histology\nbus_0001-l,1,x\nbus_0001-r,1,x\nbus_0002-l,2,y\n";
    put_bytes(folder.path(), "bus_data.csv", table.as_bytes());
    let (_, set) = read(folder.path());
    let sources: Vec<&str> = set.samples.iter().map(|sample| sample.source.as_str()).collect();
    assert_eq!((sources, set.unit), (vec!["1", "1", "2"], "table of patients"));
}

#[test]
fn accents_are_one_sign_or_two() {
    let (one, two) = ("caf\u{e9}", "cafe\u{301}");
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), &format!("mass/{one}.png"), &image());
    put(folder.path(), &format!("mass/{two}_mask.png"), &lesion());
    put(folder.path(), "normal/n.png", &image());
    put_bytes(folder.path(), "Patients.csv", format!("image;patient\n{two};P\nn;Q\n").as_bytes());
    let (pairs, set) = read(folder.path());
    assert_eq!(set.problems, []);
    assert_eq!(pairs[0].1.len(), 1);
    assert_eq!((set.samples[0].source.as_str(), set.unit), ("P", "patients.csv"));
}

#[test]
#[cfg(unix)]
fn links_bring_nothing_in_twice() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("set");
    simple(&root, 3);
    symlink(&root, root.join("self")).unwrap();
    symlink(root.join("mass"), root.join("again")).unwrap();
    symlink(folder.path(), root.join("around")).unwrap();
    put(folder.path(), "beside/normal/b.png", &image());
    symlink(folder.path().join("beside"), root.join("beside")).unwrap();
    symlink(root.join("normal/n0.png"), root.join("normal/link.png")).unwrap();
    std::fs::hard_link(root.join("normal/n1.png"), root.join("normal/z.png")).unwrap();
    let (pairs, set) = read(&root);
    let names: Vec<&str> = pairs.iter().map(|(image, _)| image.as_str()).collect();
    let own = [
        "mass/a0.png",
        "mass/a1.png",
        "mass/a2.png",
        "normal/n0.png",
        "normal/n1.png",
        "normal/n2.png",
    ];
    assert_eq!(names, [&["beside/normal/b.png"], &own[..]].concat());
    let kinds: Vec<&str> = set.problems.iter().map(|problem| problem.kind).collect();
    assert_eq!(kinds, ["same file", "same file", "link", "link", "link"]);
    assert!(set.problems.iter().all(|problem| problem.harmless));
    // One file in two classes is right in one of them at most.
    std::fs::hard_link(root.join("mass/a0.png"), root.join("normal/a.png")).unwrap();
    let report = inspect::inspect(&root).unwrap();
    assert!(!report.usable && report.to_string().contains("which is of the class"), "{report}");
}

#[test]
fn hundreds_of_like_problems_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 30);
    for i in 0..30 {
        put(folder.path(), &format!("mass/a{i}_mask.png"), &mask(32, 30 + i, LESION));
    }
    let labels = png(
        64,
        8,
        0,
        &(0..48)
            .map(|y| {
                vec![
                    if y < 9 {
                        85
                    } else if y < 20 {
                        0
                    } else {
                        255
                    };
                    64
                ]
            })
            .collect::<Vec<_>>(),
    );
    put_bytes(folder.path(), "mass/l.png", &image().encode(Path::new("l")).unwrap());
    put_bytes(folder.path(), "mass/l_mask.png", &labels);
    let report = inspect::inspect(folder.path()).unwrap();
    let groups: Vec<(&str, usize, bool)> =
        report.groups.iter().map(|group| (group.kind, group.count, group.harmless)).collect();
    assert_eq!(groups, [("size", 30, false), ("labels", 1, true)], "{report}");
    assert_eq!(report.problems.len(), 31);
    let text = report.to_string();
    assert!(text.contains("30 problems like this: ") && text.contains("85 and 255"), "{text}");
    assert!(text.lines().count() < 20 && report.every_problem().lines().count() == 31);
    assert!(report.refusal().unwrap().to_string().contains("30 problems that are to be solved"));
}

#[test]
fn rois_of_flat_lesions_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let flat = crate::nets::images::fixtures::textured(4000, 12);
    put(folder.path(), "mass/a.png", &flat);
    put(
        folder.path(),
        "mass/a_mask.png",
        &mask(4000, 12, Rect { x: 40, y: 5, width: 3600, height: 2 }),
    );
    put(folder.path(), "normal/n.png", &image());
    let set = formats::read(folder.path()).unwrap();
    let rois =
        crate::lab::data::cut::build(&set, &crate::lab::data::RoiOptions::default()).unwrap();
    let out = folder.path().join("out");
    crate::lab::data::roi_files::write(&rois, &out).unwrap();
    for roi in &rois {
        assert!(roi.image.width >= 8 && roi.image.height >= 8, "{:?}", roi.rect);
        let written = out.join(format!("{}/{}.png", roi.class.name(), roi.name));
        assert_eq!(Grey::read(&written).unwrap(), roi.image);
    }
}
