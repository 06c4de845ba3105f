//! CBIS-DDSM (Lee and others, Scientific Data 4, 2017), the curated version of DDSM that can be
//! downloaded today: DICOM, or a conversion of it to PNG or JPEG, with the tables that describe it.
//!
//! ```text
//! mass_case_description_train_set.csv  calc_case_description_test_set.csv  ...
//! Mass-Training_P_00001_LEFT_CC/STUDY/SERIES/1-1.dcm             a film
//! Mass-Training_P_00001_LEFT_CC_1/STUDY/SERIES/1-1.dcm, 1-2.dcm  crop and mask of abnormality 1
//! ```
//!
//! The paths in the tables are those of the first release. Files were renamed since, some crops and
//! masks stand under each other's name, and conversions keep the series folders alone. So files are
//! looked for by their folders, and a mask is known by having the size of its film.

pub(crate) mod dicom;
mod files;
pub mod mammogram;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::dataset::{Class, Dataset, Normals, ReadOptions, Sample};
use super::listing::Listing;
use super::picture::Picture;
use super::problem::Problem;
use super::view::View;
use crate::error::Result;
use files::Files;
use table::Row;

/// True when there is a table with the columns of a case description.
pub fn recognise(listing: &Listing) -> bool {
    listing.files.iter().any(|path| table::is_table(path))
}

/// Lists the samples of the views that are asked for, one for each row of the tables.
///
/// # Errors
/// None today: every problem is in [`Dataset::problems`].
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let mut reader = Reader {
        files: Files::new(listing),
        problems: Vec::new(),
        sizes: HashMap::new(),
        films: BTreeMap::new(),
        incomplete: BTreeSet::new(),
    };
    let mut samples: Vec<Sample> = Vec::new();
    let mut names = BTreeSet::new();
    for path in listing.files.iter().filter(|path| table::is_table(path)) {
        let (rows, problems) = table::read(path);
        reader.problems.extend(problems);
        for row in rows.iter().filter(|row| options.projections.contains(&row.view.projection)) {
            let Some(sample) = reader.sample(path, row) else {
                reader.incomplete.insert((row.patient.clone(), row.view));
                continue;
            };
            if names.insert(sample.name.clone()) {
                samples.push(sample);
            } else {
                reader.note(path, row, "describes an abnormality that another line describes");
            }
        }
    }
    for sample in &mut samples {
        let other = sample.view.map(|view| (sample.source.clone(), view.opposite()));
        sample.other_breast = other
            .filter(|other| !reader.incomplete.contains(other))
            .and_then(|other| reader.films.get(&other))
            .map(|film| Picture::Mammogram(film.clone()));
    }
    let patients: BTreeSet<&str> = samples.iter().map(|sample| sample.source.as_str()).collect();
    let films: BTreeSet<&Path> = samples.iter().map(|sample| sample.image.path()).collect();
    let counts = [("cases", patients.len()), ("films", films.len()), ("outlines", samples.len())];
    Ok(Dataset {
        format: "cbis-ddsm",
        layout: "tables with a line for each abnormality, and the files that they name".to_owned(),
        root: listing.root.clone(),
        unit: "patient",
        counts: BTreeMap::from(counts),
        problems: reader.problems,
        samples,
        normals: Normals::OtherBreast,
    })
}

struct Reader {
    files: Files,
    problems: Vec<Problem>,
    /// Sizes that were looked up; none for files without.
    sizes: HashMap<PathBuf, Option<(usize, usize)>>,
    /// The first film of each view of each patient.
    films: BTreeMap<(String, View), PathBuf>,
    /// Those with a row that cannot be used, so that not all their lesions are known.
    incomplete: BTreeSet<(String, View)>,
}

impl Reader {
    fn note(&mut self, table: &Path, row: &Row, what: &str) {
        let what = format!("line {}: {what}", row.line);
        let hint = "it is left out: add the files, or keep their series folders' names";
        self.problems.push(Problem::harmless(table, what, hint));
    }

    fn sample(&mut self, table: &Path, row: &Row) -> Option<Sample> {
        let films = self.files.find(&row.film);
        let Some(film) = self.largest(films) else {
            self.note(table, row, &format!("its film {} is not there", row.film));
            return None;
        };
        let size = self.size(&film);
        let key = (row.patient.clone(), row.view);
        self.films.entry(key).or_insert_with(|| film.clone());
        let mut parts = self.files.find(&row.mask);
        parts.extend(self.files.find(&row.cropped));
        parts.retain(|part| *part != film);
        let Some(mask) = parts.iter().find(|part| self.size(part) == size).cloned() else {
            let what = match parts.first() {
                None => format!("its mask {} is not there", row.mask),
                Some(part) => format!(
                    "none of the {} files beside {} has the size of its film {}",
                    parts.len(),
                    part.display(),
                    film.display()
                ),
            };
            self.note(table, row, &what);
            return None;
        };
        Some(Sample {
            name: format!("{}_{}_{}_{}", row.kind, row.patient, row.view.name(), row.number),
            class: Class::Abnormal,
            label: row.pathology.clone(),
            source: row.patient.clone(),
            image: Picture::Mammogram(film),
            masks: vec![Picture::Mammogram(mask)],
            circle: false,
            view: Some(row.view),
            other_breast: None,
        })
    }

    /// Columns and rows of a file; one that cannot be read is a problem, once.
    fn size(&mut self, path: &Path) -> Option<(usize, usize)> {
        if let Some(size) = self.sizes.get(path) {
            return *size;
        }
        let size = match mammogram::size(path) {
            Ok(size) => Some(size),
            Err(error) => {
                self.problems.push(Problem { harmless: true, ..Problem::reading(error) });
                None
            }
        };
        self.sizes.insert(path.to_owned(), size);
        size
    }

    /// A film's folder holds the film alone, or in some conversions its crops as well.
    fn largest(&mut self, paths: Vec<PathBuf>) -> Option<PathBuf> {
        let sized: Vec<((usize, usize), PathBuf)> =
            paths.into_iter().filter_map(|path| Some((self.size(&path)?, path))).collect();
        let pixels = |(size, _): &&((usize, usize), PathBuf)| size.0 * size.1;
        // `max_by_key` gives the last of equals, and the first is as good as any.
        sized.iter().rev().max_by_key(pixels).map(|(_, path)| path.clone())
    }
}
