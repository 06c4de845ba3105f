//! Reading through textures: a rewriting of shaders, text in, text out.
//!
//! Mesa's software drivers load from storage buffers lane by lane, and without AVX-512 through memory
//! at that: a load costs as much as fifty multiply-adds. A load from a storage texture of four floats a
//! texel takes another path, thirty times as fast, so there it pays to copy every tensor into a texture
//! before it is read. `benches/NOTES.md` has the figures.

/// Texels in a row of a texture that stands for a tensor.
pub const TEXELS_PER_ROW: u64 = 2048;

/// Bytes of a texture that holds `bytes`: whole rows, of which there are never 1, 2, 4, 8 and so on.
/// A software driver compiles a kernel again for every pattern of powers of two among the sizes of
/// its textures; like this there is one.
pub fn texture_bytes(bytes: u64) -> u64 {
    let row = 16 * TEXELS_PER_ROW;
    let rows = bytes.div_ceil(row).max(3);
    row * if rows.is_power_of_two() { rows + 1 } else { rows }
}

/// Rewrites a shader so that arrays of numbers that it only reads are textures: `x4[i]` becomes
/// `texel_x4(i)`, which loads the texel that holds elements 4 i to 4 i + 3. The rest of the text, its
/// line numbers included, stays.
pub fn through_texels(text: &str) -> String {
    let mut names = Vec::new();
    let mut out = String::with_capacity(text.len() + 1024);
    // For every open bracket, whether it is one of a rewritten read.
    let mut open: Vec<bool> = Vec::new();
    for line in text.lines() {
        if let Some((name, declaration)) = texel_declaration(line) {
            names.push(name);
            out += &declaration;
            out.push('\n');
            continue;
        }
        let (code, comment) = line.split_at(line.find("//").unwrap_or(line.len()));
        let mut rest = code;
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match rest.find(|c: char| !word(c)) {
                Some(0) => first.len_utf8(),
                Some(end) => end,
                None => rest.len(),
            };
            let (token, after) = rest.split_at(length);
            rest = after;
            match token {
                name if after.starts_with('[') && names.contains(&name) => {
                    out += &format!("texel_{name}(");
                    rest = &after[1..];
                    open.push(true);
                }
                "[" => {
                    out.push('[');
                    open.push(false);
                }
                "]" => out.push(if open.pop() == Some(true) { ')' } else { ']' }),
                other => out += other,
            }
        }
        out += comment;
        out.push('\n');
    }
    out
}

/// The name that `line` declares as an array of numbers to read, and the line that declares a
/// texture and its reader instead.
fn texel_declaration(line: &str) -> Option<(&str, String)> {
    let (binding, rest) = line.split_once("var<storage, read> ")?;
    let (name, kind) = rest.trim_end().strip_suffix(';')?.split_once(": ")?;
    let (number, texel, value) = match kind {
        "array<f32>" => ("f32", "vec2(i >> 2u & MASK, i >> SHIFT + 2u)", "[i & 3u]"),
        "array<vec4<f32>>" => ("vec4<f32>", "vec2(i & MASK, i >> SHIFT)", ""),
        _ => return None,
    };
    let texel = texel
        .replace("MASK", &format!("{}u", TEXELS_PER_ROW - 1))
        .replace("SHIFT + 2u", &format!("{}u", TEXELS_PER_ROW.ilog2() + 2))
        .replace("SHIFT", &format!("{}u", TEXELS_PER_ROW.ilog2()));
    let declaration = format!(
        "{binding}var {name}: texture_storage_2d<rgba32float, read>; \
         fn texel_{name}(i: u32) -> {number} {{ return textureLoad({name}, {texel}){value}; }}"
    );
    Some((name, declaration))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_side_of_a_texture_is_sometimes_a_power_of_two() {
        for bytes in [0, 1, 1 << 16, (1 << 16) + 1, 3 << 16, 1 << 18, 9 << 20, 1 << 27] {
            let rows = texture_bytes(bytes) / (16 * TEXELS_PER_ROW);
            assert!(!rows.is_power_of_two() && rows * 16 * TEXELS_PER_ROW >= bytes, "{bytes}");
        }
    }

    #[test]
    fn reads_go_through_texels_and_nothing_else_changes() {
        let text = "\
            @group(0) @binding(1) var<storage, read> x: array<f32>;\n\
            @group(0) @binding(2) var<storage, read> index: array<u32>;\n\
            @group(0) @binding(3) var<storage, read_write> y: array<f32>;\n\
            fn f(i: u32) { y[index[i]] = x[i + index[2]] + a[0]; } // x[0, 1)\n";
        let found = through_texels(text);
        let lines: Vec<&str> = found.lines().collect();
        assert!(lines[0].contains("texture_storage_2d") && lines[0].contains("fn texel_x("));
        assert_eq!(lines[1..3], text.lines().collect::<Vec<_>>()[1..3]);
        let body = "fn f(i: u32) { y[index[i]] = texel_x(i + index[2]) + a[0]; } // x[0, 1)";
        assert_eq!(lines[3], body);
    }
}
