//! Copies of every kind are found, scans of one shape and other content are not.

use super::*;
use crate::draw;
use crate::lab::data::formats;
use crate::lab::data::view::View;
use crate::nets::images::fixtures::{put, textured};
use crate::nets::images::{Grey, Rect};

use rand::Rng;

/// A scan of `width` x `height`: the same bright arc in all, and speckle of its own.
fn scan(number: u64, width: usize, height: usize) -> Grey {
    let mut random = draw::stream(number, "scan");
    let blobs: Vec<[f32; 4]> = (0..220)
        .map(|_| {
            let mut unit = || random.random::<f32>();
            [unit(), unit(), 0.01 + 0.04 * unit(), 120.0 * (unit() - 0.5)]
        })
        .collect();
    let value = |x: f32, y: f32| {
        let arc = 130.0 * (-((y - 0.15 - 0.3 * (x - 0.5).powi(2)) / 0.06).powi(2)).exp();
        let speckle: f32 = blobs
            .iter()
            .map(|[u, v, size, level]| {
                let distance = (x - u).powi(2) + (y - v).powi(2);
                level * (-distance / (2.0 * size * size)).exp()
            })
            .sum();
        (60.0 + arc + speckle).clamp(0.0, 255.0) as u8
    };
    let pixels = (0..width * height).map(|i| {
        let (x, y) = (i % width, i / width);
        value((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32)
    });
    Grey { width, height, pixels: pixels.collect() }
}

fn resized(grey: &Grey, width: usize, height: usize) -> Grey {
    let pixels = grey.resize(height, width).into_iter().map(|value| value.round() as u8).collect();
    Grey { width, height, pixels }
}

fn mirrored(grey: &Grey) -> Grey {
    let pixels = grey.pixels.chunks(grey.width).flat_map(|row| row.iter().rev().copied()).collect();
    Grey { pixels, ..grey.clone() }
}

fn upside_down(grey: &Grey) -> Grey {
    let pixels = grey.pixels.chunks(grey.width).rev().flatten().copied().collect();
    Grey { pixels, ..grey.clone() }
}

/// With callipers and a line of text drawn in, and a little brighter.
fn annotated(grey: &Grey) -> Grey {
    let mut grey = grey.clone();
    grey.pixels.iter_mut().for_each(|value| *value = value.saturating_add(9));
    let mut dot = |x: usize, y: usize| grey.pixels[y * grey.width + x] = 255;
    for at in 0..9 {
        for (x, y) in [(70, 90), (130, 120)] {
            dot(x + at, y + 4);
            dot(x + 4, y + at);
        }
    }
    for x in (72..132).step_by(3) {
        dot(x, 94 + (x - 72) / 2);
    }
    for x in (10..60).filter(|x| x % 4 != 0) {
        (5..14).for_each(|y| dot(x, y));
    }
    grey
}

fn found(pictures: &[Grey]) -> Vec<(usize, usize)> {
    let prints: Vec<Option<Fingerprint>> =
        pictures.iter().map(|picture| Some(Fingerprint::of(picture))).collect();
    pairs(&prints).iter().map(|pair| (pair.first, pair.second)).collect()
}

#[test]
fn copies_of_every_kind_are_found() {
    let original = scan(0, 240, 200);
    let crop = |left, top, right, bottom| {
        let (width, height) = (240 - left - right, 200 - top - bottom);
        original.crop(Rect { x: left, y: top, width, height })
    };
    let copies = [
        ("equal", original.clone()),
        ("half the size", resized(&original, 120, 100)),
        ("stretched", resized(&original, 300, 180)),
        ("cropped on all sides", crop(16, 14, 20, 18)),
        ("cropped on one side", crop(0, 0, 40, 0)),
        ("cropped in a corner", crop(28, 24, 0, 0)),
        ("cropped and enlarged", resized(&crop(12, 8, 16, 20), 320, 260)),
        ("mirrored", mirrored(&original)),
        ("mirrored, cropped and smaller", mirrored(&resized(&crop(10, 16, 14, 6), 150, 120))),
        ("annotated", annotated(&original)),
        (
            "annotated and cropped",
            annotated(&original).crop(Rect { x: 8, y: 0, width: 220, height: 190 }),
        ),
    ];
    for (kind, copy) in copies {
        assert_eq!(found(&[original.clone(), scan(1, 240, 200), copy]), [(0, 2)], "{kind}");
    }
}

#[test]
fn other_scans_of_the_same_shape_are_no_duplicates() {
    let scans: Vec<Grey> = (0..40).map(|number| scan(number, 200, 160)).collect();
    assert_eq!(found(&scans), []);
    let flat = [Grey::filled(50, 40, 7), Grey::filled(40, 50, 7), Grey::filled(40, 50, 7)];
    assert_eq!(found(&flat), [(1, 2)], "of one value everywhere only equal ones are");
}

#[test]
fn ten_thousand_numbers_fit_the_whole_numbers() {
    // The largest product there is: a window and itself.
    let print = Fingerprint::of(&textured(64, 64));
    let thumbnail = print.thumbnail.unwrap();
    let found = candidates::find(&[&thumbnail, &thumbnail]);
    assert_eq!((found.len(), found[0].first, found[0].second), (1, 0, 1));
}

/// A folder with six scans; scan 1 stands there three times, scan 3 under two labels.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let scans: Vec<Grey> = (0..6).map(|number| scan(number, 120, 100)).collect();
    let mut mask = Grey::filled(120, 100, 0);
    (40..60).for_each(|y| mask.pixels[y * 120 + 30..][..40].fill(255));
    let abnormal = |name: &str, image: &Grey| {
        put(root, &format!("abnormal/{name}.png"), image);
        let mask = if (image.width, image.height) == (120, 100) {
            mask.clone()
        } else {
            resized(&mask, image.width, image.height)
        };
        put(root, &format!("abnormal/{name}_mask.png"), &mask);
    };
    abnormal("a", &scans[0]);
    abnormal("b", &scans[1]);
    abnormal("b again", &resized(&scans[1], 180, 150));
    abnormal("b mirrored", &mirrored(&scans[1]));
    abnormal("c", &scans[3]);
    put(root, "normal/d.png", &scans[2]);
    put(root, "normal/e.png", &annotated(&scan(3, 240, 200)));
    put(root, "normal/f.png", &scans[4]);
    folder
}

fn applied(mode: Handling) -> (Counts, Vec<(String, String)>, Vec<Shown>) {
    let folder = folder();
    let mut dataset = formats::read(folder.path()).unwrap();
    let (summary, shown) = apply(&mut dataset, mode);
    let left = dataset.samples.iter().map(|one| (one.name.clone(), one.source.clone())).collect();
    (summary, left, shown)
}

#[test]
fn groups_get_one_source_and_contradictions_go() {
    let (summary, left, shown) = applied(Handling::Group);
    let expected = Counts { groups: 2, images: 5, contradictions: 2, dropped: 2 };
    assert_eq!(summary, expected);
    let source = |name: &str| &left.iter().find(|(one, _)| one == name).unwrap().1;
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(source("b") == source("b again") && source("b") == source("b mirrored"), "{left:?}");
    assert!(source("a") != source("b") && source("d") != source("f"), "{left:?}");
    let contradicting: Vec<String> =
        shown.iter().filter(|group| group.contradiction).map(Shown::names).collect();
    assert_eq!(contradicting, ["abnormal/c.png, normal/e.png"]);
}

#[test]
fn all_copies_of_a_picture_under_two_labels_go() {
    // Two of three equal ones under one label; and a near duplicate of the first of them.
    for near in [false, true] {
        let folder = folder();
        let original = scan(9, 120, 100);
        let other = if near { resized(&original, 180, 150) } else { original.clone() };
        put(folder.path(), "normal/x1.png", &original);
        put(folder.path(), "normal/x2.png", &original);
        put(folder.path(), "abnormal/x3.png", &other);
        for mode in [Handling::Group, Handling::Drop] {
            let mut dataset = formats::read(folder.path()).unwrap();
            let (summary, _) = apply(&mut dataset, mode);
            let left: Vec<&str> = dataset.samples.iter().map(|one| one.name.as_str()).collect();
            assert!(!left.iter().any(|name| name.starts_with('x')), "{near}: {left:?}");
            assert_eq!((summary.groups, summary.contradictions), (3, 5), "{near}");
            let of_x2 = dataset.problems.iter().find(|one| one.path.ends_with("normal/x2.png"));
            assert!(of_x2.unwrap().what.contains("x3.png shows the same"), "{of_x2:?}");
        }
    }
}

#[test]
fn a_copy_joins_its_patients_whether_it_stays_or_not() {
    let patients = |mode| {
        let folder = folder();
        let mut dataset = formats::read(folder.path()).unwrap();
        for sample in &mut dataset.samples {
            sample.source = match sample.name.as_str() {
                // Of the pictures of scan 1 the patients 0 and 3 have one each; scan 3 has two labels.
                "a" | "b" | "c" => "P0",
                "b again" | "d" => "P3",
                "e" | "f" => "P4",
                _ => "P5",
            }
            .to_owned();
        }
        apply(&mut dataset, mode);
        dataset.samples.into_iter().map(|one| (one.name, one.source)).collect::<Vec<_>>()
    };
    for mode in [Handling::Group, Handling::Drop] {
        let left = patients(mode);
        assert!(left.iter().all(|(_, source)| source == "P0"), "{mode:?}: {left:?}");
        assert!(left.len() >= 4, "{left:?}");
    }
    assert!(patients(Handling::Keep).iter().any(|(_, source)| source == "P3"));
}

#[test]
fn two_breasts_that_look_alike_do_not_contradict_each_other() {
    let folder = folder();
    let mut dataset = formats::read(folder.path()).unwrap();
    for sample in &mut dataset.samples {
        sample.view = match sample.name.as_str() {
            "c" => Some(View::ALL[0]),
            "e" => Some(View::ALL[2]),
            _ => None,
        };
    }
    let (summary, shown) = apply(&mut dataset, Handling::Group);
    assert_eq!((summary.groups, summary.contradictions), (2, 0), "{shown:?}");
    let source = |name: &str| &dataset.samples.iter().find(|one| one.name == name).unwrap().source;
    assert_eq!(source("c"), source("e"));
}

#[test]
fn one_of_each_group_stays_or_all_stay_as_they_are() {
    let (summary, left, _) = applied(Handling::Drop);
    let names: Vec<&str> = left.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        (summary.dropped, &names[..]),
        (4, &["a", "b again", "d", "f"][..]),
        "the largest stays"
    );
    let (summary, left, _) = applied(Handling::Keep);
    assert_eq!((summary, left.len()), (Counts::default(), 8));
}

#[test]
fn pictures_with_equal_pixels_are_one_source_in_any_case() {
    let folder = folder();
    put(folder.path(), "normal/g.png", &scan(4, 120, 100));
    for mode in [Handling::Group, Handling::Keep] {
        let mut dataset = formats::read(folder.path()).unwrap();
        apply(&mut dataset, mode);
        let source =
            |name: &str| &dataset.samples.iter().find(|one| one.name == name).unwrap().source;
        assert_eq!(source("f"), source("g"), "{mode:?}");
    }
}

#[test]
fn leakage_is_counted_on_pixels_whatever_the_groups_say() {
    let original = scan(0, 240, 200);
    let pictures = [
        ("a", original.clone()),
        ("b", scan(1, 240, 200)),
        ("a again", resized(&original, 320, 260)),
        ("a mirrored", mirrored(&original)),
        ("c", scan(2, 240, 200)),
        ("a upside down", upside_down(&original)),
        ("a turned", upside_down(&mirrored(&original))),
    ];
    let prints: Vec<leakage::Print> =
        pictures.iter().map(|(name, grey)| leakage::Print::of(name.into(), grey)).collect();
    assert_eq!(leakage(&prints, &[0, 1], &[2, 3, 4]), 2);
    for turned in [3, 5, 6] {
        assert_eq!(leakage(&prints, &[0, 1], &[turned]), 1, "{turned}");
    }
    assert_eq!(leakage(&prints, &[0, 2, 3], &[1, 4]), 0);
    assert_eq!(leakage(&prints, &[0, 1], &[1]), 1, "one picture on both sides");
}
