//! 8-bit grey images: read from a file, cropped, resized, written as PNG.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{DynamicImage, ExtendedColorType, ImageEncoder};

use super::decode::{MOST_OF_FILE, decode};
use crate::error::{Error, Result};
use crate::files;
use crate::nets::images::Resize;
use crate::nets::images::Window;

/// A rectangle of pixels, its left upper corner at (`x`, `y`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub x: usize,
    /// First row.
    pub y: usize,
    /// Columns, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
}

/// An 8-bit grey image, row by row, 0 black and 255 white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grey {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values.
    pub pixels: Vec<u8>,
}

impl Rect {
    /// Whether the two share a pixel.
    pub fn overlaps(&self, other: &Rect) -> bool {
        let axis = |a: usize, n: usize, b: usize, m: usize| a < b + m && b < a + n;
        axis(self.x, self.width, other.x, other.width)
            && axis(self.y, self.height, other.y, other.height)
    }
}

impl Grey {
    /// An image of one value.
    pub fn filled(width: usize, height: usize, value: u8) -> Self {
        Grey { width, height, pixels: vec![value; width * height] }
    }

    /// The value at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the image.
    pub fn at(&self, x: usize, y: usize) -> u8 {
        self.pixels[y * self.width + x]
    }

    /// Reads an image file as grey: see [`Grey::decode`].
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, else as [`Grey::decode`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path.as_ref(), None)
    }

    /// [`Grey::read`], with the levels of 16-bit pictures that are black and white.
    ///
    /// # Errors
    /// As [`Grey::read`].
    pub fn read_with(path: &Path, window: Option<Window>) -> Result<Self> {
        let bytes = files::read_at_most(path, MOST_OF_FILE)?;
        Ok(Self::from_decoded(decode(path, &bytes)?.picture(window)))
    }

    /// Decodes the bytes of a PNG, TIFF, JPEG or PGM; `path` is for messages only.
    ///
    /// Colour becomes luma by Rec. 601, `0.299 R + 0.587 G + 0.114 B`, rounded; grey stored as RGB
    /// keeps its values exactly. Transparent pixels are laid over black, which is what surrounds
    /// medical images. Grey of fewer than 8 bits is stretched to 0 to 255, and levels of 16 bits from the
    /// picture's lowest to its highest. A picture is turned as its EXIF data say.
    ///
    /// # Errors
    /// [`Error::Content`] for any other format, for what is truncated or has several pages, and for
    /// fewer than 2 pixels on a side.
    pub fn decode(path: &Path, bytes: &[u8]) -> Result<Self> {
        Ok(Self::from_decoded(decode(path, bytes)?.picture(None)))
    }

    /// Any decoded image of 8 bits as grey, by the rules of [`Grey::decode`].
    pub(crate) fn from_decoded(decoded: DynamicImage) -> Self {
        let (width, height) = (decoded.width() as usize, decoded.height() as usize);
        let over_black =
            |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
        let pixels = match decoded {
            DynamicImage::ImageLuma8(image) => image.into_raw(),
            DynamicImage::ImageLumaA8(image) => {
                image.pixels().map(|pixel| over_black(pixel[0], pixel[1])).collect()
            }
            DynamicImage::ImageRgb8(image) => {
                image.pixels().map(|pixel| luma(pixel[0], pixel[1], pixel[2])).collect()
            }
            other => other
                .into_rgba8()
                .pixels()
                .map(|pixel| over_black(luma(pixel[0], pixel[1], pixel[2]), pixel[3]))
                .collect(),
        };
        Grey { width, height, pixels }
    }

    /// The image as the bytes of an 8-bit grey PNG.
    ///
    /// # Errors
    /// [`Error::Content`] naming `path` when the encoder refuses, as for an image without pixels.
    pub fn encode(&self, path: &Path) -> Result<Vec<u8>> {
        encode(path, &self.pixels, [self.width, self.height], ExtendedColorType::L8)
    }

    /// Writes the image as an 8-bit grey PNG, whole or not at all.
    ///
    /// # Errors
    /// As [`files::write`] and [`Grey::encode`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        files::write(path, &self.encode(path)?)
    }

    /// The part of the image inside `rect`, clipped to the image.
    pub fn crop(&self, rect: Rect) -> Self {
        let (left, top) = (rect.x.min(self.width), rect.y.min(self.height));
        let right = (rect.x + rect.width).min(self.width);
        let bottom = (rect.y + rect.height).min(self.height);
        let mut pixels = Vec::with_capacity((right - left) * (bottom - top));
        for y in top..bottom {
            pixels.extend_from_slice(&self.pixels[y * self.width + left..y * self.width + right]);
        }
        Grey { width: right - left, height: bottom - top, pixels }
    }

    /// The image at `height` by `width` pixels, values in [0, 255], row by row.
    ///
    /// Bilinear with half-pixel centres, edges repeated and no smoothing before shrinking: the same
    /// as `tf.image.resize` with `antialias=False`.
    pub fn resize(&self, height: usize, width: usize) -> Vec<f32> {
        self.resize_by(height, width, Resize::Bilinear)
    }

    /// The same in another way.
    pub fn resize_by(&self, height: usize, width: usize, resize: Resize) -> Vec<f32> {
        let at = |x: usize, y: usize| f32::from(self.pixels[y * self.width + x]);
        resize.channel([self.height, self.width], [height, width], at)
    }

    /// The smallest rectangle around every pixel above 0, or none when all are 0.
    pub fn bounds(&self) -> Option<Rect> {
        let rows: Vec<&[u8]> = self.pixels.chunks_exact(self.width.max(1)).collect();
        let some = |row: &&[u8]| row.iter().any(|&value| value > 0);
        let top = rows.iter().position(some)?;
        let bottom = rows.iter().rposition(some)?;
        let left = rows.iter().filter_map(|row| row.iter().position(|&v| v > 0)).min()?;
        let right = rows.iter().filter_map(|row| row.iter().rposition(|&v| v > 0)).max()?;
        Some(Rect { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
    }
}

/// A picture of (width, height) `size` as the bytes of a PNG.
pub(super) fn encode(
    path: &Path,
    pixels: &[u8],
    size: [usize; 2],
    kind: ExtendedColorType,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let [width, height] = size.map(|side| side as u32);
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, kind).map_err(|error| {
        let problem = format!("cannot be encoded ({})", one_line(&error.to_string()));
        Error::content(path, problem, "the image needs at least one pixel")
    })?;
    Ok(bytes)
}

/// For each target pixel of one axis: the two source pixels and the share of the second.
fn taps(source: usize, target: usize) -> Vec<(usize, usize, f32)> {
    let scale = source as f32 / target as f32;
    let last = source.saturating_sub(1);
    (0..target)
        .map(|at| {
            let centre = (at as f32 + 0.5) * scale - 0.5;
            let low = centre.floor();
            // Outside the image both taps are the edge pixel, whatever the share.
            let index = |position: f32| (position.max(0.0) as usize).min(last);
            (index(low), index(low + 1.0), centre - low)
        })
        .collect()
}

/// The numbers of an image of (height, width) `from`, row by row, at the size `to`: see
/// [`Grey::resize`].
///
/// # Panics
/// When there are fewer numbers than pixels.
pub fn resize_plane(numbers: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    resize_channel(from, to, |x, y| numbers[y * from[1] + x])
}

/// One channel of an image of (height, width) `from`, its pixels by `at(x, y)`, at the size `to`: see
/// [`Grey::resize`].
pub(super) fn resize_channel(
    from: [usize; 2],
    to: [usize; 2],
    at: impl Fn(usize, usize) -> f32,
) -> Vec<f32> {
    let columns = taps(from[1], to[1]);
    let mut resized = Vec::with_capacity(to[0] * to[1]);
    for (top, bottom, down) in taps(from[0], to[0]) {
        for &(left, right, across) in &columns {
            let mix = |y: usize| {
                let (a, b) = (at(left, y), at(right, y));
                a + (b - a) * across
            };
            let (a, b) = (mix(top), mix(bottom));
            resized.push(a + (b - a) * down);
        }
    }
    resized
}

pub(super) fn luma(red: u8, green: u8, blue: u8) -> u8 {
    ((299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue) + 500) / 1000) as u8
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::fixtures::{png, textured};

    fn decode(bytes: &[u8]) -> Vec<u8> {
        Grey::decode(Path::new("x.png"), bytes).unwrap().pixels
    }

    #[test]
    fn every_kind_of_png_becomes_grey() {
        // 1 bit: 10110000 is white, black, white, white; 2 and 4 bits are stretched.
        assert_eq!(decode(&png(4, 1, 0, &vec![vec![0b1011_0000]; 2]))[..4], [255, 0, 255, 255]);
        assert_eq!(decode(&png(4, 2, 0, &vec![vec![0b0001_1011]; 2]))[..4], [0, 85, 170, 255]);
        assert_eq!(decode(&png(2, 4, 0, &vec![vec![0x1f]; 2]))[..2], [17, 255]);
        assert_eq!(decode(&png(2, 8, 0, &vec![vec![3, 200]; 2]))[..2], [3, 200]);
        let colours = vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 77, 77, 77];
        assert_eq!(decode(&png(4, 8, 2, &vec![colours; 2]))[..4], [76, 150, 29, 77]);
        let grey_alpha = vec![200, 255, 200, 128, 200, 0];
        assert_eq!(decode(&png(3, 8, 4, &vec![grey_alpha; 2]))[..3], [200, 100, 0]);
        let rgba = vec![255, 255, 255, 255, 255, 255, 255, 0];
        assert_eq!(decode(&png(2, 8, 6, &vec![rgba; 2]))[..2], [255, 0]);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        textured(31, 17).write(&path).unwrap();
        assert_eq!(Grey::read(&path).unwrap(), textured(31, 17));
    }

    #[test]
    fn resizing_is_tensorflows() {
        // tf.image.resize([[0, 100], [200, 50]], (4, 4)) and to (2, 3).
        let small = Grey { width: 2, height: 2, pixels: vec![0, 100, 200, 50] };
        let rows = [
            [0.0, 25.0, 75.0, 100.0],
            [50.0, 59.375, 78.125, 87.5],
            [150.0, 128.125, 84.375, 62.5],
            [200.0, 162.5, 87.5, 50.0],
        ];
        assert_eq!(small.resize(4, 4), rows.concat());
        assert_eq!(small.resize(2, 3), [0.0, 50.0, 100.0, 200.0, 125.0, 50.0]);
        // Shrinking takes the two nearest pixels, and does not average.
        let row = Grey { width: 6, height: 1, pixels: vec![0, 60, 0, 0, 240, 0] };
        assert_eq!(row.resize(1, 2), [60.0, 240.0]);
        assert_eq!(row.resize(1, 6), [0.0, 60.0, 0.0, 0.0, 240.0, 0.0]);
    }

    #[test]
    fn crops_are_clipped_and_bounds_are_tight() {
        let image = textured(9, 7);
        let crop = image.crop(Rect { x: 6, y: 5, width: 30, height: 30 });
        assert_eq!((crop.width, crop.height), (3, 2));
        assert_eq!(crop.at(2, 1), image.at(8, 6));
        let lesion = Rect { x: 2, y: 1, width: 4, height: 3 };
        assert_eq!(crate::nets::images::fixtures::mask(9, 7, lesion).bounds(), Some(lesion));
        assert_eq!(Grey::filled(9, 7, 0).bounds(), None);
    }
}
