//! DDSM as a user meets it: films of every predictor, outlines, a small tree of cases, and damage; and MIAS.

mod common {
    pub mod program;
}

#[path = "../src/lab/data/ddsm/encoder.rs"]
mod encoder;

use std::path::{Path, PathBuf};

use common::program::{failure, json, parula};
use encoder::Encoder;
use parula::nets::images::Grey;

/// A file in a folder of its own.
fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const ROWS: usize = 70;
const COLUMNS: usize = 50;

fn levels() -> Vec<u16> {
    (0..ROWS * COLUMNS).map(|i| (i * i % 4093) as u16).collect()
}

#[test]
fn films_of_every_predictor_are_decoded_to_16_bits() {
    for predictor in 1..=7 {
        let encoder = Encoder { predictor, ..Encoder::default() };
        let (folder, film) = file("x.LJPEG", &encoder.encode(&levels(), ROWS, COLUMNS));
        let png = folder.path().join("x.png");
        let report = json(&["data", "decode", text(&film), "--out", text(&png)]);
        assert_eq!((&report["rows"], &report["columns"]), (&ROWS.into(), &COLUMNS.into()));
        let decoded = image::open(&png).unwrap();
        assert_eq!(decoded.color(), image::ColorType::L16);
        assert_eq!(decoded.into_luma16().into_raw(), levels(), "predictor {predictor}");
    }
}

#[test]
fn rows_and_columns_put_swapped_headers_right() {
    let bytes = Encoder { predictor: 6, ..Encoder::default() }.encode(&levels(), COLUMNS, ROWS);
    let (folder, film) = file("x.LJPEG", &bytes);
    let png = folder.path().join("x.png");
    let (rows, columns) = (ROWS.to_string(), COLUMNS.to_string());
    let decode = ["data", "decode", text(&film), "--out", text(&png)];
    json(&[&decode[..], &["--rows", &rows, "--columns", &columns]].concat());
    let decoded = image::open(&png).unwrap().into_luma16();
    assert_eq!((decoded.width() as usize, decoded.height() as usize), (COLUMNS, ROWS));
    assert_eq!(decoded.into_raw(), levels());
    let wrong = failure(&[&decode[..], &["--rows", "3", "--columns", "4"]].concat());
    assert!(wrong.contains("50 x 70 pixels, not 3 x 4"), "{wrong}");
    let alone = parula(&[&decode[..], &["--rows", "3"]].concat());
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn damaged_films_leave_no_png() {
    let bytes = Encoder::default().encode(&levels(), ROWS, COLUMNS);
    for (bytes, word) in [
        (&bytes[..bytes.len() / 2], "truncated"),
        (&bytes[..bytes.len() - 1], "truncated"),
        (&b"P5 3 4 255"[..], "not a JPEG"),
        (&[][..], "not a JPEG"),
    ] {
        let (folder, film) = file("x.LJPEG", bytes);
        let png = folder.path().join("x.png");
        let message = failure(&["data", "decode", text(&film), "--out", text(&png)]);
        assert!(message.contains("x.LJPEG") && message.contains(word), "{message}");
        assert!(!png.exists());
    }
}

/// A square of 3 x 3 pixels.
const SQUARE: &str = "5 6 2 2 4 4 6 6 0 0 #";

fn mask_of(outline: &str, more: &[&str]) -> (tempfile::TempDir, Vec<String>, PathBuf) {
    let (folder, path) = file("x.OVERLAY", outline.as_bytes());
    let png = folder.path().join("x.png");
    let arguments = ["data", "outline", text(&path), "--rows", "10", "--columns", "9", "--out"];
    let arguments = [&arguments[..], &[text(&png)], more].concat();
    (folder, arguments.into_iter().map(str::to_owned).collect(), png)
}

#[test]
fn outlines_are_filled_from_either_origin() {
    for (more, corner) in
        [(&[][..], (4, 5)), (&["--origin", "1"], (4, 5)), (&["--origin", "0"], (5, 6))]
    {
        let whole =
            format!("TOTAL_ABNORMALITIES 1\nABNORMALITY 1\nTOTAL_OUTLINES 1\nBOUNDARY\n{SQUARE}\n");
        for outline in [SQUARE, &whole] {
            let (_folder, arguments, png) = mask_of(outline, more);
            let report = json(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!((&report["outlines"], &report["mask_pixels"]), (&1.into(), &9.into()));
            let mask = Grey::read(&png).unwrap();
            assert_eq!((mask.width, mask.height), (9, 10));
            let bounds = mask.bounds().unwrap();
            assert_eq!(
                (bounds.x, bounds.y, bounds.width, bounds.height),
                (corner.0, corner.1, 3, 3)
            );
        }
    }
}

#[test]
fn outlines_that_cannot_be_used_are_errors() {
    for (outline, word) in [
        ("5 6 2 2 4 4 6 6 0 0", "cut off"),
        ("5 6 2 9 #", "\"9\""),
        ("8 6 2 2 4 4 6 6 0 0 #", "leave 10 x 9 pixels"),
        ("TOTAL_ABNORMALITIES 2\nABNORMALITY 1\nBOUNDARY\n5 6 2 4 6 0 #\n", "announces 2"),
        ("", "has no outline"),
    ] {
        let (_folder, arguments, png) = mask_of(outline, &[]);
        let message = failure(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(message.contains("x.OVERLAY") && message.contains(word), "{message}");
        assert!(!png.exists());
    }
    let (folder, path) = file("x.OVERLAY", SQUARE.as_bytes());
    let png = folder.path().join("x.png");
    let outline = ["data", "outline", text(&path), "--out", text(&png)];
    let large = ["--rows", "99999999999", "--columns", "99999999999"];
    assert!(failure(&[&outline[..], &large].concat()).contains("cannot be made"));
}

/// One case: an outlined left CC film and its right partner.
fn put_case(folder: &Path) {
    let encoder = Encoder { precision: 12, predictor: 7, ..Encoder::default() };
    // The other breast is no copy of the one.
    let other: Vec<u16> = levels().iter().map(|level| level * 15 % 4093).collect();
    let mut ics = "ics_version 1.0\nfilename B-3024-1\nDIGITIZER LUMISYS LASER\n".to_owned();
    for (view, word, levels) in
        [("LEFT_CC", "OVERLAY", levels()), ("RIGHT_CC", "NON_OVERLAY", other)]
    {
        let film = encoder.encode(&levels, ROWS, COLUMNS);
        ics += &format!(
            "{view} LINES {ROWS} PIXELS_PER_LINE {COLUMNS} BITS_PER_PIXEL 12 RESOLUTION 50 {word}\n"
        );
        std::fs::write(folder.join(format!("B_3024_1.{view}.LJPEG")), &film).unwrap();
    }
    std::fs::write(folder.join("B-3024-1.ics"), ics).unwrap();
    let overlay = format!(
        "TOTAL_ABNORMALITIES 1\nABNORMALITY 1\nLESION_TYPE MASS\nPATHOLOGY MALIGNANT\n\
         TOTAL_OUTLINES 1\nBOUNDARY\n20 30 {} {} {} {} #\n",
        ["2"; 14].join(" "),
        ["4"; 19].join(" "),
        ["6"; 14].join(" "),
        ["0"; 19].join(" ")
    );
    std::fs::write(folder.join("B_3024_1.LEFT_CC.OVERLAY"), overlay).unwrap();
}

#[test]
fn a_tree_is_inspected_and_cut() {
    let folder = tempfile::tempdir().unwrap();
    put_case(folder.path());
    let report = json(&["data", "inspect", text(folder.path())]);
    assert_eq!(report["format"], "ddsm");
    for (what, count) in [("cases", 1), ("films", 2), ("outlines", 1), ("abnormal", 1)] {
        assert_eq!(report[what], count, "{what}");
    }
    let out = folder.path().join("rois");
    let rois = ["data", "rois", text(folder.path()), "--out", text(&out)];
    let cut = json(&rois);
    assert_eq!((&cut["abnormal"], &cut["normal"]), (&1.into(), &1.into()));
    let index = std::fs::read_to_string(out.join("index.csv")).unwrap();
    let lines: Vec<Vec<&str>> = index.lines().map(|line| line.split(',').collect()).collect();
    let field = |line: usize, name: &str| {
        lines[line][lines[0].iter().position(|column| *column == name).unwrap()]
    };
    assert_eq!((field(1, "patient"), field(1, "view")), ("B_3024", "LEFT_CC"));
    assert_eq!(
        (field(1, "pathology"), field(1, "source")),
        ("malignant", "B_3024_1.LEFT_CC.LJPEG")
    );
    assert_eq!((field(2, "class"), field(2, "view")), ("normal", "RIGHT_CC"));
    let x = |line| -> usize { field(line, "x").parse().unwrap() };
    let width: usize = field(1, "width").parse().unwrap();
    assert_eq!(x(2), COLUMNS - x(1) - width);
    for name in ["image", "mask"] {
        assert_eq!(Grey::read(out.join(field(1, name))).unwrap().width, width);
    }
    let none = failure(&[&rois[..], &["--views", "MLO"]].concat());
    assert!(none.contains("class abnormal has no images"), "{none}");
    assert_eq!(parula(&[&rois[..], &["--views", "ML"]].concat()).status.code(), Some(2));
}

#[test]
fn a_damaged_film_is_a_note_and_the_rest_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    put_case(folder.path());
    let film = folder.path().join("B_3024_1.RIGHT_CC.LJPEG");
    let bytes = std::fs::read(&film).unwrap();
    std::fs::write(&film, &bytes[..bytes.len() / 3]).unwrap();
    let out = folder.path().join("rois");
    let output = parula(&["data", "rois", text(folder.path()), "--out", text(&out)]);
    assert!(output.status.success());
    let notes = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(notes.contains("RIGHT_CC.LJPEG: is truncated"), "{notes}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 abnormal and 0 normal ROIs"));
}

/// Two films of MIAS of one woman, plain and raw, of 64 x 64 pixels; the right one has a bright square.
fn put_mias(root: &Path) {
    const SIDE: usize = 64;
    let level = |film: usize, at: usize| {
        let (x, y) = (at % SIDE, at / SIDE);
        let inside = film == 1 && (20..28).contains(&x) && (10..18).contains(&y);
        if inside { 250 } else { 90 + (x * (5 + film) + y * 3) % 60 }
    };
    let plain: String = (0..SIDE * SIDE).map(|at| format!("{} ", level(1, at))).collect();
    std::fs::write(root.join("mdb001.pgm"), format!("P2\n# right\n64 64\n255\n{plain}")).unwrap();
    let raw = (0..SIDE * SIDE).map(|at| level(2, at) as u8);
    let raw: Vec<u8> = b"P5\n64 64\n255\n".iter().copied().chain(raw).collect();
    std::fs::write(root.join("mdb002.pgm"), raw).unwrap();
    // In pixels of the published films, 16 to one, from the bottom.
    let info = "mdb001 G CIRC B 384 799 72\nmdb002 G NORM\n";
    std::fs::write(root.join("Info.txt"), info).unwrap();
}

#[test]
fn films_of_mias_have_circles_or_the_outlines_that_are_given() {
    let folder = tempfile::tempdir().unwrap();
    let films = folder.path().join("films");
    std::fs::create_dir(&films).unwrap();
    put_mias(&films);
    let report = json(&["data", "inspect", text(&films)]);
    assert_eq!((&report["format"], &report["truth"]["circles"]), (&"mias".into(), &1.into()));
    assert_eq!((&report["sources"], &report["masks"]), (&1.into(), &0.into()));

    let cut = |out: &str, more: &[&str]| {
        let out = folder.path().join(out);
        let cut = json(&[&["data", "rois", text(&films), "--out", text(&out)][..], more].concat());
        assert_eq!((&cut["abnormal"], &cut["normal"]), (&1.into(), &1.into()));
        let read = |name: &str| Grey::read(out.join(name)).unwrap();
        (cut, read("abnormal/mdb001.png"), read("abnormal/mdb001_mask.png"))
    };
    let (circles, image, mask) = cut("circles", &[]);
    assert_eq!(circles["truth"]["circles"], 1);
    // The circle is about the square, its edge within a pixel.
    let bright = |image: &Grey| image.pixels.iter().filter(|level| **level == 250).count();
    assert_eq!(bright(&image), 64);
    let inside = image.pixels.iter().zip(&mask.pixels).filter(|(a, b)| **a == 250 && **b == 255);
    assert!(inside.count() > 48);

    let outlines = folder.path().join("outlines");
    std::fs::create_dir(&outlines).unwrap();
    let pixels = (0..64 * 64).map(|at| {
        let inside = (20..28).contains(&(at % 64)) && (10..18).contains(&(at / 64));
        if inside { 255 } else { 0 }
    });
    let square = Grey { width: 64, height: 64, pixels: pixels.collect() };
    square.write(outlines.join("mdb001.png")).unwrap();
    let (outlined, image, mask) = cut("outlined", &["--outlines", text(&outlines)]);
    assert_eq!(
        (&outlined["truth"]["circles"], &outlined["truth"]["outlines"]),
        (&0.into(), &1.into())
    );
    assert!(image.pixels.iter().zip(&mask.pixels).all(|(a, b)| (*a == 250) == (*b == 255)));

    // Neither option is for other data.
    let rois = folder.path().join("circles");
    let wrong = |more: &[&str], what: &str| {
        let told = failure(&[&["data", "inspect", text(&rois)][..], more].concat());
        assert!(told.contains(what), "{what}: {told}");
    };
    wrong(&["--outlines", text(&outlines)], "--outlines is for films of MIAS");
    wrong(&["--normals", "all"], "--normals is for films of both breasts");
    // ROIs that were written keep what their truth is.
    assert_eq!(json(&["data", "inspect", text(&rois)])["truth"]["circles"], 1);
    std::fs::remove_file(films.join("Info.txt")).unwrap();
    let told = failure(&["data", "inspect", text(&films)]);
    assert!(told.contains("2 films of MIAS, and no Info.txt"), "{told}");
}
