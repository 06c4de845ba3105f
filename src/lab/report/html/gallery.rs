//! The gallery's data: ROIs at even ranks of mean-Dice, their pictures small, their Dice exact.

use serde::Serialize;

use super::embed;
use super::numbers::{list, number, word};
use super::page::escape;
use super::run::{Pictures, Run, round_of};
use crate::error::Result;
use crate::lab::experiment::Round;
use crate::lab::report::contact_sheet::spread;
use crate::nets::cam::dice::{self, THRESHOLDS};

/// ROIs in all galleries together, so that the page stays below some 8 MB.
const BUDGET: usize = 120;
/// ROIs of one model at most.
const MOST: usize = 24;
/// The long side of a picture in the gallery.
const SIDE: u32 = 160;

/// One model's ROIs, from the highest mean-Dice to the lowest.
#[derive(Serialize)]
pub struct Gallery {
    /// The network.
    pub model: String,
    /// The run whose heatmaps these are.
    #[serde(skip)]
    pub round: Round,
    /// Abnormal ROIs of the run.
    pub of: usize,
    /// The threshold that was best on the training side.
    pub best_threshold: Option<f64>,
    /// Mean Dice over all abnormal ROIs of the run at each threshold.
    pub curve: Vec<f64>,
    /// The chosen ones.
    pub rois: Vec<Shown>,
}

/// One ROI.
#[derive(Serialize)]
pub struct Shown {
    /// Its name, and that of its files.
    pub name: String,
    /// `train` or `validation`.
    pub split: String,
    /// Of the exported heatmap, over all 256 thresholds.
    pub mean_dice: f64,
    /// Columns of the exported files.
    pub width: usize,
    /// Rows of the exported files.
    pub height: usize,
    /// Pixels of the exported heatmap with each value, inside the truth: Dice at any threshold follows from these two.
    pub inside: Vec<u64>,
    /// The same over the whole ROI.
    pub everywhere: Vec<u64>,
    /// Data URIs of ROI, truth and heatmap, at most [`SIDE`] pixels long.
    pub pictures: [String; 3],
    /// In full, for the figures.
    #[serde(skip)]
    pub full: Pictures,
}

/// A gallery for each model whose heatmaps are there.
///
/// # Errors
/// That a picture cannot be read or encoded.
pub fn of(run: &Run) -> Result<Vec<Gallery>> {
    let count = (BUDGET / run.summary().len().max(1)).clamp(1, MOST);
    let mut galleries = Vec::new();
    for summary in run.summary() {
        let model = word(summary, "model");
        let Some((round, scores)) = run.exported(model)? else { continue };
        let ranks: Vec<f64> = scores.iter().map(|score| score.mean_dice).collect();
        let rois = spread(&ranks, count)
            .into_iter()
            .map(|index| {
                let score = &scores[index];
                shown(&score.name, &score.split, run.pictures(model, round, &score.name)?)
            })
            .collect::<Result<_>>()?;
        let result = run.runs_of(model).find(|one| round_of(one) == round);
        let curve = result.map_or(&[][..], |one| list(one, "dice_curve"));
        galleries.push(Gallery {
            model: model.to_owned(),
            round,
            of: scores.len(),
            best_threshold: result.and_then(|one| number(one, "best_threshold")),
            curve: curve.iter().filter_map(serde_json::Value::as_f64).collect(),
            rois,
        });
    }
    Ok(galleries)
}

fn shown(name: &str, split: &str, full: Pictures) -> Result<Shown> {
    let mut inside = [0u64; THRESHOLDS];
    let mut everywhere = [0u64; THRESHOLDS];
    for (&truth, &heat) in full.mask.pixels.iter().zip(&full.heatmap.pixels) {
        everywhere[usize::from(heat)] += 1;
        inside[usize::from(heat)] += u64::from(truth != 0);
    }
    let size = embed::shown(full.roi.width, full.roi.height, SIDE, false);
    let pictures = [
        embed::grey_uri(&embed::resized(&full.roi, size, false)?)?,
        embed::grey_uri(&embed::resized(&full.mask, size, true)?)?,
        embed::grey_uri(&embed::resized(&full.heatmap, size, true)?)?,
    ];
    Ok(Shown {
        name: name.to_owned(),
        split: split.to_owned(),
        mean_dice: dice::from_histograms(&inside, &everywhere).mean_dice,
        width: full.roi.width,
        height: full.roi.height,
        inside: inside.to_vec(),
        everywhere: everywhere.to_vec(),
        pictures,
        full,
    })
}

/// The choice of a model, and how its ROIs were chosen.
pub fn choice(galleries: &[Gallery]) -> String {
    if galleries.is_empty() {
        return "<p>No exported heatmaps were found in this folder.</p>\n".to_owned();
    }
    let option = |(index, one): (usize, &Gallery)| {
        let (model, round, of) = (escape(&one.model), one.round, one.of);
        let count = one.rois.len();
        format!("<option value=\"{index}\">{model}, {round}: {count} of {of} ROIs</option>")
    };
    let options: String = galleries.iter().enumerate().map(option).collect();
    format!("<label>Model <select id=\"model\">{options}</select></label>\n")
}
