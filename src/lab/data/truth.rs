//! What the truth of the abnormal ROIs is: outlines of pixels, or circles about lesions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dataset::{Class, Sample};
use super::roi::Roi;
use super::roi_files::INDEX;
use super::table::Table;

/// How many abnormalities have which kind of truth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// Masks of pixels.
    pub outlines: usize,
    /// A centre and a radius.
    pub circles: usize,
}

impl Truth {
    /// Of abnormal samples.
    pub fn of_samples(samples: &[Sample]) -> Self {
        let abnormal = samples.iter().filter(|sample| sample.class == Class::Abnormal);
        Self::count(abnormal.filter(|one| !one.masks.is_empty()).map(|one| one.circle))
    }

    /// Of abnormal ROIs.
    pub fn of(rois: &[Roi]) -> Self {
        let abnormal = rois.iter().filter(|roi| roi.class == Class::Abnormal);
        Self::count(abnormal.map(|roi| roi.circle))
    }

    fn count(circles: impl Iterator<Item = bool>) -> Self {
        circles.fold(Truth::default(), |truth, circle| Truth {
            outlines: truth.outlines + usize::from(!circle),
            circles: truth.circles + usize::from(circle),
        })
    }

    /// What whoever reads a number that rests on the truth must know; none where all of it is outlines.
    pub fn words(&self) -> Option<String> {
        let Truth { outlines, circles } = *self;
        let which = match outlines {
            _ if circles == 0 => return None,
            0 => "the truth of every lesion is a circle".to_owned(),
            _ => format!("the truth of {circles} of {} lesions is a circle", outlines + circles),
        };
        Some(format!(
            "{which} (centre and radius) and no outline: Dice, IoU, ROIs filtered by the truth, and whatever \
             else rests on masks counts against circles"
        ))
    }
}

/// The masks that the `index.csv` of `parula data rois` in `folder` calls circles; none where there is none.
pub fn circles_in(folder: &Path) -> BTreeSet<PathBuf> {
    let Ok(table) = Table::read(&folder.join(INDEX)) else { return BTreeSet::new() };
    let (Some(mask), Some(truth)) = (table.column(&["mask"]), table.column(&["truth"])) else {
        return BTreeSet::new();
    };
    let rows = table.rows.iter().filter_map(|(_, row)| row.as_ref().ok());
    rows.filter(|row| row.get(truth).is_some_and(|truth| truth == "circle"))
        .filter_map(|row| Some(folder.join(row.get(mask)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::data::fixtures::roi;

    #[test]
    fn circles_are_counted_and_said() {
        let mut rois = vec![
            roi("a", Class::Abnormal, "a"),
            roi("b", Class::Abnormal, "b"),
            roi("c", Class::Normal, "c"),
        ];
        assert_eq!(Truth::of(&rois), Truth { outlines: 2, circles: 0 });
        assert_eq!(Truth::of(&rois).words(), None);
        rois[0].circle = true;
        assert!(Truth::of(&rois).words().unwrap().contains("1 of 2 lesions is a circle"));
        rois[1].circle = true;
        assert!(Truth::of(&rois).words().unwrap().contains("every lesion is a circle"));
    }
}
