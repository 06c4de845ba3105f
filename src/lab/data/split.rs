//! Training and validation, never with one patient or one image on both sides.

use std::collections::{BTreeMap, BTreeSet};

use super::dataset::Class;
use super::roi::Roi;
use crate::draw;
use crate::error::{Error, Result};
use crate::nets::images::Split;

/// The share of ROIs that the paper validates on.
pub const VALIDATION: f64 = 0.2;

/// Splits by source, so that about `fraction` of the ROIs of each class are in validation: exactly,
/// where every ROI is a source of its own, and as nearly as whole sources allow elsewhere.
///
/// `seed` decides which sources; the order of the ROIs does not.
///
/// # Errors
/// [`Error::Usage`] when `fraction` is not between 0 and 1, or a class comes from fewer than two
/// sources, so that one side would lack it.
pub fn split(rois: &[Roi], fraction: f64, seed: u64) -> Result<Split> {
    let classes: Vec<Vec<usize>> = rois.iter().map(|roi| vec![roi.class.index()]).collect();
    split_by(rois, &classes, &Class::ALL.map(Class::name), fraction, seed)
}

/// The same by other classes: `classes` says of each ROI which of `names` it counts for, be it one, several or none.
/// About `fraction` of the ROIs of each are in validation.
///
/// # Errors
/// As [`split`].
pub fn split_by(
    rois: &[Roi],
    classes: &[Vec<usize>],
    names: &[&str],
    fraction: f64,
    seed: u64,
) -> Result<Split> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::usage(
            format!("a validation share of {fraction} leaves one side of the split empty"),
            "give a share between 0 and 1, such as 0.2",
        ));
    }
    // What counts for none is shared out like a class, and may be on one side alone.
    let none = classes.iter().any(Vec::is_empty);
    let mut sources = sources_of(rois, classes, names.len() + usize::from(none), seed);
    // At least one of each class on each side, however small the set.
    let share = |n: usize| (n as f64 * fraction).round().clamp(1.0, (n as f64 - 1.0).max(1.0));
    let target: Vec<usize> = sum(sources.iter()).into_iter().map(|n| share(n) as usize).collect();
    fill(&mut sources, &target);
    for (class, name) in names.iter().enumerate() {
        for to_validation in [true, false] {
            rescue(&mut sources, class, name, to_validation)?;
        }
    }
    for (class, name) in names.iter().enumerate() {
        let sides = [true, false].map(|side| count(&sources, class, side));
        if sides.contains(&0) {
            return Err(too_few(&sources, class, name));
        }
    }
    let chosen: BTreeSet<&str> =
        sources.iter().filter(|source| source.validation).map(|source| source.name).collect();
    let (validation, train) =
        (0..rois.len()).partition(|&index| chosen.contains(rois[index].source.as_str()));
    Ok(Split { train, validation })
}

/// Deals the sources into `folds` parts, each with about as many ROIs of each class as the others, and makes part
/// number `fold`, from 1, the validation side. `seed` decides who is dealt where; the order of the ROIs does not.
///
/// Sources are dealt from the largest to the smallest, of equal ones in the seed's order, each to the part whose
/// shares of both classes it leaves most even.
///
/// # Errors
/// [`Error::Usage`] for fewer than two folds, for a number that is none of them, and when a class comes from fewer
/// sources than there are folds, so that one would lack it.
pub fn fold(rois: &[Roi], folds: usize, fold: usize, seed: u64) -> Result<Split> {
    if folds < 2 || fold == 0 || fold > folds {
        let problem = format!("there is no fold {fold} of {folds}");
        return Err(Error::usage(problem, "give 2 folds or more"));
    }
    let classes: Vec<Vec<usize>> = rois.iter().map(|roi| vec![roi.class.index()]).collect();
    let mut sources = sources_of(rois, &classes, 2, seed);
    let total = sum(sources.iter());
    for class in Class::ALL {
        let of_class = sources.iter().filter(|source| source.rois[class.index()] > 0).count();
        if of_class < folds {
            return Err(Error::usage(
                format!(
                    "the class {} comes from {of_class} patients or images, which is fewer than {folds} folds",
                    class.name()
                ),
                "give fewer folds, add images, or say in patients.csv whose they are",
            ));
        }
    }
    // Stable: equal ones stay in the seed's order.
    sources.sort_by_key(|source| std::cmp::Reverse(source.rois[0] + source.rois[1]));
    let mut dealt = vec![[0usize; 2]; folds];
    let mut part_of: BTreeMap<&str, usize> = BTreeMap::new();
    for source in &sources {
        // By how much the sum of squares of the parts' shares of both classes would grow, times a constant.
        let growth = |part: &usize| -> (u128, usize) {
            let of = |class: usize| (dealt[*part][class] * source.rois[class]) as u128;
            let square = |class: usize| (total[class] as u128).pow(2);
            (of(0) * square(1) + of(1) * square(0), dealt[*part][0] + dealt[*part][1])
        };
        let part = (0..folds).min_by_key(growth).unwrap_or_default();
        (0..2).for_each(|class| dealt[part][class] += source.rois[class]);
        part_of.insert(source.name, part);
    }
    if let Some(class) =
        Class::ALL.into_iter().find(|class| dealt.iter().any(|part| part[class.index()] == 0))
    {
        return Err(Error::usage(
            format!(
                "patients cannot be dealt into {folds} folds that each have the class {}",
                class.name()
            ),
            "give fewer folds",
        ));
    }
    let own = |&index: &usize| part_of.get(rois[index].source.as_str()) == Some(&(fold - 1));
    let (validation, train) = (0..rois.len()).partition(own);
    Ok(Split { train, validation })
}

/// The number of sources that have ROIs on both sides; 0 for every split that [`split`] makes.
pub fn leakage(rois: &[Roi], split: &Split) -> usize {
    let sources = |side: &[usize]| -> BTreeSet<&str> {
        side.iter().filter_map(|&index| rois.get(index)).map(|roi| roi.source.as_str()).collect()
    };
    sources(&split.train).intersection(&sources(&split.validation)).count()
}

/// A source, and how many ROIs of each class it has.
struct Source<'a> {
    name: &'a str,
    rois: Vec<usize>,
    validation: bool,
}

/// All sources in the seed's order.
fn sources_of<'a>(
    rois: &'a [Roi],
    classes: &[Vec<usize>],
    count: usize,
    seed: u64,
) -> Vec<Source<'a>> {
    let mut counts: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (roi, classes) in rois.iter().zip(classes) {
        let counts = counts.entry(&roi.source).or_insert_with(|| vec![0; count]);
        // The last is what counts for no class.
        let none = classes.is_empty().then_some(count - 1);
        classes.iter().copied().chain(none).for_each(|class| counts[class] += 1);
    }
    let mut sources: Vec<Source> =
        counts.into_iter().map(|(name, rois)| Source { name, rois, validation: false }).collect();
    sources.sort_by_key(|source| draw::rank(seed, source.name));
    sources
}

/// How many ROIs of each class they have together.
fn sum<'a>(sources: impl Iterator<Item = &'a Source<'a>>) -> Vec<usize> {
    sources.fold(Vec::new(), |sum, source| plus(&sum, &source.rois))
}

fn plus(some: &[usize], more: &[usize]) -> Vec<usize> {
    (0..more.len()).map(|class| some.get(class).unwrap_or(&0) + more[class]).collect()
}

/// Moves sources to validation, in order, as long as each brings all classes nearer to `target`
/// taken together.
fn fill(sources: &mut [Source], target: &[usize]) {
    let distance = |now: &[usize]| -> usize {
        now.iter().zip(target).map(|(now, target)| now.abs_diff(*target)).sum()
    };
    let mut now = vec![0; target.len()];
    for source in sources {
        let next = plus(&now, &source.rois);
        if distance(&next) < distance(&now) {
            source.validation = true;
            now = next;
        }
    }
}

fn count(sources: &[Source], class: usize, validation: bool) -> usize {
    let side = sources.iter().filter(|source| source.validation == validation);
    side.map(|source| source.rois[class]).sum()
}

/// Gives a side that has nothing of `class` the smallest source that has.
fn rescue(sources: &mut [Source], class: usize, name: &str, validation: bool) -> Result<()> {
    if count(sources, class, validation) > 0 {
        return Ok(());
    }
    let of_class = (0..sources.len()).filter(|&at| sources[at].rois[class] > 0);
    let smallest = of_class.min_by_key(|&at| sources[at].rois.iter().sum::<usize>());
    match smallest {
        Some(smallest) => sources[smallest].validation = validation,
        None => return Err(too_few(sources, class, name)),
    }
    Ok(())
}

/// Why a side of the split lacks a class.
fn too_few(sources: &[Source], class: usize, name: &str) -> Error {
    match sources.iter().filter(|source| source.rois[class] > 0).count() {
        0 | 1 => Error::usage(
            format!("the class {name} comes from fewer than two patients or images"),
            "training and validation each need one: add images, or say in patients.csv whose they are",
        ),
        some => Error::usage(
            format!(
                "the {some} patients of the class {name} cannot be split so that each side has all classes"
            ),
            "add images, or leave a rare class out by --classes",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::data::fixtures::roi;
    use proptest::prelude::*;

    fn classes(rois: &[Roi], side: &[usize]) -> [usize; 2] {
        let mut counts = [0; 2];
        side.iter().for_each(|&index| counts[rois[index].class.index()] += 1);
        counts
    }

    #[test]
    fn one_source_an_image_is_split_exactly() {
        let rois: Vec<Roi> = (0..100)
            .map(|n| roi(&format!("{n}"), Class::ALL[n % 2], &format!("source {n}")))
            .collect();
        let split = split(&rois, 0.2, 3).unwrap();
        assert_eq!(classes(&rois, &split.validation), [10, 10]);
        assert_eq!(classes(&rois, &split.train), [40, 40]);
        assert_eq!(leakage(&rois, &split), 0);
    }

    #[test]
    fn leakage_is_counted() {
        let rois = ["a", "a", "b", "b"].map(|source| roi("x", Class::Normal, source));
        let torn = Split { train: vec![0, 2], validation: vec![1, 3] };
        assert_eq!(leakage(&rois, &torn), 2);
        let whole = Split { train: vec![0, 1], validation: vec![2, 3] };
        assert_eq!(leakage(&rois, &whole), 0);
    }

    #[test]
    fn another_seed_is_another_split() {
        let rois: Vec<Roi> = (0..50)
            .map(|n| roi(&format!("{n}"), Class::ALL[n % 2], &format!("source {n}")))
            .collect();
        assert_eq!(split(&rois, 0.2, 1).unwrap(), split(&rois, 0.2, 1).unwrap());
        assert_ne!(split(&rois, 0.2, 1).unwrap(), split(&rois, 0.2, 2).unwrap());
    }

    #[test]
    fn a_class_from_one_source_is_refused() {
        let rois: Vec<Roi> = (0..6)
            .map(|n| match n {
                0..3 => roi("n", Class::Normal, "one image"),
                _ => roi("a", Class::Abnormal, &format!("{n}")),
            })
            .collect();
        let error = split(&rois, 0.2, 0).unwrap_err().to_string();
        assert!(error.contains("normal"), "{error}");
        assert!(split(&rois, 0.0, 0).is_err() && split(&rois, f64::NAN, 0).is_err());
    }

    #[test]
    fn more_folds_than_patients_of_a_class_are_refused() {
        let of = |n: usize| match n {
            0..3 => roi(&format!("{n}"), Class::Normal, &format!("{n}")),
            _ => roi(&format!("{n}"), Class::Abnormal, &format!("{n}")),
        };
        let rois: Vec<Roi> = (0..12).map(of).collect();
        assert!(fold(&rois, 3, 1, 0).is_ok());
        let error = fold(&rois, 4, 1, 0).unwrap_err().to_string();
        assert!(error.contains("normal comes from 3") && error.contains("4 folds"), "{error}");
        assert!(fold(&rois, 1, 1, 0).is_err() && fold(&rois, 3, 0, 0).is_err());
        assert!(fold(&rois, 3, 4, 0).is_err());
    }

    proptest! {
        #[test]
        fn every_roi_is_validated_once_and_folds_are_of_equal_size(
            patients in proptest::collection::vec((1usize..5, 1usize..5), 12..60),
            folds in 2usize..7,
            seed: u64,
        ) {
            let mut rois = Vec::new();
            for (patient, (normal, abnormal)) in patients.iter().enumerate() {
                for (class, n) in [(Class::Normal, normal), (Class::Abnormal, abnormal)] {
                    rois.extend((0..*n).map(|i| roi(&format!("{i}"), class, &format!("{patient}"))));
                }
            }
            let splits: Vec<Split> =
                (1..=folds).map(|number| fold(&rois, folds, number, seed).unwrap()).collect();
            let mut seen = vec![0; rois.len()];
            for split in &splits {
                prop_assert_eq!(leakage(&rois, split), 0);
                prop_assert_eq!(split.train.len() + split.validation.len(), rois.len());
                split.validation.iter().for_each(|&index| seen[index] += 1);
            }
            prop_assert!(seen.iter().all(|&times| times == 1));
            for class in 0..2 {
                let counts: Vec<usize> =
                    splits.iter().map(|split| classes(&rois, &split.validation)[class]).collect();
                let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
                // Whole patients, each with up to four ROIs of a class.
                prop_assert!(most - least <= 8, "{:?}", counts);
            }
        }

        #[test]
        fn no_source_is_on_both_sides(
            patients in proptest::collection::vec((1usize..9, 1usize..9), 4..40),
            fraction in 0.1f64..0.5,
            seed: u64,
        ) {
            let mut rois = Vec::new();
            for (patient, (normal, abnormal)) in patients.iter().enumerate() {
                for (class, n) in [(Class::Normal, normal), (Class::Abnormal, abnormal)] {
                    rois.extend((0..*n).map(|i| roi(&format!("{i}"), class, &format!("{patient}"))));
                }
            }
            let split = split(&rois, fraction, seed).unwrap();
            prop_assert_eq!(leakage(&rois, &split), 0);
            prop_assert_eq!(split.train.len() + split.validation.len(), rois.len());
            for side in [&split.train, &split.validation] {
                let counts = classes(&rois, side);
                prop_assert!(counts[0] > 0 && counts[1] > 0);
            }
            // As near as whole sources allow: none that was left could bring it nearer.
            let all: Vec<usize> = (0..rois.len()).collect();
            let total = classes(&rois, &all);
            let target = total.map(|n| (n as f64 * fraction).round().max(1.0));
            let distance = |counts: [usize; 2]| -> f64 {
                counts.iter().zip(target).map(|(&n, target)| (n as f64 - target).abs()).sum()
            };
            let now = classes(&rois, &split.validation);
            let chosen: BTreeSet<&str> =
                split.validation.iter().map(|&index| rois[index].source.as_str()).collect();
            for (patient, &(normal, abnormal)) in patients.iter().enumerate() {
                // A single source may be there because one has to be.
                let left = chosen.len() > 1 && !chosen.contains(patient.to_string().as_str());
                let next = [now[0] + normal, now[1] + abnormal];
                prop_assert!(!left || distance(next) >= distance(now));
            }
        }
    }
}
