//! The independent parts of a comparison: a model with a seed, and all its maps. Where trust is tested, the models of
//! the first seed are one part, since their maps are held against each other's.

use serde::Serialize;

use super::Options;
use super::maps::CONTROLS;
use super::results::{Config, Missing, Results};
use crate::error::Result;
use crate::lab::experiment::Setup;
use crate::lab::run_folder::parts::{self, Part as _};

/// A part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// From 0, in order of running.
    pub task: usize,
    /// The networks: one, unless trust is tested.
    pub models: Vec<String>,
    /// Of the split, the initial weights and all draws.
    pub seed: u64,
    /// Whether the maps are also tested for trust.
    pub trust: bool,
}

impl Part {
    /// Whether the network is run in it.
    pub fn has(&self, model: &str, seed: u64) -> bool {
        self.seed == seed && self.models.iter().any(|own| own == model)
    }

    /// What `results` lack of it, a network at a time.
    pub(super) fn missing(&self, results: &Results) -> Vec<Missing> {
        let &Part { task, seed, .. } = self;
        let trusted = || {
            let methods = results.config.methods.iter().map(String::as_str);
            let all = methods.chain(CONTROLS.iter().map(|map| map.name()));
            all.filter(|_| self.trust)
        };
        let of = |(at, model): (usize, &String)| {
            let maps = results.maps().into_iter().filter(|map| !results.has(model, seed, map));
            let tested = |map: &str| {
                let is = |one: &super::trust::Trust| one.model == *model && one.method == map;
                results.trust.iter().any(|one| is(one) && one.seed == seed)
            };
            let others = self.models[at + 1..].iter();
            let pairs = others.flat_map(|other| trusted().map(move |map| (other, map)));
            let held = |other: &String, map: &str| {
                let both = [model.clone(), other.clone()];
                results
                    .trust_pairs
                    .iter()
                    .any(|pair| pair.models == both && pair.method == map && pair.seed == seed)
            };
            Missing {
                task,
                model: model.clone(),
                seed,
                maps: maps.map(str::to_owned).collect(),
                trust: trusted().filter(|map| !tested(map)).map(str::to_owned).collect(),
                pairs: pairs
                    .filter(|(other, map)| !held(other, map))
                    .map(|(other, map)| format!("{map} with {other}"))
                    .collect(),
            }
        };
        let all = self.models.iter().enumerate().map(of);
        all.filter(|one| [&one.maps, &one.trust, &one.pairs].iter().any(|what| !what.is_empty()))
            .collect()
    }
}

impl parts::Part for Part {
    fn name(&self) -> String {
        match &self.models[..] {
            [model] => format!("{model}-{}", self.seed),
            // No network is called so.
            _ => format!("trust-{}", self.seed),
        }
    }
}

fn all(models: &[String], seeds: &[u64], trust: bool) -> Vec<Part> {
    let together = trust && models.len() > 1;
    let first = seeds.first().filter(|_| together);
    let part = |models: Vec<String>, seed: u64| Part {
        task: 0,
        models,
        seed,
        trust: trust && seeds.first() == Some(&seed),
    };
    let rest = seeds.iter().filter(|seed| first != Some(seed));
    let single =
        models.iter().flat_map(|model| rest.clone().map(|&seed| part(vec![model.clone()], seed)));
    let parts = first.map(|&seed| part(models.to_vec(), seed)).into_iter().chain(single);
    parts.enumerate().map(|(task, part)| Part { task, ..part }).collect()
}

impl Config {
    /// All parts of a comparison.
    pub fn parts(&self) -> Vec<Part> {
        all(&self.models, &self.seeds, self.trust.is_some())
    }
}

impl Options {
    /// All parts.
    pub fn parts(&self) -> Vec<Part> {
        let models = self.models.iter().map(|setup| setup.network.name.to_owned());
        all(&models.collect::<Vec<_>>(), &self.seeds, self.trust.is_some())
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

    /// Whether the network is run.
    pub(super) fn runs(&self, model: &str, seed: u64) -> bool {
        self.only.as_ref().is_none_or(|part| part.has(model, seed))
    }

    /// The networks that are run with any seed.
    pub(super) fn own(&self) -> impl Iterator<Item = &Setup> {
        let runs =
            |setup: &&Setup| self.seeds.iter().any(|&seed| self.runs(setup.network.name, seed));
        self.models.iter().filter(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_network_unless_maps_are_held_against_those_of_others() {
        let models = ["a", "b"].map(str::to_owned);
        let names = |models: &[String], seeds: &[u64], trust: bool| -> Vec<(String, bool)> {
            let parts = all(models, seeds, trust);
            assert!(parts.iter().enumerate().all(|(task, part)| part.task == task));
            parts.iter().map(|part| (part.name(), part.trust)).collect()
        };
        let of = |names: &[(&str, bool)]| -> Vec<(String, bool)> {
            names.iter().map(|&(name, trust)| (name.to_owned(), trust)).collect()
        };
        let single = of(&[("a-3", false), ("a-4", false), ("b-3", false), ("b-4", false)]);
        assert_eq!(names(&models, &[3, 4], false), single);
        let trusted = of(&[("trust-3", true), ("a-4", false), ("b-4", false)]);
        assert_eq!(names(&models, &[3, 4], true), trusted);
        assert_eq!(names(&models[..1], &[3, 4], true), of(&[("a-3", true), ("a-4", false)]));
        let both = &all(&models, &[3, 4], true)[0];
        assert!(both.has("a", 3) && both.has("b", 3) && !both.has("a", 4));
    }
}
