//! Masks of pixels for films of MIAS, which others drew and the set itself does not have: which part of them is
//! of which circle.

use std::path::PathBuf;

use super::info::{Place, SIDE};
use crate::error::Result;
use crate::lab::data::mask::{self, Mask};
use crate::nets::images::Grey;

/// The part of a mask that outlines one of the circles of its film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The mask of the whole film.
    pub path: PathBuf,
    /// The values of it that are lesion; empty where it is what is not 0.
    pub values: Vec<u16>,
    /// All circles of the film.
    pub places: Vec<Place>,
    /// Which of them.
    pub own: usize,
}

/// What a mask has for a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// An outline.
    Own,
    /// An outline that is this other circle's, which it covers more of.
    Shared(usize),
    /// Nothing.
    Nothing,
}

impl Part {
    /// The mask, with the areas of the one circle alone.
    ///
    /// # Errors
    /// As [`mask::read`].
    pub fn read(&self) -> Result<Mask> {
        let mut mask = whole(&self.path, &self.values)?;
        let areas = Areas::of(&mask.grey, &self.places);
        for (pixel, area) in mask.grey.pixels.iter_mut().zip(&areas.of_pixel) {
            let owner = area.checked_sub(1).and_then(|area| areas.owner(area as usize));
            *pixel = if owner == Some(self.own) { 255 } else { 0 };
        }
        Ok(mask)
    }
}

/// What the mask at `path` has for each of `places`, and how many of its areas touch none.
///
/// # Errors
/// As [`mask::read`].
pub fn find(
    path: &std::path::Path,
    values: &[u16],
    places: &[Place],
) -> Result<(Vec<Found>, usize)> {
    let areas = Areas::of(&whole(path, values)?.grey, places);
    let of = |place: usize| {
        if areas.owners().any(|owner| owner == Some(place)) {
            return Found::Own;
        }
        let shared = areas.pixels.iter().position(|inside| inside[place] > 0);
        shared.and_then(|area| areas.owner(area)).map_or(Found::Nothing, Found::Shared)
    };
    let apart = areas.owners().filter(Option::is_none).count();
    Ok(((0..places.len()).map(of).collect(), apart))
}

fn whole(path: &std::path::Path, values: &[u16]) -> Result<Mask> {
    mask::read(path, (!values.is_empty()).then_some(values))
}

/// The connected areas of a mask.
struct Areas {
    /// Of each pixel, the number of its area from 1; 0 outside.
    of_pixel: Vec<u32>,
    /// Of each area, how many of its pixels lie in each circle.
    pixels: Vec<Vec<usize>>,
}

impl Areas {
    fn of(mask: &Grey, places: &[Place]) -> Self {
        let (width, height) = (mask.width, mask.height);
        let scale = [width, height].map(|side| side as f64 / f64::from(SIDE));
        let holds = |place: &Place, x: usize, y: usize| {
            let across = (x as f64 + 0.5) / scale[0] - 0.5 - f64::from(place.x);
            let down = (y as f64 + 0.5) / scale[1] - 0.5 - f64::from(SIDE - 1 - place.y);
            across * across + down * down <= f64::from(place.radius).powi(2)
        };
        let mut of_pixel = vec![0; mask.pixels.len()];
        let mut pixels: Vec<Vec<usize>> = Vec::new();
        let mut open = Vec::new();
        for start in 0..mask.pixels.len() {
            if mask.pixels[start] == 0 || of_pixel[start] > 0 {
                continue;
            }
            let mut inside = vec![0; places.len()];
            let number = pixels.len() as u32 + 1;
            of_pixel[start] = number;
            open.push(start);
            while let Some(at) = open.pop() {
                let (x, y) = (at % width, at / width);
                for (count, place) in inside.iter_mut().zip(places) {
                    *count += usize::from(holds(place, x, y));
                }
                for row in y.saturating_sub(1)..=(y + 1).min(height - 1) {
                    for column in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                        let next = row * width + column;
                        if mask.pixels[next] > 0 && of_pixel[next] == 0 {
                            of_pixel[next] = number;
                            open.push(next);
                        }
                    }
                }
            }
            pixels.push(inside);
        }
        Areas { of_pixel, pixels }
    }

    /// The circle that an area covers most of; none where it touches none.
    fn owner(&self, area: usize) -> Option<usize> {
        let inside = self.pixels.get(area)?;
        // The first of equals.
        let most = (0..inside.len()).rev().max_by_key(|&place| inside[place])?;
        (inside[most] > 0).then_some(most)
    }

    fn owners(&self) -> impl Iterator<Item = Option<usize>> {
        (0..self.pixels.len()).map(|area| self.owner(area))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::Rect;
    use crate::nets::images::fixtures::{mask, put};

    #[test]
    fn each_area_is_of_the_circle_that_it_covers_most_of() {
        let folder = tempfile::tempdir().unwrap();
        let rect = |x, y, side| mask(1024, 1024, Rect { x, y, width: side, height: side });
        let mut drawn = rect(90, 90, 20);
        for other in [rect(300, 300, 30), rect(800, 800, 9)] {
            drawn.pixels.iter_mut().zip(&other.pixels).for_each(|(a, b)| *a |= b);
        }
        put(folder.path(), "m.png", &drawn);
        let path = folder.path().join("m.png");
        let place = |x: u32, top: u32, radius| Place { x, y: 1023 - top, radius };
        let places =
            vec![place(100, 100, 15), place(320, 320, 20), place(305, 305, 8), place(600, 9, 9)];
        let (found, apart) = find(&path, &[], &places).unwrap();
        assert_eq!(found, [Found::Own, Found::Own, Found::Shared(1), Found::Nothing]);
        assert_eq!(apart, 1);
        let part = |own| Part { path: path.clone(), values: vec![], places: places.clone(), own };
        assert_eq!(part(0).read().unwrap().grey, rect(90, 90, 20));
        assert_eq!(part(1).read().unwrap().grey, rect(300, 300, 30));
    }
}
