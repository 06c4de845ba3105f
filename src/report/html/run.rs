//! The folder that `parula reproduce` leaves, as the report reads it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::numbers::{list, number, word};
use crate::data::{Grey, mask};
use crate::error::{Error, Result};
use crate::files;

/// A run's folder and what its `results.json` says.
pub struct Run {
    /// The folder.
    pub folder: PathBuf,
    /// `results.json` as it is: a field that is not there was not run.
    pub results: Value,
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
        let text = files::read(&path).map_err(|error| match error {
            Error::File { source, .. } if source.kind() == ErrorKind::NotFound => {
                Error::content(folder, "has no results.json", hint)
            }
            other => other,
        })?;
        let results: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::content(&path, format!("is not JSON ({error})"), hint))?;
        for key in ["version", "adapter", "config", "dataset", "baselines", "runs", "summary"] {
            if results.get(key).is_none() {
                return Err(Error::content(&path, format!("has no `{key}`"), hint));
            }
        }
        Ok(Run { folder: folder.to_owned(), results })
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
    pub fn exported(&self, model: &str) -> Result<Option<(u64, Vec<Score>)>> {
        for run in self.runs_of(model) {
            let seed = number(run, "seed").unwrap_or_default() as u64;
            let path = self.heatmaps(model, seed).join("scores.csv");
            if path.exists() {
                return Ok(Some((seed, scores(&path)?)));
            }
        }
        Ok(None)
    }

    /// Where the pictures of a run are.
    fn heatmaps(&self, model: &str, seed: u64) -> PathBuf {
        self.folder.join("heatmaps").join(model).join(seed.to_string())
    }

    /// The truth of the ROI `name`.
    ///
    /// # Errors
    /// That it cannot be read.
    pub fn mask(&self, model: &str, seed: u64, name: &str) -> Result<Grey> {
        let path = self.heatmaps(model, seed).join(format!("{name}.mask.png"));
        Ok(mask::read(&path, None)?.grey)
    }

    /// The pictures of the ROI `name`.
    ///
    /// # Errors
    /// That one cannot be read, or that their sizes differ.
    pub fn pictures(&self, model: &str, seed: u64, name: &str) -> Result<Pictures> {
        let mask = self.mask(model, seed, name)?;
        let read = |what: &str| -> Result<Grey> {
            let path = self.heatmaps(model, seed).join(format!("{name}.{what}.png"));
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

fn scores(path: &Path) -> Result<Vec<Score>> {
    let bytes = files::read(path)?;
    csv::Reader::from_reader(&bytes[..]).into_deserialize().collect::<Result<_, _>>().map_err(
        |error| {
            let hint = "run `parula reproduce` for this model again";
            Error::content(path, format!("is not a table of scores ({error})"), hint)
        },
    )
}
