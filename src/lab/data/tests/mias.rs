//! MIAS, from little folders made here: where circles lie, what is normal, and what is left out with which words.

use std::path::Path;

use super::super::dataset::{NormalRois, ReadOptions};
use super::super::inspect;
use super::super::roi::{Cut, RoiOptions};
use super::super::roi_files;
use super::super::{Class, Roi, Rois, Truth};
use crate::lab::data::cut;
use crate::lab::data::formats;
use crate::nets::images::Grey;
use crate::nets::images::fixtures::{pgm, put, put_bytes};

const SIDE: usize = 1024;
/// The width of the dark beside the breast, at the left edge of each film.
const DARK: usize = 200;
const HEADER: &str = "        MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY\n\n1st column: reference number.\n\
                      Coordinate system origin is the bottom-left corner.\n=====\n\n";

/// Column and row of a disc's centre from the left and from the top, and its radius.
type Disc = (usize, usize, usize);

/// A film with bright discs, and a texture that differs from film to film.
fn film(number: usize, discs: &[Disc]) -> Grey {
    let mut film = Grey::filled(SIDE, SIDE, 0);
    for y in 0..SIDE {
        for x in DARK..SIDE {
            let level = 90 + (x / (13 + number) * 7 + y / (17 + 2 * number) * 5) % 60;
            film.pixels[y * SIDE + x] = level as u8;
        }
    }
    for &disc in discs {
        film.pixels.iter_mut().zip(disc_mask(disc).pixels).for_each(|(to, inside)| {
            *to = if inside > 0 { 250 } else { *to };
        });
    }
    film
}

fn disc_mask((x, y, radius): Disc) -> Grey {
    let inside = |at: usize| {
        let (column, row) = (at % SIDE, at / SIDE);
        column.abs_diff(x).pow(2) + row.abs_diff(y).pow(2) <= radius * radius
    };
    let pixels = (0..SIDE * SIDE).map(|at| if inside(at) { 255 } else { 0 }).collect();
    Grey { width: SIDE, height: SIDE, pixels }
}

/// A folder of these films, as published, described by these lines.
fn folder(films: &[(usize, &[Disc])], lines: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (number, discs) in films {
        put_bytes(folder.path(), &format!("mdb{number:03}.pgm"), &pgm(&film(*number, discs)));
    }
    let info = format!("{HEADER}{}\n\n=====\n", lines.join("\n"));
    put_bytes(folder.path(), "Info.txt", info.as_bytes());
    folder
}

fn cut_with(root: &Path, read: &ReadOptions) -> Cut {
    let dataset = formats::read_with(root, read).unwrap();
    assert_eq!((dataset.format, dataset.unit), ("mias", "patient"));
    cut::cut(&dataset, &RoiOptions::default()).unwrap()
}

fn cut(root: &Path) -> Cut {
    cut_with(root, &ReadOptions::default())
}

fn names(cut: &Cut) -> Vec<&str> {
    cut.rois.iter().map(|roi| roi.name.as_str()).collect()
}

fn find<'a>(cut: &'a Cut, name: &str) -> &'a Roi {
    cut.rois
        .iter()
        .find(|roi| roi.name == name)
        .unwrap_or_else(|| panic!("{name}: {:?}", names(cut)))
}

/// All that is told, a line each.
fn told(cut: &Cut) -> String {
    let line = |one: &super::super::Problem| {
        format!("{}: {}; {}\n", one.path.display(), one.what, one.hint)
    };
    cut.left_out.iter().chain(&cut.notes).map(line).collect()
}

fn refusal(root: &Path) -> String {
    let dataset = formats::read(root);
    dataset.and_then(|dataset| cut::cut(&dataset, &RoiOptions::default())).unwrap_err().to_string()
}

#[test]
fn circles_lie_where_the_lesion_is_and_normals_at_the_mirrored_place() {
    // y counts from the bottom: 1023 - 300 and 1023 - 700.
    let folder = folder(
        &[(1, &[(400, 300, 30), (600, 700, 50)]), (2, &[]), (3, &[]), (4, &[])],
        &[
            "mdb001 G CIRC B 400 723 30",
            "mdb001 G SPIC M 600 323 50",
            "mdb002 G NORM",
            "mdb003 F NORM ",
            "mdb004 F NORM",
        ],
    );
    let cut = cut(folder.path());
    assert_eq!(names(&cut), ["mdb001_1", "mdb001_2", "mdb001_1_mirrored", "mdb001_2_mirrored"]);
    for (name, label) in [("mdb001_1", "benign"), ("mdb001_2", "malignant")] {
        let roi = find(&cut, name);
        assert_eq!((roi.label.as_str(), roi.source.as_str()), (label, "mdb001-002"));
        assert_eq!(roi.view.map(|view| view.name()), Some("RIGHT_MLO"));
        assert!(roi.circle);
        let mask = roi.mask.as_ref().unwrap();
        assert!(mask.pixels.contains(&255));
        for (level, inside) in roi.image.pixels.iter().zip(&mask.pixels) {
            assert_eq!(*level == 250, *inside == 255, "{name}");
        }
        let normal = find(&cut, &format!("{name}_mirrored"));
        assert_eq!(
            (normal.rect.x, normal.rect.y),
            (SIDE - roi.rect.width - roi.rect.x, roi.rect.y)
        );
        assert_eq!((normal.class, normal.source.as_str()), (Class::Normal, "mdb001-002"));
        assert_eq!(normal.view.map(|view| view.name()), Some("LEFT_MLO"));
        assert_eq!(normal.file, Path::new("mdb002.pgm"));
        assert_eq!(normal.image, film(2, &[]).crop(normal.rect));
    }
    assert_eq!(told(&cut), "");
    let truth = Truth { outlines: 0, circles: 2 };
    assert_eq!(Truth::of(&cut.rois), truth);
    // What is written of them does not forget it.
    let written = tempfile::tempdir().unwrap();
    roi_files::write(&cut.rois, written.path()).unwrap();
    let again = formats::read(written.path()).unwrap();
    assert_eq!((again.format, Truth::of_samples(&again.samples)), ("folder", truth));
    assert_eq!(Truth::of(&cut::build(&again, &RoiOptions::default()).unwrap()), truth);
}

#[test]
fn a_normal_roi_is_discarded_where_the_other_breast_has_a_lesion_too() {
    // The first two mirror each other, the third has its own place.
    let folder = folder(
        &[(5, &[(400, 300, 30)]), (6, &[(623, 310, 30), (700, 800, 20)])],
        &["mdb005 G CIRC B 400 723 30", "mdb006 G CIRC B 623 713 30", "mdb006 G MISC B 700 223 20"],
    );
    let cut = cut(folder.path());
    assert_eq!(names(&cut), ["mdb005", "mdb006_1", "mdb006_2", "mdb006_2_mirrored"]);
    let told = told(&cut);
    assert!(told.contains("mdb005_mirrored would overlap mdb006_1; it is discarded"), "{told}");
    assert!(told.contains("mdb006_1_mirrored would overlap mdb005"), "{told}");
}

#[test]
fn what_has_no_place_or_a_wrong_one_gives_no_roi_and_no_normal_one() {
    let disc: &[Disc] = &[(400, 300, 30)];
    let folder = folder(
        &[(1, disc), (2, &[]), (3, disc), (4, disc), (5, disc), (6, &[]), (7, &[])],
        &[
            "mdb001 G CIRC B 400 723 30",
            "mdb002 D CALC M *NOTE 3*",
            "mdb003 G CIRC B 400 723 30",
            // On the dark at the left edge.
            "mdb004 G CIRC B 90 900 11",
            "mdb005 G CIRC B 400 723 30",
            "mdb006 G NORM",
            "mdb007 G CIRC B",
            "mdb009 F NORM",
        ],
    );
    let cut = cut(folder.path());
    assert_eq!(names(&cut), ["mdb001", "mdb003", "mdb005", "mdb005_mirrored"]);
    let told = told(&cut);
    for line in [
        "mdb002.pgm: has an abnormality without a place in Info.txt, which is left out",
        "mdb004.pgm: is left out: its circle of radius 11 about (90, 900) lies on the dark",
        "mdb007.pgm: has an abnormality without a place",
        "mdb007.pgm: its other breast, mdb008, is not here",
        "Info.txt: describes 1 films that are not here, such as mdb009",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let report = inspect::inspect(folder.path()).unwrap();
    assert_eq!(
        (report.counts["unlocated"], report.counts["films"], report.counts["cases"]),
        (2, 7, 4)
    );
    assert!(report.usable);
    let text = report.to_string();
    assert!(
        text.contains("truth      4 circles, 0 outlines") && text.contains("no outline"),
        "{text}"
    );
    assert!(text.contains("(0 masks)"), "{text}");
}

#[test]
fn outlines_are_taken_where_there_are_some() {
    let folder = folder(
        &[
            (1, &[(400, 300, 30)]),
            (2, &[(500, 500, 20), (600, 700, 20)]),
            (3, &[(400, 300, 30)]),
            (4, &[]),
        ],
        &[
            "mdb001 G CIRC B 400 723 30",
            "mdb002 G CIRC B 500 523 20",
            "mdb002 G CIRC B 600 323 20",
            "mdb003 G CIRC B 400 723 30",
            "mdb004 G NORM",
        ],
    );
    // One is smaller than its circle, and one has an area for each of two.
    put(folder.path(), "masks/mdb001.png", &disc_mask((405, 305, 12)));
    let mut two = disc_mask((500, 500, 9));
    two.pixels.iter_mut().zip(disc_mask((600, 700, 7)).pixels).for_each(|(a, b)| *a |= b);
    put(folder.path(), "masks/mdb002.png", &two);
    put(folder.path(), "masks/mdb011.png", &two);

    let circles = cut(folder.path());
    assert_eq!(Truth::of(&circles.rois), Truth { outlines: 0, circles: 4 });
    let told_of = told(&circles);
    assert!(told_of.contains("and 2 more masks are not used: circles are the truth"), "{told_of}");
    assert!(told_of.contains("`--outlines "), "{told_of}");

    let outlines = Some(folder.path().join("masks"));
    let read = ReadOptions { outlines, ..ReadOptions::default() };
    let outlined = cut_with(folder.path(), &read);
    assert_eq!(Truth::of(&outlined.rois), Truth { outlines: 3, circles: 1 });
    for (name, disc) in
        [("mdb001", (405, 305, 12)), ("mdb002_1", (500, 500, 9)), ("mdb002_2", (600, 700, 7))]
    {
        let roi = find(&outlined, name);
        assert_eq!(roi.mask.as_ref(), Some(&disc_mask(disc).crop(roi.rect)), "{name}");
        assert!(!roi.circle && roi.rect.width < 2 * disc.2 * 2, "{name}");
    }
    assert!(find(&outlined, "mdb003").circle);
    let told_of = told(&outlined);
    assert!(told_of.contains("mdb011.png: is left out: mdb011 is not here"), "{told_of}");

    let wrong =
        ReadOptions { outlines: Some(folder.path().join("none")), ..ReadOptions::default() };
    assert!(formats::read_with(folder.path(), &wrong).is_err());
    let other = tempfile::tempdir().unwrap();
    put(other.path(), "mdb077.png", &two);
    let wrong = ReadOptions { outlines: Some(other.path().to_owned()), ..ReadOptions::default() };
    let error = formats::read_with(folder.path(), &wrong).unwrap_err().to_string();
    assert!(error.contains("holds no outline of these films"), "{error}");
}

#[test]
fn healthy_women_give_normal_rois_where_they_are_asked_for() {
    let folder = folder(
        &[(1, &[(400, 300, 30)]), (2, &[]), (3, &[]), (4, &[]), (5, &[]), (6, &[]), (7, &[])],
        &[
            "mdb001 G CIRC B 400 723 30",
            "mdb002 G NORM",
            "mdb003 G NORM",
            "mdb004 G NORM",
            // Of this woman, the one breast is not known, and of the next it is not here.
            "mdb005 G CALC B *NOTE 3*",
            "mdb006 G NORM",
            "mdb007 G NORM",
        ],
    );
    assert_eq!(names(&cut(folder.path())), ["mdb001", "mdb001_mirrored"]);
    let read = ReadOptions { normals: NormalRois::All, ..ReadOptions::default() };
    let all = cut_with(folder.path(), &read);
    assert_eq!(names(&all), ["mdb001", "mdb001_mirrored", "mdb003_crop1", "mdb004_crop1"]);
    let lesion = find(&all, "mdb001").rect;
    let mirrored = SIDE - lesion.width - lesion.x;
    // The place of a right breast's lesion on a right breast, and mirrored on a left one.
    for (name, x) in [("mdb003_crop1", lesion.x), ("mdb004_crop1", mirrored)] {
        let roi = find(&all, name);
        assert_eq!((roi.rect.x, roi.rect.y), (x, lesion.y), "{name}");
        assert_eq!((roi.rect.width, roi.rect.height), (lesion.width, lesion.height));
        assert_eq!((roi.class, roi.source.as_str()), (Class::Normal, "mdb003-004"));
    }
    let other = tempfile::tempdir().unwrap();
    put(other.path(), "normal/a.png", &film(1, &[]));
    let error = formats::read_with(other.path(), &read).unwrap_err().to_string();
    assert!(error.contains("--normals is for films of both breasts"), "{error}");
}

#[test]
fn a_line_that_stands_twice_is_one_lesion() {
    let films: [(usize, &[Disc]); 2] = [(1, &[(400, 300, 30)]), (2, &[])];
    let line = "mdb001 G CIRC B 400 723 30";
    let once = folder(&films, &[line, "mdb002 G NORM"]);
    let twice = folder(&films, &[line, "mdb002 G NORM", "mdb001,G,CIRC,B,400,723,30"]);
    assert_eq!(cut(twice.path()).rois.len(), cut(once.path()).rois.len());
    let problems = formats::read(twice.path()).unwrap().problems;
    let told = problems.iter().filter(|one| one.what.contains("says what line")).count();
    assert_eq!(told, 1, "{problems:?}");
}

#[test]
fn conversions_in_folders_of_any_names_are_the_same_set() {
    let lines = ["mdb001 G CIRC B 400 723 30", "mdb002 G NORM"];
    let published = folder(&[(1, &[(400, 300, 30)]), (2, &[])], &lines);
    let expected = cut(published.path());
    let converted = tempfile::tempdir().unwrap();
    let root = converted.path();
    put(root, "MIAS/benign/MDB001.png", &film(1, &[(400, 300, 30)]));
    put(root, "MIAS/normal/mdb002.png", &film(2, &[]));
    put(root, "MIAS/normal/overview.png", &film(9, &[]));
    put_bytes(root, "copies/mdb002.jpg", b"not looked into");
    let table = format!("REFNUM BG CLASS SEVERITY X Y RADIUS\n{}\n", lines.join("\n"));
    put_bytes(root, "all/info.txt", table.as_bytes());
    put_bytes(root, "Info.txt", format!("{HEADER}{}\n", lines[1]).as_bytes());
    let found = cut(root);
    let pixels = |cut: &Cut| -> Vec<(String, Grey, Option<Grey>)> {
        cut.rois.iter().map(|roi| (roi.name.clone(), roi.image.clone(), roi.mask.clone())).collect()
    };
    assert_eq!(pixels(&found), pixels(&expected));
    let told = told(&found);
    for line in [
        "mdb002.jpg: is left out",
        "overview.png: is left out: it is not called after a film",
        "Info.txt: is not used: it says nothing that",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    // Half the size: the circle with it, and a note.
    let half = tempfile::tempdir().unwrap();
    let small = |number, discs: &[Disc]| {
        let film = film(number, discs);
        let pixels = (0..512 * 512).map(|at| film.at(at % 512 * 2, at / 512 * 2)).collect();
        Grey { width: 512, height: 512, pixels }
    };
    put(half.path(), "mdb001.png", &small(1, &[(400, 300, 30)]));
    put(half.path(), "mdb002.png", &small(2, &[]));
    put_bytes(half.path(), "Info.txt", lines.join("\n").as_bytes());
    let found = cut(half.path());
    let bounds = find(&found, "mdb001").mask.as_ref().unwrap().bounds().unwrap();
    assert_eq!((bounds.width, bounds.height), (30, 30));
    assert!(found.notes[0].what.contains("scaled from 1024 x 1024"), "{:?}", found.notes);
}

#[test]
fn a_folder_without_its_description_is_refused_in_a_line() {
    let bare = tempfile::tempdir().unwrap();
    put_bytes(bare.path(), "mdb001.pgm", &pgm(&film(1, &[])));
    put_bytes(bare.path(), "mdb002.pgm", &pgm(&film(2, &[])));
    let error = refusal(bare.path());
    assert!(error.contains("holds 2 films of MIAS, and no Info.txt"), "{error}");
    assert!(error.contains("put the Info.txt") && error.lines().count() == 1, "{error}");

    let sorted = tempfile::tempdir().unwrap();
    put(sorted.path(), "benign/mdb001.png", &film(1, &[]));
    put(sorted.path(), "normal/mdb003.png", &film(3, &[]));
    let error = refusal(sorted.path());
    assert!(
        error.contains("no Info.txt") && error.contains("1 abnormal images are without"),
        "{error}"
    );

    let other = folder(&[(1, &[]), (2, &[])], &["mdb101 G CIRC B 400 723 30", "mdb102 G NORM"]);
    let error = refusal(other.path());
    let words =
        "describes 2 films, such as mdb101, and none of the 2 that are here, such as mdb001";
    assert!(error.contains(words), "{error}");
    assert!(!inspect::inspect(other.path()).unwrap().usable);

    let twice = folder(
        &[(1, &[]), (2, &[])],
        &["mdb001 G CIRC B 4 x 30", "mdb002 G NORM", "mdb002 G CIRC B"],
    );
    let error = refusal(twice.path());
    assert!(error.contains("line 7: says \"4\" and so on"), "{error}");
}

#[test]
fn both_films_of_a_woman_stand_on_one_side_and_notes_say_what_the_truth_is() {
    let disc: &[Disc] = &[(400, 300, 30)];
    let all: Vec<(usize, &[Disc])> = (1..=8).map(|film| (film, disc)).collect();
    let lines: Vec<String> = (1..=8)
        .map(|film| match film % 2 {
            1 => format!("mdb{film:03} G CIRC B 400 723 30"),
            _ => format!("mdb{film:03} G NORM"),
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let folder = folder(&all, &lines);
    let rois = Rois::read(folder.path(), &ReadOptions::default(), &RoiOptions::default()).unwrap();
    assert_eq!(rois.truth.circles, 4);
    let notes = rois.notes(folder.path()).join("\n");
    assert!(
        notes.contains("every lesion is a circle (centre and radius) and no outline"),
        "{notes}"
    );
    for roi in &rois.rois {
        let number: usize = roi.file.to_string_lossy()[3..6].parse().unwrap();
        let of_partner = rois.rois.iter().filter(|other| {
            let other: usize = other.file.to_string_lossy()[3..6].parse().unwrap();
            other.div_ceil(2) == number.div_ceil(2)
        });
        assert!(of_partner.clone().count() == 2, "{}", roi.name);
        assert!(of_partner.into_iter().all(|other| other.source == roi.source), "{}", roi.name);
    }
}
