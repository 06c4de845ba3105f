//! The contact sheet: a row an ROI, from the image to the scored heatmap.
//!
//! The columns: the ROI; with the truth's outline; the heatmap; the heatmap over the ROI; the
//! heatmap cut at its best threshold, coloured by where it agrees with the truth.

use image::GrayImage;

use crate::error::{Error, Result};
use crate::lab::report::colour_bar;
use crate::lab::report::draw::{Canvas, SCALE};
use crate::lab::report::heading::Heading;
use crate::lab::report::panels::{FALSE_ALARM, HIT, Panels, TRUTH};
use crate::lab::report::style::{Colour, HAIRLINE, INK, MUTED, Style};
use crate::lab::report::text::Align;
use crate::nets::cam::dice;

/// One ROI, its truth and its heatmap, each `width` x `height` bytes, row by row.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// The ROI's name.
    pub name: &'a str,
    /// One short line more: the split, the class, the score.
    pub caption: &'a str,
    /// 8-bit grey.
    pub roi: &'a [u8],
    /// Zero outside the tumour.
    pub mask: &'a [u8],
    /// The heatmap at the ROI's size.
    pub heatmap: &'a [u8],
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The cut of the last column: heatmap > threshold.
    pub threshold: u8,
    /// The heatmap's mean-Dice over all thresholds.
    pub mean_dice: f64,
}

const MARGIN: f32 = 36.0;
const GUTTER: f32 = 150.0;
const CELL: f32 = 190.0;
const GAP: f32 = 12.0;
const HEAD: f32 = 150.0;
const BETWEEN: f32 = 26.0;
const COLUMNS: [&str; 5] = ["ROI", "Truth", "Heatmap", "Overlay", "Best cut"];

/// Draws `panels` in their order, under `title` and `subtitle`.
///
/// # Errors
/// [`Error::Shape`] when a picture's bytes do not fit its size, [`Error::Usage`] when there are
/// more rows than a picture can hold (some 200).
pub fn draw(title: &str, subtitle: &str, panels: &[Panel]) -> Result<Canvas> {
    let width = MARGIN * 2.0 + GUTTER + CELL * 5.0 + GAP * 4.0;
    let heights = panels.iter().map(|p| shown(p).map(|s| s.1)).collect::<Result<Vec<_>>>()?;
    let rows: f32 = heights.iter().map(|h| h + BETWEEN).sum();
    let heading = Heading::new(title, subtitle, [22.0, 13.0], width - 2.0 * MARGIN);
    let first = HEAD + heading.extra();
    let mut canvas = Canvas::new(width, first + rows + MARGIN - BETWEEN / 2.0)?;
    head(&mut canvas, &heading, width);
    let mut y = first;
    for (panel, height) in panels.iter().zip(heights) {
        if y > first {
            let rule = y - BETWEEN / 2.0 - 0.25;
            canvas.rectangle(MARGIN, rule, width - 2.0 * MARGIN, 0.5, HAIRLINE);
        }
        row(&mut canvas, panel, y)?;
        y += height + BETWEEN;
    }
    Ok(canvas)
}

/// `count` of the scores' indices, at evenly spaced ranks from the highest to the lowest: what
/// to show where not all can be, without choosing the flattering ones.
pub fn spread(scores: &[f64], count: usize) -> Vec<usize> {
    let mut ranked: Vec<usize> = (0..scores.len()).collect();
    ranked.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    if ranked.len() <= count {
        return ranked;
    }
    let last = ranked.len() - 1;
    let step = count.saturating_sub(1).max(1);
    (0..count).map(|i| ranked[(i * last + step / 2) / step]).collect()
}

fn column(index: usize) -> f32 {
    MARGIN + GUTTER + index as f32 * (CELL + GAP)
}

/// The size at which a panel is shown: as wide as its column, or as high where it is upright.
fn shown(panel: &Panel) -> Result<(f32, f32)> {
    let (width, height) = (panel.width as f32, panel.height as f32);
    let pixels = panel.width as usize * panel.height as usize;
    for (what, bytes) in [("ROI", panel.roi), ("mask", panel.mask), ("heatmap", panel.heatmap)] {
        if bytes.len() != pixels || pixels == 0 {
            return Err(Error::shape(
                panel.name,
                format!("the {what} has {} bytes, not {width} x {height}", bytes.len()),
            ));
        }
    }
    let zoom = CELL / width.max(height);
    // A strip a few pixels high still gets a row in which its name fits.
    Ok(((width * zoom).max(8.0), (height * zoom).max(64.0)))
}

fn head(canvas: &mut Canvas, heading: &Heading, width: f32) {
    let (room, extra) = (width - 2.0 * MARGIN, heading.extra());
    heading.draw(canvas, MARGIN, [50.0, 72.0]);
    canvas.rectangle(MARGIN, 88.0 + extra, room, 0.5, HAIRLINE);
    for (index, name) in COLUMNS.into_iter().enumerate() {
        canvas.text(name, (column(index), 114.0 + extra), Style::bold(13.0, INK));
    }
    let note = Style::regular(11.0, MUTED);
    let under = 133.0;
    canvas.line(&[(column(1) + 2.0, under - 4.0), (column(1) + 18.0, under - 4.0)], 2.2, TRUTH);
    canvas.text("outline", (column(1) + 25.0, under), note);
    colour_bar::draw(canvas, (column(2), under), CELL, note);
    canvas.text("heatmap, ROI, outline", (column(3), under), note);
    let mut x = column(4);
    for (name, colour) in [("both", HIT), ("map only", FALSE_ALARM), ("truth only", TRUTH)] {
        swatch(canvas, (x, under - 8.5), colour);
        canvas.text(name, (x + 13.0, under), note);
        x += 13.0 + note.width(name) + 9.0;
    }
}

fn swatch(canvas: &mut Canvas, (x, y): (f32, f32), colour: Colour) {
    canvas.rectangle(x, y, 9.0, 9.0, colour);
}

fn row(canvas: &mut Canvas, panel: &Panel, y: f32) -> Result<()> {
    let (width, height) = shown(panel)?;
    let scores = dice::score(panel.mask, panel.heatmap)?;
    let at_cut = scores.dice[usize::from(panel.threshold)];
    let room = GUTTER - 14.0;
    let (name, small) = (Style::bold(12.5, INK), Style::regular(11.0, MUTED));
    let number = Style::regular(11.0, INK).aligned(Align::Right);
    canvas.text(&name.fit(panel.name, room), (MARGIN, y + 11.0), name);
    canvas.text(&small.fit(panel.caption, room), (MARGIN, y + 28.0), small);
    let lines = [
        ("mean-Dice".to_owned(), panel.mean_dice),
        (format!("Dice, map > {}", panel.threshold), at_cut),
    ];
    for (line, (label, value)) in lines.into_iter().enumerate() {
        let base = y + 46.0 + 16.0 * line as f32;
        canvas.text(&label, (MARGIN, base), small);
        canvas.text(&format!("{value:.3}"), (MARGIN + room - 4.0, base), number);
    }

    let grey = |bytes: &[u8]| {
        GrayImage::from_raw(panel.width, panel.height, bytes.to_vec())
            .ok_or_else(|| Error::shape(panel.name, "a picture of another size"))
    };
    let (w, h) = ((width * SCALE).round() as u32, (height * SCALE).round() as u32);
    let (roi, mask, heat) = (grey(panel.roi)?, grey(panel.mask)?, grey(panel.heatmap)?);
    let panels = Panels::new(&roi, &mask, &heat, w, h);
    let pictures = [
        panels.roi(),
        panels.truth(),
        panels.heatmap(),
        panels.overlay(),
        panels.cut(panel.threshold),
    ];
    for (index, picture) in pictures.iter().enumerate() {
        canvas.paste(picture, (column(index), y));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel<'a>(bytes: &'a [u8], width: u32, height: u32) -> Panel<'a> {
        Panel {
            name: "malignant (1)",
            caption: "validation",
            roi: bytes,
            mask: bytes,
            heatmap: bytes,
            width,
            height,
            threshold: 100,
            mean_dice: 0.5,
        }
    }

    #[test]
    fn every_row_adds_its_height() {
        let bytes = vec![200; 400];
        let one = draw("t", "s", &[panel(&bytes, 20, 20)]).unwrap();
        let two = draw("t", "s", &[panel(&bytes, 20, 20), panel(&bytes, 40, 10)]).unwrap();
        let added = two.pixels().height() - one.pixels().height();
        assert_eq!(added, ((64.0 + BETWEEN) * SCALE) as u32);
        assert!(draw("", "", &[]).is_ok());
        assert!(draw("", "", &[panel(&bytes, 1, 400)]).is_ok());
    }

    #[test]
    fn bytes_that_do_not_fit_their_size_are_refused_by_name() {
        let error = draw("t", "s", &[panel(&[0; 5], 2, 3)]).unwrap_err().to_string();
        assert!(error.contains("malignant (1)") && error.contains("2 x 3"), "{error}");
        assert!(draw("t", "s", &[panel(&[], 0, 0)]).is_err());
    }

    #[test]
    fn spread_shows_the_best_the_worst_and_what_lies_between() {
        let scores = [0.1, 0.9, 0.5, f64::NAN, 0.7, 0.3];
        assert_eq!(spread(&scores[..3], 5), [1, 2, 0]);
        let five = spread(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 5);
        assert_eq!(five, [8, 6, 4, 2, 0]);
        assert_eq!(spread(&scores, 2).len(), 2);
        assert!(spread(&scores, 0).is_empty());
        assert_eq!(spread(&scores, 1).len(), 1);
    }
}
