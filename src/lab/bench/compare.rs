//! A report against an older one of the same adapter: what is faster, what is slower, by more than
//! either was spread.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Report, Timing};
use crate::documents;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::report::table::Table;

/// The runtime of a report that a page made.
const BROWSER: &str = "browser";

/// An older report, as far as it is compared.
#[derive(Clone, Debug)]
pub struct Old {
    path: PathBuf,
    report: OldReport,
}

#[derive(Clone, Debug, Deserialize)]
struct OldReport {
    adapter: String,
    timer: String,
    version: String,
    /// `browser`, where the lesson's page made it.
    #[serde(default)]
    runtime: Option<String>,
    results: Vec<OldRow>,
    #[serde(default)]
    models: Vec<OldModel>,
}

#[derive(Clone, Debug, Deserialize)]
struct OldRow {
    op: String,
    variant: String,
    case: String,
    #[serde(flatten)]
    timing: Timing,
}

#[derive(Clone, Debug, Deserialize)]
struct OldModel {
    model: String,
    batch: usize,
    input: [usize; 2],
    forward: Option<OldPhase>,
    grad_cam: Option<OldPhase>,
    training_step: Option<OldPhase>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct OldPhase {
    #[serde(flatten)]
    timing: Timing,
}

/// What can be said of two timings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The new one is shorter, by more than the spread of either.
    Faster,
    /// The new one is longer, by more than the spread of either.
    Slower,
    /// They differ by no more than that.
    Same,
    /// One of them was timed fewer than three times, so that its spread is not known.
    Unknown,
}

impl Verdict {
    /// Of an older and a newer timing.
    pub fn of(old: &Timing, new: &Timing) -> Self {
        let spread = old.spread().max(new.spread());
        match new.ms - old.ms {
            _ if !spread.is_finite() => Verdict::Unknown,
            longer if longer > spread => Verdict::Slower,
            longer if -longer > spread => Verdict::Faster,
            _ => Verdict::Same,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Faster => "faster",
            Verdict::Slower => "slower",
            Verdict::Same => "same",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One row that both reports have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    /// The operation, or what a model was run for.
    pub op: String,
    /// The kernel variant, or the model.
    pub variant: String,
    /// The case, or batch and input.
    pub case: String,
    /// The older median.
    pub old_ms: f64,
    /// The newer median.
    pub ms: f64,
    /// The newer over the older.
    pub ratio: f64,
    /// Whether that means anything.
    pub verdict: Verdict,
}

/// All rows that both reports have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The older report's file.
    pub old: PathBuf,
    /// The version of parula that made it.
    pub old_version: String,
    /// In the order of the newer one.
    pub rows: Vec<Compared>,
    /// Rows that only the older one has.
    pub only_old: usize,
    /// Rows that only the newer one has.
    pub only_new: usize,
}

impl Old {
    /// Reads what `parula bench --json` has printed on the adapter and with the timer of `now`, or what the page of
    /// `parula lesson` gave: a browser names adapters and takes times in its own way.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Content`] when it is something else, or was
    /// measured on another adapter or by another timer.
    pub fn read(path: &Path, adapter: &str, timer: &str) -> Result<Self> {
        let text = files::read_at_most(path, documents::MOST_JSON)?;
        let report: OldReport = documents::json(&text).map_err(|error| {
            let problem = format!("it is not a report of the bench ({error})");
            Error::content(path, problem, "give what `parula bench --json` has printed")
        })?;
        let hint = "times of two adapters or two clocks say nothing of parula: compare with a report of \
                    this one";
        if report.runtime.as_deref() == Some(BROWSER) {
            crate::console::note!(
                "{}: measured in a browser, on {} by {}",
                path.display(),
                report.adapter,
                report.timer
            );
            return Ok(Old { path: path.to_owned(), report });
        }
        for (what, then, now) in
            [("on", report.adapter.as_str(), adapter), ("by", report.timer.as_str(), timer)]
        {
            if then != now {
                let problem = format!("it was measured {what} {then}, this is {now}");
                return Err(Error::content(path, problem, hint));
            }
        }
        Ok(Old { path: path.to_owned(), report })
    }

    /// Sets `new` against it.
    pub fn compare(&self, new: &Report) -> Comparison {
        let old = self.rows();
        let new = rows(new);
        let mut rows = Vec::new();
        for (name, timing) in &new {
            let Some((_, before)) = old.iter().find(|(other, _)| other == name) else { continue };
            let [op, variant, case] = name.clone();
            let ratio = timing.ms / before.ms;
            let verdict = Verdict::of(before, timing);
            rows.push(Compared {
                op,
                variant,
                case,
                old_ms: before.ms,
                ms: timing.ms,
                ratio,
                verdict,
            });
        }
        Comparison {
            old: self.path.clone(),
            old_version: self.report.version.clone(),
            only_old: old.iter().filter(|(name, _)| new.iter().all(|(n, _)| n != name)).count(),
            only_new: new.len() - rows.len(),
            rows,
        }
    }

    fn rows(&self) -> Vec<Row> {
        let results = self.report.results.iter();
        let variant = |name: &str| crate::engine::graph::current_name(name).to_owned();
        let mut rows: Vec<Row> = results
            .map(|row| ([row.op.clone(), variant(&row.variant), row.case.clone()], row.timing))
            .collect();
        for one in &self.report.models {
            let phases = [one.forward, one.grad_cam, one.training_step];
            let phases = phases.map(|phase| phase.map(|phase| phase.timing));
            rows.extend(of_model(&one.model, one.batch, one.input, phases));
        }
        rows
    }
}

/// Reads `bytes` as an older report and sets every row against itself; says whether it is one.
pub(crate) fn attack(bytes: &[u8]) -> bool {
    let Ok(report) = documents::json::<OldReport>(bytes) else { return false };
    let old = Old { path: PathBuf::from("attack"), report };
    for (_, timing) in old.rows() {
        let _ = Verdict::of(&timing, &timing);
    }
    true
}

/// Operation, variant and case with a time; for models phase, model, batch and input.
pub type Row = ([String; 3], Timing);

/// The rows of a report: kernels, then the phases of models.
pub fn rows(report: &Report) -> Vec<Row> {
    let results = report.results.iter();
    let mut rows: Vec<Row> = results
        .map(|row| ([row.op.clone(), row.variant.clone(), row.case.clone()], row.timing))
        .collect();
    for one in &report.models {
        let phases = [&one.forward, &one.grad_cam, &one.training_step];
        let phases = phases.map(|phase| phase.as_ref().map(|phase| phase.timing));
        rows.extend(of_model(&one.model, one.batch, one.input, phases));
    }
    rows
}

fn of_model(
    model: &str,
    batch: usize,
    [height, width]: [usize; 2],
    phases: [Option<Timing>; 3],
) -> Vec<Row> {
    let case = format!("batch {batch}, {height}x{width}");
    let named = ["forward", "grad-cam", "training-step"].into_iter().zip(phases);
    let row = |(phase, timing): (&str, Option<Timing>)| {
        Some(([phase.to_owned(), model.to_owned(), case.clone()], timing?))
    };
    named.filter_map(row).collect()
}

/// For a terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&["kernel", "variant", "case", "was ms", "is ms", "ratio", ""]);
        for row in &self.rows {
            let ms = |value: f64| format!("{value:.3}");
            let said = row.verdict.word().to_owned();
            let ratio = format!("{:.2}", row.ratio);
            let [op, variant, case] = [&row.op, &row.variant, &row.case].map(String::clone);
            table.row(vec![op, variant, case, ms(row.old_ms), ms(row.ms), ratio, said]);
        }
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        writeln!(f, "against {} (parula {})\n", self.old.display(), self.old_version)?;
        writeln!(f, "{}", table.to_text())?;
        writeln!(
            f,
            "{} faster, {} slower, {} the same, {} unknown; {} only there, {} only here",
            count(Verdict::Faster),
            count(Verdict::Slower),
            count(Verdict::Same),
            count(Verdict::Unknown),
            self.only_old,
            self.only_new,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bench::report::tests::report;

    #[test]
    fn a_verdict_takes_more_than_either_spread() {
        let timing = |times: &[f64]| Timing::of(times, 1);
        let steady = timing(&[10.0, 10.0, 10.0, 10.0, 10.0]);
        let wide = timing(&[8.0, 9.0, 10.0, 11.0, 12.0]);
        assert_eq!(Verdict::of(&steady, &timing(&[9.0; 5])), Verdict::Faster);
        assert_eq!(Verdict::of(&steady, &timing(&[11.0; 5])), Verdict::Slower);
        assert_eq!(Verdict::of(&wide, &timing(&[11.9; 5])), Verdict::Same);
        assert_eq!(Verdict::of(&timing(&[12.0; 5]), &wide), Verdict::Same);
        assert_eq!(Verdict::of(&wide, &timing(&[12.1; 5])), Verdict::Slower);
        assert_eq!(Verdict::of(&steady, &timing(&[1.0])), Verdict::Unknown);
        // Without quartiles the range counts.
        let old = Timing { ms_q1: 0.0, ms_q3: 0.0, ..wide };
        assert_eq!(Verdict::of(&old, &timing(&[13.0; 5])), Verdict::Same);
        assert_eq!(Verdict::of(&old, &timing(&[14.1; 5])), Verdict::Slower);
    }

    #[test]
    fn a_report_is_compared_with_one_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut now = report();
        std::fs::write(&path, serde_json::to_string(&now).unwrap()).unwrap();
        let old = Old::read(&path, &now.adapter, now.timer).unwrap();
        let same = old.compare(&now);
        assert_eq!((same.rows.len(), same.only_old, same.only_new), (2, 0, 0));
        assert!(same.rows.iter().all(|row| row.verdict == Verdict::Same && row.ratio == 1.0));
        now.results[0].timing = Timing::of(&[0.5; 5], 7);
        now.models[0].batch = 8;
        let changed = old.compare(&now);
        assert_eq!((changed.rows.len(), changed.only_old, changed.only_new), (1, 1, 1));
        assert_eq!((changed.rows[0].verdict, changed.rows[0].ratio), (Verdict::Faster, 0.25));
        let text = changed.to_string();
        assert!(text.contains("faster") && text.contains("1 only there, 1 only here"), "{text}");
    }

    #[test]
    fn a_report_of_a_browser_is_compared_whatever_it_calls_the_adapter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("browser.json");
        let now = report();
        let mut document = serde_json::to_value(&now).unwrap();
        document["runtime"] = "browser".into();
        document["adapter"] = "google swiftshader".into();
        document["timer"] = "host clock of a tab".into();
        std::fs::write(&path, document.to_string()).unwrap();
        let same = Old::read(&path, &now.adapter, now.timer).unwrap().compare(&now);
        assert_eq!((same.rows.len(), same.only_old, same.only_new), (2, 0, 0));
        document["runtime"] = "elsewhere".into();
        std::fs::write(&path, document.to_string()).unwrap();
        assert!(Old::read(&path, &now.adapter, now.timer).is_err());
    }

    #[test]
    fn variants_that_had_another_name_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut report = report();
        report.results[0].variant = "quad".to_owned();
        std::fs::write(&path, serde_json::to_string(&report).unwrap()).unwrap();
        let old = Old::read(&path, &report.adapter, report.timer).unwrap();
        report.results[0].variant = "fours".to_owned();
        assert_eq!(old.compare(&report).only_old, 0);
    }

    #[test]
    fn a_report_of_another_adapter_or_clock_and_other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let now = report();
        std::fs::write(&path, serde_json::to_string(&now).unwrap()).unwrap();
        let refused =
            |adapter: &str, timer: &str| Old::read(&path, adapter, timer).unwrap_err().to_string();
        let text = refused("another GPU", now.timer);
        assert!(text.contains("old.json") && text.contains("this is another GPU"), "{text}");
        assert!(refused(&now.adapter, "sundial").contains("sundial"));
        std::fs::write(&path, "{\"results\": []}").unwrap();
        assert!(refused(&now.adapter, now.timer).contains("parula bench --json"));
        assert!(Old::read(&folder.path().join("none.json"), "", "").is_err());
    }
}
