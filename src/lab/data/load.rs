//! Reading one sample: its image and the union of its masks, with everything checked that could
//! make an ROI wrong.

use std::path::Path;
use std::sync::Arc;

use super::dataset::{Class, Sample};
use super::mask::{self, Mask};
use super::picture::Picture;
use super::problem::Problem;
use crate::nets::images::Grey;

/// An image with its lesion.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As read.
    pub image: Arc<Grey>,
    /// Of the image's size, 255 in the lesion and 0 elsewhere; none for normal samples.
    pub mask: Option<Grey>,
    /// What there is to know of how the masks were understood; all harmless.
    pub notes: Vec<Problem>,
}

/// Reads samples one after another. Those that share an image should follow each other: it is then
/// decoded once.
#[derive(Default)]
pub struct Loader {
    last: Option<(Picture, Arc<Grey>)>,
}

impl Loader {
    /// The pixels of a picture.
    ///
    /// # Errors
    /// That it cannot be decoded.
    pub fn picture(&mut self, picture: &Picture) -> Result<Arc<Grey>, Problem> {
        match &self.last {
            Some((last, grey)) if last == picture => Ok(grey.clone()),
            _ => {
                self.last = None;
                let grey = Arc::new(picture.read().map_err(Problem::reading)?);
                self.last = Some((picture.clone(), grey.clone()));
                Ok(grey)
            }
        }
    }

    /// Reads the image of a sample alone.
    ///
    /// # Errors
    /// That it cannot be decoded.
    pub fn bare(&mut self, sample: &Sample) -> Result<Loaded, Problem> {
        Ok(Loaded { image: self.picture(&sample.image)?, mask: None, notes: Vec::new() })
    }

    /// Reads a sample.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&mut self, sample: &Sample) -> Result<Loaded, Problem> {
        with_masks(sample, self.picture(&sample.image)?)
    }
}

/// Reads a sample.
///
/// # Errors
/// The first problem: a file that cannot be decoded, a mask of another size than its image, no
/// lesion in an abnormal sample, or one in a normal sample.
pub fn load(sample: &Sample) -> Result<Loaded, Problem> {
    Loader::default().load(sample)
}

fn with_masks(sample: &Sample, image: Arc<Grey>) -> Result<Loaded, Problem> {
    let mut united: Option<Grey> = None;
    let mut notes = Vec::new();
    for picture in &sample.masks {
        let path = picture.path();
        // A circle is drawn on its image, and judged by it.
        let mask = match picture {
            Picture::Circle(circle) => {
                let (mask, scaled) = circle.on(&image)?;
                let hint = "check that nothing was cut off before";
                let film = &circle.film;
                notes.extend(scaled.map(|what| Problem::harmless(film, what, hint).of("scaled")));
                mask
            }
            other => {
                let Mask { grey, note } = other.read_mask().map_err(Problem::reading)?;
                let note = note.map(|note| Problem::harmless(path, note, mask::CHOOSE));
                notes.extend(note.map(|note| note.of("labels")));
                grey
            }
        };
        if (mask.width, mask.height) != (image.width, image.height) {
            let what = format!(
                "this mask is {} x {} pixels, its image {} is {} x {}",
                mask.width,
                mask.height,
                file_name(sample.image.path()),
                image.width,
                image.height
            );
            let lies = (mask.width, mask.height) == (image.height, image.width);
            let hint = match lies {
                true => {
                    "turn it as its image is shown: EXIF data of the one or the other may turn it"
                }
                false => "a mask needs the size of its image",
            };
            return Err(Problem::new(path, what, hint).of("size"));
        }
        united = Some(match united {
            None => mask,
            Some(mut all) => {
                all.pixels.iter_mut().zip(&mask.pixels).for_each(|(a, b)| *a |= b);
                all
            }
        });
    }
    let has_lesion = united.as_ref().is_some_and(|mask| mask.pixels.contains(&255));
    match (sample.class, sample.masks.first().map(Picture::path)) {
        (Class::Abnormal, None) => Err(without_mask(sample.image.path())),
        (Class::Abnormal, Some(path)) if !has_lesion => Err(Problem::new(
            path,
            format!("the mask has no lesion, but its image is of the class {}", sample.label),
            "draw the lesion in white, or move image and mask to a folder called `normal`",
        )
        .of("class")),
        (Class::Normal, Some(path)) if has_lesion => Err(Problem::new(
            path,
            "the mask has a lesion, but its image is of the class normal",
            "clear the mask, or move image and mask to a folder called `abnormal`",
        )
        .of("class")),
        (Class::Normal, _) => Ok(Loaded { image, mask: None, notes }),
        (Class::Abnormal, _) => Ok(Loaded { image, mask: united, notes }),
    }
}

/// Whether any of these masks has a lesion.
///
/// # Errors
/// The first mask that cannot be decoded.
pub fn has_lesion(masks: &[Picture]) -> Result<bool, Problem> {
    for picture in masks {
        if picture.read_mask().map_err(Problem::reading)?.grey.pixels.contains(&255) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The problem of an abnormal image that has no mask.
fn without_mask(image: &Path) -> Problem {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let hint = format!(
        "put its outline, filled with white on black, beside it as {stem}_mask.png; `parula train --whole` needs none"
    );
    Problem::new(image, "there is no mask for this abnormal image", hint).of("no mask")
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
