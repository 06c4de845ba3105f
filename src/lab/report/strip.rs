//! Pictures of ROIs beside each other with their words below, as a file for a paper.

use image::RgbImage;
use image::imageops::{self, FilterType};

use super::colour_bar;
use super::draw::{Canvas, SCALE};
use super::style::{INK, MUTED, Style};
use crate::error::Result;

/// A picture and the lines below it.
pub struct Picture {
    /// At any size.
    pub pixels: RgbImage,
    /// Its first line, of its name; then what it shows.
    pub lines: Vec<String>,
}

/// The long side of a picture, in units.
pub const SIDE: f32 = 150.0;
const GAP: f32 = 12.0;
const MARGIN: f32 = 14.0;
const LINE: f32 = 14.0;
/// Pictures beside each other.
const ACROSS: usize = 5;
/// Letters of 11 units have 7 points in print.
const MILLIMETRES: f32 = 0.225;

/// Draws `pictures` in rows; with `coloured` a bar below says what colour of a heatmap is what value.
///
/// # Errors
/// [`crate::error::Error::Usage`] when there are more than a picture holds.
pub fn draw(pictures: &[Picture], coloured: bool) -> Result<Canvas> {
    let across = pictures.len().clamp(1, ACROSS);
    let rows: Vec<&[Picture]> = pictures.chunks(ACROSS).collect();
    let heights: Vec<f32> = rows.iter().map(|row| height(row)).collect();
    let width = 2.0 * MARGIN + across as f32 * (SIDE + GAP) - GAP;
    let bar = if coloured { 30.0 } else { 0.0 };
    let mut canvas = Canvas::new(width, MARGIN + heights.iter().sum::<f32>() + bar + 4.0)?
        .printed(width * MILLIMETRES);
    let mut y = MARGIN;
    for (row, height) in rows.iter().zip(heights) {
        for (index, picture) in row.iter().enumerate() {
            draw_one(&mut canvas, picture, (MARGIN + index as f32 * (SIDE + GAP), y));
        }
        y += height;
    }
    if coloured {
        let style = Style::regular(11.0, MUTED);
        let words = "heatmap value";
        canvas.text(words, (MARGIN, y + 14.0), style);
        let x = MARGIN + style.width(words) + 10.0;
        colour_bar::draw(&mut canvas, (x, y + 14.0), (width - MARGIN - x).min(240.0), style);
    }
    Ok(canvas)
}

/// Of a picture as it is drawn, in units.
fn size(picture: &Picture) -> (f32, f32) {
    let (width, height) = picture.pixels.dimensions();
    let zoom = SIDE / width.max(height).max(1) as f32;
    (width as f32 * zoom, height as f32 * zoom)
}

fn height(row: &[Picture]) -> f32 {
    let lines = row.iter().map(|picture| picture.lines.len()).max().unwrap_or(0);
    let pictures = row.iter().map(|picture| size(picture).1).fold(0.0, f32::max);
    pictures + 10.0 + lines as f32 * LINE + GAP
}

fn draw_one(canvas: &mut Canvas, picture: &Picture, (x, y): (f32, f32)) {
    let (width, height) = size(picture);
    let [w, h] = [width, height].map(|side| ((side * SCALE).round() as u32).max(1));
    let pixels = match picture.pixels.dimensions() == (w, h) {
        true => picture.pixels.clone(),
        false => imageops::resize(&picture.pixels, w, h, FilterType::CatmullRom),
    };
    canvas.paste(&pixels, (x, y));
    for (index, line) in picture.lines.iter().enumerate() {
        let style = Style::regular(11.0, if index == 0 { INK } else { MUTED });
        let base = y + height + 14.0 + index as f32 * LINE;
        canvas.text(&style.fit(line, SIDE), (x, base), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn pictures_stand_in_rows_with_their_words() {
        let picture = |width, height, name: &str| Picture {
            pixels: RgbImage::from_pixel(width, height, Rgb([9, 99, 199])),
            lines: vec![name.to_owned(), "mean-Dice 0.500".to_owned()],
        };
        let six: Vec<Picture> = (0..6).map(|i| picture(30 + i, 20, "a")).collect();
        let canvas = draw(&six, true).unwrap();
        let blue = canvas.pixels().pixels().filter(|p| p.0 == [9, 99, 199]).count();
        assert!(blue > 6 * 50_000, "{blue}");
        let svg = canvas.svg().unwrap();
        assert_eq!(svg.matches("<image").count(), 7, "and the bar");
        assert!(svg.contains("mean-Dice 0.500") && svg.contains("heatmap value"));
        assert!(draw(&[], false).is_ok() && draw(&[picture(1, 4000, "")], false).is_ok());
    }
}
