//! A mean with its 95 % interval, and what must be there for the interval to hold what it says.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The probability with which an interval holds the truth.
pub const LEVEL: f64 = 0.95;

/// Seeds from which on [`LEVEL`] is held: `docs/intervals.md` has the simulation.
pub const SEEDS: usize = 3;

/// Patients from which on [`LEVEL`] is held.
pub const PATIENTS: usize = 30;

/// A mean with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
    /// Seeds that it knows of; none where nothing was drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeds: Option<usize>,
    /// Patients that it knows of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patients: Option<usize>,
    /// Whether there are too few of either for the interval to be held to its level.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_few: bool,
}

impl From<f64> for Interval {
    fn from(value: f64) -> Self {
        Interval { mean: value, low: value, high: value, ..Interval::default() }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{:.3}", self.mean)?;
        if self.low < self.high {
            write!(out, " [{:.3}, {:.3}]", self.low, self.high)?;
        }
        write!(out, "{}", self.mark())
    }
}

impl Interval {
    /// An interval that was found from so many seeds and patients.
    pub fn of(mean: f64, [low, high]: [f64; 2], seeds: usize, patients: usize) -> Self {
        let too_few = seeds < SEEDS || patients < PATIENTS;
        Interval { mean, low, high, seeds: Some(seeds), patients: Some(patients), too_few }
    }

    /// A star beside an interval that is not held to its level; [`too_few`] says why.
    pub fn mark(&self) -> &'static str {
        if self.too_few { "*" } else { "" }
    }
}

/// What the star of some of `intervals` means, as a line; none where none has one.
pub fn too_few<'a>(intervals: impl IntoIterator<Item = &'a Interval>) -> Option<String> {
    let marked: Vec<&Interval> = intervals.into_iter().filter(|one| one.too_few).collect();
    let seeds = marked.iter().filter_map(|one| one.seeds).min()?;
    let patients = marked.iter().filter_map(|one| one.patients).min()?;
    let mut reasons = Vec::new();
    match seeds {
        0 => {}
        1 => reasons.push(
            "1 seed: the interval is of patients alone and knows nothing of other seeds".to_owned(),
        ),
        few if few < SEEDS => {
            reasons.push(format!("{few} seeds say little about others, so it is wide"));
        }
        _ => {}
    }
    if patients < PATIENTS {
        reasons.push(format!("{patients} patient(s)"));
    }
    Some(format!(
        "* too few for an interval that is held to 95 %, which takes {SEEDS} seeds and {PATIENTS} patients: {}",
        reasons.join("; ")
    ))
}

/// The shares p for which |`share` - p| is at most `half`, where the variance goes with p (1 - p):
/// Wilson's interval (1927) of as many independent trials as `share` (1 - `share`) / `half`^2 at z = 1.
/// It stays in [0, 1], and leans away from the nearer end as the distribution does.
pub fn wilson(share: f64, half: f64) -> [f64; 2] {
    trials(share, share * (1.0 - share) / (half * half), 1.0)
}

/// Wilson's interval of `share` in `count` independent trials at `z`.
pub fn trials(share: f64, count: f64, z: f64) -> [f64; 2] {
    let k = z * z / count;
    let centre = (share + k / 2.0) / (1.0 + k);
    let half = (k * share * (1.0 - share) + k * k / 4.0).sqrt() / (1.0 + k);
    [(centre - half).max(0.0), (centre + half).min(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_seeds_or_patients_are_marked_and_named() {
        let of = |seeds, patients| Interval::of(0.5, [0.4, 0.6], seeds, patients);
        assert_eq!(of(3, 30).to_string(), "0.500 [0.400, 0.600]");
        assert_eq!(too_few([&of(3, 30), &0.5.into()]), None);
        assert_eq!(of(1, 30).to_string(), "0.500 [0.400, 0.600]*");
        let why = too_few([&of(3, 30), &of(1, 30)]).unwrap();
        assert!(why.starts_with("* ") && why.contains("1 seed") && !why.contains("30 patient("));
        let why = too_few([&of(2, 12)]).unwrap();
        assert!(why.contains("2 seeds") && why.contains("12 patient"), "{why}");
        let json = serde_json::to_value(of(2, 12)).unwrap();
        assert_eq!((&json["seeds"], &json["too_few"]), (&2.into(), &true.into()));
        let plain: Interval = serde_json::from_str(r#"{"mean":0.5,"low":0.4,"high":0.6}"#).unwrap();
        assert!(!plain.too_few && plain.seeds.is_none());
    }

    #[test]
    fn wilson_is_that_of_the_tables() {
        // 8 of 10 at 1.96: 0.490 to 0.943.
        let [low, high] = trials(0.8, 10.0, 1.96);
        assert!((low - 0.4902).abs() < 1e-4 && (high - 0.9433).abs() < 1e-4, "{low} {high}");
        let half = 1.96 * (0.8f64 * 0.2 / 10.0).sqrt();
        let [same, other] = wilson(0.8, half);
        assert!((same - low).abs() < 1e-12 && (other - high).abs() < 1e-12);
        assert_eq!(trials(1.0, 30.0, 1.96)[1], 1.0);
    }
}
