//! What ends the command with an error, and how its options are read.

use crate::error::{Error, Result};
use crate::lab::bench::{Comparison, Report};

/// Refuses a report of kernels that compute something else.
pub fn all_right(report: &Report) -> Result<()> {
    let Some(cases) = &report.cases else { return Ok(()) };
    let Some(first) = cases.wrong.first() else { return Ok(()) };
    let message = format!(
        "{} of {} cases are wrong, the first {}/{} on {}: {}",
        cases.wrong.len(),
        cases.all,
        first.op,
        first.variant,
        first.case,
        first.reason
    );
    Err(Error::Gpu { doing: "checking every kernel".to_owned(), message })
}

/// Refuses a report that has reasons alone.
pub fn something_timed(report: &Report) -> Result<()> {
    match report.not_timed.first() {
        Some(first) if is_empty(report) => Err(Error::usage(
            format!("nothing was timed: {}", first.reason),
            "try another shape, kernel or variant",
        )),
        _ => Ok(()),
    }
}

pub fn is_empty(report: &Report) -> bool {
    report.cases.is_none()
        && report.results.is_empty()
        && report.models.is_empty()
        && report.methods.is_empty()
}

/// Refuses what is slower, by more than `percent` beyond doubt.
pub fn expect_no_slower(comparison: &Comparison, percent: f64) -> Result<()> {
    let slower = comparison.slower_than(percent);
    let Some(worst) = slower.iter().max_by(|a, b| a.normalised.total_cmp(&b.normalised)) else {
        return Ok(());
    };
    let problem = format!(
        "{} of {} are slower than there by more than {percent} %, most {}/{} on {}: {:.2} times as long",
        slower.len(),
        comparison.rows.len(),
        worst.op,
        worst.variant,
        worst.case,
        worst.normalised
    );
    Err(Error::content(
        &comparison.old,
        problem,
        "find what changed since, or make the report again",
    ))
}

/// Reads how many times as long, `10x` or `10`.
pub fn times(text: &str) -> std::result::Result<f64, String> {
    match text.trim_end_matches('x').parse::<f64>() {
        Ok(times) if times.is_finite() && times > 1.0 => Ok(times),
        _ => Err("give a number above 1, as 10x".to_owned()),
    }
}

/// Reads a share in percent, `5` or `5%`.
pub fn percent(text: &str) -> std::result::Result<f64, String> {
    match text.trim_end_matches('%').parse::<f64>() {
        Ok(percent) if percent.is_finite() && percent >= 0.0 => Ok(percent),
        _ => Err("give a number of percent, 0 or more".to_owned()),
    }
}
