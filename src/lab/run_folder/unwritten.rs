//! A run that is refused before it has written anything leaves no record.

use std::path::{Path, PathBuf};

use super::RECORD;
use super::record::Record;
use crate::files::outputs::LIST;

/// Deletes the record of a run that has begun, when it is dropped while none of the run's files is there. Where the
/// record was the folder's own, the list of what parula writes there goes with it, if there is nothing else.
#[derive(Debug, Default)]
pub(super) struct Unwritten(Option<Begun>);

#[derive(Debug)]
struct Begun {
    root: PathBuf,
    journal: PathBuf,
}

impl Unwritten {
    /// Of the run with the record `journal`, whose files are in or below `root`.
    pub fn of(root: &Path, journal: &Path) -> Self {
        Unwritten(Some(Begun { root: root.to_owned(), journal: journal.to_owned() }))
    }

    /// The run is finished, and its record stays.
    pub fn finished(&mut self) {
        self.0 = None;
    }
}

impl Drop for Unwritten {
    fn drop(&mut self) {
        let Some(Begun { root, journal }) = self.0.take() else { return };
        let there = |file: &String| root.join(file).symlink_metadata().is_ok();
        let Ok(Some(record)) = Record::read(&journal) else { return };
        // What cannot be deleted does no harm: the next call knows by the record that nothing is there.
        if record.files.keys().any(there) || std::fs::remove_file(&journal).is_err() {
            return;
        }
        if journal != root.join(RECORD) {
            return;
        }
        let Ok(entries) = std::fs::read_dir(&root) else { return };
        let ours = |name: &std::ffi::OsStr| name == LIST || name == "run.lock";
        if entries.flatten().all(|entry| ours(&entry.file_name())) {
            let _ = std::fs::remove_file(root.join(LIST));
        }
    }
}
