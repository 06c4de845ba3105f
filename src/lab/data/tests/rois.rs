//! The paper's rule, the balance of the classes, and what stays when a data set grows.

use proptest::prelude::*;

use super::*;
use crate::lab::data::cut;
use crate::lab::data::dataset::{Class, Dataset};
use crate::lab::data::formats;
use crate::lab::data::roi::{self, Roi, RoiOptions, padded};
use crate::lab::data::roi_files;

fn build(set: &Dataset, seed: u64) -> Vec<Roi> {
    cut::build(set, &RoiOptions { seed, ..RoiOptions::default() }).unwrap()
}

proptest! {
    #[test]
    fn padding_is_a_tenth_to_three_tenths_of_the_lesion(
        (x, width) in (0usize..300, 8usize..120),
        (y, height) in (0usize..300, 8usize..120),
        shares in proptest::array::uniform4(0.1f32..=0.3),
    ) {
        let lesion = Rect { x, y, width, height };
        let size = (420, 420);
        let rect = padded(lesion, shares, size);
        let low = |length: usize| (length as f32 * 0.1 - 0.5) as isize;
        let high = |length: usize| (length as f32 * 0.3 + 0.5) as isize;
        for (start, length, outer, outer_length) in
            [(x, width, rect.x, rect.width), (y, height, rect.y, rect.height)]
        {
            let before = start as isize - outer as isize;
            let after = (outer + outer_length) as isize - (start + length) as isize;
            prop_assert!(before <= high(length) && after <= high(length));
            prop_assert!(before >= low(length) || outer == 0);
            prop_assert!(after >= low(length) || outer + outer_length == 420);
            prop_assert!(outer + outer_length <= 420);
        }
    }
}

#[test]
fn each_side_has_its_own_padding() {
    let lesion = Rect { x: 100, y: 200, width: 100, height: 50 };
    let rect = padded(lesion, [0.1, 0.2, 0.3, 0.14], (1000, 1000));
    assert_eq!(rect, Rect { x: 90, y: 185, width: 130, height: 72 });
    let clipped = padded(lesion, [0.3; 4], (205, 1000));
    assert_eq!(clipped, Rect { x: 70, y: 185, width: 135, height: 80 });
    let speck = padded(Rect { x: 50, y: 50, width: 1, height: 2 }, [0.3; 4], (100, 100));
    assert_eq!((speck.width, speck.height), (8, 8));
    assert!(speck.x <= 50 && speck.x + 8 > 50 && speck.y <= 50 && speck.y + 8 >= 52);
}

#[test]
fn rois_hold_their_lesion_and_the_classes_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 7);
    for i in 3..7 {
        std::fs::remove_file(folder.path().join(format!("normal/n{i}.png"))).unwrap();
    }
    let rois = build(&formats::read(folder.path()).unwrap(), 0);
    assert_eq!(roi::counts(&rois), [7, 7]);
    let (mut drawn, mut of_source) = (Vec::new(), std::collections::BTreeMap::new());
    for roi in &rois {
        let image = Grey::read(folder.path().join(&roi.file)).unwrap();
        assert_eq!(roi.image, image.crop(roi.rect), "{}", roi.name);
        assert_eq!((roi.image.width, roi.image.height), (roi.rect.width, roi.rect.height));
        if roi.class == Class::Abnormal {
            assert_eq!(roi.rect, padded(LESION, roi.padding, (64, 48)));
            assert_eq!(roi.mask, Some(lesion().crop(roi.rect)));
            drawn.extend(roi.padding);
        } else {
            assert!(roi.mask.is_none() && roi.mask_or_empty().pixels.iter().all(|v| *v == 0));
            *of_source.entry(roi.source.clone()).or_insert(0) += 1;
            let same_size = |other: &Roi| {
                other.class == Class::Abnormal
                    && (other.rect.width, other.rect.height) == (roi.rect.width, roi.rect.height)
            };
            assert!(rois.iter().any(same_size), "{} has no abnormal model", roi.name);
        }
    }
    assert!(drawn.iter().all(|share| (0.1..=0.3).contains(share)));
    drawn.sort_by(f32::total_cmp);
    drawn.dedup();
    assert_eq!(drawn.len(), 28, "every side of every ROI is drawn by itself");
    let mut turns: Vec<i32> = of_source.into_values().collect();
    turns.sort_unstable();
    assert_eq!(turns, [2, 2, 3], "normal images are taken in turn");
}

#[test]
fn whole_images_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 4);
    let set = formats::read(folder.path()).unwrap();
    let options = RoiOptions { seed: 3, whole: true, ..RoiOptions::default() };
    let rois = cut::build(&set, &options).unwrap();
    assert_eq!(roi::counts(&rois), [4, 4]);
    for roi in &rois {
        let image = Grey::read(folder.path().join(&roi.file)).unwrap();
        assert_eq!(roi.image, image, "{}", roi.name);
        assert_eq!((roi.padding, roi.rect.x, roi.rect.y), ([0.0; 4], 0, 0));
        assert_eq!(roi.mask, (roi.class == Class::Abnormal).then(lesion));
    }
}

#[test]
fn the_seed_decides_and_growth_does_not() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 5);
    let set = formats::read(folder.path()).unwrap();
    let rois = build(&set, 1);
    assert_eq!(rois, build(&set, 1));
    assert_ne!(rois, build(&set, 2));
    put(folder.path(), "mass/a00.png", &image());
    put(folder.path(), "mass/a00_mask.png", &lesion());
    let grown = build(&formats::read(folder.path()).unwrap(), 1);
    for roi in rois.iter().filter(|roi| roi.class == Class::Abnormal) {
        assert!(grown.contains(roi), "{} has changed", roi.name);
    }
}

#[test]
fn normal_images_that_are_too_small_give_smaller_rois_of_the_same_form() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "mass/a.png", &crate::nets::images::fixtures::textured(200, 200));
    let large = Rect { x: 40, y: 70, width: 100, height: 50 };
    put(folder.path(), "mass/a_mask.png", &mask(200, 200, large));
    put(folder.path(), "normal/n.png", &crate::nets::images::fixtures::textured(60, 60));
    let rois = build(&formats::read(folder.path()).unwrap(), 0);
    let form = |roi: &Roi| roi.rect.width as f32 / roi.rect.height as f32;
    assert_eq!(rois[1].rect.width, 60);
    assert!((form(&rois[0]) - form(&rois[1])).abs() < 0.1);
}

#[test]
fn normal_rois_show_about_as_much_air_as_abnormal_ones() {
    let folder = tempfile::tempdir().unwrap();
    simple(folder.path(), 1);
    // Tissue in the left third only: a place at random would be mostly air.
    let mut film = Grey::filled(192, 48, 0);
    for y in 0..48 {
        (0..64).for_each(|x| film.pixels[y * 192 + x] = 100 + (x % 50) as u8);
    }
    put(folder.path(), "normal/n0.png", &film);
    for seed in 0..20 {
        let rois = build(&formats::read(folder.path()).unwrap(), seed);
        let black = rois[1].image.pixels.iter().filter(|value| **value == 0).count();
        assert!(black * 10 <= rois[1].image.pixels.len(), "{:?}", rois[1].rect);
    }
}

#[test]
fn rois_are_written_with_an_index_and_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    simple(&folder.path().join("set"), 3);
    let rois = build(&formats::read(&folder.path().join("set")).unwrap(), 0);
    let index = std::fs::read_to_string(roi_files::write(&rois, &out).unwrap()).unwrap();
    assert_eq!(index.lines().count(), 7);
    assert_eq!(index.lines().next(), Some(roi_files::COLUMNS));
    let columns = roi_files::COLUMNS.split(',').count();
    assert!(index.lines().all(|line| line.split(',').count() == columns));
    let again = formats::read(&out).unwrap();
    assert_eq!((again.samples.len(), again.problems.len()), (6, 0));
    for roi in &rois {
        let path = out.join(format!("{}/{}.png", roi.class.name(), roi.name));
        assert_eq!(Grey::read(&path).unwrap(), roi.image);
        let path = out.join(format!("{}/{}_mask.png", roi.class.name(), roi.name));
        assert_eq!(Grey::read(&path).unwrap(), roi.mask_or_empty());
    }
}
