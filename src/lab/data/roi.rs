//! Regions of interest by the paper's rule: the smallest rectangle around the truth boundary, plus
//! random padding of 10 to 30 % of the lesion's width on the left and on the right, and of its
//! height at the top and at the bottom, each drawn by itself, clipped to the image.
//!
//! [`cut`](super::cut) makes those of a whole data set.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use rand::Rng;

use super::dataset::{Class, Dataset, Normals, Sample};
use super::duplicates;
use super::load::Loaded;
use super::problem::Problem;
use super::view::View;
use crate::draw;
use crate::nets::images::{Grey, Rect};

/// A lesion of a few pixels still gives an ROI with something around it to look at.
pub(super) const SMALLEST_SIDE: usize = 8;
/// How many places are tried for a normal ROI before the best of them is taken.
pub(super) const TRIES: usize = 64;
/// Shares of black pixels that differ by no more than this are as good as equal.
pub(super) const NEAR: f32 = 0.02;
/// Up to this value, of 255, a pixel is black: films and scans have a little grain in the air.
const BLACK: u8 = 4;

/// How ROIs are cut.
#[derive(Clone, Debug, PartialEq)]
pub struct RoiOptions {
    /// Fixes every draw.
    pub seed: u64,
    /// Padding on each side, as a share of the lesion's width or height.
    pub padding: RangeInclusive<f32>,
    /// Take whole images, abnormal and normal, and cut nothing.
    pub whole: bool,
    /// Of whole images: whether abnormal ones must have a mask.
    pub masked: bool,
    /// Take samples of these labels alone, in any case, be there normal ones among them or not; none for all.
    pub labels: Option<Vec<String>>,
    /// What becomes of pictures that show the same scan, before anything is cut.
    pub duplicates: duplicates::Handling,
}

impl RoiOptions {
    /// Whether samples of this label are taken.
    pub fn takes(&self, label: &str) -> bool {
        let is = |one: &String| one.to_lowercase() == label.to_lowercase();
        self.labels.as_ref().is_none_or(|labels| labels.iter().any(is))
    }
}

impl Default for RoiOptions {
    fn default() -> Self {
        RoiOptions {
            seed: 0,
            padding: 0.1..=0.3,
            whole: false,
            masked: true,
            labels: None,
            duplicates: duplicates::Handling::Group,
        }
    }
}

/// One region of interest.
#[derive(Clone, Debug, PartialEq)]
pub struct Roi {
    /// Unique, and usable as a file name. The `k`-th ROI of a normal image ends in `_crop<k>`; that
    /// on the other breast is called after the abnormal one, and ends in `_mirrored`.
    pub name: String,
    /// Normal or abnormal.
    pub class: Class,
    /// The data set's own word for it.
    pub label: String,
    /// The patient or image that a split may not tear apart.
    pub source: String,
    /// Where it lies in its image.
    pub rect: Rect,
    /// The drawn padding on left, right, top and bottom, as shares of the lesion's size, before
    /// clipping and rounding; 0 for normal ROIs.
    pub padding: [f32; 4],
    /// The pixels inside `rect`.
    pub image: Grey,
    /// Of the same size, 255 in the lesion and 0 elsewhere; none, which means all 0, when normal.
    pub mask: Option<Grey>,
    /// Whether the mask is a circle about the lesion, and no outline of it.
    pub circle: bool,
    /// Of a mammogram: which breast, and from where.
    pub view: Option<View>,
    /// The image it was cut from, below the data set's folder.
    pub file: PathBuf,
}

/// The ROIs of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// The abnormal ones in the order of the samples, then the normal ones.
    pub rois: Vec<Roi>,
    /// What no ROI was cut from, and why. All harmless.
    pub left_out: Vec<Problem>,
    /// How masks of labels were understood. All harmless.
    pub notes: Vec<Problem>,
}

impl Roi {
    /// The mask, all 0 for a normal ROI.
    pub fn mask_or_empty(&self) -> Grey {
        let empty = || Grey::filled(self.image.width, self.image.height, 0);
        self.mask.clone().unwrap_or_else(empty)
    }
}

/// A problem for each class that has no images: nothing can be learnt from the other alone. The
/// normal ROIs of mammograms need no normal images.
pub fn classes_without_images(dataset: &Dataset) -> Vec<Problem> {
    let empty = |class: &Class| {
        !dataset.samples.iter().any(|sample| sample.class == *class)
            && (*class == Class::Abnormal || dataset.normals == Normals::Images)
    };
    let problem = |class| {
        let hint = match class {
            Class::Normal => {
                "add normal images, in a folder `normal` or with empty masks: the normal ROIs are \
                 cut from them"
            }
            Class::Abnormal => "add images with a lesion, and their masks beside them",
        };
        let what = format!("the class {} has no images", class.name());
        Problem::new(&dataset.root, what, hint).of("empty class")
    };
    Class::ALL.into_iter().filter(empty).map(problem).collect()
}

/// The ROI around the lesion of one image, or all of the image; none only for an ROI without a lesion.
pub(super) fn abnormal(
    dataset: &Dataset,
    sample: &Sample,
    loaded: &Loaded,
    options: &RoiOptions,
) -> Option<Roi> {
    let mask = loaded.mask.as_ref();
    let (rect, padding) = match options.whole {
        true => (whole(&loaded.image), [0.0; 4]),
        false => {
            let lesion = mask?.bounds()?;
            let mut random = draw::stream(options.seed, &format!("padding of {}", sample.name));
            let padding = std::array::from_fn(|_| random.random_range(options.padding.clone()));
            let size = (loaded.image.width, loaded.image.height);
            (padded(lesion, padding, size), padding)
        }
    };
    Some(Roi {
        name: sample.name.clone(),
        class: Class::Abnormal,
        label: sample.label.clone(),
        source: sample.source.clone(),
        rect,
        padding,
        image: loaded.image.crop(rect),
        mask: mask.map(|mask| mask.crop(rect)),
        circle: sample.circle,
        view: sample.view,
        file: dataset.below_root(sample.image.path()),
    })
}

/// `lesion` with padding on left, right, top and bottom, as shares of its width and height, rounded
/// to whole pixels and clipped to an image of `size` (width, height).
///
/// A side of fewer than 8 pixels grows to 8 where the image has room.
pub fn padded(lesion: Rect, padding: [f32; 4], size: (usize, usize)) -> Rect {
    let [left, right, top, bottom] = padding;
    let (x, width) = pad_axis(lesion.x, lesion.width, left, right, size.0);
    let (y, height) = pad_axis(lesion.y, lesion.height, top, bottom, size.1);
    Rect { x, y, width, height }
}

/// Start and length after padding one axis.
fn pad_axis(start: usize, length: usize, low: f32, high: f32, limit: usize) -> (usize, usize) {
    let pixels = |share: f32| (length as f32 * share).round().max(0.0) as usize;
    let (mut low, mut high) = (pixels(low), pixels(high));
    let missing = SMALLEST_SIDE.saturating_sub(length + low + high);
    low += missing / 2;
    high += missing.div_ceil(2);
    let from = start.saturating_sub(low);
    let to = (start + length + high).min(limit);
    (from, to - from)
}

/// All of an image.
pub(super) fn whole(image: &Grey) -> Rect {
    Rect { x: 0, y: 0, width: image.width, height: image.height }
}

/// The share of pixels that are black, or nearly.
pub(super) fn black(image: &Grey) -> f32 {
    let black = image.pixels.iter().filter(|&&value| value <= BLACK).count();
    black as f32 / image.pixels.len().max(1) as f32
}

/// Whether the image has one value everywhere.
pub(crate) fn is_blank(image: &Grey) -> bool {
    image.pixels.iter().all(|value| Some(value) == image.pixels.first())
}

/// The number of ROIs of each class, by [`Class::index`].
pub fn counts(rois: &[Roi]) -> [usize; 2] {
    let mut counts = [0; 2];
    rois.iter().for_each(|roi| counts[roi.class.index()] += 1);
    counts
}
