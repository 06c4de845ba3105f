//! How fast each kernel variant is here, beside the most that this adapter can do.

mod ceiling;
mod check;
mod compare;
mod layers;
mod measure;
mod methods;
mod model;
mod overhead;
mod phase;
mod profile;
mod report;
mod show;
mod smaller;
mod subject;
mod timing;

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::engine::ops::{self, Case, CaseSpec, REGISTRY};
use crate::error::{Error, Result};

pub use ceiling::{Ceiling, ceiling};
pub use check::{Checker, narrow};
pub(crate) use compare::attack;
pub use compare::{Compared, Comparison, Old, Verdict};
pub use layers::{Layer, layers};
pub use measure::{Bencher, Measurement, Pace};
pub use methods::{MethodTiming, time_method};
pub use model::{ModelTiming, Phase, PhaseTiming, time_model, time_session};
pub use overhead::{Overhead, overhead};
pub use phase::PhaseGraph;
pub use profile::{Profile, ProfileRow, profile};
pub use report::{NotTimed, Report};
pub use subject::{Subject, difference};
pub use timing::{Effort, Run, Timing, Turns, quantile, time_in_turns, time_repeatedly};

/// What to time.
#[derive(Clone, Debug, Default)]
pub struct BenchOptions {
    /// Operations by name; all where empty.
    pub kernels: Vec<String>,
    /// This shape instead of the operations' own cases; convolutions only.
    pub case: Option<CaseSpec>,
    /// Only this variant.
    pub variant: Option<String>,
    /// Less time on each.
    pub quick: bool,
    /// The cases of the tests too, most of which are too small to say anything about speed.
    pub small: bool,
}

/// Times what `options` select.
///
/// # Errors
/// [`Error::Usage`] when nothing is called as asked; [`Error::Gpu`] when the device failed.
pub fn run(gpu: &Arc<Gpu>, options: &BenchOptions) -> Result<Report> {
    run_with(gpu, options, &mut |_| Ok(()))
}

/// [`run`], which tells `progress` of each finished case: rows and reasons added since the last call
/// are at the ends of the report's lists.
///
/// # Errors
/// As [`run`], and those of `progress`, which ends the run.
pub fn run_with(
    gpu: &Arc<Gpu>,
    options: &BenchOptions,
    progress: &mut dyn FnMut(&Report) -> Result<()>,
) -> Result<Report> {
    let cases: Vec<Layer> = select(options)?.into_iter().map(Layer::from).collect();
    let effort = Effort::new(options.quick, gpu.capabilities().software);
    let mut report = Report::begin(gpu, effort)?;
    let which = options.variant.as_deref().map_or(Which::All, Which::Named);
    measure(gpu, &cases, which, effort, &mut report, progress)?;
    Ok(report)
}

/// Which variants are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// The one that a plan would have.
    Chosen,
    /// The one of this name.
    Named(&'a str),
}

/// Adds the times of variants on `cases` to `report`. `progress` hears of each
/// finished case.
///
/// # Errors
/// [`Error::Gpu`] when the device failed, and those of `progress`, which ends it.
pub fn measure(
    gpu: &Arc<Gpu>,
    cases: &[Layer],
    which: Which,
    effort: Effort,
    report: &mut Report,
    progress: &mut dyn FnMut(&Report) -> Result<()>,
) -> Result<()> {
    progress(report)?;
    let mut bencher = Bencher::new(gpu, effort);
    for layer in cases {
        let variants = layer.case.operation.variants().iter();
        let only = match which {
            Which::All => None,
            Which::Chosen => bencher.chosen(layer),
            Which::Named(name) => Some(name),
        };
        for variant in variants.filter(|own| only.is_none_or(|name| name == own.name)) {
            match bencher.measure(layer, variant, &report.ceiling) {
                Ok(row) => report.results.push(row),
                Err(Error::Gpu { doing, message }) => return Err(Error::Gpu { doing, message }),
                Err(error) => report.not_timed.push(NotTimed::new(&layer.case, variant, &error)),
            }
        }
        progress(report)?;
    }
    Ok(())
}

/// The cases that `options` name.
///
/// # Errors
/// [`Error::Usage`] with what there is, when nothing is called as asked.
pub fn select(options: &BenchOptions) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    if let Some(spec) = &options.case {
        let known = known();
        let asked: Vec<&str> = match options.kernels.is_empty() {
            true => known.iter().map(String::as_str).collect(),
            false => options.kernels.iter().map(String::as_str).collect(),
        };
        for name in &asked {
            let case = match ops::custom_case(name, spec) {
                // Of all convolutions, those that do this shape.
                Err(_) if options.kernels.is_empty() => continue,
                case => case?,
            };
            if case.is_none() && !options.kernels.is_empty() {
                return Err(match known.iter().any(|known| known == name) {
                    true => Error::usage(
                        format!("--case describes a convolution, which {name} is not"),
                        "leave --case out to time its own cases",
                    ),
                    false => unknown(name, &known),
                });
            }
            cases.extend(case);
        }
    } else if options.kernels.is_empty() {
        for entry in REGISTRY {
            cases.extend(worth_timing((entry.cases)(), options.small));
        }
    } else {
        for name in &options.kernels {
            let all = || REGISTRY.iter().flat_map(|e| (e.cases)().into_iter().map(|c| (e.name, c)));
            let own = all().filter(|(_, case)| case.operation.name() == name).map(|(_, c)| c);
            let mut own: Vec<Case> = own.collect();
            if own.is_empty() {
                own = all().filter(|(entry, _)| entry == name).map(|(_, c)| c).collect();
            }
            if own.is_empty() {
                return Err(unknown(name, &known()));
            }
            cases.extend(worth_timing(own, options.small));
        }
    }
    if let Some(wanted) = &options.variant {
        let has = |case: &Case| case.operation.variants().iter().any(|v| v.name == wanted);
        if !cases.iter().any(has) {
            let mut names: Vec<&str> = cases
                .iter()
                .flat_map(|case| case.operation.variants().iter().map(|v| v.name))
                .collect();
            names.sort_unstable();
            names.dedup();
            let problem = format!("no kernel here has a variant {wanted}");
            return Err(Error::usage(problem, format!("there are {}", names.join(", "))));
        }
        cases.retain(has);
    }
    if cases.is_empty() {
        return Err(Error::usage("nothing to time", "see `parula bench --help`"));
    }
    Ok(cases)
}

/// Of each operation, the cases made for timing; the largest other one where there is none.
pub fn worth_timing(cases: Vec<Case>, small: bool) -> Vec<Case> {
    if small {
        return cases;
    }
    let size = |case: &Case| -> usize { case.inputs.iter().map(|(s, _)| s.elements()).sum() };
    let mut kept: Vec<Case> = Vec::new();
    let has = |name: &str| cases.iter().any(|c| c.bench_only && c.operation.name() == name);
    for case in &cases {
        let name = case.operation.name();
        if case.bench_only {
            kept.push(case.clone());
        } else if !has(name) {
            match kept.iter_mut().find(|other| other.operation.name() == name) {
                Some(other) if size(other) < size(case) => *other = case.clone(),
                Some(_) => {}
                None => kept.push(case.clone()),
            }
        }
    }
    kept
}

/// The names that `parula bench` knows: those of operations.
pub fn known() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in REGISTRY {
        for case in (entry.cases)() {
            let name = case.operation.name();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Whether an operation is called `name`.
///
/// # Errors
/// [`Error::Usage`] with the names there are, when none is.
pub fn expect_known(name: &str) -> Result<()> {
    let known = known();
    if known.iter().any(|known| known == name) { Ok(()) } else { Err(unknown(name, &known)) }
}

fn unknown(name: &str, known: &[String]) -> Error {
    Error::unknown("kernel", name, known.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_selected_by_name_and_large_cases_preferred() {
        let options = BenchOptions { kernels: vec!["copy".to_owned()], ..Default::default() };
        let cases = select(&options).unwrap();
        assert!(!cases.is_empty() && cases.iter().all(|case| case.operation.name() == "copy"));
        assert!(cases.iter().all(|case| case.bench_only), "copy has a case made for timing");
        let all = select(&BenchOptions { small: true, ..options }).unwrap();
        assert!(all.len() > cases.len());
        let names: Vec<String> = known();
        let every = select(&BenchOptions::default()).unwrap();
        for name in &names {
            assert!(every.iter().any(|case| case.operation.name() == name), "{name} is left out");
        }
    }

    #[test]
    fn an_unknown_kernel_or_variant_lists_what_there_is() {
        let error = |options: BenchOptions| select(&options).unwrap_err().to_string();
        let kernels = vec!["convolve".to_owned()];
        let text = error(BenchOptions { kernels, ..Default::default() });
        assert!(text.contains("convolve") && text.contains("elementwise"), "{text}");
        let variant = Some("warp".to_owned());
        let text = error(BenchOptions { variant, ..Default::default() });
        assert!(text.contains("warp") && text.contains("naive"), "{text}");
        let case = "n=1,h=4,w=4,cin=4".parse().ok();
        let kernels = vec!["elementwise".to_owned()];
        let text = error(BenchOptions { kernels, case, ..Default::default() });
        assert!(text.contains("--case") && text.contains("elementwise"), "{text}");
    }
}
