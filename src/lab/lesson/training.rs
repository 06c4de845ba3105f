//! A training for the browser: a network of a few thousand numbers, small synthetic ROIs, the plan of a step, and what
//! the same steps lose here.
//!
//! ```text
//! conv 3x3 /2, 16 -> conv 3x3, 32 -> max pool 2x2 -> conv 3x3, 32 -> global average pool -> dense
//! ```
//! Each convolution is followed by batch normalisation and ReLU. An input of 32x32 gives a last activation of 8x8x32.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::export::Document;
use super::pictures::synthetic;
use crate::engine::autodiff::gradients;
use crate::engine::gpu::Gpu;
use crate::engine::graph::Value;
use crate::engine::ops::Padding::Same;
use crate::engine::ops::{Optimizer, TopClass, Window};
use crate::engine::plan::{self, Options};
use crate::engine::session::{self, Session, Store};
use crate::error::Result;
use crate::lab::data::Class;
use crate::lab::data::roi::Roi;
use crate::lab::report::html::embed;
use crate::nets::cam::grad_cam;
use crate::nets::models::{
    BatchNorm, Build, CLASS, Conv, Heads, IMAGES, Layers, Mode, Network, Preprocessing,
};
use crate::nets::train::{TrainingGraph, inputs};

static NETWORK: Network = Network {
    name: "lesson",
    input: [SIDE, SIDE],
    channels: 1,
    classes: 2,
    batch_norm: BatchNorm { epsilon: 1e-3, momentum: 0.9 },
    preprocessing: Preprocessing::Tf,
    cam_layer: "conv3_act",
    build: Build::Figure(build),
};

fn build(l: &mut Layers, images: Value, classes: usize) -> Result<Heads> {
    let mut x = images;
    for (name, filters, stride) in [("conv1", 16, 2), ("conv2", 32, 1), ("conv3", 32, 1)] {
        x = l.conv2d(name, x, Conv::square(filters, 3).stride(stride))?;
        x = l.batch_norm(&format!("{name}_bn"), x)?;
        x = l.relu(&format!("{name}_act"), x)?;
        if name == "conv2" {
            x = l.max_pool("pool", x, Window::square(2, 2, Same))?;
        }
    }
    let pooled = l.global_average_pool("avg_pool", x)?;
    let logits = l.dense("predictions", pooled, classes)?;
    Ok(Heads { cam: x, logits })
}

/// Height and width of an image.
const SIDE: usize = 32;
/// Images in a step.
const BATCH: usize = 8;
/// Each gives one ROI with a mass and one without.
const PATIENTS: usize = 40;
const ROWS: usize = 192;
const SEED: u64 = 7;
/// ROIs whose maps are shown, of patients whose other ROIs are left out.
const HELD_OUT: usize = 4;
const RATE: f64 = 3e-3;
/// As many steps are taken here, too.
const COMPARED: u64 = 5;
const OPTIMIZER: Optimizer = Optimizer::adam();

/// Adds the plans `train` and `watch` to `document`, with the variables `training`, and gives what else the page needs.
///
/// # Errors
/// Those of making the ROIs, of planning, and of the GPU.
pub fn add(document: &mut Document, gpu: &Arc<Gpu>) -> Result<Json> {
    let (learnt, held_out) = material()?;
    let training = TrainingGraph::build(&NETWORK, BATCH, [SIDE; 2], 2, &OPTIMIZER)?;
    let store = Store::new(gpu, &training.graph, 0)?;
    document.add_variables("training", &training.graph, Some(&store))?;
    let outputs = [("loss", training.loss), ("logits", training.logits)];
    let names =
        outputs.map(|(shown, value)| (shown.to_owned(), training.graph.node(value).name.clone()));
    let values = outputs.map(|(_, value)| value);
    let step = plan::build(
        &training.graph,
        &values,
        &training.updates,
        &Document::capabilities(),
        &Options { rungs: Some(Document::rungs()), ..Options::default() },
    )?;
    document.add_plan("train", &training.graph, &step, Some("training"), &names)?;
    watch(document)?;
    let images: Vec<Vec<u8>> = learnt.iter().map(small).collect();
    let labels: Vec<usize> = learnt.iter().map(|roi| roi.class.index()).collect();
    let losses = losses(gpu, &training, &store, &images, &labels)?;
    let shown = held_out.iter().map(|roi| {
        Ok(json!({
            "id": roi.name, "class": roi.class.index(),
            "width": roi.image.width, "height": roi.image.height,
            "png": embed::grey_uri(&embed::grey(&roi.image)?)?,
            "outline": match &roi.mask {
                Some(mask) => Some(embed::grey_uri(&embed::grey(mask)?)?),
                None => None,
            },
            "small": bytes(&small(roi)),
        }))
    });
    let Optimizer::Adam { beta1, beta2, epsilon } = OPTIMIZER else {
        return Err(crate::error::Error::shape("lesson", "its optimiser is not Adam"));
    };
    Ok(json!({
        "network": NETWORK.name, "plan": "train", "watch": "watch", "variables": "training",
        "batch": BATCH, "size": [SIDE, SIDE], "classes": ["normal", "abnormal"],
        "images": bytes(&images.concat()), "labels": labels,
        "heldOut": shown.collect::<Result<Vec<Json>>>()?,
        "optimizer": {"kind": "adam", "beta1": beta1, "beta2": beta2, "epsilon": epsilon},
        "rate": RATE, "seed": 0, "losses": losses,
    }))
}

fn bytes(levels: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(levels)
}

/// ROIs to learn from, abnormal and normal ones by turns, and those that are held out.
fn material() -> Result<(Vec<Roi>, Vec<Roi>)> {
    let rois = synthetic(PATIENTS, ROWS, SEED)?;
    let mut of = [Class::Abnormal, Class::Normal].map(|class| {
        let of = rois.iter().filter(|roi| roi.class == class).cloned();
        of.collect::<Vec<Roi>>()
    });
    let count = of[0].len().min(of[1].len());
    let aside: Vec<String> =
        of[0].iter().skip(count - HELD_OUT).map(|r| r.source.clone()).collect();
    let mut held_out = Vec::new();
    for (at, source) in aside.iter().enumerate() {
        let from = &of[at % 2];
        held_out.extend(from.iter().find(|roi| roi.source == *source).cloned());
    }
    of.iter_mut().for_each(|of| of.retain(|roi| !aside.contains(&roi.source)));
    let [abnormal, normal] = of;
    let learnt = abnormal.into_iter().zip(normal).flat_map(|(a, b)| [a, b]).collect();
    Ok((learnt, held_out))
}

/// The grey levels of a ROI at the size of the network's input: what both programs learn from.
fn small(roi: &Roi) -> Vec<u8> {
    let resized = roi.image.resize(SIDE, SIDE);
    resized.into_iter().map(|level| (level + 0.5).clamp(0.0, 255.0) as u8).collect()
}

/// The forward pass by running statistics and the Grad-CAM map of the class `class`, for the ROIs that are held out.
fn watch(document: &mut Document) -> Result<()> {
    let model = NETWORK.build(Mode::Inference, HELD_OUT, [SIDE; 2], 2)?;
    let (mut graph, logits) = (model.graph, model.heads.logits);
    let class = graph.input(CLASS, [HELD_OUT, 2])?;
    let seed = graph.add("top_class", TopClass, &[logits, class])?;
    let gradient = gradients(&mut graph, logits, seed, &[model.heads.cam])?[0];
    let map = grad_cam(&mut graph, model.heads.cam, gradient)?;
    let outputs = [("logits", logits), ("map", map)];
    let names = outputs.map(|(shown, value)| (shown.to_owned(), graph.node(value).name.clone()));
    let values = outputs.map(|(_, value)| value);
    let plan = plan::build(&graph, &values, &[], &Document::capabilities(), &Options::default())?;
    document.add_plan("watch", &graph, &plan, Some("training"), &names)
}

/// The images of step `step`, from 0. An epoch takes all that fill whole batches, in an order drawn by xorshift32 from
/// the seed and the epoch; `trainer.js` draws the same.
fn batch(step: u64, count: usize, seed: u32) -> Vec<usize> {
    let batches = (count / BATCH).max(1) as u64;
    let epoch = (step / batches) as u32;
    let mut state = (seed.wrapping_mul(2_654_435_761) ^ epoch.wrapping_mul(40_503)).max(1);
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize
    };
    // What a small seed leaves in the upper bits is little at first.
    (0..8).for_each(|_| {
        draw();
    });
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, draw() % (last + 1));
    }
    let first = (step % batches) as usize * BATCH;
    order.into_iter().skip(first).take(BATCH).collect()
}

/// What the first steps lose here.
fn losses(
    gpu: &Arc<Gpu>,
    training: &TrainingGraph,
    store: &Store,
    images: &[Vec<u8>],
    labels: &[usize],
) -> Result<Vec<f32>> {
    let outputs = [training.loss];
    let options = session::options(gpu);
    let plan =
        plan::build(&training.graph, &outputs, &training.updates, gpu.capabilities(), &options)?;
    let loss = training.graph.node(training.loss).name.clone();
    let mut session = Session::new(gpu, plan, store)?;
    let mut losses = Vec::new();
    for step in 0..COMPARED {
        let chosen = batch(step, images.len(), 0);
        let pixels = chosen.iter().flat_map(|&at| &images[at]);
        let numbers: Vec<f32> =
            pixels.map(|&level| (f64::from(level) / 127.5 - 1.0) as f32).collect();
        let mut targets = vec![0.0; 2 * BATCH];
        for (row, &at) in chosen.iter().enumerate() {
            targets[2 * row + labels[at]] = 1.0;
        }
        session.set(IMAGES, &numbers)?;
        session.set(inputs::LABELS, &targets)?;
        session.set(inputs::HYPER, &OPTIMIZER.hyper(RATE, step + 1))?;
        session.set(inputs::ONE, &[1.0])?;
        session.run()?;
        losses.extend(session.read(&loss)?.into_data());
    }
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_takes_every_image_once_and_another_order_than_the_next() {
        let epoch = |of: u64, seed| -> Vec<usize> {
            (9 * of..9 * of + 9).flat_map(|step| batch(step, 72, seed)).collect()
        };
        let mut all = epoch(0, 0);
        assert_ne!(all, epoch(1, 0));
        assert_ne!(all, epoch(0, 1));
        all.sort_unstable();
        assert_eq!(all, (0..72).collect::<Vec<_>>());
    }
}
