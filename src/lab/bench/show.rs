//! What was measured, for a terminal.

use std::fmt;

use super::{Ceiling, Measurement, MethodTiming, NotTimed, Phase, PhaseTiming, Profile, Report};
use crate::lab::report::table::Table;

impl Report {
    fn kernels(&self) -> String {
        let mut table = Table::new(&[
            "kernel",
            "variant",
            "case",
            "ms",
            "quartiles",
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
                format!("{}..{}", short(timing.ms_q1), short(timing.ms_q3)),
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
            "quartiles",
            "images/s",
            "GFLOP/s",
            "memory MB",
        ]);
        for model in &self.models {
            let phases: [(&str, &Option<PhaseTiming>); 3] = [
                (Phase::Forward.name(), &model.forward),
                (Phase::GradCam.name(), &model.grad_cam),
                (Phase::TrainingStep.name(), &model.training_step),
            ];
            for (name, phase) in phases {
                let Some(phase) = phase else { continue };
                let name = match model.grad_cam_over_forward {
                    Some(ratio) if name == Phase::GradCam.name() => format!("{name} (x{ratio:.2})"),
                    _ => name.to_owned(),
                };
                table.row(vec![
                    model.model.clone(),
                    model.batch.to_string(),
                    format!("{}x{}", model.input[0], model.input[1]),
                    name,
                    short(phase.timing.ms),
                    format!("{}..{}", short(phase.timing.ms_q1), short(phase.timing.ms_q3)),
                    short(phase.images_per_second),
                    short(phase.gflops),
                    short(phase.peak_bytes as f64 / 1e6),
                ]);
            }
        }
        table.to_text()
    }
}

fn methods(rows: &[MethodTiming]) -> String {
    let columns = [
        "model",
        "batch",
        "input",
        "method",
        "ms",
        "quartiles",
        "images/s",
        "over forward",
        "beside gradient",
        "memory MB",
    ];
    let mut table = Table::new(&columns);
    for row in rows {
        let MethodTiming { timing, input: [height, width], .. } = row;
        table.row(vec![
            row.model.clone(),
            row.batch.to_string(),
            format!("{height}x{width}"),
            row.method.to_owned(),
            short(timing.ms),
            format!("{}..{}", short(timing.ms_q1), short(timing.ms_q3)),
            short(row.images_per_second),
            short(row.over_forward),
            row.beside_gradient.map_or(String::new(), |passes| format!("{passes:.2}")),
            short(row.peak_bytes as f64 / 1e6),
        ]);
    }
    table.to_text()
}

fn operations(profile: &Profile) -> String {
    let mut table =
        Table::new(&["operation", "variant", "steps", "ms", "share", "GFLOP/s", "GB/s"]);
    for row in &profile.rows {
        table.row(vec![
            row.op.clone(),
            row.variant.clone(),
            row.steps.to_string(),
            short(row.ms),
            format!("{:.1} %", 100.0 * row.share),
            short(row.gflops),
            short(row.gbps),
        ]);
    }
    table.to_text()
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
        writeln!(
            f,
            "a dispatch costs {} us, of the processor {} us to record it, a submission with its wait {} us",
            short(1e3 * self.overhead.dispatch.ms),
            short(1e3 * self.overhead.record.ms),
            short(1e3 * self.overhead.submit.ms),
        )?;
        if self.tuning != "none" {
            writeln!(f, "with the variants of `parula tune` ({})", self.tuning)?;
        }
        if self.precision != "f32" {
            writeln!(f, "models store activations in {}", self.precision)?;
        }
        if !self.results.is_empty() {
            writeln!(f, "\n{}* what is used by default", self.kernels())?;
        }
        if !self.models.is_empty() {
            write!(f, "\n{}", self.whole_models())?;
        }
        if !self.methods.is_empty() {
            let note = "over forward: its time over that of a forward pass; beside gradient: forward passes \
                        that it takes beside the gradient that it needs";
            write!(f, "\n{}{note}\n", methods(&self.methods))?;
        }
        for profile in &self.profiles {
            let Profile { model, batch, input: [height, width], phase, sum_ms, .. } = profile;
            let phase = phase.name();
            writeln!(
                f,
                "\n{model}, {phase}, {height}x{width}, batch {batch}: {} ms over steps that are timed \
                 one by one",
                short(*sum_ms)
            )?;
            write!(f, "{}", operations(profile))?;
        }
        if !self.not_timed.is_empty() {
            writeln!(f, "\nnot timed:")?;
        }
        for skipped in &self.not_timed {
            let NotTimed { op, variant, case, reason } = skipped;
            writeln!(f, "  {op}/{variant}, {case}: {reason}")?;
        }
        if let Some(comparison) = &self.comparison {
            write!(f, "\n{comparison}")?;
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
