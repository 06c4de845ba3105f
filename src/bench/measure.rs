//! One kernel variant on one case: checked first, then timed.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::timing::{Effort, Timing, time_repeatedly};
use super::{Ceiling, Subject, difference};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::ops::{Case, REGISTRY, Variant};
use crate::shape::Shape;
use crate::tensor::Tensor;

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
    pub checked: &'static str,
    /// Floating point operations of one run.
    pub flops: u64,
    /// Bytes of inputs and outputs.
    pub bytes: u64,
    /// Dispatches of one run.
    pub dispatches: usize,
}

/// Work above which the plain loops of the reference take too long.
const MOST_REFERENCE_FLOPS: u64 = 100_000_000;

/// Work above which the plainest variant takes too long to compare with.
const MOST_NAIVE_FLOPS: u64 = 8_000_000_000;

/// Measures cases, and remembers what it has checked.
#[derive(Debug)]
pub struct Bencher {
    gpu: Arc<Gpu>,
    effort: Effort,
    /// Variants that have passed the small cases of their operation, with how many.
    passed: HashMap<(&'static str, &'static str), usize>,
    /// Results of the plainest variant on the case at hand.
    plain: Option<(String, Vec<Tensor<f64>>)>,
}

impl Bencher {
    /// For one adapter.
    pub fn new(gpu: &Arc<Gpu>, effort: Effort) -> Self {
        Bencher { gpu: gpu.clone(), effort, passed: HashMap::new(), plain: None }
    }

    /// Checks `variant` on `case` and times it.
    ///
    /// # Errors
    /// [`Error::Shape`] when the adapter lacks what the variant needs, the variant cannot do this
    /// shape, or its result is wrong; [`Error::TooLarge`] when the case does not fit the adapter;
    /// [`Error::Gpu`] when the device failed.
    pub fn measure(
        &mut self,
        case: &Case,
        variant: &Variant,
        ceiling: &Ceiling,
    ) -> Result<Measurement> {
        let op = case.operation.name();
        if !variant.needs.met_by(self.gpu.capabilities()) {
            let problem = format!("needs {:?}, which the adapter lacks", variant.needs);
            return Err(Error::shape(format!("{op}/{}", variant.name), problem));
        }
        let subject = Subject::new(case)?;
        // Planning refuses what does not fit before anything is allocated.
        let chosen = subject.plan(self.gpu.capabilities(), None)?;
        let plan = subject.plan(self.gpu.capabilities(), Some(variant.name))?;
        if plan.dispatches() == 0 {
            return Err(Error::shape(op, "nothing to run: it is a view of its input"));
        }
        let tensors = case.tensors(7);
        let (mut session, store) =
            subject.session(&self.gpu, Some(variant.name), &narrow(&tensors))?;
        session.run()?;
        let checked = self.check(case, variant, &tensors, || subject.results(&session, &store))?;
        let timing = time_repeatedly(self.effort, |repeats| session.time(repeats))?;

        let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
        let flops = case.operation.flops(&shapes, subject.graph.shape(subject.output));
        let bytes = subject.bytes();
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
        })
    }

    /// Compares with the reference: on the case itself where that is small enough; else on small
    /// cases of the operation, and then on the case itself with the plainest variant.
    fn check(
        &mut self,
        case: &Case,
        variant: &Variant,
        tensors: &[Tensor<f64>],
        found: impl Fn() -> Result<Vec<Tensor>>,
    ) -> Result<&'static str> {
        let op = case.operation.name();
        let what = format!("{op}/{} on {}", variant.name, case.name);
        let subject = Subject::new(case)?;
        let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
        let flops = case.operation.flops(&shapes, subject.graph.shape(subject.output));
        if !case.bench_only && flops + subject.bytes() <= MOST_REFERENCE_FLOPS {
            compare(&what, &found()?, &reference(case, tensors), case.tolerance)?;
            return Ok("reference");
        }
        let small = self.check_small(case, variant)?;
        let plainest = case.operation.variants()[0].name;
        let comparable = self.effort.compare_large
            && variant.name != plainest
            && flops <= MOST_NAIVE_FLOPS
            && self.passed.get(&(op, plainest)).is_some_and(|&passed| passed > 0);
        if comparable {
            let key = format!("{op} {}", case.name);
            if self.plain.as_ref().is_none_or(|(known, _)| *known != key) {
                let (mut session, store) =
                    subject.session(&self.gpu, Some(plainest), &narrow(tensors))?;
                session.run()?;
                let results = subject.results(&session, &store)?;
                self.plain = Some((key, results.iter().map(Tensor::widen).collect()));
            }
            if let Some((_, truth)) = &self.plain {
                // Both sum in single precision here, over more terms than in a small case.
                compare(&what, &found()?, truth, case.tolerance.max(1e-5) * 20.0)?;
                return Ok("reference on small cases, plainest variant on this one");
            }
        }
        match small {
            0 => Err(Error::shape(what, "no small case of its operation could check it")),
            _ => Ok("reference on small cases"),
        }
    }

    /// On how many small cases of the operation the variant agrees with the reference.
    fn check_small(&mut self, case: &Case, variant: &Variant) -> Result<usize> {
        let op = case.operation.name();
        if let Some(&passed) = self.passed.get(&(op, variant.name)) {
            return Ok(passed);
        }
        let all = REGISTRY.iter().flat_map(|entry| (entry.cases)());
        let small = all.filter(|other| other.operation.name() == op && !other.bench_only);
        let mut passed = 0;
        for other in small {
            if passed >= 8 {
                break;
            }
            let mut subject = Subject::new(&other)?;
            // Not every variant does every shape.
            if subject.plan(self.gpu.capabilities(), Some(variant.name)).is_err() {
                continue;
            }
            let tensors = other.tensors(7);
            let truth = reference(&other, &tensors);
            let what = format!("{op}/{} on {}", variant.name, other.name);
            // Large cases may be read through textures, which small ones are too small for.
            let textures = self.gpu.capabilities().texels > 0;
            for texels_from in if textures { &[u64::MAX, 0][..] } else { &[u64::MAX] } {
                subject.texels_from = *texels_from;
                let (mut session, store) =
                    subject.session(&self.gpu, Some(variant.name), &narrow(&tensors))?;
                session.run()?;
                let found = subject.results(&session, &store)?;
                compare(&what, &found, &truth, other.tolerance)?;
            }
            passed += 1;
        }
        self.passed.insert((op, variant.name), passed);
        Ok(passed)
    }
}

fn narrow(tensors: &[Tensor<f64>]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::narrow).collect()
}

fn reference(case: &Case, tensors: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    case.operation.reference(&tensors.iter().collect::<Vec<_>>())
}

fn compare(what: &str, found: &[Tensor], truth: &[Tensor<f64>], tolerance: f64) -> Result<()> {
    found.iter().zip(truth).try_for_each(|(a, b)| difference(what, a, b, tolerance))
}
