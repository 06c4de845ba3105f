//! Every kernel on every platform, without any of them: naga translates each one to SPIR-V, MSL and
//! HLSL with the constants that it is really run with, and the baseline variants keep to WebGPU's
//! default limits.

use std::collections::{BTreeMap, BTreeSet};

use naga::back::pipeline_constants::process_overrides;
use naga::back::{hlsl, msl, spv};
use naga::valid::{
    Capabilities as Allowed, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags,
    Validator,
};
use naga::{AddressSpace, Module, ShaderStage};

use parula::bench::Subject;
use parula::error::Error;
use parula::ops::{Capabilities, Needs, REGISTRY};
use parula::plan::Dispatch;
use parula::shaders::{self, Access, FILES, SOURCES};

/// Entry points that no operation uses, and why they are there.
const OUTSIDE_OPERATIONS: [(&str, &str, &str); 2] = [
    ("ceiling", "multiply_add", "run by src/bench/ceiling.rs"),
    ("ceiling", "copy", "run by src/bench/ceiling.rs"),
];

/// A kernel as it is run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kernel {
    shader: &'static str,
    entry: &'static str,
    tiles: Vec<(&'static str, u32)>,
    texels: bool,
    /// Tensors in 16 bits.
    halves: Vec<&'static str>,
    /// Names and the bits of values.
    constants: Vec<(&'static str, u64)>,
}

impl Kernel {
    fn of(dispatch: &Dispatch) -> Self {
        let bits = |&(name, value): &(&'static str, f64)| (name, value.to_bits());
        Kernel {
            shader: dispatch.shader,
            entry: dispatch.entry,
            tiles: dispatch.tiles.clone(),
            texels: dispatch.texels,
            halves: dispatch.halves.clone(),
            constants: dispatch.constants.iter().map(bits).collect(),
        }
    }

    /// The same with all of `halves` in 16 bits that it reaches, if there are any.
    fn in_halves(&self, halves: &'static [&'static str]) -> Option<Self> {
        let interface = shaders::interface(self.shader, self.entry, self.texels).unwrap();
        let reached = |name: &&str| interface.bindings.iter().any(|bound| bound.name == *name);
        let halves: Vec<&str> = halves.iter().copied().filter(reached).collect();
        (!halves.is_empty()).then(|| Kernel { halves, ..self.clone() })
    }

    fn text(&self) -> String {
        shaders::source_with(self.shader, &self.tiles, self.texels, &self.halves)
            .unwrap()
            .into_owned()
    }
}

/// Adapters that variants may be lowered for.
fn adapters() -> Vec<Capabilities> {
    let mut adapters = vec![Capabilities::default()];
    for (subgroup, texels) in [((4, 4), true), ((8, 8), true), ((32, 32), false), ((4, 64), false)]
    {
        adapters.push(Capabilities {
            subgroup: Some(subgroup),
            texels: if texels { 8 } else { 0 },
            software: texels,
            workgroup_memory: 32 << 10,
            max_invocations: 1024,
            ..Capabilities::default()
        });
    }
    for (side, lanes) in [(16, 32), (8, 32), (8, 8)] {
        adapters.push(Capabilities {
            subgroup: Some((lanes, lanes)),
            workgroup_memory: 32 << 10,
            f16: true,
            rounding: true,
            cooperative: Some(side),
            ..Capabilities::default()
        });
    }
    adapters
}

/// All kernels of all cases, with whether a baseline variant runs them.
fn kernels() -> BTreeMap<Kernel, bool> {
    let mut kernels = BTreeMap::new();
    for case in REGISTRY.iter().flat_map(|entry| (entry.cases)()) {
        let mut subject = Subject::new(&case).unwrap();
        subject.texels_from = 0;
        for adapter in adapters() {
            for variant in case.operation.variants() {
                if !variant.needs.met_by(&adapter) {
                    continue;
                }
                let plan = match subject.plan(&adapter, Some(variant.name)) {
                    Ok(plan) => plan,
                    // A variant need not do every shape; tests/noop.rs holds the baseline to it.
                    Err(Error::Shape { .. } | Error::TooLarge { .. }) => continue,
                    Err(error) => panic!("{} {}: {error}", case.name, variant.name),
                };
                for dispatch in plan.setup.iter().chain(&plan.steps).flat_map(|s| &s.dispatches) {
                    let baseline =
                        variant.needs == Needs::Nothing && adapter == Capabilities::default();
                    let kernel = Kernel::of(dispatch);
                    if let Some(narrow) = kernel.in_halves(case.operation.halves()) {
                        kernels.entry(narrow).or_default();
                    }
                    *kernels.entry(kernel).or_default() |= baseline;
                }
            }
        }
    }
    assert!(!kernels.is_empty());
    kernels
}

fn validator(subgroups: bool, allowed: Allowed) -> Validator {
    let mut validator = Validator::new(ValidationFlags::all(), allowed);
    if subgroups {
        validator
            .subgroup_stages(ShaderStages::COMPUTE)
            .subgroup_operations(SubgroupOperationSet::all());
    }
    validator
}

fn compile(name: &str, text: &str) -> Result<(Module, ModuleInfo), String> {
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|error| error.emit_to_string_with_path(text, name))?;
    let info = validator(true, Allowed::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string_with_path(text, name))?;
    Ok((module, info))
}

/// Every entry point of every file, with the defaults of its constants.
fn with_defaults() -> Vec<Kernel> {
    SOURCES
        .iter()
        .flat_map(|(shader, text)| {
            let (module, _) = compile(shader, text).unwrap_or_else(|error| panic!("{error}"));
            let points = module.entry_points.into_iter();
            points.map(|point| Kernel {
                shader,
                entry: point.name.leak(),
                tiles: Vec::new(),
                texels: false,
                halves: Vec::new(),
                constants: Vec::new(),
            })
        })
        .collect()
}

/// Calls `check` with each kernel alone in its module, its constants resolved, and reports all that
/// it refuses.
fn for_each(
    kernels: impl IntoIterator<Item = Kernel>,
    check: impl Fn(&Kernel, &Module, &ModuleInfo) -> Result<(), String>,
) {
    let mut modules = BTreeMap::new();
    let (mut count, mut failures) = (0, Vec::new());
    for kernel in kernels {
        count += 1;
        let halves = kernel.halves.clone();
        let key = (kernel.shader, kernel.tiles.clone(), kernel.texels, halves);
        let (module, info) = modules.entry(key).or_insert_with(|| {
            compile(kernel.shader, &kernel.text()).unwrap_or_else(|error| panic!("{error}"))
        });
        let constants = kernel
            .constants
            .iter()
            .map(|(name, bits)| ((*name).to_owned(), f64::from_bits(*bits)))
            .collect();
        let point = (ShaderStage::Compute, kernel.entry);
        let result = process_overrides(module, info, Some(point), &constants)
            .map_err(|error| format!("constants: {error}"))
            .and_then(|(module, info)| check(&kernel, &module, &info));
        if let Err(why) = result {
            failures.push(format!("{kernel:?}: {why}"));
        }
    }
    assert!(count > 0);
    assert!(failures.is_empty(), "{} of {count}:\n{}", failures.len(), failures.join("\n"));
}

fn translate(kernel: &Kernel, module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let stage = ShaderStage::Compute;
    let options = spv::Options { lang_version: (1, 3), ..Default::default() };
    let point = spv::PipelineOptions { shader_stage: stage, entry_point: kernel.entry.to_owned() };
    let words = spv::write_vec(module, info, &options, Some(&point))
        .map_err(|error| format!("SPIR-V: {error}"))?;

    let options = msl::Options { lang_version: (2, 4), ..Default::default() };
    let point = msl::PipelineOptions {
        entry_point: Some((stage, kernel.entry.to_owned())),
        ..Default::default()
    };
    let (metal, points) = msl::write_string(module, info, &options, &point)
        .map_err(|error| format!("MSL: {error}"))?;
    for name in points.entry_point_names {
        name.map_err(|error| format!("MSL: {error}"))?;
    }

    // DX12 has no cooperative matrices: no adapter there is offered such a kernel.
    if kernel.entry.starts_with("cooperative") {
        return if metal.contains("simdgroup") { Ok(()) } else { Err("no matrices".to_owned()) };
    }
    // 16-bit numbers came with 6.2.
    let shader_model = match kernel.text().contains("enable f16") {
        true => hlsl::ShaderModel::V6_2,
        false => hlsl::ShaderModel::V6_0,
    };
    let options = hlsl::Options { shader_model, ..Default::default() };
    let point = hlsl::PipelineOptions { entry_point: Some((stage, kernel.entry.to_owned())) };
    let mut direct = String::new();
    let points = hlsl::Writer::new(&mut direct, &options, &point)
        .write(module, info, None)
        .map_err(|error| format!("HLSL: {error}"))?;
    for name in points.entry_point_names {
        name.map_err(|error| format!("HLSL: {error}"))?;
    }
    let written = words.len() > 5 && metal.contains("kernel") && direct.contains("numthreads");
    if written { Ok(()) } else { Err("a translation is empty".to_owned()) }
}

#[test]
fn every_kernel_translates_to_spirv_msl_and_hlsl() {
    for_each(with_defaults().into_iter().chain(kernels().into_keys()), translate);
}

/// WebGPU's default limits, which every adapter meets.
fn within_limits(kernel: &Kernel, module: &Module, _: &ModuleInfo) -> Result<(), String> {
    // No subgroups, no f16, no other optional feature.
    let info = validator(false, Allowed::empty())
        .validate(module)
        .map_err(|error| format!("needs a feature: {}", error.emit_to_string(&kernel.text())))?;
    let point = &module.entry_points[0];
    let [x, y, z] = point.workgroup_size;
    if x > 256 || y > 256 || z > 64 || x * y * z > 256 {
        return Err(format!("a workgroup of {x}x{y}x{z} invocations"));
    }
    let used = info.get_entry_point(0);
    let (mut workgroup, mut storage) = (0, 0);
    for (handle, variable) in module.global_variables.iter() {
        if used[handle].is_empty() {
            continue;
        }
        let bytes = module.types[variable.ty].inner.size(module.to_ctx());
        match variable.space {
            AddressSpace::WorkGroup => workgroup += bytes.next_multiple_of(16),
            AddressSpace::Storage { .. } => storage += 1,
            AddressSpace::Uniform if bytes > 64 << 10 => {
                return Err(format!("{bytes} bytes of uniforms"));
            }
            AddressSpace::Handle => return Err("a texture".to_owned()),
            _ => {}
        }
    }
    if workgroup > 16 << 10 {
        return Err(format!("{workgroup} bytes of workgroup memory"));
    }
    let interface = shaders::interface(kernel.shader, kernel.entry, kernel.texels).unwrap();
    let bound = |b: &&shaders::Binding| matches!(b.access, Access::Read | Access::ReadWrite);
    let storage = storage.max(interface.bindings.iter().filter(bound).count());
    if storage > 8 { Err(format!("{storage} storage buffers")) } else { Ok(()) }
}

#[test]
fn baseline_kernels_keep_to_default_limits() {
    let baseline = kernels().into_iter().filter(|(_, baseline)| *baseline).map(|(key, _)| key);
    for_each(baseline, within_limits);
}

#[test]
fn files_without_their_subgroup_kernels_need_no_feature() {
    let baseline: BTreeSet<(&str, Vec<_>)> = kernels()
        .into_iter()
        .filter(|(_, baseline)| *baseline)
        .map(|(kernel, _)| (kernel.shader, kernel.tiles))
        .collect();
    for (shader, tiles) in baseline {
        let text = shaders::source_with(shader, &tiles, false, &[]).unwrap();
        let text = shaders::without_subgroups(&text);
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string_with_path(&text, shader)));
        if let Err(error) = validator(false, Allowed::empty()).validate(&module) {
            panic!("{}", error.emit_to_string_with_path(&text, shader));
        }
    }
}

#[test]
fn every_file_is_registered_and_every_entry_point_is_run() {
    let mut files: Vec<String> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut registered: Vec<&str> = FILES.iter().copied().flatten().copied().collect();
    registered.sort_unstable();
    // A part may belong to several shaders.
    registered.dedup();
    assert_eq!(files, registered, "shaders/ and `sources!` in src/shaders.rs");

    let mut run: BTreeSet<(String, String)> = kernels()
        .keys()
        .map(|kernel| (kernel.shader.to_owned(), kernel.entry.to_owned()))
        .collect();
    for (shader, entry, why) in OUTSIDE_OPERATIONS {
        assert!(run.insert((shader.to_owned(), entry.to_owned())), "{entry}: not only {why}");
    }
    let there: BTreeSet<(String, String)> = SOURCES
        .iter()
        .flat_map(|(shader, _)| {
            let points = shaders::entry_points(shader).unwrap().into_iter();
            points.map(|entry| ((*shader).to_owned(), entry))
        })
        .collect();
    let dead: Vec<_> = there.difference(&run).collect();
    assert!(dead.is_empty(), "no variant of any case runs {dead:?}");
    let missing: Vec<_> = run.difference(&there).collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

// ---- the checker itself, on kernels made up here ----

/// What [`within_limits`] says of a shader.
fn refused(text: &str) -> String {
    let (module, info) = compile("made up", text).unwrap();
    let kernel = Kernel {
        shader: "copy",
        entry: "naive",
        tiles: vec![],
        texels: false,
        halves: vec![],
        constants: vec![],
    };
    let entry = module.entry_points[0].name.clone();
    let point = (ShaderStage::Compute, entry.as_str());
    let (module, info) =
        process_overrides(&module, &info, Some(point), &Default::default()).unwrap();
    within_limits(&kernel, &module, &info).unwrap_err()
}

#[test]
fn what_goes_beyond_the_limits_is_refused() {
    let text = "var<workgroup> a: array<vec4<f32>, 1025>;\n\
                @compute @workgroup_size(64) fn f() { a[0] = vec4(0.0); }";
    assert!(refused(text).contains("16400 bytes of workgroup memory"));
    let text = "override X: u32 = 257u;\n@compute @workgroup_size(X) fn f() {}";
    assert!(refused(text).contains("257x1x1"));
    let text = "@compute @workgroup_size(16, 2, 16) fn f() {}";
    assert!(refused(text).contains("16x2x16"));
    let text = "@group(0) @binding(0) var<storage, read_write> y: array<u32>;\n\
                @compute @workgroup_size(8) fn f(@builtin(subgroup_invocation_id) i: u32) { y[0] = i; }";
    assert!(refused(text).contains("needs a feature"));
    let buffers: String = (0..9)
        .map(|i| format!("@group(0) @binding({i}) var<storage, read_write> b{i}: array<u32>;\n"))
        .collect();
    let writes: String = (0..9).map(|i| format!("b{i}[0] = 1u; ")).collect();
    let text = format!("{buffers}@compute @workgroup_size(8) fn f() {{ {writes} }}");
    assert!(refused(&text).contains("9 storage buffers"));
}
