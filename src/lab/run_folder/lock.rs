//! One process at a time: an operating system's lock on a file, which goes with its process however that
//! ends, and in the file who holds it, for the message to the next one.
//!
//! Some network file systems have no locks. There a second file stands for one: made only where it is not
//! there yet, it says whose it is. Left by a killed process of the same host, or by an earlier try of the same task of
//! Slurm, it is taken over (`owner.rs`); of another host nobody here can tell otherwise, so that the user is asked.
//!
//! The name of the lock may be that of a user's own file. What is no lock by its content, and what is a link or
//! anything else but a file, is neither written nor deleted.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use super::owner::{Owner, is_alive, is_lock};
use crate::error::{Error, Result};
use crate::files;

/// No lock is longer.
const LONGEST: u64 = 400;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Where the file system has locks.
    file: Option<File>,
    own: Owner,
}

/// Refuses what stands at `path` where it is not a lock; nothing there is fine.
fn expect_lock(path: &Path) -> Result<()> {
    let failed = |source| Error::file("lock", path, source);
    let foreign = |what: &str| {
        let problem = format!("{what}, and this name is that of the lock of a run");
        Err(Error::content(path, problem, "move it away, or give another --out"))
    };
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(failed)?,
    };
    if found.is_symlink() {
        return foreign("it is a link");
    }
    #[cfg(unix)]
    if found.is_file() && std::os::unix::fs::MetadataExt::nlink(&found) > 1 {
        return foreign("this file has other names");
    }
    if let Some(what) = files::kind_of_other(found.file_type()) {
        return foreign(&format!("it is {what}"));
    }
    let is = match files::read_at_most(path, LONGEST) {
        Ok(content) => is_lock(&content),
        Err(Error::Content { .. }) => false,
        // Gone since.
        Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => true,
        // There a locked file cannot be read.
        Err(_) if cfg!(windows) => true,
        Err(other) => return Err(other),
    };
    if is { Ok(()) } else { foreign("it is not of parula") }
}

impl Lock {
    /// Takes the lock in `path`, for what is written to `what`.
    ///
    /// # Errors
    /// [`Error::Content`] with the process and the host that hold it, [`Error::File`] when the file cannot
    /// be made.
    pub fn take(path: &Path, what: &Path) -> Result<Self> {
        Self::take_by(path, what, &Owner::own(), &|file| file.try_lock())
    }

    /// The same for `own`, where the system locks a file by `try_lock`.
    fn take_by(
        path: &Path,
        what: &Path,
        own: &Owner,
        try_lock: &dyn Fn(&File) -> std::result::Result<(), TryLockError>,
    ) -> Result<Self> {
        let failed = |source| Error::file("lock", path, source);
        loop {
            expect_lock(path)?;
            let opened = OpenOptions::new().read(true).write(true).create_new(true).open(path);
            let mut file = match opened {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    match OpenOptions::new().read(true).write(true).open(path) {
                        Err(error) if error.kind() == ErrorKind::NotFound => continue,
                        opened => opened.map_err(failed)?,
                    }
                }
                opened => opened.map_err(failed)?,
            };
            // What was looked at and what was opened need not be the same.
            if !is_still(&file, path) {
                continue;
            }
            match try_lock(&file) {
                Ok(()) if !is_still(&file, path) => {}
                Ok(()) => {
                    file.set_len(0).map_err(failed)?;
                    file.write_all(own.line().as_bytes()).map_err(failed)?;
                    return Ok(Lock { path: path.to_owned(), file: Some(file), own: own.clone() });
                }
                Err(TryLockError::WouldBlock) => return Err(busy(what, owner(&mut file).as_ref())),
                Err(TryLockError::Error(error)) if has_no_locks(&error) => {
                    drop(file);
                    let _ = std::fs::remove_file(path);
                    crate::console::note!(
                        "{}: its file system has no locks ({error}); a file stands for one",
                        what.display()
                    );
                    let mut name = path.as_os_str().to_owned();
                    name.push(".owner");
                    return Lock::without(Path::new(&name), what, own, &is_alive);
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// The same where the file system has no locks, by a file that only one can make.
    fn without(
        path: &Path,
        what: &Path,
        own: &Owner,
        is_alive: &dyn Fn(u32) -> bool,
    ) -> Result<Self> {
        let failed = |source| Error::file("lock", path, source);
        loop {
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => {
                    file.write_all(own.line().as_bytes()).map_err(failed)?;
                    return Ok(Lock { path: path.to_owned(), file: None, own: own.clone() });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => expect_lock(path)?,
                Err(error) => return Err(failed(error)),
            }
            let there = text_of(path).and_then(|text| Owner::read(&text));
            match there {
                Some(there) if own.knows_gone(&there, is_alive) => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                there => {
                    let who = there.as_ref().map_or("a process".to_owned(), Owner::words);
                    return Err(Error::content(
                        what,
                        format!("{who} is at work there"),
                        format!(
                            "wait for it or give another --out; if it is gone, delete {}",
                            path.display()
                        ),
                    ));
                }
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // On Unix the file goes while the lock is held: whoever has opened it by then sees that it is gone.
        // Elsewhere an open file cannot go, and it stays, empty.
        // What somebody has put in its place by then is not ours.
        match &self.file {
            Some(file) if !cfg!(unix) => drop(file.set_len(0)),
            Some(file) if !is_still(file, &self.path) => {}
            None if text_of(&self.path) != Some(self.own.line()) => {}
            _ => drop(std::fs::remove_file(&self.path)),
        }
    }
}

fn busy(what: &Path, owner: Option<&Owner>) -> Error {
    let who = owner.map_or("another process".to_owned(), Owner::words);
    Error::content(what, format!("{who} is at work there"), "wait for it, or give another --out")
}

/// Who wrote the file; nobody where it cannot be read, as a locked file on Windows.
fn owner(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.take(1000).read_to_string(&mut text).ok()?;
    Owner::read(&text)
}

/// Whether `path` still is `file`, and no link to it: between opening and locking it may have been deleted.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let there = std::fs::symlink_metadata(path).ok();
    file.metadata().ok().zip(there).is_some_and(|(a, b)| same(a, b))
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

/// Whether the error says that files cannot be locked there at all: ENOLCK and ENOTSUP of NFS, ENOSYS of
/// Lustre without `flock`.
fn has_no_locks(error: &std::io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(files::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::owner::tests::task;
    use super::*;

    #[test]
    fn the_second_hears_of_the_first_and_then_has_its_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        let first = Lock::take(&path, folder.path()).unwrap();
        let error = Lock::take(&path, folder.path()).unwrap_err().to_string();
        let own = Owner::own();
        assert!(error.contains(&format!("process {} on {}", own.process, own.host)), "{error}");
        drop(first);
        assert!(!path.exists() || cfg!(not(unix)));
        // As a killed process leaves it, of any version or cut off: the file is there, the lock is not.
        let cut = (0..own.line().len()).map(|end| own.line()[..end].to_owned());
        for left in cut.chain(["4194304 elsewhere\n".to_owned(), "\0\0".to_owned()]) {
            std::fs::write(&path, &left).unwrap();
            let _lock = Lock::take(&path, folder.path()).unwrap();
        }
        assert!(!path.exists() || cfg!(not(unix)));
    }

    #[test]
    fn what_is_no_lock_is_neither_written_nor_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock");
        let refused = |part: &str| {
            let error = Lock::take(&path, folder.path()).unwrap_err().to_string();
            assert!(error.contains("run.lock") && error.contains(part), "{error}");
        };
        let long = "parula 1 ".to_owned() + &"h".repeat(1000);
        for theirs in ["u", "[[package]]\n", "7 or more", "parula is a colour", "12", &long] {
            std::fs::write(&path, theirs).unwrap();
            refused("not of parula");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), theirs);
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        refused("it is a folder");
        std::fs::remove_dir(&path).unwrap();
        #[cfg(unix)]
        for (there, content) in [(true, "precious"), (true, ""), (false, "")] {
            let theirs = folder.path().join("theirs");
            if there {
                std::fs::write(&theirs, content).unwrap();
            }
            std::os::unix::fs::symlink(&theirs, &path).unwrap();
            refused("it is a link");
            assert!(path.is_symlink());
            std::fs::remove_file(&path).unwrap();
            if there {
                std::fs::hard_link(&theirs, &path).unwrap();
                refused("other names");
                assert_eq!(std::fs::read_to_string(&theirs).unwrap(), content);
                std::fs::remove_file(&path).unwrap();
                std::fs::remove_file(&theirs).unwrap();
            }
            assert!(!theirs.exists());
        }
        // Nor what has taken the lock's place while it was held.
        let lock = Lock::take(&path, folder.path()).unwrap();
        if cfg!(unix) {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "mine").unwrap();
            drop(lock);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        }
    }

    #[test]
    fn without_locks_a_file_stands_for_one_and_the_dead_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock.owner");
        let owner = |host: &str| Owner { process: 7, host: host.to_owned(), task: None };
        let take = |own: &Owner, alive: bool| Lock::without(&path, folder.path(), own, &|_| alive);
        let first = take(&owner("here"), true).unwrap();
        let error = take(&owner("here"), true).unwrap_err().to_string();
        assert!(error.contains("process 7 on here") && error.contains("delete"), "{error}");
        drop(first);
        assert!(!path.exists());
        std::fs::write(&path, owner("here").line()).unwrap();
        let error = take(&owner("there"), false).unwrap_err().to_string();
        assert!(error.contains("process 7 on here"), "another host cannot tell: {error}");
        drop(take(&owner("here"), false).unwrap());
        std::fs::write(&path, "").unwrap();
        assert!(take(&owner("here"), false).is_err(), "nobody can tell whose it is");
    }

    /// As a system says that a file cannot be locked at all.
    fn refusals() -> Vec<std::io::Error> {
        let mut all = vec![std::io::Error::from(ErrorKind::Unsupported)];
        if cfg!(target_os = "linux") {
            // ENOLCK, ENOSYS, EOPNOTSUPP.
            all.extend([37, 38, 95].map(std::io::Error::from_raw_os_error));
        }
        all
    }

    #[test]
    fn where_locks_are_refused_a_later_try_of_the_same_task_goes_on_on_any_node() {
        let array = |task: &'static str, restarts: &'static str| {
            let own = [("SLURM_JOB_ID", "40"), ("SLURM_ARRAY_JOB_ID", "17")];
            let try_of = [("SLURM_ARRAY_TASK_ID", task), ("SLURM_RESTART_COUNT", restarts)];
            super::super::owner::tests::task(&[own, try_of].concat())
        };
        let on = |host: &str, task| Owner { process: 1, host: host.to_owned(), task };
        for number in 0..refusals().len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run.lock");
            let owners = folder.path().join("run.lock.owner");
            let refuse = |_: &File| Err(TryLockError::Error(refusals().swap_remove(number)));
            let take = |own: &Owner| Lock::take_by(&path, folder.path(), own, &refuse);
            let first = take(&on("one", array("3", "0"))).unwrap();
            assert!(owners.exists() && !path.exists());
            // Its node is lost: nothing is tidied up.
            std::mem::forget(first);
            for other in [
                on("two", array("3", "0")),
                on("two", array("4", "1")),
                on("two", task(&[("SLURM_JOB_ID", "17"), ("SLURM_RESTART_COUNT", "1")])),
                on("two", None),
            ] {
                let error = take(&other).unwrap_err().to_string();
                let parts = ["process 1 on one (job 17_3 of Slurm)", "run.lock.owner"];
                assert!(parts.iter().all(|part| error.contains(part)), "{error}");
            }
            let again = take(&on("two", array("3", "1"))).unwrap();
            assert!(take(&on("one", array("3", "0"))).is_err(), "an earlier try is over");
            drop(again);
            assert!(!owners.exists());
        }
    }
}
