//! Trust as text, as Markdown, as CSV and as a picture: every method by every test, beside its Dice.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::results::{Trust, TrustPair};
use super::similar::Similarity;
use crate::error::Result;
use crate::lab::compare::results::Results;
use crate::lab::experiment::tables as csv;
use crate::lab::report::cascade::{self, Cell};
use crate::lab::report::draw::both;
use crate::lab::report::table::Table;

/// A line of `trust.csv`: a test of a method, or a stage of the cascade.
#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    seed: u64,
    method: &'a str,
    trivial: bool,
    test: &'a str,
    /// Of the cascade: the last layer that lost its weights.
    layer: &'a str,
    /// Of the cascade: layers that have lost theirs.
    layers: Option<usize>,
    ssim: Option<f64>,
    rank: Option<f64>,
    ssim_signed: Option<f64>,
    rank_signed: Option<f64>,
    /// What is no similarity.
    value: Option<f64>,
    /// Of whole tests.
    passed: Option<bool>,
}

/// What [`write()`] writes into `out`.
pub fn paths(out: &Path) -> [PathBuf; 1] {
    [out.join("trust.csv")]
}

/// The pictures of `models` that [`draw`] draws into `out`.
pub fn pictures<'a>(
    out: &'a Path,
    models: impl Iterator<Item = &'a str> + 'a,
) -> impl Iterator<Item = [PathBuf; 2]> + 'a {
    models.map(|model| both(&picture(out, model)))
}

fn picture(out: &Path, model: &str) -> PathBuf {
    out.join("figures").join(format!("trust-{model}.png"))
}

/// Writes `trust.csv` into `out`.
///
/// # Errors
/// [`crate::error::Error::File`] when it cannot be written.
pub fn write(results: &Results, out: &Path) -> Result<()> {
    let mut lines = Vec::new();
    for trust in &results.trust {
        lines.extend(lines_of(trust));
    }
    for TrustPair { models, seed, method, similarity, .. } in &results.trust_pairs {
        let empty = Line::of(&models[0], *seed, method, false);
        let test = "reproducibility";
        lines.push(Line { test, layer: &models[1], ..empty }.with(*similarity));
    }
    csv::write(&out.join("trust.csv"), &lines)
}

impl<'a> Line<'a> {
    fn of(model: &'a str, seed: u64, method: &'a str, trivial: bool) -> Self {
        Line {
            model,
            seed,
            method,
            trivial,
            test: "",
            layer: "",
            layers: None,
            ssim: None,
            rank: None,
            ssim_signed: None,
            rank_signed: None,
            value: None,
            passed: None,
        }
    }

    fn with(self, found: Option<Similarity>) -> Self {
        Line {
            ssim: found.map(|found| found.ssim),
            rank: found.map(|found| found.rank),
            ssim_signed: found.map(|found| found.ssim_signed),
            rank_signed: found.map(|found| found.rank_signed),
            ..self
        }
    }
}

fn lines_of(trust: &Trust) -> Vec<Line<'_>> {
    let line =
        |test| Line { test, ..Line::of(&trust.model, trust.seed, &trust.method, trust.trivial) };
    let mut lines: Vec<Line> = trust
        .randomised
        .iter()
        .map(|stage| Line {
            layer: &stage.layer,
            layers: Some(stage.layers),
            ..line("stage").with(Some(stage.similarity))
        })
        .collect();
    let (last, passed) = (trust.randomised.last().map(|stage| stage.similarity), trust.passed);
    for (test, found, passed) in [
        ("random_pairs", trust.random_pairs.map(|pairs| pairs.similarity), None),
        ("randomised", last, passed.randomised),
        ("label_randomised", trust.label_randomised, passed.label_randomised),
        ("repeatability", trust.repeatability, passed.repeatability),
        ("reproducibility", trust.reproducibility, passed.reproducibility),
        ("edges", trust.edges, None),
        ("noise", trust.noise, None),
    ] {
        lines.push(Line { passed, ..line(test).with(found) });
    }
    for (test, value, passed) in [
        ("max_sensitivity", trust.max_sensitivity, passed.max_sensitivity),
        ("change_of_pairs", trust.random_pairs.and_then(|pairs| pairs.change), None),
        ("sparseness", trust.sparseness, None),
        ("mean_dice", trust.mean_dice, None),
        ("dice", trust.dice, None),
    ] {
        lines.push(Line { value, passed, ..line(test) });
    }
    lines.retain(|line| line.ssim.is_some() || line.value.is_some());
    lines
}

/// A table for each model, for a terminal; nothing where trust was not tested.
pub fn text(results: &Results) -> String {
    let tables = results.each_model(
        &results.trust,
        |trust| &trust.model,
        |model, maps| {
            format!("{model}: does the map depend on the network?\n{}\n", table(maps).to_text())
        },
    );
    match tables.is_empty() {
        true => tables,
        false => format!("{tables}{}\n\n", legend().replace("**", "")),
    }
}

/// The same for a file, with the rules.
pub fn markdown(results: &Results) -> String {
    let tables = results.each_model(&results.trust, |trust| &trust.model, |model, maps| {
        let networks = results.trust_networks.iter().filter(|network| network.model == model);
        let networks: String = networks
            .map(|network| {
                format!(
                    "The network (seed {}) has a validation accuracy of {:.3}; taught shuffled labels it has {:.3} by \
                     the true ones, and {:.3} on its training side by those that it was taught; with seed {} it has \
                     {:.3}.\n\n",
                    network.seed,
                    network.val_acc,
                    network.shuffled.val_acc,
                    network.shuffled.train_acc,
                    network.twin.seed,
                    network.twin.val_acc,
                )
            })
            .collect();
        format!(
            "## {model}: does the map depend on the network?\n\n{}\n{networks}",
            table(maps).to_markdown()
        )
    });
    if tables.is_empty() {
        return tables;
    }
    let rules = results
        .trust_rules
        .iter()
        .map(|rule| format!("- **{}**: {}\n", rule.test.replace('_', " "), rule.rule));
    let rules: String = rules.collect();
    format!("{tables}{}\n\nA test is passed where:\n\n{rules}\n", legend())
}

fn legend() -> &'static str {
    "In the columns of tests: whether it was passed, SSIM and rank correlation of absolute maps. **pairs**: maps of \
     different images by one network, the level that tests compare with. **random weights**, **shuffled labels**, \
     **other seed**, **other network**: the map of the same image by such a network. **change**: the largest relative \
     change of the map under small changes of the image, and the relative distance of pairs. **Gini**: how sparse the \
     map is. **edges**: how alike it is to the edges of the image."
}

fn table(maps: &[&Trust]) -> Table {
    let mut table = Table::new(&[
        "map",
        "mean-Dice",
        "Dice",
        "pairs",
        "random weights",
        "shuffled labels",
        "other seed",
        "other network",
        "change",
        "Gini",
        "edges",
    ]);
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    let both = |found: Option<Similarity>| {
        found.map_or("-".to_owned(), |found| format!("{:.2} {:.2}", found.ssim, found.rank))
    };
    let word = |passed: Option<bool>| match passed {
        None => "",
        Some(true) => "passed ",
        Some(false) => "FAILED ",
    };
    for trust in maps {
        let name = match trust.trivial {
            true => format!("{} (control)", trust.method),
            false => trust.method.clone(),
        };
        let passed = trust.passed;
        let last = trust.randomised.last().map(|stage| stage.similarity);
        let tests = [
            (passed.randomised, last),
            (passed.label_randomised, trust.label_randomised),
            (passed.repeatability, trust.repeatability),
            (passed.reproducibility, trust.reproducibility),
        ];
        let mut cells = vec![
            name,
            number(trust.mean_dice),
            number(trust.dice),
            both(trust.random_pairs.map(|pairs| pairs.similarity)),
        ];
        cells.extend(tests.map(|(passed, found)| format!("{}{}", word(passed), both(found))));
        let of_pairs = trust.random_pairs.and_then(|pairs| pairs.change);
        let change = trust.max_sensitivity.zip(of_pairs).map_or("-".to_owned(), |(own, pairs)| {
            format!("{}{own:.2} {pairs:.2}", word(passed.max_sensitivity))
        });
        cells.extend([change, number(trust.sparseness), both(trust.edges)]);
        table.row(cells);
    }
    table
}

/// Draws the cascade of `model` into `out`.
///
/// # Errors
/// [`crate::error::Error::File`] when it cannot be written.
pub fn draw(results: &Results, out: &Path, model: &str) -> Result<()> {
    let maps: Vec<&Trust> = results.trust.iter().filter(|trust| trust.model == model).collect();
    let cell = |trust: &&Trust| Cell {
        name: maps.iter().find(|map| map.method == trust.method).map_or("", |map| &map.method),
        passed: trust.passed.randomised,
        points: trust
            .randomised
            .iter()
            .map(|stage| (stage.layers, [stage.similarity.ssim, stage.similarity.rank]))
            .collect(),
        pairs: trust.random_pairs.map(|pairs| {
            let Similarity { ssim, rank, .. } = pairs.similarity;
            [(ssim, pairs.ssim_deviation), (rank, pairs.rank_deviation)]
        }),
    };
    let cells: Vec<Cell> = maps.iter().map(cell).collect();
    let rois = maps.iter().map(|trust| trust.rois + trust.empty).max().unwrap_or(0);
    let title = format!("{model}: how alike maps stay as the network loses its weights");
    let subtitle = format!(
        "Absolute maps of {rois} validation ROIs; weights are drawn anew from the last layer to the first; sobel and \
         noise look at no network",
    );
    cascade::draw(&title, &subtitle, &cells)?.save_both(&picture(out, model))
}
