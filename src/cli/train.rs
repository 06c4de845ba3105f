//! `parula train`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::classes::{self, Classes, Validation};
use super::judged::{Judged, roc_files};
use super::network::scaling;
use super::training::{Training, start_from};
use super::{Global, Numbers, Repeat, print, print_json};
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::{Class, Examples, RoiOptions, layout, split};
use crate::lab::experiment::classified::{Sides, judgement, table};
use crate::lab::experiment::{Classified, Setup, tables};
use crate::lab::report::curves;
use crate::lab::run_folder::{Again, RunFolder};
use crate::nets::classes::Taught;
use crate::nets::images::Scaling;
use crate::nets::keras;
use crate::nets::models::{self, Head};
use crate::nets::train::{Predictor, TrainOptions, epochs_of, save, train_after};
use crate::nets::weights::{Format, Raw};
use crate::stop::Stop;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula train --data mammograms --model compact-resnet --out resnet.safetensors\n  \
    parula train --data BUSI --whole --classes benign,malignant,normal --model compact-resnet --out three.safetensors\n  \
    parula train --data photos --whole --labels photos/labels.csv --model compact-resnet --out labels.safetensors\n  \
    parula train --data mammograms --model xception --preset paper --out xception.safetensors\n  \
    parula train --data mammograms --model xception --preset paper --out xception.safetensors --resume\n  \
    parula train --data mammograms --weights model.keras --freeze 'base/*' --out tuned.keras\n\n\
    OUT.state.safetensors is what --resume goes on from. It is kept when the training is finished: with more\n\
    --epochs it goes on from the last one, along the schedule of all epochs. Only with --schedule constant is\n\
    the result that of as many epochs from the start: a cosine, which has come to rest, rises again.")]
pub struct Train {
    /// The data set
    #[arg(long)]
    data: PathBuf,
    #[command(flatten)]
    classes: Classes,
    /// The network, see `parula models`; not where the file of the weights says what the model is
    #[arg(long, required_unless_present = "weights")]
    model: Option<String>,
    /// Weights to start from, with a fresh head where theirs has other units. Without --model a .keras file, whose
    /// model is trained further: layers that are not trainable in it stay as they are
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Layers of a .keras file that stay as they are, by name, in which * stands for anything, as base/block1*;
    /// the name of a model inside stands for all of it
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', conflicts_with = "model")]
    freeze: Vec<String>,
    /// How pixels of 0 to 255 become the numbers of a .keras file's model: none, unit, tf, torch or caffe [none:
    /// the model scales them itself]
    #[arg(long, value_parser = scaling, conflicts_with = "model")]
    scaling: Option<Scaling>,
    /// The weights file to write: .safetensors, or Keras .weights.h5, .h5, .keras; curves go beside it
    /// as CSV, PNG and SVG, a JSON line an epoch while it trains, as OUT.epochs.jsonl, what the network says of each
    /// image as CSV, and the ROC curves of the validation images as OUT.roc.png and .svg. Of a .keras file's model it
    /// is a .keras file with the same configuration
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    training: Training,
    #[command(flatten)]
    numbers: Numbers,
}

/// The files that a training leaves which writes its weights to `out`: those, its curves, and its state, from
/// which it can be gone on with.
struct Files {
    weights: PathBuf,
    csv: PathBuf,
    png: PathBuf,
    svg: PathBuf,
    /// The ROC curves of the validation side, as PNG and SVG.
    roc: [PathBuf; 2],
    lines: PathBuf,
    /// What the network says of the validation side.
    predictions: PathBuf,
    /// The same of what it has learnt from.
    training_predictions: PathBuf,
    state: PathBuf,
}

impl Files {
    fn of(out: &Path) -> Self {
        let mut state = out.as_os_str().to_owned();
        state.push(".state.safetensors");
        Files {
            weights: out.to_owned(),
            csv: out.with_extension("csv"),
            png: out.with_extension("png"),
            svg: out.with_extension("svg"),
            roc: roc_files(out),
            lines: epochs_of(out),
            predictions: out.with_extension("predictions.csv"),
            training_predictions: out.with_extension("predictions.train.csv"),
            state: PathBuf::from(state),
        }
    }

    /// What is made when all epochs are done.
    fn made(&self) -> [PathBuf; 9] {
        let Files {
            weights,
            csv,
            png,
            svg,
            roc,
            lines,
            predictions,
            training_predictions,
            state: _,
        } = self;
        let [roc, vectors] = roc;
        [weights, csv, png, svg, roc, vectors, lines, predictions, training_predictions]
            .map(PathBuf::clone)
    }

    /// Says that all of them will be written.
    fn claim(&self, run: &RunFolder) -> Result<()> {
        // Written, and then deleted: what it has learnt would be lost without a word.
        if run.knows(&self.state)? && run.has_made(&self.weights)? && !self.state.exists() {
            return Err(Error::content(
                &self.weights,
                format!(
                    "it is finished, and {} is gone, from which to go on",
                    self.state.display()
                ),
                "give --overwrite to begin anew, or another --out",
            ));
        }
        // They are made again, of the state; what somebody has put into them would be lost.
        self.made().iter().try_for_each(|path| run.intact(path).map(drop))?;
        run.claim(self.made())?;
        run.claim_state(&self.state)
    }
}

impl Train {
    /// How which network is trained, whose weights are written in `format`.
    fn setup(&self, format: Format, stop: &Stop) -> Result<Setup> {
        let Some(path) = self.weights.as_deref().filter(|_| self.model.is_none()) else {
            let network = models::find(self.model.as_deref().unwrap_or_default())?;
            // What the head is like may be known only once the classes are.
            let start = self.weights.as_deref().filter(|_| self.classes.is_usual());
            return self.training.setup(network, start, stop);
        };
        let raw = Raw::read(path)?;
        if raw.format != Format::KerasArchive || !keras::describes(&raw) {
            return Err(Error::content(
                path,
                "it is no .keras file that says what the model is",
                "save the model with model.save(\"x.keras\"), or give --model NAME",
            ));
        }
        if format != Format::KerasArchive {
            return Err(Error::usage(
                format!("{} is no .keras file, which this model goes back to", self.out.display()),
                "let --out end in .keras",
            ));
        }
        let file = keras::open_frozen(raw, self.training.size, &self.freeze)?;
        self.training.fine_tuning(file, self.scaling, stop)
    }

    /// Refuses a model of a file whose head is not of the classes `names`, which `setup` shall learn.
    fn expect_head(&self, setup: &Setup, names: &[&str]) -> Result<()> {
        let own = setup.network.classes;
        let several = matches!(setup.train.taught, Taught::Labels(_));
        let sigmoids = own > 1 && setup.train.head == Head::Sigmoid;
        if sigmoids == several && setup.train.units()? == own {
            return Ok(());
        }
        let (count, names) = (names.len(), names.join(", "));
        let learnt = match several {
            true => format!("{count} labels, each with a sigmoid ({names})"),
            false => format!("{count} classes ({names})"),
        };
        let output = setup.network.output().describe();
        Err(Error::content(
            self.weights.as_deref().unwrap_or(Path::new("")),
            format!("its head is of {own} units, {output}, and there are {learnt}"),
            match sigmoids && !several {
                true => {
                    "classes exclude each other: give the model a softmax, or --labels TABLE where they do not"
                }
                false => "name as many by --classes, or give the model another head",
            },
        ))
    }

    /// Makes the head of `setup` that of the classes of `examples`, and takes up the weights to start from.
    fn teach(&self, setup: &mut Setup, examples: &Examples) -> Result<()> {
        setup.train.taught = examples.taught.clone();
        let classes = examples.names().len();
        if classes > 2 && self.training.head.is_none() && !setup.network.described() {
            setup.train.head = Head::Softmax;
        }
        let several = matches!(examples.taught, Taught::Labels(_));
        if several && self.training.head == Some(Head::Softmax) {
            return Err(Error::usage(
                "an image may have several labels, which do not compete",
                "leave --head softmax away",
            ));
        }
        if setup.network.described() {
            return self.expect_head(setup, &examples.names());
        }
        match &self.weights {
            Some(path) if !self.classes.is_usual() || examples.taught != Taught::Two => {
                start_from(setup, path)
            }
            _ => Ok(()),
        }
    }

    pub fn run(&self, global: &Global) -> Result<()> {
        // Before hours of training, not after.
        let format = Format::of_ending(&self.out)?;
        let out = Files::of(&self.out);
        let made = out.made();
        let written = made.iter().chain([&out.state]);
        let mut read = layout::list(&self.data)?.files;
        if let Some(outlines) = self.training.pictures.beside() {
            read.extend(layout::list(outlines)?.files);
        }
        outputs::expect_apart(
            read.iter().chain(&self.weights).chain(self.classes.table()),
            written.clone(),
        )?;
        let mut setup = self.setup(format, &global.stop)?;
        let network = setup.network;
        let again = self.repeat.again();
        let gpu = global.open(self.numbers.precision)?;
        if network.described() && self.classes.is_usual() && !self.training.whole {
            // What the classes are is known before anything is read.
            self.expect_head(&setup, &Class::ALL.map(Class::name))?;
        }
        if !network.described() || network.classes <= 2 {
            setup.fits(&gpu)?;
        }
        let run = RunFolder::of_file(&self.out, "train", again)?;
        out.claim(&run)?;
        let seed = global.seed;
        let Training { whole, duplicates, .. } = self.training;
        let cut = RoiOptions { seed, whole, duplicates, ..RoiOptions::default() };
        let examples = self.classes.read(&self.data, &self.training.read(), &cut)?;
        examples.notes.iter().for_each(|note| crate::console::note!("{note}"));
        self.teach(&mut setup, &examples)?;
        let validation = Validation::new(&examples, &self.training.positive)?;
        let mut read = self.training.read();
        if examples.taught != Taught::Two {
            // It says how the network is judged, and not what it sees.
            read.positive.clear();
        }
        let options = TrainOptions {
            seed,
            checkpoint: Some(self.out.clone()),
            state: Some(out.state.clone()),
            lines: Some(out.lines.clone()),
            pictures: self.training.cut(&read),
            longer: again == Again::Resume,
            ..setup.train.clone()
        };
        let read = &examples.rois;
        let rois = &read.rois;
        let split = examples.split(split::VALIDATION, seed)?;
        let leakage = read.leakage(std::slice::from_ref(&split));
        setup.expect(&gpu, std::slice::from_ref(&split), rois.len())?;
        let mut prepared = setup.prepare(rois);
        examples.label(&mut prepared);
        let counts = [&split.train, &split.validation].map(|side| examples.counts(side));
        if examples.taught != Taught::Two {
            crate::console::note!("{}", classes::counts_in_words(&examples, &counts));
        }
        outputs::list_files(written)?;
        // Until it is done these are neither of the earlier training nor of this one.
        let accepted = || run.renew(&made);
        let name = network.name;
        let trained = train_after(&gpu, network, &prepared, &split, &options, name, accepted)?;
        let mut predictor = Predictor::new(&gpu, trained.model.clone(), &trained.store)?;
        // Of the usual two classes tables have one probability, that of abnormal, as those of `reproduce`.
        let two = match examples.taught {
            Taught::Two => Some(Sides::predict(&mut predictor, &prepared, rois, &split)?),
            _ => None,
        };
        let judged = match &two {
            Some(sides) => Some(Judged::Classes(Box::new(judgement(&sides.validation)))),
            None => validation.of(&mut predictor, &prepared, &split.validation)?,
        };
        let names: Vec<String> = examples.names().into_iter().map(str::to_owned).collect();
        run.make_all(&made, &trained.configuration, || {
            save(&out.weights, &trained.weights, &trained.model)?;
            match &two {
                Some(sides) => {
                    tables::write(&out.predictions, &sides.validation)?;
                    tables::write(&out.training_predictions, &sides.train)?;
                }
                None => {
                    let mut write = |path: &Path, indices: &[usize], side: &str| {
                        files::write(
                            path,
                            &validation.table(&mut predictor, &prepared, indices, side)?,
                        )
                    };
                    write(&out.predictions, &split.validation, tables::VALIDATION)?;
                    write(&out.training_predictions, &split.train, tables::TRAIN)?;
                }
            }
            if let Some(judged) = &judged {
                judged.save_roc(&names, &out.roc[0])?;
            }
            curves::save(&trained.records, network.name, &out.csv, &out.png)
        })?;
        run.finish()?;
        if network.described() && examples.taught != Taught::Two {
            // A copy of the user's file has no place for them.
            let names = examples.names().join(",");
            crate::console::note!(
                "{}: name its classes by --class-names {names}",
                self.out.display()
            );
        }
        let best = trained.best;
        let at_threshold = two.as_ref().and_then(Sides::at_training_threshold);
        if global.json {
            return print_json(&serde_json::json!({
                "model": network.name, "weights": self.out, "epochs": trained.records,
                "best_epoch": best.epoch, "val_acc": best.val_accuracy,
                "seconds": trained.time.as_secs_f64(), "adapter": gpu.report().to_string(),
                "train": split.train.len(), "validation": split.validation.len(),
                "predictions": out.predictions, "roc": out.roc[0], "judgement": judged,
                "at_training_threshold": at_threshold, "leakage": leakage,
                "duplicates": read.duplicates, "truth": read.truth, "classes": examples.names(),
                "train_by_class": counts[0], "validation_by_class": counts[1],
            }));
        }
        print(&format!(
            "{}: validation accuracy {:.3} in epoch {} of {}, {:.0} s; weights in {}, curves in {}, \
             predictions in {}, ROC curves in {}\n",
            network.name,
            best.val_accuracy,
            best.epoch,
            trained.records.len(),
            trained.time.as_secs_f64(),
            self.out.display(),
            out.png.display(),
            out.predictions.display(),
            out.roc[0].display(),
        ))?;
        match (&two, judged) {
            (Some(sides), _) => print(
                &table(
                    [(
                        network.name.to_owned(),
                        &Classified::new(&sides.validation),
                        at_threshold.as_ref(),
                    )]
                    .into_iter(),
                )
                .to_text(),
            ),
            (None, Some(judged)) => print(&format!("\n{}", judged.text(&names))),
            (None, None) => Ok(()),
        }
    }
}
