//! How alike maps stay as a network loses its weights from the last layer to the first: a small chart for each method,
//! with the level of maps of different images as a band.

use crate::error::Result;
use crate::lab::report::chart::{Axes, extent, ticks, whole_ticks};
use crate::lab::report::draw::Canvas;
use crate::lab::report::heading::Heading;
use crate::lab::report::style::{INK, LINES, MUTED, Style, WHITE, mix};
use crate::lab::report::text::Align;

/// One small chart.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The method's name.
    pub name: &'a str,
    /// Whether it passed, where that is known.
    pub passed: Option<bool>,
    /// Layers that have lost their weights, and SSIM and rank correlation there.
    pub points: Vec<(usize, [f64; 2])>,
    /// Of different images: mean and standard deviation of both.
    pub pairs: Option<[(f64, f64); 2]>,
}

const MARGIN: f32 = 28.0;
const CELL: f32 = 204.0;
const HEIGHT: f32 = 140.0;
const GAP: f32 = 22.0;
const HEAD: f32 = 104.0;
/// From one row of charts to the next.
const ROW: f32 = HEIGHT + 80.0;
/// Charts beside each other.
const ACROSS: usize = 5;
const NAMES: [&str; 2] = ["SSIM", "rank correlation"];

/// Draws `cells` under `title` and `subtitle`.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there are more cells than a picture holds.
pub fn draw(title: &str, subtitle: &str, cells: &[Cell]) -> Result<Canvas> {
    let (across, down) = (cells.len().clamp(1, ACROSS), cells.len().div_ceil(ACROSS).max(1));
    let width = (2.0 * MARGIN + across as f32 * (CELL + GAP)).max(720.0);
    let heading = Heading::new(title, subtitle, [17.0, 12.0], width - 2.0 * MARGIN);
    let extra = heading.extra();
    let mut canvas = Canvas::new(width, HEAD + extra + 20.0 + down as f32 * ROW)?;
    heading.draw(&mut canvas, MARGIN, [36.0, 56.0]);
    let (mut x, label) = (MARGIN, Style::regular(12.0, INK));
    let y = 78.0 + extra;
    for (name, colour) in NAMES.iter().zip(LINES) {
        canvas.line(&[(x, y), (x + 18.0, y)], 2.2, colour);
        canvas.text(name, (x + 25.0, y + 4.0), label);
        x += 45.0 + label.width(name);
    }
    canvas.rectangle(x, y - 5.0, 18.0, 10.0, mix(WHITE, LINES[0], 0.2));
    canvas.rectangle(x + 20.0, y - 5.0, 18.0, 10.0, mix(WHITE, LINES[1], 0.2));
    let band = "maps of different images, mean and standard deviation";
    canvas.text(band, (x + 45.0, y + 4.0), Style::regular(12.0, MUTED));

    let lows = cells.iter().flat_map(|cell| {
        let points = cell.points.iter().flat_map(|(_, values)| *values);
        points.chain(cell.pairs.into_iter().flatten().map(|(mean, deviation)| mean - deviation))
    });
    let low = extent(lows).map_or(0.0, |ends| ends.0.min(0.0));
    let y_ticks = ticks(low..=1.0, 4);
    for (index, cell) in cells.iter().enumerate() {
        let left = MARGIN + 26.0 + (index % ACROSS) as f32 * (CELL + GAP);
        let top = HEAD + extra + 16.0 + (index / ACROSS) as f32 * ROW;
        draw_cell(&mut canvas, cell, (left, top), &y_ticks);
    }
    Ok(canvas)
}

fn draw_cell(canvas: &mut Canvas, cell: &Cell, (left, top): (f32, f32), y_ticks: &[f64]) {
    let layers = cell.points.last().map_or(1, |(layers, _)| *layers).max(1);
    let (x, y) = ((0.0, layers as f64), (y_ticks[0], y_ticks[y_ticks.len() - 1]));
    let axes = Axes { left, top, width: CELL - 30.0, height: HEIGHT, x, y };
    for ((mean, deviation), colour) in cell.pairs.into_iter().flatten().zip(LINES) {
        let [high, low] = [mean + deviation, mean - deviation].map(|v| v.clamp(y.0, y.1));
        let (upper, lower) = (axes.place(0.0, high).1, axes.place(0.0, low).1);
        canvas.rectangle(left, upper, axes.width, lower - upper, mix(WHITE, colour, 0.16));
    }
    for ((mean, _), colour) in cell.pairs.into_iter().flatten().zip(LINES) {
        let line = [(0.0, mean), (layers as f64, mean)];
        axes.dashed(canvas, &line, 1.0, mix(WHITE, colour, 0.6));
    }
    let x_ticks = whole_ticks(0..=u32::try_from(layers).unwrap_or(u32::MAX), 5);
    axes.draw(canvas, &x_ticks, y_ticks, "layers with random weights");
    canvas.text(cell.name, (left, top - 7.0), Style::bold(12.0, INK));
    if let Some(passed) = cell.passed {
        let (word, style) = match passed {
            true => ("passed", Style::regular(11.0, LINES[2])),
            false => ("failed", Style::bold(11.0, LINES[3])),
        };
        canvas.text(word, (left + axes.width, top - 7.0), style.aligned(Align::Right));
    }
    for (which, colour) in LINES.iter().enumerate().take(NAMES.len()) {
        let own = cell.points.iter().map(|(layers, values)| (*layers as f64, values[which]));
        let line: Vec<(f64, f64)> = std::iter::once((0.0, 1.0)).chain(own).collect();
        axes.curve(canvas, &line, 2.0, *colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_lines_its_bands_and_its_verdict() {
        let cell = Cell {
            name: "gradcam",
            passed: Some(false),
            points: vec![(3, [0.5, 0.2]), (9, [0.1, -0.3])],
            pairs: Some([(0.3, 0.1), (0.1, 0.05)]),
        };
        let canvas = draw("Trust", "of maps", &[cell.clone(), cell]).unwrap();
        let count = |colour| canvas.pixels().pixels().filter(|p| p.0 == colour).count();
        assert!(count(LINES[0]) > 300 && count(LINES[1]) > 300);
        assert!(count(mix(WHITE, LINES[0], 0.16)) > 1000);
        assert!(count(LINES[3]) > 20, "failed");
        assert!(draw("", "", &[]).is_ok());
    }
}
