//! Running training steps, and finding where a number stops being finite.

use std::collections::HashMap;
use std::sync::Arc;

use super::evaluate::Answer;
use super::graph::{TrainingGraph, inputs};
use super::{Schedule, TrainOptions};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::models::{IMAGES, STEP};
use crate::ops::Optimizer;
use crate::plan::{self, Options};
use crate::session::{Session, Store};

/// What a step learns from.
pub struct Lesson<'a> {
    /// How many images.
    pub count: usize,
    /// Scaled, (count, H, W, C).
    pub images: &'a [f32],
    /// The inputs of the loss, by name.
    pub targets: Vec<(&'static str, Vec<f32>)>,
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
}

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
        }
    }

    /// Prepares steps of the batch size of `training`.
    pub fn add(&mut self, training: TrainingGraph) -> Result<()> {
        let outputs = [training.loss, training.logits];
        let options = Options { choices: self.gpu.choices().clone(), ..Options::default() };
        let plan = plan::build(
            &training.graph,
            &outputs,
            &training.updates,
            self.gpu.capabilities(),
            &options,
        )?;
        let session = Session::new(&self.gpu, plan, &self.store)?;
        session.set(inputs::ONE, &[1.0])?;
        self.sessions.insert(training.batch, (training, session));
        Ok(())
    }

    /// Goes on after `done` steps that an earlier process took: the learning rate and what is drawn
    /// depend on their number.
    pub fn go_on_after(&mut self, done: u64) {
        self.done = done;
    }

    /// How many steps were taken.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// One step on `lesson`, of `total` in the whole run: the loss and the scores before the update.
    pub fn step(&mut self, lesson: &Lesson, total: u64) -> Result<(f32, Answer)> {
        self.done += 1;
        let size = lesson.count;
        let Some((training, session)) = self.sessions.get_mut(&size) else {
            return Err(Error::shape("training step", format!("no step for a batch of {size}")));
        };
        let classes = training.graph.shape(training.logits).channels();
        let rate = self.learning_rate * self.schedule.factor(self.done, total);
        session.set(IMAGES, lesson.images)?;
        lesson.targets.iter().try_for_each(|(name, numbers)| session.set(name, numbers))?;
        session.set(inputs::HYPER, &self.optimizer.hyper(rate, self.done))?;
        if session.plan().inputs.iter().any(|input| input.name == STEP) {
            session.set(STEP, &[self.done as f32])?;
        }
        session.run()?;
        let graph = &training.graph;
        let names = [training.loss, training.logits].map(|value| graph.node(value).name.as_str());
        let mut outputs = session.read_all(&names)?.into_iter();
        let mut next = || outputs.next().map(|tensor| tensor.into_data()).unwrap_or_default();
        let (loss, logits) = (next(), next());
        let loss = loss.first().copied().unwrap_or(f32::NAN);
        if !loss.is_finite() {
            let training = training.clone();
            let layer = self.find_non_finite(&training, lesson)?;
            return Err(Error::NotFinite { loss, step: self.done, layer });
        }
        Ok((loss, Answer { logits, classes }))
    }

    /// The first layer whose output on `lesson` is not finite. The optimiser changes nothing when the
    /// loss is not finite, so the weights are still those that led to it.
    fn find_non_finite(&self, training: &TrainingGraph, lesson: &Lesson) -> Result<String> {
        let graph = &training.graph;
        let choices = self.gpu.choices().clone();
        let options = Options { keep_all: true, choices, ..Options::default() };
        let plan = plan::build(graph, &[training.loss], &[], self.gpu.capabilities(), &options)?;
        let names: Vec<String> = plan.outputs.iter().map(|output| output.name.clone()).collect();
        for name in self.store.names() {
            let variable = self.store.get(std::slice::from_ref(&name))?;
            if variable.iter().any(|tensor| tensor.data().iter().any(|value| !value.is_finite())) {
                return Ok(name);
            }
        }
        let mut session = Session::new(&self.gpu, plan, &self.store)?;
        session.set(IMAGES, lesson.images)?;
        lesson.targets.iter().try_for_each(|(name, numbers)| session.set(name, numbers))?;
        if session.plan().inputs.iter().any(|input| input.name == STEP) {
            session.set(STEP, &[self.done as f32])?;
        }
        session.run()?;
        for name in names {
            if session.read(&name)?.data().iter().any(|value| !value.is_finite()) {
                return Ok(name);
            }
        }
        Ok("loss".to_owned())
    }
}
