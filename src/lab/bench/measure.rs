//! One kernel variant on one case: checked first, then timed.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::check::{Checker, narrow};
use super::flush::Flush;
use super::timing::{Effort, Timing, time_beside};
use super::{Ceiling, Demand, Layer, Roof, Subject, Witness};
use crate::engine::gpu::Gpu;
use crate::engine::graph::Variant;
use crate::engine::kernel::Needs;
use crate::engine::plan::Plan;
use crate::engine::shaders;
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
    /// Dimensions of the inputs.
    pub inputs: Vec<Vec<usize>>,
    /// Dimensions of the result.
    pub output: Vec<usize>,
    /// The time of one run.
    #[serde(flatten)]
    pub timing: Timing,
    /// Floating point operations a second, in 10^9.
    pub gflops: f64,
    /// Bytes of inputs and outputs, each counted once, a second, in 10^9.
    pub gbps: f64,
    /// The larger of the shares of the two ceilings. Tensors that stay in a cache may exceed 1.
    pub share_of_ceiling: f64,
    /// The lowest roof: what alone would allow the fewest runs a second.
    pub roof: Roof,
    /// What a run takes under that roof over what it took. Fewer operations than the plain sum's, as Winograd's, may
    /// exceed 1.
    pub share_of_roof: f64,
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
pub struct Bencher<'a> {
    gpu: &'a Arc<Gpu>,
    effort: Effort,
    checker: Checker,
    pace: Pace,
    witness: Witness<'a>,
    /// Empties the caches between runs, where they are to begin empty.
    flush: Option<Flush<'a>>,
}

impl<'a> Bencher<'a> {
    /// For one adapter.
    ///
    /// # Errors
    /// [`Error::Gpu`] when memory or a kernel is refused.
    pub fn new(gpu: &'a Arc<Gpu>, effort: Effort) -> Result<Self> {
        let (checker, witness) = (Checker::new(gpu), Witness::new(gpu)?);
        let flush = if effort.cold { Some(Flush::new(gpu)?) } else { None };
        Ok(Bencher { gpu, effort, checker, pace: Pace::default(), witness, flush })
    }

    /// The variant that a plan has for `layer`; none where it does not fit the adapter.
    pub fn chosen(&self, layer: &Layer) -> Option<&'static str> {
        let mut subject = Subject::new(&layer.case).ok()?;
        subject.choices = self.gpu.choices().clone();
        let plan = subject.plan(self.gpu.capabilities(), None).ok()?;
        plan.steps.last().map(|step| step.variant)
    }

    /// Milliseconds of one run of `variant` on the case of `layer`, once it is compiled; none where it cannot be run.
    ///
    /// # Errors
    /// [`Error::Gpu`] when the device failed.
    pub fn first_run(&self, layer: &Layer, variant: &Variant) -> Result<Option<f64>> {
        let run = || -> Result<f64> {
            if !variant.needs.met_by(self.gpu.capabilities()) {
                return Err(Error::shape(variant.name, "the adapter lacks what it needs"));
            }
            let subject = Subject::new(&layer.case)?;
            self.pace.allows(&subject, layer.case.operation.name(), variant.name)?;
            let tensors = narrow(&layer.case.tensors(7));
            let (mut session, _store) = subject.session(self.gpu, Some(variant.name), &tensors)?;
            session.run()?;
            Ok(1e3 * session.time(1)?.as_secs_f64())
        };
        match run() {
            Ok(ms) => Ok(Some(ms)),
            Err(Error::Gpu { doing, message }) => Err(Error::Gpu { doing, message }),
            Err(_) => Ok(None),
        }
    }

    /// Checks `variant` on the case of `layer` and times it. `dispatch_ms` is what a dispatch costs that does nothing.
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
        dispatch_ms: f64,
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
            subject.session(self.gpu, Some(variant.name), &narrow(&tensors))?;
        session.run()?;
        let checked =
            self.checker.check(case, variant, &tensors, || subject.results(&session, &store))?;
        let (flops, bytes) = (subject.flops(), subject.bytes());
        let demand = Demand {
            flops,
            bytes,
            input_bytes: 4 * case
                .inputs
                .iter()
                .map(|(shape, _)| shape.elements() as u64)
                .sum::<u64>(),
            dispatches: plan.dispatches(),
            matrix: variant.needs == Needs::Cooperative,
            workgroup: uses_workgroup_memory(&plan)?,
            cold: self.flush.is_some(),
        };
        let (roof, least_ms) = demand.bound(ceiling, dispatch_ms);
        let memory = matches!(roof, Roof::Memory | Roof::Cache);
        let probe = || self.witness.time(memory);
        let run = |repeats: usize| {
            if let Some(flush) = &self.flush {
                flush.run()?;
            }
            session.time(repeats)
        };
        let timing = time_beside(self.effort, run, Some(&probe))?;
        self.pace.took(&subject, op, variant.name, timing.ms);
        let share_of_roof = least_ms / timing.ms;
        let (gflops, gbps) = (flops as f64 / timing.ms / 1e6, bytes as f64 / timing.ms / 1e6);
        Ok(Measurement {
            op: op.to_owned(),
            variant: variant.name.to_owned(),
            case: case.name.clone(),
            inputs: case.inputs.iter().map(|(shape, _)| shape.dims().to_vec()).collect(),
            output: subject.graph.shape(subject.output).dims().to_vec(),
            timing,
            gflops,
            gbps,
            share_of_ceiling: ceiling.share(gflops, gbps),
            roof,
            share_of_roof,
            default: chosen.steps.iter().any(|step| step.variant == variant.name),
            checked,
            flops,
            bytes,
            dispatches: plan.dispatches(),
            layers: layer.layers.len(),
        })
    }
}

/// Whether a kernel of `plan` has an array in workgroup memory.
fn uses_workgroup_memory(plan: &Plan) -> Result<bool> {
    for dispatch in plan.steps.iter().flat_map(|step| &step.dispatches) {
        if shaders::interface(dispatch.shader, dispatch.entry, dispatch.texels)?.workgroup {
            return Ok(true);
        }
    }
    Ok(false)
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
