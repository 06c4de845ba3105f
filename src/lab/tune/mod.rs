//! Which kernel variant is fastest on this adapter, by measuring. A variant is checked before it may
//! win, and wins only by more than its times are spread.

mod cache;
mod report;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::gpu::{AdapterReport, Gpu};
use crate::engine::graph::Variant;
use crate::engine::kernel::Choices;
use crate::engine::session::{Session, Store};
use crate::error::{Error, Result};
use crate::lab::bench::{Checker, Effort, Layer, Pace, Run, Subject, Turns, narrow, time_in_turns};

pub use cache::{Entry, Tuning, gather, part, path};
pub use report::{Candidate, Report, Tuned};

/// A variant that takes this many times as long as the fastest is out after a run or three.
const HOPELESS: u32 = 4;

/// From this many times on, so are all sizes of its tile.
const HOPELESS_FAMILY: f64 = 16.0;

/// A run that is shorter than this says little by itself.
const SHORT: Duration = Duration::from_millis(5);

/// What is known of `adapter` at a precision, for the planner. A file that cannot be used is reported on stderr and
/// ignored: without it everything runs, only not as fast.
pub fn choices(adapter: &AdapterReport, precision: &str) -> Choices {
    let Ok(path) = path(adapter, precision) else { return Choices::default() };
    match Tuning::read(&path, adapter) {
        Ok(tuning) => tuning.map(|tuning| tuning.choices()).unwrap_or_default(),
        Err(error) => {
            crate::console::note!("ignored: {error}");
            Choices::default()
        }
    }
}

/// Tunes `layers`, and adds what it finds to `known`. `tell` hears of each, and of how many there are
/// with those before it.
///
/// # Errors
/// [`Error::Gpu`] when the device failed, and those of `tell`, which ends it.
pub fn tune(
    gpu: &Arc<Gpu>,
    layers: &[Layer],
    effort: Effort,
    known: &mut Tuning,
    tell: &mut dyn FnMut(&Tuned, usize, &Tuning) -> Result<()>,
) -> Result<Vec<Tuned>> {
    let mut tuner =
        Tuner { gpu: gpu.clone(), effort, checker: Checker::new(gpu), pace: Pace::default() };
    let mut all = Vec::new();
    for layer in layers {
        let Some((tuned, entry)) = tuner.layer(layer)? else { continue };
        if let Some(entry) = entry {
            known.put(entry);
        }
        tell(&tuned, all.len() + 1, known)?;
        all.push(tuned);
    }
    Ok(all)
}

/// How many variants of `layer` the adapter can run on its shapes.
pub fn contenders(gpu: &Gpu, layer: &Layer) -> usize {
    let variants = layer.case.operation.variants().iter();
    match Subject::new(&layer.case) {
        Ok(subject) => variants.filter(|variant| possible(gpu, &subject, variant)).count(),
        Err(_) => 0,
    }
}

fn possible(gpu: &Gpu, subject: &Subject, variant: &Variant) -> bool {
    let capabilities = gpu.capabilities();
    variant.needs.met_by(capabilities) && subject.plan(capabilities, Some(variant.name)).is_ok()
}

struct Tuner {
    gpu: Arc<Gpu>,
    effort: Effort,
    checker: Checker,
    pace: Pace,
}

/// A variant that has passed, ready to be timed.
struct Contender {
    variant: &'static str,
    session: Session,
    /// The variables of the session.
    _store: Store,
    checked: String,
}

impl Tuner {
    /// What is fastest for `layer`; nothing where there is no choice.
    fn layer(&mut self, layer: &Layer) -> Result<Option<(Tuned, Option<Entry>)>> {
        let case = &layer.case;
        let subject = Subject::new(case)?;
        let variants = case.operation.variants();
        let mut order: Vec<&'static Variant> =
            variants.iter().rev().filter(|v| possible(&self.gpu, &subject, v)).collect();
        if order.len() < 2 {
            return Ok(None);
        }
        // What the operation chooses comes first: the others are set against it.
        let plan = subject.plan(self.gpu.capabilities(), None)?;
        let default = plan.steps.last().map_or("", |step| step.variant);
        order.sort_by_key(|variant| variant.name != default);
        let tensors = case.tensors(7);
        let inputs = narrow(&tensors);
        let (mut contenders, mut out) = (Vec::new(), Vec::new());
        let mut fastest = Duration::MAX;
        let mut hopeless: Option<(&'static str, f64)> = None;
        for variant in order {
            let name = variant.name;
            let usual = name == default;
            let affordable = self.pace.allows(&subject, case.operation.name(), name);
            if let (Err(error), false) = (affordable, usual) {
                out.push(Candidate::left_out(name, &error));
                continue;
            }
            if let Some((family, times)) = hopeless.filter(|(name, _)| *name == variant.family) {
                out.push(Candidate::as_slow(name, family, times));
                continue;
            }
            let mut attempt = || -> Result<std::result::Result<Contender, f64>> {
                let (mut session, store) = subject.session(&self.gpu, Some(name), &inputs)?;
                session.run()?;
                let mut once = session.time(1)?;
                if once < SHORT {
                    once = once.min(session.time(1)?).min(session.time(1)?);
                }
                let once = once.max(Duration::from_nanos(100));
                let ms = once.as_secs_f64() * 1e3;
                self.pace.took(&subject, case.operation.name(), name, ms);
                if once / HOPELESS > fastest {
                    return Ok(Err(once.as_secs_f64() / fastest.as_secs_f64()));
                }
                let found = || subject.results(&session, &store);
                let checked = self.checker.check(case, variant, &tensors, found)?;
                fastest = fastest.min(once);
                Ok(Ok(Contender { variant: name, session, _store: store, checked }))
            };
            match attempt() {
                Ok(Ok(contender)) => contenders.push(contender),
                Ok(Err(times)) => {
                    if times >= HOPELESS_FAMILY {
                        hopeless = Some((variant.family, times));
                    }
                    out.push(Candidate::slow(name, times));
                }
                // A kernel that the driver refuses is out; when it refuses the usual one, something is
                // wrong with the device.
                Err(error @ Error::Gpu { .. }) if usual => return Err(error),
                Err(error) => out.push(Candidate::failed(name, &error)),
            }
        }
        let turns = self.time(&contenders)?;
        let names: Vec<&str> = contenders.iter().map(|contender| contender.variant).collect();
        let entry = winner(&names, &turns, default).map(|at| Entry {
            key: layer.key.clone(),
            variant: names[at].to_owned(),
            default: default.to_owned(),
            ratio: turns[at].ratio,
            spread: turns[at].spread,
            checked: contenders[at].checked.clone(),
        });
        let timed = contenders.into_iter().zip(turns);
        let mut candidates: Vec<Candidate> = timed
            .map(|(contender, turns)| Candidate::timed(contender.variant, turns, contender.checked))
            .collect();
        candidates.extend(out);
        let mut tuned = Tuned::new(layer, default, candidates);
        if let Some(entry) = &entry {
            tuned.chosen.clone_from(&entry.variant);
        }
        Ok(Some((tuned, entry)))
    }

    fn time(&self, contenders: &[Contender]) -> Result<Vec<Turns>> {
        if contenders.is_empty() {
            return Ok(Vec::new());
        }
        let mut runs: Vec<_> = contenders
            .iter()
            .map(|contender| move |repeats| contender.session.time(repeats))
            .collect();
        let mut runs: Vec<Run> = runs.iter_mut().map(|run| run as Run).collect();
        time_in_turns(self.effort, &mut runs)
    }
}

/// Which of `names` is to be used: the fastest of those that beat the first, which is the default; else
/// the first. Where the default is not among them, because it failed, the fastest.
fn winner(names: &[&str], turns: &[Turns], default: &str) -> Option<usize> {
    let trusted = names.first() == Some(&default);
    let allowed = |&at: &usize| !trusted || at == 0 || turns[at].beats();
    let fastest = |a: &usize, b: &usize| turns[*a].ratio.total_cmp(&turns[*b].ratio);
    (0..names.len().min(turns.len())).filter(allowed).min_by(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::Timing;

    #[test]
    fn the_default_stays_unless_it_is_beaten_by_more_than_the_spread() {
        let turns = |pairs: &[(f64, f64)]| -> Vec<Turns> {
            let timing = Timing::of(&[1.0], 1);
            pairs
                .iter()
                .map(|&(ratio, spread)| Turns { timing: timing.clone(), ratio, spread })
                .collect()
        };
        let names = ["tiled", "blocked", "naive"];
        let wins = |pairs: &[(f64, f64)]| winner(&names, &turns(pairs), "tiled");
        assert_eq!(wins(&[(1.0, 0.0), (0.9, 0.2), (2.0, 0.0)]), Some(0), "within the spread");
        assert_eq!(wins(&[(1.0, 0.0), (0.9, 0.05), (0.8, 0.3)]), Some(1), "surely faster");
        assert_eq!(wins(&[(1.0, 0.0), (0.9, 0.05), (0.5, 0.1)]), Some(2));
        let without = winner(&names, &turns(&[(1.0, 0.0), (0.99, 0.5), (1.2, 0.0)]), "subgroup");
        assert_eq!(without, Some(1), "the default failed: the fastest of the others");
        assert_eq!(winner(&[], &[], "tiled"), None);
    }
}
