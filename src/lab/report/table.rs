//! The table at the end of `parula reproduce`, as text and as Markdown.

pub use crate::lab::metrics::interval::Interval;

/// What one model reached; what was not measured is `None` and prints as a dash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelRow {
    /// The model's name.
    pub model: String,
    /// The best validation accuracy.
    pub val_acc: Option<Interval>,
    /// Mean-Dice over all abnormal ROIs, training images included, as in the paper.
    pub mean_dice: Option<Interval>,
    /// Mean-Dice over the validation set's abnormal ROIs only.
    pub mean_dice_validation: Option<Interval>,
    /// Dice on the validation set at the threshold that is best on the training set.
    pub best_threshold_dice: Option<Interval>,
    /// Validation accuracy after training on CAM-filtered ROIs.
    pub cam_val_acc: Option<Interval>,
    /// The same on mask-filtered ROIs.
    pub mask_val_acc: Option<Interval>,
    /// The same on inverse-mask-filtered ROIs.
    pub inverse_mask_val_acc: Option<Interval>,
    /// Epochs run, as a mean over seeds.
    pub epochs: Option<f64>,
    /// Wall-clock time, as a mean over seeds.
    pub seconds: Option<f64>,
}

/// A trivial heatmap's mean-Dice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BaselineRow {
    /// `ones`, `gaussian` or `ellipse`.
    pub name: &'static str,
    /// Over all abnormal ROIs.
    pub mean_dice: f64,
    /// Over the validation set's.
    pub mean_dice_validation: Option<f64>,
    /// Dice on the validation set at the threshold that is best on the training set.
    pub best_threshold_dice: Option<f64>,
}

/// The table of `parula reproduce`: the models, a line, the baselines. The accuracies of the second
/// experiment have columns where some model has them.
pub fn reproduce(rows: &[ModelRow], baselines: &[BaselineRow]) -> Table {
    type Column = (&'static str, fn(&ModelRow) -> Option<Interval>);
    const FILTERED: [Column; 3] = [
        ("CAM_val_acc", |row| row.cam_val_acc),
        ("mask_val_acc", |row| row.mask_val_acc),
        ("inverse_mask_val_acc", |row| row.inverse_mask_val_acc),
    ];
    let filtered: Vec<Column> =
        FILTERED.into_iter().filter(|(_, value)| rows.iter().any(|r| value(r).is_some())).collect();
    let mut header = vec!["model", "val_acc"];
    header.extend(filtered.iter().map(|(name, _)| *name));
    header.extend(["mean-Dice (all)", "(validation)", "best threshold", "epochs", "seconds"]);
    let mut table = Table::new(&header);
    let interval = |value: Option<Interval>| value.map_or(DASH.to_owned(), |v| v.to_string());
    let whole = |value: Option<f64>| value.map_or(DASH.to_owned(), |v| format!("{v:.0}"));
    for row in rows {
        let mut cells = vec![row.model.clone(), interval(row.val_acc)];
        cells.extend(filtered.iter().map(|(_, value)| interval(value(row))));
        let dice = [row.mean_dice, row.mean_dice_validation, row.best_threshold_dice];
        cells.extend(dice.map(interval));
        cells.extend([row.epochs, row.seconds].map(whole));
        table.row(cells);
    }
    if !(rows.is_empty() || baselines.is_empty()) {
        table.line();
    }
    for baseline in baselines {
        let mut cells = vec![format!("{} (baseline)", baseline.name)];
        cells.resize(2 + filtered.len(), DASH.to_owned());
        let others = [baseline.mean_dice_validation, baseline.best_threshold_dice];
        cells.push(format!("{:.3}", baseline.mean_dice));
        cells.extend(others.map(|value| interval(value.map(Interval::from))));
        cells.resize(header.len(), DASH.to_owned());
        table.row(cells);
    }
    table
}

const DASH: &str = "-";

/// Text in aligned columns: the first from the left, the others from the right.
#[derive(Clone, Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Option<Vec<String>>>,
}

impl Table {
    /// A table without rows.
    pub fn new(header: &[&str]) -> Self {
        Table { header: header.iter().map(|&h| h.to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing stay empty, and more than there are columns are cut.
    pub fn row(&mut self, mut cells: Vec<String>) {
        cells.resize(self.header.len(), String::new());
        self.rows.push(Some(cells));
    }

    /// Adds a line that parts the rows above from those below; Markdown has none and leaves it out.
    pub fn line(&mut self) {
        self.rows.push(None);
    }

    /// The titles of the columns.
    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    /// The rows from above; none stands for a line.
    pub(super) fn rows(&self) -> &[Option<Vec<String>>] {
        &self.rows
    }

    /// For a terminal.
    pub fn to_text(&self) -> String {
        let widths = self.widths();
        let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        let mut lines = vec![aligned(&self.header, &widths, "  "), rule.clone()];
        lines.extend(self.rows.iter().map(|row| match row {
            Some(cells) => aligned(cells, &widths, "  "),
            None => rule.clone(),
        }));
        lines.push(String::new());
        lines.join("\n")
    }

    /// For a file or an issue.
    pub fn to_markdown(&self) -> String {
        let escape = |cells: &[String]| -> Vec<String> {
            cells.iter().map(|cell| cell.replace('|', "\\|")).collect()
        };
        let rows: Vec<_> = self.rows.iter().flatten().map(|cells| escape(cells)).collect();
        let header = escape(&self.header);
        let widths = widths(std::iter::once(&header).chain(&rows), header.len());
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(i, &w)| match i {
                0 => "-".repeat(w.max(3)),
                _ => format!("{}:", "-".repeat(w.max(3) - 1)),
            })
            .collect();
        let mut text = String::new();
        for cells in [&header, &rule].into_iter().chain(&rows) {
            text += &format!("| {} |\n", aligned(cells, &widths, " | "));
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        widths(std::iter::once(&self.header).chain(self.rows.iter().flatten()), self.header.len())
    }
}

fn widths<'a>(rows: impl Iterator<Item = &'a Vec<String>>, columns: usize) -> Vec<usize> {
    rows.fold(vec![3; columns], |mut widths, row| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
        widths
    })
}

fn aligned(cells: &[String], widths: &[usize], between: &str) -> String {
    let padded: Vec<String> = cells
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(i, (cell, &width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        })
        .collect();
    padded.join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let interval = Interval { mean: 0.931, low: 0.9204, high: 0.944, ..Interval::default() };
        let row = ModelRow {
            model: "compact-xception".into(),
            val_acc: Some(interval),
            mean_dice: Some(0.4809.into()),
            mean_dice_validation: None,
            best_threshold_dice: Some(0.6.into()),
            cam_val_acc: Some(0.91.into()),
            epochs: Some(12.0),
            seconds: Some(301.4),
            ..ModelRow::default()
        };
        let ones = BaselineRow {
            name: "ones",
            mean_dice: 0.551,
            mean_dice_validation: Some(0.55),
            best_threshold_dice: None,
        };
        reproduce(&[row], &[ones])
    }

    #[test]
    fn columns_line_up() {
        let text = example().to_text();
        let expected = "\
model                          val_acc  CAM_val_acc  mean-Dice (all)  (validation)  best threshold  epochs  seconds
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
compact-xception  0.931 [0.920, 0.944]        0.910            0.481             -           0.600      12      301
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────
ones (baseline)                      -            -            0.551         0.550               -       -        -
";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn the_line_parts_models_from_baselines_where_there_are_both() {
        assert_eq!(example().to_text().matches('\n').count(), 5);
        assert_eq!(reproduce(&[ModelRow::default()], &[]).to_text().matches('\n').count(), 3);
    }

    #[test]
    fn markdown_has_one_rule_and_escapes_bars() {
        let mut table = Table::new(&["a", "b"]);
        table.row(vec!["x|y".into(), "1".into()]);
        table.line();
        table.row(vec!["z".into()]);
        assert_eq!(
            table.to_markdown(),
            "| a    |   b |\n| ---- | --: |\n| x\\|y |   1 |\n| z    |     |\n"
        );
    }
}
