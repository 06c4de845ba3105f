//! `parula predict --labels`: what a classifier is worth on labelled images, and its predictions as a table.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::images::{Found, Image};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::Class;
use crate::lab::data::labels::{FOLDERS, Label, Labels, in_words};
use crate::lab::metrics::binary::Figure;
use crate::lab::metrics::classifier::{Answer, Judgement};
use crate::nets::classifier::Classifier;
use crate::nets::models::Output;

/// What the flags ask for.
pub struct Judge {
    labels: Option<(PathBuf, Labels)>,
    threshold: Option<f64>,
    csv: Option<PathBuf>,
}

/// What is said of one image.
pub struct Predicted {
    /// The file.
    pub image: PathBuf,
    /// Of each class.
    pub probabilities: Vec<f64>,
}

/// The label of an image, and the class that it stands for.
type Truth = Option<(Label, usize)>;

/// The same, with the classes of a network.
pub struct Judging<'a> {
    judge: &'a Judge,
    images: Vec<&'a Path>,
    truths: Vec<Truth>,
    names: Vec<String>,
    classes: usize,
}

impl Judge {
    /// Reads the labels, and sees that the table can be written.
    ///
    /// # Errors
    /// Those of [`Labels::read`]; [`Error::File`] for a table that cannot be written; [`Error::Usage`] for a threshold
    /// that is no probability.
    pub fn new(labels: Option<&Path>, threshold: Option<f64>, csv: Option<&Path>) -> Result<Self> {
        if let Some(cut) = threshold.filter(|cut| !(0.0..=1.0).contains(cut)) {
            return Err(Error::usage(
                format!("a threshold of {cut} is no probability"),
                "give a number from 0 to 1",
            ));
        }
        let labels = labels.map(|path| Ok((path.to_owned(), Labels::read(path)?))).transpose()?;
        if let Some(path) = csv {
            files::expect_writable(path)?;
        }
        Ok(Judge { labels, threshold, csv: csv.map(Path::to_owned) })
    }

    /// Refuses to write over what is read, and over what parula did not write.
    ///
    /// # Errors
    /// [`Error::Content`] with the file.
    pub fn expect_apart(&self, found: &Found, model: &Path) -> Result<()> {
        let Some(csv) = &self.csv else { return Ok(()) };
        let images = found.images.iter().map(|image| image.path.as_path());
        let labels = self.labels.iter().map(|(path, _)| path.as_path());
        outputs::expect_apart(images.chain(labels).chain([model]), [csv])?;
        let name = csv.file_name().unwrap_or_default().to_string_lossy();
        let folder = csv.parent().filter(|folder| !folder.as_os_str().is_empty());
        outputs::expect_free(folder.unwrap_or(Path::new(".")), [name])
    }

    /// The labels of `images`, as classes of the network.
    ///
    /// # Errors
    /// [`Error::Usage`] for labels that are no classes, and for a network whose classes do not exclude each other.
    pub fn of<'a>(&'a self, loaded: &Classifier, images: &'a [Image]) -> Result<Judging<'a>> {
        let images: Vec<&Path> = images.iter().map(|image| image.path.as_path()).collect();
        let units = loaded.model.classes;
        let classes = units.max(2);
        let ours = units <= 2 && !loaded.network.described();
        let class_of = |label: &str| {
            let usual = || Class::ALL.iter().position(|class| ours && class.name() == label);
            loaded.classes.labelled(label).or_else(usual)
        };
        let mut truths = vec![None; images.len()];
        if let Some((path, labels)) = &self.labels {
            if matches!(loaded.network.output(), Output::Sigmoid) && units > 1 {
                return Err(Error::usage(
                    "each unit of this network stands for itself, and a label is one class of several",
                    "leave --labels away; --csv writes what each unit says",
                ));
            }
            let found = labels.of(&images)?;
            let strange = found.iter().flatten().map(|label| label.class.as_str());
            let strange: Vec<&str> = strange.filter(|label| class_of(label).is_none()).collect();
            if !strange.is_empty() {
                let named = (0..units).any(|class| loaded.classes.name(class).is_some());
                return Err(Error::usage(
                    format!(
                        "{} has labels that are no class: {}",
                        path.display(),
                        in_words(strange.into_iter())
                    ),
                    match named {
                        true => "label images by the classes' names, or by their numbers from 0 on",
                        false => "name the classes by --class-names A,B, in the order of the units",
                    },
                ));
            }
            truths = found
                .into_iter()
                .map(|label| {
                    label.and_then(|label| class_of(&label.class).map(|class| (label, class)))
                })
                .collect();
            let without = truths.iter().filter(|truth| truth.is_none()).count();
            if without > 0 {
                crate::console::note!(
                    "{without} of {} images have no label, and are not judged",
                    images.len()
                );
            }
        }
        let name = |class: usize| match (loaded.classes.name(class.min(units - 1)), units) {
            (Some(name), 1) if class == 1 => name.to_owned(),
            (Some(name), units) if units > 1 => name.to_owned(),
            _ if ours => Class::ALL[class].name().to_owned(),
            _ => class.to_string(),
        };
        let names = (0..classes).map(name).collect();
        Ok(Judging { judge: self, images, truths, names, classes })
    }
}

impl Judging<'_> {
    /// Writes the table, and judges what has a label; none where there are no labels, or none of what was looked at.
    ///
    /// # Errors
    /// [`Error::File`] when the table cannot be written.
    pub fn end(&self, predicted: &[Predicted]) -> Result<Option<Judgement>> {
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
        let answers: Vec<Answer> = predicted
            .iter()
            .zip(&patients)
            .filter_map(|(one, patient)| {
                let (_, class) = truth(one)?;
                Some(Answer { patient, class: *class, probabilities: &one.probabilities })
            })
            .collect();
        let any = !answers.is_empty();
        Ok(any.then(|| Judgement::new(&answers, self.classes, self.judge.threshold)))
    }

    fn table<'a>(
        &self,
        predicted: &'a [Predicted],
        truth: impl Fn(&'a Predicted) -> Option<&'a (Label, usize)>,
    ) -> Result<Vec<u8>> {
        let failed =
            |error: csv::Error| Error::usage(error.to_string(), "this is a bug, please report it");
        let mut table = csv::Writer::from_writer(Vec::new());
        // A single unit's probability is that of the second class.
        let units = predicted.first().map_or(0, |one| one.probabilities.len());
        let own = &self.names[self.names.len() - units.min(self.names.len())..];
        let mut header =
            vec!["image".to_owned(), "patient".to_owned(), "label".to_owned(), "class".to_owned()];
        header.extend(own.iter().map(|name| format!("probability of {name}")));
        table.write_record(&header).map_err(failed)?;
        for one in predicted {
            let label = truth(one);
            let patient = label.and_then(|(label, _)| label.patient.clone()).unwrap_or_default();
            let labelled = label.map(|(_, class)| self.names[*class].clone()).unwrap_or_default();
            let says = Answer { patient: "", class: 0, probabilities: &one.probabilities };
            let says = self.names[says.says(self.judge.threshold)].clone();
            let mut row = vec![one.image.display().to_string(), patient, labelled, says];
            row.extend(one.probabilities.iter().map(f64::to_string));
            table.write_record(&row).map_err(failed)?;
        }
        table.into_inner().map_err(|error| failed(error.into_error().into()))
    }

    /// The judgement in words.
    pub fn text(&self, judged: &Judgement) -> String {
        let mut text = String::new();
        let mut say = |name: &str, value: String| {
            let _ = writeln!(text, "{name:22} {value}");
        };
        let shown = |figure: Option<Figure>| match figure {
            Some(Figure { value, low, high }) => format!("{value:.3} [{low:.3}, {high:.3}]"),
            None => "-".to_owned(),
        };
        let plain =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
        say("labelled images", judged.images.to_string());
        say("accuracy", shown(judged.accuracy));
        if let Some(positive) = &judged.positive {
            let (binary, second) = (&positive.binary, &self.names[1]);
            say("AUC", shown(binary.auc));
            say("average precision", plain(positive.average_precision));
            say(
                "sensitivity",
                format!("{} ({second} above {})", shown(binary.sensitivity), positive.threshold),
            );
            say("specificity", shown(binary.specificity));
            say("balanced accuracy", shown(binary.balanced_accuracy));
            say("Brier score", shown(binary.brier));
        } else {
            say("balanced accuracy", plain(judged.balanced_accuracy));
        }
        say("calibration error", format!("{:.3}", judged.calibration_error));
        for (name, class) in self.names.iter().zip(&judged.classes) {
            let area = shown(class.auc);
            say(
                &format!("AUC of {name}"),
                format!("{area}, sensitivity {}", plain(class.sensitivity)),
            );
        }
        let width = self.names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        let _ = writeln!(text, "\n{:width$}  called", "is");
        let heads: Vec<String> = self.names.iter().map(|name| format!("{name:>width$}")).collect();
        let _ = writeln!(text, "{:width$}  {}", "", heads.join(" "));
        for (name, row) in self.names.iter().zip(&judged.confusion) {
            let cells: Vec<String> = row.iter().map(|count| format!("{count:>width$}")).collect();
            let _ = writeln!(text, "{name:width$}  {}", cells.join(" "));
        }
        let from = match &self.judge.labels {
            Some((path, _)) if path != Path::new(FOLDERS) => {
                format!("labels of {}", path.display())
            }
            _ => "labels of folders".to_owned(),
        };
        text + &format!(
            "\n{from}; intervals are 95 %, over patients where the table names them, else over images\n"
        )
    }
}
