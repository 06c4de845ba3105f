//! What colour of a heatmap is what value: a bar from 0 to 255.

use image::{Rgb, RgbImage};

use super::colormap;
use super::draw::{Canvas, SCALE};
use super::style::Style;
use super::text::Align;

/// The colour map from left to right, in pixels.
pub fn picture(width: u32, height: u32) -> RgbImage {
    let last = f64::from(width.saturating_sub(1).max(1));
    RgbImage::from_fn(width.max(1), height.max(1), |column, _| {
        Rgb(colormap::colour((f64::from(column) / last * 255.0).round() as u8))
    })
}

/// A bar in `room` units from `x` on, between its ends' numbers on the base line `y`.
pub fn draw(canvas: &mut Canvas, (x, y): (f32, f32), room: f32, style: Style) {
    let style = style.aligned(Align::Left);
    let (low, high) = ("0", "255");
    let (from, to) = (x + style.width(low) + 5.0, x + room - style.width(high) - 5.0);
    canvas.text(low, (x, y), style);
    canvas.text(high, (x + room, y), style.aligned(Align::Right));
    let width = ((to - from) * SCALE).max(1.0) as u32;
    canvas.paste(&picture(width, (8.0 * SCALE) as u32), (from, y - 8.0));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::report::style::INK;

    #[test]
    fn the_bar_begins_with_the_colour_of_0_and_ends_with_that_of_255() {
        let bar = picture(300, 4);
        assert_eq!((bar[(0, 0)].0, bar[(299, 3)].0), (colormap::colour(0), colormap::colour(255)));
        assert_eq!(picture(0, 0).dimensions(), (1, 1));
        let mut canvas = Canvas::new(100.0, 20.0).unwrap();
        draw(&mut canvas, (5.0, 15.0), 90.0, Style::regular(11.0, INK));
        let has = |value| canvas.pixels().pixels().any(|p| p.0 == colormap::colour(value));
        assert!(has(0) && has(255));
    }
}
