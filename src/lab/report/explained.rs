//! One explained image as the paper's Figure 1 has it: the input, the heatmap over it, the heatmap as
//! a grey mask, and what the mask lets through.

use image::imageops::{self, FilterType};
use image::{GrayImage, Rgb, RgbImage};

use crate::error::{Error, Result};
use crate::lab::report::colormap;
use crate::lab::report::colour_bar;
use crate::lab::report::draw::{Canvas, SCALE};
use crate::lab::report::heading::Heading;
use crate::lab::report::style::{INK, MUTED, Style, mix};
use crate::nets::images::Colour;

const MARGIN: f32 = 28.0;
const CELL: f32 = 250.0;
const GAP: f32 = 14.0;
const HEAD: f32 = 84.0;
const FOOT: f32 = 70.0;
const PANELS: [(&str, &str); 4] = [
    ("Input", "as the file has it"),
    ("Heatmap", "over the input"),
    ("Mask", "the heatmap as grey, 0 to 255"),
    ("Filtered", "input x mask / 255"),
];

/// The panel that has the colours of heatmaps.
const COLOURED: usize = 1;

/// Draws `image` and its `heatmap`, one byte a pixel, under `title` and `subtitle`.
///
/// # Errors
/// [`Error::Shape`] when the heatmap does not fit the image.
pub fn draw(title: &str, subtitle: &str, image: &Colour, heatmap: &[u8]) -> Result<Canvas> {
    let wrong = || Error::shape(title, format!("{} bytes of heatmap", heatmap.len()));
    let (width, height) = (image.width as u32, image.height as u32);
    let input = RgbImage::from_raw(width, height, image.pixels.clone()).ok_or_else(wrong)?;
    let mask = GrayImage::from_raw(width, height, heatmap.to_vec()).ok_or_else(wrong)?;
    if heatmap.len() != image.width * image.height || heatmap.is_empty() {
        return Err(wrong());
    }

    let zoom = CELL / width.max(height) as f32;
    let (shown_width, shown_height) = (width as f32 * zoom, height as f32 * zoom);
    let pixels = |length: f32| ((length * SCALE).round() as u32).max(1);
    let (w, h) = (pixels(shown_width), pixels(shown_height));
    let input = imageops::resize(&input, w, h, FilterType::CatmullRom);
    let mask = imageops::resize(&mask, w, h, FilterType::Triangle);
    let picture = |colour: &dyn Fn([u8; 3], u8) -> [u8; 3]| {
        RgbImage::from_fn(w, h, |x, y| Rgb(colour(input[(x, y)].0, mask[(x, y)].0[0])))
    };
    let pictures = [
        input.clone(),
        picture(&|under, heat| mix(under, colormap::colour(heat), 0.55)),
        picture(&|_, heat| [heat; 3]),
        picture(&|under, heat| mix([0; 3], under, f32::from(heat) / 255.0)),
    ];

    let total = 2.0 * MARGIN + 4.0 * CELL + 3.0 * GAP;
    let heading = Heading::new(title, subtitle, [18.0, 12.0], total - 2.0 * MARGIN);
    let top = HEAD + heading.extra();
    let mut canvas = Canvas::new(total, top + shown_height + FOOT)?;
    heading.draw(&mut canvas, MARGIN, [40.0, 60.0]);
    for (index, (picture, (name, note))) in pictures.iter().zip(PANELS).enumerate() {
        let x = MARGIN + index as f32 * (CELL + GAP);
        canvas.paste(picture, (x, top));
        let under = top + shown_height;
        canvas.text(name, (x, under + 20.0), Style::bold(12.5, INK));
        let small = Style::regular(11.0, MUTED);
        canvas.text(note, (x, under + 36.0), small);
        if index == COLOURED {
            colour_bar::draw(&mut canvas, (x, under + 54.0), CELL, small);
        }
    }
    Ok(canvas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_mask_blocks_is_black_and_what_it_passes_stays() {
        let image = Colour { width: 2, height: 2, pixels: vec![200; 12] };
        let canvas = draw("t", "s", &image, &[0, 255, 0, 255]).unwrap();
        let at = |panel: f32, x: f32| {
            let left = MARGIN + panel * (CELL + GAP) + x * CELL;
            let (x, y) = ((left * SCALE) as u32, ((HEAD + CELL / 2.0) * SCALE) as u32);
            canvas.pixels()[(x, y)].0
        };
        assert_eq!((at(0.0, 0.1), at(0.0, 0.9)), ([200; 3], [200; 3]));
        assert_eq!((at(2.0, 0.1), at(2.0, 0.9)), ([0; 3], [255; 3]));
        assert_eq!((at(3.0, 0.1), at(3.0, 0.9)), ([0; 3], [200; 3]));
        assert_ne!(at(1.0, 0.1), at(1.0, 0.9));
        assert!(draw("t", "s", &image, &[0; 3]).is_err());
    }
}
