//! ROIs as files: `CLASS/NAME.png`, `CLASS/NAME_mask.png` and an index in CSV.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::dataset::Class;
use super::roi::Roi;
use crate::error::{Error, Result};
use crate::files::{self, outputs};

/// The first line of `index.csv`. `patient` is what a split keeps together, which is the image where
/// no patient is known; `view` is that of a mammogram, such as `LEFT_CC`; `pathology` is the data
/// set's own word; `source` is the image that the ROI was cut from, below the data set's folder.
/// `x`, `y`, `width` and `height` are pixels of it; the paddings are shares of the lesion's width
/// (left, right) and height (top, bottom). `truth` is what the mask is, `outline` or `circle`; empty where it is
/// normal.
pub const COLUMNS: &str = "name,class,patient,view,pathology,source,x,y,width,height,\
                           padding_left,padding_right,padding_top,padding_bottom,image,mask,truth";

/// The index.
pub const INDEX: &str = "index.csv";

/// Writes every ROI and its mask (all black when normal) into `out/abnormal` and `out/normal`, and
/// then `out/index.csv`; returns the path of the index. Paths in the index are relative to `out`.
///
/// # Errors
/// [`crate::error::Error::File`] when `out` cannot be created or written. The index is written
/// last, so that where there is one, everything it names is there.
pub fn write(rois: &[Roi], out: &Path) -> Result<PathBuf> {
    files::create_folder(out)?;
    outputs::list(out, names(rois).iter().map(String::as_str))?;
    for class in Class::ALL {
        files::create_folder(&out.join(class.name()))?;
    }
    let mut index = format!("{COLUMNS}\n");
    for roi in rois {
        let [image, mask] = pair(roi);
        roi.image.write(out.join(&image))?;
        roi.mask_or_empty().write(out.join(&mask))?;
        index.push_str(&line(roi, &image, &mask));
    }
    let path = out.join(INDEX);
    files::write(&path, index.as_bytes())?;
    Ok(path)
}

/// Refuses a folder in which [`write()`] would replace a file that parula did not write, or leave ROIs of an
/// earlier call beside `rois`.
///
/// # Errors
/// [`Error::Content`] with such a file.
pub fn expect_free(rois: &[Roi], out: &Path) -> Result<()> {
    let names: BTreeSet<String> = names(rois).into_iter().collect();
    outputs::expect_free(out, &names)?;
    let of_a_class = |name: &&String| Class::ALL.iter().any(|class| name.starts_with(class.name()));
    let earlier = outputs::listed(out);
    let mut earlier = earlier.difference(&names).filter(of_a_class).map(|name| out.join(name));
    match earlier.find(|path| path.symlink_metadata().is_ok()) {
        None => Ok(()),
        Some(path) => Err(Error::content(
            path,
            "is an ROI of an earlier call, and none of this one's",
            "give another --out, or delete the folder",
        )),
    }
}

/// All that [`write()`] writes of `rois`, as seen from its folder.
pub fn names(rois: &[Roi]) -> Vec<String> {
    rois.iter().flat_map(pair).chain([INDEX.to_owned()]).collect()
}

/// An ROI and its mask: these endings make the result a data set in the general layout as well.
fn pair(roi: &Roi) -> [String; 2] {
    ["", "_mask"].map(|ending| format!("{}/{}{ending}.png", roi.class.name(), roi.name))
}

fn line(roi: &Roi, image: &str, mask: &str) -> String {
    let view = roi.view.map_or("", |view| view.name());
    let file = roi.file.to_string_lossy();
    let mut fields: Vec<String> =
        [&roi.name, roi.class.name(), &roi.source, view, &roi.label, &file].map(field).into();
    let rect = [roi.rect.x, roi.rect.y, roi.rect.width, roi.rect.height];
    fields.extend(rect.map(|pixels| pixels.to_string()));
    fields.extend(roi.padding.map(|share| format!("{share:.4}")));
    let truth = match roi.class {
        Class::Normal => "",
        Class::Abnormal if roi.circle => "circle",
        Class::Abnormal => "outline",
    };
    fields.extend([field(image), field(mask), truth.to_owned()]);
    format!("{}\n", fields.join(","))
}

/// A field of CSV, in quotes where it needs them.
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
