//! Networks that give a probability for each pixel: trained on targets for each pixel, and run.
//!
//! Nothing is validated: what the targets are worth can only be told by the truth, which a weakly
//! supervised training must not see. The last epoch is kept; a cosine has come to rest there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::graph::inputs;
use super::job::Job;
use super::lines::Lines;
use super::state::{self, Configuration, Progress};
use super::steps::{Lesson, Steps};
use super::{TrainOptions, digest, probabilities};
use crate::console::{self, Bar};
use crate::engine::gpu::Gpu;
use crate::engine::plan;
use crate::engine::session::{self, Arena, Session, Store};
use crate::error::{Error, Result};
use crate::nets::images::{Augment, Batch, BatchOptions, Batches, Prepared, Split};
use crate::nets::models::{Head, IMAGES, Model, Network};
use crate::nets::weights::Weights;

/// What each pixel of some images shall be; all of N x H x W.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// The probability of foreground, [0, 1].
    pub probability: Vec<f32>,
    /// What the pixel counts in the loss, from 0.
    pub weight: Vec<f32>,
}

/// What training a segmenter gave.
#[derive(Debug)]
pub struct TrainedSegmenter {
    /// A model for inference, at the batch size of training.
    pub model: Model,
    /// Its variables, after the last epoch.
    pub store: Store,
    /// The same as weights.
    pub weights: Weights,
    /// The mean loss of each epoch.
    pub losses: Vec<f64>,
    /// Time of all of it, with that before it was interrupted and taken up again.
    pub time: Duration,
}

/// Trains `network` on all of `images`, whose labels do not matter, to give `targets`.
///
/// Of the options, those about validation do nothing: `patience`, `statistics`, `balance` and
/// `checkpoint`. Where [`TrainOptions::state`] is there already, training goes on after the last epoch in
/// it.
///
/// # Errors
/// [`Error::Usage`] without images or when the targets are of another size; else those of
/// [`train`](super::train).
pub fn train_segmenter(
    gpu: &Arc<Gpu>,
    network: &'static Network,
    images: &Prepared,
    targets: &Targets,
    options: &TrainOptions,
    title: &str,
) -> Result<TrainedSegmenter> {
    let pixels = images.len() * images.size.0 * images.size.1;
    if pixels == 0 || [&targets.probability, &targets.weight].iter().any(|t| t.len() != pixels) {
        return Err(Error::usage(
            format!("{title}: {} images and targets of {}", images.len(), targets.weight.len()),
            "give at least one image, and a target for each pixel",
        ));
    }
    let start = Instant::now();
    let size = [images.size.0, images.size.1];
    let job = Job::plan(gpu, network, size, [images.len(); 2], options)?;
    let batch = job.batch;
    let store = Store::new(gpu, &job.steps[0].0.graph, options.seed)?;
    let arena = Arena::new(gpu, job.plans())?;
    let mut steps = Steps::new(gpu, &store, options);
    for (training, plan) in job.steps {
        steps.add(training, plan, &arena)?;
    }
    // Its memory goes with the steps.
    drop(arena);
    if let Some(weights) = &options.start {
        weights.put(&store)?;
    }
    let all = Split { train: (0..images.len()).collect(), validation: Vec::new() };
    let steps_an_epoch = images.len().div_ceil(batch) as u64;
    let mut run = Run {
        images,
        targets,
        options,
        title,
        batch,
        steps_an_epoch,
        bar: console::bar(title, u64::from(options.epochs) * steps_an_epoch),
        start,
        model: job.model,
        configuration: configuration(gpu, network, images, targets, &all, options),
        indices: all.train,
        store,
        steps,
        progress: Progress::start(),
        lines: Lines::new(options.lines.as_deref()),
    };
    run.take_up()?;
    run.lines.begin()?;
    while run.progress.records.len() < options.epochs as usize {
        run.epoch()?;
    }
    run.finish(gpu)
}

fn configuration(
    gpu: &Gpu,
    network: &Network,
    images: &Prepared,
    targets: &Targets,
    split: &Split,
    options: &TrainOptions,
) -> Configuration {
    let mut material = state::material(images, split);
    let numbers = targets.probability.iter().chain(&targets.weight);
    let targets = digest(numbers.map(|value| u64::from(value.to_bits())));
    material.insert("targets".to_owned(), json!(format!("{targets:016x}")));
    state::configuration(gpu, network, material, options)
}

/// A training run between two epochs.
struct Run<'a> {
    images: &'a Prepared,
    targets: &'a Targets,
    options: &'a TrainOptions,
    title: &'a str,
    batch: usize,
    steps_an_epoch: u64,
    bar: Box<dyn Bar>,
    start: Instant,
    model: Model,
    configuration: Configuration,
    indices: Vec<usize>,
    store: Store,
    steps: Steps,
    /// The loss of each epoch; without the time of this process.
    progress: Progress<f64>,
    lines: Lines,
}

impl Run<'_> {
    /// Takes up the state that an earlier process left, if it left one.
    fn take_up(&mut self) -> Result<()> {
        let Some(path) = self.options.state.as_ref().filter(|path| path.exists()) else {
            return Ok(());
        };
        let restored = state::restore(path, &self.configuration, false, &self.store)?;
        self.progress = restored.progress;
        let done = self.progress.records.len() as u64;
        self.steps.go_on_after(done * self.steps_an_epoch, self.progress.loss_scale);
        self.bar.start_at(done * self.steps_an_epoch);
        for (epoch, &loss) in (1..).zip(&self.progress.records) {
            self.lines.segmenter(epoch, loss, u64::from(epoch) * self.steps_an_epoch)?;
        }
        crate::console::note!("{}: going on after epoch {done}", self.title);
        Ok(())
    }

    /// One pass over the images.
    fn epoch(&mut self) -> Result<()> {
        let options = self.options;
        let epoch = self.progress.records.len() as u32 + 1;
        let order = BatchOptions {
            batch: self.batch,
            seed: options.seed,
            epoch: u64::from(epoch),
            shuffle: true,
            augment: options.augment,
        };
        let total = u64::from(options.epochs) * self.steps_an_epoch;
        let (mut sum, mut seen) = (0.0, 0);
        let mut batches = Batches::new(self.images, &self.indices, order);
        let mut now = batches.next();
        while let Some(batch) = now {
            options.stop.check(|| self.finished())?;
            let targets = self.targets_of(&batch);
            let count = batch.indices.len();
            let name = |index: usize| self.images.name(batch.indices[index]);
            let lesson = Lesson { count, images: &batch.images, targets, name: &name };
            let (taken, next) = self.steps.step(&lesson, total, || batches.next())?;
            if let Some((loss, _)) = taken {
                sum += f64::from(loss) * count as f64;
                seen += count;
            }
            self.bar.step(1);
            batches.recycle(batch);
            now = next;
        }
        if seen == 0 {
            let layer = "one, for every batch of the epoch, in 16 bits".to_owned();
            return Err(Error::NotFinite { loss: f32::NAN, step: self.steps.done(), layer });
        }
        let loss = sum / seen as f64;
        self.progress.records.push(loss);
        if let Some(path) = &options.state {
            let seconds = self.seconds();
            let records = self.progress.records.clone();
            let progress = Progress { seconds, records, loss_scale: self.steps.scale() };
            let weights = Weights::of(&self.model, &self.store)?;
            state::save(path, &self.configuration, &progress, &weights, None, &self.store)?;
        }
        self.lines.segmenter(epoch, loss, u64::from(epoch) * self.steps_an_epoch)?;
        self.lines.write()?;
        self.bar.message(&format!("loss {loss:.3}"));
        if !self.bar.is_shown() {
            let (epochs, seconds) = (options.epochs, self.seconds());
            let left = seconds / f64::from(epoch) * f64::from(epochs - epoch);
            crate::console::note!(
                "{}: epoch {epoch}/{epochs}: loss {loss:.4}, {seconds:.0} s, {left:.0} s left",
                self.title
            );
        }
        Ok(())
    }

    /// The targets of a batch, seen as its images are.
    fn targets_of(&self, batch: &Batch) -> Vec<(&'static str, Vec<f32>)> {
        let size = self.images.size;
        let pixels = size.0 * size.1;
        let take = |from: &[f32]| -> Vec<f32> {
            let plane = |index: usize| &from[index * pixels..][..pixels];
            let images = batch.indices.iter().zip(&batch.warps);
            images
                .flat_map(|(&index, warp)| warp.look(plane(index), size, 1).into_owned())
                .collect()
        };
        let (labels, weights) = (take(&self.targets.probability), take(&self.targets.weight));
        match self.options.head {
            Head::Sigmoid => vec![(inputs::LABELS, labels), (inputs::WEIGHTS, weights)],
            Head::Softmax => {
                let pair = |(p, weight): (f32, f32)| [(1.0 - p) * weight, p * weight];
                let pairs = labels.into_iter().zip(weights).flat_map(pair);
                vec![(inputs::LABELS, pairs.collect())]
            }
        }
    }

    fn finish(self, gpu: &Arc<Gpu>) -> Result<TrainedSegmenter> {
        let time = Duration::from_secs_f64(self.seconds());
        let mut weights = Weights::of(&self.model, &self.store)?;
        if let Some(layer) = weights.not_finite() {
            let (step, layer) = (self.steps.done(), layer.to_owned());
            let loss = self.progress.records.last().map_or(f32::NAN, |&loss| loss as f32);
            return Err(Error::NotFinite { loss, step, layer });
        }
        let scaling = self.images.scaling.name().to_owned();
        weights.metadata.insert("scaling".to_owned(), scaling);
        let Run { model, store, progress, images, .. } = self;
        drop(self.steps);
        model.expect_finite(gpu, &store, &images.name(0), &images.numbers(0))?;
        Ok(TrainedSegmenter { model, store, weights, losses: progress.records, time })
    }

    fn seconds(&self) -> f64 {
        self.progress.seconds + self.start.elapsed().as_secs_f64()
    }

    fn finished(&self) -> String {
        let (done, epochs) = (self.progress.records.len(), self.options.epochs);
        let kept = match &self.options.state {
            Some(path) if done > 0 => format!(", --resume goes on from {}", path.display()),
            _ => String::new(),
        };
        format!("{done} of {epochs} epochs were finished{kept}")
    }
}

/// A segmenter ready to run, in batches of a fixed size.
#[derive(Debug)]
pub struct Segmenter {
    gpu: Arc<Gpu>,
    store: Store,
    model: Model,
    session: Session,
    logits: String,
}

impl Segmenter {
    /// Prepares `model`, built for inference, with the variables of `store`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] or those of the GPU.
    pub fn new(gpu: &Arc<Gpu>, model: Model, store: &Store) -> Result<Self> {
        let logits = model.heads.logits;
        let options = session::options(gpu);
        let plan = plan::build(&model.graph, &[logits], &[], gpu.capabilities(), &options)?;
        let session = Session::new(gpu, plan, store)?;
        let logits = model.graph.node(logits).name.clone();
        Ok(Segmenter { gpu: gpu.clone(), store: store.clone(), model, session, logits })
    }

    /// For each of the images `indices` the probability of foreground, (H, W).
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn probabilities(&mut self, images: &Prepared, indices: &[usize]) -> Result<Vec<Vec<f32>>> {
        let (batch, units) = (self.model.batch, self.model.classes);
        let order =
            BatchOptions { batch, seed: 0, epoch: 0, shuffle: false, augment: Augment::default() };
        let pixels = self.model.size[0] * self.model.size[1];
        let mut found = Vec::with_capacity(indices.len());
        for mut some in Batches::new(images, indices, order) {
            some.pad_to(batch);
            self.session.set(IMAGES, &some.images)?;
            self.session.run()?;
            let logits = self.session.read(&self.logits)?.into_data();
            let masks = logits.chunks(pixels * units).zip(&some.indices);
            let numbers = some.images.chunks(images.image_len());
            let lost = |mask: &[f32]| mask.iter().any(|score| !score.is_finite());
            if let Some(((_, &index), image)) = masks.zip(numbers).find(|((mask, _), _)| lost(mask))
            {
                let (name, what) = (images.name(index), "the scores of its pixels are");
                return Err(self.model.lost(&self.gpu, &self.store, &name, what, image));
            }
            let foreground =
                |row: &[f32]| probabilities(row).last().copied().unwrap_or_default() as f32;
            let masks = logits.chunks(pixels * units).take(some.indices.len());
            found.extend(masks.map(|mask| mask.chunks(units).map(foreground).collect()));
        }
        Ok(found)
    }
}
