//! Quantiles of Student's t, also for degrees of freedom that are not whole.
//!
//! Between -t and t lies 1 - I(x; nu / 2, 1 / 2) with x = nu / (nu + t^2), I being the regularised
//! incomplete beta function (Abramowitz and Stegun 26.7.1; its continued fraction is 26.5.8).

/// What |t| with `freedom` degrees, at least 1, stays below with the probability `level`, in (0, 1).
pub fn quantile(level: f64, freedom: f64) -> f64 {
    // Beyond a million it is the normal distribution, and larger numbers lose digits.
    let freedom = if freedom.is_nan() { 1.0 } else { freedom.clamp(1.0, 1e6) };
    let (mut low, mut high) = (0.0, 1.0);
    while within(high, freedom) < level && high < 1e6 {
        high *= 2.0;
    }
    for _ in 0..45 {
        let middle = (low + high) / 2.0;
        match within(middle, freedom) < level {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// The probability of -t to t.
fn within(t: f64, freedom: f64) -> f64 {
    1.0 - incomplete_beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// I(x; a, b).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    // The fraction converges fast below the mean; above it, the other tail is below.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let scale = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln();
    scale.exp() / a / fraction(x, a, b)
}

/// 1 + d1 / (1 + d2 / (1 + ...)), by the ratios of its numerators and denominators (Lentz 1976) until they
/// are equal.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let term = |number: u32| {
        let m = f64::from(number / 2);
        match number % 2 {
            0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        }
    };
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for number in 1..=5000 {
        above = 1.0 + term(number) / above;
        below = 1.0 / (1.0 + term(number) * below);
        value *= above * below;
        if (above * below - 1.0f64).abs() < 1e-15 {
            break;
        }
    }
    value
}

/// The logarithm of gamma at x > 0: Stirling's series at x + 10, and the recurrence down from there.
fn ln_gamma(x: f64) -> f64 {
    let down: f64 = (0..10).map(|step| (x + f64::from(step)).ln()).sum();
    let x = x + 10.0;
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - down
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        // One degree is Cauchy's distribution, two have a closed form; the others are any table's.
        let cauchy = (std::f64::consts::FRAC_PI_2 * 0.95).tan();
        let two = 0.95 * (2.0f64 / (1.0 - 0.95 * 0.95)).sqrt();
        let table = [
            (1.0, cauchy),
            (2.0, two),
            (4.0, 2.776_445_105_197_793),
            (29.0, 2.045_229_642_132_703),
            (120.0, 1.979_930_405_052_777),
            (f64::INFINITY, 1.959_963_984_540_054),
        ];
        for (freedom, value) in table {
            let found = quantile(0.95, freedom);
            assert!((found / value - 1.0).abs() < 2e-6, "{freedom}: {found} {value}");
        }
        let between = quantile(0.95, 2.5);
        assert!(between < two && between > quantile(0.95, 3.0), "{between}");
    }
}
