//! Numbers of a plane of pixels: blurred, averaged.

/// A Gaussian blur of a plane of (height, width); beyond the edge stands the edge.
pub fn blur(image: &[f32], [height, width]: [usize; 2], deviation: f32) -> Vec<f32> {
    let reach = (3.0 * deviation).ceil() as isize;
    let taps: Vec<f32> =
        (-reach..=reach).map(|d| (-0.5 * (d as f32 / deviation).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    let along = |from: &[f32], step: usize, length: usize| -> Vec<f32> {
        let one = |at: usize| {
            let position = at / step % length;
            let line = at - position * step;
            let tap = |(tap, weight): (usize, &f32)| {
                let to = position as isize + tap as isize - reach;
                weight * from[line + to.clamp(0, length as isize - 1) as usize * step]
            };
            taps.iter().enumerate().map(tap).sum::<f32>() / sum
        };
        (0..from.len()).map(one).collect()
    };
    along(&along(image, 1, width), width, height)
}

/// The mean; 0 of nothing.
pub fn mean(numbers: &[f32]) -> f32 {
    numbers.iter().sum::<f32>() / numbers.len().max(1) as f32
}

/// The standard deviation; 0 of nothing.
pub fn deviation(numbers: &[f32]) -> f32 {
    let centre = mean(numbers);
    let squares: Vec<f32> = numbers.iter().map(|n| (n - centre).powi(2)).collect();
    mean(&squares).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_what_is_flat_and_the_sum_of_a_spot() {
        let size = [40, 60];
        assert!(blur(&[5.0; 2400], size, 1.5).iter().all(|value| (value - 5.0).abs() < 1e-4));
        let mut spot = vec![0.0; 2400];
        spot[20 * 60 + 30] = 100.0;
        let blurred = blur(&spot, size, 1.5);
        assert!((blurred.iter().sum::<f32>() - 100.0).abs() < 1e-2);
        // The peak of a Gaussian of this deviation in two dimensions.
        let peak = 100.0 / (2.0 * std::f32::consts::PI * 2.25);
        assert!((blurred[20 * 60 + 30] / peak - 1.0).abs() < 0.02, "{}", blurred[20 * 60 + 30]);
    }

    #[test]
    fn a_mean_and_a_deviation_are_theirs() {
        assert_eq!((mean(&[1.0, 3.0]), deviation(&[1.0, 3.0])), (2.0, 1.0));
        assert_eq!((mean(&[]), deviation(&[])), (0.0, 0.0));
    }
}
