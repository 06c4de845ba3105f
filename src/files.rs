//! Files are written whole or not at all: to a temporary name beside the target, synced, renamed. Only
//! regular files are read: a pipe or a device among them would never end, or never begin.

pub mod outputs;

use std::collections::BTreeSet;
use std::fs::{File, FileType};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::digest::digest;
use crate::documents;
use crate::error::{Error, Result};

/// How the names of files begin that are not whole yet.
const TEMPORARY: &str = ".parula-";

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, never a part.
///
/// # Errors
/// [`Error::File`] when the folder is missing, not writable or full; the target is then untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::file("write", path, plain(source));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut file =
        temporary(&temporary_name(&name)).tempfile_in(folder_of(path)).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Refuses a `path` that [`write()`] could not write to now. To be asked before work whose result goes there.
///
/// # Errors
/// [`Error::File`] when the folder is missing, not writable or full.
pub fn expect_writable(path: &Path) -> Result<()> {
    let failed = |source| Error::file("write", path, plain(source));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // It is gone at once.
    temporary(&temporary_name(&name)).tempfile_in(folder_of(path)).map(drop).map_err(failed)
}

/// What the system said, without the name of the temporary file, which is nobody's business.
fn plain(error: std::io::Error) -> std::io::Error {
    match error.to_string().split_once(" at path ") {
        Some((said, _)) => std::io::Error::new(error.kind(), said),
        None => error,
    }
}

/// How the name begins of the file that becomes `name`: of a length of its own, since names may be as long as
/// the system allows.
pub(crate) fn temporary_name(name: &str) -> String {
    format!("{TEMPORARY}{}-", digest([name]))
}

/// How files are made that are not whole yet. Theirs is the mode of any new file, 0666 less the umask: the
/// temporary file becomes the result, which is meant to be read by whom the user lets read files.
fn temporary(prefix: &str) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}

/// The folder that `path` is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Opens the regular file at `path` for reading, links followed.
///
/// # Errors
/// [`Error::File`] when it cannot be opened, or is anything else: a folder, a pipe, a device.
pub fn open(path: &Path) -> Result<File> {
    let failed = |source| Error::file("read", path, source);
    let check = |kind| kind_of_other(kind).map_or(Ok(()), |what| Err(failed(irregular(what))));
    // To open a pipe would wait for whoever writes to it, so it is looked at before; and after, because
    // what was looked at and what was opened need not be the same.
    check(std::fs::metadata(path).map_err(failed)?.file_type())?;
    #[allow(clippy::disallowed_methods)] // Here it is allowed.
    let file = File::open(path).map_err(failed)?;
    check(file.metadata().map_err(failed)?.file_type())?;
    Ok(file)
}

/// What the regular file at `path` holds, links followed.
///
/// # Errors
/// [`Error::File`] when it cannot be read, or is anything else: a folder, a pipe, a device.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, u64::MAX)
}

/// [`read`] of a file of `most` bytes or fewer.
///
/// # Errors
/// As [`read`], and [`Error::Content`] when it has more; nothing of it is then held.
pub fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |source| Error::file("read", path, source);
    let file = open(path)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    if length <= most {
        // A length that no memory is there for is an error, and not the end of the process.
        let room = usize::try_from(length).unwrap_or(usize::MAX);
        bytes.try_reserve_exact(room).map_err(|error| failed(std::io::Error::other(error)))?;
        // The file may grow while it is read.
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 <= most {
            return Ok(bytes);
        }
    }
    let length = length.max(bytes.len() as u64);
    let problem =
        format!("has {length} bytes, and {most} are the most that is read of such a file");
    Err(Error::content(path, problem, "is it the file that you mean?"))
}

/// What `kind` is in words, where it is neither a regular file nor a link to be followed.
pub fn kind_of_other(kind: FileType) -> Option<&'static str> {
    if kind.is_file() {
        return None;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        for (is, what) in [
            (kind.is_fifo(), "a pipe"),
            (kind.is_socket(), "a socket"),
            (kind.is_char_device() || kind.is_block_device(), "a device"),
        ] {
            if is {
                return Some(what);
            }
        }
    }
    Some(if kind.is_dir() { "a folder" } else { "something else" })
}

fn irregular(what: &str) -> std::io::Error {
    let kind = std::io::ErrorKind::InvalidInput;
    std::io::Error::new(kind, format!("it is {what}, and only regular files are read"))
}

/// Writes `document` to `path` as JSON for people to read, whole or not at all.
///
/// # Errors
/// [`Error::File`] when it cannot be written.
pub fn write_json(path: &Path, document: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(document).map_err(|error| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    })?;
    text.push(b'\n');
    write(path, &text)
}

/// Reads what [`write_json`] wrote to the folder of an `--out`; `what` is meant to be there.
///
/// # Errors
/// [`Error::File`] when it cannot be read, [`Error::Content`] when it is something else.
pub fn read_json<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T> {
    let text = read_at_most(path, documents::MOST_JSON)?;
    documents::json(&text).map_err(|error| {
        let hint = "give another --out, or --overwrite to begin anew";
        Error::content(path, format!("not {what} of this version ({error})"), hint)
    })
}

/// Creates `folder` and its parents.
///
/// # Errors
/// [`Error::File`] with the folder's name.
pub fn create_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::file("create", folder, source))
}

/// Creates the folder that `path` is in, and its parents.
///
/// # Errors
/// [`Error::File`] with the folder's name.
pub fn create_folder_of(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), create_folder)
}

/// Where what can be made again is kept: the folder that `PARULA_CACHE` names, or the system's for such
/// things; none where neither is known.
pub fn cache_folder() -> Option<PathBuf> {
    cache_folder_of(&|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

/// The same in an environment that `variable` gives.
fn cache_folder_of(variable: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let system = || match std::env::consts::OS {
        "windows" => Some(path("LOCALAPPDATA")?.join("parula").join("cache")),
        "macos" => Some(path("HOME")?.join("Library").join("Caches").join("parula")),
        // By the XDG base directory specification a path that is not absolute is ignored.
        _ => path("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(path("HOME")?.join(".cache")))
            .map(|cache| cache.join("parula")),
    };
    path("PARULA_CACHE").or_else(system)
}

/// Deletes what processes that were killed while they wrote `path` have left beside it. No other process
/// may be writing to it.
///
/// # Errors
/// [`Error::File`] with the folder that cannot be read or the file that cannot be deleted.
pub fn sweep(path: &Path) -> Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    sweep_all(folder_of(path), &BTreeSet::from([name.to_string_lossy().into_owned()]))
}

/// The same of all files of `names` in `folder`, where that is there.
///
/// # Errors
/// As [`sweep`].
pub fn sweep_all(folder: &Path, names: &BTreeSet<String>) -> Result<()> {
    let failed = |source| Error::file("read", folder, source);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed)?,
    };
    let own: BTreeSet<String> = names.iter().map(|name| temporary_name(name)).collect();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((stem, _)) = name.rsplit_once('-') else { continue };
        if own.contains(&format!("{stem}-")) {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|source| Error::file("delete", &path, source))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_regular_files_are_read_and_no_more_of_them_than_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.txt");
        write(&path, b"12345").unwrap();
        assert_eq!(read(&path).unwrap(), b"12345");
        assert_eq!(read_at_most(&path, 5).unwrap(), b"12345");
        let error = read_at_most(&path, 4).unwrap_err().to_string();
        assert!(error.contains("x.txt: has 5 bytes, and 4 are"), "{error}");
        let missing = read(&folder.path().join("none")).unwrap_err();
        let Error::File { source, .. } = missing else { panic!("{missing}") };
        assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is a folder"), "{error}");
    }

    /// Without the look at what it is, this test would not end.
    #[test]
    #[cfg(unix)]
    fn pipes_and_devices_are_refused_through_links_too() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, link, device] = ["pipe", "link", "device"].map(|name| folder.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &device).unwrap();
        for (path, what) in [(&pipe, "a pipe"), (&link, "a pipe"), (&device, "a device")] {
            let error = read(path).unwrap_err().to_string();
            assert!(error.contains(&format!("it is {what}, and only regular files")), "{error}");
        }
        let file = folder.path().join("file");
        write(&file, b"through a link").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"through a link");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(&folder.path().join("none/x.txt"), b"").unwrap_err().to_string();
        assert!(error.contains("x.txt") && !error.contains(TEMPORARY), "{error}");
        assert!(expect_writable(&folder.path().join("none/x.txt")).is_err());
        expect_writable(&folder.path().join("x.txt")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    #[cfg(unix)]
    fn files_and_folders_get_the_mode_that_the_umask_says() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        // What the system itself makes tells the umask, whatever it is here.
        let [plain, own] = ["plain", "own"].map(|name| folder.path().join(name));
        std::fs::write(&plain, b"").unwrap();
        write(&own, b"").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&own), mode(&plain));
        // Nor does a file keep the mode of the one that it replaces.
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).unwrap();
        write(&own, b"").unwrap();
        assert_eq!(mode(&own), mode(&plain));
    }

    #[test]
    fn what_a_killed_process_left_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.txt");
        let long = format!("{}.txt", "x".repeat(250));
        write(&folder.path().join(&long), b"names may be as long as the system allows").unwrap();
        let own = temporary_name("kept.txt") + "x1y2z3";
        let others =
            [temporary_name("other.txt") + "x1y2z3", ".parula-x".into(), "kept.txt".into()];
        for name in others.iter().chain([&own]) {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        sweep(&path).unwrap();
        assert!(!folder.path().join(own).exists());
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
        sweep(&folder.path().join("missing/kept.txt")).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_folder_is_the_user_s_wish_or_the_system_s() {
        let with = |pairs: &'static [(&str, &str)]| {
            cache_folder_of(&|name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            })
        };
        let is = |text: &str| Some(PathBuf::from(text));
        assert_eq!(with(&[("HOME", "/h"), ("PARULA_CACHE", "here")]), is("here"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), is("/c/parula"));
        assert_eq!(with(&[("HOME", "/h"), ("XDG_CACHE_HOME", "c")]), is("/h/.cache/parula"));
        assert_eq!(with(&[]), None);
    }
}
