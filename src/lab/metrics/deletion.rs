//! Deletion and insertion (Petsiuk, Das and Saenko 2018, *RISE*, section 4.3): how the class's probability
//! falls as the pixels that a map ranks highest are taken away, and how it rises as they are put back.
//!
//! ```text
//! deletion    image with its highest k/S of pixels empty,             k = 0..=S
//! insertion   blurred image with its highest k/S of pixels sharp,     k = 0..=S
//! score       area under probability against k/S, by trapezoids, from 0 to 1
//! ```
//! A good map has a low deletion and a high insertion. Empty is 0 of the network's numbers, as in the
//! authors' code. Their blur for ImageNet (11 pixels wide) leaves lesions that fill an ROI in plain sight;
//! ours is a Gaussian whose deviation is a tenth of the shorter side, cut off at three deviations,
//! divided by the weights that lie inside the image. Pixels of one level are in an order drawn at random,
//! the same for every map: what ranks nothing scores as chance does.

use crate::draw;

/// The blur's deviation, as a share of the shorter side.
const DEVIATION: f64 = 0.1;

/// The pixels of `map` from the highest to the lowest, equal ones in the order that `seed` draws.
pub fn ranked(map: &[f32], seed: u64) -> Vec<usize> {
    let ties: Vec<u64> =
        (0..map.len()).map(|pixel| draw::mix(draw::mix(seed) ^ pixel as u64)).collect();
    let mut order: Vec<usize> = (0..map.len()).collect();
    order.sort_by(|&a, &b| map[b].total_cmp(&map[a]).then(ties[a].cmp(&ties[b])));
    order
}

/// The first `step` of `steps` parts of `length` pixels, rounded.
pub fn part(length: usize, step: usize, steps: usize) -> usize {
    (2 * length * step + steps) / (2 * steps.max(1))
}

/// The area under `curve`, whose points stand at even distances from 0 to 1; of one point its value.
pub fn area(curve: &[f64]) -> f64 {
    match curve {
        [] => 0.0,
        [one] => *one,
        _ => {
            let trapezoids = curve.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
            trapezoids.sum::<f64>() / (curve.len() - 1) as f64
        }
    }
}

/// `image`, (height, width) row by row, without what is smaller than a tenth of it.
pub fn blurred(image: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let deviation = (DEVIATION * height.min(width) as f64).max(0.5);
    let reach = (3.0 * deviation).ceil() as usize;
    let weight = |away: usize| (-0.5 * (away as f64 / deviation).powi(2)).exp();
    let weights: Vec<f64> = (0..=reach).map(weight).collect();
    let line = |length: usize, at: usize, value: &dyn Fn(usize) -> f32| -> f32 {
        let (mut sum, mut total) = (0.0, 0.0);
        for other in at.saturating_sub(reach)..(at + reach + 1).min(length) {
            let weight = weights[at.abs_diff(other)];
            sum += weight * f64::from(value(other));
            total += weight;
        }
        (sum / total) as f32
    };
    let pixels = || (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    let across: Vec<f32> =
        pixels().map(|(y, x)| line(width, x, &|other| image[y * width + other])).collect();
    pixels().map(|(y, x)| line(height, y, &|other| across[other * width + x])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn areas_are_those_of_trapezoids() {
        assert_eq!((area(&[]), area(&[0.7])), (0.0, 0.7));
        assert_eq!(area(&[1.0, 0.0]), 0.5);
        assert!((area(&[1.0, 0.5, 0.5, 0.1]) - (0.75 + 0.5 + 0.3) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn parts_are_rounded_and_reach_from_nothing_to_all() {
        assert_eq!([0, 1, 2, 3].map(|step| part(10, step, 3)), [0, 3, 7, 10]);
    }

    #[test]
    fn a_blur_keeps_what_is_even_and_spreads_what_is_not() {
        assert!(blurred(&[3.0; 12], [3, 4]).iter().all(|value| (value - 3.0).abs() < 1e-6));
        let size = 40;
        let mut point = vec![0.0; size * size];
        point[20 * size + 20] = 100.0;
        let found = blurred(&point, [size, size]);
        // Deviation 4: the peak of the normalised Gaussian is 100 / (2 pi 4^2).
        assert!((found[20 * size + 20] - 0.9947).abs() < 0.01, "{}", found[20 * size + 20]);
        assert!((found.iter().sum::<f32>() - 100.0).abs() < 1.0);
        assert_eq!(found[20 * size + 24], found[24 * size + 20]);
    }

    proptest! {
        #[test]
        fn ranks_are_a_permutation_from_high_to_low(map in prop::collection::vec(0u8..5, 1..60)) {
            let map: Vec<f32> = map.into_iter().map(f32::from).collect();
            let order = ranked(&map, 3);
            prop_assert!(order.windows(2).all(|pair| map[pair[0]] >= map[pair[1]]));
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..map.len()));
            prop_assert_eq!(&order, &ranked(&map, 3));
        }
    }

    #[test]
    fn equal_pixels_are_in_no_order_that_the_image_has() {
        let order = ranked(&[1.0; 400], 0);
        let first_half = order[..200].iter().filter(|&&pixel| pixel < 200).count();
        assert!((70..130).contains(&first_half), "{first_half}");
        assert_ne!(order, ranked(&[1.0; 400], 1));
    }
}
