//! From the tables that the runs left to means, intervals and rank correlations over models.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::at_threshold::{AtThreshold, absolute_threshold};
use super::classified::Classified;
use super::phase::Phase;
use super::results::{
    MasksSummary, ModelSummary, Pooled, RankCorrelation, Results, RunResult, Way,
};
use super::tables::{self, LesionScore, NormalScore, Prediction, Score, operating_point};
use super::{
    LESIONS, NORMALS, heatmap_folder, predictions_file, scores_file, training_predictions_file,
};
use crate::error::Result;
use crate::lab::metrics::binary::Said;
use crate::lab::metrics::crossed::{self, Group, Parts, Scale};
use crate::lab::metrics::interval::Interval;
use crate::lab::metrics::operating_point::OperatingPoint;
use crate::lab::metrics::rank::spearman;
use crate::lab::metrics::redraw::{Quantity, ends, redraw};
use crate::nets::cam::normalise::WAYS;

/// The tables of one model. Those of a seed's folds are one: each ROI is validated once in it.
#[derive(Default)]
struct Evidence {
    /// Each once.
    seeds: Vec<u64>,
    /// Of each seed, all abnormal ROIs.
    scores: Vec<Vec<Score>>,
    /// Of each phase, what each seed that has it says of its validation ROIs.
    predictions: [Vec<(u64, Vec<Prediction>)>; 4],
    /// Of each seed, the lesions.
    lesions: Vec<Vec<LesionScore>>,
    /// Of each seed, the normal ROIs of the validation side.
    normals: Vec<Vec<Marked>>,
    /// Of each run, in order.
    at_threshold: Vec<Option<AtThreshold>>,
    /// Of each run, in order.
    classified: Vec<(Classified, Option<OperatingPoint>)>,
    /// Of each seed, its validation ROIs, each cut at the threshold that the training side of its fold has chosen; none
    /// where a fold has chosen none.
    cut: Vec<(u64, Option<Vec<Prediction>>)>,
}

/// Whether the map of a normal ROI exceeds the threshold, and the one on the scale of the training side.
struct Marked {
    patient: String,
    exceeds: bool,
    exceeds_absolute: Option<bool>,
}

/// The phases in the order of [`Evidence::predictions`].
const PHASES: [Phase; 4] = [Phase::Original, Phase::Cam, Phase::Mask, Phase::InverseMask];

/// A quantity of one model: for each seed the numbers of its ROIs, with their patients.
struct Groups<'a> {
    seeds: Vec<u64>,
    groups: Vec<Group<'a>>,
}

impl Evidence {
    fn read(runs: &[&RunResult], out: &Path) -> Result<Self> {
        let mut evidence = Evidence::default();
        for run in runs {
            let (model, round) = (&run.model, run.round());
            let lines: Vec<Score> = tables::read(&scores_file(out, model, round))?;
            let folder = heatmap_folder(out, model, round);
            let lesions: Vec<LesionScore> = read_if_there(&folder.join(LESIONS))?;
            let normals: Vec<NormalScore> = read_if_there(&folder.join(NORMALS))?;
            let threshold = run.best_threshold;
            let found = AtThreshold::of_validation(threshold, &lines, &lesions, &normals);
            let absolute = absolute_threshold(threshold, &lines);
            evidence.at_threshold.push(found);
            let normals = normals.into_iter().map(|one| Marked {
                exceeds: one.marked > 0.0,
                exceeds_absolute: absolute.map(|cut| one.peak > cut),
                patient: one.patient,
            });
            let at = match evidence.seeds.iter().position(|&seed| seed == run.seed) {
                Some(at) => at,
                None => {
                    evidence.seeds.push(run.seed);
                    evidence.scores.push(Vec::new());
                    evidence.lesions.push(Vec::new());
                    evidence.normals.push(Vec::new());
                    evidence.seeds.len() - 1
                }
            };
            evidence.scores[at].extend(lines);
            evidence.lesions[at].extend(lesions);
            evidence.normals[at].extend(normals);
            evidence.classify(run, out)?;
            for (of_phase, phase) in evidence.predictions.iter_mut().zip(PHASES) {
                if run.seconds_of(phase).is_none() {
                    continue;
                }
                let lines = tables::read(&predictions_file(out, model, round, phase))?;
                match of_phase.iter_mut().find(|(seed, _)| *seed == run.seed) {
                    Some((_, all)) => all.extend(lines),
                    None => of_phase.push((run.seed, lines)),
                }
            }
        }
        Ok(evidence)
    }

    /// What the classifier of `run` says of its validation side.
    fn classify(&mut self, run: &RunResult, out: &Path) -> Result<()> {
        let (model, round) = (&run.model, run.round());
        let mut lines: Vec<Prediction> =
            tables::read(&predictions_file(out, model, round, Phase::Original))?;
        let training: Vec<Prediction> =
            read_if_there(&training_predictions_file(out, model, round))?;
        let threshold = tables::threshold(&training);
        let at_threshold = threshold.map(|threshold| operating_point(&lines, threshold));
        self.classified.push((Classified::new(&lines), at_threshold));
        let lines = threshold.map(|threshold| {
            lines.iter_mut().for_each(|line| line.cut(threshold));
            lines
        });
        match self.cut.iter_mut().find(|(seed, _)| *seed == run.seed) {
            Some((_, all)) => *all = all.take().zip(lines).map(|(all, new)| [all, new].concat()),
            None => self.cut.push((run.seed, lines)),
        }
        Ok(())
    }

    /// The validation ROIs of a seed, each cut as the training side of its fold says.
    fn pooled_cut(&self, seed: u64) -> Option<OperatingPoint> {
        let (_, lines) = self.cut.iter().find(|(own, _)| *own == seed)?;
        let said: Vec<Said> = lines.as_ref()?.iter().map(Prediction::said).collect();
        Some(OperatingPoint::of(&said))
    }

    /// A number of each abnormal ROI, of all or of the validation side's.
    fn of_scores(&self, validation: bool, value: impl Fn(&Score) -> f64) -> Groups<'_> {
        let chosen = |score: &&Score| !validation || score.is_validation();
        let groups = self.scores.iter().map(|lines| {
            let chosen = lines.iter().filter(chosen);
            chosen.map(|score| (&score.patient[..], value(score))).collect()
        });
        Groups { seeds: self.seeds.clone(), groups: groups.collect() }
    }

    /// 1 for each validation ROI that was classified rightly, else 0; none where no seed has the phase.
    fn right(&self, phase: Phase) -> Option<Groups<'_>> {
        let runs = &self.predictions[PHASES.iter().position(|&one| one == phase)?];
        let groups = runs.iter().map(|(_, lines)| {
            lines.iter().map(|line| (&line.patient[..], f64::from(line.right))).collect()
        });
        (!runs.is_empty()).then(|| Groups {
            seeds: runs.iter().map(|(seed, _)| *seed).collect(),
            groups: groups.collect(),
        })
    }
}

/// The lines of a table that runs from before it have not left.
fn read_if_there<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if path.exists() { tables::read(path) } else { Ok(Vec::new()) }
}

/// The maps of the validation sides as masks; none where a run has none of it.
fn masks(evidence: &Evidence) -> Option<MasksSummary> {
    let runs: Vec<&AtThreshold> =
        evidence.at_threshold.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let of_scores = |value: fn(&Score) -> Option<f64>, scale| {
        of_seeds(&evidence.scores, scale, |score| {
            let value = value(score).filter(|_| score.is_validation());
            Some((&score.patient[..], value?))
        })
    };
    let of_normals = |value: fn(&Marked) -> Option<bool>| {
        of_seeds(&evidence.normals, Scale::Share, |normal| {
            Some((&normal.patient[..], f64::from(u8::from(value(normal)?))))
        })
    };
    let lesion_dice = of_seeds(&evidence.lesions, Scale::Share, |lesion| {
        lesion.is_validation().then_some((&lesion.patient[..], lesion.dice))
    });
    Some(MasksSummary {
        iou: of_scores(|score| score.iou, Scale::Share),
        hausdorff_95: of_scores(|score| score.hausdorff_95, Scale::Free),
        average_surface_distance: of_scores(|score| score.average_surface_distance, Scale::Free),
        surface_dice: of_scores(|score| score.surface_dice, Scale::Share),
        lesion_dice,
        without_distance: runs.iter().map(|run| run.without_distance).sum(),
        normals_exceeding: of_normals(|normal| Some(normal.exceeds)),
        normals_exceeding_absolute: of_normals(|normal| normal.exceeds_absolute),
    })
}

/// The mean of the numbers that `one` finds in the tables of seeds, over those seeds that have some.
fn of_seeds<'a, T>(
    seeds: &'a [Vec<T>],
    scale: Scale,
    one: impl Fn(&'a T) -> Option<(&'a str, f64)>,
) -> Option<Interval> {
    let group = |lines: &'a Vec<T>| -> Group<'a> { lines.iter().filter_map(&one).collect() };
    let groups: Vec<Group> = seeds.iter().map(group).filter(|group| !group.is_empty()).collect();
    crossed::interval(&groups, scale)
}

impl Groups<'_> {
    /// All are Dice or accuracies. Every run has ROIs on both sides of its split, so that there is one.
    fn interval(&self) -> Interval {
        crossed::interval(&self.groups, Scale::Share).unwrap_or(0.0.into())
    }
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
        // In the order of the models, and of each model's runs.
        let mut figures = Vec::new();
        let mut pooled = Vec::new();
        for model in models {
            let runs: Vec<&RunResult> = self.runs.iter().filter(|run| run.model == model).collect();
            let evidence = Evidence::read(&runs, out)?;
            figures.extend(evidence.classified.iter().cloned().zip(evidence.at_threshold.clone()));
            if runs.iter().any(|run| run.fold.is_some()) {
                for (seed, lines) in &evidence.predictions[0] {
                    let folds = runs.iter().filter(|run| run.seed == *seed).count();
                    let right = lines.iter().filter(|line| line.right != 0).count();
                    pooled.push(Pooled {
                        model: model.to_owned(),
                        seed: *seed,
                        folds,
                        rois: lines.len(),
                        accuracy: right as f64 / lines.len().max(1) as f64,
                        classified: Classified::new(lines),
                        at_training_threshold: evidence.pooled_cut(*seed),
                    });
                }
            }
            summary.push(summarized(model, &runs, &evidence));
            all.push(evidence);
        }
        self.summary = summary;
        self.rank_correlations = rank_correlations(&all);
        self.pooled = pooled;
        let mut figures = figures.into_iter();
        let models: Vec<String> = self.summary.iter().map(|one| one.model.clone()).collect();
        for model in models {
            for run in self.runs.iter_mut().filter(|run| run.model == model) {
                let ((classified, at_training_threshold), at_threshold) =
                    figures.next().unwrap_or_default();
                run.classified = classified;
                run.at_training_threshold = at_training_threshold;
                run.at_threshold = at_threshold;
            }
        }
        Ok(())
    }
}

fn summarized(model: &str, runs: &[&RunResult], evidence: &Evidence) -> ModelSummary {
    let mean = |value: &dyn Fn(&RunResult) -> f64| {
        runs.iter().map(|run| value(run)).sum::<f64>() / runs.len().max(1) as f64
    };
    let accuracy = |phase| evidence.right(phase).map(|groups| groups.interval());
    let dice = |validation, value: &dyn Fn(&Score) -> f64| {
        evidence.of_scores(validation, value).interval()
    };
    let ways = WAYS.iter().enumerate().map(|(way, &(sign, normalisation))| Way {
        sign,
        normalisation,
        mean_dice: dice(false, &|score| score.ways()[way]),
        mean_dice_validation: dice(true, &|score| score.ways()[way]),
    });
    ModelSummary {
        model: model.to_owned(),
        seeds: evidence.seeds.len(),
        val_acc: accuracy(Phase::Original).unwrap_or(0.0.into()),
        mean_dice: dice(false, &|score| score.mean_dice),
        mean_dice_validation: dice(true, &|score| score.mean_dice),
        dice_at_best_threshold_validation: dice(true, &|score| score.dice_at_best_threshold),
        cam_val_acc: accuracy(Phase::Cam),
        mask_val_acc: accuracy(Phase::Mask),
        inverse_mask_val_acc: accuracy(Phase::InverseMask),
        ways: ways.collect(),
        at_threshold: masks(evidence),
        epochs: mean(&|run| run.epochs as f64),
        seconds: mean(&|run| run.seconds),
    }
}

/// The paper's claim, and the same without training images in the Dice.
fn rank_correlations(models: &[Evidence]) -> Vec<RankCorrelation> {
    let correlation = |(name, validation): (&str, bool)| {
        let pairs: Vec<(Groups, Groups)> = models
            .iter()
            .filter_map(|evidence| {
                let dice = evidence.of_scores(validation, |score| score.mean_dice);
                Some((dice, evidence.right(Phase::Cam)?))
            })
            .collect();
        RankCorrelation {
            first: name.to_owned(),
            second: "cam_val_acc".to_owned(),
            models: pairs.len(),
            rho: correlated(&pairs),
        }
    };
    [("mean_dice", false), ("mean_dice_validation", true)].map(correlation).into()
}

/// Rho over the pairs' means. For the interval all means are drawn again together: seeds and patients move
/// every mean that they are part of.
fn correlated(pairs: &[(Groups, Groups)]) -> Option<Interval> {
    let parts: Option<Vec<Parts>> =
        pairs.iter().flat_map(|(a, b)| [a, b]).map(|one| Parts::new(&one.groups)).collect();
    let parts = parts?;
    let rho = |at: &dyn Fn(usize) -> f64| {
        let side = |odd: usize| (0..pairs.len()).map(|pair| at(2 * pair + odd)).collect();
        let (first, second): (Vec<f64>, Vec<f64>) = (side(0), side(1));
        spearman(&first, &second)
    };
    let found = rho(&|index| parts[index].mean)?;
    let seeds = pairs.iter().flat_map(|(a, b)| [&a.seeds, &b.seeds]);
    let quantities: Vec<Quantity> =
        seeds.zip(&parts).map(|(seeds, parts)| Quantity { seeds, parts }).collect();
    let drawn = redraw(&quantities);
    let mut values: Vec<f64> =
        (0..drawn[0].len()).filter_map(|number| rho(&|index| drawn[index][number])).collect();
    let fewest = |count: fn(&Parts) -> usize| parts.iter().map(count).min().unwrap_or_default();
    let (seeds, patients) = (fewest(|one| one.means.len()), fewest(|one| one.pulls.len()));
    Some(Interval::of(found, ends(&mut values)?, seeds, patients))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed's numbers, of as many patients as `names`: `spread` about `centre`, in an order that turns.
    fn group(names: &[String], centre: f64, spread: f64, turn: usize) -> Groups<'_> {
        let value = |at: usize| {
            let place = (at + turn) % names.len();
            centre + spread * (place as f64 / (names.len() - 1) as f64 - 0.5)
        };
        let numbers = names.iter().enumerate().map(|(at, name)| (&name[..], value(at)));
        Groups { seeds: vec![0], groups: vec![numbers.collect()] }
    }

    #[test]
    fn models_that_are_far_apart_keep_their_ranks_and_near_ones_do_not() {
        let names: Vec<String> = (0..50).map(|patient| patient.to_string()).collect();
        let at = |centre, spread, turn| group(&names, centre, spread, turn);
        let far = [0.1, 0.3, 0.5, 0.7];
        let pairs = far.map(|centre| (at(centre, 0.1, 0), at(centre + 0.1, 0.1, 0)));
        let found = correlated(&pairs).unwrap();
        assert_eq!((found.mean, found.low, found.high), (1.0, 1.0, 1.0));
        assert!(found.too_few && found.patients == Some(50), "one seed: {found:?}");
        assert_eq!(correlated(&pairs[..2]), None);
        // The same numbers in other orders: what one model draws high, another draws low.
        let near = |turn: usize| at(0.5 + 0.001 * turn as f64, 0.9, 12 * turn);
        let pairs: Vec<_> = (0..4).map(|turn| (at(far[turn], 0.1, 0), near(turn))).collect();
        let found = correlated(&pairs).unwrap();
        assert!(found.mean == 1.0 && found.low < 0.0, "{found:?}");
        // In one order, the patients that are drawn move all models alike, and ranks are safe.
        let near = |turn: usize| at(0.5 + 0.001 * turn as f64, 0.9, 0);
        let pairs: Vec<_> = (0..4).map(|turn| (at(far[turn], 0.1, 0), near(turn))).collect();
        assert_eq!(correlated(&pairs).unwrap().low, 1.0);
    }
}
