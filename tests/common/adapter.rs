//! The adapter that the tests run on.

use parula::gpu::{self, Choice, Gpu};

/// The one at hand, or what `PARULA_ADAPTER` and `PARULA_BACKEND` name.
pub fn open() -> Gpu {
    let backend = std::env::var("PARULA_BACKEND").ok().map(|name| match name.as_str() {
        "vulkan" => gpu::Backend::Vulkan,
        "metal" => gpu::Backend::Metal,
        "dx12" => gpu::Backend::Dx12,
        "gl" => gpu::Backend::Gl,
        other => panic!("PARULA_BACKEND={other}: not one of vulkan, metal, dx12, gl"),
    });
    let choice = Choice { adapter: std::env::var("PARULA_ADAPTER").ok(), backend };
    let gpu = gpu::open(&choice).unwrap();
    let report = gpu.report();
    println!("adapter: {} ({}, {})", report.name, report.backend, report.driver);
    gpu
}
