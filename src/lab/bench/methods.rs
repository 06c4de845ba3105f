//! What methods of explanation cost on a model, beside the forward pass and the gradient that they need.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::timing::{Effort, Run, Timing, time_in_turns, time_repeatedly};
use crate::engine::autodiff::gradients;
use crate::engine::gpu::Gpu;
use crate::engine::graph::Value;
use crate::engine::plan::{self, Options};
use crate::engine::session::{self, Session, Store};
use crate::error::{Error, Result};
use crate::nets::cam::{Explainer, Method, Request, Settings};
use crate::nets::models::{CLASS, IMAGES, Mode, Model, Network};

/// What one method takes for a batch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodTiming {
    /// The model's name.
    pub model: String,
    /// The method's name.
    pub method: &'static str,
    /// Images in a batch.
    pub batch: usize,
    /// Height and width of the images.
    pub input: [usize; 2],
    /// Of a method of one gradient the plan of a batch, from images to heatmaps; of one of many
    /// copies the whole call, uploads and readbacks included.
    #[serde(flatten)]
    pub timing: Timing,
    /// Images a second.
    pub images_per_second: f64,
    /// Its time over that of the forward pass of the same batch: the median of turns for a method of one
    /// gradient, else of the medians.
    pub over_forward: f64,
    /// How many forward passes it takes beside the gradient that it needs, at the CAM layer or at the
    /// image, which includes a forward pass itself. None for methods of many copies.
    pub beside_gradient: Option<f64>,
    /// Bytes that its plans take, those of copies included.
    pub peak_bytes: u64,
}

/// Times `method` on `network` with random weights, for batches of `batch` images of (height, width)
/// `size`, on the network's CAM layer. What a method does depends on no pixel.
///
/// # Errors
/// [`Error::Usage`] for a segmenter; [`Error::TooLarge`], and those of the GPU.
pub fn time_method(
    gpu: &Arc<Gpu>,
    network: &'static Network,
    method: &'static Method,
    batch: usize,
    size: [usize; 2],
    effort: Effort,
) -> Result<MethodTiming> {
    if network.segments() {
        return Err(Error::usage(
            format!("{} gives a mask, whose classes no method explains", network.name),
            "give a classifier",
        ));
    }
    let model = network.build(Mode::Inference, batch, size, network.classes)?;
    let store = Store::new(gpu, &model.graph, 0)?;
    let settings = Settings::new(method);
    let mut explainer = Explainer::new(gpu, model.clone(), &store, &settings, size[0] * size[1])?;
    let length = size[0] * size[1] * network.channels;
    let image: Vec<f32> = (0..length).map(|at| ((at * 37 % 255) as f32) / 127.5 - 1.0).collect();
    let request = Request { image: &image, class: Some(0), size, mask: None };
    let requests = vec![request; batch];
    let logits = model.heads.logits;
    let forward = open(gpu, &model, &[logits], &store)?;
    let (timing, over_forward, beside_gradient) = if method.samples() {
        let alone = time_repeatedly(effort, |repeats| forward.time(repeats))?;
        let timing = time_repeatedly(effort, |repeats| {
            let start = Instant::now();
            (0..repeats).try_for_each(|_| explainer.explain(&requests).map(|_| ()))?;
            Ok(start.elapsed() / repeats as u32)
        })?;
        let over = timing.ms / alone.ms;
        (timing, over, None)
    } else {
        let gradient = gradient(gpu, &model, method, &store)?;
        explainer.explain(&requests)?;
        let session = explainer.session();
        let mut runs = [&forward, &gradient, session].map(|session| |n| session.time(n));
        let mut runs: Vec<Run> = runs.iter_mut().map(|run| run as Run).collect();
        let turns = time_in_turns(effort, &mut runs)?;
        let [_, gradient, own] = &turns[..] else {
            return Err(Error::shape("bench", "three sessions were timed in turns"));
        };
        (own.timing.clone(), own.ratio, Some(own.ratio - gradient.ratio))
    };
    let copies = explainer.copies().map_or(0, |session| session.plan().peak_bytes);
    Ok(MethodTiming {
        model: network.name.to_owned(),
        method: method.name,
        batch,
        input: size,
        images_per_second: batch as f64 / timing.ms * 1e3,
        timing,
        over_forward,
        beside_gradient,
        peak_bytes: explainer.session().plan().peak_bytes + copies,
    })
}

/// The forward pass and the gradient of the class scores where `method` takes it.
fn gradient(gpu: &Arc<Gpu>, model: &Model, method: &Method, store: &Store) -> Result<Session> {
    let mut model = model.clone();
    let class = model.graph.input(CLASS, [model.batch, model.classes])?;
    let images = model.graph.find(IMAGES);
    let at = if method.of_layer() { model.heads.cam } else { images.unwrap_or(model.heads.cam) };
    let gradient = gradients(&mut model.graph, model.heads.logits, class, &[at])?[0];
    open(gpu, &model, &[model.heads.logits, gradient], store)
}

/// A session for `outputs` that has run once.
fn open(gpu: &Arc<Gpu>, model: &Model, outputs: &[Value], store: &Store) -> Result<Session> {
    let options = Options { single_from: &[CLASS], ..session::options(gpu) };
    let plan = plan::build(&model.graph, outputs, &[], gpu.capabilities(), &options)?;
    let mut session = Session::new(gpu, plan, store)?;
    session.run()?;
    gpu.wait()?;
    Ok(session)
}
