//! A tree of DDSM cases, made here: read, inspected, cut, and damaged in every way.

use std::io::Write;
use std::path::Path;

use crate::draw;
use crate::error::Result;
use crate::lab::data::cut;
use crate::lab::data::dataset::{Class, ReadOptions};
use crate::lab::data::ddsm::density::Scanner;
use crate::lab::data::ddsm::encoder::Encoder;
use crate::lab::data::ddsm::{Film, Origin};
use crate::lab::data::formats;
use crate::lab::data::inspect;
use crate::lab::data::problem;
use crate::lab::data::roi::{Cut, Roi, RoiOptions, padded};
use crate::lab::data::roi_files;
use crate::lab::data::view::{Projection, View};
use crate::nets::images::Rect;
use crate::nets::images::fixtures::put_bytes;

const ROWS: usize = 90;
const COLUMNS: usize = 60;

/// The levels of a film: no two films and no two places are alike.
fn levels(film: usize) -> Vec<u16> {
    (0..ROWS * COLUMNS).map(|i| 200 + (draw::mix((film << 16 | i) as u64) % 3800) as u16).collect()
}

/// The number of a case's first film.
fn first_film(name: &str) -> usize {
    if name.starts_with('B') { 0 } else { View::ALL.len() }
}

/// A rectangle as a chain counted from one.
fn chain(rect: Rect) -> String {
    let codes = [(2, rect.width), (4, rect.height), (6, rect.width), (0, rect.height)];
    let steps: Vec<String> =
        codes.iter().flat_map(|(code, side)| vec![code.to_string(); side - 1]).collect();
    format!("{} {} {} #", rect.x + 1, rect.y + 1, steps.join(" "))
}

fn overlay(rects: &[(Rect, &str)]) -> String {
    let mut text = format!("TOTAL_ABNORMALITIES {}\n", rects.len());
    for ((rect, pathology), number) in rects.iter().zip(1..) {
        text += &format!(
            "ABNORMALITY {number}\nLESION_TYPE MASS SHAPE OVAL MARGINS OBSCURED\nASSESSMENT 4\n\
             SUBTLETY 3\nPATHOLOGY {pathology}\nTOTAL_OUTLINES 1\nBOUNDARY\n{}\n",
            chain(*rect)
        );
    }
    text
}

/// A case with four films in `folder`, those of `outlined` (an index of [`View::ALL`]) with outlines.
fn put_case(root: &Path, folder: &str, name: &str, scanner: &str, outlined: &[(usize, String)]) {
    let mut ics = format!(
        "ics_version 1.0\nfilename {name}\nDATE_OF_STUDY 2 7 1995\nPATIENT_AGE 61\nFILM\n\
         DENSITY 2\nDIGITIZER {scanner}\nSEQUENCE\n"
    );
    let stem = name.replace('-', "_");
    let first = first_film(name);
    for (view, index) in View::ALL.into_iter().zip(0..) {
        let overlay = outlined.iter().find(|(film, _)| *film == index);
        let word = if overlay.is_some() { "OVERLAY" } else { "NON_OVERLAY" };
        let view = view.name();
        ics += &format!(
            "{view} LINES {ROWS} PIXELS_PER_LINE {COLUMNS} BITS_PER_PIXEL 12 RESOLUTION 50 {word}\n"
        );
        if let Some((_, text)) = overlay {
            put_bytes(root, &format!("{folder}/{stem}.{view}.OVERLAY"), text.as_bytes());
        }
        let encoder = Encoder { precision: 12, predictor: 7, ..Encoder::default() };
        let film = encoder.encode(&levels(first + index), ROWS, COLUMNS);
        put_bytes(root, &format!("{folder}/{stem}.{view}.LJPEG"), &film);
    }
    put_bytes(root, &format!("{folder}/{name}.ics"), ics.as_bytes());
}

const LEFT: Rect = Rect { x: 12, y: 20, width: 10, height: 16 };
const SECOND: Rect = Rect { x: 34, y: 60, width: 12, height: 12 };
/// On the right breast, at the mirrored place of [`SECOND`].
const RIGHT: Rect = Rect { x: 16, y: 62, width: 10, height: 8 };

/// B-3024-1: two abnormalities on the left, one on the right that the mirrored second would overlap.
/// D-4107-1: one abnormality on the left CC film, and one on the left MLO film.
fn put_tree(root: &Path) {
    let left = overlay(&[(LEFT, "MALIGNANT"), (SECOND, "BENIGN")]);
    let right = overlay(&[(RIGHT, "BENIGN_WITHOUT_CALLBACK")]);
    put_case(root, "cancers/case3024", "B-3024-1", "LUMISYS LASER", &[(0, left), (2, right)]);
    let one = overlay(&[(LEFT, "UNPROVEN")]);
    put_case(root, "benigns/case4107", "D-4107-1", "HOWTEK", &[(0, one.clone()), (1, one)]);
}

fn cut_with(root: &Path, options: &ReadOptions) -> Result<Cut> {
    cut::cut(&formats::read_with(root, options)?, &RoiOptions::default())
}

fn cut(root: &Path) -> Cut {
    cut_with(root, &ReadOptions::default()).unwrap()
}

fn names(rois: &[Roi]) -> Vec<&str> {
    rois.iter().map(|roi| roi.name.as_str()).collect()
}

const ALL_NAMES: [&str; 6] = [
    "D_4107_1_LEFT_CC_1",
    "B_3024_1_LEFT_CC_1",
    "B_3024_1_LEFT_CC_2",
    "B_3024_1_RIGHT_CC_1",
    "D_4107_1_LEFT_CC_1_mirrored",
    "B_3024_1_LEFT_CC_1_mirrored",
];

#[test]
fn rois_of_cc_views_with_normal_ones_from_the_other_breast() {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    let set = formats::read(folder.path()).unwrap();
    assert_eq!((set.format, set.unit), ("ddsm", "patient"));
    assert_eq!(set.problems, []);
    let Cut { rois, left_out, .. } = cut(folder.path());
    assert_eq!(names(&rois), ALL_NAMES);
    // Where both breasts have abnormal ROIs, the mirrored ones are discarded.
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out.iter().all(|problem| problem.what.contains("would overlap")));
    let film = |index: usize, scanner: Scanner| {
        let grey = levels(index).iter().map(|level| scanner.grey(*level)).collect();
        crate::nets::images::Grey { width: COLUMNS, height: ROWS, pixels: grey }
    };
    for (roi, lesion) in rois.iter().zip([LEFT, LEFT, SECOND, RIGHT]) {
        assert_eq!(roi.class, Class::Abnormal);
        assert_eq!(roi.rect, padded(lesion, roi.padding, (COLUMNS, ROWS)), "{}", roi.name);
        let mask = crate::nets::images::fixtures::mask(COLUMNS, ROWS, lesion);
        assert_eq!(roi.mask, Some(mask.crop(roi.rect)), "{}", roi.name);
    }
    assert_eq!(rois[0].image, film(4, Scanner::HowtekD).crop(rois[0].rect));
    assert_eq!(rois[3].image, film(2, Scanner::Lumisys).crop(rois[3].rect));
    let labels: Vec<&str> = rois.iter().map(|roi| roi.label.as_str()).collect();
    let expected = ["unproven", "malignant", "benign", "benign_without_callback"];
    assert_eq!(labels[..4], expected);
    let (abnormal, normal) = (&rois[1], &rois[5]);
    assert_eq!((normal.class, normal.source.as_str()), (Class::Normal, "B_3024"));
    assert_eq!(normal.view, View::parse("RIGHT_CC"));
    let x = COLUMNS - abnormal.rect.x - abnormal.rect.width;
    assert_eq!(normal.rect, Rect { x, ..abnormal.rect });
    assert_eq!(normal.image, film(2, Scanner::Lumisys).crop(normal.rect));

    let out = folder.path().join("out");
    let index = std::fs::read_to_string(roi_files::write(&rois, &out).unwrap()).unwrap();
    let line = index.lines().find(|line| line.starts_with("B_3024_1_RIGHT_CC_1,")).unwrap();
    let file = Path::new("cancers/case3024/B_3024_1.RIGHT_CC.LJPEG");
    let start = format!(
        "B_3024_1_RIGHT_CC_1,abnormal,B_3024,RIGHT_CC,benign_without_callback,{},{},",
        file.display(),
        rois[3].rect.x
    );
    assert!(line.starts_with(&start), "{line}");
}

#[test]
fn other_views_and_the_other_origin() {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    let options = |projections: &[Projection], origin| ReadOptions {
        projections: projections.to_vec(),
        origin,
        ..ReadOptions::default()
    };
    let mlo = cut_with(folder.path(), &options(&[Projection::Mlo], Origin::One)).unwrap();
    assert_eq!(names(&mlo.rois), ["D_4107_1_LEFT_MLO_1", "D_4107_1_LEFT_MLO_1_mirrored"]);
    let both = [Projection::Cc, Projection::Mlo];
    let all = cut_with(folder.path(), &options(&both, Origin::Zero)).unwrap();
    assert_eq!(all.rois.len(), 8);
    let lesion = Rect { x: LEFT.x + 1, y: LEFT.y + 1, ..LEFT };
    assert_eq!(all.rois[0].rect, padded(lesion, all.rois[0].padding, (COLUMNS, ROWS)));
}

#[test]
fn gzipped_files_and_swapped_headers_give_the_same_rois() {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    let expected = cut(folder.path());
    let mut expected: Vec<Roi> = expected.rois;
    for file in crate::lab::data::layout::list(folder.path()).unwrap().files {
        let mut bytes = std::fs::read(&file).unwrap();
        if file.ends_with("D_4107_1.LEFT_CC.LJPEG") {
            // Some films were encoded under a header that has rows and columns swapped.
            let encoder = Encoder { precision: 12, predictor: 2, ..Encoder::default() };
            bytes = encoder.encode(&levels(4), COLUMNS, ROWS);
        }
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(format!("{}.gz", file.display()), packed.finish().unwrap()).unwrap();
    }
    let found = cut(folder.path()).rois;
    for roi in &mut expected {
        roi.file = format!("{}.gz", roi.file.display()).into();
    }
    assert_eq!(found, expected);
}

#[test]
fn the_inspection_counts() {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    let report = inspect::inspect(folder.path()).unwrap();
    let json = serde_json::to_value(&report).unwrap();
    let count = |what: &str| json[what].as_u64().unwrap();
    assert_eq!((count("cases"), count("films"), count("outlines")), (2, 4, 4));
    assert_eq!((count("images"), count("abnormal"), count("normal")), (4, 4, 1));
    assert_eq!((report.width.max, report.lesion_width.max), (COLUMNS, SECOND.width));
    assert!(report.usable && report.problems.is_empty(), "{report}");
    assert!(report.to_string().contains("cases      2"), "{report}");
}

/// Damages the tree, and expects the file to be named and the other ROIs to be cut.
fn expect(damage: impl Fn(&Path), file: &str, word: &str, lost: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    damage(folder.path());
    let report = inspect::inspect(folder.path()).unwrap();
    let named = |problem: &&problem::Problem| {
        problem.path.ends_with(file) && problem.what.contains(word) && problem.harmless
    };
    assert!(report.problems.iter().any(|problem| named(&problem)), "{file}, {word}: {report}");
    assert!(report.usable);
    let Cut { rois, left_out, .. } = cut(folder.path());
    assert!(left_out.iter().any(|problem| named(&problem)), "{file}, {word}: {left_out:?}");
    let kept: Vec<&str> = ALL_NAMES.into_iter().filter(|name| !lost.contains(name)).collect();
    assert_eq!(names(&rois), kept, "{file}, {word}");
}

fn change(path: &'static str, edit: impl Fn(Vec<u8>) -> Vec<u8>) -> impl Fn(&Path) {
    move |root| {
        let path = root.join(path);
        let bytes = edit(std::fs::read(&path).unwrap());
        std::fs::write(&path, bytes).unwrap();
    }
}

fn replace(path: &'static str, from: &'static str, to: &'static str) -> impl Fn(&Path) {
    change(path, move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{text}");
        text.replace(from, to).into_bytes()
    })
}

fn remove(path: &'static str) -> impl Fn(&Path) {
    move |root| std::fs::remove_file(root.join(path)).unwrap()
}

const FILM: &str = "benigns/case4107/D_4107_1.LEFT_CC.LJPEG";
const OTHER: &str = "benigns/case4107/D_4107_1.RIGHT_CC.LJPEG";
const OVERLAY: &str = "benigns/case4107/D_4107_1.LEFT_CC.OVERLAY";
const ICS: &str = "benigns/case4107/D-4107-1.ics";
const BOTH: [&str; 2] = ["D_4107_1_LEFT_CC_1", "D_4107_1_LEFT_CC_1_mirrored"];
const NORMAL: [&str; 1] = ["D_4107_1_LEFT_CC_1_mirrored"];

#[test]
fn damaged_films_are_left_out() {
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    expect(change(FILM, half), FILM, "truncated", &BOTH);
    expect(change(OTHER, half), OTHER, "truncated", &NORMAL);
    expect(change(FILM, |_| Vec::new()), FILM, "not a JPEG", &BOTH);
    expect(change(FILM, |_| b"\x1f\x8b\x08 no gzip".to_vec()), FILM, "gzip", &BOTH);
    let small = Encoder::default().encode(&[7; 12], 3, 4);
    expect(change(FILM, move |_| small.clone()), FILM, "3 x 4 pixels", &BOTH);
}

#[test]
fn missing_files_are_named() {
    expect(remove(FILM), ICS, "lacks its films LEFT_CC", &BOTH);
    expect(remove(FILM), OVERLAY, "no film for these outlines", &BOTH);
    expect(remove(OTHER), FILM, "RIGHT_CC is missing", &NORMAL);
    expect(remove(OVERLAY), FILM, "OVERLAY file is missing", &BOTH);
    expect(remove(ICS), FILM, ".ics file of its case is missing", &BOTH);
    expect(
        |root: &Path| {
            std::fs::remove_file(root.join(FILM)).unwrap();
            std::fs::remove_file(root.join(OTHER)).unwrap();
        },
        ICS,
        "lacks its films LEFT_CC, RIGHT_CC",
        &BOTH,
    );
}

#[test]
fn damaged_descriptions_are_named() {
    expect(replace(ICS, "HOWTEK", "LUMISYS"), ICS, "no calibration", &BOTH);
    expect(replace(ICS, "LEFT_CC LINES 90", "LEFT_CC LINES"), ICS, "line 9", &BOTH);
    expect(replace(ICS, "RIGHT_CC LINES", "RIGHT_XX LINES"), OTHER, "not describe it", &NORMAL);
    expect(change(ICS, |_| Vec::new()), ICS, "no calibration", &BOTH);
    expect(replace(OVERLAY, " #", ""), OVERLAY, "cut off", &BOTH);
    expect(replace(OVERLAY, "BOUNDARY\n13", "BOUNDARY\n53"), OVERLAY, "leaves the film", &BOTH);
    expect(replace(OVERLAY, "BOUNDARY\n13 21", "BOUNDARY\n0 21"), OVERLAY, "leaves", &BOTH);
    expect(change(OVERLAY, |_| Vec::new()), OVERLAY, "no abnormality", &BOTH);
    // By its .ics file this film has no outlines, so it is neither abnormal nor surely normal.
    let path = "benigns/case4107/D_4107_1.RIGHT_CC.OVERLAY";
    let stray = move |root: &Path| put_bytes(root, path, overlay(&[(LEFT, "BENIGN")]).as_bytes());
    expect(stray, path, "no outlines", &NORMAL);
    let copy = |root: &Path| put_bytes(root, "z/D-4107-1.ics", b"DIGITIZER HOWTEK\n");
    expect(copy, "z/D-4107-1.ics", "same case", &[]);
    let nameless = |root: &Path| put_bytes(root, "z/film.LJPEG", b"");
    expect(nameless, "z/film.LJPEG", "does not tell the view", &[]);
}

#[test]
fn a_tree_without_a_usable_film_is_reported_and_gives_no_rois() {
    let folder = tempfile::tempdir().unwrap();
    put_tree(folder.path());
    for file in crate::lab::data::layout::list(folder.path()).unwrap().files {
        if file.extension().unwrap() == "LJPEG" {
            std::fs::remove_file(file).unwrap();
        }
    }
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(!report.usable, "{report}");
    assert_eq!(report.counts["films"], 0);
    let error = cut_with(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("lacks its films"), "{error}");
}

#[test]
fn calendars_are_no_cases() {
    let folder = tempfile::tempdir().unwrap();
    put_bytes(folder.path(), "holidays.ics", b"BEGIN:VCALENDAR");
    assert!(formats::read(folder.path()).unwrap_err().to_string().contains("no PNG"));
    put_bytes(folder.path(), "B-3024-1.ics", b"");
    assert_eq!(formats::read(folder.path()).unwrap().format, "ddsm");
}

#[test]
fn a_film_is_read_in_the_rows_and_columns_of_its_case() {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u16> = (0..12).map(|i| i * 5000).collect();
    let bytes = Encoder { predictor: 3, ..Encoder::default() }.encode(&pixels, 4, 3);
    put_bytes(folder.path(), "x", &bytes);
    let path = folder.path().join("x");
    let film = Film { path, rows: 3, columns: 4, scanner: Scanner::DbaA };
    let found = film.levels().unwrap();
    assert_eq!((found.height, found.width, found.pixels), (3, 4, pixels));
    assert_eq!(film.read().unwrap().pixels[0], 0, "0 must not become white");
}
