//! A contact sheet of masks: a row an image, from the truth over the heatmap to one mask after another,
//! coloured by where each agrees with the truth.

use image::GrayImage;

use crate::error::{Error, Result};
use crate::lab::report::colour_bar;
use crate::lab::report::draw::{Canvas, SCALE};
use crate::lab::report::heading::Heading;
use crate::lab::report::panels::{FALSE_ALARM, HIT, Panels, TRUTH};
use crate::lab::report::style::{HAIRLINE, INK, MUTED, Style};

/// One image, its truth and its masks, each `width` x `height` bytes, row by row.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The image's name.
    pub name: &'a str,
    /// One short line more.
    pub caption: &'a str,
    /// 8-bit grey.
    pub image: &'a [u8],
    /// Zero outside the truth.
    pub truth: &'a [u8],
    /// The heatmap.
    pub heatmap: &'a [u8],
    /// Each mask, of which what is above 127 belongs to it, and its Dice.
    pub masks: Vec<(&'a [u8], f64)>,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

const MARGIN: f32 = 36.0;
const CELL: f32 = 190.0;
const GAP: f32 = 12.0;
const HEAD: f32 = 124.0;
/// Under each picture, for a name or a number.
const FOOT: f32 = 38.0;
const CUT: u8 = 127;

/// Draws `rows` in their order, under `title` and `subtitle`; `masks` are the names of their masks.
///
/// # Errors
/// [`Error::Shape`] when a picture's bytes do not fit its size, [`Error::Usage`] when there are more
/// rows than a picture can hold.
pub fn draw(title: &str, subtitle: &str, masks: &[&str], rows: &[Row]) -> Result<Canvas> {
    let columns = 2 + masks.len();
    let width = 2.0 * MARGIN + CELL * columns as f32 + GAP * (columns - 1) as f32;
    let heights =
        rows.iter().map(|row| shown(row).map(|size| size.1)).collect::<Result<Vec<_>>>()?;
    let room = width - 2.0 * MARGIN;
    let heading = Heading::new(title, subtitle, [22.0, 13.0], room);
    let extra = heading.extra();
    let below = heights.iter().map(|height| height + FOOT).sum::<f32>() + MARGIN / 2.0;
    let mut canvas = Canvas::new(width, HEAD + extra + below)?;
    heading.draw(&mut canvas, MARGIN, [42.0, 64.0]);
    legend(&mut canvas, 86.0 + extra);
    canvas.rectangle(MARGIN, 94.0 + extra, room, 0.5, HAIRLINE);
    for (index, name) in ["Truth", "Heatmap"].iter().chain(masks).enumerate() {
        let bold = Style::bold(13.0, INK);
        canvas.text(&bold.fit(name, CELL), (column(index), 114.0 + extra), bold);
    }
    let mut y = HEAD + extra;
    for (row, height) in rows.iter().zip(heights) {
        draw_row(&mut canvas, row, y)?;
        y += height + FOOT;
    }
    Ok(canvas)
}

fn column(index: usize) -> f32 {
    MARGIN + index as f32 * (CELL + GAP)
}

fn legend(canvas: &mut Canvas, y: f32) {
    let note = Style::regular(11.0, MUTED);
    let mut x = MARGIN;
    for (name, colour) in
        [("mask and truth", HIT), ("mask only", FALSE_ALARM), ("truth only", TRUTH)]
    {
        canvas.rectangle(x, y - 8.5, 9.0, 9.0, colour);
        canvas.text(name, (x + 13.0, y), note);
        x += 13.0 + note.width(name) + 14.0;
    }
    let words = "heatmap value";
    canvas.text(words, (x + 10.0, y), note);
    colour_bar::draw(canvas, (x + 18.0 + note.width(words), y), 180.0, note);
}

/// The size at which a row's pictures are shown.
fn shown(row: &Row) -> Result<(f32, f32)> {
    let pixels = row.width as usize * row.height as usize;
    let masks = row.masks.iter().map(|(mask, _)| *mask);
    let mut pictures = [row.image, row.truth, row.heatmap].into_iter().chain(masks);
    if pixels == 0 || pictures.any(|bytes| bytes.len() != pixels) {
        let problem = format!("a picture is not of {} x {} bytes", row.width, row.height);
        return Err(Error::shape(row.name, problem));
    }
    let zoom = CELL / row.width.max(row.height) as f32;
    Ok(((row.width as f32 * zoom).max(8.0), (row.height as f32 * zoom).max(8.0)))
}

fn draw_row(canvas: &mut Canvas, row: &Row, y: f32) -> Result<()> {
    let (width, height) = shown(row)?;
    let (w, h) = ((width * SCALE).round() as u32, (height * SCALE).round() as u32);
    let grey = |bytes: &[u8]| {
        GrayImage::from_raw(row.width, row.height, bytes.to_vec())
            .ok_or_else(|| Error::shape(row.name, "a picture of another size"))
    };
    let panels = |map: &[u8]| -> Result<Panels> {
        Ok(Panels::new(&grey(row.image)?, &grey(row.truth)?, &grey(map)?, w, h))
    };
    let heat = panels(row.heatmap)?;
    canvas.paste(&heat.truth(), (column(0), y));
    canvas.paste(&heat.overlay(), (column(1), y));
    let under = y + height + 15.0;
    let (name, note) = (Style::bold(11.0, INK), Style::regular(11.0, MUTED));
    canvas.text(&name.fit(row.name, CELL), (column(0), under), name);
    canvas.text(&note.fit(row.caption, CELL), (column(1), under), note);
    for (index, (mask, dice)) in row.masks.iter().enumerate() {
        canvas.paste(&panels(mask)?.cut(CUT), (column(2 + index), y));
        canvas.text(&format!("Dice {dice:.3}"), (column(2 + index), under), note);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(bytes: &[u8], width: u32, height: u32) -> Row<'_> {
        let (name, caption) = ("benign (7)", "benign");
        let masks = vec![(bytes, 0.5), (bytes, 1.0)];
        Row { name, caption, image: bytes, truth: bytes, heatmap: bytes, masks, width, height }
    }

    #[test]
    fn every_row_and_every_mask_adds_its_size() {
        let bytes = vec![200; 400];
        let one = draw("t", "s", &["a", "b"], &[row(&bytes, 20, 20)]).unwrap();
        let two = draw("t", "s", &["a", "b"], &[row(&bytes, 20, 20), row(&bytes, 40, 10)]).unwrap();
        let added = two.pixels().height() - one.pixels().height();
        assert_eq!(added, ((CELL / 4.0 + FOOT) * SCALE) as u32);
        let columns = |names: &[&str]| draw("t", "s", names, &[]).unwrap().pixels().width();
        assert_eq!(columns(&["a", "b"]) - columns(&["a"]), ((CELL + GAP) * SCALE) as u32);
    }

    #[test]
    fn bytes_that_do_not_fit_their_size_are_refused_by_name() {
        let error = draw("t", "s", &[], &[row(&[0; 5], 2, 3)]).unwrap_err().to_string();
        assert!(error.contains("benign (7)") && error.contains("2 x 3"), "{error}");
    }
}
