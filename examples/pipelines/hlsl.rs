//! The HLSL that wgpu would hand to Microsoft's compilers, one file a text, and a list of them.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::fmt::Write as _;
use std::path::Path;

use naga::back::hlsl;
use naga::back::pipeline_constants::process_overrides;
use naga::valid::{
    Capabilities as Allowed, ModuleInfo, ShaderStages, SubgroupOperationSet, ValidationFlags,
    Validator,
};
use naga::{Module, ShaderStage};
use parula::engine::kernel::Capabilities;
use parula::engine::plan::Dispatch;
use parula::engine::shaders;

use crate::{Outcome, Pipelines, of_cases, of_networks};

/// A GPU of DX12, or WARP, Windows's own driver on the processor.
fn adapter(subgroup: Option<(u32, u32)>, warp: bool) -> Capabilities {
    Capabilities {
        workgroup_memory: 32 << 10,
        max_invocations: 1024,
        subgroup,
        software: warp,
        texels: if warp { 8 } else { 0 },
        longest_loop: if warp { 65_535 } else { u64::MAX },
        f16: subgroup.is_some(),
        ..Capabilities::default()
    }
}

/// The adapters behind each compiler. Subgroups and 16 bits come with shader model 6, which only the newer one
/// has.
fn compilers() -> [(&'static str, Vec<Capabilities>); 2] {
    let fxc = vec![adapter(None, false), adapter(None, true)];
    let dxc = vec![
        adapter(Some((32, 32)), false), // NVIDIA
        adapter(Some((32, 64)), false), // AMD
        adapter(Some((8, 32)), false),  // Intel
        adapter(Some((4, 4)), true),
    ];
    [("fxc", fxc), ("dxc", dxc)]
}

/// Modules by what makes their texts differ.
type Modules = BTreeMap<String, (Module, ModuleInfo)>;

/// Writes a file a text into `folder`, named by its digest, and `list`: compiler, profile, entry point, file and name, a line each.
pub fn write(folder: &Path) -> Outcome {
    std::fs::create_dir_all(folder)?;
    let mut list = String::new();
    for (compiler, adapters) in compilers() {
        let mut pipelines = Pipelines::new();
        for adapter in &adapters {
            of_cases(&mut pipelines, adapter, true)?;
            of_networks(&mut pipelines, adapter)?;
        }
        let (mut modules, mut texts) = (Modules::new(), BTreeSet::new());
        for dispatch in pipelines.values() {
            let Hlsl { text, entry, model } = translate(dispatch, compiler == "dxc", &mut modules)?;
            let digest = parula::digest::digest([text.as_str(), &entry, model.to_str()]);
            let file = format!("{compiler}-{digest}.hlsl");
            // Pipelines of different constants may well be the same.
            if !texts.insert(digest) {
                continue;
            }
            std::fs::write(folder.join(&file), text)?;
            let tiles: Vec<String> =
                dispatch.tiles.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            let constants: Vec<String> =
                dispatch.constants.iter().map(|(name, value)| format!(" {name}={value}")).collect();
            writeln!(
                list,
                "{compiler}\tcs_{}\t{entry}\t{file}\t{}/{}{}{}{}{}",
                model.to_str(),
                dispatch.shader,
                dispatch.entry,
                tiles.concat(),
                constants.concat(),
                if dispatch.texels { " texels" } else { "" },
                if dispatch.halves.is_empty() { "" } else { " halves" },
            )?;
        }
    }
    std::fs::write(folder.join("list"), list)?;
    Ok(())
}

/// A pipeline as a compiler of HLSL takes it. Naga changes the names of entry points that HLSL has, too.
struct Hlsl {
    text: String,
    entry: String,
    model: hlsl::ShaderModel,
}

/// The HLSL of a pipeline, as wgpu has it written.
fn translate(dispatch: &Dispatch, newer: bool, modules: &mut Modules) -> Outcome<Hlsl> {
    let key = (dispatch.shader, &dispatch.tiles, dispatch.texels, &dispatch.halves);
    let (module, info) = match modules.entry(format!("{key:?}")) {
        Entry::Occupied(found) => found.into_mut(),
        Entry::Vacant(place) => place.insert(parse(dispatch, newer)?),
    };
    let constants =
        dispatch.constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let point = (ShaderStage::Compute, dispatch.entry);
    let (module, info) = process_overrides(module, info, Some(point), &constants)?;
    let options = hlsl::Options {
        shader_model: match (newer, dispatch.halves.is_empty()) {
            (false, _) => hlsl::ShaderModel::V5_1,
            (true, true) => hlsl::ShaderModel::V6_0,
            (true, false) => hlsl::ShaderModel::V6_2,
        },
        // Where wgpu says how many workgroups there are.
        special_constants_binding: Some(hlsl::BindTarget { space: 1, ..Default::default() }),
        // Kernels are compiled without checks: src/gpu/pipeline.rs.
        zero_initialize_workgroup_memory: false,
        restrict_indexing: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let point = hlsl::PipelineOptions {
        entry_point: Some((ShaderStage::Compute, dispatch.entry.to_owned())),
    };
    let mut text = String::new();
    let mut points = hlsl::Writer::new(&mut text, &options, &point).write(&module, &info, None)?;
    let entry = points.entry_point_names.pop().ok_or("no entry point")??;
    Ok(Hlsl { text, entry, model: options.shader_model })
}

fn parse(dispatch: &Dispatch, subgroups: bool) -> Outcome<(Module, ModuleInfo)> {
    let text =
        shaders::source_with(dispatch.shader, &dispatch.tiles, dispatch.texels, &dispatch.halves)?;
    let text = shaders::without_cooperative(&text);
    let text = if subgroups { text } else { shaders::without_subgroups(&text) };
    let module = naga::front::wgsl::parse_str(&text)?;
    let info = Validator::new(ValidationFlags::all(), Allowed::all())
        .subgroup_stages(ShaderStages::COMPUTE)
        .subgroup_operations(SubgroupOperationSet::all())
        .validate(&module)?;
    Ok((module, info))
}
