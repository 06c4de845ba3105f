//! `parula cam --steps`: every step of each explanation, in a folder of its own for each image.

use std::path::{Path, PathBuf};

use super::images::Image;
use crate::error::{Error, Result};
use crate::files::{self, outputs};
use crate::lab::report::steps::{Subject, document, page};
use crate::nets::cam::{Stepper, Steps, npy};
use crate::nets::classifier::Classifier;
use crate::nets::images::{Colour, Grey};
use crate::nets::models::Mode;

/// What stands in an image's folder.
const FILES: [&str; 8] = [
    "steps.html",
    "steps.json",
    "activation.npy",
    "gradient.npy",
    "weights.npy",
    "sum.npy",
    "map.npy",
    "heatmap.png",
];

/// Where the steps of explanations go.
pub struct Folder<'a>(pub &'a Path);

impl Folder<'_> {
    fn names(&self, images: &[Image]) -> Vec<String> {
        let of = |image: &Image| FILES.map(|file| format!("{}/{file}", image.name));
        images.iter().flat_map(of).collect()
    }

    /// Refuses files that would be written over one of `read`, or over somebody's file.
    pub fn expect_apart<'p>(
        &self,
        images: &[Image],
        read: impl IntoIterator<Item = &'p Path>,
    ) -> Result<()> {
        let names = self.names(images);
        outputs::expect_apart(read, names.iter().map(|name| self.0.join(name)))?;
        outputs::expect_free(self.0, names)
    }

    /// Makes the folder, and lists what will be written.
    pub fn open(&self, images: &[Image]) -> Result<()> {
        files::create_folder(self.0)?;
        outputs::list(self.0, self.names(images).iter().map(String::as_str))
    }
}

/// Explains images step by step.
pub struct Writer {
    folder: PathBuf,
    stepper: Stepper,
    against: bool,
}

impl Writer {
    /// For the network `loaded`, at `layer` or its own.
    pub fn new(
        folder: &Path,
        loaded: &Classifier,
        layer: Option<&str>,
        against: bool,
    ) -> Result<Self> {
        let model = &loaded.model;
        let model = loaded.network.build(Mode::Inference, 1, model.size, model.classes)?;
        let sign = if against { -1.0 } else { 1.0 };
        let stepper = Stepper::new(&loaded.gpu, &model, &loaded.store, layer, sign)?;
        Ok(Writer { folder: folder.to_owned(), stepper, against })
    }

    /// Writes the steps to the explanation of `class` in `image`, whose scaled numbers are `input` and whose grey
    /// levels are `heatmap`.
    pub fn write(
        &mut self,
        loaded: &Classifier,
        (image, colour, input): (&Image, &Colour, &[f32]),
        class: usize,
        heatmap: &[u8],
    ) -> Result<()> {
        let steps = self.stepper.run(input, Some(class))?;
        self.expect_finite(&image.shown(), &steps)?;
        let subject = Subject {
            name: &image.name,
            image: colour,
            input: loaded.model.size,
            scaling: loaded.scaling.name(),
            network: loaded.network.name,
            classes: (0..loaded.model.classes)
                .map(|class| loaded.classes.name(class).unwrap_or_default().to_owned())
                .collect(),
            probabilities: loaded.probabilities(&steps.logits),
            against: self.against,
            heatmap,
            adapter: loaded.gpu.report().to_string(),
        };
        let folder = self.folder.join(&image.name);
        files::create_folder(&folder)?;
        let (width, height) = (colour.width, colour.height);
        let tensors = [
            ("activation", &steps.activation),
            ("gradient", &steps.gradient),
            ("weights", &steps.weights),
            ("sum", &steps.sum),
            ("map", &steps.map),
        ];
        for (name, tensor) in tensors {
            files::write(&folder.join(format!("{name}.npy")), &npy(tensor))?;
        }
        Grey { width, height, pixels: heatmap.to_vec() }.write(folder.join("heatmap.png"))?;
        files::write_json(&folder.join("steps.json"), &document(&steps, &subject))?;
        files::write(&folder.join("steps.html"), page(&steps, &subject)?.as_bytes())
    }

    fn expect_finite(&self, subject: &str, steps: &Steps) -> Result<()> {
        let all = [&steps.activation, &steps.gradient, &steps.weights, &steps.sum];
        match all.iter().flat_map(|tensor| tensor.data()).all(|value| value.is_finite()) {
            true => Ok(()),
            false => Err(Error::shape(
                format!("{subject}, layer {}", steps.layer),
                "an activation, a gradient or a weight is not finite",
            )),
        }
    }
}
