//! Listing a folder of images, and the names by which a mask says whose it is.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::dataset::Problem;
use super::pairs;
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::files::outputs::{self, Identity};
use crate::nets::images::decode::EXTENSIONS;

/// What to do about a folder in which nothing was found.
pub const EXPECTED: &str = "give a folder of images (PNG, TIFF, JPEG, PGM) with masks beside them, such as `mass/X.png` and `mass/X_mask.png`";

/// Words that end the stem of a mask, after `_` or `-`, in any case.
const MASK_SUFFIXES: [&str; 9] =
    ["mask", "masks", "seg", "segmentation", "label", "labels", "gt", "groundtruth", "annotation"];

/// Names of folders that hold masks, and of those that hold their images.
const MASK_FOLDERS: [&str; 16] = [
    "mask",
    "masks",
    "seg",
    "segmentation",
    "segmentations",
    "label",
    "labels",
    "gt",
    "groundtruth",
    "ground_truth",
    "annotation",
    "annotations",
    "ground truth",
    "ground-truth",
    "segmentationclass",
    "segmentationobject",
];
const IMAGE_FOLDERS: [&str; 9] =
    ["image", "images", "img", "imgs", "original", "originals", "photo", "photos", "jpegimages"];

/// Formats that are looked for only to say that they are not read.
const OTHER_FORMATS: [&str; 12] =
    ["bmp", "dcm", "gif", "webp", "mha", "nii", "nrrd", "pbm", "ppm", "jp2", "tga", "heic"];

/// One image file found below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// The folders between the root and the file, without those that only say `images` or `masks`.
    pub folders: Vec<String>,
    /// The file's name without its ending, and for a mask without what makes it one.
    pub stem: String,
    /// Whether its name or its folder says that it is a mask.
    pub is_mask: bool,
    /// Of a mask: whether it outlines something else than lesions.
    pub foreign: bool,
    /// Of a mask: the images that it is of, by their places in [`Listing::images`].
    pub owners: Vec<usize>,
    /// Of a mask that might be of an image and is not: why.
    pub stray: Option<String>,
    /// Of an image: the other name of the same file that stands for it.
    pub same_as: Option<PathBuf>,
}

impl Entry {
    /// `folders_of_set` are all that have images in or below them, with their number.
    fn new(root: &Path, path: PathBuf, folders_of_set: &HashMap<PathBuf, usize>) -> Self {
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

    /// What an image and its masks have in common: folders and stem, however they are written.
    pub fn key(&self) -> String {
        self.key_of(&self.stem)
    }

    /// The key of another stem in the same folders.
    pub fn key_of(&self, stem: &str) -> String {
        pairs::spelling(&format!("{}/{stem}", self.folders.join("/")))
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

/// What a folder's name is beside its role (`train_masks` is the masks of `train`), and whether it
/// holds masks.
fn role(folder: &str) -> (Option<String>, bool) {
    let lower = folder.to_lowercase();
    for (words, of_masks) in [(&MASK_FOLDERS[..], true), (&IMAGE_FOLDERS[..], false)] {
        if words.contains(&lower.as_str()) {
            return (None, of_masks);
        }
        let head =
            words.iter().find_map(|word| lower.strip_suffix(word)?.strip_suffix(['_', '-', ' ']));
        if let Some(head) = head.and_then(|head| folder.get(..head.len())) {
            return (Some(head.to_owned()), of_masks);
        }
    }
    (Some(folder.to_owned()), false)
}

/// The stem of the image that a mask with this stem belongs to: `X` for `X_mask`, `X_mask_1`,
/// `X-mask`, `X_seg`, `X_label`, `X_gt`. None when it is not the stem of a mask.
pub fn owner(stem: &str) -> Option<&str> {
    // All words are ASCII, so lower-casing ASCII alone keeps the byte positions.
    let lower = stem.to_ascii_lowercase();
    let unnumbered = lower.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = unnumbered.strip_suffix(['_', '-']).filter(|rest| rest.len() < lower.len());
    [Some(lower.as_str()), numbered].into_iter().flatten().find_map(|name| {
        let head = MASK_SUFFIXES
            .iter()
            .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix(['_', '-']))?;
        if head.is_empty() { None } else { stem.get(..head.len()) }
    })
}

/// An image and its masks.
#[derive(Clone, Debug)]
pub struct Pair<'a> {
    /// The image.
    pub entry: &'a Entry,
    /// What outlines its lesions; may be none.
    pub masks: Vec<PathBuf>,
}

/// Everything found below a folder.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The folder.
    pub root: PathBuf,
    /// All files in and below it, sorted by path.
    pub files: Vec<PathBuf>,
    /// Its images, sorted by path.
    pub images: Vec<Entry>,
    /// Images in formats that are not read: extension to paths.
    pub others: BTreeMap<String, Vec<PathBuf>>,
    /// Files and folders that were left out, because parula wrote them.
    pub outputs: Vec<PathBuf>,
    /// What is no file, and links to folders that were seen already. All harmless.
    pub passed: Vec<Problem>,
}

impl Listing {
    /// One harmless problem for each format that was found and is not read, and one for outputs.
    pub fn left_out(&self) -> Vec<Problem> {
        let outputs = self.outputs.first().map(|first| {
            let what = match self.outputs.len() {
                1 => "is left out: parula wrote it".to_owned(),
                n => format!("and {} more are left out: parula wrote them", n - 1),
            };
            let hint = "name the folder itself if it is meant";
            Problem::harmless(first, what, hint).of("output")
        });
        self.others
            .iter()
            .filter_map(|(extension, paths)| {
                let what = match paths.len() {
                    1 => format!("is not read: PNG, TIFF, JPEG and PGM are, not .{extension}"),
                    n => format!(
                        "and {} more .{extension} are not read: PNG, TIFF, JPEG and PGM are",
                        n - 1
                    ),
                };
                let hint = convert_hint(extension);
                Some(Problem::harmless(paths.first()?, what, hint).of("format"))
            })
            .chain(outputs)
            .chain(self.passed.iter().cloned())
            .collect()
    }

    /// The pictures that are not read, most of one ending first, in words, and what to do about them; none
    /// where there are none.
    pub fn unread(&self) -> Option<(String, String)> {
        let (extension, _) = self.others.iter().max_by_key(|(_, paths)| paths.len())?;
        let counts = self.others.iter().map(|(other, paths)| format!("{} .{other}", paths.len()));
        let what = format!("{}, which are not read", counts.collect::<Vec<_>>().join(", "));
        Some((what, convert_hint(extension)))
    }

    /// Every image with its masks, and a harmless problem for each file that is left out. Two images of one
    /// name, such as `a.png` and `a.jpg`, have the same masks.
    pub fn pairs(&self) -> (Vec<Pair<'_>>, Vec<Problem>) {
        let mut masks: HashMap<usize, Vec<PathBuf>> = HashMap::new();
        let mut problems = Vec::new();
        for entry in self.images.iter().filter(|entry| entry.is_mask) {
            for owner in &entry.owners {
                masks.entry(*owner).or_default().push(entry.path.clone());
            }
            if entry.foreign {
                let what = "is left out: by its name it outlines something else than a lesion";
                let problem =
                    Problem::harmless(&entry.path, what, "call it X_mask_1 if it does not");
                problems.push(problem.of("other outline"));
            } else if let Some(what) = &entry.stray {
                let hint = "add its image, call it after its own as X_mask_1, or remove it";
                problems.push(Problem::new(&entry.path, what, hint).of("no image"));
            } else if entry.owners.is_empty() {
                let what = "is left out: there is no image for this mask";
                let hint = "add its image, under the same name without what makes it a mask";
                problems.push(Problem::harmless(&entry.path, what, hint).of("no image"));
            }
        }
        let images = self.images.iter().enumerate().filter(|(_, entry)| !entry.is_mask);
        let pair = |(index, entry)| Pair { entry, masks: masks.remove(&index).unwrap_or_default() };
        (images.map(pair).collect(), problems)
    }

    /// What to say when no layout recognises the folder.
    pub fn nothing_found(&self) -> Error {
        let most = self.others.iter().max_by_key(|(_, paths)| paths.len());
        let (problem, hint) = match most {
            _ if !self.images.is_empty() && self.images.iter().all(|entry| entry.is_mask) => (
                "holds masks, and none of the images that they are of".to_owned(),
                EXPECTED.to_owned(),
            ),
            None if !self.outputs.is_empty() => (
                "holds no PNG, TIFF, JPEG or PGM but those that parula wrote".to_owned(),
                "name the folder that they are in, if they are meant".to_owned(),
            ),
            Some((extension, paths)) if extension == "dcm" => (
                format!("holds {} .dcm and no table that describes them", paths.len()),
                "put the case descriptions of CBIS-DDSM beside them, which are CSV files"
                    .to_owned(),
            ),
            Some((extension, paths)) => (
                format!("holds no PNG, TIFF, JPEG or PGM, but {} .{extension}", paths.len()),
                convert_hint(extension),
            ),
            None => ("holds no PNG, TIFF, JPEG or PGM".to_owned(), EXPECTED.to_owned()),
        };
        Error::content(&self.root, problem, hint)
    }
}

fn convert_hint(extension: &str) -> String {
    format!("convert them to PNG, e.g. `mogrify -format png *.{extension}`")
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

/// What follows the last dot of a file's name, in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// A file's own name.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `others` are pictures that are not read: what lies beside them may still be their masks.
fn entries(root: &Path, images: Vec<PathBuf>, others: &[PathBuf]) -> Vec<Entry> {
    let mut folders_of_set: HashMap<PathBuf, usize> = HashMap::new();
    for path in images.iter().chain(others) {
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
            *folders_of_set.entry(folder.to_owned()).or_default() += 1;
        }
    }
    let entry = |path| Entry::new(root, path, &folders_of_set);
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
    fn a_mask_names_its_image() {
        for (mask, image) in [
            ("benign (1)_mask", "benign (1)"),
            ("benign (1)_mask_12", "benign (1)"),
            ("a-mask", "a"),
            ("a_SEG", "a"),
            ("a_label", "a"),
            ("a_gt", "a"),
            ("a_segmentation", "a"),
            ("é_mask", "é"),
        ] {
            assert_eq!(owner(mask), Some(image), "{mask}");
        }
        for image in ["benign (1)", "a_1", "mask", "_mask", "unmask", "a_mask1", "seg_1", "É_1"] {
            assert_eq!(owner(image), None, "{image}");
        }
    }

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
