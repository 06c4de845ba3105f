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
    times.sort_by(f64::total_cmp);
    Ok(Timing {
        ms: times[samples / 2],
        ms_min: times[0],
        ms_max: times[samples - 1],
        samples,
        repeats,
    })
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
}
