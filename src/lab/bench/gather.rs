//! A bench of layers in parts: the report of each in a folder of its own, and all of their rows in one file.
//!
//! What is measured is not the same twice, so parts are not what one process gives; the rows are the same ones. Each
//! row has its own times of the ceiling beside it, and the file says which machine each part ran on, and when.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Group, Layer, Report};
use crate::digest::digest;
use crate::engine::gpu::{Gpu, environment};
use crate::error::{Error, Result};
use crate::files;
use crate::lab::run_folder::parts::{self, Part as _, Together};
use crate::lab::run_folder::{Again, RunFolder};
use crate::provenance::Items;

/// The file of a part's report, and of all rows.
pub const FILE: &str = "bench.json";

/// What a report has of its machine, which differs between parts.
const OF_MACHINE: [&str; 6] = ["adapter", "date", "machine", "clocks", "ceiling", "overhead"];

/// A part of a bench, and where its report is kept.
#[derive(Debug)]
pub struct Kept {
    run: RunFolder,
    path: PathBuf,
    origin: Items,
    part: Group,
    parts: Vec<Group>,
}

impl Kept {
    /// Of part number `task` of `layers`, in a folder of its own below `out`; `settings` are the options that decide
    /// what is measured, by name.
    ///
    /// # Errors
    /// [`Error::Usage`] when there are not so many; those of [`RunFolder::open`]; [`Error::Content`] where a report
    /// is there that was measured otherwise.
    pub fn open(
        gpu: &Arc<Gpu>,
        out: &Path,
        layers: &[Layer],
        task: usize,
        settings: Items,
        again: Again,
    ) -> Result<Self> {
        let all = Group::all(layers);
        let part = parts::pick(all.clone(), task)?;
        let folder = part.folder(out);
        let mut origin = environment(gpu);
        origin.insert("settings".to_owned(), Value::Object(settings));
        let shapes = digest(layers.iter().map(|layer| layer.key.as_str()));
        origin.insert("shapes".to_owned(), json!(shapes));
        let run = RunFolder::open(&folder, "bench", again)?;
        let path = folder.join(FILE);
        run.agree(&path, &origin)?;
        Ok(Kept { run, path, origin, part, parts: all })
    }

    /// What is measured.
    pub fn part(&self) -> &Group {
        &self.part
    }

    /// The report that is there already.
    ///
    /// # Errors
    /// [`Error::Content`] when it has changed since; those of reading.
    pub fn there(&self) -> Result<Option<Value>> {
        match self.run.intact(&self.path)? {
            true => files::read_json(&self.path, "a report").map(Some),
            false => Ok(None),
        }
    }

    /// Writes `report`, and returns the file.
    ///
    /// # Errors
    /// Those of writing.
    pub fn keep(self, report: &Report) -> Result<PathBuf> {
        let Kept { run, path, origin, part, parts } = self;
        let document = with(report, [("task", json!(part.task)), ("tasks", json!(parts))]);
        run.make(&path, &origin, |path| files::write_json(path, &document))?;
        run.finish()?;
        Ok(path)
    }
}

/// The fields of `report` and others.
fn with(report: &impl serde::Serialize, more: [(&str, Value); 2]) -> Value {
    let mut document = json!(report);
    if let Some(fields) = document.as_object_mut() {
        fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    document
}

/// The report of a part, as a file has it.
#[derive(Clone, Debug)]
struct Measured {
    document: Value,
    task: usize,
    parts: Vec<Group>,
    adapter: String,
}

impl parts::Results for Measured {
    type Part = Group;
    const COMMAND: &'static str = "bench";
    const FILE: &'static str = FILE;

    fn read(path: &Path) -> Result<Self> {
        let document: Value = files::read_json(path, "a report")?;
        let read = || {
            Some(Measured {
                task: serde_json::from_value(document.get("task")?.clone()).ok()?,
                parts: serde_json::from_value(document.get("tasks")?.clone()).ok()?,
                adapter: document.get("adapter")?.as_str()?.to_owned(),
                document: document.clone(),
            })
        };
        read().ok_or_else(|| {
            let hint = "measure it again with --overwrite, or move its folder away";
            Error::content(path, "it is not the report of a task", hint)
        })
    }

    fn parts(&self) -> Vec<Group> {
        self.parts.clone()
    }

    fn difference(&self, other: &Self) -> Option<String> {
        (self.parts != other.parts).then(|| "other layers".to_owned())
    }

    fn is_of(&self, part: &Group) -> bool {
        self.task == part.task
    }

    fn of_all(&self, out: &Path) -> Vec<PathBuf> {
        vec![out.join(FILE)]
    }

    fn adapter(&self) -> &str {
        &self.adapter
    }
}

/// All rows of the parts in `out`.
#[derive(Debug)]
pub struct Gathered {
    /// The file that has them: a report, of the first part's machine. `parts` has each one's, `missing` what is not
    /// there.
    pub path: PathBuf,
    /// The same.
    pub document: Value,
    /// How many rows.
    pub rows: usize,
    /// Parts that are not there.
    pub missing: Vec<Group>,
}

/// Writes the rows of all parts in `out` into one file there. None where there are no parts.
///
/// # Errors
/// Those of [`parts::together`], of reading and of writing.
pub fn gather(out: &Path) -> Result<Option<Gathered>> {
    let Some(Together { run, parts, origin, adapter }) = parts::together::<Measured>(out)? else {
        return Ok(None);
    };
    let found = || parts.iter().filter_map(|(part, done)| Some((part, done.as_ref()?)));
    let Some((_, first)) = found().next() else { return Ok(None) };
    let mut document = first.document.clone();
    let list = |name: &str| -> Value {
        let lists = found().filter_map(|(_, done)| done.document.get(name)?.as_array());
        Value::Array(lists.flatten().cloned().collect())
    };
    let machines = found().map(|(part, done)| {
        let own = OF_MACHINE
            .iter()
            .filter_map(|&name| Some((name.to_owned(), done.document.get(name)?.clone())));
        let what =
            [("task", json!(part.task)), ("network", json!(part.network)), ("op", json!(part.op))];
        let what = what.into_iter().map(|(name, value)| (name.to_owned(), value));
        Value::Object(what.chain(own).collect())
    });
    let missing: Vec<Group> =
        parts.iter().filter(|(_, done)| done.is_none()).map(|(part, _)| part.clone()).collect();
    let rows = list("results");
    let count = rows.as_array().map_or(0, Vec::len);
    let fields = [
        ("adapter", json!(adapter)),
        ("results", rows),
        ("not_timed", list("not_timed")),
        ("parts", Value::Array(machines.collect())),
        ("missing", json!(missing)),
    ];
    if let Some(all) = document.as_object_mut() {
        ["task", "tasks"].iter().for_each(|name| drop(all.remove(*name)));
        all.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    }
    let path = out.join(FILE);
    run.make(&path, &origin, |path| files::write_json(path, &document))?;
    run.finish()?;
    Ok(Some(Gathered { path, document, rows: count, missing }))
}
