//! Class scores of images, and what they are worth.

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::engine::plan::{self, Plan};
use crate::engine::session::{self, Arena, Session, Store};
use crate::error::{Error, Result};
use crate::nets::images::{Augment, Batch, BatchOptions, Batches, Prepared};
use crate::nets::models::{IMAGES, Model};

/// Class scores of a batch.
#[derive(Clone, Debug)]
pub struct Answer {
    /// (N, classes), before softmax.
    pub logits: Vec<f32>,
    /// Classes.
    pub classes: usize,
}

/// Softmax of one row of class scores, in double precision.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().fold(f64::NEG_INFINITY, |most, &logit| most.max(f64::from(logit)));
    let powers: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

/// The probabilities that scores stand for where each unit stands for itself: a sigmoid each.
pub fn each_alone(logits: &[f32]) -> Vec<f64> {
    logits.iter().flat_map(|unit| probabilities(&[*unit])).collect()
}

/// The probabilities that class scores stand for: softmax, or of a single unit the sigmoid.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    match logits {
        [unit] => vec![1.0 / (1.0 + (-f64::from(*unit)).exp())],
        _ => softmax(logits),
    }
}

/// Keras's epsilon: its cross-entropies take a probability to be in `EPSILON..=1 - EPSILON`.
const EPSILON: f64 = 1e-7;

/// Loss and accuracy, collected over batches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores {
    images: usize,
    /// What was to be decided: a class for each image, or for each label whether the image has it.
    answers: usize,
    right: usize,
    loss: f64,
}

impl Scores {
    /// Adds the images of a batch; rows of `answer` beyond the labels are fill.
    pub fn add(&mut self, answer: &Answer, labels: &[usize]) {
        for (row, &label) in answer.logits.chunks(answer.classes).zip(labels) {
            // A single unit is the second of two, the first being zero.
            let pair = [0.0, row[0]];
            let row = if row.len() == 1 { &pair } else { row };
            let probabilities = softmax(row);
            let best = (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b]));
            self.images += 1;
            self.answers += 1;
            self.right += usize::from(best == Some(label));
            // Unlike `max` and `min`, `clamp` leaves NaN what it is.
            let loss = |p: &f64| -p.clamp(EPSILON, 1.0 - EPSILON).ln();
            self.loss += probabilities.get(label).map_or(f64::NAN, loss);
        }
    }

    /// Adds the images of a batch, of which `marks` say which labels each has: the loss is the sum over labels, and
    /// right is what is above a half where the image has the label, and only there.
    pub fn add_marked<'a>(&mut self, answer: &Answer, marks: impl Iterator<Item = &'a [bool]>) {
        for (row, marks) in answer.logits.chunks(answer.classes).zip(marks) {
            let mut each = Scores::default();
            for (unit, &mark) in row.iter().zip(marks) {
                let alone = Answer { logits: vec![*unit], classes: 1 };
                each.add(&alone, &[usize::from(mark)]);
            }
            self.images += 1;
            self.answers += each.answers;
            self.right += each.right;
            self.loss += each.loss;
        }
    }

    /// Adds the images of `batch`, which was made of `prepared`.
    pub fn add_batch(&mut self, answer: &Answer, prepared: &Prepared, batch: &Batch) {
        match prepared.marks.is_empty() {
            true => self.add(answer, &batch.labels),
            false => {
                self.add_marked(answer, batch.indices.iter().map(|&at| &prepared.marks[at][..]));
            }
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// Mean cross-entropy over images, without class weights, as Keras's losses have it of probabilities: each is taken
    /// to be in [1e-7, 1 - 1e-7], so that no image costs more than 16.12. NaN where a score is.
    pub fn loss(&self) -> f64 {
        self.loss / self.images.max(1) as f64
    }

    /// The share of images whose highest score is that of their class; of labels the share, over images and labels,
    /// that is called rightly.
    pub fn accuracy(&self) -> f64 {
        self.right as f64 / self.answers.max(1) as f64
    }
}

/// A model ready to give class scores, in batches of a fixed size.
#[derive(Debug)]
pub struct Predictor {
    gpu: Arc<Gpu>,
    store: Store,
    model: Model,
    session: Session,
    logits: String,
}

impl Predictor {
    /// Prepares `model`, built for inference, with the variables of `store`.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge) or those of the GPU.
    pub fn new(gpu: &Arc<Gpu>, model: Model, store: &Store) -> Result<Self> {
        let plan = Self::plan(gpu, &model)?;
        let arena = Arena::new(gpu, [&plan])?;
        Self::within(gpu, model, plan, store, &arena)
    }

    /// The plan of the scores of `model`, built for inference.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::error::Error::TooLarge).
    pub fn plan(gpu: &Gpu, model: &Model) -> Result<Plan> {
        let (outputs, options) = ([model.heads.logits], session::options(gpu));
        plan::build(&model.graph, &outputs, &[], gpu.capabilities(), &options)
    }

    /// [`Self::new`] with a plan that is made already, in an arena that others use as well.
    ///
    /// # Errors
    /// Those of the GPU.
    pub fn within(
        gpu: &Arc<Gpu>,
        model: Model,
        plan: Plan,
        store: &Store,
        arena: &Arena,
    ) -> Result<Self> {
        let session = Session::within(gpu, plan, store, arena)?;
        let logits = model.graph.node(model.heads.logits).name.clone();
        Ok(Predictor { gpu: gpu.clone(), store: store.clone(), model, session, logits })
    }

    /// Class scores of one batch of scaled images, (batch, H, W, C).
    ///
    /// # Errors
    /// Those of the GPU.
    pub fn logits(&mut self, images: &[f32]) -> Result<Answer> {
        self.session.set(IMAGES, images)?;
        self.session.run()?;
        let logits = self.session.read(&self.logits)?.into_data();
        Ok(Answer { logits, classes: self.model.classes })
    }

    /// The error that the scores of `image`, scaled, which is called `subject`, are not finite.
    pub fn lost(&self, subject: &str, image: &[f32]) -> Error {
        self.model.lost(&self.gpu, &self.store, subject, "the scores are", image)
    }

    /// Loss and accuracy over the images `indices`.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn score(&mut self, prepared: &Prepared, indices: &[usize]) -> Result<Scores> {
        let mut scores = Scores::default();
        self.each(prepared, indices, |answer, batch| scores.add_batch(answer, prepared, batch))?;
        Ok(scores)
    }

    /// Class scores before softmax of each of the images `indices`, in their order.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn predict(&mut self, prepared: &Prepared, indices: &[usize]) -> Result<Vec<Vec<f32>>> {
        let mut rows: Vec<Vec<f32>> = Vec::with_capacity(indices.len());
        self.each(prepared, indices, |answer, batch| {
            let images = answer.logits.chunks(answer.classes).take(batch.labels.len());
            rows.extend(images.map(<[f32]>::to_vec));
        })?;
        Ok(rows)
    }

    /// Gives the answer for each batch of the images `indices`, and the batch, to `take`.
    fn each(
        &mut self,
        prepared: &Prepared,
        indices: &[usize],
        mut take: impl FnMut(&Answer, &Batch),
    ) -> Result<()> {
        let order = BatchOptions {
            batch: self.model.batch,
            seed: 0,
            epoch: 0,
            shuffle: false,
            augment: Augment::default(),
        };
        for mut batch in Batches::new(prepared, indices, order) {
            batch.pad_to(self.model.batch);
            let answer = self.logits(&batch.images)?;
            let rows = answer.logits.chunks(answer.classes).zip(&batch.indices);
            let images = batch.images.chunks(prepared.image_len());
            let lost = |row: &[f32]| row.iter().any(|score| !score.is_finite());
            if let Some(((_, &index), image)) = rows.zip(images).find(|((row, _), _)| lost(row)) {
                return Err(self.lost(&prepared.name(index), image));
            }
            take(&answer, &batch);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(logits: &[f32], classes: usize, labels: &[usize]) -> Scores {
        let mut scores = Scores::default();
        scores.add(&Answer { logits: logits.to_vec(), classes }, labels);
        scores
    }

    #[test]
    fn a_loss_is_clipped_as_keras_clips_it() {
        // keras.ops.categorical_crossentropy([[1, 0]], [[p, 1 - p]]) of p = 0.25, and of p = 0 and 1.
        let of = |difference: f32| scores(&[0.0, difference], 2, &[0]).loss();
        assert!((of(3f32.ln()) - 1.386_294_4).abs() < 1e-6);
        assert!((of(100.0) - 16.118_095_7).abs() < 1e-6, "{}", of(100.0));
        assert!((of(-100.0) - 1e-7).abs() < 1e-12, "{}", of(-100.0));
        // A single unit is clipped alike: keras.ops.binary_crossentropy.
        for label in [0, 1] {
            let wrong = scores(&[[60.0, -60.0][label]], 1, &[label]).loss();
            assert!((wrong - 16.118_095_7).abs() < 1e-6, "{wrong}");
        }
    }

    #[test]
    fn labels_are_scored_one_by_one_and_summed() {
        let mut scores = Scores::default();
        let answer = Answer { logits: vec![2.0, -1.0, 0.5, 3.0, -0.5, -2.0], classes: 3 };
        let marks = [[true, false, false], [true, true, false]];
        scores.add_marked(&answer, marks.iter().map(|marks| &marks[..]));
        // ln(1 + exp(-x)) of a label that is there, ln(1 + exp(x)) of one that is not.
        let term = |x: f64| x.exp().ln_1p();
        let sums = term(-2.0) + term(-1.0) + term(0.5) + term(-3.0) + term(0.5) + term(-2.0);
        assert!((scores.loss() - sums / 2.0).abs() < 1e-6, "{}", scores.loss());
        // Wrong are 0.5, which has no label, and -0.5, which has one.
        assert!((scores.accuracy() - 4.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_score_that_is_not_finite_has_no_loss() {
        for lost in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let loss = scores(&[0.0, 1.0, lost, 0.0], 2, &[0, 1]).loss();
            assert!(!loss.is_finite() || lost == f32::NEG_INFINITY, "{lost}: {loss}");
        }
        assert!(scores(&[f32::NAN], 1, &[0]).loss().is_nan());
    }
}
