//! The WGSL files, and what naga reads off them: bindings, uniform fields and overrides by name.
//!
//! Nothing about a shader's interface is restated on the host. Conventions that the files follow:
//! storage bindings are named after tensors (`x`, `w`, `dy`); `x4` is `x` seen as vectors of four
//! and shares its binding; one uniform `params` holds plain 32-bit scalars. The fields `t_offset`
//! and `t_stride` say where tensor `t` starts in its binding and how far apart its rows are, both
//! in f32 elements, and are filled in by the session.
//!
//! On drivers where a load from a storage buffer is slow, kernels read through textures instead: the
//! session copies tensors into textures just before a dispatch, and [`rewrite`] changes the reads.
//! Tensors that are stored in 16 bits are another change of the same kind. The planner decides; a
//! kernel knows nothing of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use crate::error::{Error, Result};

mod rewrite;

pub use rewrite::{TEXELS_PER_ROW, rewrite, row_bytes, texture_bytes};

macro_rules! sources {
    ($($folder:literal {$($name:literal $(with $($part:literal)+)?,)+})+) => {
        /// Every shader: its name, which is its first file's stem, and its text.
        pub const SOURCES: &[(&str, &str)] = &[$($((
            $name,
            concat!(
                include_str!(concat!("../../shaders/", $folder, "/", $name, ".wgsl")),
                $($("\n", include_str!(concat!("../../shaders/", $part, ".wgsl")),)+)?
            ),
        ),)+)+];

        /// The files that each is made of, in order, below shaders/ and without their ending.
        pub const FILES: &[&[&str]] = &[$($(&[concat!($folder, "/", $name), $($($part),+)?],)+)+];
    };
}

// By folder. A shader is a file, or a file with others that are parts of it, read as one.
sources! {
    "bench" {
        "ceiling",
    }
    "channels" {
        "channel_sum",
        "channel_weights",
        "principal",
        "top_class",
    }
    "convolution" {
        "conv2d" with "convolution/conv2d_tiles" "convolution/conv2d_subgroup" "convolution/tile" "pointwise/activation",
        "conv2d_cooperative" with "pointwise/activation",
        "conv2d_input_gradient" with "convolution/conv2d_input_gradient_tiles" "convolution/conv2d_input_gradient_subgroup" "convolution/tile",
        "conv2d_weight_gradient" with "convolution/conv2d_weight_gradient_tiles" "convolution/conv2d_weight_gradient_subgroup" "convolution/tile",
        "conv2d_winograd" with "convolution/conv2d_winograd_subgroup" "convolution/conv2d_winograd_weight" "pointwise/activation",
        "depthwise_conv2d" with "pointwise/activation",
        "depthwise_conv2d_input_gradient",
        "depthwise_conv2d_weight_gradient",
        "padded",
    }
    "image" {
        "blur",
        "contrast",
        "cover",
        "pad",
        "resize",
    }
    "normalisation" {
        "batch_norm" with "normalisation/batch_norm_group" "pointwise/activation",
        "channel_affine" with "pointwise/activation",
        "normalize",
    }
    "pointwise" {
        "activate" with "pointwise/activation",
        "blend",
        "copy",
        "dropout",
        "elementwise",
        "expand",
        "sigmoid",
        "stretch",
    }
    "pooling" {
        "global_pool",
        "pool",
        "pool_strip",
        "sum_rows",
    }
    "region" {
        "components",
        "dice",
        "evidence",
        "mean_field",
        "morphology",
        "proposals",
        "superpixels",
    }
    "training" {
        "finite",
        "losses",
        "optimizer",
    }
}

/// How an entry point uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The uniform block.
    Uniform,
    /// Storage, read only.
    Read,
    /// Storage, read and written.
    ReadWrite,
    /// A texture that the tensor is copied into before the dispatch.
    Texels,
}

/// One binding that an entry point uses.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The tensor's name, without the suffix of its vector form.
    pub name: String,
    /// `@binding(index)`.
    pub index: u32,
    /// Uniform or storage.
    pub access: Access,
}

/// What the host must provide to run one entry point.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The bindings, by index.
    pub bindings: Vec<Binding>,
    /// Uniform fields: name and byte offset.
    pub fields: BTreeMap<String, u32>,
    /// Bytes of the uniform block; 0 without one.
    pub uniform_bytes: u32,
    /// The names of `override` constants.
    pub overrides: Vec<String>,
}

/// What stands for the text of all shaders, and for how it is rewritten.
pub fn digest() -> String {
    let rewriting = ["rewrite", include_str!("shaders/rewrite.rs")];
    let texts = SOURCES.iter().flat_map(|(name, text)| [*name, *text]);
    crate::digest::digest(texts.chain(rewriting))
}

/// The text of the shader `name`.
///
/// # Errors
/// [`Error::Usage`] when there is none of that name.
pub fn source(name: &str) -> Result<&'static str> {
    SOURCES
        .iter()
        .find(|(stem, _)| *stem == name)
        .map(|(_, text)| *text)
        .ok_or_else(|| Error::usage(format!("no shader {name}"), "see shaders/"))
}

/// The text of `name` with its register-tile constants replaced: `const NAME: u32 = 8;` becomes
/// the value given. These cannot be overrides, which WGSL does not allow as sizes of private arrays.
/// `texels`, `halves`: as [`rewrite`] takes them.
///
/// # Errors
/// [`Error::Usage`] when the shader or a constant is unknown.
pub fn source_with(
    name: &str,
    constants: &[(&str, u32)],
    texels: bool,
    halves: &[&str],
) -> Result<Cow<'static, str>> {
    let mut text = Cow::Borrowed(source(name)?);
    for (constant, value) in constants {
        let head = format!("const {constant}: u32 = ");
        let unknown = || Error::usage(format!("shader {name} has no `{head}`"), "see its file");
        let start = text.find(&head).ok_or_else(unknown)? + head.len();
        let end = start + text[start..].find(';').ok_or_else(unknown)?;
        let mut replaced = text.into_owned();
        replaced.replace_range(start..end, &format!("{value}u"));
        text = Cow::Owned(replaced);
    }
    // The side of a cooperative matrix is part of its type's name.
    if constants.contains(&("SIZE", 8)) {
        text = Cow::Owned(text.replace("coop_mat16x16", "coop_mat8x8"));
    }
    let plain = !texels && halves.is_empty();
    Ok(if plain { text } else { Cow::Owned(rewrite(&text, texels, halves)) })
}

/// The interface of `entry` in the shader `name`, read once and kept. `texels`: as in
/// [`source_with`]; whether numbers have 16 bits makes no difference to it.
///
/// # Errors
/// [`Error::Gpu`] when the file does not compile or has no such entry point.
pub fn interface(name: &'static str, entry: &'static str, texels: bool) -> Result<Arc<Interface>> {
    type Known = Mutex<BTreeMap<(&'static str, &'static str, bool), Arc<Interface>>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let known = KNOWN.get_or_init(Default::default);
    let lock = || known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(found) = lock().get(&(name, entry, texels)) {
        return Ok(found.clone());
    }
    for (point, interface) in reflect(name, &source_with(name, &[], texels, &[])?)? {
        // Entry point names are interned through the lookup below; others wait for their turn.
        if point == entry {
            lock().insert((name, entry, texels), Arc::new(interface));
        }
    }
    lock().get(&(name, entry, texels)).cloned().ok_or_else(|| Error::Gpu {
        doing: format!("reading shader {name}"),
        message: format!("it has no entry point {entry}"),
    })
}

/// The names of the entry points of the shader `name`, in the order of the file.
///
/// # Errors
/// [`Error::Gpu`] when the file does not compile.
pub fn entry_points(name: &str) -> Result<Vec<String>> {
    Ok(reflect(name, source(name)?)?.into_iter().map(|(entry, _)| entry).collect())
}

fn reflect(name: &str, text: &str) -> Result<Vec<(String, Interface)>> {
    let failed =
        |message: String| Error::Gpu { doing: format!("compiling shaders/{name}.wgsl"), message };
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|error| failed(error.emit_to_string_with_path(text, name)))?;
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::all(),
    )
    .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
    .subgroup_operations(naga::valid::SubgroupOperationSet::all())
    .validate(&module)
    .map_err(|error| failed(error.emit_to_string_with_path(text, name)))?;

    let overrides: Vec<String> =
        module.overrides.iter().filter_map(|(_, constant)| constant.name.clone()).collect();
    let mut found = Vec::new();
    for (index, point) in module.entry_points.iter().enumerate() {
        let usage = info.get_entry_point(index);
        let mut interface = Interface {
            bindings: Vec::new(),
            fields: BTreeMap::new(),
            uniform_bytes: 0,
            overrides: overrides.clone(),
        };
        for (handle, variable) in module.global_variables.iter() {
            let (Some(binding), false) = (&variable.binding, usage[handle].is_empty()) else {
                continue;
            };
            let label = variable.name.clone().unwrap_or_default();
            let access = match variable.space {
                naga::AddressSpace::Uniform => Access::Uniform,
                naga::AddressSpace::Storage { access }
                    if access.contains(naga::StorageAccess::STORE) =>
                {
                    Access::ReadWrite
                }
                naga::AddressSpace::Handle => Access::Texels,
                _ => Access::Read,
            };
            if access == Access::Uniform
                && let naga::TypeInner::Struct { members, span } = &module.types[variable.ty].inner
            {
                interface.uniform_bytes = *span;
                for member in members {
                    let field = member.name.clone().unwrap_or_default();
                    interface.fields.insert(field, member.offset);
                }
            }
            let name = label.strip_suffix('4').unwrap_or(&label).to_owned();
            interface.bindings.push(Binding { name, index: binding.binding, access });
        }
        interface.bindings.sort_by_key(|binding| binding.index);
        found.push((point.name.clone(), interface));
    }
    Ok(found)
}

/// `text` without the functions that use subgroup operations, for devices that would refuse the
/// whole file because of them. Line numbers stay.
pub fn without_subgroups(text: &str) -> String {
    let words = ["(subgroup_", "subgroupBroadcast", "subgroupAdd", "subgroupShuffle"];
    without(text, &words)
}

/// The same for cooperative matrices: their directive and their types go too.
pub fn without_cooperative(text: &str) -> String {
    without(text, &["wgpu_cooperative_matrix", "coop_mat", "coopLoad"])
}

/// `text` without the functions, and the single lines outside of functions, that have one of `words`.
fn without(text: &str, words: &[&str]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut function: Vec<&str> = Vec::new();
    let mut inside = false;
    let uses = |line: &str| {
        let code = line.split("//").next().unwrap_or_default();
        words.iter().any(|word| code.contains(word))
    };
    for line in text.lines() {
        let starts = ["@compute", "@must_use", "fn "].iter().any(|head| line.starts_with(head));
        if !inside && !starts {
            kept += if uses(line) { "" } else { line };
            kept.push('\n');
            continue;
        }
        // A function at the top of a file ends with the first brace at the start of a line.
        inside = true;
        function.push(line);
        if line == "}" || (line.starts_with("fn ") && line.ends_with('}')) {
            let uses = function.iter().any(|line| uses(line));
            for line in function.drain(..) {
                kept += if uses { "" } else { line };
                kept.push('\n');
            }
            inside = false;
        }
    }
    for line in function {
        kept += line;
        kept.push('\n');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_with_subgroup_operations_go_and_lines_stay() {
        let text = "\
            // subgroupBroadcast is fast\n\
            fn twice(a: u32) -> u32 { return 2u * a; }\n\
            @compute @workgroup_size(8)\n\
            fn plain(\n    @builtin(local_invocation_index) lane: u32,\n) {\n    // subgroupAdd\n}\n\
            @compute @workgroup_size(8)\n\
            fn fast(@builtin(subgroup_invocation_id) lane: u32) {\n    if lane == 0u {\n    }\n}\n\
            const LAST: u32 = 1u;\n";
        let found = without_subgroups(text);
        assert_eq!(found.lines().count(), text.lines().count());
        assert!(found.contains("twice") && found.contains("plain") && found.contains("LAST"));
        assert!(!found.contains("fast(") && !found.contains("subgroup_invocation_id"), "{found}");
    }

    #[test]
    fn cooperative_matrices_go_with_their_directive() {
        let text = "enable f16;\nenable wgpu_cooperative_matrix;\n\
            alias Left = coop_mat8x8<f16, A>;\nfn f() {\n    let a = coopLoadT<Left>(&x[0], 8u);\n}\n\
            fn g() {}\n";
        assert_eq!(without_cooperative(text), "enable f16;\n\n\n\n\n\nfn g() {}\n");
    }

    #[test]
    fn every_shader_compiles_as_it_stands_and_with_texels() {
        for (name, text) in SOURCES {
            reflect(name, text).unwrap();
            reflect(name, &rewrite(text, true, &[])).unwrap();
        }
    }
}
