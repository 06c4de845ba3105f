//! The median of several timings.

use std::time::Duration;

use serde::Serialize;

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
    /// Whether shapes too large for the reference are compared with the plainest variant.
    pub compare_large: bool,
}

impl Effort {
    /// For figures to be quoted.
    pub const FULL: Effort = Effort {
        samples: 11,
        sample: Duration::from_millis(30),
        budget: Duration::from_secs(3),
        compare_large: true,
    };
    /// For a glance.
    pub const QUICK: Effort = Effort {
        samples: 3,
        sample: Duration::from_millis(8),
        budget: Duration::from_millis(600),
        compare_large: false,
    };
}

/// The median of several timings, and their range, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Timing {
    /// The median.
    pub ms: f64,
    /// The fastest.
    pub ms_min: f64,
    /// The slowest.
    pub ms_max: f64,
    /// How many timings.
    pub samples: usize,
    /// How many runs each timing covers.
    pub repeats: usize,
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
        let ms = once.as_secs_f64() * 1e3;
        return Ok(Timing { ms, ms_min: ms, ms_max: ms, samples: 1, repeats: 1 });
    }
    let repeats = (effort.sample.as_secs_f64() / once.as_secs_f64()).clamp(1.0, 2000.0) as usize;
    let affordable = effort.budget.as_secs_f64() / (once.as_secs_f64() * repeats as f64);
    let samples = effort.samples.min(affordable as usize).max(3);
    let mut times = Vec::new();
    for _ in 0..samples {
        times.push(run(repeats)?.as_secs_f64() * 1e3);
    }
    Ok(Timing::of(times, repeats))
}

/// Times two things in turns, so that a machine that is busy for a while is busy for both: the timing
/// of each, and the median over the turns of the second's time over the first's.
///
/// # Errors
/// Those of `first` and `second`.
pub fn time_in_turns(
    effort: Effort,
    mut first: impl FnMut(usize) -> Result<Duration>,
    mut second: impl FnMut(usize) -> Result<Duration>,
) -> Result<(Timing, Timing, f64)> {
    first(1)?;
    second(1)?;
    let once = first(1)?.max(second(1)?).max(Duration::from_nanos(100)).as_secs_f64();
    let repeats = (effort.sample.as_secs_f64() / once).clamp(1.0, 2000.0) as usize;
    // A ratio near one needs more than three turns to be told from noise.
    let affordable = 4.0 * effort.budget.as_secs_f64() / (once * repeats as f64);
    let turns = effort.samples.min(affordable as usize).max(3);
    let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..turns {
        let pair = [first(repeats)?, second(repeats)?].map(|time| time.as_secs_f64() * 1e3);
        times[0].push(pair[0]);
        times[1].push(pair[1]);
        ratios.push(pair[1] / pair[0]);
    }
    ratios.sort_by(f64::total_cmp);
    let [first, second] = times.map(|times| Timing::of(times, repeats));
    Ok((first, second, ratios[turns / 2]))
}

impl Timing {
    fn of(mut times: Vec<f64>, repeats: usize) -> Self {
        times.sort_by(f64::total_cmp);
        let samples = times.len();
        Timing {
            ms: times[samples / 2],
            ms_min: times[0],
            ms_max: times[samples - 1],
            samples,
            repeats,
        }
    }
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
    }

    #[test]
    fn the_median_is_reported_with_its_range() {
        let mut times = [9, 9, 5, 1, 3].into_iter();
        let effort = Effort { sample: Duration::ZERO, ..Effort::QUICK };
        let timing = time_repeatedly(effort, |_| {
            Ok(Duration::from_millis(times.next().unwrap_or_default()))
        });
        let timing = timing.unwrap();
        assert_eq!((timing.ms_min, timing.ms, timing.ms_max), (1.0, 3.0, 5.0));
    }

    #[test]
    fn turns_give_the_ratio_of_neighbours() {
        // The machine slows down tenfold half way; the ratio stays.
        let slow = |turn: usize| if turn > 3 { 10 } else { 1 };
        let (mut a, mut b) = (0, 0);
        let effort = Effort { sample: Duration::ZERO, ..Effort::QUICK };
        let first = |_| {
            a += 1;
            Ok(Duration::from_millis(2 * slow(a)))
        };
        let second = |_| {
            b += 1;
            Ok(Duration::from_millis(3 * slow(b)))
        };
        let (first, second, ratio) = time_in_turns(effort, first, second).unwrap();
        assert_eq!((first.ms_min, first.ms_max), (2.0, 20.0));
        assert_eq!((second.ms_min, second.ms_max, ratio), (3.0, 30.0, 1.5));
    }
}
