//! What a data set is, whatever its format: samples with masks, and the problems seen on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::ddsm::chain::Origin;
use super::picture::Picture;
use super::problem::Problem;
use super::view::{Projection, View};
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

/// A recognised folder of images.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Which layout was recognised: [`Format::name`](super::formats::Format::name).
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
    /// The labels whose lesions are abnormal, in any case: those of others count as normal. Empty where all are.
    pub positive: Vec<String>,
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
            positive: Vec::new(),
        }
    }
}
