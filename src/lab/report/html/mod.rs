//! `report.html`: everything a run has found, in one file that opens from disk; and its figures and tables for a paper.
//!
//! The page is made from the run's folder alone: `results.json`, the exported PNGs and the tables. So it can be
//! made again at any time, and whoever has the folder can recompute every number in it. Tables and charts are
//! plain HTML and SVG, written here; the script of the page sorts tables and draws the gallery.

mod charts;
mod classifier;
pub(crate) mod embed;
mod figures;
mod for_latex;
mod gallery;
mod numbers;
pub(crate) mod page;
mod paper;
mod printed;
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
    /// The other files that were written: the tables as LaTeX, the figures as PNG and SVG.
    pub files: Vec<PathBuf>,
}

/// The file of the page.
const PAGE: &str = "report.html";
/// The file of its tables for a paper.
const TABLES: &str = "tables.tex";

/// Every file that [`write_all`] may write into `folder`, of a run with these `models`.
pub fn paths<'a>(folder: &Path, models: impl Iterator<Item = &'a str>) -> Vec<PathBuf> {
    let mut names = printed::OF_ALL.map(str::to_owned).to_vec();
    for model in models {
        names.extend(printed::OF_A_MODEL.map(|figure| format!("{figure}-{model}")));
    }
    let figures = names.iter().flat_map(|name| figure(folder, name));
    [PAGE, TABLES].map(|name| folder.join(name)).into_iter().chain(figures).collect()
}

/// The files of a figure.
fn figure(folder: &Path, name: &str) -> [PathBuf; 2] {
    // A model's name may hold a dot, so nothing of it is taken for an ending.
    ["png", "svg"].map(|ending| folder.join("figures").join(format!("{name}.{ending}")))
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
    let run = Run::read(folder)?;
    let material = Material::read(&run)?;
    page_to(folder, &run, &material, &mut |path, bytes| files::write(path, bytes))
}

/// The same, and its tables as LaTeX and its figures as PNG and SVG: of each file `to` is given the path and the bytes.
///
/// # Errors
/// As [`write()`], and those of `to`.
pub fn write_all(folder: &Path, to: &mut dyn FnMut(&Path, &[u8]) -> Result<()>) -> Result<Written> {
    let run = Run::read(folder)?;
    let material = Material::read(&run)?;
    let mut written = page_to(folder, &run, &material, to)?;
    let mut add = |path: PathBuf, bytes: &[u8]| -> Result<()> {
        to(&path, bytes)?;
        written.files.push(path);
        Ok(())
    };
    add(folder.join(TABLES), for_latex::latex(&run).as_bytes())?;
    printed::each(&run, &material.galleries, &material.baselines, &mut |name, canvas| {
        let [png, svg] = figure(folder, name);
        add(png, &canvas.png()?)?;
        add(svg, canvas.svg()?.as_bytes())
    })?;
    Ok(written)
}

/// Writes the page alone.
fn page_to(
    folder: &Path,
    run: &Run,
    material: &Material,
    to: &mut dyn FnMut(&Path, &[u8]) -> Result<()>,
) -> Result<Written> {
    let page = fill(run, material)?;
    let path = folder.join(PAGE);
    to(&path, page.as_bytes())?;
    let rois = material.galleries.iter().map(|gallery| gallery.rois.len()).sum();
    Ok(Written { path, bytes: page.len(), rois, files: Vec::new() })
}

/// What is read of the folder beside the results.
struct Material {
    galleries: Vec<Gallery>,
    /// Dice of the trivial maps at every threshold.
    baselines: Vec<Vec<f64>>,
}

impl Material {
    fn read(run: &Run) -> Result<Self> {
        Ok(Material { galleries: gallery::of(run)?, baselines: charts::baselines(run)? })
    }
}

/// The page of `results`, the content of `results.json`, without pictures.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn page_of(results: &[u8]) -> Result<String, String> {
    let run =
        Run { folder: PathBuf::from("no folder/of this name"), results: Run::parse(results)? };
    let all = Material::read(&run).and_then(|material| {
        let _ = for_latex::latex(&run);
        fill(&run, &material)
    });
    all.map_err(|error| error.to_string())
}

/// The page of `run`.
fn fill(run: &Run, Material { galleries, baselines }: &Material) -> Result<String> {
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
        ("table1", &tables::classifiers(run).html()),
        ("table2", &tables::filtered_section(run)),
        ("verdict", &verdict::section(run)),
        ("classifiers", &classifier::runs(run)),
        ("masks", &sizes::masks(run)),
        ("tested", &classifier::tested(run).map(|content| content.html()).unwrap_or_default()),
        ("runs", &tables::runs(run)),
        ("roc", &classifier::section(classifier::curves(run)?.as_ref())),
        ("ways", &tables::ways(run)),
        ("figure1", &figures::one_section(galleries)?),
        ("figures4to7", &figures::models(run, galleries, baselines)?),
        ("dice", &charts::dice_section(run, baselines)),
        ("sizes", &sizes::charts(&sizes::of(run)?)),
        ("figure8", &charts::scatter_section(run)),
        ("figures9and10", &figures::filtered(run, galleries)?),
        ("gallery", &gallery::choice(galleries)),
        ("colours", &figures::colours_of(galleries)?),
        ("intervals", &setup::intervals(run)),
        ("too_few", &setup::too_few(run)),
        ("trivial", &setup::trivial(run)),
        ("validation", &setup::validation(run)),
        ("data", &data(run, galleries)),
    ]);
    Ok(page)
}

/// What the script reads: `results.json` as it is, the gallery, the colour map.
fn data(run: &Run, galleries: &[Gallery]) -> String {
    let colours: Vec<[u8; 3]> = (0..=255).map(colormap::colour).collect();
    page::script_json(&json!({ "results": run.results, "gallery": galleries, "colours": colours }))
}

#[cfg(test)]
mod tests;
