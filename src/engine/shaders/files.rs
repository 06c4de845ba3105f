//! The files of `shaders/`, and `#import`: the text of a shader with all that it uses, and which file a line of it is of.
//!
//! ```wgsl
//! // What the shader computes.
//!
//! #import "shared/grid.wgsl"
//! ```
//!
//! stands at the head of a file, before all but comments and `enable`, and names a file below `shaders/`. Each file is
//! in the text once, whoever imports it, below a line with its name. WGSL lets declarations stand in any order.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// Every file of `shaders/`: its path below that folder, and its text. `build.rs` lists them.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// A file with all that it imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Of the file: its path below `shaders/`.
    pub path: String,
    /// What the driver is given, if nothing is rewritten.
    pub text: String,
    /// Of each file in it, the number of its first line, from 1 on.
    starts: Vec<(usize, String)>,
}

impl Source {
    /// The files in it, the shader's own first: paths below `shaders/`.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.starts.iter().map(|(_, file)| file.as_str())
    }

    /// The file that line `line` of the text is of, and its number there, as `shaders/FILE:LINE`; both count from 1.
    pub fn place(&self, line: usize) -> String {
        let (start, file) = self
            .starts
            .iter()
            .rev()
            .find(|(start, _)| *start <= line)
            .map_or((1, self.path.as_str()), |(start, file)| (*start, file.as_str()));
        format!("shaders/{file}:{}", line + 1 - start.min(line))
    }
}

/// The shaders by name, which is the stem of their file: those with an entry point.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter(|(_, text)| text.contains("\n@compute")).map(|(path, _)| stem(path))
}

fn stem(path: &str) -> &str {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.strip_suffix(".wgsl").unwrap_or(file)
}

/// The shader `name` with all that it imports.
///
/// # Errors
/// [`Error::Usage`] when there is none of that name; [`Error::Gpu`] when an import is wrong.
pub fn source(name: &str) -> Result<&'static Source> {
    type Known = BTreeMap<&'static str, std::result::Result<Source, String>>;
    static KNOWN: OnceLock<Known> = OnceLock::new();
    let read = |path: &str| FILES.iter().find(|(file, _)| *file == path).map(|(_, text)| *text);
    let known = KNOWN
        .get_or_init(|| FILES.iter().map(|(path, _)| (stem(path), compose(path, read))).collect());
    match known.get(name) {
        Some(Ok(source)) => Ok(source),
        Some(Err(problem)) => Err(Error::Gpu {
            doing: format!("reading the shader {name}"),
            message: problem.clone(),
        }),
        None => Err(Error::usage(format!("no shader {name}"), "see shaders/")),
    }
}

/// The file at `path` and what it imports; `read` gives the text of a file. The error names file and line.
fn compose<'a>(
    path: &str,
    read: impl Fn(&str) -> Option<&'a str>,
) -> std::result::Result<Source, String> {
    let mut source = Source { path: path.to_owned(), text: String::new(), starts: Vec::new() };
    let mut lines = 0;
    let mut wanted = vec![path.to_owned()];
    let mut at = 0;
    while let Some(file) = wanted.get(at).cloned() {
        at += 1;
        let text = read(&file).ok_or_else(|| format!("there is no shaders/{file}"))?;
        if at > 1 {
            source.text += &format!("\n// ---- shaders/{file}\n");
            lines += 2;
        }
        source.starts.push((lines + 1, file.clone()));
        let mut head = true;
        for (number, line) in text.lines().enumerate() {
            let wrong = |problem: String| format!("shaders/{file}:{}: {problem}", number + 1);
            if let Some(rest) = line.strip_prefix("#import") {
                let import = rest
                    .trim()
                    .strip_prefix('"')
                    .and_then(|rest| rest.strip_suffix('"'))
                    .ok_or_else(|| {
                        wrong(format!("`{line}` is not #import \"FOLDER/FILE.wgsl\""))
                    })?;
                if !head {
                    return Err(wrong("an #import stands before all declarations".to_owned()));
                }
                if read(import).is_none() {
                    return Err(wrong(format!("there is no shaders/{import} to import")));
                }
                if !wanted.iter().any(|known| known == import) {
                    wanted.push(import.to_owned());
                }
                // An empty line, so that those below keep their numbers.
            } else {
                let line_of_head =
                    line.trim().is_empty() || line.starts_with("//") || line.starts_with("enable ");
                head &= line_of_head;
                source.text += line;
            }
            source.text.push('\n');
            lines += 1;
        }
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(files: &[(&str, &str)]) -> std::result::Result<Source, String> {
        compose(files[0].0, |path| files.iter().find(|(file, _)| *file == path).map(|(_, t)| *t))
    }

    #[test]
    fn what_is_imported_is_there_once_and_lines_are_those_of_the_files() {
        let files = [
            ("a/a.wgsl", "// A.\n\n#import \"b/b.wgsl\"\n#import \"b/c.wgsl\"\n\nfn a() {\n}\n"),
            ("b/b.wgsl", "#import \"b/c.wgsl\"\nfn b() {}\n"),
            ("b/c.wgsl", "fn c() {}\n"),
        ];
        let source = composed(&files).unwrap();
        let expected = "// A.\n\n\n\n\nfn a() {\n}\n\n// ---- shaders/b/b.wgsl\n\nfn b() {}\n\n\
            // ---- shaders/b/c.wgsl\nfn c() {}\n";
        assert_eq!(source.text, expected);
        for (declaration, place) in [
            ("fn a()", "shaders/a/a.wgsl:6"),
            ("fn b()", "shaders/b/b.wgsl:2"),
            ("fn c()", "shaders/b/c.wgsl:1"),
        ] {
            let line = source.text.lines().position(|line| line.starts_with(declaration)).unwrap();
            assert_eq!(source.place(line + 1), place);
        }
    }

    #[test]
    fn a_broken_import_is_named_with_its_file_and_line() {
        let refused = |text: &str| {
            let files = [("a/a.wgsl", "#import \"a/b.wgsl\"\n"), ("a/b.wgsl", text)];
            composed(&files).unwrap_err()
        };
        let absent = refused("\n#import \"a/z.wgsl\"\n");
        assert_eq!(absent, "shaders/a/b.wgsl:2: there is no shaders/a/z.wgsl to import");
        assert!(refused("#import a/z\n").starts_with("shaders/a/b.wgsl:1: `#import a/z` is not"));
        let late = refused("fn f() {}\n#import \"a/a.wgsl\"\n");
        assert!(late.starts_with("shaders/a/b.wgsl:2: an #import stands before"), "{late}");
    }

    #[test]
    fn files_import_each_other_without_end_only_in_writing() {
        let files = [("a.wgsl", "#import \"b.wgsl\"\n"), ("b.wgsl", "#import \"a.wgsl\"\n")];
        assert_eq!(composed(&files).unwrap().text, "\n\n// ---- shaders/b.wgsl\n\n");
    }

    #[test]
    fn no_two_files_have_one_name_and_entry_points_are_not_imported() {
        let stems: Vec<&str> = FILES.iter().map(|(path, _)| stem(path)).collect();
        let unique: std::collections::BTreeSet<&str> = stems.iter().copied().collect();
        assert_eq!(stems.len(), unique.len());
        for name in names() {
            let text = &source(name).unwrap().text;
            let (_, imported) = text.split_once("\n// ---- ").unwrap_or((text, ""));
            assert!(!imported.contains("\n@compute"), "{name} imports an entry point");
        }
    }
}
