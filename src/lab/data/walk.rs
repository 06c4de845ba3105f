//! All files of a folder and those below it, each folder once, however many links lead to it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use crate::error::{Error, Result};
use crate::files;
use crate::files::outputs::{self, Identity};

/// What was found.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files, and links to files.
    pub files: Vec<PathBuf>,
    /// Files and folders that parula wrote.
    pub written: Vec<PathBuf>,
    /// What was passed over: pipes, devices, and links to folders that were seen already. All harmless.
    pub passed: Vec<Problem>,
    seen: HashSet<Identity>,
    links: Vec<(PathBuf, HashSet<PathBuf>)>,
}

impl Walk {
    /// Walks `root`, hidden files and folders left out. What is in `left_out`, or listed in a folder below
    /// as its output, is not among the files.
    ///
    /// # Errors
    /// [`Error::File`] when a folder cannot be read.
    pub fn of(root: &Path, left_out: &HashSet<PathBuf>) -> Result<Self> {
        let mut walk = Walk::default();
        // A link to what is around the root would bring in what lies beside it.
        let real = root.canonicalize().map_err(|source| Error::file("read", root, source))?;
        walk.seen.extend(real.ancestors().filter_map(Identity::of));
        walk.folder(root, left_out)?;
        // Links come last, so that a folder is known by its own name.
        while let Some((link, left_out)) = walk.links.pop() {
            if Identity::of(&link).is_some_and(|folder| walk.seen.insert(folder)) {
                walk.folder(&link, &left_out)?;
            } else {
                let what = "is passed over: it is a link to a folder that was seen already";
                walk.passed
                    .push(Problem::harmless(&link, what, "nothing is to be done").of("link"));
            }
        }
        walk.files.sort();
        walk.written.sort();
        Ok(walk)
    }

    fn folder(&mut self, folder: &Path, left_out: &HashSet<PathBuf>) -> Result<()> {
        let failed = |source| Error::file("read", folder, source);
        let mut links = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = super::names::name(&path);
            // `._X.png` and `__MACOSX` are what macOS leaves in archives.
            if name.starts_with('.') || name == "__MACOSX" {
                continue;
            }
            if left_out.contains(&path) {
                self.written.push(path);
                continue;
            }
            // A link that leads nowhere is a file that cannot be read, which its reader will say.
            let Ok(found) = std::fs::metadata(&path) else {
                self.files.push(path);
                continue;
            };
            if found.is_dir() {
                let own = outputs::listed(&path);
                let own = own.iter().map(|name| path.join(name));
                let below = left_out.iter().filter(|one| one.starts_with(&path)).cloned();
                let left_out: HashSet<PathBuf> = below.chain(own).collect();
                if path.is_symlink() {
                    links.push((path, left_out));
                } else if Identity::of(&path).is_none_or(|folder| self.seen.insert(folder)) {
                    self.folder(&path, &left_out)?;
                }
            } else if let Some(what) = files::kind_of_other(found.file_type()) {
                let what = format!("is left out: it is {what}, and only regular files are read");
                let problem = Problem::harmless(&path, what, "nothing is to be done");
                self.passed.push(problem.of("no file"));
            } else {
                self.files.push(path);
            }
        }
        // The last is taken first.
        links.sort_by(|(a, _), (b, _)| b.cmp(a));
        self.links.splice(0..0, links);
        Ok(())
    }
}
