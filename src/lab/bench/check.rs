//! Whether a variant computes what the reference does: before anyone trusts its speed.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Subject, difference, smaller};
use crate::engine::gpu::Gpu;
use crate::engine::graph::Variant;
use crate::engine::ops::{Case, REGISTRY};
use crate::engine::tensor::Tensor;
use crate::error::{Error, Result};

/// Work, in floating point operations and bytes, above which the plain loops of the reference take too
/// long.
const MOST_REFERENCE_WORK: u64 = 100_000_000;

/// Results are compared with another variant's where the reference takes too long: both sum in single
/// precision then, over many terms.
const TWO_SUMS: f64 = 20.0;

/// Small cases of an operation that a variant must pass, if it can do so many.
const SMALL_CASES: usize = 8;

/// Checks variants, and remembers what it has seen.
#[derive(Debug)]
pub struct Checker {
    gpu: Arc<Gpu>,
    /// Variants that have passed the small cases of their operation, with how many.
    passed: HashMap<(&'static str, &'static str), usize>,
    /// What the reference says of the last case, or of a smaller one in its place.
    truth: Option<Truth>,
    /// On the last case, the first variant that passed, and its results.
    first: Option<(String, &'static str, Vec<Tensor<f64>>)>,
}

#[derive(Debug)]
struct Truth {
    /// The case that was asked for.
    of: String,
    /// The case that was computed: the same, or one with the same remainders; none is small enough.
    case: Option<Case>,
    tensors: Vec<Tensor<f64>>,
    results: Vec<Tensor<f64>>,
}

impl Checker {
    /// For one adapter.
    pub fn new(gpu: &Arc<Gpu>) -> Self {
        Checker { gpu: gpu.clone(), passed: HashMap::new(), truth: None, first: None }
    }

    /// Compares what `variant` found on `case` with the reference. Where that takes too long, the variant
    /// runs on a smaller shape with the same remainders, or on the operation's own small cases, and what
    /// it found on `case` is compared with the first variant that passed there. Says which it was.
    ///
    /// `tensors` are the inputs, and `found` reads what was found.
    ///
    /// # Errors
    /// [`Error::Shape`] with the first element that is wrong; [`Error::Gpu`] when the device failed.
    pub fn check(
        &mut self,
        case: &Case,
        variant: &Variant,
        tensors: &[Tensor<f64>],
        found: impl Fn() -> Result<Vec<Tensor>>,
    ) -> Result<String> {
        let what = format!("{}/{} on {}", case.operation.name(), variant.name, case.name);
        let key = key(case);
        if self.truth.as_ref().is_none_or(|truth| truth.of != key) {
            self.truth = Some(Truth::of(case, tensors));
            self.first = None;
        }
        let smaller = match &self.truth {
            Some(Truth { case: Some(own), results, .. }) if own.name == case.name => {
                compare(&what, &found()?, results, tolerance(case, variant))?;
                return Ok("reference".to_owned());
            }
            Some(Truth { case: Some(own), tensors, results, .. }) => {
                self.on(own, variant, tensors, results)?.then(|| own.name.clone())
            }
            _ => None,
        };
        let how = match smaller {
            Some(name) => format!("reference at {name}"),
            None if self.small_cases(case, variant)? > 0 => "reference on small cases".to_owned(),
            None => {
                return Err(Error::shape(what, "no small case of its operation could check it"));
            }
        };
        let found = found()?;
        match &self.first {
            Some((of, name, results)) if *of == key => {
                let apart = case.tolerance.max(1e-5) * TWO_SUMS + variant.needs.rounding();
                compare(&what, &found, results, apart)?;
                Ok(format!("{how}, {name} on this one"))
            }
            _ => {
                self.first = Some((key, variant.name, found.iter().map(Tensor::widen).collect()));
                Ok(how)
            }
        }
    }

    /// On how many small cases of the operation the variant agrees with the reference.
    fn small_cases(&mut self, case: &Case, variant: &Variant) -> Result<usize> {
        let op = case.operation.name();
        if let Some(&passed) = self.passed.get(&(op, variant.name)) {
            return Ok(passed);
        }
        let all = REGISTRY.iter().flat_map(|entry| (entry.cases)());
        let mut passed = 0;
        for other in all.filter(|other| other.operation.name() == op && !other.bench_only) {
            if passed >= SMALL_CASES {
                break;
            }
            let tensors = other.tensors(7);
            let truth = reference(&other, &tensors);
            passed += usize::from(self.on(&other, variant, &tensors, &truth)?);
        }
        self.passed.insert((op, variant.name), passed);
        Ok(passed)
    }

    /// Runs `variant` on `case` and compares; false where it cannot do the shape, which not every variant
    /// can.
    pub(super) fn on(
        &self,
        case: &Case,
        variant: &Variant,
        tensors: &[Tensor<f64>],
        truth: &[Tensor<f64>],
    ) -> Result<bool> {
        let mut subject = Subject::new(case)?;
        if subject.plan(self.gpu.capabilities(), Some(variant.name)).is_err() {
            return Ok(false);
        }
        let what = format!("{}/{} on {}", case.operation.name(), variant.name, case.name);
        // Large cases may be read through textures, which small ones are too small for.
        let textures = self.gpu.capabilities().texels > 0;
        for texels_from in if textures { &[u64::MAX, 0][..] } else { &[u64::MAX] } {
            subject.texels_from = *texels_from;
            let (mut session, store) =
                subject.session(&self.gpu, Some(variant.name), &narrow(tensors))?;
            session.run()?;
            let found = subject.results(&session, &store)?;
            compare(&what, &found, truth, tolerance(case, variant))?;
        }
        Ok(true)
    }
}

impl Truth {
    fn of(case: &Case, tensors: &[Tensor<f64>]) -> Self {
        let (of, affordable) = (key(case), |case: &Case| work(case) <= MOST_REFERENCE_WORK);
        if affordable(case) {
            let results = reference(case, tensors);
            return Truth { of, case: Some(case.clone()), tensors: Vec::new(), results };
        }
        let case = smaller::candidates(case).into_iter().find(affordable);
        let tensors = case.as_ref().map(|case| case.tensors(7)).unwrap_or_default();
        let results = case.as_ref().map(|case| reference(case, &tensors)).unwrap_or_default();
        Truth { of, case, tensors, results }
    }
}

/// How far from the reference `variant` may be.
fn tolerance(case: &Case, variant: &Variant) -> f64 {
    case.tolerance + variant.needs.rounding()
}

/// What a case is told apart by.
fn key(case: &Case) -> String {
    let shapes: Vec<String> = case.inputs.iter().map(|(shape, _)| shape.to_string()).collect();
    format!("{:?} {} {}", case.operation, case.name, shapes.join(" "))
}

/// Floating point operations and bytes of a case; as many as there are where it is refused.
fn work(case: &Case) -> u64 {
    Subject::new(case).map_or(u64::MAX, |subject| subject.flops().saturating_add(subject.bytes()))
}

/// In single precision, as the GPU has them.
pub fn narrow(tensors: &[Tensor<f64>]) -> Vec<Tensor> {
    tensors.iter().map(Tensor::narrow).collect()
}

pub(super) fn reference(case: &Case, tensors: &[Tensor<f64>]) -> Vec<Tensor<f64>> {
    case.operation.reference(&tensors.iter().collect::<Vec<_>>())
}

fn compare(what: &str, found: &[Tensor], truth: &[Tensor<f64>], tolerance: f64) -> Result<()> {
    if found.len() != truth.len() {
        let problem = format!("{} results, not {}", found.len(), truth.len());
        return Err(Error::shape(what, problem));
    }
    found.iter().zip(truth).try_for_each(|(a, b)| difference(what, a, b, tolerance))
}
