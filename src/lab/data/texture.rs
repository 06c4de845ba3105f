//! Noise from which tissue is made: smooth at every scale, and fixed by a seed.

use crate::draw;

/// Noise on the plane, the same wherever it is asked again.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    seed: u64,
}

impl Noise {
    /// The noise of `seed`.
    pub fn new(seed: u64) -> Self {
        Noise { seed }
    }

    /// Smooth value noise in [-1, 1] that varies over lengths of about 1.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (left, top) = (x.floor(), y.floor());
        let smooth = |t: f32| t * t * t * (t * (t * 6.0 - 15.0) + 10.0);
        let (across, down) = (smooth(x - left), smooth(y - top));
        let corner = |dx: i64, dy: i64| {
            let cell = (left as i64 + dx) as u64 ^ ((top as i64 + dy) as u64).rotate_left(32);
            let bits = draw::mix(self.seed ^ draw::mix(cell));
            (bits >> 40) as f32 / (1u32 << 23) as f32 - 1.0
        };
        let upper = corner(0, 0) + (corner(1, 0) - corner(0, 0)) * across;
        let lower = corner(0, 1) + (corner(1, 1) - corner(0, 1)) * across;
        upper + (lower - upper) * down
    }

    /// Octaves of noise from wavelength 1 downwards whose power falls as `1 / f^beta`; about 1 at
    /// its largest. Mammograms have a `beta` near 3 (Burgess, Medical Physics 28, 2001).
    pub fn power_law(&self, x: f32, y: f32, octaves: u32, beta: f32) -> f32 {
        // An octave of the plane covers an area of f^2, so its variance goes as f^(2 - beta).
        let gain = 2f32.powf((2.0 - beta) / 2.0);
        let (mut sum, mut norm, mut amplitude, mut frequency) = (0.0, 0.0, 1.0, 1.0);
        for octave in 0..octaves {
            let layer = Noise { seed: draw::mix(self.seed.wrapping_add(u64::from(octave) + 1)) };
            // A turn between octaves hides the grid that they share.
            let (sine, cosine) = (0.5 + 0.7 * octave as f32).sin_cos();
            let (u, v) = (x * cosine - y * sine, x * sine + y * cosine);
            sum += amplitude * layer.at(u * frequency, v * frequency);
            norm += amplitude * amplitude;
            amplitude *= gain;
            frequency *= 2.0;
        }
        sum / f32::sqrt(norm)
    }

    /// Thin bright threads where the noise changes its sign: 1 on a thread, 0 away from it.
    pub fn threads(&self, x: f32, y: f32, octaves: u32, width: f32) -> f32 {
        let distance = self.power_law(x, y, octaves, 3.2).abs() / width;
        (1.0 - distance).max(0.0).powi(2)
    }
}

/// 0 below `low`, 1 above `high`, smooth between them.
pub fn step(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_falls_with_frequency() {
        // Differences over a short way are much smaller than over a long one, for a beta of 3.
        let noise = Noise::new(5);
        let difference = |step: f32| {
            let terms = (0..2000).map(|i| {
                let (x, y) = (i as f32 * 0.37, i as f32 * 0.11);
                (noise.power_law(x, y, 7, 3.0) - noise.power_law(x + step, y, 7, 3.0)).powi(2)
            });
            terms.sum::<f32>() / 2000.0
        };
        let (near, far) = (difference(0.05), difference(0.4));
        assert!(near * 3.0 < far, "{near} {far}");
        assert!(near > 0.0);
    }

    #[test]
    fn the_noise_is_its_seeds() {
        assert_eq!(Noise::new(1).at(3.3, -2.7), Noise::new(1).at(3.3, -2.7));
        assert_ne!(Noise::new(1).at(3.3, -2.7), Noise::new(2).at(3.3, -2.7));
    }
}
