//! `report.html`: everything a run has found, in one file that opens from disk.
//!
//! The page is made from the run's folder alone: `results.json`, the exported PNGs and the tables. So it can be
//! made again at any time, and whoever has the folder can recompute every number in it. Tables and charts are
//! plain HTML and SVG, written here; the script of the page sorts tables and draws the gallery.

mod charts;
mod classifier;
pub(crate) mod embed;
mod figures;
mod gallery;
mod numbers;
pub(crate) mod page;
mod paper;
mod run;
mod setup;
mod sizes;
mod svg;
mod tables;
mod verdict;

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use crate::error::Result;
use crate::files;
use crate::lab::report::colormap;
use gallery::Gallery;
use run::Run;

/// What was written; its fields are those of `parula report --json`.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// `report.html` in the run's folder.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// ROIs in its gallery.
    pub rois: usize,
}

/// Writes `report.html` into `folder`, where `parula reproduce` has left its results.
///
/// Models without exported heatmaps are in the tables and not in the gallery.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File) when something cannot be read or written,
/// [`Error::Content`](crate::error::Error::Content) when `results.json` is none or a picture is damaged, or has
/// another size than its mask.
pub fn write(folder: &Path) -> Result<Written> {
    let (page, rois) = fill(&Run::read(folder)?)?;
    let path = folder.join("report.html");
    files::write(&path, page.as_bytes())?;
    Ok(Written { path, bytes: page.len(), rois })
}

/// The page of `results`, the content of `results.json`, without pictures.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn page_of(results: &[u8]) -> Result<String, String> {
    let run =
        Run { folder: PathBuf::from("no folder/of this name"), results: Run::parse(results)? };
    fill(&run).map(|(page, _)| page).map_err(|error| error.to_string())
}

/// The page of `run`, and how many ROIs are in its gallery.
fn fill(run: &Run) -> Result<(String, usize)> {
    let galleries = gallery::of(run)?;
    let baselines = charts::baselines(run)?;
    let page = page::fill(&[
        ("style", include_str!("style.css")),
        (
            "script",
            concat!(
                include_str!("page.js"),
                include_str!("gallery.js"),
                include_str!("selftest.js")
            ),
        ),
        ("lead", &setup::lead(run)),
        ("setup", &setup::section(run)),
        ("table1", &tables::classifiers(run)),
        ("table2", &tables::filtered(run)),
        ("verdict", &verdict::section(run)),
        ("classifiers", &classifier::runs(run)),
        ("masks", &sizes::masks(run)),
        ("tested", &classifier::tested(run)),
        ("runs", &tables::runs(run)),
        ("roc", &classifier::curves(run)?),
        ("ways", &tables::ways(run)),
        ("figure1", &figures::one(&galleries)?),
        ("figures4to7", &figures::models(run, &galleries, &baselines)?),
        ("dice", &charts::dice(run, &baselines)),
        ("sizes", &sizes::charts(run)?),
        ("figure8", &charts::scatter(run)),
        ("figures9and10", &figures::filtered(run, &galleries)?),
        ("gallery", &gallery::choice(&galleries)),
        ("intervals", &setup::intervals(run)),
        ("too_few", &setup::too_few(run)),
        ("trivial", &setup::trivial(run)),
        ("validation", &setup::validation(run)),
        ("data", &data(run, &galleries)),
    ]);
    let rois = galleries.iter().map(|gallery| gallery.rois.len()).sum();
    Ok((page, rois))
}

/// What the script reads: `results.json` as it is, the gallery, the colour map.
fn data(run: &Run, galleries: &[Gallery]) -> String {
    let colours: Vec<[u8; 3]> = (0..=255).map(colormap::colour).collect();
    page::script_json(&json!({ "results": run.results, "gallery": galleries, "colours": colours }))
}

#[cfg(test)]
mod tests;
