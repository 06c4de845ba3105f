//! Lists a folder of images and the masks among them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::listing::{EXPECTED, Entry, Listing};
use super::names::{extension, owner, role};
use super::pairs;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::files::outputs::{self, Identity};
use crate::nets::images::decode::EXTENSIONS;

/// Formats that are looked for only to say that they are not read.
const OTHER_FORMATS: [&str; 12] =
    ["bmp", "dcm", "gif", "webp", "mha", "nii", "nrrd", "pbm", "ppm", "jp2", "tga", "heic"];

/// What the names on its way say. `folders_of_set` are all that have images in or below them, with their number.
fn entry(root: &Path, path: PathBuf, folders_of_set: &HashMap<PathBuf, usize>) -> Entry {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut is_mask = false;
    let mut folders = Vec::new();
    let mut folder = root.to_owned();
    let below = path.strip_prefix(root).unwrap_or(&path);
    for name in below.parent().into_iter().flat_map(|parent| parent.iter()) {
        folder.push(name);
        let name = name.to_string_lossy();
        let (rest, of_masks) = role(&name);
        if of_masks && !is_beside_images(root, &folder, rest.as_deref(), folders_of_set) {
            folders.push(name.into_owned());
        } else {
            is_mask |= of_masks;
            folders.extend(rest);
        }
    }
    let (stem, is_mask) = match owner(&stem) {
        Some(owner) => (owner.to_owned(), true),
        None => (stem, is_mask),
    };
    Entry {
        path,
        folders,
        stem,
        is_mask,
        foreign: false,
        owners: Vec::new(),
        stray: None,
        same_as: None,
    }
}

/// Whether a folder that is called after masks can hold nothing else, so that `Dataset_BUSI_with_GT`
/// is not taken for the masks of `Dataset_BUSI_with`.
fn is_beside_images(
    root: &Path,
    folder: &Path,
    rest: Option<&str>,
    folders_of_set: &HashMap<PathBuf, usize>,
) -> bool {
    match rest {
        // `masks`: not when it is around the whole set.
        None => folders_of_set.get(folder) != folders_of_set.get(root),
        // `train_masks`: only beside `train` or `train_images`.
        Some(rest) => folders_of_set.keys().any(|other| {
            let name = other.file_name().unwrap_or_default().to_string_lossy();
            other.parent() == folder.parent() && {
                let (other_rest, of_masks) = role(&name);
                !of_masks && other_rest.is_some_and(|other| other.eq_ignore_ascii_case(rest))
            }
        }),
    }
}

/// Lists `root` and the folders below it, hidden ones left out, and what parula wrote
/// ([`outputs::list`]). Where `root` itself holds nothing else, its outputs are what is meant.
///
/// # Errors
/// [`Error::Content`] when it is missing or not a folder; [`Error::File`] when a folder cannot be
/// read.
pub fn list(root: &Path) -> Result<Listing> {
    if !root.exists() {
        return Err(Error::content(root, "there is no such folder", EXPECTED));
    }
    if !root.is_dir() {
        return Err(Error::content(root, "is a file, not a folder", EXPECTED));
    }
    let own: HashSet<PathBuf> = outputs::listed(root).iter().map(|name| root.join(name)).collect();
    let mut walk = Walk::of(root, &own)?;
    let is_image = |path: &PathBuf| EXTENSIONS.contains(&extension(path).as_str());
    if !walk.files.iter().any(is_image) && walk.written.iter().any(|path| own.contains(path)) {
        walk = Walk::of(root, &HashSet::new())?;
    }
    let Walk { files, written, passed, .. } = walk;
    let mut images = Vec::new();
    let mut others: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for path in &files {
        let extension = extension(path);
        if EXTENSIONS.contains(&extension.as_str()) {
            images.push(path.clone());
        } else if OTHER_FORMATS.contains(&extension.as_str()) {
            others.entry(extension).or_default().push(path.clone());
        }
    }
    let images = entries(root, images, &others.values().flatten().cloned().collect::<Vec<_>>());
    Ok(Listing { root: root.to_owned(), files, images, others, outputs: written, passed })
}

/// `others` are pictures that are not read: what lies beside them may still be their masks.
fn entries(root: &Path, images: Vec<PathBuf>, others: &[PathBuf]) -> Vec<Entry> {
    let mut folders_of_set: HashMap<PathBuf, usize> = HashMap::new();
    for path in images.iter().chain(others) {
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
            *folders_of_set.entry(folder.to_owned()).or_default() += 1;
        }
    }
    let entry = |path| entry(root, path, &folders_of_set);
    let mut entries: Vec<Entry> = images.into_iter().map(entry).collect();
    pairs::assign(&mut entries);
    one_name_a_file(&mut entries);
    entries
}

/// Images that are one file: all but one are told whose other name they are. A name of its own goes before a
/// link, and then the first before the others. Masks may be shared.
fn one_name_a_file(entries: &mut [Entry]) {
    let mut order: Vec<usize> =
        (0..entries.len()).filter(|&index| !entries[index].is_mask).collect();
    order.sort_by_cached_key(|&index| (entries[index].path.is_symlink(), index));
    let mut first: HashMap<Identity, usize> = HashMap::new();
    for index in order {
        let Some(identity) = Identity::of(&entries[index].path) else { continue };
        let first = *first.entry(identity).or_insert(index);
        if first != index {
            entries[index].same_as = Some(entries[first].path.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_masks_are_seen_and_forgotten() {
        let image = "train/images/p1/a.png";
        for mask in ["train/masks/p1/a.png", "train_masks/p1/a.png", "train/p1/Labels/A_mask.png"] {
            let paths = [image, mask].map(|path| Path::new("/d").join(path));
            let mut entries = entries(Path::new("/d"), paths.into(), &[]);
            entries.sort_by_key(|entry| entry.is_mask);
            assert_eq!([entries[0].is_mask, entries[1].is_mask], [false, true], "{mask}");
            assert_eq!(entries[0].key(), entries[1].key(), "{mask}");
        }
    }

    #[test]
    fn a_folder_around_the_set_holds_not_masks_alone() {
        for folder in ["with_GT", "masks"] {
            let paths = ["a/x.png", "b/y.png"].map(|path| Path::new("/d").join(folder).join(path));
            let entries = entries(Path::new("/d"), paths.into(), &[]);
            assert!(entries.iter().all(|entry| !entry.is_mask));
        }
    }
}
