//! A chart as a file for a paper: the list of `plot.rs` on a white canvas, with its legend below.

use super::draw::Canvas;
use super::plot::{Chart, HEIGHT, LETTERS, Mark, Pen, WIDTH, Words};
use super::style::{Colour, HAIRLINE, INK, LINES, MUTED, Style, WHITE};
use crate::error::Result;

/// Units of the canvas to one of the chart: 400 dots an inch at [`MILLIMETRES`].
const ZOOM: f32 = 2.0;
/// How wide it is in print, so that its letters have 7.8 points: one and a half columns of most journals.
const MILLIMETRES: f32 = 110.0;
/// From one line of the legend to the next.
const LINE: f32 = 16.0;
/// From the left edge to the legend.
const MARGIN: f32 = 42.0;
/// The sign of a line in the legend, and what is free behind it and behind its name.
const SIGN: [f32; 3] = [22.0, 6.0, 16.0];

/// How a line looks: colour, width, dashes.
fn look(pen: Pen) -> (Colour, f32, Option<(f32, f32)>) {
    match pen {
        Pen::Grid => (HAIRLINE, 0.7, None),
        Pen::Model(index) => (LINES[index % LINES.len()], 1.8, None),
        Pen::Trivial(index) => (MUTED, 1.1, Some([(0.6, 2.8), (4.0, 3.2), (8.0, 3.0)][index % 3])),
        Pen::Published => (MUTED, 1.5, None),
        Pen::Leader => (MUTED, 0.6, None),
    }
}

/// `chart` as a picture.
///
/// # Errors
/// [`crate::error::Error::Usage`] when its legend is longer than a picture can be.
pub fn draw(chart: &Chart) -> Result<Canvas> {
    let lines = legend(chart);
    let below = if lines.is_empty() { 0.0 } else { lines.len() as f32 * LINE + 8.0 };
    let size = [WIDTH as f32 * ZOOM, (HEIGHT as f32 + below) * ZOOM];
    let mut canvas = Canvas::new(size[0], size[1])?.printed(MILLIMETRES);
    for mark in chart.marks() {
        draw_mark(&mut canvas, &mark);
    }
    for (index, entries) in lines.iter().enumerate() {
        let y = HEIGHT as f32 + 10.0 + index as f32 * LINE;
        for (x, pen, name) in entries {
            stroke(&mut canvas, *pen, &[(*x, y - 4.0), (x + SIGN[0], y - 4.0)]);
            let place = zoomed((x + SIGN[0] + SIGN[1], y));
            canvas.text(name, place, letters(INK));
        }
    }
    Ok(canvas)
}

/// Where every entry of the legend begins, line by line.
fn legend(chart: &Chart) -> Vec<Vec<(f32, Pen, &str)>> {
    let mut lines: Vec<Vec<(f32, Pen, &str)>> = Vec::new();
    let mut x = f32::INFINITY;
    for (pen, name) in chart.legend() {
        let width = SIGN[0] + SIGN[1] + letters(INK).width(name) / ZOOM;
        if x + width > WIDTH as f32 {
            lines.push(Vec::new());
            x = MARGIN;
        }
        if let Some(line) = lines.last_mut() {
            line.push((x, *pen, name));
        }
        x += width + SIGN[2];
    }
    lines
}

fn letters(colour: Colour) -> Style {
    Style::regular(LETTERS as f32 * ZOOM, colour)
}

fn zoomed((x, y): (f32, f32)) -> (f32, f32) {
    (x * ZOOM, y * ZOOM)
}

fn on_canvas((x, y): (f64, f64)) -> (f32, f32) {
    zoomed((x as f32, y as f32))
}

/// A line through places of the chart.
fn stroke(canvas: &mut Canvas, pen: Pen, places: &[(f32, f32)]) {
    let places: Vec<(f32, f32)> = places.iter().map(|&place| zoomed(place)).collect();
    let (colour, width, dashes) = look(pen);
    match dashes {
        None => canvas.line(&places, width * ZOOM, colour),
        Some((on, off)) => canvas.dashes(&places, width * ZOOM, colour, on * ZOOM, off * ZOOM),
    }
}

fn draw_mark(canvas: &mut Canvas, mark: &Mark) {
    let narrow = |places: &[(f64, f64)]| -> Vec<(f32, f32)> {
        places.iter().map(|&(x, y)| (x as f32, y as f32)).collect()
    };
    match mark {
        Mark::Line(pen, places) => stroke(canvas, *pen, &narrow(places)),
        Mark::Spread(pen, ends) => {
            let ends = ends.map(on_canvas);
            canvas.line(&ends, 1.2 * ZOOM, look(*pen).0);
        }
        Mark::Disc(pen, at, _) => {
            canvas.disc(on_canvas(*at), 4.6 * ZOOM, look(*pen).0);
            if *pen == Pen::Published {
                canvas.disc(on_canvas(*at), 3.1 * ZOOM, WHITE);
            }
        }
        Mark::Dot(pen, at, _) => {
            canvas.disc(on_canvas(*at), 2.6 * ZOOM, look(*pen).0);
            canvas.disc(on_canvas(*at), 1.7 * ZOOM, WHITE);
        }
        Mark::Text(words, at, align, text) => {
            let style = letters(if *words == Words::Tick { MUTED } else { INK }).aligned(*align);
            match words {
                Words::Upwards => canvas.text_upwards(text, on_canvas(*at), style),
                Words::Tick | Words::Axis | Words::Name => {
                    canvas.text(text, on_canvas(*at), style);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::plot::Axis;

    fn chart() -> Chart {
        let axis = |title| Axis { title, range: [0.0, 1.0], step: 0.2, decimals: 1 };
        Chart::new(axis("across, in pixels"), axis("up"))
    }

    #[test]
    fn lines_marks_and_names_are_in_both_files() {
        let mut chart = chart();
        chart.curve(Pen::Model(0), &[0.0, 0.5]);
        chart.curve(Pen::Trivial(1), &[0.9, 0.5]);
        chart.dots(Pen::Model(1), &[(0.3, 0.3, "a dot".to_owned())]);
        chart.point(Pen::Published, "DenseNet121", [0.5; 3], [0.4; 3]);
        chart.point(Pen::Model(2), "own", [0.7, 0.6, 0.8], [0.4; 3]);
        chart.explain(Pen::Model(0), "xception");
        let canvas = draw(&chart).unwrap();
        let count = |colour| canvas.pixels().pixels().filter(|p| p.0 == colour).count();
        assert!(count(LINES[0]) > 1000 && count(LINES[1]) > 20 && count(LINES[2]) > 300);
        let svg = canvas.svg().unwrap();
        for name in ["across, in pixels", ">up<", "DenseNet121", "own", "xception"] {
            assert!(svg.contains(name), "{name}");
        }
        assert!(svg.contains("width=\"110.00mm\""));
    }

    #[test]
    fn a_long_legend_is_broken_and_stays_inside() {
        let mut chart = chart();
        for index in 0..20 {
            chart.explain(Pen::Model(index), "compact-xception");
        }
        let lines = legend(&chart);
        assert!(lines.len() > 4 && lines.iter().map(Vec::len).sum::<usize>() == 20);
        let width = letters(INK).width("compact-xception") / ZOOM + SIGN[0] + SIGN[1];
        let ends = lines.iter().filter_map(|line| line.last()).map(|one| one.0 + width);
        assert!(ends.into_iter().all(|end| end <= WIDTH as f32));
        assert!(draw(&chart).is_ok() && legend(&self::chart()).is_empty());
    }
}
