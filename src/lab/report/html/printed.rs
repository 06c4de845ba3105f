//! The figures of the page as files for a paper: PNG and SVG of each, in `figures`.

use super::charts;
use super::classifier;
use super::figures;
use super::gallery::Gallery;
use super::numbers::word;
use super::run::Run;
use super::sizes;
use crate::error::Result;
use crate::lab::report::draw::Canvas;
use crate::lab::report::plot_file;

/// The long side of a picture of a ROI, in pixels.
const SIDE: u32 = 300;

/// Figures of all models, as their files are called.
pub const OF_ALL: [&str; 4] = ["roi", "roc", "reliability", "dice-against-accuracy"];
/// Figures of each model: MODEL follows after a hyphen.
pub const OF_A_MODEL: [&str; 4] = ["dice", "size", "overlays", "filtered"];

/// Draws those that this folder has the files for, and gives each to `to` with its name.
///
/// # Errors
/// That a table or a picture cannot be read, that there is no memory to draw in, and those of `to`.
pub fn each(
    run: &Run,
    galleries: &[Gallery],
    baselines: &[Vec<f64>],
    to: &mut dyn FnMut(&str, &Canvas) -> Result<()>,
) -> Result<()> {
    if let Some(strip) = figures::one(galleries, SIDE)? {
        to(OF_ALL[0], &strip.canvas()?)?;
    }
    if let Some(curves) = classifier::curves(run)? {
        for (name, chart) in OF_ALL[1..3].iter().zip(&curves) {
            to(name, &plot_file::draw(chart)?)?;
        }
    }
    to(OF_ALL[3], &plot_file::draw(&charts::scatter(run))?)?;
    let of_model = |which: usize, model: &str| format!("{}-{model}", OF_A_MODEL[which]);
    for (index, summary) in run.summary().iter().enumerate() {
        let model = word(summary, "model");
        let chart = charts::dice_of_one(run, index, model, baselines);
        to(&of_model(0, model), &plot_file::draw(&chart)?)?;
    }
    for one in sizes::of(run)? {
        to(&of_model(1, one.model()), &plot_file::draw(&one.chart())?)?;
    }
    for gallery in galleries.iter().filter(|gallery| gallery.scored().next().is_some()) {
        let model = &gallery.model;
        to(&of_model(2, model), &figures::of_model(gallery, SIDE)?.canvas()?)?;
        to(&of_model(3, model), &figures::filtered_of(run, gallery, SIDE)?.canvas()?)?;
    }
    Ok(())
}
