//! A picture that has not been read yet: where it is and how it becomes 8-bit grey.

use std::path::{Path, PathBuf};

use super::cbis::mammogram;
use super::ddsm::film::{Film, Outline};
use super::mask::{self, Mask};
use super::mias::circle::Circle;
use super::mias::outline::Part;
use crate::error::Result;
use crate::nets::images::Grey;
use crate::nets::images::Window;

/// An image or a mask of a [`Sample`](super::Sample). Films are large, so each is read when it is
/// needed, and forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// An image file: [`Grey::read`]. As a mask: [`mask::read`].
    File(PathBuf),
    /// An image file whose levels of 16 bits have a window: [`Grey::read_with`].
    Windowed(PathBuf, Window),
    /// A mask of which these values are lesion: [`mask::read`].
    Labels(PathBuf, Vec<u16>),
    /// A film of DDSM: [`Film::read`].
    Film(Film),
    /// The region of an abnormality of DDSM: [`Outline::fill`].
    Outline(Outline),
    /// A film or a mask of CBIS-DDSM: [`mammogram::read`].
    Mammogram(PathBuf),
    /// The circle about an abnormality of MIAS: [`Circle::read`].
    Circle(Circle),
    /// The outline of one of the abnormalities of a film of MIAS: [`Part::read`].
    Part(Part),
}

impl Picture {
    /// The file it comes from.
    pub fn path(&self) -> &Path {
        match self {
            Picture::File(path)
            | Picture::Windowed(path, _)
            | Picture::Labels(path, _)
            | Picture::Mammogram(path) => path,
            Picture::Film(film) => &film.path,
            Picture::Outline(outline) => &outline.path,
            Picture::Circle(circle) => &circle.info,
            Picture::Part(part) => &part.path,
        }
    }

    /// The pixels.
    ///
    /// # Errors
    /// Those of the variant's reader, which name the file.
    pub fn read(&self) -> Result<Grey> {
        match self {
            Picture::File(path) => Grey::read(path),
            Picture::Windowed(path, window) => Grey::read_with(path, Some(*window)),
            Picture::Labels(path, values) => Ok(mask::read(path, Some(values))?.grey),
            Picture::Film(film) => film.read(),
            Picture::Outline(outline) => Ok(outline.fill()),
            Picture::Mammogram(path) => mammogram::read(path),
            Picture::Circle(circle) => circle.read(),
            Picture::Part(part) => Ok(part.read()?.grey),
        }
    }

    /// The picture as a mask.
    ///
    /// # Errors
    /// As [`Self::read`], and those of [`mask::read`].
    pub fn read_mask(&self) -> Result<Mask> {
        match self {
            Picture::File(path) | Picture::Windowed(path, _) => mask::read(path, None),
            Picture::Labels(path, values) => mask::read(path, Some(values)),
            Picture::Part(part) => part.read(),
            Picture::Film(_) | Picture::Outline(_) | Picture::Mammogram(_) | Picture::Circle(_) => {
                mask::of_grey(self.path(), self.read()?)
            }
        }
    }
}
