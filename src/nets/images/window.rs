//! Which levels of a picture of 16 bits are black and white.

use std::str::FromStr;

use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb, Rgba};

/// Levels from `low`, black, to `high`, white, linear in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    low: u16,
    high: u16,
}

impl Window {
    /// All of 16 bits: each level becomes the nearest of 256 greys.
    pub const FULL: Window = Window { low: 0, high: u16::MAX };

    /// None where `low` is not below `high`.
    pub fn new(low: u16, high: u16) -> Option<Self> {
        (low < high).then_some(Window { low, high })
    }

    /// Black and white.
    pub fn levels(self) -> [u16; 2] {
        [self.low, self.high]
    }

    /// From the lowest to the highest of `levels`; a picture of one level is black.
    fn of(levels: impl Iterator<Item = u16>) -> Self {
        let (low, high) =
            levels.fold((u16::MAX, 0), |(low, high), level| (level.min(low), level.max(high)));
        Window { low: low.min(high), high }
    }

    /// The grey of a level, 0 to 255.
    fn grey(self, level: u16) -> u8 {
        let range = u32::from(self.high - self.low).max(1);
        let above = u32::from(level.clamp(self.low, self.high) - self.low);
        ((above * 255 + range / 2) / range) as u8
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is not LOW,HIGH: two levels from 0 to 65535, such as 0,4095");
        let (low, high) = text.split_once(',').ok_or_else(wrong)?;
        let level = |text: &str| text.trim().parse().map_err(|_| wrong());
        Self::new(level(low)?, level(high)?).ok_or_else(wrong)
    }
}

/// A picture of 16 bits in 8, through `window`, or from its own lowest to its own highest level, in all of
/// its colours alike. What has 8 bits stays as it is.
pub fn eight_bits(image: DynamicImage, window: Option<Window>) -> DynamicImage {
    let (width, height) = (image.width(), image.height());
    // Opacity is no level.
    let alpha = |level: u16| Window::FULL.grey(level);
    macro_rules! narrow {
        ($image:expr, $pixel:ident, $kind:ident, $colours:expr, |$p:ident, $w:ident| $made:expr) => {{
            let image = $image;
            let own = || Window::of(image.pixels().flat_map(|p| p.0.into_iter().take($colours)));
            let $w = window.unwrap_or_else(own);
            let mut narrow = ImageBuffer::new(width, height);
            for (to, $p) in narrow.pixels_mut().zip(image.pixels()) {
                *to = $pixel($made);
            }
            DynamicImage::$kind(narrow)
        }};
    }
    match image {
        DynamicImage::ImageLuma16(image) => {
            narrow!(image, Luma, ImageLuma8, 1, |p, w| [w.grey(p[0])])
        }
        DynamicImage::ImageLumaA16(image) => {
            narrow!(image, LumaA, ImageLumaA8, 1, |p, w| [w.grey(p[0]), alpha(p[1])])
        }
        DynamicImage::ImageRgb16(image) => {
            narrow!(image, Rgb, ImageRgb8, 3, |p, w| [w.grey(p[0]), w.grey(p[1]), w.grey(p[2])])
        }
        DynamicImage::ImageRgba16(image) => {
            narrow!(image, Rgba, ImageRgba8, 3, |p, w| [
                w.grey(p[0]),
                w.grey(p[1]),
                w.grey(p[2]),
                alpha(p[3])
            ])
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_levels_and_the_full_one_is_the_nearest_grey() {
        assert_eq!("0,4095".parse(), Ok(Window { low: 0, high: 4095 }));
        for wrong in ["", "5", "5,5", "9,3", "0,65536", "-1,5", "0,1,2", "a,b"] {
            assert!(wrong.parse::<Window>().unwrap_err().contains("LOW,HIGH"), "{wrong}");
        }
        for level in 0..=u16::MAX {
            assert_eq!(Window::FULL.grey(level), crate::nets::images::grey16::nearest8(level));
        }
        let window = Window::new(1000, 1255).unwrap();
        assert_eq!(
            [0, 1000, 1100, 1255, 9000].map(|level| window.grey(level)),
            [0, 0, 100, 255, 255]
        );
    }

    #[test]
    fn a_picture_has_its_own_range_in_all_colours_alike() {
        let image = ImageBuffer::from_raw(2, 1, vec![300u16, 400, 555, 300, 300, 300]).unwrap();
        let read =
            |window| eight_bits(DynamicImage::ImageRgb16(image.clone()), window).into_bytes();
        assert_eq!(read(None), [0, 100, 255, 0, 0, 0]);
        assert_eq!(read(Window::new(400, 655)), [0, 0, 155, 0, 0, 0]);
        let flat = ImageBuffer::from_raw(2, 1, vec![65_535u16; 2]).unwrap();
        assert_eq!(eight_bits(DynamicImage::ImageLuma16(flat), None).into_bytes(), [0, 0]);
        // Opacity is not stretched.
        let clear = ImageBuffer::from_raw(2, 1, vec![10u16, 65_535, 20, 257]).unwrap();
        let clear = eight_bits(DynamicImage::ImageLumaA16(clear), None).into_bytes();
        assert_eq!(clear, [0, 255, 255, 1]);
    }
}
