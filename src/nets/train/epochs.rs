//! The epochs of a training run: from the first, or from where an earlier process was stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::graph::inputs;
use super::job::Job;
use super::lines::Lines;
use super::state::{self, Configuration, Progress, Restored};
use super::statistics::Reestimation;
use super::steps::{Lesson, Steps};
use super::{Best, EarlyStopping, Predictor, Schedule, Scores, TrainOptions, Trained};
use crate::console::{self, Bar};
use crate::engine::gpu::Gpu;
use crate::engine::session::{Arena, Store};
use crate::error::{Error, Result};
use crate::nets::images::{Batch, BatchOptions, Batches, Prepared, Split};
use crate::nets::models::{Head, Model, Network};
use crate::nets::train::record::EpochRecord;
use crate::nets::weights::Weights;

/// Trains `network` on the training side of `split`, and keeps the epoch with the best validation
/// accuracy, the earliest of equals.
///
/// It starts from scratch or from [`TrainOptions::start`], and where [`TrainOptions::state`] is
/// there already, after the last epoch in it. `title` stands before the progress bar.
///
/// # Errors
/// [`Error::TooLarge`] before anything is allocated, [`Error::NotFinite`] when the loss is lost,
/// [`Error::Interrupted`] after Ctrl-C, [`Error::Content`] when the state is of another configuration,
/// and those of the GPU and of reading and writing the files.
pub fn train(
    gpu: &Arc<Gpu>,
    network: &'static Network,
    prepared: &Prepared,
    split: &Split,
    options: &TrainOptions,
    title: &str,
) -> Result<Trained> {
    train_after(gpu, network, prepared, split, options, title, || Ok(()))
}

/// As [`train`]; `accepted` hears, before anything is written, that there is no state or one that is gone on
/// with: until then the files of an earlier call are what they were.
///
/// # Errors
/// As [`train`], and those of `accepted`.
pub fn train_after(
    gpu: &Arc<Gpu>,
    network: &'static Network,
    prepared: &Prepared,
    split: &Split,
    options: &TrainOptions,
    title: &str,
    accepted: impl FnOnce() -> Result<()>,
) -> Result<Trained> {
    let start = Instant::now();
    let size = [prepared.size.0, prepared.size.1];
    let counts = [split.train.len(), prepared.len()];
    let job = Job::plan(gpu, network, size, counts, options)?;
    let batch = job.batch;
    let store = Store::new(gpu, &job.steps[0].0.graph, options.seed)?;
    let arena = Arena::new(gpu, job.plans())?;
    let mut steps = Steps::new(gpu, &store, options);
    for (training, plan) in job.steps {
        steps.add(training, plan, &arena)?;
    }
    if let Some(weights) = &options.start {
        weights.put(&store)?;
    }
    let model = job.model;
    let classifier = Predictor::within(gpu, model.clone(), job.inference, &store, &arena)?;
    let reestimation = match job.reestimation {
        None => None,
        Some(planned) => Some(Reestimation::new(gpu, planned, &store, &arena)?),
    };
    // Its memory goes with the sessions.
    drop(arena);
    let configuration = match options.state {
        None => Configuration::new(),
        Some(_) => state::configuration(gpu, network, state::material(prepared, split), options),
    };
    let steps_an_epoch = split.train.len().div_ceil(batch) as u64;
    let mut run = Run {
        prepared,
        split,
        options,
        title,
        batch,
        steps_an_epoch,
        class_weights: class_weights(prepared, split, options)?,
        bar: console::bar(title, u64::from(options.epochs) * steps_an_epoch),
        start,
        model,
        store,
        steps,
        reestimation,
        classifier,
        configuration,
        progress: Progress::start(),
        lines: Lines::new(options.lines.as_deref()),
        best: Best::default(),
        kept: None,
        stopping: options.patience.map(EarlyStopping::new),
        stopped: false,
    };
    run.take_up()?;
    accepted()?;
    run.lines.begin()?;
    while !run.finished_by(run.progress.records.len() as u64) {
        run.epoch()?;
    }
    run.finish(gpu)
}

/// A training run between two epochs.
struct Run<'a> {
    prepared: &'a Prepared,
    split: &'a Split,
    options: &'a TrainOptions,
    title: &'a str,
    batch: usize,
    steps_an_epoch: u64,
    class_weights: Vec<f32>,
    bar: Box<dyn Bar>,
    start: Instant,
    model: Model,
    store: Store,
    steps: Steps,
    /// Where running statistics are not those of the steps.
    reestimation: Option<Reestimation>,
    classifier: Predictor,
    configuration: Configuration,
    /// Without the time of this process.
    progress: Progress,
    lines: Lines,
    best: Best,
    /// The weights of the best epoch.
    kept: Option<Weights>,
    stopping: Option<EarlyStopping>,
    stopped: bool,
}

impl Run<'_> {
    /// Takes up the state that an earlier process left, if it left one.
    fn take_up(&mut self) -> Result<()> {
        let Some(path) = self.options.state.as_ref().filter(|path| path.exists()) else {
            return Ok(());
        };
        let longer = self.options.longer;
        let Restored { progress, best, configuration, longer } =
            state::restore::<EpochRecord>(path, &self.configuration, longer, &self.store)?;
        self.configuration = configuration;
        let done = progress.records.len() as u64;
        if progress.records.iter().zip(1..).any(|(record, epoch)| record.epoch != epoch) {
            let hint = state::hint(self.options.longer);
            return Err(Error::content(path, "its epochs are not 1, 2, 3 and so on", hint));
        }
        for record in &progress.records {
            let best = self.judge(record);
            self.lines.classifier(record, u64::from(record.epoch) * self.steps_an_epoch, best)?;
        }
        // The best epoch's weights are left out where they are those of the last epoch.
        let now = self.weights()?;
        self.kept = match best {
            Some(best) => Some(Weights { tensors: best.tensors, metadata: now.metadata }),
            None => (self.best.epoch > 0).then_some(now),
        };
        self.steps.go_on_after(done * self.steps_an_epoch, progress.loss_scale);
        self.progress = progress;
        self.bar.start_at(done * self.steps_an_epoch);
        let title = self.title;
        if self.finished_by(done) {
            let epochs = self.options.epochs;
            let why = match (self.stopped, self.options.longer) {
                (true, _) => "; early stopping has ended it",
                (_, true) => "; with more --epochs it goes on from there",
                _ => "",
            };
            crate::console::note!("{title}: finished, after epoch {done} of {epochs}{why}");
            return Ok(());
        }
        let more = match (longer, self.options.schedule) {
            (true, Schedule::Cosine) => {
                "; the learning rate goes on along the cosine of all epochs, higher than it has ended: the \
                 result is not that of as many epochs from the start"
            }
            _ => "",
        };
        crate::console::note!("{title}: going on after epoch {done}{more}");
        Ok(())
    }

    /// Whether nothing is left to do after `done` epochs.
    fn finished_by(&self, done: u64) -> bool {
        self.stopped || done >= u64::from(self.options.epochs)
    }

    /// Whether the epoch of `record` is the best so far; early stopping hears of it as well.
    fn judge(&mut self, record: &EpochRecord) -> bool {
        self.stopped = self.stopping.as_mut().is_some_and(|s| s.stops(record.val_loss));
        let finite = record.loss.is_finite() && record.val_loss.is_finite();
        finite && self.best.keeps(self.options.keep, record.epoch, record.val_accuracy)
    }

    /// One pass over the training images, validation, and what is to be kept of it.
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
        let mut seen = Scores::default();
        let skipped = self.steps.skipped();
        let mut batches = Batches::new(self.prepared, &self.split.train, order);
        let mut batch = batches.next();
        while let Some(images) = batch {
            options.stop.check(|| self.finished())?;
            let targets = targets(self.prepared, &images, options.head, &self.class_weights);
            let name = |index: usize| self.prepared.name(images.indices[index]);
            let (count, numbers) = (images.labels.len(), &images.images);
            let lesson = Lesson { count, images: numbers, targets, name: &name };
            let (taken, next) = self.steps.step(&lesson, total, || batches.next())?;
            if let Some((_, answer)) = taken {
                seen.add_batch(&answer, self.prepared, &images);
            }
            self.bar.step(1);
            batches.recycle(images);
            batch = next;
        }
        self.tell_skipped(skipped, epoch);
        if seen.is_empty() {
            let layer = "one, for every batch of the epoch, in 16 bits".to_owned();
            return Err(Error::NotFinite { loss: f32::NAN, step: self.steps.done(), layer });
        }
        let finished = self.finished();
        if let Some(reestimation) = &mut self.reestimation {
            // The epoch's own batches, once more: nothing is drawn that a resumed training would not draw.
            let again = Batches::new(self.prepared, &self.split.train, order);
            reestimation.run(again, || options.stop.check(|| finished.clone()))?;
        }
        let validation = self.classifier.score(self.prepared, &self.split.validation)?;
        let record = EpochRecord {
            epoch,
            loss: seen.loss(),
            accuracy: seen.accuracy(),
            val_loss: validation.loss(),
            val_accuracy: validation.accuracy(),
        };
        self.progress.records.push(record);
        let weights = self.weights()?;
        // A ReLU may turn NaN into 0, so that weights are lost without a trace in the loss.
        if let Some(layer) = weights.not_finite() {
            let (loss, layer) = (record.loss as f32, layer.to_owned());
            return Err(Error::NotFinite { loss, step: self.steps.done(), layer });
        }
        let improved = self.judge(&record);
        if let (true, Some(path)) = (improved, &options.checkpoint) {
            super::save(path, &weights, &self.model)?;
        }
        if let Some(path) = &options.state {
            let seconds = self.seconds();
            let records = self.progress.records.clone();
            let progress = Progress { seconds, records, loss_scale: self.steps.scale() };
            let best = self.kept.as_ref().filter(|_| !improved);
            state::save(path, &self.configuration, &progress, &weights, best, &self.store)?;
        }
        if improved {
            self.kept = Some(weights);
        }
        // After the state, so that no epoch is in the lines that is not gone on from.
        self.lines.classifier(&record, u64::from(epoch) * self.steps_an_epoch, improved)?;
        self.lines.write()?;
        self.tell(&record);
        Ok(())
    }

    /// Says how many steps were left out since there were `before`.
    fn tell_skipped(&self, before: u64, epoch: u32) {
        let skipped = self.steps.skipped() - before;
        if skipped > 0 {
            let (title, of) = (self.title, self.steps_an_epoch);
            crate::console::note!(
                "{title}: epoch {epoch}: {skipped} of {of} steps were left out, because a number \
                     overflowed in 16 bits"
            );
        }
    }

    /// Shows what an epoch reached, and how long the rest takes at most.
    fn tell(&self, record: &EpochRecord) {
        self.bar.message(&format!(
            "loss {:.3}, accuracy {:.3}, validation {:.3}",
            record.loss, record.accuracy, record.val_accuracy
        ));
        if !self.bar.is_shown() {
            let EpochRecord { epoch, loss, accuracy, val_loss, val_accuracy } = *record;
            let epochs = self.options.epochs;
            let seconds = self.seconds();
            let left = seconds / f64::from(epoch) * f64::from(epochs - epoch);
            crate::console::note!(
                "{}: epoch {epoch}/{epochs}: loss {loss:.4} accuracy {accuracy:.4} val_loss \
                 {val_loss:.4} val_accuracy {val_accuracy:.4}, {seconds:.0} s, {left:.0} s left",
                self.title,
            );
        }
    }

    /// The best epoch's weights, in the store again.
    fn finish(self, gpu: &Arc<Gpu>) -> Result<Trained> {
        let time = Duration::from_secs_f64(self.seconds());
        let now = self.weights()?;
        let Run { model, store, kept, progress, best, prepared, split, .. } = self;
        let (stopped, configuration) = (self.stopped, self.configuration);
        // Their memory is not needed beside that of the check below.
        drop((self.steps, self.classifier, self.reestimation));
        // Without a best epoch none was run, or no validation accuracy was a number.
        let weights = kept.unwrap_or(now);
        weights.tensors.iter().try_for_each(|(name, tensor)| store.set(name, tensor))?;
        if let Some(&first) = split.validation.first() {
            let image = prepared.numbers(first);
            model.expect_finite(gpu, &store, &prepared.name(first), &image)?;
        }
        let records = progress.records;
        Ok(Trained { model, store, weights, records, best, stopped, configuration, time })
    }

    /// The weights as they are now.
    fn weights(&self) -> Result<Weights> {
        let mut weights = Weights::of(&self.model, &self.store)?;
        let scaling = self.prepared.scaling.name().to_owned();
        weights.metadata.insert("scaling".to_owned(), scaling);
        weights.name_classes(&self.options.taught);
        Ok(weights)
    }

    fn seconds(&self) -> f64 {
        self.progress.seconds + self.start.elapsed().as_secs_f64()
    }

    fn finished(&self) -> String {
        let done = self.progress.records.len();
        let kept = match (&self.options.checkpoint, &self.options.state) {
            _ if done == 0 => String::new(),
            (Some(path), None) => format!(", the best weights are in {}", path.display()),
            (_, Some(path)) => format!(", --resume goes on from {}", path.display()),
            (None, None) => String::new(),
        };
        format!("{done} of {} epochs were finished{kept}", self.options.epochs)
    }
}

/// What the loss compares the scores of `batch`, which was made of `prepared`, with; `weights` are those of the
/// classes.
fn targets(
    prepared: &Prepared,
    batch: &Batch,
    head: Head,
    weights: &[f32],
) -> Vec<(&'static str, Vec<f32>)> {
    let weight = |&label: &usize| weights[label.min(weights.len() - 1)];
    let mut marks = batch.indices.iter().filter_map(|&index| prepared.marks.get(index)).peekable();
    if let Some(labels) = marks.peek().map(|marks| marks.len()) {
        // The operation's loss is a mean over labels: with this weight it is their sum, so that each is learnt as it
        // would be alone.
        let weights = vec![labels as f32; batch.labels.len()];
        let marks = marks.flatten().map(|&mark| f32::from(u8::from(mark)));
        return vec![(inputs::LABELS, marks.collect()), (inputs::WEIGHTS, weights)];
    }
    match head {
        Head::Sigmoid => {
            let weights = batch.labels.iter().map(weight).collect();
            vec![(inputs::LABELS, batch.binary()), (inputs::WEIGHTS, weights)]
        }
        Head::Softmax => {
            let mut labels = batch.one_hot(weights.len());
            for (row, label) in labels.chunks_mut(weights.len()).zip(&batch.labels) {
                row.iter_mut().for_each(|target| *target *= weight(label));
            }
            vec![(inputs::LABELS, labels)]
        }
    }
}

/// The weight of each class: n / (classes * n_class), so that all classes weigh the same together.
fn class_weights(prepared: &Prepared, split: &Split, options: &TrainOptions) -> Result<Vec<f32>> {
    // A single unit tells two classes apart.
    let classes = options.units()?.max(2);
    let mut counts = vec![0usize; classes];
    for &index in &split.train {
        counts[prepared.labels[index].min(classes - 1)] += 1;
    }
    if !options.balance || counts.contains(&0) {
        return Ok(vec![1.0; classes]);
    }
    let weight = |count| split.train.len() as f32 / (classes as f32 * count as f32);
    Ok(counts.into_iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::graph::Operation;
    use crate::engine::ops::SigmoidCrossEntropy;
    use crate::engine::tensor::Tensor;
    use crate::nets::classes::Taught;
    use crate::nets::images::{Augment, Grey, Scaling};
    use crate::nets::train::evaluate::Answer;

    /// Four images of 2 x 2 pixels, in one batch.
    fn four(labels: [usize; 4], marks: &[[bool; 3]]) -> (Prepared, Batch) {
        let images = [0, 1, 2, 3].map(|grey| Grey::filled(2, 2, grey));
        let labelled = images.iter().zip(labels);
        let marks = marks.iter().map(|marks| marks.to_vec()).collect();
        let prepared = Prepared::from_images(labelled, (2, 2), 1, Scaling::None);
        let prepared = Prepared { marks, ..prepared };
        let order = BatchOptions {
            batch: 4,
            seed: 0,
            epoch: 0,
            shuffle: false,
            augment: Augment::default(),
        };
        let batch = Batches::new(&prepared, &[3, 1, 0, 2], order).next().unwrap();
        (prepared, batch)
    }

    #[test]
    fn the_loss_of_labels_is_the_sum_of_each_alone() {
        let marks = [[true, false, false], [true, true, false], [false; 3], [false, true, true]];
        let (prepared, batch) = four([0; 4], &marks);
        let found = targets(&prepared, &batch, Head::Sigmoid, &[1.0; 3]);
        let logits = Tensor::from_fn([4, 3], |at| at as f64 * 0.3 - 1.5);
        let numbers = |at: usize, shape: &[usize]| {
            Tensor::new(shape.to_vec(), found[at].1.iter().map(|&x| f64::from(x)).collect())
                .unwrap()
        };
        let (labels, weights) = (numbers(0, &[4, 3]), numbers(1, &[4]));
        assert_eq!(labels.data()[..3], [0.0, 1.0, 1.0], "in the order of the batch");
        let loss = SigmoidCrossEntropy.reference(&[&logits, &labels, &weights])[0].data()[0];
        // As the epochs' records have it.
        let mut scores = Scores::default();
        let row = logits.data().iter().map(|&x| x as f32).collect();
        scores.add_batch(&Answer { logits: row, classes: 3 }, &prepared, &batch);
        assert!((loss - scores.loss()).abs() < 1e-6, "{loss} {}", scores.loss());
    }

    #[test]
    fn all_classes_weigh_the_same_together() {
        let (prepared, batch) = four([0, 1, 2, 2], &[]);
        let split = Split { train: vec![0, 1, 2, 3], validation: Vec::new() };
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let options = TrainOptions { taught: Taught::Classes(names), ..TrainOptions::default() };
        let weights = class_weights(&prepared, &split, &options).unwrap();
        let third = 4.0 / 3.0;
        assert_eq!(weights, [third, third, third / 2.0]);
        let found = targets(&prepared, &batch, Head::Softmax, &weights);
        assert_eq!(found[0].1[..6], [0.0, 0.0, third / 2.0, 0.0, third, 0.0]);
        let two = class_weights(&four([0, 0, 0, 1], &[]).0, &split, &TrainOptions::default());
        assert_eq!(two.unwrap(), [4.0 / 6.0, 2.0]);
    }
}
