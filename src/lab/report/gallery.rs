//! The gallery: one ROI with the heatmaps of all maps side by side, each over the ROI with the lesion's
//! outline.

use image::GrayImage;

use crate::error::{Error, Result};
use crate::lab::report::colour_bar;
use crate::lab::report::draw::{Canvas, SCALE};
use crate::lab::report::heading::Heading;
use crate::lab::report::panels::Panels;
use crate::lab::report::style::{HAIRLINE, INK, MUTED, Style};
use crate::lab::report::text::Align;

/// One ROI, its truth and its heatmaps, each `width` x `height` bytes, row by row.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The ROI's name.
    pub name: &'a str,
    /// One short line more.
    pub caption: String,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 8-bit grey.
    pub roi: &'a [u8],
    /// Zero outside the lesion.
    pub mask: &'a [u8],
    /// Each map's name, heatmap and score.
    pub maps: Vec<(&'a str, Vec<u8>, f64)>,
}

const MARGIN: f32 = 30.0;
const CELL: f32 = 120.0;
const GAP: f32 = 10.0;
const HEAD: f32 = 108.0;
const LABEL: f32 = 18.0;
const BETWEEN: f32 = 20.0;
/// Pictures beside each other; more go below.
const ACROSS: usize = 11;

/// Draws `rows` in their order, under `title` and `subtitle`.
///
/// # Errors
/// [`Error::Shape`] when a picture's bytes do not fit its size, [`Error::Usage`] when there are more than a
/// picture can hold.
pub fn draw(title: &str, subtitle: &str, rows: &[Row]) -> Result<Canvas> {
    let most = rows.iter().map(|row| row.maps.len() + 1).max().unwrap_or(1).clamp(5, ACROSS);
    let width = 2.0 * MARGIN + most as f32 * (CELL + GAP) - GAP;
    let heights = rows.iter().map(height).collect::<Result<Vec<_>>>()?;
    let room = width - 2.0 * MARGIN;
    let heading = Heading::new(title, subtitle, [20.0, 12.5], room);
    let mut y = HEAD + heading.extra();
    let mut canvas = Canvas::new(width, y + heights.iter().sum::<f32>() + MARGIN)?;
    heading.draw(&mut canvas, MARGIN, [42.0, 63.0]);
    let (note, words) = (Style::regular(11.0, MUTED), "heatmap value");
    let (x, base) = (MARGIN + note.width(words) + 10.0, 86.0 + heading.extra());
    canvas.text(words, (MARGIN, base), note);
    colour_bar::draw(&mut canvas, (x, base), 180.0, note);
    for (row, height) in rows.iter().zip(heights) {
        canvas.rectangle(MARGIN, y - 6.0, room, 0.5, HAIRLINE);
        draw_row(&mut canvas, row, y)?;
        y += height;
    }
    Ok(canvas)
}

/// The size at which a picture is shown.
fn shown(row: &Row) -> (f32, f32) {
    let (width, height) = (row.width as f32, row.height as f32);
    let zoom = CELL / width.max(height);
    ((width * zoom).max(8.0), (height * zoom).max(8.0))
}

fn height(row: &Row) -> Result<f32> {
    let pixels = row.width as usize * row.height as usize;
    let pictures = [("ROI", row.roi), ("mask", row.mask)];
    let maps = row.maps.iter().map(|(name, heatmap, _)| (*name, &heatmap[..]));
    for (what, bytes) in pictures.into_iter().chain(maps) {
        if bytes.len() != pixels || pixels == 0 {
            return Err(Error::shape(
                row.name,
                format!("{what} has {} bytes, not {} x {}", bytes.len(), row.width, row.height),
            ));
        }
    }
    let lines = (row.maps.len() + 1).div_ceil(ACROSS) as f32;
    Ok(lines * (LABEL + shown(row).1 + 8.0) + BETWEEN)
}

fn draw_row(canvas: &mut Canvas, row: &Row, top: f32) -> Result<()> {
    let (width, height) = shown(row);
    let (w, h) = ((width * SCALE).round() as u32, (height * SCALE).round() as u32);
    let grey = |bytes: &[u8]| {
        GrayImage::from_raw(row.width, row.height, bytes.to_vec())
            .ok_or_else(|| Error::shape(row.name, "a picture of another size"))
    };
    let (roi, mask) = (grey(row.roi)?, grey(row.mask)?);
    let place = |index: usize| {
        let x = MARGIN + (index % ACROSS) as f32 * (CELL + GAP);
        (x, top + (index / ACROSS) as f32 * (LABEL + height + 8.0))
    };
    let (name, number) = (Style::bold(10.5, INK), Style::regular(10.5, MUTED));
    let (x, y) = place(0);
    canvas.text(&name.fit(row.name, CELL), (x, y + 12.0), name);
    canvas.paste(&Panels::new(&roi, &mask, &mask, w, h).truth(), (x, y + LABEL));
    for (index, (label, heatmap, score)) in row.maps.iter().enumerate() {
        let (x, y) = place(index + 1);
        canvas.text(&name.fit(label, CELL - 30.0), (x, y + 12.0), name);
        let number = number.aligned(Align::Right);
        canvas.text(&format!("{score:.2}"), (x + CELL, y + 12.0), number);
        let panels = Panels::new(&roi, &mask, &grey(heatmap)?, w, h);
        canvas.paste(&panels.overlay(), (x, y + LABEL));
    }
    let under = place(row.maps.len()).1 + LABEL + height + 14.0;
    canvas.text(&row.caption, (MARGIN, under), number);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: &[u8], maps: usize) -> Row<'_> {
        let maps = (0..maps).map(|_| ("gradcam", bytes.to_vec(), 0.5)).collect();
        Row { name: "a", caption: "b".into(), width: 20, height: 20, roi: bytes, mask: bytes, maps }
    }

    #[test]
    fn many_maps_go_on_below() {
        let bytes = vec![200; 400];
        let height = |maps| draw("t", "s", &[row(&bytes, maps)]).unwrap().pixels().height();
        assert_eq!(height(ACROSS - 1), height(2));
        assert_eq!(height(ACROSS) - height(2), ((LABEL + CELL + 8.0) * SCALE) as u32);
        assert!(draw("", "", &[]).is_ok());
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused_by_name() {
        let bytes = vec![200; 400];
        let mut wrong = row(&bytes, 1);
        wrong.maps[0].1.pop();
        let error = draw("t", "s", &[wrong]).unwrap_err().to_string();
        assert!(error.contains("gradcam has 399 bytes"), "{error}");
    }
}
