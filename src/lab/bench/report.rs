//! What was measured, as JSON and as CSV.

use serde::Serialize;

use super::compare::Comparison;
use super::machine::{self, Machine};
use super::{
    Cases, Ceiling, Clocks, Effort, Measurement, MethodTiming, ModelTiming, Overhead, Profile,
    ceiling, overhead,
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
    /// The commit that it was built from, with `-dirty` where its sources had been changed; none where it was not
    /// built in its own repository.
    pub commit: Option<&'static str>,
    /// When it began, in UTC: `2026-11-30T09:05:00Z`.
    pub date: String,
    /// The host, and how busy it was.
    pub machine: Machine,
    /// How time was taken: `gpu timestamps`, or `host clock` around a submission.
    pub timer: &'static str,
    /// What stands for the variants that `parula tune` chose, or `none`.
    pub tuning: String,
    /// How models store activations: `f32` or `f16`.
    pub precision: &'static str,
    /// Whether caches were emptied before each run of a kernel.
    pub cold: bool,
    /// Clocks of the GPU while kernels were timed, where they were asked for and the system tells.
    pub clocks: Option<Clocks>,
    /// The most that the adapter can do.
    pub ceiling: Ceiling,
    /// What a dispatch and a submission cost.
    pub overhead: Overhead,
    /// Every variant on every case of the tests, where that was asked for.
    pub cases: Option<Cases>,
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
            commit: machine::commit(),
            date: machine::date(),
            machine: Machine::now(),
            timer: gpu.timer(),
            tuning: gpu.choices().digest(),
            precision: gpu.precision(),
            cold: false,
            clocks: None,
            ceiling,
            overhead,
            cases: None,
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
        let (date, machine) = (machine::date(), Machine::now());
        // The roofs themselves are of warm caches.
        let warm = Effort { cold: false, ..effort };
        let report = Self::new(gpu, ceiling(gpu, warm)?, overhead(gpu, warm)?);
        Ok(Report { date, machine, cold: effort.cold, ..report })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::lab::bench::{PhaseTiming, Roof, Timing};

    /// Round numbers: 100 GFLOP/s, 20 GB/s up to 2 MB and 10 beyond.
    pub fn ceiling() -> Ceiling {
        Ceiling {
            gflops: 100.0,
            gbps: 10.0,
            gflops_spread: 0.01,
            gbps_spread: 0.01,
            copy_kernel_gbps: 8.0,
            copy_driver_gbps: 10.0,
            multiply_add: "4 x vec4".to_owned(),
            matrix_gflops: None,
            workgroup_gbps: 5.0,
            cache_gbps: 20.0,
            cache_bytes: 2_000_000,
            memory_gbps: 10.0,
            latency_ns: 100.0,
            cache_latency_ns: 5.0,
        }
    }

    /// One kernel and one model.
    pub fn report() -> Report {
        let ceiling = ceiling();
        let times: Vec<f64> = (0..13).map(|at| 1.94 + 0.01 * f64::from(at)).collect();
        let timing = Timing { ceiling_ms: vec![0.5; 13], ..Timing::of(&times, 7) };
        let one = || timing.clone();
        let overhead = Overhead { dispatch: one(), record: one(), submit: one() };
        let mut report = Report::new(&crate::engine::gpu::open_noop(), ceiling, overhead);
        report.results.push(Measurement {
            op: "conv2d".to_owned(),
            variant: "tiled".to_owned(),
            case: "n=8,h=19".to_owned(),
            inputs: vec![vec![8, 19, 19, 728], vec![1, 1, 728, 728]],
            output: vec![8, 19, 19, 728],
            timing: timing.clone(),
            gflops: 25.0,
            gbps: 5.0,
            share_of_ceiling: report.ceiling.share(25.0, 5.0),
            roof: Roof::Memory,
            share_of_roof: 0.5,
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
        for (field, value) in [
            ("ms", 2.0),
            ("gflops", 25.0),
            ("gbps", 5.0),
            ("share_of_ceiling", 0.5),
            ("share_of_roof", 0.5),
        ] {
            assert_eq!(row[field], value, "{field}");
        }
        assert_eq!(row["roof"], "memory");
        for roof in ["workgroup_gbps", "cache_gbps", "memory_gbps", "latency_ns"] {
            assert!(json["ceiling"][roof].as_f64() > Some(0.0), "{roof}");
        }
        assert!(json["ceiling"]["matrix_gflops"].is_null(), "none were measured");
        assert_eq!(row["raw_ms"].as_array().unwrap().len(), 13);
        assert_eq!(row["ceiling_ms"][0], 0.5);
        assert!(json["date"].as_str().unwrap().starts_with("20"));
        // Of this repository, or of none where there is no git.
        let hash = |commit: &str| commit.trim_end_matches("-dirty").len() == 40;
        assert!(json["commit"].is_null() || json["commit"].as_str().is_some_and(hash));
        for (field, value) in [("op", "conv2d"), ("variant", "tiled"), ("case", "n=8,h=19")] {
            assert_eq!(row[field], value, "{field}");
        }
    }
}
