//! What was measured, as JSON and as CSV.

use serde::Serialize;

use super::compare::{Comparison, rows};
use super::{
    Ceiling, Effort, Measurement, MethodTiming, ModelTiming, Overhead, Profile, ceiling, overhead,
};
use crate::engine::gpu::{AdapterReport, Gpu};
use crate::engine::graph::Variant;
use crate::engine::ops::Case;
use crate::error::{Error, Result};

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
    /// What stands for the variants that `parula tune` chose, or `none`.
    pub tuning: String,
    /// How models store activations: `f32` or `f16`.
    pub precision: &'static str,
    /// The most that the adapter can do.
    pub ceiling: Ceiling,
    /// What a dispatch and a submission cost.
    pub overhead: Overhead,
    /// Kernels.
    pub results: Vec<Measurement>,
    /// Kernels that were not timed, and why.
    pub not_timed: Vec<NotTimed>,
    /// Whole models.
    pub models: Vec<ModelTiming>,
    /// Methods of explanation on whole models, where they were asked for; not in the CSV.
    pub methods: Vec<MethodTiming>,
    /// Whole models by operation, where that was asked for.
    pub profiles: Vec<Profile>,
    /// With an older report, where one was given.
    pub comparison: Option<Comparison>,
}

impl Report {
    /// A report without rows.
    pub fn new(gpu: &Gpu, ceiling: Ceiling, overhead: Overhead) -> Self {
        let device = gpu.report().clone();
        Report {
            adapter: device.to_string(),
            device,
            version: env!("CARGO_PKG_VERSION"),
            timer: gpu.timer(),
            tuning: gpu.choices().digest(),
            precision: gpu.precision(),
            ceiling,
            overhead,
            results: Vec::new(),
            not_timed: Vec::new(),
            models: Vec::new(),
            methods: Vec::new(),
            profiles: Vec::new(),
            comparison: None,
        }
    }

    /// Measures what the adapter can do, before any row.
    ///
    /// # Errors
    /// [`Error::Gpu`] when memory or a kernel is refused.
    pub fn begin(gpu: &Gpu, effort: Effort) -> Result<Self> {
        Ok(Self::new(gpu, ceiling(gpu, effort)?, overhead(gpu, effort)?))
    }

    /// One line a row, with a header, for a spreadsheet. Models follow the kernels, with what they were
    /// run for in place of the operation.
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "op,variant,case,ms,ms_min,ms_max,samples,gflops,gbps,share_of_ceiling,default,checked,\
             ms_q1,ms_q3,images_per_second\n",
        );
        let kernels = self.results.iter().map(|row| {
            let (gbps, share) =
                (format!("{:.3}", row.gbps), format!("{:.4}", row.share_of_ceiling));
            (
                row.gflops,
                [gbps, share, row.default.to_string(), quoted(&row.checked)],
                String::new(),
            )
        });
        let phases = |model: &ModelTiming| {
            let phases = [&model.forward, &model.grad_cam, &model.training_step];
            phases.into_iter().flatten().cloned().collect::<Vec<_>>()
        };
        let models = self.models.iter().flat_map(phases).map(|phase| {
            (phase.gflops, Default::default(), format!("{:.3}", phase.images_per_second))
        });
        for ((name, timing), (gflops, more, images)) in rows(self).iter().zip(kernels.chain(models))
        {
            text += &format!(
                "{},{},{},{gflops:.3},{},{},{},{images}\n",
                name.each_ref().map(|cell| quoted(cell)).join(","),
                [timing.ms, timing.ms_min, timing.ms_max].map(|ms| ms.to_string()).join(","),
                timing.samples,
                more.join(","),
                timing.ms_q1,
                timing.ms_q3,
            );
        }
        text
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n']) {
        return format!("\"{}\"", cell.replace('"', "\"\""));
    }
    cell.to_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab::bench::{PhaseTiming, Timing};

    /// One kernel and one model.
    pub fn report() -> Report {
        let ceiling = Ceiling {
            gflops: 100.0,
            gbps: 10.0,
            copy_kernel_gbps: 8.0,
            copy_driver_gbps: 10.0,
            multiply_add: "4 x vec4".to_owned(),
        };
        let timing = Timing::of(&[1.0, 1.5, 2.0, 2.5, 3.0], 7);
        let overhead = Overhead { dispatch: timing, record: timing, submit: timing };
        let mut report = Report::new(&crate::engine::gpu::open_noop(), ceiling, overhead);
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
            layers: 1,
        });
        let training_step = Some(PhaseTiming {
            timing,
            images_per_second: 2000.0,
            gflops: 25.0,
            flops: 50_000_000,
            dispatches: 9,
            peak_bytes: 3,
            live_bytes: 2,
        });
        let model = "compact-xception".to_owned();
        let timing =
            ModelTiming { model, batch: 4, input: [9, 8], training_step, ..Default::default() };
        report.models.push(timing);
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
        assert_eq!(lines.len(), 3);
        let cells = |line: &str| line.split(',').count();
        assert_eq!(cells(lines[1]), cells(lines[0]) + 1, "one cell has a comma, in quotes");
        assert_eq!(
            lines[2],
            "training-step,compact-xception,\"batch 4, 9x8\",2,1,3,5,25.000,,,,,1.5,2.5,2000.000"
        );
        assert!(
            lines[1].starts_with("conv2d,tiled,\"n=8,h=19\",2,1,3,5,25.000,5.000,0.5000,true,")
        );
        let text = report().to_string();
        assert!(text.contains("tiled *") && text.contains("50.0 %"), "{text}");
    }
}
