//! Which pictures are near enough to be looked at closely.
//!
//! A thumbnail is shrunk to 8 x 8 and correlated with windows of all others: the whole, what is left when
//! a margin goes on all sides, on one, or on two that meet, each as it is and mirrored. That is 24
//! correlations of 64 numbers a pair, most of which a bound makes needless. What a picture is cropped from
//! correlates above 0.9; so do many others, of which the nearest [`MOST`] of each picture are kept.

use super::fingerprint::SIDE;
use super::plane;
use crate::parallel;

/// Rows and columns of what is correlated.
const COARSE: usize = 8;
const NUMBERS: usize = COARSE * COARSE;

/// Candidates of one picture, at most.
pub const MOST: usize = 40;

/// Correlations below this are of no interest.
const LEAST: f32 = 0.75;

/// A correlation of 1 in whole numbers: 64 products of numbers up to this fit 32 bits.
const ONE: f32 = 4096.0;

/// How a picture lies beside another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// As it is.
    None,
    /// Left and right exchanged.
    Mirrored,
    /// Top and bottom exchanged.
    UpsideDown,
    /// Both: turned by 180 degrees.
    Around,
}

impl Turn {
    /// All of them.
    pub const ALL: [Turn; 4] = [Turn::None, Turn::Mirrored, Turn::UpsideDown, Turn::Around];

    /// A square plane of `side` x `side`, turned.
    pub fn of<T: Copy>(self, plane: &[T], side: usize) -> Vec<T> {
        let (across, down) = match self {
            Turn::None => (false, false),
            Turn::Mirrored => (true, false),
            Turn::UpsideDown => (false, true),
            Turn::Around => (true, true),
        };
        let at = |place: usize, turned: bool| if turned { side - 1 - place } else { place };
        (0..side * side).map(|i| plane[at(i / side, down) * side + at(i % side, across)]).collect()
    }
}

/// Two pictures to be looked at, by their index, the smaller first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// The one.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How the second is to be turned.
    pub turn: Turn,
}

/// Margins that windows leave out, in pixels of a thumbnail: left, right, top, bottom.
const WINDOWS: [[usize; 4]; 11] = [
    [0, 0, 0, 0],
    [6, 6, 6, 6],
    [10, 10, 10, 10],
    [10, 0, 0, 0],
    [0, 10, 0, 0],
    [0, 0, 10, 0],
    [0, 0, 0, 10],
    [10, 0, 10, 0],
    [0, 10, 10, 0],
    [10, 0, 0, 10],
    [0, 10, 0, 10],
];

/// A window as a unit vector in whole numbers.
#[derive(Clone, Debug)]
struct Coarse {
    /// Of length [`ONE`].
    all: [i16; NUMBERS],
    /// Its part in the space of blocks of 2 x 2, in which most of the length lies.
    blocks: [i16; NUMBERS / 4],
    /// The length of the rest.
    rest: f32,
}

impl Coarse {
    /// What is inside `margins` of a thumbnail, at 8 x 8 and mean 0.
    fn of(thumbnail: &[u16], margins: [usize; 4]) -> Self {
        let [left, right, top, bottom] = margins;
        let width = SIDE - left - right;
        let rows = thumbnail.chunks_exact(SIDE).skip(top).take(SIDE - top - bottom);
        let inside: Vec<u16> = rows.flat_map(|row| &row[left..left + width]).copied().collect();
        let small = plane::shrunk(&inside, [SIDE - top - bottom, width], COARSE);
        let mean = small.iter().sum::<f32>() / NUMBERS as f32;
        let length = small.iter().map(|value| (value - mean).powi(2)).sum::<f32>().sqrt();
        let scale = if length > 0.0 { ONE / length } else { 0.0 };
        let unit: [f32; NUMBERS] = std::array::from_fn(|index| (small[index] - mean) * scale);
        // Half the sum of four equal numbers has the length of the four.
        let blocks: [f32; NUMBERS / 4] = std::array::from_fn(|block| {
            let corner = block / 4 * 2 * COARSE + block % 4 * 2;
            (unit[corner] + unit[corner + 1] + unit[corner + COARSE] + unit[corner + COARSE + 1])
                / 2.0
        });
        let square = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>();
        Coarse {
            all: unit.map(|value| value.round() as i16),
            blocks: blocks.map(|value| value.round() as i16),
            rest: (square(&unit) - square(&blocks)).max(0.0).sqrt(),
        }
    }

    /// The product with another window where it may be above `least`; else something below.
    fn product(&self, other: &Coarse, least: i32) -> i32 {
        // By Cauchy and Schwarz the rests add no more than the product of their lengths.
        let blocks = dot(&self.blocks, &other.blocks);
        let most = blocks as f32 + self.rest * other.rest + ROUNDING;
        if most <= least as f32 { i32::MIN } else { dot(&self.all, &other.all) }
    }
}

/// More than rounding to whole numbers takes from a product: 0.002 of [`ONE`] squared.
const ROUNDING: f32 = 0.002 * ONE * ONE;

/// The candidates among `thumbnails`, each once, in order.
pub fn find(thumbnails: &[&[u16]]) -> Vec<Candidate> {
    let whole = parallel::map(thumbnails, |one| Coarse::of(one, WINDOWS[0]));
    let numbers: Vec<usize> = (0..thumbnails.len()).collect();
    let nearest = parallel::map(&numbers, |&index| nearest(index, thumbnails[index], &whole));
    let mut found: Vec<Candidate> = nearest.into_iter().flatten().collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The nearest of `whole` to the windows of one thumbnail.
fn nearest(index: usize, thumbnail: &[u16], whole: &[Coarse]) -> Vec<Candidate> {
    let mut probes: Vec<(Turn, Coarse)> = Vec::new();
    for turn in Turn::ALL {
        let turned = turn.of(thumbnail, SIDE);
        // What was mirrored upside down is rare in medical images; the whole of it will do.
        let windows = match turn {
            Turn::None | Turn::Mirrored => &WINDOWS[..],
            Turn::UpsideDown | Turn::Around => &WINDOWS[..1],
        };
        probes.extend(windows.iter().map(|&margins| (turn, Coarse::of(&turned, margins))));
    }
    // Of equal ones those that come first, so that the result does not depend on the sorting.
    let order = |near: &(i32, usize, Turn)| (std::cmp::Reverse(near.0), near.1);
    let mut least = (LEAST * ONE * ONE) as i32;
    let mut near: Vec<(i32, usize, Turn)> = Vec::new();
    // A picture that is symmetric is no duplicate of itself.
    for (other, coarse) in whole.iter().enumerate().filter(|(other, _)| *other != index) {
        let mut best: Option<(i32, Turn)> = None;
        for (turn, probe) in &probes {
            let product = probe.product(coarse, best.map_or(least, |(product, _)| product));
            if product > best.map_or(least, |(product, _)| product) {
                best = Some((product, *turn));
            }
        }
        near.extend(best.map(|(product, turn)| (product, other, turn)));
        if near.len() >= 4 * MOST {
            near.select_nth_unstable_by_key(MOST - 1, order);
            near.truncate(MOST);
            // Those that follow must be nearer than all of these to be among the nearest.
            least = near.iter().map(|(product, ..)| *product).min().unwrap_or(least);
        }
    }
    if near.len() > MOST {
        near.select_nth_unstable_by_key(MOST - 1, order);
        near.truncate(MOST);
    }
    // Turning is its own inverse, so it does not matter which of the two is turned.
    near.into_iter()
        .map(|(_, other, turn)| Candidate {
            first: index.min(other),
            second: index.max(other),
            turn,
        })
        .collect()
}

fn dot<const N: usize>(a: &[i16; N], b: &[i16; N]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
