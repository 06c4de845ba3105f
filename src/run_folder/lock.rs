//! One process at a time: an operating system's lock on a file, which goes with its process however that
//! ends, and in the file who holds it, for the message to the next one.
//!
//! Some network file systems have no locks. There a second file stands for one: made only where it is not
//! there yet, it says whose it is. Left by a killed process of the same host it is taken over; of another
//! host nobody here can tell, so that the user is asked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files;

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Where the file system has locks.
    file: Option<File>,
}

/// A process.
#[derive(Clone, Debug, PartialEq)]
struct Owner {
    process: u32,
    host: String,
}

impl Owner {
    fn own() -> Self {
        Owner { process: std::process::id(), host: host() }
    }

    fn read(text: &str) -> Option<Self> {
        let (process, host) = text.trim_end().split_once(' ')?;
        Some(Owner { process: process.parse().ok()?, host: host.to_owned() })
    }

    fn line(&self) -> String {
        format!("{} {}\n", self.process, self.host)
    }
}

impl Lock {
    /// Takes the lock in `path`, for what is written to `what`.
    ///
    /// # Errors
    /// [`Error::Content`] with the process and the host that hold it, [`Error::File`] when the file cannot
    /// be made.
    pub fn take(path: &Path, what: &Path) -> Result<Self> {
        let failed = |source| Error::file("lock", path, source);
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) if !is_still(&file, path) => {}
                Ok(()) => {
                    file.set_len(0).map_err(failed)?;
                    file.write_all(Owner::own().line().as_bytes()).map_err(failed)?;
                    return Ok(Lock { path: path.to_owned(), file: Some(file) });
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
                    return Lock::without(Path::new(&name), what, &Owner::own(), &is_alive);
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
                    return Ok(Lock { path: path.to_owned(), file: None });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
            let there = text_of(path).and_then(|text| Owner::read(&text));
            match there {
                Some(there) if there.host == own.host && !is_alive(there.process) => {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                there => {
                    let who = there.as_ref().map_or("a process".to_owned(), named);
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
        match &self.file {
            Some(file) if !cfg!(unix) => drop(file.set_len(0)),
            _ => drop(std::fs::remove_file(&self.path)),
        }
    }
}

fn named(owner: &Owner) -> String {
    format!("process {} on {}", owner.process, owner.host)
}

fn busy(what: &Path, owner: Option<&Owner>) -> Error {
    let who = owner.map_or("another process".to_owned(), named);
    Error::content(what, format!("{who} is at work there"), "wait for it, or give another --out")
}

/// Who wrote the file; nobody where it cannot be read, as a locked file on Windows.
fn owner(file: &mut File) -> Option<Owner> {
    let mut text = String::new();
    file.take(1000).read_to_string(&mut text).ok()?;
    Owner::read(&text)
}

/// Whether `path` still leads to `file`: between opening and locking it may have been deleted.
#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same =
        |a: std::fs::Metadata, b: std::fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(std::fs::metadata(path).ok()).is_some_and(|(a, b)| same(a, b))
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

/// Whether the process may still run; where there is no way to tell, it may.
fn is_alive(process: u32) -> bool {
    let all = Path::new("/proc");
    !all.join("self").exists() || all.join(process.to_string()).exists()
}

fn text_of(path: &Path) -> Option<String> {
    String::from_utf8(files::read(path).ok()?).ok()
}

/// The name of this machine.
fn host() -> String {
    let first = |text: String| text.split_whitespace().next().map(str::to_owned);
    let kernel = || text_of(Path::new("/proc/sys/kernel/hostname"));
    let variable = || std::env::var("COMPUTERNAME").or_else(|_| std::env::var("HOSTNAME")).ok();
    let program = || {
        let output = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    kernel()
        .and_then(first)
        .or_else(|| variable().and_then(first))
        .or_else(|| program().and_then(first))
        .unwrap_or("a host without a name".to_owned())
}

#[cfg(test)]
mod tests {
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
        // As a killed process leaves it: the file is there, the lock is not.
        std::fs::write(&path, "4194304 elsewhere\n").unwrap();
        drop(Lock::take(&path, folder.path()).unwrap());
    }

    #[test]
    fn without_locks_a_file_stands_for_one_and_the_dead_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.lock.owner");
        let owner = |host: &str| Owner { process: 7, host: host.to_owned() };
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
}
