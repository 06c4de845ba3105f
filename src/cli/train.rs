//! `parula train`, and the options of training that `reproduce` shares.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::classes::{self, Classes, Judge};
use super::judged::Judged;
use super::network::scaling;
use super::pictures::Pictures;
use super::{Global, Numbers, Repeat, at_least_one, print, print_json};
use crate::engine::graph::Role;
use crate::engine::ops::Optimizer;
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::data::duplicates::Handling as Duplicates;
use crate::lab::data::{Class, Examples, ReadOptions, RoiOptions, layout, split};
use crate::lab::experiment::classified::{Sides, judgement, table};
use crate::lab::experiment::{Classified, Setup, pictures, tables};
use crate::lab::report::curves;
use crate::lab::run_folder::{Again, RunFolder};
use crate::nets::classes::Taught;
use crate::nets::classifier::{another_size, fitted};
use crate::nets::images::{Augment, Flips, Jitter, Scaling};
use crate::nets::keras;
use crate::nets::models::{self, Head, Mode, Network, Output};
use crate::nets::train::{
    Predictor, Preset, Schedule, Statistics, TrainOptions, epochs_of, save, train_after,
};
use crate::nets::weights::{Format, Raw};
use crate::stop::Stop;

/// How to train.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct Training {
    /// A set of the options below, each of which can still be given. paper: the likely set-up of the
    /// paper's first author. modern: two softmax units, Adam along a cosine, mirrored images. Without it
    /// modern, but 20 epochs at 0.002 for the compact networks
    #[arg(long)]
    preset: Option<Preset>,
    /// Passes over the training images, at most [200 with early stopping; compact networks: 20]
    #[arg(long)]
    epochs: Option<u32>,
    /// Images in a step [32; paper: 26]
    #[arg(long, value_parser = at_least_one)]
    batch: Option<usize>,
    /// A unit for each class, which compete, or of two classes one [softmax; paper: sigmoid]
    #[arg(long)]
    head: Option<Head>,
    /// The optimiser [adam; paper: nadam]
    #[arg(long, value_parser = ["sgd", "adam", "nadam", "rmsprop"])]
    optimizer: Option<String>,
    /// The learning rate at the start [0.001; compact networks: 0.002; paper: 0.0001]
    #[arg(long)]
    learning_rate: Option<f64>,
    /// How the learning rate goes on [cosine; paper: constant]
    #[arg(long)]
    schedule: Option<Schedule>,
    /// Stop after this many epochs without a lower validation loss; 0 for never [30; compact networks:
    /// 0; paper: 20]
    #[arg(long)]
    patience: Option<u32>,
    /// Means and variances that batch normalisation goes by outside training [running]. Running ones settle
    /// over a thousand steps or more in mobilenet-v2 (momentum 0.999) and nasnet-mobile (0.9997): after
    /// fewer, such a network validates as if it had not learnt. Re-estimating them costs up to 64 forward
    /// passes an epoch
    #[arg(long)]
    batch_norm_statistics: Option<Statistics>,
    /// Do not mirror training images
    #[arg(long)]
    no_flips: bool,
    /// Also move, scale and relight training images a little
    #[arg(long)]
    jitter: bool,
    /// Height and width of the network's input [the network's usual ones; paper: 320]
    #[arg(long, value_parser = at_least_one)]
    size: Option<usize>,
    /// Learn from whole images, abnormal and normal, instead of ROIs; they are not turned upside down
    #[arg(long)]
    pub(super) whole: bool,
    /// The labels whose lesions count as abnormal, such as malignant: ROIs of all others count as normal. Of other
    /// classes those that count as positive together when the network is judged [all lesions]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    positive: Vec<String>,
    #[command(flatten)]
    pub(super) pictures: Pictures,
    /// Pictures that show the same scan, by their pixels: group keeps them on one side of the split, drop
    /// takes one of them, keep treats them as different. Those with equal pixels are never on both sides
    #[arg(long, default_value = "group")]
    pub(super) duplicates: Duplicates,
}

impl Training {
    /// What is done to training images where `usual` is what would be.
    pub fn augment(&self, usual: Augment) -> Augment {
        let flips = match (self.no_flips, self.whole) {
            (true, _) => Flips::default(),
            (false, true) => usual.flips.upright(),
            (false, false) => usual.flips,
        };
        Augment { flips, jitter: self.jitter.then(Jitter::default).or(usual.jitter) }
    }

    /// How the pictures of the data set are read.
    pub fn read(&self) -> ReadOptions {
        ReadOptions { positive: self.positive.clone(), ..self.pictures.options() }
    }

    /// What decides which pictures a network sees that are read so, by name, where it is not as usual.
    fn cut(&self, read: &ReadOptions) -> Map<String, Value> {
        let mut named = Map::new();
        if self.whole {
            named.insert("whole".to_owned(), json!(true));
        }
        if self.duplicates != Duplicates::default() {
            named.insert("duplicates".to_owned(), json!(self.duplicates));
        }
        let pictures = pictures(read);
        if !pictures.is_empty() {
            named.insert("pictures".to_owned(), Value::Object(pictures));
        }
        named
    }

    /// How `network` is trained, from scratch or from the weights in `start`.
    pub fn setup(
        &self,
        network: &'static Network,
        start: Option<&Path>,
        stop: &Stop,
    ) -> Result<Setup> {
        let invalid = |what: &str| Err(Error::usage(what.to_owned(), "see --help"));
        let mut setup = Setup::new(network, self.preset);
        if let Some(size) = self.size {
            setup.size = (size, size);
        }
        let train = &mut setup.train;
        let usual = train.clone();
        *train = TrainOptions {
            epochs: self.epochs.unwrap_or(usual.epochs),
            batch: self.batch.unwrap_or(usual.batch),
            head: self.head.unwrap_or(usual.head),
            optimizer: match self.optimizer.as_deref() {
                None => usual.optimizer,
                Some("sgd") => Optimizer::sgd(),
                Some("nadam") => Optimizer::nadam(),
                Some("rmsprop") => Optimizer::rms_prop(),
                Some(_) => Optimizer::adam(),
            },
            learning_rate: self.learning_rate.unwrap_or(usual.learning_rate),
            schedule: self.schedule.unwrap_or(usual.schedule),
            patience: match self.patience {
                Some(0) => None,
                given => given.or(usual.patience),
            },
            augment: self.augment(usual.augment),
            statistics: self.batch_norm_statistics.unwrap_or(usual.statistics),
            stop: stop.clone(),
            ..usual
        };
        if train.epochs == 0 {
            return invalid("--epochs must be 1 or more");
        }
        if !(train.learning_rate.is_finite() && train.learning_rate > 0.0) {
            return invalid("--learning-rate must be a positive number");
        }
        if let Some(path) = start {
            start_from(&mut setup, path)?;
        }
        Ok(setup)
    }

    /// How the model of the file `file` is trained further: with its own head, size and weights.
    fn fine_tuning(
        &self,
        file: keras::File,
        scaling: Option<Scaling>,
        stop: &Stop,
    ) -> Result<Setup> {
        let (network, path) = (file.network, file.raw.path.clone());
        let head = match (network.classes, network.output()) {
            (1, Output::Usual | Output::Sigmoid) | (2.., Output::Sigmoid) => Head::Sigmoid,
            (2.., Output::Usual | Output::Softmax) => Head::Softmax,
            (units, output) => {
                return Err(Error::content(
                    &path,
                    format!("its head is of {units} units, {}", output.describe()),
                    "classes are told apart by a unit each and softmax, or two by one and sigmoid",
                ));
            }
        };
        if self.head.is_some_and(|given| given != head) {
            return Err(Error::usage("the file has a head of its own", "leave out --head"));
        }
        let options = Training { head: Some(head), ..self.clone() };
        let mut setup = options.setup(network, None, stop)?;
        if self.size.is_none() {
            setup.size = (network.input[0], network.input[1]);
        }
        setup.scaling = scaling.unwrap_or(Scaling::None);
        if setup.scaling == Scaling::None && !file.scales {
            crate::console::note!(
                "{}: it scales no pixels itself: --scaling says what stood outside of it",
                path.display()
            );
        }
        let other = another_size(file.made_for, [setup.size.0, setup.size.1]);
        if !other.is_empty() {
            let (height, width) = setup.size;
            crate::console::note!("{}: trained at {height}x{width}{other}", path.display());
        }
        if !file.random.is_empty() {
            let all = file.random.join(", ");
            crate::console::note!("{}: {all}: nothing is drawn here in training", path.display());
        }
        let size = [setup.size.0, setup.size.1];
        let model = network.build(Mode::Inference, 1, size, network.classes)?;
        if model.graph.count(Role::Trainable) == 0 {
            return Err(Error::content(
                &path,
                "no layer of it is trained: all are frozen",
                "leave out --freeze, or save the model with trainable = True",
            ));
        }
        setup.train.start = Some(keras::weights(file.raw, &model)?);
        Ok(setup)
    }
}

/// The weights in `path` as those that `setup` starts from; a head of another size is left out.
fn start_from(setup: &mut Setup, path: &Path) -> Result<()> {
    let (network, units) = (setup.network, setup.train.units()?);
    let model = network.build(Mode::Inference, 1, network.input, units)?;
    setup.train.start = Some(fitted(Raw::read(path)?, &model)?);
    Ok(())
}

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
    /// as CSV, PNG and SVG, a JSON line an epoch while it trains, as OUT.epochs.jsonl, and what the network says of each
    /// image as CSV. Of a .keras file's model it is a .keras file with the same configuration
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
            lines: epochs_of(out),
            predictions: out.with_extension("predictions.csv"),
            training_predictions: out.with_extension("predictions.train.csv"),
            state: PathBuf::from(state),
        }
    }

    /// What is made when all epochs are done.
    fn made(&self) -> [PathBuf; 7] {
        let Files { weights, csv, png, svg, lines, predictions, training_predictions, state: _ } =
            self;
        [weights, csv, png, svg, lines, predictions, training_predictions].map(PathBuf::clone)
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
        let size = self.training.size.map(|size| [size; 2]);
        let file = keras::open_frozen(raw, size, &self.freeze)?;
        self.training.fine_tuning(file, self.scaling, stop)
    }

    /// Refuses a model of a file whose head is not of the classes `names`, which `setup` shall learn.
    fn expect_head(&self, setup: &Setup, names: &[&str]) -> Result<()> {
        let (own, units) = (setup.network.classes, setup.train.units()?);
        let several = matches!(setup.train.taught, Taught::Labels(_));
        let sigmoids = own > 1 && setup.train.head == Head::Sigmoid;
        if units == own && sigmoids == several {
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
            "name as many by --classes, or give the model another head",
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
        let judge = Judge::new(&examples, &self.training.positive)?;
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
        run.make_all(&made, &trained.configuration, || {
            save(&out.weights, &trained.weights, &trained.model)?;
            match &two {
                Some(sides) => {
                    tables::write(&out.predictions, &sides.validation)?;
                    tables::write(&out.training_predictions, &sides.train)?;
                }
                None => {
                    let mut write = |path: &Path, indices: &[usize], side: &str| {
                        files::write(path, &judge.table(&mut predictor, &prepared, indices, side)?)
                    };
                    write(&out.predictions, &split.validation, tables::VALIDATION)?;
                    write(&out.training_predictions, &split.train, tables::TRAIN)?;
                }
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
        let judged = match &two {
            Some(sides) => Some(Judged::Classes(Box::new(judgement(&sides.validation)))),
            None => judge.of(&mut predictor, &prepared, &split.validation)?,
        };
        let best = trained.best;
        let at_threshold = two.as_ref().and_then(Sides::at_training_threshold);
        if global.json {
            return print_json(&serde_json::json!({
                "model": network.name, "weights": self.out, "epochs": trained.records,
                "best_epoch": best.epoch, "val_acc": best.val_accuracy,
                "seconds": trained.time.as_secs_f64(), "adapter": gpu.report().to_string(),
                "train": split.train.len(), "validation": split.validation.len(),
                "predictions": out.predictions, "judgement": judged,
                "at_training_threshold": at_threshold, "leakage": leakage,
                "duplicates": read.duplicates, "truth": read.truth, "classes": examples.names(),
                "train_by_class": counts[0], "validation_by_class": counts[1],
            }));
        }
        print(&format!(
            "{}: validation accuracy {:.3} in epoch {} of {}, {:.0} s; weights in {}, curves in {}, predictions in {}\n",
            network.name,
            best.val_accuracy,
            best.epoch,
            trained.records.len(),
            trained.time.as_secs_f64(),
            self.out.display(),
            out.png.display(),
            out.predictions.display(),
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
            (None, Some(judged)) => {
                let names: Vec<String> = examples.names().into_iter().map(str::to_owned).collect();
                print(&format!("\n{}", judged.text(&names)))
            }
            (None, None) => Ok(()),
        }
    }
}
