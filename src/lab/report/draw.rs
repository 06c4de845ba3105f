//! A canvas: white, anti-aliased, twice as fine as its own units.
//!
//! Lines and discs are painted by distance: a pixel's coverage is how far its centre lies inside
//! the shape, from 0 to 1 across one pixel. It is all that charts and contact sheets need, so
//! no drawing library stands behind it.

use std::path::{Path, PathBuf};

use image::imageops;
use image::{Rgb, RgbImage};

use crate::error::{Error, Result};
use crate::files;
use crate::lab::report::print;
use crate::lab::report::style::{Colour, Style, WHITE, mix};
use crate::lab::report::vector::Vector;

/// Pixels to one unit of the canvas.
pub const SCALE: f32 = 2.0;

/// The largest picture that is drawn, in pixels: 100 million are 300 MB of memory.
const MOST_PIXELS: f32 = 100e6;

/// A picture under construction. Places are in units of the canvas, x right and y down.
#[derive(Debug)]
pub struct Canvas {
    pixels: RgbImage,
    /// The same as it was asked for.
    vector: Vector,
    /// How wide it is in print.
    millimetres: f32,
}

/// How wide a unit is in print where nothing else is said: letters of 11 units have 7.8 points there.
const MILLIMETRES: f32 = 0.25;

impl Canvas {
    /// A white canvas of `width` x `height` units.
    ///
    /// # Errors
    /// [`Error::Usage`] when it has no area or more pixels than memory should be spent on.
    pub fn new(width: f32, height: f32) -> Result<Self> {
        let (w, h) = ((width * SCALE).ceil(), (height * SCALE).ceil());
        if !(w >= 1.0 && h >= 1.0 && w * h <= MOST_PIXELS) {
            return Err(Error::usage(
                format!("a picture of {w} x {h} pixels cannot be drawn"),
                "draw fewer rows",
            ));
        }
        let pixels = RgbImage::from_pixel(w as u32, h as u32, Rgb(WHITE));
        Ok(Canvas { pixels, vector: Vector::default(), millimetres: width * MILLIMETRES })
    }

    /// The picture, two pixels to a unit.
    pub fn pixels(&self) -> &RgbImage {
        &self.pixels
    }

    /// How wide it is in print, in millimetres.
    pub fn printed(self, millimetres: f32) -> Self {
        Canvas { millimetres, ..self }
    }

    /// The bytes of a PNG, which says how large it is in print.
    ///
    /// # Errors
    /// [`Error::Content`] when the encoder refuses.
    pub fn png(&self) -> Result<Vec<u8>> {
        print::png(&self.pixels, self.millimetres)
    }

    /// The same drawing as SVG: words are words, lines are lines, and pasted pictures are PNGs inside.
    ///
    /// # Errors
    /// Those of [`Canvas::png`].
    pub fn svg(&self) -> Result<String> {
        let (width, height) = self.pixels.dimensions();
        let size = (width as f32 / SCALE, height as f32 / SCALE);
        self.vector.svg(size, self.millimetres, |place| {
            let [left, top, width, height] = place.map(|value| (value * SCALE).round() as u32);
            let part = imageops::crop_imm(&self.pixels, left, top, width, height).to_image();
            print::uri(&part)
        })
    }

    /// Writes PNG and SVG to `path` with these endings, each whole or not at all.
    ///
    /// # Errors
    /// Those of [`Canvas::save`].
    pub fn save_both(&self, path: &Path) -> Result<()> {
        let [png, svg] = both(path);
        files::write(&svg, self.svg()?.as_bytes())?;
        self.save(&png)
    }

    /// Writes the PNG to `path`, whole or not at all.
    ///
    /// # Errors
    /// Those of [`Canvas::png`] and of [`files::write`].
    pub fn save(&self, path: &Path) -> Result<()> {
        files::write(path, &self.png()?)
    }

    /// A filled rectangle.
    pub fn rectangle(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        self.vector.rectangle([x, y, width, height], colour);
        let (right, bottom) = ((x + width) * SCALE, (y + height) * SCALE);
        let (left, top) = (x * SCALE, y * SCALE);
        let overlap = |cell: i32, from: f32, to: f32| {
            (to.min(cell as f32 + 1.0) - from.max(cell as f32)).clamp(0.0, 1.0)
        };
        for row in top.floor() as i32..bottom.ceil() as i32 {
            let vertical = overlap(row, top, bottom);
            for column in left.floor() as i32..right.ceil() as i32 {
                self.blend(column, row, colour, vertical * overlap(column, left, right));
            }
        }
    }

    /// A filled disc.
    pub fn disc(&mut self, centre: (f32, f32), radius: f32, colour: Colour) {
        self.vector.disc(centre, radius, colour);
        self.unbroken(&[centre, centre], 2.0 * radius, colour);
    }

    /// A line through `points`, joints and ends round. Points that are not finite break it.
    pub fn line(&mut self, points: &[(f32, f32)], width: f32, colour: Colour) {
        for part in finite(points) {
            self.vector.line(part, width, colour, None);
            self.unbroken(part, width, colour);
        }
    }

    /// The same in dashes: `on` units drawn, `off` left out, along the line's length.
    pub fn dashes(&mut self, points: &[(f32, f32)], width: f32, colour: Colour, on: f32, off: f32) {
        for part in finite(points) {
            self.vector.line(part, width, colour, Some((on, off)));
        }
        let (mut drawing, mut left) = (true, on);
        for pair in points.windows(2) {
            let ((mut x, mut y), (to_x, to_y)) = (pair[0], pair[1]);
            loop {
                let rest = (to_x - x).hypot(to_y - y);
                if rest.is_nan() || rest <= f32::EPSILON || left <= 0.0 {
                    break;
                }
                let share = (left / rest).min(1.0);
                let next = (x + (to_x - x) * share, y + (to_y - y) * share);
                if drawing {
                    self.unbroken(&[(x, y), next], width, colour);
                }
                (x, y) = next;
                if left > rest {
                    left -= rest;
                    break;
                }
                drawing = !drawing;
                left = if drawing { on } else { off };
            }
        }
    }

    /// One line of text with its baseline at `y`.
    pub fn text(&mut self, line: &str, at: (f32, f32), style: Style) {
        self.vector.text(line, at, style, false);
        self.letters(line, at, style, false);
    }

    /// The same from below to above: its baseline is at `x`, and what is its start, middle or end is at `y`.
    pub fn text_upwards(&mut self, line: &str, at: (f32, f32), style: Style) {
        self.vector.text(line, at, style, true);
        self.letters(line, at, style, true);
    }

    fn letters(&mut self, line: &str, (x, y): (f32, f32), style: Style, upwards: bool) {
        let start = style.start(line);
        let (x, y) = if upwards { (x, y + start) } else { (x - start, y) };
        let (left, base) = ((x * SCALE).round() as i32, (y * SCALE).round() as i32);
        style.weight.rasterise(style.size * SCALE, line, |dx, dy, coverage| {
            // A quarter turn to the left: what was right is above.
            let (dx, dy) = if upwards { (dy, -dx - 1) } else { (dx, dy) };
            self.blend(left + dx, base + dy, style.colour, coverage);
        });
    }

    /// Pastes `picture`, one of its pixels to one pixel, its corner at (x, y).
    pub fn paste(&mut self, picture: &RgbImage, (x, y): (f32, f32)) {
        let (left, top) = ((x * SCALE).round() as i64, (y * SCALE).round() as i64);
        image::imageops::replace(&mut self.pixels, picture, left, top);
        // What of it lies on the canvas.
        let within = |start: i64, length: u32, all: u32| {
            let end = (start + i64::from(length)).clamp(0, i64::from(all));
            let start = start.clamp(0, i64::from(all));
            (start as f32 / SCALE, (end - start) as f32 / SCALE)
        };
        let (x, width) = within(left, picture.width(), self.pixels.width());
        let (y, height) = within(top, picture.height(), self.pixels.height());
        if width > 0.0 && height > 0.0 {
            self.vector.picture([x, y, width, height]);
        }
    }

    fn unbroken(&mut self, points: &[(f32, f32)], width: f32, colour: Colour) {
        let reach = width * SCALE / 2.0 + 0.5;
        let points: Vec<_> = points.iter().map(|p| (p.0 * SCALE, p.1 * SCALE)).collect();
        let edge = |size: u32, value: f32| value.clamp(0.0, size as f32) as u32;
        let (w, h) = self.pixels.dimensions();
        let low = |f: fn(&(f32, f32)) -> f32| points.iter().map(f).fold(f32::MAX, f32::min);
        let high = |f: fn(&(f32, f32)) -> f32| points.iter().map(f).fold(f32::MIN, f32::max);
        let (left, right) = (edge(w, low(|p| p.0) - reach), edge(w, high(|p| p.0) + reach + 1.0));
        let (top, bottom) = (edge(h, low(|p| p.1) - reach), edge(h, high(|p| p.1) + reach + 1.0));
        if left >= right || top >= bottom {
            return;
        }
        // The nearest segment decides, so that joints are not painted twice.
        let stride = (right - left) as usize;
        let mut coverage = vec![0.0f32; stride * (bottom - top) as usize];
        let last = points.len().max(2) - 1;
        for i in 0..last {
            let (a, b) = (points[i], points[(i + 1).min(points.len() - 1)]);
            let columns = edge(w, a.0.min(b.0) - reach)..edge(w, a.0.max(b.0) + reach + 1.0);
            for row in edge(h, a.1.min(b.1) - reach)..edge(h, a.1.max(b.1) + reach + 1.0) {
                for column in columns.clone() {
                    let away = distance((column as f32 + 0.5, row as f32 + 0.5), a, b);
                    let cell = (row - top) as usize * stride + (column - left) as usize;
                    coverage[cell] = coverage[cell].max((reach - away).clamp(0.0, 1.0));
                }
            }
        }
        for (cell, &part) in coverage.iter().enumerate() {
            let (column, row) = (left + (cell % stride) as u32, top + (cell / stride) as u32);
            self.blend(column as i32, row as i32, colour, part);
        }
    }

    fn blend(&mut self, x: i32, y: i32, colour: Colour, coverage: f32) {
        let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) else { return };
        if coverage > 0.0
            && let Some(pixel) = self.pixels.get_pixel_mut_checked(x, y)
        {
            pixel.0 = mix(pixel.0, colour, coverage);
        }
    }
}

/// `path` ending in `.png`, and ending in `.svg`.
pub fn both(path: &Path) -> [PathBuf; 2] {
    ["png", "svg"].map(|ending| path.with_extension(ending))
}

/// The parts of `points` in which all are finite.
fn finite(points: &[(f32, f32)]) -> impl Iterator<Item = &[(f32, f32)]> {
    let is_finite = |p: &(f32, f32)| p.0.is_finite() && p.1.is_finite();
    points.split(move |p| !is_finite(p)).filter(|part| !part.is_empty())
}

/// From a point to the segment from `a` to `b`.
fn distance(point: (f32, f32), a: (f32, f32), b: (f32, f32)) -> f32 {
    let (px, py) = (point.0 - a.0, point.1 - a.1);
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (px - dx * along).hypot(py - dy * along)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dark(canvas: &Canvas) -> usize {
        canvas.pixels().pixels().filter(|p| p.0[0] < 128).count()
    }

    #[test]
    fn a_line_covers_its_area() {
        let mut canvas = Canvas::new(50.0, 20.0).unwrap();
        canvas.line(&[(10.0, 10.0), (40.0, 10.0)], 2.0, [0; 3]);
        let ends = std::f32::consts::PI;
        let expected = (30.0 * 2.0 + ends) * SCALE * SCALE;
        assert!((dark(&canvas) as f32 - expected).abs() < 12.0, "{}", dark(&canvas));
    }

    #[test]
    fn dashes_leave_gaps_and_nothing_outside_the_canvas_panics() {
        let mut canvas = Canvas::new(50.0, 20.0).unwrap();
        canvas.dashes(&[(-10.0, 10.0), (60.0, 10.0)], 1.0, [0; 3], 4.0, 4.0);
        let row: Vec<bool> = (0..100).map(|x| canvas.pixels()[(x, 20)].0[0] < 128).collect();
        let edges = row.windows(2).filter(|p| p[0] != p[1]).count();
        assert!(edges >= 10, "{edges}");
        canvas.disc((-100.0, 400.0), 3.0, [0; 3]);
        canvas.rectangle(-5.0, -5.0, 500.0, 500.0, [0; 3]);
        canvas.text("x", (1000.0, -1000.0), Style::bold(12.0, [0; 3]));
        assert_eq!(dark(&canvas), 4000);
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let mut canvas = Canvas::new(20.0, 20.0).unwrap();
        canvas.line(&[(f32::NAN, 1.0), (f32::INFINITY, 2.0)], 1.0, [0; 3]);
        canvas.dashes(&[(1.0, f32::NAN), (5.0, 5.0)], 1.0, [0; 3], 2.0, 2.0);
        assert_eq!(dark(&canvas), 0);
    }

    #[test]
    fn a_picture_without_area_or_with_too_much_is_refused() {
        for (w, h) in [(0.0, 5.0), (f32::NAN, 5.0), (1e6, 1e6)] {
            assert!(Canvas::new(w, h).is_err());
        }
        let png = Canvas::new(3.0, 2.0).unwrap().png().unwrap();
        let back = image::load_from_memory(&png).unwrap();
        assert_eq!((back.width(), back.height()), (6, 4));
    }

    #[test]
    fn the_svg_has_everything_that_was_drawn_and_the_pictures_inside() {
        let mut canvas = Canvas::new(50.0, 20.0).unwrap().printed(80.0);
        canvas.rectangle(1.0, 2.0, 3.0, 4.0, [255, 0, 0]);
        canvas.line(&[(0.0, 0.0), (f32::NAN, 1.0), (5.0, 5.0), (6.0, 6.0)], 1.0, [0; 3]);
        canvas.dashes(&[(0.0, 10.0), (50.0, 10.0)], 1.0, [0; 3], 4.0, 4.0);
        canvas.disc((9.0, 9.0), 2.0, [1, 2, 3]);
        canvas.text("a < b", (10.0, 10.0), Style::bold(12.0, [0; 3]));
        canvas.text_upwards("up", (10.0, 10.0), Style::regular(12.0, [0; 3]));
        let picture = RgbImage::from_pixel(20, 20, Rgb([9, 9, 9]));
        canvas.paste(&picture, (45.0, 5.0));
        canvas.paste(&picture, (900.0, 5.0));
        let svg = canvas.svg().unwrap();
        let count = |what: &str| svg.matches(what).count();
        assert_eq!([count("<rect"), count("<polyline"), count("<circle")], [2, 3, 1]);
        assert_eq!([count("<text"), count("rotate(-90"), count("<image")], [2, 1, 1]);
        assert!(svg.contains("a &lt; b") && !svg.contains("NaN"), "{svg}");
        assert!(svg.contains("width=\"80.00mm\" height=\"32.00mm\" viewBox=\"0 0 50 20\""));
        // What hangs over the edge is cut.
        assert!(svg.contains("x=\"45.00\" y=\"5.00\" width=\"5.00\" height=\"10.00\""), "{svg}");
    }

    #[test]
    fn words_that_run_upwards_are_as_long_as_others() {
        let extent = |upwards: bool| {
            let mut canvas = Canvas::new(100.0, 100.0).unwrap();
            let style = Style::bold(14.0, [0; 3]);
            match upwards {
                true => canvas.text_upwards("threshold", (50.0, 80.0), style),
                false => canvas.text("threshold", (10.0, 50.0), style),
            }
            let dark = canvas.pixels().enumerate_pixels().filter(|(_, _, p)| p.0[0] < 128);
            let places: Vec<(u32, u32)> = dark.map(|(x, y, _)| (x, y)).collect();
            let span = |of: fn(&(u32, u32)) -> u32| {
                places.iter().map(of).max().unwrap() - places.iter().map(of).min().unwrap()
            };
            [span(|p| p.0), span(|p| p.1)]
        };
        let ([wide, high], [across, up]) = (extent(false), extent(true));
        assert_eq!([wide, high], [up, across]);
    }
}
