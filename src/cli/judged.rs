//! What a classifier is worth, in words: for `predict --labels`, and after `train` of several classes.

use std::fmt::Write as _;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::lab::metrics::binary::Figure;
use crate::lab::metrics::classifier::{Judgement, Point};
use crate::lab::metrics::labels::LabelsJudgement;
use crate::lab::report::draw::both;
use crate::lab::report::plot_file;
use crate::lab::report::roc::{self, Curve};

/// What it is worth.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Judged {
    /// Of classes that exclude each other.
    Classes(Box<Judgement>),
    /// Of labels that do not.
    Labels(LabelsJudgement),
}

/// A number with its interval.
fn figure(figure: Option<Figure>) -> String {
    figure.map_or("-".to_owned(), |figure| figure.to_string())
}

fn plain(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |value| format!("{value:.3}"))
}

/// A line for each number.
struct Lines(String);

impl Lines {
    fn say(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.0, "{name:22} {value}");
    }
}

impl Judged {
    /// In words; `names` are those of the classes.
    pub fn text(&self, names: &[String]) -> String {
        match self {
            Judged::Classes(judged) => of_classes(judged, names),
            Judged::Labels(judged) => of_labels(judged, names),
        }
    }
}

/// A line for each image as CSV: the columns `lead`, and the probability of each of `classes`; a single unit's is that of
/// the last class.
///
/// # Errors
/// None, but for bugs.
pub fn table<'a, S: AsRef<str>>(
    lead: &[&str],
    classes: &[S],
    lines: impl IntoIterator<Item = (Vec<String>, &'a [f64])>,
) -> Result<Vec<u8>> {
    let failed =
        |error: csv::Error| Error::usage(error.to_string(), "this is a bug, please report it");
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut lines = lines.into_iter().peekable();
    let units = lines.peek().map_or(0, |(_, said)| said.len()).min(classes.len());
    let own = &classes[classes.len() - units..];
    let mut header: Vec<String> = lead.iter().map(|&name| name.to_owned()).collect();
    header.extend(own.iter().map(|name| format!("probability of {}", name.as_ref())));
    table.write_record(&header).map_err(failed)?;
    for (mut line, said) in lines {
        line.extend(said.iter().map(f64::to_string));
        table.write_record(&line).map_err(failed)?;
    }
    table.into_inner().map_err(|error| failed(error.into_error().into()))
}

/// The pictures of ROC curves that go beside the file `path`: PNG and SVG.
pub fn roc_files(path: &Path) -> [PathBuf; 2] {
    // Not by its ending alone: `x.csv` may lie beside `x.png`.
    both(&path.with_extension("roc.png"))
}

impl Judged {
    /// The ROC curves: of the positive side, and where there are more than two classes, or labels, of each against all
    /// others, as long as colours tell them apart. `names` are those of the classes.
    fn curves(&self, names: &[String]) -> Vec<Curve> {
        let points = |points: &[Point]| points.iter().map(Point::place).collect();
        let named = |at: usize| names.get(at).cloned().unwrap_or_else(|| at.to_string());
        let (positive, each): (Option<(String, _)>, Vec<&[Point]>) = match self {
            Judged::Classes(judged) => {
                let of = |of: &[usize]| {
                    of.iter().map(|&class| named(class)).collect::<Vec<_>>().join(" or ")
                };
                // One of several classes stands among all of them.
                let alone =
                    |of: &[usize]| of.len() == 1 && (1..=roc::MOST).contains(&judged.classes.len());
                let positive = judged.positive.as_ref().filter(|one| !alone(&one.of));
                (
                    positive.map(|positive| (of(&positive.of), points(&positive.roc))),
                    judged.classes.iter().map(|class| &class.roc[..]).collect(),
                )
            }
            Judged::Labels(judged) => {
                (None, judged.labels.iter().map(|label| &label.roc[..]).collect())
            }
        };
        let taken = usize::from(positive.is_some());
        let told_apart = each.len() + taken <= roc::MOST;
        let each = each.iter().enumerate().filter(|_| told_apart);
        let all = positive.into_iter().chain(each.map(|(at, one)| (named(at), points(one))));
        all.enumerate().map(|(colour, (name, points))| Curve { name, colour, points }).collect()
    }

    /// Writes the ROC curves to `png` and beside it as SVG, each whole or not at all. With more curves than colours and no
    /// positive side there is the frame alone, and stderr is told.
    ///
    /// # Errors
    /// Those of drawing and of writing.
    pub fn save_roc(&self, names: &[String], png: &Path) -> Result<()> {
        let curves = self.curves(names);
        if curves.is_empty() {
            crate::console::note!(
                "{}: more ROC curves than can be told apart: --positive names classes for one",
                png.display()
            );
        }
        plot_file::draw(&roc::chart(&curves))?.save_both(png)
    }
}

fn of_classes(judged: &Judgement, names: &[String]) -> String {
    let mut lines = Lines(String::new());
    lines.say("labelled images", &judged.images.to_string());
    lines.say("accuracy", &figure(judged.accuracy));
    if !judged.classes.is_empty() {
        lines.say("balanced accuracy", &plain(judged.balanced_accuracy));
        lines.say("macro AUC", &plain(judged.macro_auc));
    }
    if let Some(positive) = &judged.positive {
        let of: Vec<&str> =
            positive.of.iter().filter_map(|&class| names.get(class)).map(String::as_str).collect();
        let of = of.join(" or ");
        let binary = &positive.binary;
        if !judged.classes.is_empty() {
            lines.say("positive", &of);
        }
        lines.say("AUC", &figure(binary.auc));
        lines.say("average precision", &plain(positive.average_precision));
        let sensitivity = figure(binary.sensitivity);
        lines.say("sensitivity", &format!("{sensitivity} ({of} above {})", positive.threshold));
        lines.say("specificity", &figure(binary.specificity));
        if judged.classes.is_empty() {
            lines.say("balanced accuracy", &figure(binary.balanced_accuracy));
        }
        lines.say("Brier score", &figure(binary.brier));
    }
    lines.say("calibration error", &format!("{:.3}", judged.calibration_error));
    for (name, class) in names.iter().zip(&judged.classes) {
        let area = figure(class.auc);
        let value = format!("{area}, sensitivity {}", plain(class.sensitivity));
        lines.say(&format!("AUC of {name}"), &value);
    }
    let mut text = lines.0;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
    let _ = writeln!(text, "\n{:width$}  called", "is");
    let heads: Vec<String> = names.iter().map(|name| format!("{name:>width$}")).collect();
    let _ = writeln!(text, "{:width$}  {}", "", heads.join(" "));
    for (name, row) in names.iter().zip(&judged.confusion) {
        let cells: Vec<String> = row.iter().map(|count| format!("{count:>width$}")).collect();
        let _ = writeln!(text, "{name:width$}  {}", cells.join(" "));
    }
    text
}

fn of_labels(judged: &LabelsJudgement, names: &[String]) -> String {
    let mut lines = Lines(String::new());
    lines.say("labelled images", &judged.images.to_string());
    lines.say("accuracy of labels", &figure(judged.accuracy));
    lines.say("all labels right", &figure(judged.exact));
    lines.say("macro AUC", &plain(judged.macro_auc));
    lines.say("macro av. precision", &plain(judged.macro_average_precision));
    let mut text = lines.0;
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
    let above = format!("above {}", judged.threshold);
    let _ = writeln!(
        text,
        "\n{:width$}  images  {:20}  av. precision  {above}: {:20}  specificity",
        "label", "AUC", "sensitivity"
    );
    let gap = above.chars().count() + 2;
    for (name, label) in names.iter().zip(&judged.labels) {
        let _ = writeln!(
            text,
            "{name:width$}  {:>6}  {:20}  {:13}  {:gap$}{:20}  {}",
            label.images,
            figure(label.binary.auc),
            plain(label.average_precision),
            "",
            figure(label.binary.sensitivity),
            figure(label.binary.specificity),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::metrics::classifier::Answer;

    #[test]
    fn each_class_has_one_curve_as_long_as_colours_tell_them_apart() {
        let of = |classes: usize, positive: &[usize]| -> Vec<String> {
            let rows: Vec<Vec<f64>> = (0..classes)
                .map(|row| (0..classes).map(|at| f64::from(u8::from(row == at))).collect())
                .collect();
            let answers: Vec<Answer> = rows
                .iter()
                .enumerate()
                .map(|(class, probabilities)| Answer { patient: "", class, probabilities })
                .collect();
            let judged = Judgement::with_positive(&answers, classes, None, positive);
            let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
            let curves = Judged::Classes(Box::new(judged)).curves(&names);
            assert!(curves.iter().all(|curve| curve.points.len() > 1), "{curves:?}");
            curves.into_iter().map(|curve| curve.name).collect()
        };
        assert_eq!(of(2, &[]), ["c1"]);
        assert_eq!(of(3, &[]), ["c0", "c1", "c2"]);
        assert_eq!(of(3, &[1]), ["c0", "c1", "c2"]);
        assert_eq!(of(3, &[0, 2]), ["c0 or c2", "c0", "c1", "c2"]);
        assert_eq!(of(roc::MOST, &[]).len(), roc::MOST);
        assert_eq!(of(roc::MOST, &[0, 1]), ["c0 or c1"]);
        assert_eq!(of(roc::MOST + 1, &[1]), ["c1"]);
        assert_eq!(of(roc::MOST + 1, &[]), [""; 0]);
    }
}
