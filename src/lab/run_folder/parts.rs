//! A run in parts that need nothing of each other: each may run anywhere, at the same time as others, and writes only
//! into a folder of its own. Here is what all commands with parts share: where these folders are, and how what is in
//! them becomes the folder that one process would leave.
//!
//! What a part has finished is taken over as it is. Parts must be of one version, of the same options and ROIs; of
//! other adapters they may be, and the results then name all of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::record::Record;
use super::{Again, RECORD, RunFolder, Taken};
use crate::error::{Error, Result};
use crate::files::outputs;
use crate::provenance::{Items, difference};

/// The folder of all parts in that of the run.
pub const FOLDER: &str = "tasks";

/// What to do about a part that does not fit.
const HINT: &str =
    "run it again with the options of the others and --overwrite, or move its folder away";

/// A part of a run.
pub trait Part {
    /// Its folder is called so: no other part's is.
    fn name(&self) -> String;

    /// Where it is run, in the folder of the run.
    fn folder(&self, out: &Path) -> PathBuf {
        out.join(FOLDER).join(self.name())
    }
}

/// What a run leaves, all of it or one of its parts.
pub trait Results: Sized {
    /// What it is divided into.
    type Part: Part;
    /// The command that leaves it.
    const COMMAND: &'static str;
    /// The file that it is in.
    const FILE: &'static str;

    /// Reads the file.
    ///
    /// # Errors
    /// Those of reading.
    fn read(path: &Path) -> Result<Self>;

    /// All parts of the run, in order.
    fn parts(&self) -> Vec<Self::Part>;

    /// The first option in which it is another run than `other`, whichever parts they are of.
    fn difference(&self, other: &Self) -> Option<String>;

    /// Whether it holds nothing that another part than `part` does.
    fn is_of(&self, part: &Self::Part) -> bool;

    /// The files that are about all parts, which are made anew of them: those of a part are left where they are.
    fn of_all(&self, out: &Path) -> Vec<PathBuf>;

    /// What it was made on.
    fn adapter(&self) -> &str;
}

/// Part number `task`.
///
/// # Errors
/// [`Error::Usage`] when there are not so many.
pub fn pick<P>(mut parts: Vec<P>, task: usize) -> Result<P> {
    if task >= parts.len() {
        let problem = match parts.len() {
            0 => format!("there is no task {task}, nor any other"),
            1 => format!("there is no task {task}: 0 is the only one"),
            all => format!("there is no task {task}: they are 0 to {}", all - 1),
        };
        return Err(Error::usage(problem, "see --tasks, with the same options"));
    }
    Ok(parts.swap_remove(task))
}

/// The command whose parts are in `out`; none where there is no part that has begun.
///
/// # Errors
/// [`Error::File`] or [`Error::Content`] when a record cannot be read.
pub fn command(out: &Path) -> Result<Option<String>> {
    for folder in folders(out)? {
        if let Some(record) = Record::read(&folder.join(RECORD))? {
            return Ok(Some(record.command));
        }
    }
    Ok(None)
}

/// The folders of parts in `out`, in order of their names.
fn folders(out: &Path) -> Result<Vec<PathBuf>> {
    let all = out.join(FOLDER);
    if !all.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |error| Error::file("read", &all, error);
    let entries = std::fs::read_dir(&all).map_err(failed)?;
    let paths = entries.map(|entry| Ok(entry.map_err(failed)?.path()));
    let mut folders: Vec<PathBuf> = paths.collect::<Result<_>>()?;
    folders.sort();
    Ok(folders)
}

/// A part's folder, and what is in it.
struct Found<R> {
    folder: PathBuf,
    record: Taken,
    results: R,
}

impl<R: Results> Found<R> {
    /// What its results were made from.
    fn origin(&self) -> Result<&Items> {
        self.record.origin(&self.folder.join(R::FILE))
    }
}

/// A run whose parts' files are together: what is about all of them is still to be made.
#[derive(Debug)]
pub struct Together<R: Results> {
    /// The folder of the run.
    pub run: RunFolder,
    /// All parts in order, each with its results where it has left some. At least one has.
    pub parts: Vec<(R::Part, Option<R>)>,
    /// What is about all parts is made from this.
    pub origin: Items,
    /// What they were made on, each once.
    pub adapter: String,
}

/// Puts together the files of the parts in `out`, but for those that are [about all of them](Results::of_all). None
/// where there are no parts.
///
/// # Errors
/// [`Error::Content`] with the part that is of another version, of other options or ROIs, or no part of this run;
/// those of [`RunFolder::open`], of reading and of writing.
pub fn together<R: Results>(out: &Path) -> Result<Option<Together<R>>> {
    if !out.join(FOLDER).is_dir() {
        return Ok(None);
    }
    let mut found: Vec<Found<R>> = Vec::new();
    for folder in folders(out)? {
        let path = folder.join(R::FILE);
        if path.exists() {
            let record = Taken::of_part(&folder, R::COMMAND, HINT)?;
            found.push(Found { results: R::read(&path)?, record, folder });
        }
    }
    let Some(first) = found.first() else {
        let hint = format!("see `parula {} --tasks`", R::COMMAND);
        return Err(Error::content(out.join(FOLDER), "no task has left results yet", hint));
    };
    let parts = first.results.parts();
    for one in &found {
        expect_alike(first, one)?;
        let Some(part) = parts.iter().find(|part| part.folder(out) == one.folder) else {
            let problem = "it is no task of the run that the other tasks are of";
            return Err(Error::content(&one.folder, problem, HINT));
        };
        if !one.results.is_of(part) {
            let problem =
                "its results are those of another task: the folder was renamed, or copied";
            return Err(Error::content(&one.folder, problem, HINT));
        }
    }

    outputs::prepare_run::<&Path>(out, [])?;
    let run = RunFolder::open(out, R::COMMAND, Again::Resume)?.of_parts();
    let of_all = first.results.of_all(out);
    for Found { folder, record, .. } in &found {
        for (name, origin, content) in record.files() {
            let path = out.join(name);
            if !of_all.contains(&path) {
                run.adopt(&path, &folder.join(name), origin, content)?;
            }
        }
    }
    // Each once, in order.
    let adapters: BTreeSet<&str> = found.iter().map(|one| one.results.adapter()).collect();
    let adapter = adapters.iter().copied().collect::<Vec<_>>().join("; ");
    let mut origin = first.origin()?.clone();
    if adapters.len() > 1 {
        crate::console::note!(
            "the tasks ran on several adapters, which round otherwise: {adapter}"
        );
        origin.insert("adapter".to_owned(), json!(adapter));
    }
    // Of fewer parts, what is about all of them may have been made on fewer adapters.
    for path in of_all {
        if run.knows(&path)? && run.agree(&path, &origin).is_err() {
            run.renew(&[path])?;
        }
    }
    let mut done: Vec<Option<Found<R>>> = found.into_iter().map(Some).collect();
    let mut of = |part: &R::Part| {
        let folder = part.folder(out);
        let is = |one: &Option<Found<R>>| one.as_ref().is_some_and(|one| one.folder == folder);
        done.iter_mut().find(|one| is(one)).and_then(Option::take).map(|one| one.results)
    };
    let parts = parts.into_iter().map(|part| (of(&part), part)).map(|(done, part)| (part, done));
    let parts = parts.collect();
    Ok(Some(Together { run, parts, origin, adapter }))
}

/// That two parts are of one run: of one version, one set of kernels, the same ROIs and options.
fn expect_alike<R: Results>(first: &Found<R>, other: &Found<R>) -> Result<()> {
    let without_adapter = |found: &Found<R>| -> Result<Items> {
        let mut origin = found.origin()?.clone();
        origin.remove("adapter");
        Ok(origin)
    };
    let differs = difference(&without_adapter(other)?, &without_adapter(first)?);
    match differs.or_else(|| other.results.difference(&first.results)) {
        None => Ok(()),
        Some(difference) => {
            let first = first.folder.display();
            let problem = format!("it is from another configuration than {first}: {difference}");
            Err(Error::content(&other.folder, problem, HINT))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;
    use crate::provenance::items;

    #[derive(Debug)]
    struct Number(u32);

    impl Part for Number {
        fn name(&self) -> String {
            format!("number-{}", self.0)
        }
    }

    /// `OPTION ADAPTER NUMBER`, of a run of three parts.
    #[derive(Debug)]
    struct Line([String; 3]);

    impl Results for Line {
        type Part = Number;
        const COMMAND: &'static str = "count";
        const FILE: &'static str = "results.json";

        fn read(path: &Path) -> Result<Self> {
            let text = String::from_utf8(files::read(path)?).unwrap();
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            Ok(Line(words.try_into().unwrap()))
        }

        fn parts(&self) -> Vec<Number> {
            (0..3).map(Number).collect()
        }

        fn difference(&self, other: &Self) -> Option<String> {
            (self.0[0] != other.0[0]).then(|| format!("option is {}", self.0[0]))
        }

        fn is_of(&self, part: &Number) -> bool {
            self.0[2] == part.0.to_string()
        }

        fn of_all(&self, out: &Path) -> Vec<PathBuf> {
            vec![out.join(Line::FILE)]
        }

        fn adapter(&self) -> &str {
            &self.0[1]
        }
    }

    /// Leaves part `number` in the folder `name`, of this version, option and adapter.
    fn leave(out: &Path, name: &str, number: u32, [version, option, adapter]: [&str; 3]) {
        let folder = out.join(FOLDER).join(name);
        let run = RunFolder::open(&folder, "count", Again::Overwrite).unwrap();
        let origin = items([("version", json!(version)), ("adapter", json!(adapter))]);
        let results = format!("{option} {adapter} {number}");
        for (path, text) in [("results.json", &results[..]), ("a/own.txt", "own")] {
            let path = folder.join(path.replace("own", &number.to_string()));
            run.make(&path, &origin, |path| files::write(path, text.as_bytes())).unwrap();
        }
        run.finish().unwrap();
    }

    fn own(out: &Path, number: u32, made: [&str; 3]) {
        leave(out, &format!("number-{number}"), number, made);
    }

    fn refused(out: &Path, parts: &[&str]) {
        let error = together::<Line>(out).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }

    #[test]
    fn files_of_parts_come_together_and_those_about_all_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let gather = || together::<Line>(out);
        assert!(gather().unwrap().is_none(), "no parts");
        assert_eq!(command(out).unwrap(), None);
        std::fs::create_dir(out.join(FOLDER)).unwrap();
        refused(out, &["no task has left results", "parula count --tasks"]);
        own(out, 2, ["1", "x", "gpu"]);
        own(out, 0, ["1", "x", "gpu"]);
        assert_eq!(command(out).unwrap().as_deref(), Some("count"));
        let Together { run, parts, origin, adapter } = gather().unwrap().unwrap();
        let there = |(part, results): &(Number, Option<Line>)| (part.0, results.is_some());
        let all: Vec<_> = parts.iter().map(there).collect();
        assert_eq!(all, [(0, true), (1, false), (2, true)]);
        assert_eq!((&adapter[..], &origin["adapter"]), ("gpu", &json!("gpu")));
        assert!(run.intact(&out.join("a/0.txt")).unwrap());
        assert!(run.intact(&out.join("a/2.txt")).unwrap());
        assert!(!out.join("results.json").exists());
        let make = |run: &RunFolder, origin: &Items| {
            run.make(&out.join("results.json"), origin, |path| files::write(path, b"x")).unwrap();
        };
        make(&run, &origin);
        drop(run);
        // Again, and with one more of another adapter.
        own(out, 1, ["1", "x", "other"]);
        let all = gather().unwrap().unwrap();
        assert_eq!(
            (&all.adapter[..], &all.origin["adapter"]),
            ("gpu; other", &json!("gpu; other"))
        );
    }

    #[test]
    fn parts_of_another_version_or_option_or_place_are_refused_by_name() {
        let made = ["1", "x", "gpu"];
        let with = |spoil: &dyn Fn(&Path), parts: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            own(folder.path(), 0, made);
            spoil(folder.path());
            refused(folder.path(), parts);
            assert!(!folder.path().join("a").exists(), "nothing was taken over");
        };
        with(&|out| own(out, 1, ["2", "x", "gpu"]), &["number-1", r#"version was "1", is "2""#]);
        with(&|out| own(out, 1, ["1", "y", "gpu"]), &["number-1", "option is y", "--overwrite"]);
        with(&|out| leave(out, "number-7", 7, made), &["number-7", "no task of the run"]);
        // Two folders with one number: a copy under the name of another.
        with(&|out| leave(out, "number-1", 0, made), &["number-1", "another task"]);
        let of_another = |out: &Path| {
            let folder = out.join(FOLDER).join("number-1");
            let run = RunFolder::open(&folder, "other", Again::Refuse).unwrap();
            let origin = items([("version", json!("1"))]);
            run.make(&folder.join("results.json"), &origin, |path| files::write(path, b"x x 1"))
                .unwrap();
        };
        with(&of_another, &["number-1", "of `parula other`, not count", "move its folder away"]);
        let folder = tempfile::tempdir().unwrap();
        own(folder.path(), 0, made);
        own(folder.path(), 1, made);
        std::fs::write(folder.path().join("tasks/number-1/a/1.txt"), "mine").unwrap();
        refused(folder.path(), &["1.txt", "has changed since"]);
    }

    #[test]
    fn a_number_is_one_of_those_that_there_are() {
        let error = |parts: Vec<u32>, task| pick(parts, task).unwrap_err().to_string();
        assert_eq!(pick(vec![5, 6, 7], 1).unwrap(), 6);
        assert!(error(vec![5, 6], 2).contains("no task 2: they are 0 to 1"));
        assert!(error(vec![5], 1).contains("0 is the only one"));
        assert!(error(Vec::new(), 0).contains("nor any other"));
    }
}
