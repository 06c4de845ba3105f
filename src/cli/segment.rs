//! `parula segment`.

use std::path::PathBuf;

use clap::Args;

use super::images::{Found, Image, Images};
use super::network::{self, Source};
use super::weak::RecipeArgs;
use super::{Global, Numbers, print, print_json};
use crate::error::{Error, Result};
use crate::lab::experiment::Saved;
use crate::lab::segment::{Pseudo, Recipe, pseudo};
use crate::nets::classifier::Classifier;
use crate::nets::images::grey::resize_plane;
use crate::nets::images::{Colour, Grey};
use crate::nets::train::Segmenter;
use crate::parallel;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    parula segment --model compact-unet --weights weak/weights/0.weak.safetensors roi.png --out masks\n  \
    parula segment --model compact-xception --weights xception.safetensors roi.png --out masks")]
pub struct Segment {
    /// The probability above which a pixel is in the mask
    #[arg(long, default_value_t = 0.5)]
    threshold: f32,
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Of a classifier: the images are whole ones, and not ROIs cut around their lesions
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    images: Images,
    /// Where to write; for each image NAME.png, 255 in the mask and 0 elsewhere, at the image's size
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    numbers: Numbers,
}

/// How the output of an image ends.
const ENDINGS: [&str; 1] = ["png"];

/// What gives the probability of each pixel.
enum Masker {
    Network(Box<Segmenter>),
    Heatmaps(Box<(Saved, Recipe)>),
}

impl Segment {
    pub fn run(&self, global: &Global) -> Result<()> {
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            return Err(Error::usage(
                format!("a threshold of {} leaves all or nothing", self.threshold),
                "give a probability between 0 and 1",
            ));
        }
        let found = self.images.find(&ENDINGS)?;
        found.expect_apart(&self.out, &ENDINGS, &[self.source.weights(self.images.model())])?;
        let gpu = global.open(self.numbers.precision)?;
        let loaded =
            self.source.load_any(self.images.model(), &gpu, found.images.len(), global.seed)?;
        network::expect_finite(&loaded, &found.images)?;
        let mut masker = match loaded.network.segments() {
            true => {
                let mut given = self.recipe.given();
                given.extend(self.whole.then_some("--whole"));
                if let Some(first) = given.first() {
                    return Err(Error::usage(
                        format!(
                            "{first} is of a classifier's heatmaps, and {} gives masks itself",
                            loaded.network.name
                        ),
                        format!("leave out {}", given.join(", ")),
                    ));
                }
                let model = loaded.model.clone();
                Masker::Network(Box::new(Segmenter::new(&gpu, model, &loaded.store)?))
            }
            false => {
                let recipe = self.recipe.get(self.whole)?;
                Masker::Heatmaps(Box::new((classifier(&loaded)?, recipe)))
            }
        };
        found.open(&self.out, &ENDINGS)?;
        let Found { images, mut failures, .. } = found;
        let (size, batch) = (loaded.model.size, loaded.model.batch);
        let mut documents = Vec::new();
        // Images in whose heatmaps nothing speaks for a lesion.
        let mut blind = 0;
        network::stream(
            &loaded,
            &images,
            batch,
            |colour| colour,
            |stream| {
                let written = |done: usize| format!("{done} masks are written");
                while let Some((found, prepared)) =
                    network::next(stream, &images, &mut failures, &global.stop, |_| {
                        written(documents.len())
                    })
                {
                    let greys: Vec<Grey> = found.iter().map(|(_, colour)| colour.grey()).collect();
                    let masks = each(found.len(), |some| match &mut masker {
                        Masker::Network(segmenter) => {
                            let found = segmenter.probabilities(&prepared, some)?;
                            let one = |probability| Likely { probability, all_zero: false };
                            Ok(found.into_iter().map(one).collect())
                        }
                        Masker::Heatmaps(heatmaps) => {
                            let (classifier, recipe) = &**heatmaps;
                            let greys: Vec<&Grey> =
                                some.iter().map(|&index| &greys[index]).collect();
                            let found =
                                pseudo(&gpu, classifier, &greys, recipe, size, &global.stop)?;
                            let one = |Pseudo { heatmap, belief }| Likely {
                                probability: belief,
                                all_zero: heatmap.iter().all(|&value| value == 0.0),
                            };
                            Ok(found.into_iter().map(one).collect())
                        }
                    });
                    let probabilities = match masks {
                        Ok(probabilities) => probabilities,
                        Err(error) => {
                            failures.stop(error);
                            break;
                        }
                    };
                    let likely: Vec<_> = found.iter().zip(probabilities).collect();
                    let written = parallel::map(&likely, |((image, colour), likely)| {
                        let likely = likely.as_ref().ok()?;
                        Some(self.write(image, colour, &likely.probability, size))
                    });
                    let mut full = false;
                    for (((image, colour), likely), written) in likely.into_iter().zip(written) {
                        let all_zero = match likely {
                            Ok(likely) => likely.all_zero,
                            Err(error) => {
                                failures.add(of_image(error, image));
                                continue;
                            }
                        };
                        let (mask, count) = match written {
                            Some(Ok(written)) => written,
                            Some(Err(error)) => {
                                full |= failures.add_unwritten(error);
                                continue;
                            }
                            None => continue,
                        };
                        let (width, height) = (colour.width, colour.height);
                        documents.push(serde_json::json!({
                    "image": image.shown(), "mask": mask.display().to_string(), "width": width, "height": height,
                    "mask_pixels": count, "share": count as f64 / (width * height) as f64,
                    "all_zero": all_zero,
                }));
                        blind += usize::from(all_zero);
                    }
                    if full {
                        break;
                    }
                }
            },
        );
        if blind > 0 {
            crate::console::note!(
                "nothing speaks for abnormal in {blind} of {} images: what their masks show, the image alone suggests",
                documents.len()
            );
        }
        match global.json {
            true => print_json(&documents)?,
            false => {
                let are = if documents.len() == 1 { "mask is" } else { "masks are" };
                print(&format!("{} {are} in {}\n", documents.len(), self.out.display()))?;
            }
        }
        failures.end()
    }

    /// Writes the mask of `image`, shown as `colour`, whose pixels have these probabilities at `size`; returns its
    /// file and how many pixels are inside.
    fn write(
        &self,
        image: &Image,
        colour: &Colour,
        probability: &[f32],
        size: [usize; 2],
    ) -> Result<(PathBuf, usize)> {
        let (width, height) = (colour.width, colour.height);
        let levels = resize_plane(probability, size, [height, width]);
        let inside = |p: &f32| if *p > self.threshold { 255 } else { 0 };
        let pixels: Vec<u8> = levels.iter().map(inside).collect();
        let count = pixels.iter().filter(|pixel| **pixel > 0).count();
        let mask = self.out.join(format!("{}.png", image.name));
        Grey { width, height, pixels }.write(&mask)?;
        Ok((mask, count))
    }
}

/// What is likely of an image.
#[derive(Default)]
struct Likely {
    /// Of each pixel of the network's input: that it is foreground.
    probability: Vec<f32>,
    /// Whether there is a heatmap, and nothing in it.
    all_zero: bool,
}

/// What `of` gives for the images 0 to `count`, all at once; where a number is lost in one of them, of each by
/// itself.
fn each(
    count: usize,
    mut of: impl FnMut(&[usize]) -> Result<Vec<Likely>>,
) -> Result<Vec<Result<Likely>>> {
    let all: Vec<usize> = (0..count).collect();
    match of(&all) {
        Ok(found) => Ok(found.into_iter().map(Ok).collect()),
        Err(Error::Lost { .. }) => {
            let one = |index: usize| Ok(of(&[index])?.pop().unwrap_or_default());
            Ok(all.into_iter().map(one).collect())
        }
        Err(error) => Err(error),
    }
}

/// What was lost, by the image's own name.
fn of_image(error: Error, image: &Image) -> Error {
    match error {
        Error::Lost { what, layer, .. } => Error::Lost { subject: image.shown(), what, layer },
        other => other,
    }
}

/// A classifier whose second class is what is to be outlined.
fn classifier(loaded: &Classifier) -> Result<Saved> {
    if loaded.model.classes > 2 {
        return Err(Error::usage(
            format!(
                "{} has a head of {} classes, not of normal and abnormal",
                loaded.network.name, loaded.model.classes
            ),
            "train it by `parula train`, or give compact-unet and its weights",
        ));
    }
    let (model, store) = (loaded.model.clone(), loaded.store.clone());
    Ok(Saved { model, store, scaling: loaded.scaling })
}
