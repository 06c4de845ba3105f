//! Every kernel on every platform, without any of them: naga translates each one to SPIR-V, MSL and
//! HLSL with the constants that it is really run with, and the baseline variants keep to WebGPU's
//! default limits.

use std::collections::{BTreeMap, BTreeSet};

use naga::back::pipeline_constants::process_overrides;
use naga::back::{hlsl, msl, spv};
use naga::valid::FunctionInfo;
use naga::valid::{
    Capabilities as Allowed, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags,
    Validator,
};
use naga::{
    AddressSpace, ArraySize, BinaryOperator, Block, Expression, Function, Handle, Literal, Module,
    ShaderStage, Statement, TypeInner,
};

use parula::engine::kernel::{Capabilities, Needs};
use parula::engine::ops::REGISTRY;
use parula::engine::plan::Dispatch;
use parula::engine::shaders::{self, Access, FILES};
use parula::error::Error;
use parula::lab::bench::Subject;

/// Entry points that no operation uses, and why they are there.
const OUTSIDE_OPERATIONS: [(&str, &str, &str); 6] = [
    ("ceiling", "multiply_add", "run by src/lab/bench/ceiling.rs"),
    ("ceiling", "copy", "run by src/lab/bench/ceiling.rs"),
    ("roofs", "read_vectors", "run by src/lab/bench/memories.rs"),
    ("roofs", "workgroup_read", "run by src/lab/bench/memories.rs"),
    ("roofs", "chase", "run by src/lab/bench/memories.rs"),
    ("matrix", "cooperative_multiply_add", "run by src/lab/bench/memories.rs"),
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
    shaders::names()
        .flat_map(|shader| {
            let text = &shaders::source(shader).unwrap().text;
            let (module, _) = compile(shader, text).unwrap_or_else(|error| panic!("{error}"));
            let points = module.entry_points.into_iter();
            points.map(move |point| Kernel {
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

/// Bytes of workgroup memory that an entry point uses.
fn workgroup_bytes(module: &Module, used: &FunctionInfo) -> u32 {
    let shared = module.global_variables.iter().filter(|(handle, variable)| {
        variable.space == AddressSpace::WorkGroup && !used[*handle].is_empty()
    });
    let bytes = |ty| module.types[ty].inner.size(module.to_ctx()).next_multiple_of(16);
    shared.map(|(_, variable)| bytes(variable.ty)).sum()
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
    let workgroup = workgroup_bytes(module, used);
    let mut storage = 0;
    for (handle, variable) in module.global_variables.iter() {
        if used[handle].is_empty() {
            continue;
        }
        let bytes = module.types[variable.ty].inner.size(module.to_ctx());
        match variable.space {
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
    // The loops of the bench too: every adapter has their roofs, but that of matrix units.
    let outside = with_defaults().into_iter().filter(|kernel| {
        !kernel.entry.starts_with("cooperative")
            && OUTSIDE_OPERATIONS.iter().any(|(shader, ..)| *shader == kernel.shader)
    });
    for_each(baseline.chain(outside), within_limits);
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
    let shaders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let list = |folder: &std::path::Path| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    // Each file is in a folder of its family.
    let mut files: Vec<String> = list(&shaders)
        .iter()
        .flat_map(|folder| list(folder))
        .map(|file| {
            assert!(file.extension().is_some_and(|e| e == "wgsl"), "{}", file.display());
            let inside = file.strip_prefix(&shaders).unwrap();
            inside.to_string_lossy().replace('\\', "/")
        })
        .collect();
    files.sort();
    let listed: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
    assert_eq!(files, listed, "shaders/ and what build.rs lists");
    // A file is a shader, or a part of some.
    let imported: BTreeSet<String> = FILES
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| Some(line.strip_prefix("#import \"")?.strip_suffix('"')?.to_owned()))
        .collect();
    let whole: BTreeSet<&str> =
        shaders::names().map(|name| shaders::source(name).unwrap().path.as_str()).collect();
    for path in listed {
        assert!(whole.contains(path) != imported.contains(path), "{path}: a shader, or a part?");
    }

    let mut run: BTreeSet<(String, String)> = kernels()
        .keys()
        .map(|kernel| (kernel.shader.to_owned(), kernel.entry.to_owned()))
        .collect();
    for (shader, entry, why) in OUTSIDE_OPERATIONS {
        assert!(run.insert((shader.to_owned(), entry.to_owned())), "{entry}: not only {why}");
    }
    let there: BTreeSet<(String, String)> = shaders::names()
        .flat_map(|shader| {
            let points = shaders::entry_points(shader).unwrap().into_iter();
            points.map(move |entry| (shader.to_owned(), entry))
        })
        .collect();
    let dead: Vec<_> = there.difference(&run).collect();
    assert!(dead.is_empty(), "no variant of any case runs {dead:?}");
    let missing: Vec<_> = run.difference(&there).collect();
    assert!(missing.is_empty(), "there is no {missing:?}");
}

// ---- what DX12's compilers refuse although naga translates it ----
//
// Found with the compilers themselves, which `scripts/hlsl-check` runs where Wine can be had.

/// Words of HLSL that a shader might use for something else: intrinsics, namespaces, some types.
const HLSL_WORDS: &str = "abort abs acos all any asdouble asfloat asin asint asuint atan atan2 ceil clamp clip \
    cos cosh countbits cross ddx ddy degrees determinant distance dot dst exp exp2 f16tof32 f32tof16 \
    faceforward firstbithigh firstbitlow floor fma fmod frac frexp fwidth isfinite isinf isnan ldexp length \
    lerp lit log log10 log2 mad max min modf msad4 mul noise normalize pow radians rcp reflect refract \
    reversebits round rsqrt saturate sign sin sincos sinh smoothstep sqrt step tan tanh transpose trunc \
    WaveActiveSum WaveReadLaneAt WaveGetLaneIndex dot4add_u8packed pack_u8 unpack_u8u32 select and or \
    printf D3DCOLORtoUBYTE4 dx vk hlsl buffer Buffer centroid column_major compile const discard export \
    extern groupshared half inline inout interface line lineadj linear matrix namespace nointerpolation \
    out packoffset pass pixelfragment point precise register row_major sample sampler shared snorm stateblock \
    string technique texture triangle triangleadj typedef uint uniform unorm unsigned vector volatile asm \
    auto case catch char class default delete enum explicit friend goto long mutable new operator private \
    protected public short signed sizeof static template this throw try typename union using virtual";

/// What the HLSL of naga calls a buffer named `word`.
fn in_hlsl(word: &str) -> Option<String> {
    let text = format!(
        "@group(0) @binding(0) var<storage, read_write> {word}: array<u32>;\n\
         @compute @workgroup_size(8) fn marked_entry() {{ {word}[0] = 1u; }}"
    );
    let module = naga::front::wgsl::parse_str(&text).ok()?;
    let info = validator(false, Allowed::empty()).validate(&module).ok()?;
    let mut hlsl = String::new();
    let options = hlsl::Options::default();
    let point = hlsl::PipelineOptions::default();
    hlsl::Writer::new(&mut hlsl, &options, &point).write(&module, &info, None).ok()?;
    let declared = hlsl.split("RWByteAddressBuffer ").nth(1)?;
    Some(declared.split([' ', ':']).next()?.to_owned())
}

/// The words of HLSL that naga leaves as they are: DXC has a namespace `dx`.
fn left_by_naga() -> BTreeSet<&'static str> {
    // What WGSL itself reserves is no name of ours.
    HLSL_WORDS.split_whitespace().filter(|word| in_hlsl(word).as_deref() == Some(word)).collect()
}

/// The names that stand outside of functions.
fn global_names(module: &Module) -> impl Iterator<Item = &str> {
    let variables =
        module.global_variables.iter().filter_map(|(_, variable)| variable.name.as_deref());
    let functions = module.functions.iter().filter_map(|(_, function)| function.name.as_deref());
    let types = module.types.iter().filter_map(|(_, ty)| ty.name.as_deref());
    let constants = module.constants.iter().filter_map(|(_, constant)| constant.name.as_deref());
    let points = module.entry_points.iter().map(|point| point.name.as_str());
    variables.chain(functions).chain(types).chain(constants).chain(points)
}

/// What `base[index]` looks into.
fn indexed<'a>(
    module: &'a Module,
    info: &'a FunctionInfo,
    base: Handle<Expression>,
) -> &'a TypeInner {
    match info[base].ty.inner_with(&module.types) {
        TypeInner::Pointer { base, .. } => &module.types[*base].inner,
        inner => inner,
    }
}

/// X3511: FXC makes a write to a part of a vector one assignment a component, for which it must unroll the loop around
/// it, and cannot.
fn writes_a_part(module: &Module, function: &Function, info: &FunctionInfo, block: &Block) -> bool {
    let look = |block: &Block| writes_a_part(module, function, info, block);
    block.iter().any(|statement| match statement {
        Statement::Store { pointer, .. } => match function.expressions[*pointer] {
            Expression::Access { base, .. } => matches!(
                indexed(module, info, base),
                TypeInner::Vector { .. }
                    | TypeInner::Matrix { .. }
                    | TypeInner::ValuePointer { .. }
            ),
            _ => false,
        },
        Statement::Block(block) => look(block),
        Statement::If { accept, reject, .. } => look(accept) || look(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| look(&case.body)),
        Statement::Loop { body, continuing, .. } => look(body) || look(continuing),
        _ => false,
    })
}

/// The expressions of a block that stand in a branch of a loop.
fn in_branches(block: &Block, in_loop: bool, in_branch: bool) -> Vec<Handle<Expression>> {
    let mut found = Vec::new();
    for statement in block {
        match statement {
            Statement::Emit(range) if in_branch => found.extend(range.clone()),
            Statement::Block(block) => found.extend(in_branches(block, in_loop, in_branch)),
            Statement::If { accept, reject, .. } => {
                found.extend(in_branches(accept, in_loop, in_loop));
                found.extend(in_branches(reject, in_loop, in_loop));
            }
            Statement::Switch { cases, .. } => {
                for case in cases {
                    found.extend(in_branches(&case.body, in_loop, in_loop));
                }
            }
            Statement::Loop { body, continuing, .. } => {
                found.extend(in_branches(body, true, in_branch));
                found.extend(in_branches(continuing, true, in_branch));
            }
            _ => {}
        }
    }
    found
}

/// X3504: `a[i - n]` beside `a[i]`, of an array that has no more than n elements, in a branch of a loop. FXC sees that
/// it is nowhere, and not that no round gets there.
fn reaches_before_an_array(module: &Module, function: &Function, info: &FunctionInfo) -> bool {
    let expressions = &function.expressions;
    let number = |handle: Handle<Expression>| match expressions[handle] {
        Expression::Literal(Literal::U32(number)) => Some(number),
        Expression::Constant(constant) => {
            match module.global_expressions[module.constants[constant].init] {
                Expression::Literal(Literal::U32(number)) => Some(number),
                _ => None,
            }
        }
        _ => None,
    };
    let accesses: BTreeSet<_> = expressions
        .iter()
        .filter_map(|(_, expression)| match *expression {
            Expression::Access { base, index } => Some((base, index)),
            _ => None,
        })
        .collect();
    in_branches(&function.body, false, false).into_iter().any(|handle| {
        let Expression::Access { base, index } = expressions[handle] else {
            return false;
        };
        let Expression::Binary { op: BinaryOperator::Subtract, left, right } = expressions[index]
        else {
            return false;
        };
        let length = match indexed(module, info, base) {
            TypeInner::Array { size: ArraySize::Constant(length), .. } => length.get(),
            _ => return false,
        };
        // Each mention of a local array is an expression of its own.
        let array = |base: Handle<Expression>| match expressions[base] {
            Expression::LocalVariable(variable) => Some(variable),
            _ => None,
        };
        let same = |&(other, at): &(Handle<Expression>, _)| {
            at == left && array(other).is_some() && array(other) == array(base)
        };
        number(right).is_some_and(|number| number >= length) && accesses.iter().any(same)
    })
}

/// Whether a function is given all of what an entry point knows of the grid. On DX12 the number of workgroups comes
/// from elsewhere, and naga puts it where an entry point asks for it, not into what it passes on.
fn passes_the_grid(module: &Module) -> bool {
    module.functions.iter().any(|(_, function)| {
        function.arguments.iter().any(|argument| match &module.types[argument.ty].inner {
            TypeInner::Struct { members, .. } => members.iter().any(|m| m.binding.is_some()),
            _ => false,
        })
    })
}

fn hlsl_is_taken(module: &Module, info: &ModuleInfo, words: &BTreeSet<&str>) -> Result<(), String> {
    if passes_the_grid(module) {
        return Err("a function takes a whole Grid".to_owned());
    }
    if let Some(name) = global_names(module).find(|name| words.contains(name)) {
        return Err(format!("{name} is a word of HLSL"));
    }
    let functions = module.functions.iter().map(|(handle, function)| (function, &info[handle]));
    let points = module.entry_points.iter().enumerate();
    let points = points.map(|(index, point)| (&point.function, info.get_entry_point(index)));
    for (function, used) in functions.chain(points) {
        let name = function.name.as_deref().unwrap_or("it");
        if writes_a_part(module, function, used, &function.body) {
            return Err(format!("{name} writes a part of a vector or a matrix by its number"));
        }
        if reaches_before_an_array(module, function, used) {
            return Err(format!("{name} reaches before the start of an array"));
        }
    }
    Ok(())
}

#[test]
fn no_kernel_is_of_a_kind_that_dx12_refuses() {
    let words = left_by_naga();
    assert!(words.contains("dx"), "naga escapes it now: {words:?}");
    for_each(with_defaults().into_iter().chain(kernels().into_keys()), |_, module, info| {
        hlsl_is_taken(module, info, &words)
    });
}

#[test]
fn what_dx12_refuses_is_found() {
    let refused = |text: &str| {
        let (module, info) = compile("made up", text).unwrap();
        hlsl_is_taken(&module, &info, &left_by_naga()).unwrap_err()
    };
    let head = "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n\
                @compute @workgroup_size(8) fn f() {\n";
    let text = "struct Grid { @builtin(num_workgroups) workgroups: vec3<u32> }\n\
                fn across(grid: Grid) -> u32 { return grid.workgroups.x; }\n\
                @group(0) @binding(0) var<storage, read_write> y: array<u32>;\n\
                @compute @workgroup_size(8) fn f(grid: Grid) { y[0] = across(grid); }";
    assert!(refused(text).contains("takes a whole Grid"));
    let text = head.replace(" y:", " dx:") + "dx[0] = 1.0; }";
    assert!(refused(&text).contains("dx is a word of HLSL"));
    let text = format!(
        "{head} var v: vec4<f32>; for (var i = 0u; i < 4u; i++) {{ v[i] = y[i]; }} y[0] = v.x; }}"
    );
    assert!(refused(&text).contains("writes a part of a vector"));
    let text = format!(
        "{head} var v: mat4x4<f32>; for (var i = 0u; i < 4u; i++) {{ v[i] = vec4(y[i]); }} y[0] = v[1].x; }}"
    );
    assert!(refused(&text).contains("a part of a vector or a matrix"));
    let text = format!(
        "{head} var a: array<f32, 4>; for (var i = 0u; i < 4u; i++) {{ let to = 3u - i;\n\
         if to >= 4u {{ a[to] = a[to - 4u]; }} }} y[0] = a[3]; }}"
    );
    assert!(refused(&text).contains("f reaches before the start"));
}

// ---- what is known of Metal without a Mac ----

/// Words of Metal's language, and macros of its headers. Functions and types of the namespace `metal`, which naga does
/// not open, may be names of ours.
const MSL_WORDS: &str = "kernel vertex fragment device constant thread threadgroup threadgroup_imageblock ray_data \
    object_data metal half bfloat uint ushort ulong uchar packed_float4 half4 float4 float4x4 size_t int8_t uint32_t \
    INFINITY NAN HUGE_VALF MAXFLOAT M_PI_F M_E_F M_PI_H FLT_MAX FLT_MIN FLT_EPSILON HALF_MAX INT_MAX UINT_MAX CHAR_BIT \
    assert main signed unsigned short long float double bool char int auto class template typename namespace using \
    typedef union enum goto operator static extern inline register volatile mutable new delete this throw try catch \
    private protected public friend explicit virtual alignas alignof decltype noexcept nullptr constexpr sizeof \
    as_type and or not xor bitand bitor compl and_eq or_eq xor_eq not_eq";

/// What the MSL of naga calls a function named `word`.
fn in_msl(word: &str) -> Option<String> {
    let text = format!(
        "fn {word}() -> u32 {{ return 7u; }}\n\
         @group(0) @binding(0) var<storage, read_write> marked_buffer: array<u32>;\n\
         @compute @workgroup_size(8) fn marked_entry() {{ marked_buffer[0] = {word}(); }}"
    );
    let module = naga::front::wgsl::parse_str(&text).ok()?;
    let info = validator(false, Allowed::empty()).validate(&module).ok()?;
    let options = msl::Options { lang_version: (2, 4), ..Default::default() };
    let point = msl::PipelineOptions::default();
    let (metal, _) = msl::write_string(&module, &info, &options, &point).ok()?;
    let declared = metal.split("\nuint ").nth(1)?;
    Some(declared.split('(').next()?.trim().to_owned())
}

#[test]
fn no_global_name_is_a_word_of_metal() {
    let left: BTreeSet<&str> =
        MSL_WORDS.split_whitespace().filter(|word| in_msl(word).as_deref() == Some(word)).collect();
    assert_eq!(in_msl("marked").as_deref(), Some("marked"));
    assert_eq!(in_msl("kernel").as_deref(), Some("kernel_"));
    for_each(with_defaults().into_iter().chain(kernels().into_keys()), |_, module, _| {
        match global_names(module).find(|name| left.contains(name)) {
            Some(name) => Err(format!("{name} is a word of Metal")),
            None => Ok(()),
        }
    });
}

/// Apple's GPUs by Metal's feature tables: 31 buffers, one of which wgpu may need for sizes; 32 KiB of
/// threadgroup memory; 1024 invocations.
fn within_apples(kernel: &Kernel, module: &Module, info: &ModuleInfo) -> Result<(), String> {
    let invocations: u32 = module.entry_points[0].workgroup_size.iter().product();
    let workgroup = workgroup_bytes(module, info.get_entry_point(0));
    let bindings =
        shaders::interface(kernel.shader, kernel.entry, kernel.texels).unwrap().bindings.len();
    if invocations > 1024 || workgroup > 32 << 10 || bindings > 30 {
        return Err(format!("{invocations} invocations, {workgroup} bytes, {bindings} bindings"));
    }
    Ok(())
}

#[test]
fn every_kernel_is_within_the_limits_of_apples_gpus() {
    for_each(kernels().into_keys(), within_apples);
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
