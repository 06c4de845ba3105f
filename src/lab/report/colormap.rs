//! The colour map of the heatmaps: dark violet-blue, blue, teal, green, yellow.
//!
//! It is in the manner of Parula, and none of its numbers are anyone else's: six points chosen in
//! OKLCh (lightness, chroma, hue), where equal steps look equal. Lightness rises in a straight
//! line from end to end, so a heatmap keeps its order when printed in grey.

use std::sync::LazyLock;

/// Lightness at 0 and at 255; straight between.
const LIGHTNESS: [f64; 2] = [0.30, 0.93];

/// Position from 0 to 1, chroma, hue in degrees. All lie inside sRGB.
const POINTS: [[f64; 3]; 6] = [
    [0.00, 0.120, 284.0], // dark violet-blue
    [0.25, 0.155, 264.0], // blue
    [0.45, 0.106, 229.0], // sea blue
    [0.65, 0.104, 182.0], // teal
    [0.82, 0.140, 140.0], // green
    [1.00, 0.170, 104.0], // yellow
];

static TABLE: LazyLock<[[u8; 3]; 256]> = LazyLock::new(|| {
    std::array::from_fn(|value| {
        srgb(value as f64 / 255.0).map(|channel| (channel.clamp(0.0, 1.0) * 255.0).round() as u8)
    })
});

/// The colour of a heatmap value, as sRGB.
pub fn colour(value: u8) -> [u8; 3] {
    TABLE[usize::from(value)]
}

/// sRGB from 0 to 1 at `position` from 0 to 1, not yet clipped.
fn srgb(position: f64) -> [f64; 3] {
    let lightness = LIGHTNESS[0] + (LIGHTNESS[1] - LIGHTNESS[0]) * position;
    let next = POINTS.iter().position(|p| p[0] >= position).unwrap_or(POINTS.len() - 1).max(1);
    let (from, to) = (POINTS[next - 1], POINTS[next]);
    let share = (position - from[0]) / (to[0] - from[0]);
    // Between points chroma and hue ease in and out, so that no point shows as a band.
    let eased = 0.5 * (share + share * share * (3.0 - 2.0 * share));
    let chroma = from[1] + (to[1] - from[1]) * eased;
    let hue = (from[2] + (to[2] - from[2]) * eased).to_radians();
    oklab_to_srgb(lightness, chroma * hue.cos(), chroma * hue.sin())
}

/// Björn Ottosson's OKLab to sRGB.
fn oklab_to_srgb(lightness: f64, a: f64, b: f64) -> [f64; 3] {
    let l = (lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
    let m = (lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
    let s = (lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
    let linear = [
        4.076_741_662_1 * l - 3.307_711_591_3 * m + 0.230_969_929_2 * s,
        -1.268_438_004_6 * l + 2.609_757_401_1 * m - 0.341_319_396_5 * s,
        -0.004_196_086_3 * l - 0.703_418_614_7 * m + 1.707_614_701_0 * s,
    ];
    linear.map(|c| if c <= 0.003_130_8 { 12.92 * c } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB, from 0 to 1 (WCAG 2).
    fn luminance(colour: [u8; 3]) -> f64 {
        let linear = colour.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    #[test]
    fn luminance_rises_from_end_to_end() {
        for value in 0..255u8 {
            let (here, next) = (luminance(colour(value)), luminance(colour(value + 1)));
            // Rounded to 8 bits, neighbours may be equal; never the next but one.
            assert!(next >= here, "{value}: {here} then {next}");
            let after = luminance(colour(value.saturating_add(2)));
            assert!(after > here, "{value}: {here} then {after}");
        }
    }

    #[test]
    fn every_colour_lies_inside_srgb() {
        for value in 0..=255u32 {
            let exact = srgb(f64::from(value) / 255.0);
            assert!(exact.iter().all(|c| (-0.002..=1.002).contains(c)), "{value}: {exact:?}");
        }
    }

    #[test]
    fn it_runs_from_violet_blue_to_yellow_without_a_jump() {
        let [r, g, b] = colour(0);
        assert!(b > r && r >= g, "{:?}", colour(0));
        let [r, g, b] = colour(255);
        assert!(r > 200 && g > 200 && b < 120, "{:?}", colour(255));
        for value in 0..255u8 {
            let (here, next) = (colour(value), colour(value + 1));
            for channel in 0..3 {
                assert!(here[channel].abs_diff(next[channel]) <= 6, "{value}: {here:?} {next:?}");
            }
        }
    }
}
