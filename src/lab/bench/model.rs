//! Whole models: a forward pass, a Grad-CAM, a training step.

use serde::Serialize;

use super::timing::{Effort, LEAST, Run, Timing, time_beside, time_in_turns};
use super::{Ceiling, Witness};
use crate::engine::session::Session;
use crate::error::Result;

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
    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Forward => "forward",
            Phase::GradCam => "grad-cam",
            Phase::TrainingStep => "training step",
        }
    }
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
    /// Time of Grad-CAM over that of the forward pass that it includes: the median of pairs.
    pub grad_cam_over_forward: Option<f64>,
    /// Share of the arithmetic ceiling that the training step reaches, or the forward pass.
    pub share_of_ceiling: Option<f64>,
}

impl ModelTiming {
    /// Whether any phase is.
    pub fn timed(&self) -> bool {
        self.forward.is_some() || self.grad_cam.is_some() || self.training_step.is_some()
    }
}

/// Times a session whose inputs are set, over a batch of `images`, on the GPU alone: neither uploads
/// nor readbacks count. The multiply-adds of `witness` are timed beside it.
///
/// # Errors
/// [`Error::Gpu`](crate::error::Error::Gpu) when the device failed.
pub fn time_session(
    session: &Session,
    images: usize,
    effort: Effort,
    witness: &Witness,
) -> Result<PhaseTiming> {
    let probe = || witness.time(false);
    let timing = time_beside(effort, |repeats| session.time(repeats), Some(&probe))?;
    Ok(phase_timing(session, images, timing))
}

fn phase_timing(session: &Session, images: usize, timing: Timing) -> PhaseTiming {
    let plan = session.plan();
    PhaseTiming {
        images_per_second: images as f64 / timing.ms * 1e3,
        gflops: plan.flops() as f64 / timing.ms / 1e6,
        timing,
        flops: plan.flops(),
        dispatches: plan.dispatches(),
        peak_bytes: plan.peak_bytes,
        live_bytes: plan.live_bytes,
    }
}

/// Times the `phases` into `found`, each in a session that `open` gives and that has been run once. The forward
/// pass and Grad-CAM are timed in turns, the training step alone, so that memory holds no more than
/// it must.
///
/// # Errors
/// Those of `open` and of the GPU; phases that were timed by then are in `found`.
pub fn time_model(
    found: &mut ModelTiming,
    phases: &[Phase],
    effort: Effort,
    ceiling: &Ceiling,
    witness: &Witness,
    open: &mut dyn FnMut(Phase) -> Result<Session>,
) -> Result<()> {
    let batch = found.batch;
    let asked = |phase: Phase| phases.contains(&phase);
    if asked(Phase::Forward) && asked(Phase::GradCam) {
        let (forward, cam) = (open(Phase::Forward)?, open(Phase::GradCam)?);
        let runs: [Run; 3] =
            [&mut |n| forward.time(n), &mut |n| cam.time(n), &mut |_| witness.time(false)];
        let mut runs = runs;
        let effort = Effort { samples: effort.samples.max(LEAST), ..effort };
        let turns = time_in_turns(effort, &mut runs)?;
        if let [first, second, beside] = &turns[..] {
            let beside = |timing: &Timing| {
                let ceiling_ms = beside.timing.raw_ms.clone();
                let settled = 2.0 * timing.uncertainty() <= effort.interval;
                Timing { ceiling_ms, settled, ..timing.clone() }
            };
            found.forward = Some(phase_timing(&forward, batch, beside(&first.timing)));
            found.grad_cam = Some(phase_timing(&cam, batch, beside(&second.timing)));
            found.grad_cam_over_forward = Some(second.ratio);
        }
    } else if asked(Phase::Forward) {
        found.forward = Some(time_session(&open(Phase::Forward)?, batch, effort, witness)?);
    } else if asked(Phase::GradCam) {
        found.grad_cam = Some(time_session(&open(Phase::GradCam)?, batch, effort, witness)?);
    }
    if asked(Phase::TrainingStep) {
        let step = open(Phase::TrainingStep)?;
        found.training_step = Some(time_session(&step, batch, effort, witness)?);
    }
    let busiest = found.training_step.as_ref().or(found.forward.as_ref());
    found.share_of_ceiling = busiest.map(|phase| phase.gflops / ceiling.gflops);
    Ok(())
}
