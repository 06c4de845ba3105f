//! Dice against the threshold at which heatmaps are cut, one line a model, with the trivial
//! baselines dashed behind them.

use crate::error::Result;
use crate::lab::report::chart::{Axes, extent, ticks};
use crate::lab::report::draw::Canvas;
use crate::lab::report::style::{Colour, INK, LINES, MUTED, Style, WHITE};
use crate::lab::report::text::Align;

/// One line of the picture.
#[derive(Clone, Copy, Debug)]
pub struct Curve<'a> {
    /// The model's or the baseline's name.
    pub name: &'a str,
    /// Dice at each threshold from 0 on; 256 of them, as `cam::dice::mean_curve` makes.
    pub dice: &'a [f64],
}

const BASELINE_GREYS: [Colour; 3] = [[150, 156, 166], [120, 127, 138], [90, 97, 109]];

/// Draws `models` as solid lines and `baselines` as dashed ones. Beside each name stands its
/// mean over all thresholds, which is the mean-Dice of the tables.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there are more lines than a picture holds.
pub fn draw(title: &str, models: &[Curve], baselines: &[Curve]) -> Result<Canvas> {
    let entries = (models.len() + baselines.len() + 2) as f32;
    let mut canvas = Canvas::new(860.0, (entries * 22.0 + 110.0).max(440.0))?;
    let heading = Style::bold(17.0, INK);
    canvas.text(&heading.fit(title, 800.0), (28.0, 36.0), heading);
    canvas.text("Dice", (64.0, 70.0), Style::bold(12.0, INK));

    let all = models.iter().chain(baselines).flat_map(|c| c.dice.iter().copied());
    let y_ticks = ticks(0.0..=extent(all).map_or(1.0, |e| e.1.max(0.1)), 5);
    let y = (y_ticks[0], y_ticks[y_ticks.len() - 1]);
    let axes = Axes { left: 64.0, top: 84.0, width: 520.0, height: 290.0, x: (0.0, 255.0), y };
    let x_ticks = [0.0, 32.0, 64.0, 96.0, 128.0, 160.0, 192.0, 224.0, 255.0];
    axes.draw(&mut canvas, &x_ticks, &y_ticks, "threshold t, heatmap > t");

    for (curve, colour) in baselines.iter().zip(BASELINE_GREYS.iter().cycle()) {
        axes.dashed(&mut canvas, &points(curve), 1.5, *colour);
    }
    for (curve, colour) in models.iter().zip(LINES.iter().cycle()) {
        axes.curve(&mut canvas, &points(curve), 3.4, WHITE);
        axes.curve(&mut canvas, &points(curve), 2.2, *colour);
    }
    legend(&mut canvas, models, baselines);
    Ok(canvas)
}

fn points(curve: &Curve) -> Vec<(f64, f64)> {
    curve.dice.iter().enumerate().map(|(t, &dice)| (t as f64, dice)).collect()
}

fn legend(canvas: &mut Canvas, models: &[Curve], baselines: &[Curve]) {
    let (left, right, mut y) = (612.0, 832.0, 88.0);
    let head = Style::regular(11.0, MUTED).aligned(Align::Right);
    canvas.text("mean-Dice", (right, y), head);
    y += 22.0;
    let colours = LINES.iter().cycle();
    for (curve, colour) in models.iter().zip(colours) {
        canvas.line(&[(left, y - 4.0), (left + 18.0, y - 4.0)], 2.2, *colour);
        entry(canvas, curve, (left + 27.0, right, y), INK);
        y += 22.0;
    }
    y += 6.0;
    for (curve, colour) in baselines.iter().zip(BASELINE_GREYS.iter().cycle()) {
        canvas.dashes(&[(left, y - 4.0), (left + 18.0, y - 4.0)], 1.5, *colour, 4.0, 3.5);
        entry(canvas, curve, (left + 27.0, right, y), MUTED);
        y += 22.0;
    }
}

fn entry(canvas: &mut Canvas, curve: &Curve, (left, right, y): (f32, f32, f32), colour: Colour) {
    let style = Style::regular(12.0, colour);
    let mean = curve.dice.iter().sum::<f64>() / curve.dice.len().max(1) as f64;
    canvas.text(&style.fit(curve.name, right - left - 46.0), (left, y), style);
    canvas.text(&format!("{mean:.3}"), (right, y), style.aligned(Align::Right));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_baselines_are_drawn_in_their_colours() {
        let flat = vec![0.5; 256];
        let falling: Vec<f64> = (0..256).map(|t| 0.8 * (1.0 - f64::from(t) / 256.0)).collect();
        let canvas = draw(
            "Dice",
            &[Curve { name: "compact-xception", dice: &falling }],
            &[Curve { name: "ones", dice: &flat }],
        )
        .unwrap();
        let count = |colour| canvas.pixels().pixels().filter(|p| p.0 == colour).count();
        assert!(count(LINES[0]) > 1000 && count(BASELINE_GREYS[0]) > 500);
    }

    #[test]
    fn nothing_and_what_is_not_finite_can_be_drawn() {
        assert!(draw("", &[], &[]).is_ok());
        let bad = [f64::NAN, 0.3, f64::INFINITY];
        assert!(draw("", &[Curve { name: "bad", dice: &bad }], &[]).is_ok());
    }
}
