//! What was run, on what, in the words of the page.

use serde::Deserialize;
use serde_json::Value;

use super::numbers::{list, number, plain, word};
use super::page::escape;
use super::run::Run;
use crate::lab::data::Truth;
use crate::lab::metrics::interval::{self, Interval};
use crate::lab::report::latex;

fn count(run: &Run, key: &str) -> String {
    run.results
        .get("dataset")
        .and_then(|set| number(set, key))
        .map_or("?".to_owned(), |n| format!("{n:.0}"))
}

/// The sentence below the title.
pub fn lead(run: &Run) -> String {
    let config = &run.results["config"];
    let data = match word(config, "data") {
        "synthetic" => "synthetic mammograms".to_owned(),
        folder => escape(folder),
    };
    format!(
        "{}, {} on {data}: {} abnormal and {} normal ROIs; on {}.{}",
        counted(run.summary().len(), "model"),
        counted(run.runs().len(), "run"),
        count(run, "abnormal"),
        count(run, "normal"),
        escape(word(&run.results, "adapter")),
        truth(run),
    )
}

/// What the numbers were found on, and by what.
pub fn source(run: &Run) -> latex::Source<'_> {
    let (config, dataset) = (&run.results["config"], &run.results["dataset"]);
    let count = |key| number(dataset, key).map(|count| count as u64);
    latex::Source {
        data: word(config, "data"),
        rois: ["abnormal", "normal", "train", "validation"].map(count),
        seeds: list(config, "seeds").iter().map(plain).collect(),
        adapter: word(&run.results, "adapter"),
        version: word(&run.results, "version"),
        truth: truth_words(run),
        too_few: too_few_words(run),
    }
}

/// What whoever reads the numbers must know of the truth; empty where it is outlines.
fn truth(run: &Run) -> String {
    truth_words(run).map(|words| format!(" Mind that {}.", escape(&words))).unwrap_or_default()
}

fn truth_words(run: &Run) -> Option<String> {
    let truth = run.results.get("dataset")?.get("truth")?;
    Truth::deserialize(truth).ok()?.words()
}

/// `1 model`, `2 models`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Every setting and every count, as `results.json` has them.
pub fn section(run: &Run) -> String {
    let mut rows = String::new();
    let mut add = |key: &str, value: &Value| {
        let key = escape(&key.replace('_', " "));
        rows += &format!("<dt>{key}</dt><dd>{}</dd>\n", escape(&plain(value)));
    };
    add("parula", &run.results["version"]);
    add("adapter", &run.results["adapter"]);
    if run.results["precision"] != Value::Null {
        add("precision", &run.results["precision"]);
    }
    for (group, prefix) in [("config", ""), ("dataset", "ROIs: ")] {
        for (key, value) in run.results[group].as_object().into_iter().flatten() {
            match value {
                Value::Object(fields) => {
                    fields
                        .iter()
                        .for_each(|(name, value)| add(&format!("{prefix}{key}, {name}"), value));
                }
                value => add(&format!("{prefix}{key}"), value),
            }
        }
    }
    format!("<dl>\n{rows}</dl>\n")
}

/// How the intervals were found.
pub fn intervals(run: &Run) -> String {
    let Some(intervals) = run.results.get("intervals") else {
        return "They are those of Student's t over the seeds.".to_owned();
    };
    let draws = number(intervals, "resamples").unwrap_or_default();
    format!("They are {} ({draws:.0} draws).", escape(word(intervals, "method")))
}

/// What the star beside some intervals means; empty where none has one.
pub fn too_few(run: &Run) -> String {
    let why = too_few_words(run);
    why.map(|why| format!("<p class=\"few\">{}.</p>", escape(&why))).unwrap_or_default()
}

/// The same as text.
fn too_few_words(run: &Run) -> Option<String> {
    let summary = run.summary().iter().flat_map(|model| model.as_object().into_iter().flatten());
    let rho = list(&run.results, "rank_correlations").iter().filter_map(|found| found.get("rho"));
    let values = summary.map(|(_, value)| value).chain(rho);
    let all: Vec<Interval> = values.filter_map(|value| Interval::deserialize(value).ok()).collect();
    interval::too_few(&all)
}

/// The trivial maps' numbers in a sentence.
pub fn trivial(run: &Run) -> String {
    let value = |name: &str| {
        number(&run.results["baselines"], name)
            .map_or("?".to_owned(), |value| format!("{value:.3}"))
    };
    format!(
        "Here a map that is 255 everywhere scores {}, a centred Gaussian {} and a centred filled ellipse {}.",
        value("ones"),
        value("gaussian"),
        value("ellipse")
    )
}

/// How many ROIs an accuracy counts.
pub fn validation(run: &Run) -> String {
    let here = count(run, "validation");
    format!(
        "Here {here} ROIs are on the validation side with the first seed: one of them is worth 1/{here}."
    )
}
