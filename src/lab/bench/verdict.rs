//! What can be said of two timings of one thing, taken by two programs at two times.
//!
//! A machine changes between two reports, and all timings of one report change with it. So a verdict takes three
//! things: a rank test of all samples, each over what the loop at the ceiling took beside it, corrected for how
//! many rows are tested; medians that lie apart by more than [`RESOLUTION`], quartiles that do not overlap and a fastest
//! tenth that agrees, with that correction and without it; and ceilings that were steady, and that do not lie apart by
//! more than they were spread. A neighbour that comes and goes shifts medians for seconds, which a rank test alone takes
//! for a difference; the fastest of many samples it shifts less.

use serde::Serialize;

use super::timing::{Timing, quantile};
use crate::lab::metrics::mann_whitney::{holm, mann_whitney};

/// The chance that any verdict of a comparison is false, if the samples of a row differ by chance alone.
const LEVEL: f64 = 0.01;

/// Medians that differ by less are the same: where buffers lie and how threads fall makes that much.
pub const RESOLUTION: f64 = 0.03;

/// Ceilings that differ by less are the same, however little they were spread.
pub const LEAST_CHANGE: f64 = 0.03;

/// Where the loop at the ceiling was spread by more than this between its quartiles, the machine was too busy.
const STEADY: f64 = 0.15;

/// The least number of samples that is tested.
const FEWEST: usize = 6;

/// What can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The new one takes less time.
    Faster,
    /// The new one takes more time.
    Slower,
    /// Nothing that could be told from chance.
    Same,
    /// The machine changed, or there are too few samples.
    CannotTell,
}

impl Verdict {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::CannotTell => "cannot tell",
        }
    }
}

/// An older and a newer timing of one thing, as numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The newer median over the older.
    pub ratio: f64,
    /// The same of samples over what the loop at the ceiling took beside them; [`Self::ratio`] where no loop was
    /// timed.
    pub normalised: f64,
    /// Whether quartiles and the fastest tenth of both lie apart as the medians do, by the clock and by ceilings.
    pub clear: bool,
    /// The chance that samples of one thing lie so far apart; why there is none.
    pub chance: Result<f64, String>,
}

impl Pair {
    /// Of two timings; `faster` is how many times as fast as the older machine the newer is by the reports' own
    /// ceilings, for timings that have none beside them.
    pub fn new(old: &Timing, new: &Timing, faster: f64) -> Self {
        let ratio = new.ms / old.ms;
        let (before, after) = (ceiling(old), ceiling(new));
        let slowed = match (&before, &after) {
            (Some(before), Some(after)) => after.median / before.median,
            _ => 1.0 / faster,
        };
        let normalised = ratio / slowed;
        let short = |timing: &Timing| timing.raw_ms.len() < FEWEST;
        let spread = match (&before, &after) {
            (Some(before), Some(after)) => before.spread.max(after.spread),
            _ => 0.0,
        };
        let chance = if short(old) || short(new) {
            let of = if short(old) { "the older" } else { "the newer" };
            let count = if short(old) { old.raw_ms.len() } else { new.raw_ms.len() };
            Err(format!("{of} report has {count} samples of it, and {FEWEST} are the least"))
        } else if !(ratio.is_finite() && normalised.is_finite() && normalised > 0.0) {
            Err("times or ceilings of 0 cannot be compared".to_owned())
        } else if spread > STEADY {
            Err(format!(
                "the machine was busy: the same loop was spread by {:.0} %, and {:.0} % are the most",
                100.0 * spread,
                100.0 * STEADY
            ))
        } else if differ(slowed, spread) {
            Err(format!(
                "the machine took {slowed:.2} times as long for the same loop, which was spread by {:.0} %",
                100.0 * spread
            ))
        } else {
            let scaled = new.raw_ms.iter().map(|ms| ms / slowed).collect::<Vec<_>>();
            Ok(mann_whitney(&old.raw_ms, &scaled))
        };
        let clear = apart(&old.raw_ms, &new.raw_ms, 1.0) && apart(&old.raw_ms, &new.raw_ms, slowed);
        Pair { ratio, normalised, clear, chance }
    }
}

/// Whether the quartiles of `new` over `slowed` do not overlap those of `old`, and its fastest tenth and its fastest lie
/// on the same side.
fn apart(old: &[f64], new: &[f64], slowed: f64) -> bool {
    let sorted = |values: &[f64], scale: f64| {
        let mut values: Vec<f64> = values.iter().map(|ms| ms / scale).collect();
        values.sort_by(f64::total_cmp);
        values
    };
    let (old, new) = (sorted(old, 1.0), sorted(new, slowed));
    let below = |low: &[f64], high: &[f64]| {
        let edge = 1.0 + RESOLUTION;
        quantile(low, 0.75) < quantile(high, 0.25)
            && [0.0, 0.1].iter().all(|&at| edge * quantile(low, at) < quantile(high, at))
    };
    below(&old, &new) || below(&new, &old)
}

/// Whether ceilings lie apart, of which one is `ratio` times the other and the wider is spread by a share `spread`.
pub fn differ(ratio: f64, spread: f64) -> bool {
    let apart = if ratio > 1.0 { ratio } else { 1.0 / ratio };
    apart.is_nan() || apart - 1.0 > spread.max(LEAST_CHANGE)
}

/// What the loop beside a timing took.
struct Beside {
    median: f64,
    /// Between its quartiles, as a share of the median.
    spread: f64,
}

fn ceiling(timing: &Timing) -> Option<Beside> {
    let mut times = timing.ceiling_ms.clone();
    if times.len() != timing.raw_ms.len() || times.is_empty() {
        return None;
    }
    times.sort_by(f64::total_cmp);
    let median = quantile(&times, 0.5);
    Some(Beside { median, spread: (quantile(&times, 0.75) - quantile(&times, 0.25)) / median })
}

/// The verdicts of `pairs`, with the chance of each after the correction for all of them.
pub fn verdicts(pairs: &[Pair]) -> Vec<(Verdict, Option<f64>)> {
    let known: Vec<f64> = pairs.iter().filter_map(|pair| pair.chance.clone().ok()).collect();
    let mut corrected = holm(&known).into_iter();
    let verdict = |pair: &Pair| {
        if pair.chance.is_err() {
            return (Verdict::CannotTell, None);
        }
        let chance = corrected.next().unwrap_or(1.0);
        let beyond = |edge: f64| -> [bool; 2] {
            let both = [pair.ratio, pair.normalised];
            [both.iter().all(|ratio| *ratio > edge), both.iter().all(|ratio| *ratio < 1.0 / edge)]
        };
        let verdict = match beyond(1.0 + RESOLUTION) {
            [true, _] if chance < LEVEL && pair.clear => Verdict::Slower,
            [_, true] if chance < LEVEL && pair.clear => Verdict::Faster,
            _ => Verdict::Same,
        };
        (verdict, Some(chance))
    };
    pairs.iter().map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty samples around `ms`, with a loop that took `ceiling` beside each, both spread by 2 %.
    fn timing(ms: f64, ceiling: f64) -> Timing {
        let near = |at: usize, step: usize| 1.0 + 0.001 * ((at * step % 20) as f64 - 9.5);
        let times: Vec<f64> = (0..20).map(|at| ms * near(at, 7)).collect();
        let ceiling_ms = (0..20).map(|at| ceiling * near(at, 3)).collect();
        Timing { ceiling_ms, ..Timing::of(&times, 1) }
    }

    fn one(old: &Timing, new: &Timing) -> Verdict {
        verdicts(&[Pair::new(old, new, 1.0)])[0].0
    }

    #[test]
    fn a_tenth_is_found_and_a_percent_is_not() {
        let old = timing(10.0, 1.0);
        assert_eq!(one(&old, &timing(11.0, 1.0)), Verdict::Slower);
        assert_eq!(one(&old, &timing(9.0, 1.0)), Verdict::Faster);
        assert_eq!(one(&old, &timing(10.1, 1.0)), Verdict::Same);
        assert_eq!(one(&old, &old), Verdict::Same);
    }

    #[test]
    fn a_machine_that_is_a_little_slower_is_no_kernel_that_is() {
        let old = timing(10.0, 1.0);
        let pair = Pair::new(&old, &timing(10.4, 1.02), 1.0);
        assert!((pair.ratio - 1.04).abs() < 1e-9 && (pair.normalised - 1.04 / 1.02).abs() < 1e-9);
        assert_eq!(verdicts(&[pair])[0].0, Verdict::Same, "2 % are left");
        assert_eq!(one(&old, &timing(11.0, 1.02)), Verdict::Slower, "8 % are left");
        assert_eq!(one(&old, &timing(10.0, 0.98)), Verdict::Same);
    }

    #[test]
    fn nothing_is_said_of_a_machine_that_changed() {
        let old = timing(10.0, 1.0);
        let pair = Pair::new(&old, &timing(20.0, 2.0), 1.0);
        let why = pair.chance.clone().unwrap_err();
        assert!(why.contains("2.00 times as long"), "{why}");
        assert_eq!(verdicts(&[pair]), [(Verdict::CannotTell, None)]);
        // By the reports' ceilings, where none was timed beside it.
        let bare = Timing { ceiling_ms: Vec::new(), ..old.clone() };
        assert_eq!(Pair::new(&bare, &bare, 1.0).chance, Ok(1.0));
        assert!(Pair::new(&bare, &bare, 0.5).chance.is_err());
        // A loop that was spread more than it changed has not changed; one that was spread far says nothing.
        let beside = |step: f64| {
            let ceiling_ms = (0..20).map(|at| 1.05 + step * (f64::from(at) - 9.5)).collect();
            Timing { ceiling_ms, ..timing(12.0, 1.0) }
        };
        assert!(Pair::new(&old, &beside(0.001), 1.0).chance.is_err());
        assert!(Pair::new(&old, &beside(0.012), 1.0).chance.is_ok());
        let why = Pair::new(&old, &beside(0.04), 1.0).chance.unwrap_err();
        assert!(why.contains("busy"), "{why}");
        assert!(differ(f64::NAN, 0.5) && differ(0.9, 0.05) && !differ(0.98, 0.0));
    }

    #[test]
    fn a_neighbour_that_came_is_no_slower_kernel() {
        // Most samples take a fifth more, and the fastest are as fast as ever.
        let old = timing(10.0, 1.0);
        let disturbed = |at: usize, ms: f64| if at.is_multiple_of(5) { ms } else { 1.2 * ms };
        let times: Vec<f64> =
            old.raw_ms.iter().enumerate().map(|(at, &ms)| disturbed(at, ms)).collect();
        let new = Timing { ceiling_ms: old.ceiling_ms.clone(), ..Timing::of(&times, 1) };
        let pair = Pair::new(&old, &new, 1.0);
        assert!(pair.chance.clone().unwrap() < 0.01 && pair.ratio > 1.15);
        assert_eq!(verdicts(&[pair])[0].0, Verdict::Same);
    }

    #[test]
    fn few_samples_and_numbers_that_are_none_say_nothing() {
        let (old, few) = (timing(10.0, 1.0), Timing::of(&[1.0; 5], 1));
        let why = |old: &Timing, new: &Timing| Pair::new(old, new, 1.0).chance.unwrap_err();
        assert!(why(&few, &old).contains("the older report has 5 samples"));
        assert!(why(&old, &few).contains("the newer report has 5 samples"));
        assert!(why(&Timing::of(&[0.0; 9], 1), &old).contains("of 0"));
    }

    #[test]
    fn many_rows_of_noise_give_no_verdict() {
        // A thousand comparisons of a hundred rows each: medians spread by 10 %, all of one distribution.
        let mut state = 7u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            10.0 + (state >> 40) as f64 / f64::from(1 << 24)
        };
        let mut false_ones = 0;
        for _ in 0..1000 {
            let mut one = || Timing::of(&(0..12).map(|_| draw()).collect::<Vec<_>>(), 1);
            let pairs: Vec<Pair> = (0..10).map(|_| Pair::new(&one(), &one(), 1.0)).collect();
            let wrong = |(verdict, _): &(Verdict, _)| *verdict != Verdict::Same;
            false_ones += usize::from(verdicts(&pairs).iter().any(wrong));
        }
        assert!(false_ones <= 20, "{false_ones} of 1000, and 10 are to be expected at most");
    }
}
