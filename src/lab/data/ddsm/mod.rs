//! The Digital Database for Screening Mammography (Heath and others, 2000), from its own files: a
//! tree of cases, nested as it comes, each file gzipped or not.
//!
//! ```text
//! B-3024-1.ics  B_3024_1.LEFT_CC.LJPEG  B_3024_1.LEFT_CC.OVERLAY  B_3024_1.RIGHT_CC.LJPEG  ...
//! ```
//!
//! Each outlined abnormality is a sample of its own, and so is each film without one. Nothing is
//! decoded here. What is damaged or missing is a harmless problem: real copies always lack something.

mod case;
pub mod chain;
pub mod density;
#[cfg(test)]
pub(crate) mod encoder;
pub(crate) mod film;
mod huffman;
pub(crate) mod ics;
pub mod ljpeg;
pub mod overlay;
mod unusable;

use std::collections::BTreeMap;
use std::path::Path;

pub use chain::Origin;
pub use film::{Film, Outline};

use super::dataset::{Dataset, Normals, ReadOptions};
use super::listing::Listing;
use super::problem::Problem;
use super::view::View;
use crate::error::Result;
use case::{Case, Reader};

/// True when there is a film, an outline, or a case description with a name like `B-3024-1.ics`.
pub fn recognise(listing: &Listing) -> bool {
    listing.files.iter().any(|path| match part(path) {
        Some((Part::Ics, stem)) => is_case_name(&stem),
        part => part.is_some(),
    })
}

/// Lists the samples of the views that are asked for.
///
/// # Errors
/// None today: every problem is in [`Dataset::problems`].
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let mut reader = Reader::new(options);
    let cases = gather(listing, &mut reader.problems);
    let number = cases.len();
    for (name, case) in cases {
        reader.read(&name, &case);
    }
    let Reader { samples, problems, films, outlines, .. } = reader;
    Ok(Dataset {
        format: "ddsm",
        layout: "films, outlines and descriptions, by case".to_owned(),
        root: listing.root.clone(),
        unit: "patient",
        samples,
        problems,
        counts: BTreeMap::from([("cases", number), ("films", films), ("outlines", outlines)]),
        normals: Normals::OtherBreast,
    })
}

/// The three kinds of files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Ics,
    Film,
    Overlay,
}

/// What kind a file is, and its name without the ending.
fn part(path: &Path) -> Option<(Part, String)> {
    let name = path.file_name()?.to_string_lossy().to_ascii_uppercase();
    let (stem, ending) = name.strip_suffix(".GZ").unwrap_or(&name).rsplit_once('.')?;
    let part = match ending {
        "ICS" => Part::Ics,
        "LJPEG" => Part::Film,
        "OVERLAY" => Part::Overlay,
        _ => return None,
    };
    Some((part, stem.to_owned()))
}

/// Whether a name is like `B-3024-1`: there are other files that end in `.ics`.
fn is_case_name(stem: &str) -> bool {
    let mut parts = stem.split(['-', '_']);
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.next().is_some_and(|site| site.len() == 1)
        && parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none()
}

/// Puts the files together, by case.
fn gather(listing: &Listing, problems: &mut Vec<Problem>) -> BTreeMap<String, Case> {
    let mut cases: BTreeMap<String, Case> = BTreeMap::new();
    for path in &listing.files {
        let Some((part, stem)) = part(path) else { continue };
        let (name, view) = match (part, stem.rsplit_once('.')) {
            (Part::Ics, _) => (stem.as_str(), None),
            (_, Some((name, view))) => match View::parse(view) {
                Some(view) => (name, Some(view)),
                None => {
                    problems.push(unnamed(path));
                    continue;
                }
            },
            (_, None) => {
                problems.push(unnamed(path));
                continue;
            }
        };
        let case = cases.entry(name.replace('-', "_")).or_default();
        let place = match (part, view) {
            (Part::Film, Some(view)) => case.films.entry(view),
            (Part::Overlay, Some(view)) => case.overlays.entry(view),
            _ => {
                match &case.ics {
                    Some(first) => problems.push(twice(path, first)),
                    None => case.ics = Some(path.clone()),
                }
                continue;
            }
        };
        let first = place.or_insert_with(|| path.clone());
        if first != path {
            problems.push(twice(path, first));
        }
    }
    cases
}

fn unnamed(path: &Path) -> Problem {
    let hint = "call it after its case and view, like B_3024_1.LEFT_CC.LJPEG";
    Problem::harmless(path, "is left out: its name does not tell the view", hint)
}

fn twice(path: &Path, first: &Path) -> Problem {
    let what = format!("is left out: {} is of the same case and view", first.display());
    Problem::harmless(path, what, "keep one of them")
}
