//! Reading one sample: its image and the union of its masks, with everything checked that could
//! make an ROI wrong.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::{Class, Problem, Sample};
use super::image::Grey;
use super::picture::Picture;
use crate::error::Error;

/// An image with its lesion.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As read.
    pub image: Arc<Grey>,
    /// Of the image's size, 255 in the lesion and 0 elsewhere; none for normal samples.
    pub mask: Option<Grey>,
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
                let grey = Arc::new(picture.read().map_err(problem)?);
                self.last = Some((picture.clone(), grey.clone()));
                Ok(grey)
            }
        }
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
    for picture in &sample.masks {
        let path = picture.path();
        let mask = two_valued(picture.read().map_err(problem)?);
        if (mask.width, mask.height) != (image.width, image.height) {
            let what = format!(
                "this mask is {} x {} pixels, its image {} is {} x {}",
                mask.width,
                mask.height,
                file_name(sample.image.path()),
                image.width,
                image.height
            );
            return Err(Problem::new(path, what, "a mask needs the size of its image"));
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
        )),
        (Class::Normal, Some(path)) if has_lesion => Err(Problem::new(
            path,
            "the mask has a lesion, but its image is of the class normal",
            "clear the mask, or move image and mask to a folder called `abnormal`",
        )),
        (Class::Normal, _) => Ok(Loaded { image, mask: None }),
        (Class::Abnormal, _) => Ok(Loaded { image, mask: united }),
    }
}

/// Whether any of these masks has a lesion.
///
/// # Errors
/// The first mask that cannot be decoded.
pub fn has_lesion(masks: &[PathBuf]) -> Result<bool, Problem> {
    for path in masks {
        if two_valued(Grey::read(path).map_err(problem)?).pixels.contains(&255) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The problem of an abnormal image that has no mask.
fn without_mask(image: &Path) -> Problem {
    let stem = image.file_stem().unwrap_or_default().to_string_lossy();
    let hint = format!("put its outline, filled with white on black, beside it as {stem}_mask.png");
    Problem::new(image, "there is no mask for this abnormal image", hint)
}

/// The mask with its lesion at 255 and the rest at 0.
///
/// A mask whose brightest value is below 16 numbers its lesions, and every number counts; in any
/// other, a lesion is what is brighter than half the brightest, as at a smoothed edge.
pub fn two_valued(mut mask: Grey) -> Grey {
    let brightest = mask.pixels.iter().copied().max().unwrap_or(0);
    let above = if brightest < 16 { 0 } else { brightest / 2 };
    mask.pixels.iter_mut().for_each(|value| *value = if *value > above { 255 } else { 0 });
    mask
}

/// A reading error as the problem of its file.
pub(crate) fn problem(error: Error) -> Problem {
    match error {
        Error::Content { path, problem, hint } => Problem::new(&path, problem, hint),
        Error::File { path, source, .. } => {
            Problem::new(&path, format!("cannot be read ({source})"), "check its permissions")
        }
        // Reading an image gives no other error; if it ever does, its message is kept.
        other => Problem::new(Path::new(""), other.to_string(), "see `parula data inspect`"),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_every_habit_become_two_valued() {
        let two_valued = |pixels: &[u8]| {
            two_valued(Grey { width: pixels.len(), height: 1, pixels: pixels.to_vec() }).pixels
        };
        assert_eq!(two_valued(&[0, 255, 0]), [0, 255, 0]);
        assert_eq!(two_valued(&[0, 1, 1]), [0, 255, 255]);
        assert_eq!(two_valued(&[0, 1, 2, 3]), [0, 255, 255, 255], "numbered lesions");
        assert_eq!(two_valued(&[0, 3, 100, 180, 255]), [0, 0, 0, 255, 255], "a smoothed edge");
        assert_eq!(two_valued(&[0, 0]), [0, 0]);
    }
}
