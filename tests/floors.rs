//! Holds the floors of ARCHITECTURE.md: imports go down only, wgpu is named in one place, nothing
//! is unsafe elsewhere, and no file grows out of sight.
//!
//! The sources are read as text: comments and literals are blanked, then paths that start at the
//! crate's root (`crate::x`, `crate::{x, y}`, and `super::` as often as it takes) are followed to
//! the module they name. Tests inside the sources are held to the same floors.

use std::path::{Path, PathBuf};

/// The table: a new module gets its line here and in ARCHITECTURE.md. A module may import those of lower floors and
/// of its own. The second column is the wing that it stands in: a folder of `src`, or `src` itself.
const FLOORS: [(u8, &str, &[&str]); 10] = [
    (
        0,
        "",
        &[
            "console",
            "digest",
            "documents",
            "draw",
            "error",
            "files",
            "memory",
            "parallel",
            "provenance",
            "stop",
        ],
    ),
    (1, "engine", &["shape", "tensor"]),
    (2, "engine", &["kernel"]),
    (3, "engine", &["graph", "shaders"]),
    (4, "engine", &["ops"]),
    (5, "engine", &["autodiff", "plan", "gpu"]),
    (6, "engine", &["session"]),
    (
        7,
        "nets",
        &[
            "cam",
            "classes",
            "classifier",
            "images",
            "keras",
            "models",
            "refine",
            "stream",
            "train",
            "weights",
        ],
    ),
    (
        8,
        "lab",
        &[
            "bench",
            "compare",
            "data",
            "experiment",
            "lesson",
            "metrics",
            "report",
            "run_folder",
            "segment",
            "tune",
        ],
    ),
    (9, "", &["attack", "cli", "main"]),
];

/// The folders of `src` that hold floors.
const WINGS: [&str; 3] = ["engine", "nets", "lab"];

/// These stand on one floor and still do not know each other.
const STRANGERS: [(&str, &str); 5] =
    [("plan", "gpu"), ("gpu", "plan"), ("gpu", "graph"), ("gpu", "ops"), ("shaders", "graph")];

/// The one module that may name wgpu, and write `unsafe`.
const GPU: &str = "gpu";

/// The one module that may name what only a command line needs, so that the library is built without it.
const CLI: (&str, [&str; 3]) = ("cli", ["clap", "indicatif", "ctrlc"]);

/// A file longer than this is two files.
const MOST_BYTES: usize = 40_000;

#[test]
fn the_sources_keep_to_their_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 2, "no sources found in {}", root.display());
    let mut problems = Vec::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let inside = file.strip_prefix(&root).unwrap();
        problems.extend(check(inside, &source));
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// Every problem of one file, `path` being relative to `src/`; each is one line.
fn check(path: &Path, source: &str) -> Vec<String> {
    let names = module_path(path);
    let shown = format!("src/{}", path.display());
    let mut problems = Vec::new();
    if source.len() > MOST_BYTES {
        problems.push(format!("{shown}: {} bytes; split it, 40 kB is the most", source.len()));
    }
    let (wing, inside) = match names.split_first() {
        Some((wing, inside)) if WINGS.contains(&wing.as_str()) => (wing.as_str(), inside),
        _ => ("", names.as_slice()),
    };
    // lib.rs and the mod.rs of a wing list modules, and main.rs only calls the command line.
    let Some(own) = inside.first().map(String::as_str) else { return problems };
    let Some(own_floor) = floor(own) else {
        problems.push(format!(
            "{shown}: module `{own}` is on no floor; add it to FLOORS in tests/floors.rs and to \
             ARCHITECTURE.md"
        ));
        return problems;
    };
    let right =
        FLOORS.iter().find(|(_, _, modules)| modules.contains(&own)).map_or("", |row| row.1);
    if wing != right {
        problems.push(format!("{shown}: `{own}` belongs into src/{right}"));
    }
    let tokens = tokens(&code_only(source));
    for token in &tokens {
        if own != GPU && (token.text == "wgpu" || token.text == "unsafe") {
            let line = token.line;
            problems.push(format!(
                "{shown}:{line}: `{}` belongs into src/engine/gpu/ only",
                token.text
            ));
        }
    }
    let (cli, theirs) = CLI;
    for Token { line, text } in tokens.iter().filter(|_| own != cli) {
        if theirs.contains(&text.as_str()) {
            problems.push(format!("{shown}:{line}: `{text}` belongs into src/cli/ only"));
        }
    }
    for (line, target) in root_paths(&tokens, &names) {
        let wrong = match floor(&target) {
            None => "which is on no floor: name the module that defines it, or, if it is new, add \
                     it to FLOORS in tests/floors.rs and to ARCHITECTURE.md"
                .to_owned(),
            Some(other) if other > own_floor => {
                format!("which is above it: floor {own_floor} must not know floor {other}")
            }
            Some(_) if STRANGERS.contains(&(own, target.as_str())) => {
                "and the two must not know each other".to_owned()
            }
            Some(_) => continue,
        };
        problems.push(format!("{shown}:{line}: `{own}` imports `{target}`, {wrong}"));
    }
    problems
}

fn floor(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(_, _, modules)| modules.contains(&module)).map(|(floor, ..)| *floor)
}

/// `ops/conv.rs` is `[ops, conv]`, `ops/mod.rs` is `[ops]`, and `lib.rs` is the root, `[]`.
fn module_path(path: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib")) {
        names.pop();
    }
    names
}

struct Token {
    line: usize,
    text: String,
}

/// Names, and every other character by itself; `::` is one token.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (index, text) in code.lines().enumerate() {
        let line = index + 1;
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = match first {
                _ if word(first) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            if !first.is_whitespace() {
                tokens.push(Token { line, text: rest[..length].to_owned() });
            }
            rest = &rest[length..];
        }
    }
    tokens
}

/// The modules at the crate's root, or at that of a wing, that `tokens` name, each with its line. `names` is the path
/// of the module that the file is.
fn root_paths(tokens: &[Token], names: &[String]) -> Vec<(usize, String)> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    // Levels of `super` that lead to the wing's root, whose modules are named as those of the crate's.
    let in_wing = names.first().is_some_and(|first| WINGS.contains(&first.as_str()));
    let wing = |inline: usize| in_wing.then(|| names.len() - 1 + inline);
    let mut found = Vec::new();
    // Inline modules deepen `super`; each remembers the brace depth at which it ends.
    let (mut braces, mut inline) = (0usize, Vec::new());
    let mut index = 0;
    while index < tokens.len() {
        match text(index) {
            "{" => {
                if index >= 2 && text(index - 2) == "mod" {
                    inline.push(braces);
                }
                braces += 1;
            }
            "}" => {
                braces = braces.saturating_sub(1);
                if inline.last() == Some(&braces) {
                    inline.pop();
                }
            }
            "crate" if text(index + 1) == "::" => heads(tokens, index + 2, &mut found),
            "super" if text(index + 1) == "::" => {
                let mut levels = 1;
                while text(index + 2 * levels) == "super" && text(index + 2 * levels + 1) == "::" {
                    levels += 1;
                }
                if levels == names.len() + inline.len() || Some(levels) == wing(inline.len()) {
                    heads(tokens, index + 2 * levels, &mut found);
                }
                index += 2 * levels - 1;
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// The first name of the path at `start` that is no wing, or of every path in the group that opens there.
fn heads(tokens: &[Token], start: usize, found: &mut Vec<(usize, String)>) {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let Some(first) = tokens.get(start) else { return };
    if WINGS.contains(&text(start)) && text(start + 1) == "::" {
        return heads(tokens, start + 2, found);
    }
    if first.text != "{" {
        found.push((first.line, first.text.clone()));
        return;
    }
    let (mut depth, mut fresh) = (0, false);
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text.as_str() {
            "{" => {
                depth += 1;
                fresh = depth == 1;
            }
            "}" => depth -= 1,
            "," => fresh = depth == 1,
            _ if fresh => {
                heads(tokens, index, found);
                fresh = false;
            }
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// `source` with comments and the insides of literals blanked; lines stay where they are.
fn code_only(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let at = |index: usize| characters.get(index).copied().unwrap_or('\0');
    let mut code = String::with_capacity(source.len());
    let mut index = 0;
    while index < characters.len() {
        let inside_name = index > 0 && (at(index - 1).is_alphanumeric() || at(index - 1) == '_');
        let end = match at(index) {
            '/' if at(index + 1) == '/' => until(&characters, index, |i| at(i) == '\n'),
            '/' if at(index + 1) == '*' => block_comment(&characters, index),
            '"' => quoted(&characters, index, '"'),
            'r' if !inside_name || at(index - 1) == 'b' => raw_string(&characters, index),
            // A lifetime has no closing quote two characters on, unless it is an escape.
            '\'' if at(index + 1) == '\\' || at(index + 2) == '\'' => {
                quoted(&characters, index, '\'')
            }
            _ => index,
        };
        if end > index {
            code.extend(characters[index..end].iter().map(|&c| if c == '\n' { c } else { ' ' }));
            index = end;
        } else {
            code.push(at(index));
            index += 1;
        }
    }
    code
}

fn until(characters: &[char], start: usize, stop: impl Fn(usize) -> bool) -> usize {
    (start..characters.len()).find(|&i| stop(i)).unwrap_or(characters.len())
}

/// Block comments nest.
fn block_comment(characters: &[char], start: usize) -> usize {
    let (mut depth, mut index) = (0, start);
    while index < characters.len() {
        match (characters[index], characters.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
        if depth == 0 {
            return index;
        }
    }
    index
}

fn quoted(characters: &[char], start: usize, quote: char) -> usize {
    let mut index = start + 1;
    while index < characters.len() && characters[index] != quote {
        index += if characters[index] == '\\' { 2 } else { 1 };
    }
    (index + 1).min(characters.len())
}

/// The end of `r"..."` or `r#"..."#`, or `start` where none begins there.
fn raw_string(characters: &[char], start: usize) -> usize {
    let open = until(characters, start + 1, |i| characters[i] != '#');
    if characters.get(open) != Some(&'"') {
        return start;
    }
    let hashes = open - start - 1;
    let closes = |i: usize| {
        characters[i] == '"'
            && characters[i + 1..].iter().take_while(|&&c| c == '#').take(hashes).count() == hashes
    };
    (until(characters, open + 1, closes) + 1 + hashes).min(characters.len())
}

/// Files of one folder that may know each other: an operation and its gradients name each other.
const FAMILIES: [&str; 1] = ["engine::ops::convolution::"];

#[test]
fn no_file_knows_one_that_knows_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<(String, String)> = files
        .iter()
        .filter(|file| file.file_name().is_some_and(|name| name != "mod.rs" && name != "lib.rs"))
        .map(|file| {
            let source = std::fs::read_to_string(file).unwrap();
            (module_path(file.strip_prefix(&root).unwrap()).join("::"), source)
        })
        .collect();
    let found: Vec<String> = circles(&sources)
        .into_iter()
        .filter(|circle| {
            !FAMILIES.iter().any(|family| circle.iter().all(|name| name.starts_with(family)))
        })
        .map(|circle| circle.join(", "))
        .collect();
    assert!(found.is_empty(), "these know each other:\n{}\n", found.join("\n"));
}

/// Files, by their modules, each of which is reached from each. What a `mod.rs` hands on is not followed, nor what
/// tests import.
fn circles(sources: &[(String, String)]) -> Vec<Vec<String>> {
    let place = |path: &str| sources.iter().position(|(name, _)| name == path);
    let knows: Vec<Vec<usize>> = sources
        .iter()
        .map(|(name, source)| {
            let code = code_only(source);
            let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let names: Vec<String> = name.split("::").map(str::to_owned).collect();
            let mut found: Vec<usize> = full_paths(&tokens(code), &names)
                .iter()
                .filter_map(|path| {
                    (1..=path.len()).rev().find_map(|length| place(&path[..length].join("::")))
                })
                .collect();
            found.sort_unstable();
            found.dedup();
            found
        })
        .collect();
    let reached = |start: usize| {
        let (mut seen, mut open) = (vec![false; sources.len()], knows[start].clone());
        while let Some(next) = open.pop() {
            if !std::mem::replace(&mut seen[next], true) {
                open.extend(&knows[next]);
            }
        }
        seen
    };
    let reached: Vec<Vec<bool>> = (0..sources.len()).map(reached).collect();
    let mut circles: Vec<Vec<String>> = (0..sources.len())
        .filter(|&start| reached[start][start])
        .map(|start| {
            let both = |&other: &usize| reached[start][other] && reached[other][start];
            (0..sources.len()).filter(both).map(|other| sources[other].0.clone()).collect()
        })
        .filter(|circle: &Vec<String>| circle.len() > 1)
        .collect();
    circles.dedup();
    circles.sort();
    circles.dedup();
    circles
}

/// Every path of `tokens` that starts at the crate's root or at a parent of `names`, from the root on.
fn full_paths(tokens: &[Token], names: &[String]) -> Vec<Vec<String>> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let mut found = Vec::new();
    let mut index = 0;
    while index < tokens.len() {
        let mut base = match text(index) {
            "crate" => Vec::new(),
            "super" => names[..names.len() - 1].to_vec(),
            _ => {
                index += 1;
                continue;
            }
        };
        index += 1;
        while text(index) == "::" && text(index + 1) == "super" {
            base.pop();
            index += 2;
        }
        if text(index) == "::" {
            index = leaves(tokens, index + 1, &base, &mut found);
        }
    }
    found
}

/// The paths below `base` that begin at `start`, and the first token behind them.
fn leaves(tokens: &[Token], start: usize, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.text.as_str());
    let (mut index, mut path) = (start, base.to_vec());
    loop {
        if text(index) == "{" {
            index += 1;
            while index < tokens.len() && text(index) != "}" {
                index = match text(index) {
                    "," => index + 1,
                    _ => leaves(tokens, index, &path, found),
                };
            }
            return index + 1;
        }
        if text(index) != "self" {
            path.push(text(index).to_owned());
        }
        index += 1;
        if text(index) != "::" {
            break;
        }
        index += 1;
    }
    if text(index) == "as" {
        index += 2;
    }
    found.push(path);
    index
}

#[test]
fn circles_are_found_however_they_are_written() {
    let of = |sources: &[(&str, &str)]| {
        let owned = |(name, source): &(&str, &str)| ((*name).to_owned(), (*source).to_owned());
        circles(&sources.iter().map(owned).collect::<Vec<_>>())
    };
    let down = [
        ("lab::a::x", "use super::y::Y;"),
        ("lab::a::y", ""),
        ("lab::z", "use crate::lab::a::{x, y};"),
    ];
    assert_eq!(of(&down), Vec::<Vec<String>>::new());
    let pair = [("lab::a::x", "use super::y::Y;"), ("lab::a::y", "fn f() { super::x::f() }")];
    assert_eq!(of(&pair), [["lab::a::x", "lab::a::y"]]);
    let three = [
        ("lab::a::x", "use crate::{error::Result, lab::{a::y::{self, Y}, b}};"),
        ("lab::a::y", "use super::super::b as other;"),
        ("lab::b", "fn f() { crate::lab::a::x::f() }\n"),
    ];
    assert_eq!(of(&three).len(), 1, "{:?}", of(&three));
    let tests = "#[cfg(test)]\nmod tests {\n    use super::super::x;\n}";
    assert_eq!(of(&[("lab::a::x", "use super::y::Y;"), ("lab::a::y", tests)]).len(), 0);
}

// ---- the checker itself, on sources made up here ----

fn problems(path: &str, source: &str) -> Vec<String> {
    check(Path::new(path), source)
}

/// One problem, whose line holds all of `parts`.
#[track_caller]
fn refused(path: &str, source: &str, parts: &[&str]) {
    let found = problems(path, source);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(parts.iter().all(|part| found[0].contains(part)), "{found:?}");
}

#[test]
fn imports_that_go_down_or_stay_are_allowed() {
    let source = "use crate::error::{Error, Result};\nuse crate::engine::{graph, ops::conv};\n\
                  use crate::{console, engine::{graph::Graph, shaders}};\n\
                  pub(crate) fn f() -> crate::engine::shape::Shape { super::super::tensor::zero() }\n";
    assert_eq!(problems("engine/ops/pooling/pool.rs", source), Vec::<String>::new());
    assert_eq!(problems("cli/train.rs", "use crate::lab::report::table;"), Vec::<String>::new());
}

#[test]
fn imports_that_go_up_are_refused_however_they_are_written() {
    let session = "\nuse crate::engine::session::Session;";
    refused("engine/graph/mod.rs", session, &["src/engine/graph/mod.rs:2", "session"]);
    let group = "use crate::{\n  error::Result,\n  engine::{kernel::View, plan::{Plan, Slot}},\n};";
    refused("engine/graph/mod.rs", group, &[":3", "plan"]);
    refused("engine/tensor.rs", "fn f() { crate::engine::ops::relu() }", &["floor 1", "floor 4"]);
    refused("engine/graph/mod.rs", "use crate::engine::ops::Conv2d;", &["floor 3", "floor 4"]);
    refused("engine/ops/relu.rs", "use super::super::super::cli::run;", &["cli"]);
    refused("engine/ops/relu.rs", "use super::super::session::Session;", &["session"]);
    refused("error.rs", "use super::nets::train;", &["train"]);
    refused("engine/shape.rs", "use super::super::nets::{train::f};", &["train"]);
    let test =
        "#[cfg(test)]\nmod tests {\n  use super::*;\n  use super::super::super::nets::models;\n}\n";
    refused("engine/shape.rs", test, &[":4", "models"]);
}

#[test]
fn the_gpu_knows_neither_plans_nor_operations() {
    refused(
        "engine/plan/fuse.rs",
        "use crate::engine::gpu::Device;",
        &["plan", "gpu", "each other"],
    );
    refused("engine/gpu/mod.rs", "use crate::engine::plan::Plan;", &["plan", "gpu", "each other"]);
    refused("engine/gpu/mod.rs", "use crate::engine::ops::Conv2d;", &["ops", "gpu", "each other"]);
}

#[test]
fn wgpu_and_unsafe_live_in_gpu_only() {
    refused(
        "engine/session/mod.rs",
        "fn f(d: &wgpu::Device) {}",
        &["engine/session/mod.rs:1", "wgpu"],
    );
    refused("nets/models/mod.rs", "fn f() { unsafe { g() } }", &["unsafe"]);
    let gpu = "fn f(d: &wgpu::Device) { unsafe { g(d) } }";
    assert_eq!(problems("engine/gpu/device.rs", gpu), Vec::<String>::new());
    assert_eq!(problems("engine/ops/mod.rs", "#![deny(unsafe_code)] fn wgpu_like() {}").len(), 0);
}

#[test]
fn a_module_without_a_floor_says_which_table_to_edit() {
    refused("extra/mod.rs", "", &["`extra` is on no floor", "tests/floors.rs"]);
    refused("lab/extra.rs", "", &["`extra` is on no floor", "tests/floors.rs"]);
    refused("nets/train.rs", "use crate::extra::X;", &["extra", "tests/floors.rs"]);
}

#[test]
fn the_command_line_is_one_module() {
    let source = "#[derive(clap::ValueEnum)] enum E {}";
    refused("nets/train/mod.rs", source, &["nets/train/mod.rs:1", "clap", "src/cli/"]);
    assert_eq!(problems("cli/mod.rs", source), Vec::<String>::new());
}

#[test]
fn a_module_stands_in_its_wing() {
    refused("engine/train.rs", "", &["`train` belongs into src/nets"]);
    refused("error/mod.rs", "use crate::engine::shape;", &["floor 0"]);
    refused("lab/error.rs", "", &["`error` belongs into src/"]);
}

#[test]
fn comments_and_literals_are_not_code() {
    let source = r##"
        // use crate::cli; wgpu
        /* unsafe /* crate::cli */ wgpu */
        /// [`crate::session`] and wgpu
        const A: &str = "crate::cli \" wgpu";
        const B: &str = r#"unsafe " crate::cli"#;
        const C: [char; 3] = ['"', '\'', 'x'];
        fn f<'a>(x: &'a str) -> &'a str { x }
        const D: &[u8] = br"wgpu\";
    "##;
    assert_eq!(problems("engine/shape.rs", source), Vec::<String>::new());
    let after = format!("{source}\nuse crate::cli;");
    refused("engine/shape.rs", &after, &["cli"]);
}

#[test]
fn a_file_over_forty_kilobytes_is_refused() {
    refused("engine/shape.rs", &"// long\n".repeat(5001), &["split"]);
}
