//! One kernel variant on one case: checked first, then timed.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::check::{Checker, narrow};
use super::timing::{Effort, Timing, time_repeatedly};
use super::{Ceiling, Layer, Subject};
use crate::engine::gpu::Gpu;
use crate::engine::graph::Variant;
use crate::error::{Error, Result};

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// The operation.
    pub op: String,
    /// The kernel variant.
    pub variant: String,
    /// The case's name.
    pub case: String,
    /// The time of one run.
    #[serde(flatten)]
    pub timing: Timing,
    /// Floating point operations a second, in 10^9.
    pub gflops: f64,
    /// Bytes of inputs and outputs, each counted once, a second, in 10^9.
    pub gbps: f64,
    /// The larger of the shares of the two ceilings. Tensors that stay in a cache may exceed 1.
    pub share_of_ceiling: f64,
    /// Whether this variant is chosen when none is asked for.
    pub default: bool,
    /// What the result was compared with before it was timed.
    pub checked: String,
    /// Floating point operations of one run.
    pub flops: u64,
    /// Bytes of inputs and outputs.
    pub bytes: u64,
    /// Dispatches of one run.
    pub dispatches: usize,
    /// How many layers of the networks that were asked for are this case; 1 of no network.
    pub layers: usize,
}

/// Measures cases, and remembers what it has checked.
#[derive(Debug)]
pub struct Bencher {
    gpu: Arc<Gpu>,
    effort: Effort,
    checker: Checker,
    pace: Pace,
}

impl Bencher {
    /// For one adapter.
    pub fn new(gpu: &Arc<Gpu>, effort: Effort) -> Self {
        Bencher { gpu: gpu.clone(), effort, checker: Checker::new(gpu), pace: Pace::default() }
    }

    /// The variant that a plan has for `layer`; none where it does not fit the adapter.
    pub fn chosen(&self, layer: &Layer) -> Option<&'static str> {
        let mut subject = Subject::new(&layer.case).ok()?;
        subject.choices = self.gpu.choices().clone();
        let plan = subject.plan(self.gpu.capabilities(), None).ok()?;
        plan.steps.last().map(|step| step.variant)
    }

    /// Checks `variant` on the case of `layer` and times it.
    ///
    /// # Errors
    /// [`Error::Shape`] when the adapter lacks what the variant needs, the variant cannot do this
    /// shape or would take too long, or its result is wrong; [`Error::TooLarge`] when the case does not
    /// fit the adapter; [`Error::Gpu`] when the device failed.
    pub fn measure(
        &mut self,
        layer: &Layer,
        variant: &Variant,
        ceiling: &Ceiling,
    ) -> Result<Measurement> {
        let case = &layer.case;
        let op = case.operation.name();
        if !variant.needs.met_by(self.gpu.capabilities()) {
            let problem =
                variant.needs.lacking(self.gpu.capabilities(), self.gpu.report().cooperative);
            return Err(Error::shape(format!("{op}/{}", variant.name), problem));
        }
        let mut subject = Subject::new(case)?;
        subject.choices = self.gpu.choices().clone();
        // Planning refuses what does not fit before anything is allocated.
        let chosen = subject.plan(self.gpu.capabilities(), None)?;
        let plan = subject.plan(self.gpu.capabilities(), Some(variant.name))?;
        if plan.dispatches() == 0 {
            return Err(Error::shape(op, "nothing to run: it is a view of its input"));
        }
        self.pace.allows(&subject, op, variant.name)?;
        let tensors = case.tensors(7);
        let (mut session, store) =
            subject.session(&self.gpu, Some(variant.name), &narrow(&tensors))?;
        session.run()?;
        let checked =
            self.checker.check(case, variant, &tensors, || subject.results(&session, &store))?;
        let timing = time_repeatedly(self.effort, |repeats| session.time(repeats))?;
        self.pace.took(&subject, op, variant.name, timing.ms);

        let (flops, bytes) = (subject.flops(), subject.bytes());
        let (gflops, gbps) = (flops as f64 / timing.ms / 1e6, bytes as f64 / timing.ms / 1e6);
        Ok(Measurement {
            op: op.to_owned(),
            variant: variant.name.to_owned(),
            case: case.name.clone(),
            timing,
            gflops,
            gbps,
            share_of_ceiling: ceiling.share(gflops, gbps),
            default: chosen.steps.iter().any(|step| step.variant == variant.name),
            checked,
            flops,
            bytes,
            dispatches: plan.dispatches(),
            layers: layer.layers.len(),
        })
    }
}

/// How long variants took so far: what would take very long is left out.
#[derive(Debug, Default)]
pub struct Pace {
    /// The most milliseconds for a unit of work.
    slowest: HashMap<(&'static str, &'static str), f64>,
}

/// What one run may take, by the pace so far.
const LONGEST_MS: f64 = 10_000.0;

impl Pace {
    /// Whether `variant` of `op` is likely to end soon.
    ///
    /// # Errors
    /// [`Error::Shape`] where it is not, with how long it would take.
    pub fn allows(&self, subject: &Subject, op: &'static str, variant: &'static str) -> Result<()> {
        let pace = self.slowest.get(&(op, variant)).copied().unwrap_or_default();
        let ms = pace * work(subject);
        if ms <= LONGEST_MS {
            return Ok(());
        }
        let problem = format!("would take about {:.0} s a run, by what it took before", ms / 1e3);
        Err(Error::shape(format!("{op}/{variant}"), problem))
    }

    /// One run of `variant` of `op` took `ms` milliseconds.
    pub fn took(&mut self, subject: &Subject, op: &'static str, variant: &'static str, ms: f64) {
        let slowest = self.slowest.entry((op, variant)).or_default();
        *slowest = slowest.max(ms / work(subject));
    }
}

/// Floating point operations and bytes. Small shapes have a price of their own, which says nothing of
/// large ones.
fn work(subject: &Subject) -> f64 {
    (subject.flops() + subject.bytes()).max(10_000_000) as f64
}
