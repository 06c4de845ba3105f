//! `parula weights`: files of weights, without a GPU.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Global, print, print_json};
use crate::error::Result;
use crate::files::{self, outputs};
use crate::nets::classes::units;
use crate::nets::keras;
use crate::nets::models::{self, Mode, Network, in_words};
use crate::nets::weights::{self, Format, Raw, Top};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula weights convert xception.keras xception.safetensors")]
pub struct Weights {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write weights in another format, which the ending of the new file names
    ///
    /// .safetensors; .weights.h5, for `model.load_weights` of Keras 3; .h5, for `model.load_weights`
    /// of Keras 2 and 3; .keras, which `keras.models.load_model` reads only where the old file is a
    /// .keras, too.
    #[command(
        after_help = "Example:\n  parula weights convert xception.keras xception.safetensors"
    )]
    Convert(Convert),
    /// Say which format a file has, which network it is for, and which layers it holds
    #[command(after_help = "Example:\n  parula weights inspect xception.weights.h5")]
    Inspect(Inspect),
}

#[derive(Debug, Args)]
struct Convert {
    /// The weights: .safetensors, or Keras .h5, .weights.h5, .keras
    from: PathBuf,
    /// The file to write
    to: PathBuf,
    /// The network, where it cannot be told from the weights
    #[arg(long)]
    model: Option<String>,
}

#[derive(Debug, Args)]
struct Inspect {
    /// The weights
    file: PathBuf,
}

impl Weights {
    pub fn run(&self, global: &Global) -> Result<()> {
        match &self.command {
            Command::Convert(command) => command.run(global),
            Command::Inspect(command) => command.run(global),
        }
    }
}

impl Convert {
    fn run(&self, global: &Global) -> Result<()> {
        let format = Format::of_ending(&self.to)?;
        outputs::expect_apart([&self.from], [&self.to])?;
        let mut raw = Raw::read(&self.from)?;
        let network = match &self.model {
            Some(name) => raw.deepened(models::find_any(name)?)?,
            None => raw.identify()?,
        };
        let classes = raw.units(network);
        let top = if classes.is_some() { Top::Keep } else { Top::Drop };
        let model = network.build(Mode::Inference, 1, network.input, classes.unwrap_or(1))?;
        let from = raw.format;
        // A configuration of another format's version is none that Keras takes in an archive.
        let config = raw.config.take().filter(|_| from == Format::KerasArchive);
        let resolved = raw.resolve(&model, top)?;
        files::create_folder_of(&self.to)?;
        weights::save(&self.to, &resolved, &model.layers, config.as_deref())?;
        if classes.is_none() {
            crate::console::note!(
                "{}: has no head, and {} has none either",
                self.from.display(),
                self.to.display()
            );
        }
        if format == Format::KerasArchive && config.is_none() {
            crate::console::note!(
                "{}: holds no configuration of a Keras model: load it with model.load_weights, not \
                 with load_model",
                self.to.display()
            );
        }
        let tensors = resolved.tensors.len();
        if global.json {
            return print_json(&serde_json::json!({
                "from": self.from, "from_format": from.to_string(), "to": self.to,
                "to_format": format.to_string(), "model": network.name, "classes": classes,
                "tensors": tensors,
            }));
        }
        print(&format!(
            "{}, {tensors} tensors, {}: {from} to {format}, in {}\n",
            network.name,
            head_in_words(classes),
            self.to.display(),
        ))
    }
}

impl Inspect {
    fn run(&self, global: &Global) -> Result<()> {
        let mut raw = Raw::read(&self.file)?;
        let (network, problem) = match raw.identify() {
            Ok(network) => (Some(network), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let name = network.map(|network: &Network| network.name);
        if let Some(network) = network {
            raw.arrange(network)?;
        }
        let classes = network.map_or(raw.classes(), |network| raw.units(network));
        if global.json {
            let layers: Vec<_> = raw
                .layers
                .iter()
                .map(|layer| {
                    let tensors = layer.tensors.iter().map(|(name, tensor)| {
                        serde_json::json!({ "name": name, "shape": tensor.dims() })
                    });
                    serde_json::json!({
                        "name": layer.label(), "place": layer.place,
                        "tensors": tensors.collect::<Vec<_>>(),
                    })
                })
                .collect();
            return print_json(&serde_json::json!({
                "file": self.file, "format": raw.format.to_string(), "model": name,
                "problem": problem, "classes": classes, "numbers": raw.numbers(),
                "metadata": raw.metadata, "layers": layers,
            }));
        }
        let mut text = format!(
            "{}: {}, {} numbers in {} layers, {}\n",
            self.file.display(),
            raw.format,
            raw.numbers(),
            raw.layers.len(),
            head_in_words(classes),
        );
        text += &match (name, problem) {
            (Some(name), _) => match network.map_or(&[][..], Network::dense) {
                [] => format!("network: {name}\n"),
                units => format!("network: {name}, with {}\n", in_words(units)),
            },
            (None, _) if keras::describes(&raw) => {
                "network: the one that the file describes, see `parula explain`\n".to_owned()
            }
            (None, problem) => format!("network: not known: {}\n", problem.unwrap_or_default()),
        };
        for layer in &raw.layers {
            text += &format!("  {:<40} {}\n", layer.label(), layer.describe());
        }
        print(&text)
    }
}

fn head_in_words(classes: Option<usize>) -> String {
    classes.map_or("no head".to_owned(), |classes| format!("a head of {}", units(classes)))
}
