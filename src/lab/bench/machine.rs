//! What a report was made by and on: the commit, the date, the processor and how busy it was.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::files;

/// The commit that the program was built from, with `-dirty` where its sources had been changed; none where it was
/// not built in its own repository.
pub fn commit() -> Option<&'static str> {
    option_env!("PARULA_COMMIT").filter(|commit| !commit.is_empty())
}

/// Now, in UTC: `2026-11-30T09:05:00Z`.
pub fn date() -> String {
    // A clock before 1970 is a clock that was never set.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date_of(since.as_secs())
}

/// Of seconds since 1970.
fn date_of(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March end with the day that leap years add; 400 of them have 146,097 days.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + next;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{of_month:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The host, as far as it tells.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: Option<String>,
    /// Processors that this process may use.
    pub cores: usize,
    /// How many processes wanted to run, as a mean over the minute before the first timing.
    pub load_before: Option<f64>,
    /// And over the last minute of the timings.
    pub load_after: Option<f64>,
}

impl Machine {
    /// This one, before anything is timed.
    pub fn now() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Machine { processor: processor(), cores, load_before: load(), load_after: None }
    }

    /// Looks at the load once more, at the end.
    pub fn ends(&mut self) {
        self.load_after = load();
    }
}

/// What a small file of the system says; none where there is no such file.
pub(super) fn line(path: &str) -> Option<String> {
    let bytes = files::read_at_most(Path::new(path), 1 << 20).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn load() -> Option<f64> {
    line("/proc/loadavg")?.split_whitespace().next()?.parse().ok()
}

fn processor() -> Option<String> {
    let text = line("/proc/cpuinfo")?;
    let model = text.lines().find(|line| line.starts_with("model name"))?;
    Some(model.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_796_083_200, "2026-12-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date_of(seconds), date);
        }
        assert!(date().as_str() > "2026-11-30T00:00:00Z", "{}", date());
    }

    #[test]
    fn a_machine_without_the_files_says_nothing() {
        assert_eq!(line("/proc/no/such/file"), None);
        assert!(Machine::now().cores > 0);
    }
}
