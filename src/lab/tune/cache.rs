//! What was tuned, on disk: one file an adapter and driver, whole or absent.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::digest;
use crate::documents;
use crate::engine::gpu::AdapterReport;
use crate::engine::kernel::Choices;
use crate::engine::shaders;
use crate::error::{Error, Result};
use crate::files;

/// The layout of the file; another one is not read.
const FORMAT: u32 = 1;

/// What is to be done about a file that cannot be used.
const HINT: &str = "`parula tune` makes it again";

/// What was found to be fastest on one adapter, with one driver and the kernels of this version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Of the file.
    pub format: u32,
    /// The adapter's name.
    pub adapter: String,
    /// The interface it is reached through.
    pub backend: String,
    /// Its driver and the driver's version.
    pub driver: String,
    /// Of parula.
    pub version: String,
    /// What stands for the text of all shaders: a kernel that has changed is to be tuned again.
    pub kernels: String,
    /// By operation and shapes.
    pub entries: Vec<Entry>,
}

/// What was found for one operation on given shapes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// As [`choice_key`](crate::engine::ops::choice_key) has it.
    pub key: String,
    /// The variant to be used.
    pub variant: String,
    /// The variant that the operation chooses by itself.
    pub default: String,
    /// The median of the variant's time over the default's, turn by turn.
    pub ratio: f64,
    /// The distance between the quartiles of that ratio.
    pub spread: f64,
    /// What the variant's result was compared with.
    pub checked: String,
}

impl Tuning {
    /// Nothing yet, for an adapter.
    pub fn new(adapter: &AdapterReport) -> Self {
        Tuning {
            format: FORMAT,
            adapter: adapter.name.clone(),
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernels: shaders::digest(),
            entries: Vec::new(),
        }
    }

    /// What `path` holds for `adapter`; nothing where there is no such file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read; [`Error::Content`] when it is damaged, or was made on
    /// another adapter, with another driver, or with other kernels.
    pub fn read(path: &Path, adapter: &AdapterReport) -> Result<Option<Self>> {
        let wrong = |problem: String| Error::content(path, problem, HINT);
        let bytes = match files::read_at_most(path, documents::MOST_JSON) {
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            bytes => bytes?,
        };
        let found: Tuning = documents::json(&bytes)
            .map_err(|error| wrong(format!("it is not a file of tuning ({error})")))?;
        let own = Tuning::new(adapter);
        let (theirs, format) = (found.format.to_string(), own.format.to_string());
        for (what, theirs, own) in [
            ("in format", &theirs, &format),
            ("on the adapter", &found.adapter, &own.adapter),
            ("through", &found.backend, &own.backend),
            ("with the driver", &found.driver, &own.driver),
            ("by parula", &found.version, &own.version),
            ("with kernels", &found.kernels, &own.kernels),
        ] {
            if theirs != own {
                return Err(wrong(format!("it was made {what} {theirs}, not {own}")));
            }
        }
        Ok(Some(found))
    }

    /// Writes it to `path`, whose folder is made.
    ///
    /// # Errors
    /// [`Error::File`] when that fails; an older file is then untouched.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Error::content(path, error.to_string(), "this is a bug, please report it")
        })?;
        if let Some(folder) = path.parent() {
            files::create_folder(folder)?;
        }
        files::write(path, text.as_bytes())
    }

    /// What is known for `key`.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Adds what was found, in place of what was known.
    pub fn put(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// Adds these entries to those in `path`, in place of what is known there: another process may have added some
    /// since it was read. What cannot be used there is replaced.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read or written.
    pub fn add_to(&self, path: &Path, adapter: &AdapterReport) -> Result<()> {
        let mut all = match Tuning::read(path, adapter) {
            Ok(there) => there.unwrap_or_else(|| Tuning::new(adapter)),
            Err(Error::Content { .. }) => Tuning::new(adapter),
            Err(error) => return Err(error),
        };
        self.entries.iter().cloned().for_each(|entry| all.put(entry));
        all.write(path)
    }

    /// For the planner: what differs from what operations choose by themselves.
    pub fn choices(&self) -> Choices {
        let mut choices = Choices::default();
        for entry in self.entries.iter().filter(|entry| entry.variant != entry.default) {
            choices.insert(entry.key.as_str(), entry.variant.as_str());
        }
        choices
    }
}

/// Where the tuning of `adapter` is kept: in the folder that `PARULA_CACHE` names, or the system's for
/// what can be made again. Precisions, as [`Gpu::precision`](crate::engine::gpu::Gpu::precision) has them, have a
/// file each: where 16 bits are allowed, more variants compete.
///
/// # Errors
/// [`Error::Usage`] when neither is known.
pub fn path(adapter: &AdapterReport, precision: &str) -> Result<PathBuf> {
    let folder = files::cache_folder().ok_or_else(|| {
        Error::usage("no folder is known for the tuning", "name one in PARULA_CACHE")
    })?;
    let own = [&adapter.name, &adapter.backend, &adapter.driver].map(String::as_str);
    let parts = own.into_iter().chain((precision != "f32").then_some(precision));
    Ok(folder.join(format!("tuning-{}.json", digest(parts))))
}

/// The folder of what parts have found for the tuning in `path`.
fn folder_of_parts(path: &Path) -> PathBuf {
    path.with_extension("tasks")
}

/// Where the part called `name` keeps what it finds for the tuning in `path`: in a file of its own.
pub fn part(path: &Path, name: &str) -> PathBuf {
    folder_of_parts(path).join(format!("{name}.json"))
}

/// Takes what parts have found into the tuning in `path`, and deletes their files; how many they were. One that cannot
/// be used, for example of another version, is reported on stderr and left where it is.
///
/// # Errors
/// [`Error::File`] when a file cannot be read, written or deleted.
pub fn gather(path: &Path, adapter: &AdapterReport) -> Result<usize> {
    let folder = folder_of_parts(path);
    if !folder.is_dir() {
        return Ok(0);
    }
    let failed = |error| Error::file("read", &folder, error);
    let entries = std::fs::read_dir(&folder).map_err(failed)?;
    let files = entries.map(|entry| Ok(entry.map_err(failed)?.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    // What is being written has another ending.
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let mut taken = 0;
    for file in files {
        match Tuning::read(&file, adapter) {
            Ok(Some(found)) => found.add_to(path, adapter)?,
            Ok(None) => continue,
            Err(error @ Error::Content { .. }) => {
                crate::console::note!("left out: {error}");
                continue;
            }
            Err(error) => return Err(error),
        }
        taken += 1;
        std::fs::remove_file(&file).map_err(|error| Error::file("delete", &file, error))?;
    }
    // Of parts that are at work it is not empty, and stays.
    let _ = std::fs::remove_dir(&folder);
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gpu::open_noop;

    fn entry(key: &str, variant: &str, ratio: f64) -> Entry {
        let (key, variant) = (key.to_owned(), variant.to_owned());
        let (default, checked) = ("tiled".to_owned(), "reference".to_owned());
        Entry { key, variant, default, ratio, spread: 0.01, checked }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/tuning.json");
        let gpu = open_noop();
        assert_eq!(Tuning::read(&path, gpu.report()).unwrap(), None);
        let mut tuning = Tuning::new(gpu.report());
        tuning.put(entry("a", "naive", 0.5));
        tuning.put(entry("b", "tiled", 1.0));
        tuning.put(entry("a", "blocked", 0.4));
        tuning.write(&path).unwrap();
        let read = Tuning::read(&path, gpu.report()).unwrap().unwrap();
        assert_eq!(read, tuning);
        assert_eq!(read.find("a").map(|entry| entry.variant.as_str()), Some("blocked"));
        assert_eq!(read.choices().len(), 1, "what is the default anyway is no choice");
    }

    #[test]
    fn what_parts_have_found_comes_together_and_another_process_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuning-1.json");
        let gpu = open_noop();
        let of =
            |entries: &[Entry]| Tuning { entries: entries.to_vec(), ..Tuning::new(gpu.report()) };
        let there = || Tuning::read(&path, gpu.report()).unwrap().unwrap();
        assert_eq!(gather(&path, gpu.report()).unwrap(), 0);
        of(&[entry("a", "naive", 0.5)]).add_to(&path, gpu.report()).unwrap();
        let [one, two, old] = ["one", "two", "old"].map(|name| part(&path, name));
        of(&[entry("b", "naive", 0.5)]).add_to(&one, gpu.report()).unwrap();
        of(&[entry("b", "tiled", 0.5)]).add_to(&one, gpu.report()).unwrap();
        of(&[entry("a", "blocked", 0.4), entry("c", "naive", 0.4)]).write(&two).unwrap();
        Tuning { version: "9.9.9".to_owned(), ..of(&[entry("d", "naive", 0.4)]) }
            .write(&old)
            .unwrap();
        assert_eq!(gather(&path, gpu.report()).unwrap(), 2);
        let found = there();
        let known: Vec<_> =
            found.entries.iter().map(|one| (&one.key[..], &one.variant[..])).collect();
        assert_eq!(known, [("a", "blocked"), ("b", "tiled"), ("c", "naive")]);
        assert!(!one.exists() && !two.exists() && old.exists(), "of another version");
        std::fs::remove_file(&old).unwrap();
        assert_eq!(gather(&path, gpu.report()).unwrap(), 0);
        assert!(!path.with_extension("tasks").exists() && there() == found);
    }

    #[test]
    fn what_is_damaged_or_of_another_adapter_or_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tuning.json");
        let gpu = open_noop();
        let good = Tuning::new(gpu.report());
        good.write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let refused = |part: &str| {
            let error = Tuning::read(&path, gpu.report()).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("parula tune"), "{error}");
            assert!(error.contains("tuning.json"), "{error}");
        };
        for bytes in [&b""[..], b"{}", b"[1", b"\xff\xfe", &whole[..whole.len() / 2]] {
            std::fs::write(&path, bytes).unwrap();
            refused("not a file of tuning");
        }
        Tuning { driver: "other 1.2".to_owned(), ..good.clone() }.write(&path).unwrap();
        refused("driver other 1.2");
        Tuning { kernels: "0".to_owned(), ..good.clone() }.write(&path).unwrap();
        refused("kernels 0");
        Tuning { format: 9, ..good.clone() }.write(&path).unwrap();
        refused("format 9");
        Tuning { version: "9.9.9".to_owned(), ..good }.write(&path).unwrap();
        refused("9.9.9");
    }
}
