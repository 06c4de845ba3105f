//! What a classifier is worth, in words: for `predict --labels`, and after `train` of several classes.

use std::fmt::Write as _;

use serde::Serialize;

use crate::lab::metrics::binary::Figure;
use crate::lab::metrics::classifier::Judgement;
use crate::lab::metrics::labels::LabelsJudgement;

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
    match figure {
        Some(Figure { value, low, high }) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        None => "-".to_owned(),
    }
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
