//! Running training steps, and finding where a number stops being finite.

use std::collections::HashMap;
use std::sync::Arc;

use super::evaluate::Answer;
use super::graph::{TrainingGraph, inputs};
use super::loss_scale::LossScale;
use super::{Schedule, TrainOptions};
use crate::engine::gpu::Gpu;
use crate::engine::ops::{Optimizer, UNSCALE};
use crate::engine::plan::{self, Plan};
use crate::engine::session::{self, Arena, Session, Store};
use crate::error::{Error, Result};
use crate::nets::images::Batch;
use crate::nets::models::{IMAGES, STEP};

/// What a step learns from.
pub struct Lesson<'a> {
    /// How many images.
    pub count: usize,
    /// Scaled, (count, H, W, C).
    pub images: &'a [f32],
    /// The inputs of the loss, by name.
    pub targets: Vec<(&'static str, Vec<f32>)>,
    /// What each is called in messages.
    pub name: &'a dyn Fn(usize) -> String,
}

/// The sessions of a training run, one a batch size, over the same variables.
pub struct Steps {
    gpu: Arc<Gpu>,
    store: Store,
    sessions: HashMap<usize, (TrainingGraph, Session)>,
    optimizer: Optimizer,
    learning_rate: f64,
    schedule: Schedule,
    done: u64,
    /// Only in 16 bits.
    scale: Option<LossScale>,
    /// Whether the images of the next step are on the GPU already.
    uploaded: bool,
}

/// The plan of a step: its loss, its class scores, and its updates.
pub fn plan(gpu: &Gpu, training: &TrainingGraph) -> Result<Plan> {
    let mut outputs = vec![training.loss, training.logits];
    outputs.extend(training.finite);
    let options = session::options(gpu);
    plan::build(&training.graph, &outputs, &training.updates, gpu.capabilities(), &options)
}

fn no_step(size: usize) -> Error {
    Error::shape("training step", format!("no step for a batch of {size}"))
}

/// The loss of a step, and its scores before the update.
pub type Taken = (f32, Answer);

impl Steps {
    pub fn new(gpu: &Arc<Gpu>, store: &Store, options: &TrainOptions) -> Self {
        Steps {
            gpu: gpu.clone(),
            store: store.clone(),
            sessions: HashMap::new(),
            optimizer: options.optimizer,
            learning_rate: options.learning_rate,
            schedule: options.schedule,
            done: 0,
            scale: gpu.half().then(LossScale::default),
            uploaded: false,
        }
    }

    /// Prepares steps of the batch size of `training`, whose plan is `plan`, in `arena`.
    pub fn add(&mut self, training: TrainingGraph, plan: Plan, arena: &Arena) -> Result<()> {
        let session = Session::within(&self.gpu, plan, &self.store, arena)?;
        self.sessions.insert(training.batch, (training, session));
        Ok(())
    }

    /// Goes on after `done` steps that an earlier process took, which left the loss at `scale`: the
    /// learning rate and what is drawn depend on their number.
    pub fn go_on_after(&mut self, done: u64, scale: Option<LossScale>) {
        self.done = done;
        self.scale = scale.or(self.scale);
    }

    /// The loss scale, where there is one.
    pub fn scale(&self) -> Option<LossScale> {
        self.scale
    }

    /// How many steps were left out, because a number overflowed in 16 bits.
    pub fn skipped(&self) -> u64 {
        self.scale.map_or(0, |scale| scale.skipped())
    }

    /// How many steps were taken.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// One step on `lesson`, of `total` in the whole run: the loss and the scores before the update, or none
    /// where a number overflowed in 16 bits, so that the batch is left out. While the GPU works, `next` makes the
    /// batch of the step after this one, which is uploaded.
    pub fn step(
        &mut self,
        lesson: &Lesson,
        total: u64,
        next: impl FnOnce() -> Option<Batch>,
    ) -> Result<(Option<Taken>, Option<Batch>)> {
        self.done += 1;
        let size = lesson.count;
        if !std::mem::take(&mut self.uploaded) {
            self.upload(size, lesson.images)?;
        }
        let Some((training, session)) = self.sessions.get_mut(&size) else {
            return Err(no_step(size));
        };
        let classes = training.graph.shape(training.logits).channels();
        let rate = self.learning_rate * self.schedule.factor(self.done, total);
        lesson.targets.iter().try_for_each(|(name, numbers)| session.set(name, numbers))?;
        // Steps that were left out do not count for the optimiser.
        let (factor, skipped) = self.scale.map_or((1.0, 0), |s| (s.factor(), s.skipped()));
        let mut hyper = self.optimizer.hyper(rate, self.done.saturating_sub(skipped));
        hyper[UNSCALE] = 1.0 / factor;
        session.set(inputs::HYPER, &hyper)?;
        session.set(inputs::ONE, &[factor])?;
        if session.plan().inputs.iter().any(|input| input.name == STEP) {
            session.set(STEP, &[self.done as f32])?;
        }
        session.run()?;
        let following = next();
        if let Some(following) = &following {
            self.upload(following.indices.len(), &following.images)?;
            self.uploaded = true;
        }

        let (training, session) = self.sessions.get(&size).ok_or_else(|| no_step(size))?;
        let graph = &training.graph;
        let mut outputs = vec![training.loss, training.logits];
        outputs.extend(training.finite);
        let names: Vec<&str> = outputs.iter().map(|&v| graph.node(v).name.as_str()).collect();
        let mut outputs = session.read_all(&names)?.into_iter();
        let mut next = || outputs.next().map(|tensor| tensor.into_data()).unwrap_or_default();
        let (loss, logits) = (next(), next());
        let loss = loss.first().copied().unwrap_or(f32::NAN);
        let finite = loss.is_finite() && next().first().is_none_or(|guard| guard.is_finite());
        // In 16 bits a step may be lost, and the next is taken with a smaller scale.
        let goes_on = self.scale.as_mut().map_or(finite, |scale| scale.learn(finite));
        if !goes_on {
            let layer = match loss.is_finite() {
                true => "gradients, in 16 bits and without a loss scale".to_owned(),
                false => match self.find_non_finite(&training.clone(), lesson) {
                    // To keep every value takes more memory than a step.
                    Err(Error::TooLarge { .. } | Error::Gpu { .. }) => {
                        "unknown, since there is no memory to keep all layers".to_owned()
                    }
                    layer => layer?,
                },
            };
            return Err(Error::NotFinite { loss, step: self.done, layer });
        }
        let taken = loss.is_finite().then_some((loss, Answer { logits, classes }));
        Ok((taken, following))
    }

    /// Writes `images` where the step of `size` of them reads them; ordered after the steps submitted so
    /// far.
    fn upload(&self, size: usize, images: &[f32]) -> Result<()> {
        let (_, session) = self.sessions.get(&size).ok_or_else(|| no_step(size))?;
        session.set(IMAGES, images)
    }

    /// The first layer whose output on `lesson` is not finite. The optimiser changes nothing when the
    /// loss is not finite, so the weights are still those that led to it.
    fn find_non_finite(&self, training: &TrainingGraph, lesson: &Lesson) -> Result<String> {
        let mut inputs: Vec<(&str, &[f32])> = vec![(IMAGES, lesson.images)];
        inputs.extend(lesson.targets.iter().map(|(name, numbers)| (*name, &numbers[..])));
        let step = [self.done as f32];
        inputs.push((STEP, &step));
        let (graph, loss) = (&training.graph, training.loss);
        let found = session::first_not_finite(&self.gpu, graph, loss, &self.store, &inputs)?;
        Ok(match found {
            Some((layer, Some(image))) => format!("{layer}, of {}", (lesson.name)(image)),
            Some((layer, None)) => layer,
            None if self.gpu.half() => "none in 32 bits, so that 16 are too few".to_owned(),
            None => "loss".to_owned(),
        })
    }
}
