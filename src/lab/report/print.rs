//! A picture as the bytes of a PNG that says how large it is in print, and as a data URI.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use png::{BitDepth, ColorType, Compression, Filter, PixelDimensions, Unit};

use crate::error::{Error, Result};

/// The PNG of `picture`, which is `millimetres` wide in print.
///
/// # Errors
/// [`Error::Content`] when the encoder refuses.
pub fn png(picture: &RgbImage, millimetres: f32) -> Result<Vec<u8>> {
    // No picture is that large or small in print: then it says nothing.
    let per_metre = (picture.width() as f32 / millimetres * 1000.0).round();
    let stated = (1.0..1e7).contains(&per_metre).then_some(per_metre as u32);
    encoded(picture, stated)
}

/// The same inside of a document, which says itself how large it is.
///
/// # Errors
/// As [`png()`].
pub fn uri(picture: &RgbImage) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(encoded(picture, None)?)))
}

fn encoded(picture: &RgbImage, per_metre: Option<u32>) -> Result<Vec<u8>> {
    let refused = |error: png::EncodingError| {
        Error::content("picture", format!("not encoded: {error}"), "draw a smaller one")
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width(), picture.height());
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Balanced);
    encoder.set_filter(Filter::Adaptive);
    encoder.set_pixel_dims(per_metre.map(|per_metre| PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(refused)?;
    writer.write_image_data(picture.as_raw()).map_err(refused)?;
    writer.finish().map_err(refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_says_how_large_it_is_in_print() {
        let picture = RgbImage::from_fn(20, 10, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let bytes = png(&picture, 10.0).unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let size = reader.info().pixel_dims.unwrap();
        assert_eq!((size.xppu, size.yppu, size.unit), (2000, 2000, Unit::Meter));
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8(), picture);
        assert!(uri(&picture).unwrap().starts_with("data:image/png;base64,iVBOR"));
        assert!(png(&picture, 0.0).is_ok() && png(&picture, f32::NAN).is_ok());
    }
}
