//! The record of a run that another command takes files of.

use std::path::{Path, PathBuf};

use super::record::{Entry, Record};
use super::{RECORD, changed, content_of};
use crate::error::{Error, Result};
use crate::provenance::Items;

/// What to do about a run whose files cannot be taken.
const HINT: &str = "make that run again, or leave --weights away to train";

/// The record of a run in a folder that is only read.
#[derive(Debug)]
pub struct Taken {
    folder: PathBuf,
    record: Record,
    hint: &'static str,
}

impl Taken {
    /// The record of the run of `command` in `folder`.
    ///
    /// # Errors
    /// [`Error::Content`] when there is none, or it is of another command; those of reading it.
    pub fn read(folder: &Path, command: &str) -> Result<Self> {
        Self::of_part(folder, command, HINT)
    }

    /// The same, with what to do where it cannot be taken.
    ///
    /// # Errors
    /// As [`Taken::read`].
    pub fn of_part(folder: &Path, command: &str, hint: &'static str) -> Result<Self> {
        let problem = match Record::read(&folder.join(RECORD))? {
            Some(record) if record.command == command => {
                return Ok(Taken { folder: folder.to_owned(), record, hint });
            }
            Some(record) => format!("it is of `parula {}`, not {command}", record.command),
            None => "there is no record of what its files were made from: it is of an earlier version of \
                     parula, or not of parula"
                .to_owned(),
        };
        Err(Error::content(folder, problem, hint))
    }

    /// The files that the run has finished, by their path below its folder, each with what it was made from and what
    /// stands for its bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Items, &str)> {
        self.record.files.iter().filter_map(|(name, entry)| match entry {
            Entry::Made { content: Some(content), .. } => {
                Some((&name[..], self.record.origin(name)?, &content[..]))
            }
            _ => None,
        })
    }

    /// What the file at `path` was made from, which is there as the run wrote it.
    ///
    /// # Errors
    /// [`Error::Content`] when it is not, or the run has not finished it; [`Error::File`] when it cannot be read.
    pub fn origin(&self, path: &Path) -> Result<&Items> {
        let name = path.strip_prefix(&self.folder).ok().and_then(|name| {
            let parts: Option<Vec<&str>> = name.iter().map(|part| part.to_str()).collect();
            parts.map(|parts| parts.join("/"))
        });
        let made = name.and_then(|name| match self.record.files.get(&name)? {
            Entry::Made { content, .. } => self.record.origin(&name).zip(Some(content)),
            _ => None,
        });
        let Some((origin, content)) = made else {
            let problem = "the run has no record of having finished it";
            return Err(Error::content(path, problem, self.hint));
        };
        // Without content it is being replaced by another of the same origin.
        if content.as_ref().is_some_and(|then| content_of(path).map_or(true, |now| *then != now)) {
            return Err(changed(path, self.hint));
        }
        Ok(origin)
    }
}
