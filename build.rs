//! Lists the files of `shaders/` for `src/engine/shaders/files.rs`: a new shader is named nowhere else.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let shaders = folder("CARGO_MANIFEST_DIR")?.join("shaders");
    let mut list = String::from("&[\n");
    for family in sorted(&shaders)? {
        for file in sorted(&family)? {
            let inside = file.strip_prefix(&shaders).map_err(io::Error::other)?;
            let name = inside.to_string_lossy().replace('\\', "/");
            list += &format!("({name:?}, include_str!({:?})),\n", file.to_string_lossy());
        }
    }
    list += "]\n";
    fs::write(folder("OUT_DIR")?.join("shaders.rs"), list)
}

/// What is in a folder, by name.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}
