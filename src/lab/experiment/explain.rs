//! The heatmaps of a trained model: scored against the masks, and written to files.

use std::path::{Path, PathBuf};

use super::filter;
use super::job::Job;
use super::phase::Phase;
use super::tables::{self, LesionScore, NormalScore, Score, TEST, TRAIN, VALIDATION};
use super::{LESIONS, Material, NORMALS, Setup, at_threshold, heatmap_folder, scores_file};
use crate::console;
use crate::engine::gpu::Gpu;
use crate::engine::session::Store;
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::{Class, Roi};
use crate::lab::metrics::lesions::Segmented;
use crate::lab::metrics::surface::TOLERANCE;
use crate::nets::cam::dice;
use crate::nets::cam::normalise::{WAYS, grey_levels, peak};
use crate::nets::cam::{Explainer, Explanation, Request, Settings, find, npy};
use crate::nets::images::{Grey, Prepared};
use crate::nets::models::{Head, Mode};
use crate::nets::weights::{Raw, Top};
use crate::parallel;
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
    /// What the heatmap was divided by.
    pub peak: f64,
    /// Height and width of the map before it was resized.
    pub map_size: [usize; 2],
}

/// The map of the class abnormal on a normal ROI that was not learnt from, or on any ROI of the test set.
pub struct Shown<'a> {
    pub roi: &'a Roi,
    /// As [`Explained::heatmap`].
    pub heatmap: Vec<u8>,
    /// What it was divided by.
    pub peak: f64,
    /// Of the heatmap at each threshold.
    pub dice: Vec<f64>,
}

impl<'a> Shown<'a> {
    fn new(roi: &'a Roi, explanation: Explanation) -> Self {
        let peak = peak(&explanation.signed, [roi.image.height, roi.image.width]);
        let Explanation { heatmap, dice, .. } = explanation;
        Shown { roi, heatmap, peak, dice: dice.unwrap_or_default() }
    }

    /// The heatmap as a picture.
    fn grey(&self) -> Grey {
        let Grey { width, height, .. } = self.roi.image;
        Grey { width, height, pixels: self.heatmap.clone() }
    }
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
    ///
    /// Normal ROIs of the validation side are explained in any case, and their maps written: what is marked where there
    /// is nothing. Beside each map lie the ROI and the heatmap.
    pub fn explain(
        &self,
        store: &Store,
        units: usize,
        filter: bool,
    ) -> Result<(Vec<Explained>, Vec<Shown<'_>>)> {
        let rois = &self.material.rois;
        let chosen: Vec<usize> =
            (0..rois.len()).filter(|&i| filter || rois[i].class == Class::Abnormal).collect();
        let normal: Vec<usize> = self
            .split
            .validation
            .iter()
            .copied()
            .filter(|&index| rois[index].class == Class::Normal)
            .collect();
        let pixels = |index: &usize| rois[*index].image.pixels.len();
        let largest = chosen.iter().chain(&normal).map(pixels).max().unwrap_or(1);
        let network = self.setup.network;
        let (height, width) = self.setup.size;
        let settings = settings()?;
        let batch = self.setup.explains(self.gpu, &settings, BATCH, largest)?;
        let model = network.build(Mode::Inference, batch, [height, width], units)?;
        let mut explainer = Explainer::new(self.gpu, model, store, &settings, largest)?;
        let origin = self.explained_origin()?;
        self.claim(&chosen, &normal, filter)?;
        // Where they are explained anyway, they stand among the others.
        let more = if filter { &[][..] } else { &normal[..] };
        let bar = console::bar("", (chosen.len() + more.len()) as u64);
        let (mut explained, mut shown, mut empty) = (Vec::new(), Vec::new(), 0);
        for chunk in chosen.chunks(batch).chain(more.chunks(batch)) {
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
                } else if normal.binary_search(&roi).is_ok() {
                    let [map, image, heatmap] = self.normal_files(&rois[roi]);
                    files::write(&map, &npy(&explanation.signed))?;
                    let one = Shown::new(&rois[roi], explanation);
                    one.roi.image.write(&image)?;
                    one.grey().write(&heatmap)?;
                    [map, image, heatmap]
                        .iter()
                        .try_for_each(|path| self.out.made(path, &origin))?;
                    shown.push(one);
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
        Ok((explained, shown))
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

    /// The maps of the test set: of its abnormal ROIs, and of its normal ones.
    pub fn explain_test(
        &self,
        store: &Store,
        units: usize,
    ) -> Result<(Vec<Shown<'_>>, Vec<Shown<'_>>)> {
        let rois = &self.material.test;
        let (abnormal, normal): (Vec<&Roi>, Vec<&Roi>) =
            rois.iter().partition(|roi| roi.class == Class::Abnormal);
        let largest = rois.iter().map(|roi| roi.image.pixels.len()).max().unwrap_or(1);
        let settings = settings()?;
        let batch = self.setup.explains(self.gpu, &settings, BATCH, largest)?;
        let (network, (height, width)) = (self.setup.network, self.setup.size);
        let model = network.build(Mode::Inference, batch, [height, width], units)?;
        let mut explainer = Explainer::new(self.gpu, model, store, &settings, largest)?;
        let mut each = |rois: &[&Roi]| -> Result<Vec<Explanation>> {
            let mut found = Vec::new();
            for some in rois.chunks(batch) {
                self.setup
                    .train
                    .stop
                    .check(|| "the weights are written, the test is not".to_owned())?;
                found.extend(self.ask(&mut explainer, some, units)?);
            }
            Ok(found)
        };
        let (lesions, nothing) = (each(&abnormal)?, each(&normal)?);
        fn shown<'a>(rois: Vec<&'a Roi>, found: Vec<Explanation>) -> Vec<Shown<'a>> {
            rois.into_iter().zip(found).map(|(roi, one)| Shown::new(roi, one)).collect()
        }
        Ok((shown(abnormal, lesions), shown(normal, nothing)))
    }

    /// Makes the folders of all files, and says that these will be written.
    fn claim(&self, chosen: &[usize], normal: &[usize], filter: bool) -> Result<()> {
        let normal: Vec<PathBuf> = normal
            .iter()
            .flat_map(|&index| self.normal_files(&self.material.rois[index]))
            .collect();
        if let Some(path) = normal.first() {
            files::create_folder_of(path)?;
        }
        self.out.claim(normal)?;
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

    /// Map, ROI and heatmap of a normal ROI.
    fn normal_files(&self, roi: &Roi) -> [PathBuf; 3] {
        let folder = heatmap_folder(&self.options.out, self.setup.network.name, self.round);
        ["map.npy", "roi.png", "heatmap.png"]
            .map(|what| folder.join("normal").join(format!("{}.{what}", roi.name)))
    }

    /// Writes ROI and heatmap of each ROI of the test set, and of an abnormal one its mask, into `test` beside the
    /// heatmaps.
    pub fn write_test<'a>(&self, all: impl Iterator<Item = &'a Shown<'a>>) -> Result<()> {
        let folder = heatmap_folder(&self.options.out, self.setup.network.name, self.round);
        let origin = self.explained_origin()?;
        for one in all {
            let abnormal = one.roi.class == Class::Abnormal;
            let folder = folder.join(TEST);
            let folder = if abnormal { folder } else { folder.join("normal") };
            files::create_folder(&folder)?;
            let mask = abnormal.then(|| ("mask", one.roi.mask_or_empty()));
            let pictures = [("roi", one.roi.image.clone()), ("heatmap", one.grey())];
            for (what, picture) in pictures.into_iter().chain(mask) {
                let path = folder.join(format!("{}.{what}.png", one.roi.name));
                self.out.claim([path.clone()])?;
                picture.write(&path)?;
                self.out.made(&path, &origin)?;
            }
        }
        Ok(())
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

        let (mean_dice, map_size) =
            (explanation.mean_dice().unwrap_or_default(), explanation.map_size());
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
            peak: peak(&explanation.signed, [height, width]),
            map_size,
        })
    }

    /// Writes `scores.csv`, `lesions.csv` and `normals.csv`, at `threshold`; the threshold of normal ROIs on the scale
    /// of the training side is returned.
    pub fn write_scores(
        &self,
        explained: &[Explained],
        normals: &[Shown],
        threshold: u8,
    ) -> Result<Option<f64>> {
        let rois = &self.material.rois;
        let segmented =
            parallel::map(explained, |one| segmented(&rois[one.roi], &one.heatmap, threshold));
        let segmented: Vec<Segmented> = segmented.into_iter().collect::<Result<_>>()?;
        let side = |one: &Explained| if one.validation { VALIDATION } else { TRAIN };
        let score = |(one, found): (&Explained, &Segmented)| {
            let [mean_dice, for_min_max, for_max, against_relu_max, against_min_max, against_max] =
                one.ways;
            let surface = found.whole.surface;
            Score {
                name: rois[one.roi].name.clone(),
                patient: rois[one.roi].source.clone(),
                split: side(one).to_owned(),
                mean_dice,
                dice_at_best_threshold: one.dice[usize::from(threshold)],
                for_min_max,
                for_max,
                against_relu_max,
                against_min_max,
                against_max,
                iou: Some(found.whole.iou),
                hausdorff_95: surface.hausdorff_95,
                average_surface_distance: surface.average_surface_distance,
                surface_dice: surface.surface_dice,
                lesions: Some(found.lesion_count),
                false_areas: Some(found.false_areas),
                peak: Some(one.peak),
            }
        };
        let lines: Vec<Score> = explained.iter().zip(&segmented).map(score).collect();
        let lesions = explained
            .iter()
            .zip(&segmented)
            .flat_map(|(one, found)| LesionScore::of(&rois[one.roi], side(one), &found.lesions));
        let lesions: Vec<LesionScore> = lesions.collect();
        let absolute = at_threshold::absolute_threshold(threshold, &lines);
        let normals: Vec<NormalScore> =
            normals.iter().map(|one| normal(one, VALIDATION, threshold, absolute)).collect();
        let name = self.setup.network.name;
        let (out, origin) = (&self.options.out, self.explained_origin()?);
        let path = scores_file(out, name, self.round);
        let [of_lesions, of_normals] =
            [LESIONS, NORMALS].map(|table| heatmap_folder(out, name, self.round).join(table));
        self.out.make(&of_lesions, &origin, |path| tables::write(path, &lesions))?;
        self.out.make(&of_normals, &origin, |path| tables::write(path, &normals))?;
        self.out.make(&path, &origin, |path| tables::write(path, &lines))?;
        Ok(absolute)
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

/// The heatmap of `roi` above `threshold` against its mask.
pub fn segmented(roi: &Roi, heatmap: &[u8], threshold: u8) -> Result<Segmented> {
    let (mask, size) = (roi.mask_or_empty(), [roi.image.height, roi.image.width]);
    Segmented::of_levels(&mask.pixels, heatmap, threshold, size, TOLERANCE)
}

/// The line of a normal ROI; `absolute` is the threshold on the scale of the training side.
pub fn normal(one: &Shown, split: &str, threshold: u8, absolute: Option<f64>) -> NormalScore {
    let share = |exceeds: &dyn Fn(u8) -> bool| {
        let marked = one.heatmap.iter().filter(|&&level| exceeds(level)).count();
        marked as f64 / one.heatmap.len().max(1) as f64
    };
    let value = |level: u8| f64::from(level) / 255.0 * one.peak;
    NormalScore {
        name: one.roi.name.clone(),
        split: split.to_owned(),
        width: one.roi.image.width,
        height: one.roi.image.height,
        peak: one.peak,
        marked: share(&|level| level > threshold),
        marked_absolute: absolute.map(|cut| share(&|level| value(level) > cut)),
        patient: one.roi.source.clone(),
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
