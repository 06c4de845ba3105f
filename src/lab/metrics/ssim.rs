//! The structural similarity of two maps (Wang, Bovik, Sheikh and Simoncelli 2004, equation 13).
//!
//! ```text
//! ssim(a, b) = (2 ma mb + c1) (2 cab + c2) / ((ma^2 + mb^2 + c1) (caa + cbb + c2))
//! c1 = (0.01 L)^2, c2 = (0.03 L)^2
//! ```
//! with means, variances and covariance under a Gaussian window of 11 x 11 pixels and deviation 1.5, whose weights
//! sum to 1, and L the range that the numbers have by their kind. The mean is over all places where the window lies
//! inside the map whole.

/// Side of the window.
pub const WINDOW: usize = 11;
const DEVIATION: f64 = 1.5;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// A map with what it is compared by.
#[derive(Clone, Debug)]
pub struct Windowed {
    size: [usize; 2],
    pixels: Vec<f64>,
    /// The mean under each window.
    mean: Vec<f64>,
    /// The mean of the squares under each window.
    square: Vec<f64>,
}

impl Windowed {
    /// A map of (height, width) `size`, row by row; none where a side is shorter than the window, or the size is
    /// another than that of `pixels`.
    pub fn new(pixels: &[f32], size: [usize; 2]) -> Option<Self> {
        let fits = size.iter().all(|&side| side >= WINDOW);
        if !fits || size[0].checked_mul(size[1]) != Some(pixels.len()) {
            return None;
        }
        let pixels: Vec<f64> = pixels.iter().map(|&value| f64::from(value)).collect();
        let squares: Vec<f64> = pixels.iter().map(|value| value * value).collect();
        let (mean, square) = (windowed(&pixels, size), windowed(&squares, size));
        Some(Windowed { size, pixels, mean, square })
    }

    /// How alike the two are, from -1 to 1, where numbers have a `range` of values by their kind: 1 from 0 to 1,
    /// 2 from -1 to 1. None where they differ in size.
    pub fn similarity(&self, other: &Self, range: f64) -> Option<f64> {
        if self.size != other.size {
            return None;
        }
        let products: Vec<f64> =
            self.pixels.iter().zip(&other.pixels).map(|(a, b)| a * b).collect();
        let product = windowed(&products, self.size);
        let (c1, c2) = ((K1 * range).powi(2), (K2 * range).powi(2));
        let sum: f64 = (0..product.len())
            .map(|at| {
                let (a, b) = (self.mean[at], other.mean[at]);
                let covariance = product[at] - a * b;
                let variances = self.square[at] - a * a + other.square[at] - b * b;
                let alike = (2.0 * a * b + c1) * (2.0 * covariance + c2);
                alike / ((a * a + b * b + c1) * (variances + c2))
            })
            .sum();
        Some(sum / product.len() as f64)
    }
}

/// The weighted mean under each window that lies inside.
fn windowed(values: &[f64], [height, width]: [usize; 2]) -> Vec<f64> {
    let weights = weights();
    let inner = width - WINDOW + 1;
    let mut across = Vec::with_capacity(height * inner);
    for row in values.chunks(width) {
        across.extend(row.windows(WINDOW).map(|part| {
            part.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>()
        }));
    }
    let mut all = vec![0.0; (height - WINDOW + 1) * inner];
    for (y, row) in all.chunks_mut(inner).enumerate() {
        for (below, weight) in weights.iter().enumerate() {
            let from = &across[(y + below) * inner..][..inner];
            row.iter_mut().zip(from).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    all
}

fn weights() -> [f64; WINDOW] {
    let middle = (WINDOW / 2) as f64;
    let weight = |at: usize| (-0.5 * ((at as f64 - middle) / DEVIATION).powi(2)).exp();
    let all: [f64; WINDOW] = std::array::from_fn(weight);
    let sum: f64 = all.iter().sum();
    all.map(|weight| weight / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(of: impl Fn(usize) -> f32) -> Windowed {
        let pixels: Vec<f32> = (0..14 * 12).map(of).collect();
        Windowed::new(&pixels, [14, 12]).unwrap()
    }

    #[test]
    fn a_map_is_like_itself_and_unlike_its_negative() {
        let one = map(|at| ((at * 37) % 11) as f32 / 10.0);
        let turned = map(|at| 1.0 - ((at * 37) % 11) as f32 / 10.0);
        assert!((one.similarity(&one, 1.0).unwrap() - 1.0).abs() < 1e-12);
        assert!(one.similarity(&turned, 1.0).unwrap() < 0.0);
        // Two even maps differ in their means alone: (2 a b + c1) / (a^2 + b^2 + c1).
        let (dark, bright) = (map(|_| 0.2), map(|_| 0.8));
        let expected = (2.0 * 0.16 + 1e-4) / (0.04 + 0.64 + 1e-4);
        assert!((dark.similarity(&bright, 1.0).unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn what_is_smaller_than_the_window_or_of_another_size_has_none() {
        assert!(Windowed::new(&[0.0; 110], [10, 11]).is_none());
        assert!(Windowed::new(&[0.0; 120], [11, 11]).is_none());
        let small = Windowed::new(&[0.0; 121], [11, 11]).unwrap();
        assert_eq!(small.similarity(&map(|_| 0.0), 1.0), None);
    }
}
