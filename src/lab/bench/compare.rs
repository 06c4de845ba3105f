//! A report against an older one: what is faster, what is slower, and of what it cannot be told.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::grouped::{Grouped, wrapped};
use super::verdict::{Pair, Verdict, differ, verdicts};
use super::{Report, Timing};
use crate::documents;
use crate::error::{Error, Result};
use crate::files;

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
    #[serde(default)]
    cold: bool,
    version: String,
    #[serde(default)]
    commit: Option<String>,
    #[serde(default)]
    date: Option<String>,
    /// Reports from before there was a choice have none.
    #[serde(default)]
    precision: Option<String>,
    #[serde(default)]
    ceiling: OldCeiling,
    /// `browser`, where the lesson's page made it.
    #[serde(default)]
    runtime: Option<String>,
    results: Vec<OldRow>,
    #[serde(default)]
    models: Vec<OldModel>,
}

/// Numbers that a report lacks are no reason to refuse it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct OldCeiling {
    gflops: Option<f64>,
    gbps: Option<f64>,
    gflops_spread: Option<f64>,
    gbps_spread: Option<f64>,
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

#[derive(Clone, Debug, Deserialize)]
struct OldPhase {
    #[serde(flatten)]
    timing: Timing,
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
    /// The same by both machines' ceilings at the time.
    pub normalised: f64,
    /// The chance that samples of one thing lie so far apart, corrected for all rows; none where it cannot be told.
    pub p: Option<f64>,
    /// What that means.
    pub verdict: Verdict,
    /// Why it cannot be told.
    pub reason: Option<String>,
}

/// All rows that both reports have.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The older report's file.
    pub old: PathBuf,
    /// The version of parula that made it.
    pub old_version: String,
    /// The commit that the version was built from, where it is known.
    pub old_commit: Option<String>,
    /// When it was made, where that is known.
    pub old_date: Option<String>,
    /// Why no row of the two can be told apart: the adapter, its driver, the clock or the ceilings are others.
    pub changed: Option<String>,
    /// In the order of the newer one.
    pub rows: Vec<Compared>,
    /// Rows that only the older one has.
    pub only_old: usize,
    /// Rows that only the newer one has.
    pub only_new: usize,
}

impl Old {
    /// Reads what `parula bench --json` has printed with activations of `precision`, or what the page of `parula
    /// lesson` gave.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Content`] when it is something else, or was measured in
    /// another precision.
    pub fn read(path: &Path, precision: &str) -> Result<Self> {
        let text = files::read_at_most(path, documents::MOST_JSON)?;
        let report: OldReport = documents::json(&text).map_err(|error| {
            let problem = format!("it is not a report of the bench ({error})");
            Error::content(path, problem, "give what `parula bench --json` has printed")
        })?;
        let then = report.precision.as_deref().unwrap_or("f32");
        if then != precision {
            let problem =
                format!("its models stored activations in {then}, these do in {precision}");
            let hint = format!(
                "compare with a report of --precision {precision}, or give --precision {then}"
            );
            return Err(Error::content(path, problem, hint));
        }
        Ok(Old { path: path.to_owned(), report })
    }

    /// Sets `new` against it.
    pub fn compare(&self, new: &Report) -> Comparison {
        let changed = self.changed(new);
        let faster = self.faster(new).unwrap_or(1.0);
        let old = self.rows();
        let new = rows(new);
        let both: Vec<(&Row, &Timing)> = new
            .iter()
            .filter_map(|row| Some((row, &old.iter().find(|(name, _)| *name == row.0)?.1)))
            .collect();
        let pair = |(row, before): &(&Row, &Timing)| {
            let mut pair = Pair::new(before, &row.1, faster);
            if let Some(why) = &changed {
                pair.chance = Err(why.clone());
            }
            pair
        };
        let pairs: Vec<Pair> = both.iter().map(pair).collect();
        let compared =
            both.iter().zip(&pairs).zip(verdicts(&pairs)).map(|((both, pair), (verdict, p))| {
                let ((name, timing), before) = both;
                let [op, variant, case] = name.clone();
                let (old_ms, ms) = (before.ms, timing.ms);
                let Pair { ratio, normalised, chance, .. } = pair.clone();
                Compared {
                    op,
                    variant,
                    case,
                    old_ms,
                    ms,
                    ratio,
                    normalised,
                    p,
                    verdict,
                    reason: chance.err(),
                }
            });
        Comparison {
            old: self.path.clone(),
            old_version: self.report.version.clone(),
            old_commit: self.report.commit.clone(),
            old_date: self.report.date.clone(),
            changed,
            only_old: old.iter().filter(|(name, _)| new.iter().all(|(n, _)| n != name)).count(),
            only_new: new.len() - both.len(),
            rows: compared.collect(),
        }
    }

    /// Why the two reports are of two machines, where they are.
    fn changed(&self, new: &Report) -> Option<String> {
        let old = &self.report;
        if old.runtime.as_deref() == Some(BROWSER) {
            return Some(format!(
                "it was measured in a browser, on {} by {}",
                old.adapter, old.timer
            ));
        }
        for (what, then, now) in
            [("on", &*old.adapter, &*new.adapter), ("by", &*old.timer, new.timer)]
        {
            if then != now {
                return Some(format!("it was measured {what} {then}, this {what} {now}"));
            }
        }
        if old.cold != new.cold {
            return Some("caches were emptied before each run in one of them alone".to_owned());
        }
        let (then, now) = (&old.ceiling, &new.ceiling);
        let ceilings = [
            ("GFLOP/s", then.gflops, now.gflops, then.gflops_spread, now.gflops_spread),
            ("GB/s", then.gbps, now.gbps, then.gbps_spread, now.gbps_spread),
        ];
        ceilings.into_iter().find_map(|(unit, then, now, before, after)| {
            let spread = before.unwrap_or(0.0).max(after);
            differ(now / then?, spread).then(|| {
                format!(
                    "the ceiling was {:.1} {unit}, it is {now:.1}, and it was spread by {:.0} %",
                    then.unwrap_or(0.0),
                    100.0 * spread
                )
            })
        })
    }

    /// How many times as fast `new`'s machine is by the multiply-adds of both.
    fn faster(&self, new: &Report) -> Option<f64> {
        Some(new.ceiling.gflops / self.report.ceiling.gflops?).filter(|ratio| ratio.is_finite())
    }

    fn rows(&self) -> Vec<Row> {
        let results = self.report.results.iter();
        let variant = |name: &str| crate::engine::graph::current_name(name).to_owned();
        let mut rows: Vec<Row> = results
            .map(|row| {
                ([row.op.clone(), variant(&row.variant), row.case.clone()], row.timing.clone())
            })
            .collect();
        for one in &self.report.models {
            let phases = [&one.forward, &one.grad_cam, &one.training_step];
            let phases = phases.map(|phase| phase.as_ref().map(|phase| phase.timing.clone()));
            rows.extend(of_model(&one.model, one.batch, one.input, phases));
        }
        rows
    }
}

/// Reads `bytes` as an older report and sets every row against itself; says whether it is one.
pub(crate) fn attack(bytes: &[u8]) -> bool {
    let Ok(report) = documents::json::<OldReport>(bytes) else { return false };
    let old = Old { path: PathBuf::from("attack"), report };
    let pairs: Vec<Pair> =
        old.rows().iter().map(|(_, timing)| Pair::new(timing, timing, 1.0)).collect();
    let _ = verdicts(&pairs);
    true
}

/// Operation, variant and case with a time; for models phase, model, batch and input.
pub type Row = ([String; 3], Timing);

/// The rows of a report: kernels, then the phases of models.
pub fn rows(report: &Report) -> Vec<Row> {
    let results = report.results.iter();
    let mut rows: Vec<Row> = results
        .map(|row| ([row.op.clone(), row.variant.clone(), row.case.clone()], row.timing.clone()))
        .collect();
    for one in &report.models {
        let phases = [&one.forward, &one.grad_cam, &one.training_step];
        let phases = phases.map(|phase| phase.as_ref().map(|phase| phase.timing.clone()));
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

impl Comparison {
    /// How many rows cannot be told apart.
    pub fn untold(&self) -> usize {
        self.rows.iter().filter(|row| row.verdict == Verdict::CannotTell).count()
    }

    /// The rows that are slower, by more than `percent` in medians, and slower as well by both ceilings.
    pub fn slower_than(&self, percent: f64) -> Vec<&Compared> {
        let by = |row: &&Compared| row.ratio.min(row.normalised) > 1.0 + percent / 100.0;
        self.rows.iter().filter(|row| row.verdict == Verdict::Slower).filter(by).collect()
    }
}

/// For a terminal.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table =
            Grouped::new(&["variant", "was ms", "is ms", "ratio", "by ceiling", "p", ""]);
        for row in &self.rows {
            let ms = |value: f64| format!("{value:.3}");
            let ratio = |value: f64| format!("{value:.3}");
            let p = row.p.map_or("-".to_owned(), |p| format!("{p:.0e}"));
            let numbers = [ms(row.old_ms), ms(row.ms), ratio(row.ratio), ratio(row.normalised), p];
            let mut cells = vec![row.variant.clone()];
            cells.extend(numbers);
            cells.push(row.verdict.words().to_owned());
            table.row(&format!("{}, {}", row.op, row.case), cells);
        }
        let commit =
            self.old_commit.as_ref().map_or(String::new(), |commit| format!(", commit {commit}"));
        let date = self.old_date.as_ref().map_or(String::new(), |date| format!(", {date}"));
        let against =
            format!("against {} (parula {}{commit}{date})", self.old.display(), self.old_version);
        writeln!(f, "{}\n", wrapped(&against, "  "))?;
        writeln!(f, "{}", table.to_text())?;
        let mut reasons: Vec<&String> =
            self.rows.iter().filter_map(|row| row.reason.as_ref()).collect();
        reasons.dedup();
        for reason in reasons {
            writeln!(f, "{}", wrapped(&format!("cannot tell: {reason}"), "  "))?;
        }
        let count = |verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        writeln!(
            f,
            "{} faster, {} slower, {} the same, of {} it cannot be told; {} only there, {} only here",
            count(Verdict::Faster),
            count(Verdict::Slower),
            count(Verdict::Same),
            count(Verdict::CannotTell),
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
    fn a_report_is_compared_with_one_that_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut now = report();
        std::fs::write(&path, serde_json::to_string(&now).unwrap()).unwrap();
        let old = Old::read(&path, now.precision).unwrap();
        let same = old.compare(&now);
        assert_eq!((same.rows.len(), same.only_old, same.only_new), (2, 0, 0));
        assert!(same.rows.iter().all(|row| row.verdict == Verdict::Same && row.ratio == 1.0));
        let before = now.results[0].timing.clone();
        now.results[0].timing = before.times(0.5);
        now.models[0].batch = 8;
        let changed = old.compare(&now);
        assert_eq!((changed.rows.len(), changed.only_old, changed.only_new), (1, 1, 1));
        assert_eq!((changed.rows[0].verdict, changed.rows[0].ratio), (Verdict::Faster, 0.5));
        let text = changed.to_string();
        assert!(text.contains("faster") && text.contains("1 only there, 1 only here"), "{text}");
        now.results[0].timing = before.times(1.1);
        let slower = old.compare(&now);
        assert_eq!((slower.slower_than(9.0).len(), slower.slower_than(11.0).len()), (1, 0));
        now.ceiling.gflops *= 0.7;
        let told = old.compare(&now);
        assert_eq!(told.rows[0].verdict, Verdict::CannotTell);
        assert!(told.slower_than(0.0).is_empty());
        assert!(told.to_string().contains("the ceiling was 100.0 GFLOP/s, it is 70.0"), "{told}");
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
        let same = Old::read(&path, now.precision).unwrap().compare(&now);
        assert_eq!((same.rows.len(), same.only_old, same.only_new), (2, 0, 0));
        assert!(same.rows.iter().all(|row| row.verdict == Verdict::CannotTell));
        assert!(same.to_string().contains("in a browser, on google swiftshader"), "{same}");
    }

    #[test]
    fn variants_that_had_another_name_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut report = report();
        report.results[0].variant = "quad".to_owned();
        std::fs::write(&path, serde_json::to_string(&report).unwrap()).unwrap();
        let old = Old::read(&path, report.precision).unwrap();
        report.results[0].variant = "fours".to_owned();
        assert_eq!(old.compare(&report).only_old, 0);
    }

    #[test]
    fn of_another_adapter_or_clock_it_cannot_be_told_and_another_precision_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let now = report();
        for (field, value) in [("adapter", "another GPU"), ("timer", "sundial")] {
            let mut document = serde_json::to_value(&now).unwrap();
            document[field] = value.into();
            std::fs::write(&path, document.to_string()).unwrap();
            let told = Old::read(&path, now.precision).unwrap().compare(&now);
            assert!(told.rows.iter().all(|row| row.verdict == Verdict::CannotTell), "{told}");
            assert!(told.changed.is_some_and(|why| why.contains(value)));
        }
        let refused = || Old::read(&path, "f16").unwrap_err().to_string();
        assert!(refused().contains("old.json") && refused().contains("f32"), "{}", refused());
        std::fs::write(&path, "{\"results\": []}").unwrap();
        assert!(refused().contains("parula bench --json"));
        assert!(Old::read(&folder.path().join("none.json"), "f32").is_err());
    }

    #[test]
    fn every_report_that_is_kept_is_read_or_refused_with_a_reason() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
        let (mut read, mut refused) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match Old::read(&path, "f32") {
                Ok(old) => {
                    assert!(!old.rows().is_empty(), "{}", path.display());
                    assert!(old.compare(&report()).rows.iter().all(|row| row.reason.is_some()));
                    read += 1;
                }
                Err(error) => {
                    let name = path.file_name().unwrap().to_string_lossy().into_owned();
                    assert!(
                        error.to_string().contains(&name)
                            && (name.contains("side-by-side") || name.contains("h100")),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        assert!(read >= 7 && refused >= 5, "{read} {refused}");
    }
}
