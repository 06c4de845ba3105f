//! `parula segment`.

use std::path::PathBuf;

use clap::Args;

use super::images::Images;
use super::network::{Loaded, Source, stems};
use super::weak::RecipeArgs;
use super::{Global, print, print_json};
use crate::data::image::resize_plane;
use crate::data::{Colour, Grey};
use crate::error::{Error, Result};
use crate::experiment::Saved;
use crate::files;
use crate::gpu::Precision;
use crate::segment::{Recipe, pseudo};
use crate::train::{Segmenter, interruption};

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    parula segment --model compact-unet --weights weak/weights/0.weak.safetensors roi.png --out masks\n  \
    parula segment --model compact-xception --weights xception.safetensors roi.png --out masks")]
pub struct Segment {
    #[command(flatten)]
    source: Source,
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
}

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
        let (found, _) = self.images.find()?;
        let gpu = global.open(Precision::F32)?;
        let loaded = self.source.load_any(&gpu, found.len(), global.seed)?;
        let mut masker = match loaded.network.segments() {
            true => {
                let model = loaded.model.clone();
                Masker::Network(Box::new(Segmenter::new(&gpu, model, &loaded.store)?))
            }
            false => {
                let recipe = self.recipe.get(self.whole)?;
                Masker::Heatmaps(Box::new((classifier(&loaded)?, recipe)))
            }
        };
        files::create_folder(&self.out)?;
        let (size, batch) = (loaded.model.size, loaded.model.batch);
        let stems = stems(&found);
        let mut documents = Vec::new();
        for (paths, names) in found.chunks(batch).zip(stems.chunks(batch)) {
            interruption(|| format!("{} masks are written", documents.len()))?;
            let (images, prepared) = loaded.read(paths)?;
            let probabilities = match &mut masker {
                Masker::Network(segmenter) => {
                    let all: Vec<usize> = (0..images.len()).collect();
                    segmenter.probabilities(&prepared, &all)?
                }
                Masker::Heatmaps(heatmaps) => {
                    let (classifier, recipe) = &**heatmaps;
                    let greys: Vec<Grey> = images.iter().map(Colour::grey).collect();
                    let greys: Vec<&Grey> = greys.iter().collect();
                    let found = pseudo(&gpu, classifier, &greys, recipe, size)?;
                    found.into_iter().map(|pseudo| pseudo.belief).collect()
                }
            };
            for (index, (image, probability)) in images.iter().zip(&probabilities).enumerate() {
                let (width, height) = (image.width, image.height);
                let levels = resize_plane(probability, size, [height, width]);
                let inside = |p: &f32| if *p > self.threshold { 255 } else { 0 };
                let pixels: Vec<u8> = levels.iter().map(inside).collect();
                let count = pixels.iter().filter(|pixel| **pixel > 0).count();
                let mask = self.out.join(format!("{}.png", names[index]));
                Grey { width, height, pixels }.write(&mask)?;
                documents.push(serde_json::json!({
                    "image": paths[index], "mask": mask, "width": width, "height": height,
                    "mask_pixels": count, "share": count as f64 / (width * height) as f64,
                }));
            }
        }
        if global.json {
            return print_json(&documents);
        }
        let are = if documents.len() == 1 { "mask is" } else { "masks are" };
        print(&format!("{} {are} in {}\n", documents.len(), self.out.display()))
    }
}

/// A classifier whose second class is what is to be outlined.
fn classifier(loaded: &Loaded) -> Result<Saved> {
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
