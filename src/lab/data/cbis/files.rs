//! Finding the files of a table whose paths are of another release: by exact path, by series folder,
//! by the folder of the subject, or by a name made of the subject.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::lab::data::listing::Listing;
use crate::lab::data::names;

/// The images of a folder, by what they can be found by.
pub struct Files {
    root: PathBuf,
    all: BTreeSet<PathBuf>,
    /// By the name of any folder between the root and the file.
    by_folder: HashMap<String, Vec<PathBuf>>,
    by_stem: HashMap<String, Vec<PathBuf>>,
}

impl Files {
    /// All DICOM, PNG and JPEG files of a listing.
    pub fn new(listing: &Listing) -> Self {
        let root = listing.root.clone();
        let is_image = |path: &&PathBuf| {
            ["dcm", "png", "jpg", "jpeg"].contains(&names::extension(path).as_str())
        };
        let all: BTreeSet<PathBuf> = listing.files.iter().filter(is_image).cloned().collect();
        let mut by_folder: HashMap<String, Vec<PathBuf>> = HashMap::new();
        let mut by_stem: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for path in &all {
            let below = path.strip_prefix(&root).unwrap_or(path);
            for folder in below.parent().into_iter().flat_map(Path::iter) {
                let name = folder.to_string_lossy().into_owned();
                by_folder.entry(name).or_default().push(path.clone());
            }
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            by_stem.entry(stem).or_default().push(path.clone());
        }
        Files { root, all, by_folder, by_stem }
    }

    /// Where the file of a path in a table may be: `SUBJECT/STUDY/SERIES/NAME`, with either slash.
    /// All files of the first folder that fits, the one of this very path first.
    pub fn find(&self, path: &str) -> Vec<PathBuf> {
        let parts: Vec<&str> =
            path.split(['/', '\\']).map(str::trim).filter(|part| !part.is_empty()).collect();
        let [subject, .., _] = parts[..] else { return Vec::new() };
        let series = parts[parts.len() - 2];
        let found = self.by_folder.get(series).or_else(|| self.by_folder.get(subject));
        let found = found.or_else(|| self.by_stem.get(subject));
        let exact = parts.iter().fold(self.root.clone(), |path, part| path.join(part));
        let mut candidates = found.cloned().unwrap_or_default();
        if self.all.contains(&exact) {
            candidates.retain(|path| *path != exact);
            candidates.insert(0, exact);
        }
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::images::fixtures::put_bytes;

    #[test]
    fn files_are_found_by_path_series_subject_and_name() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "S_1_CC/1.1/1.2/1-1.dcm",
            "moved/S_2_CC/renamed/1.4/1-1.png",
            "S_3_CC/07-20-2016-DDSM/1.000000-ROI mask images/1-1.dcm",
            "flat/S_4_CC.jpg",
            "notes/1.9/readme.txt",
        ];
        files.iter().for_each(|path| put_bytes(folder.path(), path, b""));
        let listing = crate::lab::data::layout::list(folder.path()).unwrap();
        let index = Files::new(&listing);
        let find = |path: &str| -> Vec<String> {
            let names = index.find(path);
            let below = names.iter().map(|path| path.strip_prefix(folder.path()).unwrap());
            below.map(|path| path.to_string_lossy().replace('\\', "/")).collect()
        };
        assert_eq!(find("S_1_CC/1.1/1.2/1-1.dcm"), [files[0]]);
        assert_eq!(find("S_1_CC/1.1/1.2/000000.dcm"), [files[0]]);
        assert_eq!(find("CBIS\\S_2_CC\\1.3\\1.4\\000000.dcm\n"), [files[1]]);
        assert_eq!(find("S_3_CC/1.5/1.6/000001.dcm"), [files[2]]);
        assert_eq!(find("S_4_CC/1.7/1.8/000001.dcm"), [files[3]]);
        for nothing in ["S_5_CC/1.1/9.9/1-1.dcm", "S_1_CC/1.8/1.9/readme.txt", "x", "", "../x"] {
            assert_eq!(
                find(nothing).len(),
                usize::from(nothing.starts_with("S_1_CC")),
                "{nothing}"
            );
        }
    }
}
