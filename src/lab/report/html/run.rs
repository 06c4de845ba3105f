//! The folder that `parula reproduce` leaves, as the report reads it.

use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::numbers::{list, number, word};
use crate::documents;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::mask;
use crate::lab::experiment::Round;
use crate::nets::images::Grey;

/// A run's folder and what its `results.json` says.
pub struct Run {
    /// The folder.
    pub folder: PathBuf,
    /// `results.json` as it is: a field that is not there was not run.
    pub results: Value,
}

/// The seed and the fold of an entry of `runs`.
pub fn round_of(run: &Value) -> Round {
    let whole = |key| number(run, key).map(|number| number as u64);
    let fold = whole("fold").map(|fold| fold as usize);
    Round { seed: whole("seed").unwrap_or_default(), fold }
}

/// A line of `scores.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Score {
    /// The ROI.
    pub name: String,
    /// `train` or `validation`.
    pub split: String,
    /// Of its heatmap.
    pub mean_dice: f64,
}

/// A line of the test set's scores.
#[derive(Clone, Debug, Deserialize)]
struct TestScore {
    name: String,
    mean_dice: f64,
}

/// A line of a table of normal ROIs.
#[derive(Clone, Debug, Deserialize)]
struct Normal {
    name: String,
    /// The share of its pixels that is marked.
    marked: f64,
}

/// Which ROIs of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Abnormal ones to learn from and to validate on.
    Scored,
    /// Normal ones of the validation side.
    Normal,
    /// Abnormal ones of the test set.
    Test,
    /// Normal ones of the test set.
    TestNormal,
}

impl Kind {
    /// Whether there is nothing to be found in them.
    pub fn is_normal(self) -> bool {
        matches!(self, Kind::Normal | Kind::TestNormal)
    }

    /// The folder of their pictures in that of the heatmaps.
    fn folder(self) -> &'static str {
        match self {
            Kind::Scored => "",
            Kind::Normal => "normal",
            Kind::Test => "test",
            Kind::TestNormal => "test/normal",
        }
    }
}

/// The exported pictures of one ROI, all of one size.
pub struct Pictures {
    /// The ROI, the network's input before it is resized.
    pub roi: Grey,
    /// The truth, 0 or 255, by the rule of `parula score`.
    pub mask: Grey,
    /// The heatmap.
    pub heatmap: Grey,
}

impl Run {
    /// Reads `results.json` in `folder`.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Content`].
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("results.json");
        let hint = "give the folder that `parula reproduce --out` wrote";
        let text =
            files::read_at_most(&path, documents::MOST_JSON).map_err(|error| match error {
                Error::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                    Error::content(folder, "has no results.json", hint)
                }
                other => other,
            })?;
        let results = Self::parse(&text).map_err(|what| Error::content(&path, what, hint))?;
        Ok(Run { folder: folder.to_owned(), results })
    }

    /// The results in `text`, if a page can be made of them: what is drawn is in its range, what is a name is short,
    /// and there are as many of everything as a page shows.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn parse(text: &[u8]) -> Result<Value, String> {
        let results: Value =
            documents::json(text).map_err(|error| format!("is not JSON of a run ({error})"))?;
        for key in ["version", "adapter", "config", "dataset", "baselines", "runs", "summary"] {
            if results.get(key).is_none() {
                return Err(format!("has no `{key}`"));
            }
        }
        for (key, most) in [("summary", MOST_MODELS), ("runs", MOST_RUNS)] {
            let count = list(&results, key).len();
            if count > most {
                return Err(format!(
                    "has {count} entries in `{key}`, and {most} are shown at most"
                ));
            }
        }
        for key in ["summary", "runs"] {
            for model in list(&results, key).iter().map(|one| word(one, "model")) {
                if !is_name(model) {
                    return Err(format!("has a model called \"{model:.40}\""));
                }
            }
        }
        if word(&results, "explained_class").len() > MOST_NAME {
            return Err("has no name for `explained_class`, but a text".to_owned());
        }
        match out_of_range(&results) {
            Some((key, value)) => Err(format!("says that {key} is {value:e}, and it is a share")),
            None => Ok(results),
        }
    }

    /// The entries of `summary`: one a model.
    pub fn summary(&self) -> &[Value] {
        list(&self.results, "summary")
    }

    /// The entries of `runs`: one a model and seed.
    pub fn runs(&self) -> &[Value] {
        list(&self.results, "runs")
    }

    /// The runs of `model`.
    pub fn runs_of<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a Value> + 'a {
        self.runs().iter().filter(move |run| word(run, "model") == model)
    }

    /// The first run of `model` whose heatmaps are still there, with its scores.
    ///
    /// # Errors
    /// Those of its `scores.csv`.
    pub fn exported(&self, model: &str) -> Result<Option<(Round, Vec<Score>)>> {
        for run in self.runs_of(model) {
            let round = round_of(run);
            let path = self.heatmaps(model, round).join("scores.csv");
            if path.exists() {
                return Ok(Some((round, scores(&path)?)));
            }
        }
        Ok(None)
    }

    /// ROIs that the first run's scores do not speak of, whose pictures are there: each with its rank, which is its
    /// mean-Dice, or of a normal one the share that is marked.
    ///
    /// # Errors
    /// Those of their tables.
    pub fn others(&self, model: &str, round: Round, kind: Kind) -> Result<Vec<(String, f64)>> {
        let test = |what: &str| {
            let folder = self.folder.join("predictions").join(model);
            folder.join(format!("{}.test-{what}.csv", round.stem()))
        };
        let path = match kind {
            Kind::Scored => return Ok(Vec::new()),
            Kind::Normal => self.heatmaps(model, round).join("normals.csv"),
            Kind::Test => test("scores"),
            Kind::TestNormal => test("normals"),
        };
        if !path.exists() {
            return Ok(Vec::new());
        }
        let all: Vec<(String, f64)> = match kind.is_normal() {
            true => table::<Normal>(&path)?.into_iter().map(|n| (n.name, n.marked)).collect(),
            false => {
                table::<TestScore>(&path)?.into_iter().map(|s| (s.name, s.mean_dice)).collect()
            }
        };
        if let Some((name, value)) = all.iter().find(|(name, rank)| !is_line(name, *rank)) {
            let problem = format!("has {name:.40} with {value:e}");
            return Err(Error::content(&path, problem, AGAIN));
        }
        // Earlier versions have left the tables without pictures.
        let there = |name: &str| self.file(model, round, kind, name, "heatmap").exists();
        Ok(all.into_iter().filter(|(name, _)| there(name)).collect())
    }

    /// A picture of the ROI `name`.
    fn file(&self, model: &str, round: Round, kind: Kind, name: &str, what: &str) -> PathBuf {
        let folder = self.heatmaps(model, round).join(kind.folder());
        folder.join(format!("{name}.{what}.png"))
    }

    /// Where the pictures of a run are.
    fn heatmaps(&self, model: &str, round: Round) -> PathBuf {
        self.folder.join("heatmaps").join(model).join(round.stem())
    }

    /// The table of lesions of a run, where it would be.
    pub fn lesions(&self, model: &str, round: Round) -> PathBuf {
        self.heatmaps(model, round).join("lesions.csv")
    }

    /// The truth of the ROI `name`.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn mask(&self, model: &str, round: Round, name: &str) -> Result<Grey> {
        self.truth(model, round, Kind::Scored, name)
    }

    fn truth(&self, model: &str, round: Round, kind: Kind, name: &str) -> Result<Grey> {
        Ok(mask::read(&self.file(model, round, kind, name, "mask"), None)?.grey)
    }

    /// The pictures of the ROI `name`; the truth of a normal one is empty.
    ///
    /// # Errors
    /// That one cannot be read, or that their sizes differ.
    pub fn pictures(&self, model: &str, round: Round, kind: Kind, name: &str) -> Result<Pictures> {
        let mask = match kind.is_normal() {
            false => self.truth(model, round, kind, name)?,
            true => {
                let Grey { width, height, .. } =
                    Grey::read(self.file(model, round, kind, name, "roi"))?;
                Grey::filled(width, height, 0)
            }
        };
        let read = |what: &str| -> Result<Grey> {
            let path = self.file(model, round, kind, name, what);
            let picture = Grey::read(&path)?;
            if (picture.width, picture.height) == (mask.width, mask.height) {
                return Ok(picture);
            }
            let problem = format!(
                "it is {}x{}, its mask {}x{}",
                picture.width, picture.height, mask.width, mask.height
            );
            Err(Error::content(&path, problem, "run `parula reproduce` for this model again"))
        };
        let (roi, heatmap) = (read("roi")?, read("heatmap")?);
        Ok(Pictures { roi, mask, heatmap })
    }
}

/// Of `summary`.
const MOST_MODELS: usize = 200;
/// Of `runs`.
const MOST_RUNS: usize = 5000;
/// Bytes of a name.
const MOST_NAME: usize = 200;

/// Whether `text` can be a part of a file's name: it leads to no other folder.
pub fn is_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    let named = matches!(parts.next(), None | Some(Component::Normal(_)));
    named && parts.next().is_none() && text.len() <= MOST_NAME
}

/// Shares are from 0 to 1. Their intervals may go beyond, by Student's t over two seeds some tenfold.
const MOST_SHARE: f64 = 100.0;

/// Whether `key` is a share, as all that stands below it then is.
fn is_share(key: &str) -> bool {
    let whole = ["ones", "gaussian", "ellipse", "auc", "sensitivity", "specificity", "brier"];
    key.ends_with("_acc")
        || key.contains("dice")
        || key.contains("accuracy")
        || whole.contains(&key)
}

/// The first share in the results that is none.
fn out_of_range(results: &Value) -> Option<(String, f64)> {
    let parts = ["summary", "runs", "baselines"]
        .into_iter()
        .chain(["baselines_validation", "baselines_at_best_threshold_validation"]);
    parts.filter_map(|part| results.get(part)).find_map(|part| no_share(part, None))
}

/// The first number in `value` that is far outside of 0 to 1 and below a share's key; `key` is that around it.
fn no_share(value: &Value, key: Option<&str>) -> Option<(String, f64)> {
    match value {
        Value::Number(number) => {
            let number = number.as_f64().filter(|number| number.abs() > MOST_SHARE);
            Some((key?.to_owned(), number?))
        }
        Value::Array(values) => values.iter().find_map(|value| no_share(value, key)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            // Beside an interval stands what it was made of: counts.
            let own = key.filter(|_| ["mean", "low", "high", "value"].contains(&name.as_str()));
            no_share(value, own.or_else(|| is_share(name).then_some(name)))
        }),
        _ => None,
    }
}

/// What to do about a file of the folder that is damaged.
const AGAIN: &str = "run `parula reproduce` for this model again";

fn scores(path: &Path) -> Result<Vec<Score>> {
    let scores: Vec<Score> = table(path)?;
    for Score { name, mean_dice, .. } in &scores {
        if !is_line(name, *mean_dice) {
            let problem = format!("has {name:.40} with a mean Dice of {mean_dice:e}");
            return Err(Error::content(path, problem, AGAIN));
        }
    }
    Ok(scores)
}

/// Whether a line of a table can be that of an ROI: its name leads nowhere, and its share is one.
fn is_line(name: &str, share: f64) -> bool {
    is_name(name) && (0.0..=1.0).contains(&share)
}

fn table<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let bytes = files::read_at_most(path, documents::MOST_TABLE)?;
    documents::table(&bytes)
        .map_err(|error| Error::content(path, format!("is not a table of scores ({error})"), AGAIN))
}
