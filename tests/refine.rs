//! Refinement from a coarse map to a segmentation, end to end on the GPU.
//!
//! `PARULA_ADAPTER` and `PARULA_BACKEND` choose the adapter.

mod common {
    pub mod adapter;
}

use std::sync::{Arc, OnceLock};

use common::adapter;
use parula::error::Error;
use parula::gpu::Gpu;
use parula::refine::{Crf, Part, Prior, Recipe, Refiner};

fn gpu() -> &'static Arc<Gpu> {
    static GPU: OnceLock<Arc<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| Arc::new(adapter::open()))
}

/// Numbers in [0, 1) without a pattern.
fn noise(index: usize) -> f32 {
    let state = (index as u32).wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    ((word >> 22) ^ word) as f32 / 4_294_967_296.0
}

/// A dark disc on a brighter ground, both noisy; the truth; and a map that is coarse, off centre and
/// reaches beyond the disc.
fn disc([height, width]: [usize; 2]) -> (Vec<f32>, Vec<u8>, Vec<f32>) {
    let pixels = height * width;
    let (mut image, mut truth, mut map) = (Vec::new(), Vec::new(), Vec::new());
    for pixel in 0..pixels {
        let y = (pixel / width) as f32 / height as f32 - 0.5;
        let x = (pixel % width) as f32 / width as f32 - 0.5;
        let inside = y.hypot(x) < 0.33;
        image.push(if inside { 70.0 } else { 130.0 } + 60.0 * (noise(pixel) - 0.5));
        truth.push(u8::from(inside));
        map.push((-((y - 0.08).powi(2) + (x + 0.08).powi(2)) / (2.0 * 0.25f32.powi(2))).exp());
    }
    (image, truth, map)
}

fn dice(mask: &[u8], truth: &[u8]) -> f64 {
    let both = mask.iter().zip(truth).filter(|(a, b)| **a == 1 && **b == 1).count();
    let sizes = mask.iter().chain(truth).filter(|value| **value == 1).count();
    2.0 * both as f64 / sizes as f64
}

#[test]
fn a_coarse_map_of_a_noisy_disc_becomes_the_disc() {
    let size = [61, 70];
    let (image, truth, map) = disc(size);
    let coarse = (0..100)
        .map(|cut| {
            let mask: Vec<u8> = map.iter().map(|m| u8::from(*m > cut as f32 / 100.0)).collect();
            dice(&mask, &truth)
        })
        .fold(0.0, f64::max);
    for recipe in [Recipe::default(), Recipe::anywhere()] {
        let mut refiner = Refiner::new(gpu(), size, 1, &recipe).unwrap();
        let refined = refiner.segment(&image, &map).unwrap();
        let found = dice(&refined.masks, &truth);
        println!("{coarse:.3} at the best threshold, {found:.3} refined");
        assert!(found > coarse + 0.04, "{coarse:.3} became {found:.3} by {recipe:?}");
        assert!(refined.probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}

/// The fixed point iteration of the fully connected model, in double precision.
fn brute_force(image: &[f32], odds: &[f64], [height, width]: [usize; 2], crf: &Crf) -> Vec<f64> {
    let count = height * width;
    let place = |pixel: usize| ((pixel / width) as f64, (pixel % width) as f64);
    let gaussian = |square: f64, deviation: f32| {
        (-square / (2.0 * f64::from(deviation) * f64::from(deviation))).exp()
    };
    let kernels = |i: usize, j: usize| {
        let ((yi, xi), (yj, xj)) = (place(i), place(j));
        let square = (yi - yj).powi(2) + (xi - xj).powi(2);
        let apart = f64::from(image[i]) - f64::from(image[j]);
        [
            gaussian(square, crf.alpha) * gaussian(apart * apart, crf.beta),
            gaussian(square, crf.gamma),
        ]
    };
    let mut q: Vec<f64> = odds.iter().map(|odds| 1.0 / (1.0 + (-odds).exp())).collect();
    for _ in 0..crf.iterations {
        q = (0..count)
            .map(|i| {
                // Each label's energy: what it costs, and what those of the other label add.
                let mut energy = [0.0, -odds[i]];
                let weights = [crf.appearance, crf.smoothness].map(f64::from);
                for (kernel, weight) in weights.into_iter().enumerate() {
                    let total: f64 = (0..count).map(|j| kernels(i, j)[kernel]).sum();
                    for j in (0..count).filter(|&j| j != i) {
                        let share = weight * kernels(i, j)[kernel] / total;
                        energy[0] += share * q[j];
                        energy[1] += share * (1.0 - q[j]);
                    }
                }
                let [ground, figure] = energy.map(|energy| (-energy).exp());
                figure / (figure + ground)
            })
            .collect();
    }
    q
}

#[test]
fn a_window_over_the_whole_image_is_the_fully_connected_field() {
    let size = [11, 14];
    let (image, _, map) = disc(size);
    let crf = Crf { radius: 14, dilation: 1, iterations: 6, ..Crf::default() };
    let bare = Recipe {
        map: 5.0,
        bias: 0.3,
        prior: None,
        darkness: None,
        crf: Some(crf),
        ..Recipe::default()
    };
    let mean = map.iter().map(|m| f64::from(*m)).sum::<f64>() / map.len() as f64;
    let odds: Vec<f64> = map.iter().map(|m| 5.0 * (f64::from(*m) - mean) + 0.3).collect();
    let truth = brute_force(&image, &odds, size, &crf);
    let found = Refiner::new(gpu(), size, 1, &bare).unwrap().refine(&image, &map).unwrap();
    for (found, truth) in found.iter().zip(&truth) {
        assert!((f64::from(*found) - truth).abs() < 1e-4, "{found} instead of {truth}");
    }
}

#[test]
fn images_of_a_batch_do_not_see_each_other_and_the_last_may_be_short() {
    let size = [23, 31];
    let (first, _, map) = disc(size);
    let second: Vec<f32> = first.iter().rev().map(|grey| 255.0 - grey).collect();
    let third: Vec<f32> = (0..first.len()).map(|at| 255.0 * noise(at)).collect();
    let recipe = Recipe { part: Some(Part::Heaviest), ..Recipe::default() };
    let mut alone = Refiner::new(gpu(), size, 1, &recipe).unwrap();
    let mut pair = Refiner::new(gpu(), size, 2, &recipe).unwrap();
    let images = [first, second, third];
    let all = pair.segment(&images.concat(), &map.repeat(3)).unwrap();
    for (index, image) in images.iter().enumerate() {
        let own = alone.segment(image, &map).unwrap();
        let range = index * image.len()..(index + 1) * image.len();
        assert_eq!(own.probabilities, all.probabilities[range.clone()], "image {index}");
        assert_eq!(own.masks, all.masks[range], "image {index}");
    }
    assert_eq!(pair.refine(&images.concat(), &map.repeat(3)).unwrap(), all.probabilities);
    assert!(pair.refine(&[], &[]).unwrap().is_empty());
}

#[test]
fn what_cannot_be_refined_is_refused() {
    let usage = |error: Error, parts: &[&str]| {
        assert!(matches!(error, Error::Usage { .. }), "{error}");
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let recipe = Recipe::default();
    usage(Refiner::new(gpu(), [0, 4], 1, &recipe).unwrap_err(), &["0x4"]);
    usage(Refiner::new(gpu(), [4, 4], 0, &recipe).unwrap_err(), &["0 images"]);
    let wrong =
        Recipe { prior: Some(Prior { weight: -1.0, ..Prior::default() }), ..recipe.clone() };
    usage(Refiner::new(gpu(), [4, 4], 1, &wrong).unwrap_err(), &["prior.weight = -1"]);
    let mut refiner = Refiner::new(gpu(), [4, 5], 2, &recipe).unwrap();
    usage(refiner.refine(&[0.0; 20], &[0.0; 19]).unwrap_err(), &["19", "20", "4x5"]);
    usage(refiner.refine(&[0.0; 21], &[0.0; 21]).unwrap_err(), &["21", "4x5"]);
    let mut maps = [0.5; 40];
    maps[30] = f32::NAN;
    usage(refiner.refine(&[9.0; 40], &maps).unwrap_err(), &["map 1", "NaN"]);
}

#[test]
fn nothing_to_see_gives_numbers_and_an_empty_or_full_mask() {
    for (value, grey) in [(0.0, 0.0), (1.0, 255.0), (0.5, 17.0)] {
        let recipe = Recipe { bias: -3.0, prior: None, ..Recipe::default() };
        let mut refiner = Refiner::new(gpu(), [9, 8], 1, &recipe).unwrap();
        let refined = refiner.segment(&[grey; 72], &[value; 72]).unwrap();
        assert!(refined.probabilities.iter().all(|p| *p > 0.0 && *p < 0.1));
        assert_eq!(refined.masks, [0; 72]);
    }
    let mut refiner = Refiner::new(gpu(), [1, 1], 1, &Recipe::default()).unwrap();
    assert_eq!(refiner.segment(&[3.0], &[0.2]).unwrap().masks, [1]);
}
