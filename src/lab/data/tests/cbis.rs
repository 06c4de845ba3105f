//! CBIS-DDSM as downloaded, as converted, and with everything that can be missing.

use std::path::Path;

use crate::lab::data::cbis::dicom::tests::file;
use crate::lab::data::cbis::dicom::{EXPLICIT, IMPLICIT};
use crate::lab::data::cut;
use crate::lab::data::dataset::{Class, ReadOptions};
use crate::lab::data::formats;
use crate::lab::data::inspect;
use crate::lab::data::problem;
use crate::lab::data::roi::{self, Cut, RoiOptions, padded};
use crate::lab::data::view::Projection;
use crate::nets::images::fixtures::{mask, put, put_bytes, textured};
use crate::nets::images::{Grey, Rect};

const HEADER: &str = "patient_id,breast_density,left or right breast,image view,abnormality id,\
    abnormality type,mass shape,mass margins,assessment,pathology,subtlety,image file path,\
    cropped image file path,ROI mask file path\n";

const LEFT: Rect = Rect { x: 10, y: 12, width: 14, height: 9 };
const RIGHT: Rect = Rect { x: 5, y: 50, width: 8, height: 8 };

fn row(patient: &str, side: &str, view: &str) -> String {
    let subject = format!("Mass-Training_{patient}_{side}_{view}");
    format!(
        "{patient},3,{side},{view},1,mass,OVAL,OBSCURED,4,MALIGNANT,4,\
         {subject}/1.1/film.{patient}.{side}.{view}/000000.dcm,\
         {subject}_1/1.2/part.{patient}.{side}.{view}/000000.dcm,\
         \"{subject}_1/1.2/part.{patient}.{side}.{view}/000001.dcm\n\"\n"
    )
}

fn film() -> Grey {
    textured(60, 80)
}

/// Film, crop and mask of one abnormality, as `write` makes files. The names of crop and mask are
/// swapped, as in part of the published set.
fn put_row(write: impl Fn(&str, &Grey), patient: &str, side: &str, view: &str, lesion: Rect) {
    let subject = format!("Mass-Training_{patient}_{side}_{view}");
    write(&format!("{subject}/1.1/film.{patient}.{side}.{view}/1-1"), &film());
    let parts = format!("{subject}_1/1.2/part.{patient}.{side}.{view}");
    write(&format!("{parts}/1-1"), &mask(60, 80, lesion));
    write(&format!("{parts}/1-2"), &film().crop(lesion));
}

/// P_1 has a lesion in each breast, P_2 in the left one alone, and on a MLO film.
fn put_set(root: &Path, write: impl Fn(&str, &Grey)) {
    let all = [
        ("P_1", "LEFT", "CC", LEFT),
        ("P_1", "RIGHT", "CC", RIGHT),
        ("P_2", "LEFT", "CC", LEFT),
        ("P_2", "LEFT", "MLO", LEFT),
    ];
    let mut table = HEADER.to_owned();
    for (patient, side, view, lesion) in all {
        table += &row(patient, side, view);
        put_row(&write, patient, side, view, lesion);
    }
    put_bytes(root, "csv/mass_case_description_train_set.csv", table.as_bytes());
}

fn put_dicom(root: &Path) {
    put_set(root, |path, grey| {
        let (rows, columns) = (grey.height as u16, grey.width as u16);
        let deep: Vec<u8> =
            grey.pixels.iter().flat_map(|&value| (u16::from(value) * 257).to_le_bytes()).collect();
        // Both syntaxes occur.
        let syntax = if path.contains("P_1") { EXPLICIT } else { IMPLICIT };
        let bytes = file(syntax, [rows, columns, 16], "MONOCHROME2", &deep);
        put_bytes(root, &format!("CBIS-DDSM/{path}.dcm"), &bytes);
    });
}

fn cut(root: &Path) -> Cut {
    cut::cut(&formats::read(root).unwrap(), &RoiOptions::default()).unwrap()
}

#[test]
fn dicom_as_downloaded() {
    let folder = tempfile::tempdir().unwrap();
    put_dicom(folder.path());
    let set = formats::read(folder.path()).unwrap();
    assert_eq!((set.format, set.unit, set.problems.len()), ("cbis-ddsm", "patient", 0));
    let Cut { rois, left_out, .. } = cut(folder.path());
    assert_eq!(left_out, []);
    let names: Vec<&str> = rois.iter().map(|roi| roi.name.as_str()).collect();
    let expected = [
        "mass_P_1_LEFT_CC_1",
        "mass_P_1_RIGHT_CC_1",
        "mass_P_2_LEFT_CC_1",
        "mass_P_1_LEFT_CC_1_mirrored",
        "mass_P_1_RIGHT_CC_1_mirrored",
    ];
    assert_eq!(names, expected, "the other breast of P_2 is not in the set");
    assert_eq!(rois[0].rect, padded(LEFT, rois[0].padding, (60, 80)));
    assert_eq!(rois[0].image, film().crop(rois[0].rect));
    assert_eq!(rois[0].mask, Some(mask(60, 80, LEFT).crop(rois[0].rect)));
    assert_eq!((rois[0].label.as_str(), rois[3].class), ("malignant", Class::Normal));
    let json = serde_json::to_value(inspect::inspect(folder.path()).unwrap()).unwrap();
    assert_eq!((&json["films"], &json["cases"]), (&3.into(), &2.into()));
    assert_eq!(json["usable"], true);
    let options = ReadOptions { projections: vec![Projection::Mlo], ..ReadOptions::default() };
    assert_eq!(formats::read_with(folder.path(), &options).unwrap().samples.len(), 1);
}

#[test]
fn conversions_with_the_series_folders_alone() {
    let dicom = tempfile::tempdir().unwrap();
    put_dicom(dicom.path());
    let folder = tempfile::tempdir().unwrap();
    put_set(folder.path(), |path, grey| {
        let series = path.split_once("/1.").unwrap().1.split_once('/').unwrap().1;
        put(folder.path(), &format!("png/{series}.png"), grey);
    });
    let (found, expected) = (cut(folder.path()), cut(dicom.path()));
    assert_eq!(found.left_out, []);
    for (found, expected) in found.rois.iter().zip(&expected.rois) {
        assert_eq!((&found.image, &found.mask), (&expected.image, &expected.mask));
    }
}

/// Damages the set, and expects the file and the reason to be told, and so many ROIs to be left.
fn expect(damage: impl Fn(&Path), file: &str, word: &str, left: [usize; 2]) {
    let folder = tempfile::tempdir().unwrap();
    put_dicom(folder.path());
    damage(folder.path());
    let Cut { rois, left_out, .. } = cut(folder.path());
    let named = |problem: &problem::Problem| {
        problem.path.ends_with(file) && problem.what.contains(word) && problem.harmless
    };
    assert!(left_out.iter().any(named), "{file}, {word}: {left_out:?}");
    assert_eq!(roi::counts(&rois), left, "{file}, {word}: {left_out:?}");
    let report = inspect::inspect(folder.path()).unwrap();
    assert!(report.problems.iter().any(named), "{report}");
}

const TABLE: &str = "mass_case_description_train_set.csv";

#[test]
fn what_is_missing_or_damaged_is_named() {
    let film = "CBIS-DDSM/Mass-Training_P_1_LEFT_CC/1.1/film.P_1.LEFT.CC/1-1.dcm";
    let mask = "CBIS-DDSM/Mass-Training_P_1_LEFT_CC_1/1.2/part.P_1.LEFT.CC/1-1.dcm";
    let crop = "CBIS-DDSM/Mass-Training_P_1_LEFT_CC_1/1.2/part.P_1.LEFT.CC/1-2.dcm";
    let remove =
        |path: &'static str| move |root: &Path| std::fs::remove_file(root.join(path)).unwrap();
    let shorten = |path: &'static str| {
        move |root: &Path| {
            let bytes = std::fs::read(root.join(path)).unwrap();
            std::fs::write(root.join(path), &bytes[..bytes.len() - 100]).unwrap();
        }
    };
    // Without its film or its mask, a breast's lesions are not all known, so it is no partner.
    expect(remove(film), TABLE, "line 2: its film", [0, 2]);
    expect(remove(mask), TABLE, "has the size of its film", [0, 2]);
    expect(shorten(film), "1-1.dcm", "bytes of pixels", [0, 2]);
    expect(shorten(mask), "1-1.dcm", "bytes of pixels", [0, 2]);
    let both = move |root: &Path| {
        remove(mask)(root);
        remove(crop)(root);
    };
    expect(both, TABLE, "its mask", [0, 2]);
    let twice = |root: &Path| {
        let text = format!("{HEADER}{}", row("P_1", "LEFT", "CC"));
        put_bytes(root, "csv/z.csv", text.as_bytes());
    };
    expect(twice, "z.csv", "another line", [2, 3]);
}
