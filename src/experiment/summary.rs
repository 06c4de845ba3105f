//! From the tables that the runs left to means, intervals and rank correlations over models.

use std::path::Path;

use super::phase::Phase;
use super::results::{RankCorrelation, Results, RunResult, Summary, Way};
use super::tables::{self, Prediction, Score};
use super::{predictions_file, scores_file};
use crate::error::Result;
use crate::metrics::interval::{Interval, around, bootstrap, resampled};
use crate::metrics::normalise::WAYS;
use crate::metrics::rank::spearman;

/// Fixes the resamples of every interval.
const SEED: u64 = 0;

/// A quantity of one model: for each seed the numbers of its ROIs.
type Groups = Vec<Vec<f64>>;

/// What one model's intervals are computed from.
struct Evidence {
    /// All of these: for each seed the numbers of all abnormal ROIs.
    mean_dice: Groups,
    ways: [Groups; 6],
    /// For each seed those of the validation side.
    mean_dice_validation: Groups,
    ways_validation: [Groups; 6],
    at_threshold: Groups,
    /// 1 for each validation ROI that was classified rightly, else 0; no groups where not run.
    right: [Groups; 4],
}

/// The phases in the order of [`Evidence::right`].
const PHASES: [Phase; 4] = [Phase::Original, Phase::Cam, Phase::Mask, Phase::InverseMask];

impl Evidence {
    fn read(runs: &[&RunResult], out: &Path) -> Result<Self> {
        let mut scores: Vec<Vec<Score>> = Vec::new();
        let mut right: [Groups; 4] = Default::default();
        for run in runs {
            scores.push(tables::read(&scores_file(out, &run.model, run.seed))?);
            for (groups, phase) in right.iter_mut().zip(PHASES) {
                if run.seconds_of(phase).is_some() {
                    let path = predictions_file(out, &run.model, run.seed, phase);
                    let lines: Vec<Prediction> = tables::read(&path)?;
                    groups.push(lines.iter().map(|line| f64::from(line.right)).collect());
                }
            }
        }
        let collect = |validation: bool, value: &dyn Fn(&Score) -> f64| -> Groups {
            let chosen = |score: &&Score| !validation || score.is_validation();
            let of = |seed: &Vec<Score>| seed.iter().filter(chosen).map(value).collect();
            scores.iter().map(of).collect()
        };
        let ways = |validation| {
            std::array::from_fn(|way| collect(validation, &|score: &Score| score.ways()[way]))
        };
        Ok(Evidence {
            mean_dice: collect(false, &|score| score.mean_dice),
            ways: ways(false),
            mean_dice_validation: collect(true, &|score| score.mean_dice),
            ways_validation: ways(true),
            at_threshold: collect(true, &|score| score.dice_at_best_threshold),
            right,
        })
    }
}

/// The interval of a quantity. Every run has ROIs on both sides of its split, so that there is one.
fn interval(groups: &Groups) -> Interval {
    bootstrap(groups, SEED).unwrap_or(0.0.into())
}

fn accuracy(evidence: &Evidence, phase: Phase) -> Option<&Groups> {
    let index = PHASES.iter().position(|&one| one == phase)?;
    Some(&evidence.right[index]).filter(|groups| !groups.is_empty())
}

impl Results {
    /// Brings summary and rank correlations up to date with the runs, whose tables are in `out`.
    ///
    /// # Errors
    /// [`crate::error::Error::File`] or [`crate::error::Error::Content`] when a run's table cannot be
    /// read.
    pub fn summarize(&mut self, out: &Path) -> Result<()> {
        let mut models: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !models.contains(&run.model.as_str()) {
                models.push(&run.model);
            }
        }
        let mut summary = Vec::new();
        let mut all = Vec::new();
        for model in models {
            let runs: Vec<&RunResult> = self.runs.iter().filter(|run| run.model == model).collect();
            let evidence = Evidence::read(&runs, out)?;
            summary.push(summarized(model, &runs, &evidence));
            all.push(evidence);
        }
        self.summary = summary;
        self.rank_correlations = rank_correlations(&all);
        Ok(())
    }
}

fn summarized(model: &str, runs: &[&RunResult], evidence: &Evidence) -> Summary {
    let mean = |value: &dyn Fn(&RunResult) -> f64| {
        runs.iter().map(|run| value(run)).sum::<f64>() / runs.len().max(1) as f64
    };
    let accuracy = |phase| accuracy(evidence, phase).map(interval);
    let ways = WAYS.iter().enumerate().map(|(way, &(sign, normalisation))| Way {
        sign,
        normalisation,
        mean_dice: interval(&evidence.ways[way]),
        mean_dice_validation: interval(&evidence.ways_validation[way]),
    });
    Summary {
        model: model.to_owned(),
        seeds: runs.len(),
        val_acc: interval(&evidence.right[0]),
        mean_dice: interval(&evidence.mean_dice),
        mean_dice_validation: interval(&evidence.mean_dice_validation),
        dice_at_best_threshold_validation: interval(&evidence.at_threshold),
        cam_val_acc: accuracy(Phase::Cam),
        mask_val_acc: accuracy(Phase::Mask),
        inverse_mask_val_acc: accuracy(Phase::InverseMask),
        ways: ways.collect(),
        epochs: mean(&|run| run.epochs as f64),
        seconds: mean(&|run| run.seconds),
    }
}

/// The paper's claim, and the same without training images in the Dice.
fn rank_correlations(models: &[Evidence]) -> Vec<RankCorrelation> {
    type Side = fn(&Evidence) -> &Groups;
    let sides: [(&str, Side); 2] = [
        ("mean_dice", |evidence| &evidence.mean_dice),
        ("mean_dice_validation", |evidence| &evidence.mean_dice_validation),
    ];
    let correlation = |(name, dice): (&str, Side)| {
        let pairs: Vec<(&Groups, &Groups)> = models
            .iter()
            .filter_map(|evidence| Some((dice(evidence), accuracy(evidence, Phase::Cam)?)))
            .collect();
        RankCorrelation {
            first: name.to_owned(),
            second: "cam_val_acc".to_owned(),
            models: pairs.len(),
            rho: correlated(&pairs),
        }
    };
    sides.map(correlation).into()
}

/// Rho over the pairs' means. For the interval both sides of every pair are resampled: with the same
/// number all models draw the same seeds and ROIs, where they have the same.
fn correlated(pairs: &[(&Groups, &Groups)]) -> Option<Interval> {
    let rho = |first: Vec<f64>, second: Vec<f64>| spearman(&first, &second);
    let mean = crate::metrics::interval::mean;
    let first: Option<Vec<f64>> = pairs.iter().map(|pair| mean(pair.0)).collect();
    let second: Option<Vec<f64>> = pairs.iter().map(|pair| mean(pair.1)).collect();
    let found = rho(first?, second?)?;
    let draws = |groups: &Groups, salt| resampled(groups, SEED + salt);
    let first: Option<Vec<Vec<f64>>> = pairs.iter().map(|pair| draws(pair.0, 0)).collect();
    let second: Option<Vec<Vec<f64>>> = pairs.iter().map(|pair| draws(pair.1, 1)).collect();
    let (first, second) = (first?, second?);
    let at = |side: &[Vec<f64>], number: usize| side.iter().map(|draws| draws[number]).collect();
    let mut resamples: Vec<f64> = (0..first[0].len())
        .filter_map(|number| rho(at(&first, number), at(&second, number)))
        .collect();
    Some(around(found, &mut resamples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_are_far_apart_keep_their_ranks_and_near_ones_do_not() {
        let group = |centre: f64, spread: f64| -> Groups {
            vec![(0..50).map(|i| centre + spread * (f64::from(i) / 49.0 - 0.5)).collect()]
        };
        let dice: Vec<Groups> = [0.1, 0.3, 0.5, 0.7].map(|centre| group(centre, 0.1)).into();
        let accuracy: Vec<Groups> = [0.2, 0.4, 0.6, 0.8].map(|centre| group(centre, 0.1)).into();
        let pairs: Vec<_> = dice.iter().zip(&accuracy).collect();
        assert_eq!(correlated(&pairs), Some(1.0.into()));
        assert_eq!(correlated(&pairs[..2]), None);
        // The same numbers in other orders: what one model draws high, another draws low.
        let turned = |turn: usize| -> Groups {
            let mut groups = group(0.5 + 0.001 * turn as f64, 0.9);
            groups[0].rotate_left(12 * turn);
            groups
        };
        let blurred: Vec<Groups> = (0..4).map(turned).collect();
        let pairs: Vec<_> = dice.iter().zip(&blurred).collect();
        let found = correlated(&pairs).unwrap();
        assert!(found.mean == 1.0 && found.low < 0.0, "{found:?}");
    }
}
