//! A picture that has not been read yet: where it is and how it becomes 8-bit grey.

use std::path::{Path, PathBuf};

use super::cbis::mammogram;
use super::ddsm::{Film, Outline};
use super::image::Grey;
use crate::error::Result;

/// An image or a mask of a [`Sample`](super::Sample). Films are large, so each is read when it is
/// needed, and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// An image file of 8 bits: [`Grey::read`].
    File(PathBuf),
    /// A film of DDSM: [`Film::read`].
    Film(Film),
    /// The region of an abnormality of DDSM: [`Outline::fill`].
    Outline(Outline),
    /// A film or a mask of CBIS-DDSM: [`mammogram::read`].
    Mammogram(PathBuf),
}

impl Picture {
    /// The file it comes from.
    pub fn path(&self) -> &Path {
        match self {
            Picture::File(path) | Picture::Mammogram(path) => path,
            Picture::Film(film) => &film.path,
            Picture::Outline(outline) => &outline.path,
        }
    }

    /// The pixels.
    ///
    /// # Errors
    /// Those of the variant's reader, which name the file.
    pub fn read(&self) -> Result<Grey> {
        match self {
            Picture::File(path) => Grey::read(path),
            Picture::Film(film) => film.read(),
            Picture::Outline(outline) => Ok(outline.fill()),
            Picture::Mammogram(path) => mammogram::read(path),
        }
    }
}
