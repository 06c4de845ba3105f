//! Every crate that this one is built with, on any system, has a licence that `deny.toml` allows, and comes from
//! crates.io. `cargo deny` says the same where it is installed; this needs nothing but cargo.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The licences that are allowed.
fn allowed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap();
    let list = text.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
    list.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

/// An expression of SPDX: licences joined by AND and OR, with parentheses. Older crates write OR as a stroke.
struct Expression<'a> {
    words: std::iter::Peekable<std::vec::IntoIter<String>>,
    allowed: &'a BTreeSet<String>,
}

/// Whether licences of `allowed` are enough for what `text` asks.
fn permits(text: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    let mut expression = Expression { words: words.into_iter().peekable(), allowed };
    let permitted = expression.any();
    permitted && expression.words.next().is_none()
}

impl Expression<'_> {
    /// Whether the next word is `word`, which is then taken.
    fn takes(&mut self, word: &str) -> bool {
        self.words.next_if(|next| next == word).is_some()
    }

    fn any(&mut self) -> bool {
        let mut permitted = self.all();
        while self.takes("OR") {
            permitted |= self.all();
        }
        permitted
    }

    fn all(&mut self) -> bool {
        let mut permitted = self.one();
        while self.takes("AND") {
            permitted &= self.one();
        }
        permitted
    }

    fn one(&mut self) -> bool {
        if self.takes("(") {
            let permitted = self.any();
            return self.takes(")") && permitted;
        }
        let licence = self.words.next().unwrap_or_default();
        // An exception only adds to what a licence allows.
        if self.takes("WITH") {
            self.words.next();
        }
        self.allowed.contains(&licence)
    }
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT", "Zlib"].map(str::to_owned).into();
    for (text, permitted) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("MIT AND (GPL-3.0 AND Zlib)", false),
        ("GPL-3.0 AND MIT OR Zlib", true),
        ("MIT WITH an-exception AND Zlib", true),
        ("MIT Zlib", false),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(permits(text, &allowed), permitted, "{text}");
    }
}

#[test]
fn dependencies_have_permissive_licences_and_come_from_the_registry() {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let run = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(ROOT)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: Json = serde_json::from_slice(&run.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 50, "{} packages", packages.len());
    let allowed = allowed();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let licence = package["license"].as_str().unwrap_or_default();
        if !permits(licence, &allowed) {
            wrong.push(format!("{name}: the licence {licence:?} is not among those of deny.toml"));
        }
        let source = package["source"].as_str();
        let own = source.is_none() && name == "parula";
        if !own
            && !source.is_some_and(|source| {
                source.starts_with("registry+https://github.com/rust-lang/crates.io-index")
            })
        {
            wrong.push(format!("{name}: comes from {source:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
