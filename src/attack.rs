//! Every parser of bytes from outside as a function of these bytes, for whoever throws damaged ones at them: the
//! mutation loop in `tests/attack`, and cargo-fuzz in `fuzz/`. A target may refuse; it must not panic, hang, or take
//! more memory than [`Target::bound`] says. Not part of the interface of this crate.

use std::path::Path;

use crate::documents;
use crate::engine::gpu;
use crate::lab::data::cbis::{mammogram, table};
use crate::lab::data::ddsm::{ics, ljpeg, overlay};
use crate::lab::data::mias::{Circle, info};
use crate::lab::data::patients::Patients;
use crate::lab::data::table::Table;
use crate::lab::data::{Origin, gzip, layout};
use crate::lab::{bench, compare, experiment, report, segment, tune};
use crate::nets::images::Grey;
use crate::nets::train::record::EpochRecord;
use crate::nets::weights::{Raw, Weights};
use crate::nets::{keras, train};

/// A parser.
#[derive(Clone, Copy)]
pub struct Target {
    /// Also of its file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// Parses, and uses what it found as the program would; says whether there was anything to use.
    pub run: fn(&[u8]) -> bool,
    /// Megabytes that any input may take. Decoded pictures have no fixed proportion to their files.
    pub megabytes: usize,
}

impl Target {
    /// Bytes that an input of `length` may take at most at any time: see [`Target::megabytes`], and 16 times its
    /// own size.
    pub fn bound(&self, length: usize) -> usize {
        (self.megabytes << 20) + 16 * length
    }
}

/// All of them.
pub const TARGETS: [Target; 20] = [
    target("weights", weights),
    target("model", model),
    target("film", film),
    target("gzip", packed),
    target("ics", description),
    target("overlay", outlines),
    target("info", circles),
    target("dicom", dicom),
    target("cases", cases),
    target("patients", patients),
    Target { name: "picture", run: picture, megabytes: 1536 },
    target("results", results),
    target("comparison", comparison),
    target("segmentation", segmentation),
    target("report", page),
    target("tables", tables),
    target("tuning", tuning),
    target("bench", timings),
    target("state", state),
    target("pipelines", pipelines),
];

const fn target(name: &'static str, run: fn(&[u8]) -> bool) -> Target {
    Target { name, run, megabytes: 64 }
}

/// The target called `name`.
///
/// # Panics
/// Where there is none.
pub fn find(name: &str) -> Target {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => *target,
        None => panic!("no target is called {name}"),
    }
}

/// For messages.
fn file() -> &'static Path {
    Path::new("attack")
}

/// Every format, told by its first bytes, and what commands ask of a file before they make its network.
fn weights(bytes: &[u8]) -> bool {
    let Ok(raw) = Raw::decode(file(), bytes.to_vec()) else { return false };
    let (_, _, _, _) = (raw.classes(), raw.input(), raw.numbers(), raw.dense());
    raw.layers.iter().for_each(|layer| drop((layer.describe(), layer.is_dense())));
    // To find the network, all of them are made: of one file in some hundred.
    if bytes.len().is_multiple_of(101) {
        let _ = raw.identify();
    }
    true
}

/// The configuration of a user's model, and the graph that it describes.
fn model(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    keras::check(file(), &text, None).is_ok()
}

/// The state of a training.
fn state(bytes: &[u8]) -> bool {
    let Ok(raw) = Raw::decode(file(), bytes.to_vec()) else { return false };
    let mut texts = raw.metadata.values();
    let understood = texts.any(|text| train::progress_of::<EpochRecord>(text).is_ok());
    let tensors = raw.layers.into_iter().flat_map(|layer| layer.tensors).collect();
    let weights = Weights { tensors, metadata: raw.metadata };
    let _ = (weights.input(), weights.not_finite());
    understood
}

fn film(bytes: &[u8]) -> bool {
    let Ok(levels) = ljpeg::decode(file(), bytes) else { return false };
    let pixels = levels.width * levels.height;
    assert_eq!(pixels, levels.pixels.len(), "a film has as many values as pixels");
    levels.reshape(pixels, 1).is_ok()
}

fn packed(bytes: &[u8]) -> bool {
    gzip::unpack(file(), bytes.to_vec(), 4 << 20).is_ok()
}

fn description(bytes: &[u8]) -> bool {
    let ics = ics::parse(&String::from_utf8_lossy(bytes));
    ics.films.values().for_each(|film| assert!(film.rows * film.columns < 1 << 27));
    !ics.films.is_empty()
}

fn outlines(bytes: &[u8]) -> bool {
    let overlay = overlay::parse(&String::from_utf8_lossy(bytes));
    let mut mask = Grey::filled(600, 400, 0);
    for chain in overlay.abnormalities.iter().flat_map(|one| &one.outlines) {
        let _ = chain.is_inside(65_535, 65_535, Origin::Zero);
        chain.fill(&mut mask, Origin::Zero);
        chain.fill(&mut mask, Origin::One);
    }
    mask.pixels.contains(&255)
}

/// The description of films of MIAS, and its circles on small ones.
fn circles(bytes: &[u8]) -> bool {
    let info = info::parse(&String::from_utf8_lossy(bytes));
    let place = |row: &info::Row| match row.finding {
        info::Finding::Abnormal { place, .. } => place,
        _ => None,
    };
    for (row, place) in info.rows.iter().filter_map(|row| Some((row, place(row)?))).take(64) {
        let (info, film) = (file().to_owned(), file().to_owned());
        let circle = Circle { info, line: row.line, film, place };
        let mask = circle.fill(64, 64);
        assert!(mask.is_ok_and(|mask| mask.pixels.contains(&255)), "a circle has a pixel");
    }
    !info.rows.is_empty()
}

fn dicom(bytes: &[u8]) -> bool {
    let Ok(grey) = mammogram::read_bytes(Path::new("attack.dcm"), bytes) else { return false };
    assert_eq!(grey.width * grey.height, grey.pixels.len());
    true
}

fn cases(bytes: &[u8]) -> bool {
    Table::of(file(), bytes).is_ok_and(|read| !table::rows(file(), read).0.is_empty())
}

/// From a folder, as it is read.
fn patients(bytes: &[u8]) -> bool {
    let Ok(folder) = tempfile::tempdir() else { return false };
    if std::fs::write(folder.path().join("patients.csv"), bytes).is_err() {
        return false;
    }
    let Ok(listing) = layout::list(folder.path()) else { return false };
    let Ok(Some(patients)) = Patients::read(&listing) else { return false };
    let _ = patients.of(folder.path(), &folder.path().join("a/b.png"));
    true
}

fn picture(bytes: &[u8]) -> bool {
    Grey::decode(file(), bytes).is_ok()
}

fn results(bytes: &[u8]) -> bool {
    const ROUND: experiment::Round = experiment::Round { seed: 0, fold: None };
    let Ok(results) = documents::json::<experiment::Results>(bytes) else { return false };
    let _ = (experiment::text(&results), results.has("xception", ROUND, experiment::Phase::Cam));
    true
}

fn comparison(bytes: &[u8]) -> bool {
    let Ok(results) = documents::json::<compare::Results>(bytes) else { return false };
    let _ = (compare::text(&results), compare::markdown(&results), results.maps().len());
    true
}

fn segmentation(bytes: &[u8]) -> bool {
    let Ok(results) = documents::json::<segment::Results>(bytes) else { return false };
    !results.table().to_text().is_empty()
}

/// The page that the report makes of a run.
fn page(bytes: &[u8]) -> bool {
    report::html::page_of(bytes).is_ok()
}

fn tables(bytes: &[u8]) -> bool {
    let scores = documents::table::<experiment::Score>(bytes).is_ok();
    let predictions = documents::table::<experiment::Prediction>(bytes).is_ok();
    let compared = documents::table::<compare::Score>(bytes).is_ok();
    let lesions = documents::table::<experiment::LesionScore>(bytes).is_ok();
    let normals = documents::table::<experiment::NormalScore>(bytes).is_ok();
    let masks = documents::table::<segment::Line>(bytes).is_ok();
    scores | predictions | compared | lesions | normals | masks
}

fn tuning(bytes: &[u8]) -> bool {
    let Ok(tuning) = documents::json::<tune::Tuning>(bytes) else { return false };
    let _ = (tuning.choices().digest(), tuning.find("conv2d").is_some());
    true
}

fn timings(bytes: &[u8]) -> bool {
    bench::attack(bytes)
}

fn pipelines(bytes: &[u8]) -> bool {
    gpu::pipelines_of(bytes).is_some()
}
