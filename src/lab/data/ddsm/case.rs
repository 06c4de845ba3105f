//! From the files of one case to its samples.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::chain::{Chain, Origin};
use super::density::{self, Scanner};
use super::film::{Film, Outline};
use super::{ics, overlay};
use crate::lab::data::dataset::{Class, ReadOptions, Sample};
use crate::lab::data::gzip;
use crate::lab::data::picture::Picture;
use crate::lab::data::problem::Problem;
use crate::lab::data::view::{Projection, View};

/// What there is of a case.
#[derive(Default)]
pub struct Case {
    pub ics: Option<PathBuf>,
    pub films: BTreeMap<View, PathBuf>,
    pub overlays: BTreeMap<View, PathBuf>,
}

/// Reads case after case.
pub struct Reader {
    pub samples: Vec<Sample>,
    pub problems: Vec<Problem>,
    /// Films of the wanted views, readable or not.
    pub films: usize,
    /// Outlines that can be used.
    pub outlines: usize,
    projections: Vec<Projection>,
    origin: Origin,
}

/// A film of a case, and the abnormalities on it.
struct Found {
    film: Film,
    abnormalities: Vec<Abnormality>,
    /// Whether these are all: only then is the rest of the film normal.
    complete: bool,
}

struct Abnormality {
    number: usize,
    pathology: String,
    outline: Outline,
}

impl Reader {
    pub fn new(options: &ReadOptions) -> Self {
        Reader {
            samples: Vec::new(),
            problems: Vec::new(),
            films: 0,
            outlines: 0,
            projections: options.projections.clone(),
            origin: options.origin,
        }
    }

    /// Adds the samples of a case of this name, such as `B_3024_1`, and its problems.
    pub fn read(&mut self, name: &str, case: &Case) {
        self.films += case.films.keys().filter(|view| self.wants(**view)).count();
        let Some(path) = &case.ics else {
            for (&view, path) in case.films.iter().chain(&case.overlays) {
                if self.wants(view) {
                    let what = "is left out: the .ics file of its case is missing";
                    self.note(path, what, "size and scanner are said there: add it");
                }
            }
            return;
        };
        let text = match gzip::read_text(path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(Problem { harmless: true, ..Problem::reading(error) });
                return;
            }
        };
        let ics = ics::parse(&text);
        for problem in &ics.problems {
            self.note(path, problem, "copy or download it again");
        }
        self.missing_films(path, &ics, case);
        let site = name.chars().next().unwrap_or_default();
        let Some(scanner) = Scanner::find(site, &ics.digitizer) else {
            let what = format!(
                "its films are left out: there is no calibration for the scanner {:?} of site {site}",
                ics.digitizer
            );
            self.note(path, &what, density::KNOWN);
            return;
        };
        let mut found = BTreeMap::new();
        for view in View::ALL {
            if !self.wants(view) {
                continue;
            }
            let overlay = case.overlays.get(&view);
            match (ics.films.get(&view), case.films.get(&view)) {
                (Some(line), Some(film)) => {
                    let film = Film {
                        path: film.clone(),
                        rows: line.rows,
                        columns: line.columns,
                        scanner,
                    };
                    let film = self.film(film, line.has_overlay, overlay);
                    found.insert(view, film);
                }
                (None, Some(film)) => {
                    let what = "is left out: its .ics file does not describe it";
                    self.note(film, what, "complete the .ics file");
                }
                _ => {}
            }
        }
        self.take(name, &found);
    }

    fn wants(&self, view: View) -> bool {
        self.projections.contains(&view.projection)
    }

    fn note(&mut self, path: &Path, what: &str, hint: &str) {
        self.problems.push(Problem::harmless(path, what, hint));
    }

    /// Reports the films that the `.ics` file promises, and outlines without a film.
    fn missing_films(&mut self, path: &Path, ics: &ics::Ics, case: &Case) {
        let missing = |view: &View| self.wants(*view) && !case.films.contains_key(view);
        let names: Vec<&str> =
            ics.films.keys().filter(|view| missing(view)).map(|view| view.name()).collect();
        let orphans: Vec<&PathBuf> =
            case.overlays.iter().filter_map(|(view, path)| missing(view).then_some(path)).collect();
        if !names.is_empty() {
            let what = format!("lacks its films {}", names.join(", "));
            self.note(path, &what, "add them, as CASE.VIEW.LJPEG");
        }
        for orphan in orphans {
            let what = "is left out: there is no film for these outlines";
            self.note(orphan, what, "add the film, as CASE.VIEW.LJPEG");
        }
    }

    /// A film with its outlines, as far as they can be read.
    fn film(&mut self, film: Film, has_overlay: bool, overlay: Option<&PathBuf>) -> Found {
        let nothing = |film, complete| Found { film, abnormalities: Vec::new(), complete };
        match (has_overlay, overlay) {
            (false, None) => nothing(film, true),
            (true, None) => {
                let what = "is left out: its .OVERLAY file is missing";
                self.note(&film.path, what, "add it, or say NON_OVERLAY in the .ics file");
                nothing(film, false)
            }
            (false, Some(path)) => {
                let what = "is left out: by its .ics file this film has no outlines";
                self.note(path, what, "is it of another view?");
                nothing(film, false)
            }
            (true, Some(path)) => self.outlined(film, path),
        }
    }

    fn outlined(&mut self, film: Film, path: &Path) -> Found {
        let mut found = Found { film, abnormalities: Vec::new(), complete: true };
        let parsed = match gzip::read_text(path) {
            Ok(text) => overlay::parse(&text),
            Err(error) => {
                self.problems.push(Problem { harmless: true, ..Problem::reading(error) });
                found.complete = false;
                return found;
            }
        };
        let before = self.problems.len();
        for problem in &parsed.problems {
            self.note(path, problem, "copy or download it again");
        }
        if parsed.abnormalities.is_empty() && parsed.problems.is_empty() {
            self.note(path, "has no abnormality", "copy or download it again");
        }
        for (abnormality, number) in parsed.abnormalities.into_iter().zip(1..) {
            let chains = self.inside(&found.film, path, number, abnormality.outlines);
            // The boundary stands first; without it the rest would outline too little.
            if let (true, Some(chains)) = (abnormality.has_boundary, chains) {
                self.outlines += chains.len();
                let Film { rows, columns, .. } = found.film;
                let outline =
                    Outline { path: path.to_owned(), rows, columns, origin: self.origin, chains };
                let pathology = abnormality.pathology.to_lowercase();
                found.abnormalities.push(Abnormality { number, pathology, outline });
            }
        }
        found.complete = self.problems.len() == before;
        found
    }

    /// The chains that stay on the film; none when the first, the boundary, does not.
    fn inside(
        &mut self,
        film: &Film,
        path: &Path,
        number: usize,
        chains: Vec<Chain>,
    ) -> Option<Vec<Chain>> {
        let (rows, columns, origin) = (film.rows, film.columns, self.origin);
        let all = chains.len();
        let boundary = chains.first()?.is_inside(rows, columns, origin);
        let inside: Vec<Chain> =
            chains.into_iter().filter(|chain| chain.is_inside(rows, columns, origin)).collect();
        if inside.len() < all {
            let what = format!(
                "abnormality {number}: an outline leaves the film of {rows} x {columns} pixels, \
                 and is left out"
            );
            self.note(path, &what, "is it of another view, or counted from another origin?");
        }
        boundary.then_some(inside)
    }

    /// Makes the samples of one case.
    fn take(&mut self, name: &str, found: &BTreeMap<View, Found>) {
        // The last number only counts the examinations of one patient.
        let source = name.rsplit_once('_').map_or(name, |(patient, _)| patient);
        for (&view, Found { film, abnormalities, complete }) in found {
            let other = found.get(&view.opposite());
            if !abnormalities.is_empty() && other.is_none() {
                let what =
                    format!("{} is missing, so there is no normal ROI", view.opposite().name());
                self.note(&film.path, &what, "add the film of the other breast");
            }
            let other = other.filter(|other| other.complete);
            let sample = Sample {
                name: format!("{name}_{}", view.name()),
                class: Class::Normal,
                label: "normal".to_owned(),
                source: source.to_owned(),
                image: Picture::Film(film.clone()),
                masks: Vec::new(),
                circle: false,
                view: Some(view),
                other_breast: other.map(|other| Picture::Film(other.film.clone())),
            };
            for Abnormality { number, pathology, outline } in abnormalities {
                let pathology = if pathology.is_empty() { "unknown" } else { pathology };
                self.samples.push(Sample {
                    name: format!("{}_{number}", sample.name),
                    class: Class::Abnormal,
                    label: pathology.to_owned(),
                    masks: vec![Picture::Outline(outline.clone())],
                    ..sample.clone()
                });
            }
            if abnormalities.is_empty() && *complete {
                self.samples.push(sample);
            }
        }
    }
}
