//! Which mask is of which image, by the names of files and folders, and in words how that was understood.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use unicode_normalization::UnicodeNormalization;

use super::listing::{Entry, Listing, Pair};
use super::names::spelling;

/// Words that end the stem of a mask where there is the image that it would be of; without one they are
/// words of an image.
const WEAK_SUFFIXES: [&str; 3] = ["tumor", "tumour", "lesion"];
/// Words that end the stem of what outlines something else, where there is the image that it is of.
const FOREIGN_SUFFIXES: [&str; 2] = ["other", "superpixels"];
/// Words that begin the stem of a mask, or are all of it.
const PREFIXES: [&str; 7] = ["mask", "masks", "gt", "seg", "segmentation", "label", "groundtruth"];
/// Words before the number of an image.
const IMAGE_WORDS: [&str; 6] = ["image", "images", "img", "imgs", "im", "original"];

/// Finds the images of masks. Entries that only this shows to be masks become masks.
pub fn assign(entries: &mut [Entry]) {
    let images = by(entries, |entry| vec![entry.key()]);
    let tails = by(entries, ends);
    // How many images of each folder are called something else than `mask`.
    let mut neighbours: HashMap<String, usize> = HashMap::new();
    for entry in entries.iter().filter(|entry| !entry.is_mask && !is_mask_word(&entry.stem)) {
        *neighbours.entry(entry.key_of("")).or_default() += 1;
    }
    // What has a mask of its own is none.
    let outlined: HashSet<String> =
        entries.iter().filter(|entry| entry.is_mask).map(Entry::key).collect();
    for (index, entry) in entries.iter_mut().enumerate() {
        if entry.is_mask {
            continue;
        }
        let is_there = |key: &str, map: &HashMap<String, Vec<usize>>| {
            map.get(key).is_some_and(|found| found.iter().any(|other| *other != index))
        };
        let by_suffix = [(&WEAK_SUFFIXES[..], false), (&FOREIGN_SUFFIXES[..], true)];
        let by_suffix = by_suffix.into_iter().find_map(|(words, foreign)| {
            let owner = without_suffix(&entry.stem, words)?;
            is_there(&entry.key_of(owner), &images).then(|| (owner.to_owned(), foreign))
        });
        let by_prefix = || {
            let owner = without_prefix(&entry.stem)?;
            let key = entry.key_of(owner);
            (is_there(&key, &images) || is_there(&key, &tails)).then(|| (owner.to_owned(), false))
        };
        let by_word = || {
            let is_word = is_mask_word(&entry.stem)
                && neighbours.get(&entry.key_of("")) == Some(&1)
                && !outlined.contains(&entry.key());
            is_word.then(|| (entry.stem.clone(), false))
        };
        if let Some((owner, foreign)) = by_suffix.or_else(by_prefix).or_else(by_word) {
            (entry.stem, entry.is_mask, entry.foreign) = (owner, true, foreign);
        }
    }
    // What turned out to be a mask is no image any more.
    let images = by(entries, |entry| vec![entry.key()]);
    let tails = by(entries, ends);
    let stems = by(entries, |entry| vec![spelling(&entry.stem)]);
    let alone = by(entries, |entry| vec![entry.key_of("")]);
    let masks = || (0..entries.len()).filter(|&at| entries[at].is_mask && !entries[at].foreign);
    let found: Vec<(usize, Rule, Vec<usize>)> = masks()
        .map(|mask| {
            let (rule, owners) = owners(&entries[mask], &images, &tails, &stems, &alone);
            (mask, rule, owners)
        })
        .collect();
    // The mask that an image has by the strictest rule.
    let mut strictest: HashMap<usize, (Rule, usize)> = HashMap::new();
    for (mask, rule, owners) in &found {
        for owner in owners {
            let now = strictest.entry(*owner).or_insert((*rule, *mask));
            *now = (*now).min((*rule, *mask));
        }
    }
    for (mask, rule, owners) in found {
        let path = |index: usize| entries[index].path.display().to_string();
        let (mut kept, mut stray) = (Vec::new(), None);
        for owner in owners {
            let own = strictest[&owner];
            let [of_mask, of_image] = [&entries[mask], &entries[owner]].map(part);
            if rule != Rule::Name && own.0 != rule {
                let (image, own) = (path(owner), path(own.1));
                stray = Some(format!(
                    "is left out: by its name it might be of {image}, which has {own} already"
                ));
            } else if of_mask.is_some() && of_image.is_some() && of_mask != of_image {
                let image = path(owner);
                stray = Some(format!(
                    "is left out: the image of its name, {image}, is in another part of the set"
                ));
            } else {
                kept.push(owner);
            }
        }
        (entries[mask].owners, entries[mask].stray) = (kept, stray);
    }
}

/// How a mask came to its images, the strictest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rule {
    /// By its name, in the same folders.
    Name,
    /// By the end of the image's name, in the same folders.
    End,
    /// By its name alone.
    Anywhere,
}

/// The images of a mask. One that is called after none of its folder may be of the only one that ends like
/// it, as `mask_0001` of `bus_0001`, or of the only one of its name anywhere.
fn owners(
    entry: &Entry,
    images: &HashMap<String, Vec<usize>>,
    tails: &HashMap<String, Vec<usize>>,
    stems: &HashMap<String, Vec<usize>>,
    alone: &HashMap<String, Vec<usize>>,
) -> (Rule, Vec<usize>) {
    let names: Vec<&str> = [
        Some(&*entry.stem),
        without_prefix(&entry.stem),
        without_suffix(&entry.stem, &WEAK_SUFFIXES),
    ]
    .into_iter()
    .flatten()
    .collect();
    let only = |found: &&Vec<usize>| found.len() == 1;
    if let Some(found) = names.iter().find_map(|name| images.get(&entry.key_of(name))) {
        return (Rule::Name, found.clone());
    }
    // `mask` beside one image, in a folder of their own.
    let beside = alone.get(&entry.key_of("")).filter(only).filter(|_| is_mask_word(&entry.stem));
    if let Some(found) = beside {
        return (Rule::Name, found.clone());
    }
    let end = names.iter().find_map(|name| tails.get(&entry.key_of(name)).filter(only));
    if let Some(found) = end {
        return (Rule::End, found.clone());
    }
    let found = names.iter().find_map(|name| stems.get(&spelling(name)).filter(only));
    (Rule::Anywhere, found.cloned().unwrap_or_default())
}

/// Which part of a divided data set a file is in: `train`, `val` or `test`.
fn part(entry: &Entry) -> Option<&'static str> {
    entry.folders.iter().find_map(|folder| match folder.to_lowercase().as_str() {
        "train" | "training" => Some("train"),
        "val" | "valid" | "validation" => Some("val"),
        "test" | "testing" => Some("test"),
        _ => None,
    })
}

/// The images by each of their keys.
fn by(entries: &[Entry], keys: impl Fn(&Entry) -> Vec<String>) -> HashMap<String, Vec<usize>> {
    let mut found: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.is_mask) {
        keys(entry).into_iter().for_each(|key| found.entry(key).or_default().push(index));
    }
    found
}

/// What an image's name ends with, after each `_` and `-`, and the number of `img0` and the like.
fn ends(entry: &Entry) -> Vec<String> {
    let ends = entry.stem.match_indices(['_', '-']).map(|(at, _)| &entry.stem[at + 1..]);
    let number = number_after(&entry.stem, &IMAGE_WORDS);
    ends.filter(|tail| !tail.is_empty()).chain(number).map(|tail| entry.key_of(tail)).collect()
}

/// `12` of `word12`.
fn number_after<'a>(stem: &'a str, words: &[&str]) -> Option<&'a str> {
    let word = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = &stem[word.len()..];
    (!number.is_empty() && words.contains(&&*word.to_lowercase())).then_some(number)
}

/// Whether a name is `mask`, `gt` or the like, with a number after it or without.
fn is_mask_word(stem: &str) -> bool {
    let word = stem.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['_', '-']);
    PREFIXES.contains(&&*word.to_lowercase())
}

/// `X` of `X_word`, `X-word`, `X_word1`, `X_word_1`.
fn without_suffix<'a>(stem: &'a str, words: &[&str]) -> Option<&'a str> {
    let lower = stem.to_ascii_lowercase();
    let name = lower.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['_', '-']);
    let head = words.iter().find_map(|word| name.strip_suffix(word)?.strip_suffix(['_', '-']))?;
    stem.get(..head.len()).filter(|head| !head.is_empty())
}

/// `X` of `mask_X` and the like, and of `mask12` the number.
fn without_prefix(stem: &str) -> Option<&str> {
    let lower = stem.to_ascii_lowercase();
    let rest =
        PREFIXES.iter().find_map(|word| lower.strip_prefix(word)?.strip_prefix(['_', '-', ' ']));
    let rest = rest.and_then(|rest| stem.get(stem.len() - rest.len()..));
    rest.filter(|rest| !rest.is_empty()).or_else(|| number_after(stem, &PREFIXES))
}

/// How images and masks were put together, such as `Images/bus_X with Masks/mask_X (1875 masks)`.
pub fn describe(listing: &Listing, pairs: &[Pair]) -> String {
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for pair in pairs {
        for mask in &pair.masks {
            *found.entry(pattern(&listing.root, &pair.entry.path, mask)).or_default() += 1;
        }
    }
    let mut found: Vec<(String, usize)> = found.into_iter().collect();
    found.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut words: Vec<String> = found
        .iter()
        .take(4)
        .map(|(pattern, count)| {
            format!("{pattern} ({count} {})", if *count == 1 { "mask" } else { "masks" })
        })
        .collect();
    if found.len() > 4 {
        words.push(format!("and {} other ways", found.len() - 4));
    }
    if words.is_empty() { "images without masks".to_owned() } else { words.join("; ") }
}

/// The paths of an image and its mask, without what they have in common.
fn pattern(root: &Path, image: &Path, mask: &Path) -> String {
    let folders = |path: &Path| -> Vec<String> {
        let below = path.strip_prefix(root).unwrap_or(path).parent().map(Path::to_owned);
        let below = below.unwrap_or_default();
        below.iter().map(|name| name.to_string_lossy().into_owned()).collect()
    };
    let (mut a, mut b) = (folders(image), folders(mask));
    let first = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    (a, b) = (a.split_off(first), b.split_off(first));
    let last = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.truncate(a.len() - last);
    b.truncate(b.len() - last);
    let stem = |path: &Path| -> String {
        path.file_stem().unwrap_or_default().to_string_lossy().nfc().collect()
    };
    let (image, mask) = (stem(image), stem(mask));
    // The longest end of the image's name that is in the mask's.
    let starts = image.match_indices(['_', '-']).map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(starts);
    let lower = mask.to_lowercase();
    // Only whole words: `a` of `mask_a` is the last.
    let ends_word = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let common = starts.filter(|start| *start < image.len()).find_map(|start| {
        let part = image[start..].to_lowercase();
        let whole = |at: &usize| {
            mask.is_char_boundary(*at)
                && ends_word(lower[..*at].chars().next_back())
                && ends_word(lower[at + part.len()..].chars().next())
        };
        lower.match_indices(&part).map(|(at, _)| at).find(whole).map(|at| (start, at))
    });
    let (image, mask) = match common {
        Some((start, at)) => {
            let end = (at + image.len() - start).min(mask.len());
            let rest = mask.get(end..).unwrap_or_default();
            let unnumbered = rest.trim_end_matches(|c: char| c.is_ascii_digit());
            let number = if unnumbered.len() < rest.len() { "N" } else { "" };
            (format!("{}X", &image[..start]), format!("{}X{unnumbered}{number}", &mask[..at]))
        }
        None => ("X".to_owned(), "Y".to_owned()),
    };
    let path = |folders: &[String], name: String| {
        folders.iter().map(|folder| format!("{folder}/")).collect::<String>() + &name
    };
    format!("{} with {}", path(&a, image), path(&b, mask))
}
