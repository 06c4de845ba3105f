//! Bars with intervals: a row a map, a panel a metric, a colour a model.

use crate::error::Result;
use crate::lab::metrics::interval::Interval;
use crate::lab::report::chart::{extent, ticks};
use crate::lab::report::draw::Canvas;
use crate::lab::report::heading::Heading;
use crate::lab::report::legend::{Legend, Sign};
use crate::lab::report::style::{Colour, HAIRLINE, INK, LINES, MUTED, Style, WHITE, mix};
use crate::lab::report::text::Align;

/// One metric.
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    /// Its name.
    pub title: &'a str,
    /// Whether more is better.
    pub higher: bool,
    /// For each row the value of each model, where there is one.
    pub rows: Vec<Vec<Option<Interval>>>,
}

/// The name of a row, and whether it is shown faint.
pub type Row<'a> = (&'a str, bool);

const MARGIN: f32 = 28.0;
const NAMES: f32 = 150.0;
const PANEL: f32 = 176.0;
const GAP: f32 = 26.0;
const HEAD: f32 = 122.0;
const BAR: f32 = 8.0;
/// Panels beside each other.
const ACROSS: usize = 4;

/// Draws `panels`, each with all `rows`, under `title` and `subtitle`.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there are more rows than a picture holds.
pub fn draw(
    title: &str,
    subtitle: &str,
    models: &[&str],
    rows: &[Row],
    panels: &[Panel],
) -> Result<Canvas> {
    let row_height = BAR * models.len().max(1) as f32 + 8.0;
    let (across, down) = (panels.len().clamp(1, ACROSS), panels.len().div_ceil(ACROSS).max(1));
    let block = rows.len() as f32 * row_height + 62.0;
    let width = 2.0 * MARGIN + NAMES + across as f32 * (PANEL + GAP);
    let room = width - 2.0 * MARGIN;
    let heading = Heading::new(title, subtitle, [17.0, 12.0], room);
    let entries = models.iter().zip(LINES.iter().cycle());
    let legend =
        Legend::new(entries.map(|(&model, &colour)| (Sign::Square(colour), model, INK)), room);
    let below = 80.5 + heading.extra();
    let extra = heading.extra() + legend.extra();
    let mut canvas = Canvas::new(width, HEAD + extra + down as f32 * block + 8.0)?;
    heading.draw(&mut canvas, MARGIN, [36.0, 56.0]);
    legend.draw(&mut canvas, (MARGIN, below), room);
    for (line, some) in panels.chunks(ACROSS).enumerate() {
        let top = HEAD + extra + line as f32 * block;
        for (index, &(name, faint)) in rows.iter().enumerate() {
            let style = Style::regular(12.0, if faint { MUTED } else { INK }).aligned(Align::Right);
            let base = top + (index as f32 + 0.5) * row_height + 4.0;
            canvas.text(&style.fit(name, NAMES - 8.0), (MARGIN + NAMES - 12.0, base), style);
        }
        for (index, panel) in some.iter().enumerate() {
            let left = MARGIN + NAMES + index as f32 * (PANEL + GAP);
            draw_panel(&mut canvas, panel, rows, (left, top), row_height);
        }
    }
    Ok(canvas)
}

fn draw_panel(
    canvas: &mut Canvas,
    panel: &Panel,
    rows: &[Row],
    (left, top): (f32, f32),
    row_height: f32,
) {
    let values = panel.rows.iter().flatten().flatten();
    let ends = values.flat_map(|value| [value.low.min(0.0), value.high.max(0.0)]);
    let marks = ticks(extent(ends).map_or(0.0..=1.0, |(low, high)| low..=high), 4);
    let (low, high) = (marks[0], marks[marks.len() - 1]);
    let place = |value: f64| left + ((value - low) / (high - low)) as f32 * PANEL;
    let bottom = top + rows.len() as f32 * row_height;

    canvas.text(panel.title, (left, top - 20.0), Style::bold(13.0, INK));
    let note = if panel.higher { "more is better" } else { "less is better" };
    let small = Style::regular(10.5, MUTED);
    canvas.text(note, (left, top - 6.0), small);
    let decimals = if marks[1] - marks[0] < 0.0999 { 2 } else { 1 };
    for &mark in &marks {
        let x = place(mark);
        let line: Colour = if mark == 0.0 { MUTED } else { HAIRLINE };
        canvas.rectangle(x - 0.25, top, 0.5, bottom - top, line);
        let label = format!("{mark:.decimals$}").replace('-', "−");
        canvas.text(&label, (x, bottom + 15.0), small.aligned(Align::Centre));
    }
    for (index, (values, &(_, faint))) in panel.rows.iter().zip(rows).enumerate() {
        let first = top + index as f32 * row_height + 4.0;
        for (model, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let y = first + model as f32 * BAR;
            let full = LINES[model % LINES.len()];
            let colour = if faint { mix(full, WHITE, 0.6) } else { full };
            let (from, to) = (place(0.0), place(value.mean));
            canvas.rectangle(from.min(to), y + 1.0, (to - from).abs().max(0.75), BAR - 2.0, colour);
            if value.low < value.high {
                let middle = y + BAR / 2.0;
                let (from, to) = (place(value.low), place(value.high));
                canvas.line(&[(from, middle), (to, middle)], 1.0, INK);
                for end in [from, to] {
                    canvas.line(&[(end, middle - 2.0), (end, middle + 2.0)], 1.0, INK);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values_and_missing_ones_are_left_out() {
        let value = |mean| {
            let (low, high) = (mean - 0.05, mean + 0.05);
            Some(Interval { mean, low, high, ..Interval::default() })
        };
        let panel = |first, second| Panel {
            title: "mean-Dice",
            higher: true,
            rows: vec![vec![first, second], vec![None, None]],
        };
        let count = |panels: &[Panel]| {
            let rows = [("gradcam", false), ("ones", true)];
            let canvas = draw("t", "s", &["a", "b"], &rows, panels).unwrap();
            let of = |colour| canvas.pixels().pixels().filter(|p| p.0 == colour).count();
            (of(LINES[0]), of(LINES[1]))
        };
        let (long, short) = count(&[panel(value(0.8), value(0.4))]);
        assert!(long > short && short > 300, "{long} {short}");
        let (_, none) = count(&[panel(value(0.8), None)]);
        assert!(none < short, "{none}");
        count(&[panel(value(-0.2), value(0.4))]);
        let many: Vec<Panel> = (0..9).map(|_| panel(value(0.1), value(0.2))).collect();
        count(&many);
        assert!(draw("", "", &[], &[], &[]).is_ok());
    }
}
