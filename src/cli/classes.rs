//! What `train` shall tell apart, and what the network is worth that has learnt it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::judged::{self, Judged};
use crate::error::{Error, Result};
use crate::lab::data::{Class, Examples, ReadOptions, RoiOptions, Which};
use crate::lab::metrics::classifier::{Answer, Judgement};
use crate::lab::metrics::labels::{LabelsJudgement, Marked};
use crate::nets::classes::Taught;
use crate::nets::images::Prepared;
use crate::nets::train::{Predictor, each_alone, probabilities};

/// What is told apart.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Classes")]
pub struct Classes {
    /// The classes, in the order of the head's units: names of folders, or labels of lesions; `all` takes each that
    /// there is, sorted [normal and abnormal; with --whole, where no image has a mask, each folder is a class]
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    classes: Vec<String>,
    /// With --whole: a table of `image,label`, with a column `patient` where one is known, instead of the folders. With
    /// several columns `label`, `a|b` in one, or a column of 0 and 1 for each label, an image may have several, and
    /// each has a sigmoid unit
    #[arg(long, value_name = "TABLE", requires = "whole")]
    labels: Option<PathBuf>,
}

impl Classes {
    /// Whether no classes are named.
    pub fn is_usual(&self) -> bool {
        self.classes.is_empty() && self.labels.is_none()
    }

    /// What is read beside the data set.
    pub fn table(&self) -> Option<&PathBuf> {
        self.labels.as_ref()
    }

    /// The examples in `folder`.
    ///
    /// # Errors
    /// Those of [`Examples::read`].
    pub fn read(&self, folder: &Path, read: &ReadOptions, cut: &RoiOptions) -> Result<Examples> {
        let which = Which::of(&self.classes);
        Examples::read(folder, read, cut, &which, self.labels.as_deref())
    }
}

/// How a network is judged by its validation side.
pub struct Validation<'a> {
    examples: &'a Examples,
    positive: Vec<usize>,
}

impl<'a> Validation<'a> {
    /// Of a network that has learnt `examples`, where the classes `positive` count as positive together.
    ///
    /// # Errors
    /// [`Error::Usage`] where one is no class, or all are.
    pub fn new(examples: &'a Examples, positive: &[String]) -> Result<Self> {
        let names = examples.names();
        match examples.taught {
            // What is abnormal was chosen when ROIs were cut.
            Taught::Two if !positive.is_empty() => {
                return Ok(Validation { examples, positive: vec![Class::Abnormal.index()] });
            }
            Taught::Labels(_) if !positive.is_empty() => {
                return Err(Error::usage(
                    "each label is judged by itself",
                    "leave --positive away",
                ));
            }
            _ => {}
        }
        let place = |name: &String| {
            let same = |other: &&str| other.to_lowercase() == name.to_lowercase();
            names.iter().position(same).ok_or_else(|| {
                let hint = format!("there are {}", names.join(", "));
                Error::usage(format!("--positive {name} is no class"), hint)
            })
        };
        let mut positive: Vec<usize> = positive.iter().map(place).collect::<Result<_>>()?;
        positive.sort_unstable();
        positive.dedup();
        match positive.len() < examples.names().len() {
            true => Ok(Validation { examples, positive }),
            false => {
                Err(Error::usage("every class counts as positive", "leave one out of --positive"))
            }
        }
    }

    /// What the network of `predictor` says of the images `indices` of `prepared`, which are on the side `split`: a line
    /// for each as CSV, with its labels, and the probability of each class.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn table(
        &self,
        predictor: &mut Predictor,
        prepared: &Prepared,
        indices: &[usize],
        split: &str,
    ) -> Result<Vec<u8>> {
        let examples = self.examples;
        let names = examples.names();
        let several = matches!(examples.taught, Taught::Labels(_));
        let scores = predictor.predict(prepared, indices)?;
        let said: Vec<Vec<f64>> = scores
            .iter()
            .map(|row| if several { each_alone(row) } else { probabilities(row) })
            .collect();
        let lines = indices.iter().zip(&said).map(|(&index, said)| {
            let roi = &examples.rois.rois[index];
            let labels: Vec<&str> =
                examples.classes[index].iter().map(|&class| names[class]).collect();
            let line =
                vec![roi.name.clone(), roi.source.clone(), split.to_owned(), labels.join("|")];
            (line, &said[..])
        });
        judged::table(&["name", "patient", "split", "label"], &names, lines)
    }

    /// What the network of `predictor` is worth on the images `validation` of `prepared`; none of the usual two classes
    /// where nothing more is asked for than the curves say.
    ///
    /// # Errors
    /// [`Error::Lost`] where a score is not finite; those of the GPU.
    pub fn of(
        &self,
        predictor: &mut Predictor,
        prepared: &Prepared,
        validation: &[usize],
    ) -> Result<Option<Judged>> {
        let Validation { examples, positive } = self;
        if examples.taught == Taught::Two && positive.is_empty() {
            return Ok(None);
        }
        let count = examples.names().len();
        let scores = predictor.predict(prepared, validation)?;
        let patients = validation.iter().map(|&index| &examples.rois.rois[index].source[..]);
        if !matches!(examples.taught, Taught::Labels(_)) {
            let said: Vec<Vec<f64>> = scores.iter().map(|row| probabilities(row)).collect();
            let answers: Vec<Answer> = patients
                .zip(validation)
                .zip(&said)
                .map(|((patient, &index), probabilities)| Answer {
                    patient,
                    class: prepared.labels[index],
                    probabilities,
                })
                .collect();
            let judged = Judgement::with_positive(&answers, count, None, positive);
            return Ok(Some(Judged::Classes(Box::new(judged))));
        }
        let said: Vec<Vec<f64>> = scores.iter().map(|row| each_alone(row)).collect();
        let known = |&index: &usize| prepared.marks[index].iter().copied().map(Some).collect();
        let marks: Vec<Vec<Option<bool>>> = validation.iter().map(known).collect();
        let marked: Vec<Marked> = patients
            .zip(&marks)
            .zip(&said)
            .map(|((patient, marks), probabilities)| Marked { patient, marks, probabilities })
            .collect();
        Ok(Some(Judged::Labels(LabelsJudgement::new(&marked, count, None))))
    }
}

/// How many pictures of each class are learnt from and validated on, in words.
pub fn counts_in_words(examples: &Examples, [train, validation]: &[Vec<usize>; 2]) -> String {
    let each = examples.names().into_iter().zip(train.iter().zip(validation));
    let each = each.map(|(name, (train, validation))| format!("{name} {train} + {validation}"));
    let each: Vec<String> = each.collect();
    format!("learnt from and validated on: {}", each.join(", "))
}
