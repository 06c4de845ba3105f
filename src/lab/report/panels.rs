//! The five pictures of one row of a contact sheet, made from an ROI, its mask and its heatmap.

use image::imageops::{self, FilterType};
use image::{GrayImage, Luma, Rgb, RgbImage};

use crate::lab::report::colormap;
use crate::lab::report::style::{Colour, mix};

/// The outline of the truth, and pixels of the truth that the heatmap misses: a colour that
/// neither grey images nor the colour map hold.
pub const TRUTH: Colour = [255, 45, 120];
/// Pixels that the heatmap and the truth share.
pub const HIT: Colour = [0, 178, 137];
/// Pixels of the heatmap outside the truth.
pub const FALSE_ALARM: Colour = [255, 176, 32];

/// An ROI, its mask and its heatmap, all enlarged to the size at which they are shown.
pub struct Panels {
    roi: GrayImage,
    /// 255 inside; soft edges, so that 128 is where the outline runs.
    mask: GrayImage,
    heat: GrayImage,
}

impl Panels {
    /// Enlarges the three pictures to `width` x `height` pixels.
    pub fn new(
        roi: &GrayImage,
        mask: &GrayImage,
        heat: &GrayImage,
        width: u32,
        height: u32,
    ) -> Self {
        let solid = GrayImage::from_fn(mask.width(), mask.height(), |x, y| {
            Luma([if mask[(x, y)].0[0] > 0 { 255 } else { 0 }])
        });
        let zoom = width as f32 / roi.width().max(1) as f32;
        let large = |picture, filter| imageops::resize(picture, width, height, filter);
        Panels {
            roi: large(roi, FilterType::CatmullRom),
            // The staircase of single pixels is rounded off; the area stays.
            mask: imageops::fast_blur(&large(&solid, FilterType::Triangle), 0.8 * zoom.max(1.0)),
            heat: large(heat, FilterType::Triangle),
        }
    }

    /// The ROI as it is.
    pub fn roi(&self) -> RgbImage {
        self.picture(|p| [p.roi; 3])
    }

    /// The ROI with the truth's outline.
    pub fn truth(&self) -> RgbImage {
        self.outlined(self.roi())
    }

    /// The heatmap in the colour map.
    pub fn heatmap(&self) -> RgbImage {
        self.picture(|p| colormap::colour(p.heat))
    }

    /// The heatmap over the ROI, the more opaque the hotter, with the truth's outline.
    pub fn overlay(&self) -> RgbImage {
        self.outlined(self.picture(|p| {
            let heat = f32::from(p.heat) / 255.0;
            mix([p.roi; 3], colormap::colour(p.heat), 0.28 + 0.47 * heat)
        }))
    }

    /// The heatmap cut at `threshold`, each pixel by whether map and truth agree there, over the
    /// faded ROI.
    pub fn cut(&self, threshold: u8) -> RgbImage {
        self.picture(|p| {
            let faded = mix([p.roi; 3], [255; 3], 0.25);
            match (p.heat > threshold, p.mask >= 128) {
                (true, true) => mix(faded, HIT, 0.72),
                (true, false) => mix(faded, FALSE_ALARM, 0.72),
                (false, true) => mix(faded, TRUTH, 0.72),
                (false, false) => faded,
            }
        })
    }

    fn picture(&self, colour: impl Fn(Values) -> Colour) -> RgbImage {
        RgbImage::from_fn(self.roi.width(), self.roi.height(), |x, y| {
            let value = |picture: &GrayImage| picture[(x, y)].0[0];
            let values =
                Values { roi: value(&self.roi), mask: value(&self.mask), heat: value(&self.heat) };
            Rgb(colour(values))
        })
    }

    /// Paints the line where the mask passes 128: its distance is the difference in value over
    /// the steepness there. A darker, wider line below keeps it visible on bright tissue.
    fn outlined(&self, mut picture: RgbImage) -> RgbImage {
        let (width, height) = self.mask.dimensions();
        let at = |x: u32, y: u32| f32::from(self.mask[(x.min(width - 1), y.min(height - 1))].0[0]);
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let right = at(x + 1, y) - at(x.saturating_sub(1), y);
            let down = at(x, y + 1) - at(x, y.saturating_sub(1));
            let steepness = right.hypot(down) / 2.0;
            if steepness > 0.5 {
                let away = (at(x, y) - 127.5).abs() / steepness;
                pixel.0 = mix(pixel.0, [0; 3], 0.35 * (3.8 - away));
                pixel.0 = mix(pixel.0, TRUTH, 2.4 - away);
            }
        }
        picture
    }
}

struct Values {
    roi: u8,
    mask: u8,
    heat: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey ROI, truth in the left half, heat in the upper half.
    fn quarters() -> Panels {
        let roi = GrayImage::from_pixel(20, 20, Luma([100]));
        let mask = GrayImage::from_fn(20, 20, |x, _| Luma([u8::from(x < 10)]));
        let heat = GrayImage::from_fn(20, 20, |_, y| Luma([if y < 10 { 200 } else { 50 }]));
        Panels::new(&roi, &mask, &heat, 100, 100)
    }

    #[test]
    fn the_cut_tells_hits_misses_and_false_alarms_apart() {
        let cut = quarters().cut(120);
        let faded = mix([100; 3], [255; 3], 0.25);
        assert_eq!(cut[(10, 10)].0, mix(faded, HIT, 0.72));
        assert_eq!(cut[(90, 10)].0, mix(faded, FALSE_ALARM, 0.72));
        assert_eq!(cut[(10, 90)].0, mix(faded, TRUTH, 0.72));
        assert_eq!(cut[(90, 90)].0, faded);
    }

    #[test]
    fn the_outline_runs_where_the_mask_ends_and_nowhere_else() {
        let truth = quarters().truth();
        assert_eq!(truth[(10, 50)].0, [100; 3]);
        assert_eq!(truth[(90, 50)].0, [100; 3]);
        let row: Vec<_> = (0..100).filter(|&x| truth[(x, 50)].0 == TRUTH).collect();
        assert!(!row.is_empty() && row.iter().all(|x| x.abs_diff(50) <= 2), "{row:?}");
    }

    #[test]
    fn one_pixel_can_be_shown() {
        let one = GrayImage::from_pixel(1, 1, Luma([9]));
        assert_eq!(Panels::new(&one, &one, &one, 40, 40).overlay().dimensions(), (40, 40));
    }
}
