//! What a data set is, whatever its layout: samples with masks, and the problems seen on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ddsm::Origin;
use super::picture::Picture;
use super::view::{Projection, View};
use super::{busi, cbis, ddsm, folder, layout, mias};
use crate::error::{Error, Result};
use crate::nets::images::Window;

/// The two classes every network here tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// No lesion. Class index 0.
    Normal,
    /// At least one lesion, outlined by a mask. Class index 1.
    Abnormal,
}

impl Class {
    /// Both, in the order of their indices.
    pub const ALL: [Class; 2] = [Class::Normal, Class::Abnormal];

    /// 0 for normal, 1 for abnormal: the unit of a two-class network, or the sigmoid's target.
    pub fn index(self) -> usize {
        self as usize
    }

    /// `normal` or `abnormal`.
    pub fn name(self) -> &'static str {
        match self {
            Class::Normal => "normal",
            Class::Abnormal => "abnormal",
        }
    }
}

/// One image and what is known of it. Nothing has been decoded yet, unless the class needed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Unique within the data set, and usable as a file name.
    pub name: String,
    /// Which of the two classes.
    pub class: Class,
    /// The data set's own word, for example `benign`.
    pub label: String,
    /// What a split may not tear apart: a patient where known, else the image itself.
    pub source: String,
    /// The image; several samples may share one.
    pub image: Picture,
    /// Masks whose union is the lesion; may be none for normal samples.
    pub masks: Vec<Picture>,
    /// Whether the masks are circles about lesions, and no outlines of them.
    pub circle: bool,
    /// Of a mammogram: which breast, and from where.
    pub view: Option<View>,
    /// Of a mammogram: the same view of the other breast, where it is there and its lesions are known.
    pub other_breast: Option<Picture>,
}

/// Something wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What others are like it, in a word or two, for scripts.
    pub kind: &'static str,
    /// Which file or folder.
    pub path: PathBuf,
    /// What is wrong.
    pub what: String,
    /// What to try.
    pub hint: String,
    /// True when the data set can be used all the same, the file being left out or not needed.
    pub harmless: bool,
}

impl Problem {
    /// A problem that stops the building of ROIs.
    pub fn new(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        let (path, what, hint) = (path.to_owned(), what.into(), hint.into());
        Problem { kind: "other", path, what, hint, harmless: false }
    }

    /// The same problem, of this kind.
    pub fn of(self, kind: &'static str) -> Self {
        Problem { kind, ..self }
    }

    /// A problem that is reported, and does not stop anything.
    pub fn harmless(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem { harmless: true, ..Self::new(path, what, hint) }
    }

    /// The error that stops the building of ROIs, with the number of problems besides this one.
    pub fn into_error(self, others: usize) -> Error {
        let hint = match others {
            0 => self.hint,
            1 => format!("{} (one more problem: `parula data inspect` lists both)", self.hint),
            n => format!("{} ({n} more problems: `parula data inspect` lists all)", self.hint),
        };
        Error::content(self.path, self.what, hint)
    }
}

/// Problems that differ in the file alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// [`Problem::kind`] of all.
    pub kind: &'static str,
    /// How many there are.
    pub count: usize,
    /// The first file.
    pub example: PathBuf,
    /// What is wrong with it.
    pub what: String,
    /// What to try.
    pub hint: String,
    /// Whether the data set can be used all the same.
    pub harmless: bool,
}

/// The problems by what they have in common, in the order in which the first of each comes.
pub fn groups(problems: &[Problem]) -> Vec<Group> {
    // Numbers and names differ from file to file, what is to be done does not.
    let pattern = |text: &str| -> String {
        let named = |word: &&str| !word.contains(|c: char| c.is_ascii_digit() || "./_".contains(c));
        text.split_whitespace().filter(named).collect::<Vec<_>>().join(" ")
    };
    let mut groups: Vec<Group> = Vec::new();
    let mut found: BTreeMap<(bool, &str, String, String), usize> = BTreeMap::new();
    for problem in problems {
        let Problem { kind, path, what, hint, harmless } = problem.clone();
        let key = (harmless, kind, pattern(&what), pattern(&hint));
        let index = *found.entry(key).or_insert(groups.len());
        match groups.get_mut(index) {
            Some(group) => group.count += 1,
            None => groups.push(Group { kind, count: 1, example: path, what, hint, harmless }),
        }
    }
    groups
}

/// A recognised folder of images.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Which layout was recognised: [`Format::name`].
    pub format: &'static str,
    /// How images and masks were put together, in words.
    pub layout: String,
    /// The folder that was given.
    pub root: PathBuf,
    /// What [`Sample::source`] is: `image`, `patient`, `patient folder` or `patients.csv`.
    pub unit: &'static str,
    /// Sorted by path.
    pub samples: Vec<Sample>,
    /// What the layout alone shows; [`super::load::load`] finds what the files hold.
    pub problems: Vec<Problem>,
    /// What else the format counts, such as `cases`, for reports.
    pub counts: BTreeMap<&'static str, usize>,
    /// Where normal ROIs come from.
    pub normals: Normals,
}

impl Dataset {
    /// `path` as seen from the data set's folder.
    pub fn below_root(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

/// Where the normal ROIs of a data set come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normals {
    /// From its normal images. A file that cannot be used is to be repaired first.
    Images,
    /// From the mirrored place on the other breast, as in the paper. Such sets are large, and always
    /// have damaged or missing files: these are left out.
    OtherBreast,
    /// From there, and from the films of women of whom nothing abnormal is known.
    BothBreasts,
}

impl Normals {
    /// Whether they are cut from films of breasts.
    pub fn of_films(self) -> bool {
        self != Normals::Images
    }
}

/// Which normal ROIs are cut of films of both breasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormalRois {
    /// At the mirrored place of the other breast, as in the paper.
    #[default]
    Mirror,
    /// Also one from each film of women of whom nothing abnormal is known.
    All,
}

/// What is taken from data sets that leave a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Mammograms of these projections; the paper's are [`Projection::Cc`].
    pub projections: Vec<Projection>,
    /// How the chain codes of DDSM count.
    pub origin: Origin,
    /// Black and white of pictures of 16 bits; none takes each picture's own range.
    pub window: Option<Window>,
    /// The values of masks that are lesion; empty where it is what is not 0.
    pub mask_values: Vec<u16>,
    /// Masks for films whose truth is a circle, in a folder of their own.
    pub outlines: Option<PathBuf>,
    /// Which normal ROIs are cut of films of both breasts.
    pub normals: NormalRois,
}

impl ReadOptions {
    /// An image file, read with these options.
    pub fn image(&self, path: PathBuf) -> Picture {
        match self.window {
            Some(window) => Picture::Windowed(path, window),
            None => Picture::File(path),
        }
    }

    /// A mask file, read with these options.
    pub fn mask(&self, path: PathBuf) -> Picture {
        match self.mask_values.is_empty() {
            true => Picture::File(path),
            false => Picture::Labels(path, self.mask_values.clone()),
        }
    }
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            projections: vec![Projection::Cc],
            origin: Origin::default(),
            window: None,
            mask_values: Vec::new(),
            outlines: None,
            normals: NormalRois::default(),
        }
    }
}

/// A layout of files that can be read.
pub struct Format {
    /// For reports.
    pub name: &'static str,
    /// Whether this listing is of this layout.
    pub recognise: fn(&layout::Listing) -> bool,
    /// Reads it; called only when recognised.
    pub read: fn(&layout::Listing, &ReadOptions) -> Result<Dataset>,
}

/// Every layout, the most particular first: the first that recognises a folder reads it.
pub const FORMATS: &[Format] = &[
    Format { name: "ddsm", recognise: ddsm::recognise, read: ddsm::read },
    Format { name: "cbis-ddsm", recognise: cbis::recognise, read: cbis::read },
    Format { name: "mias", recognise: mias::recognise, read: mias::read },
    Format { name: "busi", recognise: busi::recognise, read: busi::read },
    Format { name: "folder", recognise: folder::recognise, read: folder::read },
];

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
    let format = FORMATS
        .iter()
        .find(|format| (format.recognise)(&listing))
        .ok_or_else(|| listing.nothing_found())?;
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
            (None, None) => ("holds no image that can be used".into(), layout::EXPECTED.into()),
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
