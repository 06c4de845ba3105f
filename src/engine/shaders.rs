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
//!
//! What stands in several shaders is a file that they `#import`: see `shaders/files.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use naga::{Expression, Function, Handle, Module, Statement};

use crate::error::{Error, Result};

mod files;
mod rewrite;

pub use files::{FILES, Source, names, source};
pub use rewrite::{TEXELS_PER_ROW, rewrite, row_bytes, texture_bytes};

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
    /// Those that the entry point reads, itself or in a function that it calls.
    pub reads: BTreeSet<String>,
    /// Bytes of the uniform block; 0 without one.
    pub uniform_bytes: u32,
    /// The names of `override` constants.
    pub overrides: Vec<String>,
    /// Whether it uses workgroup memory.
    pub workgroup: bool,
}

/// What stands for the text of all shaders, and for how it is put together and rewritten.
pub fn digest() -> String {
    let made = ["files", include_str!("shaders/files.rs"), include_str!("shaders/rewrite.rs")];
    let texts = FILES.iter().flat_map(|(path, text)| [*path, *text]);
    crate::digest::digest(texts.chain(made))
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
    let mut text = Cow::Borrowed(source(name)?.text.as_str());
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
    for (point, interface) in reflect(source(name)?, &source_with(name, &[], texels, &[])?)? {
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
    let source = source(name)?;
    Ok(reflect(source, &source.text)?.into_iter().map(|(entry, _)| entry).collect())
}

/// The interface of each entry point of `text`, which has the lines of `source`.
fn reflect(source: &Source, text: &str) -> Result<Vec<(String, Interface)>> {
    let failed = |location: Option<naga::SourceLocation>, message: String| {
        let line = location.map_or(1, |location| location.line_number as usize);
        let code = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let place = source.place(line);
        let doing = format!("compiling shaders/{}", source.path);
        Error::Gpu { doing, message: format!("{place}: {message}, in `{code}`") }
    };
    let module = naga::front::wgsl::parse_str(text)
        .map_err(|error| failed(error.location(text), error.message().to_owned()))?;
    let info = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::all(),
    )
    .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
    .subgroup_operations(naga::valid::SubgroupOperationSet::all())
    .validate(&module)
    .map_err(|error| {
        let mut message = error.as_inner().to_string();
        let mut cause = std::error::Error::source(error.as_inner());
        while let Some(inner) = cause {
            message += &format!(": {inner}");
            cause = inner.source();
        }
        // Of all that it points to, the least.
        let spans = error.spans().filter(|(span, _)| span.is_defined());
        let least = spans.min_by_key(|(span, _)| span.to_range().map_or(0, |range| range.len()));
        failed(least.map(|(span, _)| span.location(text)), message)
    })?;

    let overrides: Vec<String> =
        module.overrides.iter().filter_map(|(_, constant)| constant.name.clone()).collect();
    let mut found = Vec::new();
    for (index, point) in module.entry_points.iter().enumerate() {
        let usage = info.get_entry_point(index);
        let mut interface = Interface {
            bindings: Vec::new(),
            fields: BTreeMap::new(),
            reads: uniform_reads(&module, &point.function),
            uniform_bytes: 0,
            overrides: overrides.clone(),
            workgroup: module.global_variables.iter().any(|(handle, variable)| {
                variable.space == naga::AddressSpace::WorkGroup && !usage[handle].is_empty()
            }),
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

/// The members of uniforms that a function reads, itself or in what it calls.
fn uniform_reads(module: &Module, function: &Function) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut called: Vec<Handle<Function>> = Vec::new();
    let mut next = Some(function);
    let mut looked = 0;
    while let Some(function) = next {
        for (_, expression) in function.expressions.iter() {
            let Expression::AccessIndex { base, index } = *expression else { continue };
            let Expression::GlobalVariable(global) = function.expressions[base] else { continue };
            let variable = &module.global_variables[global];
            if variable.space == naga::AddressSpace::Uniform
                && let naga::TypeInner::Struct { members, .. } = &module.types[variable.ty].inner
            {
                found.extend(members[index as usize].name.clone());
            }
        }
        calls(&function.body, &mut called);
        next = called.get(looked).map(|&handle| &module.functions[handle]);
        looked += 1;
    }
    found
}

/// Adds the functions that a block calls, each once.
fn calls(block: &naga::Block, called: &mut Vec<Handle<Function>>) {
    for statement in block {
        match statement {
            Statement::Call { function, .. } if !called.contains(function) => {
                called.push(*function)
            }
            Statement::Block(block) => calls(block, called),
            Statement::If { accept, reject, .. } => {
                calls(accept, called);
                calls(reject, called);
            }
            Statement::Switch { cases, .. } => {
                cases.iter().for_each(|case| calls(&case.body, called));
            }
            Statement::Loop { body, continuing, .. } => {
                calls(body, called);
                calls(continuing, called);
            }
            _ => {}
        }
    }
}

/// `message` of a driver about the shader `name`, with files and their lines in the place of `wgsl:LINE:COLUMN`.
pub fn located(name: &str, message: &str) -> String {
    let Ok(source) = source(name) else { return message.to_owned() };
    let mut parts = message.split("wgsl:");
    let mut found = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        match part[..end].parse() {
            Ok(line) => found += &(source.place(line) + &part[end..]),
            Err(_) => found += &format!("wgsl:{part}"),
        }
    }
    found
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
    fn every_file_compiles_with_what_it_imports() {
        let mut alone = 0;
        for (path, text) in FILES {
            let name = path.rsplit_once('/').unwrap().1.strip_suffix(".wgsl").unwrap();
            let source = source(name).unwrap();
            reflect(source, &source.text).unwrap();
            reflect(source, &rewrite(&source.text, true, &[])).unwrap();
            // And what imports nothing as it stands.
            if !text.contains("#import") {
                alone += 1;
                reflect(source, text).unwrap();
            }
        }
        assert!(alone > 0);
    }

    #[test]
    fn an_error_names_the_file_and_the_line_that_a_person_has_open() {
        let source = source("conv2d").unwrap();
        let line = |text: &str, part: &str| text.lines().position(|l| l.contains(part)).unwrap();
        let original =
            FILES.iter().find(|(path, _)| *path == "pointwise/activation.wgsl").unwrap().1;
        let refused = |from: &str, to: &str| {
            let broken = source.text.replacen(from, to, 1);
            assert_ne!(broken, source.text);
            let error = reflect(source, &broken).unwrap_err().to_string();
            let place = format!("shaders/pointwise/activation.wgsl:{}:", line(original, from) + 1);
            assert!(error.contains(&place), "{error}");
            assert!(error.contains("compiling shaders/convolution/conv2d.wgsl"), "{error}");
            assert!(!error.contains('\n'), "{error}");
            assert_eq!(
                located("conv2d", &format!("at wgsl:{}:5", line(&broken, to) + 1)),
                format!("at {place}5")
            );
            error
        };
        assert!(refused("return d * slope(a);", "return d * slop(a);").contains("slop"));
        assert!(
            refused("return sign(v) * t / (2.0 - t);", "return sign(v).x * t.x;")
                .contains("hyperbolic")
        );
    }

    #[test]
    fn what_an_entry_point_reads_of_the_uniforms_is_found_in_what_it_calls() {
        let interface = interface("conv2d", "naive", false).unwrap();
        for read in ["groups", "pad_top", "bias_offset"] {
            assert!(interface.reads.contains(read), "{read}");
        }
        assert!(interface.fields.contains_key("splits") && !interface.reads.contains("splits"));
    }
}
