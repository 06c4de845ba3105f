//! The gallery's data: ROIs at even ranks, of each side and class, their pictures small, their Dice exact.

use serde::Serialize;

use super::embed;
use super::numbers::{list, number, word};
use super::page::escape;
use super::run::{Kind, Pictures, Run, round_of};
use crate::error::Result;
use crate::lab::experiment::Round;
use crate::lab::report::contact_sheet::spread;
use crate::nets::cam::dice::{self, THRESHOLDS};

/// ROIs at even ranks of all abnormal ones in all galleries together, so that the page stays below some 8 MB.
const BUDGET: usize = 72;
/// Of one model at most.
const MOST: usize = 18;
/// For so many of these there is one more of each side and class that they have few or none of.
const FOR_ONE: usize = 3;
/// The long side of a picture in the gallery.
const SIDE: u32 = 160;

/// One model's ROIs: abnormal ones from the highest mean-Dice to the lowest, then normal ones from the most marked.
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

impl Gallery {
    /// Those at even ranks of all abnormal ROIs that were learnt from or validated on.
    pub fn scored(&self) -> impl Iterator<Item = &Shown> {
        self.rois.iter().filter(|roi| roi.even)
    }
}

/// One ROI.
#[derive(Serialize)]
pub struct Shown {
    /// Its name, and that of its files.
    pub name: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// `abnormal` or `normal`.
    pub class: &'static str,
    /// Whether it is among those at even ranks of all abnormal ones.
    #[serde(skip)]
    pub even: bool,
    /// Of the exported heatmap, over all 256 thresholds; 0 of a normal ROI.
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
        let even = spread(&ranks, count);
        // More of those that nothing was learnt from.
        let unseen: Vec<usize> =
            (0..scores.len()).filter(|&index| scores[index].split == "validation").collect();
        let unseen_ranks: Vec<f64> = unseen.iter().map(|&index| ranks[index]).collect();
        let more = spread(&unseen_ranks, count.div_ceil(FOR_ONE));
        let more = more.into_iter().map(|index| unseen[index]);
        let more: Vec<usize> = more.filter(|index| !even.contains(index)).collect();
        let mut rois = Vec::new();
        for &index in even.iter().chain(&more) {
            let score = &scores[index];
            let full = run.pictures(model, round, Kind::Scored, &score.name)?;
            let even = even.contains(&index);
            rois.push(Shown { even, ..shown(&score.name, &score.split, Kind::Scored, full)? });
        }
        for (kind, split) in
            [(Kind::Test, "test"), (Kind::Normal, "validation"), (Kind::TestNormal, "test")]
        {
            let others = run.others(model, round, kind)?;
            let ranks: Vec<f64> = others.iter().map(|other| other.1).collect();
            for index in spread(&ranks, count.div_ceil(FOR_ONE)) {
                let name = &others[index].0;
                rois.push(shown(name, split, kind, run.pictures(model, round, kind, name)?)?);
            }
        }
        // Stable: normal ones stay behind, in their order.
        let rank = |roi: &Shown| (roi.class == "normal", -roi.mean_dice);
        rois.sort_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
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

fn shown(name: &str, split: &str, kind: Kind, full: Pictures) -> Result<Shown> {
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
        class: if kind.is_normal() { "normal" } else { "abnormal" },
        even: false,
        mean_dice: dice::from_histograms(&inside, &everywhere).mean_dice,
        width: full.roi.width,
        height: full.roi.height,
        inside: inside.to_vec(),
        everywhere: everywhere.to_vec(),
        pictures,
        full,
    })
}

/// The choice of a model, of sides and of classes.
pub fn choice(galleries: &[Gallery]) -> String {
    if galleries.is_empty() {
        return "<p>No exported heatmaps were found in this folder.</p>\n".to_owned();
    }
    let option = |(index, one): (usize, &Gallery)| {
        let (model, round, of) = (escape(&one.model), one.round, one.of);
        let scored = |roi: &&Shown| roi.class == "abnormal" && roi.split != "test";
        let count = one.rois.iter().filter(scored).count();
        format!(
            "<option value=\"{index}\">{model}, {round}: {count} of {of} abnormal ROIs</option>"
        )
    };
    let options: String = galleries.iter().enumerate().map(option).collect();
    let rois = || galleries.iter().flat_map(|gallery| &gallery.rois);
    let sides = [("train", "training"), ("validation", "validation"), ("test", "test")];
    let classes = [("abnormal", "abnormal, with lesions"), ("normal", "normal")];
    format!(
        "<div id=\"filters\">\n<label>Model <select id=\"model\">{options}</select></label>\n{}{}<p id=\"shown\" \
         role=\"status\"></p>\n</div>\n",
        filter("Side", "split", &sides, |value| rois().any(|roi| roi.split == value)),
        filter("Class", "class", &classes, |value| rois().any(|roi| roi.class == value)),
    )
}

/// Boxes to tick, one for each value that some ROI has; where all have the same there is nothing to choose.
fn filter(
    title: &str,
    key: &str,
    values: &[(&str, &str)],
    is_there: impl Fn(&str) -> bool,
) -> String {
    let there: Vec<_> = values.iter().filter(|(value, _)| is_there(value)).collect();
    if there.len() < 2 {
        return String::new();
    }
    let tick = |(value, words): &(&str, &str)| {
        format!(
            "<label><input type=\"checkbox\" data-key=\"{key}\" value=\"{value}\" checked> {words}</label>\n"
        )
    };
    let ticks: String = there.into_iter().map(tick).collect();
    format!("<fieldset>\n<legend>{title}</legend>\n{ticks}</fieldset>\n")
}
