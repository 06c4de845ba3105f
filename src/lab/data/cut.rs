//! The ROIs of a whole data set, [abnormal](super::roi) and normal.
//!
//! Of mammograms the normal ROIs are cut from the other breast, see [`mirror`]. Where there is no
//! second breast they are cut from normal images: as many as there are abnormal ones, taking the
//! images in turn. Their sizes are drawn from those of the abnormal ROIs, and their places from all
//! those that are about as black.
//!
//! Instead of all this, whole images may be taken as they are.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::dataset::{Class, Dataset, Normals, Sample};
use super::load::Loader;
use super::mirror;
use super::problem::Problem;
use super::roi::{
    Cut, NEAR, Roi, RoiOptions, SMALLEST_SIDE, TRIES, abnormal, black, classes_without_images,
    is_blank, whole,
};
use crate::draw;
use crate::error::{Error, Result};
use crate::nets::images::{Grey, Rect};
use crate::parallel;

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
    let of_class = |class| {
        let samples = dataset.samples.iter().filter(move |sample| sample.class == class);
        samples.filter(|sample| options.takes(&sample.label))
    };
    let mut problems: Vec<Problem> =
        dataset.problems.iter().filter(|problem| !problem.harmless).cloned().collect();
    if options.labels.is_none() {
        problems.extend(classes_without_images(dataset));
    }
    let mut loader = Loader::default();
    let mut load = |sample: &Sample| match options.whole && !options.masked {
        true => loader.bare(sample),
        false => loader.load(sample),
    };
    let (mut rois, mut notes) = (Vec::new(), Vec::new());
    for sample in of_class(Class::Abnormal) {
        match load(sample) {
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
        match load(sample) {
            Ok(loaded) if !is_blank(&loaded.image) => normals.push(sample),
            Ok(_) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if normals.is_empty() && problems.is_empty() && of_class(Class::Normal).next().is_some() {
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

/// Each image of `dataset` as it is, in the order of its samples. Images of one grey value are left out.
///
/// # Errors
/// [`Error::Content`] with the first problem that is not harmless and the number of the others, and when not one image
/// is left.
pub fn images(dataset: &Dataset) -> Result<Cut> {
    let mut problems: Vec<Problem> =
        dataset.problems.iter().filter(|problem| !problem.harmless).cloned().collect();
    let samples: Vec<&Sample> = dataset.samples.iter().collect();
    let read = parallel::map(&samples, |sample| sample.image.read().map_err(Problem::reading));
    let (mut rois, mut left_out) = (Vec::new(), Vec::new());
    for (sample, image) in samples.into_iter().zip(read) {
        match image {
            Ok(image) if is_blank(&image) => {
                let what = "is left out: it has one grey value everywhere";
                let hint = "nothing is to be done, unless it should show something";
                let problem = Problem::harmless(sample.image.path(), what, hint);
                left_out.push(problem.of("blank"));
            }
            Ok(image) => {
                let rect = whole(&image);
                let roi = normal(dataset, sample, sample.name.clone(), rect, image);
                rois.push(Roi { class: sample.class, ..roi });
            }
            Err(problem) => problems.push(problem),
        }
    }
    if rois.is_empty() && problems.is_empty() {
        let what = "there is no image to learn from";
        problems.push(Problem::new(&dataset.root, what, "add images that show something"));
    }
    match problems.len() {
        0 => Ok(Cut { rois, left_out, notes: Vec::new() }),
        n => Err(problems.swap_remove(0).into_error(n - 1)),
    }
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
