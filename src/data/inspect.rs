//! What `parula data inspect` says of a folder: what was recognised, what is in it, and everything
//! that is wrong, file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dataset::{self, Class, Problem};
use super::load;
use super::roi;
use crate::error::Result;

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
    /// `normal` or `abnormal`.
    pub class: &'static str,
    /// Images.
    pub images: usize,
    /// Mask files; several may be of one image.
    pub masks: usize,
}

/// Everything that is known of a data set.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The layout that was recognised.
    pub format: &'static str,
    /// The folder.
    pub root: PathBuf,
    /// Images, masks not counted.
    pub images: usize,
    /// Mask files.
    pub masks: usize,
    /// Images of the class abnormal.
    pub abnormal: usize,
    /// Images of the class normal.
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
    /// What a split keeps together: `image`, `patient folder` or `patients.csv`.
    pub split_unit: &'static str,
    /// How many of these there are.
    pub sources: usize,
    /// Everything found, by file.
    pub problems: Vec<Problem>,
    /// Whether ROIs can be built: no problem that is not harmless.
    pub usable: bool,
}

/// Reads everything in `root` and reports it. Problems with files are in the report.
///
/// # Errors
/// As [`dataset::read`]: only when there is nothing to report on.
pub fn inspect(root: &Path) -> Result<Report> {
    let dataset = dataset::read(root)?;
    let mut problems = dataset.problems.clone();
    problems.extend(roi::classes_without_images(&dataset));
    let (mut widths, mut heights) = (Vec::new(), Vec::new());
    let (mut lesion_widths, mut lesion_heights) = (Vec::new(), Vec::new());
    let mut classes: BTreeMap<String, Count> = BTreeMap::new();
    for sample in &dataset.samples {
        let count = classes.entry(sample.label.clone()).or_default();
        count.class = sample.class.name();
        count.images += 1;
        count.masks += sample.masks.len();
        match load::load(sample) {
            Err(problem) => problems.push(problem),
            Ok(loaded) => {
                widths.push(loaded.image.width);
                heights.push(loaded.image.height);
                if let Some(lesion) = loaded.mask.as_ref().and_then(|mask| mask.bounds()) {
                    lesion_widths.push(lesion.width);
                    lesion_heights.push(lesion.height);
                } else if roi::is_blank(&loaded.image) {
                    let what = "is left out: it has one grey value everywhere";
                    problems.push(Problem::harmless(&sample.image, what, "no ROI is cut from it"));
                }
            }
        }
    }
    problems.sort_by(|a, b| (a.harmless, &a.path).cmp(&(b.harmless, &b.path)));
    let of = |class| dataset.samples.iter().filter(|sample| sample.class == class).count();
    let sources: BTreeSet<&str> = dataset.samples.iter().map(|s| s.source.as_str()).collect();
    Ok(Report {
        format: dataset.format,
        root: dataset.root.clone(),
        images: dataset.samples.len(),
        masks: dataset.samples.iter().map(|sample| sample.masks.len()).sum(),
        abnormal: of(Class::Abnormal),
        normal: of(Class::Normal),
        classes,
        width: Range::of(widths),
        height: Range::of(heights),
        lesion_width: Range::of(lesion_widths),
        lesion_height: Range::of(lesion_heights),
        split_unit: dataset.unit,
        sources: sources.len(),
        usable: problems.iter().all(|problem| problem.harmless),
        problems,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}", self.root.display())?;
        writeln!(f, "  layout     {}", self.format)?;
        writeln!(f, "  images     {} ({} masks)", self.images, self.masks)?;
        writeln!(f, "  abnormal   {}", self.abnormal)?;
        writeln!(f, "  normal     {}", self.normal)?;
        for (label, count) in self.classes.iter().filter(|(label, count)| *label != count.class) {
            let Count { class, images, masks } = count;
            writeln!(f, "    {label:<10} {images} images, {masks} masks ({class})")?;
        }
        writeln!(f, "  width      {}", self.width)?;
        writeln!(f, "  height     {}", self.height)?;
        writeln!(f, "  lesions    width {}; height {}", self.lesion_width, self.lesion_height)?;
        writeln!(f, "  split by   {} ({} of them)", self.split_unit, self.sources)?;
        if self.problems.is_empty() {
            return writeln!(f, "  problems   none");
        }
        let stopping = self.problems.iter().filter(|problem| !problem.harmless).count();
        writeln!(f, "  problems   {} ({stopping} to be solved first)", self.problems.len())?;
        for Problem { path, what, hint, harmless } in &self.problems {
            let kind = if *harmless { "note" } else { "problem" };
            writeln!(f, "    {kind}: {}: {what}; {hint}", path.display())?;
        }
        Ok(())
    }
}
