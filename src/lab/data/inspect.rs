//! What `parula data inspect` says of a folder: what was recognised, what is in it, and everything
//! that is wrong, file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::class_folders::{self, MOST_UNASKED};
use super::dataset::{Class, Dataset, ReadOptions, Sample};
use super::duplicates::{self, Handling, Shown};
use super::load::{Loaded, Loader};
use super::picture::Picture;
use super::problem::{Group, Problem};
use super::roi;
use super::truth::Truth;
use super::{layout, mias};
use crate::error::{Error, Result};
use crate::lab::data::formats;
use crate::lab::data::problem;
use crate::nets::images::Rect;

/// Smallest, middle and largest of some lengths in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The smallest.
    pub min: usize,
    /// The upper of the two in the middle, when there are two.
    pub median: usize,
    /// The largest.
    pub max: usize,
}

impl Range {
    fn of(mut values: Vec<usize>) -> Self {
        values.sort_unstable();
        match (values.first(), values.get(values.len() / 2), values.last()) {
            (Some(&min), Some(&median), Some(&max)) => Range { min, median, max },
            _ => Range::default(),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} to {}, median {}", self.min, self.max, self.median)
    }
}

/// How many there are of one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// `normal` or `abnormal`; none where each folder is a class.
    pub class: Option<&'static str>,
    /// Images.
    pub images: usize,
    /// Mask files; several may be of one image.
    pub masks: usize,
}

/// Everything that is known of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// The layout that was recognised.
    pub format: &'static str,
    /// How images and masks were put together, in words.
    pub layout: String,
    /// The folder.
    pub root: PathBuf,
    /// What the format counts besides, such as `cases`, `films` and `outlines`.
    #[serde(flatten)]
    pub counts: BTreeMap<&'static str, usize>,
    /// Images, masks not counted.
    pub images: usize,
    /// Mask files.
    pub masks: usize,
    /// What the truth of the abnormalities is.
    pub truth: Truth,
    /// Whether no image has a mask and each folder is a class, as `parula train --whole` takes them; there is then nothing
    /// that ROIs could be cut around.
    pub class_folders: bool,
    /// Images of the class abnormal; of mammograms, abnormalities. None where each folder is a class.
    pub abnormal: usize,
    /// Images of the class normal; none where each folder is a class.
    pub normal: usize,
    /// By the data set's own labels.
    pub classes: BTreeMap<String, Count>,
    /// Of the images that could be decoded, in pixels.
    pub width: Range,
    /// As `width`.
    pub height: Range,
    /// Of the smallest rectangles around the lesions, in pixels.
    pub lesion_width: Range,
    /// As `lesion_width`.
    pub lesion_height: Range,
    /// What a split keeps together: `image`, `patient`, `patient folder` or `patients.csv`.
    pub split_unit: &'static str,
    /// How many of these there are.
    pub sources: usize,
    /// Pictures that show the same scan.
    pub duplicates: Vec<Shown>,
    /// Where they are.
    #[serde(skip)]
    pictures: BTreeMap<PathBuf, Picture>,
    /// Everything found, like problems together.
    #[serde(rename = "problems")]
    pub groups: Vec<Group>,
    /// Everything found, by file.
    #[serde(rename = "all_problems")]
    pub problems: Vec<Problem>,
    /// Whether ROIs can be built: there is a lesion, and no problem that is not harmless. Of folders that are classes,
    /// whether two have images.
    pub usable: bool,
}

/// Reads everything in `root` with the default options: see [`inspect_with`].
///
/// # Errors
/// As [`inspect_with`].
pub fn inspect(root: &Path) -> Result<Inspection> {
    inspect_with(root, &ReadOptions::default())
}

/// Reads everything in `root` and reports it. Problems with files are in the report.
///
/// # Errors
/// As [`formats::read_with`]: only when there is nothing to report on.
pub fn inspect_with(root: &Path, options: &ReadOptions) -> Result<Inspection> {
    let (mut dataset, class_folders) = dataset(root, options)?;
    let mut compared = dataset.clone();
    let (_, duplicates) = duplicates::apply(&mut compared, Handling::Group);
    // What is left out is still inspected, and counted.
    dataset.problems = compared.problems;
    let tolerant = dataset.normals.of_films();
    let mut problems = dataset.problems.clone();
    if !class_folders {
        problems.extend(roi::classes_without_images(&dataset));
    }
    let (mut widths, mut heights) = (Vec::new(), Vec::new());
    let (mut lesion_widths, mut lesion_heights) = (Vec::new(), Vec::new());
    let mut classes: BTreeMap<String, Count> = BTreeMap::new();
    let mut images: BTreeSet<&Path> = BTreeSet::new();
    for (sample, seen) in dataset.samples.iter().zip(look(&dataset.samples)) {
        let count = classes.entry(sample.label.clone()).or_default();
        count.class = (!class_folders).then(|| sample.class.name());
        count.images += 1;
        count.masks += outlines(sample);
        let new = images.insert(sample.image.path());
        match seen {
            Err(problem) => {
                let problem = Problem { harmless: problem.harmless || tolerant, ..problem };
                // Abnormalities that share a damaged film are one problem.
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
            Ok(Seen { width, height, lesion, notes, blank }) => {
                problems.extend(notes);
                if new {
                    widths.push(width);
                    heights.push(height);
                }
                if let Some(lesion) = lesion {
                    lesion_widths.push(lesion.width);
                    lesion_heights.push(lesion.height);
                } else if blank {
                    let what = "is left out: it has one grey value everywhere";
                    let path = sample.image.path();
                    let problem = Problem::harmless(path, what, "no ROI is cut from it");
                    problems.push(problem.of("blank"));
                }
            }
        }
    }
    problems.sort_by(|a, b| (a.harmless, &a.path).cmp(&(b.harmless, &b.path)));
    let of = |class| {
        let all = dataset.samples.iter().filter(|sample| !class_folders && sample.class == class);
        all.count()
    };
    let enough = if class_folders { classes.len() > 1 } else { !lesion_widths.is_empty() };
    let usable = problems.iter().all(|problem| problem.harmless) && enough;
    let sources: BTreeSet<&str> = dataset.samples.iter().map(|s| s.source.as_str()).collect();
    Ok(Inspection {
        format: dataset.format,
        layout: dataset.layout.clone(),
        root: dataset.root.clone(),
        counts: dataset.counts.clone(),
        images: images.len(),
        masks: dataset.samples.iter().map(outlines).sum(),
        truth: Truth::of_samples(&dataset.samples),
        class_folders,
        abnormal: of(Class::Abnormal),
        normal: of(Class::Normal),
        classes,
        width: Range::of(widths),
        height: Range::of(heights),
        lesion_width: Range::of(lesion_widths),
        lesion_height: Range::of(lesion_heights),
        split_unit: dataset.unit,
        sources: sources.len(),
        usable,
        pictures: dataset
            .samples
            .iter()
            .map(|sample| (dataset.below_root(sample.image.path()), sample.image.clone()))
            .collect(),
        duplicates,
        groups: problem::groups(&problems),
        problems,
    })
}

/// The data set in `root`, and whether its folders are classes. Where masks may be among what is not read, it is one of
/// lesions whose masks are missing.
fn dataset(root: &Path, options: &ReadOptions) -> Result<(Dataset, bool)> {
    let listing = layout::list(root)?;
    let films = formats::of(&listing)?.of_films;
    let lacks = listing.unread().is_some() || mias::undescribed(&listing).is_some();
    // What the options ask is of lesions and of films.
    let plain = options.outlines.is_none() && options.positive.is_empty();
    if films || lacks || !plain || class_folders::bare_classes(&listing).is_none() {
        return Ok((formats::read_with(root, options)?, false));
    }
    let mut dataset = class_folders::read(&listing, options, None)?;
    // None of them needs a mask: their class is their label.
    dataset.samples.iter_mut().for_each(|sample| sample.class = Class::Normal);
    Ok((dataset, true))
}

impl Inspection {
    /// Every problem by itself, a line each.
    pub fn every_problem(&self) -> String {
        let line = |Problem { path, what, hint, harmless, .. }: &Problem| {
            let kind = if *harmless { "note" } else { "problem" };
            format!("    {kind}: {}: {what}; {hint}\n", path.display())
        };
        self.problems.iter().map(line).collect()
    }

    /// Why the data set cannot be used as it is; none where it can.
    pub fn refusal(&self) -> Option<Error> {
        let stopping = self.problems.iter().filter(|problem| !problem.harmless).count();
        let problem = match stopping {
            _ if self.usable => return None,
            0 if self.class_folders => "has one class alone".to_owned(),
            0 => "has no lesion that an ROI could be cut around".to_owned(),
            1 => "has a problem that is to be solved first".to_owned(),
            n => format!("has {n} problems that are to be solved first"),
        };
        Some(Error::content(&self.root, problem, "see the report; --all lists each file"))
    }
}

/// How many masks a sample has; a circle is none.
fn outlines(sample: &Sample) -> usize {
    if matches!(sample.masks[..], [Picture::Circle(_), ..]) { 0 } else { sample.masks.len() }
}

/// What is kept of a sample that was read.
struct Seen {
    width: usize,
    height: usize,
    lesion: Option<Rect>,
    notes: Vec<Problem>,
    /// Whether the image has one value everywhere.
    blank: bool,
}

/// Reads all samples, on all cores: a film of DDSM takes a third of a second, and there are
/// thousands.
fn look(samples: &[Sample]) -> Vec<Result<Seen, Problem>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let part = samples.len().div_ceil(cores).max(1);
    std::thread::scope(|scope| {
        let start = |part| scope.spawn(move || look_one_after_another(part));
        let threads: Vec<_> = samples.chunks(part).map(start).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

fn look_one_after_another(samples: &[Sample]) -> Vec<Result<Seen, Problem>> {
    let mut loader = Loader::default();
    let mut look = |sample| {
        let Loaded { image, mask, notes } = loader.load(sample)?;
        let lesion = mask.and_then(|mask| mask.bounds());
        Ok(Seen {
            width: image.width,
            height: image.height,
            lesion,
            notes,
            blank: lesion.is_none() && roi::is_blank(&image),
        })
    };
    samples.iter().map(&mut look).collect()
}

impl Inspection {
    /// The picture at `path`, which is below the data set's folder.
    pub fn picture(&self, path: &Path) -> Option<&Picture> {
        self.pictures.get(path)
    }

    /// Of folders that are classes: how many images each has, and what they are good for.
    fn show_classes(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "  classes    {}", self.classes.len())?;
        for (label, Count { images, .. }) in &self.classes {
            writeln!(f, "    {label:<10} {images} images")?;
        }
        let which = if self.classes.len() > MOST_UNASKED { " --classes all" } else { "" };
        writeln!(
            f,
            "  for        `parula train --whole{which}`: no image has a mask, so that each folder is a class; \
             ROIs need masks"
        )
    }

    /// How many there are; what each group is, the JSON says, and with `--out` a picture shows.
    fn show_duplicates(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let images: usize = self.duplicates.iter().map(|group| group.images.len()).sum();
        match self.duplicates.len() {
            0 => return writeln!(f, "  duplicates none"),
            groups => writeln!(f, "  duplicates {}", duplicates::words(images, groups))?,
        }
        for group in self.duplicates.iter().filter(|group| group.contradiction) {
            writeln!(f, "    contradiction: {}", group.names())?;
        }
        Ok(())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}", self.root.display())?;
        writeln!(f, "  layout     {}: {}", self.format, self.layout)?;
        for (what, count) in &self.counts {
            writeln!(f, "  {what:<10} {count}")?;
        }
        writeln!(f, "  images     {} ({} masks)", self.images, self.masks)?;
        if self.class_folders {
            self.show_classes(f)?;
        } else {
            writeln!(f, "  abnormal   {}", self.abnormal)?;
            writeln!(f, "  normal     {}", self.normal)?;
        }
        for (label, count) in &self.classes {
            let Count { class: Some(class), images, masks } = count else { continue };
            if label != class {
                writeln!(f, "    {label:<10} {images} images, {masks} masks ({class})")?;
            }
        }
        if let Some(words) = self.truth.words() {
            let Truth { outlines, circles } = self.truth;
            writeln!(f, "  truth      {circles} circles, {outlines} outlines: {words}")?;
        }
        writeln!(f, "  width      {}", self.width)?;
        writeln!(f, "  height     {}", self.height)?;
        if !self.class_folders {
            writeln!(f, "  lesions    width {}; height {}", self.lesion_width, self.lesion_height)?;
        }
        writeln!(f, "  split by   {} ({} of them)", self.split_unit, self.sources)?;
        self.show_duplicates(f)?;
        if self.problems.is_empty() {
            return writeln!(f, "  problems   none");
        }
        let stopping = self.problems.iter().filter(|problem| !problem.harmless).count();
        writeln!(f, "  problems   {} ({stopping} to be solved first)", self.problems.len())?;
        for Group { count, example, what, hint, harmless, .. } in &self.groups {
            let kind = if *harmless { "note" } else { "problem" };
            let example = example.display();
            match count {
                1 => writeln!(f, "    {kind}: {example}: {what}; {hint}")?,
                n => writeln!(f, "    {n} {kind}s like this: {example}: {what}; {hint}")?,
            }
        }
        Ok(())
    }
}
