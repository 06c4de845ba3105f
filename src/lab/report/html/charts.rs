//! The charts: Dice against threshold, and the paper's Figure 8.

use serde_json::Value;

use super::numbers::{NOT_RUN, interval, list, word};
use super::page::escape;
use super::paper::{self, PUBLISHED};
use super::run::Run;
use super::svg;
use crate::error::Result;
use crate::lab::metrics::baselines::Baseline;
use crate::lab::report::plot::{Axis, Chart, Pen};
use crate::lab::report::table::Interval;
use crate::nets::cam::dice::{self, THRESHOLDS};

/// The trivial maps in `results.json`, and in words.
pub const TRIVIAL: [(&str, &str); 3] = [
    ("ones", "255 everywhere"),
    ("gaussian", "about the ROI's centre"),
    ("ellipse", "centred, filled"),
];

/// Dice of the trivial maps at every threshold, as a mean over all abnormal ROIs, in the order of [`TRIVIAL`]. None
/// where no run's masks are there.
///
/// # Errors
/// That a mask cannot be read.
pub fn baselines(run: &Run) -> Result<Vec<Vec<f64>>> {
    for summary in run.summary() {
        let model = word(summary, "model");
        let Some((round, scores)) = run.exported(model)? else { continue };
        let mut sums = vec![vec![0.0; THRESHOLDS]; Baseline::ALL.len()];
        for score in &scores {
            let mask = run.mask(model, round, &score.name)?;
            for (sum, baseline) in sums.iter_mut().zip(Baseline::ALL) {
                let heatmap = baseline.heatmap(mask.width as u32, mask.height as u32);
                let found = dice::score(&mask.pixels, &heatmap)?;
                sum.iter_mut().zip(found.dice).for_each(|(sum, dice)| *sum += dice);
            }
        }
        let count = scores.len().max(1) as f64;
        sums.iter_mut().flatten().for_each(|sum| *sum /= count);
        return Ok(sums);
    }
    Ok(Vec::new())
}

/// Mean Dice of `model` at every threshold, over its seeds; empty where there is none.
fn curve(run: &Run, model: &str) -> Vec<f64> {
    let curves: Vec<&[Value]> = run
        .runs_of(model)
        .map(|one| list(one, "dice_curve"))
        .filter(|curve| curve.len() == THRESHOLDS)
        .collect();
    if curves.is_empty() {
        return Vec::new();
    }
    let at = |t: usize| {
        curves.iter().filter_map(|curve| curve[t].as_f64()).sum::<f64>() / curves.len() as f64
    };
    (0..THRESHOLDS).map(at).collect()
}

/// Axes for Dice against threshold.
fn dice_axes() -> Chart {
    let x = Axis { title: "threshold t of 255", range: [0.0, 255.0], step: 51.0, decimals: 0 };
    let y = Axis { title: "mean Dice of heatmap > t", range: [0.0, 1.0], step: 0.2, decimals: 1 };
    Chart::new(x, y)
}

/// Draws the curves of `models`, by their numbers, and of the trivial maps.
fn dice_of(run: &Run, models: &[(usize, &str)], baselines: &[Vec<f64>]) -> Chart {
    let mut chart = dice_axes();
    for (index, curve) in baselines.iter().enumerate() {
        chart.curve(Pen::Trivial(index), curve);
    }
    for &(index, model) in models {
        chart.curve(Pen::Model(index), &curve(run, model));
        chart.explain(Pen::Model(index), model);
    }
    for (index, (name, _)) in TRIVIAL.iter().take(baselines.len()).enumerate() {
        chart.explain(Pen::Trivial(index), name);
    }
    chart
}

/// Dice against threshold of all models.
pub fn dice(run: &Run, baselines: &[Vec<f64>]) -> Chart {
    let models: Vec<(usize, &str)> =
        run.summary().iter().map(|one| word(one, "model")).enumerate().collect();
    dice_of(run, &models, baselines)
}

/// Dice against threshold of the model of this number.
pub fn dice_of_one(run: &Run, index: usize, model: &str, baselines: &[Vec<f64>]) -> Chart {
    dice_of(run, &[(index, model)], baselines)
}

/// The same of all models for the page.
pub fn dice_section(run: &Run, baselines: &[Vec<f64>]) -> String {
    let chart = dice(run, baselines);
    let words =
        "Dice against threshold: one line a model, mean over its seeds and all abnormal ROIs";
    format!("{}{}", svg::chart(&chart, words), svg::legend(&chart))
}

/// A model's number, its name, CAM_val_acc and mean-Dice.
type Found<'a> = (usize, &'a str, Interval, Interval);

/// What this run has of both.
fn found(run: &Run) -> Vec<Found<'_>> {
    let of = |(index, one)| {
        let (x, y) = (interval(one, "cam_val_acc")?, interval(one, "mean_dice")?);
        Some((index, word(one, "model"), x, y))
    };
    run.summary().iter().enumerate().filter_map(of).collect()
}

/// Figure 8: mean-Dice against accuracy on CAM-filtered ROIs, ours and the paper's.
pub fn scatter(run: &Run) -> Chart {
    let found = found(run);
    let lowest = found.iter().map(|one| one.2.low).fold(0.7, f64::min).max(0.0);
    let highest = found.iter().map(|one| one.3.high).fold(0.5, f64::max).min(1.0);
    let x = Axis {
        title: "CAM_val_acc: accuracy after training on CAM-filtered ROIs",
        range: [(lowest * 10.0).floor() / 10.0, 1.0],
        step: 0.1,
        decimals: 1,
    };
    let y = Axis {
        title: "mean-Dice, all abnormal ROIs",
        range: [0.0, (highest * 10.0).ceil() / 10.0],
        step: 0.1,
        decimals: 1,
    };
    let mut chart = Chart::new(x, y);
    for row in &PUBLISHED {
        chart.point(Pen::Published, row.name, [row.cam_val_acc; 3], [row.dice; 3]);
    }
    for (index, model, x, y) in &found {
        let [x, y] = [x, y].map(|one| [one.mean, one.low, one.high]);
        chart.point(Pen::Model(*index), model, x, y);
    }
    chart
}

/// The same for the page, with the correlations.
pub fn scatter_section(run: &Run) -> String {
    let ours = match found(run).len() {
        0 => format!("Experiment 2 was {NOT_RUN} here, so only the paper's points stand in it."),
        _ => "Full points with their intervals are this run's.".to_owned(),
    };
    let words = "Mean-Dice against CAM_val_acc; the numbers are in Tables I and II";
    format!(
        "{}<p>Hollow points are the paper's. {ours}</p>\n{}",
        svg::chart(&scatter(run), words),
        correlations(run)
    )
}

/// The rank correlations over models, where they were computed.
fn correlations(run: &Run) -> String {
    let item = |found: &Value| {
        let models = found.get("models").and_then(Value::as_u64).unwrap_or_default();
        let rho = match interval(found, "rho") {
            Some(found) => {
                let Interval { mean, low, high, .. } = found;
                format!("{mean:.2} [{low:.2}, {high:.2}]{}", found.mark())
            }
            None => "three models that differ are needed for it".to_owned(),
        };
        let (first, second) = (escape(word(found, "first")), escape(word(found, "second")));
        format!("<li>{first} with {second}, {models} models: {rho}</li>")
    };
    let found = list(&run.results, "rank_correlations");
    let published = spearman_of_the_paper();
    format!(
        "<p>Spearman's rank correlation, 1 for the same order and -1 for the opposite. Of the paper's six points it is \
         {published:.2}.</p>\n<ul>{}</ul>\n",
        match found {
            [] => format!("<li>of this run: {NOT_RUN}</li>"),
            found => found.iter().map(item).collect::<String>(),
        }
    )
}

/// Spearman's rho of the paper's mean-Dice with its CAM_val_acc: no two of either are equal, so it is
/// 1 - 6 (sum of squared differences of ranks) / (n (n^2 - 1)).
fn spearman_of_the_paper() -> f64 {
    let rank = |value: fn(&paper::Published) -> f64, own: &paper::Published| {
        PUBLISHED.iter().filter(|other| value(other) > value(own)).count() as f64
    };
    let squared =
        |row: &paper::Published| (rank(|r| r.dice, row) - rank(|r| r.cam_val_acc, row)).powi(2);
    let count = PUBLISHED.len() as f64;
    1.0 - 6.0 * PUBLISHED.iter().map(squared).sum::<f64>() / (count * (count * count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_ranks_differ_in_one_neighbouring_pair() {
        // By Dice X R N I M D, by CAM_val_acc X R I N M D: two differences of 1.
        assert!((spearman_of_the_paper() - (1.0 - 6.0 * 2.0 / 210.0)).abs() < 1e-12);
    }
}
