//! Pictures inside the page: small PNGs as data URIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::{self, FilterType as Resampling};
use image::{ExtendedColorType, GrayImage, ImageEncoder, RgbImage};

use crate::error::{Error, Result};
use crate::lab::report::colour_bar;
use crate::nets::images::Grey;

/// `width` x `height` shrunk so that the long side is at most `most`, or, with `enlarge`, is `most`.
pub fn shown(width: usize, height: usize, most: u32, enlarge: bool) -> (u32, u32) {
    let share = f64::from(most) / width.max(height) as f64;
    let share = if enlarge { share } else { share.min(1.0) };
    let side = |pixels: usize| ((pixels as f64 * share).round() as u32).max(1);
    (side(width), side(height))
}

/// The picture at another size. `exact` takes of each new pixel's centre the old pixel, so that no value appears that
/// was not exported; without it pixels are averaged.
pub fn resized(picture: &Grey, (width, height): (u32, u32), exact: bool) -> Result<GrayImage> {
    let grey = grey(picture)?;
    let filter = if exact { Resampling::Nearest } else { Resampling::Triangle };
    Ok(imageops::resize(&grey, width, height, filter))
}

/// The picture as the `image` crate has it.
pub fn grey(picture: &Grey) -> Result<GrayImage> {
    let (width, height) = (picture.width as u32, picture.height as u32);
    GrayImage::from_raw(width, height, picture.pixels.clone())
        .ok_or_else(|| Error::shape("report", format!("a picture is not {width} x {height}")))
}

/// An 8-bit grey PNG.
pub fn grey_uri(picture: &GrayImage) -> Result<String> {
    uri(picture.as_raw(), picture.dimensions(), ExtendedColorType::L8)
}

/// An RGB PNG of 8 bits a channel.
pub fn colour_uri(picture: &RgbImage) -> Result<String> {
    uri(picture.as_raw(), picture.dimensions(), ExtendedColorType::Rgb8)
}

/// What colour of a heatmap is what value.
pub fn colour_bar() -> Result<String> {
    let uri = colour_uri(&colour_bar::picture(256, 1))?;
    Ok(format!(
        "<p class=\"bar\">heatmap value <span>0</span><img src=\"{uri}\" alt=\"from dark blue over green to \
         yellow\"><span>255</span></p>\n"
    ))
}

fn uri(pixels: &[u8], (width, height): (u32, u32), kind: ExtendedColorType) -> Result<String> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, width, height, kind)
        .map_err(|error| {
            Error::shape("report", format!("a picture cannot be encoded ({error})"))
        })?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_side_is_bounded_and_small_pictures_stay() {
        assert_eq!(shown(320, 80, 160, false), (160, 40));
        assert_eq!(shown(20, 40, 160, false), (20, 40));
        assert_eq!(shown(20, 40, 160, true), (80, 160));
        assert_eq!(shown(4000, 2, 160, false), (160, 1));
    }

    #[test]
    fn a_picture_comes_back_out_of_its_uri() {
        let picture = Grey { width: 3, height: 2, pixels: vec![0, 50, 100, 150, 200, 255] };
        let uri = grey_uri(&resized(&picture, (3, 2), true).unwrap()).unwrap();
        let bytes = STANDARD.decode(uri.split_once(',').unwrap().1).unwrap();
        assert_eq!(Grey::decode(std::path::Path::new("x"), &bytes).unwrap(), picture);
    }
}
