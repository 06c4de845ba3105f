//! The ROIs of experiment 2: multiplied by a heatmap, by a mask, by what the mask leaves out.

use std::path::Path;

use serde::Serialize;

use super::phase::Phase;
use super::tables;
use crate::draw;
use crate::error::Result;
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::lab::run_folder::RunFolder;
use crate::nets::images::{Grey, Split};
use crate::provenance::Items;

/// The table beside the mask-filtered ROIs.
const TABLE: &str = "masks.csv";

/// `image` times `filter` / 255, rounded, pixel by pixel; both have the same size.
pub fn times(image: &Grey, filter: &[u8]) -> Grey {
    let product = |(&a, &b): (&u8, &u8)| ((u32::from(a) * u32::from(b) + 127) / 255) as u8;
    Grey { pixels: image.pixels.iter().zip(filter).map(product).collect(), ..*image }
}

/// For each ROI the one whose mask filters it: itself when abnormal, and for a normal one an abnormal
/// one of its own side of the split, drawn at random. A further ROI leaves the other draws as they are,
/// unless it is itself drawn.
pub fn mask_sources(rois: &[Roi], split: &Split, seed: u64) -> Vec<usize> {
    let mut sources: Vec<usize> = (0..rois.len()).collect();
    for side in [&split.train, &split.validation] {
        let abnormal = |index: &&usize| rois[**index].class == Class::Abnormal;
        let abnormal: Vec<usize> = side.iter().filter(abnormal).copied().collect();
        for &normal in side.iter().filter(|&&index| rois[index].class == Class::Normal) {
            let rank = |index: &&usize| {
                let key = format!("mask of {} for {}", rois[**index].name, rois[normal].name);
                draw::rank(seed, &key)
            };
            sources[normal] = abnormal.iter().min_by_key(rank).copied().unwrap_or(normal);
        }
    }
    sources
}

/// All ROIs times their masks, or what these leave out, in their order.
pub fn masked(rois: &[Roi], sources: &[usize], inverse: bool) -> Vec<Grey> {
    let one = |(roi, &source): (&Roi, &usize)| {
        let mask = rois[source].mask_or_empty();
        let mut filter = nearest(&mask, roi.image.width, roi.image.height);
        if inverse {
            filter.iter_mut().for_each(|value| *value = 255 - *value);
        }
        times(&roi.image, &filter)
    };
    rois.iter().zip(sources).map(one).collect()
}

/// `mask` at `width` x `height`: of each new pixel's centre the old pixel, 255 where it is not 0.
fn nearest(mask: &Grey, width: usize, height: usize) -> Vec<u8> {
    let from = |index: usize, from: usize, to: usize| (2 * index + 1) * from / (2 * to);
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let value = |(x, y)| mask.at(from(x, mask.width, width), from(y, mask.height, height));
    pixels.map(|at| if value(at) == 0 { 0 } else { 255 }).collect()
}

/// Writes the ROIs times masks, what these leave out, and the table of whose mask was taken, unless all of it
/// is there. The table comes last.
pub fn export_masked(
    rois: &[Roi],
    sources: &[usize],
    folder: &Path,
    out: &RunFolder,
    origin: &Items,
) -> Result<()> {
    let table = folder.join(TABLE);
    if out.reuse(&table, origin)? {
        return Ok(());
    }
    for phase in [Phase::Mask, Phase::InverseMask] {
        let images = masked(rois, sources, phase == Phase::InverseMask);
        let folder = folder.join(phase.name());
        let path = |roi: &Roi| folder.join(format!("{}.png", roi.name));
        out.claim(rois.iter().map(path))?;
        files::create_folder(&folder)?;
        for (roi, image) in rois.iter().zip(&images) {
            image.write(path(roi))?;
            out.made(&path(roi), origin)?;
        }
    }
    let lines: Vec<MaskSource> = rois
        .iter()
        .zip(sources)
        .map(|(roi, &source)| MaskSource {
            name: &roi.name,
            class: roi.class.name(),
            mask: &rois[source].name,
        })
        .collect();
    out.make(&table, origin, |path| tables::write(path, &lines))
}

/// A line of `masks.csv`.
#[derive(Serialize)]
struct MaskSource<'a> {
    name: &'a str,
    class: &'a str,
    mask: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roi(name: &str, class: Class, width: usize) -> Roi {
        let image = Grey { width, height: 1, pixels: (0..width).map(|x| 10 * x as u8).collect() };
        let mask = (class == Class::Abnormal).then(|| {
            let mut mask = Grey::filled(width, 1, 0);
            mask.pixels[0] = 255;
            mask
        });
        Roi { image, mask, ..crate::lab::data::fixtures::roi(name, class, name) }
    }

    #[test]
    fn a_product_is_rounded() {
        let image = Grey { width: 4, height: 1, pixels: vec![255, 255, 100, 3] };
        assert_eq!(times(&image, &[255, 128, 128, 127]).pixels, [255, 128, 50, 1]);
    }

    #[test]
    fn normal_rois_get_masks_of_their_own_side() {
        let rois: Vec<Roi> = (0..40).map(|n| roi(&format!("{n}"), Class::ALL[n % 2], 4)).collect();
        let split = Split { train: (0..30).collect(), validation: (30..40).collect() };
        let sources = mask_sources(&rois, &split, 5);
        for (index, &source) in sources.iter().enumerate() {
            assert_eq!(rois[source].class, Class::Abnormal);
            assert_eq!(source < 30, index < 30, "{index} has the mask of {source}");
            assert!(source == index || rois[index].class == Class::Normal);
        }
        let drawn: std::collections::BTreeSet<usize> =
            (0..30).step_by(2).map(|normal| sources[normal]).collect();
        assert!(drawn.len() > 5, "15 draws of 15: {drawn:?}");
        assert_ne!(sources, mask_sources(&rois, &split, 6));
    }

    #[test]
    fn masks_and_their_inverses_part_the_image() {
        let rois = [roi("a", Class::Abnormal, 4), roi("n", Class::Normal, 8)];
        let sources = [0, 0];
        let (inside, outside) = (masked(&rois, &sources, false), masked(&rois, &sources, true));
        assert_eq!(inside[0].pixels, [0, 0, 0, 0]);
        assert_eq!(outside[0].pixels, [0, 10, 20, 30]);
        // The mask of four pixels, stretched to eight.
        assert_eq!(inside[1].pixels, [0, 10, 0, 0, 0, 0, 0, 0]);
        assert_eq!(outside[1].pixels, [0, 0, 20, 30, 40, 50, 60, 70]);
    }
}
