//! 16-bit grey images: what a film scanner or a DICOM file holds before a grey window is chosen.

use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, Result};
use crate::files;
use crate::nets::images::Grey;

/// A 16-bit grey image, row by row. What its values mean is its format's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grey16 {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width` values.
    pub pixels: Vec<u16>,
}

impl Grey16 {
    /// Each value through `convert`, which is asked once for each of the 65536.
    pub fn to_grey(&self, convert: impl Fn(u16) -> u8) -> Grey {
        let table: Vec<u8> = (0..=u16::MAX).map(convert).collect();
        let pixels = self.pixels.iter().map(|&value| table[usize::from(value)]).collect();
        Grey { width: self.width, height: self.height, pixels }
    }

    /// The same values in the same order as `rows` of `columns`, where there are as many; else the
    /// image back.
    ///
    /// # Errors
    /// The image as it was.
    pub fn reshape(self, rows: usize, columns: usize) -> Result<Self, Self> {
        match rows.checked_mul(columns) {
            Some(n) if n == self.pixels.len() => {
                Ok(Grey16 { width: columns, height: rows, pixels: self.pixels })
            }
            _ => Err(self),
        }
    }

    /// Writes the image as a 16-bit grey PNG, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Content`] for an image without pixels, else as [`files::write`].
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        // The encoder takes native byte order and writes PNG's.
        let native: Vec<u8> = self.pixels.iter().flat_map(|value| value.to_ne_bytes()).collect();
        PngEncoder::new(&mut bytes)
            .write_image(&native, width, height, ExtendedColorType::L16)
            .map_err(|error| {
                let problem = format!("cannot be encoded ({error})");
                Error::content(path, problem, "the image needs at least one pixel")
            })?;
        files::write(path, &bytes)
    }
}

/// The nearest of 256 greys to a value of 65536: `value / 257`, rounded, as MATLAB's `im2uint8`.
pub fn nearest8(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pngs_of_16_bits_keep_every_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.png");
        let pixels = vec![0, 1, 255, 256, 4095, 65535];
        let deep = Grey16 { width: 3, height: 2, pixels: pixels.clone() };
        deep.write(&path).unwrap();
        assert_eq!(image::open(&path).unwrap().into_luma16().into_raw(), pixels);
        let empty = Grey16 { width: 0, height: 0, pixels: vec![] };
        assert!(empty.write(&path).is_err());
    }

    #[test]
    fn reshaping_keeps_the_order_and_the_number() {
        let deep = Grey16 { width: 3, height: 2, pixels: vec![1, 2, 3, 4, 5, 6] };
        let tall = deep.clone().reshape(3, 2).unwrap();
        assert_eq!((tall.width, tall.height, &tall.pixels), (2, 3, &deep.pixels));
        assert_eq!(deep.clone().reshape(2, 2), Err(deep.clone()));
        assert_eq!(deep.clone().reshape(usize::MAX, 2), Err(deep));
    }

    #[test]
    fn the_nearest_grey() {
        assert_eq!([0, 128, 129, 257, 65535].map(nearest8), [0, 0, 1, 1, 255]);
    }
}
