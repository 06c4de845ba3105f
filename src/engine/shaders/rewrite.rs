//! How kernels reach tensors: a rewriting of shaders, text in, text out. The files in `shaders/` are
//! written for storage buffers of 32-bit numbers, and run so too.
//!
//! *Through textures.* Mesa's software drivers load from storage buffers lane by lane, and without
//! AVX-512 through memory at that: a load costs as much as fifty multiply-adds. A load from a storage
//! texture of four numbers a texel takes another path, thirty times as fast, so there it pays to copy
//! every tensor into a texture before it is read. `benches/NOTES.md` has the figures.
//!
//! *In 16 bits.* A tensor that is stored in halves is widened where it is read and rounded where it is
//! written; what is between is the same arithmetic in 32 bits.

use crate::engine::kernel::Element;

/// Texels in a row of a texture that stands for a tensor.
pub const TEXELS_PER_ROW: u64 = 2048;

/// Bytes of a row of texels, of four elements each.
pub fn row_bytes(element: Element) -> u64 {
    4 * element.bytes() * TEXELS_PER_ROW
}

/// Bytes of a texture that holds `bytes` of elements: whole rows, of which there are never 1, 2, 4, 8
/// and so on. A software driver compiles a kernel again for every pattern of powers of two among the
/// sizes of its textures; like this there is one.
pub fn texture_bytes(bytes: u64, element: Element) -> u64 {
    let row = row_bytes(element);
    let rows = bytes.div_ceil(row).max(3);
    row * if rows.is_power_of_two() { rows + 1 } else { rows }
}

/// Rewrites a shader. `texels`: arrays of numbers that it only reads are textures: `x4[i]` becomes
/// `texel_x4(i)`, which loads the texel that holds elements 4 i to 4 i + 3. `halves`: the tensors of
/// these names have 16 bits: `x[i]` becomes `half_x(i)`, which widens it, and `y[i] = a;` becomes
/// `y[i] = f16(a);`. Four halves that it only reads are two words. The rest of the text, its line numbers
/// included, stays.
pub fn rewrite(text: &str, texels: bool, halves: &[&str]) -> String {
    let mut out = String::with_capacity(text.len() + 1024);
    if !halves.is_empty() {
        out += "enable f16; ";
    }
    // A file may use what it imports, which stands below it.
    let declarations = text.lines().filter_map(|line| declaration(line, texels, halves));
    let tensors: Vec<Declared> = declarations.map(|(declared, _)| declared).collect();
    // For every open bracket, what its closing one becomes.
    let mut open: Vec<&str> = Vec::new();
    // Whether the statement rounds what it stores.
    let mut rounds = false;
    for line in text.lines() {
        if let Some((_, declaration)) = declaration(line, texels, halves) {
            out += &declaration;
            out.push('\n');
            continue;
        }
        let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        let mut rest = code;
        let mut starts = true;
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match rest.find(|c: char| !word(c)) {
                Some(0) => first.len_utf8(),
                Some(end) => end,
                None => rest.len(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            let named = || tensors.iter().find(|tensor| tensor.name == token);
            match (token, named().filter(|_| after.starts_with('['))) {
                (_, Some(Declared { rounded: Some(narrow), .. })) if starts => {
                    out += token;
                    out.push('[');
                    open.push(narrow);
                    rest = &after[1..];
                }
                (_, Some(Declared { reader, .. })) => {
                    out += &format!("{reader}(");
                    open.push(")");
                    rest = &after[1..];
                }
                ("[", _) => {
                    out.push('[');
                    open.push("]");
                }
                ("]", _) => {
                    let close = open.pop().unwrap_or("]");
                    out += close;
                    // `] = f16(`: what is stored follows, up to the end of the statement.
                    if close.len() > 1 {
                        rest = rest.strip_prefix(" =").map_or(rest, str::trim_start);
                        rounds = true;
                    }
                }
                (";", _) if rounds => {
                    out += ");";
                    rounds = false;
                }
                _ => out += token,
            }
            starts = starts && token.trim().is_empty();
        }
        out += comment;
        out.push('\n');
    }
    out
}

/// A tensor that is read and written otherwise than the file says.
struct Declared<'a> {
    name: &'a str,
    /// The function that reads it.
    reader: String,
    /// Where it is written in 16 bits, what stands between its index and what is stored.
    rounded: Option<&'static str>,
}

/// The tensor that `line` declares, if it is one to be rewritten, and the line that declares it and
/// its reader instead.
fn declaration<'a>(line: &'a str, texels: bool, halves: &[&str]) -> Option<(Declared<'a>, String)> {
    let (binding, rest) = line.split_once("var<storage, ")?;
    let (access, rest) = rest.split_once("> ")?;
    let (name, kind) = rest.trim_end().strip_suffix(';')?.split_once(": ")?;
    let wide = match kind {
        "array<f32>" => false,
        "array<vec4<f32>>" => true,
        _ => return None,
    };
    let half = halves.contains(&name.strip_suffix('4').unwrap_or(name));
    let number = if wide { "vec4<f32>" } else { "f32" };
    let (reader, declaration) = if texels && access == "read" {
        let (mask, shift) = (TEXELS_PER_ROW - 1, TEXELS_PER_ROW.ilog2());
        let format = if half { "rgba16float" } else { "rgba32float" };
        let texel = match wide {
            true => format!("vec2(i & {mask}u, i >> {shift}u))"),
            false => format!("vec2(i >> 2u & {mask}u, i >> {}u))[i & 3u]", shift + 2),
        };
        let reader = format!("texel_{name}");
        let declaration = format!(
            "{binding}var {name}: texture_storage_2d<{format}, read>; \
             fn {reader}(i: u32) -> {number} {{ return textureLoad({name}, {texel}; }}"
        );
        (reader, declaration)
    } else if half && wide && access == "read" {
        // As two words and not as four halves, whose loads newer lavapipes branch around one by one:
        // words are faster, and LLVM 21 miscompiled two kernels with those branches. `benches/NOTES.md`,
        // "Other versions of Mesa".
        let reader = format!("half_{name}");
        let declaration = format!(
            "{binding}var<storage, {access}> {name}: array<vec2<u32>>; \
             fn {reader}(i: u32) -> {number} {{ let words = {name}[i]; \
             return {number}(unpack2x16float(words.x), unpack2x16float(words.y)); }}"
        );
        (reader, declaration)
    } else if half {
        let stored = if wide { "vec4<f16>" } else { "f16" };
        let reader = format!("half_{name}");
        let declaration = format!(
            "{binding}var<storage, {access}> {name}: array<{stored}>; \
             fn {reader}(i: u32) -> {number} {{ return {number}({name}[i]); }}"
        );
        (reader, declaration)
    } else {
        return None;
    };
    let rounded = (half && access != "read").then_some(match wide {
        true => "] = vec4<f16>(",
        false => "] = f16(",
    });
    Some((Declared { name, reader, rounded }, declaration))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
        @group(0) @binding(1) var<storage, read> x: array<f32>;\n\
        @group(0) @binding(2) var<storage, read> index: array<u32>;\n\
        @group(0) @binding(3) var<storage, read_write> y: array<f32>;\n\
        @group(0) @binding(3) var<storage, read_write> y4: array<vec4<f32>>;\n\
        @group(0) @binding(1) var<storage, read> x4: array<vec4<f32>>;\n\
        fn f(i: u32) {\n    \
            y[index[i]] = x[i + index[2]] + a[0] + y[0]; // x[0, 1)\n    \
            y4[i] =\n        vec4(x[i]) + x4[i];\n\
        }\n";

    fn lines(text: &str) -> Vec<&str> {
        text.lines().collect()
    }

    #[test]
    fn no_side_of_a_texture_is_sometimes_a_power_of_two() {
        for element in [Element::F32, Element::F16] {
            for bytes in [0, 1, 1 << 16, (1 << 16) + 1, 3 << 16, 1 << 18, 9 << 20, 1 << 27] {
                let rows = texture_bytes(bytes, element) / row_bytes(element);
                assert!(!rows.is_power_of_two() && rows * row_bytes(element) >= bytes, "{bytes}");
            }
        }
    }

    #[test]
    fn reads_go_through_texels_and_nothing_else_changes() {
        let found = rewrite(TEXT, true, &[]);
        let (found, text) = (lines(&found), lines(TEXT));
        assert!(found[0].contains("<rgba32float, read>") && found[0].contains("fn texel_x("));
        assert_eq!([&found[1..4], &found[5..6]], [&text[1..4], &text[5..6]]);
        assert_eq!(found[6], "    y[index[i]] = texel_x(i + index[2]) + a[0] + y[0]; // x[0, 1)");
        assert_eq!(found[7..], ["    y4[i] =", "        vec4(texel_x(i)) + texel_x4(i);", "}"]);
    }

    #[test]
    fn what_is_declared_below_its_use_is_rewritten_too() {
        let text = "fn f() -> f32 { return x[3]; }\n\
            @group(0) @binding(1) var<storage, read> x: array<f32>;\n";
        assert!(rewrite(text, true, &[]).starts_with("fn f() -> f32 { return texel_x(3); }\n"));
    }

    #[test]
    fn halves_are_widened_where_they_are_read_and_rounded_where_they_are_written() {
        let found = rewrite(TEXT, false, &["x", "y"]);
        let found = lines(&found);
        assert_eq!(found.len(), lines(TEXT).len());
        assert!(found[0].starts_with("enable f16; ") && found[0].contains("x: array<f16>;"));
        assert!(found[3].contains("y4: array<vec4<f16>>;"));
        let body = "    y[index[i]] = f16(half_x(i + index[2]) + a[0] + half_y(0)); // x[0, 1)";
        assert_eq!(found[6], body);
        let wide = ["    y4[i] = vec4<f16>(", "        vec4(half_x(i)) + half_x4(i));"];
        assert_eq!(found[7..9], wide);
        assert!(found[4].contains("x4: array<vec2<u32>>;"));

        let through = rewrite(TEXT, true, &["x"]);
        assert!(through.contains("<rgba16float, read>") && through.contains("= texel_x(i + index"));
        assert!(through.contains("y: array<f32>;"));
    }
}
