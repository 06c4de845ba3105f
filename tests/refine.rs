//! Refinement from a coarse map to a segmentation, end to end on the GPU.
//!
//! `PARULA_ADAPTER` and `PARULA_BACKEND` choose the adapter.

mod common {
    pub mod adapter;
}

use std::sync::{Arc, OnceLock};

use common::adapter;
use parula::engine::gpu::Gpu;
use parula::engine::graph::{Graph, Operation};
use parula::engine::ops::{Components, Keep, Slic};
use parula::engine::plan::{self, Options};
use parula::engine::session::{Session, Store};
use parula::error::Error;
use parula::nets::refine::{Crf, Part, Prior, Proposal, Recipe, Refiner, Superpixels};
use proptest::prelude::*;

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
        image.push((if inside { 70.0 } else { 130.0 }) + 60.0 * (noise(pixel) - 0.5));
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
    let by_map = Recipe { map: 6.0, prior: None, darkness: None, ..Recipe::default() };
    let by_superpixels = Recipe {
        superpixels: Some(Superpixels { cell: 5, ..Superpixels::default() }),
        open: 2,
        close: 2,
        ..by_map.clone()
    };
    for recipe in [Recipe::default(), by_map, by_superpixels] {
        let mut refiner = Refiner::new(gpu(), size, 1, &recipe).unwrap();
        let refined = refiner.segment(&image, &map).unwrap();
        let found = dice(&refined.masks, &truth);
        println!("{coarse:.3} at the best threshold, {found:.3} refined");
        assert!(found > coarse + 0.04, "{coarse:.3} became {found:.3} by {recipe:?}");
        assert!(refined.probabilities.iter().all(|p| (0.0..=1.0).contains(p)));
    }
}

#[test]
fn of_two_dark_spots_that_is_proposed_which_the_map_means() {
    let size @ [height, width] = [72, 80];
    let spots = [(24.0, 26.0, 9.0), (50.0, 55.0, 10.0)];
    let inside = |pixel: usize, (y, x, radius): (f32, f32, f32)| {
        ((pixel / width) as f32 - y).hypot((pixel % width) as f32 - x) < radius
    };
    let image: Vec<f32> = (0..height * width)
        .map(|pixel| {
            let dark = spots.iter().any(|&spot| inside(pixel, spot));
            (if dark { 60.0 } else { 130.0 }) + 40.0 * (noise(pixel) - 0.5)
        })
        .collect();
    let mut refiner = Refiner::new(gpu(), size, 1, &Recipe::anywhere()).unwrap();
    for (y, x, radius) in spots {
        // A map as coarse as a network's, beside the spot.
        let map: Vec<f32> = (0..height * width)
            .map(|pixel| {
                let (row, column) =
                    ((pixel / width / 8 * 8) as f32, (pixel % width / 8 * 8) as f32);
                (-((row - y - 4.0).powi(2) + (column - x).powi(2)) / 300.0).exp()
            })
            .collect();
        let truth: Vec<u8> =
            (0..height * width).map(|pixel| u8::from(inside(pixel, (y, x, radius)))).collect();
        let refined = refiner.segment(&image, &map).unwrap();
        let found = dice(&refined.masks, &truth);
        assert!(found > 0.8, "{found:.3}");
    }
    // Bright spots on dark ground are the same, turned.
    let turned: Vec<f32> = image.iter().map(|grey| 190.0 - grey).collect();
    let flat = vec![0.5; image.len()];
    let proposal = Some(Proposal { bright: true, ..Proposal::default() });
    let bright = Recipe { proposal, ..Recipe::anywhere() };
    let found = Refiner::new(gpu(), size, 1, &bright).unwrap().segment(&turned, &flat).unwrap();
    assert_eq!(found.masks, refiner.segment(&image, &flat).unwrap().masks);
    assert!(found.masks.contains(&1), "the darkest, where the map says nothing");
    assert!(found.probabilities.iter().all(|p| *p < 1e-6 || *p > 1.0 - 1e-6), "nothing in between");
    let ground = refiner.segment(&vec![90.0; image.len()], &image).unwrap();
    assert!(!ground.masks.contains(&1), "no contrast, no proposal");
    let nothing = Proposal { shares: [0.9, 1.0], ..Proposal::default() };
    let recipe = Recipe { proposal: Some(nothing), ..Recipe::anywhere() };
    let mut refiner = Refiner::new(gpu(), size, 1, &recipe).unwrap();
    let refined = refiner.segment(&image, &vec![0.5; height * width]).unwrap();
    assert!(refined.masks.iter().all(|mask| *mask == 0), "no part is so large");
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

/// The largest component of `marked` by flood fill, the first of equal ones; and `marked` without its
/// holes.
fn by_flooding(marked: &[bool], [height, width]: [usize; 2]) -> [Vec<bool>; 2] {
    let flood = |start: usize, of: &[bool], seen: &mut [bool]| -> Vec<usize> {
        let (mut found, mut stack) = (Vec::new(), vec![start]);
        while let Some(pixel) = stack.pop() {
            if std::mem::replace(&mut seen[pixel], true) || !of[pixel] {
                continue;
            }
            found.push(pixel);
            let (y, x) = (pixel / width, pixel % width);
            stack.extend((y > 0).then(|| pixel - width));
            stack.extend((y + 1 < height).then(|| pixel + width));
            stack.extend((x > 0).then(|| pixel - 1));
            stack.extend((x + 1 < width).then(|| pixel + 1));
        }
        found
    };
    let mut seen = vec![false; marked.len()];
    let mut largest = Vec::new();
    for start in 0..marked.len() {
        if marked[start] && !seen[start] {
            let found = flood(start, marked, &mut seen);
            if found.len() > largest.len() {
                largest = found;
            }
        }
    }
    let mut one = vec![false; marked.len()];
    largest.into_iter().for_each(|pixel| one[pixel] = true);
    // From the border inwards, through corners too.
    let mut full = vec![true; marked.len()];
    let border = |pixel: usize| {
        let (y, x) = (pixel / width, pixel % width);
        y == 0 || x == 0 || y + 1 == height || x + 1 == width
    };
    let mut stack: Vec<usize> =
        (0..marked.len()).filter(|&pixel| border(pixel) && !marked[pixel]).collect();
    while let Some(pixel) = stack.pop() {
        if !std::mem::replace(&mut full[pixel], false) {
            continue;
        }
        let (y, x) = (pixel / width, pixel % width);
        for row in y.saturating_sub(1)..(y + 2).min(height) {
            for column in x.saturating_sub(1)..(x + 2).min(width) {
                let other = row * width + column;
                if !marked[other] && full[other] {
                    stack.push(other);
                }
            }
        }
    }
    [one, full]
}

/// The output of one operation on an image (height, width).
fn run(operation: impl Operation, image: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let mut graph = Graph::new();
    let x = graph.input("x", [1, height, width, 1]).unwrap();
    let y = graph.add("y", operation, &[x]).unwrap();
    let plan = plan::build(&graph, &[y], &[], gpu().capabilities(), &Options::default()).unwrap();
    let store = Store::new(gpu(), &graph, 0).unwrap();
    let mut session = Session::new(gpu(), plan, &store).unwrap();
    session.set("x", image).unwrap();
    session.run().unwrap();
    session.read("y").unwrap().into_data()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn components_are_those_of_a_flood_fill(
        height in 1usize..24,
        width in 1usize..40,
        density in 0.2f32..0.95,
        seed in 0usize..1_000_000,
    ) {
        let size = [height, width];
        let image: Vec<f32> = (0..height * width).map(|at| noise(seed + 7 * at)).collect();
        let marked: Vec<bool> = image.iter().map(|value| *value > 1.0 - density).collect();
        let wanted = by_flooding(&marked, size);
        for (keep, wanted) in [Keep::Largest, Keep::WithoutHoles].into_iter().zip(wanted) {
            let operation = Components { threshold: 1.0 - density, diagonal: false, keep };
            let found: Vec<bool> =
                run(operation, &image, size).iter().map(|value| *value == 1.0).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn superpixels_part_the_image_among_cells_nearby(
        height in 1usize..40,
        width in 1usize..40,
        cell in 2usize..12,
        seed in 0usize..1_000_000,
    ) {
        let image: Vec<f32> = (0..height * width).map(|at| 255.0 * noise(seed + at)).collect();
        let slic = Slic { cell, compactness: 20, iterations: 4 };
        let labels = run(slic, &image, [height, width]);
        let across = width.div_ceil(cell);
        for (pixel, label) in labels.iter().enumerate() {
            prop_assert_eq!(label.fract(), 0.0);
            let label = *label as usize;
            prop_assert!(label < height.div_ceil(cell) * across);
            prop_assert!((label / across).abs_diff(pixel / width / cell) <= 1);
            prop_assert!((label % across).abs_diff(pixel % width / cell) <= 1);
        }
    }
}
