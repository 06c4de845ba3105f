//! The pictures of a comparison: bars with intervals, Dice against threshold, a gallery of each model.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::chosen::{Chosen, share};
use super::metric::{METRICS, Score, find};
use super::results::Results;
use super::unit::Point;
use super::{Material, Options, TRIVIAL, file, heatmap};
use crate::error::Result;
use crate::lab::experiment::classified::judgement;
use crate::lab::experiment::tables::{self, Prediction};
use crate::lab::experiment::{Phase, Round, predictions_file};
use crate::lab::metrics;
use crate::lab::report::bars::{self, Panel};
use crate::lab::report::curve_grid::{self, Cell};
use crate::lab::report::draw::both;
use crate::lab::report::gallery;
use crate::lab::report::plot_file;
use crate::lab::report::roc::{self, Curve};
use crate::nets::images::Grey;

/// The metrics of the bars, before which stands that of the ranks.
const SHOWN: [&str; 8] = [
    "mean_dice",
    "dice",
    "average_precision",
    "pointing",
    "energy",
    "deletion",
    "insertion",
    "road",
];

/// What [`draw_all`] draws.
pub fn paths(out: &Path) -> [PathBuf; 6] {
    ["bars.png", "dice.png", "roc.png", "bars.svg", "dice.svg", "roc.svg"]
        .map(|name| out.join("figures").join(name))
}

/// Draws what is of all models into `figures` below `out`, which is there.
pub fn draw_all(results: &Results, out: &Path) -> Result<()> {
    let [to_bars, to_curves, to_roc, ..] = paths(out);
    bars(results, &to_bars)?;
    curves(results, out, &to_curves)?;
    roc(results, out, &to_roc)
}

/// The ROC curve of every network that is explained, a colour a model.
fn roc(results: &Results, out: &Path, path: &Path) -> Result<()> {
    let mut curves = Vec::new();
    for (colour, name) in results.config.models.iter().enumerate() {
        for one in results.classifiers.iter().filter(|one| one.model == *name) {
            let round = Round { seed: one.seed, fold: None };
            let table = predictions_file(out, name, round, Phase::Original);
            let judged = judgement(&tables::read::<Prediction>(&table)?);
            let points = judged.positive.iter().flat_map(|positive| &positive.roc);
            let points = points.map(metrics::classifier::Point::place).collect();
            curves.push(Curve { name: name.clone(), colour, points });
        }
    }
    plot_file::draw(&roc::chart(&curves))?.save_both(path)
}

/// The files of the picture that [`gallery`] draws.
pub fn gallery_of(out: &Path, model: &str) -> [PathBuf; 2] {
    both(&out.join("figures").join(format!("gallery-{model}.png")))
}

fn bars(results: &Results, path: &Path) -> Result<()> {
    let rank_by = find(&results.config.rank_by)?;
    let retrain = results.config.settings.get("retrain") == Some(&Value::Bool(true));
    let models: Vec<&str> = results.config.models.iter().map(String::as_str).collect();
    // The order of the first model's ranks.
    let rows: Vec<bars::Row> = results
        .summary
        .iter()
        .filter(|map| Some(&map.model.as_str()) == models.first())
        .map(|map| (map.method.as_str(), map.trivial))
        .collect();
    let value = |model: &str, method: &str, metric: &str| {
        let is = |map: &&super::MapSummary| map.model == model && map.method == method;
        let map = results.summary.iter().find(is)?;
        map.values.get(metric).copied().flatten()
    };
    let shown = |name: &str| name != rank_by.name && (SHOWN.contains(&name) || retrain);
    let (first, others): (Vec<_>, Vec<_>) = METRICS
        .iter()
        .filter(|m| m.name == rank_by.name || shown(m.name))
        .partition(|m| m.name == rank_by.name);
    let panels: Vec<Panel> = first
        .into_iter()
        .chain(others)
        .map(|metric| Panel {
            title: metric.title,
            higher: metric.higher,
            rows: rows
                .iter()
                .map(|(method, _)| models.iter().map(|m| value(m, method, metric.name)).collect())
                .collect(),
        })
        .filter(|panel: &Panel| panel.rows.iter().flatten().any(Option::is_some))
        .collect();
    let too_few =
        panels.iter().flat_map(|panel| &panel.rows).flatten().flatten().any(|v| v.too_few);
    let subtitle = format!(
        "Means over {} seed(s) and the patients of their validation sides with 95 % intervals{}; faint: \
         maps that look at no network; in the order of {} for {}",
        results.config.seeds.len(),
        if too_few { ", for which some have too few of either" } else { "" },
        rank_by.title,
        models.first().unwrap_or(&""),
    );
    let title = format!("Maps of the class abnormal on {}", name_of(&results.config.data));
    bars::draw(&title, &subtitle, &models, &rows, &panels)?.save_both(path)
}

/// The last part of the data set's path: where it lies on this machine is nobody's business.
fn name_of(data: &str) -> String {
    let name = Path::new(data).file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or(data.to_owned())
}

fn curves(results: &Results, out: &Path, path: &Path) -> Result<()> {
    let models: Vec<&str> = results.config.models.iter().map(String::as_str).collect();
    // The mean over the seeds, over those of all models without one.
    let mean = |model: Option<&str>, method: &str| -> Result<Vec<f64>> {
        let mut sum = Vec::new();
        let mut count = 0;
        for unit in &results.units {
            if unit.method == method && model.is_none_or(|model| unit.model == model) {
                let path = file(out, "curves", &unit.model, unit.seed, method);
                let points: Vec<Point> = tables::read(&path)?;
                sum.resize(points.len(), 0.0);
                sum.iter_mut().zip(&points).for_each(|(sum, point)| *sum += point.dice);
                count += 1;
            }
        }
        sum.iter_mut().for_each(|value| *value /= f64::from(count));
        Ok(sum)
    };
    let mut cells = Vec::new();
    for method in &results.config.methods {
        let curves = models.iter().map(|model| mean(Some(model), method)).collect::<Result<_>>()?;
        cells.push(Cell { name: method, curves });
    }
    let mut behind = Vec::new();
    for map in TRIVIAL {
        behind.push((map.name(), mean(None, map.name())?));
    }
    let title = "Dice against the threshold at which heatmaps are cut, with its mean";
    curve_grid::draw(title, &models, &cells, &behind)?.save_both(path)
}

/// Draws the gallery of a model's first seed to `path`.
pub fn gallery(
    results: &Results,
    options: &Options,
    material: &Material,
    model: &str,
    path: &Path,
) -> Result<()> {
    let (Some(&seed), Some(split)) = (options.seeds.first(), material.splits.first()) else {
        return Ok(());
    };
    let chosen = Chosen::new(options, material, split)?;
    let mut rows = Vec::new();
    let masks: Vec<Grey> =
        chosen.gallery.iter().map(|&index| material.rois[index].mask_or_empty()).collect();
    for (&index, mask) in chosen.gallery.iter().zip(&masks) {
        let roi = &material.rois[index];
        let mut maps = Vec::new();
        for method in results.maps() {
            if !results.has(model, seed, method) {
                continue;
            }
            let scores: Vec<Score> =
                tables::read(&file(&options.out, "scores", model, seed, method))?;
            let score = scores.iter().find(|score| score.name == roi.name);
            let path = heatmap(&options.out, model, seed, method, &roi.name);
            let mean_dice = score.map_or(f64::NAN, |score| score.mean_dice);
            maps.push((method, Grey::read(&path)?.pixels, mean_dice));
        }
        rows.push(gallery::Row {
            name: &roi.name,
            caption: format!(
                "{}; the lesion fills {:.0} % of the ROI",
                roi.label,
                100.0 * share(roi)
            ),
            width: roi.image.width as u32,
            height: roi.image.height as u32,
            roi: &roi.image.pixels,
            mask: &mask.pixels,
            maps,
        });
    }
    let title = format!("{model}, seed {seed}: one ROI, all maps");
    let subtitle = format!(
        "{} of {} validation ROIs, at even ranks of the share that the lesion fills; beside each name its \
         mean-Dice on that ROI",
        rows.len(),
        chosen.validation.len(),
    );
    gallery::draw(&title, &subtitle, &rows)?.save_both(path)
}
