//! The folder that a run leaves, and the rules for running in it again.
//!
//! One process at a time works in it (`lock.rs`). Every file is recorded with what it was made from
//! (`record.rs`): options, pictures, split, weights, kernels, adapter, version ([`provenance`](crate::provenance)). A later call
//! uses a file again only where it would make it from the same; else it stops, and says what differs. What
//! is not recorded is somebody else's, and is neither written over nor deleted.

mod lock;
mod owner;
pub mod parts;
mod record;
mod taken;
mod unwritten;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::digest::digest_bytes;
use crate::error::{Error, Result};
use crate::files;
use crate::provenance::{Items, difference};

use lock::Lock;
use record::{Entry, Journal, Record};
pub use taken::Taken;
use unwritten::Unwritten;

/// The record of a run in its folder.
const RECORD: &str = "run.jsonl";

/// What to do where an earlier run has written already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Again {
    /// Stop, and say so.
    #[default]
    Refuse,
    /// Go on with it.
    Resume,
    /// Delete what it has written, and begin anew.
    Overwrite,
}

/// What runs of versions without records leave.
const RESULTS: [&str; 2] = ["results.json", "compare.json"];

/// What to do about a run that differs.
const HINT: &str = "give the same options, --overwrite to begin anew, or another --out";

/// What to do about a file that is not as the run left it.
const ANEW: &str = "give --overwrite to begin anew, or another --out";

/// The same about a file that is put together from parts.
const TOGETHER: &str = "move it away: it is put together again from the parts";

/// The files of a run, held by this process until it is dropped.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// What the user knows it by.
    shown: PathBuf,
    journal: Mutex<Journal>,
    /// Whether its files are put together from parts.
    together: bool,
    // After the record, which is closed by then.
    unwritten: Unwritten,
    // The last field: files are closed before the lock goes.
    _lock: Lock,
}

/// Where things are.
struct Place {
    root: PathBuf,
    shown: PathBuf,
    journal: PathBuf,
    lock: PathBuf,
    /// Files that are there only where an earlier run was.
    results: Vec<PathBuf>,
}

impl RunFolder {
    /// The run of `command` in the folder `out`, which is made. Its record is
    /// `run.jsonl` there.
    ///
    /// # Errors
    /// [`Error::Content`] when another process works there; when an earlier run is there, and `again` does
    /// not say what becomes of it; when it is of another command, or of a version without records. [`Error::File`] when the record cannot be read or written.
    pub fn open(out: &Path, command: &str, again: Again) -> Result<Self> {
        let place = Place {
            root: out.to_owned(),
            shown: out.to_owned(),
            journal: out.join(RECORD),
            lock: out.join("run.lock"),
            results: RESULTS.map(|name| out.join(name)).into(),
        };
        let run = Self::open_at(place, command, again)?;
        // Of the list of outputs as well, which is no file of the run.
        files::sweep(&out.join(files::outputs::LIST))?;
        Ok(run)
    }

    /// The run of `command` that leaves the file `out` and others of that name, or of that name with another
    /// ending, beside it. Its record is `OUT.run.jsonl`; its lock, which all files share that differ in their
    /// endings, is `STEM.run.lock`.
    ///
    /// # Errors
    /// As [`RunFolder::open`].
    pub fn of_file(out: &Path, command: &str, again: Again) -> Result<Self> {
        let beside = |ending: &str| {
            let mut name = out.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let place = Place {
            root: out.parent().unwrap_or(Path::new("")).to_owned(),
            shown: out.to_owned(),
            journal: beside(".run.jsonl"),
            lock: out.with_extension("run.lock"),
            results: vec![out.to_owned()],
        };
        Self::open_at(place, command, again)
    }

    /// The same folder, whose files are put together from parts: what is said of a file goes by that.
    pub fn of_parts(mut self) -> Self {
        self.together = true;
        self
    }

    /// What the run wrote to `path` is not there any more.
    fn missing(&self, path: &Path) -> Error {
        let problem = "it is missing, and the results of the run speak of it";
        let hint = self.hint("put it back, give --overwrite to begin anew, or another --out");
        Error::content(path, problem, hint)
    }

    fn hint(&self, otherwise: &'static str) -> &'static str {
        if self.together { TOGETHER } else { otherwise }
    }

    fn open_at(place: Place, command: &str, again: Again) -> Result<Self> {
        let Place { root, shown, journal, lock, results } = place;
        if root != Path::new("") {
            files::create_folder(&root)?;
        }
        let lock = Lock::take(&lock, &shown)?;
        files::sweep(&journal)?;
        let mut record = Record::read(&journal)?;
        if let Some(found) = &mut record {
            sweep(&root, found)?;
            // An earlier call was to delete these, and was killed.
            delete_doomed(&root, found)?;
        }
        // A call that was refused before it wrote anything leaves nothing to go on with.
        let there = |file: &String| root.join(file).symlink_metadata().is_ok();
        let used = record.as_ref().is_some_and(|record| record.files.keys().any(there));
        let old = results.iter().find(|path| !used && path.symlink_metadata().is_ok());
        match (again, record) {
            (_, _) if old.is_some() => {
                let problem = format!(
                    "{} is there, and no record of what it was made from: it is of an earlier version of \
                     parula, or not of parula",
                    old.map(|path| path.display().to_string()).unwrap_or_default()
                );
                Err(Error::content(&shown, problem, "give another --out, or move it away"))
            }
            (Again::Refuse, _) if used => Err(Error::content(
                &shown,
                "an earlier run has written there",
                "give --resume to go on with it, --overwrite to delete what it has written and begin \
                     anew, or another --out",
            )),
            (Again::Resume, Some(record)) if used => {
                if record.command != command {
                    let problem = format!("it is of `parula {}`, not {command}", record.command);
                    return Err(Error::content(&shown, problem, "give another --out"));
                }
                let journal = Mutex::new(Journal::write(journal, record)?);
                let unwritten = Unwritten::default();
                Ok(RunFolder { root, shown, journal, together: false, unwritten, _lock: lock })
            }
            (_, record) => {
                if let Some(record) = record {
                    let mut journal = Journal::write(journal.clone(), record)?;
                    // From here on nothing of it is used again, however this process ends.
                    journal.overwritten()?;
                    delete_doomed(&root, &mut journal.record().clone())?;
                }
                let unwritten = Unwritten::of(&root, &journal);
                let journal = Mutex::new(Journal::write(journal, Record::of(command))?);
                Ok(RunFolder { root, shown, journal, together: false, unwritten, _lock: lock })
            }
        }
    }

    /// The folder that all files are in or below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the file at `path` is there and was made from `origin`, so that it can be used as it is.
    ///
    /// # Errors
    /// [`Error::Content`] when it was made from something else, with the first difference, or has changed
    /// since.
    pub fn reuse(&self, path: &Path, origin: &Items) -> Result<bool> {
        self.agree(path, origin)?;
        self.intact(path)
    }

    /// That the file at `path` is there and was made from `origin`: results speak of it.
    ///
    /// # Errors
    /// As [`RunFolder::reuse`], and [`Error::Content`] when it is not there.
    pub fn hold(&self, path: &Path, origin: &Items) -> Result<()> {
        if self.reuse(path, origin)? {
            return Ok(());
        }
        Err(self.missing(path))
    }

    /// That all files which the run has made are there, as it wrote them, but for those that are made `again` in
    /// any case: results speak of them, and others are made from them.
    ///
    /// # Errors
    /// [`Error::Content`] with the first that has changed since, or is missing.
    pub fn expect_whole(&self, again: &[PathBuf]) -> Result<()> {
        let again: BTreeSet<String> =
            again.iter().map(|path| self.name(path)).collect::<Result<_>>()?;
        let known = |entry: &Entry| matches!(entry, Entry::Made { content: Some(_), .. });
        let made: Vec<PathBuf> = {
            let journal = self.journal();
            let files = journal.record().files.iter();
            let counts = files.filter(|(file, entry)| known(entry) && !again.contains(*file));
            counts.map(|(file, _)| self.root.join(file)).collect()
        };
        made.iter().try_for_each(|path| match self.intact(path)? {
            true => Ok(()),
            false => Err(self.missing(path)),
        })
    }

    /// That the file at `path`, where the run has made it, agrees with all of `part`.
    ///
    /// # Errors
    /// [`Error::Content`] with the first difference.
    pub fn agree(&self, path: &Path, part: &Items) -> Result<()> {
        let journal = self.journal();
        let Some(then) = journal.record().origin(&self.name(path)?) else { return Ok(()) };
        let then = then.iter().filter(|(name, _)| part.contains_key(*name));
        let then: Items = then.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.refuse(path, difference(part, &then))
    }

    /// An error that says what differs, where something does.
    ///
    /// # Errors
    /// [`Error::Content`] with `difference`.
    pub fn refuse(&self, path: &Path, difference: Option<String>) -> Result<()> {
        let Some(difference) = difference else { return Ok(()) };
        let problem = format!("it is from another configuration: {difference}");
        Err(Error::content(path, problem, self.hint(HINT)))
    }

    /// Whether the file at `path` was made and is still there.
    ///
    /// # Errors
    /// [`Error::Content`] when it has changed since it was made.
    pub fn intact(&self, path: &Path) -> Result<bool> {
        let journal = self.journal();
        let Some(Entry::Made { content, .. }) = journal.record().files.get(&self.name(path)?)
        else {
            return Ok(false);
        };
        if path.symlink_metadata().is_err() {
            return Ok(false);
        }
        if content.as_ref().is_some_and(|then| content_of(path).map_or(true, |now| *then != now)) {
            return Err(changed(path, self.hint(ANEW)));
        }
        Ok(true)
    }

    /// Says that `paths` will be written.
    ///
    /// # Errors
    /// [`Error::Content`] when something is there that no run has written, [`Error::File`] when the record
    /// cannot be written.
    pub fn claim(&self, paths: impl IntoIterator<Item = PathBuf>) -> Result<()> {
        self.claim_as(paths, &Entry::Claimed)
    }

    /// The same of the state of a training, which knows by itself what it may be used for.
    ///
    /// # Errors
    /// As [`RunFolder::claim`].
    pub fn claim_state(&self, path: &Path) -> Result<()> {
        self.claim_as([path.to_owned()], &Entry::State)
    }

    fn claim_as(&self, paths: impl IntoIterator<Item = PathBuf>, entry: &Entry) -> Result<()> {
        let mut journal = self.journal();
        let mut new = Vec::new();
        for path in paths {
            let name = self.name(&path)?;
            if journal.record().files.contains_key(&name) {
                continue;
            }
            if path.symlink_metadata().is_ok() {
                let problem = "it is there already, and no run of parula has recorded it";
                return Err(Error::content(path, problem, "move it away, or give another --out"));
            }
            new.push(name);
        }
        journal.claim(new, entry)
    }

    /// Says that `paths` will be written by anyone's rules: what they were made from until now counts no longer.
    ///
    /// # Errors
    /// As [`RunFolder::claim`].
    pub fn renew(&self, paths: &[PathBuf]) -> Result<()> {
        self.claim(paths.iter().cloned())?;
        let names = paths.iter().map(|path| self.name(path)).collect::<Result<_>>()?;
        self.journal().claim(names, &Entry::Claimed)
    }

    /// Whether the run has made the file at `path`, whatever became of it since.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not below the folder.
    pub fn has_made(&self, path: &Path) -> Result<bool> {
        let name = self.name(path)?;
        Ok(matches!(self.journal().record().files.get(&name), Some(Entry::Made { .. })))
    }

    /// Writes the file at `path` by `write`, from `origin`; its folder is made.
    ///
    /// # Errors
    /// Those of `write` and of [`RunFolder::claim`], and [`Error::Content`] when the run has made the file
    /// from something else.
    pub fn make(
        &self,
        path: &Path,
        origin: &Items,
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        self.make_all(&[path.to_owned()], origin, || write(path))
    }

    /// The same of several files that are written together.
    ///
    /// # Errors
    /// As [`RunFolder::make`].
    pub fn make_all(
        &self,
        paths: &[PathBuf],
        origin: &Items,
        write: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        self.claim(paths.iter().cloned())?;
        for path in paths {
            self.agree(path, origin)?;
            files::create_folder_of(path)?;
            if self.has_made(path)? {
                // Killed from here on, a process leaves the old bytes or the new ones.
                self.journal().made(self.name(path)?, origin, None, true)?;
            }
        }
        write()?;
        for path in paths {
            self.journal().made(self.name(path)?, origin, Some(content_of(path)?), true)?;
        }
        Ok(())
    }

    /// Notes that the file at `path`, which was claimed, is whole and was made from `origin`. Unlike
    /// [`RunFolder::make`] it does not wait for the disk: for many files that can be made again.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read or the record not be written; [`Error::Content`] when the
    /// run has made it from something else.
    pub fn made(&self, path: &Path, origin: &Items) -> Result<()> {
        self.agree(path, origin)?;
        let content = content_of(path)?;
        self.journal().made(self.name(path)?, origin, Some(content), false)
    }

    /// Takes over the file at `from`, which another run has made from `origin`, as the file at `path`: a further name
    /// of the same bytes where the file system has such, else a copy.
    ///
    /// # Errors
    /// Those of [`RunFolder::claim`]; [`Error::Content`] when this run has made it from something else, or when it is
    /// not what `content` stands for; [`Error::File`] when it cannot be written.
    pub fn adopt(&self, path: &Path, from: &Path, origin: &Items, content: &str) -> Result<()> {
        self.agree(path, origin)?;
        if content_of(from)? != content {
            return Err(changed(from, "run that part again with --overwrite"));
        }
        if path.symlink_metadata().is_ok() && self.has_made(path)? && content_of(path)? == content {
            return Ok(());
        }
        self.claim([path.to_owned()])?;
        files::create_folder_of(path)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("replace", path, error));
            }
            _ => {}
        }
        if std::fs::hard_link(from, path).is_err() {
            files::write(path, &files::read(from)?)?;
        }
        self.made(path, origin)
    }

    /// Deletes the file at `path`, and the folders that it leaves empty.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be deleted.
    pub fn forget(&self, path: &Path) -> Result<()> {
        let name = self.name(path)?;
        if self.journal().record().files.contains_key(&name) {
            delete(&self.root, &name)?;
            self.journal().gone(&name)?;
        }
        Ok(())
    }

    /// Whether the run has said that it writes the file at `path`.
    ///
    /// # Errors
    /// [`Error::Usage`] when it is not below the folder.
    pub fn knows(&self, path: &Path) -> Result<bool> {
        Ok(self.journal().record().files.contains_key(&self.name(path)?))
    }

    /// Writes the record in order, at the end of a run: the same run leaves the same record.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn finish(self) -> Result<()> {
        let RunFolder { root, journal, _lock, mut unwritten, .. } = self;
        unwritten.finished();
        let journal = journal.into_inner().unwrap_or_else(PoisonError::into_inner);
        journal.tidy(|file| root.join(file).symlink_metadata().is_ok())
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path in the record: below the folder, with `/` between its parts.
    fn name(&self, path: &Path) -> Result<String> {
        let below = path.strip_prefix(&self.root).ok();
        let parts: Option<Vec<&str>> =
            below.and_then(|below| below.iter().map(|part| part.to_str()).collect());
        parts.filter(|parts| !parts.is_empty()).map(|parts| parts.join("/")).ok_or_else(|| {
            let folder = self.shown.display();
            let problem = format!("{} cannot be recorded as a file of {folder}", path.display());
            Error::usage(problem, "give an --out whose name is UTF-8")
        })
    }
}

/// A number that stands for the bytes of the file at `path`.
///
/// # Errors
/// [`Error::File`] when it cannot be read.
pub fn content_of(path: &Path) -> Result<String> {
    Ok(digest_bytes(files::read(path)?.into_iter()))
}

/// What is at `path` is not what the run wrote.
fn changed(path: &Path, hint: &'static str) -> Error {
    Error::content(path, "it has changed since the run wrote it", hint)
}

/// Deletes what processes that were killed while they wrote one of the record's files have left.
fn sweep(root: &Path, record: &Record) -> Result<()> {
    let mut folders: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for file in record.files.keys() {
        let path = root.join(file);
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
            let names = folders.entry(folder.to_owned()).or_default();
            names.insert(name.to_string_lossy().into_owned());
        }
    }
    folders.iter().try_for_each(|(folder, names)| files::sweep_all(folder, names))
}

/// Deletes the files that are to be deleted, and forgets them.
fn delete_doomed(root: &Path, record: &mut Record) -> Result<()> {
    let doomed = record.files.iter().filter(|(_, entry)| **entry == Entry::Doomed);
    doomed.map(|(file, _)| file).try_for_each(|file| delete(root, file))?;
    record.files.retain(|_, entry| *entry != Entry::Doomed);
    Ok(())
}

/// Deletes `file` below `root`, and the folders in between that it leaves empty.
fn delete(root: &Path, file: &str) -> Result<()> {
    let path = root.join(file);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        done => done.map_err(|source| Error::file("delete", &path, source))?,
    }
    for folder in path.ancestors().skip(1).take_while(|&folder| folder != root) {
        // Folders that are not empty refuse.
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
