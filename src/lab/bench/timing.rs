//! The median of several timings, all of them, and how far they are spread.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Timings in turns, of which the median counts; alone there are at least as many.
    pub samples: usize,
    /// What one timing should take, by repeating the kernel.
    pub sample: Duration,
    /// What all timings of one variant may take, if that leaves three.
    pub budget: Duration,
    /// How long to run before the first timing that counts.
    pub warm_up: Duration,
    /// Timings go on until the 95 % interval of their median is no wider than this share of it, or the budget
    /// is spent.
    pub interval: f64,
    /// A variant whose first run takes more than this many times as long as the best one's is not timed.
    pub slowest: Option<f64>,
    /// Empties caches before each run, which is then timed by itself.
    pub cold: bool,
}

/// Fewer timings say too little for a verdict on one row among hundreds: of two times twelve, wholly apart, the rank
/// test gives a chance of 7e-7, of two times six 0.002.
pub const LEAST: usize = 12;

impl Effort {
    /// For figures to be quoted, on a processor.
    pub const FULL: Effort = Effort {
        samples: 11,
        sample: Duration::from_millis(30),
        budget: Duration::from_secs(3),
        warm_up: Duration::ZERO,
        interval: 0.02,
        slowest: None,
        cold: false,
    };
    /// For a glance, on a processor.
    pub const QUICK: Effort = Effort {
        samples: 3,
        sample: Duration::from_millis(8),
        budget: Duration::from_millis(600),
        warm_up: Duration::ZERO,
        interval: 0.02,
        slowest: None,
        cold: false,
    };
    /// A GPU slows its clock down while kernels are compiled and checked, which takes longer than to time
    /// them, and takes its time to speed up again: without this, timings on an H100 were up to six times
    /// too long, and after 100 ms a sixth too long in places.
    const GPU_WARM_UP: Duration = Duration::from_millis(300);
    /// For a glance.
    const QUICK_GPU_WARM_UP: Duration = Duration::from_millis(100);

    /// As quick as asked, on an adapter that is a processor or not.
    pub fn new(quick: bool, software: bool) -> Self {
        let (effort, warm_up) = match quick {
            true => (Self::QUICK, Self::QUICK_GPU_WARM_UP),
            false => (Self::FULL, Self::GPU_WARM_UP),
        };
        Effort { warm_up: if software { Duration::ZERO } else { warm_up }, ..effort }
    }
}

/// Several timings in milliseconds: the median, its interval, quartiles and range, and each of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The median.
    pub ms: f64,
    /// The fastest.
    pub ms_min: f64,
    /// A quarter of the timings are at or below this.
    #[serde(default)]
    pub ms_q1: f64,
    /// Three quarters of the timings are at or below this.
    #[serde(default)]
    pub ms_q3: f64,
    /// The slowest.
    pub ms_max: f64,
    /// How many timings.
    pub samples: usize,
    /// How many runs each timing covers.
    pub repeats: usize,
    /// With 95 % the median of all that could have been timed is no less than this; the fastest where there are too
    /// few timings for an interval.
    #[serde(default)]
    pub ms_low: f64,
    /// And no more than this.
    #[serde(default)]
    pub ms_high: f64,
    /// Whether that interval is as narrow as was wanted; else the limit of time ended the timings.
    #[serde(default)]
    pub settled: bool,
    /// All timings, in the order in which they were taken.
    #[serde(default)]
    pub raw_ms: Vec<f64>,
    /// What a loop at the adapter's ceiling took right after each of them, in milliseconds, by which machines that
    /// change are told from kernels that do; empty where none was timed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ceiling_ms: Vec<f64>,
}

impl Timing {
    /// Of timings in milliseconds, each over `repeats` runs; zeros where there are none.
    pub fn of(times: &[f64], repeats: usize) -> Self {
        let raw_ms = times.to_vec();
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        let [ms_low, ms_high] =
            interval(&times).unwrap_or_else(|| [0.0, 1.0].map(|at| quantile(&times, at)));
        Timing {
            ms: quantile(&times, 0.5),
            ms_min: quantile(&times, 0.0),
            ms_q1: quantile(&times, 0.25),
            ms_q3: quantile(&times, 0.75),
            ms_max: quantile(&times, 1.0),
            samples: times.len(),
            repeats,
            ms_low,
            ms_high,
            settled: false,
            raw_ms,
            ceiling_ms: Vec::new(),
        }
    }

    /// The same of something that takes `factor` times as long.
    pub(super) fn times(&self, factor: f64) -> Self {
        let times: Vec<f64> = self.raw_ms.iter().map(|ms| factor * ms).collect();
        let ceiling_ms = self.ceiling_ms.clone();
        Timing { ceiling_ms, settled: self.settled, ..Timing::of(&times, self.repeats) }
    }

    /// Half of the interval of the median, as a share of it.
    pub fn uncertainty(&self) -> f64 {
        (self.ms_high - self.ms_low) / 2.0 / self.ms.max(f64::MIN_POSITIVE)
    }

    /// The distance between the quartiles. Files from before there were quartiles have the range
    /// instead, which is no smaller. Infinite for fewer than three timings, which say nothing of it.
    pub fn spread(&self) -> f64 {
        match (self.samples, self.ms_q3 > 0.0) {
            (..3, _) => f64::INFINITY,
            (_, true) => self.ms_q3 - self.ms_q1,
            (_, false) => self.ms_max - self.ms_min,
        }
    }
}

/// The 95 % interval of the median of `sorted`, whatever the distribution: between two of its values, as many from
/// either end as a fair coin falls on one side in at most 2.5 % of as many throws. None of fewer than six.
fn interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let count = sorted.len();
    let (mut chance, mut below, mut cut) = (0.5f64.powi(count.min(1000) as i32), 0.0, 0);
    if count > 1000 {
        // Nearly normal, and exact sums of so small numbers would be zeros.
        cut = ((count as f64 - 1.96 * (count as f64).sqrt()) / 2.0) as usize;
    } else {
        loop {
            below += chance;
            if below > 0.025 {
                break;
            }
            chance *= (count - cut) as f64 / (cut + 1) as f64;
            cut += 1;
        }
    }
    let low = cut.checked_sub(1)?;
    Some([sorted[low], sorted[count - 1 - low]])
}

/// The value below which the share `at` of `sorted` lies, between neighbours in proportion; 0 of none.
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = at.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

/// How many runs one timing covers, so that it takes as long as `effort` wants.
fn repeats(effort: Effort, once: Duration) -> usize {
    if effort.cold {
        return 1;
    }
    (effort.sample.as_secs_f64() / once.as_secs_f64()).clamp(1.0, 2000.0) as usize
}

/// Runs `run(repeats)` until that has taken as long as `effort` wants, and returns how many repeats a timing takes
/// then: `repeats` where nothing is wanted.
fn warm_up(
    effort: Effort,
    repeats: usize,
    run: &mut dyn FnMut(usize) -> Result<Duration>,
) -> Result<usize> {
    let (mut warm, mut now) = (Duration::ZERO, repeats);
    while warm < effort.warm_up {
        let once = run(now)?.max(Duration::from_nanos(100));
        warm += once * now as u32;
        now = self::repeats(effort, once);
    }
    Ok(now)
}

/// Warms up, then times `run(repeats)`, which returns the time of one run of `repeats`, until the median is known to
/// [`Effort::interval`] or the budget is spent. What takes longer than the budget by itself is timed once.
///
/// # Errors
/// Those of `run`.
pub fn time_repeatedly(
    effort: Effort,
    run: impl FnMut(usize) -> Result<Duration>,
) -> Result<Timing> {
    time_beside(effort, run, None)
}

/// A loop at the adapter's ceiling: it returns the time of one run of it.
pub type Probe<'a> = &'a dyn Fn() -> Result<Duration>;

/// [`time_repeatedly`] with `probe` timed after each timing, where there is one: the machine changes for both.
///
/// # Errors
/// Those of `run` and of `probe`.
pub fn time_beside(
    effort: Effort,
    mut run: impl FnMut(usize) -> Result<Duration>,
    probe: Option<Probe>,
) -> Result<Timing> {
    // The first run touches memory and wakes the clocks; the second says how long one takes.
    let mut once = run(1)?;
    if once < effort.budget {
        once = run(1)?.max(Duration::from_nanos(100));
    }
    if once >= effort.budget {
        return Ok(Timing::of(&[once.as_secs_f64() * 1e3], 1));
    }
    let repeats = warm_up(effort, repeats(effort, once), &mut run)?;
    let (mut times, mut probes, mut spent) = (Vec::new(), Vec::new(), Duration::ZERO);
    let mut timing = Timing::default();
    while !timing.settled && (times.len() < 3 || spent < effort.budget) {
        let time = run(repeats)?;
        times.push(time.as_secs_f64() * 1e3);
        // A clock that stands still must not keep this going.
        spent += (time * repeats as u32).max(Duration::from_micros(1));
        if let Some(probe) = probe {
            probes.push(probe()?.as_secs_f64() * 1e3);
        }
        timing = Timing::of(&times, repeats);
        let enough = times.len() >= effort.samples.max(LEAST);
        timing.settled = enough && 2.0 * timing.uncertainty() <= effort.interval;
    }
    timing.ceiling_ms = probes;
    Ok(timing)
}

/// Something to be timed: it returns the time of one run of the number that it is given.
pub type Run<'a> = &'a mut dyn FnMut(usize) -> Result<Duration>;

/// What one of several contenders took, and how that compares with the first of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Turns {
    /// Its own time.
    pub timing: Timing,
    /// The median over the turns of its time over the first's.
    pub ratio: f64,
    /// The distance between the quartiles of that ratio.
    pub spread: f64,
}

impl Turns {
    /// Whether it is faster than the first by more than the spread.
    pub fn beats(&self) -> bool {
        1.0 - self.ratio > self.spread
    }
}

/// Times several things in turns, so that a machine that is busy for a while is busy for all.
///
/// # Errors
/// Those of `runs`.
pub fn time_in_turns(effort: Effort, runs: &mut [Run]) -> Result<Vec<Turns>> {
    let (mut each, mut turn) = (Vec::new(), 0.0);
    for run in runs.iter_mut() {
        run(1)?;
        let once = run(1)?.max(Duration::from_nanos(100));
        let mut repeats = repeats(effort, once);
        // They follow each other without a pause: the first warms up for all.
        if each.is_empty() {
            repeats = warm_up(effort, repeats, run)?;
        }
        turn += once.as_secs_f64() * repeats as f64;
        each.push(repeats);
    }
    // A ratio near one needs more than three turns to be told from noise.
    let affordable = 2.0 * runs.len() as f64 * effort.budget.as_secs_f64() / turn;
    let turns = effort.samples.min(affordable as usize).max(3);
    let mut times = vec![Vec::with_capacity(turns); runs.len()];
    for _ in 0..turns {
        for ((run, &repeats), times) in runs.iter_mut().zip(&each).zip(&mut times) {
            times.push(run(repeats)?.as_secs_f64() * 1e3);
        }
    }
    let against_first = |own: &Vec<f64>| -> Vec<f64> {
        let mut ratios: Vec<f64> =
            own.iter().zip(&times[0]).map(|(own, first)| own / first).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    };
    let result = times.iter().zip(&each).map(|(own, &repeats)| {
        let ratios = against_first(own);
        let spread = quantile(&ratios, 0.75) - quantile(&ratios, 0.25);
        Turns { timing: Timing::of(own, repeats), ratio: quantile(&ratios, 0.5), spread }
    });
    Ok(result.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_runs_are_repeated_and_long_ones_are_not() {
        let mut asked = Vec::new();
        let timing = time_repeatedly(Effort::QUICK, |repeats| {
            asked.push(repeats);
            Ok(Duration::from_micros(10))
        });
        let timing = timing.unwrap();
        assert_eq!((timing.repeats, timing.samples, timing.ms), (800, LEAST, 0.01));
        assert!(timing.settled, "they are all the same");
        assert_eq!((&asked[..2], &asked[2..]), (&[1, 1][..], &[800; LEAST][..]));
        let timing = time_repeatedly(Effort::FULL, |_| Ok(Duration::from_secs(2))).unwrap();
        assert_eq!((timing.repeats, timing.samples, timing.settled), (1, 3, false));
        let timing = time_repeatedly(Effort::FULL, |_| Ok(Duration::from_secs(4))).unwrap();
        assert_eq!((timing.repeats, timing.samples, timing.ms), (1, 1, 4000.0));
        assert_eq!(timing.spread(), f64::INFINITY, "one timing says nothing of its spread");
    }

    #[test]
    fn a_gpu_is_kept_busy_before_the_first_timing_that_counts() {
        let mut busy = Duration::ZERO;
        let mut run = |repeats: usize| {
            let once = Duration::from_micros(if busy.as_millis() < 90 { 50 } else { 10 });
            busy += once * repeats as u32;
            Ok(once)
        };
        let timing = time_repeatedly(Effort::new(true, false), &mut run).unwrap();
        assert_eq!((timing.ms, timing.ms_max, timing.repeats), (0.01, 0.01, 800));
        assert_eq!(Effort::new(true, true), Effort::QUICK);
        assert_eq!(Effort::new(false, true), Effort::FULL);
    }

    #[test]
    fn the_median_is_reported_with_quartiles_and_range() {
        let timing = Timing::of(&[5.0, 1.0, 3.0], 1);
        assert_eq!((timing.ms_min, timing.ms, timing.ms_max), (1.0, 3.0, 5.0));
        assert_eq!((timing.ms_q1, timing.ms_q3, timing.spread()), (2.0, 4.0, 2.0));
        assert_eq!(timing.raw_ms, [5.0, 1.0, 3.0], "in the order of the clock");
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
    }

    #[test]
    fn timings_go_on_until_the_median_is_known_or_the_budget_is_spent() {
        let effort = Effort { sample: Duration::ZERO, ..Effort::QUICK };
        let run = |spread: u64| {
            let mut at = 0;
            time_repeatedly(effort, move |_| {
                at += 1;
                Ok(Duration::from_micros(1000 + at * 7 % 11 * spread))
            })
        };
        let steady = run(1).unwrap();
        assert_eq!((steady.samples, steady.settled), (LEAST, true));
        // Half of them within 30 us of 1.05 ms: some more make the interval as narrow as 2 %.
        let wide = run(10).unwrap();
        assert!(wide.settled && wide.samples > LEAST && wide.uncertainty() <= 0.01, "{wide:?}");
        let wild = run(1000).unwrap();
        let spent: f64 = wild.raw_ms.iter().sum();
        assert!(!wild.settled && (600.0..620.0).contains(&spent), "{spent}");
    }

    #[test]
    fn the_interval_of_a_median_is_that_of_the_sign_test() {
        // From any table: of 12 the third of either end, of 30 the tenth, of 100 the fortieth.
        for (count, low) in [(6, 1), (12, 3), (30, 10), (100, 40), (1000, 469), (10_000, 4902)] {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            let found = interval(&values).unwrap();
            let expected = [f64::from(low), f64::from(count + 1 - low)];
            assert!(
                (found[0] - expected[0]).abs() <= 0.0005 * f64::from(count),
                "{count}: {found:?}"
            );
            assert_eq!(found[0] + found[1], f64::from(count + 1));
        }
        assert_eq!(interval(&[1.0; 5]), None);
    }

    #[test]
    fn a_probe_is_timed_after_every_timing() {
        let probe = || Ok(Duration::from_millis(2));
        let timing = time_beside(Effort::QUICK, |_| Ok(Duration::from_millis(20)), Some(&probe));
        let timing = timing.unwrap();
        assert_eq!((timing.ceiling_ms.len(), timing.ceiling_ms[0]), (timing.raw_ms.len(), 2.0));
    }

    #[test]
    fn turns_give_the_ratio_of_neighbours() {
        // The machine slows down tenfold half way; the ratio stays.
        let slow = |turn: usize| if turn > 3 { 10 } else { 1 };
        let (mut a, mut b) = (0, 0);
        let effort = Effort { sample: Duration::ZERO, ..Effort::QUICK };
        let mut first = |_| {
            a += 1;
            Ok(Duration::from_millis(2 * slow(a)))
        };
        let mut second = |_| {
            b += 1;
            Ok(Duration::from_millis(3 * slow(b)))
        };
        let turns = time_in_turns(effort, &mut [&mut first, &mut second]).unwrap();
        let [first, second] = &turns[..] else { panic!("two were timed") };
        assert_eq!((first.timing.ms_min, first.timing.ms_max, first.ratio), (2.0, 20.0, 1.0));
        assert_eq!((second.timing.ms_min, second.timing.ms_max), (3.0, 30.0));
        assert_eq!((second.ratio, second.spread), (1.5, 0.0));
    }
}
