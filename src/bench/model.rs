//! Whole models: a forward pass, a Grad-CAM, a training step.

use serde::Serialize;

use super::Ceiling;
use super::timing::{Effort, Timing, time_repeatedly};
use crate::error::Result;
use crate::session::Session;

/// What a model is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// From images to logits.
    Forward,
    /// From images to heatmaps; it includes the forward pass.
    GradCam,
    /// Forward, loss, gradients and the optimiser's updates.
    TrainingStep,
}

impl Phase {
    /// In this order they are timed and printed.
    pub const ALL: [Phase; 3] = [Phase::Forward, Phase::GradCam, Phase::TrainingStep];
}

/// One phase of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseTiming {
    /// The time of one run of the plan.
    #[serde(flatten)]
    pub timing: Timing,
    /// Images a second.
    pub images_per_second: f64,
    /// Floating point operations a second over the plan's own count, in 10^9.
    pub gflops: f64,
    /// Floating point operations of one run.
    pub flops: u64,
    /// Dispatches of one run.
    pub dispatches: usize,
    /// Bytes of memory that the plan takes.
    pub peak_bytes: u64,
    /// Bytes below which no plan can go.
    pub live_bytes: u64,
}

/// All phases of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ModelTiming {
    /// The model's name.
    pub model: String,
    /// Images in a batch.
    pub batch: usize,
    /// Height and width of the images.
    pub input: [usize; 2],
    /// From images to logits.
    pub forward: Option<PhaseTiming>,
    /// From images to heatmaps.
    pub grad_cam: Option<PhaseTiming>,
    /// A step of training.
    pub training_step: Option<PhaseTiming>,
    /// Time of Grad-CAM over that of the forward pass that it includes.
    pub grad_cam_over_forward: Option<f64>,
    /// Share of the arithmetic ceiling that the training step reaches, or the forward pass.
    pub share_of_ceiling: Option<f64>,
}

/// Times a session whose inputs are set, over a batch of `images`, on the GPU alone: neither uploads
/// nor readbacks count.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
pub fn time_session(session: &Session, images: usize, effort: Effort) -> Result<PhaseTiming> {
    let timing = time_repeatedly(effort, |repeats| session.time(repeats))?;
    let plan = session.plan();
    Ok(PhaseTiming {
        timing,
        images_per_second: images as f64 / timing.ms * 1e3,
        gflops: plan.flops() as f64 / timing.ms / 1e6,
        flops: plan.flops(),
        dispatches: plan.dispatches(),
        peak_bytes: plan.peak_bytes,
        live_bytes: plan.live_bytes,
    })
}

/// Times every phase for which `open` gives a session that has been run once. One session is open at
/// a time, so that memory holds the largest of them and not all.
///
/// # Errors
/// Those of `open` and of [`time_session`].
pub fn time_model(
    model: &str,
    batch: usize,
    input: [usize; 2],
    effort: Effort,
    ceiling: &Ceiling,
    open: &mut dyn FnMut(Phase) -> Result<Option<Session>>,
) -> Result<ModelTiming> {
    let mut found = ModelTiming { model: model.to_owned(), batch, input, ..Default::default() };
    for phase in Phase::ALL {
        let timing = match open(phase)? {
            Some(session) => Some(time_session(&session, batch, effort)?),
            None => None,
        };
        match phase {
            Phase::Forward => found.forward = timing,
            Phase::GradCam => found.grad_cam = timing,
            Phase::TrainingStep => found.training_step = timing,
        }
    }
    if let (Some(forward), Some(cam)) = (&found.forward, &found.grad_cam) {
        found.grad_cam_over_forward = Some(cam.timing.ms / forward.timing.ms);
    }
    let busiest = found.training_step.as_ref().or(found.forward.as_ref());
    found.share_of_ceiling = busiest.map(|phase| phase.gflops / ceiling.gflops);
    Ok(found)
}
