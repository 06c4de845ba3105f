//! Running a recipe on batch after batch.

use std::sync::Arc;

use super::recipe::Recipe;
use super::stages::{IMAGE, MAP, build};
use crate::engine::gpu::Gpu;
use crate::engine::graph::{Graph, Value};
use crate::engine::plan::{self, Options, Plan};
use crate::engine::session::{Session, Store};
use crate::error::{Error, Result};

/// A recipe made ready for images of one size.
#[derive(Debug)]
pub struct Refiner {
    size: [usize; 2],
    batch: usize,
    session: Session,
    /// The names of the session's outputs.
    probability: String,
    mask: String,
}

/// What comes of a refinement, image after image.
#[derive(Clone, Debug, PartialEq)]
pub struct Refined {
    /// (N, height, width): the probability of foreground, 0 to 1.
    pub probabilities: Vec<f32>,
    /// (N, height, width): 1 where the mask is, else 0.
    pub masks: Vec<u8>,
}

impl Refiner {
    /// Prepares the refinement of images of (height, width) `size`, in runs of `batch`.
    ///
    /// # Errors
    /// [`Error::Usage`] when a setting of `recipe`, the size or the batch cannot be;
    /// [`Error::TooLarge`] or those of the GPU.
    pub fn new(gpu: &Arc<Gpu>, size: [usize; 2], batch: usize, recipe: &Recipe) -> Result<Self> {
        let (graph, outputs, plan) = Self::plan(gpu, size, batch, recipe)?;
        let store = Store::new(gpu, &graph, 0)?;
        let session = Session::new(gpu, plan, &store)?;
        let [probability, mask] = outputs.map(|value| graph.node(value).name.clone());
        Ok(Refiner { size, batch, session, probability, mask })
    }

    /// Plans what [`Self::new`] prepares without allocating anything: the bytes that buffers and textures
    /// will take on the adapter.
    ///
    /// # Errors
    /// As [`Self::new`], but for those of the GPU.
    pub fn expect(gpu: &Gpu, size: [usize; 2], batch: usize, recipe: &Recipe) -> Result<u64> {
        let (.., plan) = Self::plan(gpu, size, batch, recipe)?;
        Ok(plan::together([&plan]))
    }

    fn plan(
        gpu: &Gpu,
        size: [usize; 2],
        batch: usize,
        recipe: &Recipe,
    ) -> Result<(Graph, [Value; 2], Plan)> {
        recipe.check()?;
        if batch == 0 || size.contains(&0) {
            return Err(Error::usage(
                format!("cannot refine {batch} images of {}x{}", size[0], size[1]),
                "give a batch, a height and a width of 1 or more",
            ));
        }
        let mut graph = Graph::new();
        let [probability, mask] = build(&mut graph, size, batch, recipe)?;
        let options = Options { choices: gpu.choices().clone(), ..Options::default() };
        let outputs = [probability, mask];
        let plan = plan::build(&graph, &outputs, &[], gpu.capabilities(), &options)?;
        Ok((graph, outputs, plan))
    }

    /// The plan of one batch.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The probabilities (N, height, width) of foreground, 0 to 1.
    ///
    /// `images` (N, height, width) are grey, 0 to 255; `maps` (N, height, width) say how much speaks for
    /// foreground, 0 to 1. N may be any number; the last run of a batch may be a part of one.
    ///
    /// # Errors
    /// [`Error::Usage`] when the counts do not fit or a number is not finite; those of the GPU.
    pub fn refine(&mut self, images: &[f32], maps: &[f32]) -> Result<Vec<f32>> {
        let mut probabilities = Vec::with_capacity(images.len());
        self.runs(images, maps, |refiner, count| {
            let found = refiner.session.read(&refiner.probability)?;
            probabilities.extend_from_slice(&found.data()[..count]);
            Ok(())
        })?;
        Ok(probabilities)
    }

    /// The same, and the masks that are cut from the probabilities.
    ///
    /// # Errors
    /// As [`Self::refine`].
    pub fn segment(&mut self, images: &[f32], maps: &[f32]) -> Result<Refined> {
        let mut refined = Refined { probabilities: Vec::new(), masks: Vec::new() };
        self.runs(images, maps, |refiner, count| {
            let found = refiner.session.read_all(&[&refiner.probability, &refiner.mask])?;
            refined.probabilities.extend_from_slice(&found[0].data()[..count]);
            refined.masks.extend(found[1].data()[..count].iter().map(|value| *value as u8));
            Ok(())
        })?;
        Ok(refined)
    }

    /// Runs the plan on batch after batch; `read` is called after each with how many numbers count.
    fn runs(
        &mut self,
        images: &[f32],
        maps: &[f32],
        mut read: impl FnMut(&Self, usize) -> Result<()>,
    ) -> Result<()> {
        let [height, width] = self.size;
        let (area, length) = (height * width, self.batch * height * width);
        if images.len() != maps.len() || !images.len().is_multiple_of(area) {
            return Err(Error::usage(
                format!(
                    "cannot refine maps of {} numbers by images of {}",
                    maps.len(),
                    images.len()
                ),
                format!("both must have {height}x{width} for each image"),
            ));
        }
        for (what, numbers) in [("image", images), ("map", maps)] {
            if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
                return Err(Error::usage(
                    format!("{what} {} has a pixel that is {}", at / area, numbers[at]),
                    "give finite numbers",
                ));
            }
        }
        let mut padded = vec![0.0; length];
        for (images, maps) in images.chunks(length).zip(maps.chunks(length)) {
            for (name, numbers) in [(IMAGE, images), (MAP, maps)] {
                padded[..numbers.len()].copy_from_slice(numbers);
                padded[numbers.len()..].fill(0.0);
                self.session.set(name, &padded)?;
            }
            self.session.run()?;
            read(self, images.len())?;
        }
        Ok(())
    }
}
