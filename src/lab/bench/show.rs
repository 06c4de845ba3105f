//! What was measured, for a terminal.

use std::fmt;

use super::clocks::Span;
use super::grouped::{Grouped, wrapped};
use super::{
    Cases, Ceiling, Clocks, Measurement, MethodTiming, ModelTiming, NotTimed, Phase, PhaseTiming,
    Profile, Report, Timing,
};

/// A time and how well it is known: half of the 95 % interval of the median.
fn known(timing: &Timing) -> [String; 2] {
    [short(timing.ms), format!("{:.1} %", 100.0 * timing.uncertainty())]
}

impl Report {
    fn kernels(&self) -> String {
        let mut table = Grouped::new(&["variant", "ms", "±", "GFLOP/s", "GB/s", "of roof", "roof"]);
        for row in &self.results {
            let Measurement { timing, .. } = row;
            let mut cells = vec![format!("{}{}", row.variant, if row.default { " *" } else { "" })];
            cells.extend(known(timing));
            cells.extend([row.gflops, row.gbps].map(short));
            cells.push(format!("{:.1} %", 100.0 * row.share_of_roof));
            cells.push(row.roof.to_string());
            table.row(&format!("{}, {}", row.op, row.case), cells);
        }
        table.to_text()
    }

    fn whole_models(&self) -> String {
        let mut table = Grouped::new(&["phase", "ms", "±", "images/s", "GFLOP/s", "memory MB"]);
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
                let mut cells = vec![name];
                cells.extend(known(&phase.timing));
                let memory = phase.peak_bytes as f64 / 1e6;
                cells.extend([phase.images_per_second, phase.gflops, memory].map(short));
                table.row(&head(&model.model, model.batch, model.input), cells);
            }
        }
        table.to_text()
    }

    /// Whether the limit of time ended the timings of some row before its median was known as well as was wanted.
    fn unsettled(&self) -> bool {
        let phases = |model: &ModelTiming| {
            [&model.forward, &model.grad_cam, &model.training_step]
                .into_iter()
                .flatten()
                .any(|phase| !phase.timing.settled)
        };
        self.results.iter().any(|row| !row.timing.settled) || self.models.iter().any(phases)
    }
}

fn head(model: &str, batch: usize, [height, width]: [usize; 2]) -> String {
    format!("{model}, {height}x{width}, batch {batch}")
}

fn methods(rows: &[MethodTiming]) -> String {
    let columns = ["method", "ms", "±", "images/s", "over forward", "beside gradient", "memory MB"];
    let mut table = Grouped::new(&columns);
    for row in rows {
        let mut cells = vec![row.method.to_owned()];
        cells.extend(known(&row.timing));
        cells.extend([row.images_per_second, row.over_forward].map(short));
        cells.push(row.beside_gradient.map_or(String::new(), |passes| format!("{passes:.2}")));
        cells.push(short(row.peak_bytes as f64 / 1e6));
        table.row(&head(&row.model, row.batch, row.input), cells);
    }
    table.to_text()
}

fn operations(profile: &Profile) -> String {
    let mut table = Grouped::new(&["variant", "steps", "ms", "share", "GFLOP/s", "GB/s"]);
    for row in &profile.rows {
        let cells = vec![
            row.variant.clone(),
            row.steps.to_string(),
            short(row.ms),
            format!("{:.1} %", 100.0 * row.share),
            short(row.gflops),
            short(row.gbps),
        ];
        table.row(&row.op, cells);
    }
    table.to_text()
}

/// For a terminal.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ceiling = &self.ceiling;
        let Ceiling { gflops, gbps, copy_kernel_gbps, copy_driver_gbps, multiply_add, .. } =
            ceiling;
        writeln!(f, "{}", wrapped(&format!("{}; timed by {}", self.adapter, self.timer), "  "))?;
        writeln!(
            f,
            "ceiling: {} GFLOP/s ({multiply_add}), {} GB/s (kernel {}, driver {})",
            short(*gflops),
            short(*gbps),
            short(*copy_kernel_gbps),
            short(*copy_driver_gbps),
        )?;
        let costs = format!(
            "a dispatch costs {} us, recording it {} us of the processor, a submission with its wait {} us",
            short(1e3 * self.overhead.dispatch.ms),
            short(1e3 * self.overhead.record.ms),
            short(1e3 * self.overhead.submit.ms),
        );
        writeln!(f, "{}", wrapped(&costs, "  "))?;
        let latency = |ns: f64| format!("{} ns", short(ns));
        let roofs = format!(
            "roofs: matrix units {}, workgroup memory {} GB/s, cache {} GB/s (to {} MB), main memory {} GB/s; a load \
             that waits for another takes {} from cache, {} from main memory",
            ceiling
                .matrix_gflops
                .map_or("-".to_owned(), |gflops| format!("{} GFLOP/s", short(gflops))),
            short(ceiling.workgroup_gbps),
            short(ceiling.cache_gbps),
            short(ceiling.cache_bytes as f64 / 1e6),
            short(ceiling.memory_gbps),
            latency(ceiling.cache_latency_ns),
            latency(ceiling.latency_ns),
        );
        writeln!(f, "{}", wrapped(&roofs, "  "))?;
        if let Some(Clocks { source, core, memory, .. }) = &self.clocks {
            let span = |span: &Span| format!("{:.0} to {:.0} MHz", span.low_mhz, span.high_mhz);
            let memory =
                memory.as_ref().map_or(String::new(), |own| format!(", of memory {}", span(own)));
            writeln!(f, "clocks by {source}: {}{memory}", span(core))?;
        }
        if self.cold {
            writeln!(f, "caches were emptied before each run of a kernel")?;
        }
        if let Some(Cases { correct, all, .. }) = &self.cases {
            writeln!(f, "{correct} of {all} cases of all kernels are right")?;
        }
        if self.tuning != "none" {
            writeln!(f, "with the variants of `parula tune` ({})", self.tuning)?;
        }
        if self.precision != "f32" {
            writeln!(f, "models store activations in {}", self.precision)?;
        }
        if !self.results.is_empty() {
            writeln!(
                f,
                "\n{}* what is used by default; ± half of the 95 % interval of the median",
                self.kernels()
            )?;
        }
        if !self.models.is_empty() {
            write!(f, "\n{}", self.whole_models())?;
        }
        if !self.methods.is_empty() {
            let note = "over forward: its time over that of a forward pass\nbeside gradient: forward passes \
                        that it takes beside the gradient that it needs";
            write!(f, "\n{}{note}\n", methods(&self.methods))?;
        }
        if self.unsettled() {
            writeln!(f, "where ± is more than 1 % the limit of time ended the timings")?;
        }
        for profile in &self.profiles {
            let Profile { model, batch, input, phase, sum_ms, .. } = profile;
            let of = format!("{}, {}", head(model, *batch, *input), phase.name());
            let sum = format!("{of}: {} ms over steps that are timed one by one", short(*sum_ms));
            writeln!(f, "\n{}", wrapped(&sum, "  "))?;
            write!(f, "{}", operations(profile))?;
        }
        for (title, rows) in [
            ("wrong", self.cases.as_ref().map_or(&[][..], |cases| &cases.wrong)),
            ("not timed", &self.not_timed[..]),
        ] {
            if !rows.is_empty() {
                writeln!(f, "\n{title}:")?;
            }
            for NotTimed { op, variant, case, reason } in rows {
                writeln!(f, "{}", wrapped(&format!("  {op}/{variant}, {case}: {reason}"), "    "))?;
            }
        }
        if let Some(comparison) = &self.comparison {
            write!(f, "\n{comparison}")?;
        }
        Ok(())
    }
}

/// Three digits that count.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn a_report_fits_a_terminal_however_long_names_are() {
        let mut report = report();
        report.adapter = "a very long name of an adapter ".repeat(5);
        let mut long = report.results[0].clone();
        long.op = "depthwise_conv2d_weight_gradient".to_owned();
        long.case = "n=8,h=147,w=147,cin=1024,cout=2048,k=3,s=2,d=1,g=1024".repeat(2);
        report.results.push(long);
        report.not_timed.push(NotTimed {
            op: "conv2d".to_owned(),
            variant: "cooperative_fours".to_owned(),
            case: "n=8,h=147,w=147,cin=128,cout=128,k=3,s=1,d=1,g=1".to_owned(),
            reason: "it needs cooperative matrices, which the adapter lacks".to_owned(),
        });
        let text = report.to_string();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= 100, "{widest}:\n{text}");
        assert!(text.contains("tiled *") && text.contains("50.0 %"), "{text}");
        assert!(text.contains("the limit of time"), "{text}");
    }
}
