//! What is done about duplicates in a data set before anything is cut or split.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::group::Sets;
use super::{Fingerprint, Groups, pairs};
use crate::lab::data::dataset::{Dataset, Sample};
use crate::lab::data::picture::Picture;
use crate::lab::data::problem::Problem;
use crate::lab::data::view::View;
use crate::parallel;

/// More pictures than this take long enough that a person should know what is going on.
const MANY: usize = 2000;

/// What becomes of near duplicates. Pictures with equal pixels are one source in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Handling {
    /// All are kept, and no group stands on both sides of a split.
    #[default]
    Group,
    /// One of each group is kept, the one with the most pixels.
    Drop,
    /// They are treated as different scans; `leakage` counts what that costs.
    Keep,
}

/// How many duplicates there were, and what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Groups of pictures that show the same scan.
    pub groups: usize,
    /// Pictures in them.
    pub images: usize,
    /// Pictures that stand under two labels, and are left out.
    pub contradictions: usize,
    /// Pictures that are left out, contradictions included.
    pub dropped: usize,
}

/// A group, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    /// Its pictures, below the data set's folder.
    pub images: Vec<PathBuf>,
    /// The lowest correlation of the pairs that it was found by, of aligned thumbnails.
    pub correlation: f32,
    /// Whether one scan stands under two labels.
    pub contradiction: bool,
}

/// That `images` pictures show `groups` scans more than once, in words.
pub fn words(images: usize, groups: usize) -> String {
    let scans = if groups == 1 { "one scan" } else { &format!("{groups} scans") };
    format!("{images} images show {scans} more than once")
}

/// Finds the duplicates of `dataset` and does about them what `mode` says: samples that contradict each
/// other, or that are dropped, go, with a harmless problem that names them; the others of a group get
/// one [`source`](crate::lab::data::Sample::source), together with all that had theirs.
///
/// Pictures that cannot be read are not compared; whoever needs them says why.
pub fn apply(dataset: &mut Dataset, mode: Handling) -> (Counts, Vec<Shown>) {
    let pictures = Pictures::of(dataset);
    if pictures.all.len() > MANY {
        crate::console::note!("looking for duplicates among {} pictures", pictures.all.len());
    }
    let read = parallel::map(&pictures.all, |picture| {
        let grey = picture.read().ok()?;
        Some((Fingerprint::of(&grey), grey.width * grey.height))
    });
    let (prints, sizes): (Vec<_>, Vec<_>) = read
        .into_iter()
        .map(|one| one.map_or((None, 0), |(print, size)| (Some(print), size)))
        .unzip();
    let mut pairs = pairs(&prints);
    if mode == Handling::Keep {
        pairs.retain(|pair| pair.equal);
    }
    let labels = pictures.labels(dataset);
    let views = pictures.views(dataset);
    let mut kinds: Vec<Kind> = Vec::new();
    let kind_of: Vec<usize> = labels
        .into_iter()
        .zip(views)
        .map(|kind| match kinds.iter().position(|other| *other == kind) {
            Some(number) => number,
            None => {
                kinds.push(kind);
                kinds.len() - 1
            }
        })
        .collect();
    let contradict = |first: usize, second: usize, equal: bool| {
        let [(a, first), (b, second)] = [&kinds[first], &kinds[second]];
        let apart = !a.is_empty() && !b.is_empty() && a.is_disjoint(b);
        // The two breasts of a woman may look alike, and one of them be well.
        let other_view = first.is_some() && second.is_some() && first != second;
        apart && (equal || !other_view)
    };
    let groups = Groups::of(&kind_of, &pairs, contradict);
    let path = |index: usize| dataset.below_root(pictures.all[index].path());
    let shown: Vec<Shown> = groups
        .0
        .iter()
        .map(|group| Shown {
            images: group.members.iter().map(|&index| path(index)).collect(),
            correlation: group.correlation,
            contradiction: !group.contradictions.is_empty(),
        })
        .collect();

    let mut left_out: BTreeMap<usize, String> = BTreeMap::new();
    for group in &groups.0 {
        for (&index, others) in &group.contradictions {
            let names: Vec<String> =
                others.iter().map(|&other| path(other).display().to_string()).collect();
            let what = format!(
                "is left out: {} shows the same scan under another label",
                names.join(", ")
            );
            left_out.insert(index, what);
        }
    }
    let contradictions = left_out.len();
    if mode == Handling::Drop {
        for group in &groups.0 {
            let contradicting = &group.contradictions;
            let rest = || group.members.iter().filter(|index| !contradicting.contains_key(index));
            // The first of those with the most pixels.
            let Some(&kept) = rest().max_by_key(|&&index| (sizes[index], std::cmp::Reverse(index)))
            else {
                continue;
            };
            for &index in rest().filter(|&&index| index != kept) {
                let what =
                    format!("is left out: it shows the same scan as {}", path(kept).display());
                left_out.insert(index, what);
            }
        }
    }
    let summary = Counts {
        groups: groups.0.len(),
        images: groups.0.iter().map(|group| group.members.len()).sum(),
        contradictions,
        dropped: left_out.len(),
    };
    let contradicting: BTreeSet<usize> =
        groups.0.iter().flat_map(|group| group.contradictions.keys().copied()).collect();
    let problem = |(&index, what): (&usize, &String)| {
        let kind = if contradicting.contains(&index) { "contradiction" } else { "duplicate" };
        Problem::harmless(
            pictures.all[index].path(),
            what,
            "`--duplicates` says what becomes of such",
        )
        .of(kind)
    };
    dataset.problems.extend(left_out.iter().map(problem));
    // What is left out may be what two patients have in common.
    join_sources(dataset, &pictures, &groups, &left_out);
    let goes = |picture: &Picture| left_out.contains_key(&pictures.number[picture.path()]);
    dataset.samples.retain(|sample| !goes(&sample.image));
    for sample in &mut dataset.samples {
        if sample.other_breast.as_ref().is_some_and(goes) {
            sample.other_breast = None;
        }
    }
    (summary, shown)
}

/// What a picture is called, and which breast it shows from where.
type Kind<'a> = (BTreeSet<&'a str>, Option<View>);

/// The distinct pictures of a data set.
struct Pictures {
    all: Vec<Picture>,
    number: HashMap<PathBuf, usize>,
}

impl Pictures {
    fn of(dataset: &Dataset) -> Self {
        let mut pictures = Pictures { all: Vec::new(), number: HashMap::new() };
        for sample in &dataset.samples {
            for picture in std::iter::once(&sample.image).chain(&sample.other_breast) {
                if !pictures.number.contains_key(picture.path()) {
                    pictures.number.insert(picture.path().to_owned(), pictures.all.len());
                    pictures.all.push(picture.clone());
                }
            }
        }
        pictures
    }

    /// Which breast each shows, and from where, where that is known.
    fn views(&self, dataset: &Dataset) -> Vec<Option<View>> {
        let mut views = vec![None; self.all.len()];
        for sample in &dataset.samples {
            views[self.number[sample.image.path()]] = sample.view;
        }
        views
    }

    /// What each is called in the data set. A film may show a benign and a malignant mass; what is only the
    /// other breast of something has no label.
    fn labels<'a>(&self, dataset: &'a Dataset) -> Vec<BTreeSet<&'a str>> {
        let mut labels = vec![BTreeSet::new(); self.all.len()];
        for sample in &dataset.samples {
            labels[self.number[sample.image.path()]].insert(sample.label.as_str());
        }
        labels
    }
}

/// Gives all samples of a group, and all that share a source with one of them, one source: the first in
/// alphabetical order of those that are not `left_out`.
fn join_sources(
    dataset: &mut Dataset,
    pictures: &Pictures,
    groups: &Groups,
    left_out: &BTreeMap<usize, String>,
) {
    let goes = |sample: &Sample| left_out.contains_key(&pictures.number[sample.image.path()]);
    let stays: BTreeSet<&str> = dataset
        .samples
        .iter()
        .filter(|sample| !goes(sample))
        .map(|sample| sample.source.as_str())
        .collect();
    // Names that stay come first, so that a set is called by one of them.
    let names: BTreeSet<(bool, String)> = dataset
        .samples
        .iter()
        .map(|sample| (!stays.contains(sample.source.as_str()), sample.source.clone()))
        .collect();
    let names: Vec<String> = names.into_iter().map(|(_, name)| name).collect();
    let numbers: HashMap<&str, usize> =
        names.iter().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut of_picture: Vec<Vec<usize>> = vec![Vec::new(); pictures.all.len()];
    for sample in &dataset.samples {
        for picture in std::iter::once(&sample.image).chain(&sample.other_breast) {
            of_picture[pictures.number[picture.path()]].push(numbers[sample.source.as_str()]);
        }
    }
    let mut sets = Sets::new(names.len());
    for group in &groups.0 {
        let sources: Vec<usize> =
            group.members.iter().flat_map(|&index| of_picture[index].iter().copied()).collect();
        sources.windows(2).for_each(|pair| sets.join(pair[0], pair[1]));
    }
    for sample in &mut dataset.samples {
        let first = sets.first(numbers[sample.source.as_str()]);
        sample.source.clone_from(&names[first]);
    }
}

impl Shown {
    /// Its pictures' names in one line.
    pub fn names(&self) -> String {
        let name = |path: &PathBuf| Path::new(path).display().to_string();
        self.images.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}
