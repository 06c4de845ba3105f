//! A comparison as text, as Markdown and as CSV.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::classifier::Classifier;
use super::find;
use super::metric::METRICS;
use super::results::{MapSummary, Results};
use super::trust;
use crate::error::Result;
use crate::files;
use crate::lab::experiment::{classified, tables as csv};
use crate::lab::metrics::interval::{Interval, too_few};
use crate::lab::report::latex;
use crate::lab::report::table::Table;

/// Metrics that the tables for people leave out: they say almost what another column says.
const ASIDE: [&str; 4] = ["average_surface_distance", "otsu_iou", "road_morf", "road_lerf"];

/// What the table of classifiers has.
const ABOUT_CLASSIFIERS: &str = "On the whole validation side. AP is the average precision, ECE the expected \
     calibration error. Thresholds are those that the training sides have chosen, where sensitivity plus specificity is highest.";

/// A line of `compare.csv`: a metric of a map of a model with a seed. Metrics that were not measured have no line.
#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    seed: u64,
    method: &'a str,
    trivial: bool,
    metric: &'a str,
    /// The mean over the ROIs.
    value: f64,
}

/// A line of `summary.csv`: a metric of a map of a model over its seeds.
#[derive(Serialize)]
struct Over<'a> {
    model: &'a str,
    rank: usize,
    method: &'a str,
    trivial: bool,
    metric: &'a str,
    mean: f64,
    low: f64,
    high: f64,
    seeds: usize,
    patients: usize,
    /// Whether there are too few of either for the interval to be held to its level.
    too_few: bool,
}

/// What [`write_all`] writes into `out`.
pub fn paths(out: &Path) -> [PathBuf; 4] {
    ["compare.csv", "summary.csv", "compare.md", "tables.tex"].map(|name| out.join(name))
}

/// Writes `compare.csv`, `summary.csv`, `compare.md` and `tables.tex` into `out`.
pub fn write_all(results: &Results, out: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for unit in &results.units {
        for metric in METRICS {
            if let Some(&Some(value)) = unit.values.get(metric.name) {
                lines.push(Line {
                    model: &unit.model,
                    seed: unit.seed,
                    method: &unit.method,
                    trivial: unit.trivial,
                    metric: metric.name,
                    value,
                });
            }
        }
    }
    csv::write(&out.join("compare.csv"), &lines)?;
    let mut over = Vec::new();
    for map in &results.summary {
        for metric in METRICS {
            if let Some(&Some(found)) = map.values.get(metric.name) {
                let Interval { mean, low, high, .. } = found;
                over.push(Over {
                    model: &map.model,
                    rank: map.rank,
                    method: &map.method,
                    trivial: map.trivial,
                    metric: metric.name,
                    mean,
                    low,
                    high,
                    seeds: map.seeds,
                    patients: found.patients.unwrap_or_default(),
                    too_few: found.too_few,
                });
            }
        }
    }
    csv::write(&out.join("summary.csv"), &over)?;
    files::write(&out.join("compare.md"), markdown(results).as_bytes())?;
    files::write(&out.join("tables.tex"), latex(results).as_bytes())
}

/// A ranked table for each model, for a terminal: the metric of the ranks with its interval, the others
/// as means.
pub fn text(results: &Results) -> String {
    let tables = summaries(results, |model, maps| {
        format!("{model}\n{}\n", table(results, maps, false).to_text())
    });
    let notes = too_few_of(results).into_iter().chain(results.dataset.truth.words());
    let notes: String = notes.map(|note| format!("{note}\n")).collect();
    let classifiers = classifiers(results).map(|table| format!("{}\n", table.to_text()));
    format!("{tables}{}{}{notes}", classifiers.unwrap_or_default(), trust::text(results))
}

/// The same for a file, every number with its interval, and what the columns mean.
pub fn markdown(results: &Results) -> String {
    let tables = summaries(results, |model, maps| {
        format!("## {model}\n\n{}\n", table(results, maps, true).to_markdown())
    });
    let shown = results.summary.iter().flat_map(|map| map.values.values().flatten());
    let why = too_few(shown).map(|why| format!("\\{why}\n\n")).unwrap_or_default();
    let classifiers = classifiers(results).map(|table| {
        format!("## The networks\n\n{}\n{ABOUT_CLASSIFIERS}\n\n", table.to_markdown())
    });
    let classifiers = classifiers.unwrap_or_default();
    let truth = results.dataset.truth.words();
    let truth = truth.map(|words| format!("Mind that {words}.\n\n")).unwrap_or_default();
    let mut text = format!("{tables}{why}{classifiers}{truth}Columns, from left to right:\n\n");
    for metric in METRICS.iter().filter(|metric| is_shown(results, metric.name)) {
        let better = if metric.higher { "more" } else { "less" };
        text += &format!("- **{}**: {}; {better} is better\n", metric.title, metric.about);
    }
    format!("{text}\n{}", trust::markdown(results)).trim_end().to_owned() + "\n"
}

/// The networks of `results` as classifiers; none where nothing is known of them.
fn classifiers(results: &Results) -> Option<Table> {
    let line = |one: &Classifier| format!("{} seed {}", one.model, one.seed);
    let all = &results.classifiers;
    (!all.is_empty()).then(|| {
        classified::table(
            all.iter().map(|one| (line(one), &one.classified, one.at_training_threshold.as_ref())),
        )
    })
}

/// A ranked table for each model as LaTeX: the metric of the ranks with its interval, the others as means.
pub fn latex(results: &Results) -> String {
    let rank_by = find(&results.config.rank_by).map_or("", |metric| metric.title);
    let what =
        results.dataset.source(&results.config.data, &results.config.seeds, too_few_of(results));
    let what =
        latex::Source { adapter: &results.adapter, version: &results.version, ..what }.words();
    let images = results.config.settings.get("images").and_then(serde_json::Value::as_u64);
    let drawn = images.map_or(String::new(), |images| {
        format!(" Of the ROIs to validate on, {images} drawn at random were scored.")
    });
    let tables = summaries(results, |model, maps| {
        let caption = format!(
            "Maps of {model}, in the order of {rank_by}; trivial maps look at no network. {what}{drawn}"
        );
        latex::float(&table(results, maps, false), &caption, &format!("maps-{model}"))
    });
    latex::head("compare") + &tables
}

/// Why some of the metric of the ranks have a star.
fn too_few_of(results: &Results) -> Option<String> {
    let rank_by = |map: &MapSummary| map.values.get(&results.config.rank_by).copied().flatten();
    let shown: Vec<Interval> = results.summary.iter().filter_map(rank_by).collect();
    too_few(&shown)
}

fn summaries(results: &Results, show: impl Fn(&str, &[&MapSummary]) -> String) -> String {
    results.each_model(&results.summary, |map| &map.model, show)
}

/// Whether the tables have a column for it.
fn is_shown(results: &Results, metric: &str) -> bool {
    let measured = |map: &MapSummary| map.values.get(metric).copied().flatten().is_some();
    !ASIDE.contains(&metric) && results.summary.iter().any(measured)
}

fn table(results: &Results, maps: &[&MapSummary], intervals: bool) -> Table {
    let rank_by = find(&results.config.rank_by).ok().map(|metric| metric.name);
    // What decides the ranks comes first.
    let (mut shown, others): (Vec<_>, Vec<_>) = METRICS
        .iter()
        .filter(|metric| is_shown(results, metric.name) || Some(metric.name) == rank_by)
        .partition(|metric| Some(metric.name) == rank_by);
    shown.extend(others);
    let mut header = vec!["map", "rank"];
    header.extend(shown.iter().map(|metric| metric.title));
    let mut table = Table::new(&header);
    for map in maps {
        let name =
            if map.trivial { format!("{} (trivial)", map.method) } else { map.method.clone() };
        let mut cells = vec![name, map.rank.to_string()];
        cells.extend(shown.iter().map(
            |metric| match map.values.get(metric.name).copied().flatten() {
                None => "-".to_owned(),
                Some(value) if intervals || Some(metric.name) == rank_by => value.to_string(),
                Some(value) => format!("{:.3}", value.mean),
            },
        ));
        table.row(cells);
    }
    table
}
