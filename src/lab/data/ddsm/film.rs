//! One film and one abnormality on it, as pictures that are made when they are asked for.

use std::path::PathBuf;

use super::chain::{Chain, Origin};
use super::density::Scanner;
use super::ljpeg;
use crate::error::{Error, Result};
use crate::lab::data::gzip;
use crate::nets::images::Grey;
use crate::nets::images::Grey16;

/// A film with what its case says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// The `.LJPEG`.
    pub path: PathBuf,
    /// Rows, by the `.ics`.
    pub rows: usize,
    /// Columns, by the `.ics`.
    pub columns: usize,
    /// What it was scanned with.
    pub scanner: Scanner,
}

impl Film {
    /// Decodes the film to the paper's 8-bit grey: see [`Scanner::grey`].
    ///
    /// # Errors
    /// As [`Film::levels`].
    pub fn read(&self) -> Result<Grey> {
        Ok(self.levels()?.to_grey(|level| self.scanner.grey(level)))
    }

    /// The grey levels as stored, in `rows` of `columns` whatever the JPEG's header says.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Content`] when it cannot be read or decoded, or has another
    /// number of pixels.
    pub fn levels(&self) -> Result<Grey16> {
        let decoded = ljpeg::decode(&self.path, &gzip::read(&self.path)?)?;
        decoded.reshape(self.rows, self.columns).map_err(|Grey16 { width, height, .. }| {
            let (rows, columns) = (self.rows, self.columns);
            Error::content(
                &self.path,
                format!("has {height} x {width} pixels, and should have {rows} x {columns}"),
                "is it the film of another case?",
            )
        })
    }
}

/// The region of one abnormality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The `.OVERLAY`.
    pub path: PathBuf,
    /// Rows of the film.
    pub rows: usize,
    /// Columns of the film.
    pub columns: usize,
    /// How the chains count.
    pub origin: Origin,
    /// The boundary and any cores.
    pub chains: Vec<Chain>,
}

impl Outline {
    /// A mask of the film's size, 255 inside any of the chains and on them.
    pub fn fill(&self) -> Grey {
        let mut mask = Grey::filled(self.columns, self.rows, 0);
        self.chains.iter().for_each(|chain| chain.fill(&mut mask, self.origin));
        mask
    }
}
