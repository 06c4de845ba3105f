//! ROAD, remove and debias (Rong, Leemann, Borisov, Kasneci and Kasneci 2022, *A consistent and efficient
//! evaluation strategy for attribution methods*): what the class's probability becomes as pixels are taken
//! away, where the shape of the hole shall not tell what was there.
//!
//! ```text
//! MoRF   mean probability over k = 1..S-1 with the highest k/S of pixels imputed: low is good
//! LeRF   the same with the lowest k/S: high is good
//! ROAD   (LeRF - MoRF) / 2: from -1/2 to 1/2, chance is 0
//! ```
//! The difference of both orders is that of Gildenblat's `ROADCombined` in pytorch-grad-cam.
//!
//! *Noisy linear imputation*: a pixel that was taken away is the weighted mean of its eight neighbours,
//! 1/6 for those beside it and 1/12 for those across a corner, whether they were taken away as well or not;
//! weights of neighbours outside the image are left out of the mean. That is a sparse linear system,
//!
//! ```text
//! (sum of w_ij over neighbours j of i) x_i - sum of w_ij x_j over j taken = sum of w_ij v_j over j kept
//! ```
//! symmetric and, as long as one pixel is kept, positive definite. It is solved by conjugate gradients
//! with the diagonal as preconditioner, until the residual is below 1e-4 of the right side's, both as
//! Euclidean norms. Each imputed pixel then gets normal noise, of deviation 0.01 where white is 1.

use rand::Rng;

use crate::draw;

/// The residual at which the solution is good enough, as a share of the right side.
const TOLERANCE: f64 = 1e-4;
/// The noise's deviation in grey levels: 0.01 of white.
const NOISE: f64 = 2.55;
/// Neighbours, and their weights.
const NEIGHBOURS: [(isize, isize, f64); 8] = [
    (-1, 0, 1.0 / 6.0),
    (1, 0, 1.0 / 6.0),
    (0, -1, 1.0 / 6.0),
    (0, 1, 1.0 / 6.0),
    (-1, -1, 1.0 / 12.0),
    (-1, 1, 1.0 / 12.0),
    (1, -1, 1.0 / 12.0),
    (1, 1, 1.0 / 12.0),
];

/// `image`, (height, width) of levels from 0 to 255 row by row, with the pixels `taken` imputed and their
/// noise added, which `seed` draws for each place. With all of them taken, they have the image's mean.
pub fn imputed(image: &[f32], size: [usize; 2], taken: &[usize], seed: u64) -> Vec<f32> {
    let mut found = image.to_vec();
    let values = match taken.len() == image.len() {
        true => {
            let sum: f64 = image.iter().map(|&value| f64::from(value)).sum();
            vec![sum / image.len().max(1) as f64; taken.len()]
        }
        false => System::new(image, size, taken).solve(),
    };
    for (&pixel, value) in taken.iter().zip(values) {
        found[pixel] = (value + NOISE * normal(seed, pixel)) as f32;
    }
    found
}

/// A normal number for a place (Box and Muller 1958).
fn normal(seed: u64, pixel: usize) -> f64 {
    let mut random = draw::stream(seed, &format!("road/{pixel}"));
    let (a, b): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

/// The linear system of the pixels that were taken.
struct System {
    /// The sum of the weights of all neighbours.
    diagonal: Vec<f64>,
    /// Where the neighbours of row i begin, and at the end their number.
    first: Vec<usize>,
    /// Neighbours that were taken as well: their row, and their weight.
    others: Vec<(usize, f64)>,
    right: Vec<f64>,
}

impl System {
    fn new(image: &[f32], [height, width]: [usize; 2], taken: &[usize]) -> Self {
        let mut row_of = vec![usize::MAX; image.len()];
        taken.iter().enumerate().for_each(|(row, &pixel)| row_of[pixel] = row);
        let (mut diagonal, mut right) = (vec![0.0; taken.len()], vec![0.0; taken.len()]);
        let (mut first, mut others) = (vec![0], Vec::new());
        for (row, &pixel) in taken.iter().enumerate() {
            for (down, across, weight) in NEIGHBOURS {
                let y = (pixel / width).wrapping_add_signed(down);
                let x = (pixel % width).wrapping_add_signed(across);
                if y >= height || x >= width {
                    continue;
                }
                let other = y * width + x;
                diagonal[row] += weight;
                match row_of[other] {
                    usize::MAX => right[row] += weight * f64::from(image[other]),
                    taken => others.push((taken, weight)),
                }
            }
            first.push(others.len());
        }
        System { diagonal, first, others, right }
    }

    /// The matrix times `x`.
    fn times(&self, x: &[f64], product: &mut [f64]) {
        for (row, value) in product.iter_mut().enumerate() {
            let others = &self.others[self.first[row]..self.first[row + 1]];
            let sum: f64 = others.iter().map(|&(other, weight)| weight * x[other]).sum();
            *value = self.diagonal[row] * x[row] - sum;
        }
    }

    /// Conjugate gradients (Hestenes and Stiefel 1952) from the mean of what is known.
    fn solve(&self) -> Vec<f64> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let scaled = |residual: &[f64]| -> Vec<f64> {
            residual
                .iter()
                .zip(&self.diagonal)
                .map(|(r, d)| if *d > 0.0 { r / d } else { 0.0 })
                .collect()
        };
        let count = self.right.len();
        let known: f64 = self.diagonal.iter().sum::<f64>()
            - self.others.iter().map(|(_, weight)| weight).sum::<f64>();
        let start = if known > 0.0 { self.right.iter().sum::<f64>() / known } else { 0.0 };
        let mut x = vec![start; count];
        let mut product = vec![0.0; count];
        self.times(&x, &mut product);
        let mut residual: Vec<f64> = self.right.iter().zip(&product).map(|(b, p)| b - p).collect();
        let enough = TOLERANCE * TOLERANCE * dot(&self.right, &self.right);
        let mut conditioned = scaled(&residual);
        let mut direction = conditioned.clone();
        let mut now = dot(&residual, &conditioned);
        // In exact arithmetic it ends after as many steps as there are unknowns.
        for _ in 0..2 * count {
            if dot(&residual, &residual) <= enough || now <= 0.0 {
                break;
            }
            self.times(&direction, &mut product);
            let step = now / dot(&direction, &product);
            for row in 0..count {
                x[row] += step * direction[row];
                residual[row] -= step * product[row];
            }
            conditioned = scaled(&residual);
            let next = dot(&residual, &conditioned);
            let keep = next / now;
            now = next;
            direction.iter_mut().zip(&conditioned).for_each(|(d, c)| *d = c + keep * *d);
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Without noise.
    fn solved(image: &[f32], size: [usize; 2], taken: &[usize]) -> Vec<f64> {
        System::new(image, size, taken).solve()
    }

    #[test]
    fn one_pixel_is_the_weighted_mean_of_its_neighbours() {
        let image = [1.0, 2.0, 3.0, 4.0, 0.0, 6.0, 7.0, 8.0, 9.0];
        let beside = (2.0 + 4.0 + 6.0 + 8.0) / 6.0 + (1.0 + 3.0 + 7.0 + 9.0) / 12.0;
        let found = solved(&image, [3, 3], &[4]);
        assert!((found[0] - beside).abs() < 1e-9, "{found:?}");
        // In the corner three are left: 1/6, 1/6 and 1/12 of 2, 4 and 0.
        let found = solved(&image, [3, 3], &[0]);
        assert!((found[0] - (2.0 / 6.0 + 4.0 / 6.0) / (5.0 / 12.0)).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_line_between_two_ends_is_straight() {
        // One row: every pixel is the mean of the two beside it.
        let mut image = vec![0.0; 11];
        image[10] = 100.0;
        let found = solved(&image, [1, 11], &(1..10).collect::<Vec<_>>());
        for (index, value) in found.iter().enumerate() {
            assert!((value - 10.0 * (index + 1) as f64).abs() < 0.05, "{found:?}");
        }
    }

    #[test]
    fn what_is_kept_stays_and_noise_is_small_and_repeatable() {
        let image: Vec<f32> = (0..900).map(|pixel| (pixel % 30) as f32 * 4.0).collect();
        let taken: Vec<usize> = (0..900).filter(|pixel| pixel % 3 != 0).collect();
        let found = imputed(&image, [30, 30], &taken, 5);
        assert!((0..900).step_by(3).all(|pixel| found[pixel] == image[pixel]));
        assert_eq!(found, imputed(&image, [30, 30], &taken, 5));
        assert_ne!(found, imputed(&image, [30, 30], &taken, 6));
        let exact = solved(&image, [30, 30], &taken);
        let noise: Vec<f64> =
            taken.iter().zip(&exact).map(|(&p, v)| f64::from(found[p]) - v).collect();
        let deviation = (noise.iter().map(|n| n * n).sum::<f64>() / 600.0).sqrt();
        assert!((deviation - NOISE).abs() < 0.3, "{deviation}");
        let all = imputed(&[0.0, 200.0], [1, 2], &[0, 1], 0);
        assert!(all.iter().all(|value| (value - 100.0).abs() < 15.0), "{all:?}");
        assert_eq!(imputed(&image, [30, 30], &[], 0), image);
    }

    proptest! {
        /// The residual, by the definition and not by the system's own matrix; and nothing beyond what
        /// is known.
        #[test]
        fn each_pixel_is_the_mean_of_its_neighbours(
            image in prop::collection::vec(0u8..=255, 99), holes in prop::collection::vec(0usize..99, 1..90)
        ) {
            let image: Vec<f32> = image.into_iter().map(f32::from).collect();
            let mut taken = holes.clone();
            taken.sort_unstable();
            taken.dedup();
            let mut found: Vec<f64> = image.iter().map(|&value| f64::from(value)).collect();
            for (&pixel, value) in taken.iter().zip(solved(&image, [9, 11], &taken)) {
                found[pixel] = value;
            }
            for &pixel in &taken {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (other, near) in found.iter().enumerate() {
                    let (dy, dx) = ((pixel / 11).abs_diff(other / 11), (pixel % 11).abs_diff(other % 11));
                    let weight = match dy + dx {
                        1 => 1.0 / 6.0,
                        2 if dy == 1 => 1.0 / 12.0,
                        _ => continue,
                    };
                    sum += weight * near;
                    weights += weight;
                }
                prop_assert!((found[pixel] - sum / weights).abs() < 1.0);
                prop_assert!((-1.0..=256.0).contains(&found[pixel]));
            }
        }
    }
}
