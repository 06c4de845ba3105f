//! What a classifier learns from: ROIs or whole images, the classes that they are told apart by, and of each which it
//! is of.
//!
//! Classes are what the data set calls them: the names of folders, the labels of lesions, or a table of labels. Without
//! a wish they are normal and abnormal, but for folders of whole images without masks, each of which is a class.

use std::collections::BTreeSet;
use std::path::Path;

use super::class_folders::{self, Labelling, MOST_UNASKED, alike, no_class};
use super::dataset::{Class, Dataset, NormalRois, ReadOptions};
use super::labels::{Label, Labels};
use super::listing::Listing;
use super::material::Rois;
use super::problem::Problem;
use super::roi::{Roi, RoiOptions};
use super::{formats, layout, split};
use crate::error::{Error, Result};
use crate::nets::classes::Taught;
use crate::nets::images::{Prepared, Split};

/// Which classes there shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Normal and abnormal, or what the folders say where there are no masks.
    #[default]
    Usual,
    /// All that the data set has a word for.
    All,
    /// These, in this order.
    Named(Vec<String>),
}

impl Which {
    /// `all`, or names.
    pub fn of(names: &[String]) -> Self {
        match names {
            [] => Which::Usual,
            [all] if all == "all" => Which::All,
            names => Which::Named(names.to_vec()),
        }
    }

    fn names(&self) -> Option<&[String]> {
        match self {
            Which::Named(names) => Some(names),
            Which::Usual | Which::All => None,
        }
    }
}

/// ROIs or whole images with their classes.
#[derive(Clone, Debug)]
pub struct Examples {
    /// The pictures.
    pub rois: Rois,
    /// What they are told apart by.
    pub taught: Taught,
    /// Of each: its class, or where it may have several labels those.
    pub classes: Vec<Vec<usize>>,
    /// What a person should know of all this, a line each.
    pub notes: Vec<String>,
}

impl Examples {
    /// ROIs of normal and abnormal images.
    fn of_two(rois: Rois, notes: Vec<String>) -> Self {
        let classes = rois.rois.iter().map(|roi| vec![roi.class.index()]).collect();
        Examples { rois, taught: Taught::Two, classes, notes }
    }

    /// ROIs by their labels, each of which is among `names`.
    fn of_classes(rois: Rois, names: Vec<String>, notes: Vec<String>) -> Self {
        let class = |roi: &Roi| place(&names, &roi.label).into_iter().collect();
        let classes = rois.rois.iter().map(class).collect();
        Examples { rois, taught: Taught::Classes(names), classes, notes }
    }

    /// Reads the data set in `folder` as `read` says and cuts ROIs as `cut` says, or takes whole images. A table of
    /// labels goes before the folders; it is of whole images.
    ///
    /// # Errors
    /// Those of reading the data set, of cutting, and of [`Labels::read`]; [`Error::Usage`] for a class that the data
    /// set does not have, for one class alone, and for a table without whole images.
    pub fn read(
        folder: &Path,
        read: &ReadOptions,
        cut: &RoiOptions,
        which: &Which,
        table: Option<&Path>,
    ) -> Result<Self> {
        if let Some(names) = which.names() {
            expect_distinct(names)?;
        }
        let found = match table {
            Some(table) if cut.whole => of_table(folder, read, cut, which, table)?,
            Some(_) => {
                return Err(Error::usage(
                    "a table says what whole images show, and not where",
                    "add --whole, or leave --labels away",
                ));
            }
            None if cut.whole => of_folders(folder, read, cut, which)?,
            None => of_rois(folder, read, cut, which)?,
        };
        if let Taught::Labels(names) = &found.taught
            && let [name] = &names[..]
        {
            return Err(Error::usage(
                format!("{name} is the only label"),
                "name two labels or more; a table `image,label` with two classes tells one thing from its absence",
            ));
        }
        Ok(found)
    }

    /// What the classes are called, in their order.
    pub fn names(&self) -> Vec<&str> {
        match self.taught.names() {
            [] => Class::ALL.map(Class::name).to_vec(),
            names => names.iter().map(String::as_str).collect(),
        }
    }

    /// Splits by patient, with about `fraction` of each class in validation: see [`split::split_by`].
    ///
    /// # Errors
    /// Those of the split.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<Split> {
        split::split_by(&self.rois.rois, &self.classes, &self.names(), fraction, seed)
    }

    /// Writes the classes into the images that were prepared of the ROIs.
    pub fn label(&self, prepared: &mut Prepared) {
        match &self.taught {
            Taught::Labels(names) => {
                let marks = |classes: &Vec<usize>| {
                    (0..names.len()).map(|name| classes.contains(&name)).collect()
                };
                prepared.marks = self.classes.iter().map(marks).collect();
            }
            Taught::Two | Taught::Classes(_) => {
                let class = |classes: &Vec<usize>| classes.first().copied().unwrap_or_default();
                prepared.labels = self.classes.iter().map(class).collect();
            }
        }
    }

    /// How many of the pictures `side` are of each class.
    pub fn counts(&self, side: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.names().len()];
        let classes = side.iter().filter_map(|&index| self.classes.get(index)).flatten();
        classes.for_each(|&class| counts[class] += 1);
        counts
    }
}

fn expect_distinct(names: &[String]) -> Result<()> {
    let lower: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    match (1..lower.len()).find(|&at| lower[..at].contains(&lower[at])) {
        Some(at) => Err(Error::usage(
            format!("the class {} is named twice", names[at]),
            "name each class once",
        )),
        None => Ok(()),
    }
}

/// The place of a label among `names`, in any case.
fn place(names: &[String], label: &str) -> Option<usize> {
    names.iter().position(|name| alike(name, label))
}

/// ROIs of normal and abnormal images, or by the labels of their lesions.
fn of_rois(folder: &Path, read: &ReadOptions, cut: &RoiOptions, which: &Which) -> Result<Examples> {
    let labels = which.names().map(<[String]>::to_vec);
    let all = ReadOptions { positive: Vec::new(), ..read.clone() };
    // Classes have names of their own: which are positive, whoever judges them asks.
    let read = if which == &Which::Usual { read } else { &all };
    let rois = Rois::read(folder, read, &RoiOptions { labels, ..cut.clone() })?;
    let notes = rois.notes(folder);
    let all: Vec<String> =
        BTreeSet::from_iter(rois.rois.iter().map(|roi| roi.label.clone())).into_iter().collect();
    let names = match which {
        Which::Usual => return Ok(Examples::of_two(rois, notes)),
        Which::All => all,
        Which::Named(names) => {
            let missing: Vec<&String> =
                names.iter().filter(|name| place(&all, name).is_none()).collect();
            if let Some(first) = missing.first() {
                // Normal ROIs are cut beside abnormal ones, so that one class may lack for another.
                let there = labels_of(&formats::read_with(folder, read)?);
                let unknown = missing.iter().find(|name| place(&there, name).is_none());
                return Err(no_class(folder, unknown.unwrap_or(first), &there));
            }
            names.clone()
        }
    };
    Ok(Examples::of_classes(rois, names, notes))
}

/// Whole images by the folders that they are in; normal and abnormal ones where the set is no more than that.
fn of_folders(
    folder: &Path,
    read: &ReadOptions,
    cut: &RoiOptions,
    which: &Which,
) -> Result<Examples> {
    let listing = layout::list(folder)?;
    let usual = which == &Which::Usual;
    if formats::of(&listing)?.of_films || (usual && !says_classes(&listing)?) {
        // Of films there are no whole images: this says so.
        let rois = Rois::read(folder, read, &RoiOptions { masked: false, ..cut.clone() })?;
        let notes = rois.notes(folder);
        return Ok(Examples::of_two(rois, notes));
    }
    expect_unmasked(read)?;
    let mut dataset = class_folders::read(&listing, read, which.names())?;
    let all = dataset.samples.len();
    let names = match which.names() {
        Some(names) => names.to_vec(),
        None => labels_of(&dataset),
    };
    let others = dataset.samples.iter().filter(|one| place(&names, &one.label).is_none()).count();
    let rois = Rois::whole(&mut dataset, cut.duplicates, |label| place(&names, label).is_some())?;
    let mut notes = notes(&rois, &dataset, folder);
    notes.extend(not_asked_for(others, all));
    let mut examples = Examples::of_classes(rois, names, notes);
    if usual {
        let classes = examples.names().join(", ");
        examples.notes.push(format!("no image has a mask: each folder is a class, {classes}"));
    }
    Ok(examples)
}

/// Refuses what is of masks and ROIs: whole images that a folder or a table gives a class have neither.
fn expect_unmasked(read: &ReadOptions) -> Result<()> {
    let given = [
        ("--mask-values", !read.mask_values.is_empty()),
        ("--outlines", read.outlines.is_some()),
        ("--normals", read.normals != NormalRois::default()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Error::usage(
            format!("{option} is of masks and ROIs, and classes of whole images come from neither"),
            format!("leave {option} away"),
        )),
    }
}

/// Whether the folders of a set without masks say more than normal and abnormal.
fn says_classes(listing: &Listing) -> Result<bool> {
    let Some(classes) = class_folders::bare_classes(listing) else { return Ok(false) };
    if classes.len() > MOST_UNASKED {
        return Err(Error::content(
            &listing.root,
            format!("no image has a mask, and {} folders lie side by side", classes.len()),
            "--classes all takes each for a class, and --classes A,B some",
        ));
    }
    Ok(true)
}

/// Whole images by a table.
fn of_table(
    folder: &Path,
    read: &ReadOptions,
    cut: &RoiOptions,
    which: &Which,
    table: &Path,
) -> Result<Examples> {
    let listing = layout::list(folder)?;
    let images = class_folders::images(&listing, None);
    if images.is_empty() {
        return Err(listing.nothing_found());
    }
    expect_unmasked(read)?;
    let labels = Labels::read_some(table, which.names())?;
    let Labels::Table { names: all, several, .. } = &labels else {
        return Err(Error::usage(
            "folders are read without a table",
            "leave --labels folders away",
        ));
    };
    let names = match which {
        Which::Usual | Which::All => all.clone(),
        Which::Named(names) => {
            if let Some(absent) = names.iter().find(|name| place(all, name).is_none()) {
                return Err(no_class(table, absent, all));
            }
            names.clone()
        }
    };
    let paths: Vec<&Path> = images.iter().map(|entry| entry.path.as_path()).collect();
    let found = labels.of(&paths)?;
    let mut samples = Labelling::new(&listing, read, &images)?;
    let (mut unlabelled, mut others) = (0, 0);
    let all = found.len();
    for (entry, label) in images.into_iter().zip(&found) {
        let Some(Label { classes, patient }) = label else {
            unlabelled += 1;
            continue;
        };
        others += usize::from(!several && !classes.iter().any(|one| place(&names, one).is_some()));
        // Of several labels an image may have none.
        let label = if classes.is_empty() { NONE.to_owned() } else { classes.join(BETWEEN) };
        samples.add(entry, &label, patient.clone());
    }
    let mut dataset = samples.dataset("table of labels");
    let takes = |label: &str| *several || place(&names, label).is_some();
    let rois = Rois::whole(&mut dataset, cut.duplicates, takes)?;
    let mut notes = notes(&rois, &dataset, folder);
    let shown = table.display();
    if unlabelled > 0 {
        notes.push(format!("{unlabelled} images have no label in {shown}, and are left out"));
    }
    notes.extend(not_asked_for(others, all));
    if let (lines @ 1.., Some(first)) = labels.unused(&paths) {
        let there = folder.display();
        notes.push(format!("{lines} lines of {shown} are of no image in {there}, such as {first}"));
    }
    if !several {
        return Ok(Examples::of_classes(rois, names, notes));
    }
    let place_of = |roi: &Roi| -> Vec<usize> {
        let words = roi.label.split(BETWEEN);
        words.filter_map(|label| place(&names, label)).collect()
    };
    let classes = rois.rois.iter().map(place_of).collect();
    Ok(Examples { rois, classes, taught: Taught::Labels(names), notes })
}

/// What stands between the labels of an image, and for none.
const BETWEEN: &str = " | ";
const NONE: &str = "none of the labels";

/// That some images are of other classes.
fn not_asked_for(others: usize, all: usize) -> Option<String> {
    (others > 0).then(|| format!("{others} of {all} images are of classes that are not asked for"))
}

/// The labels of a data set, sorted.
fn labels_of(dataset: &Dataset) -> Vec<String> {
    let labels = dataset.samples.iter().map(|sample| sample.label.clone());
    BTreeSet::from_iter(labels).into_iter().collect()
}

/// What is to be known of whole images: those of ROIs, and what was left out.
fn notes(rois: &Rois, dataset: &Dataset, folder: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    let all = dataset.problems.iter().chain(&rois.left_out).filter(|one| one.harmless);
    for (kind, what) in [
        ("no class", "in no folder of a class"),
        ("blank", "of one grey value everywhere"),
        ("same file", "the same file as another"),
    ] {
        let of_kind: Vec<&Problem> = all.clone().filter(|problem| problem.kind == kind).collect();
        if let Some(first) = of_kind.first() {
            let (count, path) = (of_kind.len(), first.path.display());
            notes.push(format!("images left out, {what}: {count}, such as {path}"));
        }
    }
    notes.extend(rois.duplicates_in_words(folder));
    notes
}
