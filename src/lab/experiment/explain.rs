//! The heatmaps of a trained model: scored against the masks, and written to files.

use std::path::{Path, PathBuf};

use super::filter;
use super::job::Job;
use super::phase::Phase;
use super::tables::{self, Score, TRAIN, VALIDATION};
use super::{Material, Setup, heatmap_folder, scores_file};
use crate::console;
use crate::engine::gpu::Gpu;
use crate::engine::session::Store;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::nets::cam::dice;
use crate::nets::cam::normalise::{WAYS, grey_levels};
use crate::nets::cam::{Explainer, Explanation, Request, Settings, find, npy};
use crate::nets::images::{Grey, Prepared};
use crate::nets::models::{Head, Mode};
use crate::nets::weights::{Raw, Top};
use crate::provenance::Items;

/// An explained abnormal ROI.
pub struct Explained {
    /// Its index among the ROIs.
    pub roi: usize,
    /// Whether it is on the validation side.
    pub validation: bool,
    /// What is exported: what speaks for the class, ReLU, divided by the maximum.
    pub heatmap: Vec<u8>,
    /// Of the heatmap at each threshold.
    pub dice: Vec<f64>,
    /// Of the heatmap.
    pub mean_dice: f64,
    /// Mean-Dice in the order of [`WAYS`].
    pub ways: [f64; 6],
}

/// Images explained at once, where so many fit.
const BATCH: usize = 32;

/// How every ROI is explained.
fn settings() -> Result<Settings> {
    Ok(Settings { both: true, ..Settings::new(find("gradcam")?) })
}

/// Plans everything that is run with a network, before a picture is resized: training on each of the
/// splits, and the explanation of ROIs.
///
/// # Errors
/// [`Error::TooLarge`] with the batch that fits.
pub fn expect(gpu: &Gpu, setup: &Setup, material: &Material) -> Result<()> {
    let rois = &material.rois;
    setup.expect(gpu, &material.splits, rois.len())?;
    let all = rois.iter().chain(&material.test);
    let largest = all.map(|roi| roi.image.pixels.len()).max().unwrap_or(1);
    setup.explains(gpu, &settings()?, BATCH, largest).map(|_| ())
}

impl Job<'_> {
    /// Explains the score of the class `abnormal` on every abnormal ROI, and writes ROI, mask, heatmap
    /// (8-bit grey PNG) and the map before its ReLU (NumPy, at the layer's own size).
    ///
    /// Where filtered ROIs are to be learnt from, normal ROIs are explained as well, by the same class:
    /// the paper does not say which, and a filter chosen by the ROI's label would carry the label. All
    /// ROIs times their heatmaps are then written, too.
    pub fn explain(&self, store: &Store, units: usize, filter: bool) -> Result<Vec<Explained>> {
        let rois = &self.material.rois;
        let chosen: Vec<usize> =
            (0..rois.len()).filter(|&i| filter || rois[i].class == Class::Abnormal).collect();
        let pixels = |index: &usize| rois[*index].image.pixels.len();
        let largest = chosen.iter().map(pixels).max().unwrap_or(1);
        let network = self.setup.network;
        let (height, width) = self.setup.size;
        let settings = settings()?;
        let batch = self.setup.explains(self.gpu, &settings, BATCH, largest)?;
        let model = network.build(Mode::Inference, batch, [height, width], units)?;
        let mut explainer = Explainer::new(self.gpu, model, store, &settings, largest)?;
        let origin = self.explained_origin()?;
        self.claim(&chosen, filter)?;
        let bar = console::bar("", chosen.len() as u64);
        let (mut explained, mut empty) = (Vec::new(), 0);
        for chunk in chosen.chunks(batch) {
            self.setup
                .train
                .stop
                .check(|| "the weights are written, the heatmaps in part".to_owned())?;
            let some: Vec<&Roi> = chunk.iter().map(|&index| &rois[index]).collect();
            let found = self.ask(&mut explainer, &some, units)?;
            for (&roi, explanation) in chunk.iter().zip(found) {
                if rois[roi].class == Class::Abnormal {
                    empty += usize::from(explanation.is_empty());
                }
                if filter {
                    let image = filter::times(&rois[roi].image, &explanation.heatmap);
                    let path = self.filtered_file(&rois[roi]);
                    image.write(&path)?;
                    self.out.made(&path, &origin)?;
                }
                if rois[roi].class == Class::Abnormal {
                    explained.push(self.score_and_write(roi, explanation, &origin)?);
                }
            }
            bar.step(chunk.len() as u64);
        }
        drop(bar);
        if empty > 0 {
            let (name, round, of) = (network.name, self.round, explained.len());
            crate::console::note!(
                "{name} {round}: nothing speaks for abnormal in {empty} of {of} ROIs"
            );
        }
        Ok(explained)
    }

    /// Explains the class abnormal on `some` ROIs.
    fn ask(
        &self,
        explainer: &mut Explainer,
        some: &[&Roi],
        units: usize,
    ) -> Result<Vec<Explanation>> {
        let images = some.iter().map(|roi| (&roi.image, 0));
        let (size, channels) = (self.setup.size, self.setup.network.channels);
        let images = Prepared::from_images(images, size, channels, self.setup.scaling).all();
        let masks: Vec<Grey> = some.iter().map(|roi| roi.mask_or_empty()).collect();
        let requests: Vec<Request> = images
            .chunks(images.len() / some.len())
            .zip(some)
            .zip(&masks)
            .map(|((image, roi), mask)| Request {
                image,
                class: Some(Head::of(units).unit(Class::Abnormal.index())),
                size: [roi.image.height, roi.image.width],
                mask: Some(&mask.pixels),
            })
            .collect();
        explainer.explain_finite(&requests, |index| some[index].name.clone())
    }

    /// Dice at each threshold of the abnormal ROIs of the test set.
    pub fn explain_test(&self, store: &Store, units: usize) -> Result<Vec<(&Roi, Vec<f64>)>> {
        let abnormal = |roi: &&Roi| roi.class == Class::Abnormal;
        let rois: Vec<&Roi> = self.material.test.iter().filter(abnormal).collect();
        let largest = rois.iter().map(|roi| roi.image.pixels.len()).max().unwrap_or(1);
        let settings = settings()?;
        let batch = self.setup.explains(self.gpu, &settings, BATCH, largest)?;
        let (network, (height, width)) = (self.setup.network, self.setup.size);
        let model = network.build(Mode::Inference, batch, [height, width], units)?;
        let mut explainer = Explainer::new(self.gpu, model, store, &settings, largest)?;
        let mut found = Vec::new();
        for some in rois.chunks(batch) {
            self.setup
                .train
                .stop
                .check(|| "the weights are written, the test is not".to_owned())?;
            let explained = self.ask(&mut explainer, some, units)?;
            let dice = explained.into_iter().map(|one| one.dice.unwrap_or_default());
            found.extend(some.iter().copied().zip(dice));
        }
        Ok(found)
    }

    /// Makes the folders of all files, and says that these will be written.
    fn claim(&self, chosen: &[usize], filter: bool) -> Result<()> {
        let rois = chosen.iter().map(|&index| &self.material.rois[index]);
        let abnormal = rois.clone().filter(|roi| roi.class == Class::Abnormal);
        self.out.claim(abnormal.flat_map(|roi| self.heatmap_files(roi)))?;
        files::create_folder(&heatmap_folder(
            &self.options.out,
            self.setup.network.name,
            self.round,
        ))?;
        if filter {
            self.out.claim(rois.map(|roi| self.filtered_file(roi)))?;
            files::create_folder(&self.filtered_folder())?;
        }
        Ok(())
    }

    /// ROI, mask, heatmap and map of an abnormal ROI.
    fn heatmap_files(&self, roi: &Roi) -> [PathBuf; 4] {
        let folder = heatmap_folder(&self.options.out, self.setup.network.name, self.round);
        ["roi.png", "mask.png", "heatmap.png", "map.npy"]
            .map(|what| folder.join(format!("{}.{what}", roi.name)))
    }

    fn score_and_write(
        &self,
        index: usize,
        explanation: Explanation,
        origin: &Items,
    ) -> Result<Explained> {
        let roi = &self.material.rois[index];
        let mask = roi.mask_or_empty();
        let (width, height) = (roi.image.width, roi.image.height);
        let files = self.heatmap_files(roi);
        let heatmap = Grey { width, height, pixels: explanation.heatmap.clone() };
        roi.image.write(&files[0])?;
        mask.write(&files[1])?;
        heatmap.write(&files[2])?;
        files::write(&files[3], &npy(&explanation.signed))?;
        files.iter().try_for_each(|path| self.out.made(path, origin))?;

        let mean_dice = explanation.mean_dice().unwrap_or_default();
        let mut ways = [mean_dice; 6];
        let against = explanation.opposite.as_ref().unwrap_or(&explanation.signed);
        let levels = grey_levels(&explanation.signed, against, [height, width]);
        // The first way is what the GPU has scored.
        for (way, levels) in ways.iter_mut().zip(&levels).skip(1) {
            *way = dice::score(&mask.pixels, levels)?.mean_dice;
        }
        Ok(Explained {
            roi: index,
            validation: self.split.validation.binary_search(&index).is_ok(),
            heatmap: heatmap.pixels,
            dice: explanation.dice.unwrap_or_default(),
            mean_dice,
            ways,
        })
    }

    /// Writes `scores.csv`.
    pub fn write_scores(&self, explained: &[Explained], threshold: u8) -> Result<()> {
        let score = |one: &Explained| {
            let [mean_dice, for_min_max, for_max, against_relu_max, against_min_max, against_max] =
                one.ways;
            Score {
                name: self.material.rois[one.roi].name.clone(),
                patient: self.material.rois[one.roi].source.clone(),
                split: if one.validation { VALIDATION } else { TRAIN }.to_owned(),
                mean_dice,
                dice_at_best_threshold: one.dice[usize::from(threshold)],
                for_min_max,
                for_max,
                against_relu_max,
                against_min_max,
                against_max,
            }
        };
        let lines: Vec<Score> = explained.iter().map(score).collect();
        let name = self.setup.network.name;
        let path = scores_file(&self.options.out, name, self.round);
        self.out.make(&path, &self.explained_origin()?, |path| tables::write(path, &lines))
    }

    /// All ROIs times their heatmaps, as the original phase wrote them: so that a run that was
    /// interrupted in between learns from the same images as one that was not. Where that phase was run
    /// without this one in mind, its weights explain the ROIs again.
    pub fn read_filtered(&self) -> Result<Vec<Grey>> {
        let rois = &self.material.rois;
        let origin = self.explained_origin()?;
        let mut all = true;
        for roi in rois {
            all &= self.out.reuse(&self.filtered_file(roi), &origin)?;
        }
        if !all {
            let (network, (height, width)) = (self.setup.network, self.setup.size);
            let units = self.setup.train.head.units();
            let model = network.build(Mode::Inference, 1, [height, width], units)?;
            let store = Store::new(self.gpu, &model.graph, self.round.seed)?;
            let weights = Raw::read(&self.weights_file(Phase::Original))?;
            weights.resolve(&model, Top::Keep)?.put(&store)?;
            self.explain(&store, units, true)?;
        }
        let read = |roi: &Roi| {
            let path = self.filtered_file(roi);
            let image = Grey::read(&path)?;
            if (image.width, image.height) == (roi.image.width, roi.image.height) {
                return Ok(image);
            }
            Err(Error::content(path, "is not of the ROI's size", "give --overwrite to begin anew"))
        };
        rois.iter().map(read).collect()
    }

    /// Where the ROIs times their heatmaps are.
    fn filtered_folder(&self) -> PathBuf {
        let folder = Path::new("filtered").join(self.setup.network.name);
        self.options.out.join(folder).join(self.round.stem()).join("cam")
    }

    /// An ROI times its heatmap.
    fn filtered_file(&self, roi: &Roi) -> PathBuf {
        self.filtered_folder().join(format!("{}.png", roi.name))
    }
}

/// Mean-Dice over `explained`, in the order of [`WAYS`].
pub fn mean_ways<'a>(explained: impl Iterator<Item = &'a Explained> + Clone) -> [f64; 6] {
    let count = explained.clone().count().max(1) as f64;
    let mut sums = [0.0; WAYS.len()];
    for one in explained {
        sums.iter_mut().zip(one.ways).for_each(|(sum, value)| *sum += value);
    }
    sums.map(|sum| sum / count)
}
