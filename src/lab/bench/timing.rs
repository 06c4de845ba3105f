//! The median of several timings, and how far they are spread.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// Timings, of which the median counts.
    pub samples: usize,
    /// What one timing should take, by repeating the kernel.
    pub sample: Duration,
    /// What all timings of one variant may take, if that leaves three.
    pub budget: Duration,
    /// How long to run before the first timing that counts.
    pub warm_up: Duration,
}

impl Effort {
    /// For figures to be quoted, on a processor.
    pub const FULL: Effort = Effort {
        samples: 11,
        sample: Duration::from_millis(30),
        budget: Duration::from_secs(3),
        warm_up: Duration::ZERO,
    };
    /// For a glance, on a processor.
    pub const QUICK: Effort = Effort {
        samples: 3,
        sample: Duration::from_millis(8),
        budget: Duration::from_millis(600),
        warm_up: Duration::ZERO,
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

/// The median of several timings, their quartiles and their range, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl Timing {
    /// Of timings in milliseconds, each over `repeats` runs; zeros where there are none.
    pub fn of(times: &[f64], repeats: usize) -> Self {
        let mut times = times.to_vec();
        times.sort_by(f64::total_cmp);
        Timing {
            ms: quantile(&times, 0.5),
            ms_min: quantile(&times, 0.0),
            ms_q1: quantile(&times, 0.25),
            ms_q3: quantile(&times, 0.75),
            ms_max: quantile(&times, 1.0),
            samples: times.len(),
            repeats,
        }
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

/// The value below which the share `at` of `sorted` lies, between neighbours in proportion; 0 of none.
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let position = at.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (position.floor() as usize, position.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (position - low as f64)
}

/// How many runs one timing covers, so that it takes as long as `effort` wants.
fn repeats(effort: Effort, once: Duration) -> usize {
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

/// Warms up, then times `run(repeats)`, which returns the time of one run of `repeats`. What takes
/// longer than the budget by itself is timed once.
///
/// # Errors
/// Those of `run`.
pub fn time_repeatedly(
    effort: Effort,
    mut run: impl FnMut(usize) -> Result<Duration>,
) -> Result<Timing> {
    // The first run touches memory and wakes the clocks; the second says how long one takes.
    let mut once = run(1)?;
    if once < effort.budget {
        once = run(1)?.max(Duration::from_nanos(100));
    }
    if once >= effort.budget {
        return Ok(Timing::of(&[once.as_secs_f64() * 1e3], 1));
    }
    let repeats = repeats(effort, once);
    let affordable = effort.budget.as_secs_f64() / (once.as_secs_f64() * repeats as f64);
    let samples = effort.samples.min(affordable as usize).max(3);
    let repeats = warm_up(effort, repeats, &mut run)?;
    let mut times = Vec::new();
    for _ in 0..samples {
        times.push(run(repeats)?.as_secs_f64() * 1e3);
    }
    Ok(Timing::of(&times, repeats))
}

/// Something to be timed: it returns the time of one run of the number that it is given.
pub type Run<'a> = &'a mut dyn FnMut(usize) -> Result<Duration>;

/// What one of several contenders took, and how that compares with the first of them.
#[derive(Clone, Copy, Debug, PartialEq)]
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
        assert_eq!((timing.repeats, timing.samples, timing.ms), (800, 3, 0.01));
        assert_eq!(asked, [1, 1, 800, 800, 800]);
        let timing = time_repeatedly(Effort::FULL, |_| Ok(Duration::from_secs(2))).unwrap();
        assert_eq!((timing.repeats, timing.samples), (1, 3));
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
        let mut times = [9, 9, 5, 1, 3].into_iter();
        let effort = Effort { sample: Duration::ZERO, ..Effort::QUICK };
        let timing = time_repeatedly(effort, |_| {
            Ok(Duration::from_millis(times.next().unwrap_or_default()))
        });
        let timing = timing.unwrap();
        assert_eq!((timing.ms_min, timing.ms, timing.ms_max), (1.0, 3.0, 5.0));
        assert_eq!((timing.ms_q1, timing.ms_q3, timing.spread()), (2.0, 4.0, 2.0));
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
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
        let [first, second] = [turns[0], turns[1]];
        assert_eq!((first.timing.ms_min, first.timing.ms_max, first.ratio), (2.0, 20.0, 1.0));
        assert_eq!((second.timing.ms_min, second.timing.ms_max), (3.0, 30.0));
        assert_eq!((second.ratio, second.spread), (1.5, 0.0));
    }
}
