//! What was found, in words, before any table: whether the accuracy is above chance, whether the maps are better than
//! one that looks at nothing, and what was not asked.

use serde_json::{Value, json};

use super::numbers::{interval, number, word};
use super::page::escape;
use super::run::Run;
use crate::lab::report::table::Interval;

/// How an interval lies to a number that it is held against.
fn against(found: Interval, other: f64) -> &'static str {
    match (found.low > other, found.high < other) {
        (true, _) => "Yes",
        (_, true) => "No",
        _ => "Cannot be told",
    }
}

/// A list of what can be said of every model.
pub fn section(run: &Run) -> String {
    let models: String = run.summary().iter().map(|summary| of_model(run, summary)).collect();
    let epochs: f64 = run.runs().iter().filter_map(|one| number(one, "epochs")).sum();
    format!(
        "{models}<p>Each run kept the best of its epochs by the validation side, {epochs:.0} epochs in all: the accuracies are a \
         little too good for that. Whether the maps depend on the network at all was not asked here: <code>parula \
         compare --trust</code> does.</p>\n"
    )
}

fn of_model(run: &Run, summary: &Value) -> String {
    let mut items = Vec::new();
    if let Some((found, chance)) = interval(summary, "val_acc").zip(chance(run)) {
        items.push(line(
            "Does it tell tumour from no tumour better than chance?",
            "accuracy",
            found,
            chance,
            "whoever always says the more frequent class",
        ));
    }
    let ellipse =
        run.results.get("baselines_validation").and_then(|values| number(values, "ellipse"));
    if says_nothing_of_where(run, word(summary, "model")) {
        items.push(
            "<li>Do its heatmaps outline the tumour better than a centred ellipse? <strong>No</strong>: at this size of the input \
             its map is a single number, so a heatmap is all white or all black. Its mean-Dice is that of no map.</li>"
                .to_owned(),
        );
    } else if let Some((found, ellipse)) = interval(summary, "mean_dice_validation").zip(ellipse) {
        items.push(line(
            "Do its heatmaps outline the tumour better than a centred ellipse?",
            "mean-Dice of the validation side",
            found,
            ellipse,
            "the ellipse",
        ));
    }
    if let Some((cam, all)) = interval(summary, "cam_val_acc").zip(interval(summary, "val_acc")) {
        let answer = against(all, cam.mean);
        items.push(format!(
            "<li>Does it classify worse when it sees only what its heatmap keeps? <strong>{answer}</strong>: accuracy {} on filtered \
             ROIs, {} on whole ones.</li>",
            shown(cam),
            shown(all)
        ));
    }
    match items.is_empty() {
        true => String::new(),
        false => {
            format!("<h3>{}</h3>\n<ul>{}</ul>\n", escape(word(summary, "model")), items.concat())
        }
    }
}

/// Whether the maps of `model` are 1x1.
fn says_nothing_of_where(run: &Run, model: &str) -> bool {
    let own = |one: &&Value| word(one, "model") == model;
    let single = |one: &Value| one.get("map_size") == Some(&json!([1, 1]));
    run.runs().iter().filter(own).any(single)
}

fn line(question: &str, what: &str, found: Interval, other: f64, whose: &str) -> String {
    let answer = against(found, other);
    format!(
        "<li>{question} <strong>{answer}</strong>: {what} {}, {whose} {other:.3}.</li>",
        shown(found)
    )
}

fn shown(found: Interval) -> String {
    let Interval { mean, low, high, .. } = found;
    match low < high {
        true => format!("{mean:.3} [{low:.3}, {high:.3}]{}", found.mark()),
        false => format!("{mean:.3}{}", found.mark()),
    }
}

/// The share of the more frequent class.
fn chance(run: &Run) -> Option<f64> {
    let count = |class| number(run.results.get("dataset")?, class);
    let (abnormal, normal) = (count("abnormal")?, count("normal")?);
    (abnormal + normal > 0.0).then(|| abnormal.max(normal) / (abnormal + normal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_needs_the_whole_interval_on_one_side() {
        let found = Interval { mean: 0.6, low: 0.55, high: 0.65, ..Interval::default() };
        assert_eq!(
            [0.5, 0.6, 0.7].map(|other| against(found, other)),
            ["Yes", "Cannot be told", "No"]
        );
    }
}
