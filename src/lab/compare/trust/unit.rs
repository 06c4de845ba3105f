//! One way to a map of one network: its maps by the original weights, and how alike they stay under each test.

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::attribution::{Attributions, Picture, changed};
use super::cascade::{Learnt, Stage, stages};
use super::pairs;
use super::results::{Pairs, Passed, Randomised, Trust, TrustPair};
use super::similar::{Shown, Similarity};
use super::{CHANGED_ROIS, DRAWS, RADIUS, Settings};
use crate::console::{self, Bar};
use crate::error::Result;
use crate::lab::compare::maps::Map;
use crate::lab::compare::network::Network;
use crate::lab::compare::{Whole, since};
use crate::lab::data::Roi;
use crate::lab::experiment::{Saved, tables};
use crate::parallel;
use crate::provenance::Items;

/// A line of a unit's table: two maps and how alike they are, or a number of one map.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `randomised`, `random_pairs`, `label_randomised`, `repeatability`, `reproducibility`, `edges`, `noise`,
    /// `max_sensitivity` or `sparseness`.
    pub test: String,
    /// Of the cascade: the last layer that lost its weights.
    pub layer: String,
    /// The ROI.
    pub name: String,
    /// Of a pair: the other ROI. Of the cascade: which draw of weights. Of a small change: which.
    pub other: String,
    /// See [`Similarity`].
    pub ssim: Option<f64>,
    /// See [`Similarity`].
    pub rank: Option<f64>,
    /// See [`Similarity`].
    pub ssim_signed: Option<f64>,
    /// See [`Similarity`].
    pub rank_signed: Option<f64>,
    /// The change of the map, or its Gini index.
    pub value: Option<f64>,
}

impl Line {
    fn alike(test: &str, name: &str, found: Similarity) -> Self {
        Line {
            test: test.to_owned(),
            name: name.to_owned(),
            ssim: Some(found.ssim),
            rank: Some(found.rank),
            ssim_signed: Some(found.ssim_signed),
            rank_signed: Some(found.rank_signed),
            ..Line::default()
        }
    }

    fn number(test: &str, name: &str, value: f64) -> Self {
        let (test, name) = (test.to_owned(), name.to_owned());
        Line { test, name, value: Some(value), ..Line::default() }
    }
}

/// A network whose maps are tested, and what all its units share.
pub struct Job<'a> {
    pub whole: &'a Whole<'a>,
    pub settings: &'a Settings,
    pub network: &'a Network<'a>,
    /// The network, whose weights change from test to test.
    pub working: &'a Saved,
    pub original: Learnt,
    /// Taught shuffled labels.
    pub shuffled: Learnt,
    /// With another seed.
    pub twin: Learnt,
    /// The ROIs.
    pub rois: Vec<&'a Roi>,
    /// The same at the size of the network's input.
    pub pictures: Vec<Picture>,
    /// What the units are made from.
    pub origin: Items,
}

/// The maps of one method as they are made.
struct Making<'a, 'b> {
    job: &'b Job<'a>,
    maps: Attributions<'a>,
    bar: Box<dyn Bar>,
    lines: Vec<Line>,
    /// The maps of the original network.
    original: Vec<Shown>,
    /// The ROIs whose map is not empty.
    full: Vec<usize>,
}

impl<'a> Job<'a> {
    /// Runs all tests of `map` but reproducibility, and writes their table to `path`.
    pub fn run(&self, map: Map, path: &Path) -> Result<Trust> {
        let start = Instant::now();
        let Whole { gpu, options, .. } = self.whole;
        let (count, seed) = (self.rois.len(), self.network.seed);
        let stages = self.stages(map);
        self.original.put(&self.working.store)?;
        let most = count.div_ceil(DRAWS);
        let changes = self.settings.changes * count.min(CHANGED_ROIS);
        let steps = count * (3 + stages.len()) + changes;
        let mut making = Making {
            job: self,
            maps: Attributions::new(gpu, map, self.working, seed, options, most)?,
            bar: console::bar("", steps as u64),
            lines: Vec::new(),
            original: Vec::new(),
            full: Vec::new(),
        };
        let pictures: Vec<&Picture> = self.pictures.iter().collect();
        making.original = making.shown(&pictures)?;
        making.full = (0..count).filter(|&index| !making.original[index].empty).collect();

        let sparseness = making.sparseness();
        let random_pairs = making.random_pairs()?;
        let [edges, noise] = making.controls()?;
        let sensitivities = making.sensitivities()?;
        let randomised = making.randomised(&stages)?;
        let label_randomised = making.other("label_randomised", &self.shuffled)?;
        let repeatability = making.other("repeatability", &self.twin)?;
        let Making { lines, full, bar, .. } = making;
        drop(bar);
        self.whole.out.make(path, &self.origin, |path| tables::write(path, &lines))?;
        let mut trust = Trust {
            model: self.network.setup.network.name.to_owned(),
            seed,
            method: map.name().to_owned(),
            trivial: map.is_trivial(),
            rois: full.len(),
            empty: count - full.len(),
            randomised,
            random_pairs,
            label_randomised,
            repeatability,
            reproducibility: None,
            edges,
            noise,
            max_sensitivity: pairs::median(&sensitivities),
            max_sensitivity_mean: pairs::mean(&sensitivities),
            sensitivity_rois: sensitivities.len(),
            sparseness,
            mean_dice: None,
            dice: None,
            passed: Passed::default(),
            seconds: since(start),
        };
        trust.judge();
        Ok(trust)
    }

    /// A layer each, or, where maps take many runs of the network or look at none, blocks of layers.
    fn stages(&self, map: Map) -> Vec<Stage> {
        let cheap = matches!(map, Map::Method(method) if !method.samples());
        stages(&self.working.model, (!cheap).then_some(self.settings.stages))
    }

    fn name(&self, index: usize) -> &str {
        &self.rois[index].name
    }
}

impl Making<'_, '_> {
    /// The maps of `pictures` by the weights that the network has.
    fn shown(&mut self, pictures: &[&Picture]) -> Result<Vec<Shown>> {
        let size = self.job.working.model.size;
        let mut shown = Vec::with_capacity(pictures.len());
        for some in pictures.chunks(self.maps.batch()) {
            let made = self.made(some)?;
            let all = parallel::map(&made, |one| Shown::new(one, size));
            shown.extend(all.into_iter().collect::<Result<Vec<_>>>()?);
        }
        Ok(shown)
    }

    /// One batch of maps.
    fn made(&mut self, pictures: &[&Picture]) -> Result<Vec<super::attribution::Attribution>> {
        let stop = &self.job.network.setup.train.stop;
        stop.check(|| "finished units are kept, --resume goes on after them".to_owned())?;
        let made = self.maps.of(pictures)?;
        self.bar.step(pictures.len() as u64);
        Ok(made)
    }

    /// The similarity of each of the ROIs `indices` to what its map is by the weights that the network has now.
    fn alike(&mut self, indices: &[usize]) -> Result<Vec<Similarity>> {
        let size = self.job.working.model.size;
        let mut found = Vec::with_capacity(indices.len());
        for some in indices.chunks(self.maps.batch()) {
            let pictures: Vec<&Picture> =
                some.iter().map(|&index| &self.job.pictures[index]).collect();
            let made = self.made(&pictures)?;
            let pairs: Vec<_> = some.iter().zip(&made).collect();
            let original = &self.original;
            let all = parallel::map(&pairs, |(index, one)| {
                Shown::new(one, size).map(|shown| Similarity::of(&original[**index], &shown))
            });
            found.extend(all.into_iter().collect::<Result<Vec<_>>>()?);
        }
        Ok(found)
    }

    fn sparseness(&mut self) -> Option<f64> {
        let mut all = Vec::new();
        for &index in &self.full {
            if let Some(gini) = self.original[index].gini {
                self.lines.push(Line::number("sparseness", self.job.name(index), gini));
                all.push(gini);
            }
        }
        pairs::mean(&all)
    }

    /// Maps of different images.
    fn random_pairs(&mut self) -> Result<Option<Pairs>> {
        let Job { whole, rois, .. } = self.job;
        let drawn = pairs::drawn(&self.full, rois, whole.options.seed);
        let original = &self.original;
        let found = parallel::map(&drawn, |&[a, b]| {
            (Similarity::of(&original[a], &original[b]), original[a].change(original[b].raw()))
        });
        for ([a, b], (similarity, change)) in drawn.iter().zip(&found) {
            let line = Line::alike("random_pairs", self.job.name(*a), *similarity);
            self.lines.push(Line { other: self.job.name(*b).to_owned(), value: *change, ..line });
        }
        let changes: Vec<f64> = found.iter().filter_map(|(_, change)| *change).collect();
        let deviation = |value: fn(&Similarity) -> f64| {
            pairs::deviation(&found.iter().map(|(found, _)| value(found)).collect::<Vec<_>>())
        };
        Ok(Similarity::mean(found.iter().map(|(found, _)| found)).map(|similarity| Pairs {
            pairs: found.len(),
            similarity,
            ssim_deviation: deviation(|found| found.ssim),
            rank_deviation: deviation(|found| found.rank),
            change: pairs::median(&changes),
        }))
    }

    /// How alike the maps are to edges, and to noise.
    fn controls(&mut self) -> Result<[Option<Similarity>; 2]> {
        let Job { whole, working, network, settings: _, .. } = self.job;
        let size = working.model.size;
        let mut means = [None, None];
        for (mean, (test, map)) in
            means.iter_mut().zip([("edges", Map::Edges), ("noise", Map::Noise)])
        {
            let mut controls = Attributions::new(
                whole.gpu,
                map,
                working,
                network.seed,
                whole.options,
                usize::MAX,
            )?;
            let pictures: Vec<&Picture> =
                self.full.iter().map(|&index| &self.job.pictures[index]).collect();
            let made = controls.of(&pictures)?;
            let pairs: Vec<_> = self.full.iter().zip(&made).collect();
            let original = &self.original;
            let all = parallel::map(&pairs, |(index, one)| {
                Shown::new(one, size).map(|shown| Similarity::of(&original[**index], &shown))
            });
            let all = all.into_iter().collect::<Result<Vec<_>>>()?;
            let lines = self.full.iter().zip(&all);
            self.lines
                .extend(lines.map(|(&index, one)| Line::alike(test, self.job.name(index), *one)));
            *mean = Similarity::mean(&all);
        }
        Ok(means)
    }

    /// For some ROIs the largest change of the map under small changes of the ROI.
    fn sensitivities(&mut self) -> Result<Vec<f64>> {
        let Job { whole, pictures, settings, .. } = self.job;
        let mut largest = Vec::new();
        let some = pairs::some(&self.full, &self.job.rois, whole.options.seed, CHANGED_ROIS);
        for index in some {
            let of = |number| changed(&pictures[index], RADIUS, whole.options.seed, number);
            let changed: Vec<Picture> = (0..settings.changes).map(of).collect();
            let mut most: Option<f64> = None;
            for batch in changed.chunks(self.maps.batch()) {
                let made = self.made(&batch.iter().collect::<Vec<_>>())?;
                let changes =
                    made.iter().filter_map(|one| self.original[index].change(&one.signed));
                most = changes.chain(most).reduce(f64::max);
            }
            if let Some(most) = most {
                self.lines.push(Line::number("max_sensitivity", self.job.name(index), most));
                largest.push(most);
            }
        }
        Ok(largest)
    }

    /// The cascade. Each ROI is explained by one of several draws of random weights, so that no conclusion hangs on one.
    fn randomised(&mut self, stages: &[Stage]) -> Result<Vec<Randomised>> {
        let Job { whole, working, original, network, .. } = self.job;
        let mut found: Vec<Vec<Similarity>> = vec![Vec::new(); stages.len()];
        for draw in 0..DRAWS {
            let own: Vec<usize> =
                self.full.iter().copied().filter(|index| index % DRAWS == draw).collect();
            if own.is_empty() {
                continue;
            }
            original.put(&working.store)?;
            let random = Learnt::drawn(whole.gpu, &working.model, network.seed, draw)?;
            for (stage, found) in stages.iter().zip(&mut found) {
                random.put_stage(stage, &working.store)?;
                let alike = self.alike(&own)?;
                for (&index, one) in own.iter().zip(&alike) {
                    let line = Line::alike("randomised", self.job.name(index), *one);
                    let (layer, other) = (stage.layer.clone(), draw.to_string());
                    self.lines.push(Line { layer, other, ..line });
                }
                found.extend(alike);
            }
        }
        original.put(&working.store)?;
        let all = stages.iter().zip(&found).filter_map(|(stage, found)| {
            Some(Randomised {
                layer: stage.layer.clone(),
                layers: stage.layers,
                similarity: Similarity::mean(found)?,
            })
        });
        Ok(all.collect())
    }

    /// How alike the maps of the same architecture with `other` weights are.
    fn other(&mut self, test: &str, other: &Learnt) -> Result<Option<Similarity>> {
        let full = self.full.clone();
        other.put(&self.job.working.store)?;
        let alike = self.alike(&full)?;
        self.job.original.put(&self.job.working.store)?;
        let lines = full.iter().zip(&alike);
        self.lines.extend(lines.map(|(&index, one)| Line::alike(test, self.job.name(index), *one)));
        Ok(Similarity::mean(&alike))
    }
}

/// The maps of two architectures for the same ROIs, at the larger of the sizes of their inputs; their table goes to
/// `path`.
pub fn reproducibility(
    jobs: [&Job; 2],
    map: Map,
    path: &Path,
    origin: &Items,
) -> Result<TrustPair> {
    let start = Instant::now();
    let size =
        [0, 1].map(|axis| jobs.iter().map(|job| job.working.model.size[axis]).max().unwrap_or(1));
    let count = jobs[0].rois.len();
    let bar = console::bar("", 2 * count as u64);
    let mut both: Vec<Vec<Shown>> = Vec::new();
    for job in jobs {
        let Whole { gpu, options, .. } = job.whole;
        job.original.put(&job.working.store)?;
        let mut maps =
            Attributions::new(gpu, map, job.working, job.network.seed, options, map.batch())?;
        let mut shown = Vec::with_capacity(count);
        for some in job.pictures.chunks(maps.batch()) {
            let stop = &job.network.setup.train.stop;
            stop.check(|| "finished units are kept, --resume goes on after them".to_owned())?;
            let made = maps.of(&some.iter().collect::<Vec<_>>())?;
            let all = parallel::map(&made, |one| Shown::new(one, size));
            shown.extend(all.into_iter().collect::<Result<Vec<_>>>()?);
            bar.step(some.len() as u64);
        }
        both.push(shown);
    }
    drop(bar);
    let pairs = both[0].iter().zip(&both[1]).enumerate();
    let full: Vec<_> = pairs.filter(|(_, (a, b))| !a.empty && !b.empty).collect();
    let found = parallel::map(&full, |(_, (a, b))| Similarity::of(a, b));
    let lines: Vec<Line> = full
        .iter()
        .zip(&found)
        .map(|((index, _), one)| Line::alike("reproducibility", jobs[0].name(*index), *one))
        .collect();
    jobs[0].whole.out.make(path, origin, |path| tables::write(path, &lines))?;
    Ok(TrustPair {
        models: jobs.map(|job| job.network.setup.network.name.to_owned()),
        seed: jobs[0].network.seed,
        method: map.name().to_owned(),
        rois: found.len(),
        similarity: Similarity::mean(&found),
        seconds: since(start),
    })
}
