//! Dice against threshold, a small chart for each map: its curve for every model, and behind it those of
//! the maps that look at no network.

use crate::error::Result;
use crate::lab::report::chart::{Axes, extent, ticks};
use crate::lab::report::draw::Canvas;
use crate::lab::report::legend::{Legend, Sign};
use crate::lab::report::style::{Colour, INK, LINES, MUTED, Style, WHITE};
use crate::lab::report::text::Align;

/// One small chart.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The map's name.
    pub name: &'a str,
    /// For each model Dice at each threshold from 0 to 255; empty where there is none.
    pub curves: Vec<Vec<f64>>,
}

const MARGIN: f32 = 28.0;
const CELL: f32 = 204.0;
const HEIGHT: f32 = 150.0;
const GAP: f32 = 22.0;
const HEAD: f32 = 100.0;
/// Charts beside each other.
const ACROSS: usize = 5;
const BEHIND: [Colour; 4] = [[150, 156, 166], [172, 178, 188], [190, 196, 205], [205, 210, 218]];

/// Draws `cells` with the curves `behind` in each, by name, under `title`.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there are more cells than a picture holds.
pub fn draw(
    title: &str,
    models: &[&str],
    cells: &[Cell],
    behind: &[(&str, Vec<f64>)],
) -> Result<Canvas> {
    let (across, down) = (cells.len().clamp(1, ACROSS), cells.len().div_ceil(ACROSS).max(1));
    let width = (2.0 * MARGIN + across as f32 * (CELL + GAP)).max(720.0);
    let entries = models.iter().zip(LINES.iter().cycle());
    let entries = entries.map(|(&model, &colour)| (Sign::Line(colour), model, INK));
    let trivial = behind.iter().zip(BEHIND.iter().cycle());
    let trivial = trivial.map(|((name, _), &colour)| (Sign::Dashes(colour), *name, MUTED));
    let room = width - 2.0 * MARGIN;
    let legend = Legend::new(entries.chain(trivial), room);
    let head = HEAD + legend.extra();
    let mut canvas = Canvas::new(width, head + down as f32 * (HEIGHT + 64.0))?;
    let heading = Style::bold(17.0, INK);
    canvas.text(&heading.fit(title, width - 2.0 * MARGIN), (MARGIN, 36.0), heading);
    legend.draw(&mut canvas, (MARGIN, 64.0), room);
    let all = cells.iter().flat_map(|cell| cell.curves.iter().flatten());
    let all = all.chain(behind.iter().flat_map(|(_, curve)| curve)).copied();
    let y_ticks = ticks(0.0..=extent(all).map_or(1.0, |ends| ends.1.max(0.1)), 4);
    for (index, cell) in cells.iter().enumerate() {
        let left = MARGIN + 26.0 + (index % ACROSS) as f32 * (CELL + GAP);
        let top = head + 10.0 + (index / ACROSS) as f32 * (HEIGHT + 64.0);
        let y = (y_ticks[0], y_ticks[y_ticks.len() - 1]);
        let axes = Axes { left, top, width: CELL - 30.0, height: HEIGHT, x: (0.0, 255.0), y };
        axes.draw(&mut canvas, &[0.0, 128.0, 255.0], &y_ticks, "");
        canvas.text(cell.name, (left, top - 7.0), Style::bold(12.0, INK));
        for ((_, curve), colour) in behind.iter().zip(BEHIND.iter().cycle()) {
            axes.dashed(&mut canvas, &points(curve), 1.3, *colour);
        }
        for (curve, colour) in cell.curves.iter().zip(LINES.iter().cycle()) {
            axes.curve(&mut canvas, &points(curve), 2.0, *colour);
        }
        for (line, (curve, colour)) in cell.curves.iter().zip(LINES.iter().cycle()).enumerate() {
            if !curve.is_empty() {
                let mean = curve.iter().sum::<f64>() / curve.len() as f64;
                let style = Style::regular(10.5, *colour).aligned(Align::Right);
                let at = (left + CELL - 32.0, top + 10.0 + 13.0 * line as f32);
                let text = format!("{mean:.3}");
                // A curve that passes there is not to be read through the number.
                let width = style.width(&text);
                canvas.rectangle(at.0 - width - 2.0, at.1 - 9.0, width + 4.0, 11.5, WHITE);
                canvas.text(&text, at, style);
            }
        }
    }
    Ok(canvas)
}

fn points(curve: &[f64]) -> Vec<(f64, f64)> {
    curve.iter().enumerate().map(|(t, &dice)| (t as f64, dice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_has_its_line_and_an_empty_curve_none() {
        let falling: Vec<f64> = (0..256).map(|t| 0.8 * (1.0 - f64::from(t) / 256.0)).collect();
        let cell = Cell { name: "gradcam", curves: vec![falling.clone(), Vec::new()] };
        let behind = [("ones", vec![0.5; 256])];
        let canvas = draw("Dice", &["a", "b"], &[cell], &behind).unwrap();
        let count = |colour| canvas.pixels().pixels().filter(|p| p.0 == colour).count();
        assert!(count(LINES[0]) > 500 && count(BEHIND[0]) > 100);
        // Only its sign in the legend.
        assert!(count(LINES[1]) < 250, "{}", count(LINES[1]));
        assert!(draw("", &[], &[], &[]).is_ok());
    }
}
