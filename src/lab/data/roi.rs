//! Regions of interest by the paper's rule: the smallest rectangle around the truth boundary, plus
//! random padding of 10 to 30 % of the lesion's width on the left and on the right, and of its
//! height at the top and at the bottom, each drawn by itself, clipped to the image.
//!
//! Of mammograms the normal ROIs are cut from the other breast, see [`mirror`]. Where there is no
//! second breast they are cut from normal images: as many as there are abnormal ones, taking the
//! images in turn. Their sizes are drawn from those of the abnormal ROIs, and their places from all
//! those that are about as black.
//!
//! Instead of all this, whole images may be taken as they are.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::dataset::{Class, Dataset, Normals, Problem, Sample};
use super::load::{Loaded, Loader};
use super::view::View;
use super::{duplicates, mirror};
use crate::draw;
use crate::error::{Error, Result};
use crate::nets::images::{Grey, Rect};

/// A lesion of a few pixels still gives an ROI with something around it to look at.
const SMALLEST_SIDE: usize = 8;
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
    /// What becomes of pictures that show the same scan, before anything is cut.
    pub duplicates: duplicates::Mode,
}

impl Default for RoiOptions {
    fn default() -> Self {
        RoiOptions {
            seed: 0,
            padding: 0.1..=0.3,
            whole: false,
            duplicates: duplicates::Mode::Group,
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

/// Cuts the ROIs of a whole data set: see [`cut`], without what was left out.
///
/// # Errors
/// As [`cut`].
pub fn build(dataset: &Dataset, options: &RoiOptions) -> Result<Vec<Roi>> {
    Ok(cut(dataset, options)?.rois)
}

/// Cuts the ROIs of a whole data set: the abnormal ones in the order of its samples, then as many
/// normal ones, or for mammograms those that the other breasts have.
///
/// Every ROI has a random stream of its own, so that a further image changes no abnormal ROI.
///
/// # Errors
/// [`Error::Content`] with the first problem that is not harmless and the number of the others,
/// when a class has no images, or when not one abnormal ROI can be cut; [`Error::Usage`] for padding
/// that is no range of shares, and for whole mammograms.
pub fn cut(dataset: &Dataset, options: &RoiOptions) -> Result<Cut> {
    check(options)?;
    match dataset.normals {
        Normals::Images => from_images(dataset, options),
        Normals::OtherBreast | Normals::BothBreasts if options.whole => Err(Error::usage(
            format!("{} has films, of which ROIs are cut and compared", dataset.root.display()),
            "leave --whole away, or give a data set with normal images",
        )),
        Normals::OtherBreast | Normals::BothBreasts => mirror::cut(dataset, options),
    }
}

fn from_images(dataset: &Dataset, options: &RoiOptions) -> Result<Cut> {
    let of_class = |class| dataset.samples.iter().filter(move |sample| sample.class == class);
    let mut problems: Vec<Problem> =
        dataset.problems.iter().filter(|problem| !problem.harmless).cloned().collect();
    problems.extend(classes_without_images(dataset));
    let mut loader = Loader::default();
    let (mut rois, mut notes) = (Vec::new(), Vec::new());
    for sample in of_class(Class::Abnormal) {
        match loader.load(sample) {
            Ok(loaded) => {
                rois.extend(abnormal(dataset, sample, &loaded, options));
                notes.extend(loaded.notes);
            }
            Err(problem) => problems.push(problem),
        }
    }
    // Only what is needed is kept of the normal images: films are large.
    let mut normals = Vec::new();
    for sample in of_class(Class::Normal) {
        match loader.load(sample) {
            Ok(loaded) if !is_blank(&loaded.image) => normals.push(sample),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if normals.is_empty() && problems.is_empty() {
        let what = "every normal image is of one grey value";
        problems.push(Problem::new(&dataset.root, what, "add normal images that show something"));
    }
    if !problems.is_empty() {
        let others = problems.len() - 1;
        return Err(problems.swap_remove(0).into_error(others));
    }
    normals.sort_by_key(|sample| draw::rank(options.seed, &sample.name));
    let crops = match options.whole {
        true => whole_normals(dataset, &normals)?,
        false => normal_rois(dataset, &normals, &rois, options)?,
    };
    rois.extend(crops);
    Ok(Cut { rois, left_out: Vec::new(), notes })
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

/// The ROI around the lesion of one image; none only when the mask is empty.
pub(super) fn abnormal(
    dataset: &Dataset,
    sample: &Sample,
    loaded: &Loaded,
    options: &RoiOptions,
) -> Option<Roi> {
    let mask = loaded.mask.as_ref()?;
    let lesion = mask.bounds()?;
    let mut random = draw::stream(options.seed, &format!("padding of {}", sample.name));
    let padding = std::array::from_fn(|_| random.random_range(options.padding.clone()));
    let size = (loaded.image.width, loaded.image.height);
    let (rect, padding) = match options.whole {
        true => (whole(&loaded.image), [0.0; 4]),
        false => (padded(lesion, padding, size), padding),
    };
    Some(Roi {
        name: sample.name.clone(),
        class: Class::Abnormal,
        label: sample.label.clone(),
        source: sample.source.clone(),
        rect,
        padding,
        image: loaded.image.crop(rect),
        mask: Some(mask.crop(rect)),
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

/// As many ROIs as `abnormal` has, cut from `normals` in turn.
fn normal_rois(
    dataset: &Dataset,
    normals: &[&Sample],
    abnormal: &[Roi],
    options: &RoiOptions,
) -> Result<Vec<Roi>> {
    let models: Vec<Model> = abnormal.iter().map(|roi| Model::of(roi, options.seed)).collect();
    let mut rois = Vec::with_capacity(abnormal.len());
    for (turn, sample) in normals.iter().enumerate().take(abnormal.len()) {
        let image = sample.image.read()?;
        let crops = (abnormal.len() - turn).div_ceil(normals.len());
        for crop in 1..=crops {
            let name = format!("{}_crop{crop}", sample.name);
            let own = draw::rank(options.seed, &name);
            let Some(model) = models.iter().min_by_key(|model| draw::mix(own ^ model.rank)) else {
                continue;
            };
            let mut random = draw::stream(options.seed, &format!("place of {name}"));
            let rect = place(&image, model, &mut random);
            rois.push(normal(dataset, sample, name, rect, image.crop(rect)));
        }
    }
    Ok(rois)
}

/// All of an image.
fn whole(image: &Grey) -> Rect {
    Rect { x: 0, y: 0, width: image.width, height: image.height }
}

/// Each of `normals` as it is.
fn whole_normals(dataset: &Dataset, normals: &[&Sample]) -> Result<Vec<Roi>> {
    let one = |sample: &&Sample| {
        let image = sample.image.read()?;
        Ok(normal(dataset, sample, sample.name.clone(), whole(&image), image))
    };
    normals.iter().map(one).collect()
}

/// An ROI of a normal image.
fn normal(dataset: &Dataset, sample: &Sample, name: String, rect: Rect, image: Grey) -> Roi {
    Roi {
        name,
        class: Class::Normal,
        label: sample.label.clone(),
        source: sample.source.clone(),
        rect,
        padding: [0.0; 4],
        image,
        mask: None,
        circle: false,
        view: sample.view,
        file: dataset.below_root(sample.image.path()),
    }
}

/// What a normal ROI takes over from an abnormal one. Each normal ROI takes the model that comes
/// first in an order of its own, so that a further abnormal image changes few normal ROIs.
struct Model {
    rank: u64,
    width: usize,
    height: usize,
    black: f32,
}

impl Model {
    fn of(roi: &Roi, seed: u64) -> Self {
        let Rect { width, height, .. } = roi.rect;
        Model { rank: draw::rank(seed, &roi.name), width, height, black: black(&roi.image) }
    }
}

/// A rectangle of the model's size, shrunk in proportion until it fits, anywhere in the image where
/// it is about as black as the model: else the air around a breast or a head, which lesions seldom
/// reach, would tell the classes apart. Where no such place is found, the nearest one tried.
fn place(image: &Grey, model: &Model, random: &mut ChaCha8Rng) -> Rect {
    let shares = [(image.width, model.width), (image.height, model.height)];
    let shrink =
        shares.map(|(limit, side)| limit as f64 / side as f64).into_iter().fold(1.0, f64::min);
    // A flat lesion keeps a side that can be looked at, and read again.
    let fit = |side: usize, limit: usize| {
        ((side as f64 * shrink).round() as usize).clamp(SMALLEST_SIDE.min(limit), limit)
    };
    let (width, height) = (fit(model.width, image.width), fit(model.height, image.height));
    let mut best = (f32::INFINITY, Rect { x: 0, y: 0, width, height });
    for _ in 0..TRIES {
        let x = random.random_range(0..=image.width - width);
        let y = random.random_range(0..=image.height - height);
        let rect = Rect { x, y, width, height };
        let off = (black(&image.crop(rect)) - model.black).abs();
        if off < best.0 {
            best = (off, rect);
        }
        if off <= NEAR {
            break;
        }
    }
    best.1
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

/// Refuses padding that is no range of shares.
fn check(options: &RoiOptions) -> Result<()> {
    let (low, high) = (*options.padding.start(), *options.padding.end());
    if low >= 0.0 && low <= high && high <= 10.0 {
        return Ok(());
    }
    Err(Error::usage(
        format!("padding from {low} to {high} is no range of shares"),
        "the paper's is 0.1 to 0.3 of the lesion's size",
    ))
}
