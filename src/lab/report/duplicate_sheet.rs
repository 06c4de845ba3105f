//! Pages of pictures that show the same scan, a group below the other, to be looked at by a person.

use image::GrayImage;
use image::imageops::{FilterType, resize};

use crate::error::Result;
use crate::lab::report::draw::{Canvas, SCALE};
use crate::lab::report::heading::Heading;
use crate::lab::report::style::{Colour, HAIRLINE, INK, MUTED, Style};
use crate::nets::images::Grey;

/// One group.
#[derive(Clone, Debug)]
pub struct Row {
    /// A line over its pictures.
    pub title: String,
    /// Whether it stands out: one scan under two labels.
    pub warning: bool,
    /// Names and pictures.
    pub pictures: Vec<(String, Grey)>,
}

const MARGIN: f32 = 36.0;
const CELL: f32 = 150.0;
const GAP: f32 = 14.0;
/// Pictures side by side.
const ACROSS: usize = 6;
const HEAD: f32 = 84.0;
const TITLE: f32 = 30.0;
const NAME: f32 = 20.0;
const BETWEEN: f32 = 18.0;
/// Groups on a page.
pub const ROWS: usize = 12;
const WARNING: Colour = [176, 42, 42];

/// Draws `rows` under `title` and `subtitle`.
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) when there is more than a picture can hold.
pub fn draw(title: &str, subtitle: &str, rows: &[Row]) -> Result<Canvas> {
    let width = 2.0 * MARGIN + ACROSS as f32 * CELL + (ACROSS - 1) as f32 * GAP;
    let room = width - 2.0 * MARGIN;
    // A line is as high as the highest of its pictures.
    let line = |line: &[(String, Grey)]| {
        line.iter().map(|(_, picture)| shown(picture).1 as f32 / SCALE).fold(0.0, f32::max) + NAME
    };
    let height = |row: &Row| TITLE + row.pictures.chunks(ACROSS).map(line).sum::<f32>() + BETWEEN;
    let total: f32 = rows.iter().map(height).sum();
    let heading = Heading::new(title, subtitle, [22.0, 13.0], room);
    let mut y = HEAD + heading.extra();
    let mut canvas = Canvas::new(width, y + total + MARGIN)?;
    heading.draw(&mut canvas, MARGIN, [46.0, 68.0]);
    for row in rows {
        canvas.rectangle(MARGIN, y, room, 0.5, HAIRLINE);
        let style = Style::bold(12.5, if row.warning { WARNING } else { INK });
        canvas.text(&style.fit(&row.title, room), (MARGIN, y + 20.0), style);
        let mut top = y + TITLE;
        for pictures in row.pictures.chunks(ACROSS) {
            let below = top + line(pictures);
            for (column, (name, picture)) in pictures.iter().enumerate() {
                let x = MARGIN + column as f32 * (CELL + GAP);
                paste(&mut canvas, picture, (x, top));
                let style = Style::regular(11.0, MUTED);
                canvas.text(&style.fit(name, CELL), (x, below - NAME + 14.0), style);
            }
            top = below;
        }
        y += height(row);
    }
    Ok(canvas)
}

/// The width and height at which a picture is shown, in pixels: as large as its cell takes.
fn shown(picture: &Grey) -> (u32, u32) {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let zoom = CELL * SCALE / width.max(height).max(1.0);
    let side = |length: f32| ((length * zoom).round() as u32).max(1);
    (side(width), side(height))
}

fn paste(canvas: &mut Canvas, picture: &Grey, (x, y): (f32, f32)) {
    let size = (picture.width as u32, picture.height as u32);
    let Some(grey) = GrayImage::from_raw(size.0, size.1, picture.pixels.clone()) else { return };
    let (width, height) = shown(picture);
    let shown = resize(&grey, width, height, FilterType::Triangle);
    canvas.paste(&image::DynamicImage::ImageLuma8(shown).into_rgb8(), (x, y));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_pictures_go_into_further_lines() {
        let row = |count| Row {
            title: "a group".to_owned(),
            warning: false,
            pictures: vec![("x.png".to_owned(), Grey::filled(3, 900, 7)); count],
        };
        let height = |count| draw("t", "s", &[row(count)]).unwrap().pixels().height();
        assert_eq!(height(ACROSS), height(1));
        assert_eq!(height(ACROSS + 1) - height(1), ((CELL + NAME) * SCALE) as u32);
    }
}
