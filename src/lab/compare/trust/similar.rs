//! Two maps of one picture, and how alike they are.
//!
//! A map is compared at the size of the network's input, to which it is resized (bilinear), in two ways. *Absolute*: the
//! map as its method defines it, with its ReLU where it has one, without its sign, divided by its maximum: from 0 to
//! 1. *Signed*: the map before any ReLU, divided by its largest absolute value: from -1 to 1.

use serde::{Deserialize, Serialize};

use super::attribution::Attribution;
use crate::engine::ops::resized;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::lab::metrics::gini::gini;
use crate::lab::metrics::rank::Ranks;
use crate::lab::metrics::ssim::{WINDOW, Windowed};

/// How alike two maps are, or the mean of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Similarity {
    /// SSIM of absolute maps.
    pub ssim: f64,
    /// Spearman's rank correlation of their pixels.
    pub rank: f64,
    /// SSIM of signed maps.
    pub ssim_signed: f64,
    /// Spearman's rank correlation of their pixels.
    pub rank_signed: f64,
}

impl Similarity {
    /// Of `one` and `other`. A map that is even everywhere orders nothing: its rank correlation is 0.
    pub fn of(one: &Shown, other: &Shown) -> Self {
        let ([ssim, ssim_signed], [rank, rank_signed]) = (
            [one.absolute.ssim(&other.absolute, 1.0), one.signed.ssim(&other.signed, 2.0)],
            [one.absolute.rank(&other.absolute), one.signed.rank(&other.signed)],
        );
        Similarity { ssim, rank, ssim_signed, rank_signed }
    }

    /// The mean; none of none.
    pub fn mean<'a>(all: impl IntoIterator<Item = &'a Similarity>) -> Option<Self> {
        let (mut sum, mut count) = (Similarity::default(), 0.0);
        for one in all {
            sum.ssim += one.ssim;
            sum.rank += one.rank;
            sum.ssim_signed += one.ssim_signed;
            sum.rank_signed += one.rank_signed;
            count += 1.0;
        }
        (count > 0.0).then(|| Similarity {
            ssim: sum.ssim / count,
            rank: sum.rank / count,
            ssim_signed: sum.ssim_signed / count,
            rank_signed: sum.rank_signed / count,
        })
    }
}

/// A map ready to be compared.
#[derive(Clone, Debug)]
pub struct Shown {
    absolute: Way,
    signed: Way,
    /// Whether the map is 0 everywhere.
    pub empty: bool,
    /// The Gini index of the absolute map; none where that is empty.
    pub gini: Option<f64>,
    /// The signed map as it came, at its own size.
    raw: Tensor,
}

#[derive(Clone, Debug)]
struct Way {
    window: Windowed,
    ranks: Ranks,
}

impl Shown {
    /// A map at (height, width) `size`.
    ///
    /// # Errors
    /// [`Error::Usage`] for a size that SSIM's window does not fit into.
    pub fn new(attribution: &Attribution, size: [usize; 2]) -> Result<Self> {
        let absolute: Vec<f32> =
            at_size(&attribution.map, size).into_iter().map(f32::abs).collect();
        let gini = gini(&absolute);
        Ok(Shown {
            empty: absolute.iter().all(|&value| value == 0.0),
            gini,
            absolute: Way::new(absolute, size)?,
            signed: Way::new(at_size(&attribution.signed, size), size)?,
            raw: attribution.signed.clone(),
        })
    }

    /// The signed map as it came, at its own size.
    pub fn raw(&self) -> &Tensor {
        &self.raw
    }

    /// How far the signed map `other` is from this one, by the Euclidean norm of signed maps, as a share of this map's own norm; none
    /// where that is 0.
    pub fn change(&self, other: &Tensor) -> Option<f64> {
        let squares = |value: f64| value * value;
        let pairs = self.raw.data().iter().zip(other.data());
        let apart: f64 = pairs.map(|(a, b)| squares(f64::from(*a) - f64::from(*b))).sum();
        let own: f64 = self.raw.data().iter().map(|a| squares(f64::from(*a))).sum();
        (own > 0.0).then(|| (apart / own).sqrt())
    }
}

impl Way {
    fn new(mut map: Vec<f32>, size: [usize; 2]) -> Result<Self> {
        let most = map.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        if most > 0.0 {
            map.iter_mut().for_each(|value| *value /= most);
        }
        let window = Windowed::new(&map, size).ok_or_else(|| {
            let [height, width] = size;
            Error::usage(
                format!(
                    "maps of {height}x{width} cannot be compared by windows of {WINDOW} pixels"
                ),
                format!("train with --size {WINDOW} or more, or leave --trust away"),
            )
        })?;
        Ok(Way { window, ranks: Ranks::new(map.into_iter().map(f64::from)) })
    }

    fn ssim(&self, other: &Way, range: f64) -> f64 {
        self.window.similarity(&other.window, range).unwrap_or_default()
    }

    fn rank(&self, other: &Way) -> f64 {
        self.ranks.correlation(&other.ranks).unwrap_or_default()
    }
}

/// The map (h, w) at `size`, bilinear.
fn at_size(map: &Tensor, size: [usize; 2]) -> Vec<f32> {
    let from = [0, 1].map(|axis| map.dims().get(axis).copied().unwrap_or(1));
    if from == size {
        return map.data().to_vec();
    }
    let numbers: Vec<f64> = map.data().iter().map(|&value| f64::from(value)).collect();
    let pixels = (0..size[0]).flat_map(|y| (0..size[1]).map(move |x| [y, x]));
    pixels.map(|at| resized(&numbers, from, size, at) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(of: impl Fn(usize) -> f32) -> Shown {
        let signed = Tensor::from_fn([6, 6], of);
        let map = Tensor::from_fn([6, 6], |at| signed.data()[at].max(0.0));
        Shown::new(&Attribution { map, signed }, [12, 12]).unwrap()
    }

    #[test]
    fn scale_does_not_count_and_the_sign_does_where_it_is_looked_at() {
        let one = shown(|at| ((at * 7) % 13) as f32 - 4.0);
        let larger = shown(|at| 5.0 * (((at * 7) % 13) as f32 - 4.0));
        let found = Similarity::of(&one, &larger);
        for value in [found.ssim, found.rank, found.ssim_signed, found.rank_signed] {
            assert!((value - 1.0).abs() < 1e-6, "{found:?}");
        }
        assert!((one.change(larger.raw()).unwrap() - 4.0).abs() < 1e-6);
        let turned = Similarity::of(&one, &shown(|at| 4.0 - ((at * 7) % 13) as f32));
        assert!((turned.rank_signed + 1.0).abs() < 1e-9, "{turned:?}");
    }

    #[test]
    fn a_map_of_nothing_is_like_no_map() {
        let (one, nothing) = (shown(|at| at as f32), shown(|_| -1.0));
        assert!(nothing.empty && nothing.gini.is_none() && !one.empty);
        let found = Similarity::of(&one, &nothing);
        assert_eq!((found.rank, found.rank_signed), (0.0, 0.0));
        assert!(found.ssim < 0.1, "{found:?}");
        assert_eq!(shown(|_| 0.0).change(one.raw()), None);
        assert_eq!(Similarity::mean(&[]), None);
    }
}
