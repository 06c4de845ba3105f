//! `parula cam`.

use std::path::PathBuf;

use clap::Args;

use super::network::{Source, stems};
use super::{Global, print, print_json};
use crate::cam::{Explainer, Request, find, npy};
use crate::data::{Class, Flips, Grey};
use crate::error::Result;
use crate::files;
use crate::train::interruption;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    parula cam --model compact-resnet --weights resnet.safetensors image.png --out maps")]
pub struct Cam {
    #[command(flatten)]
    source: Source,
    /// The method
    #[arg(long, default_value = "gradcam")]
    method: String,
    /// The layer whose feature maps are weighted; without it, the last before pooling
    #[arg(long)]
    layer: Option<String>,
    /// The class to explain: its number, from 0; of two classes 1 is abnormal
    #[arg(long, default_value_t = Class::Abnormal.index())]
    class: usize,
    /// Show what speaks against the class instead of what speaks for it
    #[arg(long)]
    against: bool,
    /// PNG images
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Where to write; for each image NAME.npy, the map at the layer's size, and NAME.png, 8-bit grey
    /// at the image's size
    #[arg(long)]
    out: PathBuf,
}

impl Cam {
    pub fn run(&self, global: &Global) -> Result<()> {
        let method = find(&self.method)?;
        let gpu = global.open()?;
        let loaded = self.source.load(&gpu, self.images.len())?;
        let (images, prepared) = loaded.read(&self.images)?;
        let largest = images.iter().map(|image| image.pixels.len()).max().unwrap_or(1);
        let sign = if self.against { -1.0 } else { 1.0 };
        let cam_layer = loaded.network.cam_layer;
        let layer = self.layer.as_deref().unwrap_or(cam_layer);
        let batch = loaded.model.batch;
        let mut explainer =
            Explainer::new(&gpu, loaded.model, &loaded.store, method, Some(layer), sign, largest)?;
        files::create_folder(&self.out)?;
        let stems = stems(&self.images);
        let mut documents = Vec::new();
        let indices: Vec<usize> = (0..images.len()).collect();
        for chunk in indices.chunks(batch) {
            interruption(|| {
                format!("{} of {} heatmaps were written", documents.len(), images.len())
            })?;
            let mut numbers = Vec::new();
            chunk.iter().for_each(|&index| prepared.copy(index, Flips::default(), &mut numbers));
            let requests: Vec<Request> = chunk
                .iter()
                .zip(numbers.chunks(prepared.image_len()))
                .map(|(&index, image)| Request {
                    image,
                    class: self.class,
                    size: [images[index].height, images[index].width],
                    mask: None,
                })
                .collect();
            for (&index, explanation) in chunk.iter().zip(explainer.explain(&requests)?) {
                let Grey { width, height, .. } = images[index];
                let raw = self.out.join(format!("{}.npy", stems[index]));
                let png = self.out.join(format!("{}.png", stems[index]));
                files::write(&raw, &npy(&explanation.map))?;
                Grey { width, height, pixels: explanation.heatmap }.write(&png)?;
                documents.push(serde_json::json!({
                    "image": self.images[index], "class": self.class, "method": method.name,
                    "layer": layer, "raw": raw, "png": png,
                }));
            }
        }
        if global.json {
            return print_json(&documents);
        }
        print(&format!("{} heatmaps are in {}\n", documents.len(), self.out.display()))
    }
}
