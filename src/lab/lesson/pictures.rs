//! The pictures of a lesson: those of a user, or ten synthetic ROIs from the clear to the hard.

use std::path::Path;

use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::dataset::ReadOptions;
use crate::lab::data::roi::{Roi, RoiOptions};
use crate::lab::data::synth::{self, SynthOptions};
use crate::lab::data::{Class, Rois};
use crate::nets::classifier::Classifier;
use crate::nets::images::{Colour, Grey};

/// A page holds its pictures as text: of more pixels than this one is refused.
const MOST_PIXELS: usize = 4 << 20;

/// As many pictures a page may hold.
const MOST_PICTURES: usize = 64;

/// A picture that a page includes.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Unique in its page.
    pub id: String,
    /// A few words.
    pub title: String,
    /// What it shows, where that is known: a unit of the head.
    pub class: Option<usize>,
    /// Its pixels.
    pub image: Colour,
    /// Not zero where the truth is.
    pub outline: Option<Grey>,
}

impl Picture {
    /// Refuses pictures that are too large, or too many, for a page.
    ///
    /// # Errors
    /// [`Error::Usage`] with the size.
    pub fn expect_small<'a>(
        sizes: impl ExactSizeIterator<Item = (&'a Path, [usize; 2])>,
    ) -> Result<()> {
        if sizes.len() > MOST_PICTURES {
            let problem = format!("{} pictures are too many for one page", sizes.len());
            return Err(Error::usage(problem, format!("give {MOST_PICTURES} or less")));
        }
        for (path, [height, width]) in sizes {
            if height.saturating_mul(width) > MOST_PIXELS {
                return Err(Error::content(
                    path,
                    format!(
                        "{width} x {height} pixels are too many for a page, which holds them as text"
                    ),
                    format!("make it smaller: up to {} megapixels", MOST_PIXELS >> 20),
                ));
            }
        }
        Ok(())
    }
}

/// ROIs of synthetic mammograms of `patients`, `size` rows a film. They are made in a folder of the system for
/// temporary files, which goes again.
pub(super) fn synthetic(patients: usize, size: usize, seed: u64) -> Result<Vec<Roi>> {
    let folder = tempfile::Builder::new().prefix("parula-lesson").tempdir();
    let folder = folder.map_err(|error| Error::file("create", std::env::temp_dir(), error))?;
    let out = folder.path().join("synthetic");
    files::create_folder(&out)?;
    synth::synthesize(&out, &SynthOptions { patients, size, seed })?;
    let rois =
        Rois::read(&out, &ReadOptions::default(), &RoiOptions { seed, ..RoiOptions::default() })?;
    Ok(rois.rois)
}

/// Films that the standard pictures are cut from; their seed is none of the networks that the repository ships.
const PATIENTS: usize = 16;
const ROWS: usize = 384;
const SEED: u64 = 2019;

/// Ten synthetic ROIs with outlines, six with a lesion and four without. `classifier` has two classes, and orders them
/// by how sure it is: at even ranks from the clearest to the hardest, be it right or wrong.
///
/// # Errors
/// Those of making them and of the GPU.
pub fn standard(classifier: &mut Classifier) -> Result<Vec<Picture>> {
    let mut ranked = [Vec::new(), Vec::new()];
    for roi in synthetic(PATIENTS, ROWS, SEED)? {
        let Grey { width, height, pixels } = &roi.image;
        let pixels = pixels.iter().flat_map(|&level| [level; 3]).collect();
        let image = Colour { width: *width, height: *height, pixels };
        let right = roi.class.index();
        let share = classifier.predict(&image)?.get(right).copied().unwrap_or(0.0);
        ranked[right].push((share, roi, image));
    }
    let mut pictures = Vec::new();
    for (class, count) in [(Class::Abnormal, 6), (Class::Normal, 4)] {
        let of = &mut ranked[class.index()];
        of.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.name.cmp(&b.1.name)));
        let last = of.len().saturating_sub(1);
        for rank in (0..count).map(|at| at * last / (count - 1)) {
            let Some((share, roi, image)) = of.get(rank) else { continue };
            let what = if class == Class::Abnormal { "with a mass" } else { "without a mass" };
            let how = match share {
                0.95.. => "clear",
                0.5.. => "not so clear",
                _ => "the network is wrong",
            };
            pictures.push(Picture {
                id: roi.name.clone(),
                title: format!("{what}, {how}"),
                class: Some(class.index()),
                image: image.clone(),
                outline: roi.mask.clone(),
            });
        }
    }
    Ok(pictures)
}
