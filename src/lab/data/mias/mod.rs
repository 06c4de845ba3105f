//! Mini-MIAS (Suckling and others, 1994): 322 films of both breasts of 161 women, and `Info.txt`, which says of
//! each what it shows; as published, or converted to other formats and sorted into folders of any names.
//!
//! ```text
//! Info.txt  mdb001.pgm  mdb002.pgm  ...      odd numbers are right breasts, and the next ones the left
//! ```
//!
//! Each abnormality with a place is a sample, and so is each normal film. What is known of an abnormality is a
//! circle; `--outlines` gives masks that others drew.

pub(crate) mod circle;
pub(crate) mod info;
pub(crate) mod outline;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

pub use circle::Circle;
pub use outline::Part;

use super::dataset::{Class, Dataset, Normals, ReadOptions, Sample};
use super::layout;
use super::listing::{Entry, Listing};
use super::picture::Picture;
use super::problem::Problem;
use super::table;
use super::view::{Projection, Side, View};
use crate::error::{Error, Result};
use crate::files;
use crate::lab::data::names;
use crate::parallel;
use info::{Finding, Info, Place};
use outline::Found;

/// The most bytes of a description: a hundred times those of the published one.
const MOST: u64 = 1 << 20;
/// Endings of pictures that keep every level: of two copies of a film, one of these is taken.
const LOSSLESS: [&str; 5] = ["pgm", "pnm", "png", "tif", "tiff"];

/// True when there is a description of films of MIAS.
pub fn recognise(listing: &Listing) -> bool {
    descriptions(listing).next().is_some()
}

/// What is wrong with a folder of films of MIAS that nothing describes; none where it holds none. Their masks or
/// folders may say the same, so this is for a reader that found nothing it could use.
pub fn undescribed(listing: &Listing) -> Option<(String, String)> {
    let images: Vec<&Entry> = listing.images.iter().filter(|entry| !entry.is_mask).collect();
    let films = images.iter().filter(|entry| info::film(&entry.stem).is_some()).count();
    (films > 0 && films * 2 > images.len()).then(|| {
        let what = format!("holds {films} films of MIAS, and no Info.txt that says what they show");
        (what, "put the Info.txt of the data set beside them".to_owned())
    })
}

/// Lists the samples.
///
/// # Errors
/// [`Error::Content`] for a folder of outlines that is none, or that has none of these films.
pub fn read(listing: &Listing, options: &ReadOptions) -> Result<Dataset> {
    let mut problems = Vec::new();
    let (findings, main) = findings(listing, &mut problems);
    let films = films(listing, options, &mut problems);
    let outlines = Outlines::read(listing, options, &films, &mut problems)?;
    let mut reader = Reader { options, main, findings, films, outlines, problems, unlocated: 0 };
    let samples = reader.samples();
    let women: BTreeSet<u32> = reader.films.keys().map(|&film| woman(film)).collect();
    let counts =
        [("cases", women.len()), ("films", reader.films.len()), ("unlocated", reader.unlocated)];
    Ok(Dataset {
        format: "mias",
        layout: "films by their numbers, and Info.txt with a circle for each abnormality"
            .to_owned(),
        root: listing.root.clone(),
        unit: "patient",
        samples,
        problems: reader.problems,
        counts: BTreeMap::from(counts),
        normals: Normals::OtherBreast,
    })
}

/// Which pair of films a film is of: 1 and 2 are of the first woman.
fn woman(film: u32) -> u32 {
    film.div_ceil(2)
}

/// The film of the other breast.
fn partner(film: u32) -> u32 {
    if film % 2 == 1 { film + 1 } else { film - 1 }
}

fn name(film: u32) -> String {
    format!("mdb{film:03}")
}

/// A file that describes films, with what it says.
fn descriptions(listing: &Listing) -> impl Iterator<Item = (&PathBuf, Info)> {
    let called_so = |path: &&PathBuf| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        stem.contains("info") && ["txt", "csv"].contains(&names::extension(path).as_str())
    };
    fn read(path: &PathBuf) -> Option<(&PathBuf, Info)> {
        let mut bytes = Vec::new();
        files::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
        let info = info::parse(&table::text(&bytes));
        (!info.rows.is_empty()).then_some((path, info))
    }
    listing.files.iter().filter(called_so).filter_map(read)
}

/// What is said of each film, with the line of each finding, and the file that says the most.
fn findings(
    listing: &Listing,
    problems: &mut Vec<Problem>,
) -> (BTreeMap<u32, Vec<(usize, Finding)>>, PathBuf) {
    let mut all: Vec<(&PathBuf, Info)> = descriptions(listing).collect();
    all.sort_by_key(|(path, info)| (std::cmp::Reverse(info.rows.len()), path.components().count()));
    let mut findings: BTreeMap<u32, Vec<(usize, Finding)>> = BTreeMap::new();
    let main = all.first().map(|(path, _)| (*path).clone()).unwrap_or_default();
    for (path, info) in all {
        let is_main = *path == main;
        let mut own: BTreeMap<u32, Vec<(usize, Finding)>> = BTreeMap::new();
        for row in info.rows {
            let said = own.entry(row.film).or_default();
            let placed = matches!(row.finding, Finding::Abnormal { place: Some(_), .. });
            match said.iter().find(|(_, finding)| placed && *finding == row.finding) {
                // Twice the same circle would be two ROIs of one lesion.
                Some((first, _)) if is_main => {
                    let what = format!("line {} says what line {first} says", row.line);
                    problems.push(Problem::harmless(path, what, "it counts once").of("line twice"));
                }
                Some(_) => {}
                None => said.push((row.line, row.finding)),
            }
        }
        if is_main {
            for (line, problem) in info.problems {
                let what = format!("line {line}: {problem}");
                let hint = "nothing is cut from its film: correct the line";
                problems.push(Problem::harmless(path, what, hint).of("line"));
            }
            findings = own;
            continue;
        }
        let said = |rows: Option<&Vec<(usize, Finding)>>| -> Vec<Finding> {
            rows.into_iter().flatten().map(|(_, finding)| *finding).collect()
        };
        let differ = own.iter().find(|(film, rows)| said(Some(rows)) != said(findings.get(film)));
        let what = match differ {
            Some((film, _)) => {
                format!(
                    "is not used: of {} it says something else than {}",
                    name(*film),
                    main.display()
                )
            }
            None => format!("is not used: it says nothing that {} does not", main.display()),
        };
        let hint = "keep the one that is right";
        problems.push(Problem::harmless(path, what, hint).of("second description"));
    }
    (findings, main)
}

/// The films that are there: of several pictures of one number, one in the folder with the most films.
fn films(
    listing: &Listing,
    options: &ReadOptions,
    problems: &mut Vec<Problem>,
) -> BTreeMap<u32, PathBuf> {
    let outlines = options.outlines.as_ref().and_then(|folder| folder.canonicalize().ok());
    let is_outline = |path: &Path| {
        let folder = outlines
            .as_ref()
            .filter(|outlines| path.canonicalize().is_ok_and(|real| real.starts_with(outlines)));
        folder.is_some()
    };
    let images = listing.images.iter().filter(|entry| !entry.is_mask && !is_outline(&entry.path));
    let mut found: Vec<(u32, &PathBuf)> = Vec::new();
    for entry in images {
        match info::film(&entry.stem) {
            Some(film) => found.push((film, &entry.path)),
            None => {
                let what = "is left out: it is not called after a film, like mdb001";
                let problem = Problem::harmless(&entry.path, what, "call it so if it is one");
                problems.push(problem.of("no film"));
            }
        }
    }
    let mut in_folder: HashMap<Option<&Path>, usize> = HashMap::new();
    found.iter().for_each(|(_, path)| *in_folder.entry(path.parent()).or_default() += 1);
    found.sort_by_key(|(film, path)| {
        let lossy = !LOSSLESS.contains(&names::extension(path).as_str());
        (*film, std::cmp::Reverse(in_folder[&path.parent()]), lossy, *path)
    });
    let mut films: BTreeMap<u32, PathBuf> = BTreeMap::new();
    for (film, path) in found {
        match films.get(&film) {
            None => drop(films.insert(film, path.clone())),
            Some(first) => {
                let what = format!("is left out: {} is the same film", first.display());
                let problem = Problem::harmless(path, what, "keep one of them");
                problems.push(problem.of("film twice"));
            }
        }
    }
    films
}

/// The masks of `--outlines`, by film.
#[derive(Default)]
struct Outlines(BTreeMap<u32, PathBuf>);

impl Outlines {
    fn read(
        listing: &Listing,
        options: &ReadOptions,
        films: &BTreeMap<u32, PathBuf>,
        problems: &mut Vec<Problem>,
    ) -> Result<Self> {
        let Some(folder) = &options.outlines else {
            let masks = listing.images.iter().filter(|entry| entry.is_mask);
            let masks: Vec<&Entry> =
                masks.filter(|entry| info::film(&entry.stem).is_some()).collect();
            if let Some(first) = masks.first() {
                let n = masks.len();
                let what = format!("and {} more masks are not used: circles are the truth", n - 1);
                let folder = first.path.parent().unwrap_or(&listing.root).display();
                let hint = format!("`--outlines {folder}` takes them where there are some");
                problems.push(Problem::harmless(&first.path, what, hint).of("outlines not used"));
            }
            return Ok(Outlines::default());
        };
        let mut found = BTreeMap::new();
        for path in layout::list(folder)?.images.into_iter().map(|entry| entry.path) {
            let stem = names::name(&path);
            let stem = stem.rsplit_once('.').map_or(stem.as_str(), |(stem, _)| stem);
            let stem = names::owner(stem).unwrap_or(stem);
            match info::film(stem) {
                Some(film) if films.contains_key(&film) && !found.contains_key(&film) => {
                    found.insert(film, path);
                }
                film => {
                    let what = match film {
                        Some(film) if found.contains_key(&film) => {
                            format!("is left out: there is another outline of {}", name(film))
                        }
                        Some(film) => format!("is left out: {} is not here", name(film)),
                        None => {
                            "is left out: it is not called after a film, like mdb001".to_owned()
                        }
                    };
                    let hint = "a folder of outlines has one mask a film, under its name";
                    problems.push(Problem::harmless(&path, what, hint).of("outline"));
                }
            }
        }
        if found.is_empty() {
            let hint =
                "give the folder of masks that are called after their films, like mdb001.png";
            return Err(Error::content(folder, "holds no outline of these films", hint));
        }
        Ok(Outlines(found))
    }
}

struct Reader<'a> {
    options: &'a ReadOptions,
    /// The description.
    main: PathBuf,
    findings: BTreeMap<u32, Vec<(usize, Finding)>>,
    films: BTreeMap<u32, PathBuf>,
    outlines: Outlines,
    problems: Vec<Problem>,
    /// Abnormalities without a place.
    unlocated: usize,
}

impl Reader<'_> {
    fn note(&mut self, path: &Path, what: String, hint: &str, kind: &'static str) {
        self.problems.push(Problem::harmless(path, what, hint).of(kind));
    }

    fn samples(&mut self) -> Vec<Sample> {
        let described: Vec<u32> = self.findings.keys().copied().collect();
        let absent: Vec<u32> =
            described.iter().copied().filter(|film| !self.films.contains_key(film)).collect();
        if absent.len() == described.len() {
            let count = self.films.len();
            let here = self.films.keys().next().map(|film| format!(", such as {}", name(*film)));
            let what = format!(
                "describes {} films, such as {}, and none of the {count} that are here{}",
                described.len(),
                described.first().map_or(String::new(), |film| name(*film)),
                here.unwrap_or_default()
            );
            let hint = "put it beside its own films, called mdb001.pgm and so on";
            self.problems.insert(0, Problem::new(&self.main, what, hint).of("other films"));
            return Vec::new();
        }
        if let Some(first) = absent.first() {
            let (main, n) = (self.main.clone(), absent.len());
            let what = format!("describes {n} films that are not here, such as {}", name(*first));
            self.note(&main, what, "add them, or go on without", "missing film");
        }
        let films: Vec<(u32, PathBuf)> =
            self.films.iter().map(|(film, path)| (*film, path.clone())).collect();
        let masks = self.masks(&films);
        let mut samples = Vec::new();
        for ((film, path), masks) in films.iter().zip(masks) {
            self.film(*film, path, masks, &mut samples);
        }
        samples
    }

    /// Whether everything that is abnormal on a film is known, so that the rest of it is normal.
    fn is_known(&self, film: u32) -> bool {
        let is_known = |(_, finding): &(usize, Finding)| match finding {
            Finding::Normal => true,
            Finding::Abnormal { place, .. } => place.is_some(),
            Finding::Unclear => false,
        };
        let rows = self.findings.get(&film);
        rows.is_some_and(|rows| rows.iter().all(is_known) && !contradict(rows))
    }

    fn places(&self, film: u32) -> Vec<(usize, &'static str, Place)> {
        let place = |(line, finding): &(usize, Finding)| match finding {
            Finding::Abnormal { label, place: Some(place) } => Some((*line, *label, *place)),
            _ => None,
        };
        self.findings.get(&film).into_iter().flatten().filter_map(place).collect()
    }

    /// Of each film, the masks of its circles: an outline where there is one, or none where another's outline
    /// is around it.
    fn masks(&mut self, films: &[(u32, PathBuf)]) -> Vec<Vec<Option<Picture>>> {
        let looked = parallel::map(films, |(film, _)| {
            let path = self.outlines.0.get(film)?;
            let places: Vec<Place> = self.places(*film).into_iter().map(|one| one.2).collect();
            Some((path.clone(), outline::find(path, &self.options.mask_values, &places)))
        });
        let mut all = Vec::new();
        for ((film, path), looked) in films.iter().zip(looked) {
            let rows = self.places(*film);
            let places: Vec<Place> = rows.iter().map(|one| one.2).collect();
            let main = self.main.clone();
            let circle = |own: usize| {
                let (line, _, place) = rows[own];
                let (info, film) = (main.clone(), path.clone());
                Some(Picture::Circle(Circle { info, line, film, place }))
            };
            let (outlines, found) = match looked {
                None => {
                    all.push((0..rows.len()).map(circle).collect());
                    continue;
                }
                Some((outlines, Err(error))) => {
                    all.push((0..rows.len()).map(circle).collect());
                    self.problems.push(Problem { harmless: true, ..Problem::reading(error) });
                    let what = format!("the circles of {} are taken instead", name(*film));
                    self.note(&outlines, what, "repair the outline", "outline");
                    continue;
                }
                Some((outlines, Ok((found, apart)))) => {
                    if apart > 0 {
                        let what =
                            format!("{apart} of its areas touch no circle of {}", name(*film));
                        self.note(&outlines, what, "they are left out", "outline");
                    }
                    (outlines, found)
                }
            };
            let mut masks = Vec::new();
            let mut notes = Vec::new();
            for (own, found) in found.into_iter().enumerate() {
                masks.push(match found {
                    Found::Own => Some(Picture::Part(Part {
                        path: outlines.clone(),
                        values: self.options.mask_values.clone(),
                        places: places.clone(),
                        own,
                    })),
                    Found::Nothing => circle(own),
                    Found::Shared(other) => {
                        notes.push(format!(
                            "one outline is around the abnormalities {} and {} of {}: they are one ROI",
                            other + 1,
                            own + 1,
                            name(*film)
                        ));
                        None
                    }
                });
            }
            for what in notes {
                self.note(&outlines, what, "nothing is to be done", "outline");
            }
            all.push(masks);
        }
        all
    }

    fn film(
        &mut self,
        film: u32,
        path: &Path,
        masks: Vec<Option<Picture>>,
        samples: &mut Vec<Sample>,
    ) {
        let Some(rows) = self.findings.get(&film).cloned() else {
            let what = format!("is left out: {} does not describe it", names::name(&self.main));
            return self.note(path, what, "add its line", "no line");
        };
        let other = self.films.get(&partner(film)).cloned();
        if other.is_none() {
            let what = format!("its other breast, {}, is not here", name(partner(film)));
            let hint = "add it: normal ROIs are cut there";
            self.note(path, what, hint, "no partner");
        }
        if contradict(&rows) {
            let what =
                format!("is left out: {} calls it normal and abnormal", names::name(&self.main));
            return self.note(path, what, "correct its lines", "line");
        }
        let is_normal = rows.iter().all(|(_, finding)| *finding == Finding::Normal);
        let nowhere = rows
            .iter()
            .filter(|(_, finding)| matches!(finding, Finding::Abnormal { place: None, .. }));
        let nowhere = nowhere.count();
        if nowhere > 0 {
            self.unlocated += nowhere;
            let what = format!(
                "has an abnormality without a place in {}, which is left out",
                names::name(&self.main)
            );
            self.note(path, what, "no normal ROI is cut from this breast either", "no place");
        }
        let right = film % 2 == 1;
        let side = if right { Side::Right } else { Side::Left };
        let known = self.is_known(partner(film));
        let first = partner(film).min(film);
        let sample = Sample {
            name: name(film),
            class: Class::Normal,
            label: "normal".to_owned(),
            source: format!("{}-{:03}", name(first), first + 1),
            image: self.options.image(path.to_owned()),
            masks: Vec::new(),
            circle: false,
            view: Some(View { side, projection: Projection::Mlo }),
            other_breast: other.filter(|_| known).map(|other| self.options.image(other)),
        };
        if is_normal {
            return samples.push(sample);
        }
        let places = self.places(film);
        let several = places.len() > 1;
        for (number, ((_, label, _), mask)) in (1..).zip(places.into_iter().zip(masks)) {
            let Some(mask) = mask else { continue };
            samples.push(Sample {
                name: if several {
                    format!("{}_{number}", sample.name)
                } else {
                    sample.name.clone()
                },
                class: Class::Abnormal,
                label: label.to_owned(),
                circle: matches!(mask, Picture::Circle(_)),
                masks: vec![mask],
                ..sample.clone()
            });
        }
    }
}

/// Whether lines say that a film is normal and that it is not.
fn contradict(rows: &[(usize, Finding)]) -> bool {
    let normal = rows.iter().filter(|(_, finding)| *finding == Finding::Normal).count();
    normal > 0 && normal < rows.len()
}
