//! How fast each kernel variant is here, beside the most that this adapter can do.

mod cases;
mod ceiling;
mod check;
mod clocks;
mod compare;
mod flush;
mod gather;
mod group;
mod grouped;
mod host;
mod layers;
mod list;
mod loops;
mod machine;
mod measure;
mod memories;
mod methods;
mod model;
mod overhead;
mod phase;
mod profile;
mod report;
mod roof;
mod roofline;
mod show;
mod smaller;
mod subject;
mod table;
mod timing;
mod verdict;
mod witness;

use std::sync::Arc;

use crate::engine::gpu::Gpu;
use crate::engine::graph::Variant;
use crate::engine::ops::{self, Case, CaseSpec, REGISTRY};
use crate::error::{Error, Result};

pub use cases::{Cases, cases};
pub use ceiling::{Ceiling, ceiling};
pub use check::{Checker, narrow};
pub use clocks::{Clocks, Watch};
pub(crate) use compare::attack;
pub use compare::{Compared, Comparison, Old};
pub use gather::{Gathered, Kept, gather};
pub use group::Group;
pub use host::{Host, HostReport, Stage, host};
pub use layers::{Layer, layers};
pub use list::{List, Listed};
pub use machine::Machine;
pub use measure::{Bencher, Measurement, Pace};
pub use methods::{MethodTiming, time_method};
pub use model::{ModelTiming, Phase, PhaseTiming, time_model, time_session};
pub use overhead::{Overhead, overhead};
pub use phase::PhaseGraph;
pub use profile::{Profile, ProfileRow, profile};
pub use report::{NotTimed, Report};
pub use roof::{Demand, Roof};
pub use roofline::roofline;
pub use subject::{Subject, difference};
pub use timing::{
    Effort, Probe, Run, Timing, Turns, quantile, time_beside, time_in_turns, time_repeatedly,
};
pub use verdict::Verdict;
pub use witness::Witness;

/// What to time.
#[derive(Clone, Debug, Default)]
pub struct BenchOptions {
    /// Operations by name; all where empty.
    pub kernels: Vec<String>,
    /// This shape instead of the operations' own cases; convolutions only.
    pub case: Option<CaseSpec>,
    /// Only these variants; all where empty.
    pub variants: Vec<String>,
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
    let which = match &options.variants[..] {
        [] => Which::All,
        names => Which::Named(names),
    };
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
    /// Those of these names.
    Named(&'a [String]),
}

impl Which<'_> {
    /// The variants that are timed of `case`, of which a plan would have `chosen`.
    pub fn of(self, case: &Case, chosen: Option<&str>) -> Vec<&'static Variant> {
        let wanted = |variant: &&Variant| match self {
            Which::All => true,
            Which::Chosen => chosen.is_none_or(|name| name == variant.name),
            Which::Named(names) => names.iter().any(|name| name == variant.name),
        };
        case.operation.variants().iter().filter(wanted).collect()
    }
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
    let mut bencher = Bencher::new(gpu, effort)?;
    let dispatch_ms = report.overhead.dispatch.ms;
    for layer in cases {
        let chosen = if which == Which::Chosen { bencher.chosen(layer) } else { None };
        let variants = which.of(&layer.case, chosen);
        let mut first = Vec::new();
        if effort.slowest.is_some() {
            for variant in &variants {
                first.push(bencher.first_run(layer, variant)?);
                progress(report)?;
            }
        }
        for (index, variant) in variants.into_iter().enumerate() {
            let done = match slower_than(&first, index, effort.slowest) {
                Some(why) => Err(Error::shape(
                    format!("{}/{}", layer.case.operation.name(), variant.name),
                    why,
                )),
                None => bencher.measure(layer, variant, &report.ceiling, dispatch_ms),
            };
            match done {
                Ok(row) => report.results.push(row),
                Err(Error::Gpu { doing, message }) => return Err(Error::Gpu { doing, message }),
                Err(error) => report.not_timed.push(NotTimed::new(&layer.case, variant, &error)),
            }
            progress(report)?;
        }
    }
    Ok(())
}

/// Why variant `index` is left out, where its first run took more than `most` times as long as the best one's; none
/// where it is to be timed, or cannot be run at all, which it is then said why.
fn slower_than(first: &[Option<f64>], index: usize, most: Option<f64>) -> Option<String> {
    let best = first.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let times = (*first.get(index)?)? / best;
    let most = most.filter(|most| times > *most)?;
    Some(format!(
        "left out: its first run took {times:.0} times as long as the best one's, and {most} are the most"
    ))
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
    for wanted in &options.variants {
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
    }
    if !options.variants.is_empty() {
        cases.retain(|case| !Which::Named(&options.variants).of(case, None).is_empty());
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
        let variants = vec!["naive".to_owned(), "warp".to_owned()];
        let text = error(BenchOptions { variants, ..Default::default() });
        assert!(text.contains("warp") && text.contains("naive"), "{text}");
        let case = "n=1,h=4,w=4,cin=4".parse().ok();
        let kernels = vec!["elementwise".to_owned()];
        let text = error(BenchOptions { kernels, case, ..Default::default() });
        assert!(text.contains("--case") && text.contains("elementwise"), "{text}");
    }

    #[test]
    fn several_variants_are_selected_in_the_order_of_the_table() {
        let variants = vec!["fours".to_owned(), "naive".to_owned()];
        let kernels = vec!["conv2d".to_owned()];
        let cases = select(&BenchOptions { kernels, variants, ..Default::default() }).unwrap();
        for case in &cases {
            let names: Vec<&str> = Which::Named(&["fours".to_owned(), "naive".to_owned()])
                .of(case, None)
                .iter()
                .map(|v| v.name)
                .collect();
            assert_eq!(names, ["naive", "fours"], "{}", case.name);
        }
        assert!(!cases.is_empty());
    }

    #[test]
    fn what_is_much_slower_than_the_best_is_left_out() {
        let first = [Some(1.0), Some(30.0), None, Some(9.0)];
        let left = |index, most| slower_than(&first, index, most).is_some();
        assert!(left(1, Some(10.0)) && !left(0, Some(10.0)) && !left(3, Some(10.0)));
        assert!(!left(2, Some(10.0)), "it is not known, and refused with its own reason");
        assert!(!left(1, None) && !left(1, Some(30.0)) && !left(7, Some(10.0)));
    }
}
