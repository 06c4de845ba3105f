//! Which GPU to use, and what it can do.

use std::sync::{Arc, Mutex};

use serde::Serialize;

use super::assigned::{self, Assigned, Seen};
use super::disk::Disk;
use super::{Gpu, one_line, pipeline};
use crate::engine::kernel::Capabilities;
use crate::error::{Error, Result};

/// The graphics interface that a GPU is reached through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Linux, Windows, Android.
    Vulkan,
    /// Apple.
    Metal,
    /// Windows.
    Dx12,
    /// OpenGL and OpenGL ES; no subgroups.
    Gl,
    /// None: nothing is computed, and every number that is read is 0. For what the processor's own work takes.
    Noop,
}

/// How activations and their gradients are stored between kernels. Weights, statistics, sums, gradients
/// of weights and the optimiser's memory have 32 bits in any case, and so has arithmetic, but for the
/// factors of convolutions on matrix units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// In 32 bits.
    #[default]
    F32,
    /// In 16 bits: half the memory and half its traffic, three decimal digits; convolutions on the
    /// matrix units of GPUs that have them.
    F16,
    /// In 16 bits where the GPU can; never on a processor, which gains nothing by it.
    Auto,
}

impl Precision {
    /// Whether it means 16 bits on this adapter.
    fn is_half(self, report: &AdapterReport) -> Result<bool> {
        match self {
            Precision::F32 => Ok(false),
            Precision::F16 if !report.f16 => Err(Error::Adapter {
                problem: format!("{report} has no numbers of 16 bits"),
                hint: "use --precision f32, or another adapter, see `parula devices`".to_owned(),
            }),
            Precision::F16 => Ok(true),
            Precision::Auto => Ok(report.f16 && report.kind != "cpu"),
        }
    }
}

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A part of the adapter's name, its number in `parula devices`, or `pci:` and its PCI bus id. Without it a scheduler's
    /// variables count, such as `CUDA_VISIBLE_DEVICES`.
    pub adapter: Option<String>,
    /// Only this backend.
    pub backend: Option<Backend>,
    /// How plans for it store activations.
    pub precision: Precision,
}

/// An adapter in words and numbers, as `parula devices --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct AdapterReport {
    /// The GPU's name.
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl` or `noop`.
    pub backend: String,
    /// PCI's number of the vendor, or the interface's own.
    pub vendor: u32,
    /// The PCI bus id, as `0000:41:00.0`, where the interface tells it.
    pub pci: Option<String>,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub kind: &'static str,
    /// The driver and its version.
    pub driver: String,
    /// Bytes that one storage binding may span.
    pub max_storage_binding: u64,
    /// Bytes of the largest buffer.
    pub max_buffer: u64,
    /// Bytes of memory in all, where that is known: of a processor that of the machine.
    pub memory: Option<u64>,
    /// Bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// Invocations of one workgroup.
    pub max_invocations: u32,
    /// Storage buffers that one kernel may bind.
    pub storage_buffers: u32,
    /// The smallest and largest subgroup, where subgroup operations can be used.
    pub subgroup: Option<(u32, u32)>,
    /// Whether kernels can be timed on the GPU.
    pub timestamps: bool,
    /// Whether shaders may use 16-bit floating point numbers.
    pub f16: bool,
    /// The side of the square cooperative matrices that its subgroups multiply, 16-bit factors into 32-bit
    /// sums, if any.
    pub cooperative: Option<u32>,
    /// Why it cannot be used, if so.
    pub unusable: Option<String>,
}

/// What `choice` allows. Without a wish, GL only where nothing better is found: merely looking for it
/// makes some drivers print warnings.
fn backends(choice: &Choice) -> Vec<wgpu::Backends> {
    vec![match choice.backend {
        None => return vec![wgpu::Backends::PRIMARY, wgpu::Backends::GL],
        Some(Backend::Vulkan) => wgpu::Backends::VULKAN,
        Some(Backend::Metal) => wgpu::Backends::METAL,
        Some(Backend::Dx12) => wgpu::Backends::DX12,
        Some(Backend::Gl) => wgpu::Backends::GL,
        // It is no adapter that is found.
        Some(Backend::Noop) => return Vec::new(),
    }]
}

fn instance(backends: wgpu::Backends) -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    })
}

fn report(adapter: &wgpu::Adapter) -> AdapterReport {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let subgroup = features
        .contains(wgpu::Features::SUBGROUP)
        .then_some((info.subgroup_min_size, info.subgroup_max_size));
    let compute =
        adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS);
    let unusable = if !compute {
        Some("it has no compute shaders".to_owned())
    } else {
        let limits = Capabilities {
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            max_invocations: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            workgroup_memory: limits.max_compute_workgroup_storage_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            ..Capabilities::default()
        };
        limits.lacking()
    };
    AdapterReport {
        name: info.name,
        backend: info.backend.to_str().to_owned(),
        vendor: info.vendor,
        pci: (!info.device_pci_bus_id.is_empty())
            .then(|| assigned::normal(&info.device_pci_bus_id)),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "cpu",
            wgpu::DeviceType::Other => "other",
        },
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        max_storage_binding: limits.max_storage_buffer_binding_size,
        max_buffer: limits.max_buffer_size,
        memory: match info.device_type {
            wgpu::DeviceType::Cpu => crate::memory::total(),
            _ => None,
        },
        workgroup_memory: limits.max_compute_workgroup_storage_size,
        max_invocations: limits.max_compute_invocations_per_workgroup,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        subgroup,
        timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        f16: features.contains(wgpu::Features::SHADER_F16),
        cooperative: cooperative_side(adapter),
        unusable,
    }
}

/// All adapters that `choice.backend` allows, best first: discrete before integrated before virtual
/// before software, and Vulkan, Metal and DX12 before GL.
fn ranked(choice: &Choice, all: bool) -> Vec<(wgpu::Adapter, AdapterReport)> {
    let mut found = Vec::new();
    for backends in backends(choice) {
        let adapters = pollster::block_on(instance(backends).enumerate_adapters(backends));
        found.extend(adapters.into_iter().map(|adapter| {
            let report = report(&adapter);
            (adapter, report)
        }));
        if !all && found.iter().any(|(_, report)| report.unusable.is_none()) {
            break;
        }
    }
    found.sort_by_key(|(_, report)| {
        let kind = ["discrete", "integrated", "virtual", "other", "cpu"];
        (
            report.unusable.is_some(),
            kind.iter().position(|kind| *kind == report.kind),
            report.backend == "gl",
        )
    });
    found
}

/// All adapters, best first, and the number of the one that would be used.
///
/// # Errors
/// [`Error::Adapter`] when there is none, or not the one asked for.
pub fn adapters(choice: &Choice) -> Result<(Vec<AdapterReport>, usize)> {
    if choice.backend == Some(Backend::Noop) {
        return Ok((vec![open_noop().report().clone()], 0));
    }
    let reports: Vec<AdapterReport> = ranked(choice, true).into_iter().map(|(_, r)| r).collect();
    let chosen = pick(&reports, choice)?;
    Ok((reports, chosen))
}

/// What the variables of this process say, and of which of `reports`.
fn given(reports: &[AdapterReport]) -> Assigned {
    let seen = |report: &AdapterReport| Seen { vendor: report.vendor, pci: report.pci.clone() };
    let seen: Vec<Seen> = reports.iter().map(seen).collect();
    assigned::assigned(&seen, |name| std::env::var(name).ok(), assigned::bus_of_nvidia)
}

/// The variable that decides which adapter is used where nothing else was asked for.
pub fn variable(reports: &[AdapterReport]) -> Option<&'static str> {
    match given(reports) {
        Assigned::One(_, name) | Assigned::None(_, name) => Some(name),
        Assigned::Any | Assigned::Missing(_) => None,
    }
}

fn pick(reports: &[AdapterReport], choice: &Choice) -> Result<usize> {
    let no_adapter =
        |problem: String, hint: &str| Error::Adapter { problem, hint: hint.to_owned() };
    if reports.is_empty() {
        // What another interface would give is looked for only now.
        let others = choice.backend.map_or(Vec::new(), |_| ranked(&Choice::default(), false));
        let others: Vec<AdapterReport> = others.into_iter().map(|(_, report)| report).collect();
        return Err(nothing_found(choice.backend, &others));
    }
    let names = || format!("there are {}", names(reports));
    let index = match &choice.adapter {
        None => match given(reports) {
            Assigned::Any => 0,
            Assigned::One(index, _) => index,
            Assigned::None(vendor, variable) => {
                let other = reports.iter().position(|report| report.vendor != vendor);
                other.ok_or_else(|| {
                    no_adapter(format!("{variable} hides all GPUs that there are"), &names())
                })?
            }
            Assigned::Missing(why) => {
                return Err(no_adapter(why, &format!("unset it or give --adapter: {}", names())));
            }
        },
        Some(wanted) if wanted.starts_with("pci:") => {
            let bus = assigned::normal(&wanted[4..]);
            let found = reports.iter().position(|report| report.pci.as_ref() == Some(&bus));
            found.ok_or_else(|| no_adapter(format!("no adapter is at {bus}"), &names()))?
        }
        Some(wanted) => {
            let lower = wanted.to_lowercase();
            let by_number = wanted.parse().ok().filter(|&index: &usize| index < reports.len());
            let by_name = || reports.iter().position(|r| r.name.to_lowercase().contains(&lower));
            by_number
                .or_else(by_name)
                .ok_or_else(|| no_adapter(format!("no adapter matches \"{wanted}\""), &names()))?
        }
    };
    match &reports[index].unusable {
        Some(why) => {
            Err(no_adapter(format!("{} cannot be used: {why}", reports[index].name), &names()))
        }
        None => Ok(index),
    }
}

/// `0: llvmpipe (vulkan), ...`, numbered as on the command line.
fn names(reports: &[AdapterReport]) -> String {
    let name = |(index, report): (usize, &AdapterReport)| {
        let bus = report.pci.as_ref().map_or(String::new(), |bus| format!(", pci:{bus}"));
        format!("{index}: {} ({}{bus})", report.name, report.backend)
    };
    reports.iter().enumerate().map(name).collect::<Vec<_>>().join(", ")
}

/// There is no adapter behind `backend`; without that wish there are `others`.
fn nothing_found(backend: Option<Backend>, others: &[AdapterReport]) -> Error {
    let through = backend.map_or(String::new(), |backend| {
        format!(" through {}", format!("{backend:?}").to_lowercase())
    });
    let problem = format!("no GPU and no software driver was found{through}");
    let hint = match (backend, others) {
        (Some(_), [_, ..]) => {
            format!("leave --backend away: without it there are {}", names(others))
        }
        _ => "install a Vulkan driver, for a machine without a GPU Mesa's lavapipe: \
              `apt-get install mesa-vulkan-drivers` (Debian, Ubuntu), \
              `dnf install mesa-vulkan-drivers` (Fedora), `pacman -S vulkan-swrast` (Arch)"
            .to_owned(),
    };
    Error::Adapter { problem, hint }
}

impl Gpu {
    /// The best adapter there is, as `parula devices` marks it, for what runs in 32 bits. [`open`] takes wishes.
    ///
    /// # Errors
    /// [`Error::Adapter`] when there is none, with what to install.
    pub fn open() -> Result<Arc<Gpu>> {
        open(&Choice::default()).map(Arc::new)
    }
}

/// Opens the adapter that `choice` names, or the best.
///
/// # Errors
/// [`Error::Adapter`] when there is none, with what to install or the names there are; or where
/// `choice` asks for 16 bits and the adapter does not have them.
pub fn open(choice: &Choice) -> Result<Gpu> {
    if choice.backend == Some(Backend::Noop) {
        let gpu = open_large_noop();
        return choice.precision.is_half(gpu.report()).map(|_| gpu);
    }
    // A number or a name may mean any of them.
    let mut found = ranked(choice, choice.adapter.is_some());
    let reports: Vec<AdapterReport> = found.iter().map(|(_, report)| report.clone()).collect();
    let (adapter, report) = found.swap_remove(pick(&reports, choice)?);
    let half = choice.precision.is_half(&report)?;
    let wanted = wgpu::Features::SUBGROUP
        | wgpu::Features::SHADER_F16
        | wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::PIPELINE_CACHE;
    let cooperative = report.cooperative.filter(|_| half);
    let wanted = match cooperative {
        Some(_) => wanted | wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX,
        None => wanted,
    };
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("parula"),
        required_features: adapter.features() & wanted,
        required_limits: adapter.limits(),
        memory_hints: wgpu::MemoryHints::Performance,
        experimental_features: experimental(cooperative.is_some()),
        ..Default::default()
    };
    let (device, queue) =
        pollster::block_on(adapter.request_device(&descriptor)).map_err(|error| {
            Error::Adapter {
                problem: format!(
                    "{} could not be opened: {}",
                    report.name,
                    one_line(&error.to_string())
                ),
                hint: "try another with --adapter or --backend, see `parula devices`".to_owned(),
            }
        })?;
    let limits = device.limits();
    let capabilities = Capabilities {
        max_binding: report.max_storage_binding,
        max_buffer: report.max_buffer,
        memory: report.memory.unwrap_or(u64::MAX),
        max_workgroups: limits.max_compute_workgroups_per_dimension,
        workgroup_memory: report.workgroup_memory,
        max_invocations: report.max_invocations,
        storage_buffers: report.storage_buffers,
        storage_alignment: u64::from(limits.min_storage_buffer_offset_alignment).max(16),
        uniform_alignment: u64::from(limits.min_uniform_buffer_offset_alignment).max(16),
        subgroup: report.subgroup,
        software: report.kind == "cpu",
        texels: match report.kind {
            "cpu" => limits.max_storage_textures_per_shader_stage,
            _ => 0,
        },
        f16: report.f16,
        rounding: half,
        cooperative,
        longest_loop: if report.kind == "cpu" { 65_535 } else { u64::MAX },
    };
    Ok(assemble(device, queue, report, capabilities, half))
}

/// As [`AdapterReport::cooperative`].
fn cooperative_side(adapter: &wgpu::Adapter) -> Option<u32> {
    use wgpu::CooperativeScalarType::{F16, F32};
    if !adapter.features().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
        return None;
    }
    let found = adapter.cooperative_matrix_properties();
    [16, 8].into_iter().find(|&side| {
        found.iter().any(|one| {
            [one.m_size, one.n_size, one.k_size] == [side; 3]
                && (one.ab_type, one.cr_type) == (F16, F32)
        })
    })
}

/// Leave to use wgpu's experimental features, where one is `wanted`.
#[allow(unsafe_code)]
fn experimental(wanted: bool) -> wgpu::ExperimentalFeatures {
    if !wanted {
        return wgpu::ExperimentalFeatures::disabled();
    }
    // SAFETY: what wgpu asks for here is to know that the feature, cooperative matrices, may have bugs.
    // One kernel uses it, shaders/convolution/conv2d_cooperative.wgsl. tests/kernels.rs runs it checked where there is such an
    // adapter, which scripts/test makes sure of; it was right on Mesa's lavapipe and on an NVIDIA H100.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// A device that runs nothing and checks everything: plans and shaders can be tested with no driver.
/// It has WebGPU's default limits.
pub fn open_noop() -> Gpu {
    noop(wgpu::Limits::default(), Capabilities::default())
}

/// The same with bindings and buffers of 2 GB, so that whole networks fit. Its buffers take
/// memory of this process.
pub fn open_large_noop() -> Gpu {
    const MOST: u64 = i32::MAX as u64 / 256 * 256;
    let limits = wgpu::Limits {
        max_buffer_size: MOST,
        max_storage_buffer_binding_size: MOST,
        ..Default::default()
    };
    noop(limits, Capabilities { max_binding: MOST, max_buffer: MOST, ..Capabilities::default() })
}

fn noop(limits: wgpu::Limits, capabilities: Capabilities) -> Gpu {
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("noop"),
        required_limits: limits,
        ..Default::default()
    };
    let (device, queue) = wgpu::Device::noop(&descriptor);
    let report = AdapterReport {
        name: "noop".to_owned(),
        backend: "noop".to_owned(),
        vendor: 0,
        pci: None,
        kind: "other",
        driver: String::new(),
        max_storage_binding: capabilities.max_binding,
        max_buffer: capabilities.max_buffer,
        memory: None,
        workgroup_memory: capabilities.workgroup_memory,
        max_invocations: capabilities.max_invocations,
        storage_buffers: capabilities.storage_buffers,
        subgroup: None,
        timestamps: false,
        f16: false,
        cooperative: None,
        unusable: Some("it runs nothing".to_owned()),
    };
    assemble(device, queue, report, capabilities, false)
}

fn assemble(
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    capabilities: Capabilities,
    half: bool,
) -> Gpu {
    let failure: Arc<Mutex<Option<String>>> = Arc::default();
    let sink = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error| {
        let mut slot = sink.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.get_or_insert_with(|| one_line(&error.to_string()));
    }));
    let timestamps = device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
    let disk = Disk::open(&device, &report);
    Gpu {
        device,
        queue,
        report,
        capabilities,
        choices: Arc::default(),
        half,
        timestamps,
        checked: false,
        pipelines: Mutex::new(pipeline::Cache::default()),
        disk,
        failure,
        meter: Arc::default(),
        uploads: Default::default(),
        readbacks: Default::default(),
    }
}

/// `NVIDIA H100 (vulkan, NVIDIA 580.95)`: name, backend, driver.
impl std::fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.name, self.backend)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_computed_where_that_is_asked_for() {
        let choice = Choice { backend: Some(Backend::Noop), ..Choice::default() };
        let gpu = open(&choice).unwrap();
        assert_eq!(gpu.report().backend, "noop");
        assert!(gpu.capabilities().max_binding > 2_000_000_000);
        let (all, chosen) = adapters(&choice).unwrap();
        assert_eq!((all.len(), chosen), (1, 0));
        assert!(open(&Choice { precision: Precision::F16, ..choice }).is_err());
    }

    #[test]
    fn a_backend_without_adapters_is_left_away_where_there_are_others() {
        let there = [super::super::open_noop().report().clone()];
        let message = nothing_found(Some(Backend::Metal), &there).to_string();
        assert!(message.contains("through metal; leave --backend away"), "{message}");
        assert!(message.contains("0: noop (noop)") && !message.contains("install"), "{message}");
        for backend in [None, Some(Backend::Vulkan)] {
            let message = nothing_found(backend, &[]).to_string();
            assert!(message.contains("apt-get install mesa-vulkan-drivers"), "{message}");
        }
    }
}
