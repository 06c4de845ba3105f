//! Small square planes of numbers: shrunk, blurred, correlated.

/// The share of each source pixel in each of `to` equal parts of an axis of `from` pixels, as the first
/// pixel and the shares from there on; they sum to 1. An axis of fewer pixels is interpolated.
fn shares(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let step = from as f32 / to as f32;
    let part = |index: usize| {
        if step < 1.0 {
            let centre = ((index as f32 + 0.5) * step - 0.5).clamp(0.0, (from - 1) as f32);
            let low = (centre.floor() as usize).min(from.saturating_sub(2));
            let share = centre - low as f32;
            return (low, if from < 2 { vec![1.0] } else { vec![1.0 - share, share] });
        }
        let (start, end) = (index as f32 * step, (index as f32 + 1.0) * step);
        let first = start.floor() as usize;
        let last = (end.ceil() as usize).min(from).max(first + 1);
        let covered = |pixel: usize| {
            let (low, high) = (start.max(pixel as f32), end.min(pixel as f32 + 1.0));
            (high - low).max(0.0) / step
        };
        (first, (first..last).map(covered).collect())
    };
    (0..to).map(part).collect()
}

/// The means of `side` x `side` equal parts of an image of (height, width) `size`.
pub fn shrunk<T: Copy>(pixels: &[T], size: [usize; 2], side: usize) -> Vec<f32>
where
    f32: From<T>,
{
    let [height, width] = size;
    if height == 0 || width == 0 {
        return vec![0.0; side * side];
    }
    let (rows, columns) = (shares(height, side), shares(width, side));
    let mut means = Vec::with_capacity(side * side);
    let mut row = vec![0.0f32; width];
    for (top, down) in &rows {
        row.fill(0.0);
        for (share, line) in down.iter().zip(pixels[top * width..].chunks_exact(width)) {
            row.iter_mut().zip(line).for_each(|(sum, &value)| *sum += share * f32::from(value));
        }
        means.extend(columns.iter().map(|(left, across)| -> f32 {
            across.iter().zip(&row[*left..]).map(|(share, value)| share * value).sum()
        }));
    }
    means
}

/// The means of squares of `factor` x `factor` numbers of a plane of `side` x `side`.
pub fn coarser(plane: &[f32], side: usize, factor: usize) -> Vec<f32> {
    let small = side / factor;
    let mut means = vec![0.0f32; small * small];
    for (y, line) in plane.chunks_exact(side).enumerate().take(small * factor) {
        for (x, value) in line.iter().enumerate().take(small * factor) {
            means[y / factor * small + x / factor] += value;
        }
    }
    let count = (factor * factor) as f32;
    means.iter_mut().for_each(|mean| *mean /= count);
    means
}

/// A plane of `side` x `side` less its blur by a Gaussian of deviation `sigma`: its detail.
pub fn detail(plane: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    plane.iter().zip(blurred(plane, side, sigma)).map(|(value, blur)| value - blur).collect()
}

/// A plane of `side` x `side` blurred by a Gaussian of deviation `sigma`, its edges repeated.
pub fn blurred(plane: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> =
        (-reach..=reach).map(|at| (-0.5 * (at as f32 / sigma).powi(2)).exp()).collect();
    let total: f32 = weights.iter().sum();
    let last = side as isize - 1;
    let blur = |values: &[f32], step: usize, start: usize, at: usize| -> f32 {
        let taps = weights.iter().zip(-reach..=reach);
        let sum: f32 = taps
            .map(|(weight, offset)| {
                let place = (at as isize + offset).clamp(0, last) as usize;
                weight * values[start + place * step]
            })
            .sum();
        sum / total
    };
    let rows: Vec<f32> =
        (0..side * side).map(|i| blur(plane, 1, i / side * side, i % side)).collect();
    (0..side * side).map(|i| blur(&rows, side, i % side, i / side)).collect()
}

/// Pearson's correlation of pairs; 0 where either side has one value everywhere.
pub fn correlation(pairs: impl Iterator<Item = (f32, f32)> + Clone) -> f32 {
    let count = pairs.clone().count().max(1) as f32;
    let (a, b) = pairs.clone().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_a, mean_b) = (a / count, b / count);
    let (mut ab, mut aa, mut bb) = (0.0f32, 0.0f32, 0.0f32);
    for (x, y) in pairs {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    if aa <= 0.0 || bb <= 0.0 { 0.0 } else { ab / (aa * bb).sqrt() }
}
