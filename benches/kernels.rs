//! Criterion over the cases that the tests use, every variant of every operation: `cargo bench`, or
//! `PARULA_OPERATION=conv2d cargo bench` for one. Names are `operation/case/variant`; criterion
//! compares with the last run.
//!
//! Times are the GPU's own where it has timestamps. `parula bench` prints the same cases with GFLOP/s,
//! GB/s and the share of what the adapter can do, after checking each result.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use parula::engine::gpu::{self, Choice, Gpu};
use parula::engine::graph::Variant;
use parula::engine::ops::{Case, REGISTRY};
use parula::engine::session::Session;
use parula::engine::shape::Shape;
use parula::engine::tensor::Tensor;
use parula::error::{Error, Result};
use parula::lab::bench::{Pace, Subject, worth_timing};

/// A kernel that takes longer is left to `parula bench`: criterion runs each ten times and more.
const LONGEST: Duration = Duration::from_millis(400);

/// Runs that are recorded at once.
const MOST_AT_ONCE: u64 = 500;

fn main() {
    let gpu = match gpu::open(&Choice::default()) {
        Ok(gpu) => Arc::new(gpu),
        Err(error) => {
            println!("SKIPPED: {error}");
            return;
        }
    };
    let timer = if gpu.timestamps() { "GPU timestamps" } else { "the host's clock" };
    println!("{} ({}), timed by {timer}", gpu.report().name, gpu.report().backend);
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(300))
        .sample_size(10)
        .configure_from_args();
    let mut pace = Pace::default();
    let only = std::env::var("PARULA_OPERATION").ok();
    for entry in REGISTRY {
        for case in worth_timing((entry.cases)(), false) {
            let name = case.operation.name();
            if only.as_ref().is_none_or(|only| only == name || only == entry.name) {
                bench(&mut criterion, &gpu, &case, &mut pace);
            }
        }
    }
    criterion.final_summary();
}

fn bench(criterion: &mut Criterion, gpu: &Arc<Gpu>, case: &Case, pace: &mut Pace) {
    let operation = &case.operation;
    let shapes: Vec<&Shape> = case.inputs.iter().map(|(shape, _)| shape).collect();
    let Ok(output) = operation.infer(&shapes) else { return };
    let tensors: Vec<Tensor> = case.tensors(7).iter().map(Tensor::narrow).collect();
    let mut group = criterion.benchmark_group(operation.name());
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(operation.flops(&shapes, &output)));
    for variant in operation.variants() {
        let id = BenchmarkId::new(&case.name, variant.name);
        match prepare(gpu, case, variant, &tensors, pace) {
            Ok(session) => {
                group.bench_function(id, |bencher| {
                    bencher.iter_custom(|count| time(&session, count).unwrap());
                });
            }
            Err(why) => {
                println!("SKIPPED {}/{}/{}: {why}", operation.name(), case.name, variant.name);
            }
        }
    }
    group.finish();
}

/// A session that has run once, if that did not take too long.
fn prepare(
    gpu: &Arc<Gpu>,
    case: &Case,
    variant: &'static Variant,
    tensors: &[Tensor],
    pace: &mut Pace,
) -> Result<Session> {
    let name = case.operation.name();
    if !variant.needs.met_by(gpu.capabilities()) {
        return Err(Error::shape(name, format!("the adapter lacks {:?}", variant.needs)));
    }
    let subject = Subject::new(case)?;
    pace.allows(&subject, name, variant.name)?;
    let (mut session, _) = subject.session(gpu, Some(variant.name), tensors)?;
    session.run()?;
    let once = session.time(1)?;
    pace.took(&subject, name, variant.name, 1e3 * once.as_secs_f64());
    if once > LONGEST {
        return Err(Error::shape(name, format!("{once:.1?} a run, see `parula bench`")));
    }
    Ok(session)
}

fn time(session: &Session, count: u64) -> Result<Duration> {
    let mut total = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let now = left.min(MOST_AT_ONCE);
        total += session.time(now as usize)? * now as u32;
        left -= now;
    }
    Ok(total.max(Duration::from_nanos(1)))
}
