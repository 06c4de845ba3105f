//! The plans of a training, all made before anything is allocated: the step of a whole batch and that of
//! the last one of an epoch, validation, and the estimation of statistics anew.

use super::graph::TrainingGraph;
use super::statistics::{Planned, Reestimation, Statistics};
use super::{Predictor, TrainOptions, steps};
use crate::engine::gpu::Gpu;
use crate::engine::plan::{self, Plan, fitting};
use crate::error::{Error, Result};
use crate::memory;
use crate::nets::models::{Mode, Model, Network};

/// What is planned of a training.
pub(super) struct Job {
    /// Images in a step.
    pub batch: usize,
    /// The step of a batch, and that of what is left at the end of an epoch.
    pub steps: Vec<(TrainingGraph, Plan)>,
    /// For inference, at the batch size of training, and the plan of its class scores.
    pub model: Model,
    pub inference: Plan,
    /// Where statistics are estimated anew.
    pub reestimation: Option<Planned>,
    /// Whether `inference` runs between epochs.
    validates: bool,
}

/// Plans the training of `network` for images of (height, width) `size`, of which `learnt` are learnt from
/// and `pictures` are held resized, without allocating anything: the bytes that buffers and textures will
/// take on the adapter.
///
/// # Errors
/// [`Error::TooLarge`] when something fits no buffer of the adapter, or all of it not the memory of the
/// machine, with the largest batch that does; [`Error::Shape`] when the input is too small for the network.
pub fn expect(
    gpu: &Gpu,
    network: &'static Network,
    size: [usize; 2],
    [learnt, pictures]: [usize; 2],
    options: &TrainOptions,
) -> Result<u64> {
    Ok(Job::plan(gpu, network, size, [learnt, pictures], options)?.bytes())
}

impl Job {
    /// As [`expect`].
    pub fn plan(
        gpu: &Gpu,
        network: &'static Network,
        size: [usize; 2],
        [learnt, pictures]: [usize; 2],
        options: &TrainOptions,
    ) -> Result<Self> {
        let [height, width] = size;
        // Of a segmenter there are targets and weights of each pixel beside the picture.
        let each = if network.segments() { 3 } else { 1 };
        let factors = [pictures, height, width, each, 4].map(|factor| factor as u64);
        let host = factors.into_iter().fold(1, u64::saturating_mul);
        let what = format!("{pictures} pictures of {height}x{width} for {}", network.name);
        memory::expect(&what, host, "use a smaller input, or fewer pictures")?;
        let asked = options.batch.clamp(1, learnt.max(1));
        fitting(asked, |batch| {
            let job = Self::of_batch(gpu, network, size, learnt, options, batch)?;
            let (needs, allows) = (job.bytes().saturating_add(host), gpu.capabilities().memory);
            match needs > allows {
                false => Ok(job),
                true => Err(Error::TooLarge {
                    tensor: format!("{what} in batches of {batch}"),
                    what: "of memory",
                    needs,
                    allows,
                    hint: "use a smaller input, or fewer pictures".to_owned(),
                }),
            }
        })
    }

    fn of_batch(
        gpu: &Gpu,
        network: &'static Network,
        size: [usize; 2],
        learnt: usize,
        options: &TrainOptions,
        batch: usize,
    ) -> Result<Self> {
        let classes = options.units()?;
        let head = (classes, options.scored(), options.loss);
        let step = |batch| -> Result<(TrainingGraph, Plan)> {
            let scaled = gpu.half();
            let training =
                TrainingGraph::of(network, batch, size, head, &options.optimizer, scaled)?;
            let plan = steps::plan(gpu, &training)?;
            Ok((training, plan))
        };
        let mut steps = vec![step(batch)?];
        let tail = learnt % batch;
        if tail != 0 {
            steps.push(step(tail)?);
        }
        let model = network.build(Mode::Inference, batch, size, classes)?;
        let inference = Predictor::plan(gpu, &model)?;
        let validates = !network.segments();
        let reestimation = match options.statistics {
            Statistics::Reestimated if validates => {
                Some(Reestimation::plan(gpu, network, batch, size, classes)?)
            }
            _ => None,
        };
        Ok(Job { batch, steps, model, inference, reestimation, validates })
    }

    /// The plans that take turns in one arena.
    pub fn plans(&self) -> impl Iterator<Item = &Plan> + Clone {
        let steps = self.steps.iter().map(|(_, plan)| plan);
        let inference = self.validates.then_some(&self.inference);
        steps.chain(inference).chain(self.reestimation.as_ref().map(|planned| &planned.plan))
    }

    /// Bytes of buffers and textures, variables included.
    pub fn bytes(&self) -> u64 {
        plan::together(self.plans())
    }
}
