//! The formats of data sets, and which of them a folder has.

use std::path::Path;

use super::dataset::{Class, Dataset, NormalRois, Normals, ReadOptions};
use super::listing::{EXPECTED, Listing};
use super::problem::Problem;
use super::{busi, cbis, ddsm, folder, layout, mias};
use crate::error::{Error, Result};

/// A layout of files that can be read.
pub struct Format {
    /// For reports.
    pub name: &'static str,
    /// Whether it is of films of breasts, of which ROIs are cut and compared: they are in no folders of classes.
    pub of_films: bool,
    /// Whether this listing is of this layout.
    pub recognise: fn(&Listing) -> bool,
    /// Reads it; called only when recognised.
    pub read: fn(&Listing, &ReadOptions) -> Result<Dataset>,
}

/// Every layout, the most particular first: the first that recognises a folder reads it.
pub const FORMATS: &[Format] = &[
    Format { name: "ddsm", of_films: true, recognise: ddsm::recognise, read: ddsm::read },
    Format { name: "cbis-ddsm", of_films: true, recognise: cbis::recognise, read: cbis::read },
    Format { name: "mias", of_films: true, recognise: mias::recognise, read: mias::read },
    Format { name: "busi", of_films: false, recognise: busi::recognise, read: busi::read },
    Format { name: "folder", of_films: false, recognise: folder::recognise, read: folder::read },
];

/// The layout of a folder.
///
/// # Errors
/// [`Error::Content`] when it is none that is known.
pub fn of(listing: &Listing) -> Result<&'static Format> {
    let format = FORMATS.iter().find(|format| (format.recognise)(listing));
    format.ok_or_else(|| listing.nothing_found())
}

/// Recognises and lists the data set in `root`, with the default options.
///
/// # Errors
/// As [`read_with`].
pub fn read(root: &Path) -> Result<Dataset> {
    read_with(root, &ReadOptions::default())
}

/// Recognises and lists the data set in `root`.
///
/// # Errors
/// [`Error::Content`] when `root` is missing, not a folder, or holds no image of a known layout;
/// [`Error::File`] when it cannot be listed. Problems with single files are in
/// [`Dataset::problems`] instead.
pub fn read_with(root: &Path, options: &ReadOptions) -> Result<Dataset> {
    let listing = layout::list(root)?;
    let format = of(&listing)?;
    if options.outlines.is_some() && format.name != "mias" {
        return Err(Error::usage(
            format!("--outlines is for films of MIAS, and {} is not of these", root.display()),
            "put masks beside their images",
        ));
    }
    let mut dataset = (format.read)(&listing, options)?;
    if options.normals == NormalRois::All {
        if !dataset.normals.of_films() {
            return Err(Error::usage(
                format!("--normals is for films of both breasts, and {} has none", root.display()),
                "leave it away: normal ROIs are cut from all normal images",
            ));
        }
        dataset.normals = Normals::BothBreasts;
    }
    let undescribed = match dataset.normals {
        Normals::Images => mias::undescribed(&listing),
        _ => None,
    };
    // Of a tree of films without one that can be used, the problems are still worth a report.
    if dataset.samples.is_empty() && dataset.normals == Normals::Images {
        let (problem, hint) = match (listing.unread(), dataset.problems.first()) {
            _ if undescribed.is_some() => undescribed.unwrap_or_default(),
            (Some((unread, hint)), _) => {
                (format!("holds no image that can be used, and {unread}"), hint)
            }
            (None, Some(problem)) => (
                format!(
                    "holds no image that can be used; {}: {}",
                    problem.path.display(),
                    problem.what
                ),
                problem.hint.clone(),
            ),
            (None, None) => ("holds no image that can be used".into(), EXPECTED.into()),
        };
        return Err(Error::content(root, problem, hint));
    }
    dataset.format = format.name;
    if dataset.normals == Normals::Images {
        let bare = dataset.samples.iter().filter(|one| one.masks.is_empty());
        let bare = bare.filter(|one| one.class == Class::Abnormal).count();
        // Their masks may be among what is not read; that goes before all that follows from it.
        if let (Some((unread, hint)), 1..) = (listing.unread(), bare) {
            let what = format!("holds {unread}, and {bare} abnormal images without a mask");
            dataset.problems.insert(0, Problem::new(root, what, hint).of("format"));
        }
        if let (Some((what, hint)), 1..) = (undescribed, bare) {
            let what = format!("{what}; {bare} abnormal images are without a mask");
            dataset.problems.insert(0, Problem::new(root, what, hint).of("no description"));
        }
        dataset.problems.extend(listing.left_out());
    }
    dataset.samples.sort_by(|a, b| a.image.path().cmp(b.image.path()));
    Ok(dataset)
}
