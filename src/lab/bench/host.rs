//! What a network costs the processor: the whole way from a picture's file to a number, and a training step, on a
//! device that computes nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rand::Rng;
use serde::Serialize;

use super::grouped::Grouped;
use super::show::short;
use super::timing::{Effort, Timing, time_repeatedly};
use super::{Machine, Phase, PhaseGraph, machine};
use crate::draw;
use crate::engine::gpu::{Gpu, open_large_noop};
use crate::engine::session::Session;
use crate::error::{Error, Result};
use crate::nets::classifier::Classifier;
use crate::nets::images::{
    Augment, Batch, BatchOptions, Batches, Colour, Flips, Grey, Jitter, Prepared, Scaling,
};
use crate::nets::models::{IMAGES, Network};
use crate::nets::train::Predictor;
use crate::parallel;

/// What was measured, and where.
#[derive(Clone, Debug, Serialize)]
pub struct HostReport {
    /// parula's version.
    pub version: &'static str,
    /// The commit it was built from, where that is known.
    pub commit: Option<&'static str>,
    /// The day, in UTC.
    pub date: String,
    /// The machine, and what else it did.
    pub machine: Machine,
    /// A network each.
    pub host: Vec<Host>,
}

impl HostReport {
    /// Without a network yet.
    pub fn begin() -> Self {
        HostReport {
            version: env!("CARGO_PKG_VERSION"),
            commit: machine::commit(),
            date: machine::date(),
            machine: Machine::now(),
            host: Vec::new(),
        }
    }
}

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.host.iter().try_for_each(|host| write!(f, "{host}"))
    }
}

/// What was measured of a network.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// The network.
    pub model: String,
    /// Images at once.
    pub batch: usize,
    /// Height and width of its input.
    pub input: [usize; 2],
    /// Cores of this process.
    pub cores: usize,
    /// Height and width of the pictures, in colour.
    pub picture: [usize; 2],
    /// How many there are.
    pub pictures: usize,
    /// The mean size of their files, PNG.
    pub file_bytes: u64,
    /// Dispatches of a pass that gives class scores, and of a training step.
    pub dispatches: [usize; 2],
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub struct Stage {
    /// What is done.
    pub name: &'static str,
    /// For what: `image`, `batch`, `step` or `dispatch`.
    pub per: &'static str,
    /// With one core.
    pub one: Timing,
    /// With all of them; none of a stage that has one core in any case.
    pub all: Option<Timing>,
}

/// Pictures of about a scan's size.
const PICTURE: [usize; 2] = [400, 500];
/// Enough for two batches, and for every core to have several.
const PICTURES: usize = 64;
/// Of an epoch of training.
const BATCHES: usize = 32;

/// Measures `network`, in batches of `batch` of `size`, for as long as `effort` says.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Shape`] where there is no such network, [`Error::File`] where the pictures cannot
/// be written to the system's temporary folder.
pub fn host(
    network: &'static Network,
    batch: usize,
    size: [usize; 2],
    effort: Effort,
) -> Result<Host> {
    let gpu = Arc::new(open_large_noop());
    let folder = tempfile::tempdir()
        .map_err(|source| Error::file("make", "a folder for pictures", source))?;
    let files = pictures(folder.path())?;
    let file_bytes = files.iter().map(|path| std::fs::metadata(path).map_or(0, |file| file.len()));
    let file_bytes = file_bytes.sum::<u64>() / PICTURES as u64;
    let mut classifier = Classifier::fresh(&gpu, network, batch, size)?;
    let scores = PhaseGraph::new(network, Phase::Forward, batch, size)?.session(&gpu)?;
    let step = PhaseGraph::new(network, Phase::TrainingStep, batch, size)?.session(&gpu)?;
    let dispatches = [&scores, &step]
        .map(|session| session.plan().steps.iter().map(|step| step.dispatches.len()).sum());
    drop(scores);
    let read = |path: &PathBuf| Colour::read(path);
    let colours: Vec<Colour> = files.iter().map(read).collect::<Result<_>>()?;
    // What is trained on is grey.
    let greys: Vec<Grey> = parallel::map(&colours, Colour::grey);
    let labelled = greys.iter().enumerate().map(|(index, grey)| (grey, index % 2));
    let prepared =
        Prepared::from_images(labelled, (size[0], size[1]), network.channels, Scaling::Tf);
    let mut work = Work { gpu, effort, batch, files, colours, prepared, step };
    let mut stages = work.of_pictures(size)?;
    stages.extend(work.of_steps(dispatches[1])?);
    stages.push(work.files_to_scores(&mut classifier)?);
    Ok(Host {
        model: network.name.to_owned(),
        batch,
        input: size,
        cores: parallel::cores(),
        picture: PICTURE,
        pictures: PICTURES,
        file_bytes,
        dispatches,
        stages,
    })
}

/// Batches of training, one after another without an end, all of one size.
struct Lessons<'a> {
    prepared: &'a Prepared,
    options: BatchOptions,
    epoch: Batches<'a>,
}

impl<'a> Lessons<'a> {
    fn of(prepared: &'a Prepared, batch: usize) -> Self {
        let flips = Flips { horizontal: true, vertical: true };
        let augment = Augment { flips, jitter: Some(Jitter::default()) };
        let options = BatchOptions { batch, seed: 0, epoch: 0, shuffle: true, augment };
        Lessons { prepared, options, epoch: Self::epoch(prepared, options) }
    }

    fn epoch(prepared: &'a Prepared, options: BatchOptions) -> Batches<'a> {
        let images = options.batch * BATCHES;
        let indices: Vec<usize> = (0..images).map(|index| index % PICTURES).collect();
        Batches::new(prepared, &indices, options)
    }

    fn next(&mut self) -> Option<Batch> {
        self.epoch.next().or_else(|| {
            self.options.epoch += 1;
            self.epoch = Self::epoch(self.prepared, self.options);
            self.epoch.next()
        })
    }

    fn recycle(&mut self, batch: Batch) {
        self.epoch.recycle(batch);
    }
}

/// What is timed.
struct Work {
    gpu: Arc<Gpu>,
    effort: Effort,
    batch: usize,
    files: Vec<PathBuf>,
    colours: Vec<Colour>,
    prepared: Prepared,
    step: Session,
}

impl Work {
    /// The time of `run`, which does something for `count` things, for each of them.
    fn time(
        &self,
        cores: usize,
        count: usize,
        mut run: impl FnMut() -> Result<()>,
    ) -> Result<Timing> {
        let timing = parallel::on(cores, || {
            time_repeatedly(self.effort, |repeats| {
                let start = Instant::now();
                (0..repeats).try_for_each(|_| run())?;
                Ok(start.elapsed() / repeats.max(1) as u32)
            })
        })?;
        Ok(timing.times(1.0 / count.max(1) as f64))
    }

    /// A stage that all cores share.
    fn shared(
        &self,
        name: &'static str,
        per: &'static str,
        count: usize,
        mut run: impl FnMut() -> Result<()>,
    ) -> Result<Stage> {
        let one = self.time(1, count, &mut run)?;
        let all = self.time(0, count, run)?;
        Ok(Stage { name, per, one, all: Some(all) })
    }

    /// A stage of one core.
    fn alone(
        &self,
        name: &'static str,
        per: &'static str,
        count: usize,
        run: impl FnMut() -> Result<()>,
    ) -> Result<Stage> {
        Ok(Stage { name, per, one: self.time(1, count, run)?, all: None })
    }

    fn of_pictures(&self, [height, width]: [usize; 2]) -> Result<Vec<Stage>> {
        let decode = self.shared("read and decode", "image", PICTURES, || {
            parallel::map(&self.files, |path| Colour::read(path))
                .into_iter()
                .try_for_each(|read| read.map(drop))
        })?;
        let resize = self.shared("resize", "image", PICTURES, || {
            parallel::map(&self.colours, |colour| colour.resize(height, width));
            Ok(())
        })?;
        let scale = self.shared("scale", "image", PICTURES, || {
            self.prepared.all();
            Ok(())
        })?;
        Ok(vec![decode, resize, scale])
    }

    fn of_steps(&mut self, dispatches: usize) -> Result<Vec<Stage>> {
        let nothing = || Error::shape("host", "there is no batch");
        let mut lessons = Lessons::of(&self.prepared, self.batch);
        let lesson = lessons.next().ok_or_else(nothing)?;
        let augment = self.shared("augment, scale", "image", self.batch, || {
            lessons.next().map(|lesson| lessons.recycle(lesson)).ok_or_else(nothing)
        })?;
        let upload = self.alone("upload", "image", self.batch, || {
            self.step.set(IMAGES, &lesson.images)?;
            // Bytes are handed over when something is submitted.
            self.gpu.submit(&[]);
            self.gpu.wait()
        })?;
        let names: Vec<String> =
            self.step.plan().outputs.iter().map(|port| port.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let recorded = time_repeatedly(self.effort, |repeats| {
            let start = Instant::now();
            for _ in 0..repeats {
                self.step.run()?;
                self.gpu.wait()?;
            }
            Ok(start.elapsed() / repeats.max(1) as u32)
        })?;
        let dispatch = recorded.times(1.0 / dispatches.max(1) as f64);
        let recorded = Stage { name: "record", per: "step", one: recorded, all: None };
        let dispatch = Stage { name: "record", per: "dispatch", one: dispatch, all: None };
        let read_back =
            self.alone("read back", "step", 1, || self.step.read_all(&names).map(drop))?;
        let whole = self.whole(&names)?;
        Ok(vec![augment, upload, recorded, dispatch, read_back, whole])
    }

    /// A training step as training does it.
    fn whole(&mut self, names: &[&str]) -> Result<Stage> {
        let Work { effort, batch, ref prepared, ref mut step, .. } = *self;
        let mut lessons = Lessons::of(prepared, batch);
        let mut time = |cores| {
            parallel::on(cores, || {
                time_repeatedly(effort, |repeats| {
                    let start = Instant::now();
                    for _ in 0..repeats {
                        if let Some(lesson) = lessons.next() {
                            step.set(IMAGES, &lesson.images)?;
                            lessons.recycle(lesson);
                        }
                        step.run()?;
                        step.read_all(names)?;
                    }
                    Ok(start.elapsed() / repeats.max(1) as u32)
                })
            })
        };
        let (one, all) = (time(1)?, time(0)?);
        Ok(Stage { name: "training step", per: "step", one, all: Some(all) })
    }

    /// As `parula predict` does it.
    fn files_to_scores(&self, classifier: &mut Classifier) -> Result<Stage> {
        let mut predictor =
            Predictor::new(&self.gpu, classifier.model().clone(), classifier.store())?;
        self.shared("file to score", "image", PICTURES, || {
            classifier.stream(
                &self.files,
                self.batch,
                |path| (path, PICTURE),
                |_| (),
                |stream| {
                    while let Some((_, prepared)) = stream.next(|_| {}) {
                        let mut numbers = prepared.all();
                        numbers.resize(self.batch * prepared.image_len(), 0.0);
                        predictor.logits(&numbers)?;
                    }
                    Ok(())
                },
            )
        })
    }
}

/// Writes pictures that are noise about a slope, which a PNG keeps about as well as a scan.
fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let numbers: Vec<usize> = (0..PICTURES).collect();
    let write = |number: &usize| {
        let path = folder.join(format!("{number}.png"));
        let mut random = draw::stream(*number as u64, "picture");
        let [height, width] = PICTURE;
        let pixels: Vec<u8> = (0..height * width)
            .flat_map(|at| {
                let slope = at / width * 160 / height + at % width * 60 / width;
                let level = slope as u8 + random.random_range(0..16u8);
                [level, level.saturating_add(4), level / 2]
            })
            .collect();
        let picture = Colour { width, height, pixels };
        picture.write(&path)?;
        Ok(path)
    };
    parallel::map(&numbers, write).into_iter().collect()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Host { model, batch, input, cores, picture, file_bytes, dispatches, .. } = self;
        writeln!(
            f,
            "host: {cores} cores; {model}, {}x{}, batch {batch}, {} dispatches for scores, {} in a training step",
            input[0], input[1], dispatches[0], dispatches[1]
        )?;
        writeln!(
            f,
            "pictures: {} PNGs in colour of {}x{}, {:.0} kB each; the device computes nothing",
            self.pictures,
            picture[0],
            picture[1],
            *file_bytes as f64 / 1e3
        )?;
        let all = format!("ms, {cores} cores");
        let mut table = Grouped::new(&["per", "ms, 1 core", "±", &all, "±", "times"]);
        for Stage { name, per, one, all } in &self.stages {
            let known = |timing: &Timing| {
                [short(timing.ms), format!("{:.1} %", 100.0 * timing.uncertainty())]
            };
            let mut cells = vec![(*per).to_owned()];
            cells.extend(known(one));
            match all {
                Some(all) => {
                    cells.extend(known(all));
                    cells.push(format!("{:.2}", one.ms / all.ms.max(f64::MIN_POSITIVE)));
                }
                None => cells.extend(["", "", ""].map(str::to_owned)),
            }
            table.row(name, cells);
        }
        write!(f, "{}", table.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::super::grouped::COLUMNS;
    use super::*;
    use crate::nets::models;

    #[test]
    fn every_stage_has_a_time_and_the_whole_ways_are_among_them() {
        let network = models::find("compact-resnet").unwrap();
        let effort = Effort {
            samples: 1,
            sample: std::time::Duration::ZERO,
            budget: std::time::Duration::from_millis(1),
            ..Effort::QUICK
        };
        let host = host(network, 2, [32, 32], effort).unwrap();
        let names: Vec<&str> = host.stages.iter().map(|stage| stage.name).collect();
        assert_eq!(names.first(), Some(&"read and decode"));
        assert!(names.contains(&"training step") && names.contains(&"file to score"));
        assert!(host.stages.iter().all(|stage| stage.one.ms > 0.0), "{host:?}");
        assert!(host.dispatches[1] > host.dispatches[0] && host.dispatches[0] > 0);
        let [step, dispatch] = ["step", "dispatch"].map(|per| {
            let found = host.stages.iter().find(|stage| (stage.name, stage.per) == ("record", per));
            found.unwrap().one.ms
        });
        assert!((step / dispatch / host.dispatches[1] as f64 - 1.0).abs() < 1e-6);
        let report = HostReport { host: vec![host], ..HostReport::begin() };
        assert!(report.to_string().lines().all(|line| line.chars().count() <= COLUMNS), "{report}");
    }
}
