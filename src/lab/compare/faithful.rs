//! Deletion, insertion and ROAD of a heatmap: what the network says of an ROI whose pixels are changed in
//! the heatmap's order.
//!
//! The order is that of the 8-bit heatmap, resized (bilinear) to the network's input. For S steps there
//! are 4 S - 1 changed copies of an ROI, which are run in batches.

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::error::{Error, Result};
use crate::lab::data::{Class, Roi};
use crate::lab::experiment::Saved;
use crate::lab::metrics::deletion::{area, blurred, part, ranked};
use crate::lab::metrics::road::imputed;
use crate::nets::images::{Grey, Scaling};
use crate::nets::models::Head;
use crate::nets::train::{Predictor, probabilities};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Faithful {
    /// Area under the probability as pixels are taken away.
    pub deletion: f64,
    /// Area under the probability as they are put back.
    pub insertion: f64,
    /// Mean probability with the highest pixels imputed.
    pub morf: f64,
    /// Mean probability with the lowest pixels imputed.
    pub lerf: f64,
}

/// How a copy is changed: after this many of all steps.
#[derive(Clone, Copy)]
enum Change {
    Without(usize),
    Back(usize),
    Most(usize),
    Least(usize),
}

/// A network ready to judge changed ROIs.
pub struct Faithfulness {
    classifier: Predictor,
    batch: usize,
    copies: Vec<Change>,
    steps: usize,
    size: [usize; 2],
    channels: usize,
    scaling: Scaling,
    unit: usize,
    seed: u64,
}

impl Faithfulness {
    /// Prepares `steps` steps, at least 2.
    pub fn new(gpu: &Arc<Gpu>, trained: &Saved, steps: usize, seed: u64) -> Result<Self> {
        let mut copies: Vec<Change> = (0..=steps).map(Change::Without).collect();
        // What has all of its pixels back is what has none taken away.
        copies.extend((0..steps).map(Change::Back));
        copies.extend((1..steps).map(Change::Most));
        copies.extend((1..steps).map(Change::Least));
        let mut most = if gpu.capabilities().software { 16 } else { 64 };
        loop {
            // As many batches as it takes, and those all of one size.
            let batch = copies.len().div_ceil(copies.len().div_ceil(most));
            let model = trained.of_batch(batch)?;
            match Predictor::new(gpu, model, &trained.store) {
                Err(Error::TooLarge { .. }) if batch > 1 => most = batch / 2,
                Err(error) => return Err(error),
                Ok(classifier) => {
                    return Ok(Faithfulness {
                        classifier,
                        batch,
                        copies,
                        steps,
                        size: trained.model.size,
                        channels: trained.model.network.channels,
                        scaling: trained.scaling,
                        unit: Class::Abnormal.index(),
                        seed,
                    });
                }
            }
        }
    }

    /// Measures `heatmap`, of the ROI's size.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn measure(&mut self, roi: &Roi, heatmap: &[u8]) -> Result<Faithful> {
        let [height, width] = self.size;
        let image = roi.image.resize(height, width);
        let heatmap = Grey { pixels: heatmap.to_vec(), ..roi.image };
        let order = ranked(&heatmap.resize(height, width), self.seed);
        let blurred = blurred(&image, self.size);
        let mut found = Vec::with_capacity(self.copies.len());
        for some in self.copies.chunks(self.batch) {
            let mut numbers = Vec::with_capacity(self.batch * order.len() * self.channels);
            for &change in some {
                self.append(change, &image, &blurred, &order, &mut numbers);
            }
            // Rows that are left over are not looked at.
            numbers.resize(self.batch * order.len() * self.channels, 0.0);
            let answer = self.classifier.logits(&numbers)?;
            let rows = answer.logits.chunks(answer.classes).take(some.len());
            for (row, copy) in rows.zip(numbers.chunks(order.len() * self.channels)) {
                if row.iter().any(|score| !score.is_finite()) {
                    return Err(self.classifier.lost(&roi.name, copy));
                }
                found.push(probability(row, self.unit));
            }
        }
        let (without, rest) = found.split_at(self.steps + 1);
        let (back, rest) = rest.split_at(self.steps);
        let (most, least) = rest.split_at(self.steps - 1);
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        Ok(Faithful {
            deletion: area(without),
            insertion: area(&[back, &without[..1]].concat()),
            morf: mean(most),
            lerf: mean(least),
        })
    }

    /// Appends the scaled numbers of a copy of `image`, (H, W, C).
    fn append(
        &self,
        change: Change,
        image: &[f32],
        blurred: &[f32],
        order: &[usize],
        numbers: &mut Vec<f32>,
    ) {
        let count = |step| part(order.len(), step, self.steps);
        let mut levels = image.to_vec();
        let mut empty: &[usize] = &[];
        match change {
            Change::Without(step) => empty = &order[..count(step)],
            Change::Back(step) => {
                order[count(step)..].iter().for_each(|&pixel| levels[pixel] = blurred[pixel]);
            }
            Change::Most(step) => {
                levels = imputed(image, self.size, &order[..count(step)], self.seed);
            }
            Change::Least(step) => {
                let lowest = &order[order.len() - count(step)..];
                levels = imputed(image, self.size, lowest, self.seed);
            }
        }
        let first = numbers.len();
        let affine: Vec<(f32, f32)> = (0..self.channels).map(|c| self.scaling.affine(c)).collect();
        for level in levels {
            numbers.extend(affine.iter().map(|(factor, summand)| level * factor + summand));
        }
        for &pixel in empty {
            numbers[first + pixel * self.channels..][..self.channels].fill(0.0);
        }
    }
}

/// The probability of class `class` of two.
fn probability(logits: &[f32], class: usize) -> f64 {
    let unit = Head::of(logits.len()).unit(class);
    probabilities(logits).get(unit).copied().unwrap_or_default()
}
