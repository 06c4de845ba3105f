//! The independent parts of an experiment: a network in a round, with all of its phases. [`gather`](super::gather) puts
//! them together.

use serde::Serialize;

use super::{Config, Options, Phase, Round, Setup};
use crate::error::Result;
use crate::lab::run_folder::parts::{self, Part as _};

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// From 0, in order of running.
    pub task: usize,
    /// The network.
    pub model: String,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// Which of the seed's folds is the validation side, from 1; null without folds.
    pub fold: Option<usize>,
    /// The trainings, in order.
    pub phases: Vec<&'static str>,
}

impl Part {
    /// Of networks of these names.
    fn all(models: &[String], rounds: &[Round], experiments: &[u32]) -> Vec<Self> {
        let phases: Vec<_> = Phase::of(experiments).iter().map(|phase| phase.name()).collect();
        let of = |model: &String, round: &Round| Part {
            task: 0,
            model: model.clone(),
            seed: round.seed,
            fold: round.fold,
            phases: phases.clone(),
        };
        let parts =
            models.iter().flat_map(|model| rounds.iter().map(move |round| of(model, round)));
        parts.enumerate().map(|(task, part)| Part { task, ..part }).collect()
    }

    /// Its seed and fold.
    pub fn round(&self) -> Round {
        Round { seed: self.seed, fold: self.fold }
    }
}

impl parts::Part for Part {
    fn name(&self) -> String {
        format!("{}-{}", self.model, self.round().stem())
    }
}

impl Options {
    /// What every network is run in.
    pub fn rounds(&self) -> Vec<Round> {
        Round::all(&self.seeds, self.folds)
    }

    /// All parts.
    pub fn parts(&self) -> Vec<Part> {
        let models: Vec<String> =
            self.models.iter().map(|setup| setup.network.name.to_owned()).collect();
        Part::all(&models, &self.rounds(), &self.experiments)
    }

    /// The networks that are run.
    pub fn own(&self) -> impl Iterator<Item = &Setup> {
        let only = self.only.as_ref().map(|part| &part.model[..]);
        self.models.iter().filter(move |one| only.is_none_or(|only| only == one.network.name))
    }

    /// Part number `task`, in a folder of its own.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::error::Error::Usage) when there are not so many.
    pub fn only(mut self, task: usize) -> Result<Self> {
        let part = parts::pick(self.parts(), task)?;
        self.out = part.folder(&self.out);
        self.only = Some(part);
        Ok(self)
    }
}

impl Config {
    /// All parts of an experiment.
    pub fn parts(&self) -> Vec<Part> {
        Part::all(&self.models, &Round::all(&self.seeds, self.folds), &self.experiments)
    }
}
