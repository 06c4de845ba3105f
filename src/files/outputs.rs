//! What a command writes, kept apart from what is read: before any work its outputs are compared with its
//! inputs, and a list in the folder of its outputs says later commands which files there are no input.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// The file that lists the outputs of its folder. Hidden, and not named as files that are not whole are.
pub(crate) const LIST: &str = ".parula.outputs";

/// A larger list is no list of ours.
const LARGEST_LIST: u64 = 64 << 20;

/// Which file or folder a path leads to, whatever it is called there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity(#[cfg(unix)] [u64; 2], #[cfg(not(unix))] PathBuf);

impl Identity {
    /// None where there is nothing. Links are followed; where a file system takes `A` and `a` for one name, the
    /// two have one identity.
    pub fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let found = std::fs::metadata(path).ok()?;
            Some(Identity([found.dev(), found.ino()]))
        }
        #[cfg(not(unix))]
        path.canonicalize().ok().map(Identity)
    }
}

/// Refuses a command that would write over what it reads: a file of `written` that is one of `read`, or a
/// folder that it fills and reads from. To be asked before any work.
///
/// # Errors
/// [`Error::Content`] with the first such path.
pub fn expect_apart<R: AsRef<Path>, W: AsRef<Path>>(
    read: impl IntoIterator<Item = R>,
    written: impl IntoIterator<Item = W>,
) -> Result<()> {
    let mut inputs: HashMap<Identity, PathBuf> = HashMap::new();
    for path in read {
        let path = path.as_ref();
        if let Some(identity) = Identity::of(path) {
            inputs.entry(identity).or_insert_with(|| path.to_owned());
        }
    }
    for path in written {
        let path = path.as_ref();
        let Some(input) = Identity::of(path).and_then(|identity| inputs.get(&identity)) else {
            continue;
        };
        let also = match input == path {
            true => String::new(),
            false => format!(", as {}", input.display()),
        };
        let problem = match path.is_dir() {
            true => format!("this folder is also what is read{also}"),
            false => format!("this would be written over what is read{also}"),
        };
        return Err(Error::content(path, problem, "give another --out"));
    }
    Ok(())
}

/// Refuses outputs called `names`, as seen from `folder`, of which one is there already and is not listed as an
/// output of an earlier call: it is somebody's file. To be asked before any work.
///
/// # Errors
/// [`Error::Content`] with the first such path.
pub fn expect_free<N: AsRef<str>>(folder: &Path, names: impl IntoIterator<Item = N>) -> Result<()> {
    let own = listed(folder);
    for name in names {
        let name = name.as_ref();
        let path = folder.join(name);
        if !own.contains(name) && path.symlink_metadata().is_ok() {
            let problem = "is there already, and parula did not write it";
            return Err(Error::content(path, problem, "give another --out, or move it away"));
        }
    }
    Ok(())
}

/// What a run of an experiment, a comparison or a weak training fills in its folder.
const OF_A_RUN: [&str; 10] = [
    "checkpoints",
    "curves",
    "figures",
    "filtered",
    "heatmaps",
    "masks",
    "predictions",
    "scores",
    "synthetic",
    "weights",
];

/// Where one of these is, an earlier run was.
const OF_AN_EARLIER_RUN: [&str; 3] = ["run.jsonl", "results.json", "compare.json"];

/// Makes the folder `out` ready for a run that reads `read`, files or folders: none may be the folder itself, nor
/// lie in one of those below it that the run fills, and these are no folders of somebody else's. Later commands take
/// none of these for input.
///
/// # Errors
/// [`Error::Content`] where it is otherwise; [`Error::File`] when the folder cannot be made or written.
pub fn prepare_run<R: AsRef<Path>>(out: &Path, read: impl IntoIterator<Item = R>) -> Result<()> {
    for path in read {
        let path = path.as_ref();
        expect_apart([path], [out])?;
        let Ok(real) = path.canonicalize() else {
            return Err(Error::content(
                path,
                "there is no such folder",
                "see --data and --weights",
            ));
        };
        expect_apart(real.ancestors(), OF_A_RUN.map(|name| out.join(name)))?;
    }
    // What becomes of an earlier run, its record says, or that it has none.
    if !OF_AN_EARLIER_RUN.iter().any(|file| out.join(file).exists()) {
        let filled = |name: &&&str| {
            let found = std::fs::read_dir(out.join(name));
            found.is_ok_and(|mut entries| entries.next().is_some())
        };
        expect_free(out, OF_A_RUN.iter().filter(filled))?;
    }
    super::create_folder(out)?;
    list(out, OF_A_RUN)
}

/// The list as it is in a file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct List {
    /// Files and folders, as seen from the list's own folder.
    outputs: BTreeSet<String>,
}

/// Adds `names`, of files and folders in or below `folder` and as seen from there, to the list of what was written there. Whoever looks for
/// images in or below `folder` leaves these out; see [`listed`].
///
/// # Errors
/// [`Error::File`] when the list cannot be written.
pub fn list<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let before = listed(folder);
    let mut outputs = before.clone();
    outputs.extend(names.into_iter().map(str::to_owned));
    if outputs == before {
        return Ok(());
    }
    super::write_json(&folder.join(LIST), &List { outputs })
}

/// [`list`] of single files, each in its own folder, which is there.
///
/// # Errors
/// As [`list`].
pub fn list_files<W: AsRef<Path>>(files: impl IntoIterator<Item = W>) -> Result<()> {
    for file in files {
        let file = file.as_ref();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        list(super::folder_of(file), [&*name])?;
    }
    Ok(())
}

/// The names that [`list`] was given for `folder`; none where there is no list that can be read.
pub fn listed(folder: &Path) -> BTreeSet<String> {
    let text = super::read_at_most(&folder.join(LIST), LARGEST_LIST).unwrap_or_default();
    serde_json::from_slice::<List>(&text).unwrap_or_default().outputs
}

/// A name for the outputs of each of `inputs`: its stem, or the first of `stem-2`, `stem-3` and so on with which
/// no output, `name` and one of `endings`, is called as another's, in any case.
pub fn names<P: AsRef<Path>>(inputs: &[P], endings: &[&str]) -> Vec<String> {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    // Where to go on counting, so that thousands of one name do not count from 2 each.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let name = |path: &P| {
        let stem = path.as_ref().file_stem();
        let stem = stem.map_or("image".into(), |stem| stem.to_string_lossy().into_owned());
        let number = numbers.entry(stem.to_lowercase()).or_insert(1);
        loop {
            let name = match *number {
                1 => stem.clone(),
                number => format!("{stem}-{number}"),
            };
            *number += 1;
            let outputs = || endings.iter().map(|end| format!("{name}.{end}").to_lowercase());
            if outputs().all(|output| !taken.contains(&output)) {
                taken.extend(outputs());
                return name;
            }
        }
    };
    inputs.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_any_case_and_with_every_ending() {
        let some =
            ["p1/1.png", "p2/1.png", "p2/1-2.png", "A.png", "a.tif", "x.figure.png", "x.png"];
        let found = names(&some, &["npy", "png", "figure.png"]);
        assert_eq!(found, ["1", "1-2", "1-2-2", "A", "a-2", "x.figure", "x-2"]);
        let many: Vec<PathBuf> = (0..3000).map(|n| format!("{n}/a.png").into()).collect();
        let unique: BTreeSet<String> = names(&many, &["png"]).into_iter().collect();
        assert_eq!(unique.len(), 3000);
    }

    #[test]
    #[cfg(unix)]
    fn an_input_is_known_by_any_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("photos")).unwrap();
        let photo = at("photos/a.png");
        std::fs::write(&photo, b"").unwrap();
        std::os::unix::fs::symlink("photos", at("link")).unwrap();
        std::os::unix::fs::symlink("photos/a.png", at("soft.png")).unwrap();
        std::fs::hard_link(&photo, at("hard.png")).unwrap();
        for output in
            ["photos/a.png", "photos/../photos/a.png", "link/a.png", "soft.png", "hard.png"]
        {
            let error = expect_apart([&photo], [at(output)]).unwrap_err().to_string();
            assert!(error.contains("written over what is read"), "{output}: {error}");
        }
        let error = expect_apart([at("photos")], [at("link")]).unwrap_err().to_string();
        assert!(error.contains("also what is read, as"), "{error}");
        expect_apart([&photo], [at("photos/b.png"), at("none/a.png"), at("photos")]).unwrap();
    }

    #[test]
    fn the_list_grows_and_a_damaged_one_lists_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(listed(folder.path()).is_empty());
        list(folder.path(), ["a.png", "b"]).unwrap();
        list(folder.path(), ["c"]).unwrap();
        assert_eq!(listed(folder.path()), ["a.png", "b", "c"].map(str::to_owned).into());
        for damage in [&b"{\"outputs\": [1]}"[..], b"", b"\xff", b"[[[["] {
            std::fs::write(folder.path().join(LIST), damage).unwrap();
            assert!(listed(folder.path()).is_empty());
        }
    }
}
