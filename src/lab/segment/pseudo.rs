//! Pseudo-masks: a classifier's heatmaps, and what they and the images together make likely.

use std::sync::Arc;

use super::heatmaps::heatmaps;
use super::recipe::Recipe;
use crate::engine::gpu::Gpu;
use crate::engine::plan::halving;
use crate::error::Result;
use crate::lab::experiment::Saved;
use crate::nets::images::{Grey, Prepared, Scaling};
use crate::nets::refine::{Refined, Refiner};
use crate::stop::Stop;

/// What is believed of an image, at the size of the segmenter's input.
#[derive(Clone, Debug)]
pub struct Pseudo {
    /// The heatmap, [0, 1].
    pub heatmap: Vec<f32>,
    /// The probability that a pixel is foreground; above 1/2 in the pseudo-mask, and nowhere else.
    pub belief: Vec<f32>,
}

/// Images refined at once, where so many fit.
pub const BATCH: usize = 32;

/// What `classifier` and `recipe` make of `images`, at (height, width) `size`.
///
/// # Errors
/// [`Error::Usage`](crate::error::Error::Usage) for a method that there is not, that of `stop`; those of the GPU.
pub fn pseudo(
    gpu: &Arc<Gpu>,
    classifier: &Saved,
    images: &[&Grey],
    recipe: &Recipe,
    size: [usize; 2],
    stop: &Stop,
) -> Result<Vec<Pseudo>> {
    let heatmaps = heatmaps(gpu, classifier, images, &recipe.methods, &recipe.looks, size, stop)?;
    let pixels = size[0] * size[1];
    let labelled = images.iter().map(|&image| (image, 0));
    let grey = Prepared::from_images(labelled, (size[0], size[1]), 1, Scaling::None).images;
    let batch = refines(gpu, size, BATCH.min(images.len().max(1)), recipe)?;
    let refined =
        Refiner::new(gpu, size, batch, &recipe.from)?.segment(&grey, &heatmaps.concat())?;
    let beliefs: Vec<Vec<f32>> = believed(refined).chunks(pixels).map(<[f32]>::to_vec).collect();
    let found = heatmaps.into_iter().zip(beliefs);
    Ok(found.map(|(heatmap, belief)| Pseudo { heatmap, belief }).collect())
}

/// The images that are refined at once: `batch`, or the first half of it that fits.
pub fn refines(gpu: &Gpu, size: [usize; 2], batch: usize, recipe: &Recipe) -> Result<usize> {
    let plan = |batch| Refiner::expect(gpu, size, batch, &recipe.from);
    halving(batch, plan).map(|(batch, _)| batch)
}

/// Probabilities that agree with their masks: what the mask leaves out of likely pixels is sure
/// background, and what it takes in of unlikely ones, its holes, is sure foreground.
fn believed(refined: Refined) -> Vec<f32> {
    let Refined { probabilities, masks } = refined;
    let one = |(p, mask): (f32, u8)| match (p > 0.5, mask > 0) {
        (true, false) => 0.0,
        (false, true) => 1.0,
        _ => p,
    };
    probabilities.into_iter().zip(masks).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beliefs_agree_with_their_masks() {
        let probabilities = vec![0.9, 0.9, 0.2, 0.2];
        let refined = Refined { probabilities, masks: vec![1, 0, 1, 0] };
        assert_eq!(believed(refined), [0.9, 0.0, 1.0, 0.2]);
    }
}
