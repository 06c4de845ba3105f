//! Lists the files of `shaders/` for `src/engine/shaders/files.rs`: a new shader is named nowhere else. Records the
//! commit that the program is built from, for the reports of `parula bench`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=shaders");
    println!("cargo::rerun-if-changed=build.rs");
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let root = folder("CARGO_MANIFEST_DIR")?;
    let shaders = root.join("shaders");
    let mut list = String::from("&[\n");
    for family in sorted(&shaders)? {
        for file in sorted(&family)? {
            let inside = file.strip_prefix(&shaders).map_err(io::Error::other)?;
            let name = inside.to_string_lossy().replace('\\', "/");
            list += &format!("({name:?}, include_str!({:?})),\n", file.to_string_lossy());
        }
    }
    list += "]\n";
    fs::write(folder("OUT_DIR")?.join("shaders.rs"), list)?;
    if let Some(commit) = commit(&root) {
        println!("cargo::rustc-env=PARULA_COMMIT={commit}");
    }
    Ok(())
}

/// The commit that the sources under `root` are of, with `-dirty` where they have been changed since. None where
/// there is no git, or where its repository is another one's that `root` lies in.
fn commit(root: &Path) -> Option<String> {
    let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    println!("cargo::rerun-if-changed=src");
    // A commit of the same sources is no reason to compile them again, but in what is measured and handed out.
    if env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        let log = root.join(git(root, &["rev-parse", "--git-path", "logs/HEAD"])?);
        // What is watched and is not there would be made again at every build.
        if log.exists() {
            println!("cargo::rerun-if-changed={}", log.display());
        }
    }
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let sources = ["status", "--porcelain", "--", "src", "shaders", "build.rs", "Cargo.lock"];
    let clean = git(root, &sources)?.is_empty();
    Some(if clean { commit } else { commit + "-dirty" })
}

/// What git prints, where it succeeds.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| text.trim().to_owned())
}

/// What is in a folder, by name.
fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}
