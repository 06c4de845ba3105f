//! Heatmaps as masks: a table of borders, lesions and normal ROIs, and Dice against the size of the lesion.

use serde::Deserialize;
use serde_json::Value;

use super::charts::TRIVIAL;
use super::numbers::{NOT_RUN, interval, list, number, word};
use super::page::escape;
use super::run::{Run, round_of};
use super::svg;
use super::tables::{Cell, table};
use crate::documents;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::report::plot::{Axis, Chart, Pen};

/// What a model has over its seeds, by its field.
const FIGURES: [(&str, &str); 7] = [
    ("IoU", "iou"),
    ("HD95, pixels", "hausdorff_95"),
    ("average surface distance, pixels", "average_surface_distance"),
    ("surface Dice", "surface_dice"),
    ("Dice a lesion", "lesion_dice"),
    ("normals with anything marked", "normals_exceeding"),
    ("normals as strong as lesions", "normals_exceeding_absolute"),
];

/// More dots of one model are not drawn: at even ranks of the size, these.
const MOST_DOTS: usize = 1000;

/// A line of `lesions.csv`.
#[derive(Deserialize)]
struct Lesion {
    name: String,
    split: String,
    pixels: f64,
    diameter: f64,
    dice: f64,
}

/// Borders, lesions and normal ROIs of every model; and Dice by thirds of the lesions' sizes.
pub fn masks(run: &Run) -> String {
    let row = |summary: &Value| -> Option<Vec<Cell>> {
        let found = summary.get("at_threshold").filter(|found| found.is_object())?;
        let mut cells = vec![Cell::Name(word(summary, "model").to_owned())];
        cells.extend(FIGURES.iter().map(|(_, key)| Cell::Found(interval(found, key))));
        cells.push(Cell::Number(number(found, "without_distance"), 0));
        Some(cells)
    };
    let rows: Vec<Vec<Cell>> = run.summary().iter().filter_map(row).collect();
    if rows.is_empty() {
        return format!("<p>Distances between borders were {NOT_RUN}.</p>\n");
    }
    let titles = FIGURES.iter().map(|one| one.0).chain(["no distance"]);
    let header: Vec<&str> = std::iter::once("model").chain(titles).collect();
    let caption = "Heatmaps as masks: the validation side, at the threshold that is best on the training side; the last \
                   rows have seen no image";
    let by_size: Vec<Vec<Cell>> = run.runs().iter().flat_map(thirds).collect();
    let sizes = match by_size.is_empty() {
        true => String::new(),
        false => {
            let header =
                ["model", "seed", "fold", "from pixels", "to pixels", "lesions", "Dice", "covered"];
            table(
                "Dice by the size of the lesion, in thirds of the validation side",
                &header,
                &by_size,
                &[],
            )
        }
    };
    table(caption, &header, &rows, &trivial(run)) + &sizes
}

/// The rows of the maps that look at nothing.
fn trivial(run: &Run) -> Vec<Vec<Cell>> {
    let Some(found) = run.results.get("baselines_borders_validation") else { return Vec::new() };
    let row = |(name, words): &(&str, &str)| {
        let of = found.get(name)?;
        let mut cells = vec![Cell::Name(format!("{name}: {words}"))];
        cells.extend(FIGURES.iter().map(|(_, key)| match number(of, key) {
            None => Cell::Nothing,
            found => Cell::Number(found, 3),
        }));
        cells.push(Cell::Nothing);
        Some(cells)
    };
    TRIVIAL.iter().filter_map(row).collect()
}

/// The thirds of a run's lesions.
fn thirds(one: &Value) -> Vec<Vec<Cell>> {
    let Some(lesions) = of_lesions(one) else { return Vec::new() };
    let row = |some: &Value| {
        let whole = |key| Cell::Number(number(some, key), 0);
        vec![
            Cell::Name(word(one, "model").to_owned()),
            Cell::Number(number(one, "seed"), 0),
            Cell::Number(number(one, "fold"), 0),
            whole("from_pixels"),
            whole("to_pixels"),
            whole("count"),
            Cell::Number(number(some, "dice"), 3),
            Cell::Number(number(some, "coverage"), 3),
        ]
    };
    list(lesions, "by_size").iter().map(row).collect()
}

fn of_lesions(one: &Value) -> Option<&Value> {
    one.get("at_threshold")?.get("lesions")
}

/// Dice against size of one model: its first run whose tables are there.
pub struct OfModel<'a> {
    /// The model's number.
    index: usize,
    /// The run.
    one: &'a Value,
    /// Its lesions on the validation side, from the smallest on.
    lesions: Vec<Lesion>,
}

/// Those of all models that have one.
///
/// # Errors
/// That a table of lesions cannot be read.
pub fn of(run: &Run) -> Result<Vec<OfModel<'_>>> {
    let mut all = Vec::new();
    for (index, summary) in run.summary().iter().enumerate() {
        for one in run.runs_of(word(summary, "model")) {
            let Some(lesions) = read(run, one)? else { continue };
            all.push(OfModel { index, one, lesions });
            break;
        }
    }
    Ok(all)
}

/// Dice against size, a chart a model.
pub fn charts(all: &[OfModel]) -> String {
    if all.is_empty() {
        return "<p>The tables of lesions are not in this folder.</p>\n".to_owned();
    }
    let sections: String = all.iter().map(OfModel::html).collect();
    format!("<div class=\"pair\">{sections}</div>\n")
}

/// The validation lesions of a run, from the smallest on; none where its table is not there.
fn read(run: &Run, one: &Value) -> Result<Option<Vec<Lesion>>> {
    let path = run.lesions(word(one, "model"), round_of(one));
    if !path.exists() {
        return Ok(None);
    }
    let bytes = files::read_at_most(&path, documents::MOST_TABLE)?;
    let mut lesions: Vec<Lesion> = documents::table(&bytes).map_err(|error| {
        let problem = format!("is not a table of lesions ({error})");
        Error::content(&path, problem, "run `parula reproduce` for this model again")
    })?;
    lesions.retain(|lesion| lesion.split == "validation");
    lesions.sort_by(|a, b| a.diameter.total_cmp(&b.diameter));
    Ok(Some(lesions))
}

impl OfModel<'_> {
    /// The model.
    pub fn model(&self) -> &str {
        word(self.one, "model")
    }

    /// Between two lesions that are drawn.
    fn every(&self) -> usize {
        self.lesions.len().div_ceil(MOST_DOTS).max(1)
    }

    /// A dot a lesion, and a line through the means of thirds by size.
    pub fn chart(&self) -> Chart {
        let largest = self.lesions.last().map_or(1.0, |lesion| lesion.diameter).max(1.0);
        let step = step(largest);
        let x = Axis {
            title: "diameter of a disc of the lesion's area, in pixels",
            range: [0.0, (largest / step).ceil() * step],
            step,
            decimals: 0,
        };
        let y = Axis {
            title: "Dice at the training side's threshold",
            range: [0.0, 1.0],
            step: 0.2,
            decimals: 1,
        };
        let mut chart = Chart::new(x, y);
        let dot = |lesion: &Lesion| {
            let Lesion { name, pixels, dice, .. } = lesion;
            (lesion.diameter, *dice, format!("{name}: {pixels} pixels, Dice {dice:.3}"))
        };
        let dots: Vec<_> = self.lesions.iter().step_by(self.every()).map(dot).collect();
        let pen = Pen::Model(self.index);
        chart.dots(pen, &dots);
        chart.path(pen, &thirds_of(&self.lesions));
        chart.explain(pen, &format!("{}, means of thirds by size", self.model()));
        chart
    }

    fn html(&self) -> String {
        let found = of_lesions(self.one).and_then(|found| number(found, "size_correlation"));
        let correlation = match found {
            Some(rho) => format!("Spearman's correlation of Dice with size is {rho:.2}"),
            None => {
                "Size and Dice have no correlation to speak of: one is the same for all".to_owned()
            }
        };
        let (count, model, round) = (self.lesions.len(), self.model(), round_of(self.one));
        let words = format!(
            "Dice against the size of {count} lesions, {model}; {correlation}; thirds by size are in the table"
        );
        let shown = match self.every() {
            1 => String::new(),
            every => format!(" {} of them are drawn.", count.div_ceil(every)),
        };
        format!(
            "<section>\n<h4>{}, {round}</h4>\n{}<p>{count} lesions of the validation side; the line joins the means of \
             thirds by size. {correlation}.{shown}</p>\n</section>\n",
            escape(model),
            svg::chart(&self.chart(), &words)
        )
    }
}

/// Mean diameter and mean Dice of thirds of `lesions`, which are in the order of their size.
fn thirds_of(lesions: &[Lesion]) -> Vec<(f64, f64)> {
    let third = |index: usize| {
        let at = |index: usize| index * lesions.len() / 3;
        let some = &lesions[at(index)..at(index + 1)];
        let mean =
            |value: fn(&Lesion) -> f64| some.iter().map(value).sum::<f64>() / some.len() as f64;
        (!some.is_empty()).then(|| (mean(|lesion| lesion.diameter), mean(|lesion| lesion.dice)))
    };
    (0..3).filter_map(third).collect()
}

/// Between ticks of an axis up to `most`: 1, 2 or 5 times a power of ten, for at most eight of them.
fn step(most: f64) -> f64 {
    let power = 10f64.powf((most / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps.into_iter().find(|step| most / step <= 8.0).unwrap_or(10.0 * power).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let steps = [1.0, 8.0, 9.0, 40.0, 41.0, 333.0, 1e4].map(step);
        assert_eq!(steps, [1.0, 1.0, 2.0, 5.0, 10.0, 50.0, 2000.0]);
        assert!(step(1e15) <= 1e15 && step(1e15) >= 1e14);
    }
}
