//! What was measured, as a table, as JSON and as CSV.

use std::fmt;

use serde::Serialize;

use super::{Ceiling, Measurement, ModelTiming, PhaseTiming};
use crate::error::Error;
use crate::gpu::{AdapterReport, Gpu};
use crate::ops::{Case, Variant};
use crate::report::table::Table;

/// A variant that was not timed, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NotTimed {
    /// The operation.
    pub op: String,
    /// The kernel variant.
    pub variant: String,
    /// The case's name.
    pub case: String,
    /// Why, in words.
    pub reason: String,
}

impl NotTimed {
    pub(super) fn new(case: &Case, variant: &Variant, error: &Error) -> Self {
        NotTimed {
            op: case.operation.name().to_owned(),
            variant: variant.name.to_owned(),
            case: case.name.clone(),
            reason: error.to_string(),
        }
    }
}

/// Everything of one run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The adapter: name, backend and driver.
    pub adapter: String,
    /// The adapter in numbers.
    pub device: AdapterReport,
    /// The version of parula.
    pub version: &'static str,
    /// How time was taken: `gpu timestamps`, or `host clock` around a submission.
    pub timer: &'static str,
    /// The most that the adapter can do.
    pub ceiling: Ceiling,
    /// Kernels.
    pub results: Vec<Measurement>,
    /// Kernels that were not timed, and why.
    pub not_timed: Vec<NotTimed>,
    /// Whole models.
    pub models: Vec<ModelTiming>,
}

impl Report {
    /// A report without rows.
    pub fn new(gpu: &Gpu, ceiling: Ceiling) -> Self {
        let device = gpu.report().clone();
        Report {
            adapter: format!("{} ({}, {})", device.name, device.backend, device.driver),
            device,
            version: env!("CARGO_PKG_VERSION"),
            timer: gpu.timer(),
            ceiling,
            results: Vec::new(),
            not_timed: Vec::new(),
            models: Vec::new(),
        }
    }

    /// One line a row, with a header, for a spreadsheet.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "op,variant,case,ms,ms_min,ms_max,samples,gflops,gbps,share_of_ceiling,default,checked\n",
        );
        for row in &self.results {
            let Measurement { timing, .. } = row;
            text += &format!(
                "{},{},{},{},{},{},{},{:.3},{:.3},{:.4},{},{}\n",
                quoted(&row.op),
                quoted(&row.variant),
                quoted(&row.case),
                timing.ms,
                timing.ms_min,
                timing.ms_max,
                timing.samples,
                row.gflops,
                row.gbps,
                row.share_of_ceiling,
                row.default,
                quoted(&row.checked),
            );
        }
        text
    }

    fn kernels(&self) -> String {
        let mut table = Table::new(&[
            "kernel",
            "variant",
            "case",
            "ms",
            "min..max",
            "GFLOP/s",
            "GB/s",
            "of ceiling",
        ]);
        let mut last = None;
        for row in &self.results {
            let group = (&row.op, &row.case);
            if last.is_some_and(|last| last != group) {
                table.line();
            }
            last = Some(group);
            let Measurement { timing, .. } = row;
            table.row(vec![
                row.op.clone(),
                format!("{}{}", row.variant, if row.default { " *" } else { "" }),
                row.case.clone(),
                short(timing.ms),
                format!("{}..{}", short(timing.ms_min), short(timing.ms_max)),
                short(row.gflops),
                short(row.gbps),
                format!("{:.1} %", 100.0 * row.share_of_ceiling),
            ]);
        }
        table.to_text()
    }

    fn whole_models(&self) -> String {
        let mut table = Table::new(&[
            "model",
            "batch",
            "input",
            "phase",
            "ms",
            "min..max",
            "images/s",
            "GFLOP/s",
            "memory MB",
        ]);
        for model in &self.models {
            let phases: [(&str, &Option<PhaseTiming>); 3] = [
                ("forward", &model.forward),
                ("grad-cam", &model.grad_cam),
                ("training step", &model.training_step),
            ];
            for (name, phase) in phases {
                let Some(phase) = phase else { continue };
                let name = match model.grad_cam_over_forward {
                    Some(ratio) if name == "grad-cam" => format!("{name} (x{ratio:.2})"),
                    _ => name.to_owned(),
                };
                table.row(vec![
                    model.model.clone(),
                    model.batch.to_string(),
                    format!("{}x{}", model.input[0], model.input[1]),
                    name,
                    short(phase.timing.ms),
                    format!("{}..{}", short(phase.timing.ms_min), short(phase.timing.ms_max)),
                    short(phase.images_per_second),
                    short(phase.gflops),
                    short(phase.peak_bytes as f64 / 1e6),
                ]);
            }
        }
        table.to_text()
    }
}

/// For a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ceiling { gflops, gbps, copy_kernel_gbps, copy_driver_gbps, multiply_add } =
            &self.ceiling;
        writeln!(f, "{}; timed by {}", self.adapter, self.timer)?;
        writeln!(
            f,
            "ceiling: {} GFLOP/s ({multiply_add}), {} GB/s (kernel {}, driver {})",
            short(*gflops),
            short(*gbps),
            short(*copy_kernel_gbps),
            short(*copy_driver_gbps),
        )?;
        if !self.results.is_empty() {
            writeln!(f, "\n{}* what is used by default", self.kernels())?;
        }
        if !self.models.is_empty() {
            write!(f, "\n{}", self.whole_models())?;
        }
        if !self.not_timed.is_empty() {
            writeln!(f, "\nnot timed:")?;
        }
        for skipped in &self.not_timed {
            let NotTimed { op, variant, case, reason } = skipped;
            writeln!(f, "  {op}/{variant}, {case}: {reason}")?;
        }
        Ok(())
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Timing;

    fn report() -> Report {
        let ceiling = Ceiling {
            gflops: 100.0,
            gbps: 10.0,
            copy_kernel_gbps: 8.0,
            copy_driver_gbps: 10.0,
            multiply_add: "4 x vec4".to_owned(),
        };
        let mut report = Report::new(&crate::gpu::open_noop(), ceiling);
        let timing = Timing::of(&[1.0, 1.5, 2.0, 2.5, 3.0], 7);
        report.results.push(Measurement {
            op: "conv2d".to_owned(),
            variant: "tiled".to_owned(),
            case: "n=8,h=19".to_owned(),
            timing,
            gflops: 25.0,
            gbps: 5.0,
            share_of_ceiling: report.ceiling.share(25.0, 5.0),
            default: true,
            checked: "reference".to_owned(),
            flops: 50_000_000,
            bytes: 10_000_000,
            dispatches: 1,
        });
        report
    }

    #[test]
    fn json_has_the_fields_that_scripts_rely_on() {
        let json = serde_json::to_value(report()).unwrap();
        assert!(json["adapter"].is_string());
        assert_eq!(
            (&json["ceiling"]["gflops"], &json["ceiling"]["gbps"]),
            (&100.0.into(), &10.0.into())
        );
        let row = &json["results"][0];
        for (field, value) in
            [("ms", 2.0), ("gflops", 25.0), ("gbps", 5.0), ("share_of_ceiling", 0.5)]
        {
            assert_eq!(row[field], value, "{field}");
        }
        for (field, value) in [("op", "conv2d"), ("variant", "tiled"), ("case", "n=8,h=19")] {
            assert_eq!(row[field], value, "{field}");
        }
    }

    #[test]
    fn commas_in_a_case_do_not_split_its_cell() {
        let csv = report().csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[1].starts_with("conv2d,tiled,\"n=8,h=19\",2,1,3,5,25.000,5.000,0.5000,true,")
        );
        let text = report().to_string();
        assert!(text.contains("tiled *") && text.contains("50.0 %"), "{text}");
    }
}
