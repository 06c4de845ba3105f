//! What lines and bars stand for: signs and names beside each other, broken into lines where a picture ends.

use super::draw::Canvas;
use super::style::{Colour, Style};

/// How a thing is drawn in the picture.
#[derive(Clone, Copy, Debug)]
pub enum Sign {
    /// A line.
    Line(Colour),
    /// A dashed line.
    Dashes(Colour),
    /// A filled square.
    Square(Colour),
}

impl Sign {
    fn width(self) -> f32 {
        if matches!(self, Sign::Square(_)) { 10.0 } else { 18.0 }
    }
}

/// From one line to the next.
const LINE: f32 = 18.0;
/// Behind a sign, and behind a name.
const AIR: [f32; 2] = [7.0, 20.0];

/// Signs with their names, and where each stands.
#[derive(Clone, Debug)]
pub struct Legend<'a> {
    /// From the left edge, and the line.
    placed: Vec<(f32, usize, Sign, &'a str, Style)>,
}

impl<'a> Legend<'a> {
    /// `entries` in `room` from left to right; a name that is wider is cut when it is drawn.
    pub fn new(entries: impl IntoIterator<Item = (Sign, &'a str, Colour)>, room: f32) -> Self {
        let (mut x, mut line) = (0.0, 0);
        let mut placed = Vec::new();
        for (sign, name, ink) in entries {
            let style = Style::regular(12.0, ink);
            let width = sign.width() + AIR[0] + style.width(name);
            if x > 0.0 && x + width > room {
                (x, line) = (0.0, line + 1);
            }
            placed.push((x, line, sign, name, style));
            x += width + AIR[1];
        }
        Legend { placed }
    }

    /// By how much the second line and those after it move down what is below.
    pub fn extra(&self) -> f32 {
        self.placed.last().map_or(0.0, |last| last.1 as f32 * LINE)
    }

    /// Draws it from (x, y) on, the base line of its first names.
    pub fn draw(&self, canvas: &mut Canvas, (left, base): (f32, f32), room: f32) {
        for &(x, line, sign, name, style) in &self.placed {
            let (from, y) = (left + x, base + line as f32 * LINE);
            let ends = [(from, y - 4.0), (from + sign.width(), y - 4.0)];
            match sign {
                Sign::Line(colour) => canvas.line(&ends, 2.2, colour),
                Sign::Dashes(colour) => canvas.dashes(&ends, 1.5, colour, 4.0, 3.5),
                Sign::Square(colour) => canvas.rectangle(from, y - 9.5, 10.0, 10.0, colour),
            }
            let start = sign.width() + AIR[0];
            canvas.text(&style.fit(name, room - start), (from + start, y), style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::style::{INK, LINES};

    #[test]
    fn many_names_stand_in_lines_inside_of_their_room() {
        let names = ["compact-xception"; 12];
        let of = |room: f32| {
            Legend::new(names.iter().map(|&name| (Sign::Line(LINES[0]), name, INK)), room)
        };
        assert_eq!(of(9000.0).extra(), 0.0);
        let legend = of(400.0);
        assert!(legend.extra() >= 3.0 * LINE);
        let width = Style::regular(12.0, INK).width(names[0]) + 18.0 + AIR[0];
        assert!(legend.placed.iter().all(|one| one.0 + width <= 400.0));
        // One that is wider than all of the room stands alone.
        assert_eq!(of(20.0).extra(), 11.0 * LINE);
        let mut canvas = Canvas::new(400.0, 100.0).unwrap();
        legend.draw(&mut canvas, (0.0, 20.0), 400.0);
        assert!(canvas.pixels().pixels().any(|p| p.0 == LINES[0]));
    }
}
