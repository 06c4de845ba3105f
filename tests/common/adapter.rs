//! The adapter that the tests run on.

use std::sync::Arc;

use parula::engine::gpu::{self, Choice, Gpu, Precision};
use parula::error::Error;

/// The one at hand, or what `PARULA_ADAPTER` and `PARULA_BACKEND` name.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn open() -> Gpu {
    open_in(Precision::F32).unwrap()
}

/// The same; `None`, and why, where there is none at all and none is named.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn at_hand() -> Option<Arc<Gpu>> {
    let named = ["PARULA_ADAPTER", "PARULA_BACKEND"].map(|name| std::env::var_os(name).is_some());
    match open_in(Precision::F32) {
        Ok(gpu) => Some(Arc::new(gpu)),
        Err(Error::Adapter { problem, .. }) if !named.contains(&true) => {
            println!("SKIPPED: {problem}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The same with plans of this precision, where it has that.
#[allow(dead_code, reason = "each test takes what it needs")]
pub fn open_in(precision: Precision) -> Result<Gpu, Error> {
    let backend = std::env::var("PARULA_BACKEND").ok().map(|name| match name.as_str() {
        "vulkan" => gpu::Backend::Vulkan,
        "metal" => gpu::Backend::Metal,
        "dx12" => gpu::Backend::Dx12,
        "gl" => gpu::Backend::Gl,
        other => panic!("PARULA_BACKEND={other}: not one of vulkan, metal, dx12, gl"),
    });
    let adapter = std::env::var("PARULA_ADAPTER").ok();
    let gpu = gpu::open(&Choice { adapter, backend, precision })?;
    let report = gpu.report();
    println!("adapter: {} ({}, {})", report.name, report.backend, report.driver);
    Ok(gpu)
}
