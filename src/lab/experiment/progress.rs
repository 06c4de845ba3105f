//! Which phase of how many runs, and how long the rest takes.

use std::fmt;
use std::time::Duration;

use super::phase::Phase;
use super::{Options, Results, Round};

/// A phase of a model in a round.
type Part = (&'static str, Round, Phase);

/// All phases of an experiment, in order of running.
pub struct Progress(Vec<Part>);

impl Progress {
    /// The phases of `options`.
    pub fn new(options: &Options) -> Self {
        let mut parts = Vec::new();
        let only = options.only.as_ref().map(|part| part.round());
        for setup in options.own() {
            for round in options.rounds() {
                if only.is_some_and(|only| only != round) {
                    continue;
                }
                let phases = Phase::of(&options.experiments).iter();
                parts.extend(phases.map(|&phase| (setup.network.name, round, phase)));
            }
        }
        Progress(parts)
    }

    /// The phases that are not finished in `results`, and the time that they will take, by that of the
    /// model's finished ones, else by that of all; none while there are none.
    pub fn left(&self, results: &Results) -> (usize, Option<Duration>) {
        let mut left = 0;
        let mut seconds = Some(0.0);
        for &(model, round, phase) in &self.0 {
            if !results.has(model, round, phase) {
                left += 1;
                let expected = mean(results, Some(model)).or_else(|| mean(results, None));
                seconds = seconds.zip(expected).map(|(sum, expected)| sum + expected);
            }
        }
        // What a file says of times may be anything.
        (left, seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }

    /// `3 of 8, about 12 min left`, before the first phase that is not finished is run.
    pub fn words(&self, results: &Results) -> String {
        let (left, time) = self.left(results);
        let number = self.0.len() - left + 1;
        let rest = time.map_or(String::new(), |time| format!(", about {} left", Rough(time)));
        format!("{number} of {}{rest}", self.0.len())
    }
}

/// Mean seconds of the finished phases, of one model or of all.
fn mean(results: &Results, model: Option<&str>) -> Option<f64> {
    const ALL: [Phase; 4] = [Phase::Original, Phase::Cam, Phase::Mask, Phase::InverseMask];
    let runs = results.runs.iter().filter(|run| model.is_none_or(|model| run.model == model));
    let seconds: Vec<f64> =
        runs.flat_map(|run| ALL.iter().filter_map(|&phase| run.seconds_of(phase))).collect();
    (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
}

/// A time to be read at a glance.
pub struct Rough(pub Duration);

impl fmt::Display for Rough {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..120 => write!(out, "{seconds} s"),
            seconds @ 120..7200 => write!(out, "{} min", (seconds + 30) / 60),
            seconds => write!(out, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rough() {
        let shown = |seconds| Rough(Duration::from_secs(seconds)).to_string();
        assert_eq!([shown(59), shown(150), shown(7380)], ["59 s", "3 min", "2 h 3 min"]);
    }
}
