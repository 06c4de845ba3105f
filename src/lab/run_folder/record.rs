//! The record of a run: which files it leaves, and what each was made from.
//!
//! On disk it is a journal, a line of JSON for each thing that happened, so that a process that is killed
//! leaves all but its last word. A file is *claimed* before it is written: whatever stands there by then is
//! somebody else's. Once it is whole it is *made*: the line has the digest of its bytes and the key of its
//! origin. At the end of a run the journal is written anew, in order: the same run leaves the same lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::files;
use crate::provenance::{Items, key};

/// The layout of the journal.
const FORMAT: u32 = 1;
/// How every journal begins.
const BEGINNING: &[u8] = b"{\"run\":";

/// A line of the journal.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first: the layout, and the command whose run it is.
    Run { format: u32, command: String },
    /// What files were made from, by its key.
    Origin { key: String, items: Items },
    /// A file that will be written.
    Claimed(String),
    /// A file that another part of parula keeps and checks, such as the state of a training.
    State(String),
    /// A file that is whole. Without content it is being replaced by another of the same origin.
    Made { file: String, from: String, content: Option<String> },
    /// A file that was deleted.
    Gone(String),
    /// All files so far are to be deleted.
    Overwritten,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It may be there, whole or not.
    Claimed,
    /// It is kept and checked elsewhere.
    State,
    /// It is there, of this origin, and has these bytes, where they are known.
    Made { from: String, content: Option<String> },
    /// It is to be deleted.
    Doomed,
}

/// What is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Whose run it is; empty where nothing was recorded.
    pub command: String,
    /// Files by their path below the folder, with `/` between its parts.
    pub files: BTreeMap<String, Entry>,
    origins: BTreeMap<String, Items>,
}

impl Record {
    /// Of a run of `command` that has not begun.
    pub fn of(command: &str) -> Self {
        Record { command: command.to_owned(), ..Record::default() }
    }

    /// Reads the journal in `path`; none where there is none, or where its first line was never finished.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read, [`Error::Content`] when it is no journal of this version.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let Some(text) = read(path)? else { return Ok(None) };
        let mut record = Record::default();
        // A first line that was never finished is ours all the same, or this is somebody else's file.
        if !text.starts_with(&BEGINNING[..text.len().min(BEGINNING.len())]) {
            let problem = "not a record of a run";
            return Err(Error::content(path, problem, "move it away, or give another --out"));
        }
        // What follows the last line's end was never finished.
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let lines = text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            let wrong = |problem: String| {
                let problem =
                    format!("not a record of a run, by its line {}: {problem}", number + 1);
                Error::content(path, problem, "give another --out")
            };
            let line: Line =
                serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
            record.take(line, number == 0).map_err(wrong)?;
        }
        Ok((!record.command.is_empty()).then_some(record))
    }

    fn take(&mut self, line: Line, first: bool) -> std::result::Result<(), String> {
        let checked = |file: String| match is_below(&file) {
            true => Ok(file),
            false => Err(format!("{file:?} is not below the folder")),
        };
        match line {
            Line::Run { format, .. } if format != FORMAT => {
                return Err(format!("its format is {format}, not {FORMAT}"));
            }
            Line::Run { command, .. } if first && !command.is_empty() => self.command = command,
            Line::Run { .. } => return Err("a second beginning, or none".to_owned()),
            _ if first => return Err("it does not begin with a run".to_owned()),
            Line::Origin { key, items } => drop(self.origins.insert(key, items)),
            Line::Claimed(file) => drop(self.files.insert(checked(file)?, Entry::Claimed)),
            Line::State(file) => drop(self.files.insert(checked(file)?, Entry::State)),
            Line::Made { file, from, content } => {
                if !self.origins.contains_key(&from) {
                    return Err(format!("the origin {from:?} is not known"));
                }
                self.files.insert(checked(file)?, Entry::Made { from, content });
            }
            Line::Gone(file) => drop(self.files.remove(&file)),
            Line::Overwritten => {
                self.files.values_mut().for_each(|entry| *entry = Entry::Doomed);
            }
        }
        Ok(())
    }

    /// What the file was made from, where that is known.
    pub fn origin(&self, file: &str) -> Option<&Items> {
        match self.files.get(file)? {
            Entry::Made { from, .. } => self.origins.get(from),
            _ => None,
        }
    }

    /// All of it as lines, in order, without origins of no file.
    fn lines(&self) -> Vec<Line> {
        let mut lines = vec![Line::Run { format: FORMAT, command: self.command.clone() }];
        let used: BTreeSet<&String> = self
            .files
            .values()
            .filter_map(|entry| match entry {
                Entry::Made { from, .. } => Some(from),
                _ => None,
            })
            .collect();
        let origins = self.origins.iter().filter(|(key, _)| used.contains(key));
        lines.extend(
            origins.map(|(key, items)| Line::Origin { key: key.clone(), items: items.clone() }),
        );
        lines.extend(self.files.iter().map(|(file, entry)| line_of(file.clone(), entry)));
        lines
    }
}

fn line_of(file: String, entry: &Entry) -> Line {
    match entry {
        // Doomed files are deleted before a journal is written anew.
        Entry::Claimed | Entry::Doomed => Line::Claimed(file),
        Entry::State => Line::State(file),
        Entry::Made { from, content } => {
            Line::Made { file, from: from.clone(), content: content.clone() }
        }
    }
}

/// Whether a path of the journal leads to somewhere below the folder: who wrote the journal is not known.
fn is_below(file: &str) -> bool {
    let plain = |part| matches!(part, Component::Normal(_));
    !file.is_empty() && Path::new(file).components().all(plain)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match files::read(path) {
        Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The record of a run, and its journal, which hears of every change.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    record: Record,
    file: File,
}

impl Journal {
    /// Writes `record` to `path` in order, and goes on from there.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be written.
    pub fn write(path: PathBuf, record: Record) -> Result<Self> {
        let mut text = Vec::new();
        for line in record.lines() {
            text.extend(bytes(&path, &line)?);
        }
        files::write(&path, &text)?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(|source| Error::file("write", &path, source))?;
        Ok(Journal { path, record, file })
    }

    /// What is known.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Claims `new` files as `entry` says, all at once, and waits until the disk has the words.
    pub fn claim(&mut self, new: Vec<String>, entry: &Entry) -> Result<()> {
        let lines: Vec<Line> = new.iter().map(|file| line_of(file.clone(), entry)).collect();
        self.append(&lines, true)?;
        self.record.files.extend(new.into_iter().map(|file| (file, entry.clone())));
        Ok(())
    }

    /// Notes that `file` is whole, of `origin`, with these bytes; without them, that it is being replaced.
    pub fn made(
        &mut self,
        file: String,
        origin: &Items,
        content: Option<String>,
        sync: bool,
    ) -> Result<()> {
        let from = key(origin);
        let entry = Entry::Made { from: from.clone(), content };
        if self.record.files.get(&file) == Some(&entry) {
            return Ok(());
        }
        let mut lines = Vec::new();
        if !self.record.origins.contains_key(&from) {
            lines.push(Line::Origin { key: from.clone(), items: origin.clone() });
        }
        lines.push(line_of(file.clone(), &entry));
        self.append(&lines, sync)?;
        self.record.origins.insert(from, origin.clone());
        self.record.files.insert(file, entry);
        Ok(())
    }

    /// Notes that `file` was deleted.
    pub fn gone(&mut self, file: &str) -> Result<()> {
        self.append(&[Line::Gone(file.to_owned())], false)?;
        self.record.files.remove(file);
        Ok(())
    }

    /// Notes that all files are to be deleted.
    pub fn overwritten(&mut self) -> Result<()> {
        self.append(&[Line::Overwritten], true)?;
        self.record.files.values_mut().for_each(|entry| *entry = Entry::Doomed);
        Ok(())
    }

    /// Writes it anew, in order, without files for which `there` is false.
    pub fn tidy(self, there: impl Fn(&str) -> bool) -> Result<()> {
        let Journal { path, mut record, file } = self;
        drop(file);
        record.files.retain(|file, _| there(file));
        Journal::write(path, record).map(drop)
    }

    /// One write for all lines, so that a process that is killed leaves at most a part of the last.
    fn append(&mut self, lines: &[Line], sync: bool) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        for line in lines {
            text.extend(bytes(&self.path, line)?);
        }
        let failed = |source| Error::file("write", &self.path, source);
        let before = self.file.metadata().map_err(failed)?.len();
        self.file.write_all(&text).map_err(|source| {
            // Half a line, of a full disk, would run into what is appended later.
            let _ = self.file.set_len(before);
            failed(source)
        })?;
        if sync { self.file.sync_data().map_err(failed) } else { Ok(()) }
    }
}

fn bytes(path: &Path, line: &Line) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line).map_err(|error| {
        Error::content(path, error.to_string(), "this is a bug, please report it")
    })?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::provenance::items;

    fn new(path: &Path) -> Journal {
        Journal::write(path.to_owned(), Record::of("test")).unwrap()
    }

    #[test]
    fn a_journal_that_is_cut_off_anywhere_says_what_it_had_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let mut journal = new(&path);
        let origin = items([("a", json!(1))]);
        journal.claim(vec!["a/b.png".to_owned(), "c".to_owned()], &Entry::Claimed).unwrap();
        journal.made("c".to_owned(), &origin, Some("12".to_owned()), true).unwrap();
        journal.claim(vec!["s".to_owned()], &Entry::State).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut known = 0;
        for end in 0..=whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let found = Record::read(&path).unwrap();
            let now = found.as_ref().map_or(0, |record| record.files.len());
            assert!(now >= known, "{end}");
            known = now;
            if let Some(record) = found {
                let text = String::from_utf8_lossy(&whole[..end]).into_owned();
                let finished =
                    |part: &str| text.lines().any(|l| l.contains(part)) && text.ends_with('\n');
                assert!(!finished("made") || record.origin("c").is_some(), "{end}");
            }
        }
        assert_eq!(known, 3);
        let record = Record::read(&path).unwrap().unwrap();
        assert_eq!(record.origin("c"), Some(&origin));
        assert_eq!(record.files["s"], Entry::State);
        assert_eq!(record.origin("a/b.png"), None);
    }

    #[test]
    fn in_order_it_does_not_matter_what_came_first() {
        let folder = tempfile::tempdir().unwrap();
        let text = |files: [&str; 2], detour: bool| {
            let path = folder.path().join("run.jsonl");
            let mut journal = new(&path);
            let origin = items([("a", json!(1))]);
            if detour {
                journal.made(files[0].into(), &items([("old", json!(1))]), None, false).unwrap();
                journal.claim(vec!["never".to_owned()], &Entry::Claimed).unwrap();
                journal.claim(vec!["state".to_owned()], &Entry::State).unwrap();
                journal.gone("state").unwrap();
            }
            for file in files {
                journal.made(file.to_owned(), &origin, Some("7".to_owned()), false).unwrap();
            }
            journal.tidy(|file| file != "never").unwrap();
            std::fs::read_to_string(path).unwrap()
        };
        let straight = text(["a", "b"], false);
        assert_eq!(straight, text(["b", "a"], true));
        assert_eq!(straight.lines().count(), 4, "{straight}");
    }

    #[test]
    fn what_is_no_journal_is_refused_and_so_are_paths_that_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let head = "{\"run\":{\"format\":1,\"command\":\"test\"}}\n";
        let refused = |text: &str, part: &str| {
            std::fs::write(&path, text).unwrap();
            let error = Record::read(&path).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("run.jsonl"), "{error}");
        };
        for text in ["x\n", "x", "\n", "notes of a run", "{\"claimed\":\"a\"}\n"] {
            refused(text, "not a record of a run");
        }
        refused("{\"run\":7}\n", "line 1");
        refused("{\"run\":{\"format\":2,\"command\":\"test\"}}\n", "format is 2");
        refused(&format!("{head}{head}"), "line 2");
        for out in ["../a", "/etc/passwd", "a/../../b", "", "./a"] {
            refused(&format!("{head}{{\"claimed\":\"{out}\"}}\n"), "not below");
        }
        let made = "{\"made\":{\"file\":\"a\",\"from\":\"0\",\"content\":null}}\n";
        refused(&format!("{head}{made}"), "not known");
    }
}
