//! From a map to grey levels, in the ways that are in use: they give different mean-Dice.
//!
//! A map is signed: the weighted sum of Grad-CAM before its ReLU, say, at the layer's own size. What speaks
//! against a class has a map of its own, `map` here all the same. `up` is bilinear resizing to the
//! ROI's size, and levels are floor(255 v + 1/2) of values v cut off at [0, 1].
//!
//! ```text
//! relu-max   v = u / max u                     u = up(max(0, map))
//! min-max    v = (u - min u) / (max u - min u)     u = up(map)
//! max        v = u / max u, 0 where negative   u = up(map)
//! ```
//! Where a divisor is not positive all levels are 0.

use serde::{Deserialize, Serialize};

use crate::engine::ops::resized;
use crate::engine::tensor::Tensor;

/// How a map becomes grey levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Negative values to 0 at the layer's size, then divided by the maximum of the resized map.
    #[serde(alias = "relu_max")]
    ReluMax,
    /// From the minimum of the resized signed map to its maximum.
    #[serde(alias = "min_max")]
    MinMax,
    /// Divided by the maximum of the resized signed map, negative values then to 0.
    Max,
}

/// Which evidence a map shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// What speaks for the class.
    For,
    /// What speaks against it.
    Against,
}

/// Both signs in all normalisations, in the order in which they are reported.
pub const WAYS: [(Sign, Normalisation); 6] = [
    (Sign::For, Normalisation::ReluMax),
    (Sign::For, Normalisation::MinMax),
    (Sign::For, Normalisation::Max),
    (Sign::Against, Normalisation::ReluMax),
    (Sign::Against, Normalisation::MinMax),
    (Sign::Against, Normalisation::Max),
];

impl Normalisation {
    /// The name on the command line, in tables and in files; files of earlier versions have `relu_max` and `min_max`.
    pub fn name(self) -> &'static str {
        match self {
            Normalisation::ReluMax => "relu-max",
            Normalisation::MinMax => "min-max",
            Normalisation::Max => "max",
        }
    }
}

impl Sign {
    /// The name on the command line, in tables and in files; files of earlier versions have `relu_max` and `min_max`.
    pub fn name(self) -> &'static str {
        match self {
            Sign::For => "for",
            Sign::Against => "against",
        }
    }
}

/// The grey levels of the signed maps (h, w) `favour`, of what speaks for the class, and `against` at
/// the size (height, width) `to`, row by row, in the order of [`WAYS`].
pub fn grey_levels(favour: &Tensor, against: &Tensor, to: [usize; 2]) -> [Vec<u8>; 6] {
    WAYS.map(|(sign, normalisation)| match sign {
        Sign::For => levels(favour, normalisation, to),
        Sign::Against => levels(against, normalisation, to),
    })
}

/// The grey levels of the signed `map` (h, w), already turned to the sign that is wanted, at the size
/// (height, width) `to`, row by row; all 0 where the map holds a number that is not finite.
pub fn levels(map: &Tensor, normalisation: Normalisation, to: [usize; 2]) -> Vec<u8> {
    if map.data().iter().any(|value| !value.is_finite()) {
        return vec![0; to[0] * to[1]];
    }
    let from = [0, 1].map(|axis| map.dims().get(axis).copied().unwrap_or(1));
    let change = |value: &f32| match normalisation {
        Normalisation::ReluMax => f64::from(*value).max(0.0),
        Normalisation::MinMax | Normalisation::Max => f64::from(*value),
    };
    let numbers: Vec<f64> = map.data().iter().map(change).collect();
    let pixels = || (0..to[0]).flat_map(|y| (0..to[1]).map(move |x| [y, x]));
    let value = |at| resized(&numbers, from, to, at);
    // In double precision an image of many megapixels takes more memory than to resize it once more.
    let kept: Option<Vec<f64>> = (to[0] * to[1] <= KEPT).then(|| pixels().map(value).collect());
    let range_of = |values: &mut dyn Iterator<Item = f64>| {
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[a, b], v| [a.min(v), b.max(v)])
    };
    let [lowest, most] = match &kept {
        Some(values) => range_of(&mut values.iter().copied()),
        None => range_of(&mut pixels().map(value)),
    };
    let least = if normalisation == Normalisation::MinMax { lowest } else { 0.0 };
    let range = most - least;
    if range.is_nan() || range <= 0.0 {
        return vec![0; to[0] * to[1]];
    }
    let level = |value: f64| (255.0 * ((value - least) / range).max(0.0) + 0.5).floor() as u8;
    match kept {
        Some(values) => values.into_iter().map(level).collect(),
        None => pixels().map(value).map(level).collect(),
    }
}

/// The highest value of the signed `map` (h, w) at the size (height, width) `to`, its negative values being 0: what
/// [`Normalisation::ReluMax`] divides by. 0 where the map holds a number that is not finite.
pub fn peak(map: &Tensor, to: [usize; 2]) -> f64 {
    let from = [0, 1].map(|axis| map.dims().get(axis).copied().unwrap_or(1));
    let numbers: Vec<f64> = map.data().iter().map(|value| f64::from(*value).max(0.0)).collect();
    if map.data().iter().any(|value| !value.is_finite()) {
        return 0.0;
    }
    let pixels = (0..to[0]).flat_map(|y| (0..to[1]).map(move |x| [y, x]));
    pixels.map(|at| resized(&numbers, from, to, at)).fold(0.0, f64::max)
}

/// The most pixels whose values are kept between the two passes over them.
const KEPT: usize = 1 << 24;

#[cfg(test)]
mod tests {
    use super::*;

    /// All ways of a map whose other sign is the same turned.
    fn all(map: &[f32], to: usize) -> [Vec<u8>; 6] {
        let tensor = |sign: f32| Tensor::from_fn([1, map.len()], |index| sign * map[index]);
        grey_levels(&tensor(1.0), &tensor(-1.0), [1, to])
    }

    #[test]
    fn each_way_is_its_formula() {
        let [relu, min_max, max, against_relu, against_min_max, against_max] =
            all(&[-1.0, 0.0, 1.0, 3.0], 4);
        assert_eq!(relu, [0, 0, 85, 255]);
        assert_eq!(min_max, [0, 64, 128, 255]);
        assert_eq!(max, relu, "without resizing it does not matter where negative values go");
        assert_eq!(against_relu, [255, 0, 0, 0]);
        assert_eq!(against_min_max, [255, 191, 128, 0]);
        assert_eq!(against_max, [255, 0, 0, 0]);
    }

    #[test]
    fn resizing_parts_relu_before_from_relu_after() {
        let [relu, min_max, max, ..] = all(&[-1.0, 1.0], 4);
        // Resized: -1, -1/2, 1/2, 1; with the ReLU first: 0, 1/4, 3/4, 1.
        assert_eq!(relu, [0, 64, 191, 255]);
        assert_eq!(max, [0, 0, 128, 255]);
        assert_eq!(min_max, [0, 64, 191, 255]);
    }

    #[test]
    fn the_peak_is_what_is_divided_by() {
        let of =
            |map: &[f32], to: usize| peak(&Tensor::from_fn([1, map.len()], |at| map[at]), [1, to]);
        assert_eq!((of(&[-1.0, 0.0, 3.0], 3), of(&[-1.0, -2.0], 4)), (3.0, 0.0));
        assert_eq!((of(&[0.0, 2.0], 4), of(&[1.0, f32::NAN], 4)), (2.0, 0.0));
        assert!(of(&[0.0, 2.0, 0.0], 2) < 2.0, "it may lie between two pixels");
    }

    #[test]
    fn what_has_no_range_is_black() {
        for map in [[0.0; 4], [f32::NAN; 4]] {
            assert!(all(&map, 4).iter().flatten().all(|&level| level == 0));
        }
        // Negative everywhere: nothing speaks for the class, all against it.
        let [relu, min_max, max, against, against_min_max, _] = all(&[-2.0; 4], 4);
        assert!(relu.iter().chain(&min_max).chain(&max).all(|&level| level == 0));
        assert!(against.iter().all(|&level| level == 255));
        assert!(against_min_max.iter().all(|&level| level == 0));
    }
}
