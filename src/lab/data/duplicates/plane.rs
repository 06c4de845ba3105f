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
    let mut means = Vec::with_capacity((side / factor).pow(2));
    let mut sums = vec![0.0f32; side];
    for rows in plane.chunks_exact(side * factor) {
        sums.fill(0.0);
        for row in rows.chunks_exact(side) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let count = (factor * factor) as f32;
        means.extend(sums.chunks_exact(factor).map(|sums| sums.iter().sum::<f32>() / count));
    }
    means
}

/// A plane of `side` x `side` less its blur by a Gaussian of deviation `sigma`: its detail.
pub fn detail(plane: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    plane.iter().zip(blurred(plane, side, sigma)).map(|(value, blur)| value - blur).collect()
}

/// A plane of `side` x `side` blurred by a Gaussian of deviation `sigma`, its edges repeated.
pub fn blurred(plane: &[f32], side: usize, sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as usize;
    let weight = |at: usize| (-0.5 * ((at as f32 - reach as f32) / sigma).powi(2)).exp();
    let weights: Vec<f32> = (0..=2 * reach).map(weight).collect();
    let total: f32 = weights.iter().sum();
    // Adds rows that are weighed, whole rows at a time.
    let add = |sums: &mut [f32], row: &[f32], weight: f32| {
        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight / total * value);
    };
    let mut across = vec![0.0f32; side * side];
    let mut wide = vec![0.0f32; side + 2 * reach];
    for (sums, row) in across.chunks_exact_mut(side).zip(plane.chunks_exact(side)) {
        wide[..reach].fill(row[0]);
        wide[reach..reach + side].copy_from_slice(row);
        wide[reach + side..].fill(row[side - 1]);
        weights.iter().enumerate().for_each(|(at, &weight)| add(sums, &wide[at..], weight));
    }
    let mut blurred = vec![0.0f32; side * side];
    for (y, sums) in blurred.chunks_exact_mut(side).enumerate() {
        for (at, &weight) in weights.iter().enumerate() {
            let from = (y + at).saturating_sub(reach).min(side - 1) * side;
            add(sums, &across[from..from + side], weight);
        }
    }
    blurred
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
