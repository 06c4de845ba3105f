//! The tables of the report: they sort, and every cell carries its number in full.

use serde_json::Value;

use super::numbers::{NOT_RUN, interval, list, number, word};
use super::page::escape;
use super::paper::{self, PUBLISHED, Published};
use super::run::Run;
use crate::lab::report::table::{Interval, Table};

/// One cell.
pub enum Cell {
    Name(String),
    /// A mean with its interval, or that it was not run.
    Found(Option<Interval>),
    /// What the paper has, or a dash.
    Published(Option<f64>),
    /// A number with so many decimals, or that it was not run.
    Number(Option<f64>, usize),
    /// What cannot be, such as the accuracy of an ellipse.
    Nothing,
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Cell::Name(name) => name.clone(),
            Cell::Found(Some(found)) => found.to_string(),
            Cell::Published(Some(value)) => format!("{value:.3}"),
            Cell::Number(Some(value), decimals) => format!("{value:.decimals$}"),
            _ => "-".to_owned(),
        }
    }

    fn html(&self) -> String {
        let cell = |class: &str, value: Option<f64>, text: &str| {
            let value = value.map_or(String::new(), |value| format!(" data-value=\"{value}\""));
            format!("<td class=\"{class}\"{value}>{text}</td>")
        };
        match self {
            Cell::Name(name) => format!("<th scope=\"row\">{}</th>", escape(name)),
            Cell::Found(Some(found)) => {
                let (Interval { mean, low, high, .. }, mark) = (found, found.mark());
                let range = match low < high {
                    true => format!(
                        " <span class=\"range\" data-low=\"{low}\" data-high=\"{high}\">[{low:.3}, {high:.3}]{mark}</span>"
                    ),
                    false => mark.to_owned(),
                };
                cell("found", Some(*mean), &format!("{mean:.3}{range}"))
            }
            Cell::Published(Some(value)) => cell("published", Some(*value), &format!("{value:.3}")),
            Cell::Number(Some(value), decimals) => {
                cell("found", Some(*value), &format!("{value:.decimals$}"))
            }
            Cell::Found(None) | Cell::Number(None, _) => cell("none", None, NOT_RUN),
            Cell::Published(None) | Cell::Nothing => cell("none", None, "–"),
        }
    }
}

/// A table of the page that is one of the paper as well.
pub struct Content {
    pub caption: &'static str,
    pub header: Vec<&'static str>,
    pub rows: Vec<Vec<Cell>>,
    /// They stay below.
    pub fixed: Vec<Vec<Cell>>,
}

impl Content {
    /// For the page.
    pub fn html(&self) -> String {
        table(self.caption, &self.header, &self.rows, &self.fixed)
    }

    /// For other files.
    pub fn text(&self) -> Table {
        let columns = columns(&self.header, &self.rows);
        let titles: Vec<&str> = columns.iter().map(|&column| self.header[column]).collect();
        let mut table = Table::new(&titles);
        let row = |cells: &Vec<Cell>| {
            columns.iter().filter_map(|&column| cells.get(column)).map(Cell::text).collect()
        };
        self.rows.iter().for_each(|cells| table.row(row(cells)));
        if !(self.rows.is_empty() || self.fixed.is_empty()) {
            table.line();
        }
        self.fixed.iter().for_each(|cells| table.row(row(cells)));
        table
    }
}

/// The columns that some row has: what none has was not run.
fn columns(header: &[&str], rows: &[Vec<Cell>]) -> Vec<usize> {
    let is_there = |column: &usize| {
        let none = |cell: &Cell| {
            matches!(
                cell,
                Cell::Found(None) | Cell::Number(None, _) | Cell::Published(None) | Cell::Nothing
            )
        };
        rows.is_empty() || rows.iter().any(|row| row.get(*column).is_some_and(|cell| !none(cell)))
    };
    (0..header.len()).filter(is_there).collect()
}

/// A table whose first rows sort and whose `fixed` ones stay below.
pub fn table(caption: &str, header: &[&str], rows: &[Vec<Cell>], fixed: &[Vec<Cell>]) -> String {
    let columns = columns(header, rows);
    let is_text = |column: usize| {
        rows.first()
            .and_then(|row| row.get(column))
            .is_some_and(|cell| matches!(cell, Cell::Name(_)))
    };
    let title = |&column: &usize| {
        let title = header[column];
        let class = if is_text(column) { " class=\"text\"" } else { "" };
        format!(
            "<th scope=\"col\"{class}><button type=\"button\">{}</button></th>",
            escape(title).replace('_', "_<wbr>")
        )
    };
    let head: String = columns.iter().map(title).collect();
    let body = |rows: &[Vec<Cell>], class: &str| {
        let row = |cells: &Vec<Cell>| {
            let cells = columns.iter().filter_map(|&column| cells.get(column));
            format!("<tr>{}</tr>\n", cells.map(Cell::html).collect::<String>())
        };
        match rows {
            [] => String::new(),
            rows => format!(
                "<tbody class=\"{class}\">\n{}</tbody>\n",
                rows.iter().map(row).collect::<String>()
            ),
        }
    };
    let caption = escape(caption);
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">\n<table class=\"sortable\">\n\
         <caption><span>{caption}</span></caption>\n<thead><tr>{head}</tr></thead>\n{}{}</table>\n</div>\n",
        body(rows, "sorts"),
        body(fixed, "fixed"),
    )
}

/// The models of this run in their order, then those of the paper that it lacks.
fn models(run: &Run) -> Vec<(String, Option<&Value>, Option<&'static Published>)> {
    let own = run.summary().iter().map(|summary| {
        let model = word(summary, "model");
        (model.to_owned(), Some(summary), paper::of(model))
    });
    let ran =
        |row: &&Published| run.summary().iter().any(|summary| word(summary, "model") == row.model);
    let lacking =
        PUBLISHED.iter().filter(|row| !ran(row)).map(|row| (row.model.to_owned(), None, Some(row)));
    own.chain(lacking).collect()
}

/// What a model of this run has; of one that only the paper has run, nothing.
fn found(summary: Option<&Value>, key: &str) -> Cell {
    summary.map_or(Cell::Nothing, |summary| Cell::Found(interval(summary, key)))
}

/// Table I: accuracy and mean-Dice.
pub fn classifiers(run: &Run) -> Content {
    let row =
        |(model, summary, published): (String, Option<&Value>, Option<&'static Published>)| {
            vec![
                Cell::Name(model),
                found(summary, "val_acc"),
                Cell::Published(published.map(|row| row.val_acc)),
                found(summary, "mean_dice"),
                Cell::Published(published.map(|row| row.dice)),
                found(summary, "mean_dice_validation"),
                found(summary, "dice_at_best_threshold_validation"),
            ]
        };
    let rows: Vec<_> = models(run).into_iter().map(row).collect();
    let baseline =
        |key: &str, name: &str| run.results.get(key).and_then(|values| number(values, name));
    let fixed: Vec<_> = super::charts::TRIVIAL
        .iter()
        .map(|(name, words)| {
            vec![
                Cell::Name(format!("{name}: {words}")),
                Cell::Nothing,
                Cell::Nothing,
                Cell::Number(baseline("baselines", name), 3),
                Cell::Nothing,
                Cell::Number(baseline("baselines_validation", name), 3),
                Cell::Number(baseline("baselines_at_best_threshold_validation", name), 3),
            ]
        })
        .collect();
    Content {
        caption: "Table I: accuracy and mean-Dice of the heatmaps; the last rows have seen no image",
        header: vec![
            "model",
            "val_acc",
            "val_acc, paper",
            "mean-Dice, all",
            "Dice, paper",
            "mean-Dice, validation",
            "Dice at best threshold, validation",
        ],
        rows,
        fixed,
    }
}

/// Table II: accuracy after training on filtered ROIs; none where that was not run.
pub fn filtered(run: &Run) -> Option<Content> {
    if !run.runs().iter().any(|one| number(one, "cam_val_acc").is_some()) {
        return None;
    }
    let row =
        |(model, summary, published): (String, Option<&Value>, Option<&'static Published>)| {
            vec![
                Cell::Name(model),
                found(summary, "val_acc"),
                Cell::Published(published.map(|row| row.val_acc)),
                found(summary, "cam_val_acc"),
                Cell::Published(published.map(|row| row.cam_val_acc)),
                found(summary, "mask_val_acc"),
                Cell::Published(published.map(|row| row.mask_val_acc)),
                found(summary, "inverse_mask_val_acc"),
                Cell::Published(published.and_then(|row| row.inverse_mask_val_acc)),
            ]
        };
    let rows: Vec<_> = models(run).into_iter().map(row).collect();
    Some(Content {
        caption: "Table II: accuracy after training from scratch on filtered ROIs",
        header: vec![
            "model",
            "val_acc",
            "paper",
            "CAM_val_acc",
            "CAM, paper",
            "mask_val_acc",
            "mask, paper",
            "inverse_mask_val_acc",
            "inverse, paper",
        ],
        rows,
        fixed: Vec::new(),
    })
}

/// The same for the page.
pub fn filtered_section(run: &Run) -> String {
    match filtered(run) {
        Some(content) => content.html(),
        None => format!("<p>Experiment 2, training on filtered ROIs, was {NOT_RUN}.</p>\n"),
    }
}

/// Every model and seed by itself.
pub fn runs(run: &Run) -> String {
    const COLUMNS: [(&str, &str, usize); 13] = [
        ("seed", "seed", 0),
        ("fold", "fold", 0),
        ("val_acc", "val_acc", 3),
        ("mean-Dice, all", "mean_dice", 3),
        ("mean-Dice, validation", "mean_dice_validation", 3),
        ("CAM_val_acc", "cam_val_acc", 3),
        ("mask_val_acc", "mask_val_acc", 3),
        ("inverse_mask_val_acc", "inverse_mask_val_acc", 3),
        ("best threshold", "best_threshold", 0),
        ("Dice there, validation", "dice_at_best_threshold_validation", 3),
        ("empty heatmaps", "empty_heatmaps", 0),
        ("epochs", "epochs", 0),
        ("seconds", "seconds", 0),
    ];
    let row = |one: &Value| {
        let numbers =
            COLUMNS.iter().map(|&(_, key, decimals)| Cell::Number(number(one, key), decimals));
        let name = Cell::Name(word(one, "model").to_owned());
        let size = one.get("map_size").and_then(Value::as_array);
        let size = size.map(|size| size.iter().map(Value::to_string).collect::<Vec<_>>().join("x"));
        let map = Cell::Name(size.unwrap_or_default());
        [name, map].into_iter().chain(numbers).collect()
    };
    let rows: Vec<Vec<Cell>> = run.runs().iter().map(row).collect();
    let titles = COLUMNS.iter().map(|column| column.0);
    let header: Vec<&str> = ["model", "map"].into_iter().chain(titles).collect();
    table("Every run: one a model and seed", &header, &rows, &[])
}

/// A normalisation in words.
fn scaling(name: &str) -> &str {
    match name {
        "relu-max" | "relu_max" => "negative to 0, by the maximum",
        "min-max" | "min_max" => "from minimum to maximum",
        "max" => "by the maximum",
        other => other,
    }
}

/// Both signs of the map in all normalisations, where they were scored.
pub fn ways(run: &Run) -> String {
    let of_model = |summary: &Value| -> Vec<Vec<Cell>> {
        let row = |way: &Value| {
            vec![
                Cell::Name(word(summary, "model").to_owned()),
                Cell::Name(format!(
                    "{} {}",
                    word(way, "sign"),
                    word(&run.results, "explained_class")
                )),
                Cell::Name(scaling(word(way, "normalisation")).to_owned()),
                found(Some(way), "mean_dice"),
                found(Some(way), "mean_dice_validation"),
            ]
        };
        list(summary, "ways").iter().map(row).collect()
    };
    let rows: Vec<_> = run.summary().iter().flat_map(of_model).collect();
    if rows.is_empty() {
        return "<p>Signs and scalings of the map: not run; what speaks for the class, divided by its maximum, was scored.</p>\n".to_owned();
    }
    let header = ["model", "evidence", "scaling", "mean-Dice, all", "mean-Dice, validation"];
    table("Mean-Dice of both signs of the map in each scaling", &header, &rows, &[])
}
