//! From the tables of units to means, intervals and ranks.

use std::collections::BTreeMap;
use std::path::Path;

use super::file;
use super::metric::{METRICS, Metric, Score};
use super::results::{MapSummary, Results, Unit};
use crate::error::Result;
use crate::lab::experiment::tables::{self, Prediction};
use crate::lab::metrics::crossed::{Group, Scale, interval};
use crate::lab::metrics::interval::Interval;

impl Results {
    /// Brings the summary up to date with the units, whose tables are in `out`.
    ///
    /// # Errors
    /// [`crate::error::Error::File`] or [`crate::error::Error::Content`] when a table cannot be read.
    pub fn summarize(&mut self, out: &Path, rank_by: &Metric) -> Result<()> {
        let mut all: Vec<MapSummary> = Vec::new();
        for model in &self.config.models {
            let mut of_model = Vec::new();
            for method in self.maps() {
                let is = |unit: &&Unit| unit.model == *model && unit.method == method;
                let units: Vec<&Unit> = self.units.iter().filter(is).collect();
                if !units.is_empty() {
                    of_model.push(summarized(&units, out)?);
                }
            }
            rank(&mut of_model, rank_by);
            all.extend(of_model);
        }
        self.summary = all;
        Ok(())
    }
}

fn summarized(units: &[&Unit], out: &Path) -> Result<MapSummary> {
    let mut scores: Vec<Vec<Score>> = Vec::new();
    let mut predictions: Vec<Vec<Prediction>> = Vec::new();
    for unit in units {
        let path = |folder| file(out, folder, &unit.model, unit.seed, &unit.method);
        scores.push(tables::read(&path("scores"))?);
        if unit.retrained.is_some() {
            predictions.push(tables::read(&path("predictions"))?);
        }
    }
    let interval = |metric: &Metric| -> Option<Interval> {
        let scale = if metric.is_share() { Scale::Share } else { Scale::Free };
        let groups: Vec<Group> = match metric.of {
            Some(of) => scores
                .iter()
                .map(|lines| {
                    lines.iter().filter_map(|line| Some((&line.patient[..], of(line)?))).collect()
                })
                .collect(),
            None => {
                let of = predictions.iter().map(|lines| {
                    lines.iter().map(|line| (&line.patient[..], f64::from(line.right))).collect()
                });
                of.collect()
            }
        };
        interval(&groups, scale)
    };
    let values: BTreeMap<String, Option<Interval>> =
        METRICS.iter().map(|metric| (metric.name.to_owned(), interval(metric))).collect();
    let first = units[0];
    Ok(MapSummary {
        model: first.model.clone(),
        method: first.method.clone(),
        trivial: first.trivial,
        rank: 0,
        seeds: units.len(),
        values,
    })
}

/// Orders the maps of a model by `metric`, the best first; of equals, and of those without a value, that
/// which stood before.
fn rank(maps: &mut [MapSummary], metric: &Metric) {
    let value = |map: &MapSummary| {
        let mean = map.values.get(metric.name).copied().flatten().map(|value| value.mean);
        mean.map_or(f64::NEG_INFINITY, |mean| if metric.higher { mean } else { -mean })
    };
    maps.sort_by(|a, b| value(b).total_cmp(&value(a)));
    maps.iter_mut().zip(1..).for_each(|(map, rank)| map.rank = rank);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::compare::find;

    #[test]
    fn ranks_go_the_metric_s_way() {
        let map = |method: &str, mean: Option<f64>| MapSummary {
            model: "m".into(),
            method: method.into(),
            trivial: false,
            rank: 0,
            seeds: 1,
            values: ["mean_dice", "deletion"]
                .map(|name| (name.to_owned(), mean.map(Interval::from)))
                .into(),
        };
        let mut maps = [map("a", Some(0.2)), map("none", None), map("b", Some(0.7))];
        let order = |maps: &[MapSummary]| -> Vec<String> {
            maps.iter().map(|map| format!("{}{}", map.method, map.rank)).collect()
        };
        rank(&mut maps, find("mean_dice").unwrap());
        assert_eq!(order(&maps), ["b1", "a2", "none3"]);
        rank(&mut maps, find("deletion").unwrap());
        assert_eq!(order(&maps), ["a1", "b2", "none3"]);
    }
}
