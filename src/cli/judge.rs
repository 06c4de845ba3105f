//! `parula predict --labels`: what a classifier is worth on labelled images, and its predictions as a table.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::images::{Found, Image};
use super::judged::{self, Judged, roc_files};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::Class;
use crate::lab::data::labels::{FOLDERS, Label, Labels, in_words};
use crate::lab::metrics::classifier::{Answer, Judgement};
use crate::lab::metrics::labels::{LabelsJudgement, Marked};
use crate::nets::classifier::Classifier;

/// What the flags ask for.
pub struct Judge {
    /// The table, and what it says; none where that shows only once it is known which of its columns are labels.
    labels: Option<(PathBuf, Option<Labels>)>,
    threshold: Option<f64>,
    positive: Vec<String>,
    csv: Option<PathBuf>,
}

/// What is said of one image.
pub struct Predicted {
    /// The file.
    pub image: PathBuf,
    /// Of each class.
    pub probabilities: Vec<f64>,
}

/// What a label stands for.
#[derive(Clone, Debug)]
enum Truth {
    /// A class.
    Class(usize),
    /// Of labels that do not exclude each other: whether the image has each, where that is known.
    Marks(Vec<Option<bool>>),
}

/// The same, with the classes of a network.
pub struct Judging<'a> {
    judge: &'a Judge,
    images: Vec<&'a Path>,
    truths: Vec<Option<(Label, Truth)>>,
    names: Vec<String>,
    classes: usize,
    positive: Vec<usize>,
    /// Whether each unit stands for itself.
    each_alone: bool,
}

impl Judge {
    /// Reads the labels, and sees that the table can be written.
    ///
    /// # Errors
    /// Those of [`Labels::read`]; [`Error::File`] for a table that cannot be written; [`Error::Usage`] for a threshold
    /// that is no probability.
    pub fn new(
        labels: Option<&Path>,
        threshold: Option<f64>,
        positive: &[String],
        csv: Option<&Path>,
    ) -> Result<Self> {
        if let Some(cut) = threshold.filter(|cut| !(0.0..=1.0).contains(cut)) {
            return Err(Error::usage(
                format!("a threshold of {cut} is no probability"),
                "give a number from 0 to 1",
            ));
        }
        let read = |path: &Path| match Labels::read(path) {
            Err(_) if Labels::has_marks(path) => Ok((path.to_owned(), None)),
            read => Ok((path.to_owned(), Some(read?))),
        };
        let labels = labels.map(read).transpose()?;
        let (positive, csv) = (positive.to_vec(), csv.map(Path::to_owned));
        let judge = Judge { labels, threshold, positive, csv };
        judge.written().iter().try_for_each(|path| files::expect_writable(path))?;
        Ok(judge)
    }

    /// What will be written: the table, and with labels the ROC curves.
    fn written(&self) -> Vec<PathBuf> {
        let Some(csv) = &self.csv else { return Vec::new() };
        let pictures = self.labels.iter().flat_map(|_| roc_files(csv));
        std::iter::once(csv.clone()).chain(pictures).collect()
    }

    /// Refuses to write over what is read, and over what parula did not write.
    ///
    /// # Errors
    /// [`Error::Content`] with the file.
    pub fn expect_apart(&self, found: &Found, model: &Path) -> Result<()> {
        let Some(csv) = &self.csv else { return Ok(()) };
        let images = found.images.iter().map(|image| image.path.as_path());
        let labels = self.labels.iter().map(|(path, _)| path.as_path());
        let written = self.written();
        outputs::expect_apart(images.chain(labels).chain([model]), &written)?;
        let folder = csv.parent().filter(|folder| !folder.as_os_str().is_empty());
        let names =
            written.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
        outputs::expect_free(folder.unwrap_or(Path::new(".")), names)
    }

    /// The labels of `images`, as classes of the network.
    ///
    /// # Errors
    /// [`Error::Usage`] for labels that are no classes, and for several of an image where classes exclude each other.
    pub fn of<'a>(&'a self, loaded: &Classifier, images: &'a [Image]) -> Result<Judging<'a>> {
        let images: Vec<&Path> = images.iter().map(|image| image.path.as_path()).collect();
        let units = loaded.model.classes;
        let each_alone = loaded.each_alone();
        let classes = units.max(2);
        let ours = units <= 2 && !loaded.network.described();
        let class_of = |label: &str| {
            let usual = || Class::ALL.iter().position(|class| ours && class.name() == label);
            loaded.classes.labelled(label).or_else(usual)
        };
        let no_class = |what: String| {
            let named = (0..units).any(|class| loaded.classes.name(class).is_some());
            Error::usage(
                what,
                match named {
                    true => "label images by the classes' names, or by their numbers from 0 on",
                    false => "name the classes by --class-names A,B, in the order of the units",
                },
            )
        };
        let mut truths = vec![None; images.len()];
        if let Some((path, labels)) = &self.labels {
            let own: Option<Vec<String>> =
                (0..units).map(|class| loaded.classes.name(class).map(str::to_owned)).collect();
            let read;
            let labels = match labels {
                Some(labels) => labels,
                None => {
                    read = Labels::read_some(path, own.as_deref())?;
                    &read
                }
            };
            let found = labels.of(&images)?;
            let all = || found.iter().flatten().flat_map(|label| &label.classes);
            let strange = || all().map(String::as_str).filter(|label| class_of(label).is_none());
            // Of several labels those that the network has not learnt are nobody's.
            let some = each_alone && labels.several() && all().any(|one| class_of(one).is_some());
            match (strange().next(), some) {
                (None, _) => {}
                (Some(_), true) => {
                    let words = in_words(strange());
                    crate::console::note!("labels that the network has not learnt: {words}");
                }
                (Some(_), false) => {
                    let words = in_words(strange());
                    let path = path.display();
                    return Err(no_class(format!("{path} has labels that are no class: {words}")));
                }
            }
            if labels.several() && !each_alone {
                return Err(Error::usage(
                    format!("{} gives an image several labels", path.display()),
                    "the network's classes exclude each other: give a table with one label an image",
                ));
            }
            let known = |class: usize| match labels {
                Labels::Table { names, several: true, .. } => {
                    names.iter().any(|name| class_of(name) == Some(class))
                }
                _ => true,
            };
            let known: Vec<bool> = (0..classes).map(known).collect();
            let truth = |label: Label| {
                let has: Vec<usize> =
                    label.classes.iter().filter_map(|label| class_of(label)).collect();
                let truth = match each_alone {
                    true => Truth::Marks(
                        (0..classes).map(|at| known[at].then(|| has.contains(&at))).collect(),
                    ),
                    false => Truth::Class(*has.first()?),
                };
                Some((label, truth))
            };
            truths = found.into_iter().map(|label| label.and_then(truth)).collect();
            let without = truths.iter().filter(|truth| truth.is_none()).count();
            if without > 0 {
                crate::console::note!(
                    "{without} of {} images have no label, and are not judged",
                    images.len()
                );
            }
        }
        let name = |class: usize| match loaded.classes.of_label(class) {
            Some(name) => name.to_owned(),
            None if ours && !each_alone => Class::ALL[class].name().to_owned(),
            None => class.to_string(),
        };
        let names = (0..classes).map(name).collect();
        if each_alone && !self.positive.is_empty() {
            return Err(Error::usage(
                "each label of this network is judged by itself",
                "leave --positive away",
            ));
        }
        let class = |name: &String| {
            class_of(name).ok_or_else(|| no_class(format!("--positive {name} is no class")))
        };
        let mut positive: Vec<usize> =
            self.positive.iter().map(class).collect::<Result<Vec<usize>>>()?;
        positive.sort_unstable();
        positive.dedup();
        if positive.len() >= classes {
            return Err(Error::usage(
                "every class counts as positive",
                "leave one out of --positive",
            ));
        }
        Ok(Judging { judge: self, images, truths, names, classes, positive, each_alone })
    }
}

impl Judging<'_> {
    /// Writes the table, judges what has a label, and writes its ROC curves beside the table; none where there are no
    /// labels, or none of what was looked at.
    ///
    /// # Errors
    /// [`Error::File`] when a file cannot be written.
    pub fn end(&self, predicted: &[Predicted]) -> Result<Option<Judged>> {
        let places: HashMap<&Path, usize> =
            self.images.iter().enumerate().map(|(index, image)| (*image, index)).collect();
        let truth = |one: &Predicted| {
            places.get(one.image.as_path()).and_then(|&index| self.truths[index].as_ref())
        };
        if let Some(csv) = &self.judge.csv {
            files::write(csv, &self.table(predicted, truth)?)?;
            outputs::list_files([csv])?;
        }
        let patients: Vec<String> = predicted
            .iter()
            .map(|one| {
                let named = truth(one).and_then(|(label, _)| label.patient.clone());
                named.unwrap_or_else(|| one.image.display().to_string())
            })
            .collect();
        let (mut answers, mut marked) = (Vec::new(), Vec::new());
        for (one, patient) in predicted.iter().zip(&patients) {
            let probabilities = &one.probabilities[..];
            match truth(one) {
                Some((_, Truth::Class(class))) => {
                    answers.push(Answer { patient, class: *class, probabilities });
                }
                Some((_, Truth::Marks(marks))) => {
                    marked.push(Marked { patient, marks, probabilities });
                }
                None => {}
            }
        }
        let (classes, threshold) = (self.classes, self.judge.threshold);
        let judged = match (answers.is_empty(), marked.is_empty()) {
            (true, true) => return Ok(None),
            (false, _) => {
                let judged = Judgement::with_positive(&answers, classes, threshold, &self.positive);
                Judged::Classes(Box::new(judged))
            }
            (true, false) => Judged::Labels(LabelsJudgement::new(&marked, classes, threshold)),
        };
        if let Some(csv) = &self.judge.csv {
            let pictures = roc_files(csv);
            judged.save_roc(&self.names, &pictures[0])?;
            outputs::list_files(&pictures)?;
        }
        Ok(Some(judged))
    }

    fn table<'a>(
        &self,
        predicted: &'a [Predicted],
        truth: impl Fn(&'a Predicted) -> Option<&'a (Label, Truth)>,
    ) -> Result<Vec<u8>> {
        let lines = predicted.iter().map(|one| {
            let label = truth(one);
            let patient = label.and_then(|(label, _)| label.patient.clone()).unwrap_or_default();
            let labelled = match label {
                Some((_, Truth::Class(class))) => self.names[*class].clone(),
                Some((_, Truth::Marks(marks))) => self.joined(marks, |mark| *mark == Some(true)),
                None => String::new(),
            };
            let cut = self.judge.threshold;
            let says = Answer { patient: "", class: 0, probabilities: &one.probabilities };
            let says = match self.each_alone {
                true => self.joined(&one.probabilities, |&share| share > cut.unwrap_or(0.5)),
                false => self.names[says.says(cut)].clone(),
            };
            let line = vec![one.image.display().to_string(), patient, labelled, says];
            (line, &one.probabilities[..])
        });
        judged::table(&["image", "patient", "label", "class"], &self.names, lines)
    }

    /// The labels of which `has` is true, as a table has them in one field.
    fn joined<T>(&self, of_labels: &[T], has: impl Fn(&T) -> bool) -> String {
        let found = self.names.iter().zip(of_labels).filter(|(_, one)| has(one));
        found.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("|")
    }

    /// What the classes are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The judgement in words.
    pub fn text(&self, judged: &Judged) -> String {
        let from = match &self.judge.labels {
            Some((path, _)) if path != Path::new(FOLDERS) => {
                format!("labels of {}", path.display())
            }
            _ => "labels of folders".to_owned(),
        };
        judged.text(&self.names)
            + &format!(
                "\n{from}; intervals are 95 %, over patients where the table names them, else over images\n"
            )
    }
}
