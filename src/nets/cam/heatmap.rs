//! The last stage: maps resized to their images, made grey levels, and scored against masks.

use super::Request;
use crate::engine::graph::{Graph, Value};
use crate::engine::ops::{DiceThresholds, Elementwise, HeatmapToGray, ResizeToRegions};
use crate::engine::session::Session;
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};
use crate::nets::cam::dice;
use crate::nets::cam::normalise::{self, Normalisation};

/// The names of what [`Heatmaps::add`] adds.
pub(super) const HEATMAP: &str = "heatmap";
pub(super) const DICE: &str = "dice";

/// The most pixels of one dispatch: 32 MB of heatmaps.
const PIXELS: usize = 8 << 20;

/// Of an image of more pixels the GPU does not count, since its regions are numbers of 32 bits, in which
/// whole numbers are exact up to this; nor of one with a longer side, whose positions would not be.
const MOST_PIXELS: usize = 1 << 24;
const LONGEST_SIDE: usize = 1 << 16;

/// A heatmap, and the Dice of its 256 thresholds where there was a mask.
pub(super) type Scored = (Vec<u8>, Option<Vec<f64>>);

/// How many pixels a batch of heatmaps has room for, and what they are divided by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heatmaps {
    pub batch: usize,
    /// Pixels of the largest image.
    pub largest: usize,
    /// Pixels that there is room for on the GPU. What is larger is done on the processor.
    capacity: usize,
    pub normalisation: Normalisation,
}

impl Heatmaps {
    /// Room for `batch` images, of which the largest has `largest` pixels.
    pub fn new(batch: usize, largest: usize, normalisation: Normalisation) -> Self {
        let capacity = largest.max(PIXELS.min(largest.saturating_mul(batch)));
        Heatmaps { batch, largest, capacity: capacity.clamp(1, MOST_PIXELS), normalisation }
    }

    /// Adds the heatmaps and their Dice to the graph of the signed `map` (N, h, w, 1).
    pub fn add(&self, graph: &mut Graph, map: Value) -> Result<[Value; 2]> {
        let regions = graph.input("regions", [self.batch, 3])?;
        let mask = graph.input("mask", [self.capacity])?;
        let shown = match self.normalisation {
            Normalisation::Max => map,
            // Grey levels between minimum and maximum are left to the processor, see `scored`.
            Normalisation::ReluMax | Normalisation::MinMax => {
                graph.add("heatmap/relu", Elementwise::relu(), &[map])?
            }
        };
        let resize = ResizeToRegions { capacity: self.capacity };
        let resized = graph.add("heatmap/resized", resize, &[shown, regions])?;
        let heatmap = graph.add(HEATMAP, HeatmapToGray, &[resized, regions])?;
        let dice = graph.add(DICE, DiceThresholds, &[heatmap, mask, regions])?;
        Ok([heatmap, dice])
    }

    /// How many of `requests`, from the first, fit one batch.
    pub fn fitting(&self, requests: &[Request]) -> usize {
        let mut pixels = 0;
        let fits = |request: &&Request| {
            pixels += self.on_gpu(request.size);
            pixels <= self.capacity && area(request.size) <= self.largest.max(self.capacity)
        };
        requests.iter().take(self.batch).take_while(fits).count()
    }

    /// Pixels of an image of (height, width) `size` that the GPU has to do with: all or none.
    fn on_gpu(&self, size: [usize; 2]) -> usize {
        let large = area(size) > MOST_PIXELS || size.iter().any(|&side| side > LONGEST_SIDE);
        if large { 0 } else { area(size) }
    }

    /// Tells `session` where each heatmap stands, and its mask.
    ///
    /// # Errors
    /// [`Error::Usage`] when a mask is not of its request's size.
    pub fn set(&self, session: &Session, requests: &[Request]) -> Result<()> {
        let mut regions = vec![0.0; self.batch * 3];
        let mut mask = vec![0.0; self.capacity];
        let mut first = 0;
        for (request, region) in requests.iter().zip(regions.chunks_mut(3)) {
            let [height, width] = request.size;
            let count = self.on_gpu(request.size);
            if count > 0 {
                // Whole numbers up to 2^24 are exact in f32.
                region.copy_from_slice(&[first as f32, height as f32, width as f32]);
            }
            if let Some(truth) = request.mask {
                if truth.len() != height * width {
                    return Err(Error::usage(
                        format!("a mask of {} pixels for {height}x{width}", truth.len()),
                        "give a mask of the size that the map is resized to",
                    ));
                }
                for (pixel, &inside) in mask[first..first + count].iter_mut().zip(truth) {
                    *pixel = f32::from(u8::from(inside != 0));
                }
            }
            first += count;
        }
        session.set("regions", &regions)?;
        session.set("mask", &mask)
    }

    /// The heatmaps of `requests`, from what the nodes of [`Self::add`] gave and the signed maps.
    pub fn scored(
        &self,
        requests: &[Request],
        heatmaps: &Tensor,
        dice_of: &Tensor,
        maps: &[Tensor],
    ) -> Result<Vec<Scored>> {
        let mut first = 0;
        let curves = dice_of.data().chunks(dice::THRESHOLDS);
        requests
            .iter()
            .zip(curves)
            .zip(maps)
            .map(|((request, curve), map)| {
                let pixels = first..first + self.on_gpu(request.size);
                first = pixels.end;
                if self.normalisation == Normalisation::MinMax || pixels.is_empty() {
                    let levels = normalise::levels(map, self.normalisation, request.size);
                    let mask = request.mask.map(|mask| dice::score(mask, &levels)).transpose()?;
                    return Ok((levels, mask.map(|scores| scores.dice)));
                }
                let levels = heatmaps.data()[pixels].iter().map(|&value| value as u8).collect();
                let curve = curve.iter().map(|&value| f64::from(value)).collect();
                Ok((levels, request.mask.map(|_| curve)))
            })
            .collect()
    }
}

fn area(size: [usize; 2]) -> usize {
    size[0].saturating_mul(size[1])
}
