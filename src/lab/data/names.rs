//! What names of files and folders say: which are masks, and of which image.

use std::path::Path;

use unicode_normalization::UnicodeNormalization;

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

/// What a folder's name is beside its role (`train_masks` is the masks of `train`), and whether it
/// holds masks.
pub fn role(folder: &str) -> (Option<String>, bool) {
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

/// What follows the last dot of a file's name, in lower case.
pub fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// A file's own name.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One way of writing a name: in small letters, and letters with accents as one sign.
pub fn spelling(name: &str) -> String {
    name.nfc().collect::<String>().to_lowercase()
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
}
