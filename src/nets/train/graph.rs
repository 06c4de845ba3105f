//! The graph of one training step: forward, loss, gradients, updates.

use super::options::Loss;
use crate::engine::autodiff::gradients;
use crate::engine::graph::{Graph, Init, Kind, Role, Value, downcast, fuse};
use crate::engine::ops::{
    Elementwise, Finite, MovingAverage, Optimize, Optimizer, Pack, Reshape, SigmoidCrossEntropy,
    SoftDice, SoftmaxCrossEntropy,
};
use crate::error::{Error, Result};
use crate::nets::models::{Head, Mode, Network};

/// A training step as a graph for one batch size.
#[derive(Clone, Debug)]
pub struct TrainingGraph {
    /// All of it.
    pub graph: Graph,
    /// The mean loss of the batch, one number.
    pub loss: Value,
    /// Class scores: (N, classes), or of a segmenter (N, H, W, classes).
    pub logits: Value,
    /// The loss where all gradients are finite, infinity otherwise; only where the loss is scaled. Neither
    /// the optimiser nor a running average then changes anything.
    pub finite: Option<Value>,
    /// What changes variables: running statistics, then the optimiser.
    pub updates: Vec<Value>,
    /// Images in the batch.
    pub batch: usize,
}

/// Input names of a training graph, besides those of the model.
pub mod inputs {
    /// Targets, a row an image, or for a segmenter a row a pixel: of a softmax (rows, classes), one-hot
    /// times the weight of the row; of sigmoids (rows, units), from 0 to 1.
    pub const LABELS: &str = "labels";
    /// Of sigmoids, (rows): the weight of each row. The loss is a mean over rows and units.
    pub const WEIGHTS: &str = "weights";
    /// The optimiser's numbers of this step, from [`Optimizer::hyper`](crate::engine::ops::Optimizer::hyper).
    pub const HYPER: &str = "hyper";
    /// The gradient of the loss with respect to itself: 1, or the loss scale.
    pub const ONE: &str = "one";
}

/// The running average `update` as one that leaves a batch out where `guard` is not finite: whether it is, is
/// known once there are loss and gradients.
fn guarded(graph: &mut Graph, update: Value, guard: Value) -> Result<Value> {
    let node = graph.node(update);
    let Some(&average) = node.operation().and_then(|one| downcast::<MovingAverage>(&**one)) else {
        return Ok(update);
    };
    let inputs: Vec<Value> = node.inputs.iter().copied().chain([guard]).collect();
    let name = graph.unique(&format!("{}/guarded", graph.node(update).name));
    graph.add(name, average, &inputs)
}

/// The loss of sigmoids: `scores` and `labels` (rows, units), `weights` (rows).
fn sigmoid_loss(
    graph: &mut Graph,
    loss: Loss,
    scores: Value,
    labels: Value,
    weights: Value,
) -> Result<Value> {
    let entropy =
        |graph: &mut Graph, name| graph.add(name, SigmoidCrossEntropy, &[scores, labels, weights]);
    let dice = |graph: &mut Graph, name| {
        let all = [1, graph.shape(scores).elements()];
        let mut as_one = |name, value| graph.add(name, Reshape(all.into()), &[value]);
        let masks = [
            as_one("masks", scores)?,
            as_one("mask_labels", labels)?,
            as_one("mask_weights", weights)?,
        ];
        graph.add(name, SoftDice, &masks)
    };
    match loss {
        Loss::CrossEntropy => entropy(graph, "loss"),
        Loss::Dice => dice(graph, "loss"),
        Loss::Both => {
            let terms = [entropy(graph, "cross_entropy")?, dice(graph, "dice")?];
            graph.add("loss", Elementwise::add(), &terms)
        }
    }
}

impl TrainingGraph {
    /// Builds the step of `network`, with cross-entropy as its loss: over `classes` units by softmax, or
    /// of a single unit by sigmoid, as a mean over images, or over the pixels of all. Variables are the same for every batch size.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::error::Error::Shape) when the input is too small for the network.
    pub fn build(
        network: &'static Network,
        batch: usize,
        size: [usize; 2],
        classes: usize,
        optimizer: &Optimizer,
    ) -> Result<Self> {
        let scored = (classes, Head::of(classes), Loss::CrossEntropy);
        Self::of(network, batch, size, scored, optimizer, false)
    }

    /// The same for a loss that is scaled: a step in which a gradient overflows changes no parameter.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn scaled(
        network: &'static Network,
        batch: usize,
        size: [usize; 2],
        classes: usize,
        optimizer: &Optimizer,
    ) -> Result<Self> {
        let scored = (classes, Head::of(classes), Loss::CrossEntropy);
        Self::of(network, batch, size, scored, optimizer, true)
    }

    /// The same with the loss of `head` whatever the number of units: several sigmoids each stand for themselves. The
    /// Dice is that of all masks of the batch together, so that an image without a lesion counts no more than its pixels.
    pub(super) fn of(
        network: &'static Network,
        batch: usize,
        size: [usize; 2],
        (classes, head, loss): (usize, Head, Loss),
        optimizer: &Optimizer,
        scaled: bool,
    ) -> Result<Self> {
        let model = network.build(Mode::Training, batch, size, classes)?;
        let (mut graph, logits) = (model.graph, model.heads.logits);
        let rows = graph.shape(logits).rows();
        let labels = graph.input(inputs::LABELS, [rows, classes])?;
        let scores = match graph.shape(logits).rank() {
            2 => logits,
            _ => graph.add("pixels", Reshape([rows, classes].into()), &[logits])?,
        };
        let loss = match (head, loss) {
            (Head::Softmax, Loss::CrossEntropy) => {
                graph.add("loss", SoftmaxCrossEntropy, &[scores, labels])?
            }
            (Head::Sigmoid, loss) => {
                let weights = graph.input(inputs::WEIGHTS, [rows])?;
                sigmoid_loss(&mut graph, loss, scores, labels, weights)?
            }
            (Head::Softmax, _) => {
                return Err(Error::usage(
                    "the Dice loss is of masks that a sigmoid gives",
                    "give the segmenter a single unit",
                ));
            }
        };

        // Fused before it is differentiated: an activation after a normalisation costs no pass over
        // memory then, forward or backward.
        let mut keep = vec![loss, logits];
        keep.extend(&model.updates);
        let (mut graph, map) = fuse(&graph, &keep, true)?;
        let moved = |value: Value| map[value.index()].unwrap_or(value);
        let (loss, logits) = (moved(loss), moved(logits));
        let mut updates: Vec<Value> = model.updates.iter().map(|&update| moved(update)).collect();

        let parameters: Vec<Value> = graph
            .nodes()
            .filter(|(_, n)| matches!(&n.kind, Kind::Variable(v) if v.role == Role::Trainable))
            .map(|(value, _)| value)
            .collect();
        let one = graph.input(inputs::ONE, [1])?;
        let found = gradients(&mut graph, loss, one, &parameters)?;
        let packed = graph.add("parameters", Pack, &parameters)?;
        let gradient = graph.add("gradients", Pack, &found)?;
        let hyper = graph.input(inputs::HYPER, [8])?;
        let finite = match scaled {
            true => Some(graph.add("finite", Finite, &[loss, gradient])?),
            false => None,
        };
        let guard = finite.unwrap_or(loss);
        for update in &mut updates {
            *update = guarded(&mut graph, *update, guard)?;
        }
        let mut operands = vec![packed, gradient, hyper, guard];
        let count = graph.shape(packed).clone();
        for state in optimizer.states() {
            let name = format!("optimizer/{state}");
            let start = Init::Constant(0.0);
            operands.push(graph.variable(name, count.clone(), Role::Optimizer, start)?);
        }
        let optimize = Optimize { optimizer: *optimizer };
        updates.push(graph.add("optimizer", optimize, &operands)?);
        Ok(TrainingGraph { graph, loss, logits, finite, updates, batch })
    }
}
