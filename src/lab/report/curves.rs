//! How training went: loss and accuracy by epoch, as a picture and as CSV.

use std::fmt::Write;
use std::path::Path;

use crate::error::Result;
use crate::files;
use crate::lab::report::chart::{Axes, extent, ticks, whole_ticks};
use crate::lab::report::draw::Canvas;
use crate::lab::report::style::{Colour, INK, LINES, MUTED, Style, WHITE};
use crate::lab::report::text::Align;
pub use crate::nets::train::record::EpochRecord;
use crate::nets::train::record::best_epoch;

const VALIDATION: Colour = LINES[0];
const TRAINING: Colour = [160, 168, 180];

/// The columns of [`csv()`].
pub const HEADER: &str = "epoch,loss,accuracy,val_loss,val_accuracy";

/// One line an epoch under [`HEADER`], every number with all its digits.
pub fn csv(records: &[EpochRecord]) -> String {
    let mut text = format!("{HEADER}\n");
    for r in records {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{},{},{},{},{}",
            r.epoch, r.loss, r.accuracy, r.val_loss, r.val_accuracy
        );
    }
    text
}

/// Writes [`csv()`] and [`draw`] to `csv_path` and `png_path`, and the drawing as SVG to the latter with that ending.
///
/// # Errors
/// Those of [`draw`] and of [`files::write`].
pub fn save(records: &[EpochRecord], title: &str, csv_path: &Path, png_path: &Path) -> Result<()> {
    files::write(csv_path, csv(records).as_bytes())?;
    draw(records, title)?.save_both(png_path)
}

/// Loss on the left, accuracy on the right, the epoch whose weights were kept marked in both.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there is no memory to draw in.
pub fn draw(records: &[EpochRecord], title: &str) -> Result<Canvas> {
    let mut canvas = Canvas::new(1000.0, 400.0)?;
    let heading = Style::bold(17.0, INK);
    canvas.text(&heading.fit(title, 600.0), (28.0, 36.0), heading);
    legend(&mut canvas);

    let losses = records.iter().flat_map(|r| [r.loss, r.val_loss]);
    let (highest, peak) = ceiling(losses);
    let accuracy = records.iter().flat_map(|r| [r.accuracy, r.val_accuracy]);
    let lowest = extent(accuracy).map_or(0.5, |e| e.0.min(0.9));
    let panels = [
        Panel {
            name: peak.map_or("Loss, nats".to_owned(), |p| {
                format!("Loss, nats (peak of {p:.3} cut off)")
            }),
            left: 70.0,
            ticks: ticks(0.0..=highest, 5),
            training: |r| r.loss,
            validation: |r| r.val_loss,
        },
        Panel {
            name: "Accuracy, share".to_owned(),
            left: 560.0,
            ticks: ticks(lowest..=1.0, 5),
            training: |r| r.accuracy,
            validation: |r| r.val_accuracy,
        },
    ];
    for panel in &panels {
        panel.draw(&mut canvas, records);
    }
    Ok(canvas)
}

/// How far up the loss is shown, and the peak that is cut off there, if one is. A few early epochs,
/// whose running statistics are not there yet, can be so high that nothing else would be seen.
fn ceiling(values: impl Iterator<Item = f64>) -> (f64, Option<f64>) {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let Some(&highest) = values.last() else { return (1.0, None) };
    let common = values[(values.len() - 1) * 9 / 10];
    if highest > 3.0 * common { (1.5 * common, Some(highest)) } else { (highest, None) }
}

/// `value`, at most `most`; unlike `f64::min` it leaves NaN as it is.
fn cut(value: f64, most: f64) -> f64 {
    if value > most { most } else { value }
}

fn legend(canvas: &mut Canvas) {
    let label = Style::regular(12.0, INK);
    let (mut x, y) = (972.0, 36.0);
    for (name, colour) in [("validation", VALIDATION), ("training", TRAINING)] {
        canvas.text(name, (x, y), label.aligned(Align::Right));
        x -= label.width(name) + 8.0;
        canvas.line(&[(x - 20.0, y - 4.0), (x, y - 4.0)], 2.0, colour);
        x -= 44.0;
    }
}

struct Panel {
    name: String,
    left: f32,
    ticks: Vec<f64>,
    training: fn(&EpochRecord) -> f64,
    validation: fn(&EpochRecord) -> f64,
}

impl Panel {
    fn draw(&self, canvas: &mut Canvas, records: &[EpochRecord]) {
        canvas.text(&self.name, (self.left, 74.0), Style::bold(13.0, INK));
        let first = records.iter().map(|r| r.epoch).min().unwrap_or(1);
        let last = records.iter().map(|r| r.epoch).max().unwrap_or(1);
        // A single epoch still needs an axis with two ends.
        let (from, to) = (f64::from(first), f64::from(last));
        let x = if first < last { (from, to) } else { (from - 1.0, to + 1.0) };
        let y = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let axes = Axes { left: self.left, top: 92.0, width: 410.0, height: 240.0, x, y };
        axes.draw(canvas, &whole_ticks(first..=last, 8), &self.ticks, "epoch");

        let best = best_epoch(records).map(|i| &records[i]);
        if let Some(best) = best {
            let epoch = f64::from(best.epoch);
            axes.dashed(canvas, &[(epoch, y.0), (epoch, y.1)], 1.0, MUTED);
        }
        for (value, colour, width) in
            [(self.training, TRAINING, 1.8), (self.validation, VALIDATION, 2.2)]
        {
            let points: Vec<_> =
                records.iter().map(|r| (f64::from(r.epoch), cut(value(r), y.1))).collect();
            axes.curve(canvas, &points, width, colour);
            if let [only] = points[..] {
                canvas.disc(axes.place(only.0, only.1), 3.0, colour);
            }
        }
        if let Some(best) = best {
            self.mark(canvas, &axes, best);
        }
    }

    /// A ring on the validation curve at the best epoch, and its numbers above the plot.
    fn mark(&self, canvas: &mut Canvas, axes: &Axes, best: &EpochRecord) {
        let value = (self.validation)(best);
        let at = axes.place(f64::from(best.epoch), cut(value, axes.y.1));
        canvas.disc(at, 5.0, WHITE);
        canvas.disc(at, 3.8, VALIDATION);
        let note = format!("best epoch {}: {value:.3}", best.epoch);
        let style = Style::regular(11.5, MUTED).aligned(Align::Right);
        canvas.text(&note, (axes.left + axes.width, 74.0), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u32, loss: f64, accuracy: f64) -> EpochRecord {
        EpochRecord { epoch, loss, accuracy, val_loss: loss * 1.25, val_accuracy: accuracy - 0.125 }
    }

    #[test]
    fn csv_has_a_line_an_epoch_and_keeps_every_digit() {
        let text = csv(&[record(1, 0.5, 0.75), record(2, 0.1 + 0.2, 1.0)]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "epoch,loss,accuracy,val_loss,val_accuracy");
        assert_eq!(lines[1], "1,0.5,0.75,0.625,0.625");
        assert_eq!(lines[2].split(',').nth(1).unwrap().parse::<f64>().unwrap(), 0.1 + 0.2);
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn the_validation_curve_is_drawn() {
        let records: Vec<_> = (1..=10).map(|e| record(e, 1.0 / f64::from(e), 0.9)).collect();
        let canvas = draw(&records, "compact-xception").unwrap();
        let blue = canvas.pixels().pixels().filter(|p| p.0 == VALIDATION).count();
        assert!(blue > 1000, "{blue}");
    }

    #[test]
    fn a_lone_peak_is_cut_off_and_said_so() {
        assert_eq!(ceiling([1.0; 19].into_iter().chain([50.0])), (1.5, Some(50.0)));
        assert_eq!(ceiling([0.2, f64::NAN, 0.4].into_iter()), (0.4, None));
        assert_eq!(ceiling([].into_iter()), (1.0, None));
    }

    #[test]
    fn nothing_one_epoch_and_nan_can_be_drawn() {
        let nan = record(2, f64::NAN, f64::NAN);
        for records in [vec![], vec![record(1, 0.7, 0.5)], vec![record(1, 0.7, 0.5), nan]] {
            assert!(draw(&records, "").is_ok());
        }
    }
}
