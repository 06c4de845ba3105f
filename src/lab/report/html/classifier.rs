//! The classifiers as medicine describes them: a table of every run, ROC and reliability curves from the tables of
//! predictions.

use serde::Deserialize;
use serde_json::Value;

use super::numbers::{list, number, word};
use super::run::{Run, is_name, round_of};
use super::svg;
use super::tables::{Cell, Content, table};
use crate::documents;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::metrics::classifier::{Answer, Judgement, Point};
use crate::lab::report::plot::{Axis, Chart, Pen};
use crate::lab::report::roc::{self, Curve};
use crate::lab::report::table::Interval;

/// With intervals, by their field.
const FIGURES: [(&str, &str); 5] = [
    ("AUC", "auc"),
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("balanced accuracy", "balanced_accuracy"),
    ("Brier score", "brier"),
];

/// Without.
const NUMBERS: [(&str, &str); 2] =
    [("average precision", "average_precision"), ("calibration error", "calibration_error")];

/// Counts: of the class abnormal called so and not, of the class normal called so and not.
const COUNTS: [(&str, [usize; 2]); 4] =
    [("TP", [1, 1]), ("FN", [1, 0]), ("TN", [0, 0]), ("FP", [0, 1])];

/// Every run by itself, with what was chosen by them.
pub fn runs(run: &Run) -> String {
    described(run).html() + &at_training_threshold(run) + &choices(run)
}

/// Every run by itself; with folds, all folds of a seed together as well.
pub fn described(run: &Run) -> Content {
    let row = |one: &Value| -> Vec<Cell> {
        let mut cells = vec![
            Cell::Name(word(one, "model").to_owned()),
            Cell::Number(number(one, "seed"), 0),
            Cell::Number(number(one, "fold"), 0),
        ];
        cells.extend(FIGURES.iter().map(|(_, key)| Cell::Found(figure(one, key))));
        cells.extend(NUMBERS.iter().map(|(_, key)| Cell::Number(number(one, key), 3)));
        cells.extend(counts(one));
        cells
    };
    let all = run.runs().iter().chain(list(&run.results, "pooled"));
    let rows: Vec<Vec<Cell>> = all.map(row).collect();
    let titles =
        FIGURES.iter().chain(&NUMBERS).map(|one| one.0).chain(COUNTS.iter().map(|one| one.0));
    let header = ["model", "seed", "fold"].into_iter().chain(titles).collect();
    let caption =
        "Every classifier on its validation side, called abnormal from a probability of 0.5 on";
    Content { caption, header, rows, fixed: Vec::new() }
}

/// What was chosen on the validation side, and how often: results on it are too good by as much.
fn choices(run: &Run) -> String {
    let trainings = || {
        let filtered = run.runs().iter().flat_map(|one| list(one, "retrained"));
        run.runs().iter().chain(filtered)
    };
    let epochs: f64 = trainings().filter_map(|one| number(one, "epochs")).sum();
    let (count, tested) =
        (trainings().count(), run.runs().iter().any(|one| one.get("test").is_some()));
    let test = if tested { " Nothing is chosen on the test set." } else { "" };
    format!(
        "<p>Chosen on the validation side: the epoch that is kept, once in each training ({count} in all, of {epochs} \
         epochs). Thresholds of heatmaps and of probabilities are chosen on the training side.{test}</p>\n"
    )
}

fn counts(one: &Value) -> impl Iterator<Item = Cell> {
    let count = |[class, said]: [usize; 2]| one.get("confusion")?.get(class)?.get(said)?.as_f64();
    COUNTS.map(|(_, at)| Cell::Number(count(at), 0)).into_iter()
}

/// The same runs at the thresholds that their training sides have chosen; empty in runs from before there were such.
fn at_training_threshold(run: &Run) -> String {
    let row = |one: &Value, side: &str, at: &Value| -> Option<Vec<Cell>> {
        let at = at.get("at_training_threshold").filter(|at| at.is_object())?;
        let mut cells = vec![
            Cell::Name(word(one, "model").to_owned()),
            Cell::Number(number(one, "seed"), 0),
            Cell::Number(number(one, "fold"), 0),
            Cell::Name(side.to_owned()),
            Cell::Number(number(at, "threshold"), 3),
        ];
        let figures = ["sensitivity", "specificity", "balanced_accuracy"];
        cells.extend(figures.map(|key| Cell::Found(figure(at, key))));
        cells.extend(counts(at));
        Some(cells)
    };
    let mut rows = Vec::new();
    for one in run.runs() {
        rows.extend(row(one, "validation", one));
        rows.extend(one.get("test").and_then(|test| row(one, "test", test)));
    }
    rows.extend(list(&run.results, "pooled").iter().filter_map(|one| row(one, "all folds", one)));
    if rows.is_empty() {
        return String::new();
    }
    let titles = ["threshold", "sensitivity", "specificity", "balanced accuracy"];
    let header: Vec<&str> = ["model", "seed", "fold", "side"]
        .into_iter()
        .chain(titles)
        .chain(COUNTS.iter().map(|one| one.0))
        .collect();
    let caption = "The same, called abnormal above the probability at which sensitivity plus specificity of the \
                   training side is highest";
    table(caption, &header, &rows, &[])
}

/// What every network says of the test set, where there is one.
pub fn tested(run: &Run) -> Option<Content> {
    let row = |one: &Value| -> Option<Vec<Cell>> {
        let test = one.get("test")?;
        let mut cells = vec![
            Cell::Name(word(one, "model").to_owned()),
            Cell::Number(number(one, "seed"), 0),
            Cell::Number(number(one, "fold"), 0),
            Cell::Number(number(test, "rois"), 0),
            Cell::Found(figure(test, "accuracy")),
        ];
        cells.extend(FIGURES.iter().map(|(_, key)| Cell::Found(figure(test, key))));
        cells.push(Cell::Number(number(test, "mean_dice"), 3));
        cells.push(Cell::Number(number(test, "dice_at_best_threshold"), 3));
        Some(cells)
    };
    let rows: Vec<Vec<Cell>> = run.runs().iter().filter_map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let titles = FIGURES.iter().map(|one| one.0).chain(["mean-Dice", "Dice at best threshold"]);
    let header = ["model", "seed", "fold", "ROIs", "accuracy"].into_iter().chain(titles).collect();
    let caption = "On the test set, which no epoch, threshold or setting was chosen by";
    Some(Content { caption, header, rows, fixed: Vec::new() })
}

fn figure(one: &Value, key: &str) -> Option<Interval> {
    let found = one.get(key)?;
    let [mean, low, high] = ["value", "low", "high"].map(|end| number(found, end));
    Some(Interval { mean: mean?, low: low?, high: high?, ..Interval::default() })
}

/// A line of a table of predictions.
#[derive(Deserialize)]
struct Line {
    patient: String,
    label: String,
    probability: f64,
}

/// What a run's network says of its validation side; none where the table is not there.
///
/// # Errors
/// That it cannot be read.
fn judged(run: &Run, one: &Value) -> Result<Option<Judgement>> {
    let stem = round_of(one).stem();
    let model = word(one, "model");
    let path = run.folder.join("predictions").join(model).join(format!("{stem}.csv"));
    if !is_name(model) || !path.exists() {
        return Ok(None);
    }
    let bytes = files::read_at_most(&path, documents::MOST_TABLE)?;
    let lines: Vec<Line> = documents::table(&bytes).map_err(|error| {
        let problem = format!("is not a table of predictions ({error})");
        Error::content(&path, problem, "run `parula reproduce` for this model again")
    })?;
    let probabilities: Vec<[f64; 1]> = lines.iter().map(|line| [line.probability]).collect();
    let answers: Vec<Answer> = lines
        .iter()
        .zip(&probabilities)
        .map(|(line, probabilities)| Answer {
            patient: &line.patient,
            class: usize::from(line.label == "abnormal"),
            probabilities,
        })
        .collect();
    Ok(Some(Judgement::new(&answers, 2, None)))
}

/// The ROC and the reliability curve of every run, a colour a model; none where no table of predictions is there.
///
/// # Errors
/// That a table of predictions cannot be read.
pub fn curves(run: &Run) -> Result<Option<[Chart; 2]>> {
    let axis = |title| Axis { title, range: [0.0, 1.0], step: 0.2, decimals: 1 };
    let mut rocs = Vec::new();
    let mut reliability =
        Chart::new(axis("probability of abnormal"), axis("share that is abnormal"));
    reliability.path(Pen::Trivial(0), &[(0.0, 0.0), (1.0, 1.0)]);
    let mut drawn = None;
    for (index, summary) in run.summary().iter().enumerate() {
        let (model, pen) = (word(summary, "model"), Pen::Model(index));
        for one in run.runs_of(model) {
            let Some(judged) = judged(run, one)? else { continue };
            let points = judged.positive.iter().flat_map(|positive| &positive.roc);
            rocs.push(Curve {
                name: model.to_owned(),
                colour: index,
                points: points.map(Point::place).collect(),
            });
            let bins = judged.reliability.iter();
            let points: Vec<(f64, f64)> =
                bins.filter_map(|bin| bin.probability.zip(bin.observed)).collect();
            reliability.path(pen, &points);
            // One bin alone has no line.
            let dot = |&(x, y): &(f64, f64)| (x, y, format!("{model}: {x:.3}, {y:.3}"));
            reliability.dots(pen, &points.iter().map(dot).collect::<Vec<_>>());
            if drawn != Some(index) {
                reliability.explain(pen, model);
                drawn = Some(index);
            }
        }
    }
    reliability.explain(Pen::Trivial(0), "who is calibrated");
    Ok(drawn.map(|_| [roc::chart(&rocs), reliability]))
}

/// Both for the page.
pub fn section(curves: Option<&[Chart; 2]>) -> String {
    let Some([roc, reliability]) = curves else {
        return "<p>The tables of predictions are not in this folder.</p>\n".to_owned();
    };
    let part = |chart: &Chart, words: &str| {
        format!("<section>\n{}{}</section>\n", svg::chart(chart, words), svg::legend(chart))
    };
    format!(
        "<div class=\"pair\">{}{}</div>\n<p>Left the ROC curve of every run. Right how often what is called so likely is so, in \
         ten bins.</p>\n",
        part(roc, "ROC curves of every run; the areas are in the table of classifiers"),
        part(
            reliability,
            "Reliability curves of every run; the calibration errors are in the table of classifiers"
        ),
    )
}
