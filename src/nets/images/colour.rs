//! 8-bit colour images, for networks that were made for photographs.

use std::path::Path;

use image::ExtendedColorType;

use super::Grey;
use super::decode::{self, MOST_OF_FILE, decode};
use super::grey::encode;
use crate::error::Result;
use crate::files;
use crate::nets::images::Resize;
use crate::nets::images::Window;

/// An 8-bit RGB image, row by row, three bytes a pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` values.
    pub pixels: Vec<u8>,
}

impl Colour {
    /// Reads an image file as RGB: grey becomes three equal channels, transparency lies over black, as in
    /// [`Grey::decode`].
    ///
    /// # Errors
    /// [`crate::error::Error::File`] when it cannot be read, [`crate::error::Error::Content`] for what [`Grey::decode`] refuses.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::read_with(path.as_ref(), None)
    }

    /// [`Colour::read`], with the levels of 16-bit pictures that are black and white.
    ///
    /// # Errors
    /// As [`Colour::read`].
    pub fn read_with(path: &Path, window: Option<Window>) -> Result<Self> {
        let bytes = files::read_at_most(path, MOST_OF_FILE)?;
        let image = decode(path, &bytes)?.picture(window).into_rgba8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        let over_black =
            |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
        let pixels = image
            .pixels()
            .flat_map(|pixel| [0, 1, 2].map(|channel| over_black(pixel[channel], pixel[3])))
            .collect();
        Ok(Colour { width, height, pixels })
    }

    /// Writes the picture as an 8-bit RGB PNG, whole or not at all.
    ///
    /// # Errors
    /// As [`files::write`], and [`crate::error::Error::Content`] for a picture without pixels.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let size = [self.width, self.height];
        files::write(path, &encode(path, &self.pixels, size, ExtendedColorType::Rgb8)?)
    }

    /// Height and width of the upright picture, by its header.
    ///
    /// # Errors
    /// As [`Self::read`], but for what lies behind the header: one that claims too much is refused.
    pub fn size_of(path: &Path) -> Result<[usize; 2]> {
        decode::size(path, &files::read_at_most(path, MOST_OF_FILE)?)
    }

    /// Its luma by Rec. 601, `0.299 R + 0.587 G + 0.114 B`, rounded; exact where it is grey.
    pub fn grey(&self) -> Grey {
        let luma = |rgb: &[u8]| crate::nets::images::grey::luma(rgb[0], rgb[1], rgb[2]);
        let pixels = self.pixels.chunks_exact(3).map(luma).collect();
        Grey { width: self.width, height: self.height, pixels }
    }

    /// The image at `height` by `width` pixels, values in [0, 255], three a pixel: bilinear, as
    /// [`Grey::resize`].
    pub fn resize(&self, height: usize, width: usize) -> Vec<f32> {
        self.resize_by(height, width, Resize::Bilinear)
    }

    /// The same in another way.
    pub fn resize_by(&self, height: usize, width: usize, resize: Resize) -> Vec<f32> {
        let mut resized = vec![0.0; height * width * 3];
        for channel in 0..3 {
            let at =
                |x: usize, y: usize| f32::from(self.pixels[(y * self.width + x) * 3 + channel]);
            let plane = resize.channel([self.height, self.width], [height, width], at);
            for (pixel, value) in resized.chunks_exact_mut(3).zip(plane) {
                pixel[channel] = value;
            }
        }
        resized
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::fixtures::{png, png_claiming, textured};

    #[test]
    fn colours_and_grey_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let row = vec![255, 0, 10, 7, 7, 7];
        std::fs::write(&path, png(2, 8, 2, &vec![row.clone(); 2])).unwrap();
        let image = Colour::read(&path).unwrap();
        assert_eq!((image.width, image.height), (2, 2));
        assert_eq!(image.pixels, [row.clone(), row].concat());
        assert_eq!(image.grey().pixels, [77, 7, 77, 7]);
        textured(5, 4).write(&path).unwrap();
        assert_eq!(Colour::read(&path).unwrap().grey(), textured(5, 4));
        assert_eq!(Colour::size_of(&path).unwrap(), [4, 5]);
        // Memory for maps is planned by this size.
        std::fs::write(&path, png_claiming(200_000, 200_000)).unwrap();
        let error = Colour::size_of(&path).unwrap_err().to_string();
        assert!(error.contains("x.png: is 200000 x 200000 pixels"), "{error}");
        std::fs::write(&path, b"\x89PNG").unwrap();
        let error = Colour::size_of(&path).unwrap_err().to_string();
        assert!(error.contains("x.png") && error.contains("not a PNG"), "{error}");
    }

    #[test]
    fn channels_are_resized_apart_and_as_grey_is() {
        let grey = textured(9, 6);
        let pixels = grey.pixels.iter().flat_map(|&value| [value, 0, 255 - value]).collect();
        let colour = Colour { width: 9, height: 6, pixels };
        let (small, one) = (colour.resize(4, 5), grey.resize(4, 5));
        for (rgb, value) in small.chunks_exact(3).zip(one) {
            assert_eq!([rgb[0], rgb[1]], [value, 0.0]);
            assert!((rgb[2] - (255.0 - value)).abs() < 1e-4);
        }
    }
}
