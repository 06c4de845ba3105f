//! ROIs of mammograms by the paper's rule: around each abnormality, and for each of these a normal
//! one of the same size at the mirrored place of the other breast, unless that overlaps an abnormal
//! ROI there.
//!
//! Mirrored means that the left edge of the one film corresponds to the right edge of the other.
//! Where the films differ in size and the place would reach beyond the edge, it is moved inside.

use std::collections::BTreeSet;

use rand::Rng;

use super::dataset::{Class, Dataset, Normals, Sample};
use super::load::Loader;
use super::picture::Picture;
use super::problem::Problem;
use super::roi::{self, Cut, Roi, RoiOptions};
use super::view::View;
use crate::draw;
use crate::error::Result;
use crate::nets::images::Rect;

/// An abnormal ROI, and what it was cut from.
struct Made<'a> {
    sample: &'a Sample,
    roi: Roi,
}

impl Made<'_> {
    fn opposite(&self) -> Option<View> {
        self.sample.view.map(View::opposite)
    }
}

/// Cuts all ROIs, one film at a time; files that cannot be used are left out.
///
/// # Errors
/// [`Error::Content`](crate::error::Error::Content) when not one abnormal ROI can be cut, with the
/// first reason.
pub fn cut(dataset: &Dataset, options: &RoiOptions) -> Result<Cut> {
    let mut left_out: Vec<Problem> = dataset.problems.clone();
    let mut loader = Loader::default();
    let (mut made, mut notes) = (Vec::new(), Vec::new());
    // Where not all lesions are known, nothing is surely normal.
    let mut unknown = BTreeSet::new();
    for sample in dataset.samples.iter().filter(|sample| sample.class == Class::Abnormal) {
        match loader.load(sample) {
            Ok(mut loaded) => {
                notes.append(&mut loaded.notes);
                let roi = roi::abnormal(dataset, sample, &loaded, options);
                made.extend(roi.map(|roi| Made { sample, roi }));
            }
            Err(problem) => {
                unknown.insert((sample.source.as_str(), sample.view));
                left_out.push(Problem { harmless: true, ..problem });
            }
        }
    }
    if made.is_empty() {
        let others = left_out.len().saturating_sub(1);
        let without = roi::classes_without_images(dataset);
        return Err(match left_out.into_iter().chain(without).next() {
            Some(problem) => problem.into_error(others),
            None => Problem::new(&dataset.root, "has no abnormality", "add some").into_error(0),
        });
    }
    let normal = normal_rois(dataset, &made, &unknown, &mut loader, &mut left_out);
    let healthy = match dataset.normals {
        Normals::BothBreasts => healthy_rois(dataset, &made, options, &mut loader, &mut left_out),
        _ => Vec::new(),
    };
    let rois = made.into_iter().map(|made| made.roi).chain(normal).chain(healthy).collect();
    Ok(Cut { rois, left_out, notes })
}

/// The normal ROIs, in the order of the abnormal ones that they belong to.
fn normal_rois(
    dataset: &Dataset,
    made: &[Made],
    unknown: &BTreeSet<(&str, Option<View>)>,
    loader: &mut Loader,
    left_out: &mut Vec<Problem>,
) -> Vec<Roi> {
    // Film by film, so that each is decoded once.
    let mut order: Vec<(usize, &Made, &Picture)> = made
        .iter()
        .enumerate()
        .filter(|(_, made)| !unknown.contains(&(made.sample.source.as_str(), made.opposite())))
        .filter_map(|(index, made)| Some((index, made, made.sample.other_breast.as_ref()?)))
        .collect();
    order.sort_by_key(|(_, _, other)| other.path());
    let mut rois = Vec::new();
    for (index, from, other) in order {
        let (Made { sample, roi }, view) = (from, from.opposite());
        let image = match loader.picture(other) {
            Ok(image) => image,
            Err(problem) => {
                left_out.push(Problem { harmless: true, ..problem });
                continue;
            }
        };
        let name = format!("{}_mirrored", roi.name);
        let Some(rect) = mirrored(roi.rect, (image.width, image.height)) else {
            let what = format!("has no room for the normal ROI {name}");
            left_out.push(Problem::harmless(other.path(), what, "the films differ in size"));
            continue;
        };
        let overlaps = |made: &&Made| {
            let there = made.sample.source == sample.source && made.sample.view == view;
            there && made.roi.rect.overlaps(&rect)
        };
        if let Some(made) = made.iter().find(overlaps) {
            let what = format!("the normal ROI {name} would overlap {}", made.roi.name);
            left_out.push(Problem::harmless(
                other.path(),
                what,
                "it is discarded, as in the paper",
            ));
            continue;
        }
        let image = image.crop(rect);
        let normal = Roi {
            name,
            class: Class::Normal,
            label: Class::Normal.name().to_owned(),
            source: sample.source.clone(),
            rect,
            padding: [0.0; 4],
            image,
            mask: None,
            circle: false,
            view,
            file: dataset.below_root(other.path()),
        };
        rois.push((index, normal));
    }
    rois.sort_by_key(|(index, _)| *index);
    rois.into_iter().map(|(_, roi)| roi).collect()
}

/// One ROI of each film of women of whom both breasts are there and nothing abnormal is known. Its size and
/// place are those of an abnormal ROI, drawn among those that show about as much of the dark beside the breast.
fn healthy_rois(
    dataset: &Dataset,
    made: &[Made],
    options: &RoiOptions,
    loader: &mut Loader,
    left_out: &mut Vec<Problem>,
) -> Vec<Roi> {
    let of_class = |class| dataset.samples.iter().filter(move |sample| sample.class == class);
    let ill: BTreeSet<&str> = of_class(Class::Abnormal).map(|one| one.source.as_str()).collect();
    let dark: Vec<f32> = made.iter().map(|made| roi::black(&made.roi.image)).collect();
    let healthy = of_class(Class::Normal)
        .filter(|sample| sample.other_breast.is_some() && !ill.contains(sample.source.as_str()));
    let mut rois = Vec::new();
    for sample in healthy {
        let film = match loader.picture(&sample.image) {
            Ok(film) => film,
            Err(problem) => {
                left_out.push(Problem { harmless: true, ..problem });
                continue;
            }
        };
        let name = format!("{}_crop1", sample.name);
        let size = (film.width, film.height);
        let mut random = draw::stream(options.seed, &format!("place of {name}"));
        let mut best: Option<(f32, Rect)> = None;
        for _ in 0..roi::TRIES {
            let drawn = random.random_range(0..made.len());
            let Made { sample: model, roi: model_roi } = &made[drawn];
            let across = mirrored(model_roi.rect, size);
            let side = |sample: &Sample| sample.view.map(|view| view.side);
            let rect = match side(model) == side(sample) {
                true => across.and_then(|rect| mirrored(rect, size)),
                false => across,
            };
            let Some(rect) = rect else { continue };
            let off = (roi::black(&film.crop(rect)) - dark[drawn]).abs();
            if best.is_none_or(|(least, _)| off < least) {
                best = Some((off, rect));
            }
            if off <= roi::NEAR {
                break;
            }
        }
        let Some((_, rect)) = best else {
            let what = format!("has no room for the normal ROI {name}");
            left_out.push(Problem::harmless(sample.image.path(), what, "the films differ in size"));
            continue;
        };
        rois.push(Roi {
            name,
            class: Class::Normal,
            label: Class::Normal.name().to_owned(),
            source: sample.source.clone(),
            rect,
            padding: [0.0; 4],
            image: film.crop(rect),
            mask: None,
            circle: false,
            view: sample.view,
            file: dataset.below_root(sample.image.path()),
        });
    }
    rois
}

/// The rectangle of the same size at the mirrored place of a film of `size` (width, height); none
/// when that film is too small.
fn mirrored(rect: Rect, size: (usize, usize)) -> Option<Rect> {
    let (right, bottom) = (size.0.checked_sub(rect.width)?, size.1.checked_sub(rect.height)?);
    Some(Rect { x: right.saturating_sub(rect.x), y: rect.y.min(bottom), ..rect })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_mirrored_and_kept_inside() {
        let rect = Rect { x: 10, y: 20, width: 30, height: 40 };
        let there = |size| mirrored(rect, size).map(|rect| (rect.x, rect.y));
        assert_eq!(there((100, 200)), Some((60, 20)));
        assert_eq!(there((120, 50)), Some((80, 10)));
        assert_eq!(there((35, 200)), Some((0, 20)));
        assert_eq!(there((29, 200)), None);
        assert_eq!(there((100, 39)), None);
        let twice = mirrored(rect, (100, 200)).and_then(|rect| mirrored(rect, (100, 200)));
        assert_eq!(twice, Some(rect));
    }
}
