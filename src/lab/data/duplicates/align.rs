//! Moves and scales one thumbnail until it fits another: Lucas and Kanade (1981) with four parameters, by
//! Gauss-Newton steps from coarse to fine, the brightness of both free.
//!
//! A place (u, v) of the first, with -1/2 <= u, v <= 1/2 from its centre, lies at ((1 + a) u + c, (1 + b) v
//! + d) of the second. Crops of up to a fifth of each side are found from (0, 0, 0, 0).

use std::ops::Range;

use super::candidates::Turn;
use super::fingerprint::SIDE;
use super::plane;

/// A level of the search.
struct Level {
    /// Rows and columns.
    side: usize,
    /// Steps, at most.
    steps: usize,
    /// The least correlation to go on to the next level.
    least: f32,
    /// The same of the detail; what has another outline in common, as breasts have, passes here.
    least_detail: f32,
    /// A step by less than this is the last.
    small: f32,
}

/// Most candidates are no duplicates, and are given up on the first level.
const LEVELS: [Level; 3] = [
    Level { side: 16, steps: 12, least: 0.82, least_detail: 0.45, small: 2e-3 },
    Level { side: 32, steps: 6, least: 0.85, least_detail: 0.5, small: 1e-3 },
    Level { side: 48, steps: 5, least: 0.87, least_detail: 0.5, small: 3e-4 },
];

/// A look at how far a search has come.
#[derive(Clone, Copy)]
struct Glance {
    /// This many steps.
    after: usize,
    /// What correlates by less is given up.
    least: f32,
    /// The same of the detail.
    least_detail: f32,
}

/// On the first level.
const GLANCE: Glance = Glance { after: 5, least: 0.7, least_detail: 0.3 };

/// The blur that is taken off for detail, in pixels of a level.
const DETAIL: f32 = 1.0;

/// How far scales and shifts may go.
const MOST_SCALE: [f32; 2] = [-0.4, 0.5];
const MOST_SHIFT: [f32; 2] = [-0.25, 0.25];
/// How far one step may go.
const MOST_STEP: f32 = 0.06;

/// The least share of the first that both show.
const OVERLAP: f32 = 0.5;

/// Two thumbnails, the second laid over the first.
#[derive(Clone, Debug)]
pub struct Aligned {
    /// [`SIDE`] x [`SIDE`], 0 to 255.
    pub first: Vec<f32>,
    /// The second where the first is.
    pub second: Vec<f32>,
    /// The rows and the columns of the first where the second has something.
    pub inside: [Range<usize>; 2],
    /// Of both, inside.
    pub correlation: f32,
}

/// A thumbnail, made ready for many alignments.
#[derive(Clone, Debug)]
pub struct Ready<'a> {
    thumbnail: &'a [u16],
    /// At the first level's size, since most alignments end there.
    small: Vec<f32>,
}

impl<'a> Ready<'a> {
    /// That of a thumbnail.
    pub fn of(thumbnail: &'a [u16]) -> Self {
        let small = plane::coarser(&levels(thumbnail), SIDE, SIDE / LEVELS[0].side);
        Ready { thumbnail, small }
    }
}

/// 0 to 255.
fn levels(thumbnail: &[u16]) -> Vec<f32> {
    thumbnail.iter().map(|&level| f32::from(level) / 257.0).collect()
}

/// Lays `second`, turned, over `first`; none where the two do not come to fit.
pub fn align(first: &Ready, second: &Ready, turn: Turn) -> Option<Aligned> {
    let mut at = [0.0f32; 4];
    let turned = turn.of(&second.small, LEVELS[0].side);
    LEVELS[0].search(&first.small, &turned, &mut at, Some(GLANCE))?;
    let (first, second) = (levels(first.thumbnail), levels(&turn.of(second.thumbnail, SIDE)));
    for level in &LEVELS[1..] {
        let small = |plane: &[f32]| plane::coarser(plane, SIDE, SIDE / level.side);
        level.search(&small(&first), &small(&second), &mut at, None)?;
    }
    let look = Look::at(&second, SIDE, &at);
    let correlation = look.correlation(&first);
    (look.share() >= OVERLAP).then_some(Aligned {
        correlation,
        inside: [look.rows, look.columns],
        first,
        second: look.values,
    })
}

impl Level {
    /// Moves `at` to where `second` fits `first` best; none where that is not good enough. After some steps a
    /// `glance` may end it early.
    fn search(
        &self,
        first: &[f32],
        second: &[f32],
        at: &mut [f32; 4],
        glance: Option<Glance>,
    ) -> Option<()> {
        for number in 0..self.steps {
            let look = Look::at(second, self.side, at);
            let (step, correlation) = look.step(first)?;
            if let Some(glance) = glance.filter(|glance| glance.after == number)
                && (correlation < glance.least || look.detail(first) < glance.least_detail)
            {
                return None;
            }
            for (index, (value, step)) in at.iter_mut().zip(step).enumerate() {
                let [low, high] = if index < 2 { MOST_SCALE } else { MOST_SHIFT };
                *value = (*value + step.clamp(-MOST_STEP, MOST_STEP)).clamp(low, high);
            }
            if step.iter().all(|step| step.abs() < self.small) {
                break;
            }
        }
        let look = Look::at(second, self.side, at);
        let fits = look.correlation(first) >= self.least && look.detail(first) >= self.least_detail;
        fits.then_some(())
    }
}

/// The second plane as it lies under the first.
struct Look {
    values: Vec<f32>,
    side: usize,
    /// Where it has something.
    rows: Range<usize>,
    columns: Range<usize>,
    /// Its scales across and down.
    scales: [f32; 2],
}

/// What is summed over pixels: products of what is fitted.
#[derive(Default)]
struct Sums {
    first: f32,
    second: f32,
    first_first: f32,
    first_second: f32,
    second_second: f32,
}

impl Sums {
    fn add(&mut self, first: f32, second: f32) {
        self.first += first;
        self.second += second;
        self.first_first += first * first;
        self.first_second += first * second;
        self.second_second += second * second;
    }

    fn correlation(&self, count: f32) -> f32 {
        let first = self.first_first - self.first * self.first / count;
        let second = self.second_second - self.second * self.second / count;
        if first <= 0.0 || second <= 0.0 {
            return 0.0;
        }
        (self.first_second - self.first * self.second / count) / (first * second).sqrt()
    }
}

impl Look {
    /// `plane` where the first's pixels lie in it, bilinearly.
    fn at(plane: &[f32], side: usize, at: &[f32; 4]) -> Self {
        let (number, last) = (side as f32, (side - 1) as f32);
        let place = |index: usize, scale: f32, shift: f32| {
            let centre = (index as f32 + 0.5) / number - 0.5;
            (centre * (1.0 + scale) + shift + 0.5) * number - 0.5
        };
        let axis = |scale: f32, shift: f32| {
            let taps: Vec<(usize, f32)> = (0..side)
                .map(|index| {
                    let place = place(index, scale, shift).clamp(0.0, last);
                    let low = place.floor().min(last - 1.0);
                    (low as usize, place - low)
                })
                .collect();
            let inside = |index: &usize| {
                let place = place(*index, scale, shift);
                place >= -0.5 && place <= last + 0.5
            };
            // Places ascend, so that those inside follow each other.
            let start = (0..side).find(inside).unwrap_or(side);
            let end = (start..side).find(|index| !inside(index)).unwrap_or(side);
            (taps, start..end)
        };
        let ((across, columns), (down, rows)) = (axis(at[0], at[2]), axis(at[1], at[3]));
        let mut values = Vec::with_capacity(side * side);
        for &(top, share_down) in &down {
            let (upper, lower) = (&plane[top * side..], &plane[(top + 1) * side..]);
            values.extend(across.iter().map(|&(left, share)| {
                let above = upper[left] + (upper[left + 1] - upper[left]) * share;
                let below = lower[left] + (lower[left + 1] - lower[left]) * share;
                above + (below - above) * share_down
            }));
        }
        Look { values, side, rows, columns, scales: [1.0 + at[0], 1.0 + at[1]] }
    }

    fn count(&self) -> f32 {
        (self.rows.len() * self.columns.len()) as f32
    }

    /// The share of the first that it covers.
    fn share(&self) -> f32 {
        self.count() / (self.side * self.side) as f32
    }

    fn correlation(&self, first: &[f32]) -> f32 {
        let mut sums = Sums::default();
        for y in self.rows.clone() {
            let row = y * self.side + self.columns.start..y * self.side + self.columns.end;
            let pairs = first[row.clone()].iter().zip(&self.values[row]);
            pairs.for_each(|(&first, &second)| sums.add(first, second));
        }
        sums.correlation(self.count())
    }

    /// The correlation of what is left without the blur.
    fn detail(&self, first: &[f32]) -> f32 {
        let values = plane::detail(&self.values, self.side, DETAIL);
        let look = Look { values, rows: self.rows.clone(), columns: self.columns.clone(), ..*self };
        look.correlation(&plane::detail(first, self.side, DETAIL))
    }

    /// The Gauss-Newton step from here, and the correlation here; none where too little is covered or the
    /// step has no solution.
    fn step(&self, first: &[f32]) -> Option<([f32; 4], f32)> {
        let (side, number, count) = (self.side, self.side as f32, self.count());
        if self.share() < 0.8 * OVERLAP {
            return None;
        }
        let mut sums = Sums::default();
        let mut slope = [0.0f32; 4];
        let mut slope_first = [0.0f32; 4];
        let mut slope_second = [0.0f32; 4];
        let mut slope_slope = [[0.0f32; 4]; 4];
        for y in self.rows.clone() {
            let v = (y as f32 + 0.5) / number - 0.5;
            let (above, below) = (y.saturating_sub(1), (y + 1).min(side - 1));
            let down = number / ((below - above) as f32 * self.scales[1]);
            for x in self.columns.clone() {
                let u = (x as f32 + 0.5) / number - 0.5;
                let (left, right) = (x.saturating_sub(1), (x + 1).min(side - 1));
                let across = number / ((right - left) as f32 * self.scales[0]);
                let value = |x: usize, y: usize| self.values[y * side + x];
                let (a, b) = (first[y * side + x], value(x, y));
                let along = (value(right, y) - value(left, y)) * across;
                let along_down = (value(x, below) - value(x, above)) * down;
                let slopes = [along * u, along_down * v, along, along_down];
                sums.add(a, b);
                for j in 0..4 {
                    slope[j] += slopes[j];
                    slope_first[j] += slopes[j] * a;
                    slope_second[j] += slopes[j] * b;
                    (j..4).for_each(|k| slope_slope[j][k] += slopes[j] * slopes[k]);
                }
            }
        }
        // Both less their means: the brightness is free. So is the contrast, kept from being turned round by
        // a bad start.
        let square = sums.second_second - sums.second * sums.second / count;
        let cross = sums.first_second - sums.first * sums.second / count;
        if square <= 0.0 {
            return None;
        }
        let contrast = (cross / square).max(0.2);
        let mut normal = [[0.0f32; 4]; 4];
        let right: [f32; 4] = std::array::from_fn(|j| {
            let with_first = slope_first[j] - slope[j] * sums.first / count;
            let with_second = slope_second[j] - slope[j] * sums.second / count;
            contrast * (with_first - contrast * with_second)
        });
        for j in 0..4 {
            for k in j..4 {
                let product = slope_slope[j][k] - slope[j] * slope[k] / count;
                normal[j][k] = contrast * contrast * product;
                normal[k][j] = normal[j][k];
            }
        }
        let trace: f32 = (0..4).map(|k| normal[k][k]).sum();
        (0..4).for_each(|k| normal[k][k] += 1e-3 * trace / 4.0);
        Some((solved(normal, right)?, sums.correlation(count)))
    }
}

/// The solution of four linear equations by elimination with pivots.
fn solved(mut matrix: [[f32; 4]; 4], mut right: [f32; 4]) -> Option<[f32; 4]> {
    for column in 0..4 {
        let pivot = (column..4)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let head = matrix[column];
        if head[column].abs() < 1e-12 {
            return None;
        }
        for row in column + 1..4 {
            let factor = matrix[row][column] / head[column];
            (column..4).for_each(|k| matrix[row][k] -= factor * head[k]);
            right[row] -= factor * right[column];
        }
    }
    for column in (0..4).rev() {
        let known: f32 = (column + 1..4).map(|k| matrix[column][k] * right[k]).sum();
        right[column] = (right[column] - known) / matrix[column][column];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}
