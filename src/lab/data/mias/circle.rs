//! The truth of MIAS: a circle about an abnormality, of which the centre counts from the bottom.

use std::path::PathBuf;

use super::info::{Place, SIDE};
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::problem::Problem;
use crate::nets::images::Grey;
use crate::nets::images::decode::{self, MOST_OF_FILE};

/// A circle whose middle level is below this lies beside the breast. On the films that were published this is 4
/// and 12 for the two circles that do, and 83 or more for all others.
const DARK: u8 = 25;

/// A circle on a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circle {
    /// Where it is said.
    pub info: PathBuf,
    /// In which line.
    pub line: usize,
    /// The film that it is on.
    pub film: PathBuf,
    /// Where it lies.
    pub place: Place,
}

impl Circle {
    /// A mask of the film's size, which its file says: see [`Self::on`].
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Content`] where that cannot be read, and as [`Self::on`].
    pub fn read(&self) -> Result<Grey> {
        let bytes = files::read_at_most(&self.film, MOST_OF_FILE)?;
        let [height, width] = decode::size(&self.film, &bytes)?;
        self.fill(width, height)
    }

    /// A mask of the film's size, 255 in the circle and on it. A film of another size than was published is
    /// taken for one that was scaled, if it is a square.
    ///
    /// # Errors
    /// [`Error::Content`] for a film that is no square.
    pub fn fill(&self, width: usize, height: usize) -> Result<Grey> {
        if width != height {
            let what = format!(
                "is {width} x {height} pixels: the circles of Info.txt are places on films of {SIDE} x {SIDE}"
            );
            return Err(Error::content(&self.film, what, "take the film as it was published"));
        }
        let scale = width as f64 / f64::from(SIDE);
        let pixel = |place: u32| (f64::from(place) + 0.5) * scale - 0.5;
        let Place { x, y, radius } = self.place;
        let (x, y, radius) = (pixel(x), pixel(SIDE - 1 - y), f64::from(radius) * scale);
        let mut mask = Grey::filled(width, height, 0);
        let span = |centre: f64, reach: f64| {
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = (centre + reach).floor();
            // Less than a pixel is still one.
            let one = (centre.round().max(0.0) as usize).min(width - 1);
            if last < first as f64 { one..one + 1 } else { first..(last as usize + 1).min(width) }
        };
        for row in span(y, radius) {
            let reach = (radius * radius - (row as f64 - y).powi(2)).max(0.0).sqrt();
            mask.pixels[row * width..][span(x, reach)].fill(255);
        }
        Ok(mask)
    }

    /// The mask on `image`, which is its film; said of it is whether it was scaled.
    ///
    /// # Errors
    /// As [`Self::fill`]; and that the circle lies on the dark beside the breast.
    pub fn on(&self, image: &Grey) -> Result<(Grey, Option<String>), Problem> {
        let mask = self.fill(image.width, image.height).map_err(Problem::reading)?;
        let levels = image.pixels.iter().zip(&mask.pixels).filter(|(_, inside)| **inside > 0);
        let mut levels: Vec<u8> = levels.map(|(level, _)| *level).collect();
        levels.sort_unstable();
        if levels.get(levels.len() / 2).is_some_and(|middle| *middle < DARK) {
            let Place { x, y, radius } = self.place;
            let what = format!(
                "is left out: its circle of radius {radius} about ({x}, {y}) lies on the dark beside the breast \
                 (line {} of {})",
                self.line,
                crate::lab::data::names::name(&self.info)
            );
            let hint = "its place in Info.txt is wrong, and y counts from the bottom";
            return Err(Problem::harmless(&self.film, what, hint).of("dark"));
        }
        let side = SIDE as usize;
        let scaled = (image.width != side).then(|| {
            let (width, height) = (image.width, image.height);
            format!("is {width} x {height} pixels: its circle was scaled from {side} x {side}")
        });
        Ok((mask, scaled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circle(x: u32, y: u32, radius: u32) -> Circle {
        let place = Place { x, y, radius };
        Circle { info: "Info.txt".into(), line: 1, film: "mdb001.pgm".into(), place }
    }

    #[test]
    fn rows_count_from_the_bottom_and_columns_from_the_left() {
        let mask = circle(300, 100, 20).fill(1024, 1024).unwrap();
        let bounds = mask.bounds().unwrap();
        assert_eq!((bounds.x, bounds.y), (280, 1023 - 100 - 20));
        assert_eq!((bounds.width, bounds.height), (41, 41));
        let inside = mask.pixels.iter().filter(|pixel| **pixel > 0).count();
        assert!((inside as f64 - std::f64::consts::PI * 400.0).abs() < 20.0, "{inside}");
        assert_eq!(mask.at(300, 923 - 20), 255);
        assert_eq!(mask.at(300 + 15, 923 - 15), 0);
    }

    #[test]
    fn other_squares_are_scaled_edges_cut_and_points_kept() {
        let mask = circle(300, 100, 20).fill(512, 512).unwrap();
        let bounds = mask.bounds().unwrap();
        assert_eq!((bounds.x, bounds.y, bounds.width), (140, 452, 20));
        let corner = circle(0, 0, 10).fill(1024, 1024).unwrap().bounds().unwrap();
        assert_eq!((corner.x, corner.y, corner.width, corner.height), (0, 1013, 11, 11));
        let point = circle(1023, 1023, 1).fill(64, 64).unwrap();
        assert_eq!(point.pixels.iter().filter(|pixel| **pixel > 0).count(), 1);
        assert_eq!(point.at(63, 0), 255);
        let error = circle(1, 1, 1).fill(1024, 900).unwrap_err().to_string();
        assert!(error.contains("1024 x 900 pixels"), "{error}");
    }
}
